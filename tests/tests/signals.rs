//! Are signals neither lost nor seen twice, whoever gives up waiting and when?
//!
//! Each test lets many tasks on several workers signal each other, and drops their waits at random moments: before the first poll, between two polls, when they were woken and do not
//! know it yet. A wake-up that is lost is a hang, which the guard turns into a failure.
//!
//! The seed is printed. `FILCH_STRESS=n` does n times as much.

#![expect(
    clippy::disallowed_types,
    reason = "the test's own locks are none of the runtime's business"
)]

use filch::sync::{Barrier, CancellationToken, Lazy, Notify, OnceCell, WaitGroup};
use filch_tests::drops::Tally;
use filch_tests::guard::within_reason;
use filch_tests::random::{Random, seed};
use filch_tests::runtime;
use filch_tests::stress_factor;
use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

const WORKERS: usize = 4;
const TASKS: usize = 16;

/// Runs the test with a generator, and the guard.
fn at_random<F: Future<Output = ()> + 'static>(name: &'static str, test: fn(Random) -> F) {
    let seed = seed(name);
    within_reason(move || runtime(WORKERS).block_on(test(Random::new(seed))));
}

/// Polls up to `polls` times; then the future is dropped, and there is no output.
async fn up_to<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut left = polls;
    let mut future = pin!(future);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        cx.waker().wake_by_ref();
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// In half of the cases up to three times, otherwise to its end.
async fn sometimes<F: Future>(random: &mut Random, future: F) -> Option<F::Output> {
    match random.below(8) {
        polls @ 0..4 => up_to(polls, future).await,
        _ => Some(future.await),
    }
}

/// A queue of numbers that anybody may take from.
#[derive(Default)]
struct Queue {
    numbers: Mutex<VecDeque<usize>>,
    pushed: Notify,
    is_over: AtomicBool,
}

impl Queue {
    fn push(&self, random: &mut Random, number: usize) {
        self.numbers.lock().unwrap().push_back(number);
        match random.below(4) {
            0 => self.pushed.notify_last(),
            1 => self.pushed.notify_waiters_and_one(),
            _ => self.pushed.notify_one(),
        }
    }

    fn pop(&self) -> Option<usize> {
        self.numbers.lock().unwrap().pop_front()
    }

    /// Nothing more is pushed.
    fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.pushed.notify_waiters();
    }
}

trait NotifyBoth {
    fn notify_waiters_and_one(&self);
}

impl NotifyBoth for Notify {
    fn notify_waiters_and_one(&self) {
        self.notify_waiters();
        self.notify_one();
    }
}

/// Takes numbers until there will be no more; returns their sum.
async fn consume(queue: Arc<Queue>, mut random: Random) -> usize {
    let mut sum = 0;
    loop {
        let mut notified = pin!(queue.pushed.notified());
        notified.as_mut().enable();
        if let Some(number) = queue.pop() {
            sum += number;
        } else if queue.is_over.load(Ordering::SeqCst) {
            return sum;
        } else {
            sometimes(&mut random, notified).await;
        }
    }
}

#[test]
fn what_is_pushed_is_seen_whoever_gives_up() {
    at_random(
        "what_is_pushed_is_seen_whoever_gives_up",
        |mut random| async move {
            let each = 500 * stress_factor();
            let queue = Arc::new(Queue::default());
            let consumers: Vec<_> = (0..TASKS)
                .map(|_| filch::spawn(consume(queue.clone(), random.fork())))
                .collect();
            let producers: Vec<_> = (0..4)
                .map(|_| {
                    let (queue, mut random) = (queue.clone(), random.fork());
                    filch::spawn(async move {
                        for number in 0..each {
                            queue.push(&mut random, number);
                            if random.below(3) == 0 {
                                filch::yield_now().await;
                            }
                        }
                    })
                })
                .collect();
            for producer in producers {
                producer.await.unwrap();
            }
            queue.end();
            let mut sum = 0;
            for consumer in consumers {
                sum += consumer.await.unwrap();
            }
            assert_eq!(sum, 4 * each * (each - 1) / 2);
        },
    );
}

/// Who gives up does not look at the queue before it waits again: if its notification were lost, nobody would.
#[test]
fn a_notification_is_passed_on_by_who_gives_up() {
    at_random(
        "a_notification_is_passed_on_by_who_gives_up",
        |mut random| async move {
            let queue = Arc::new(Queue::default());
            let count = 2000 * stress_factor();
            let left = Arc::new(AtomicUsize::new(count));
            let consumers: Vec<_> = (0..TASKS)
                .map(|_| {
                    let (queue, left, mut random) = (queue.clone(), left.clone(), random.fork());
                    filch::spawn(async move {
                        loop {
                            while queue.pop().is_some() {
                                left.fetch_sub(1, Ordering::SeqCst);
                            }
                            if left.load(Ordering::SeqCst) == 0 {
                                // Whoever still waits is let go in the same way.
                                return queue.pushed.notify_one();
                            }
                            while sometimes(&mut random, queue.pushed.notified())
                                .await
                                .is_none()
                            {}
                        }
                    })
                })
                .collect();
            for number in 0..count {
                queue.numbers.lock().unwrap().push_back(number);
                queue.pushed.notify_one();
                if random.below(4) == 0 {
                    filch::yield_now().await;
                }
            }
            for consumer in consumers {
                consumer.await.unwrap();
            }
        },
    );
}

#[test]
fn everybody_is_called() {
    at_random("everybody_is_called", |mut random| async move {
        let notify = Arc::new(Notify::new());
        for _ in 0..200 * stress_factor() {
            let waits: Vec<_> = (0..random.below(80))
                .map(|_| {
                    let (notified, mut random) = (notify.clone().notified_owned(), random.fork());
                    filch::spawn(async move { sometimes(&mut random, notified).await })
                })
                .collect();
            if random.below(2) == 0 {
                filch::yield_now().await;
            }
            notify.notify_waiters();
            for wait in waits {
                wait.await.unwrap();
            }
        }
        assert!(up_to(1, notify.notified()).await.is_none(), "a permit");
    });
}

#[test]
fn rounds_of_a_barrier_are_complete() {
    at_random(
        "rounds_of_a_barrier_are_complete",
        |mut random| async move {
            const SIZE: usize = 5;
            let rounds = 500 * stress_factor();
            let barrier = Arc::new(Barrier::new(SIZE));
            let (leaders, passed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let over = CancellationToken::new();
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let (barrier, over, mut random) =
                        (barrier.clone(), over.clone(), random.fork());
                    let (leaders, passed, until) = (leaders.clone(), passed.clone(), over.clone());
                    let enter = async move {
                        loop {
                            if let Some(result) = sometimes(&mut random, barrier.wait()).await {
                                passed.fetch_add(1, Ordering::SeqCst);
                                if result.is_leader()
                                    && leaders.fetch_add(1, Ordering::SeqCst) + 1 >= rounds
                                {
                                    over.cancel();
                                }
                            }
                        }
                    };
                    filch::spawn(until.run_until_cancelled_owned(enter))
                })
                .collect();
            for task in tasks {
                let never = task.await.unwrap();
                assert_eq!(never, None::<()>);
            }
            let (leaders, passed) = (
                leaders.load(Ordering::SeqCst),
                passed.load(Ordering::SeqCst),
            );
            assert!(
                leaders >= rounds && passed <= leaders * SIZE,
                "{leaders} rounds, {passed} passed"
            );
            // Everybody has taken its arrival back.
            assert!(up_to(1, barrier.wait()).await.is_none());
        },
    );
}

#[test]
fn a_cell_gets_one_value_whoever_fails() {
    at_random(
        "a_cell_gets_one_value_whoever_fails",
        |mut random| async move {
            for _ in 0..200 * stress_factor() {
                let (cell, made) = (Arc::new(OnceCell::new()), Arc::new(AtomicUsize::new(0)));
                let tasks: Vec<_> = (0..TASKS)
                    .map(|number| {
                        let (cell, made, mut random) = (cell.clone(), made.clone(), random.fork());
                        filch::spawn(async move {
                            let fate = random.below(5);
                            let make = || async move {
                                filch::yield_now().await;
                                match fate {
                                    0 => Err(()),
                                    1 => pending().await,
                                    _ => Ok(made.fetch_add(1, Ordering::SeqCst) + number),
                                }
                            };
                            let polls = random.below(4);
                            let got = match fate {
                                0 => Some(cell.get_or_try_init(make).await.copied()),
                                1 => up_to(polls, cell.get_or_try_init(make))
                                    .await
                                    .map(Result::<&usize, ()>::copied),
                                2 => Some(Ok(*cell.wait_initialized().await)),
                                _ => Some(cell.get_or_try_init(make).await.copied()),
                            };
                            got.and_then(Result::ok)
                        })
                    })
                    .collect();
                // One at least that neither fails nor only looks.
                let value = *cell
                    .get_or_init(|| async { made.fetch_add(1, Ordering::SeqCst) })
                    .await;
                for task in tasks {
                    assert!(task.await.unwrap().is_none_or(|other| other == value));
                }
                assert_eq!(made.load(Ordering::SeqCst), 1);
            }
        },
    );
}

#[test]
fn a_static_is_made_by_whoever_comes_first() {
    static VALUE: Lazy<String> = Lazy::new(|| {
        Box::pin(async {
            filch::yield_now().await;
            "value".to_owned()
        })
    });
    within_reason(|| {
        runtime(WORKERS).block_on(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|n| {
                    filch::spawn(async move {
                        up_to(n, VALUE.force())
                            .await
                            .map(|value| value.as_ptr())
                            .map(|at| at.addr())
                    })
                })
                .collect();
            let value = (&VALUE).await.as_ptr().addr();
            for task in tasks {
                assert!(task.await.unwrap().is_none_or(|other| other == value));
            }
        });
    });
}

/// Lives below `token`: begins others, cancels now and then, goes early, or waits for its end.
fn live(
    token: CancellationToken,
    group: &WaitGroup,
    tally: &Tally,
    mut random: Random,
    depth: usize,
) {
    let (guard, group, tally) = (group.add(), group.clone(), tally.clone());
    let life = async move {
        let _books = (guard, tally.track());
        for _ in 0..random.below(4) {
            if depth > 0 {
                live(
                    token.child_token(),
                    &group,
                    &tally,
                    random.fork(),
                    depth - 1,
                );
            }
            sometimes(&mut random, filch::yield_now()).await;
        }
        match random.below(6) {
            0 => token.cancel_with("of its own"),
            1 => {}
            2 => drop(up_to(2, token.cancelled()).await),
            3 => token.cancelled_owned().await,
            4 => drop(token.run_until_cancelled(pending::<()>()).await),
            _ => {
                let _guard = token.clone().drop_guard();
                token.cancelled().await;
            }
        }
    };
    filch::spawn(life).detach();
}

#[test]
fn a_tree_ends_when_its_root_is_cancelled() {
    at_random(
        "a_tree_ends_when_its_root_is_cancelled",
        |mut random| async move {
            for _ in 0..30 * stress_factor() {
                let (root, group, tally) =
                    (CancellationToken::new(), WaitGroup::new(), Tally::new());
                for _ in 0..TASKS {
                    live(root.child_token(), &group, &tally, random.fork(), 4);
                }
                for _ in 0..random.below(20) {
                    filch::yield_now().await;
                }
                root.cancel_with("the root");
                group.wait().await;
                assert_eq!(root.reason().unwrap().to_string(), "the root");
                tally.wait_until_all_gone();
            }
        },
    );
}

#[test]
fn a_group_waits_for_all_that_was_added() {
    at_random(
        "a_group_waits_for_all_that_was_added",
        |mut random| async move {
            let (group, done) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
            let mut expected = 0;
            for _ in 0..200 * stress_factor() {
                let tasks: Vec<_> = (0..random.below(TASKS))
                    .map(|_| {
                        expected += 1;
                        let (guard, done, polls) = (group.add(), done.clone(), random.below(4));
                        let ended = random.below(4);
                        filch::spawn(async move {
                            let _guard = guard.clone();
                            up_to(polls, pending::<()>()).await;
                            done.fetch_add(1, Ordering::SeqCst);
                            drop(guard);
                            if ended == 0 {
                                pending::<()>().await;
                            }
                        })
                    })
                    .collect();
                let waits: Vec<_> = (0..random.below(50))
                    .map(|_| {
                        let (group, mut random) = (group.clone(), random.fork());
                        filch::spawn(async move { sometimes(&mut random, group.wait()).await })
                    })
                    .collect();
                // Those that stay for ever have a clone of their guard.
                while done.load(Ordering::SeqCst) < expected {
                    filch::yield_now().await;
                }
                tasks.iter().for_each(filch::JoinHandle::abort);
                group.wait().await;
                assert_eq!((done.load(Ordering::SeqCst), group.count()), (expected, 0));
                for wait in waits {
                    wait.await.unwrap();
                }
            }
        },
    );
}

#[test]
fn a_thread_waits_for_tasks_and_a_task_for_threads() {
    within_reason(|| {
        let (rt, group) = (runtime(1), WaitGroup::new());
        for _ in 0..TASKS {
            let guard = group.add();
            rt.spawn(async move { drop(guard) }).detach();
        }
        group.blocking_wait();
        let (token, cell) = (CancellationToken::new(), OnceCell::new());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                cell.set(1).unwrap();
                token.cancel();
            });
            rt.block_on(async {
                assert_eq!(*cell.wait_initialized().await, 1);
                (&token).await;
            });
        });
    });
}

/// Runs a loop that never has to wait, on one worker, until a sibling behind it has run.
fn lets_siblings_run<F: Future<Output = ()> + Send + 'static>(
    ready: impl Fn() -> F + Send + 'static,
) {
    within_reason(move || {
        let rt = runtime(1);
        let greedy = async move {
            let has_run = Arc::new(AtomicBool::new(false));
            let own = has_run.clone();
            filch::spawn(async move {
                filch::yield_now().await;
                own.store(true, Ordering::Relaxed);
            })
            .detach();
            while !has_run.load(Ordering::Relaxed) {
                ready().await;
            }
        };
        rt.block_on(rt.spawn(greedy)).unwrap();
    });
}

#[test]
fn signals_that_are_always_ready_let_siblings_run() {
    lets_siblings_run(|| async {
        let notify = Notify::new();
        notify.notify_one();
        notify.notified().await;
    });
    lets_siblings_run(|| async {
        let notify = Notify::new();
        let notified = notify.notified();
        notify.notify_waiters();
        notified.await;
    });
    lets_siblings_run(|| async { assert!(Barrier::new(1).wait().await.is_leader()) });
    lets_siblings_run(|| async { WaitGroup::new().wait().await });
    lets_siblings_run(|| async {
        let cell = OnceCell::from(1);
        assert_eq!(cell.wait_initialized().await, &1);
    });
}
