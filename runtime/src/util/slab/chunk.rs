//! What stands at the head of a chunk?
//!
//! ```text
//!   0      128      256              head            64 KiB          128 KiB        2 MiB
//!   | owner | orphans | segments ... | cells of the  | cells of the  | ...            |
//!   | home  |         |              | 1st segment   | 2nd segment   |                |
//! ```
//!
//! Every cell finds it by its address alone ([`of`]). The first line is written once, when the chunk is made, and read by everyone who frees a
//! cell or asks for its owner; the second is for cells that outlive their slab; segments are the owner's alone. Each has cache lines
//! of its own.

use super::class::Class;
use super::remote::Home;
use super::segment::{Free, Segment};
use crate::sys::mem::{self, CHUNK_BYTES, Pages, SEGMENT_BYTES};
use crate::sys::sync::Arc;
use crate::sys::sync::atomic::{AtomicUsize, Ordering};
use crate::util::shield::shield;
use std::cell::Cell;
use std::ptr::{self, NonNull};

const SEGMENTS: usize = CHUNK_BYTES / SEGMENT_BYTES;

#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct Chunk<O> {
    owner: Arc<O>,
    home: Arc<Home>,
    orphans: Orphans,
    vacant: Cell<usize>,
    segments: [Segment; SEGMENTS],
}

/// See the table in [`remote`](super::remote). Counts below 0 by wrapping.
#[repr(align(128))]
#[derive(Debug)]
struct Orphans(AtomicUsize);

/// The chunk a cell lies in. `O` is what its slab belongs to.
#[inline(always)]
pub(super) fn of<O>(cell: NonNull<u8>) -> NonNull<Chunk<O>> {
    let chunk = cell.as_ptr().map_addr(|addr| addr & !(CHUNK_BYTES - 1));
    // SAFETY: cells come from mapped chunks, whose address is not null.
    unsafe { NonNull::new_unchecked(chunk.cast()) }
}

/// The segment a cell lies in.
///
/// # Safety
///
/// The cell is out, of a slab of an `O`.
#[inline(always)]
pub(super) unsafe fn segment_of<O>(cell: NonNull<Free>) -> NonNull<Segment> {
    let index = cell.as_ptr().addr() % CHUNK_BYTES / SEGMENT_BYTES;
    // SAFETY: the chunk lives as long as a cell of it is out.
    unsafe { Chunk::segment(of::<O>(cell.cast()), index) }
}

impl<O: Send + Sync + 'static> Chunk<O> {
    /// Asks the system for one.
    pub(super) fn map(owner: Arc<O>, home: Arc<Home>, pages: Pages) -> NonNull<Self> {
        const { assert!(size_of::<Self>() <= SEGMENT_BYTES / 2) };
        let chunk = mem::map_chunk(pages).cast::<Self>();
        let head = Self {
            owner,
            home,
            orphans: Orphans(AtomicUsize::new(0)),
            vacant: Cell::new(SEGMENTS),
            segments: std::array::from_fn(|_| Segment::vacant()),
        };
        // SAFETY: the memory is ours, and large and aligned enough.
        unsafe { chunk.write(head) };
        chunk
    }

    /// Gives it back to the system.
    ///
    /// # Safety
    ///
    /// No cell of it is out, and nobody else knows it.
    pub(super) unsafe fn unmap(this: NonNull<Self>) {
        // SAFETY: written by `map`, and taken out once: the memory is gone below.
        let head = unsafe { this.read() };
        // SAFETY: passed on to the caller.
        unsafe { mem::unmap_chunk(this.cast()) };
        // Last, since this may end what the slab belongs to.
        shield(|| drop(head));
    }

    /// A segment that no class has, now assigned to this one.
    pub(super) fn take_segment(this: NonNull<Self>, class: Class) -> Option<NonNull<Segment>> {
        // SAFETY: the owner of the slab, who alone calls this, has the chunk.
        let vacant = unsafe { &(*this.as_ptr()).vacant };
        if vacant.get() == 0 {
            return None;
        }
        let (index, segment) = Self::all(this).find(|(_, segment)| {
            // SAFETY: segments live as long as their chunk.
            unsafe { segment.as_ref() }.class().is_none()
        })?;
        vacant.set(vacant.get() - 1);
        let (start, bytes) = Self::room(this, index);
        // SAFETY: as above.
        unsafe { segment.as_ref() }.assign(class, start, bytes);
        Some(segment)
    }

    /// Takes a segment without live cells away from its class.
    pub(super) fn retire_segment(this: NonNull<Self>, segment: &Segment) {
        segment.retire();
        // SAFETY: the owner of the slab, who alone calls this, has the chunk.
        let vacant = unsafe { &(*this.as_ptr()).vacant };
        vacant.set(vacant.get() + 1);
    }

    /// Gives the memory of a segment that no class has back to the system; the first one keeps its, where the head stands.
    pub(super) fn discard_segment(this: NonNull<Self>, index: usize) {
        if index > 0 {
            let (start, bytes) = Self::room(this, index);
            // SAFETY: whole segments are whole pages, and no cell of it is out.
            unsafe { mem::discard(start, bytes) };
        }
    }

    pub(super) fn is_vacant(this: NonNull<Self>) -> bool {
        // SAFETY: the owner of the slab, who alone calls this, has the chunk.
        unsafe { (*this.as_ptr()).vacant.get() == SEGMENTS }
    }

    /// The memory of a segment's cells.
    fn room(this: NonNull<Self>, index: usize) -> (NonNull<u8>, usize) {
        let head = if index == 0 { size_of::<Self>() } else { 0 };
        // SAFETY: `index` is below SEGMENTS, and the head is smaller than a segment.
        let start = unsafe { this.cast::<u8>().add(index * SEGMENT_BYTES + head) };
        (start, SEGMENT_BYTES - head)
    }

    /// All segments with their numbers.
    pub(super) fn all(this: NonNull<Self>) -> impl Iterator<Item = (usize, NonNull<Segment>)> {
        // SAFETY: the owner of the slab, who alone calls this, has the chunk.
        (0..SEGMENTS).map(move |index| (index, unsafe { Self::segment(this, index) }))
    }

    /// # Safety
    ///
    /// The chunk is alive while this is called.
    pub(super) unsafe fn home(this: NonNull<Self>) -> NonNull<Home> {
        // SAFETY: passed on to the caller; the field is never written again.
        let home = unsafe { &(*this.as_ptr()).home };
        NonNull::from(&**home)
    }

    /// Adds the cells that are still out when the slab is closed.
    ///
    /// # Safety
    ///
    /// Called once, by the slab's owner, after its stack was closed; it does not use the chunk again.
    pub(super) unsafe fn orphan(this: NonNull<Self>) {
        let live: usize = Self::all(this)
            // SAFETY: segments live as long as their chunk.
            .map(|(_, segment)| unsafe { segment.as_ref() }.live() as usize)
            .sum();
        // SAFETY: the chunk lives at least until the count is 0 after this.
        let orphans = unsafe { &(*this.as_ptr()).orphans.0 };
        // ORDERING: AcqRel, partner of itself and of `count_off_orphans`: who frees the chunk does it after everybody's last use.
        let before = orphans.fetch_add(live, Ordering::AcqRel);
        if before.wrapping_add(live) == 0 {
            // SAFETY: the table in `remote`: we are the one that made it 0.
            unsafe { Self::unmap(this) };
        }
    }

    /// Counts off cells that came back after the slab was closed.
    ///
    /// # Safety
    ///
    /// The caller has found the stack closed, gives up `count` cells of this chunk, and does not use it again.
    pub(super) unsafe fn count_off_orphans(this: NonNull<Self>, count: u32) {
        // SAFETY: the chunk lives at least until our cells are counted off.
        let orphans = unsafe { &(*this.as_ptr()).orphans.0 };
        let count = count as usize;
        // ORDERING: AcqRel, as in `orphan`.
        if orphans.fetch_sub(count, Ordering::AcqRel) == count {
            // SAFETY: the table in `remote`: we are the one that made it 0.
            unsafe { Self::unmap(this) };
        }
    }
}

impl<O> Chunk<O> {
    /// A segment, by a pointer that may reach the whole chunk.
    ///
    /// # Safety
    ///
    /// The chunk is alive.
    #[inline(always)]
    unsafe fn segment(this: NonNull<Self>, index: usize) -> NonNull<Segment> {
        // SAFETY: passed on to the caller; this only computes an address.
        let segments = unsafe { &raw mut (*this.as_ptr()).segments };
        debug_assert!(index < SEGMENTS);
        // SAFETY: the index is below SEGMENTS.
        let segment = unsafe { segments.cast::<Segment>().add(index) };
        // SAFETY: part of a chunk, whose address is not null.
        unsafe { NonNull::new_unchecked(segment) }
    }

    /// Whether the chunk's cells go home to this stack.
    ///
    /// # Safety
    ///
    /// The chunk is alive.
    #[inline(always)]
    pub(super) unsafe fn is_of(this: NonNull<Self>, home: &Arc<Home>) -> bool {
        // SAFETY: passed on to the caller; the field is never written again.
        let ours = unsafe { &(*this.as_ptr()).home };
        ptr::eq(&raw const **ours, &raw const **home)
    }

    /// # Safety
    ///
    /// The chunk is alive as long as the result is used.
    #[inline(always)]
    pub(super) unsafe fn owner<'a>(this: NonNull<Self>) -> &'a Arc<O> {
        // SAFETY: passed on to the caller; the field is never written again.
        unsafe { &(*this.as_ptr()).owner }
    }
}
