//! How does a lane keep its tasks in order, whatever their number?
//!
//! In blocks: one is added to, full ones wait before it, and blocks that were taken empty are used again. A push is a store and a bound; nothing is
//! allocated where a lane is emptied as fast as it is filled, and nothing is ever copied to grow. A whole block changes hands by a swap of its
//! pointer, since the lane's lock is held meanwhile.
//!
//! Rejected: one growable ring (half a million tasks are 4 MB to copy under the lock); a link in each task (one more field in each cell).

use std::collections::VecDeque;
use std::mem;

/// Entries of a block: 4 KiB of pointers, as in a worker's queue.
#[cfg(not(any(loom, shuttle)))]
pub(crate) const BLOCK: usize = 512;
/// Models have blocks so small that they are crossed.
#[cfg(any(loom, shuttle))]
pub(crate) const BLOCK: usize = 2;

/// A queue of plain values.
#[derive(Debug)]
pub(crate) struct Fifo<T> {
    /// The block that is added to.
    last: Vec<T>,
    /// Full ones before it, the oldest first.
    full: VecDeque<Vec<T>>,
    /// How many of the oldest block were taken.
    taken: usize,
    len: usize,
    /// Empty ones, for the next time.
    unused: Vec<Vec<T>>,
    /// The fewest unused ones there were since the last trim: so many were not needed.
    fewest: usize,
}

impl<T: Copy> Fifo<T> {
    /// An empty one; it asks for memory at the first push.
    pub(super) fn new() -> Self {
        Self {
            last: Vec::new(),
            full: VecDeque::new(),
            taken: 0,
            len: 0,
            unused: Vec::new(),
            fewest: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds at the end.
    #[inline]
    pub(crate) fn push(&mut self, value: T) {
        if self.last.len() == self.last.capacity() {
            self.grow();
        }
        self.last.push(value);
        self.len += 1;
    }

    /// The last block is full, or none yet.
    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let block = self.unused.pop().unwrap_or_else(new_block);
        self.fewest = self.fewest.min(self.unused.len());
        let full = mem::replace(&mut self.last, block);
        if !full.is_empty() {
            self.full.push_back(full);
        }
    }

    /// Moves the oldest, at most so many and none of the second block, into `into`, which is [a block](new_block) and empty.
    pub(super) fn take(&mut self, most: usize, into: &mut Vec<T>) {
        debug_assert!(into.is_empty() && into.capacity() >= BLOCK);
        if self.len == 0 {
            // There may be no block to give for the one that is lent.
            return;
        }
        let oldest = self.full.front_mut().unwrap_or(&mut self.last);
        let left = oldest.len() - self.taken;
        if most < left {
            into.extend_from_slice(&oldest[self.taken..][..most]);
            self.taken += most;
            self.len -= most;
            return;
        }
        if self.taken == 0 {
            mem::swap(oldest, into);
        } else {
            into.extend_from_slice(&oldest[self.taken..]);
            oldest.clear();
            self.taken = 0;
        }
        self.len -= left;
        if let Some(empty) = self.full.pop_front() {
            self.unused.push(empty);
        }
    }

    /// Frees the blocks that were not needed since the last call.
    pub(crate) fn trim(&mut self) {
        let needed = self.unused.len() - self.fewest;
        self.unused.truncate(needed);
        self.unused.shrink_to_fit();
        self.full.shrink_to_fit();
        self.fewest = needed;
    }

    /// Whether there are blocks that [`trim`](Self::trim) may free one day.
    pub(crate) fn has_excess(&self) -> bool {
        !self.unused.is_empty()
    }
}

/// Room for a block.
pub(crate) fn new_block<T>() -> Vec<T> {
    Vec::with_capacity(BLOCK)
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STEPS: usize = if cfg!(miri) { 4 } else { 40 };

    proptest! {
        /// Against a plain `VecDeque`, with pushes and takes of every size about a block.
        #[test]
        fn what_goes_in_comes_out_in_order(steps in prop::collection::vec((0..3 * BLOCK, 0..2 * BLOCK), 1..STEPS)) {
            let (mut fifo, mut model, mut next) = (Fifo::new(), VecDeque::new(), 0_u32);
            let mut block = new_block();
            for (pushes, most) in steps {
                for _ in 0..pushes {
                    fifo.push(next);
                    model.push_back(next);
                    next += 1;
                }
                fifo.take(most, &mut block);
                prop_assert!(block.len() <= most);
                prop_assert!(!block.is_empty() || most == 0 || model.is_empty(), "a take takes something");
                for value in block.drain(..) {
                    prop_assert_eq!(model.pop_front(), Some(value));
                }
                prop_assert_eq!(fifo.len(), model.len());
            }
        }
    }

    #[test]
    fn who_takes_of_nothing_keeps_its_block() {
        let (mut fifo, mut block) = (Fifo::<u8>::new(), new_block());
        fifo.take(BLOCK, &mut block);
        assert!(block.capacity() >= BLOCK);
    }

    #[test]
    fn a_block_that_is_emptied_is_used_again() {
        let (mut fifo, mut block) = (Fifo::new(), new_block());
        for _ in 0..10 {
            (0..BLOCK).for_each(|n| fifo.push(n));
            fifo.take(BLOCK, &mut block);
            assert_eq!(block.len(), BLOCK);
            block.clear();
        }
        assert!(fifo.full.is_empty() && fifo.unused.is_empty());
    }

    #[test]
    fn what_a_burst_needed_is_freed_after_two_trims() {
        let (mut fifo, mut block) = (Fifo::new(), new_block());
        (0..10 * BLOCK).for_each(|n| fifo.push(n));
        while fifo.len() > 0 {
            fifo.take(BLOCK, &mut block);
            block.clear();
        }
        assert!(fifo.has_excess());
        fifo.trim();
        assert!(fifo.has_excess(), "needed in the first period");
        fifo.trim();
        assert!(!fifo.has_excess());
    }
}
