//! What is room that was reserved and not used yet?
//!
//! A permit: it counts as a message against the capacity, but has no place in the order before it sends, so that it may be held as long as one likes. Dropped, it gives its room
//! to others. One that is forgotten (`mem::forget`) keeps its room, and the receiver is told of the end when every sender has gone.

use super::bounded::Sender;
use super::chan::Tx;
use std::fmt;
use std::iter::FusedIterator;

/// The right to send one message at once. From [`Sender::reserve`] and [`Sender::try_reserve`]. Dropping it gives the room back.
#[must_use = "a permit that is dropped sends nothing"]
pub struct Permit<'a, T> {
    tx: &'a Tx<T>,
}

/// The right to send so many messages at once, one [`Permit`] for each. From [`Sender::reserve_many`] and [`Sender::try_reserve_many`]. Dropping it gives back what is left.
#[must_use = "permits that are dropped send nothing"]
pub struct PermitIterator<'a, T> {
    tx: &'a Tx<T>,
    left: u64,
}

/// The right to send one message at once, with the sender it came from. From [`Sender::reserve_owned`] and [`Sender::try_reserve_owned`]. Dropping it gives the room back, and
/// drops the sender.
#[must_use = "a permit that is dropped sends nothing"]
pub struct OwnedPermit<T> {
    /// None when it was used.
    sender: Option<Sender<T>>,
}

impl<'a, T> Permit<'a, T> {
    /// For one permit of the channel.
    pub(super) fn new(tx: &'a Tx<T>) -> Self {
        Self { tx }
    }

    /// Sends, without waiting. If the receiver is gone meanwhile the message is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::mpsc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, mut receiver) = mpsc::channel(1);
    ///     let permit = sender.reserve().await.unwrap();
    ///     assert!(sender.try_send("no room").is_err());
    ///     permit.send("reserved");
    ///     assert_eq!(receiver.recv().await, Some("reserved"));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send(self, message: T) {
        let tx = self.tx;
        // First: it is used up even if what follows panics.
        std::mem::forget(self);
        tx.send_reserved(message);
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.tx.give_up(1);
    }
}

impl<'a, T> PermitIterator<'a, T> {
    /// For so many permits of the channel.
    pub(super) fn new(tx: &'a Tx<T>, permits: u64) -> Self {
        Self { tx, left: permits }
    }
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Permit<'a, T>> {
        self.left = self.left.checked_sub(1)?;
        Some(Permit::new(self.tx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> FusedIterator for PermitIterator<'_, T> {}

impl<T> Drop for PermitIterator<'_, T> {
    fn drop(&mut self) {
        self.tx.give_up(self.left);
    }
}

impl<T> OwnedPermit<T> {
    /// For one permit of the sender's channel.
    pub(super) fn new(sender: Sender<T>) -> Self {
        let sender = Some(sender);
        Self { sender }
    }

    /// Sends, without waiting, and gives the sender back. If the receiver is gone meanwhile the message is dropped.
    ///
    /// # Panics
    ///
    /// Never: the permit has its sender until it is used.
    pub fn send(mut self, message: T) -> Sender<T> {
        let sender = self.sender.take().expect("it is used once");
        sender.tx().send_reserved(message);
        sender
    }

    /// Gives the room back without sending, and the sender.
    ///
    /// # Panics
    ///
    /// Never: the permit has its sender until it is used.
    pub fn release(mut self) -> Sender<T> {
        let sender = self.sender.take().expect("it is used once");
        sender.tx().give_up(1);
        sender
    }

    /// Whether both are of the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        self.is_of(other.sender.as_ref())
    }

    /// Whether the sender is of the same channel.
    #[must_use]
    pub fn same_channel_as_sender(&self, sender: &Sender<T>) -> bool {
        self.is_of(Some(sender))
    }

    fn is_of(&self, other: Option<&Sender<T>>) -> bool {
        self.sender
            .as_ref()
            .zip(other)
            .is_some_and(|(one, other)| one.same_channel(other))
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.tx().give_up(1);
        }
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitIterator")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").finish_non_exhaustive()
    }
}
