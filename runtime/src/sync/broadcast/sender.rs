//! What does one do who sends to everybody?

use super::error::SendError;
use super::shared::Shared;
use super::{Receiver, WeakSender};
use crate::sys::sync::Arc;
use std::fmt;

/// Sends messages that every [`Receiver`] gets. Any number of them may share a channel, by `clone`; with the last one it is closed.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// A sender without receivers.
    ///
    /// # Units and limits
    ///
    /// As for [`channel`](super::channel).
    ///
    /// # Panics
    ///
    /// If `capacity` is 0, or more than a quarter of the address space.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self::of(Arc::new(Shared::new(capacity)))
    }

    /// A handle that was counted already.
    pub(super) fn of(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// Sends a message, and says how many receivers there were. It does not wait for any of them; those who are too slow lose the oldest message. (Only while that is being cloned it
    /// waits, for the clone.)
    ///
    /// That it was sent does not say that it will be read: receivers may go, or lag behind.
    ///
    /// # Errors
    ///
    /// If there is no receiver: the message comes back. There may be one later.
    pub fn send(&self, message: T) -> Result<usize, SendError<T>> {
        self.shared.send(message)
    }

    /// Another receiver, of everything that is sent from now on.
    ///
    /// # Panics
    ///
    /// If there are 2^31 - 1 of them.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::subscribe(self.shared.clone())
    }

    /// How many messages are kept that some receiver has yet to read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.wanted()
    }

    /// Whether every message that is kept was read by everybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers()
    }

    /// How many senders there are.
    #[must_use]
    pub fn strong_count(&self) -> usize {
        self.shared.senders.count()
    }

    /// How many weak senders there are.
    #[must_use]
    pub fn weak_count(&self) -> usize {
        self.shared.weak.count()
    }

    /// Waits until there is no receiver. Another one may be made any time.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::broadcast;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, receiver) = broadcast::channel::<u32>(4);
    ///     filch::spawn(async move { drop(receiver) });
    ///     sender.closed().await;
    ///     assert!(sender.send(1).is_err());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn closed(&self) {
        self.shared.all_gone().await;
    }

    /// Whether both send to the same receivers.
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
        f.debug_struct("broadcast::Sender").finish_non_exhaustive()
    }
}
