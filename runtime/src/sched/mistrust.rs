//! What if a worker strands what it has again and again?
//!
//! Usually a task that is woken or spawned waits in its worker's slot, and wakes nobody: it runs in a moment. If the worker goes on computing instead, the sentinel
//! finds what it has stranded, a millisecond or two later. A worker it has found so is *mistrusted* for [`MISTRUST`], since a task that computes for long once does
//! it again. While others sleep,
//!
//! | what comes to a mistrusted worker | is found by |
//! |---|---|
//! | a task that it wakes or spawns itself | whoever it wakes: the slot is not used, and rule 1 of `IDLE.md` applied to each push |
//! | readiness in its driver, an expired timer | a sibling that sleeps while the other works, and watches it: its wait ends with the other's events and deadline too |
//!
//! When the mistrusted worker itself goes to sleep the watch ends, since what comes then is its own business, and wakes it anyway. When it wakes up by itself it wakes somebody to watch it; for one
//! that was woken to search, and wherever nobody could be woken, the sentinel does so when it has been in one poll from look to look. (Without the first, what came when a computation had just
//! begun was late by a look: of 1000 requests a second beside a client whose requests compute for 22 ms, one in a hundred by 1.05 ms.)
//!
//! So the first is late by two ticks of the sentinel, and the next ones by a wake-up. What it costs: the wake-ups, and for each sleep of the one who watches two system calls, and
//! a wait that ends for events which the mistrusted worker would have looked after itself. Programs without long polls never pay.
//!
//! Two mistrusted workers do not wake each other for ever: whoever is woken to watch is a searcher, and while one searches nobody is woken.
//!
//! Rejected: idle workers that never sleep while a sibling works (a core for nothing); a sentinel that looks more often (each look costs some microseconds, and its
//! timers are the kernel's); waking somebody for each task of everybody (2.4 us each, tokio#8065).

use super::core::Core;
use super::shared::{Remote, Shared};
use crate::driver::Wait;
use crate::sys::sync::atomic::{AtomicUsize, Ordering};
use crate::task::refs::Notified;
use std::time::{Duration, Instant};

/// Since it was last found to strand something, or, once it is mistrusted, in one poll from look to look. A guess: many polls of whatever computes for long, and a moment for people.
const MISTRUST: Duration = Duration::from_secs(1);

/// Until when the sentinel mistrusts a worker.
#[derive(Debug, Default)]
pub(super) struct Mistrust(Option<Instant>);

impl Mistrust {
    /// The worker has stranded something.
    pub(super) fn begin(&mut self, shared: &Shared, worker: &Remote, now: Instant) {
        if self.0.replace(now + MISTRUST).is_none() {
            // ORDERING: Relaxed, as all loads and stores of these two: who reads one late uses the slot once more, or does not watch.
            shared.mistrusted.fetch_add(1, Ordering::Relaxed);
            worker.is_mistrusted.store(true, Ordering::Relaxed);
        }
    }

    /// It is in one poll for long: what is offered is not found stranded, but it would be.
    pub(super) fn renew(&mut self, now: Instant) {
        self.0 = self.0.map(|_| now + MISTRUST);
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

    /// Before a sleep: nobody watches this worker any more, since it is woken itself. And its own sleep ends also when something becomes ready at a mistrusted
    /// sibling that works and that nobody else watches; which one it is.
    #[inline]
    pub(super) fn watch_a_sibling(&self) -> Option<usize> {
        if self.shared.mistrusted.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.end_watch_of(self.index, None);
        self.watch_mistrusted()
    }

    #[cold]
    fn watch_mistrusted(&self) -> Option<usize> {
        let shared = &self.shared;
        let mut working = (0..shared.workers()).filter(|&index| {
            let sibling = shared.remote(index);
            index != self.index && sibling.is_mistrusted() && !sibling.is_asleep()
        });
        working.find(|&index| {
            let (nobody, me) = (0, self.index + 1);
            // ORDERING: Acquire, partner of the Release stores here and in `end_watch_of`: one watch comes after the other.
            let watcher = &shared.watchers[index];
            let is_first =
                watcher.compare_exchange(nobody, me, Ordering::Acquire, Ordering::Relaxed);
            let sibling = &shared.remote(index).driver;
            if is_first.is_ok() && !self.remote().driver.watch(&**sibling) {
                watcher.store(nobody, Ordering::Release);
                return false;
            }
            is_first.is_ok()
        })
    }

    /// A wait that ends also with the next deadline of the sibling that is watched.
    pub(super) fn also_for(&self, watched: Option<usize>, wait: Wait, now: Instant) -> Wait {
        let sibling = watched.map(|sibling| self.shared.remote(sibling));
        let Some(deadline) = sibling.and_then(|sibling| sibling.timers.next_deadline()) else {
            return wait;
        };
        let time = deadline.saturating_duration_since(now);
        match wait {
            Wait::AtMost(at_most) => Wait::AtMost(at_most.min(time)),
            Wait::Forever => Wait::AtMost(time),
            Wait::Sweep => Wait::Sweep,
        }
    }

    /// After the sleep.
    pub(super) fn unwatch(&self, sibling: usize) {
        self.end_watch_of(sibling, Some(self.index));
    }

    /// Ends the watch of a worker, if there is one, by this watcher if that matters.
    fn end_watch_of(&self, watched: usize, by: Option<usize>) {
        let Some(watcher) = self.shared.watchers.get(watched) else {
            // A spare.
            return;
        };
        // ORDERING: Relaxed: a hint, as in `find_watcher`; the descriptors are the kernel's to look after.
        let who = watcher.load(Ordering::Relaxed);
        let is_meant = by.is_none_or(|by| who == by + 1);
        if who == 0 || !is_meant {
            return;
        }
        let driver = &self.shared.remote(who - 1).driver;
        driver.unwatch(&*self.shared.remote(watched).driver);
        // Who comes second at this finds another watch perhaps, which is then announced and not there: what it would have seen is late by a look of the sentinel.
        watcher.store(0, Ordering::Release);
    }
}

impl Shared {
    /// Sees to it that somebody watches a worker: who is woken for nothing goes back to sleep, and watches.
    #[cold]
    pub(super) fn find_watcher(&self, mistrusted: usize) {
        let is_watched = |watcher: &AtomicUsize| watcher.load(Ordering::Relaxed) != 0;
        if !self.watchers.get(mistrusted).is_none_or(is_watched) {
            self.unpark(self.idle.wake_one_from_outside());
        }
    }
}
