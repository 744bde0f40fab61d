//! Is everything dropped exactly once?
//!
//! A [`Tracked`] travels with a future, its output or a closure; its [`Tally`] knows how many were made and how many were dropped,
//! and counts a second drop of the same one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Counts the [`Tracked`] it has made.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    made: AtomicUsize,
    dropped: AtomicUsize,
    twice: AtomicUsize,
}

/// Something that must be dropped exactly once.
#[derive(Debug)]
pub struct Tracked {
    tally: Tally,
    is_gone: AtomicBool,
}

impl Tally {
    /// A tally of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes one more thing to be dropped.
    #[must_use]
    pub fn track(&self) -> Tracked {
        self.counts.made.fetch_add(1, Ordering::SeqCst);
        Tracked {
            tally: self.clone(),
            is_gone: AtomicBool::new(false),
        }
    }

    /// How many live.
    #[must_use]
    pub fn alive(&self) -> usize {
        let dropped = self.counts.dropped.load(Ordering::SeqCst);
        self.counts.made.load(Ordering::SeqCst) - dropped
    }

    /// How many were made.
    #[must_use]
    pub fn made(&self) -> usize {
        self.counts.made.load(Ordering::SeqCst)
    }

    /// Checks that each was dropped, and once.
    ///
    /// # Panics
    ///
    /// If that is not so.
    pub fn assert_all_gone(&self) {
        assert_eq!(self.counts.twice.load(Ordering::SeqCst), 0, "dropped twice");
        assert_eq!(self.alive(), 0, "not dropped, of {}", self.made());
    }

    /// Waits until each was dropped, where the last drop is about to happen on another thread.
    ///
    /// # Panics
    ///
    /// If that does not happen within the guard's time, or one is dropped twice.
    pub fn wait_until_all_gone(&self) {
        crate::guard::eventually("everything is dropped", || {
            (self.alive() == 0).then_some(())
        });
        self.assert_all_gone();
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let counts = &self.tally.counts;
        if self.is_gone.swap(true, Ordering::SeqCst) {
            counts.twice.fetch_add(1, Ordering::SeqCst);
        }
        counts.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_counted() {
        let tally = Tally::new();
        let one = tally.track();
        assert_eq!((tally.made(), tally.alive()), (1, 1));
        drop(one);
        tally.assert_all_gone();
    }
}
