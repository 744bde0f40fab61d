//! Does every message of a channel from many to many arrive exactly once, whoever gives up on the way?
//!
//! On eight workers, with senders and receivers that wait, try, take many, block and are cut off at random. A wake-up that is lost is a hang, which the guard turns into a failure.

use filch::runtime::Builder;
use filch::sync::mpmc::error::{SendTimeoutError, TryRecvError, TrySendError};
use filch::sync::mpmc::{self, Receiver, Sender};
use filch::task::WaitReason;
use filch::time::{Duration, timeout};
use filch::{JoinHandle, Runtime, spawn_blocking, yield_now};
use filch_tests::drops::{Tally, Tracked};
use filch_tests::guard::within_reason;
use filch_tests::random::{Random, seed};
use filch_tests::stress_factor;
use futures_lite::StreamExt;
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

const WORKERS: usize = 8;
const SENDERS: usize = 6;
const RECEIVERS: usize = 6;
const EACH: usize = 2000;

fn runtime() -> Runtime {
    Builder::new()
        .worker_threads(WORKERS)
        .build()
        .expect("a runtime")
}

struct Message {
    sender: usize,
    number: usize,
    _own: Tracked,
}

/// Polls a future a few times and gives up, with yields in between, so that it is woken or not, looked at or not.
async fn give_up<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

async fn send_all(sender: Sender<Message>, own: usize, tally: Tally, mut random: Random) -> usize {
    let (mut sent, mut number) = (0, 0);
    while number < EACH {
        let mut message = || {
            number += 1;
            let _own = tally.track();
            Message {
                sender: own,
                number,
                _own,
            }
        };
        match random.below(8) {
            0 => match sender.try_send(message()) {
                Ok(()) => sent += 1,
                Err(TrySendError::Full(_)) => yield_now().await,
                Err(TrySendError::Closed(_)) => panic!("there are receivers"),
            },
            // Dropped in the middle: not sent, unless it was done.
            1 | 2 => {
                let done = give_up(sender.send(message()), 1 + random.below(3)).await;
                sent += usize::from(done.is_some_and(|result| result.is_ok()));
            }
            3 => {
                let few: Vec<_> = (0..random.below(50)).map(|_| message()).collect();
                sent += few.len();
                sender.send_many(few).await.expect("there are receivers");
            }
            4 => match sender
                .send_timeout(message(), Duration::from_millis(1))
                .await
            {
                Ok(()) => sent += 1,
                Err(SendTimeoutError::Timeout(_)) => {}
                Err(SendTimeoutError::Closed(_)) => panic!("there are receivers"),
            },
            5 if random.below(20) == 0 => {
                let (sender, message) = (sender.clone(), message());
                spawn_blocking(move || sender.blocking_send(message))
                    .await
                    .unwrap()
                    .unwrap();
                sent += 1;
            }
            _ => {
                sender.send(message()).await.expect("there are receivers");
                sent += 1;
            }
        }
    }
    sent
}

/// Which of each sender's messages it got, in its order.
async fn receive_all(
    receiver: Receiver<Message>,
    mut random: Random,
) -> HashMap<usize, Vec<usize>> {
    let mut all = HashMap::<usize, Vec<usize>>::new();
    let mut many = Vec::new();
    loop {
        match random.below(8) {
            0 => match receiver.try_recv() {
                Ok(message) => many.push(message),
                Err(TryRecvError::Empty) => yield_now().await,
                Err(TryRecvError::Closed) => break,
            },
            1 | 2 => match give_up(receiver.recv(), 1 + random.below(3)).await {
                Some(Ok(message)) => many.push(message),
                Some(Err(_)) => break,
                None => {}
            },
            3 => {
                if receiver.recv_many(&mut many, 1 + random.below(40)).await == 0 {
                    break;
                }
            }
            4 => match timeout(Duration::from_millis(1), receiver.recv()).await {
                Ok(Ok(message)) => many.push(message),
                Ok(Err(_)) => break,
                Err(_) => {}
            },
            5 if random.below(20) == 0 => {
                let receiver = receiver.clone();
                match spawn_blocking(move || receiver.blocking_recv())
                    .await
                    .unwrap()
                {
                    Ok(message) => many.push(message),
                    Err(_) => break,
                }
            }
            _ => match receiver.recv().await {
                Ok(message) => many.push(message),
                Err(_) => break,
            },
        }
        for message in many.drain(..) {
            all.entry(message.sender).or_default().push(message.number);
        }
    }
    all
}

#[test]
fn every_message_arrives_once_whoever_gives_up() {
    let mut random = Random::new(seed("every_message_arrives_once_whoever_gives_up"));
    for _ in 0..stress_factor() {
        for capacity in [1, 2, 3, 64] {
            let (mut of_senders, mut of_receivers) = (random.fork(), random.fork());
            let (sent, received) = within_reason(move || {
                let tally = Tally::new();
                let all = runtime().block_on(async {
                    let (sender, receiver) = mpmc::channel(capacity);
                    let sending: Vec<JoinHandle<usize>> = (0..SENDERS)
                        .map(|own| {
                            let random = of_senders.fork();
                            filch::spawn(send_all(sender.clone(), own, tally.clone(), random))
                        })
                        .collect();
                    let receiving: Vec<_> = (0..RECEIVERS)
                        .map(|_| filch::spawn(receive_all(receiver.clone(), of_receivers.fork())))
                        .collect();
                    drop((sender, receiver));
                    let mut sent = 0;
                    for task in sending {
                        sent += task.await.unwrap();
                    }
                    let mut received = Vec::new();
                    for task in receiving {
                        received.push(task.await.unwrap());
                    }
                    (sent, received)
                });
                tally.wait_until_all_gone();
                all
            });
            let mut numbers = Vec::new();
            for (sender, of_one) in received.into_iter().flatten() {
                assert!(of_one.is_sorted(), "of one sender at one receiver in order");
                numbers.extend(of_one.into_iter().map(|number| (sender, number)));
            }
            let count = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), count, "received twice");
            assert_eq!(count, sent, "sent and not received");
        }
    }
}

/// Receivers that go while messages come: what was sent was received, or dropped with the last of them.
#[test]
fn nothing_is_left_when_one_side_goes_at_any_time() {
    let mut random = Random::new(seed("nothing_is_left_when_one_side_goes_at_any_time"));
    for _ in 0..100 * stress_factor() {
        let (capacity, takes, closes) =
            (1 + random.below(4), random.below(50), random.below(2) == 0);
        within_reason(move || {
            let tally = Tally::new();
            runtime_of_two().block_on(async {
                let (sender, receiver) = mpmc::channel(capacity);
                let senders: Vec<_> = (0..3)
                    .map(|_| {
                        let (sender, tally) = (sender.clone(), tally.clone());
                        filch::spawn(
                            async move { while sender.send(tally.track()).await.is_ok() {} },
                        )
                    })
                    .collect();
                drop(sender);
                for _ in 0..takes {
                    receiver.recv().await.unwrap();
                }
                if closes {
                    receiver.close();
                    while receiver.recv().await.is_ok() {}
                }
                drop(receiver);
                for sender in senders {
                    sender.await.unwrap();
                }
            });
            tally.assert_all_gone();
        });
    }
}

fn runtime_of_two() -> Runtime {
    Builder::new().worker_threads(2).build().expect("a runtime")
}

#[test]
fn a_task_says_for_what_it_waits() {
    within_reason(|| {
        runtime_of_two().block_on(async {
            let (sender, receiver) = mpmc::channel(1);
            let receiving =
                filch::spawn(async move { receiver.recv().await.map(|n| (n, receiver)) });
            while receiving.wait_reason() != Some(WaitReason::Receive) {
                yield_now().await;
            }
            sender.send(1).await.unwrap();
            let (n, receiver) = receiving.await.unwrap().unwrap();
            assert_eq!(n, 1);
            sender.send(2).await.unwrap();
            let sending = filch::spawn(async move { sender.send(3).await });
            while sending.wait_reason() != Some(WaitReason::Send) {
                yield_now().await;
            }
            assert_eq!(receiver.into_stream().collect::<Vec<_>>().await, [2, 3]);
            sending.await.unwrap().unwrap();
        });
    });
}

/// With one worker: a task that always finds a message gives the others their turn.
#[test]
fn who_always_finds_something_does_not_keep_others_from_running() {
    within_reason(|| {
        let rt = Builder::new().worker_threads(1).build().unwrap();
        rt.block_on(async {
            filch::spawn(async {
                let (sender, receiver) = mpmc::channel(2);
                let talking = filch::spawn(async move {
                    loop {
                        sender.send(1).await.unwrap();
                        receiver.recv().await.unwrap();
                    }
                });
                for _ in 0..100 {
                    yield_now().await;
                }
                talking.abort();
                assert!(talking.await.is_err());
            })
            .await
            .unwrap();
        });
    });
}
