//! Does one value come, or the news that none does, whoever is first or gives up?

use filch::runtime::Builder;
use filch::sync::oneshot;
use filch_tests::drops::Tally;
use filch_tests::guard::within_reason;
use filch_tests::random::{Random, seed};
use filch_tests::stress_factor;
use std::time::Duration;

const PAIRS: usize = 4000;

/// What the sender, or the receiver, does of its own.
fn pause(random: &mut Random) -> impl Future<Output = ()> + use<> {
    let turns = random.below(4);
    async move {
        for _ in 0..turns {
            filch::yield_now().await;
        }
    }
}

#[test]
fn every_value_comes_or_goes_back() {
    let mut random = Random::new(seed("every_value_comes_or_goes_back"));
    within_reason(move || {
        let tally = Tally::new();
        let runtime = Builder::new().worker_threads(4).build().unwrap();
        let in_tasks = tally.clone();
        runtime.block_on(async move {
            let mut tasks = Vec::new();
            for number in 0..PAIRS * stress_factor() {
                let (mut sender, mut receiver) = oneshot::channel();
                let (sends, receives) = (random.below(8), random.below(8));
                let (before, after) = (pause(&mut random), pause(&mut random));
                let tally = in_tasks.clone();
                let sending = filch::spawn(async move {
                    before.await;
                    match sends {
                        0 => drop(sender),
                        1 => sender.closed().await,
                        _ => return sender.send((number, tally.track())).is_ok(),
                    }
                    false
                });
                let receiving = filch::spawn(async move {
                    after.await;
                    match receives {
                        0 => drop(receiver),
                        1 => {
                            receiver.close();
                            return receiver.try_recv().is_ok();
                        }
                        2 => {
                            let _late =
                                filch::time::timeout(Duration::from_millis(1), receiver).await;
                        }
                        // Who waits to be closed never sends.
                        _ if sends == 1 => drop(receiver),
                        _ => {
                            let received = receiver.await;
                            let is_there = received.is_ok();
                            assert!(received.map_or(true, |(got, _)| got == number));
                            return is_there;
                        }
                    }
                    false
                });
                tasks.push((sending, receiving, sends > 1 && receives > 2));
            }
            for (sending, receiving, is_certain) in tasks {
                let (sent, received) = (sending.await.unwrap(), receiving.await.unwrap());
                assert!(sent || !received, "out of nothing");
                assert!(!is_certain || (sent && received), "lost");
            }
        });
        drop(runtime);
        tally.assert_all_gone();
    });
}

#[test]
fn a_thread_and_a_task_wake_each_other() {
    within_reason(|| {
        let runtime = Builder::new().worker_threads(2).build().unwrap();
        for number in 0..2000 {
            let (to_task, at_task) = oneshot::channel();
            let (to_thread, at_thread) = oneshot::channel();
            let task = runtime.spawn(async move { to_thread.send(at_task.await.unwrap() + 1) });
            to_task.send(number).unwrap();
            assert_eq!(at_thread.blocking_recv(), Ok(number + 1));
            runtime.block_on(task).unwrap().unwrap();
        }
    });
}
