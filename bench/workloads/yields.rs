//! What does it cost to give up the turn?

use super::{spawn, yield_now};
use filch_bench_common::clock::now;
use std::time::Duration;

/// How many tasks take turns in [`each`].
pub(super) const TASKS: usize = 1000;

/// One task, so that it is its own successor.
pub(crate) async fn one(yields: usize) -> Duration {
    let begun = now();
    several(yields).await;
    begun.elapsed()
}

/// [`TASKS`] tasks; the first ones have them by one more if they do not divide evenly. Starting and joining them is in the time: one
/// in a thousand, with a thousand yields each.
pub(crate) async fn each(yields: usize) -> Duration {
    let begun = now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| spawn(several(share(yields, task))))
        .collect();
    for task in tasks {
        task.await;
    }
    begun.elapsed()
}

/// How many of them are a task's, if [`TASKS`] share them.
pub(super) fn share(all: usize, task: usize) -> usize {
    (all + TASKS - 1 - task) / TASKS
}

async fn several(yields: usize) {
    for _ in 0..yields {
        yield_now().await;
    }
}
