//! Does each message come once and in order, whoever waits or gives up?
//!
//! Random programs of many senders, on several workers and on threads, with permits, batches, sends that are given up, and receivers that end early. A wake-up that is lost
//! is a hang, which the guard turns into a failure. `FILCH_SEED` and `FILCH_STRESS` as usual.

use filch::runtime::simulate;
use filch::sync::mpsc::{self, Receiver, Sender, error::SendTimeoutError};
use filch::time::{sleep, timeout};
use filch_tests::drops::{Tally, Tracked};
use filch_tests::guard::within_reason;
use filch_tests::random::{Random, seed};
use filch_tests::runtime;
use filch_tests::stress_factor;
use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const SENDERS: usize = 8;
const MESSAGES: usize = 2000;

/// Who sent it, its number there, and its drop.
type Message = (usize, usize, Tracked);

/// Polls once, and gives up.
fn give_up<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Sends so many, in one of many ways each; returns how many were accepted. Those come in order.
async fn send_all(sender: Sender<Message>, who: usize, tally: Tally, mut random: Random) -> usize {
    let mut number = 0;
    while number < MESSAGES {
        let message = (who, number, tally.track());
        let is_sent = match random.below(10) {
            0 => sender.try_send(message).is_ok(),
            1 => give_up(sender.send(message)).is_some_and(|sent| sent.is_ok()),
            2 => match sender
                .send_timeout(message, Duration::from_micros(200))
                .await
            {
                Ok(()) => true,
                Err(SendTimeoutError::Timeout(_)) => false,
                Err(SendTimeoutError::Closed(_)) => return number,
            },
            3 => match sender.reserve().await {
                Ok(permit) if random.below(2) == 0 => {
                    permit.send(message);
                    true
                }
                Ok(_given_up) => false,
                Err(_) => return number,
            },
            4 => {
                let some = random.below(sender.max_capacity().min(4)) + 1;
                let permits =
                    match timeout(Duration::from_millis(1), sender.reserve_many(some)).await {
                        Ok(Ok(permits)) => permits,
                        Ok(Err(_)) => return number,
                        Err(_) => continue,
                    };
                for permit in permits.take(random.below(some + 1)) {
                    permit.send((who, number, tally.track()));
                    number += 1;
                }
                false
            }
            5 => {
                let some = random.below(60);
                let mut batch = (number..number + some)
                    .map(|number| (who, number, tally.track()))
                    .collect::<Vec<_>>()
                    .into_iter();
                let sending = timeout(Duration::from_micros(500), sender.send_many(batch.by_ref()));
                let is_closed = matches!(sending.await, Ok(Err(_)));
                number += some - batch.len();
                if is_closed {
                    return number;
                }
                false
            }
            6 => match sender.clone().reserve_owned().await {
                Ok(permit) => {
                    drop(permit.send(message));
                    true
                }
                Err(_) => return number,
            },
            _ => match sender.send(message).await {
                Ok(()) => true,
                Err(_) => return number,
            },
        };
        number += usize::from(is_sent);
        if sender.is_closed() {
            return number;
        }
        if random.below(50) == 0 {
            filch::yield_now().await;
        }
    }
    number
}

/// Receives in one of many ways each, `limit` at most; returns how many of each sender.
async fn receive_all(
    mut receiver: Receiver<Message>,
    limit: usize,
    mut random: Random,
) -> HashMap<usize, usize> {
    let mut next = HashMap::new();
    let mut messages = Vec::new();
    let mut received = 0;
    while received < limit {
        match random.below(6) {
            0 => messages.extend(receiver.try_recv().ok()),
            1 => messages.extend(give_up(receiver.recv()).flatten()),
            2 => {
                let some = random.below(40) + 1;
                if receiver.recv_many(&mut messages, some).await == 0 {
                    break;
                }
            }
            3 if random.below(20) == 0 => sleep(Duration::from_micros(300)).await,
            _ => match receiver.recv().await {
                Some(message) => messages.push(message),
                None => break,
            },
        }
        received += messages.len();
        for (who, number, _tracked) in messages.drain(..) {
            let expected = next.entry(who).or_default();
            assert_eq!(number, *expected, "of sender {who}");
            *expected += 1;
        }
    }
    next
}

fn a_program(capacity: usize, limit: usize, random: &mut Random) {
    let tally = Tally::new();
    let runtime = runtime(4);
    let (sender, receiver) = mpsc::channel(capacity);
    runtime.block_on(async {
        let senders: Vec<_> = (0..SENDERS)
            .map(|who| filch::spawn(send_all(sender.clone(), who, tally.clone(), random.fork())))
            .collect();
        let weak = sender.downgrade();
        drop(sender);
        let received = filch::spawn(receive_all(receiver, limit, random.fork()))
            .await
            .unwrap();
        for (who, sender) in senders.into_iter().enumerate() {
            let sent = sender.await.unwrap();
            let received = received.get(&who).copied().unwrap_or_default();
            if limit == usize::MAX {
                assert_eq!(received, sent, "of sender {who}");
            } else {
                assert!(received <= sent, "of sender {who}");
            }
        }
        assert!(weak.upgrade().is_none());
    });
    drop(runtime);
    tally.assert_all_gone();
}

#[test]
fn each_message_comes_once_and_in_order() {
    let mut random = Random::new(seed("each_message_comes_once_and_in_order"));
    within_reason(move || {
        for _ in 0..stress_factor() {
            for capacity in [1, 2, 7, 64, 128, 1000] {
                a_program(capacity, usize::MAX, &mut random);
            }
        }
    });
}

#[test]
fn a_receiver_may_end_at_any_time() {
    let mut random = Random::new(seed("a_receiver_may_end_at_any_time"));
    within_reason(move || {
        for _ in 0..20 * stress_factor() {
            let capacity = [1, 3, 64, 200][random.below(4)];
            let limit = random.below(2000);
            a_program(capacity, limit, &mut random);
        }
    });
}

#[test]
fn tasks_are_aborted_while_they_send() {
    let mut random = Random::new(seed("tasks_are_aborted_while_they_send"));
    within_reason(move || {
        let tally = Tally::new();
        let runtime = runtime(4);
        runtime.block_on(async {
            for _ in 0..20 * stress_factor() {
                let (sender, receiver) = mpsc::channel(2);
                let senders: Vec<_> = (0..SENDERS)
                    .map(|who| {
                        filch::spawn(send_all(sender.clone(), who, tally.clone(), random.fork()))
                    })
                    .collect();
                drop(sender);
                let receiving = filch::spawn(receive_all(receiver, usize::MAX, random.fork()));
                for sender in senders {
                    sender.abort();
                    for _ in 0..random.below(3) {
                        filch::yield_now().await;
                    }
                }
                receiving.await.unwrap();
            }
        });
        drop(runtime);
        tally.assert_all_gone();
    });
}

#[test]
fn unbounded_from_tasks_and_threads() {
    within_reason(|| {
        let tally = Tally::new();
        let runtime = runtime(3);
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let messages = MESSAGES * stress_factor();
        let threads: Vec<_> = (0..2 * SENDERS)
            .map(|who| {
                let (sender, tally) = (sender.clone(), tally.clone());
                let mut send = move |number| sender.send((who, number, tally.track())).unwrap();
                if who % 2 == 0 {
                    runtime
                        .spawn(async move { (0..messages).for_each(send) })
                        .detach();
                    None
                } else {
                    Some(std::thread::spawn(move || {
                        (0..messages).for_each(&mut send)
                    }))
                }
            })
            .collect();
        drop(sender);
        let received = runtime.block_on(async move {
            let mut next = HashMap::<usize, usize>::new();
            while let Some((who, number, _)) = receiver.recv().await {
                let expected = next.entry(who).or_default();
                assert_eq!(number, *expected);
                *expected += 1;
            }
            next
        });
        assert!(received.len() == 2 * SENDERS && received.values().all(|&count| count == messages));
        threads
            .into_iter()
            .flatten()
            .for_each(|thread| thread.join().unwrap());
        drop(runtime);
        tally.assert_all_gone();
    });
}

/// A channel that is always ready must not keep the others of its worker from running.
#[test]
fn a_channel_that_is_always_ready_lets_others_run() {
    within_reason(|| {
        runtime(1).block_on(async {
            let (sender, mut receiver) = mpsc::unbounded_channel();
            (0..100_000).for_each(|number| sender.send(number).unwrap());
            let receiving = filch::spawn(async move {
                for _ in 0..90_000 {
                    receiver.recv().await;
                }
                receiver
            });
            // On the same worker, which has both to run.
            let looking = filch::spawn(async move {
                filch::yield_now().await;
                assert!(!receiving.is_finished());
                receiving.abort();
                drop(sender);
            });
            looking.await.unwrap();
        });
    });
}

/// A receiver took one message of a full channel and then waited for its sender, which waited for room that was given by half the capacity.
#[test]
fn a_receiver_that_turns_to_something_else_has_made_room() {
    within_reason(|| {
        for capacity in [1, 2, 4, 63, 64, 128] {
            runtime(2).block_on(async {
                let (sender, mut receiver) = mpsc::channel(capacity);
                let sending = filch::spawn(async move {
                    for number in 0..=capacity {
                        sender.send(number).await.unwrap();
                    }
                });
                assert_eq!(receiver.recv().await, Some(0));
                sending.await.unwrap();
                assert_eq!(receiver.len(), capacity);
            });
        }
    });
}

/// Sends until the channel is closed; the first of them always as much as there can be room for.
async fn send_on(sender: Sender<usize>, who: usize) {
    let many = if who == 0 { sender.max_capacity() } else { 1 };
    while let Ok(permits) = sender.reserve_many(many).await {
        permits.for_each(|permit| permit.send(who));
        if who % 2 == 1 && sender.send(who).await.is_err() {
            return;
        }
    }
}

/// None of many that never stop is overtaken for ever: the receiver ends when it has heard of each again and again.
async fn hear_of_each(capacity: usize) {
    const SENDERS: usize = 13;
    const TIMES: usize = 5;
    let (sender, mut receiver) = mpsc::channel(capacity);
    let senders: Vec<_> = (0..SENDERS)
        .map(|who| filch::spawn(send_on(sender.clone(), who)))
        .collect();
    let mut heard = [0; SENDERS];
    while heard.iter().any(|&times| times < TIMES) {
        heard[receiver.recv().await.unwrap()] += 1;
        // Slowly: senders are always in line.
        filch::task::yield_now().await;
    }
    drop(receiver);
    for sender in senders {
        sender.await.unwrap();
    }
}

#[test]
fn every_sender_gets_its_turn() {
    within_reason(|| {
        for capacity in [1, 3, 10, 100] {
            for workers in [1, 2] {
                runtime(workers).block_on(hear_of_each(capacity));
            }
        }
    });
    for capacity in [1, 3, 10] {
        simulate(0..20, move || hear_of_each(capacity));
    }
}

#[test]
fn a_blocking_sender_and_a_blocking_receiver_within_tasks() {
    within_reason(|| {
        runtime(2).block_on(async {
            let (sender, mut receiver) = mpsc::channel(1);
            let sending = filch::spawn_blocking(move || {
                (0..500).for_each(|number| sender.blocking_send(number).unwrap())
            });
            let receiving = filch::spawn_blocking(move || {
                let mut messages = Vec::new();
                while receiver.blocking_recv_many(&mut messages, 3) > 0 {}
                assert!(messages.into_iter().eq(0..500));
            });
            sending.await.unwrap();
            receiving.await.unwrap();
        });
    });
}

#[test]
fn senders_see_the_receiver_go() {
    within_reason(|| {
        runtime(2).block_on(async {
            let (sender, receiver) = mpsc::channel::<u32>(1);
            let waiting: Vec<_> = (0..100)
                .map(|_| {
                    let sender = sender.clone();
                    filch::spawn(async move { sender.closed().await })
                })
                .collect();
            filch::yield_now().await;
            drop(receiver);
            for task in waiting {
                task.await.unwrap();
            }
            let mut closed = pin!(sender.closed());
            let closed: Pin<&mut _> = closed.as_mut();
            closed.await;
        });
    });
}
