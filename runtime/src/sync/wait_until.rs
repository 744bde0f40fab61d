//! How does a future wait until something holds that is looked at under a queue's lock?
//!
//! It looks; if it does not hold yet, it stands in the queue and looks again when it was woken. Who makes it hold wakes somebody under the same lock, so that nobody looks
//! in vain and then sleeps over it.

use super::wait_queue::{Locked, Phase, Wait, WaitQueue};
use crate::util::budget;
use crate::util::wait_reason::{self, WaitReason};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The future of [`wait_until`].
    #[derive(Debug)]
    pub(crate) struct WaitUntil<'q, S, T, F> {
        #[pin]
        wait: Wait<'q, S, T>,
        look: F,
        reason: WaitReason,
    }
}

/// Waits until `look` returns something. Between two looks the future stands in the queue with a `value` of its own.
///
/// A future that is dropped after it was woken has taken nothing: whoever wakes for something that only one can have has to see to the others.
pub(crate) fn wait_until<'q, S, T, F, R>(
    queue: &'q WaitQueue<S, T>,
    value: T,
    reason: WaitReason,
    look: F,
) -> WaitUntil<'q, S, T, F>
where
    F: FnMut(&mut Locked<'q, S, T>) -> Option<R>,
{
    WaitUntil {
        wait: Wait::new(queue, value),
        look,
        reason,
    }
}

impl<'q, S, T, F, R> Future for WaitUntil<'q, S, T, F>
where
    F: FnMut(&mut Locked<'q, S, T>) -> Option<R>,
{
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let mut this = self.project();
        if this.wait.phase() == Phase::Waiting {
            ready!(this.wait.as_mut().poll(cx, *this.reason));
        }
        ready!(budget::poll_proceed(cx));
        if this.wait.phase() == Phase::Woken {
            this.wait.as_mut().rearm();
        }
        // Cloned before the lock: that runs code of others.
        let waker = cx.waker().clone();
        let mut locked = this.wait.queue().lock();
        if let Some(found) = (this.look)(&mut locked) {
            drop(locked);
            budget::charge();
            return Poll::Ready(found);
        }
        this.wait.as_mut().enqueue(&mut locked, waker);
        drop(locked);
        wait_reason::note(*this.reason);
        Poll::Pending
    }
}
