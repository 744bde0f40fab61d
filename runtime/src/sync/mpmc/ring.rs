//! How do messages pass through a ring of slots without a lock?
//!
//! The tables of stamps and ends stand in [`mpmc`](super). Here is all of its unsafe code: a slot's value is touched by who has claimed its position, between the claim and the stamp.

use super::end::{End, Seen};
use super::laps::{Laps, STEP};
use crate::sync::drop_all::drop_all;
use crate::sync::short_wait::ShortWait;
use crate::sys::sync::UnsafeCell;
use crate::sys::sync::atomic::{AtomicUsize, Ordering};
use std::mem::MaybeUninit;

/// The slots, and where they are filled and emptied.
pub(super) struct Ring<T> {
    tail: End,
    head: End,
    laps: Laps,
    slots: Box<[Slot<T>]>,
}

struct Slot<T> {
    /// Whose turn it is.
    stamp: AtomicUsize,
    /// Full while the stamp says so, or who has claimed it has not taken it yet.
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: a value goes in on one thread and comes out on another, and is shared by none; everything else is atomic or constant.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as above: a shared reference lets values be put in and taken out, by one thread each.
unsafe impl<T: Send> Sync for Ring<T> {}

/// Why a message could not go in. It comes back.
pub(super) enum NotPushed<T> {
    Full(T),
    Closed(T),
}

/// Why none came out.
pub(super) enum NotPopped {
    Empty,
    /// And nothing will come.
    Closed,
}

impl<T> Ring<T> {
    /// # Panics
    ///
    /// As for [`Laps::new`].
    pub(super) fn new(capacity: usize) -> Self {
        Self::beginning_at(0, capacity)
    }

    /// An empty ring whose first position, of slot 0, is this.
    pub(super) fn beginning_at(position: usize, capacity: usize) -> Self {
        let slot = |index| Slot {
            stamp: AtomicUsize::new(position.wrapping_add(index * STEP)),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        };
        let laps = Laps::new(capacity);
        Self {
            tail: End::new(position),
            head: End::new(position),
            laps,
            slots: (0..capacity).map(slot).collect(),
        }
    }

    /// Where messages go in; its flag says that somebody waits for one.
    pub(super) fn tail(&self) -> &End {
        &self.tail
    }

    /// Where they come out; its flag says that somebody waits for room.
    pub(super) fn head(&self) -> &End {
        &self.head
    }

    pub(super) fn capacity(&self) -> usize {
        self.laps.capacity()
    }

    /// Puts a message in, and says whether somebody waits for one.
    #[inline]
    pub(super) fn push(&self, value: T) -> Result<bool, NotPushed<T>> {
        let mut short_wait = ShortWait::default();
        let mut tail = self.tail.load();
        loop {
            if tail.is_closed() {
                return Err(NotPushed::Closed(value));
            }
            let position = tail.position();
            let slot = self.slot(position);
            let stamp = slot.stamp();
            if stamp == position {
                match self.tail.claim(tail, self.laps.later(position, 1)) {
                    Ok(somebody_waits) => {
                        // SAFETY: the claim of an empty slot: ours until the stamp.
                        unsafe { slot.fill(value) };
                        slot.stamp_with(position.wrapping_add(STEP));
                        return Ok(somebody_waits);
                    }
                    Err(now) => tail = now,
                }
                continue;
            }
            if self.is_full(tail) {
                return Err(NotPushed::Full(value));
            }
            // Somebody else has claimed it, or its last message is being taken out.
            short_wait.wait();
            tail = self.tail.load();
        }
    }

    /// Takes the oldest message out, and says whether somebody waits for room.
    #[inline]
    pub(super) fn pop(&self) -> Result<(T, bool), NotPopped> {
        let mut short_wait = ShortWait::default();
        let mut head = self.head.load();
        loop {
            let position = head.position();
            let slot = self.slot(position);
            if slot.stamp() == position.wrapping_add(STEP) {
                match self.head.claim(head, self.laps.later(position, 1)) {
                    Ok(somebody_waits) => {
                        // SAFETY: the claim of a full slot: ours until the stamp.
                        let value = unsafe { slot.empty() };
                        slot.stamp_with(self.laps.lap_later(position));
                        return Ok((value, somebody_waits));
                    }
                    Err(now) => head = now,
                }
                continue;
            }
            let tail = self.tail.load();
            if tail.position() == position {
                return Err(NotPopped::at(tail));
            }
            // Somebody else has claimed it, or it is being filled.
            short_wait.wait();
            head = self.head.load();
        }
    }

    /// Takes out what there is, at most `limit`, with one claim, and appends it. Says how many those were, at least one, and whether somebody waits for room.
    ///
    /// # Panics
    ///
    /// If there is no memory for so many; then nothing was taken out.
    pub(super) fn pop_many(
        &self,
        messages: &mut Vec<T>,
        limit: usize,
    ) -> Result<(usize, bool), NotPopped> {
        let mut head = self.head.load();
        loop {
            let tail = self.tail.load();
            let Some(there) = self.laps.distance(head.position(), tail.position()) else {
                // The one of them is out of date.
                head = self.head.load();
                continue;
            };
            if there == 0 {
                return Err(NotPopped::at(tail));
            }
            let count = there.min(limit);
            messages.reserve(count);
            let position = head.position();
            match self.head.claim(head, self.laps.later(position, count)) {
                Ok(somebody_waits) => {
                    self.take_claimed(position, count, messages);
                    return Ok((count, somebody_waits));
                }
                Err(now) => head = now,
            }
        }
    }

    fn take_claimed(&self, begin: usize, count: usize, messages: &mut Vec<T>) {
        for offset in 0..count {
            let position = self.laps.later(begin, offset);
            let slot = self.slot(position);
            let mut short_wait = ShortWait::default();
            // It was claimed by who sends, and may not be full yet.
            while slot.stamp() != position.wrapping_add(STEP) {
                short_wait.wait();
            }
            // SAFETY: our claim, and the slot is full: ours until the stamp.
            messages.push(unsafe { slot.empty() });
            slot.stamp_with(self.laps.lap_later(position));
        }
    }

    /// How many messages are in it, those included that are about to be.
    pub(super) fn len(&self) -> usize {
        // In this order, so that the tail is not behind the head.
        let head = self.head.load().position();
        let tail = self.tail.load().position();
        // Further ahead than it is long, since the head has moved on meanwhile.
        self.laps.distance(head, tail).unwrap_or(self.capacity())
    }

    /// Whether a tail that was seen before is a lap ahead of the head as it is now.
    pub(super) fn is_full(&self, tail: Seen) -> bool {
        self.is_full_between(self.head.load(), tail)
    }

    pub(super) fn is_full_between(&self, head: Seen, tail: Seen) -> bool {
        self.laps.lap_later(head.position()) == tail.position()
    }

    #[inline(always)]
    fn slot(&self, position: usize) -> &Slot<T> {
        &self.slots[self.laps.index(position)]
    }
}

impl NotPopped {
    /// Of a ring that is empty, with this tail.
    fn at(tail: Seen) -> Self {
        if tail.is_closed() {
            Self::Closed
        } else {
            Self::Empty
        }
    }
}

impl<T> Slot<T> {
    #[inline(always)]
    fn stamp(&self) -> usize {
        // ORDERING: Acquire, partner of `stamp_with`: the value is there, or whoever has taken it out is done with the slot.
        self.stamp.load(Ordering::Acquire)
    }

    #[inline(always)]
    fn stamp_with(&self, stamp: usize) {
        // ORDERING: Release, partner of `stamp`.
        self.stamp.store(stamp, Ordering::Release);
    }

    /// # Safety
    ///
    /// The caller has claimed the slot, which is empty, and has not stamped it yet.
    #[inline(always)]
    unsafe fn fill(&self, value: T) {
        // SAFETY: nobody else touches it, says the caller.
        (self.value).with_mut(|slot| unsafe { slot.write(MaybeUninit::new(value)) });
    }

    /// # Safety
    ///
    /// The caller has claimed the slot, which is full, and has not stamped it yet.
    #[inline(always)]
    unsafe fn empty(&self) -> T {
        self.value.with_mut(|slot| {
            // SAFETY: nobody else touches it, says the caller.
            let value = unsafe { slot.read() };
            // SAFETY: full, says the caller, and moved out of once.
            unsafe { value.assume_init() }
        })
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        drop_all(|| self.pop().ok());
    }
}
