//! What does a message cost that any of several may receive?

use super::{primitives, share, spawn};
use filch_bench_common::channel::{Receiver, Sender};
use filch_bench_common::clock::now;
use std::time::Duration;

const TASKS: usize = 4;
const ROOM: usize = 128;

pub(crate) async fn timed(messages: usize) -> Duration {
    let (sender, receiver) = primitives::shared(ROOM);
    let begun = now();
    for task in 0..TASKS {
        spawn(send(sender.clone(), share(messages, task, TASKS))).detach();
    }
    drop(sender);
    let receivers: Vec<_> = (0..TASKS)
        .map(|_| spawn(receive(receiver.clone())))
        .collect();
    drop(receiver);
    let mut received = 0;
    for task in receivers {
        received += task.await;
    }
    assert_eq!(received, messages);
    begun.elapsed()
}

async fn send(sender: impl Sender<usize>, messages: usize) {
    for message in 0..messages {
        sender.send(message).await;
    }
}

async fn receive(mut receiver: impl Receiver<usize>) -> usize {
    let mut messages = 0;
    while receiver.recv().await.is_some() {
        messages += 1;
    }
    messages
}
