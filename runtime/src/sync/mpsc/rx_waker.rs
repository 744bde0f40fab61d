//! Whose is the place of the receiver's waker?
//!
//! RX_WAITING of the [tail](super::tail) lends it, and whoever takes that bit away takes the waker out. As that takes a moment, a word of its own says when it is over:
//!
//! | word | bit | the place |
//! |---|---|---|
//! | EMPTY | not set | is the receiver's, and empty |
//! | FULL | not set yet, by the receiver | is the receiver's, and full |
//! | FULL | set | is full, and nobody's: the receiver may compare with it |
//! | FULL | taken away by the receiver | is the receiver's again, and full |
//! | FULL | taken away by another | is full, and that one's, who moves the waker out, stores EMPTY, and then wakes it |
//!
//! A receiver that finds FULL and the bit gone, with the waker that it would put there, need not wait for that moment: EMPTY comes before the wake, so that the wake is
//! still to come.
//!
//! Rejected: a waker that stays in its place and is woken there (it spares the clone for the next wait, but then the place is lent as long as the wake takes, a
//! system call maybe, and the receiver runs already).

use crate::sys::sync::UnsafeCell;
use crate::sys::sync::atomic::{AtomicBool, Ordering};
use std::mem::MaybeUninit;
use std::task::Waker;

/// The place of the receiver's waker.
pub(super) struct RxWaker {
    is_full: AtomicBool,
    waker: UnsafeCell<MaybeUninit<Waker>>,
}

// SAFETY: the place is reached by who has it, by the module's table; a waker may be sent.
unsafe impl Sync for RxWaker {}

impl RxWaker {
    pub(super) fn new() -> Self {
        Self {
            is_full: AtomicBool::new(false),
            waker: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Whether the place is empty, and so the receiver's.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        // ORDERING: Acquire, partner of the store in `take`: the waker has been moved out.
        !self.is_full.load(Ordering::Acquire)
    }

    /// Fills the place.
    ///
    /// # Safety
    ///
    /// Only the receiver, and it is empty.
    pub(super) unsafe fn put(&self, waker: Waker) {
        // SAFETY: empty, and the receiver's, who calls.
        (self.waker).with_mut(|place| unsafe { place.write(MaybeUninit::new(waker)) });
        // ORDERING: Relaxed: others learn of it by RX_WAITING, whose exchange releases it.
        self.is_full.store(true, Ordering::Relaxed);
    }

    /// Compares with what is there.
    ///
    /// # Safety
    ///
    /// Only the receiver, and it has found it full.
    pub(super) unsafe fn will_wake(&self, waker: &Waker) -> bool {
        self.waker.with(|place| {
            // SAFETY: written by the receiver and nobody else. It may have been moved out since, and even dropped; `will_wake` compares the pointers and follows
            // neither of them.
            let place = unsafe { &*place };
            // SAFETY: as above.
            unsafe { place.assume_init_ref() }.will_wake(waker)
        })
    }

    /// Empties the place.
    ///
    /// # Safety
    ///
    /// It is full, and the caller has taken RX_WAITING away, or is the receiver and has not set it.
    pub(super) unsafe fn take(&self) -> Waker {
        let waker = self.waker.with(|place| {
            // SAFETY: the caller's; the receiver at most reads it.
            let place = unsafe { place.read() };
            // SAFETY: full, says the caller.
            unsafe { place.assume_init() }
        });
        // ORDERING: Release, partner of `is_empty`.
        self.is_full.store(false, Ordering::Release);
        waker
    }
}

impl Drop for RxWaker {
    fn drop(&mut self) {
        if !self.is_empty() {
            // SAFETY: full, and nobody else is there.
            drop(unsafe { self.take() });
        }
    }
}
