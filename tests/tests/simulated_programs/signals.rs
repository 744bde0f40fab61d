//! Does each signal reach whom it is for, whoever gives up waiting?

use super::{Happened, each_seed, pause, perhaps_dropped};
use filch::spawn;
use filch::sync::{Barrier, CancellationToken, Notify, WaitGroup};
use filch::time::{Duration, sleep};
use filch_tests::drops::Tally;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

#[test]
fn a_notification_is_not_lost_by_who_gives_up() {
    let gave_up = Happened::default();
    each_seed(async |mut random, _| {
        let (pushed, items) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let take = |items: &AtomicUsize| {
            let less = |n: usize| n.checked_sub(1);
            items.fetch_update(Relaxed, Relaxed, less).is_ok()
        };
        let mut sum = 0;
        let consumers: Vec<_> = (0..=random.below(3))
            .map(|_| {
                let (mut random, pushed, items) = (random.fork(), pushed.clone(), items.clone());
                let (gave_up, quota) = (gave_up.clone(), random.below(6));
                sum += quota;
                spawn(async move {
                    for _ in 0..quota {
                        while !take(&items) {
                            let waited = perhaps_dropped(&mut random, pushed.notified()).await;
                            if waited.is_none() {
                                gave_up.note();
                            }
                        }
                        pause(&mut random).await;
                    }
                    // One permit may stand for several items: the next one looks.
                    pushed.notify_one();
                })
            })
            .collect();
        for _ in 0..sum {
            pause(&mut random).await;
            items.fetch_add(1, Relaxed);
            if random.below(2) == 0 {
                pushed.notify_one();
            } else {
                pushed.notify_last();
            }
        }
        for consumer in consumers {
            consumer.await.unwrap();
        }
        assert_eq!(items.load(Relaxed), 0);
    });
    gave_up.assert_did();
}

#[test]
fn a_call_to_everybody_reaches_everybody() {
    each_seed(async |mut random, _| {
        let (calls, is_open) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let tasks: Vec<_> = (0..random.below(40))
            .map(|_| {
                let (mut random, calls) = (random.fork(), calls.clone());
                let is_open = is_open.clone();
                spawn(async move {
                    loop {
                        pause(&mut random).await;
                        let called = calls.notified();
                        if is_open.load(Relaxed) {
                            return;
                        }
                        pause(&mut random).await;
                        let _ = perhaps_dropped(&mut random, called).await;
                    }
                })
            })
            .collect();
        pause(&mut random).await;
        is_open.store(true, Relaxed);
        calls.notify_waiters();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_barrier_keeps_the_rounds_apart() {
    let gave_up = Happened::default();
    each_seed(async |mut random, _| {
        let (size, rounds) = (1 + random.below(4), random.below(5));
        let barrier = Arc::new(Barrier::new(size));
        let (come, leaders) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..size)
            .map(|_| {
                let (mut random, barrier) = (random.fork(), barrier.clone());
                let (come, leaders, gave_up) = (come.clone(), leaders.clone(), gave_up.clone());
                spawn(async move {
                    for round in 1..=rounds {
                        pause(&mut random).await;
                        come.fetch_add(1, Relaxed);
                        loop {
                            match perhaps_dropped(&mut random, barrier.wait()).await {
                                Some(result) => {
                                    leaders.fetch_add(usize::from(result.is_leader()), Relaxed);
                                    break;
                                }
                                // Too late to be taken back: the last one has come meanwhile.
                                None if leaders.load(Relaxed) >= round => break,
                                None => gave_up.note(),
                            }
                        }
                        assert!(come.load(Relaxed) >= round * size);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(come.load(Relaxed), size * rounds);
        assert_eq!(leaders.load(Relaxed), rounds);
    });
    gave_up.assert_did();
}

#[test]
fn a_cancellation_reaches_all_below_and_none_above() {
    let (spared, done) = (Happened::default(), Happened::default());
    each_seed(async |mut random, drops| {
        // Each but the first is the child of one before it.
        let mut tree = vec![(CancellationToken::new(), 0)];
        for n in 1..1 + random.below(8) {
            let parent = random.below(n);
            tree.push((tree[parent].0.child_token(), parent));
        }
        let tasks: Vec<_> = tree
            .iter()
            .map(|(token, _)| {
                let (mut random, token, drop) = (random.fork(), token.clone(), drops.track());
                spawn(async move {
                    let _drop = drop;
                    let work = async {
                        for _ in 0..random.below(5) {
                            pause(&mut random).await;
                        }
                        if random.below(3) > 0 {
                            std::future::pending::<()>().await;
                        }
                    };
                    let is_done = token.run_until_cancelled(work).await.is_some();
                    assert!(is_done || token.is_cancelled());
                    is_done
                })
            })
            .collect();
        pause(&mut random).await;
        let first = random.below(tree.len());
        tree[first].0.cancel();
        let mut is_below = vec![false; tree.len()];
        for (n, (token, parent)) in tree.iter().enumerate() {
            is_below[n] = n == first || (n > 0 && is_below[*parent]);
            assert_eq!(token.is_cancelled(), is_below[n], "{n} below {first}");
            if !is_below[n] {
                spared.note();
            }
        }
        // Whoever is below ends without any help.
        let mut others = Vec::new();
        for (n, task) in tasks.into_iter().enumerate() {
            if !is_below[n] {
                others.push(task);
            } else if task.await.unwrap() {
                done.note();
            }
        }
        tree[0].0.cancel();
        for task in others {
            task.await.unwrap();
        }
        drops.assert_all_gone();
    });
    spared.assert_did();
    done.assert_did();
}

#[test]
fn a_wait_group_waits_for_the_last_guard() {
    each_seed(async |mut random, drops| {
        let group = WaitGroup::new();
        let working = Tally::new();
        for _ in 0..random.below(6) {
            // Fields are dropped in order: the work has gone when the guard does.
            let mut work = vec![(working.track(), group.add())];
            let (mut random, token) = (random.fork(), drops.track());
            let working = working.clone();
            let is_aborted = random.below(3) == 0;
            let task = spawn(async move {
                let _token = token;
                pause(&mut random).await;
                for _ in 0..random.below(4) {
                    let guard = work[0].1.clone();
                    work.push((working.track(), guard));
                }
                while work.pop().is_some() {
                    pause(&mut random).await;
                }
            });
            if is_aborted {
                task.abort();
            }
            task.detach();
        }
        let mut waits = 0;
        while perhaps_dropped(&mut random, group.wait()).await.is_none() {
            waits += 1;
            assert!(waits < 10_000, "a wait that is over never ends");
            sleep(Duration::from_millis(1)).await;
        }
        working.assert_all_gone();
        assert_eq!(group.count(), 0);
    });
}
