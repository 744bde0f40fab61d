//! What does a worker block on when there is no I/O?
//!
//! On a condition variable: nothing ever becomes ready, and `unpark` ends the wait. A runtime on these drivers needs no descriptor at
//! all, which is what a simulation stands on and what tells the scheduler's faults from the reactor's.
//!
//! Rejected: `thread::park`. Its token belongs to a thread, and a worker may change its thread
//! ([`handoff`](crate::sched::handoff)).

use super::{Driver, Wait};
use crate::sys::sync::{Condvar, Mutex};
use crate::util::wake_batch::WakeBatch;

/// A place to wait for nothing but an unpark.
#[derive(Debug)]
pub(crate) struct CondvarDriver {
    /// Set by `unpark`, taken by the wait that it ends.
    is_unparked: Mutex<bool>,
    bell: Condvar,
}

impl CondvarDriver {
    pub(crate) fn new() -> Self {
        Self {
            is_unparked: Mutex::new(false),
            bell: Condvar::new(),
        }
    }
}

impl Driver for CondvarDriver {
    fn turn(&self, wait: Wait, _ready: &mut WakeBatch) {
        if wait == Wait::Sweep {
            return;
        }
        let mut is_unparked = self.is_unparked.lock();
        match wait {
            // An end for no reason is allowed, so one wait each is enough.
            _ if *is_unparked => {}
            Wait::AtMost(timeout) => {
                self.bell.wait_for(&mut is_unparked, timeout);
            }
            Wait::Forever | Wait::Sweep => self.bell.wait(&mut is_unparked),
        }
        *is_unparked = false;
    }

    fn unpark(&self) {
        *self.is_unparked.lock() = true;
        self.bell.notify_one();
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::sys::sync::{Arc, thread};
    use std::time::Duration;

    fn turn(driver: &CondvarDriver, wait: Wait) {
        let mut ready = WakeBatch::new();
        driver.turn(wait, &mut ready);
        assert!(ready.is_empty());
    }

    #[test]
    fn an_unpark_before_the_wait_is_remembered_once() {
        let driver = CondvarDriver::new();
        driver.unpark();
        driver.unpark();
        // A sweep is no wait: it takes nothing from the owner.
        turn(&driver, Wait::Sweep);
        turn(&driver, Wait::Forever);
        assert!(!*driver.is_unparked.lock());
        turn(&driver, Wait::AtMost(Duration::from_micros(10)));
    }

    #[test]
    fn an_unpark_ends_the_wait() {
        let driver = Arc::new(CondvarDriver::new());
        for _ in 0..100 {
            let waiter = thread::spawn({
                let driver = driver.clone();
                move || turn(&driver, Wait::Forever)
            });
            driver.unpark();
            waiter.join().unwrap();
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sys::sync::atomic::{AtomicUsize, Ordering};
    use crate::sys::sync::{Arc, thread};

    /// What happened before an unpark is visible after the wait it ends, and two unparks may become one.
    #[test]
    fn loom_condvar_driver_loses_no_unpark() {
        // Unbounded it takes a minute. `LOOM_MAX_PREEMPTIONS` wins.
        let mut model = loom::model::Builder::new();
        model.preemption_bound.get_or_insert(3);
        model.check(|| {
            let driver = Arc::new(CondvarDriver::new());
            let work = Arc::new(AtomicUsize::new(0));
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let (driver, work) = (driver.clone(), work.clone());
                    thread::spawn(move || {
                        // ORDERING: Relaxed on purpose: the driver alone must make it visible.
                        work.fetch_add(1, Ordering::Relaxed);
                        driver.unpark();
                    })
                })
                .collect();
            while work.load(Ordering::Relaxed) < 2 {
                driver.turn(Wait::Forever, &mut WakeBatch::new());
            }
            for other in others {
                other.join().unwrap();
            }
        });
    }
}
