//! Is each task taken once, in the order of its lane; and does a promise leave nothing behind? Under the lock all is in order: what is tried here is the
//! `len` and the `used` that are read without it. Who sleeps over what is tried by the models of `idle`, which run lanes too.

use super::*;
use crate::sys::sync::{Arc, thread};

fn open(workers: usize) -> Arc<Lanes<usize, ()>> {
    let lanes = Lanes::new(workers);
    lanes.open(|| ());
    Arc::new(lanes)
}

fn push(lanes: &Lanes<usize, ()>, lane: usize, value: usize) {
    let pushed = lanes.push(lane, |tasks, ()| tasks.push(value));
    assert!(pushed.is_some());
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(model);
}

/// Takes until there seems to be nothing, and the promises are taken back.
fn drain(lanes: &Lanes<usize, ()>, soon: usize) -> Vec<usize> {
    let (mut round, mut block, mut all) = (Round::new(0), new_block(), Vec::new());
    while lanes.take(&mut round, soon, &mut block).is_some() {
        all.append(&mut block);
    }
    assert!(
        !round.has_promised(),
        "who finds nothing has promised nothing"
    );
    all
}

#[test]
fn loom_lanes_keep_order_and_lose_nothing() {
    check(3, || {
        let lanes = open(1);
        let producer = {
            let lanes = lanes.clone();
            thread::spawn(move || {
                (1..=3).for_each(|n| push(&lanes, 0, n));
            })
        };
        let mut taken = drain(&lanes, 1);
        producer.join().unwrap();
        taken.extend(drain(&lanes, 0));
        assert_eq!(taken, [1, 2, 3]);
    });
}

#[test]
fn loom_lanes_give_each_task_to_one_worker() {
    check(2, || {
        let lanes = open(2);
        let worker = {
            let lanes = lanes.clone();
            thread::spawn(move || drain(&lanes, 1))
        };
        (1..=2).for_each(|n| push(&lanes, n, n));
        let mut taken = drain(&lanes, 1);
        taken.extend(worker.join().unwrap());
        taken.extend(drain(&lanes, 0));
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
    });
}
