//! How large is a cell?
//!
//! Sizes grow in steps of 64 bytes to 512 and in steps of an eighth to a quarter of the size from there, so that at most a fifth of a large cell is
//! lost. What is larger than [`CELL_BYTES_MAX`] does not come from a slab.

/// The largest cell. A guess: futures beyond 4 KiB are rare, and the global allocator's cost is small beside what they do.
pub(crate) const CELL_BYTES_MAX: usize = 4096;
/// The alignment of each cell: a cache line of its own.
pub(crate) const CELL_ALIGN: usize = 64;
/// How many classes there are.
pub(super) const CLASSES: usize = 20;

/// (largest size, step) of each of the ranges with equal steps.
const RANGES: [(usize, usize); 4] = [(512, 64), (1024, 128), (2048, 256), (CELL_BYTES_MAX, 512)];

/// A size class of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class(u8);

impl Class {
    /// The smallest class whose cells have room for this, if there is one.
    pub(crate) const fn for_layout(size: usize, align: usize) -> Option<Self> {
        if align > CELL_ALIGN {
            return None;
        }
        let mut index = 0;
        while index < CLASSES {
            let class = Self(index as u8);
            if class.bytes() >= size {
                return Some(class);
            }
            index += 1;
        }
        None
    }

    /// The size of its cells.
    pub(crate) const fn bytes(self) -> usize {
        let mut left = self.0 as usize + 1;
        let mut below = 0;
        let mut range = 0;
        loop {
            let (largest, step) = RANGES[range];
            let steps = (largest - below) / step;
            if left <= steps {
                return below + left * step;
            }
            left -= steps;
            below = largest;
            range += 1;
        }
    }

    #[inline(always)]
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn sizes_rise_to_the_largest() {
        let sizes: Vec<_> = (0..CLASSES as u8).map(|n| Class(n).bytes()).collect();
        assert!(sizes.is_sorted_by(|a, b| a < b));
        assert!(sizes.iter().all(|bytes| bytes % CELL_ALIGN == 0));
        assert_eq!(sizes[0], 64);
        assert_eq!(sizes[CLASSES - 1], CELL_BYTES_MAX);
    }

    #[test]
    fn each_size_gets_the_smallest_class_with_room() {
        for size in 1..=CELL_BYTES_MAX {
            let class = Class::for_layout(size, 8).unwrap();
            assert!(class.bytes() >= size);
            let smaller = class.index().checked_sub(1).map(|index| Class(index as u8));
            assert!(smaller.is_none_or(|class| class.bytes() < size));
        }
        assert_eq!(Class::for_layout(CELL_BYTES_MAX + 1, 8), None);
    }

    #[test]
    fn too_strict_an_alignment_has_no_class() {
        assert!(Class::for_layout(64, CELL_ALIGN).is_some());
        assert_eq!(Class::for_layout(64, CELL_ALIGN * 2), None);
    }
}
