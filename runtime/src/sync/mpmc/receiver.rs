//! What does one do who receives among many?

use super::WeakReceiver;
use super::error::{RecvError, TryRecvError};
use super::shared::{Shared, Side};
use super::turn::Turn;
use crate::sync::generated::Generated;
use crate::sys::sync::Arc;
use crate::util::block_on::block_on;
use futures_core::Stream;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Receives messages that no other receiver gets. Any number of them may share a channel, by `clone`; with the last one the channel is closed, and what is in it dropped.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Receiver<T> {
    /// A handle that was counted already.
    pub(super) fn of(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// Receives the oldest message, and waits for one if there is none. Who has waited longest is told of a message first; one that comes by at that moment may be faster.
    ///
    /// # Errors
    ///
    /// If the channel is closed and empty. This is an error, and not `None` as with channels of one receiver: there the end is what the only receiver has been waiting for, while here anybody may
    /// [`close`](Self::close) the channel, so that `?` is what most will want. `while let Ok(message) = receiver.recv().await` is the loop.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, no message was received; if it had been told of one, another receiver is told.
    pub async fn recv(&self) -> Result<T, RecvError> {
        let attempt = || match self.shared.try_recv() {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => Some(Err(RecvError)),
        };
        Turn::new(&self.shared, Side::Receiving, attempt).await
    }

    /// Receives the oldest message, if there is one.
    ///
    /// # Errors
    ///
    /// If there is none; whether there may be one later is told apart.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.shared.try_recv()
    }

    /// Blocks the thread until [`recv`](Self::recv) would be done. Within a task the worker goes on on another thread.
    ///
    /// # Errors
    ///
    /// If the channel is closed and empty.
    ///
    /// # Panics
    ///
    /// Within a task, if no thread can take over its worker.
    #[track_caller]
    pub fn blocking_recv(&self) -> Result<T, RecvError> {
        match self.try_recv() {
            Ok(value) => Ok(value),
            Err(TryRecvError::Closed) => Err(RecvError),
            Err(TryRecvError::Empty) => block_on(self.recv()),
        }
    }

    /// Waits until there is a message, and appends what there is to `messages`, `limit` at most. Returns how many those were: 0 if the channel is closed and empty, or if `limit` is 0.
    ///
    /// All of them are claimed together, which costs as much as one.
    ///
    /// # Panics
    ///
    /// If there is no memory for so many; then nothing was received.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, no message was received.
    pub async fn recv_many(&self, messages: &mut Vec<T>, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        let attempt = || match self.shared.try_recv_many(messages, limit) {
            Ok(count) => Some(count),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => Some(0),
        };
        Turn::new(&self.shared, Side::Receiving, attempt).await
    }

    /// Appends what there is to `messages`, `limit` at most, without waiting. Returns how many those were; 0 only if `limit` is 0.
    ///
    /// # Errors
    ///
    /// If there is none; whether there may be one later is told apart.
    ///
    /// # Panics
    ///
    /// If there is no memory for so many; then nothing was received.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpmc;
    ///
    /// let (sender, receiver) = mpmc::channel(4);
    /// (0..4).for_each(|n| sender.try_send(n).unwrap());
    /// let mut received = Vec::new();
    /// assert_eq!(receiver.try_recv_many(&mut received, 3), Ok(3));
    /// assert_eq!(received, [0, 1, 2]);
    /// ```
    pub fn try_recv_many(
        &self,
        messages: &mut Vec<T>,
        limit: usize,
    ) -> Result<usize, TryRecvError> {
        match limit {
            0 => Ok(0),
            _ => self.shared.try_recv_many(messages, limit),
        }
    }

    /// Blocks the thread until [`recv_many`](Self::recv_many) would be done. Within a task the worker goes on on another thread.
    ///
    /// # Panics
    ///
    /// As for [`recv_many`](Self::recv_many); or within a task, if no thread can take over its worker.
    pub fn blocking_recv_many(&self, messages: &mut Vec<T>, limit: usize) -> usize {
        match self.try_recv_many(messages, limit) {
            Ok(count) => count,
            Err(TryRecvError::Closed) => 0,
            Err(TryRecvError::Empty) => block_on(self.recv_many(messages, limit)),
        }
    }

    /// The messages as a stream, which ends when the channel is closed and empty.
    ///
    /// # Cancel safety
    ///
    /// What was received stays with the stream until it is polled: a stream that was polled in vain, and is then dropped, has received nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpmc;
    /// use futures_lite::StreamExt;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, receiver) = mpmc::channel(4);
    ///     filch::spawn(async move { sender.send_many(0..10).await });
    ///     let sum = receiver.into_stream().fold(0, |sum, n| sum + n).await;
    ///     assert_eq!(sum, 45);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use = "a stream does nothing until it is polled"]
    pub fn into_stream(self) -> RecvStream<T>
    where
        T: Send + 'static,
    {
        RecvStream {
            messages: Generated::new(|give| async move {
                while let Ok(message) = self.recv().await {
                    give.give(message).await;
                }
            }),
        }
    }

    /// Closes the channel: nothing more can be sent, and what is in it can still be received. Who waits is woken. False if it was closed before.
    pub fn close(&self) -> bool {
        self.shared.close()
    }

    /// Whether nothing more can be sent: by [`close`](Self::close), or since every sender has gone. There may still be messages.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// How many messages are in the channel, at about this time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// How many messages there is room for when it is empty.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.capacity()
    }

    /// How many senders there are.
    #[must_use]
    pub fn sender_count(&self) -> usize {
        self.shared.senders.count()
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.count()
    }

    /// Whether both receive from the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// A handle that does not keep the channel open.
    #[must_use]
    pub fn downgrade(&self) -> WeakReceiver<T> {
        WeakReceiver::of(self.shared.clone())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.receivers.add();
        Self::of(self.shared.clone())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if self.shared.receivers.remove() {
            self.shared.close_and_empty();
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// The messages of a [`Receiver`] as a stream; see [`Receiver::into_stream`].
pub struct RecvStream<T> {
    messages: Generated<T>,
}

impl<T> Stream for RecvStream<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.messages.poll_next(cx)
    }
}

impl<T> fmt::Debug for RecvStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvStream").finish_non_exhaustive()
    }
}
