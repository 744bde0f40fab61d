//! Who may take the lock, and who has to wake somebody?
//!
//! | bits | name | set | cleared |
//! |---|---|---|---|
//! | 0 | LOCKED | by who takes the lock | by who has it, unless it is handed on |
//! | 1 | QUEUED: the list is not empty | under the queue's lock | under the queue's lock |
//! | 2 | CALLED: somebody was woken and is on the way | by who has the lock of the mutex, under that of the queue | by who was woken: it takes the lock, stands in the queue again, or declines |
//!
//! | from | unlocking | to |
//! |---|---|---|
//! | LOCKED | one exchange | free |
//! | LOCKED, CALLED | one exchange: who is on the way will see that it is free | CALLED |
//! | LOCKED, QUEUED, CALLED | the same | QUEUED, CALLED |
//! | LOCKED, QUEUED | under the queue's lock: wakes the first, and lets go ([`let_go`](Word::let_go)) | CALLED; QUEUED if others are left |
//! | | or hands the lock to the first ([`hand_on`](Word::hand_on)) | LOCKED; QUEUED if others are left |
//!
//! CALLED without QUEUED or LOCKED is nothing that anybody would have to act upon, but who was woken. QUEUED without LOCKED and CALLED never is: then all would sleep and nobody wake
//! them. It could only come about when CALLED is cleared while the lock is free, and whoever clears it takes the lock in the same step.

use crate::sys::sync::atomic::{AtomicU8, Ordering};

const FREE: u8 = 0;
const LOCKED: u8 = 1;
const QUEUED: u8 = 2;
const CALLED: u8 = 4;

/// The word.
#[derive(Debug)]
pub(super) struct Word(AtomicU8);

/// Who asks for the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comer {
    New,
    /// Was woken: CALLED is set on its behalf, and it has to clear it.
    Called,
}

impl Comer {
    fn without_call(self, word: u8) -> u8 {
        match self {
            Self::New => word,
            Self::Called => word & !CALLED,
        }
    }
}

/// How the lock was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "if somebody is to be called, the lock is still the caller's"]
pub(super) enum Unlocked {
    Done,
    /// Not yet: somebody sleeps who is to be called, under the queue's lock, by [`Word::let_go`] or [`Word::hand_on`].
    Call,
}

impl Word {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self(AtomicU8::new(FREE))
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(FREE))
    }

    /// The common path: free, and nobody waits.
    #[inline]
    pub(super) fn take_free(&self) -> bool {
        // ORDERING: Acquire, partner of the Release in `unlock` and `let_go`: what was done under the lock before.
        (self.0)
            .compare_exchange(FREE, LOCKED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// False if somebody has it.
    pub(super) fn take(&self, comer: Comer) -> bool {
        // ORDERING: Relaxed: the exchange tells whether it still holds.
        let mut word = self.0.load(Ordering::Relaxed);
        while word & LOCKED == 0 {
            let next = comer.without_call(word | LOCKED);
            // ORDERING: Acquire, as in `take_free`.
            match (self.0).compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Under the queue's lock: takes it, or says that somebody stands in the list from now on, which the caller has to before it lets go of that lock.
    pub(super) fn take_or_announce(&self, comer: Comer) -> bool {
        loop {
            if self.take(comer) {
                return true;
            }
            // ORDERING: Relaxed: the exchange tells whether it still holds.
            let word = self.0.load(Ordering::Relaxed);
            let next = comer.without_call(word | QUEUED);
            // ORDERING: Relaxed: it carries nothing. Who unlocks after it sees QUEUED, and takes the queue's lock; who has unlocked before makes it fail.
            let announce =
                || (self.0).compare_exchange(word, next, Ordering::Relaxed, Ordering::Relaxed);
            if word & LOCKED != 0 && announce().is_ok() {
                return false;
            }
        }
    }

    /// Who was called does not want it any more. True if it has the lock now, and has to unlock it, which calls the next; false if who has it will do so.
    #[must_use = "if it is the caller's, it has to unlock it"]
    pub(super) fn decline(&self) -> bool {
        loop {
            if self.take(Comer::Called) {
                return true;
            }
            // ORDERING: Relaxed: the exchange tells whether it still holds.
            let word = self.0.load(Ordering::Relaxed);
            // ORDERING: Relaxed: it carries nothing. Who unlocks after it sees that nobody is on the way.
            let decline = || {
                (self.0).compare_exchange(
                    word,
                    word & !CALLED,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
            };
            if word & LOCKED != 0 && decline().is_ok() {
                return false;
            }
        }
    }

    #[inline]
    pub(super) fn unlock(&self) -> Unlocked {
        // ORDERING: Release, partner of the Acquire in `take_free` and `take`.
        match (self.0).compare_exchange(LOCKED, FREE, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => Unlocked::Done,
            Err(word) => self.unlock_contended(word),
        }
    }

    #[cold]
    fn unlock_contended(&self, mut word: u8) -> Unlocked {
        while word & QUEUED == 0 || word & CALLED != 0 {
            let next = word & !LOCKED;
            // ORDERING: Release, as in `unlock`.
            match (self.0).compare_exchange_weak(word, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Unlocked::Done,
                Err(now) => word = now,
            }
        }
        Unlocked::Call
    }

    /// By who was told to [call](Unlocked::Call), under the queue's lock, with somebody in the list: the first is woken next, and the lock is free.
    ///
    /// Nobody else writes the word at that moment: it is locked, nobody is on the way, and QUEUED is changed under the queue's lock. So a store will do.
    pub(super) fn let_go(&self, is_last: bool) {
        let queued = if is_last { 0 } else { QUEUED };
        // ORDERING: Release, partner of the Acquire in `take_free` and `take`.
        self.0.store(queued | CALLED, Ordering::Release);
    }

    /// As [`let_go`](Self::let_go), but the lock stays locked: it is the first's, who is woken next.
    pub(super) fn hand_on(&self, is_last: bool) {
        let queued = if is_last { 0 } else { QUEUED };
        // ORDERING: Relaxed: the wake carries what was done under the lock.
        self.0.store(queued | LOCKED, Ordering::Relaxed);
    }

    /// Under the queue's lock: the list has become empty.
    pub(super) fn queue_is_empty(&self) {
        // ORDERING: Relaxed: QUEUED is changed and relied on under the lock.
        self.0.fetch_and(!QUEUED, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        // ORDERING: Relaxed: the test is alone.
        self.0.load(Ordering::Relaxed) == FREE
    }
}
