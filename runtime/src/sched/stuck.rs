//! What has the sentinel seen?
//!
//! For each worker, how often and for how long it was stuck in one poll; for the runtime, what was rescued and which spares were needed. The sentinel alone writes;
//! whoever reads takes a [`Snapshot`], which costs a few loads for each worker.
//!
//! Times are counted in looks, of which each counts at most for [`LOOK_COUNTS_MAX`]: a process that was stopped for a minute, or whose sentinel got no processor, has not been
//! stuck for that long, as far as anybody knows. So they are lower bounds.

use super::shared::{Remote, Shared};
use crate::sys::sync::atomic::{AtomicU64, Ordering};
use std::panic::Location;
use std::time::Duration;

/// A poll that lasts so long counts as a long one: a hundred times what a batch of polls should take. A guess; much below it, threads that only wait for a
/// processor would be counted.
pub(crate) const LONG_POLL: Duration = Duration::from_millis(10);

/// What the time between two looks counts for at most.
pub(super) const LOOK_COUNTS_MAX: Duration = Duration::from_millis(5);

/// The long polls of one worker.
#[derive(Debug, Default)]
pub(super) struct LongPolls {
    count: AtomicU64,
    longest_ns: AtomicU64,
    total_ns: AtomicU64,
    /// Of the one that lasts; 0 if there is none.
    now_ns: AtomicU64,
}

impl LongPolls {
    /// The poll lasts since `so_far`; at the last look it was `before`.
    pub(super) fn note(&self, before: Duration, so_far: Duration) {
        if so_far < LONG_POLL {
            return;
        }
        let is_new = before < LONG_POLL;
        let more = if is_new { so_far } else { so_far - before };
        add(&self.count, u64::from(is_new));
        add(&self.total_ns, nanos(more));
        set(&self.longest_ns, get(&self.longest_ns).max(nanos(so_far)));
        set(&self.now_ns, nanos(so_far));
    }

    /// The worker has gone on.
    pub(super) fn note_end(&self) {
        if get(&self.now_ns) != 0 {
            set(&self.now_ns, 0);
        }
    }
}

/// What the sentinel has done for the tasks of a runtime.
#[derive(Debug, Default)]
pub(super) struct Rescues {
    /// Tasks taken out of the slots of stuck workers.
    pub(super) tasks: Count,
    /// Wakers of readiness and timers that a stuck worker did not look at.
    pub(super) events: Count,
    /// Threads of spares that were started.
    pub(super) spares_started: Count,
    /// Spares that were called when they were parked.
    pub(super) spares_called: Count,
    /// Threads of spares that could not be started.
    pub(super) spares_failed: Count,
}

/// Counts up. Written by one thread.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: usize) {
        add(&self.0, more as u64);
    }

    pub(super) fn get(&self) -> u64 {
        get(&self.0)
    }
}

// ORDERING: Relaxed in all three, and no read-modify-write: numbers for people to read, which one thread alone writes.
fn get(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

fn set(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Relaxed);
}

fn add(word: &AtomicU64, more: u64) {
    set(word, get(word).wrapping_add(more));
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What the sentinel has seen up to now. Numbers that belong together may differ by one look.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The regular workers, then every spare there has been.
    pub(crate) workers: Vec<WorkerSnapshot>,
    /// Tasks taken out of the slots of stuck workers.
    pub(crate) tasks_rescued: u64,
    /// Wakers of readiness and timers that a stuck worker did not look at.
    pub(crate) events_rescued: u64,
    /// Threads of spares that were started.
    pub(crate) spares_started: u64,
    /// Spares that were called when they were parked.
    pub(crate) spares_called: u64,
    /// Threads of spares that could not be started.
    pub(crate) spares_failed: u64,
    /// Spares that work now.
    pub(crate) spares_working: usize,
    /// How many spares there may be.
    pub(crate) spares_max: usize,
}

/// The long polls of a worker, or a spare.
#[derive(Debug, Clone)]
pub(crate) struct WorkerSnapshot {
    pub(crate) is_spare: bool,
    /// How many there were, with the one that lasts.
    pub(crate) long_polls: u64,
    pub(crate) longest: Duration,
    pub(crate) total: Duration,
    /// The one that lasts, if there is one.
    pub(crate) now: Option<StuckIn>,
}

/// A long poll that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StuckIn {
    /// The type of the task's future, and where it was spawned; none if the worker has not come to its first, but is in a hook of the user's.
    pub(crate) task: Option<&'static str>,
    pub(crate) location: Option<&'static Location<'static>>,
    pub(crate) so_far: Duration,
}

impl Shared {
    /// What the sentinel has seen up to now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let everybody = self.everybody().enumerate();
        let rescues = &self.rescues;
        Snapshot {
            workers: everybody
                .map(|(index, remote)| remote.snapshot(index >= self.workers()))
                .collect(),
            tasks_rescued: rescues.tasks.get(),
            events_rescued: rescues.events.get(),
            spares_started: rescues.spares_started.get(),
            spares_called: rescues.spares_called.get(),
            spares_failed: rescues.spares_failed.get(),
            spares_working: self.spares.working(),
            spares_max: self.spares.most(),
        }
    }
}

impl Remote {
    fn snapshot(&self, is_spare: bool) -> WorkerSnapshot {
        let polls = &self.long_polls;
        let so_far = Duration::from_nanos(get(&polls.now_ns));
        let task = self.last_polled.type_name();
        let location = self.last_polled.location();
        WorkerSnapshot {
            is_spare,
            long_polls: get(&polls.count),
            longest: Duration::from_nanos(get(&polls.longest_ns)),
            total: Duration::from_nanos(get(&polls.total_ns)),
            now: (!so_far.is_zero()).then_some(StuckIn {
                task,
                location,
                so_far,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_poll_counts_once_and_with_all_of_its_time() {
        let polls = LongPolls::default();
        polls.note(Duration::ZERO, LONG_POLL - MS);
        assert_eq!(get(&polls.count), 0);
        polls.note(LONG_POLL - MS, LONG_POLL);
        assert_eq!(get(&polls.now_ns), nanos(LONG_POLL));
        polls.note(LONG_POLL, LONG_POLL + MS);
        polls.note_end();
        polls.note(Duration::ZERO, LONG_POLL);
        polls.note_end();
        assert_eq!(get(&polls.count), 2);
        assert_eq!(get(&polls.longest_ns), nanos(LONG_POLL + MS));
        assert_eq!(get(&polls.total_ns), nanos(LONG_POLL * 2 + MS));
        assert_eq!(get(&polls.now_ns), 0);
    }
}
