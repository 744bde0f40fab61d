//! What is a block of places?
//!
//! Places for some messages in a row, each with a flag that says whether it is full, and what the [chain](super::chain) keeps of the block. A flag goes up when a sender has
//! filled its place, and stays up when the receiver has emptied it, until the block is used again: so all flags up means that no sender has business here any more.

use crate::sys::sync::UnsafeCell;
use crate::sys::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::mem::MaybeUninit;
use std::ptr;

use super::tail::Position;

/// Places of a block: the work at its ends is shared by so many messages. A power of two.
pub(super) const PLACES: usize = if cfg!(loom) { 2 } else { 32 };

/// No position: they have fewer bits.
const NOWHERE: u64 = u64::MAX;

/// Places in a row.
pub(super) struct Block<T> {
    /// Of the first place. Changes while nobody else has the block.
    start: AtomicU64,
    /// The one behind it, null while there is none.
    pub(super) next: AtomicPtr<Block<T>>,
    /// Who claimed a place before this may still come by here. NOWHERE as long as senders start from this block.
    left_at: AtomicU64,
    places: [Place<T>; PLACES],
}

/// Room for a message.
pub(super) struct Place<T> {
    is_full: AtomicBool,
    message: UnsafeCell<MaybeUninit<T>>,
}

/// The first position of the block that has this one.
#[inline]
pub(super) fn start_of(position: Position) -> Position {
    Position::from_number(position.to_number() & !(PLACES as u64 - 1))
}

/// Which place of its block.
#[inline]
pub(super) fn index_of(position: Position) -> usize {
    position.to_number() as usize % PLACES
}

impl<T> Block<T> {
    pub(super) fn new(start: Position) -> Box<Self> {
        // Where it stays, place by place: 32 large messages are more than a stack may have room for.
        let mut block = Box::<Self>::new_uninit();
        let to = block.as_mut_ptr();
        // SAFETY: within the allocation.
        let places = unsafe { &raw mut (*to).places }.cast::<Place<T>>();
        for index in 0..PLACES {
            // SAFETY: there are so many.
            let place = unsafe { places.add(index) };
            // SAFETY: within the allocation, and nobody else's.
            unsafe { place.write(Place::new()) };
        }
        // SAFETY: within the allocation.
        let to_start = unsafe { &raw mut (*to).start };
        // SAFETY: nobody else's.
        unsafe { to_start.write(AtomicU64::new(start.to_number())) };
        // SAFETY: within the allocation.
        let to_next = unsafe { &raw mut (*to).next };
        // SAFETY: nobody else's.
        unsafe { to_next.write(AtomicPtr::new(ptr::null_mut())) };
        // SAFETY: within the allocation.
        let to_left_at = unsafe { &raw mut (*to).left_at };
        // SAFETY: nobody else's.
        unsafe { to_left_at.write(AtomicU64::new(NOWHERE)) };
        // SAFETY: all four fields are written.
        unsafe { block.assume_init() }
    }

    /// Makes it as new. By who has it alone.
    pub(super) fn clear(&self) {
        // ORDERING: Relaxed, all of them: the block is published by the exchange that links it.
        self.next.store(ptr::null_mut(), Ordering::Relaxed);
        self.left_at.store(NOWHERE, Ordering::Relaxed);
        for place in &self.places {
            place.is_full.store(false, Ordering::Relaxed);
        }
    }

    /// Says where it begins. By who has it alone.
    pub(super) fn set_start(&self, start: Position) {
        // ORDERING: Relaxed, as in `clear`.
        self.start.store(start.to_number(), Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn start(&self) -> Position {
        // ORDERING: Relaxed: written before the block was linked, and whoever has its address has it from there by an Acquire.
        Position::from_number(self.start.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn place(&self, position: Position) -> &Place<T> {
        &self.places[index_of(position)]
    }

    /// Whether every place was filled, so that no sender is going to look for this block, nor for one before it.
    pub(super) fn is_complete(&self) -> bool {
        self.places.iter().all(Place::is_full)
    }

    /// Senders start from a later block. Who claimed a place before `seen` may still come by.
    pub(super) fn leave(&self, seen: Position) {
        // ORDERING: Release, partner of the load in `is_free`: who calls has got by.
        self.left_at.store(seen.to_number(), Ordering::Release);
    }

    /// Whether no sender comes by any more, when all before `head` was received.
    pub(super) fn is_free(&self, head: Position) -> bool {
        // ORDERING: Acquire, partner of the store in `leave`.
        let left_at = self.left_at.load(Ordering::Acquire);
        left_at != NOWHERE && head.has_reached(Position::from_number(left_at))
    }
}

impl<T> Place<T> {
    fn new() -> Self {
        Self {
            is_full: AtomicBool::new(false),
            message: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Whether there is, or was, a message.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        // ORDERING: Acquire, partner of the store in `fill`: the message, and all that its sender did in the chain before.
        self.is_full.load(Ordering::Acquire)
    }

    /// Puts the message there. The last that its sender does with the block.
    ///
    /// # Safety
    ///
    /// The caller has claimed the place, and fills it once.
    #[inline]
    pub(super) unsafe fn fill(&self, message: T) {
        // SAFETY: empty, and the caller's.
        (self.message).with_mut(|place| unsafe { place.write(MaybeUninit::new(message)) });
        // ORDERING: Release, partner of the load in `is_full`.
        self.is_full.store(true, Ordering::Release);
    }

    /// Takes the message out.
    ///
    /// # Safety
    ///
    /// Only the receiver, which has found it full and takes it once.
    #[inline]
    pub(super) unsafe fn empty(&self) -> T {
        self.message.with_mut(|place| {
            // SAFETY: the receiver's, and nobody writes it any more.
            let place = unsafe { place.read() };
            // SAFETY: full, says the caller.
            unsafe { place.assume_init() }
        })
    }
}
