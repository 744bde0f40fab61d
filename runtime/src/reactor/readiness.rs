//! Is one direction of a descriptor ready, and since which event?
//!
//! One atomic word per direction. The poller sets bits and counts a tick with each event it delivers; who has met `WouldBlock` clears READY,
//! but only if no event came since it looked: the tick tells.
//!
//! | bits | name | set by | cleared by |
//! |---|---|---|---|
//! | 0 | READY | an event; also at birth, when nobody knows yet | `clear`, with the tick at which readiness was seen |
//! | 1 | CLOSED | an event: the peer's end of this direction | the same |
//! | 2 | ERROR | an event | the same |
//! | 3 | SHUTDOWN | the end of the runtime | nobody |
//! | 4 | WAITED | who is about to wait, under the lock of the waiters | each event, which then wakes them |
//! | 5 | ROBBED | another descriptor that is watched under the same number | nobody |
//! | 6 | URGENT | an event: bytes that TCP calls urgent wait among the others | as READY |
//! | 7 | POSTPONED | who will tell the kernel of the descriptor when somebody has to wait (of reading only) | who has told it |
//! | 8..32 | tick | each event, by one; wraps round | |
//! | 32.. | stamp | the event that makes ready what was not, with its time; zero before the first | |
//!
//! While any of them is set (but WAITED, URGENT and POSTPONED) operations do not wait, the system gives their answer. If that is `WouldBlock`, it is the truth, also after CLOSED and ERROR: another
//! writer may have opened a pipe, a datagram's error has been fetched. SHUTDOWN and ROBBED stay: no operation may be tried any more.
//!
//! The stamp says since when it has been ready: events that come before anybody has found the end of what the first one told of leave it. In the word and not beside it, so that nobody sees READY with the
//! time of an earlier one.
//!
//! WAITED saves an event the waiters' lock where nobody waits: a socket that becomes readable is reported as writable too, each time. No
//! wake-up is lost, since both sides change this one word: whichever comes second sees the other. A waiter that comes second finds READY and does not
//! wait; an event that comes second finds WAITED, and gets the lock when the waker is in its place.
//!
//! ORDERING: changes are AcqRel and looks are Acquire, so whoever sees READY sees what the poller's thread did before.

use crate::sys::clock::Stamp;
use crate::sys::sync::atomic::{AtomicUsize, Ordering};

const READY: usize = 1;
const CLOSED: usize = 1 << 1;
const ERROR: usize = 1 << 2;
const SHUTDOWN: usize = 1 << 3;
const WAITED: usize = 1 << 4;
const ROBBED: usize = 1 << 5;
const URGENT: usize = 1 << 6;
const POSTPONED: usize = 1 << 7;
const TICK: usize = 1 << 8;
const FLAGS: usize = TICK - 1;
/// All of the tick: it comes round after sixteen million events, of which nobody misses just that many between a look and a clear (and then the stamp would have to be the same too).
const TICKS: usize = (1 << STAMP_SHIFT) - TICK;
const STAMP_SHIFT: u32 = 32;
/// Any of them is a reason to try.
const TRY: usize = READY | CLOSED | ERROR | SHUTDOWN | ROBBED;
/// What `clear` takes away.
const USED_UP: usize = READY | CLOSED | ERROR | URGENT;

/// The readiness word of one direction.
#[derive(Debug)]
pub(super) struct Readiness(AtomicUsize);

/// What a look at the word has shown; needed to clear it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen(usize);

/// What an event says of one direction: some of the bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Event(u8);

impl Event {
    pub(crate) const READY: Self = Self(READY as u8);
    pub(crate) const CLOSED: Self = Self(CLOSED as u8);
    pub(crate) const ERROR: Self = Self(ERROR as u8);
    pub(crate) const URGENT: Self = Self(URGENT as u8);

    /// This, if it is so; else nothing.
    #[inline]
    pub(crate) const fn when(self, is_so: bool) -> Self {
        Self(self.0 * is_so as u8)
    }

    /// Both.
    #[inline]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Readiness {
    /// Ready until somebody has tried: a descriptor may have data before it is registered.
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(READY))
    }

    /// Makes it the word of another registration: as it was at birth. Nobody else may have it.
    pub(super) fn begin_anew(&self) {
        // ORDERING: Relaxed: whoever has it next, and whoever brings it an event, gets it under the table's lock, which is held here.
        self.0.store(READY, Ordering::Relaxed);
    }

    /// Takes in an event. True if there are waiters to be woken.
    #[must_use]
    #[inline]
    pub(super) fn deliver(&self, event: Event, at: Stamp) -> bool {
        self.add(event.0.into(), Some(at))
    }

    /// The runtime has ended: no event will come any more. True if there are waiters to be woken.
    #[must_use]
    pub(super) fn shut_down(&self) -> bool {
        self.add(SHUTDOWN, None)
    }

    /// The number belongs to another descriptor. True if there are waiters to be woken.
    #[must_use]
    pub(super) fn rob(&self) -> bool {
        self.add(ROBBED, None)
    }

    fn add(&self, bits: usize, at: Option<Stamp>) -> bool {
        let next = |word: usize| {
            let stamp = match at {
                Some(at) if word & TRY == 0 => (at.to_bits() as usize) << STAMP_SHIFT,
                _ => word & !(FLAGS | TICKS),
            };
            // The tick above the flags comes round without touching the stamp.
            let below = ((word & !WAITED | bits) as u32).wrapping_add(TICK as u32);
            Some(stamp | below as usize)
        };
        // ORDERING: see the module.
        let before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        before.is_ok_and(|word| word & WAITED != 0)
    }

    /// The kernel will be told later. Nobody else may have it yet.
    pub(super) fn postpone(&self) {
        // ORDERING: Relaxed: whoever gets it, gets it from here.
        self.0.fetch_or(POSTPONED, Ordering::Relaxed);
    }

    /// The kernel was told.
    pub(super) fn end_postponement(&self) {
        // ORDERING: see the module.
        self.0.fetch_and(!POSTPONED, Ordering::AcqRel);
    }

    /// Whether the kernel is still to be told.
    #[inline]
    pub(super) fn is_postponed(&self) -> bool {
        // ORDERING: see the module.
        self.0.load(Ordering::Acquire) & POSTPONED != 0
    }

    /// Announces a waiter, who has the waiters' lock and leaves its waker before it gives that back; unless there is reason to try.
    pub(super) fn begin_wait(&self) -> Option<Seen> {
        // ORDERING: see the module.
        let word = self.0.fetch_or(WAITED, Ordering::AcqRel);
        (word & TRY != 0).then_some(Seen(word))
    }

    /// What is known now, if there is any reason to try.
    #[inline]
    pub(super) fn look(&self) -> Option<Seen> {
        // ORDERING: see the module.
        let word = self.0.load(Ordering::Acquire);
        (word & TRY != 0).then_some(Seen(word))
    }

    /// When the event came that made it ready last, if it was one.
    #[inline]
    pub(super) fn since(&self) -> Option<Stamp> {
        // ORDERING: Relaxed: nothing is read because of it.
        Stamp::from_bits((self.0.load(Ordering::Relaxed) >> STAMP_SHIFT) as u32)
    }

    /// Notes that what was seen is used up. Does nothing if an event came since.
    #[inline]
    pub(super) fn clear(&self, seen: Seen) {
        let cleared = seen.0 & !USED_UP;
        // ORDERING: AcqRel with the next event's `add`.
        let mostly =
            (self.0).compare_exchange(seen.0, cleared, Ordering::AcqRel, Ordering::Acquire);
        if mostly.is_err() {
            self.clear_slow(seen);
        }
    }

    /// Something has changed since: an event came, or only a flag.
    #[cold]
    fn clear_slow(&self, seen: Seen) {
        let next = |word: usize| (word & !FLAGS == seen.0 & !FLAGS).then_some(word & !USED_UP);
        // ORDERING: AcqRel with the next event's `add`.
        let _unless_news = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }
}

impl Seen {
    /// Whether the peer has ended this direction.
    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether there was an error.
    pub(crate) fn is_error(self) -> bool {
        self.0 & ERROR != 0
    }

    /// Whether nothing can be done in this direction any more.
    pub(crate) fn has_ended(self) -> bool {
        self.0 & (CLOSED | ERROR | SHUTDOWN | ROBBED) != 0
    }

    /// Whether a short read means that nothing more is to be had. Not if the other side has ended this direction, or the descriptor is in error: the end itself is still to be
    /// read. Nor where urgent bytes wait: a read ends in front of them, whatever comes behind.
    pub(crate) fn may_be_drained(self) -> bool {
        self.0 & (CLOSED | ERROR | URGENT) == 0
    }

    /// Whether nothing may be tried any more, for one of the two reasons below.
    #[inline]
    pub(crate) fn is_over(self) -> bool {
        self.0 & (SHUTDOWN | ROBBED) != 0
    }

    /// Whether the runtime has ended.
    pub(crate) fn is_shut_down(self) -> bool {
        self.0 & SHUTDOWN != 0
    }

    /// Whether the number belongs to another descriptor.
    pub(crate) fn is_robbed(self) -> bool {
        self.0 & ROBBED != 0
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    const DATA: Event = Event::READY;
    const END: Event = Event::READY.and(Event::CLOSED);

    fn at(millis: u32) -> Stamp {
        Stamp::from_bits(millis).unwrap()
    }

    #[test]
    fn it_is_ready_until_tried() {
        let word = Readiness::new();
        let seen = word.look().unwrap();
        word.clear(seen);
        assert_eq!(word.look(), None);
        let _ = word.deliver(DATA, at(1));
        assert!(word.look().is_some());
    }

    #[test]
    fn an_event_after_the_look_survives_the_clear() {
        let word = Readiness::new();
        let seen = word.look().unwrap();
        let _ = word.deliver(DATA, at(1));
        word.clear(seen);
        assert!(word.look().is_some());
    }

    #[test]
    fn the_stamp_is_of_the_event_that_made_it_ready() {
        let word = Readiness::new();
        assert_eq!(word.since(), None);
        let _ = word.deliver(DATA, at(5));
        assert_eq!(word.since(), None, "it was ready before");
        word.clear(word.look().unwrap());
        let _ = word.deliver(DATA, at(7));
        let _ = word.deliver(DATA, at(u32::MAX));
        assert_eq!(word.since(), Some(at(7)));
        word.clear(word.look().unwrap());
        assert_eq!(word.since(), Some(at(7)), "until the next");
        let _ = word.deliver(DATA, at(u32::MAX));
        assert_eq!(word.since(), Some(at(u32::MAX)));
        let _ = word.shut_down();
        assert_eq!(word.since(), Some(at(u32::MAX)));
    }

    #[test]
    fn an_end_stays_until_it_proves_none() {
        let word = Readiness::new();
        let _ = word.deliver(END, at(1));
        let seen = word.look().unwrap();
        assert!(!seen.may_be_drained());
        word.clear(seen);
        assert_eq!(word.look(), None);
    }

    #[test]
    fn urgent_bytes_prove_nothing_of_those_behind() {
        let word = Readiness::new();
        let _ = word.deliver(DATA, at(1));
        assert!(word.look().unwrap().may_be_drained());
        let _ = word.deliver(DATA.and(Event::URGENT), at(1));
        let seen = word.look().unwrap();
        assert!(!seen.may_be_drained() && !seen.is_closed() && !seen.is_error());
        word.clear(seen);
        assert_eq!(word.look(), None);
        let _ = word.deliver(DATA, at(1));
        assert!(word.look().unwrap().may_be_drained(), "they are gone");
    }

    #[test]
    fn the_end_of_the_runtime_stays() {
        let word = Readiness::new();
        let _ = word.shut_down();
        word.clear(word.look().unwrap());
        assert!(word.look().unwrap().is_shut_down());
    }

    #[test]
    fn a_robbery_stays_and_is_told() {
        let word = Readiness::new();
        word.clear(word.look().unwrap());
        assert_eq!(word.begin_wait(), None);
        assert!(word.rob());
        let seen = word.look().unwrap();
        word.clear(seen);
        let _ = word.deliver(DATA, at(1));
        let seen = word.look().unwrap();
        assert!(seen.is_over() && seen.is_robbed() && !seen.is_shut_down());
    }

    #[test]
    fn an_event_is_told_of_waiters_once() {
        let word = Readiness::new();
        word.clear(word.look().unwrap());
        assert!(!word.deliver(DATA, at(1)), "nobody waits");
        assert!(word.begin_wait().is_some(), "no reason to wait");
        word.clear(word.look().unwrap());
        assert_eq!(word.begin_wait(), None);
        assert_eq!(word.look(), None, "a waiter is no reason to try");
        assert!(word.deliver(DATA, at(1)));
        assert!(!word.deliver(DATA, at(1)), "they were woken");
    }

    #[test]
    fn the_tick_wraps_round() {
        let word = Readiness(AtomicUsize::new(TICKS | READY));
        let seen = word.look().unwrap();
        let _ = word.deliver(DATA, at(1));
        assert_eq!(word.0.load(Ordering::Relaxed), READY);
        word.clear(seen);
        assert!(word.look().is_some());
    }
}
