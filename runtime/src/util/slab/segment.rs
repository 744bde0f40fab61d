//! What is free within 64 KiB of cells of one size?
//!
//! A [`Segment`] describes such a stretch of a chunk; it stands in the head of the chunk, away from the cells. Free cells are a list through
//! themselves, last freed first; behind `bump` are those that were never handed out. Only the owner of the slab touches a segment.

use super::class::Class;
use crate::sys::mem::SEGMENT_BYTES;
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// A free cell, as the slab sees it.
///
/// The first word is left as it was: it is the task's state word, and says COMPLETE, which is how [`for_each_cell`](super::Slab::for_each_cell)'s
/// caller tells tasks from what is free.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Free {
    _left_alone: std::mem::MaybeUninit<usize>,
    /// The next free cell of the segment, or of the chain.
    pub(super) next: *mut Free,
    /// In the head of a chain on a stack: the head of the next.
    pub(super) next_chain: *mut Free,
    /// In the head of a chain: its last cell.
    pub(super) tail: *mut Free,
    /// In the head of a chain: how many cells it has.
    pub(super) count: u32,
}

const _: () = assert!(size_of::<Free>() <= super::class::CELL_ALIGN);

/// One stretch of a chunk.
#[repr(C, align(64))]
#[derive(Debug)]
pub(super) struct Segment {
    free: Cell<*mut Free>,
    /// Cells handed out and not yet free again.
    live: Cell<u32>,
    /// Offset from `start` of the first cell that was never handed out.
    bump: Cell<u32>,
    /// Offset from `start` behind the last cell.
    end: Cell<u32>,
    /// Size of a cell; 0 while no class has taken the segment.
    bytes: Cell<u32>,
    start: Cell<*mut u8>,
    /// The next segment of the class with room.
    pub(super) next: Cell<Option<NonNull<Segment>>>,
    /// The period in which it last was the one its class allocates from.
    used: Cell<u32>,
    class: Cell<Option<Class>>,
    /// Whether it is its class's current one, or in its list.
    pub(super) is_listed: Cell<bool>,
}

impl Segment {
    /// One that no class has taken.
    pub(super) fn vacant() -> Self {
        Self {
            free: Cell::new(ptr::null_mut()),
            live: Cell::new(0),
            bump: Cell::new(0),
            end: Cell::new(0),
            bytes: Cell::new(0),
            start: Cell::new(ptr::null_mut()),
            next: Cell::new(None),
            used: Cell::new(0),
            class: Cell::new(None),
            is_listed: Cell::new(false),
        }
    }

    /// Gives it to a class. `start` to `start + bytes` is its memory.
    pub(super) fn assign(&self, class: Class, start: NonNull<u8>, bytes: usize) {
        debug_assert!(bytes <= SEGMENT_BYTES && self.live.get() == 0);
        let cells = bytes / class.bytes();
        assert!(cells > 0, "a segment has room for the largest cell");
        self.free.set(ptr::null_mut());
        self.bump.set(0);
        self.end.set(truncate(cells * class.bytes()));
        self.bytes.set(truncate(class.bytes()));
        self.start.set(start.as_ptr());
        self.class.set(Some(class));
        self.is_listed.set(false);
    }

    /// Takes it away from its class, with all its cells free.
    pub(super) fn retire(&self) {
        debug_assert_eq!(self.live.get(), 0);
        self.class.set(None);
        self.bump.set(0);
        self.free.set(ptr::null_mut());
    }

    /// A cell that was free before.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<NonNull<Free>> {
        let cell = NonNull::new(self.free.get())?;
        // SAFETY: what is in the list is a free cell of ours, whose link was written when it was freed.
        self.free.set(unsafe { (*cell.as_ptr()).next });
        self.live.set(self.live.get() + 1);
        Some(cell)
    }

    /// A cell that was never handed out.
    pub(super) fn fresh(&self) -> Option<NonNull<Free>> {
        let at = self.bump.get();
        if at >= self.end.get() {
            return None;
        }
        self.bump.set(at + self.bytes.get());
        self.live.set(self.live.get() + 1);
        // SAFETY: `at` is below `end`, which lies within the segment's memory.
        NonNull::new(unsafe { self.start.get().add(at as usize) }.cast())
    }

    /// Takes a cell back.
    ///
    /// # Safety
    ///
    /// The cell is out, is this segment's, and nobody uses it any more.
    #[inline(always)]
    pub(super) unsafe fn push(&self, cell: NonNull<Free>) {
        debug_assert!(self.is_cell(cell));
        // SAFETY: the cell is ours from here on.
        unsafe { (*cell.as_ptr()).next = self.free.get() };
        self.free.set(cell.as_ptr());
        self.live.set(self.live.get() - 1);
    }

    /// Takes a chain back.
    ///
    /// # Safety
    ///
    /// `head` is the head of a complete chain of this segment's cells, taken from the stack by the owner.
    pub(super) unsafe fn splice(&self, head: NonNull<Free>) {
        debug_assert!(self.is_cell(head));
        // SAFETY: the cell is ours, and as the head of a chain it has this initialised.
        let tail = unsafe { (*head.as_ptr()).tail };
        // SAFETY: as above.
        let count = unsafe { (*head.as_ptr()).count };
        // SAFETY: the tail is one of the chain's cells.
        unsafe { (*tail).next = self.free.get() };
        self.free.set(head.as_ptr());
        self.live.set(self.live.get() - count);
    }

    fn is_cell(&self, cell: NonNull<Free>) -> bool {
        let offset = cell.as_ptr().addr().wrapping_sub(self.start.get().addr());
        offset < self.bump.get() as usize && offset % self.bytes.get() as usize == 0
    }

    pub(super) fn class(&self) -> Option<Class> {
        self.class.get()
    }

    pub(super) fn live(&self) -> u32 {
        self.live.get()
    }

    pub(super) fn has_room(&self) -> bool {
        !self.free.get().is_null() || self.bump.get() < self.end.get()
    }

    pub(super) fn set_used(&self, period: u32) {
        self.used.set(period);
    }

    /// The period in which it last was allocated from.
    pub(super) fn used(&self) -> u32 {
        self.used.get()
    }

    /// All cells that were ever handed out since a class took it.
    pub(super) fn cells(&self) -> impl Iterator<Item = NonNull<u8>> {
        let step = self.bytes.get().max(1) as usize;
        let start = self.start.get();
        (0..self.bump.get() as usize)
            .step_by(step)
            // SAFETY: the offset is below `bump`, so this lies within the segment's memory.
            .filter_map(move |at| NonNull::new(unsafe { start.add(at) }))
    }
}

fn truncate(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a segment is smaller than 4 GiB")
}
