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

    pub(crate) fn len(&self) -> usize {
        self.wakers.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    /// Puts the wakers into another order, as `below` says, which draws a number below the one it is given.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn shuffle(&mut self, mut below: impl FnMut(u32) -> u32) {
        for last in (1..self.wakers.len()).rev() {
            let other = below(last as u32 + 1) as usize;
            self.wakers.swap(last, other);
        }
    }

    /// Runs every waker in the order of collection, also those behind one that panics. No lock may be held.
    pub(crate) fn wake_all(&mut self) {
        let mut wakers = self.wakers.drain(..);
        while !shield(|| wakers.by_ref().for_each(Waker::wake)) {}
        drop(wakers);
        self.wakers.shrink_to(KEPT_CAPACITY);
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use std::panic::panic_any;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Counts {
        woken: AtomicUsize,
        dropped: AtomicUsize,
    }

    /// Counts its wakes and its end, and panics as told.
    struct Counter {
        counts: Arc<Counts>,
        bombs: Option<usize>,
    }

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.counts.woken.fetch_add(1, Ordering::Relaxed);
            if let Some(bombs) = self.bombs {
                panic_any(Bomb(bombs));
            }
        }
    }

    impl Drop for Counter {
        fn drop(&mut self) {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What a panic throws, and what throws again when it is dropped.
    struct Bomb(usize);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if let Some(next) = self.0.checked_sub(1) {
                panic_any(Bomb(next));
            }
        }
    }

    fn batch(bombs: &[Option<usize>]) -> (WakeBatch, Arc<Counts>) {
        let counts = Arc::<Counts>::default();
        let mut batch = WakeBatch::new();
        for &bombs in bombs {
            let counts = counts.clone();
            batch.push(Arc::new(Counter { counts, bombs }).into());
        }
        (batch, counts)
    }

    /// A panic dropped the wakers behind it without a wake, and went on through whoever had called.
    #[test]
    fn those_behind_a_panicking_waker_are_woken() {
        // None does not panic; Some(n) panics with something that panics n times more when it is dropped.
        for bombs in [
            &[Some(0)][..],
            &[Some(0), None, None],
            &[None, Some(0), None],
            &[None, None, Some(0)],
            &[Some(0), Some(0), None, Some(0)],
            &[Some(1), None, Some(2), None, Some(3), None],
        ] {
            let (mut batch, counts) = batch(bombs);
            batch.wake_all();
            assert!(batch.is_empty());
            assert_eq!(counts.woken.load(Ordering::Relaxed), bombs.len());
            assert_eq!(counts.dropped.load(Ordering::Relaxed), bombs.len());
        }
    }

    #[test]
    fn a_large_batch_gives_its_memory_back() {
        let (mut batch, counts) = batch(&[None; KEPT_CAPACITY + 1]);
        batch.wake_all();
        assert_eq!(counts.woken.load(Ordering::Relaxed), KEPT_CAPACITY + 1);
        assert!(batch.wakers.capacity() <= KEPT_CAPACITY);
    }
}
