//! Where does the next message go, or come from, and does anybody wait for that?
//!
//! One word at each end of the ring; the table stands in [`mpmc`](super).

use super::laps::STEP;
use crate::sys::sync::atomic::{AtomicUsize, Ordering};

const CLOSED: usize = 1;
const WAITING: usize = 1 << 1;
const POSITION: usize = !(STEP - 1);

/// An end of the ring, on lines of its own: two, since processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct End(AtomicUsize);

/// What it said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen(usize);

impl Seen {
    #[inline(always)]
    pub(super) fn position(self) -> usize {
        self.0 & POSITION
    }

    #[inline(always)]
    pub(super) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    #[inline(always)]
    fn somebody_waits(self) -> bool {
        self.0 & WAITING != 0
    }
}

impl End {
    pub(super) fn new(position: usize) -> Self {
        Self(AtomicUsize::new(position))
    }

    #[inline(always)]
    pub(super) fn load(&self) -> Seen {
        // ORDERING: Acquire, partner of `close`: whoever learns that nothing more comes has what was done before. (What a message carries comes with its slot's stamp.)
        Seen(self.0.load(Ordering::Acquire))
    }

    /// Claims everything from what was seen up to `to`. If nobody else was faster, says whether somebody waits for it on the other side, who is to be woken when the slot has
    /// its new stamp.
    #[inline(always)]
    pub(super) fn claim(&self, seen: Seen, to: usize) -> Result<bool, Seen> {
        debug_assert!(!seen.is_closed() && to & !POSITION == 0, "a claim");
        let new = to | (seen.0 & WAITING);
        // ORDERING: AcqRel, partner of `wait`: whichever of the two comes second sees the other. Between claims nothing is carried; that is the stamps' business.
        let claimed = (self.0).compare_exchange(seen.0, new, Ordering::AcqRel, Ordering::Acquire);
        claimed.map(|_| seen.somebody_waits()).map_err(Seen)
    }

    /// Somebody is about to wait until this end moves on. To be called under the lock of its queue. Behind this, whoever moves it takes the lock.
    pub(super) fn wait(&self) -> Seen {
        // ORDERING: by the lock, under which the flag is changed. If it is set, a position that is out of date does no harm: who has moved on from it has seen the flag, too, and takes the
        // lock after us.
        let seen = Seen(self.0.load(Ordering::Relaxed));
        if seen.somebody_waits() {
            return seen;
        }
        // ORDERING: AcqRel, partner of `claim` and `close`.
        Seen(self.0.fetch_or(WAITING, Ordering::AcqRel))
    }

    /// To be called under the lock of the queue, which is empty.
    pub(super) fn nobody_waits(&self) {
        // ORDERING: Relaxed: the flag is changed under the lock; a claim that comes in between is seen by who sets it next.
        self.0.fetch_and(!WAITING, Ordering::Relaxed);
    }

    /// Nothing is claimed any more. False if that was so before.
    pub(super) fn close(&self) -> bool {
        // ORDERING: AcqRel: Release for `load`; who waits is told under the lock that the caller takes behind this.
        self.0.fetch_or(CLOSED, Ordering::AcqRel) & CLOSED == 0
    }
}
