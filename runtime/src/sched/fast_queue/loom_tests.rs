//! Every interleaving of an owner and thieves, with blocks of two slots.

use super::*;
use crate::sys::sync::{UnsafeCell, thread};

/// A task: what its spawner wrote is seen by whoever takes it, and nobody else takes it.
struct Task {
    written: UnsafeCell<usize>,
}

/// The numbers of tasks, as they come out.
type Taken = Vec<usize>;

fn push(owner: &Owner<Task>, number: usize) {
    let task = Box::new(Task {
        written: UnsafeCell::new(0),
    });
    // SAFETY: nobody else has it yet.
    task.written
        .with_mut(|written| unsafe { *written = number });
    owner.push(NonNull::from(Box::leak(task)));
}

fn take(taken: &mut Taken, task: Option<NonNull<Task>>) -> bool {
    let Some(task) = task else {
        return false;
    };
    // SAFETY: from `push`; that it comes out once is what the models are about, and loom sees a second use.
    let task = unsafe { Box::from_raw(task.as_ptr()) };
    // SAFETY: it is ours.
    taken.push(task.written.with(|written| unsafe { *written }));
    true
}

fn take_all(taken: &mut Taken, owner: &Owner<Task>) {
    while take(taken, owner.pop()) {}
}

fn check(
    thieves: usize,
    begin: usize,
    owner: impl Fn(&Owner<Task>, &mut Taken) + Send + Sync + 'static,
    pushed: usize,
) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound.get_or_insert(3);
    model.check(move || {
        let (victim, queue) = new_at::<Task>(begin);
        let thieves: Vec<_> = (0..thieves)
            .map(|_| {
                let queue = queue.clone();
                thread::spawn(move || {
                    let mut taken = Taken::new();
                    let (own, _loot) = new_at::<Task>(0);
                    take(&mut taken, queue.steal_into(&own, usize::MAX));
                    take_all(&mut taken, &own);
                    taken
                })
            })
            .collect();
        let mut taken = Taken::new();
        owner(&victim, &mut taken);
        for thief in thieves {
            taken.extend(thief.join().unwrap());
        }
        take_all(&mut taken, &victim);
        taken.sort_unstable();
        assert_eq!(taken, (1..=pushed).collect::<Vec<_>>());
    });
}

/// The owner pops one of three while a thief takes half.
#[test]
fn loom_queue_one_thief() {
    check(
        1,
        0,
        |owner, taken| {
            (1..=3).for_each(|n| push(owner, n));
            take(taken, owner.pop());
            take(taken, owner.pop());
        },
        3,
    );
}

/// Blocks are left, and used again, around a theft; the positions wrap.
#[test]
fn loom_queue_blocks_come_back() {
    check(
        1,
        0usize.wrapping_sub(BLOCK_SLOTS),
        |owner, taken| {
            (1..=3).for_each(|n| push(owner, n));
            take_all(taken, owner);
            (4..=6).for_each(|n| push(owner, n));
            take(taken, owner.pop());
        },
        6,
    );
}

#[test]
fn loom_queue_two_thieves() {
    check(
        2,
        0,
        |owner, taken| {
            (1..=3).for_each(|n| push(owner, n));
            take(taken, owner.pop());
        },
        3,
    );
}

/// The last task is wanted by both.
#[test]
fn loom_queue_last_task() {
    check(
        2,
        0,
        |owner, taken| {
            push(owner, 1);
            take(taken, owner.pop());
            push(owner, 2);
            take(taken, owner.pop());
        },
        2,
    );
}

/// Owner and thieves at both ends, with a slot that is used again.
#[test]
fn loom_queue_newest() {
    check(
        1,
        0,
        |owner, taken| {
            (1..=2).for_each(|n| push(owner, n));
            take(taken, owner.pop_newest());
            push(owner, 3);
            take(taken, owner.pop());
            take(taken, owner.pop_newest());
        },
        3,
    );
}

/// The last task is wanted by both, from both ends.
#[test]
fn loom_queue_newest_is_last() {
    check(
        2,
        0,
        |owner, taken| {
            push(owner, 1);
            take(taken, owner.pop_newest());
            push(owner, 2);
            take(taken, owner.pop_newest());
        },
        2,
    );
}

/// Behind the end of a block, where the newest is left to [`Owner::pop`].
#[test]
fn loom_queue_newest_in_next_block() {
    check(
        1,
        0usize.wrapping_sub(BLOCK_SLOTS),
        |owner, taken| {
            (1..=3).for_each(|n| push(owner, n));
            take(taken, owner.pop_newest());
            assert!(owner.pop_newest().is_none());
            push(owner, 4);
            take(taken, owner.pop_newest());
        },
        4,
    );
}

/// What was stolen can be stolen again, from the thief.
#[test]
fn loom_queue_stolen_again() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound.get_or_insert(3);
    model.check(|| {
        let (victim, queue) = new_at::<Task>(0);
        let (own, loot) = new_at::<Task>(0);
        (1..=3).for_each(|n| push(&victim, n));
        let first = thread::spawn(move || {
            let mut taken = Taken::new();
            take(&mut taken, queue.steal_into(&own, usize::MAX));
            take_all(&mut taken, &own);
            taken
        });
        let second = thread::spawn(move || {
            let mut taken = Taken::new();
            let (own, _) = new_at::<Task>(0);
            take(&mut taken, loot.steal_into(&own, usize::MAX));
            take_all(&mut taken, &own);
            taken
        });
        let mut taken = Taken::new();
        take_all(&mut taken, &victim);
        taken.extend(first.join().unwrap());
        taken.extend(second.join().unwrap());
        taken.sort_unstable();
        assert_eq!(taken, [1, 2, 3]);
    });
}
