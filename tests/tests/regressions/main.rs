//! Does what was wrong once stay right?
//!
//! Each test is named after a bug, and its first line says what was wrong. Where a bug needed a
//! coincidence the test gives it as many rounds as make it all but certain. No test says how fast; those that ask for order count.
//!
//! | file | what was wrong |
//! |---|---|
//! | `wakeups` | wake-ups held back, timers and drivers not looked at |
//! | `panics` | workers and wake-ups lost to a panic in a waker or a destructor |
//! | `readiness` | endless loops and lost readiness in `AsyncFd` |
//! | `ends` | ends of runtimes that hang, panic or leave something behind |

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests' own locks and pauses are none of the runtime's business"
)]

mod ends;
mod panics;
mod readiness;
mod wakeups;

use filch::Runtime;
use filch_tests::guard::{HANG, within_reason};
use filch_tests::runtime;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Wake, Waker};

/// A flag that one sets and others see.
#[derive(Clone, Default)]
struct Flag(Arc<AtomicBool>);

impl Flag {
    fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.set();
    }
}

/// Polls once, and lets `waker` be told. True if there was something already.
fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> bool {
    Pin::new(future)
        .poll(&mut Context::from_waker(waker))
        .is_ready()
}

/// Every worker is there: as many tasks as there are workers run at the same time.
fn assert_all_workers_work(rt: &Runtime) {
    let workers = rt.handle().workers();
    let meeting = Arc::new((Mutex::new(0), Condvar::new()));
    let tasks: Vec<_> = (0..workers)
        .map(|_| {
            let meeting = meeting.clone();
            rt.spawn(async move {
                let (arrived, bell) = &*meeting;
                let mut arrived = arrived.lock().unwrap();
                *arrived += 1;
                bell.notify_all();
                let (_arrived, waited) = bell
                    .wait_timeout_while(arrived, HANG / 2, |arrived| *arrived < workers)
                    .unwrap();
                assert!(!waited.timed_out(), "a worker is missing");
            })
        })
        .collect();
    for task in tasks {
        rt.block_on(task).expect("all workers are there");
    }
}

/// The runtime has all its workers, and ends.
fn assert_sound(rt: Runtime) {
    within_reason(move || {
        assert_all_workers_work(&rt);
        drop(rt);
    });
}
