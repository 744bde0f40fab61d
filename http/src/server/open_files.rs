//! How many files may be open to be sent?
//!
//! Each takes a descriptor for as long as its client takes to read it, so they are counted as connections are ([`census`](super::census)): half of the descriptors that connections leave may be open files,
//! since one that is looked for takes two. Who finds them all taken is told to come back. Without that, clients that read slowly would take the last descriptors, and no listener could accept anybody.
//!
//! A [`FilePermit`] goes with its file, into whichever body that becomes. Files that handlers open themselves are theirs to bound.

use filch::sync::{OwnedSemaphorePermit, Semaphore};
use std::sync::Arc;

/// The files of a server that may be open at a time. A clone counts with it.
#[derive(Debug, Clone)]
pub(crate) struct OpenFiles {
    free: Arc<Semaphore>,
}

/// The right to have a file open, until it is dropped.
pub(crate) type FilePermit = OwnedSemaphorePermit;

impl OpenFiles {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// The right to open one more; `None` if there are as many as there may be.
    pub(crate) fn try_open(&self) -> Option<FilePermit> {
        self.free.clone().try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_files_and_not_one_more() {
        for n in [0, 1, 3] {
            let files = OpenFiles::new(n);
            let mut permits: Vec<_> = (0..n).map_while(|_| files.clone().try_open()).collect();
            assert_eq!((permits.len(), files.try_open().is_some()), (n, false));
            permits.pop();
            assert_eq!(files.try_open().is_some(), n > 0);
        }
        assert!(OpenFiles::new(usize::MAX).try_open().is_some());
    }
}
