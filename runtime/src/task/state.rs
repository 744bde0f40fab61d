//! In which phase is a task, and who may do what to it?
//!
//! One atomic word answers both, and a third question of those who look on: what does it wait for? Its low bits are flags, then come two counts.
//!
//! | bits | name | set by | cleared by |
//! |---|---|---|---|
//! | 0 | COMPLETE | the runner, when future is gone and output stored | nobody |
//! | 1 | CANCELLED | abort, shutdown | nobody |
//! | 2 | JOIN_INTEREST | spawn | the join handle, when it is dropped before completion |
//! | 3 | JOIN_WAKER | the join handle | the join handle, only before COMPLETE |
//! | 4 | GUEST | the runner, when it blocks in its poll and is no worker any more | the runner, when the poll is over |
//! | 5.. | references | one for each `Waker`, one for the join handle | |
//! | 32.. | wait reason | the runner, after a poll: [`WaitReason`] | the next one |
//! | 37.. | wakes | spawn, wake and abort add one | the runner, after a poll: as many as there were before it |
//!
//! | phase | wakes | COMPLETE | the future belongs to | the output belongs to | join waker |
//! |---|:-:|:-:|---|---|---|
//! | queued | 1 or more | 0 | whoever takes it from the queue | | JOIN_WAKER set: read-only; else the join handle's |
//! | running | as many as when the poll began, or more | 0 | the runner | the runner | the same |
//! | idle | 0 | 0 | nobody | | the same |
//! | complete | any | 1 | gone | the join handle, if JOIN_INTEREST; else gone | the runner's, if JOIN_WAKER, until it has emptied the place |
//!
//! To begin a poll nothing is written: the runner remembers how many wakes there were ([`Turn`]) and takes those away when the poll is over.
//! If any are left then, the task was woken meanwhile and is queued still. The wait reason, which nobody else writes, is changed in the same step. Each wake performs its read-modify-write, also when the task is queued already, since that
//! is what publishes the waker's writes to the next poll.
//!
//! The queue holds no reference: a task in it is not COMPLETE, and only COMPLETE tasks without references are freed,
//! by whoever makes both true.
//!
//! **Exclusive**: while there is no reference, nobody but the runner can reach the word (references are only made from
//! references, and the runner lends out the first). The runner then uses plain loads and stores: the word of a
//! detached task to which nobody else refers costs no locked instruction from spawn to free.
//!
//! What it costs otherwise: one locked instruction for a poll that ends pending, one for a wake, one for completion; one for a join handle that waits.
//!
//! ORDERING, for the whole file: transitions that give something away (future, output, writes of a waker) are Release, those
//! that take it are Acquire; nearly all do both, so they are AcqRel and their partner is every other transition of this
//! word. Plain loads are Acquire: those on the exclusive path pair with the Release of the `fetch_sub` that took away the last reference, those
//! at the begin of a poll with the wakes that they count.
//!
//! Rejected: a bit for *notified* and one for *running* instead of the count (one more locked instruction for each poll, to swap them).

use crate::sys::sync::atomic::{AtomicU64, Ordering};
use crate::util::wait_reason::WaitReason;
use std::time::Duration;

const COMPLETE: u64 = 1;
const CANCELLED: u64 = 1 << 1;
const JOIN_INTEREST: u64 = 1 << 2;
const JOIN_WAKER: u64 = 1 << 3;
const GUEST: u64 = 1 << 4;
const REFERENCE: u64 = 1 << 5;
const WAIT_REASON_SHIFT: u32 = 32;
const WAIT_REASON: u64 = 1 << WAIT_REASON_SHIFT;
const WAKE: u64 = 1 << 37;

const REFERENCES: u64 = WAIT_REASON - REFERENCE;
const WAIT_REASONS: u64 = WAKE - WAIT_REASON;
const WAKES: u64 = !(WAKE - 1);

/// More references than could be held without a leak: 67 million wakers of one task. As many again fit the word, for those who are about to find out.
const REFERENCES_MAX: u64 = REFERENCES / 2;

/// Half of the wakes that the word can count: 67 million, none of them followed by a poll.
const WAKES_MANY: u64 = 1 << 63;

/// How long each wake of a task that is not complete takes then. The other half lasts for 18 hours.
const PAUSE: Duration = Duration::from_millis(1);

/// The state word of a task; see the module's table.
#[derive(Debug)]
pub(crate) struct State(AtomicU64);

/// A poll that has begun: the wakes that led to it, and what the task waited for before.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn(u64);

/// What the runner of a queued task has to do now.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Poll the future.
    Poll(Turn),
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
    /// Done; take the join waker out of its place, without which the join handle does not go on, and wake it. The cell is not to be used after that.
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

impl Turn {
    #[inline(always)]
    fn wakes(self) -> u64 {
        self.0 & WAKES
    }
}

impl State {
    /// A task that is about to be put into its first queue, with a join handle.
    pub(crate) fn new_joinable() -> Self {
        Self(AtomicU64::new(WAKE | JOIN_INTEREST | REFERENCE))
    }

    /// Queued -> running.
    #[inline(always)]
    pub(crate) fn start_poll(&self) -> Start {
        let now = self.0.load(Ordering::Acquire);
        debug_assert!(
            now & WAKES != 0 && now & (COMPLETE | GUEST) == 0,
            "polled while not queued: {now:#x}"
        );
        if now & CANCELLED == 0 {
            Start::Poll(Turn(now & (WAKES | WAIT_REASONS)))
        } else {
            Start::Cancel
        }
    }

    /// Running -> idle, or -> queued if a wake or an abort came during the poll.
    #[inline]
    pub(crate) fn finish_pending(&self, turn: Turn, reason: WaitReason) -> AfterPending {
        let now = self.0.load(Ordering::Acquire);
        // The wakes, and the difference between the two reasons, which may be negative; no field ends up below zero.
        let spent = (turn.0 + (now & GUEST)).wrapping_sub((reason as u64) << WAIT_REASON_SHIFT);
        let before = if is_exclusive(now) {
            // ORDERING: Release, partner of `seize`: a shutdown may come upon the task while this thread, which has blocked in the poll
            // and is no worker any more, has yet to leave.
            self.0.store(now.wrapping_sub(spent), Ordering::Release);
            now
        } else {
            self.0.fetch_sub(spent, Ordering::AcqRel)
        };
        debug_assert!(before & COMPLETE == 0 && before & WAKES >= turn.wakes());
        if before & WAKES == turn.wakes() {
            AfterPending::Idle
        } else {
            AfterPending::Requeue
        }
    }

    /// The runner of a running task is no worker any more: a shutdown, which waits for workers, leaves the task to it.
    pub(crate) fn become_guest(&self) {
        let before = self.0.fetch_or(GUEST, Ordering::AcqRel);
        debug_assert!(before & WAKES != 0 && before & COMPLETE == 0);
    }

    /// It is one again.
    pub(crate) fn is_no_guest(&self) {
        self.0.fetch_and(!GUEST, Ordering::AcqRel);
    }

    /// Whether the runner should store the output: somebody may still take it.
    #[inline]
    pub(crate) fn has_join_interest(&self) -> bool {
        self.0.load(Ordering::Acquire) & JOIN_INTEREST != 0
    }

    /// Whether a running task is exclusive and was not asked to do anything meanwhile.
    #[inline(always)]
    pub(crate) fn is_unshared(&self, turn: Turn) -> bool {
        self.0.load(Ordering::Acquire) == turn.0
    }

    /// Running -> complete, if it [is unshared](Self::is_unshared); the cell is to be freed.
    #[inline(always)]
    pub(crate) fn complete_unshared(&self) {
        self.0.store(COMPLETE, Ordering::Relaxed);
    }

    /// Running -> complete. `has_output` tells whether an output is stored; it must not be when nobody wants it.
    #[inline]
    pub(crate) fn complete(&self, has_output: bool) -> Completion {
        let mut now = self.0.load(Ordering::Acquire);
        debug_assert!(now & COMPLETE == 0);
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
            let next = now & !(GUEST | WAKES) | COMPLETE;
            match self
                .0
                .compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if now & JOIN_WAKER != 0 => return Completion::WakeJoiner,
                Ok(_) if is_exclusive(now) => return Completion::Free,
                Ok(_) => return Completion::Shared,
                Err(changed) => now = changed,
            }
        }
    }

    /// Notes a wake. The caller keeps its reference.
    #[inline]
    pub(crate) fn wake_by_ref(&self) -> Wake {
        let before = self.0.fetch_add(WAKE, Ordering::AcqRel);
        slow_down_at(before);
        if before & (WAKES | COMPLETE) == 0 {
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
        let before = self.0.fetch_add(WAKE - REFERENCE, Ordering::AcqRel);
        debug_assert!(before & REFERENCES >= REFERENCE);
        slow_down_at(before);
        if before & COMPLETE != 0 {
            if is_exclusive(before - REFERENCE) {
                Wake::Free
            } else {
                Wake::Nothing
            }
        } else if before & WAKES == 0 {
            Wake::Schedule
        } else {
            Wake::Nothing
        }
    }

    /// Asks for cancellation: the task's runner drops the future before, or right after, its next poll.
    #[inline]
    pub(crate) fn abort(&self) -> Wake {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            let next = (now | CANCELLED).wrapping_add(WAKE);
            match self
                .0
                .compare_exchange_weak(now, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(changed) => now = changed,
            }
        }
        slow_down_at(now);
        if now & (WAKES | COMPLETE) == 0 {
            Wake::Schedule
        } else {
            Wake::Nothing
        }
    }

    /// Queued or idle -> running, for the shutdown, when no worker runs any more. False if the task is complete, or runs on a thread that
    /// blocks in it.
    pub(crate) fn seize(&self) -> bool {
        let unless_taken = |now| {
            if now & (GUEST | COMPLETE) == 0 {
                // A wake more, so that nobody else is given the right to run it.
                Some((now | CANCELLED) + WAKE)
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

    /// What the task waits for, if it waits: idle, and not woken.
    pub(crate) fn wait_reason(&self) -> Option<WaitReason> {
        // ORDERING: Relaxed: nothing is looked at behind it.
        let now = self.0.load(Ordering::Relaxed);
        let waits = now & (COMPLETE | WAKES) == 0;
        waits.then(|| WaitReason::from_number((now & WAIT_REASONS) >> WAIT_REASON_SHIFT))
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

    fn change_join_waker(&self, change: impl Fn(u64) -> u64) -> bool {
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
        let only_ours = self.0.load(Ordering::Acquire) == WAKE | JOIN_INTEREST | REFERENCE;
        if only_ours {
            self.0.store(WAKE, Ordering::Relaxed);
        }
        only_ours
    }

    /// One more reference, made from one that is held.
    #[inline]
    pub(crate) fn add_reference(&self) {
        // ORDERING: Relaxed, as for Arc: the reference it is made from keeps the cell alive, and handing the new one to
        // another thread synchronises by itself.
        let before = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        if before & REFERENCES > REFERENCES_MAX {
            // Wrapping round would free a cell in use; leaking wakers on this scale has no other cure.
            std::process::abort();
        }
    }

    /// Gives up a reference. True if the caller must free the cell.
    #[inline]
    #[must_use]
    pub(crate) fn release_reference(&self) -> bool {
        let now = self.0.load(Ordering::Acquire);
        if is_last(now) {
            // Nobody else can reach the word, so there is nothing to subtract from.
            return true;
        }
        let before = self.0.fetch_sub(REFERENCE, Ordering::AcqRel);
        debug_assert!(before & REFERENCES >= REFERENCE);
        is_last(before)
    }
}

/// Whether nobody refers to the task, so that its runner alone can reach the word.
#[inline(always)]
fn is_exclusive(word: u64) -> bool {
    word & REFERENCES == 0
}

/// Whether a reference is the last one of a complete task.
#[inline(always)]
fn is_last(word: u64) -> bool {
    word & COMPLETE != 0 && word & REFERENCES == REFERENCE
}

/// A task that is woken without end and gets no turn: its wakers must not overtake the count.
#[inline(always)]
fn slow_down_at(word: u64) {
    if word >= WAKES_MANY {
        slow_down(word);
    }
}

#[cold]
#[inline(never)]
#[expect(
    clippy::disallowed_methods,
    reason = "a waker that has woken a task 67 million times for nothing is what is to be held up"
)]
fn slow_down(word: u64) {
    if must_be_counted(word) {
        crate::sys::sync::thread::sleep(PAUSE);
    }
}

/// Whether a wake counts. A complete task may keep its wakers for as long as they like, and its count may overflow: nobody looks at it.
fn must_be_counted(word: u64) -> bool {
    word & COMPLETE == 0
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::sys::clock::{Clock, SystemClock};

    fn start(state: &State) -> Turn {
        match state.start_poll() {
            Start::Poll(turn) => turn,
            Start::Cancel => panic!("nobody has cancelled it"),
        }
    }

    #[test]
    fn a_detached_task_lives_and_dies_by_plain_stores() {
        let state = State::new_joinable();
        assert!(state.detach_unshared());
        let turn = start(&state);
        assert!(state.is_unshared(turn));
        state.complete_unshared();
        assert!(state.is_complete());
    }

    #[test]
    fn the_reason_given_last_is_told_while_the_task_waits() {
        let state = State::new_joinable();
        for reason in [
            WaitReason::Watch,
            WaitReason::Turn,
            WaitReason::Watch,
            WaitReason::Unknown,
        ] {
            assert_eq!(state.wait_reason(), None, "queued");
            let turn = start(&state);
            assert_eq!(state.finish_pending(turn, reason), AfterPending::Idle);
            assert_eq!(state.wait_reason(), Some(reason));
            assert_eq!(state.wake_by_ref(), Wake::Schedule);
        }
        assert!(state.detach() == Detach::Done);
        let turn = start(&state);
        assert_eq!(
            state.finish_pending(turn, WaitReason::Mutex),
            AfterPending::Idle,
            "exclusive"
        );
        assert_eq!(state.wait_reason(), Some(WaitReason::Mutex));
        assert_eq!(state.abort(), Wake::Schedule);
        assert_eq!(state.start_poll(), Start::Cancel);
        assert_eq!(state.complete(false), Completion::Free);
        assert_eq!(state.wait_reason(), None, "complete");
    }

    #[test]
    fn a_task_that_has_waited_ends_as_cheaply() {
        let state = State::new_joinable();
        assert!(state.detach_unshared());
        let turn = start(&state);
        assert_eq!(
            state.finish_pending(turn, WaitReason::Turn),
            AfterPending::Idle
        );
        assert_eq!(state.wake_by_ref(), Wake::Schedule);
        let turn = start(&state);
        assert!(state.is_unshared(turn));
        state.complete_unshared();
    }

    #[test]
    fn wakes_before_the_poll_are_answered_by_it() {
        let state = State::new_joinable();
        assert_eq!(state.wake_by_ref(), Wake::Nothing);
        assert_eq!(state.wake_by_ref(), Wake::Nothing);
        let turn = start(&state);
        assert_eq!(
            state.finish_pending(turn, WaitReason::Timer),
            AfterPending::Idle
        );
    }

    #[test]
    fn a_shutdown_leaves_guests_alone() {
        let state = State::new_joinable();
        let turn = start(&state);
        state.become_guest();
        assert!(!state.seize());
        assert_eq!(state.wake_by_ref(), Wake::Nothing);
        assert_eq!(
            state.finish_pending(turn, WaitReason::Timer),
            AfterPending::Requeue
        );
        assert!(state.seize());
        assert_eq!(state.wake_by_ref(), Wake::Nothing, "it is being cancelled");
        assert_eq!(state.complete(true), Completion::Shared);
        assert!(!state.seize());
    }

    #[test]
    fn many_wakes_do_not_overtake_the_count() {
        let state = State(AtomicU64::new(WAKES_MANY | REFERENCE));
        let begun = SystemClock.now();
        assert_eq!(state.wake_by_ref(), Wake::Nothing);
        assert!(SystemClock.now() - begun >= PAUSE);
        let turn = start(&state);
        assert_eq!(
            state.finish_pending(turn, WaitReason::Timer),
            AfterPending::Idle
        );
    }

    #[test]
    fn wakes_of_a_complete_task_may_overtake_the_count() {
        let state = State(AtomicU64::new(WAKES | COMPLETE | (2 * REFERENCE)));
        assert!(!must_be_counted(WAKES | COMPLETE | REFERENCE));
        assert!(must_be_counted(WAKES | CANCELLED | REFERENCE));
        assert_eq!(state.wake_by_ref(), Wake::Nothing);
        assert_eq!(state.wake_by_ref(), Wake::Nothing);
        state
            .0
            .store(WAKES | COMPLETE | (2 * REFERENCE), Ordering::Relaxed);
        assert_eq!(state.abort(), Wake::Nothing);
        assert!(state.is_complete());
        state
            .0
            .store(WAKES | COMPLETE | (2 * REFERENCE), Ordering::Relaxed);
        assert_eq!(state.wake_by_value(), Wake::Nothing);
        assert!(state.release_reference());
    }

    #[test]
    fn a_wake_during_the_poll_queues_again() {
        let state = State::new_joinable();
        let turn = start(&state);
        assert_eq!(state.wake_by_ref(), Wake::Nothing);
        assert_eq!(
            state.finish_pending(turn, WaitReason::Timer),
            AfterPending::Requeue
        );
        assert_eq!(state.wake_by_ref(), Wake::Nothing);
        let turn = start(&state);
        assert_eq!(
            state.finish_pending(turn, WaitReason::Timer),
            AfterPending::Idle
        );
        assert_eq!(state.wake_by_ref(), Wake::Schedule);
    }

    #[test]
    fn an_abort_cancels_at_the_next_start() {
        let state = State::new_joinable();
        let turn = start(&state);
        assert_eq!(state.abort(), Wake::Nothing);
        assert_eq!(
            state.finish_pending(turn, WaitReason::Timer),
            AfterPending::Requeue
        );
        assert_eq!(state.start_poll(), Start::Cancel);
        assert_eq!(state.complete(true), Completion::Shared);
        assert_eq!(state.abort(), Wake::Nothing);
    }

    #[test]
    fn the_last_reference_to_a_complete_task_frees_it() {
        let state = State::new_joinable();
        let _turn = start(&state);
        state.add_reference();
        assert_eq!(state.complete(true), Completion::Shared);
        assert_eq!(state.detach(), Detach::DropOutput);
        assert!(!state.release_reference());
        assert_eq!(state.wake_by_value(), Wake::Free);
    }

    #[test]
    fn an_output_that_nobody_wants_is_dropped_before_completion() {
        let state = State::new_joinable();
        let _turn = start(&state);
        assert_eq!(state.detach(), Detach::Done);
        assert_eq!(state.complete(true), Completion::DropOutput);
        assert_eq!(state.complete(false), Completion::Free);
    }

    #[test]
    fn a_waiting_joiner_is_woken_and_keeps_the_cell() {
        let state = State::new_joinable();
        assert!(state.publish_join_waker());
        let _turn = start(&state);
        assert_eq!(state.complete(true), Completion::WakeJoiner);
        assert!(!state.publish_join_waker());
        assert!(!state.retract_join_waker());
        assert_eq!(state.detach(), Detach::DropOutput);
        assert!(state.release_reference());
    }
}
