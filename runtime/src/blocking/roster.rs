//! Who of the pool's threads is where, and what does that oblige a caller to do?
//!
//! Counts and nothing else: no lock, no thread, no queue. The pool keeps a [`Roster`] under its lock and does
//! what the `#[must_use]` verdicts say before it lets the lock go; the queue is only ever filled under the same lock.
//!
//! ```text
//!   submit -> Start        try_retire -> true
//!  ----------------> idle ------------------> leaving -> left
//!                    |  ^
//!   take -> Run/Drop |  | done
//!                    v  |
//!                    busy
//! ```
//!
//! | count | is |
//! |---|---|
//! | `threads` | idle and busy threads: those that will look at the queue again |
//! | `idle` | of these, the ones that wait for a job or are about to |
//! | `queued` | jobs in the queue, and those taken out of it whose thread has not yet called `take` |
//! | `leaving` | threads that will look at the queue no more, but still run hooks |
//!
//! No job is lost: `try_retire` refuses while `queued > 0`, and `submit` counts its job before anybody can retire
//! (one lock). So when a thread retires, every job submitted before is with another thread, and every job submitted
//! later finds it gone from `idle`. In short, after each step: **if `queued > 0` then `threads > 0`**, and a thread of
//! `threads` looks at the queue once more than there are jobs in it.

/// The pool's counts.
#[derive(Debug)]
pub(super) struct Roster {
    max: usize,
    threads: usize,
    idle: usize,
    queued: usize,
    leaving: usize,
    is_closed: bool,
}

/// What people may want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// That have not ended.
    pub(crate) threads: usize,
    /// Of these, with no job to do.
    pub(crate) idle: usize,
    /// Jobs that no thread has begun.
    pub(crate) queued: usize,
}

/// What became of a submitted job.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the job has not been put into the queue yet"]
pub(super) enum Submit {
    /// The pool takes no more: drop the job, after the lock.
    Closed,
    /// Put it into the queue: a thread will come to it.
    Queue,
    /// Start a thread and put the job into the queue; if none starts, ask [`Roster::start_failed`].
    Start,
}

/// What becomes of a job whose thread did not start.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the job is either to be queued or to be given up"]
pub(super) enum StartFailed {
    /// Put it into the queue: another thread will come to it.
    Queue,
    /// There is nobody who would.
    GiveUp,
}

/// What to do with a job that was taken out of the queue.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the thread is busy until `done`"]
pub(super) enum Take {
    Run,
    /// The pool was closed before the job began.
    Drop,
}

impl Roster {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            threads: 0,
            idle: 0,
            queued: 0,
            leaving: 0,
            is_closed: false,
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            threads: self.threads + self.leaving,
            // Those that wait for the jobs of the queue, or are about to begin them, are spoken for.
            idle: self.idle.saturating_sub(self.queued),
            queued: self.queued,
        }
    }

    /// A job wants to be run.
    pub(super) fn submit(&mut self) -> Submit {
        if self.is_closed {
            return Submit::Closed;
        }
        self.queued += 1;
        // Each idle thread is spoken for by one job of the queue.
        if self.queued <= self.idle || self.threads == self.max {
            return Submit::Queue;
        }
        self.threads += 1;
        self.idle += 1;
        Submit::Start
    }

    /// The thread that [`Submit::Start`] asked for is not to be had.
    pub(super) fn start_failed(&mut self) -> StartFailed {
        self.threads -= 1;
        self.idle -= 1;
        if self.threads > 0 {
            return StartFailed::Queue;
        }
        self.queued -= 1;
        debug_assert_eq!(self.queued, 0, "jobs were queued with no thread");
        StartFailed::GiveUp
    }

    /// An idle thread has taken a job out of the queue.
    pub(super) fn take(&mut self) -> Take {
        self.queued -= 1;
        self.idle -= 1;
        if self.is_closed {
            Take::Drop
        } else {
            Take::Run
        }
    }

    /// A busy thread has finished with its job.
    pub(super) fn done(&mut self) {
        self.idle += 1;
        debug_assert!(self.idle <= self.threads);
    }

    /// An idle thread has waited long enough. True: it must not look at the queue any more.
    ///
    /// False is rare: a job has come just now. In a closed pool the queue is empty for good, and what still counts as queued is
    /// with a thread that is about to say so.
    #[must_use]
    pub(super) fn try_retire(&mut self) -> bool {
        if self.queued > 0 && !self.is_closed {
            return false;
        }
        self.threads -= 1;
        self.idle -= 1;
        self.leaving += 1;
        true
    }

    /// A thread that retired has nothing more to do. True if it was the last one of a closed pool.
    #[must_use]
    pub(super) fn left(&mut self) -> bool {
        self.leaving -= 1;
        self.has_ended()
    }

    /// The pool takes no more jobs, and `drained` of them were taken out of the queue to be dropped.
    pub(super) fn close(&mut self, drained: usize) {
        self.is_closed = true;
        self.queued -= drained;
    }

    /// Whether the pool is closed and all threads are gone.
    pub(super) fn has_ended(&self) -> bool {
        self.is_closed && self.threads + self.leaving == 0
    }

    #[cfg(test)]
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn idle(&self) -> usize {
        self.idle
    }

    #[cfg(all(test, loom))]
    pub(super) fn queued(&self) -> usize {
        self.queued
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_job_starts_a_thread_only_when_no_idle_one_is_free_for_it() {
        let mut roster = Roster::new(2);
        assert_eq!(roster.submit(), Submit::Start);
        // The first thread is spoken for by the first job, although it has not taken it yet.
        assert_eq!(roster.submit(), Submit::Start);
        assert_eq!(roster.submit(), Submit::Queue);
        assert_eq!((roster.threads, roster.idle, roster.queued), (2, 2, 3));
        assert_eq!(roster.take(), Take::Run);
        roster.done();
        assert_eq!(roster.take(), Take::Run);
        assert_eq!(roster.take(), Take::Run);
        roster.done();
        roster.done();
        assert_eq!(roster.submit(), Submit::Queue);
    }

    #[test]
    fn nobody_retires_from_a_queue() {
        let mut roster = Roster::new(1);
        assert_eq!(roster.submit(), Submit::Start);
        assert!(!roster.try_retire());
        assert_eq!(roster.take(), Take::Run);
        roster.done();
        assert!(roster.try_retire());
        assert_eq!(
            roster.submit(),
            Submit::Start,
            "who retired is no longer counted on"
        );
        assert!(!roster.left(), "an open pool has not ended");
    }

    #[test]
    fn a_thread_that_does_not_start_leaves_the_job_to_others_if_there_are_any() {
        let mut roster = Roster::new(8);
        assert_eq!(roster.submit(), Submit::Start);
        assert_eq!(roster.start_failed(), StartFailed::GiveUp);
        assert_eq!((roster.threads, roster.idle, roster.queued), (0, 0, 0));
        assert_eq!(roster.submit(), Submit::Start);
        assert_eq!(roster.submit(), Submit::Start);
        assert_eq!(roster.start_failed(), StartFailed::Queue);
        assert_eq!((roster.threads, roster.idle, roster.queued), (1, 1, 2));
    }

    #[test]
    fn a_closed_pool_ends_when_its_last_thread_has_left() {
        let mut roster = Roster::new(2);
        assert_eq!(roster.submit(), Submit::Start);
        assert_eq!(roster.submit(), Submit::Start);
        roster.close(1);
        assert_eq!(roster.submit(), Submit::Closed);
        // The other job had left the queue when it was drained.
        assert_eq!(roster.take(), Take::Drop);
        roster.done();
        assert!(roster.try_retire());
        assert!(roster.try_retire());
        assert!(!roster.left());
        assert!(!roster.has_ended());
        assert!(roster.left());
        assert!(roster.has_ended());
    }

    #[test]
    fn a_pool_without_threads_has_ended_when_it_is_closed() {
        let mut roster = Roster::new(0);
        assert!(!roster.has_ended());
        roster.close(0);
        assert!(roster.has_ended());
    }

    proptest::proptest! {
        /// Any sequence of legal steps keeps the counts' promises.
        #[test]
        fn queued_jobs_always_have_a_thread(steps in proptest::collection::vec(0_u8..6, 0..200), max in 1_usize..4) {
            let mut roster = Roster::new(max);
            let mut busy = 0;
            let mut has_failed = false;
            for step in steps {
                match step {
                    0 => {
                        let _ = roster.submit();
                    }
                    1 if roster.submit() == Submit::Start => {
                        has_failed = true;
                        let _ = roster.start_failed();
                    }
                    2 if roster.queued > 0 && roster.idle > 0 => {
                        assert_eq!(roster.take(), Take::Run);
                        busy += 1;
                    }
                    3 if busy > 0 => {
                        roster.done();
                        busy -= 1;
                    }
                    4 if roster.idle > 0 => {
                        let _ = roster.try_retire();
                    }
                    5 if roster.leaving > 0 => assert!(!roster.left()),
                    _ => {}
                }
                assert!(roster.queued == 0 || roster.threads > 0);
                assert!(roster.threads <= max);
                assert_eq!(roster.idle + busy, roster.threads);
                // Nobody waits although a thread could be started, unless that was tried.
                assert!(roster.queued <= roster.idle || roster.threads == max || has_failed);
            }
        }
    }
}
