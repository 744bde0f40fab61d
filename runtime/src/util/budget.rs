//! How is a task that always finds something ready kept from starving the others?
//!
//! Each poll of a task has a budget of operations. Leaf futures charge one for each operation that succeeded at once; when none is left
//! they return `Pending`, having woken the task, so that it goes to the end of the queue. (The idea and the figure are tokio's, 2020.)
//! Outside a worker there is no limit.

use super::this_poll::{UNLIMITED, notes};
use super::wait_reason::{self, WaitReason};
use std::task::{Context, Poll};

/// Operations a poll may do before it gives up its turn: some 100 us of small reads and writes.
pub(crate) const OPERATIONS_PER_POLL: u32 = 128;

/// Called by a worker before each poll: what is known of the last one is over.
#[inline(always)]
pub(crate) fn reset() {
    notes(|poll| {
        poll.budget_left.set(OPERATIONS_PER_POLL);
        poll.wait_reason.set(WaitReason::Unknown);
    });
}

/// Called when a thread stops being a worker, or is about to wait where a worker would not: from then on nobody renews its budget.
pub(crate) fn lift() {
    notes(|poll| poll.budget_left.set(UNLIMITED));
}

/// Whether the task may go on. If not, it has been woken, and the leaf future returns `Pending`.
#[inline]
pub(crate) fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    if notes(|poll| poll.budget_left.get()) != Some(0) {
        return Poll::Ready(());
    }
    wait_reason::note(WaitReason::Turn);
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Charges one operation that made progress.
#[inline]
pub(crate) fn charge() {
    notes(|poll| {
        let left = poll.budget_left.get();
        if left != UNLIMITED {
            poll.budget_left.set(left.saturating_sub(1));
        }
    });
}

/// Whether the task may take something that is ready, which is charged at once. If not, it has been woken, and the leaf future returns `Pending`
/// and leaves the thing where it is.
#[inline]
pub(crate) fn poll_take(cx: &mut Context<'_>) -> Poll<()> {
    let proceed = poll_proceed(cx);
    if proceed.is_ready() {
        charge();
    }
    proceed
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn a_poll_may_do_so_much_and_no_more() {
        let mut cx = Context::from_waker(Waker::noop());
        reset();
        for _ in 0..OPERATIONS_PER_POLL {
            assert!(poll_proceed(&mut cx).is_ready());
            charge();
        }
        assert!(poll_proceed(&mut cx).is_pending());
        reset();
        assert!(poll_proceed(&mut cx).is_ready());
        lift();
        for _ in 0..2 * OPERATIONS_PER_POLL {
            assert!(poll_proceed(&mut cx).is_ready());
            charge();
        }
    }
}
