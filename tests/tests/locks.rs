//! Do locks and semaphores keep their promises with many tasks on several workers, of which some give up at any time?
//!
//! Each task takes what it needs for a while, with a yield or a sleep in the middle now and then, or is dropped while it waits: after some polls, or by a timeout. What is
//! counted under the lock must add up, and afterwards everything must be free. A wake-up that is lost is a hang, which the guard turns into a failure.
//!
//! The seed is printed. `FILCH_STRESS=n` does n times as much.

use filch::sync::{Mutex, RwLock, Semaphore};
use filch::time::{Duration, sleep, timeout};
use filch_tests::guard::within_reason;
use filch_tests::random::{Random, seed};
use filch_tests::runtime;
use filch_tests::stress_factor;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

const TASKS: usize = 60;
const STEPS: usize = 100;

/// As a task that loses interest: the output, or `None` if the future was dropped before, after some polls or some time.
async fn perhaps<F: Future>(future: F, random: &mut Random) -> Option<F::Output> {
    match random.below(4) {
        0 => after_polls(pin!(future), random.below(3)).await,
        1 => timeout(Duration::from_millis(random.below(2) as u64), future)
            .await
            .ok(),
        _ => Some(future.await),
    }
}

/// `None` if it is not ready after so many polls more than one.
async fn after_polls<F: Future>(mut future: Pin<&mut F>, mut more: usize) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if more == 0 => Poll::Ready(None),
        Poll::Pending => {
            more -= 1;
            // Now and then a poll that nobody asked for.
            if more % 2 == 1 {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        }
    })
    .await
}

/// What is done under a lock: mostly nothing that waits.
async fn a_while(random: &mut Random) {
    match random.below(20) {
        0 => sleep(Duration::from_millis(1)).await,
        1..5 => filch::yield_now().await,
        _ => {}
    }
}

/// Runs the task many times at once, each with numbers of its own, with few workers and with many.
fn stress<F, T>(name: &str, task: impl Fn(Random) -> F + Send + Sync + Clone + 'static) -> usize
where
    F: Future<Output = T> + Send + 'static,
    T: Into<usize> + Send + 'static,
{
    let mut random = Random::new(seed(name));
    within_reason(move || {
        let mut sum = 0;
        for workers in [1, 2, 8] {
            let rt = runtime(workers);
            for _ in 0..stress_factor() {
                let tasks: Vec<_> = (0..TASKS).map(|_| rt.spawn(task(random.fork()))).collect();
                sum += rt.block_on(async {
                    let mut sum = 0;
                    for task in tasks {
                        sum += task.await.expect("no task panics").into();
                    }
                    sum
                });
            }
        }
        sum
    })
}

/// Each is counted twice: by who has the lock, and by the task for itself.
fn mutex_adds_up(name: &str, mutex: Mutex<usize>) {
    let mutex = Arc::new(mutex);
    let shared = mutex.clone();
    let counted = stress(name, move |mut random| {
        let mutex = shared.clone();
        async move {
            let mut own = 0_usize;
            for _ in 0..STEPS {
                let guard = match random.below(3) {
                    0 => mutex.try_lock().ok(),
                    _ => perhaps(mutex.lock(), &mut random).await,
                };
                let Some(mut guard) = guard else { continue };
                let before = *guard;
                a_while(&mut random).await;
                *guard = before + 1;
                own += 1;
            }
            own
        }
    });
    assert!(counted > 0);
    assert_eq!(*mutex.try_lock().expect("all guards are gone"), counted);
}

#[test]
fn what_is_counted_under_a_mutex_adds_up() {
    mutex_adds_up("what_is_counted_under_a_mutex_adds_up", Mutex::new(0));
}

#[test]
fn what_is_counted_under_a_fair_mutex_adds_up() {
    mutex_adds_up(
        "what_is_counted_under_a_fair_mutex_adds_up",
        Mutex::new_fair(0),
    );
}

#[test]
fn what_is_written_under_a_rwlock_adds_up() {
    let lock = Arc::new(RwLock::new((0_usize, 0_usize)));
    let shared = lock.clone();
    let written = stress(
        "what_is_written_under_a_rwlock_adds_up",
        move |mut random| {
            let lock = shared.clone();
            async move {
                let mut own = 0_usize;
                for _ in 0..STEPS {
                    if random.below(3) > 0 {
                        let reading = perhaps(lock.read(), &mut random).await;
                        let Some(pair) = reading else { continue };
                        let before = *pair;
                        assert_eq!(before.0, before.1);
                        a_while(&mut random).await;
                        assert_eq!(*pair, before);
                    } else {
                        let writing = perhaps(lock.write(), &mut random).await;
                        let Some(mut pair) = writing else { continue };
                        pair.0 += 1;
                        a_while(&mut random).await;
                        pair.1 += 1;
                        own += 1;
                        if random.below(2) == 0 {
                            let before = *pair;
                            let pair = pair.downgrade();
                            a_while(&mut random).await;
                            assert_eq!(*pair, before);
                        }
                    }
                }
                own
            }
        },
    );
    let pair = lock.try_write().expect("all guards are gone");
    assert!(written > 0);
    assert_eq!(*pair, (written, written));
}

#[test]
fn no_more_permits_are_out_than_there_are() {
    const PERMITS: usize = 5;
    let semaphore = Arc::new(Semaphore::new(PERMITS));
    let out = Arc::new(AtomicUsize::new(0));
    let shared = semaphore.clone();
    let taken = stress(
        "no_more_permits_are_out_than_there_are",
        move |mut random| {
            let (semaphore, out) = (shared.clone(), out.clone());
            async move {
                let mut own = 0_usize;
                for _ in 0..STEPS {
                    let many = random.below(PERMITS + 1);
                    let permits = match random.below(4) {
                        0 => semaphore.try_acquire_many(many as u32).ok(),
                        _ => {
                            let permits = semaphore.acquire_many(many as u32);
                            let permits = perhaps(permits, &mut random).await;
                            permits.map(|permits| permits.expect("never closed"))
                        }
                    };
                    let Some(mut permits) = permits else { continue };
                    assert!(out.fetch_add(many, SeqCst) + many <= PERMITS);
                    a_while(&mut random).await;
                    out.fetch_sub(many, SeqCst);
                    // They may go home one by one, or be lost and replaced.
                    if let Some(part) = permits.split(random.below(PERMITS)) {
                        let lost = part.num_permits();
                        part.forget();
                        semaphore.add_permits(lost);
                    }
                    own += 1;
                }
                own
            }
        },
    );
    assert!(taken > 0);
    assert_eq!(semaphore.available_permits(), PERMITS);
}

/// Everybody is told of the end: who waits, and who is about to.
#[test]
fn closing_ends_every_wait() {
    let rounds = 50 * stress_factor();
    within_reason(move || {
        let rt = runtime(4);
        for _ in 0..rounds {
            let semaphore = Arc::new(Semaphore::new(1));
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let semaphore = semaphore.clone();
                    rt.spawn(async move {
                        while let Ok(_permit) = semaphore.clone().acquire_owned().await {
                            filch::yield_now().await;
                        }
                    })
                })
                .collect();
            rt.block_on(async {
                filch::yield_now().await;
                semaphore.close();
                for task in tasks {
                    task.await.expect("no task panics");
                }
            });
            assert_eq!(semaphore.available_permits(), 1);
        }
    });
}

/// Threads and tasks, also a task that blocks its worker.
#[test]
fn threads_and_tasks_share_a_mutex() {
    let each = 200 * stress_factor();
    within_reason(move || {
        let rt = runtime(2);
        let mutex = Arc::new(Mutex::new(0));
        let threads = [(); 2].map(|()| {
            let mutex = mutex.clone();
            std::thread::spawn(move || (0..each).for_each(|_| *mutex.blocking_lock() += 1))
        });
        let tasks = [(); 4].map(|()| {
            let mutex = mutex.clone();
            rt.spawn(async move {
                for n in 0..each {
                    let mut guard = mutex.lock().await;
                    if n % 10 == 0 {
                        filch::yield_now().await;
                    }
                    *guard += 1;
                }
                *mutex.blocking_lock() += 1;
            })
        });
        rt.block_on(async {
            for task in tasks {
                task.await.expect("no task panics");
            }
        });
        for thread in threads {
            thread.join().expect("no thread panics");
        }
        assert_eq!(*mutex.blocking_lock(), 6 * each + 4);
    });
}

/// One that waits gets its turn, however often another takes the lock and lets go of it.
#[test]
fn a_waiter_is_not_passed_over_for_ever() {
    within_reason(|| {
        for workers in [1, 2] {
            let rt = runtime(workers);
            let mutex = Arc::new(Mutex::new(false));
            let greedy = [(); 2].map(|()| {
                let mutex = mutex.clone();
                rt.spawn(async move {
                    loop {
                        let is_over = mutex.lock().await;
                        if *is_over {
                            break;
                        }
                        // It is held whenever another runs.
                        filch::yield_now().await;
                    }
                })
            });
            rt.block_on(async {
                for _ in 0..100 {
                    assert!(!*mutex.lock().await);
                }
                *mutex.lock().await = true;
                for task in greedy {
                    task.await.expect("no task panics");
                }
            });
        }
    });
}
