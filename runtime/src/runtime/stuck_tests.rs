//! Does the sentinel's record say what has happened? (What no program sees yet.)

use super::{Builder, Runtime};
use crate::sched::stuck::{LONG_POLL, Snapshot, StuckIn};
use crate::sys::sync::thread;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

fn runtime(workers: usize, spares: usize) -> Runtime {
    let builder = Builder::new().worker_threads(workers);
    builder.max_spare_workers(spares).build().unwrap()
}

fn snapshot(rt: &Runtime) -> Snapshot {
    rt.handle().inner().sched.snapshot()
}

/// Asks until it is so. A test that hangs has failed.
fn until(rt: &Runtime, is_so: impl Fn(&Snapshot) -> bool) -> Snapshot {
    loop {
        let snapshot = snapshot(rt);
        if is_so(&snapshot) {
            return snapshot;
        }
        thread::yield_now();
    }
}

fn long_polls(snapshot: &Snapshot) -> u64 {
    snapshot
        .workers
        .iter()
        .map(|worker| worker.long_polls)
        .sum()
}

async fn block_for_news(news: Receiver<()>) {
    let _ = news.recv();
}

#[test]
fn a_poll_that_is_long_is_counted_and_named_while_it_lasts() {
    let rt = runtime(1, 0);
    let (send, receive) = channel();
    let task = rt.spawn(block_for_news(receive));
    let during = until(&rt, |snapshot| snapshot.workers[0].now.is_some());
    let StuckIn {
        task: name,
        location,
        so_far,
    } = during.workers[0].now.unwrap();
    assert!(name.unwrap().contains("block_for_news"), "{name:?}");
    assert_eq!(location.unwrap().file(), file!());
    assert!(so_far >= LONG_POLL);
    assert!(!during.workers[0].is_spare);
    until(&rt, |snapshot| snapshot.workers[0].longest > so_far);
    drop(send);
    rt.block_on(task).unwrap();
    let after = until(&rt, |snapshot| snapshot.workers[0].now.is_none());
    let worker = &after.workers[0];
    assert_eq!(worker.long_polls, 1);
    assert!(worker.longest > so_far && worker.total == worker.longest);
    assert_eq!(after.spares_started + after.spares_failed, 0);
    assert_eq!((after.spares_working, after.spares_max), (0, 0));
}

#[test]
fn spares_are_counted() {
    let rt = runtime(2, 3);
    let mut senders = Vec::new();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let (send, receive) = channel();
        senders.push(send);
        tasks.push(rt.spawn(block_for_news(receive)));
    }
    let during = until(&rt, |snapshot| long_polls(snapshot) == 4);
    assert!(during.spares_working >= 2 && during.spares_started >= 2);
    assert_eq!(during.spares_max, 3);
    assert!(during.workers.len() >= 4 && during.workers[2].is_spare);
    senders.clear();
    tasks
        .into_iter()
        .for_each(|task| rt.block_on(task).unwrap());
    until(&rt, |snapshot| snapshot.spares_working == 0);
}

/// Whether a spare has parked or gone away meanwhile, it is the same that comes back, with the tasks that were spawned on it.
#[test]
fn the_same_spare_comes_back() {
    let rt = runtime(1, 1);
    let witness = std::sync::Arc::new(());
    let (mut called, mut started_again) = (false, false);
    while !(called && started_again) {
        let before = snapshot(&rt);
        let (send, receive) = channel();
        let (begun, has_begun) = channel();
        let task = rt.spawn(async move {
            begun.send(()).unwrap();
            block_for_news(receive).await;
        });
        has_begun.recv().unwrap();
        let own = witness.clone();
        let spawned = rt.spawn(async move {
            // Its memory is the spare's.
            crate::spawn(async move {
                std::future::pending::<()>().await;
                drop(own);
            })
            .detach();
        });
        rt.block_on(spawned).unwrap();
        drop(send);
        rt.block_on(task).unwrap();
        let after = until(&rt, |snapshot| snapshot.spares_working == 0);
        assert_eq!(after.workers.len(), 2, "the worker and one spare");
        called |= after.spares_called > before.spares_called;
        started_again |= before.spares_started > 0 && after.spares_started > before.spares_started;
        // Once for longer than it is kept, once not.
        if called && !started_again {
            rt.block_on(crate::time::sleep(Duration::from_millis(40)));
        }
    }
    assert!(std::sync::Arc::strong_count(&witness) > 2);
    drop(rt);
    assert_eq!(std::sync::Arc::strong_count(&witness), 1);
}

/// The child stands in the slot of the only worker, from where nobody but the sentinel takes it.
#[test]
fn a_task_that_is_rescued_is_counted() {
    let rt = runtime(1, 1);
    let parent = rt.spawn(async {
        let (send, receive) = channel();
        crate::spawn(async move { send.send(7).unwrap() }).detach();
        receive.recv()
    });
    assert_eq!(rt.block_on(parent).unwrap(), Ok(7));
    assert_eq!(snapshot(&rt).tasks_rescued, 1);
}

/// The timer stands in the wheel of the only worker, and who waits for it is no task.
#[test]
fn an_event_that_is_rescued_is_counted() {
    let rt = runtime(1, 0);
    let (send, receive) = channel();
    let (tell, told) = channel();
    let task = rt.spawn(async move {
        tell.send(()).unwrap();
        block_for_news(receive).await;
    });
    told.recv().unwrap();
    rt.block_on(crate::time::sleep(Duration::from_millis(1)));
    assert_eq!(snapshot(&rt).events_rescued, 1);
    drop(send);
    rt.block_on(task).unwrap();
}
