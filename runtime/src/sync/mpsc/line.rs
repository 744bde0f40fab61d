//! Has who frees room to wake somebody, and may a newcomer take it?
//!
//! | bits | name | set | cleared |
//! |---|---|---|---|
//! | 0 | QUEUED: somebody stands in line | under the queue's lock | under the queue's lock |
//! | 1 | CALLED: somebody was woken and is on the way | under the queue's lock, before it is woken | by who was woken: it has its room, stands in line again, or declines |
//! | 2 | IMPATIENT: the first in line has been called in vain too often | under the queue's lock | under the queue's lock |
//!
//! | word | a newcomer | who frees room |
//! |---|---|---|
//! | nothing, or CALLED | takes what room there is | has nothing to do |
//! | QUEUED | the same | calls the first, under the lock |
//! | QUEUED, CALLED | the same | has nothing to do: who is on the way passes the call on if room is left |
//! | QUEUED, IMPATIENT | stands in line | reserves it for the first, and calls it, under the lock |
//!
//! CALLED says no more than that somebody will still look for room and call. So who clears it [has to look](Line::answer) itself, and may do so while another is on the way: then
//! one more is called, perhaps in vain.

use crate::sys::sync::atomic::{AtomicU8, Ordering, fence};

const QUEUED: u8 = 1;
const CALLED: u8 = 2;
const IMPATIENT: u8 = 4;

/// The word.
#[derive(Debug)]
pub(super) struct Line(AtomicU8);

/// Who stands in line first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    Nobody,
    Patient,
    Impatient,
}

impl First {
    fn bits(self) -> u8 {
        match self {
            Self::Nobody => 0,
            Self::Patient => QUEUED,
            Self::Impatient => QUEUED | IMPATIENT,
        }
    }
}

impl Line {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    #[inline]
    fn load(&self) -> u8 {
        // ORDERING: Relaxed: who frees room passes a fence first; a newcomer that sees IMPATIENT late goes before the first, and those after it do not; under the lock only CALLED may be
        // out of date, and who has cleared it looks for room itself.
        self.0.load(Ordering::Relaxed)
    }

    /// Whether a newcomer may take room.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.load() & IMPATIENT == 0
    }

    /// Whether who has freed room, and passed a fence since, has to call somebody.
    #[inline]
    pub(super) fn has_to_call(&self) -> bool {
        self.load() & (QUEUED | CALLED) == QUEUED
    }

    /// Whether somebody stands in line.
    #[inline]
    pub(super) fn has_queue(&self) -> bool {
        self.load() & QUEUED != 0
    }

    /// Whether somebody is on the way. Under the lock.
    pub(super) fn is_called(&self) -> bool {
        self.load() & CALLED != 0
    }

    /// Under the lock: this one stands there first, or will before the lock is let go of.
    pub(super) fn note(&self, first: First) {
        let (now, bits) = (self.load(), first.bits());
        let (on, off) = (bits & !now, now & (QUEUED | IMPATIENT) & !bits);
        if on != 0 {
            // ORDERING: Relaxed: who relies upon being seen passes a fence; the others are ordered by the lock.
            self.0.fetch_or(on, Ordering::Relaxed);
        }
        if off != 0 {
            // ORDERING: Relaxed: as above.
            self.0.fetch_and(!off, Ordering::Relaxed);
        }
    }

    /// Under the lock: somebody is woken next.
    pub(super) fn call(&self) {
        // ORDERING: Relaxed: who was called learns of it by the wake.
        self.0.fetch_or(CALLED, Ordering::Relaxed);
    }

    /// Nobody is on the way any more. True if somebody stands in line: the caller has to look for room from now on, and if some is left, to call.
    #[must_use = "if others stand in line, one of them may have to be called"]
    pub(super) fn answer(&self) -> bool {
        // ORDERING: Relaxed: ordered by the fence.
        let others = self.0.fetch_and(!CALLED, Ordering::Relaxed) & QUEUED != 0;
        if others {
            // ORDERING: SeqCst, partner of the fences in `Room::received` and `Room::gave_up`: those see that nobody is on the way, or the caller sees their room.
            fence(Ordering::SeqCst);
        }
        others
    }
}
