//! How does one keep a sender in reach without keeping the channel open?

use super::Sender;
use super::shared::Shared;
use crate::sys::sync::Arc;
use std::fmt;

/// A [`Sender`] that is not counted. It keeps the channel's memory, and the messages that somebody has yet to read.
pub struct WeakSender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> WeakSender<T> {
    pub(super) fn of(shared: Arc<Shared<T>>) -> Self {
        shared.weak.add();
        Self { shared }
    }

    /// A sender, unless the last one has gone.
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        (self.shared.senders.add_if_any()).then(|| Sender::of(self.shared.clone()))
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
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self::of(self.shared.clone())
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        let _nothing_ends_with_the_last = self.shared.weak.remove();
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("broadcast::WeakSender")
            .finish_non_exhaustive()
    }
}
