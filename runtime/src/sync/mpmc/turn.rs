//! How does a future wait at one end of the ring until it is its turn?
//!
//! It tries; if that is in vain it stands in the queue of its side and tries again when it was woken. Whoever is robbed then stands at the front again. A future that is dropped after it
//! was woken wakes the next one in its place.

use super::shared::{Shared, Side};
use crate::sync::wait_queue::{Phase, Wait};
use crate::util::budget;
use crate::util::wait_reason;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The future of everything that waits here.
    pub(super) struct Turn<'a, T, F> {
        shared: &'a Shared<T>,
        side: Side,
        #[pin]
        wait: Wait<'a, (), ()>,
        attempt: F,
        is_over: bool,
    }

    impl<T, F> PinnedDrop for Turn<'_, T, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let side = *this.side;
            if !*this.is_over && was_woken(this.wait, this.shared, side) {
                this.shared.wake(side, 1);
            }
        }
    }
}

/// Takes a wait that is given up out of its queue. True if it was woken before.
fn was_woken<'a, T>(wait: Pin<&mut Wait<'a, (), ()>>, shared: &'a Shared<T>, side: Side) -> bool {
    match wait.phase() {
        Phase::Idle => false,
        Phase::Woken => true,
        Phase::Waiting => {
            let mut locked = shared.queue(side).lock();
            let waker = wait.leave(&mut locked);
            drop(locked);
            // None: woken between the look and the lock.
            waker.is_none()
        }
    }
}

impl<'a, T, F> Turn<'a, T, F> {
    /// Waits until `attempt` returns something: first when it is polled, then each time when something was done on the other side.
    pub(super) fn new<R>(shared: &'a Shared<T>, side: Side, attempt: F) -> Self
    where
        F: FnMut() -> Option<R>,
    {
        Self {
            shared,
            side,
            wait: Wait::new(shared.queue(side), ()),
            attempt,
            is_over: false,
        }
    }
}

impl<T, F, R> Future for Turn<'_, T, F>
where
    F: FnMut() -> Option<R>,
{
    type Output = R;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let mut this = self.project();
        let (shared, side) = (*this.shared, *this.side);
        if this.wait.phase() == Phase::Waiting {
            ready!(this.wait.as_mut().poll(cx, side.reason()));
        }
        ready!(budget::poll_proceed(cx));
        loop {
            if let Some(output) = (this.attempt)() {
                *this.is_over = true;
                budget::charge();
                return Poll::Ready(output);
            }
            // Cloned before the lock: that runs code of others.
            let waker = cx.waker().clone();
            let mut locked = shared.queue(side).lock();
            if shared.must_wait(side) {
                if this.wait.phase() == Phase::Woken {
                    this.wait.as_mut().rearm();
                    this.wait.enqueue_front(&mut locked, waker);
                } else {
                    this.wait.enqueue(&mut locked, waker);
                }
                drop(locked);
                wait_reason::note(side.reason());
                return Poll::Pending;
            }
            drop(locked);
        }
    }
}
