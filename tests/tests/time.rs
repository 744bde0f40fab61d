//! Time as a user of the runtime sees it: on tasks, between tasks and threads, and after the end.
//!
//! Lower bounds on waiting are promises and are tested; upper bounds are the machine's, and are not.

use filch::time::{
    Duration, Instant, MissedTickBehavior, Sleep, interval, interval_at, sleep, sleep_until,
    timeout, timeout_at,
};
use filch_tests::{run_on, runtime};
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

const SOON: Duration = Duration::from_millis(3);
/// Longer than any test may take.
const LATE: Duration = Duration::from_secs(3600);

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn sleeps_are_send_and_sync_and_small() {
    fn check<T: Send + Sync>() {}
    check::<Sleep>();
    assert_eq!(size_of::<Sleep>(), 72);
}

#[test]
fn no_sleep_is_too_short() {
    runtime(2).block_on(async {
        let tasks: Vec<_> = (0..200)
            .map(|n| {
                filch::spawn(async move {
                    let wanted = Duration::from_micros(n * 97);
                    let start = Instant::now();
                    sleep(wanted).await;
                    assert!(start.elapsed() >= wanted);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn block_on_outside_the_workers_sleeps_too() {
    let runtime = runtime(1);
    let start = Instant::now();
    runtime.block_on(sleep(SOON));
    assert!(start.elapsed() >= SOON);
    // Later than an earlier one, and with the worker asleep.
    runtime.block_on(sleep(Duration::from_millis(150)));
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[test]
fn a_deadline_in_the_past_does_not_wait_for_another_timer() {
    runtime(1).block_on(async {
        let _hour = filch::spawn(sleep(LATE));
        sleep_until(Instant::now() - LATE).await;
        sleep(Duration::ZERO).await;
    });
}

#[test]
fn a_sleep_for_ever_can_be_made_and_dropped() {
    runtime(1).block_on(async {
        let mut forever = pin!(sleep(Duration::MAX));
        assert!(poll_once(forever.as_mut()).is_pending());
        sleep(SOON).await;
        assert!(!forever.is_elapsed());
    });
}

#[test]
fn a_sleep_that_is_done_stays_done_until_it_is_reset() {
    runtime(1).block_on(async {
        let mut twice = pin!(sleep(SOON));
        twice.as_mut().await;
        assert!(twice.is_elapsed());
        assert!(poll_once(twice.as_mut()).is_ready());

        let later = Instant::now() + SOON;
        twice.as_mut().reset(later);
        assert!(!twice.is_elapsed());
        assert_eq!(twice.deadline(), later);
        twice.as_mut().await;
        assert!(Instant::now() >= later);
    });
}

#[test]
fn reset_wakes_who_polled_last() {
    runtime(2).block_on(async {
        let mut moving = pin!(sleep(LATE));
        assert!(
            futures_lite::future::poll_once(moving.as_mut())
                .await
                .is_none()
        );
        let mut was_reset = false;
        poll_fn(|cx| match (moving.is_elapsed(), was_reset) {
            (true, _) => Poll::Ready(()),
            (false, false) => {
                assert!(moving.as_mut().poll(cx).is_pending());
                moving.as_mut().reset(Instant::now() + SOON);
                was_reset = true;
                Poll::Pending
            }
            (false, true) => Poll::Pending,
        })
        .await;
    });
}

#[test]
#[expect(clippy::async_yields_async, reason = "the sleep itself is handed on")]
fn a_sleep_goes_from_task_to_task() {
    runtime(2).block_on(async {
        let mut handed_on = Box::pin(sleep(Duration::from_millis(20)));
        for _ in 0..5 {
            handed_on = filch::spawn(async move {
                let _ = futures_lite::future::poll_once(handed_on.as_mut()).await;
                handed_on
            })
            .await
            .unwrap();
        }
        filch::spawn(handed_on).await.unwrap();
    });
}

#[test]
#[expect(clippy::async_yields_async, reason = "the sleep itself is handed on")]
fn sleeps_are_dropped_on_other_threads() {
    let runtime = runtime(2);
    let armed: Vec<Pin<Box<Sleep>>> = runtime.block_on(async {
        let tasks: Vec<_> = (1..100)
            .map(|n| {
                filch::spawn(async move {
                    let mut sleep = Box::pin(sleep(Duration::from_millis(n)));
                    let _ = futures_lite::future::poll_once(sleep.as_mut()).await;
                    sleep
                })
            })
            .collect();
        let mut sleeps = Vec::new();
        for task in tasks {
            sleeps.push(task.await.unwrap());
        }
        sleeps
    });
    std::thread::spawn(move || drop(armed)).join().unwrap();
    runtime.block_on(sleep(SOON));
}

#[test]
fn timers_of_a_busy_worker_fire_elsewhere() {
    runtime(2).block_on(async {
        let slept = Arc::new(AtomicUsize::new(0));
        let sleeper = {
            let slept = slept.clone();
            filch::spawn(async move {
                sleep(SOON).await;
                slept.store(1, Ordering::Release);
            })
        };
        filch::yield_now().await;
        // Whichever worker has the timer, one of them spins until it has fired; a hang means that nobody fires it.
        let spinner = filch::spawn(async move {
            while slept.load(Ordering::Acquire) == 0 {
                std::hint::spin_loop();
            }
        });
        sleeper.await.unwrap();
        spinner.await.unwrap();
    });
}

#[test]
fn a_sleep_outlives_its_runtime_and_resolves() {
    let runtime = runtime(1);
    let mut orphan = Box::pin(sleep(LATE));
    runtime.block_on(async {
        assert!(
            futures_lite::future::poll_once(orphan.as_mut())
                .await
                .is_none()
        );
    });
    drop(runtime);
    assert!(orphan.is_elapsed());
    futures_lite::future::block_on(orphan);
}

#[test]
fn a_sleep_moves_to_another_runtime_when_it_is_reset_there() {
    let (first, second) = (runtime(1), runtime(1));
    let mut traveller = Box::pin(sleep(LATE));
    first.block_on(async {
        assert!(
            futures_lite::future::poll_once(traveller.as_mut())
                .await
                .is_none()
        );
    });
    second.block_on(async {
        traveller.as_mut().reset(Instant::now() + LATE);
        drop(first);
        assert!(!traveller.is_elapsed());
        traveller.as_mut().reset(Instant::now() + SOON);
        traveller.await;
    });
}

#[test]
#[should_panic(expected = "within a task or Runtime::block_on")]
fn outside_of_a_runtime_polling_panics_with_the_remedy() {
    let _ = poll_once(pin!(sleep(SOON)));
}

#[test]
fn outside_of_a_runtime_making_and_dropping_is_fine() {
    drop(sleep(SOON));
    drop(timeout(SOON, pending::<()>()));
    drop(interval(SOON));
}

#[test]
fn a_timeout_prefers_its_future() {
    runtime(1).block_on(async {
        let past = Instant::now() - SOON;
        assert_eq!(timeout_at(past, async { 7 }).await, Ok(7));
        assert!(timeout_at(past, pending::<()>()).await.is_err());
        assert!(timeout(SOON, pending::<()>()).await.is_err());
        assert_eq!(timeout(Duration::MAX, sleep(SOON)).await, Ok(()));
    });
}

#[test]
fn a_timeout_drops_its_future_and_gives_it_back() {
    runtime(1).block_on(async {
        let witness = Arc::new(());
        let held = witness.clone();
        let slow = timeout(SOON, async move {
            pending::<()>().await;
            drop(held);
        });
        assert!(slow.await.is_err());
        assert_eq!(Arc::strong_count(&witness), 1);

        let mut ready = timeout(LATE, std::future::ready(5));
        assert_eq!(ready.get_mut().clone().into_inner(), 5);
        assert_eq!(ready.get_ref().clone().into_inner(), 5);
        assert_eq!(ready.into_inner().await, 5);
    });
}

#[test]
fn many_timeouts_that_do_not_run_out() {
    runtime(2).block_on(async {
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                filch::spawn(async {
                    for _ in 0..50 {
                        timeout(LATE, filch::yield_now()).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn an_interval_keeps_its_beat() {
    runtime(1).block_on(async {
        let start = Instant::now();
        let mut beat = interval_at(start, SOON);
        for n in 0..5 {
            assert_eq!(beat.tick().await, start + SOON * n);
            assert!(start.elapsed() >= SOON * n);
        }
        assert_eq!(beat.period(), SOON);
    });
}

#[test]
fn the_first_tick_is_at_once_even_outside() {
    let mut beat = interval(LATE);
    assert!(
        beat.poll_tick(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
}

#[test]
fn a_burst_makes_up_for_missed_ticks() {
    runtime(1).block_on(async {
        let start = Instant::now() - SOON * 10;
        let mut beat = interval_at(start, SOON);
        for n in 0..10 {
            assert_eq!(beat.tick().await, start + SOON * n);
        }
    });
}

#[test]
fn skip_leaves_missed_ticks_out() {
    runtime(1).block_on(async {
        let period = Duration::from_millis(10);
        let start = Instant::now() - Duration::from_millis(35);
        let mut beat = interval_at(start, period);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        assert_eq!(beat.missed_tick_behavior(), MissedTickBehavior::Skip);
        assert_eq!(beat.tick().await, start);
        let next = beat.tick().await;
        assert!(next >= start + period * 4);
        assert_eq!((next - start).as_nanos() % period.as_nanos(), 0);
    });
}

#[test]
fn delay_keeps_its_distance() {
    runtime(1).block_on(async {
        let mut beat = interval_at(Instant::now() - LATE, SOON);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let before = Instant::now();
        beat.tick().await;
        assert!(beat.tick().await >= before + SOON);
    });
}

#[test]
fn an_interval_can_be_reset() {
    runtime(1).block_on(async {
        let mut beat = interval_at(Instant::now() + LATE, LATE);
        let start = Instant::now();
        beat.reset_after(SOON);
        assert!(beat.tick().await >= start + SOON);
        beat.reset_immediately();
        beat.tick().await;
        beat.reset_at(start);
        assert_eq!(beat.tick().await, start);
        beat.reset();
        assert!(timeout(SOON, beat.tick()).await.is_err());
    });
}

/// On a worker it is what the clock showed lately, but a poll that goes on is noticed.
#[test]
fn a_recent_time_is_never_ahead_and_does_not_stand_still() {
    run_on(2, async {
        filch::spawn(async {
            let first = Instant::recent();
            assert!(first <= Instant::now());
            let mut last = first;
            while last.duration_since(first) < SOON {
                let next = Instant::recent();
                assert!(last <= next && next <= Instant::now());
                last = next;
            }
        })
        .await
        .unwrap();
        // No worker's thread, nor that of any runtime.
        let before = Instant::now();
        let outside = std::thread::spawn(Instant::recent).join().unwrap();
        assert!(before <= outside);
    });
}
