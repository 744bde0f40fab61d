//! How does one task give one value to another?
//!
//! [`channel`] makes a [`Sender`], which sends without waiting, and a [`Receiver`], which is the future of the value. Both work without a runtime, and on threads.
//!
//! | file | answers |
//! |---|---|
//! | `oneshot` | what the two sides offer |
//! | `oneshot/state` | who may touch what in the cell they share: one word, without unsafe |
//! | `oneshot/cell` | the cell itself |
//! | `oneshot/held` | what a receiver holds, before and after |
//! | [`error`] | how it can fail |
//!
//! # Examples
//!
//! ```
//! use filch::sync::oneshot;
//!
//! let rt = filch::Runtime::new()?;
//! rt.block_on(async {
//!     let (sender, receiver) = oneshot::channel();
//!     filch::spawn(async move { sender.send(7) }).detach();
//!     assert_eq!(receiver.await, Ok(7));
//! });
//! # Ok::<(), std::io::Error>(())
//! ```

mod cell;
pub mod error;
mod held;
#[cfg(all(test, loom))]
mod loom_tests;
mod state;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

use crate::util::block_on::block_on;
use crate::util::budget;
use crate::util::wait_reason::{self, WaitReason};
use cell::End;
use error::{RecvError, TryRecvError};
use held::{Held, Mark};
use state::{Side, Tx};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A channel for one value.
///
/// # Units and limits
///
/// One allocation for both sides, the value included.
///
/// # Examples
///
/// Between threads, without a runtime:
///
/// ```
/// use filch::sync::oneshot;
///
/// let (sender, receiver) = oneshot::channel();
/// std::thread::spawn(move || sender.send("done"));
/// assert_eq!(receiver.blocking_recv(), Ok("done"));
/// ```
#[inline]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = cell::ends();
    (
        Sender { end: sender },
        Receiver {
            held: Held::open(receiver),
        },
    )
}

/// Sends the value. Dropping it tells the receiver that none comes.
pub struct Sender<T> {
    end: End<T, Tx>,
}

/// The future of the value.
///
/// # Errors
///
/// Awaiting gives a [`RecvError`] if the sender was dropped without sending, or the receiver was [closed](Self::close) before.
///
/// # Panics
///
/// If polled again after it has given its output.
///
/// # Cancel safety
///
/// The receiver is itself the future: dropping a borrow of it (`&mut receiver` in a `select`) loses nothing, and the value stays until the receiver takes it or is
/// dropped. Dropping the receiver drops the value.
#[must_use = "a receiver does nothing until it is awaited or polled"]
pub struct Receiver<T> {
    held: Held<T>,
}

// Moved as one word each.
const _: () = assert!(size_of::<Sender<[u64; 4]>>() == size_of::<usize>());
const _: () = assert!(size_of::<Option<Receiver<[u64; 4]>>>() == size_of::<usize>());

impl<T> Sender<T> {
    /// Gives the value to the receiver, without waiting.
    ///
    /// That it returns `Ok` does not mean that the value is ever received: the receiver may be dropped afterwards.
    ///
    /// # Errors
    ///
    /// The value comes back if the receiver was dropped or closed before.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::oneshot;
    ///
    /// let (sender, receiver) = oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send("nobody there"), Err("nobody there"));
    /// ```
    #[inline]
    pub fn send(self, value: T) -> Result<(), T> {
        self.end.send(value)
    }

    /// Whether the receiver was dropped or closed, so that sending fails.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.end.is_alone()
    }

    /// Waits until the receiver is dropped or closed, as when nobody wants the value any more.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::oneshot;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (mut sender, receiver) = oneshot::channel::<u32>();
    ///     filch::spawn(async move { drop(receiver) }).detach();
    ///     sender.closed().await;
    ///     assert!(sender.is_closed());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    /// Ready when the receiver was dropped or closed; otherwise the task is woken then. Only the waker of the last call is kept.
    ///
    /// # Cancel safety
    ///
    /// Calling it never again loses nothing.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.end.poll_alone(cx.waker()).is_pending() {
            wait_reason::note(WaitReason::Oneshot);
            return Poll::Pending;
        }
        budget::poll_take(cx)
    }
}

impl<T> Receiver<T> {
    /// Says that no value is wanted any more. One that was sent before can still be received.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::oneshot;
    ///
    /// let (early, mut receiver) = oneshot::channel();
    /// early.send(1).unwrap();
    /// receiver.close();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    ///
    /// let (late, mut receiver) = oneshot::channel();
    /// receiver.close();
    /// assert_eq!(late.send(2), Err(2));
    /// assert!(receiver.try_recv().is_err());
    /// ```
    pub fn close(&mut self) {
        let left = self.held.take(Mark::Closed).map(End::leave);
        if let Some(Err(end)) = left {
            self.held = Held::open(end);
        }
    }

    /// The value, if it is there, without waiting. It is given once.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] while it may still come, [`TryRecvError::Closed`] if it does not or was received.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let end = self.held.end().ok_or(TryRecvError::Closed)?;
        let seen = end.try_alone().ok_or(TryRecvError::Empty)?;
        let value = self
            .held
            .take(Mark::Done)
            .and_then(|end| end.into_value(seen));
        value.ok_or(TryRecvError::Closed)
    }

    /// Waits for the value on this thread.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if the sender was dropped without sending.
    ///
    /// # Panics
    ///
    /// If the value was received before; or within a task, if it has to wait and no thread can be started to take over the worker.
    #[track_caller]
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        block_on(self)
    }

    /// Whether the future has given its output, so that it must not be polled again.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.held.is_done()
    }

    /// Whether no value is there to be received: not yet, or never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.end().is_none_or(|end| !end.load().is_sent())
    }

    /// What polling it gives when it holds no end.
    #[cold]
    fn finish(&mut self) -> Result<T, RecvError> {
        assert!(
            !self.held.is_done(),
            "a oneshot::Receiver was polled after it has given its output"
        );
        self.held = Held::marked(Mark::Done);
        Err(RecvError)
    }
}

impl<T> Unpin for Receiver<T> {}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(end) = self.held.end_mut() else {
            return Poll::Ready(self.finish());
        };
        let Poll::Ready(seen) = end.poll_alone(cx.waker()) else {
            wait_reason::note(WaitReason::Oneshot);
            return Poll::Pending;
        };
        ready!(budget::poll_take(cx));
        let value = self
            .held
            .take(Mark::Done)
            .and_then(|end| end.into_value(seen));
        Poll::Ready(value.ok_or(RecvError))
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Sender");
        shown.field("is_closed", &self.is_closed());
        shown.finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Receiver");
        match self.held.end() {
            Some(end) => shown.field("is_sender_gone", &end.load().has_ended(Side::Sender)),
            None if self.held.is_done() => shown.field("is_terminated", &true),
            None => shown.field("is_closed", &true),
        };
        shown.finish_non_exhaustive()
    }
}
