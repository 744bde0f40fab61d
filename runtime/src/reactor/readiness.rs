//! Is one direction of a descriptor ready, and since which event?
//!
//! One atomic word per direction. The poller sets bits and counts a tick with each event it delivers; who has met `WouldBlock` clears READY,
//! but only if no event came since it looked: the tick tells.
//!
//! | bits | name | set by | cleared by |
//! |---|---|---|---|
//! | 0 | READY | an event; also at birth, when nobody knows yet | `clear`, with the tick at which readiness was seen |
//! | 1 | CLOSED | an event: the peer's end of this direction | nobody |
//! | 2 | ERROR | an event | nobody |
//! | 3 | SHUTDOWN | the end of the runtime | nobody |
//! | 8.. | tick | each event, by one; wraps round | |
//!
//! CLOSED, ERROR and SHUTDOWN stay: from then on operations do not wait any more, the system gives their answer.
//!
//! ORDERING: an event is delivered with AcqRel and looked at with Acquire, so whoever sees READY sees what the poller's thread did before. Sleeping
//! needs no more than that, since a waiter registers under the same lock that the deliverer takes after it has set the word.

use crate::sys::sync::atomic::{AtomicUsize, Ordering};

const READY: usize = 1;
const CLOSED: usize = 1 << 1;
const ERROR: usize = 1 << 2;
const SHUTDOWN: usize = 1 << 3;
const TICK: usize = 1 << 8;
const FLAGS: usize = TICK - 1;

/// The readiness word of one direction.
#[derive(Debug)]
pub(super) struct Readiness(AtomicUsize);

/// What a look at the word has shown; needed to clear it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen(usize);

/// What an event says of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) is_ready: bool,
    pub(crate) is_closed: bool,
    pub(crate) is_error: bool,
}

impl Readiness {
    /// Ready until somebody has tried: a descriptor may have data before it is registered.
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(READY))
    }

    /// Takes in an event.
    pub(super) fn deliver(&self, event: Event) {
        let bit = |set: bool, bit: usize| if set { bit } else { 0 };
        let bits =
            bit(event.is_ready, READY) | bit(event.is_closed, CLOSED) | bit(event.is_error, ERROR);
        self.add(bits);
    }

    /// The runtime has ended: no event will come any more.
    pub(super) fn shut_down(&self) {
        self.add(SHUTDOWN);
    }

    fn add(&self, bits: usize) {
        let next = |word: usize| Some(((word & !FLAGS).wrapping_add(TICK)) | (word & FLAGS) | bits);
        // ORDERING: see the module.
        let _always = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }

    /// What is known now, if there is any reason to try.
    pub(super) fn look(&self) -> Option<Seen> {
        // ORDERING: see the module.
        let word = self.0.load(Ordering::Acquire);
        (word & FLAGS != 0).then_some(Seen(word))
    }

    /// Notes that what was seen is used up. Does nothing if an event came since.
    pub(super) fn clear(&self, seen: Seen) {
        let next = |word: usize| (word & !FLAGS == seen.0 & !FLAGS).then_some(word & !READY);
        // ORDERING: AcqRel with the next event's `add`.
        let _unless_news = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }
}

impl Seen {
    /// Whether the other side has ended this direction, or the descriptor is in error: a short read does then not mean that
    /// nothing more is to be had, since the end itself is still to be read.
    pub(crate) fn is_final(self) -> bool {
        self.0 & (CLOSED | ERROR) != 0
    }

    /// Whether the runtime has ended.
    pub(crate) fn is_shut_down(self) -> bool {
        self.0 & SHUTDOWN != 0
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    const DATA: Event = Event {
        is_ready: true,
        is_closed: false,
        is_error: false,
    };
    const END: Event = Event {
        is_ready: true,
        is_closed: true,
        is_error: false,
    };

    #[test]
    fn it_is_ready_until_tried() {
        let word = Readiness::new();
        let seen = word.look().unwrap();
        word.clear(seen);
        assert_eq!(word.look(), None);
        word.deliver(DATA);
        assert!(word.look().is_some());
    }

    #[test]
    fn an_event_after_the_look_survives_the_clear() {
        let word = Readiness::new();
        let seen = word.look().unwrap();
        word.deliver(DATA);
        word.clear(seen);
        assert!(word.look().is_some());
    }

    #[test]
    fn the_end_stays() {
        let word = Readiness::new();
        word.deliver(END);
        let seen = word.look().unwrap();
        assert!(seen.is_final());
        word.clear(seen);
        assert!(word.look().unwrap().is_final());
        word.shut_down();
        assert!(word.look().unwrap().is_shut_down());
    }

    #[test]
    fn the_tick_wraps_round() {
        let word = Readiness(AtomicUsize::new(!FLAGS | READY));
        let seen = word.look().unwrap();
        word.deliver(DATA);
        assert_eq!(word.0.load(Ordering::Relaxed), READY);
        word.clear(seen);
        assert!(word.look().is_some());
    }
}
