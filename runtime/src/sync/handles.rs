//! How does the last of several handles learn that it is the last?
//!
//! They are counted, beside the references of their `Arc`: those of the two sides of a channel, and weak ones, share one.

use crate::sys::sync::atomic::{AtomicUsize, Ordering};

/// How many handles there are of a side.
#[derive(Debug)]
pub(super) struct Handles(AtomicUsize);

impl Handles {
    pub(super) fn one() -> Self {
        Self(AtomicUsize::new(1))
    }

    /// Of a side that nothing ends with.
    pub(super) fn none() -> Self {
        Self(AtomicUsize::new(0))
    }

    pub(super) fn count(&self) -> usize {
        // ORDERING: Relaxed: only told.
        self.0.load(Ordering::Relaxed)
    }

    /// Another one, of one that there is; or of a side that nothing ends with.
    pub(super) fn add(&self) {
        // ORDERING: Relaxed, as for `Arc`: the count is not 0, or does not matter.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Another one, unless there is none.
    #[must_use]
    pub(super) fn add_if_any(&self) -> bool {
        let add = |count| (count > 0).then_some(count + 1);
        // ORDERING: Relaxed: as for `add`; that there is one is all that it has to know.
        (self.0)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .is_ok()
    }

    /// One less. True if it was the last one.
    #[must_use]
    pub(super) fn remove(&self) -> bool {
        // ORDERING: AcqRel, with each other: what other handles have done comes before what the last one's end entails.
        self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }
}
