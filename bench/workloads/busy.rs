//! What do coroutines cost that compute a little and know nothing of each other?
//!
//! The clock and the counting are those of `empty`; what each computes is a chain of multiplications, of which none can begin before
//! the last is done, so that the time goes by the processor's clock and not by its width.

use super::empty::until_counted;
use super::spawn;
use filch_bench_common::clock::now;
use filch_bench_common::counters;
use std::hint::black_box;
use std::time::Duration;

/// A step is a multiplication and an addition, 4 cycles: 1.3 us in all at 3 GHz. In the other languages too.
const STEPS: usize = 1000;

/// Knuth's generator (MMIX).
const FACTOR: u64 = 6_364_136_223_846_793_005;
const SUMMAND: u64 = 1_442_695_040_888_963_407;

async fn busy(seed: u64) {
    black_box((0..STEPS).fold(seed, |x, _| x.wrapping_mul(FACTOR).wrapping_add(SUMMAND)));
    counters::add_one();
}

pub(crate) async fn detached(tasks: usize) -> Duration {
    let goal = counters::sum() + tasks;
    let begun = now();
    for task in 0..tasks {
        spawn(busy(black_box(task as u64))).detach();
    }
    until_counted(goal).await;
    begun.elapsed()
}
