//! What do the sender and the receiver of a channel with a limit offer?

use super::chan::{self, Rx, Tx, WeakTx};
use super::error::{SendError, TryRecvError, TrySendError};
use super::permit::{OwnedPermit, Permit, PermitIterator};
use super::tail::{CAPACITY_MAX, Refused};
use crate::util::block_on::block_on;
use crate::util::budget;
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What one claim of [`Sender::send_many`] takes at most: they are collected on the stack.
const BATCH: usize = 32;
/// And what they may be large, unless one alone is larger.
const BATCH_BYTES: usize = 4096;

/// A channel with room for `capacity` messages.
///
/// # Units and limits
///
/// At most 2^29 - 1 messages. Memory is for what is in the channel, in blocks of 32 messages, of which some are kept to be used again: in a steady state no message
/// allocates.
///
/// # Panics
///
/// If the capacity is 0 or too large.
///
/// # Examples
///
/// Between threads, without a runtime:
///
/// ```
/// use filch::sync::mpsc;
///
/// let (sender, mut receiver) = mpsc::channel(2);
/// std::thread::spawn(move || (0..10).for_each(|number| sender.blocking_send(number).unwrap()));
/// let mut sum = 0;
/// while let Some(number) = receiver.blocking_recv() {
///     sum += number;
/// }
/// assert_eq!(sum, 45);
/// ```
#[must_use]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(
        capacity > 0,
        "a channel without room sends nothing; give it at least 1"
    );
    assert!(
        capacity <= CAPACITY_MAX,
        "a channel has room for at most {CAPACITY_MAX} messages; unbounded_channel has no limit"
    );
    let (tx, rx) = chan::channel(capacity as u64);
    (Sender { tx }, Receiver { rx })
}

/// Sends messages, and waits for room. Clone it for each task that sends.
pub struct Sender<T> {
    tx: Tx<T>,
}

/// Receives the messages of all senders.
///
/// It is also a [`Stream`] of them, which ends as [`recv`](Self::recv) gives `None`.
///
/// Dropping it drops what was not received, and closes the channel.
pub struct Receiver<T> {
    rx: Rx<T>,
}

/// A sender that does not keep the channel open. From [`Sender::downgrade`].
pub struct WeakSender<T> {
    tx: WeakTx<T>,
}

fn closed_or_full<T>(refused: Refused, back: T) -> TrySendError<T> {
    match refused {
        Refused::Full => TrySendError::Full(back),
        Refused::Closed => TrySendError::Closed(back),
    }
}

/// So many messages one claim takes: one of the sizes for which there is a `send_some`.
const fn batch<T>() -> usize {
    let size = if size_of::<T>() > 0 {
        size_of::<T>()
    } else {
        1
    };
    match BATCH_BYTES / size {
        BATCH.. => BATCH,
        8.. => 8,
        _ => 1,
    }
}

impl<T> Sender<T> {
    pub(super) fn tx(&self) -> &Tx<T> {
        &self.tx
    }

    /// Sends a message; waits while there is no room.
    ///
    /// Those who wait are woken in their order, one after the other. But whoever runs takes what room there is, so that calls of `send` complete nearly in order: who is woken and finds the
    /// room taken, four times at most, has it reserved, and those who come stand behind it.
    ///
    /// That it returns `Ok` does not mean that the message is ever received: the receiver may be dropped afterwards.
    ///
    /// # Errors
    ///
    /// The message comes back if the receiver is gone, or has closed the channel.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, the message was not sent, and is dropped with it; the place in the order of those who wait is lost, and room that it was woken for goes to the next. To keep the message,
    /// [`reserve`](Self::reserve) first.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpsc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, mut receiver) = mpsc::channel(1);
    ///     filch::spawn(async move {
    ///         for number in 0..3 {
    ///             sender.send(number).await.unwrap();
    ///         }
    ///     })
    ///     .detach();
    ///     while let Some(number) = receiver.recv().await {
    ///         println!("{number}");
    ///     }
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send(&self, message: T) -> Result<(), SendError<T>> {
        poll_fn(budget::poll_proceed).await;
        let message = match self.tx.try_send(message) {
            Ok(()) => {
                budget::charge();
                return Ok(());
            }
            Err((Refused::Closed, message)) => return Err(SendError(message)),
            Err((Refused::Full, message)) => message,
        };
        match self.tx.acquire(1).await {
            Ok(()) => {
                budget::charge();
                self.tx.send_reserved(message);
                Ok(())
            }
            Err(_) => Err(SendError(message)),
        }
    }

    /// Sends a message if there is room, without waiting, also if others wait for room; but not while one of them has waited in vain too often (see [`send`](Self::send)).
    ///
    /// # Errors
    ///
    /// The message comes back if there is no room, or the channel is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpsc::{self, error::TrySendError};
    ///
    /// let (sender, receiver) = mpsc::channel(1);
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    /// drop(receiver);
    /// assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
    /// ```
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.tx
            .try_send(message)
            .map_err(|(refused, message)| closed_or_full(refused, message))
    }

    /// Sends a message from a thread; blocks it while there is no room.
    ///
    /// # Errors
    ///
    /// The message comes back if the receiver is gone, or has closed the channel.
    ///
    /// # Panics
    ///
    /// Within a task, if it has to wait and no thread can be started to take over the worker.
    #[track_caller]
    pub fn blocking_send(&self, message: T) -> Result<(), SendError<T>> {
        match self.tx.try_send(message) {
            Ok(()) => Ok(()),
            Err((Refused::Closed, message)) => Err(SendError(message)),
            Err((Refused::Full, message)) => block_on(self.send(message)),
        }
    }

    /// Sends what an iterator gives, several messages for one claim; waits while there is no room.
    ///
    /// Messages of others may come between. At most 32 messages, or 4 KiB of them, are taken at a time, and only when there is room for them.
    ///
    /// # Errors
    ///
    /// The iterator comes back, with what was not sent, if the receiver is gone, or has closed the channel.
    ///
    /// # Panics
    ///
    /// If the iterator does. What it gave for the same claim is dropped then.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, what was taken from the iterator was sent. So give it `iterator.by_ref()`, and the rest is still there.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpsc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, mut receiver) = mpsc::channel(4);
    ///     filch::spawn(async move { sender.send_many(0..100).await }).detach();
    ///     let mut messages = Vec::new();
    ///     while receiver.recv_many(&mut messages, 10).await > 0 {}
    ///     assert!(messages.into_iter().eq(0..100));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send_many<I>(&self, messages: I) -> Result<(), SendError<I::IntoIter>>
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: ExactSizeIterator,
    {
        let mut messages = messages.into_iter();
        while messages.len() > 0 {
            poll_fn(budget::poll_proceed).await;
            let permits = match self.reserve_up_to(messages.len()) {
                Ok(permits) => permits,
                Err(Refused::Closed) => return Err(SendError(messages)),
                Err(Refused::Full) => match self.tx.acquire(1).await {
                    Ok(()) => 1,
                    Err(_) => return Err(SendError(messages)),
                },
            };
            budget::charge();
            let permits = PermitIterator::new(&self.tx, permits);
            let sent = match batch::<T>() {
                BATCH => self.send_some::<BATCH>(permits, &mut messages),
                8.. => self.send_some::<8>(permits, &mut messages),
                _ => self.send_some::<1>(permits, &mut messages),
            };
            if sent == 0 {
                // Its length was not the truth.
                break;
            }
        }
        Ok(())
    }

    /// Reserves what there is room for, of that what one claim takes.
    fn reserve_up_to(&self, wanted: usize) -> Result<u64, Refused> {
        let some = (self.tx.room().free())
            .min(wanted.min(batch::<T>()) as u64)
            .max(1);
        // Whoever was faster may have left less: one then, or none.
        self.tx
            .reserve(some)
            .map(|()| some)
            .or_else(|_| self.tx.reserve(1).map(|()| 1))
    }

    /// Takes what there are permits for, `N` at most, and sends it.
    fn send_some<const N: usize>(
        &self,
        permits: PermitIterator<'_, T>,
        messages: &mut impl Iterator<Item = T>,
    ) -> usize {
        let mut batch = [const { None }; N];
        let mut len = 0;
        // Should the iterator panic, the permits go back with their own iterator.
        for slot in &mut batch[..permits.len()] {
            *slot = messages.next();
            if slot.is_none() {
                break;
            }
            len += 1;
        }
        let count = permits.len() as u64;
        std::mem::forget(permits);
        let filled = batch[..len]
            .iter_mut()
            .map(|slot| slot.take().expect("filled above"));
        self.tx.send_batch_reserved(filled, count);
        len
    }

    /// Waits for room for one message, and reserves it. In the order of [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// If the receiver is gone, or has closed the channel.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, nothing was reserved; the place in the order of those who wait is lost.
    pub async fn reserve(&self) -> Result<Permit<'_, T>, SendError<()>> {
        self.acquire(1).await?;
        Ok(Permit::new(&self.tx))
    }

    /// Waits for room for `n` messages, and reserves it. In the order of [`send`](Self::send).
    ///
    /// Others who ask for less may be faster; but when it is the first who waits, and there was too little room four times, what is freed is kept for it.
    ///
    /// # Errors
    ///
    /// If the receiver is gone, or has closed the channel, or `n` is more than [`max_capacity`](Self::max_capacity).
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, nothing was reserved; the place in the order of those who wait is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpsc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, mut receiver) = mpsc::channel(4);
    ///     for (permit, message) in sender.reserve_many(2).await.unwrap().zip(["a", "b"]) {
    ///         permit.send(message);
    ///     }
    ///     assert_eq!((receiver.recv().await, receiver.recv().await), (Some("a"), Some("b")));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, SendError<()>> {
        if n > self.max_capacity() {
            return Err(SendError(()));
        }
        self.acquire(n as u64).await?;
        Ok(PermitIterator::new(&self.tx, n as u64))
    }

    /// Waits for room for one message, and reserves it; the permit takes the sender along, so that it may go anywhere.
    ///
    /// # Errors
    ///
    /// If the receiver is gone, or has closed the channel. The sender is dropped then.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it is done, nothing was reserved, and the sender is dropped; clone it before.
    pub async fn reserve_owned(self) -> Result<OwnedPermit<T>, SendError<()>> {
        self.acquire(1).await?;
        Ok(OwnedPermit::new(self))
    }

    /// Permits at once, or nearly in the order of those who wait.
    async fn acquire(&self, n: u64) -> Result<(), SendError<()>> {
        poll_fn(budget::poll_proceed).await;
        match self.tx.reserve(n) {
            Ok(()) => {}
            Err(Refused::Closed) => return Err(SendError(())),
            Err(Refused::Full) => self.tx.acquire(n).await.map_err(|_| SendError(()))?,
        }
        budget::charge();
        Ok(())
    }

    /// Reserves room for one message if there is some, without waiting; as [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// If there is no room, or the channel is closed.
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        self.tx
            .reserve(1)
            .map_err(|refused| closed_or_full(refused, ()))?;
        Ok(Permit::new(&self.tx))
    }

    /// Reserves room for `n` messages if there is so much, without waiting.
    ///
    /// # Errors
    ///
    /// If there is not so much room, or the channel is closed, or `n` is more than [`max_capacity`](Self::max_capacity), which counts as closed.
    pub fn try_reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        if n > self.max_capacity() {
            return Err(TrySendError::Closed(()));
        }
        self.tx
            .reserve(n as u64)
            .map_err(|refused| closed_or_full(refused, ()))?;
        Ok(PermitIterator::new(&self.tx, n as u64))
    }

    /// Reserves room for one message if there is some, without waiting; the permit takes the sender along.
    ///
    /// # Errors
    ///
    /// The sender comes back if there is no room, or the channel is closed.
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.tx.reserve(1) {
            Ok(()) => Ok(OwnedPermit::new(self)),
            Err(refused) => Err(closed_or_full(refused, self)),
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

    /// How many messages could be sent now: what the channel has room for, less what is in it and what is reserved.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.tx.room().free() as usize
    }

    /// What the channel has room for when it is empty.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.tx.room().capacity() as usize
    }

    /// A sender that does not keep the channel open.
    #[must_use]
    pub fn downgrade(&self) -> WeakSender<T> {
        let tx = self.tx.downgrade();
        WeakSender { tx }
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

impl<T> WeakSender<T> {
    /// A sender, if there still is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpsc;
    ///
    /// let (sender, _receiver) = mpsc::channel::<u32>(1);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        self.tx.upgrade().map(|tx| Sender { tx })
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

impl<T> Receiver<T> {
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
    /// Their room is given back once for all of them.
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
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpsc::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.try_send(1).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
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

    /// Closes the channel: senders get their message back from now on. What was sent can still be received, and so can what is sent by permits that are out.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::channel(2);
    /// sender.try_send(1).unwrap();
    /// receiver.close();
    /// assert!(sender.try_send(2).is_err());
    /// assert_eq!(receiver.blocking_recv(), Some(1));
    /// assert_eq!(receiver.blocking_recv(), None);
    /// ```
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

    /// How many messages could be sent now; see [`Sender::capacity`].
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.rx.room().free() as usize
    }

    /// What the channel has room for when it is empty.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.rx.room().capacity() as usize
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

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }
}

impl<T> Unpin for Receiver<T> {}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        let tx = self.tx.clone();
        Self { tx }
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        let tx = self.tx.clone();
        Self { tx }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Sender");
        shown
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed());
        shown.finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Receiver");
        shown
            .field("len", &self.len())
            .field("is_closed", &self.is_closed());
        shown.finish_non_exhaustive()
    }
}
