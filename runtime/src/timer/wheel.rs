//! Which of a million timers is due, without looking at the others?
//!
//! A hierarchical timing wheel: six levels of 64 slots, each slot an intrusive list. A slot of level 0 is one tick (one
//! millisecond), a slot of level `n` is 64^n ticks:
//!
//! | level | one slot | the whole level |
//! |---|---|---|
//! | 0 | 1 ms | 64 ms |
//! | 1 | 64 ms | 4.1 s |
//! | 2 | 4.1 s | 4.4 min |
//! | 3 | 4.4 min | 4.7 h |
//! | 4 | 4.7 h | 12.4 days |
//! | 5 | 12.4 days | 2.2 years |
//!
//! # Where an entry goes
//!
//! Write `elapsed` (the tick the wheel has reached) and the entry's tick in base 64. The highest digit in which they
//! differ names the level, the entry's digit there names the slot. Three things follow:
//!
//! 1. an entry of level `n` agrees with `elapsed` in all digits above `n` and is ahead of it in digit `n`, so that the
//!    occupied slots of a level never wrap around: the first set bit of its bitmap is its earliest slot;
//! 2. whatever stands on a lower level comes before whatever stands on a higher one;
//! 3. when `elapsed` reaches the first tick of a slot of level `n`, its entries now agree in digit `n` too, and move
//!    down ("cascade"). Each entry moves at most five times in its life, most never: they are cancelled before.
//!
//! What differs above the sixth digit is *parked* on a list of its own, which is gone through when `elapsed` enters the
//! 2^36 ms (2.2 years) that contain the earliest of them.
//!
//! A bitmap per level makes the next time at which there is anything to do, and the way over empty time of any length,
//! a matter of six words.
//!
//! # Steps
//!
//! Time is moved by [`Wheel::step`], one entry at a time, so that who holds the lock decides how long. Between two steps
//! a slot may be half moved down; it is then the one that contains `elapsed`, the exception to rule 1, and
//! [`Wheel::earliest`] names it before any slot that begins with the same tick on a lower level.
//!
//! # Rejected
//!
//! - A binary heap: arm and cancel cost log n cache misses, and cancelling one in the middle needs its index kept up to
//!   date; timeouts are nearly always cancelled.
//! - One wheel with many slots and a round count in the entry: each turn visits entries that are not due.
//! - The rounding of the "non-cascading" wheel (Linux since 4.8), which fires late by an eighth of the distance: right for
//!   network timeouts, wrong for `sleep`.
//! - Wrapping the top level around instead of parking: then rule 1 fails there, and every search has to turn the bitmap.
//!
//! # Source
//!
//! G. Varghese and T. Lauck, "Hashed and hierarchical timing wheels: data structures for the efficient implementation
//! of a timer facility", SOSP 1987, scheme 7.

use super::entry::Entry;
use crate::util::list::List;
use std::ptr::NonNull;

/// Entries by the tick at which they are due. Owns none of them.
pub(super) struct Wheel {
    /// The tick reached: no entry is earlier. An entry that is late when it comes counts as due at this tick.
    elapsed: u64,
    /// Per level, bit `n` is set when slot `n` holds an entry.
    occupied: [u64; LEVELS],
    /// The slots of level 0, then those of level 1, ..., then the parking list.
    slots: [List<Entry>; PARKED + 1],
    /// No parked entry is earlier. Means nothing while none is parked.
    parked_from: u64,
}

/// What one step of [`Wheel::step`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// This entry is due, and on no list any more.
    Due(NonNull<Entry>),
    /// Something moved to where it belongs now; there may be more.
    Moved,
    /// Nothing more is due.
    Done,
}

/// What [`Wheel::next_tick`] says of an empty wheel. No entry has this tick.
pub(super) const NEVER: u64 = u64::MAX;

/// The last tick an entry can have.
pub(super) const TICK_MAX: u64 = NEVER - 1;

impl Wheel {
    /// An empty wheel at tick 0.
    pub(super) fn new() -> Self {
        Self {
            elapsed: 0,
            occupied: [0; LEVELS],
            slots: std::array::from_fn(|_| List::new()),
            parked_from: NEVER,
        }
    }

    /// Takes an entry in, due at `tick` or, when that is past, at the next step.
    ///
    /// # Safety
    ///
    /// `entry` is valid, is on no list, and stays where it is until it has been given back by [`Self::step`],
    /// [`Self::pop_any`] or [`Self::remove`]. Nobody else touches its links, tick and place meanwhile.
    pub(super) unsafe fn insert(&mut self, entry: NonNull<Entry>, tick: u64) {
        debug_assert!(tick <= TICK_MAX, "a tick that means never");
        let tick = tick.max(self.elapsed);
        // SAFETY: the caller vouches for the entry.
        let the_entry = unsafe { entry.as_ref() };
        // SAFETY: we are the wheel it is about to enter.
        unsafe { the_entry.set_tick(tick) };
        // SAFETY: the caller vouches for the entry, which is on no list.
        unsafe { self.push(entry, tick) };
    }

    /// Takes an entry out.
    ///
    /// # Safety
    ///
    /// `entry` is in this wheel.
    pub(super) unsafe fn remove(&mut self, entry: NonNull<Entry>) {
        // SAFETY: an entry in the wheel is valid, by the contract of `insert`.
        let the_entry = unsafe { entry.as_ref() };
        // SAFETY: we are the wheel it is in.
        let place = usize::from(unsafe { the_entry.place() });
        let list = &mut self.slots[place];
        // SAFETY: `push` wrote the place of the list it put the entry on, and nobody else writes it.
        let was_linked = unsafe { list.remove(entry) };
        debug_assert!(was_linked, "removed from a wheel it is not in");
        self.note_if_empty(place);
    }

    /// The first tick at which [`Self::step`] has something to do: not later than any entry's, and exactly the
    /// earliest entry's when that is less than 64 ticks away. [`NEVER`] when the wheel is empty.
    #[inline]
    pub(super) fn next_tick(&self) -> u64 {
        self.earliest().map_or(NEVER, |(start, _)| start)
    }

    /// Does the next thing on the way to tick `now`.
    #[inline]
    pub(super) fn step(&mut self, now: u64) -> Step {
        match self.earliest() {
            Some((start, place)) if start <= now => {
                debug_assert!(start >= self.elapsed, "time ran back");
                self.elapsed = start;
                self.take_from(place)
            }
            _ => {
                self.elapsed = self.elapsed.max(now);
                Step::Done
            }
        }
    }

    /// Takes any entry out, due or not.
    pub(super) fn pop_any(&mut self) -> Option<NonNull<Entry>> {
        let (_, place) = self.earliest()?;
        self.pop(place)
    }

    /// Hands out an entry of level 0, moves one of a higher level down.
    fn take_from(&mut self, place: usize) -> Step {
        if place == PARKED {
            self.unpark_all();
            return Step::Moved;
        }
        let Some(entry) = self.pop(place) else {
            debug_assert!(false, "a bit was set for an empty slot");
            return Step::Moved;
        };
        if place < SLOTS {
            return Step::Due(entry);
        }
        self.settle(entry);
        Step::Moved
    }

    /// Distributes the parking list, when `elapsed` has just entered the 2^36 ms of the earliest. In one step: what stays
    /// parked goes to the end of the same list. Happens every 2.2 years.
    #[cold]
    fn unpark_all(&mut self) {
        self.parked_from = NEVER;
        let mut parked = std::mem::take(&mut self.slots[PARKED]);
        while let Some(entry) = parked.pop_front() {
            self.settle(entry);
        }
    }

    /// Puts an entry that was just taken from a list where it belongs by now.
    fn settle(&mut self, entry: NonNull<Entry>) {
        // SAFETY: it came from one of our lists, so `insert` was told that it is valid, and it has not been given back.
        let the_entry = unsafe { entry.as_ref() };
        // SAFETY: we are the wheel it is in.
        let tick = unsafe { the_entry.tick() };
        // SAFETY: as above, and the caller has just taken it from the list it was on.
        unsafe { self.push(entry, tick) };
    }

    /// # Safety
    ///
    /// As for [`Self::insert`].
    #[inline]
    unsafe fn push(&mut self, entry: NonNull<Entry>, tick: u64) {
        let place = place_of(self.elapsed, tick);
        if place == PARKED {
            self.note_parked(tick);
        } else {
            self.occupied[place / SLOTS] |= 1 << (place % SLOTS);
        }
        // SAFETY: the caller vouches for the entry.
        let the_entry = unsafe { entry.as_ref() };
        // SAFETY: we are the wheel it is about to enter. A place is at most `PARKED`, which fits.
        unsafe { the_entry.set_place(place as u16) };
        // SAFETY: the caller vouches for the entry, which is on no list and stays until we give it back.
        unsafe { self.slots[place].push_back(entry) };
    }

    #[cold]
    fn note_parked(&mut self, tick: u64) {
        let alone = self.slots[PARKED].is_empty();
        self.parked_from = if alone {
            tick
        } else {
            tick.min(self.parked_from)
        };
    }

    #[inline]
    fn pop(&mut self, place: usize) -> Option<NonNull<Entry>> {
        let entry = self.slots[place].pop_front();
        self.note_if_empty(place);
        entry
    }

    #[inline]
    fn note_if_empty(&mut self, place: usize) {
        if place != PARKED && self.slots[place].is_empty() {
            self.occupied[place / SLOTS] &= !(1 << (place % SLOTS));
        }
    }

    /// The slot that begins first, and its first tick. Of those that begin together the one of the highest level: it
    /// may hold entries for the others.
    #[inline]
    fn earliest(&self) -> Option<(u64, usize)> {
        let mut best = None;
        for level in 0..LEVELS {
            let occupied = self.occupied[level];
            if occupied == 0 {
                continue;
            }
            let place = level * SLOTS + occupied.trailing_zeros() as usize;
            let start = start_of(self.elapsed, place);
            if best.is_none_or(|(first, _)| start <= first) {
                best = Some((start, place));
            }
        }
        best.or_else(|| self.earliest_parked())
    }

    #[cold]
    fn earliest_parked(&self) -> Option<(u64, usize)> {
        let start = self.parked_from >> RANGE_BITS << RANGE_BITS;
        (!self.slots[PARKED].is_empty()).then_some((start, PARKED))
    }
}

impl std::fmt::Debug for Wheel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wheel")
            .field("elapsed", &self.elapsed)
            .field("next_tick", &self.next_tick())
            .finish_non_exhaustive()
    }
}

/// The slot for `tick`, by the highest digit in which it differs from `elapsed`.
#[inline]
fn place_of(elapsed: u64, tick: u64) -> usize {
    // The last digit may be equal: then the entry is due now and belongs to level 0 all the same.
    let differing = (elapsed ^ tick) | (SLOTS as u64 - 1);
    let highest_bit = 63 - differing.leading_zeros();
    if highest_bit >= RANGE_BITS {
        return PARKED;
    }
    let level = highest_bit / DIGIT_BITS;
    let digit = (tick >> (level * DIGIT_BITS)) % SLOTS as u64;
    level as usize * SLOTS + digit as usize
}

/// The first tick of a slot that is occupied while the wheel stands at `elapsed`: digits above the level from `elapsed`
/// (rule 1), the slot's own digit, then zeros.
#[inline]
fn start_of(elapsed: u64, place: usize) -> u64 {
    let level = (place / SLOTS) as u32;
    let above = elapsed >> ((level + 1) * DIGIT_BITS);
    (above << DIGIT_BITS | (place % SLOTS) as u64) << (level * DIGIT_BITS)
}

const LEVELS: usize = 6;
const SLOTS: usize = 64;
const DIGIT_BITS: u32 = SLOTS.ilog2();
const RANGE_BITS: u32 = DIGIT_BITS * LEVELS as u32;
/// The parking list stands behind the slots.
const PARKED: usize = LEVELS * SLOTS;

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
