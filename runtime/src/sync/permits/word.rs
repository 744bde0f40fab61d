//! How many permits are there, and does somebody wait for some?
//!
//! | bits | name | set | cleared |
//! |---|---|---|---|
//! | 0 | CLOSED | by `close`, under the lock | never |
//! | 1 | QUEUED | by `take_or_announce`, under the lock | by `grant` and `queue_is_empty`, under the lock, with the last of the list |
//! | 2 and up | permits that nobody has | | |
//!
//! | method | by whom | bits it writes |
//! |---|---|---|
//! | `take` | anybody | permits, only while QUEUED is not set |
//! | `give`, `add` | anybody | permits |
//! | `take_or_announce`, `forget`, `grant`, `queue_is_empty`, `close` | who has the queue's lock | all |
//!
//! So who has the lock, and sees QUEUED, knows that the permits become no fewer.

use crate::sys::sync::atomic::{AtomicUsize, Ordering};

/// The most permits there can be: what is given while so many are there is noticed before it runs into the other end.
pub(crate) const MAX: usize = usize::MAX >> 3;

const CLOSED: usize = 1;
const QUEUED: usize = 2;
/// One permit.
const ONE: usize = 4;

/// The word.
#[derive(Debug)]
pub(super) struct Word(AtomicUsize);

/// Why permits were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    /// There are too few, or somebody waits for them already.
    TooFew,
}

/// What has become of permits that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "if somebody waits, it is to be handed out"]
pub(super) enum Given {
    Kept,
    /// The caller has to hand out.
    SomebodyWaits,
    /// There are more than [`MAX`] now: the caller has to [forget](Word::forget) as many, at once. (There is room in the word for that long: others may have given
    /// up to as many again.)
    TooMany,
}

/// There would be more than [`MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

impl Given {
    /// By what the word was before.
    fn of(before: usize) -> Self {
        if before & QUEUED == 0 {
            Self::Kept
        } else {
            Self::SomebodyWaits
        }
    }
}

fn available(word: usize) -> usize {
    if word & QUEUED == 0 { word / ONE } else { 0 }
}

impl Word {
    #[cfg(not(loom))]
    pub(super) const fn new(permits: usize) -> Self {
        Self(AtomicUsize::new(permits * ONE))
    }

    #[cfg(loom)]
    pub(super) fn new(permits: usize) -> Self {
        Self(AtomicUsize::new(permits * ONE))
    }

    pub(super) fn available(&self) -> usize {
        // ORDERING: Relaxed: a hint, out of date at once.
        available(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn is_closed(&self) -> bool {
        // ORDERING: Acquire, partner of `close`: what was done before it is visible.
        self.0.load(Ordering::Acquire) & CLOSED != 0
    }

    #[inline]
    pub(super) fn take(&self, permits: usize) -> Result<(), Refused> {
        // ORDERING: Acquire, partner of `close`, for who is refused.
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if word & CLOSED != 0 {
                return Err(Refused::Closed);
            }
            if available(word) < permits {
                return Err(Refused::TooFew);
            }
            let next = word - permits * ONE;
            // ORDERING: Acquire, partner of the Release in `give`: what was done by who had the permits before. If it fails, as above.
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    /// As `take`, but [`Refused::TooFew`] says that QUEUED is set, so that the caller has to stand in the list before it lets go of the lock.
    pub(super) fn take_or_announce(&self, permits: usize) -> Result<(), Refused> {
        loop {
            match self.take(permits) {
                Err(Refused::TooFew) => {}
                done => return done,
            }
            // ORDERING: Relaxed: the exchange tells whether it still holds.
            let word = self.0.load(Ordering::Relaxed);
            let next = word | QUEUED;
            // ORDERING: Relaxed: it carries nothing. Whoever gives after it sees QUEUED, and takes the lock; who gave before it makes it fail.
            let announce =
                || (self.0).compare_exchange(word, next, Ordering::Relaxed, Ordering::Relaxed);
            if available(word) < permits && announce().is_ok() {
                return Err(Refused::TooFew);
            }
        }
    }

    #[inline]
    pub(super) fn give(&self, permits: usize) -> Given {
        // ORDERING: Release, partner of the Acquire in `take` and `grant`: what was done with the permits, to who has them next. All that changes the word after it is
        // read-modify-write, so that it reaches also who takes after others have given and taken.
        let before = self.0.fetch_add(permits * ONE, Ordering::Release);
        if before / ONE + permits > MAX {
            return Given::TooMany;
        }
        Given::of(before)
    }

    /// Changes nothing if there would be more than [`MAX`].
    pub(super) fn add(&self, permits: usize) -> Result<Given, TooMany> {
        let add = |word: usize| {
            let sum = (word / ONE).checked_add(permits)?;
            (sum <= MAX).then(|| word + permits * ONE)
        };
        // ORDERING: Release, as in `give`; the load only says what to add to.
        let added = (self.0).fetch_update(Ordering::Release, Ordering::Relaxed, add);
        added.map(Given::of).map_err(|_word| TooMany)
    }

    /// On behalf of the first in the list. False if there are too few, or it is closed.
    pub(super) fn grant(&self, permits: usize, is_last: bool) -> bool {
        // ORDERING: Relaxed: with QUEUED set, and the lock, the permits become no fewer until the line below.
        let word = self.0.load(Ordering::Relaxed);
        debug_assert!(word & QUEUED != 0, "a list without its bit");
        if word & CLOSED != 0 || word / ONE < permits {
            return false;
        }
        let ends = if is_last { QUEUED } else { 0 };
        // ORDERING: Acquire, partner of the Release in `give`; the wake passes it on.
        self.0.fetch_sub(permits * ONE + ends, Ordering::Acquire);
        true
    }

    /// The list has become empty.
    pub(super) fn queue_is_empty(&self) {
        // ORDERING: Relaxed: QUEUED is changed and relied on under the lock.
        self.0.fetch_and(!QUEUED, Ordering::Relaxed);
    }

    pub(super) fn forget(&self, permits: usize) -> usize {
        // ORDERING: Relaxed: the exchange tells whether it still holds.
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let forgotten = permits.min(word / ONE);
            let next = word - forgotten * ONE;
            // ORDERING: Relaxed: what nobody has carries nothing to anybody.
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return forgotten,
                Err(now) => word = now,
            }
        }
    }

    pub(super) fn close(&self) {
        // ORDERING: Release, partner of the Acquire in `is_closed` and `take`.
        self.0.fetch_or(CLOSED, Ordering::Release);
    }
}
