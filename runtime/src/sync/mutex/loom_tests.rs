//! What each side may do to a mutex, against each other: lock, try, unlock, leave the queue, leave it when it was woken, look again.
//!
//! The value is in a cell that loom watches, so that two who have it at once, or an ordering that is missing, are a race. Both ways of handing on are run: patience 0 hands the
//! lock on always, 1 once a waiter has lost a race.

use super::super::testing::Polled;
use super::raw::{Lock, RawMutex};
use crate::sys::sync::{UnsafeCell, thread};
use std::sync::Arc;

struct Shared {
    raw: RawMutex,
    cell: UnsafeCell<usize>,
}

// SAFETY: loom watches the cell, and reports who uses it at the same time.
unsafe impl Sync for Shared {}

impl Shared {
    fn new(patience: u8) -> Arc<Self> {
        Arc::new(Self {
            raw: RawMutex::new(patience),
            cell: UnsafeCell::new(0),
        })
    }

    fn lock(&self) -> Polled<Lock<'_>> {
        Polled::new(self.raw.lock())
    }

    /// One that stands in the queue.
    fn waiting(&self) -> Polled<Lock<'_>> {
        let mut lock = self.lock();
        assert!(lock.ready().is_none());
        lock
    }

    /// By who has it.
    fn use_and_unlock(&self) {
        // SAFETY: loom reports it if somebody else uses the cell.
        self.cell.with_mut(|cell| unsafe { *cell += 1 });
        self.raw.unlock();
    }

    /// If it can be had at once.
    fn try_use(&self) -> bool {
        let has_it = self.raw.try_lock();
        if has_it {
            self.use_and_unlock();
        }
        has_it
    }

    fn expect_free(&self) {
        assert!(self.try_use(), "locked, and nobody has it");
        // A word with a bit left over would lead to one more call.
        assert!(self.raw.is_idle(), "{:?}", self.raw);
    }
}

/// The same with both ways of handing on.
fn model(run: impl Fn(u8) + Send + Sync + Copy + 'static) {
    for patience in [0, 1] {
        loom::model(move || run(patience));
    }
}

#[test]
fn loom_mutex_try_against_try() {
    model(|patience| {
        let shared = Shared::new(patience);
        let other = {
            let shared = shared.clone();
            thread::spawn(move || shared.try_use())
        };
        let one = shared.try_use();
        assert!(other.join().unwrap() || one);
        shared.expect_free();
    });
}

/// Two threads lock; who has to wait is woken by the other, or leaves.
fn lock_against_lock(patience: u8, leaves: bool) {
    let shared = Shared::new(patience);
    let other = {
        let shared = shared.clone();
        thread::spawn(move || {
            let mut lock = shared.lock();
            if lock.ready().is_some() {
                shared.use_and_unlock();
            }
        })
    };
    let mut lock = shared.lock();
    let at_once = lock.ready();
    if at_once.is_some() {
        shared.use_and_unlock();
    } else if leaves {
        drop(lock);
        other.join().unwrap();
        return shared.expect_free();
    }
    other.join().unwrap();
    if at_once.is_none() {
        lock.expect_ready();
        shared.use_and_unlock();
    }
    shared.expect_free();
}

#[test]
fn loom_mutex_lock_against_lock() {
    model(|patience| lock_against_lock(patience, false));
}

#[test]
fn loom_mutex_lock_against_lock_that_leaves() {
    model(|patience| lock_against_lock(patience, true));
}

#[test]
fn loom_mutex_unlock_against_begin() {
    model(|patience| {
        let shared = Shared::new(patience);
        assert!(shared.raw.try_lock());
        let unlocking = {
            let shared = shared.clone();
            thread::spawn(move || shared.use_and_unlock())
        };
        let mut lock = shared.lock();
        let at_once = lock.ready();
        if at_once.is_some() {
            shared.use_and_unlock();
        }
        unlocking.join().unwrap();
        if at_once.is_none() {
            lock.expect_ready();
            shared.use_and_unlock();
        }
        shared.expect_free();
    });
}

#[test]
fn loom_mutex_unlock_against_leave() {
    model(|patience| {
        let shared = Shared::new(patience);
        assert!(shared.raw.try_lock());
        let leaves = shared.waiting();
        let unlocking = {
            let shared = shared.clone();
            thread::spawn(move || shared.use_and_unlock())
        };
        drop(leaves);
        unlocking.join().unwrap();
        shared.expect_free();
    });
}

/// The wake-up passes to the one behind, whether the other leaves before it or after.
#[test]
fn loom_mutex_unlock_against_leave_before_another() {
    model(|patience| {
        let shared = Shared::new(patience);
        assert!(shared.raw.try_lock());
        let leaves = shared.waiting();
        let stays = shared.waiting();
        let unlocking = {
            let shared = shared.clone();
            thread::spawn(move || shared.use_and_unlock())
        };
        drop(leaves);
        unlocking.join().unwrap();
        stays.expect_ready();
        shared.use_and_unlock();
        shared.expect_free();
    });
}

/// One that was woken leaves while another takes the lock, and while it unlocks: one of the two wakes who waits.
#[test]
fn loom_mutex_leave_after_the_wake_against_barging() {
    model(|patience| {
        let shared = Shared::new(patience);
        assert!(shared.raw.try_lock());
        let leaves = shared.waiting();
        let stays = shared.waiting();
        shared.use_and_unlock();
        assert!(leaves.is_woken() && !stays.is_woken());
        let barging = {
            let shared = shared.clone();
            thread::spawn(move || shared.try_use())
        };
        drop(leaves);
        barging.join().unwrap();
        stays.expect_ready();
        shared.use_and_unlock();
        shared.expect_free();
    });
}

/// One that was woken tries while another is faster: it gets the lock, or stands first in the queue again, and is called once more.
#[test]
fn loom_mutex_come_back_against_barging() {
    model(|patience| {
        let shared = Shared::new(patience);
        assert!(shared.raw.try_lock());
        let mut first = shared.waiting();
        shared.use_and_unlock();
        let barging = {
            let shared = shared.clone();
            thread::spawn(move || shared.try_use())
        };
        let at_once = first.ready();
        if at_once.is_some() {
            shared.use_and_unlock();
        }
        barging.join().unwrap();
        if at_once.is_none() {
            first.expect_ready();
            shared.use_and_unlock();
        }
        shared.expect_free();
    });
}

/// As before, with one more behind it, who must not be forgotten.
#[test]
fn loom_mutex_come_back_before_another() {
    model(|patience| {
        let shared = Shared::new(patience);
        assert!(shared.raw.try_lock());
        let mut first = shared.waiting();
        let second = shared.waiting();
        shared.use_and_unlock();
        let barging = {
            let shared = shared.clone();
            thread::spawn(move || shared.try_use())
        };
        let at_once = first.ready();
        if at_once.is_some() {
            shared.use_and_unlock();
        }
        barging.join().unwrap();
        if at_once.is_none() {
            first.expect_ready();
            shared.use_and_unlock();
        }
        second.expect_ready();
        shared.use_and_unlock();
        shared.expect_free();
    });
}

#[test]
fn loom_mutex_poll_elsewhere_against_unlock() {
    model(|patience| {
        let shared = Shared::new(patience);
        assert!(shared.raw.try_lock());
        let mut lock = shared.waiting();
        let unlocking = {
            let shared = shared.clone();
            thread::spawn(move || shared.use_and_unlock())
        };
        let at_once = lock.poll_elsewhere().is_ready();
        if at_once {
            shared.use_and_unlock();
        }
        unlocking.join().unwrap();
        if !at_once {
            lock.expect_ready();
            shared.use_and_unlock();
        }
        shared.expect_free();
    });
}

/// Two unlock after one another while one waits: it is woken once, and not forgotten.
#[test]
fn loom_mutex_two_bargers_and_a_waiter() {
    model(|patience| {
        let shared = Shared::new(patience);
        assert!(shared.raw.try_lock());
        let waits = shared.waiting();
        let barging = {
            let shared = shared.clone();
            thread::spawn(move || shared.try_use())
        };
        shared.use_and_unlock();
        shared.try_use();
        barging.join().unwrap();
        waits.expect_ready();
        shared.use_and_unlock();
        shared.expect_free();
    });
}

/// Three at once: each takes the lock or stands in the queue, where all are woken in the end.
#[test]
fn loom_mutex_three_lockers() {
    let run = |patience| {
        let shared = Shared::new(patience);
        let come = |shared: Arc<Shared>| {
            let mut lock = Polled::new({
                let shared = shared.clone();
                async move { shared.raw.lock().await }
            });
            if lock.ready().is_none() {
                return Some(lock);
            }
            shared.use_and_unlock();
            None
        };
        let others = [(); 2].map(|()| {
            let shared = shared.clone();
            thread::spawn(move || come(shared))
        });
        let mut waiting = vec![come(shared.clone())];
        waiting.extend(others.into_iter().map(|other| other.join().unwrap()));
        let mut waiting: Vec<_> = waiting.into_iter().flatten().collect();
        while !waiting.is_empty() {
            let woken = waiting.iter().position(Polled::is_woken);
            let woken = woken.expect("somebody waits, and nobody has been woken");
            if waiting[woken].ready().is_some() {
                drop(waiting.swap_remove(woken));
                shared.use_and_unlock();
            }
        }
        shared.expect_free();
    };
    for patience in [0, 1] {
        let mut model = loom::model::Builder::new();
        // Unbounded it takes minutes. `LOOM_MAX_PREEMPTIONS` wins.
        model.preemption_bound.get_or_insert(3);
        model.check(move || run(patience));
    }
}
