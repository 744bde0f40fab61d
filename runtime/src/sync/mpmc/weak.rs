//! How does one keep a side of a channel in reach without keeping the channel open?

use super::shared::Shared;
use super::{Receiver, Sender};
use crate::sys::sync::Arc;
use std::fmt;

/// A [`Sender`] that is not counted. It keeps the channel's memory, but no message in it.
pub struct WeakSender<T> {
    shared: Arc<Shared<T>>,
}

/// A [`Receiver`] that is not counted. It keeps the channel's memory, but no message in it.
pub struct WeakReceiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> WeakSender<T> {
    pub(super) fn of(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// A sender, unless the last one has gone.
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        (self.shared.senders.add_if_any()).then(|| Sender::of(self.shared.clone()))
    }
}

impl<T> WeakReceiver<T> {
    pub(super) fn of(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// A receiver, unless the last one has gone.
    #[must_use]
    pub fn upgrade(&self) -> Option<Receiver<T>> {
        (self.shared.receivers.add_if_any()).then(|| Receiver::of(self.shared.clone()))
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self::of(self.shared.clone())
    }
}

impl<T> Clone for WeakReceiver<T> {
    fn clone(&self) -> Self {
        Self::of(self.shared.clone())
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for WeakReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakReceiver").finish_non_exhaustive()
    }
}
