//! What do coroutines cost that compute a little and know nothing of each other?
//!
//! The clock and the counting are those of `empty`.

use super::empty::until_counted;
use super::spawn;
use filch_bench_common::busy::compute;
use filch_bench_common::clock::now;
use filch_bench_common::counters;
use std::time::Duration;

async fn busy(seed: usize) {
    compute(seed);
    counters::add_one();
}

pub(crate) async fn detached(tasks: usize) -> Duration {
    let goal = counters::sum() + tasks;
    let begun = now();
    for task in 0..tasks {
        spawn(busy(task)).detach();
    }
    until_counted(goal).await;
    begun.elapsed()
}
