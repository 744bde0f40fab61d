//! What does a worker count for people to read?
//!
//! Each number has one writer, the worker it is about, and costs it a plain load and store where something much dearer happens: a theft, a wait. They stand on lines that nobody but
//! the worker writes. What costs nothing because it is there for other reasons (polls, lengths of queues, what the sentinel has seen) is read where it is.

use super::shared::{Remote, Shared};
use super::stuck::Count;
use crate::sys::sync::atomic::Ordering;

/// What a worker has done that is worth a count.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counts {
    /// Tasks taken out of the queues of siblings.
    pub(super) stolen: Count,
    /// In so many goes.
    pub(super) thefts: Count,
    /// Waits in the driver.
    pub(super) parks: Count,
}

/// What one worker, or spare, has done, and has to do.
#[derive(Debug, Clone)]
pub(crate) struct WorkerCounts {
    pub(crate) polls: u64,
    pub(crate) stolen: u64,
    pub(crate) thefts: u64,
    pub(crate) parks: u64,
    /// Tasks in its queue, and in its slot, as it seems.
    pub(crate) queued: usize,
    pub(crate) is_parked: bool,
}

impl Shared {
    /// What the worker with this index has done; there must be one.
    pub(crate) fn worker_counts(&self, worker: usize) -> WorkerCounts {
        self.remotes[worker].counts()
    }

    /// The same of every spare there has been.
    pub(crate) fn spare_counts(&self) -> impl Iterator<Item = WorkerCounts> {
        let spares = self.everybody().skip(self.workers());
        spares.map(|remote| remote.counts())
    }

    /// How many tasks wait in the lanes, as it seems.
    pub(crate) fn queued_outside(&self) -> usize {
        self.lanes.len()
    }
}

impl Remote {
    fn counts(&self) -> WorkerCounts {
        let counts = &self.counts;
        WorkerCounts {
            // ORDERING: Relaxed: a number for people to read.
            polls: self.polls.load(Ordering::Relaxed) as u64,
            stolen: counts.stolen.get(),
            thefts: counts.thefts.get(),
            parks: counts.parks.get(),
            queued: self.stealer.len() + usize::from(!self.slot.is_empty()),
            is_parked: self.is_asleep(),
        }
    }
}
