//! Does a whole runtime work with another clock, another driver and a fixed seed? (What a simulation is made of.)

use super::{Builder, Runtime};
use crate::driver::condvar::CondvarDriver;
use crate::driver::{Driver, Wait};
use crate::sys::clock::{Clock, ManualClock};
use crate::sys::rng::{RandomSource, SeededRandom};
use crate::sys::sync::atomic::{AtomicUsize, Ordering};
use crate::sys::sync::{Arc, Mutex, thread};
use crate::time::{Instant, interval, sleep, timeout};
use crate::util::wake_batch::WakeBatch;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn without_io(workers: usize) -> Builder {
    Builder::new()
        .worker_threads(workers)
        .random(Arc::new(SeededRandom::new(7)))
        .driver(|_| Ok(Arc::new(CondvarDriver::new())))
}

/// A driver for one worker that does not wait for a time but makes it come: a world in which nothing happens by itself.
#[derive(Debug)]
struct Leaping {
    clock: Arc<ManualClock>,
    waits: CondvarDriver,
}

impl Driver for Leaping {
    fn turn(&self, wait: Wait, ready: &mut WakeBatch) {
        match wait {
            Wait::AtMost(time) => self.clock.advance(time),
            wait => self.waits.turn(wait, ready),
        }
    }

    fn unpark(&self) {
        self.waits.unpark();
    }
}

/// One worker whose hours take no time.
fn leaping() -> (Runtime, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let own = clock.clone();
    let rt = without_io(1)
        .clock(clock.clone())
        .driver(move |_| {
            Ok(Arc::new(Leaping {
                clock: own.clone(),
                waits: CondvarDriver::new(),
            }))
        })
        .build()
        .unwrap();
    (rt, clock)
}

#[test]
fn tasks_run_without_io() {
    for workers in [1, 2, 4] {
        let rt = without_io(workers).build().unwrap();
        let sum = rt.block_on(async {
            let tasks: Vec<_> = (0..1000_u64)
                .map(|n| {
                    crate::spawn(async move {
                        crate::yield_now().await;
                        crate::spawn(async move { n }).await.unwrap()
                    })
                })
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap();
            }
            crate::spawn_blocking(move || sum).await.unwrap()
        });
        assert_eq!(sum, 499_500);
    }
}

#[test]
fn real_time_passes_without_io_too() {
    let rt = without_io(2).build().unwrap();
    let begun = Instant::now();
    rt.block_on(async {
        crate::spawn(sleep(Duration::from_millis(5))).await.unwrap();
    });
    assert!(begun.elapsed() >= Duration::from_millis(5));
}

#[test]
fn there_is_no_descriptor_without_io() {
    let rt = without_io(1).build().unwrap();
    let error = rt.block_on(async {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        crate::io::AsyncFd::new(ours).unwrap_err()
    });
    assert!(!error.to_string().is_empty());
}

#[test]
fn a_driver_that_cannot_be_had_is_the_error_of_the_build() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let built = without_io(3)
        .driver(move |index| {
            counter.fetch_add(1, Ordering::Relaxed);
            if index == 2 {
                return Err(std::io::Error::other("no third one"));
            }
            Ok(Arc::new(CondvarDriver::new()))
        })
        .build();
    assert_eq!(built.unwrap_err().to_string(), "no third one");
    assert_eq!(made.load(Ordering::Relaxed), 3);
}

#[test]
fn time_stands_still_until_the_clock_is_told() {
    let clock = Arc::new(ManualClock::new());
    let rt = without_io(1).clock(clock.clone()).build().unwrap();
    // Made there: outside, the machine's clock says when an hour is over.
    let sleeping = rt.spawn(async { sleep(HOUR).await });
    let nudge = || rt.block_on(rt.spawn(crate::yield_now())).unwrap();
    for _ in 0..10 {
        nudge();
        assert!(!sleeping.is_finished());
    }
    clock.advance(HOUR - Duration::from_millis(1));
    nudge();
    assert!(!sleeping.is_finished());
    clock.advance(Duration::from_millis(2));
    // The worker sleeps in real time; something to do makes it look at the clock.
    while !sleeping.is_finished() {
        nudge();
        thread::yield_now();
    }
}

#[test]
fn hours_take_no_time_where_waiting_makes_them_pass() {
    let (rt, clock) = leaping();
    // A task of its own, also to look at the clock: while this thread is about to spawn it, the worker may leap (it looks after its memory every
    // second, and a second passes at once).
    let all = rt.spawn(async move {
        let begun = clock.now();
        let day = crate::spawn(sleep(24 * HOUR));
        let beats = crate::spawn(async {
            let mut beat = interval(HOUR);
            for _ in 0..=5 {
                beat.tick().await;
            }
            Instant::now()
        });
        let given_up = crate::spawn(timeout(HOUR / 2, std::future::pending::<()>()));
        assert!(given_up.await.unwrap().is_err());
        let at = beats.await.unwrap().into_std() - begun;
        assert!(at >= 5 * HOUR && at < 6 * HOUR, "{at:?}");
        day.await.unwrap();
        clock.now() - begun
    });
    let passed = rt.block_on(all).unwrap();
    assert!(
        passed >= 24 * HOUR && passed < 25 * HOUR,
        "a day, and not {passed:?}"
    );
}

/// A program whose tasks note what they do and when, on one worker with the clock standing still between events.
fn trace(seed: u64) -> Vec<(u64, u128)> {
    let (rt, clock) = leaping();
    let notes = Arc::new(Mutex::new(Vec::new()));
    let all = notes.clone();
    rt.block_on(rt.spawn(async move {
        let begun = clock.now();
        let random = SeededRandom::new(seed);
        let mut tasks = Vec::new();
        for who in 0..50 {
            let (notes, clock) = (notes.clone(), clock.clone());
            let pauses = [random.seed(), random.seed(), random.seed()];
            tasks.push(crate::spawn(async move {
                for pause in pauses {
                    if pause % 3 == 0 {
                        crate::yield_now().await;
                    } else {
                        sleep(Duration::from_millis(pause % 100)).await;
                    }
                    let at = (clock.now() - begun).as_nanos();
                    notes.lock().push((who, at));
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }))
    .unwrap();
    drop(rt);
    std::mem::take(&mut *all.lock())
}

#[test]
fn one_worker_with_a_clock_of_its_own_repeats_itself() {
    for seed in 0..5 {
        let first = trace(seed);
        assert_eq!(first.len(), 150);
        assert_eq!(first, trace(seed));
    }
    assert_ne!(trace(0), trace(1));
}
