//! Has each task run, and run once?

use crate::guard::eventually;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often each of so many tasks has run.
#[derive(Debug, Clone)]
pub struct Runs(Arc<[AtomicUsize]>);

impl Runs {
    /// Of this many, none of which has run.
    #[must_use]
    pub fn new(tasks: usize) -> Self {
        Self((0..tasks).map(|_| AtomicUsize::new(0)).collect())
    }

    /// Task number `task` runs.
    pub fn note(&self, task: usize) {
        self.0[task].fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until each has run.
    ///
    /// # Panics
    ///
    /// If one does not.
    pub fn wait(&self) {
        eventually("each has run", || {
            let all = self.0.iter().all(|runs| runs.load(Ordering::Relaxed) > 0);
            all.then_some(())
        });
    }

    /// Checks that none has run twice either, once nothing runs any more.
    ///
    /// # Panics
    ///
    /// If one has, or has not run at all.
    pub fn check(&self) {
        let once = |runs: &AtomicUsize| runs.load(Ordering::Relaxed) == 1;
        assert!(self.0.iter().all(once), "each runs once");
    }
}
