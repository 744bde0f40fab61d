//! Does every receiver of a broadcast channel get each message, or learn that it has lost it?
//!
//! On eight workers, with receivers that come and go, are slow, give up waiting and block. A wake-up that is lost is a hang, which the guard turns into a failure.

use filch::sync::broadcast::error::{RecvError, TryRecvError};
use filch::sync::broadcast::{self, Receiver, Sender};
use filch::task::WaitReason;
use filch::{spawn_blocking, yield_now};
use filch_tests::drops::{Tally, Tracked};
use filch_tests::guard::within_reason;
use filch_tests::random::{Random, seed};
use filch_tests::runtime;
use filch_tests::stress_factor;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

const WORKERS: usize = 8;
const SENDERS: usize = 3;
const RECEIVERS: usize = 6;
const EACH: usize = 2000;

/// Each clone is an allocation of its own, so that one that is read after its end is seen by the sanitizers.
#[derive(Clone)]
struct Message {
    sender: usize,
    number: Box<usize>,
    _own: Arc<Tracked>,
}

async fn send_all(sender: Sender<Message>, own: usize, tally: Tally, mut random: Random) {
    for number in 0..EACH {
        let message = Message {
            sender: own,
            number: Box::new(number),
            _own: Arc::new(tally.track()),
        };
        assert!(sender.send(message).is_ok(), "there are receivers");
        if random.below(4) == 0 {
            yield_now().await;
        }
    }
}

/// Receives to the end; returns what was received and lost.
async fn receive_all(mut receiver: Receiver<Message>, mut random: Random) -> u64 {
    let mut last = [None; SENDERS];
    let mut count = 0;
    loop {
        let received = match random.below(8) {
            0 => match receiver.try_recv() {
                Err(TryRecvError::Empty) => {
                    yield_now().await;
                    continue;
                }
                Ok(message) => Ok(message),
                Err(TryRecvError::Lagged(lost)) => Err(RecvError::Lagged(lost)),
                Err(TryRecvError::Closed) => Err(RecvError::Closed),
            },
            // Given up: nothing was received.
            1 | 2 => {
                let mut wait = pin!(receiver.recv());
                let polled = poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx))).await;
                match polled {
                    Poll::Ready(received) => received,
                    Poll::Pending => {
                        yield_now().await;
                        continue;
                    }
                }
            }
            3 if random.below(20) == 0 => {
                let blocking = spawn_blocking(move || (receiver.blocking_recv(), receiver));
                let (received, back) = blocking.await.unwrap();
                receiver = back;
                received
            }
            4 => {
                yield_now().await;
                continue;
            }
            _ => receiver.recv().await,
        };
        match received {
            Ok(message) => {
                let last = &mut last[message.sender];
                assert!(*last < Some(*message.number), "of one sender in order");
                *last = Some(*message.number);
                count += 1;
            }
            Err(RecvError::Lagged(lost)) => count += lost,
            Err(RecvError::Closed) => return count,
        }
    }
}

#[test]
fn every_receiver_gets_or_loses_each_message_once() {
    let mut random = Random::new(seed("every_receiver_gets_or_loses_each_message_once"));
    for _ in 0..stress_factor() {
        for capacity in [1, 2, 64, 8192] {
            let mut random = random.fork();
            let counts = within_reason(move || {
                let tally = Tally::new();
                let counts = runtime(WORKERS).block_on(async {
                    let (sender, receiver) = broadcast::channel(capacity);
                    let receiving: Vec<_> = (0..RECEIVERS)
                        .map(|_| filch::spawn(receive_all(receiver.resubscribe(), random.fork())))
                        .collect();
                    let sending: Vec<_> = (0..SENDERS)
                        .map(|own| {
                            let random = random.fork();
                            filch::spawn(send_all(sender.clone(), own, tally.clone(), random))
                        })
                        .collect();
                    drop(receiver);
                    // Others come and go meanwhile.
                    while sender.strong_count() > 1 {
                        let mut passing = sender.subscribe();
                        yield_now().await;
                        let _ = passing.try_recv();
                    }
                    drop(sender);
                    for task in sending {
                        task.await.unwrap();
                    }
                    let mut counts = Vec::new();
                    for task in receiving {
                        counts.push(task.await.unwrap());
                    }
                    counts
                });
                tally.wait_until_all_gone();
                counts
            });
            for count in counts {
                assert_eq!(count, (SENDERS * EACH) as u64, "received or lost");
            }
        }
    }
}

#[test]
fn a_task_says_for_what_it_waits() {
    within_reason(|| {
        runtime(2).block_on(async {
            let (sender, mut receiver) = broadcast::channel(1);
            let receiving = filch::spawn(async move { receiver.recv().await });
            while receiving.wait_reason() != Some(WaitReason::Broadcast) {
                yield_now().await;
            }
            sender.send(1).unwrap();
            assert_eq!(receiving.await.unwrap(), Ok(1));
            let receiver = sender.subscribe();
            let closing = filch::spawn(async move { sender.closed().await });
            while closing.wait_reason() != Some(WaitReason::Closed) {
                yield_now().await;
            }
            drop(receiver);
            closing.await.unwrap();
        });
    });
}
