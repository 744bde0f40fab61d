//! Does everybody who watches a value see the last one, however many are skipped?
//!
//! On eight workers. A change that somebody sleeps over is a hang, which the guard turns into a failure.

use filch::sync::watch;
use filch::task::WaitReason;
use filch::yield_now;
use filch_tests::guard::within_reason;
use filch_tests::random::{Random, seed};
use filch_tests::runtime;
use filch_tests::stress_factor;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

const LAST: u64 = 5000;

#[test]
fn the_last_value_is_always_seen() {
    let mut random = Random::new(seed("the_last_value_is_always_seen"));
    for _ in 0..5 * stress_factor() {
        let mut random = random.fork();
        within_reason(move || {
            runtime(8).block_on(async {
                let (sender, receiver) = watch::channel(0);
                let watching: Vec<_> = (0..8)
                    .map(|_| {
                        let (mut receiver, mut random) = (receiver.clone(), random.fork());
                        filch::spawn(async move {
                            let mut last = 0;
                            while last < LAST {
                                if random.below(4) == 0 {
                                    // Given up: the value stays unseen.
                                    let mut wait = pin!(receiver.changed());
                                    let polled =
                                        poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx))).await;
                                    if polled.is_pending() {
                                        continue;
                                    }
                                } else {
                                    receiver.changed().await.expect("the last one comes first");
                                }
                                let value = *receiver.borrow_and_update();
                                assert!(value >= last, "never back");
                                last = value;
                            }
                            assert!(receiver.changed().await.is_err(), "nothing comes after it");
                        })
                    })
                    .collect();
                drop(receiver);
                let sending = filch::spawn(async move {
                    for value in 1..=LAST {
                        sender.send_replace(value);
                        if random.below(8) == 0 {
                            yield_now().await;
                        }
                    }
                });
                sending.await.unwrap();
                for task in watching {
                    task.await.unwrap();
                }
            });
        });
    }
}

/// Each waits for the other's answer: a change that is slept over ends it.
#[test]
fn two_that_answer_each_other() {
    within_reason(|| {
        runtime(2).block_on(async {
            let (ping, mut pinged) = watch::channel(0_u64);
            let (pong, mut ponged) = watch::channel(0_u64);
            let answering = filch::spawn(async move {
                while pinged.changed().await.is_ok() {
                    let value = *pinged.borrow();
                    pong.send_replace(value);
                }
            });
            for value in 1..=LAST {
                ping.send(value).unwrap();
                assert_eq!(
                    *ponged.wait_for(|seen| *seen == value).await.unwrap(),
                    value
                );
            }
            drop(ping);
            answering.await.unwrap();
        });
    });
}

#[test]
fn a_task_says_for_what_it_waits() {
    within_reason(|| {
        runtime(2).block_on(async {
            let (sender, mut receiver) = watch::channel(0);
            let watching = filch::spawn(async move { receiver.changed().await });
            while watching.wait_reason() != Some(WaitReason::Watch) {
                yield_now().await;
            }
            sender.send(1).unwrap();
            watching.await.unwrap().unwrap();
        });
    });
}
