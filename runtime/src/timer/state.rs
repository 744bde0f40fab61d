//! The state word of a timer entry: which of three phases it is in, and who may touch it then.
//!
//! | state | on a list of the wheel | waker slot | links, tick, waker slot may be touched by |
//! |---|---|---|---|
//! | IDLE | no | empty | the holder |
//! | ARMED | yes | full | who has the wheel's lock (the holder may compare its waker without) |
//! | FIRED | no | empty: moved out | the holder |
//!
//! The *holder* is whoever has the pinned exclusive reference to the entry, or drops it; there is one at most, by the
//! borrow checker. Everybody else comes through the wheel.
//!
//! | arrow | made by | under the wheel's lock |
//! |---|---|---|
//! | IDLE -> ARMED | [`State::arm`], the holder in `Entry::arm` | yes |
//! | ARMED -> FIRED | [`State::fire`], anybody in `Timers::fire`, `try_fire`, `shutdown` | yes |
//! | ARMED, FIRED -> IDLE | [`State::clear`], the holder in `Entry::disarm`, which has left the list before | no |
//! | IDLE -> FIRED | [`State::fire`], the holder in `Entry::arm`, when the wheel has been shut down | no |
//!
//! ARMED -> FIRED is the one arrow the holder does not make itself, and the only one it may learn of without the lock:
//! [`State::load`] that returns FIRED means that the firing thread has touched the entry for the last time, so that
//! the holder may free it. An entry that has run out is therefore dropped without a lock.

use crate::sys::sync::atomic::{AtomicU8, Ordering};

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In no wheel.
    Idle,
    /// In the wheel of its home.
    Armed,
    /// Its time has come, or its wheel is gone.
    Fired,
}

const IDLE: u8 = 0;
const ARMED: u8 = 1;
const FIRED: u8 = 2;

/// The word itself.
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct State(AtomicU8);

impl State {
    pub(super) fn idle() -> Self {
        Self(AtomicU8::new(IDLE))
    }

    /// Where the entry stands. Without the lock, `Armed` may be out of date; `Fired` and `Idle` are final until the
    /// holder does something.
    #[inline]
    pub(super) fn load(&self) -> Phase {
        // ORDERING: Acquire, partner of the Release in `fire`: the firing thread's reads of the entry are over
        // before the holder writes to it again or frees it.
        match self.0.load(Ordering::Acquire) {
            IDLE => Phase::Idle,
            ARMED => Phase::Armed,
            _ => Phase::Fired,
        }
    }

    /// The holder has put the entry on a list.
    #[inline]
    pub(super) fn arm(&self) {
        debug_assert_eq!(self.load(), Phase::Idle, "an entry is on one list at most");
        // ORDERING: Relaxed: the firing thread learns of the entry from the list, under the lock we hold.
        self.0.store(ARMED, Ordering::Relaxed);
    }

    /// The entry's time has come. After this store it may be gone; `self` is all atomic, so that a reference to it may
    /// outlive it that long.
    #[inline]
    pub(super) fn fire(&self) {
        // ORDERING: Release, partner of the Acquire in `load`: whatever we did with the entry is done.
        self.0.store(FIRED, Ordering::Release);
    }

    /// The holder knows that the entry is on no list.
    #[inline]
    pub(super) fn clear(&self) {
        // ORDERING: Relaxed: only the holder looks at an entry that is on no list.
        self.0.store(IDLE, Ordering::Relaxed);
    }
}
