//! What does a message cost that ten receive?
//!
//! Who publishes waits after each [`BURST`] until all ten say that they have it, through a channel; so nobody is left behind, and nothing lost. The waiting is in the time: ten
//! messages through a channel for each 64 that are published.

use super::{primitives, spawn};
use filch_bench_common::channel::{Receiver, Sender};
use filch_bench_common::clock::now;
use std::time::Duration;

const SUBSCRIBERS: usize = 10;
const BURST: usize = 64;
const ROOM: usize = 128;

pub(crate) async fn timed(messages: usize) -> Duration {
    let publisher = primitives::broadcast(ROOM);
    let (done, mut is_done) = primitives::bounded(SUBSCRIBERS);
    let begun = now();
    let subscribers: Vec<_> = (0..SUBSCRIBERS)
        .map(|_| {
            let (mut subscription, done) = (primitives::subscribe(&publisher), done.clone());
            spawn(async move {
                for message in 0..messages {
                    assert_eq!(primitives::next(&mut subscription).await, message);
                    if is_end_of_burst(message, messages) {
                        done.send(()).await;
                    }
                }
            })
        })
        .collect();
    for message in 0..messages {
        primitives::publish(&publisher, message).await;
        if is_end_of_burst(message, messages) {
            for _ in 0..SUBSCRIBERS {
                is_done.recv().await;
            }
        }
    }
    for subscriber in subscribers {
        subscriber.await;
    }
    begun.elapsed()
}

fn is_end_of_burst(message: usize, messages: usize) -> bool {
    message % BURST == BURST - 1 || message + 1 == messages
}
