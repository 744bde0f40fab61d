//! What does a message cost?
//!
//! The funnel and the pinball have the shape that tachyobench has made known: 61 rigs at a time, of 13 senders and a receiver each, or of 13 tasks each of which passes
//! what it receives on to another one at random.

use super::{primitives, share, spawn};
use crate::runtime::Runtime;
use filch_bench_common::channel::{Receiver, Sender};
use filch_bench_common::clock::now;
use filch_bench_common::{Bench, Coordination, Room};
use std::time::Duration;

const RIGS: usize = 61;
const PINS: usize = 13;

/// What tells a pin to end, in the place of the number of pins that a ball has still to visit.
const END: u64 = u64::MAX;

pub(crate) fn bench(work: Coordination, mut runtime: Runtime, size: usize) -> Bench {
    match work {
        Coordination::Mpsc(senders, Room::For(room)) => {
            Box::new(move || runtime.run(mpsc(primitives::bounded(room), senders, size)))
        }
        Coordination::Mpsc(senders, Room::Unbounded) => {
            Box::new(move || runtime.run(mpsc(primitives::unbounded(), senders, size)))
        }
        Coordination::PingPongChannels => Box::new(move || runtime.run(ping_pong(size))),
        Coordination::Funnel(room) => Box::new(move || runtime.run(funnel(room, size))),
        Coordination::Pinball(balls) => Box::new(move || runtime.run(pinball(balls, size))),
        _ => unreachable!("it sends no messages through such a channel"),
    }
}

async fn mpsc(
    (sender, receiver): (impl Sender<u64>, impl Receiver<u64>),
    senders: usize,
    messages: usize,
) -> Duration {
    let begun = now();
    for task in 0..senders {
        spawn(send(sender.clone(), share(messages, task, senders))).detach();
    }
    drop(sender);
    assert_eq!(receive(receiver).await, messages);
    begun.elapsed()
}

async fn send(sender: impl Sender<u64>, messages: usize) {
    for message in 0..messages {
        sender.send(message as u64).await;
    }
}

/// Until there are no more; how many there were.
async fn receive(mut receiver: impl Receiver<u64>) -> usize {
    let mut messages = 0;
    while receiver.recv().await.is_some() {
        messages += 1;
    }
    messages
}

async fn ping_pong(rounds: usize) -> Duration {
    let (there, mut from_here) = primitives::bounded(1);
    let (back, mut from_there) = primitives::bounded(1);
    let begun = now();
    let other = spawn(async move {
        while let Some(number) = from_here.recv().await {
            back.send(number + 1).await;
        }
    });
    for round in 0..rounds {
        there.send(round).await;
        assert_eq!(from_there.recv().await, Some(round + 1));
    }
    drop(there);
    other.await;
    begun.elapsed()
}

async fn funnel(room: usize, messages: usize) -> Duration {
    let begun = now();
    let rigs: Vec<_> = (0..RIGS)
        .map(|rig| {
            let messages = share(messages, rig, RIGS);
            let (sender, receiver) = primitives::bounded(room);
            for pin in 0..PINS {
                spawn(send(sender.clone(), share(messages, pin, PINS))).detach();
            }
            (spawn(receive(receiver)), messages)
        })
        .collect();
    for (rig, messages) in rigs {
        assert_eq!(rig.await, messages);
    }
    begun.elapsed()
}

async fn pinball(balls: usize, visits: usize) -> Duration {
    let visits = (visits / (RIGS * balls)).max(1) as u64;
    let begun = now();
    let (done, mut is_done) = primitives::bounded(RIGS * balls);
    let mut pins = Vec::with_capacity(RIGS * PINS);
    let mut ends = Vec::with_capacity(RIGS * PINS);
    for _ in 0..RIGS {
        // One more than the balls, for the word to end.
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..PINS).map(|_| primitives::bounded(balls + 1)).unzip();
        for (pin, receiver) in receivers.into_iter().enumerate() {
            pins.push(spawn(pass_on(pin, receiver, senders.clone(), done.clone())));
        }
        for ball in 0..balls {
            senders[ball % PINS].send(visits).await;
        }
        ends.extend(senders);
    }
    for _ in 0..RIGS * balls {
        is_done.recv().await;
    }
    for pin in &ends {
        pin.send(END).await;
    }
    for pin in pins {
        pin.await;
    }
    begun.elapsed()
}

async fn pass_on(
    pin: usize,
    mut receiver: impl Receiver<u64>,
    senders: Vec<impl Sender<u64>>,
    done: impl Sender<u64>,
) {
    let mut random = pin as u64 + 1;
    while let Some(visits) = receiver.recv().await {
        match visits {
            END => return,
            0 => done.send(0).await,
            _ => senders[another(pin, &mut random)].send(visits - 1).await,
        }
    }
}

/// Any pin but this one.
fn another(pin: usize, random: &mut u64) -> usize {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    let step = 1 + (*random >> 33) as usize % (PINS - 1);
    (pin + step) % PINS
}
