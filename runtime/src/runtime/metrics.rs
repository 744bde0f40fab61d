//! What can be known of a runtime while it runs?
//!
//! Numbers that are there for other reasons, or that each worker counts for itself where it costs nothing (`sched/counts.rs`). Reading them takes a few loads, from lines that workers
//! write; no worker waits for it.

use super::handle::Inner;
use crate::sched::counts::WorkerCounts;
use crate::sched::stuck::WorkerSnapshot;
use crate::sys::sync::Arc;
use std::fmt;
use std::time::Duration;

/// What can be known of a runtime while it runs; made by [`Handle::metrics`](super::Handle::metrics).
///
/// The names are tokio's where the meaning is the same.
///
/// # Units and limits
///
/// Each number is right at some moment; two that belong together may be of two moments. Counts go on from the start of the runtime, and wrap around. A `worker` is an index below
/// [`num_workers`](Self::num_workers); spare workers are counted together.
///
/// # Examples
///
/// ```
/// let rt = filch::runtime::Builder::new().worker_threads(2).build()?;
/// rt.block_on(rt.spawn(async {})).unwrap();
/// let metrics = rt.metrics();
/// assert_eq!(metrics.num_workers(), 2);
/// let polls: u64 = (0..2).map(|worker| metrics.worker_poll_count(worker)).sum();
/// assert_eq!(polls + metrics.spare_poll_count(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct RuntimeMetrics {
    inner: Arc<Inner>,
}

impl RuntimeMetrics {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// How many workers the runtime was built with, active or not.
    #[must_use]
    pub fn num_workers(&self) -> usize {
        self.inner.sched.workers()
    }

    /// How many of them are active: as many as there are processors for, see [`Builder::follow_cpu_limits`](super::Builder::follow_cpu_limits).
    #[must_use]
    pub fn num_active_workers(&self) -> usize {
        self.inner.sched.active()
    }

    /// How many spare workers work now, see [`Builder::max_spare_workers`](super::Builder::max_spare_workers).
    #[must_use]
    pub fn num_spare_workers(&self) -> usize {
        self.inner.sched.snapshot().spares_working
    }

    /// How many spare workers there may be.
    #[must_use]
    pub fn max_spare_workers(&self) -> usize {
        self.inner.sched.snapshot().spares_max
    }

    /// How often a spare worker was needed: by starting a thread, or by calling one that had nothing to do.
    #[must_use]
    pub fn spare_call_count(&self) -> u64 {
        let seen = self.inner.sched.snapshot();
        seen.spares_started + seen.spares_called
    }

    /// How often no thread could be started for a spare worker.
    #[must_use]
    pub fn spare_failure_count(&self) -> u64 {
        self.inner.sched.snapshot().spares_failed
    }

    /// How many polls all spare workers have begun.
    #[must_use]
    pub fn spare_poll_count(&self) -> u64 {
        self.inner
            .sched
            .spare_counts()
            .map(|spare| spare.polls)
            .sum()
    }

    /// How many polls on spare workers have lasted for 10 ms or more.
    #[must_use]
    pub fn spare_long_poll_count(&self) -> u64 {
        let seen = self.inner.sched.snapshot().workers;
        let spares = seen.iter().filter(|worker| worker.is_spare);
        spares.map(|spare| spare.long_polls).sum()
    }

    /// How many tasks from threads that are no workers wait for one to take them.
    #[must_use]
    pub fn global_queue_depth(&self) -> usize {
        self.inner.sched.queued_outside()
    }

    /// How many tasks wait in the worker's own queue, with the one that it runs next.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_local_queue_depth(&self, worker: usize) -> usize {
        self.worker(worker).queued
    }

    /// How many descriptors are registered with the worker's poller; 0 in a runtime without I/O. See [`Placement`](crate::io::Placement).
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_source_count(&self, worker: usize) -> usize {
        self.check(worker);
        let poller = self.inner.pollers.get(worker);
        poller.map_or(0, |poller| poller.source_count())
    }

    /// How many polls the worker has begun.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_poll_count(&self, worker: usize) -> u64 {
        self.worker(worker).polls
    }

    /// How many tasks the worker has taken out of the queues of others.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_steal_count(&self, worker: usize) -> u64 {
        self.worker(worker).stolen
    }

    /// How often the worker has taken tasks out of the queue of another, any number at a time.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_steal_operations(&self, worker: usize) -> u64 {
        self.worker(worker).thefts
    }

    /// How often the worker has fallen asleep because there was nothing to do.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        self.worker(worker).parks
    }

    /// Whether the worker sleeps.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_is_parked(&self, worker: usize) -> bool {
        self.worker(worker).is_parked
    }

    /// How many polls on the worker have lasted for 10 ms or more, with the one that lasts.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_long_poll_count(&self, worker: usize) -> u64 {
        self.long_polls(worker).long_polls
    }

    /// How long those have lasted together: a lower bound.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_total_long_poll_duration(&self, worker: usize) -> Duration {
        self.long_polls(worker).total
    }

    /// How long the longest of them has lasted: a lower bound.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_longest_poll_duration(&self, worker: usize) -> Duration {
        self.long_polls(worker).longest
    }

    /// How long the poll has lasted that the worker is in now, if that is 10 ms or more: a lower bound.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[must_use]
    #[track_caller]
    pub fn worker_stuck_for(&self, worker: usize) -> Option<Duration> {
        self.long_polls(worker).now.map(|now| now.so_far)
    }

    /// How many tasks were to run next on a worker that was stuck in one poll, and were given to others.
    #[must_use]
    pub fn rescued_task_count(&self) -> u64 {
        self.inner.sched.snapshot().tasks_rescued
    }

    /// How many descriptors and timers were ready that a worker which was stuck in one poll did not look at, and were looked after.
    #[must_use]
    pub fn rescued_event_count(&self) -> u64 {
        self.inner.sched.snapshot().events_rescued
    }

    /// How many threads there are for [`spawn_blocking`](crate::spawn_blocking).
    #[must_use]
    pub fn num_blocking_threads(&self) -> usize {
        self.inner.blocking.counts().threads
    }

    /// How many of them have nothing to do.
    #[must_use]
    pub fn num_idle_blocking_threads(&self) -> usize {
        self.inner.blocking.counts().idle
    }

    /// How many calls of [`spawn_blocking`](crate::spawn_blocking) no thread has begun.
    #[must_use]
    pub fn blocking_queue_depth(&self) -> usize {
        self.inner.blocking.counts().queued
    }

    /// What the sentinel has seen of it.
    #[track_caller]
    fn long_polls(&self, worker: usize) -> WorkerSnapshot {
        self.check(worker);
        self.inner.sched.snapshot().workers.swap_remove(worker)
    }

    #[track_caller]
    fn worker(&self, worker: usize) -> WorkerCounts {
        self.check(worker);
        self.inner.sched.worker_counts(worker)
    }

    #[track_caller]
    fn check(&self, worker: usize) {
        let workers = self.num_workers();
        assert!(
            worker < workers,
            "there is no worker {worker}: give an index below num_workers, which is {workers}"
        );
    }
}

impl fmt::Debug for RuntimeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeMetrics")
            .field("workers", &self.num_workers())
            .finish_non_exhaustive()
    }
}
