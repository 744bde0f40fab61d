//! How does a worker push and pop without a locked instruction while others may steal everything at every moment?
//!
//! The thief, who is rare, pays for both. A queue is a chain of blocks of slots; positions count on for ever. Its owner takes
//! at `own` and adds at `tail`, both published with plain stores. A thief takes from the same end as the owner, under a lock, and a
//! heavy [`barrier`] tells it what the owner has claimed:
//!
//! | | owner: [`Owner::pop`] | thief: [`Queue::steal_into`] (under the lock) |
//! |---|---|---|
//! | 1 | `own` = c + 1: slot c is claimed | `epoch` += 1 |
//! | 2 | light barrier | heavy barrier |
//! | 3 | `epoch` still as I know it? then slot c is mine | `from` = the later of `own` and `stolen_to`; `to` = half way to `tail` |
//! | 4 | else take the lock: if slot c is null it is gone; go on behind `stolen_to` | copy the slots, null the first, `stolen_to` = `to` |
//!
//! Why no task is taken twice: if the claim (1) comes before the heavy barrier, the thief reads it and begins behind slot c. If it comes
//! after, the owner's look at the epoch (3) comes after too, finds it changed, and waits for the lock; the null says whether the
//! thief began with slot c. It cannot have begun before it: what the owner took earlier was claimed before, and the first claim
//! after a barrier is the one that goes this way. Only that one slot can be wanted by both, so only the first of a theft is nulled;
//! behind it the owner goes on at `stolen_to`. An epoch never comes back, so that a theft which began and ended in between is noticed too.
//!
//! The owner may also take back what it has pushed last ([`Owner::pop_newest`]): `tail` = c claims slot c in the same way, and behind the light
//! barrier the epoch says whether a thief may have read the old `tail`. If so the lock is taken, and slot c is the owner's still unless `stolen_to` is behind it.
//!
//! Why no slot is read while it changes: a slot is written by pushes only, at `tail`, which is behind everything a thief copies: `tail` goes back below what a thief
//! has read only under the lock. A block
//! is used again only when the owner has left it, and it leaves a block under the lock.
//!
//! | word | written by | read by |
//! |---|---|---|
//! | `own` | owner, plain; each pop | thief, behind the heavy barrier; anybody as a hint |
//! | `tail` | owner, Release; each push, each taking back | thief, Acquire |
//! | `epoch` | thief, under the lock | owner, each pop, behind the light barrier |
//! | `stolen_to` | thief, under the lock | owner, under the lock; anybody as a hint |
//! | slot | owner (a task), thief (null) | owner, thief |
//! | `next` of a block | owner, before the `tail` that leads there | owner; thief, under the lock |
//!
//! It costs an empty queue a block of 4 KiB. What a burst needed beyond it is kept for the next one and freed when it was not needed
//! for a period of [`Owner::trim`].
//!
//! Rejected: growth by copying into a larger ring (a pause of a millisecond for half a million tasks, and thieves that read the old one); nulling
//! every slot of a theft (twice the writes).

use crate::sys::barrier::{self, Seen};
use crate::sys::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crate::sys::sync::{Arc, Mutex};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Slots of a block. With its link it is a little over 4 KiB: large enough that the lock of its end costs nothing per task (25 ns in 512), small
/// enough that an idle worker's queue is.
#[cfg(not(any(loom, shuttle)))]
const BLOCK_SLOTS: usize = 512;
/// Models have blocks so small that every theft and every batch crosses one.
#[cfg(any(loom, shuttle))]
const BLOCK_SLOTS: usize = 2;

/// How many tasks ahead of the one that is taken the memory of another is asked for: as long as a line of another core takes to come, in
/// empty tasks of 10 ns. Beyond the block or the tail it asks for something that is not needed, which costs nothing.
const AHEAD: usize = 4;

/// What thieves see of a queue of `*mut T`.
pub(crate) struct Queue<T> {
    published: Published,
    epoch: Epoch,
    thieves: Mutex<Thieves<T>>,
}

/// Written by the owner all the time, so on lines of its own.
#[repr(align(128))]
struct Published {
    own: AtomicUsize,
    tail: AtomicUsize,
}

/// Written by thieves and read by the owner all the time: it shall stay in the owner's cache.
#[repr(align(128))]
struct Epoch {
    epoch: AtomicUsize,
    stolen_to: AtomicUsize,
}

/// The chain, as far as the lock is for it.
struct Thieves<T> {
    /// The first block, which is the owner's too.
    chain: NonNull<Block<T>>,
    /// Where the next theft begins to walk: a block that is not behind its first slot's.
    block: NonNull<Block<T>>,
    /// The position of its first slot.
    start: usize,
}

struct Block<T> {
    slots: [AtomicPtr<T>; BLOCK_SLOTS],
    /// The next of the chain, or of the owner's unused ones.
    next: AtomicPtr<Block<T>>,
}

/// The owner's side. There is one.
pub(crate) struct Owner<T> {
    queue: Arc<Queue<T>>,
    /// The next position to take from, unless it was stolen.
    own: Cell<usize>,
    /// The next position to add at.
    tail: Cell<usize>,
    /// What is before this position is not for [`pop_newest`](Owner::pop_newest).
    aged: Cell<usize>,
    /// The last epoch that was looked into.
    seen: Seen,
    /// The block to take from, and the position behind its last slot.
    first: Cell<NonNull<Block<T>>>,
    first_end: Cell<usize>,
    /// The block to add to, and the position behind its last slot.
    last: Cell<NonNull<Block<T>>>,
    last_end: Cell<usize>,
    unused: Unused<T>,
}

/// The owner's unused blocks, a stack.
struct Unused<T> {
    top: Cell<*mut Block<T>>,
    count: Cell<usize>,
    /// The fewest there were since the last trim: so many were not needed.
    fewest: Cell<usize>,
}

// SAFETY: pointers are handed from whoever pushed to exactly one taker and never looked behind; they stand for tasks, which may be
// taken on any thread. Blocks are reached by thieves only under the lock.
unsafe impl<T> Send for Queue<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Queue<T> {}
// SAFETY: the owner's side moves with the right to use it; the blocks it points to are the queue's and its own.
unsafe impl<T> Send for Owner<T> {}

/// A queue whose first position is `first`.
fn new_at<T>(first: usize) -> (Owner<T>, Arc<Queue<T>>) {
    debug_assert!(first % BLOCK_SLOTS == 0);
    let block = Block::new();
    let queue = Arc::new(Queue {
        published: Published {
            own: AtomicUsize::new(first),
            tail: AtomicUsize::new(first),
        },
        epoch: Epoch {
            epoch: AtomicUsize::new(0),
            stolen_to: AtomicUsize::new(first),
        },
        thieves: Mutex::new(Thieves {
            chain: block,
            block,
            start: first,
        }),
    });
    let end = first.wrapping_add(BLOCK_SLOTS);
    let owner = Owner {
        queue: queue.clone(),
        own: Cell::new(first),
        tail: Cell::new(first),
        aged: Cell::new(first),
        seen: Seen::new(),
        first: Cell::new(block),
        first_end: Cell::new(end),
        last: Cell::new(block),
        last_end: Cell::new(end),
        unused: Unused {
            top: Cell::new(ptr::null_mut()),
            count: Cell::new(0),
            fewest: Cell::new(0),
        },
    };
    (owner, queue)
}

impl<T> Owner<T> {
    pub(crate) fn new() -> (Self, Arc<Queue<T>>) {
        new_at(0)
    }

    /// Adds at the end.
    #[inline(always)]
    pub(crate) fn push(&self, item: NonNull<T>) {
        self.put(item);
        self.publish();
    }

    /// Adds at the end, for nobody else to see before [`publish`](Self::publish).
    #[inline(always)]
    fn put(&self, item: NonNull<T>) {
        let tail = self.tail.get();
        if tail == self.last_end.get() {
            self.grow();
        }
        // SAFETY: the last block is of the chain, and blocks of the chain live.
        let last = unsafe { self.last.get().as_ref() };
        last.slot(tail).store(item.as_ptr(), Ordering::Relaxed);
        self.tail.set(tail.wrapping_add(1));
    }

    #[inline(always)]
    fn publish(&self) {
        // ORDERING: Release, partner of the Acquire in `steal_into`: slots, links and what the pushed pointers stand for are seen.
        self.queue
            .published
            .tail
            .store(self.tail.get(), Ordering::Release);
    }

    /// Takes the oldest.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<NonNull<T>> {
        let own = self.own.get();
        if own == self.tail.get() {
            return None;
        }
        if own == self.first_end.get() {
            return self.pop_in_next_block();
        }
        // SAFETY: the first block is of the chain, and blocks of the chain live.
        let first = unsafe { self.first.get().as_ref() };
        let slot = first.slot(own);
        let item = slot.load(Ordering::Relaxed);
        prefetch(first.slot(own.wrapping_add(AHEAD)).load(Ordering::Relaxed));
        self.claim(own.wrapping_add(1));
        if self.seen.is_current(&self.queue.epoch.epoch) {
            return NonNull::new(item);
        }
        self.pop_contended(slot)
    }

    /// `own` is `next`, also for thieves.
    #[inline(always)]
    fn claim(&self, next: usize) {
        self.own.set(next);
        // ORDERING: Relaxed: ordered before the epoch load by the light barrier, or by the lock that is held.
        self.queue.published.own.store(next, Ordering::Relaxed);
    }

    /// What is there now is from now on only taken in its order.
    #[inline(always)]
    pub(crate) fn age(&self) {
        self.aged.set(self.tail.get());
    }

    /// Whether something was added since the last [`age`](Self::age), and not taken back; or stolen perhaps.
    #[inline(always)]
    pub(crate) fn has_young(&self) -> bool {
        self.aged.get() != self.tail.get()
    }

    /// Takes the newest, unless it is not [young](Self::has_young), or not in the block that is added to.
    #[inline(always)]
    pub(crate) fn pop_newest(&self) -> Option<NonNull<T>> {
        let tail = self.tail.get();
        let starts = self.last_end.get().wrapping_sub(BLOCK_SLOTS);
        if !self.has_young() || tail == self.own.get() || tail == starts {
            return None;
        }
        let newest = tail.wrapping_sub(1);
        // SAFETY: the last block is of the chain, and blocks of the chain live.
        let last = unsafe { self.last.get().as_ref() };
        let item = last.slot(newest).load(Ordering::Relaxed);
        self.tail.set(newest);
        self.publish();
        if self.seen.is_current(&self.queue.epoch.epoch) || self.is_still_there(newest) {
            return NonNull::new(item);
        }
        None
    }

    /// Somebody has stolen, or tried to, since the last pop; `tail` is back at this position. Whether nobody has taken what is there; if somebody
    /// has, it has taken everything.
    #[cold]
    #[inline(never)]
    fn is_still_there(&self, newest: usize) -> bool {
        let mut thieves = self.queue.thieves.lock();
        let stolen_to = self.queue.epoch.stolen_to.load(Ordering::Relaxed);
        let is_there = !is_before(newest, stolen_to);
        if !is_there {
            self.tail.set(stolen_to);
            self.publish();
        }
        self.catch_up(&mut thieves);
        is_there
    }

    /// How many there are, unless some were stolen since the owner last looked.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.tail.get().wrapping_sub(self.own.get())
    }

    /// Somebody has stolen, or tried to, since the last pop; this slot is claimed.
    #[cold]
    #[inline(never)]
    fn pop_contended(&self, slot: &AtomicPtr<T>) -> Option<NonNull<T>> {
        let mut thieves = self.queue.thieves.lock();
        let item = slot.load(Ordering::Relaxed);
        self.catch_up(&mut thieves);
        NonNull::new(item).or_else(|| self.take_locked(&mut thieves))
    }

    /// The first block is used up: leaves it, and takes the first of the next.
    #[cold]
    #[inline(never)]
    fn pop_in_next_block(&self) -> Option<NonNull<T>> {
        let mut thieves = self.queue.thieves.lock();
        self.catch_up(&mut thieves);
        self.take_locked(&mut thieves)
    }

    /// Goes on behind what was stolen, and leaves the blocks that are used up by that.
    fn catch_up(&self, thieves: &mut Thieves<T>) {
        let epoch = &self.queue.epoch;
        self.seen.note(epoch.epoch.load(Ordering::Relaxed));
        let stolen_to = epoch.stolen_to.load(Ordering::Relaxed);
        self.claim(later(self.own.get(), stolen_to));
        self.leave_blocks(thieves);
    }

    /// Takes the oldest while no thief can come between.
    fn take_locked(&self, thieves: &mut Thieves<T>) -> Option<NonNull<T>> {
        let own = self.own.get();
        if own == self.tail.get() {
            return None;
        }
        // SAFETY: the first block is of the chain, and blocks of the chain live. It has the position, since blocks that are used up were left.
        let item = unsafe { self.first.get().as_ref() }
            .slot(own)
            .load(Ordering::Relaxed);
        self.claim(own.wrapping_add(1));
        self.leave_blocks(thieves);
        NonNull::new(item)
    }

    /// Leaves the blocks before `own`, except the last.
    fn leave_blocks(&self, thieves: &mut Thieves<T>) {
        let (own, last) = (self.own.get(), self.last.get());
        while self.first.get() != last && !is_before(own, self.first_end.get()) {
            let left = self.first.get();
            // SAFETY: of the chain, so it lives; and not the last, so that it has a next.
            let next = unsafe { left.as_ref() }.next.load(Ordering::Relaxed);
            self.first
                .set(NonNull::new(next).expect("not the last block"));
            if thieves.block == left {
                thieves.block = self.first.get();
                thieves.start = self.first_end.get();
            }
            self.first_end
                .set(self.first_end.get().wrapping_add(BLOCK_SLOTS));
            self.unused.put(left);
        }
        thieves.chain = self.first.get();
    }

    /// The last block is full: adds another.
    #[cold]
    #[inline(never)]
    fn grow(&self) {
        let block = self.unused.take().unwrap_or_else(Block::new);
        // SAFETY: it is new or was unused.
        let new = unsafe { block.as_ref() };
        new.next.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: the last block is of the chain, and blocks of the chain live.
        let last = unsafe { self.last.get().as_ref() };
        // ORDERING: Relaxed: a thief follows it only to positions that it knows from a later `tail`.
        last.next.store(block.as_ptr(), Ordering::Relaxed);
        self.last.set(block);
        self.last_end
            .set(self.last_end.get().wrapping_add(BLOCK_SLOTS));
    }

    /// Frees the blocks that were not needed since the last call.
    pub(crate) fn trim(&self) {
        for _ in 0..self.unused.fewest.get() {
            if let Some(block) = self.unused.take() {
                // SAFETY: from `Block::new`, and unused, so nobody else has it.
                drop(unsafe { Box::from_raw(block.as_ptr()) });
            }
        }
        self.unused.fewest.set(self.unused.count.get());
    }

    /// Whether there are unused blocks that may be given back one day.
    pub(crate) fn has_excess(&self) -> bool {
        self.unused.count.get() > 0
    }
}

impl<T> Queue<T> {
    /// Moves half of what is there, rounded up and at most `max`, to the end of `into`, where none is young then, except the first, which it returns. For anybody but the owner;
    /// costs a heavy barrier. Nothing if somebody else is at it.
    #[cold]
    pub(crate) fn steal_into(&self, into: &Owner<T>, max: usize) -> Option<NonNull<T>> {
        if self.is_empty() {
            return None;
        }
        let mut thieves = self.thieves.try_lock()?;
        let epoch = &self.epoch;
        // ORDERING: Relaxed: ordered before the load of `own` by the heavy barrier; partner is the owner's light barrier.
        epoch.epoch.store(
            epoch.epoch.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
        barrier::heavy();
        let own = self.published.own.load(Ordering::Relaxed);
        let from = later(own, epoch.stolen_to.load(Ordering::Relaxed));
        // ORDERING: Acquire, partner of the Release in `publish`.
        let tail = self.published.tail.load(Ordering::Acquire);
        if !is_before(from, tail) {
            return None;
        }
        let count = tail.wrapping_sub(from).div_ceil(2).min(max);
        thieves.walk_to(from);
        let first_slot = thieves.slot(from);
        let first = first_slot.load(Ordering::Relaxed);
        first_slot.store(ptr::null_mut(), Ordering::Relaxed);
        for step in 1..count {
            let position = from.wrapping_add(step);
            thieves.walk_to(position);
            let item = thieves.slot(position).load(Ordering::Relaxed);
            into.put(NonNull::new(item).expect("only the first slot of a theft is nulled"));
        }
        epoch
            .stolen_to
            .store(from.wrapping_add(count), Ordering::Relaxed);
        drop(thieves);
        into.publish();
        // They come out in their order.
        into.age();
        NonNull::new(first)
    }

    /// Whether there seems to be nothing; a hint, for anybody.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many there seem to be; a hint, for anybody.
    pub(crate) fn len(&self) -> usize {
        let own = self.published.own.load(Ordering::Relaxed);
        let from = later(own, self.epoch.stolen_to.load(Ordering::Relaxed));
        let tail = self.published.tail.load(Ordering::Relaxed);
        // The three may be of different moments.
        if is_before(from, tail) {
            tail.wrapping_sub(from)
        } else {
            0
        }
    }
}

impl<T> Thieves<T> {
    /// Goes on to the block with this position, which is not before the block's first.
    #[inline]
    fn walk_to(&mut self, position: usize) {
        while position.wrapping_sub(self.start) >= BLOCK_SLOTS {
            // SAFETY: of the chain, so it lives as long as the lock is held.
            let next = unsafe { self.block.as_ref() }.next.load(Ordering::Relaxed);
            self.block = NonNull::new(next).expect("the chain reaches the tail");
            self.start = self.start.wrapping_add(BLOCK_SLOTS);
        }
    }

    #[inline]
    fn slot(&self, position: usize) -> &AtomicPtr<T> {
        // SAFETY: of the chain, so it lives as long as the lock is held.
        unsafe { self.block.as_ref() }.slot(position)
    }
}

impl<T> Block<T> {
    fn new() -> NonNull<Self> {
        let block = Box::new(Self {
            slots: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            next: AtomicPtr::new(ptr::null_mut()),
        });
        NonNull::from(Box::leak(block))
    }

    #[inline(always)]
    fn slot(&self, position: usize) -> &AtomicPtr<T> {
        &self.slots[position % BLOCK_SLOTS]
    }
}

impl<T> Unused<T> {
    fn put(&self, block: NonNull<Block<T>>) {
        // SAFETY: it was left, so it is the owner's alone.
        unsafe { block.as_ref() }
            .next
            .store(self.top.get(), Ordering::Relaxed);
        self.top.set(block.as_ptr());
        self.count.set(self.count.get() + 1);
    }

    fn take(&self) -> Option<NonNull<Block<T>>> {
        let block = NonNull::new(self.top.get())?;
        // SAFETY: unused blocks are the owner's alone, and live.
        self.top
            .set(unsafe { block.as_ref() }.next.load(Ordering::Relaxed));
        self.count.set(self.count.get() - 1);
        self.fewest.set(self.fewest.get().min(self.count.get()));
        Some(block)
    }
}

/// Frees a chain.
///
/// # Safety
///
/// Its blocks are from `Block::new`, and nobody else has them.
unsafe fn free_chain<T>(mut block: *mut Block<T>) {
    while !block.is_null() {
        // SAFETY: passed on to the caller.
        let next = unsafe { Box::from_raw(block) }.next.load(Ordering::Relaxed);
        block = next;
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        let chain = self.thieves.lock().chain;
        // SAFETY: owner and thieves are gone.
        unsafe { free_chain(chain.as_ptr()) };
    }
}

impl<T> Drop for Owner<T> {
    fn drop(&mut self) {
        // SAFETY: unused blocks are the owner's alone.
        unsafe { free_chain(self.unused.top.get()) };
    }
}

/// Asks for the line of a task that will be run, and so written, soon. The pointer may be null or lead to what is gone: nothing is read.
#[inline(always)]
fn prefetch<T>(item: *const T) {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    // SAFETY: a hint to the processor, which ignores addresses that lead nowhere; those that do not know it take it for nothing.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) item, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(loom, miri)))))]
    let _ = item;
}

/// The later of two positions.
fn later(a: usize, b: usize) -> usize {
    if is_before(a, b) { b } else { a }
}

/// Whether a position comes before another; they are less than half of all apart.
fn is_before(a: usize, b: usize) -> bool {
    let ahead = b.wrapping_sub(a);
    ahead != 0 && ahead <= usize::MAX / 2
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom), not(shuttle)))]
mod tests;
