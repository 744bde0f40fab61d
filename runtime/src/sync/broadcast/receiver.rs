//! What does one do who receives everything?

use super::error::{Lagged, RecvError, TryRecvError};
use super::shared::{News, Shared};
use super::slot::NotThere;
use crate::sync::generated::Generated;
use crate::sys::sync::Arc;
use crate::util::block_on::block_on;
use crate::util::budget;
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Receives every message that is sent while it is there, unless it is so slow that they are overwritten.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The position of the message that it will receive next. It has a right to that one and every later one that is kept.
    next: u64,
}

impl<T> Receiver<T> {
    pub(super) fn subscribe(shared: Arc<Shared<T>>) -> Self {
        let next = shared.subscribe();
        Self { shared, next }
    }

    /// Another receiver of the same channel, of everything that is sent from now on.
    ///
    /// # Panics
    ///
    /// If there are 2^31 - 1 of them.
    #[must_use]
    pub fn resubscribe(&self) -> Self {
        Self::subscribe(self.shared.clone())
    }

    /// How many messages were sent that this receiver has not received. If that is more than the channel keeps, it has lost some.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.shared.sent_since(self.next)).unwrap_or(usize::MAX)
    }

    /// Whether everything that was sent was received.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every sender has gone. There may still be messages.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// How many senders there are.
    #[must_use]
    pub fn sender_strong_count(&self) -> usize {
        self.shared.senders.count()
    }

    /// How many weak senders there are.
    #[must_use]
    pub fn sender_weak_count(&self) -> usize {
        self.shared.weak.count()
    }

    /// Whether both receive from the same senders.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Those lost, when the oldest one left is this.
    fn lag(&mut self, oldest: u64) -> u64 {
        let lost = oldest - self.next;
        self.next = oldest;
        lost
    }
}

impl<T: Clone> Receiver<T> {
    /// Receives the next message, and waits for it if it was not sent yet.
    ///
    /// # Errors
    ///
    /// If messages were lost, how many; the next call receives the oldest that is left. If every sender has gone and everything was received, that it is closed.
    ///
    /// # Panics
    ///
    /// If the message's `clone` does; then it is lost to this receiver.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: a message is received only when this returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::broadcast::{self, error::RecvError};
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, mut receiver) = broadcast::channel(2);
    ///     for n in 0..5 {
    ///         sender.send(n).unwrap();
    ///     }
    ///     assert_eq!(receiver.recv().await, Err(RecvError::Lagged(3)));
    ///     assert_eq!(receiver.recv().await, Ok(3));
    ///     assert_eq!(receiver.recv().await, Ok(4));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        poll_fn(budget::poll_proceed).await;
        if let Ok(message) = self.read() {
            budget::charge();
            return Ok(message);
        }
        loop {
            match self.shared.wait_for_news(self.next).await {
                // Unless it was overwritten in this moment.
                News::Message | News::None => {
                    if let Ok(message) = self.read() {
                        return Ok(message);
                    }
                }
                News::Lagged { oldest } => return Err(RecvError::Lagged(self.lag(oldest))),
                News::Closed => return Err(RecvError::Closed),
            }
        }
    }

    /// Receives the next message, if it was sent.
    ///
    /// # Errors
    ///
    /// If it was not, or messages were lost, or none will come.
    ///
    /// # Panics
    ///
    /// If the message's `clone` does; then it is lost to this receiver.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        loop {
            if let Ok(message) = self.read() {
                return Ok(message);
            }
            match self.shared.news(self.next) {
                // Sent since, or overwritten since: looked at again.
                News::Message => {}
                News::None => return Err(TryRecvError::Empty),
                News::Lagged { oldest } => return Err(TryRecvError::Lagged(self.lag(oldest))),
                News::Closed => return Err(TryRecvError::Closed),
            }
        }
    }

    /// Blocks the thread until [`recv`](Self::recv) would be done. Within a task the worker goes on on another thread.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Panics
    ///
    /// As for [`recv`](Self::recv); or within a task, if no thread can take over its worker.
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        match self.read() {
            Ok(message) => Ok(message),
            Err(NotThere) => block_on(self.recv()),
        }
    }

    /// The messages as a stream, which ends when every sender has gone and everything was received. An item that is an error says how many messages were lost before the next one.
    ///
    /// # Cancel safety
    ///
    /// A stream that is dropped loses nothing but itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::broadcast::{self, error::Lagged};
    /// use futures_lite::StreamExt;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, receiver) = broadcast::channel(2);
    ///     (0..3).for_each(|n| assert_eq!(sender.send(n), Ok(1)));
    ///     drop(sender);
    ///     let all: Vec<_> = receiver.into_stream().collect().await;
    ///     assert_eq!(all, [Err(Lagged(1)), Ok(1), Ok(2)]);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use = "a stream does nothing until it is polled"]
    pub fn into_stream(mut self) -> BroadcastStream<T>
    where
        T: Send + Sync + 'static,
    {
        BroadcastStream {
            messages: Generated::new(|give| async move {
                loop {
                    match self.recv().await {
                        Ok(message) => give.give(Ok(message)).await,
                        Err(RecvError::Lagged(lost)) => give.give(Err(Lagged(lost))).await,
                        Err(RecvError::Closed) => return,
                    }
                }
            }),
        }
    }

    #[inline]
    fn read(&mut self) -> Result<T, NotThere> {
        // Before the clone, which may panic: the right is used up then, too.
        let position = self.next;
        self.next = position + 1;
        self.shared
            .read(position)
            .inspect_err(|_| self.next = position)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.unsubscribe(self.next);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("broadcast::Receiver")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// The messages of a [`Receiver`] as a stream; see [`Receiver::into_stream`].
pub struct BroadcastStream<T> {
    messages: Generated<Result<T, Lagged>>,
}

impl<T> Stream for BroadcastStream<T> {
    type Item = Result<T, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.poll_next(cx)
    }
}

impl<T> fmt::Debug for BroadcastStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastStream").finish_non_exhaustive()
    }
}
