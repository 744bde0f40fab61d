//! What does it cost to wake somebody and to wait to be woken, in turn?
//!
//! Two tasks on a [`Court`], neither of which ever has more to do than the other waits for. A round is there and back: two wakes, and two
//! turns of tasks that have waited.

use super::spawn;
use filch_bench_common::clock::now;
use filch_bench_common::court::{Court, Side};
use std::sync::Arc;
use std::time::Duration;

pub(crate) async fn timed(rounds: usize) -> Duration {
    let court = Arc::new(Court::default());
    let begun = now();
    let second = spawn(second(Arc::clone(&court), rounds));
    let first = spawn(first(court, rounds));
    first.await;
    second.await;
    begun.elapsed()
}

async fn first(court: Arc<Court>, rounds: usize) {
    for _ in 0..rounds {
        court.exchange(Side::First).await;
    }
}

async fn second(court: Arc<Court>, rounds: usize) {
    court.turn_of(Side::Second).await;
    for _ in 1..rounds {
        court.exchange(Side::Second).await;
    }
    court.leave(Side::Second);
}
