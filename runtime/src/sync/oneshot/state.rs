//! Who may touch what in the cell of a oneshot?
//!
//! One word of five bits. No unsafe here: each transition returns what its caller may and must do now.
//!
//! | bit | set | means |
//! |---|---|---|
//! | ENDED | by the sender, once | it has sent, or was dropped |
//! | SENT | with ENDED | the value is there; the receiver's |
//! | GONE | by the receiver, once, before ENDED or never | it was dropped, or closed |
//! | RX_WAKER | by the receiver | its waker is in its place |
//! | TX_WAKER | by the sender, which waits to be closed | its waker is in its place |
//!
//! *Who ends first* does so by an exchange of the whole word, in which it sees the other's waker; *who ends second* sees by a plain load that it is alone, and frees the
//! cell. So a word in which one has ended is changed by that one only, with plain stores:
//!
//! | first to end | the other's waker in the word | the cell |
//! |---|---|---|
//! | sender | none | is the receiver's |
//! | sender | RX_WAKER | the sender moves the waker out, then clears RX_WAKER: the receiver's from then on |
//! | receiver | none | is the sender's |
//! | receiver | TX_WAKER | the receiver moves the waker out, then clears TX_WAKER: the sender's from then on |
//!
//! A waker that is in its place when its owner itself ends stays there; who frees the cell drops it. While nobody has ended, an owner takes its waker back by
//! clearing its bit in an exchange.
//!
//! | order | sender | receiver |
//! |---|---|---|
//! | send, receive | one locked instruction | none |
//! | receive, send, wake | one, and the wake | one, and the clone of its waker |
//!
//! Rejected: a count of references beside the word (a locked instruction more on each side); a sender that swaps without looking first (two words could not be told
//! apart then, and the receiver's plain store would have to be an exchange).

use crate::sync::short_wait;
use crate::sys::sync::atomic::{AtomicU8, Ordering};

const ENDED: u8 = 1 << 0;
const SENT: u8 = 1 << 1;
const GONE: u8 = 1 << 2;
const RX_WAKER: u8 = 1 << 3;
const TX_WAKER: u8 = 1 << 4;

/// The word.
#[derive(Debug)]
pub(super) struct State(AtomicU8);

/// The word as it was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen(u8);

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Sender,
    Receiver,
}

/// What who ends owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the cell has to be freed, or a waker woken"]
pub(super) enum Ended {
    /// Nothing: the cell belongs to the other side now.
    First,
    /// To move the other's waker out, to say so by [`State::waker_taken`], and then to wake it.
    FirstAndWake,
    /// To free the cell.
    Last,
}

impl Side {
    fn waker(self) -> u8 {
        match self {
            Self::Sender => TX_WAKER,
            Self::Receiver => RX_WAKER,
        }
    }

    fn ended(self) -> u8 {
        match self {
            Self::Sender => ENDED,
            Self::Receiver => GONE,
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }
}

impl Seen {
    /// Whether a value is there.
    pub(super) fn is_sent(self) -> bool {
        self.0 & SENT != 0
    }

    /// Whether that side has ended.
    #[inline]
    pub(super) fn has_ended(self, side: Side) -> bool {
        self.0 & side.ended() != 0
    }

    /// Whether that side's waker is in its place; if the other has ended, it is about to move it out.
    #[inline]
    pub(super) fn has_waker(self, side: Side) -> bool {
        self.0 & side.waker() != 0
    }
}

impl State {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    #[inline]
    pub(super) fn load(&self) -> Seen {
        // ORDERING: Acquire, partner of the exchanges in `end` and of the store in `waker_taken`: what the other side has written, and the end of its use of the cell.
        Seen(self.0.load(Ordering::Acquire))
    }

    /// The sender ends and leaves a value, which it has put in its place before.
    #[inline]
    pub(super) fn send(&self) -> Ended {
        self.end_with(Side::Sender, ENDED | SENT)
    }

    /// A side ends, and leaves no value.
    pub(super) fn end(&self, side: Side) -> Ended {
        self.end_with(side, side.ended())
    }

    #[inline]
    fn end_with(&self, side: Side, bits: u8) -> Ended {
        let other = side.other();
        let mut now = self.load();
        while !now.has_ended(other) {
            // ORDERING: Release, partner of `load`: the value, or the end of the use of the cell. What the other has written, its waker too, is acquired by the `load`
            // of who settles or frees; this one's own Acquire, if it fails, is for whoever forgets that.
            let changed = self.0.compare_exchange_weak(
                now.0,
                now.0 | bits,
                Ordering::Release,
                Ordering::Acquire,
            );
            match changed {
                Ok(_) if now.has_waker(other) => return Ended::FirstAndWake,
                Ok(_) => return Ended::First,
                Err(word) => now = Seen(word),
            }
        }
        if now.has_waker(side) {
            self.wait_for_waker(side);
        }
        Ended::Last
    }

    /// The other side's waker was moved out by who has ended first. From now on the cell is the other's: `self` is all atomic, so that a reference to it may outlive it
    /// that long.
    pub(super) fn waker_taken(&self, by: Side, seen: Seen) {
        // ORDERING: Release, partner of `load`: the waker has been read. A store will do: the other side changes nothing any more.
        self.0
            .store(seen.0 & !by.other().waker(), Ordering::Release);
    }

    /// Says that a side's waker is in its place. Fails if the other has ended, or the word is not what was seen.
    pub(super) fn put_waker(&self, side: Side, seen: Seen) -> Result<(), Seen> {
        debug_assert!(!seen.has_ended(side.other()) && !seen.has_waker(side));
        // ORDERING: Release, partner of the `load` of who has ended, by way of its exchange: the waker. Acquire if it fails, as `load`.
        let changed = self.0.compare_exchange(
            seen.0,
            seen.0 | side.waker(),
            Ordering::Release,
            Ordering::Acquire,
        );
        changed.map(drop).map_err(Seen)
    }

    /// Takes a side's waker back. Fails if the other has ended, or the word is not what was seen.
    pub(super) fn retract_waker(&self, side: Side, seen: Seen) -> Result<Seen, Seen> {
        debug_assert!(!seen.has_ended(side.other()) && seen.has_waker(side));
        let next = seen.0 & !side.waker();
        // ORDERING: Relaxed: the waker is this side's own, as it was. Acquire if it fails, as `load`.
        let changed = self
            .0
            .compare_exchange(seen.0, next, Ordering::Relaxed, Ordering::Acquire);
        changed.map(|_| Seen(next)).map_err(Seen)
    }

    /// Waits until the other side, which has ended, has moved this side's waker out.
    #[cold]
    pub(super) fn wait_for_waker(&self, side: Side) {
        short_wait::until(|| !self.load().has_waker(side));
    }

    /// The receiver has moved the value out, and is alone.
    pub(super) fn value_taken(&self, seen: Seen) {
        // ORDERING: Relaxed: nobody else is there.
        self.0.store(seen.0 & !SENT, Ordering::Relaxed);
    }
}
