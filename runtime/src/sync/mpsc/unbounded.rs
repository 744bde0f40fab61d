//! What do the sender and the receiver of a channel without a limit offer?

use super::chan::{self, Rx, Tx, WeakTx};
use super::error::{SendError, TryRecvError};
use super::tail::{Refused, UNBOUNDED};
use crate::util::block_on::block_on;
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A channel without a limit: sending never waits. If the receiver is slower than the senders for long, memory runs out; [`channel`](super::channel) makes them wait.
///
/// # Units and limits
///
/// Memory is for what is in the channel, in blocks of 32 messages, of which some are kept to be used again: in a steady state no message allocates.
///
/// # Examples
///
/// ```
/// use filch::sync::mpsc;
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let (sender, mut receiver) = mpsc::unbounded_channel();
///     sender.send("hello").unwrap();
///     assert_eq!(receiver.recv().await, Some("hello"));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let (tx, rx) = chan::channel(UNBOUNDED);
    (UnboundedSender { tx }, UnboundedReceiver { rx })
}

/// Sends messages without waiting. Clone it for each task that sends.
pub struct UnboundedSender<T> {
    tx: Tx<T>,
}

/// Receives the messages of all senders.
///
/// It is also a [`Stream`] of them, which ends as [`recv`](Self::recv) gives `None`.
///
/// Dropping it drops what was not received, and closes the channel.
pub struct UnboundedReceiver<T> {
    rx: Rx<T>,
}

/// A sender that does not keep the channel open. From [`UnboundedSender::downgrade`].
pub struct WeakUnboundedSender<T> {
    tx: WeakTx<T>,
}

impl<T> UnboundedSender<T> {
    /// Sends a message, without waiting.
    ///
    /// That it returns `Ok` does not mean that the message is ever received: the receiver may be dropped afterwards.
    ///
    /// # Errors
    ///
    /// The message comes back if the receiver is gone, or has closed the channel.
    ///
    /// # Panics
    ///
    /// If four thousand million messages wait to be received.
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        match self.tx.try_send(message) {
            Ok(()) => Ok(()),
            Err((Refused::Closed, message)) => Err(SendError(message)),
            Err((Refused::Full, _)) => panic!(
                "{UNBOUNDED} messages wait to be received; let senders wait by a channel with a limit"
            ),
        }
    }

    /// Waits until the receiver is gone, or has closed the channel.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn closed(&self) {
        self.tx.closed().await;
    }

    /// Whether the receiver is gone, or has closed the channel.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.tx.is_closed()
    }

    /// Whether both send to the same receiver.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        self.tx.is_same(&other.tx)
    }

    /// A sender that does not keep the channel open.
    #[must_use]
    pub fn downgrade(&self) -> WeakUnboundedSender<T> {
        let tx = self.tx.downgrade();
        WeakUnboundedSender { tx }
    }

    /// How many senders there are.
    #[must_use]
    pub fn strong_count(&self) -> usize {
        self.tx.strong_count()
    }

    /// How many weak senders there are.
    #[must_use]
    pub fn weak_count(&self) -> usize {
        self.tx.weak_count()
    }
}

impl<T> WeakUnboundedSender<T> {
    /// A sender, if there still is one.
    #[must_use]
    pub fn upgrade(&self) -> Option<UnboundedSender<T>> {
        self.tx.upgrade().map(|tx| UnboundedSender { tx })
    }

    /// How many senders there are.
    #[must_use]
    pub fn strong_count(&self) -> usize {
        self.tx.strong_count()
    }

    /// How many weak senders there are.
    #[must_use]
    pub fn weak_count(&self) -> usize {
        self.tx.weak_count()
    }
}

impl<T> UnboundedReceiver<T> {
    /// The next message; waits while there is none. `None` when none comes any more: every sender is gone or the channel was closed, and everything was received.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, no message was received.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Waits for a message, and receives all that are there, but at most `limit`, which are appended to `messages`. Returns how many; 0 if none comes any more,
    /// or `limit` is 0.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, no message was received.
    pub async fn recv_many(&mut self, messages: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|cx| self.poll_recv_many(cx, messages, limit)).await
    }

    /// The next message, if it is there, without waiting.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] while one may still come, [`TryRecvError::Disconnected`] if none does.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.rx.try_recv()
    }

    /// The next message, on a thread, which is blocked while there is none. `None` when none comes any more.
    ///
    /// # Panics
    ///
    /// Within a task, if it has to wait and no thread can be started to take over the worker.
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        match self.try_recv() {
            Ok(message) => Some(message),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => block_on(self.recv()),
        }
    }

    /// As [`recv_many`](Self::recv_many), on a thread, which is blocked while there is no message.
    ///
    /// # Panics
    ///
    /// Within a task, if it has to wait and no thread can be started to take over the worker.
    #[track_caller]
    pub fn blocking_recv_many(&mut self, messages: &mut Vec<T>, limit: usize) -> usize {
        block_on(self.recv_many(messages, limit))
    }

    /// The next message, if it is there; otherwise the task is woken when one comes. Only the waker of the last call is kept.
    ///
    /// # Cancel safety
    ///
    /// Calling it never again loses nothing.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.rx.poll_recv(cx)
    }

    /// As [`recv_many`](Self::recv_many), for futures by hand.
    ///
    /// # Cancel safety
    ///
    /// Calling it never again loses nothing.
    pub fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        messages: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        match limit {
            0 => Poll::Ready(0),
            _ => self.rx.poll_recv_many(cx, messages, limit),
        }
    }

    /// Closes the channel: senders get their message back from now on. What was sent can still be received.
    pub fn close(&mut self) {
        self.rx.close();
    }

    /// Whether the channel was closed, or every sender is gone. There may still be messages.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.rx.is_closed()
    }

    /// How many messages were sent and not received.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rx.room().len() as usize
    }

    /// Whether no message was sent that was not received.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many senders there are.
    #[must_use]
    pub fn sender_strong_count(&self) -> usize {
        self.rx.strong_count()
    }

    /// How many weak senders there are.
    #[must_use]
    pub fn sender_weak_count(&self) -> usize {
        self.rx.weak_count()
    }
}

impl<T> Stream for UnboundedReceiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }
}

impl<T> Unpin for UnboundedReceiver<T> {}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> Self {
        let tx = self.tx.clone();
        Self { tx }
    }
}

impl<T> Clone for WeakUnboundedSender<T> {
    fn clone(&self) -> Self {
        let tx = self.tx.clone();
        Self { tx }
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("UnboundedSender");
        shown.field("is_closed", &self.is_closed());
        shown.finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for WeakUnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakUnboundedSender")
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("UnboundedReceiver");
        shown
            .field("len", &self.len())
            .field("is_closed", &self.is_closed());
        shown.finish_non_exhaustive()
    }
}
