//! How does a cell come home that was freed elsewhere?
//!
//! In a *chain*: up to [`CHAIN_CELLS_MAX`] free cells of one segment, linked through themselves. Who frees foreign cells collects them in
//! chains in its [`Outbox`], and pushes each full one onto the stack of the slab it belongs to, with one locked instruction. The owner takes
//! the whole stack at once and splices each chain into its segment's free list, touching two cells of a chain only.
//!
//! ```text
//!   stack -> head cell --next chain--> head cell --next chain--> null
//!            | next                    | next
//!            v                         v
//!            cell                      cell ...   tail cell
//! ```
//!
//! There is no ABA: only single chains are pushed, and only everything is taken.
//!
//! When the owner closes its slab it leaves CLOSED on the stack. Who finds that counts its chain off the *orphans* of the chunk
//! instead, and the one that counts off the last frees the chunk:
//!
//! | who | does to `orphans` | frees the chunk |
//! |---|---|---|
//! | a pusher that finds CLOSED, with `n` cells | `-= n` | if that makes it 0 |
//! | the owner, after leaving CLOSED, with `n` cells still out | `+= n` | if that makes it 0 |
//!
//! Before the owner's addition the count is 0 or below, so no subtraction makes it 0; afterwards it is the number of cells that
//! are still out. So exactly one of them makes it 0, and that one is the last to touch the chunk.

use super::chunk::{self, Chunk};
use super::segment::{Free, Segment};
use crate::sys::sync::atomic::{AtomicPtr, Ordering};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Cells of a chain. A locked instruction and a line that moves between cores (50 ns) are thus below 1 ns a cell; larger ones would only delay
/// the reuse.
pub(super) const CHAIN_CELLS_MAX: u32 = 64;
/// Chains an outbox collects at once. Tasks are stolen in runs of neighbours, so that few segments are met at a time.
const OUTBOX_CHAINS: usize = 8;

/// The stack of chains that came home; what slab and chunks share. On lines of its own: other threads write it, and the owner looks at it whenever a segment is used up.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Home {
    stack: AtomicPtr<Free>,
}

fn closed() -> *mut Free {
    ptr::without_provenance_mut(1)
}

impl Home {
    pub(super) fn new() -> Self {
        Self {
            stack: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Takes all chains: the head of the first, or null. For the owner.
    #[inline]
    pub(super) fn take_all(&self) -> *mut Free {
        // ORDERING: Relaxed: only a hint; what is missed now is found the next time.
        if self.stack.load(Ordering::Relaxed).is_null() {
            return ptr::null_mut();
        }
        // ORDERING: Acquire, partner of the Release in `push`: what was done to the cells before they were freed is done.
        self.stack.swap(ptr::null_mut(), Ordering::Acquire)
    }

    /// As [`take_all`](Self::take_all), and refuses chains from now on.
    pub(super) fn close(&self) -> *mut Free {
        // ORDERING: Acquire, as in `take_all`.
        self.stack.swap(closed(), Ordering::Acquire)
    }

    /// Pushes a chain. False if the slab is closed.
    ///
    /// # Safety
    ///
    /// `this` lives as long as the cells of the chain are out, that is until this succeeds. `head` is the head of a complete chain that
    /// belongs to this slab.
    unsafe fn push(this: NonNull<Self>, head: NonNull<Free>) -> bool {
        // SAFETY: alive until the exchange below succeeds; nothing is touched after that.
        let stack = unsafe { &(*this.as_ptr()).stack };
        // ORDERING: Relaxed: the exchange decides.
        let mut top = stack.load(Ordering::Relaxed);
        loop {
            if top == closed() {
                return false;
            }
            // SAFETY: the cell is free, and ours until it is pushed.
            unsafe { (*head.as_ptr()).next_chain = top };
            // ORDERING: Release, partner of the Acquire in `take_all` and `close`: links and the cells' last use come first.
            match stack.compare_exchange_weak(
                top,
                head.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => top = now,
            }
        }
    }
}

/// Free cells of one segment on their way home.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    segment: NonNull<Segment>,
    head: NonNull<Free>,
    tail: NonNull<Free>,
    count: u32,
}

impl Chain {
    /// # Safety
    ///
    /// The cell is one of the segment's, and nobody uses it any more.
    #[inline]
    pub(super) unsafe fn of_one(segment: NonNull<Segment>, cell: NonNull<Free>) -> Self {
        // SAFETY: the cell is ours.
        unsafe { (*cell.as_ptr()).next = ptr::null_mut() };
        Self {
            segment,
            head: cell,
            tail: cell,
            count: 1,
        }
    }

    /// # Safety
    ///
    /// As for [`of_one`](Self::of_one), with the segment of this chain.
    #[inline]
    unsafe fn add(&mut self, cell: NonNull<Free>) {
        // SAFETY: the cell is ours.
        unsafe { (*cell.as_ptr()).next = self.head.as_ptr() };
        self.head = cell;
        self.count += 1;
    }

    /// Sends it home. `O` is what the slab belongs to.
    ///
    /// # Safety
    ///
    /// The cells came from a slab of an `O`.
    pub(super) unsafe fn send<O: Send + Sync + 'static>(self) {
        let head = self.head.as_ptr();
        // SAFETY: the head is ours, and every cell is as large as a `Free`.
        unsafe { (*head).tail = self.tail.as_ptr() };
        // SAFETY: as above.
        unsafe { (*head).count = self.count };
        let chunk = chunk::of::<O>(self.head.cast());
        // SAFETY: the chunk lives as long as cells of it are out, which these are.
        let home = unsafe { Chunk::home(chunk) };
        // SAFETY: the chunk keeps its home; the chain is complete.
        if !unsafe { Home::push(home, self.head) } {
            // SAFETY: the slab is closed, and the cells of the chain are counted among those that were out.
            unsafe { Chunk::count_off_orphans(chunk, self.count) };
        }
    }
}

/// Foreign cells that this slab's owner has freed and not sent home yet.
#[derive(Debug)]
pub(super) struct Outbox {
    chains: [Cell<Option<Chain>>; OUTBOX_CHAINS],
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            chains: [const { Cell::new(None) }; OUTBOX_CHAINS],
        }
    }

    /// Adds a cell.
    ///
    /// # Safety
    ///
    /// The cell is one of the segment's, which belongs to a slab of an `O`, and nobody uses it any more.
    #[inline]
    pub(super) unsafe fn add<O: Send + Sync + 'static>(
        &self,
        segment: NonNull<Segment>,
        cell: NonNull<Free>,
    ) {
        let place = &self.chains[segment.as_ptr().addr() / size_of::<Segment>() % OUTBOX_CHAINS];
        match place.get() {
            Some(mut chain) if chain.segment == segment => {
                // SAFETY: passed on to the caller.
                unsafe { chain.add(cell) };
                if chain.count < CHAIN_CELLS_MAX {
                    return place.set(Some(chain));
                }
                place.set(None);
                // SAFETY: passed on to the caller.
                unsafe { chain.send::<O>() }
            }
            other => {
                // SAFETY: passed on to the caller.
                place.set(Some(unsafe { Chain::of_one(segment, cell) }));
                if let Some(chain) = other {
                    // SAFETY: passed on to the caller.
                    unsafe { chain.send::<O>() }
                }
            }
        }
    }

    /// Sends everything home.
    ///
    /// # Safety
    ///
    /// All cells came from slabs of an `O`.
    pub(super) unsafe fn flush<O: Send + Sync + 'static>(&self) {
        for chain in self.chains.iter().filter_map(Cell::take) {
            // SAFETY: passed on to the caller.
            unsafe { chain.send::<O>() }
        }
    }
}
