//! What do a million coroutines cost that sleep?

use super::empty::{Repeat, park};
use super::{Handle, Runtime, sleep, spawn};
use filch_bench_common::{counters, cpu};
use std::time::Duration;

/// The first coroutine sleeps 1 ms, the next one 2, and so on; then from the start.
const LONGEST_MS: u64 = 100;

/// How long whoever waits for all of them sleeps between two looks: to look all the time would use more processor than they do.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Longer than it takes to start them and to weigh them, by far.
const LONG: Duration = Duration::from_secs(3600);

/// The processor's time, and not the clock's, of which most is slept.
pub(crate) async fn cpu(tasks: usize) -> Duration {
    let goal = counters::sum() + tasks;
    let before = cpu::used();
    for task in 0..tasks {
        spawn(short(Duration::from_millis(1 + task as u64 % LONGEST_MS))).detach();
    }
    while counters::sum() != goal {
        sleep(LOOK_EVERY).await;
    }
    cpu::used() - before
}

async fn short(time: Duration) {
    sleep(time).await;
    counters::add_one();
}

/// Each repetition returns when all have begun to sleep.
pub(crate) fn parked(mut runtime: Runtime, tasks: usize) -> Repeat {
    Box::new(move || runtime.run(park(tasks, long, Handle::detach)))
}

async fn long() {
    counters::add_one();
    sleep(LONG).await;
}
