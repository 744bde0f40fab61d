//! How do messages get from the senders to the receiver?
//!
//! Through a chain of [blocks](super::block), which grows at one end and is taken up at the other; what the receiver has emptied is appended again.
//!
//! ```text
//!   oldest --- ... --- front --- ... --- start of senders --- ... --- spares
//!   emptied            the receiver's    all before it complete       empty
//! ```
//!
//! | who | does | when |
//! |---|---|---|
//! | a sender | claims a position first, then loads the senders' start and walks to its block; fills its place last of all | each message |
//! | a sender | appends a new block | it comes to the end |
//! | a sender | moves the senders' start by one block, then looks at the tail, and notes what it saw in the block that it has left | it comes by a block that is complete |
//! | the receiver | moves on to the next block | it comes to the end of one |
//! | the receiver | takes the oldest block out, and appends it | what was noted there has been received |
//!
//! *Every sender finds its block*: the start only moves past blocks whose places are all filled, so that who has claimed a place and not filled it stands at the start or behind it. (It loads
//! the start before it fills its place, and who moves it has seen the place full; so it cannot load what is stored after.)
//!
//! *Nobody comes by a block that was taken out*: a sender gets a block from the start, or from one before it. When the start has moved past a block, the tail is looked at by an
//! exchange, which finds position `p`. Who claims after that sees the new start. Who claimed before has a place before `p`, and when the receiver has received all before
//! `p`, they all have filled theirs, which is the last that they do in the chain. The sender that moved the start and notes `p` is one of them. So a block at the
//! start does not come back there while a sender still compares with it, either (no ABA).
//!
//! The receiver appends behind the last block it appended, or behind the start, whichever is later, and there are spares up to a limit in bytes; what is beyond is freed.
//!
//! Rejected: a ring (all of a large capacity at once, and none for an unbounded channel); a list of free blocks beside the chain (it is taken from by many, which an exchange of its
//! first alone cannot do safely); the senders' start moved by who claims the last place of a block (all others wait for it when it is interrupted).
//!
//! The idea, with the note of the position, is that of tokio's list of blocks (2019), except that a flag beside each message takes the place of a locked instruction on a common
//! word of flags.

use super::block::{Block, PLACES, start_of};
use super::own_line::OwnLine;
use super::tail::{Position, Tail};
use crate::sync::drop_all::drop_all;
use crate::sys::sync::UnsafeCell;
use crate::sys::sync::atomic::{AtomicPtr, Ordering};
use std::mem::size_of;
use std::ptr::{self, NonNull};

/// The most that lies idle behind the senders. A guess: what the first-level cache of a core holds.
const SPARE_BYTES: usize = 32 * 1024;
/// However large a block is: while one is emptied and one is filled.
const SPARES_MIN: usize = 2;

/// The blocks of a channel.
pub(super) struct Chain<T> {
    /// Where senders start to look for their block.
    start: OwnLine<AtomicPtr<Block<T>>>,
    /// The receiver's.
    front: OwnLine<UnsafeCell<Front<T>>>,
}

/// Where the receiver stands.
struct Front<T> {
    head: Position,
    /// The block that has the head; the one before it, if the head is its end.
    block: NonNull<Block<T>>,
    /// From here to `block` they are linked, emptied, and not taken out yet.
    oldest: NonNull<Block<T>>,
    /// The last that was appended by the receiver, if it is still behind `block`.
    appended: Option<NonNull<Block<T>>>,
}

// SAFETY: messages go from one thread to another; everything else is reached by the rules of the module.
unsafe impl<T: Send> Send for Chain<T> {}
// SAFETY: as above: through a shared reference messages are given and taken, but none is shared.
unsafe impl<T: Send> Sync for Chain<T> {}

impl<T> Chain<T> {
    pub(super) fn new() -> Self {
        let first = NonNull::from(Box::leak(Block::new(Position::START)));
        Self {
            start: OwnLine(AtomicPtr::new(first.as_ptr())),
            front: OwnLine(UnsafeCell::new(Front {
                head: Position::START,
                block: first,
                oldest: first,
                appended: None,
            })),
        }
    }

    /// Fills places that were claimed in a row.
    ///
    /// # Safety
    ///
    /// The caller has claimed as many as there are messages, from `first` on, by an exchange of `tail`, and fills them once.
    #[inline]
    pub(super) unsafe fn fill(
        &self,
        first: Position,
        messages: impl Iterator<Item = T>,
        tail: &Tail,
    ) {
        let mut position = first;
        // ORDERING: Acquire, partner of the exchange in `step` and of who made the chain: the block. Not later than it should be, says the module's note.
        let mut block =
            NonNull::new(self.start.0.load(Ordering::Acquire)).expect("a chain has a block");
        for message in messages {
            block = self.find(block, position, tail);
            // SAFETY: the block of a position that is claimed and not filled is not taken out.
            let place = unsafe { block.as_ref() }.place(position);
            // SAFETY: claimed, says the caller.
            unsafe { place.fill(message) };
            position = position.plus(1);
        }
    }

    /// Walks to the block of a position that the caller has claimed and not filled.
    #[inline]
    fn find(
        &self,
        mut block: NonNull<Block<T>>,
        position: Position,
        tail: &Tail,
    ) -> NonNull<Block<T>> {
        let start = start_of(position);
        // SAFETY: the caller got it from the senders' start, or from one that it got so, and has a place to fill; so nobody takes it out.
        while unsafe { block.as_ref() }.start() != start {
            block = self.step(block, start, tail);
        }
        block
    }

    #[cold]
    fn step(&self, block: NonNull<Block<T>>, wanted: Position, tail: &Tail) -> NonNull<Block<T>> {
        // SAFETY: as in `find`, whose only help this is.
        let left = unsafe { block.as_ref() };
        assert!(
            wanted.has_reached(left.start()),
            "senders start behind a place that is not filled"
        );
        let next = next_or_new(left);
        // ORDERING: Relaxed: a hint; the exchange decides.
        let is_start = self.start.0.load(Ordering::Relaxed) == block.as_ptr();
        if is_start && left.is_complete() {
            // ORDERING: Release, partner of the load in `fill` and in `append`: the next block. Relaxed if another one has moved it.
            let moved = (self.start.0).compare_exchange(
                block.as_ptr(),
                next.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            if moved.is_ok() {
                left.leave(tail.look().position());
            }
        }
        next
    }

    /// The next message, if it is there. The head is counted up, but not published.
    ///
    /// # Safety
    ///
    /// Only the receiver.
    #[inline]
    pub(super) unsafe fn pop(&self) -> Option<T> {
        // SAFETY: the receiver's, and nothing below comes back here.
        let front = self.front.0.with_mut(|front| unsafe { &mut *front });
        // SAFETY: the receiver's block is taken out by the receiver only.
        let mut block = unsafe { front.block.as_ref() };
        if block.start() != start_of(front.head) {
            // ORDERING: Acquire, partner of the exchange that linked it.
            let next = NonNull::new(block.next.load(Ordering::Acquire))?;
            front.block = next;
            self.take_up(front);
            // SAFETY: as above.
            block = unsafe { next.as_ref() };
        }
        let place = block.place(front.head);
        if !place.is_full() {
            return None;
        }
        front.head = front.head.plus(1);
        // SAFETY: full, and the head has passed it.
        Some(unsafe { place.empty() })
    }

    /// How far the receiver has come.
    ///
    /// # Safety
    ///
    /// Only the receiver.
    #[inline]
    pub(super) unsafe fn head(&self) -> Position {
        // SAFETY: the receiver's.
        self.front.0.with(|front| unsafe { (*front).head })
    }

    /// Takes out what nobody comes by any more.
    #[cold]
    fn take_up(&self, front: &mut Front<T>) {
        while front.oldest != front.block {
            let block = front.oldest;
            // SAFETY: linked, and only the receiver takes out.
            let oldest = unsafe { block.as_ref() };
            if !oldest.is_free(front.head) {
                return;
            }
            // ORDERING: Relaxed: the receiver has been at the next one already.
            let next = oldest.next.load(Ordering::Relaxed);
            front.oldest = NonNull::new(next).expect("the receiver's block is behind it");
            front.appended = front.appended.filter(|&appended| appended != block);
            self.append(front, block);
        }
    }

    /// Gives an empty block that nobody else has to the senders, or frees it if they have enough.
    fn append(&self, front: &mut Front<T>, block: NonNull<Block<T>>) {
        // ORDERING: Acquire, partner of the exchange in `step`.
        let start =
            NonNull::new(self.start.0.load(Ordering::Acquire)).expect("a chain has a block");
        // SAFETY: only the receiver takes out, and the start was not.
        let start_position = unsafe { start.as_ref() }.start();
        let later = front.appended.filter(|appended| {
            // SAFETY: it is linked: `take_up` forgets it when it goes.
            let position = unsafe { appended.as_ref() }.start();
            position.has_reached(start_position)
        });
        let mut last = later.unwrap_or(start);
        // SAFETY: nobody else has it.
        let emptied = unsafe { block.as_ref() };
        emptied.clear();
        loop {
            // SAFETY: linked, and only the receiver takes out.
            let end = unsafe { last.as_ref() };
            let position = end.start().plus(PLACES as u64);
            if position.since(start_position) > spares_max::<T>() * PLACES as u64 {
                // SAFETY: nobody else has it, it came from a box, and its messages are gone.
                drop(unsafe { Box::from_raw(block.as_ptr()) });
                return;
            }
            emptied.set_start(position);
            // ORDERING: Release, partner of the loads of `next`: the block as it is. Acquire if there is one already.
            let linked = end.next.compare_exchange(
                ptr::null_mut(),
                block.as_ptr(),
                Ordering::Release,
                Ordering::Acquire,
            );
            match linked {
                Ok(_) => {
                    front.appended = Some(block);
                    return;
                }
                Err(next) => last = NonNull::new(next).expect("it was not null"),
            }
        }
    }
}

fn spares_max<T>() -> u64 {
    (SPARE_BYTES / size_of::<Block<T>>()).max(SPARES_MIN) as u64
}

fn next_or_new<T>(block: &Block<T>) -> NonNull<Block<T>> {
    // ORDERING: Acquire, partner of the exchange below and of that in `append`.
    NonNull::new(block.next.load(Ordering::Acquire)).unwrap_or_else(|| grow(block))
}

#[cold]
fn grow<T>(block: &Block<T>) -> NonNull<Block<T>> {
    let new = Box::into_raw(Block::new(block.start().plus(PLACES as u64)));
    // ORDERING: Release, partner of the loads of `next`: the block as it is. Acquire if there is one already.
    let linked =
        block
            .next
            .compare_exchange(ptr::null_mut(), new, Ordering::Release, Ordering::Acquire);
    match linked {
        Ok(_) => NonNull::new(new).expect("from a box"),
        Err(next) => {
            // SAFETY: it came from a box, and nobody else has seen it.
            drop(unsafe { Box::from_raw(new) });
            NonNull::new(next).expect("it was not null")
        }
    }
}

impl<T> Drop for Chain<T> {
    fn drop(&mut self) {
        // Also if a destructor panics.
        let _last = Blocks(self);
        // SAFETY: nobody else is there.
        drop_all(|| unsafe { self.pop() });
    }
}

/// The blocks of a chain whose messages are gone.
struct Blocks<'a, T>(&'a Chain<T>);

impl<T> Drop for Blocks<'_, T> {
    fn drop(&mut self) {
        let front = &self.0.front.0;
        // SAFETY: nobody else is there.
        let mut next = front.with(|front| unsafe { (*front).oldest }).as_ptr();
        while !next.is_null() {
            // SAFETY: each block of the chain came from a box, and is linked once.
            let block = unsafe { Box::from_raw(next) };
            // ORDERING: Relaxed: nobody else is there.
            next = block.next.load(Ordering::Relaxed);
        }
    }
}
