//! What does it cost to wait for many tasks together?

use super::primitives;
use filch_bench_common::clock::now;
use std::time::Duration;

pub(crate) async fn join_set(tasks: usize) -> Duration {
    let begun = now();
    assert_eq!(primitives::join_set(tasks).await, sum(tasks));
    begun.elapsed()
}

pub(crate) async fn scope(tasks: usize) -> Duration {
    let begun = now();
    primitives::scope(tasks).await;
    begun.elapsed()
}

/// Of the numbers below.
fn sum(tasks: usize) -> usize {
    tasks * tasks.saturating_sub(1) / 2
}
