//! What does a wide tree of coroutines cost?
//!
//! Every node starts ten children, the last generation are the leaves and answer their number, and every other node answers the
//! sum of its children.
//!
//! # Source
//!
//! The benchmark "skynet" by Alexander Temerev; there the children answer through a channel, here through their handles.

use super::{Travels, spawn};
use filch_bench_common::clock::now;
use std::time::Duration;

const CHILDREN: u64 = 10;

/// With so many leaves, a power of ten.
pub(crate) async fn timed(leaves: usize) -> Duration {
    let leaves = leaves as u64;
    let begun = now();
    let sum = spawn(node(0, leaves)).await;
    let time = begun.elapsed();
    assert_eq!(sum, leaves * (leaves - 1) / 2, "the leaves add up");
    time
}

#[expect(
    clippy::manual_async_fn,
    reason = "a coroutine that starts its like has to say that it travels, which an async fn cannot"
)]
fn node(first: u64, leaves: u64) -> impl Future<Output = u64> + Travels {
    async move {
        if leaves == 1 {
            return first;
        }
        let each = leaves / CHILDREN;
        let children: [_; CHILDREN as usize] =
            std::array::from_fn(|child| spawn(node(first + child as u64 * each, each)));
        let mut sum = 0;
        for child in children {
            sum += child.await;
        }
        sum
    }
}
