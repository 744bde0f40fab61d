//! What if a worker strands what it has again and again?
//!
//! Usually a task that is woken or spawned waits in its worker's slot, and wakes nobody: it runs in a moment. If the worker goes on computing instead, the sentinel
//! finds what it has stranded, a quarter of a millisecond later. A worker it has found so is *mistrusted* for [`MISTRUST`], since a task that computes for long once does
//! it again. While others sleep,
//!
//! | what comes to a mistrusted worker | is found by |
//! |---|---|
//! | a task that it wakes or spawns itself | whoever it wakes: the slot is not used, and rule 1 of `IDLE.md` applied to each push |
//! | readiness in its driver, an expired timer | the sibling that fell asleep last and watches it: its wait ends with the other's events and deadline too |
//!
//! So the first is late by two ticks of the sentinel, and the next ones by a wake-up. What it costs: the wake-ups, and for each sleep of the one who watches two system calls, and
//! a wait that ends for events which the mistrusted worker would have looked after itself. Programs without long polls never pay.
//!
//! Rejected: idle workers that never sleep while a sibling works (a core for nothing); a sentinel that looks more often (each look costs some microseconds, and its
//! timers are the kernel's); waking somebody for each task of everybody (2.4 us each, tokio#8065).

use super::core::Core;
use super::shared::{Remote, Shared};
use crate::sys::sync::atomic::Ordering;
use crate::task::refs::Notified;
use std::time::{Duration, Instant};

/// Since it was last found to strand something. A guess: many polls of whatever computes for long, and a moment for people.
const MISTRUST: Duration = Duration::from_secs(1);

/// Until when the sentinel mistrusts a worker.
#[derive(Debug, Default)]
pub(super) struct Mistrust(Option<Instant>);

impl Mistrust {
    /// The worker has stranded something.
    pub(super) fn begin(&mut self, shared: &Shared, worker: &Remote, now: Instant) {
        if self.0.replace(now + MISTRUST).is_none() {
            // ORDERING: Relaxed, as everything here: who reads it late uses the slot once more, or does not watch.
            shared.mistrusted.fetch_add(1, Ordering::Relaxed);
            worker.is_mistrusted.store(true, Ordering::Relaxed);
        }
    }

    /// Ends it when it is time.
    pub(super) fn look(&mut self, shared: &Shared, worker: &Remote, now: Instant) {
        if self.0.is_some_and(|until| now >= until) {
            self.0 = None;
            worker.is_mistrusted.store(false, Ordering::Relaxed);
            shared.mistrusted.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Remote {
    #[inline(always)]
    pub(super) fn is_mistrusted(&self) -> bool {
        self.is_mistrusted.load(Ordering::Relaxed)
    }
}

impl Core {
    /// Puts a task where others find it at once.
    #[cold]
    #[inline(never)]
    pub(super) fn offer(&self, task: Notified) {
        self.queue.push(task);
        self.shared.unpark(self.shared.idle.wake_one_for_work());
    }

    /// Before a sleep: makes it end also when something becomes ready at a mistrusted sibling that nobody watches yet.
    #[inline]
    pub(super) fn watch_a_sibling(&self) -> Option<&Remote> {
        if self.shared.mistrusted.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.watch_mistrusted()
    }

    #[cold]
    fn watch_mistrusted(&self) -> Option<&Remote> {
        let mut siblings = self.siblings().filter(|sibling| sibling.is_mistrusted());
        siblings.find(|sibling| {
            // ORDERING: Acquire, partner of the Release in `unwatch_sibling`: one watch of a driver after the other.
            let is_first = !sibling.is_watched.swap(true, Ordering::Acquire);
            if is_first && !self.remote().driver.watch(&*sibling.driver) {
                sibling.is_watched.store(false, Ordering::Release);
                return false;
            }
            is_first
        })
    }

    /// After the sleep.
    pub(super) fn unwatch_sibling(&self, sibling: &Remote) {
        self.remote().driver.unwatch(&*sibling.driver);
        sibling.is_watched.store(false, Ordering::Release);
    }
}
