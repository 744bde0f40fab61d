//! What does it cost to tell of a new value?
//!
//! Two tasks, each of which sets a value of its own when the other's has changed: a round is two changes.

use super::{primitives, spawn};
use filch_bench_common::clock::now;
use std::time::Duration;

pub(crate) async fn timed(rounds: usize) -> Duration {
    let (here, mut seen_there) = primitives::watch();
    let (there, mut seen_here) = primitives::watch();
    let begun = now();
    let other = spawn(async move {
        for round in 1..=rounds {
            assert_eq!(primitives::changed(&mut seen_there).await, round);
            primitives::set(&there, round);
        }
    });
    for round in 1..=rounds {
        primitives::set(&here, round);
        assert_eq!(primitives::changed(&mut seen_here).await, round);
    }
    other.await;
    begun.elapsed()
}
