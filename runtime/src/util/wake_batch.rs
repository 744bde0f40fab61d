//! How are many tasks woken without a lock held and without a notification each?
//!
//! Whoever finds ready work (a poller, a timer wheel, a lock being released) collects the wakers here while it
//! holds its lock, and runs them after the lock is gone. The batch is reused, so that collecting allocates only
//! while it grows to the size of the largest turn yet.

use super::shield::shield;
use std::task::Waker;

/// A batch keeps room for so many wakers, of 16 bytes each; a larger one is rare enough to allocate.
const KEPT_CAPACITY: usize = 4096;

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

    /// Runs every waker in the order of collection, also those behind one that panics. No lock may be held.
    pub(crate) fn wake_all(&mut self) {
        let mut wakers = self.wakers.drain(..);
        while !shield(|| wakers.by_ref().for_each(Waker::wake)) {}
        drop(wakers);
        self.wakers.shrink_to(KEPT_CAPACITY);
    }
}
