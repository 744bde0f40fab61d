//! What does it cost to begin a sleep and to let it go?
//!
//! As around everything that has a deadline and meets it. Each sleep is polled once, which is when most runtimes take note of it, and
//! dropped. Every [`AT_ONCE`] the task gives up its turn, so that who clears up later gets to it.

use super::{sleep, yield_now};
use filch_bench_common::clock::now;
use std::future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// The deadlines are 1 ms, 2 ms, up to this, and from the start; so they are not all in one slot of a wheel.
const LONGEST_MS: u64 = 1000;

const AT_ONCE: usize = 1000;

pub(crate) async fn timed(times: usize) -> Duration {
    let begun = now();
    for left in (0..times).rev() {
        let time = Duration::from_millis(1 + left as u64 % LONGEST_MS);
        begin_and_drop(time).await;
        if left % AT_ONCE == 0 {
            yield_now().await;
        }
    }
    begun.elapsed()
}

async fn begin_and_drop(time: Duration) {
    let mut sleep = pin!(sleep(time));
    future::poll_fn(|cx| {
        // Where the processor is taken away for that long it is complete already; it has been polled just the same.
        let _ = sleep.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}
