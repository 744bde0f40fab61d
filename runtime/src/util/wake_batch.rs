//! How are many tasks woken without a lock held and without a notification each?
//!
//! Whoever finds ready work (a poller, a timer wheel, a lock being released) collects the wakers here while it
//! holds its lock, and runs them after the lock is gone. The batch is reused, so that collecting allocates only
//! while it grows to the size of the largest turn yet.

use std::task::Waker;

/// Wakers collected under a lock, to be run after it.
#[derive(Debug, Default)]
pub(crate) struct WakeBatch {
    wakers: Vec<Waker>,
}

impl WakeBatch {
    pub(crate) const fn new() -> Self {
        Self { wakers: Vec::new() }
    }

    pub(crate) fn push(&mut self, waker: Waker) {
        self.wakers.push(waker);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.wakers.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    /// Runs every waker in the order of collection. No lock may be held.
    pub(crate) fn wake_all(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }
}
