//! In which phase is a task, and who may do what to it?
//!
//! One atomic word answers both. Its low bits are the phase, the rest counts references.
//!
//! | bit | name | set by | cleared by |
//! |---|---|---|---|
//! | 0 | NOTIFIED | spawn, wake, abort | the runner, when it begins a poll |
//! | 1 | RUNNING | the runner, when it begins a poll; shutdown | the runner, when the poll is over |
//! | 2 | COMPLETE | the runner, when future is gone and output stored | nobody |
//! | 3 | CANCELLED | abort, shutdown | nobody |
//! | 4 | JOIN_INTEREST | spawn | the join handle, when it is dropped before completion |
//! | 5 | JOIN_WAKER | the join handle | the join handle, only before COMPLETE |
//! | 6.. | references | one for each `Waker`, one for the join handle | |
//!
//! | phase | NOTIFIED | RUNNING | COMPLETE | the future belongs to | the output belongs to | join waker |
//! |---|:-:|:-:|:-:|---|---|---|
//! | queued | 1 | 0 | 0 | whoever takes it from the queue | | JOIN_WAKER set: read-only; else the join handle's |
//! | running | 0 | 1 | 0 | the runner | the runner | the same |
//! | running, to be queued again | 1 | 1 | 0 | the runner | the runner | the same |
//! | idle | 0 | 0 | 0 | nobody | | the same |
//! | complete | any | 0 | 1 | gone | the join handle, if JOIN_INTEREST; else gone | read-only; dropped with the cell |
//!
//! The queue holds no reference: a task in it is not COMPLETE, and only COMPLETE tasks without references are freed,
//! by whoever makes both true. A wake that finds NOTIFIED set still performs its read-modify-write, since that is
//! what publishes the waker's writes to the next poll.
//!
//! **Exclusive**: while the count is 0, nobody but the runner can reach the word (references are only made from
//! references, and the runner lends out the first). The runner then uses plain loads and stores: the word of a
//! detached task to which nobody else refers costs no locked instruction from spawn to free.
//!
//! ORDERING, for the whole file: transitions that give something away (future, output, writes of a waker) are Release, those
//! that take it are Acquire; nearly all do both, so they are AcqRel and their partner is every other transition of this
//! word. Plain loads on the exclusive path are Acquire: they pair with the Release of the `fetch_sub` that made the count 0.

use crate::sys::sync::atomic::{AtomicUsize, Ordering};

const NOTIFIED: usize = 1;
const RUNNING: usize = 1 << 1;
const COMPLETE: usize = 1 << 2;
const CANCELLED: usize = 1 << 3;
const JOIN_INTEREST: usize = 1 << 4;
const JOIN_WAKER: usize = 1 << 5;
const REFERENCE: usize = 1 << 6;

/// More references than could be held without a leak (each is at least 8 bytes of somebody's memory).
const REFERENCES_MAX: usize = usize::MAX / 2;

/// The state word of a task; see the module's table.
#[derive(Debug)]
pub(crate) struct State(AtomicUsize);

/// What the runner of a queued task has to do now.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Poll the future.
    Poll,
    /// Drop the future and complete with an error.
    Cancel,
}

/// What the runner owes after a poll that returned `Pending`.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AfterPending {
    /// Nothing: a wake will come, or never.
    Idle,
    /// The task was woken meanwhile: put it into a queue.
    Requeue,
}

/// What the runner has to do to complete a task.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// Nobody wants the output: drop it, then ask again.
    DropOutput,
    /// Done, and nobody refers to the cell: free it.
    Free,
    /// Done; others refer to the cell.
    Shared,
    /// Done; wake the join waker, then release the reference that came with this verdict.
    WakeJoiner,
}

/// What a wake has to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Put the task into a queue.
    Schedule,
    /// Nothing.
    Nothing,
    /// Nothing but to free the cell: the waker given up was the last reference to a complete task.
    Free,
}

/// What dropping a join handle has to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Detach {
    /// Done, the reference is released.
    Done,
    /// The join waker is the handle's again: drop it, then release the reference.
    DropWaker,
    /// The task is complete: drop the output unless it was taken, then release the reference.
    DropOutput,
}

impl State {
    /// A task that is about to be put into its first queue, with a join handle.
    pub(crate) fn new_joinable() -> Self {
        Self(AtomicUsize::new(NOTIFIED | JOIN_INTEREST | REFERENCE))
    }

    /// Queued -> running.
    #[inline]
    pub(crate) fn start_poll(&self) -> Start {
        let now = self.0.load(Ordering::Acquire);
        debug_assert!(
            now & (NOTIFIED | RUNNING | COMPLETE) == NOTIFIED,
            "polled while not queued: {now:#b}"
        );
        if now == NOTIFIED {
            // Exclusive, and not cancelled.
            self.0.store(RUNNING, Ordering::Relaxed);
            return Start::Poll;
        }
        // NOTIFIED is 1 and RUNNING 0, and neither changes but by us: one exclusive-or swaps them.
        let before = self.0.fetch_xor(NOTIFIED | RUNNING, Ordering::AcqRel);
        if before & CANCELLED == 0 {
            Start::Poll
        } else {
            Start::Cancel
        }
    }

    /// Running -> idle, or -> queued if a wake or an abort came during the poll.
    #[inline]
    pub(crate) fn finish_pending(&self) -> AfterPending {
        let now = self.0.load(Ordering::Acquire);
        let before = if is_exclusive(now) {
            // ORDERING: Release, partner of `seize`: a shutdown may come upon the task while this thread, which has blocked in the poll
            // and is no worker any more, has yet to leave.
            self.0.store(now & !RUNNING, Ordering::Release);
            now
        } else {
            self.0.fetch_and(!RUNNING, Ordering::AcqRel)
        };
        debug_assert!(before & (RUNNING | COMPLETE) == RUNNING);
        if before & NOTIFIED == 0 {
            AfterPending::Idle
        } else {
            AfterPending::Requeue
        }
    }

    /// Whether the runner should store the output: somebody may still take it.
    #[inline]
    pub(crate) fn has_join_interest(&self) -> bool {
        self.0.load(Ordering::Acquire) & JOIN_INTEREST != 0
    }

    /// Whether a running task is exclusive and was not asked to do anything meanwhile.
    #[inline]
    pub(crate) fn is_unshared(&self) -> bool {
        self.0.load(Ordering::Acquire) == RUNNING
    }

    /// Running -> complete, if it [is unshared](Self::is_unshared); the cell is to be freed.
    #[inline]
    pub(crate) fn complete_unshared(&self) {
        debug_assert!(self.is_unshared());
        self.0.store(COMPLETE, Ordering::Relaxed);
    }

    /// Running -> complete. `has_output` tells whether an output is stored; it must not be when nobody wants it.
    #[inline]
    pub(crate) fn complete(&self, has_output: bool) -> Completion {
        let mut now = self.0.load(Ordering::Acquire);
        debug_assert!(now & (RUNNING | COMPLETE) == RUNNING);
        if is_exclusive(now) {
            if has_output {
                return Completion::DropOutput;
            }
            self.0.store(COMPLETE, Ordering::Relaxed);
            return Completion::Free;
        }
        loop {
            if now & JOIN_INTEREST == 0 && has_output {
                return Completion::DropOutput;
            }
            let joiner_waits = now & JOIN_WAKER != 0;
            let kept = if joiner_waits { REFERENCE } else { 0 };
            let next = (now & !RUNNING | COMPLETE) + kept;
            match self
                .0
                .compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if joiner_waits => return Completion::WakeJoiner,
                Ok(_) if is_exclusive(now) => return Completion::Free,
                Ok(_) => return Completion::Shared,
                Err(changed) => now = changed,
            }
        }
    }

    /// Notes a wake. The caller keeps its reference.
    #[inline]
    pub(crate) fn wake_by_ref(&self) -> Wake {
        let before = self.0.fetch_or(NOTIFIED, Ordering::AcqRel);
        if before & (NOTIFIED | RUNNING | COMPLETE) == 0 {
            Wake::Schedule
        } else {
            Wake::Nothing
        }
    }

    /// Notes a wake and gives up the caller's reference in the same step.
    ///
    /// After `Schedule` nothing but the runtime itself keeps the cell alive, so this is for its own workers, which a
    /// shutdown waits for.
    #[inline]
    pub(crate) fn wake_by_value(&self) -> Wake {
        let mut now = self.0.load(Ordering::Acquire);
        loop {
            debug_assert!(now >= REFERENCE);
            let next = (now | NOTIFIED) - REFERENCE;
            match self
                .0
                .compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if now & COMPLETE != 0 => {
                    return if is_exclusive(next) {
                        Wake::Free
                    } else {
                        Wake::Nothing
                    };
                }
                Ok(_) if now & (NOTIFIED | RUNNING) == 0 => return Wake::Schedule,
                Ok(_) => return Wake::Nothing,
                Err(changed) => now = changed,
            }
        }
    }

    /// Asks for cancellation: the task's runner drops the future before, or right after, its next poll.
    #[inline]
    pub(crate) fn abort(&self) -> Wake {
        let before = self.0.fetch_or(CANCELLED | NOTIFIED, Ordering::AcqRel);
        if before & (NOTIFIED | RUNNING | COMPLETE) == 0 {
            Wake::Schedule
        } else {
            Wake::Nothing
        }
    }

    /// Queued or idle -> running, for the shutdown, when no worker runs any more. False if the task is complete, or runs on a thread that
    /// blocks in it.
    pub(crate) fn seize(&self) -> bool {
        let unless_taken = |now| {
            if now & (RUNNING | COMPLETE) == 0 {
                Some(now | CANCELLED | RUNNING)
            } else {
                None
            }
        };
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, unless_taken)
            .is_ok()
    }

    /// Whether the output is there to be taken.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        self.0.load(Ordering::Acquire) & COMPLETE != 0
    }

    /// Whether a join waker is stored; it may then be read, not written. Only for the join handle and for who frees the cell.
    #[inline]
    pub(crate) fn has_join_waker(&self) -> bool {
        self.0.load(Ordering::Acquire) & JOIN_WAKER != 0
    }

    /// Publishes the join waker just stored. False if the task completed first: the waker is then still the handle's.
    pub(crate) fn publish_join_waker(&self) -> bool {
        self.change_join_waker(|now| now | JOIN_WAKER)
    }

    /// Takes the join waker back to replace it. False if the task completed first: the waker is then read-only.
    pub(crate) fn retract_join_waker(&self) -> bool {
        self.change_join_waker(|now| now & !JOIN_WAKER)
    }

    fn change_join_waker(&self, change: impl Fn(usize) -> usize) -> bool {
        let unless_complete = |now| {
            if now & COMPLETE == 0 {
                Some(change(now))
            } else {
                None
            }
        };
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, unless_complete)
            .is_ok()
    }

    /// The join handle goes away.
    #[inline]
    pub(crate) fn detach(&self) -> Detach {
        let mut now = self.0.load(Ordering::Acquire);
        loop {
            if now & COMPLETE != 0 {
                return Detach::DropOutput;
            }
            let waker_stored = now & JOIN_WAKER != 0;
            let released = if waker_stored { 0 } else { REFERENCE };
            let next = (now & !(JOIN_INTEREST | JOIN_WAKER)) - released;
            match self
                .0
                .compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if waker_stored => return Detach::DropWaker,
                Ok(_) => return Detach::Done,
                Err(changed) => now = changed,
            }
        }
    }

    /// The join handle goes away while its holder also holds the queued task, so that nobody else can reach the word
    /// (unless a waker was made, which the word tells). False if so: use [`detach`](Self::detach).
    #[inline]
    pub(crate) fn detach_unshared(&self) -> bool {
        let only_ours = self.0.load(Ordering::Acquire) == NOTIFIED | JOIN_INTEREST | REFERENCE;
        if only_ours {
            self.0.store(NOTIFIED, Ordering::Relaxed);
        }
        only_ours
    }

    /// One more reference, made from one that is held.
    #[inline]
    pub(crate) fn add_reference(&self) {
        // ORDERING: Relaxed, as for Arc: the reference it is made from keeps the cell alive, and handing the new one to
        // another thread synchronises by itself.
        let before = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        if before > REFERENCES_MAX {
            // Wrapping round would free a cell in use; leaking wakers on this scale has no other cure.
            std::process::abort();
        }
    }

    /// Gives up a reference. True if the caller must free the cell.
    #[inline]
    #[must_use]
    pub(crate) fn release_reference(&self) -> bool {
        let now = self.0.load(Ordering::Acquire);
        if now & COMPLETE != 0 && now < 2 * REFERENCE {
            // The last one of a complete task: nobody else can reach the word, so there is nothing to subtract from.
            return true;
        }
        let before = self.0.fetch_sub(REFERENCE, Ordering::AcqRel);
        debug_assert!(before >= REFERENCE);
        before & COMPLETE != 0 && before < 2 * REFERENCE
    }
}

/// Whether nobody refers to the task, so that its runner alone can reach the word.
#[inline]
fn is_exclusive(word: usize) -> bool {
    word < REFERENCE
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_detached_task_lives_and_dies_by_plain_stores() {
        let state = State::new_joinable();
        assert!(state.detach_unshared());
        assert_eq!(state.start_poll(), Start::Poll);
        assert_eq!(state.complete(false), Completion::Free);
        assert!(state.is_complete());
    }

    #[test]
    fn a_wake_during_the_poll_queues_again() {
        let state = State::new_joinable();
        assert_eq!(state.start_poll(), Start::Poll);
        assert_eq!(state.wake_by_ref(), Wake::Nothing);
        assert_eq!(state.finish_pending(), AfterPending::Requeue);
        assert_eq!(state.wake_by_ref(), Wake::Nothing);
        assert_eq!(state.start_poll(), Start::Poll);
        assert_eq!(state.finish_pending(), AfterPending::Idle);
        assert_eq!(state.wake_by_ref(), Wake::Schedule);
    }

    #[test]
    fn an_abort_cancels_at_the_next_start() {
        let state = State::new_joinable();
        assert_eq!(state.start_poll(), Start::Poll);
        assert_eq!(state.abort(), Wake::Nothing);
        assert_eq!(state.finish_pending(), AfterPending::Requeue);
        assert_eq!(state.start_poll(), Start::Cancel);
        assert_eq!(state.complete(true), Completion::Shared);
        assert_eq!(state.abort(), Wake::Nothing);
    }

    #[test]
    fn the_last_reference_to_a_complete_task_frees_it() {
        let state = State::new_joinable();
        assert_eq!(state.start_poll(), Start::Poll);
        state.add_reference();
        assert_eq!(state.complete(true), Completion::Shared);
        assert_eq!(state.detach(), Detach::DropOutput);
        assert!(!state.release_reference());
        assert_eq!(state.wake_by_value(), Wake::Free);
    }

    #[test]
    fn an_output_that_nobody_wants_is_dropped_before_completion() {
        let state = State::new_joinable();
        assert_eq!(state.start_poll(), Start::Poll);
        assert_eq!(state.detach(), Detach::Done);
        assert_eq!(state.complete(true), Completion::DropOutput);
        assert_eq!(state.complete(false), Completion::Free);
    }

    #[test]
    fn a_waiting_joiner_is_woken_and_the_runner_keeps_the_cell_for_it() {
        let state = State::new_joinable();
        assert!(state.publish_join_waker());
        assert_eq!(state.start_poll(), Start::Poll);
        assert_eq!(state.complete(true), Completion::WakeJoiner);
        assert!(!state.publish_join_waker());
        assert!(!state.retract_join_waker());
        assert_eq!(state.detach(), Detach::DropOutput);
        assert!(!state.release_reference());
        assert!(state.release_reference());
    }
}
