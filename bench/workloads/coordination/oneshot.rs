//! What does it cost to hand over one value?

use super::{primitives, spawn};
use filch_bench_common::channel::{Receiver, Sender};
use filch_bench_common::clock::now;
use std::time::Duration;

/// How many questions may wait for whoever answers.
const ROOM: usize = 128;

/// A channel is made, used, and dropped by one task.
pub(crate) async fn alone(values: usize) -> Duration {
    let begun = now();
    for value in 0..values {
        let (send, received) = primitives::oneshot();
        send(value);
        assert_eq!(received.await, value);
    }
    begun.elapsed()
}

/// A question through a channel that stays, its answer through one of its own.
pub(crate) async fn reply(questions: usize) -> Duration {
    let (ask, mut asked) = primitives::bounded(ROOM);
    let begun = now();
    let answering = spawn(async move {
        while let Some((question, answer)) = asked.recv().await {
            answer_with(answer, question);
        }
    });
    for question in 0..questions {
        let (answer, answered) = primitives::oneshot();
        ask.send((question, answer)).await;
        assert_eq!(answered.await, question + 1);
    }
    drop(ask);
    answering.await;
    begun.elapsed()
}

fn answer_with(answer: impl FnOnce(usize), question: usize) {
    answer(question + 1);
}
