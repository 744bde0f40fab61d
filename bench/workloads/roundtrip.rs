//! How long until a thread that is no worker has the result of a task?
//!
//! It spawns the task and blocks, as everybody's threads do here (`filch_bench_common::block_on`). Rejected: a task that waits for another
//! one (`fib` is made of that), a channel to answer through (a handle is there anyway).

use super::Outside;
use filch_bench_common::block_on;
use filch_bench_common::clock::{block_for, now};
use std::time::Duration;

/// How long nothing happens before a round trip of an idle runtime: longer than any worker looks around before it sleeps.
const IDLE: Duration = Duration::from_millis(1);

/// One sample, as soon as it is asked for.
pub(crate) fn busy(outside: &Outside) -> Duration {
    let begun = now();
    block_on(outside.spawn(async {}));
    begun.elapsed()
}

/// One sample, after a time in which nothing has happened.
pub(crate) fn idle(outside: &Outside) -> Duration {
    block_for(IDLE);
    busy(outside)
}
