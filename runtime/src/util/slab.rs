//! Where do tasks live?
//!
//! In *cells* of a few sizes ([`Class`]), cut out of chunks of 2 MiB. Each worker has a slab of its own and hands out and takes back cells
//! with plain loads and stores; a cell that is freed elsewhere comes home through a stack ([`remote`]). Since a cell's address tells its chunk,
//! and the chunk whom it belongs to, a task carries no pointer to its scheduler ([`owner_of`]); and since the slab knows
//! every cell it has handed out, nobody keeps a list of all tasks ([`Slab::for_each_cell`]).
//!
//! ```text
//!   slab --- current segment and list of segments with room, of each class
//!     |
//!     +-- chunk, 2 MiB --- segment, 64 KiB of cells of one class --- cell
//!     +-- chunk ...    \-- segment ...
//! ```
//!
//! # Giving back
//!
//! [`Slab::trim`], called once per period by the owner, moves allocation to the oldest chunk with room and gives back to the system
//! each segment that has no live cell and was not allocated from in the current and the previous period; of a chunk without any, all of it, except the
//! first. So what stays two periods after a burst is at most one chunk, and 64 KiB for each cell that is still live. The
//! worker calls it once a second, also while it has nothing else to do as long as it has more than one chunk.
//!
//! Rejected: a free list per class for all segments together (it never finds out that a chunk is empty), giving back at once (a server
//! whose load swings would fault its memory in again and again), the global allocator (28 ns for glibc and 13 for mimalloc where this
//! takes 3, and it cannot enumerate).

mod chunk;
mod class;
mod remote;
mod segment;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, shuttle))]
mod shuttle_tests;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;

pub(crate) use class::Class;

use crate::sys::mem::Pages;
use crate::sys::sync::Arc;
use chunk::Chunk;
use class::CLASSES;
use remote::{Chain, Home, Outbox};
use segment::{Free, Segment};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr::NonNull;

/// Cells for the tasks of an `O`, handed out by one thread at a time.
pub(crate) struct Slab<O: Send + Sync + 'static> {
    owner: Arc<O>,
    home: Arc<Home>,
    classes: [Shelf; CLASSES],
    outbox: Outbox,
    chunks: RefCell<Vec<NonNull<Chunk<O>>>>,
    /// Chunks before this one have no segment to spare.
    room_from: Cell<usize>,
    /// How often it was trimmed.
    period: Cell<u32>,
}

/// The segments of a class from which cells can be had.
#[derive(Debug, Default)]
struct Shelf {
    current: Cell<Option<NonNull<Segment>>>,
    /// More of them, linked by `next`.
    more: Cell<Option<NonNull<Segment>>>,
}

// SAFETY: the pointers lead to chunks that only this slab hands out cells of; what other threads do to a chunk meanwhile they
// do through atomics (its stack, its orphans), or to fields that are never written again. `O` may be dropped by any of them: it is Send and Sync.
unsafe impl<O: Send + Sync + 'static> Send for Slab<O> {}

impl<O: Send + Sync + 'static> Slab<O> {
    /// An empty slab; it asks the system for memory when the first cell is needed.
    pub(crate) fn new(owner: Arc<O>) -> Self {
        Self {
            owner,
            home: Arc::new(Home::new()),
            classes: std::array::from_fn(|_| Shelf::default()),
            outbox: Outbox::new(),
            chunks: RefCell::new(Vec::new()),
            room_from: Cell::new(0),
            period: Cell::new(0),
        }
    }

    /// Hands out a cell of this class. What is in it is undefined; the caller initialises its first word right away.
    #[inline(always)]
    pub(crate) fn alloc(&self, class: Class) -> NonNull<u8> {
        if let Some(segment) = self.classes[class.index()].current.get() {
            // SAFETY: segments on a shelf belong to chunks we have.
            if let Some(cell) = unsafe { segment.as_ref() }.pop() {
                return cell.cast();
            }
        }
        self.alloc_slow(class)
    }

    /// Takes a cell back, of this slab or of another one of an `O`. If it is of another one, `before_foreign` is called first: that one's memory, and its `O`, may end with it.
    ///
    /// # Safety
    ///
    /// The cell came from a slab of an `O`, holds nothing that needs dropping, and nobody uses it any more.
    #[inline(always)]
    pub(crate) unsafe fn free(&self, cell: NonNull<u8>, before_foreign: impl FnOnce()) {
        let chunk = chunk::of::<O>(cell);
        let cell = cell.cast::<Free>();
        // SAFETY: the cell is out, so its chunk is alive.
        let segment = unsafe { chunk::segment_of::<O>(cell) };
        // SAFETY: as above.
        if unsafe { Chunk::is_of(chunk, &self.home) } {
            // SAFETY: the chunk is ours, and so is the segment.
            let segment_ref = unsafe { segment.as_ref() };
            // SAFETY: passed on to the caller.
            unsafe { segment_ref.push(cell) };
            if !segment_ref.is_listed.get() {
                self.put_on_shelf(segment);
            }
        } else {
            before_foreign();
            // SAFETY: passed on to the caller.
            unsafe { self.free_foreign(segment, cell) };
        }
    }

    /// Out of line, so that the way of the own cells needs no stack.
    ///
    /// # Safety
    ///
    /// As for [`free`](Self::free).
    #[inline(never)]
    unsafe fn free_foreign(&self, segment: NonNull<Segment>, cell: NonNull<Free>) {
        // SAFETY: passed on to the caller.
        unsafe { self.outbox.add::<O>(segment, cell) };
    }

    /// Sends home what was freed here and came from elsewhere; before the owner sleeps.
    pub(crate) fn flush(&self) {
        // SAFETY: `free` was given cells of slabs of an `O` only.
        unsafe { self.outbox.flush::<O>() };
    }

    /// Gives unused memory back, as said [above](self). To be called once per period. True if it should be called again though nothing
    /// is allocated meanwhile.
    pub(crate) fn trim(&self) -> bool {
        self.flush();
        self.collect();
        let period = self.period.get().wrapping_add(1);
        self.period.set(period);
        self.classes.iter().for_each(Shelf::clear);
        let mut chunks = self.chunks.borrow_mut();
        let mut is_first = true;
        chunks.retain(|&chunk| {
            let keeps = Self::trim_chunk(chunk, period, std::mem::take(&mut is_first));
            if !keeps {
                // SAFETY: no segment of it has a class, so none has a live cell, and we are about to forget it.
                unsafe { Chunk::unmap(chunk) };
            }
            keeps
        });
        // The oldest last, so that it comes first on the shelf: younger ones get a chance to become empty.
        for &chunk in chunks.iter().rev() {
            self.put_chunk_on_shelves(chunk);
        }
        self.room_from.set(0);
        chunks.len() > 1
    }

    /// Whether there is memory that [`trim`](Self::trim) may give back one day though nothing is allocated meanwhile.
    pub(crate) fn has_excess(&self) -> bool {
        self.chunks.borrow().len() > 1
    }

    /// Calls `each` with each cell handed out so far, whether live or free; those that were given back to the system with
    /// their segment are left out. `each` may free cells.
    ///
    /// # Safety
    ///
    /// Nobody allocates meanwhile. (A free cell's first word is as it was when the cell was freed; the rest is undefined.)
    pub(crate) unsafe fn for_each_cell(&self, mut each: impl FnMut(NonNull<u8>)) {
        for &chunk in self.chunks.borrow().iter() {
            for (_, segment) in Chunk::all(chunk) {
                // SAFETY: segments live as long as their chunk, which we have.
                unsafe { segment.as_ref() }.cells().for_each(&mut each);
            }
        }
    }

    /// Ends the slab. Cells that are still out stay valid; their chunks are freed with the last of their cells.
    pub(crate) fn close(self) {
        drop(self);
    }

    /// The current segment has no free cell.
    #[cold]
    #[inline(never)]
    fn alloc_slow(&self, class: Class) -> NonNull<u8> {
        self.collect();
        let shelf = &self.classes[class.index()];
        loop {
            if let Some(segment) = shelf.current.get() {
                // SAFETY: segments on a shelf belong to chunks we have.
                let segment = unsafe { segment.as_ref() };
                if let Some(cell) = segment.pop().or_else(|| segment.fresh()) {
                    return cell.cast();
                }
                segment.is_listed.set(false);
            }
            let segment = shelf.take().unwrap_or_else(|| self.new_segment(class));
            // SAFETY: as above.
            let segment_ref = unsafe { segment.as_ref() };
            segment_ref.is_listed.set(true);
            segment_ref.set_used(self.period.get());
            shelf.current.set(Some(segment));
        }
    }

    /// Takes in what was freed elsewhere.
    fn collect(&self) {
        self.take_in(self.home.take_all());
    }

    fn take_in(&self, mut chain: *mut Free) {
        while let Some(head) = NonNull::new(chain) {
            // SAFETY: the chain is ours now; its head's link was written before it was pushed.
            chain = unsafe { (*head.as_ptr()).next_chain };
            // SAFETY: the cells count as live until they are spliced.
            let segment = unsafe { chunk::segment_of::<O>(head) };
            // SAFETY: what comes home lies in chunks we have.
            let segment_ref = unsafe { segment.as_ref() };
            // SAFETY: the chain was pushed whole, and all of it is of this segment.
            unsafe { segment_ref.splice(head) };
            if !segment_ref.is_listed.get() {
                self.put_on_shelf(segment);
            }
        }
    }

    /// The segment was full, and is not any more.
    #[cold]
    #[inline(never)]
    fn put_on_shelf(&self, segment: NonNull<Segment>) {
        // SAFETY: our callers have it from a chunk of ours.
        let class = unsafe { segment.as_ref() }.class();
        if let Some(class) = class {
            self.classes[class.index()].put(segment);
        }
    }

    #[cold]
    fn new_segment(&self, class: Class) -> NonNull<Segment> {
        let mut chunks = self.chunks.borrow_mut();
        while let Some(&chunk) = chunks.get(self.room_from.get()) {
            if let Some(segment) = Chunk::take_segment(chunk, class) {
                return segment;
            }
            self.room_from.set(self.room_from.get() + 1);
        }
        let pages = if chunks.is_empty() {
            Pages::Small
        } else {
            Pages::Huge
        };
        let chunk = Chunk::map(self.owner.clone(), self.home.clone(), pages);
        chunks.push(chunk);
        Chunk::take_segment(chunk, class).expect("a new chunk has segments to spare")
    }

    /// Gives back what is unused of a chunk; false if that is all of it.
    fn trim_chunk(chunk: NonNull<Chunk<O>>, period: u32, is_first: bool) -> bool {
        let mut retired = 0_u64;
        for (index, segment) in Chunk::all(chunk) {
            // SAFETY: segments live as long as their chunk, which we have.
            let segment = unsafe { segment.as_ref() };
            let is_unused = segment.live() == 0 && period.wrapping_sub(segment.used()) > 2;
            if segment.class().is_some() && is_unused {
                Chunk::retire_segment(chunk, segment);
                retired |= 1 << index;
            }
        }
        if Chunk::is_vacant(chunk) && !is_first {
            return false;
        }
        for index in (0..u64::BITS as usize).filter(|index| retired >> index & 1 == 1) {
            Chunk::discard_segment(chunk, index);
        }
        true
    }

    fn put_chunk_on_shelves(&self, chunk: NonNull<Chunk<O>>) {
        for (_, segment) in Chunk::all(chunk) {
            // SAFETY: segments live as long as their chunk, which we have.
            let segment_ref = unsafe { segment.as_ref() };
            segment_ref.is_listed.set(false);
            if segment_ref.class().is_some() && segment_ref.has_room() {
                self.put_on_shelf(segment);
            }
        }
    }
}

impl Shelf {
    fn put(&self, segment: NonNull<Segment>) {
        // SAFETY: what is put here belongs to a chunk of the slab's.
        let segment_ref = unsafe { segment.as_ref() };
        segment_ref.is_listed.set(true);
        segment_ref.next.set(self.more.replace(Some(segment)));
    }

    fn take(&self) -> Option<NonNull<Segment>> {
        let segment = self.more.get()?;
        // SAFETY: what is here belongs to a chunk of the slab's.
        self.more.set(unsafe { segment.as_ref() }.next.take());
        Some(segment)
    }

    fn clear(&self) {
        self.current.set(None);
        self.more.set(None);
    }
}

impl<O: Send + Sync + 'static> Drop for Slab<O> {
    fn drop(&mut self) {
        self.flush();
        self.take_in(self.home.close());
        for chunk in self.chunks.take() {
            // SAFETY: the stack was closed above, and the chunk is forgotten.
            unsafe { Chunk::orphan(chunk) };
        }
    }
}

impl<O: Send + Sync + 'static> fmt::Debug for Slab<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slab")
            .field("chunks", &self.chunks.borrow().len())
            .finish_non_exhaustive()
    }
}

/// Whom the slab of a cell belongs to.
///
/// # Safety
///
/// The cell is out, of a slab of an `O`, and stays out as long as the result is used.
#[inline(always)]
pub(crate) unsafe fn owner_of<'a, O>(cell: NonNull<u8>) -> &'a Arc<O> {
    // SAFETY: a chunk lives as long as a cell of it is out.
    unsafe { Chunk::owner(chunk::of::<O>(cell)) }
}

/// Sends a cell home from a thread that has no slab of an `O`.
///
/// # Safety
///
/// As for [`Slab::free`].
pub(crate) unsafe fn free_remote<O: Send + Sync + 'static>(cell: NonNull<u8>) {
    let cell = cell.cast::<Free>();
    // SAFETY: the cell is out, so its chunk is alive.
    let segment = unsafe { chunk::segment_of::<O>(cell) };
    // SAFETY: passed on to the caller.
    let chain = unsafe { Chain::of_one(segment, cell) };
    // SAFETY: passed on to the caller.
    unsafe { chain.send::<O>() };
}
