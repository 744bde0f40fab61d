//! Does a [`Notify`](super::Notify) have a permit, does anybody wait, and how often were all of them called?
//!
//! One word, without unsafe code. The lowest two bits:
//!
//! | state | permit | in the list |
//! |---|---|---|
//! | EMPTY | no | nobody |
//! | PERMIT | yes | nobody |
//! | WAITING | no | somebody (outside of the lock) |
//!
//! | arrow | made by | under the lock |
//! |---|---|---|
//! | EMPTY, PERMIT -> PERMIT | [`give`](Word::give): who notifies one | no |
//! | PERMIT -> EMPTY | [`take`](Word::take), [`begin_wait`](Word::begin_wait): who wants to be notified | no |
//! | EMPTY, WAITING -> WAITING | [`begin_wait`](Word::begin_wait): who is about to enter the list | yes |
//! | WAITING -> EMPTY | [`nobody_waits`](Word::nobody_waits): who has taken the last one out | yes |
//!
//! The bits above count the [calls](Word::call) to everybody. Who wants to be notified notes the count when it is created ([`Calls`]), and was called if it has
//! changed since. A call that finds the state WAITING has to wake those in the list; the list is sorted by their counts, since each is compared under
//! the lock before it enters. (The count starts anew after 2^62 calls; nobody waits that long.)
//!
//! Rejected: a count that is changed under the lock only (a call without waiters would take it), a flag for each waiter (it would have to be registered from its
//! creation on, not from its first poll).

use crate::sys::sync::atomic::{AtomicUsize, Ordering};

const EMPTY: usize = 0;
const PERMIT: usize = 1;
const WAITING: usize = 2;
const STATE: usize = 0b11;
/// One call to everybody.
const CALL: usize = 0b100;

/// The word; see the module's tables.
#[derive(Debug)]
pub(super) struct Word(AtomicUsize);

/// How often everybody was called until a certain moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Calls(usize);

/// What has become of a notification of one.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Give {
    /// It is kept as a permit.
    Kept,
    /// Somebody waits: the caller owes the notification to one in the list.
    SomebodyWaits,
}

/// What there is for who wants to be notified.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Take {
    /// Everybody was called since it was created. A permit stays where it is.
    Called,
    /// A permit, which is the caller's now.
    Permit,
    /// Nothing: it has to wait.
    Nothing,
}

impl Word {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self(AtomicUsize::new(EMPTY))
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(EMPTY))
    }

    #[inline]
    pub(super) fn calls(&self) -> Calls {
        // ORDERING: Acquire, partner of `call`: who is created too late to be called sees what was done before the call.
        Calls(self.0.load(Ordering::Acquire) & !STATE)
    }

    /// Keeps a notification, unless somebody waits.
    #[inline]
    pub(super) fn give(&self) -> Give {
        // ORDERING: Release, partner of the Acquire in `take` and `begin_wait`: what was done before the notification. Written also if there is a permit already, for the
        // same reason. The loads choose what to do and carry nothing: who finds WAITING takes the lock.
        let given = self
            .0
            .fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
                (word & STATE != WAITING).then_some(word | PERMIT)
            });
        match given {
            Ok(_) => Give::Kept,
            Err(_) => Give::SomebodyWaits,
        }
    }

    /// Takes what there is for one that was created at `created`.
    #[inline]
    pub(super) fn take(&self, created: Calls) -> Take {
        // ORDERING: Acquire, partner of `give` and `call`: what was done before the notification.
        let taken = self
            .0
            .fetch_update(Ordering::Acquire, Ordering::Acquire, |word| {
                (word & STATE == PERMIT && created.are(word)).then_some(word & !STATE)
            });
        match taken {
            Ok(_) => Take::Permit,
            Err(word) if !created.are(word) => Take::Called,
            Err(_) => Take::Nothing,
        }
    }

    /// The same under the lock; if there is nothing, the caller enters the list before it lets go of that.
    pub(super) fn begin_wait(&self, created: Calls) -> Take {
        // ORDERING: Acquire, partners as in `take`. Both sides change this one word, so that whichever comes second sees the other: the permit or the call, or that
        // somebody waits.
        let before = self
            .0
            .fetch_update(Ordering::Acquire, Ordering::Acquire, |word| {
                let state = if word & STATE == PERMIT {
                    EMPTY
                } else {
                    WAITING
                };
                created.are(word).then_some(word & !STATE | state)
            });
        match before {
            Ok(word) if word & STATE == PERMIT => Take::Permit,
            Ok(_) => Take::Nothing,
            Err(_) => Take::Called,
        }
    }

    /// Says under the lock that the list is empty, where it was not before.
    pub(super) fn nobody_waits(&self) {
        // ORDERING: Relaxed: nothing but the absence of waiters is said by it; a call's Release before it in the modification order still reaches who reads this (a
        // read-modify-write continues its release sequence).
        let before = self.0.fetch_and(!WAITING, Ordering::Relaxed);
        debug_assert_eq!(before & STATE, WAITING);
    }

    /// Calls everybody. True if the caller has to wake those in the list.
    #[must_use]
    pub(super) fn call(&self) -> bool {
        // ORDERING: Release, partner of the Acquire in `calls`, `take` and `begin_wait`: what was done before the call. The list is read under the lock.
        self.0.fetch_add(CALL, Ordering::Release) & STATE == WAITING
    }
}

impl Calls {
    fn are(self, word: usize) -> bool {
        word & !STATE == self.0
    }
}
