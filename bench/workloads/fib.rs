//! What does it cost to fork and join recursively?
//!
//! Each call of the naive recursion is a task, and its caller awaits it: one spawn and one await per call, next to no work in it.

use super::{Travels, spawn};
use filch_bench_common::clock::now;
use std::time::Duration;

pub(crate) async fn timed(n: usize) -> Duration {
    let begun = now();
    let found = spawn(fib(n as u64)).await;
    let time = begun.elapsed();
    assert_eq!(found, expected(n), "the coroutines add up");
    time
}

#[expect(
    clippy::manual_async_fn,
    reason = "a coroutine that starts its like has to say that it travels, which an async fn cannot"
)]
fn fib(n: u64) -> impl Future<Output = u64> + Travels {
    async move {
        if n < 2 {
            return n;
        }
        let one = spawn(fib(n - 1));
        let other = spawn(fib(n - 2));
        one.await + other.await
    }
}

fn expected(n: usize) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}
