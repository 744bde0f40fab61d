//! What does one do who sends to many?

use super::WeakSender;
use super::error::{SendError, TrySendError};
use super::shared::{Round, Shared, Side};
use super::turn::Turn;
use crate::sys::sync::Arc;
use crate::util::block_on::block_on;
use std::fmt;

/// Sends messages, each of which one [`Receiver`](super::Receiver) gets. Any number of them may share a channel, by `clone`; with the last one the channel is closed.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// A handle that was counted already.
    pub(super) fn of(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// Sends a message, and waits for room before that if there is none. Who has waited longest is told of room first; one that comes by at that moment may be faster.
    ///
    /// # Errors
    ///
    /// If the channel is closed: the message comes back.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, nothing was sent, and the message is dropped with it. To keep it use [`send_timeout`](Self::send_timeout) or
    /// [`try_send`](Self::try_send).
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpmc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, receiver) = mpmc::channel(1);
    ///     sender.send("room").await.unwrap();
    ///     let other = filch::spawn(async move { sender.send("waits").await });
    ///     assert_eq!(receiver.recv().await, Ok("room"));
    ///     assert_eq!(receiver.recv().await, Ok("waits"));
    ///     assert!(other.await.unwrap().is_ok());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        let mut value = Some(value);
        self.send_from(&mut value).await;
        value.map_or(Ok(()), |back| Err(SendError(back)))
    }

    /// Sends what is in `value`, which is taken out when it is sent: it is still there if the channel is closed, or the future dropped.
    pub(crate) async fn send_from(&self, value: &mut Option<T>) {
        self.shared.send_from(value).await;
    }

    /// Sends a message if there is room.
    ///
    /// # Errors
    ///
    /// If there is none, or the channel is closed: the message comes back.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.shared.try_send(value)
    }

    /// Blocks the thread until [`send`](Self::send) would be done. Within a task the worker goes on on another thread.
    ///
    /// # Errors
    ///
    /// If the channel is closed: the message comes back.
    ///
    /// # Panics
    ///
    /// Within a task, if no thread can take over its worker.
    ///
    /// # Examples
    ///
    /// Between two threads, without a runtime:
    ///
    /// ```
    /// use filch::sync::mpmc;
    ///
    /// let (sender, receiver) = mpmc::channel(1);
    /// let thread = std::thread::spawn(move || (0..10).for_each(|n| sender.blocking_send(n).unwrap()));
    /// for n in 0..10 {
    ///     assert_eq!(receiver.blocking_recv(), Ok(n));
    /// }
    /// thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        match self.try_send(value) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(value)) => Err(SendError(value)),
            Err(TrySendError::Full(value)) => block_on(self.send(value)),
        }
    }

    /// Sends every item, and waits for room whenever there is none. Receivers are told for up to 32 messages at once.
    ///
    /// # Errors
    ///
    /// If the channel is closed: the first item that was not sent comes back, and the iterator is where it was left. Give it as `&mut items` to go on with it.
    ///
    /// # Panics
    ///
    /// If the iterator does; what it had given before is sent.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, a part of the items was sent. One that was to be sent next, and for which there was no room, is dropped with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpmc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, receiver) = mpmc::channel(4);
    ///     let sending = filch::spawn(async move { sender.send_many(0..10).await });
    ///     let mut received = Vec::new();
    ///     while receiver.recv_many(&mut received, 3).await > 0 {}
    ///     assert_eq!(received, (0..10).collect::<Vec<_>>());
    ///     sending.await.unwrap().unwrap();
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send_many<I>(&self, items: I) -> Result<(), SendError<T>>
    where
        I: IntoIterator<Item = T>,
    {
        let (mut items, mut next) = (items.into_iter(), None);
        loop {
            let round = || self.shared.try_send_round(&mut next, &mut items);
            if Turn::new(&self.shared, Side::Sending, round).await? == Round::Last {
                return Ok(());
            }
        }
    }

    /// Closes the channel: nothing more can be sent, and what is in it can still be received. Who waits is woken. False if it was closed before.
    pub fn close(&self) -> bool {
        self.shared.close()
    }

    /// Whether nothing more can be sent: by [`close`](Self::close), or since every receiver has gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Waits until nothing more can be sent, as when nobody wants any more messages.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpmc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, receiver) = mpmc::channel::<u32>(1);
    ///     filch::spawn(async move { drop(receiver) });
    ///     sender.closed().await;
    ///     assert!(sender.try_send(1).is_err());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn closed(&self) {
        self.shared.closed().await;
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

    /// Whether both send into the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// A handle that does not keep the channel open.
    #[must_use]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender::of(self.shared.clone())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.add();
        Self::of(self.shared.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.shared.senders.remove() {
            self.shared.close();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
