//! How can a fence cost nothing on the side that runs millions of times a second?
//!
//! Store-then-load protocols (Dekker: "I publish mine, then look at yours") need a full fence on both sides.
//! With `membarrier(2)` one side can pay for both: [`heavy`] makes every running thread of the process pass a
//! full fence, so the frequent side gets away with [`light`], which only stops the compiler from reordering.
//!
//! | side | with membarrier | without (old kernel, seccomp), loom, shuttle, Miri |
//! |---|---|---|
//! | [`light`], frequent | compiler fence, 0 ns | `fence(SeqCst)`, about 12 ns |
//! | [`heavy`], rare | system call, 0.2 us alone, 3 us with another thread running | `fence(SeqCst)` |
//!
//! [`Seen`] is the frequent side of a protocol with an *epoch*: who does the rare thing counts the epoch up, under a lock, and passes the heavy side. The
//! frequent side publishes what it does, and asks whether the epoch is still the one it knows; if not it takes the lock, which orders everything. Without
//! membarrier it never is, so that the common path has nothing to ask but that.
//!
//! Whether membarrier is to be had is found out once, by [`init`], before any thread of a runtime starts; both
//! sides of a protocol therefore agree on it. Source: membarrier(2), `MEMBARRIER_CMD_PRIVATE_EXPEDITED`.

#[cfg(not(any(loom, shuttle, miri)))]
pub(crate) use asymmetric::light_or_slow;
#[cfg(not(any(loom, shuttle, miri)))]
pub(crate) use asymmetric::{heavy, init, is_asymmetric, light};
#[cfg(any(loom, shuttle, miri))]
pub(crate) use symmetric::light as light_or_slow;
#[cfg(any(loom, shuttle, miri))]
pub(crate) use symmetric::{heavy, init, is_asymmetric, light};

use crate::sys::sync::atomic::{AtomicUsize, Ordering};
use std::cell::Cell;

/// The last epoch that the frequent side has looked into.
#[derive(Debug)]
pub(crate) struct Seen(Cell<usize>);

/// An epoch that never comes: they count up from 0.
const NEVER: usize = usize::MAX;

impl Seen {
    /// Before the first epoch ends. Whether there is membarrier must be known by now.
    pub(crate) fn new() -> Self {
        Self(Cell::new(if is_asymmetric() { 0 } else { NEVER }))
    }

    /// Whether nobody has come between: what this thread has stored before is seen by whoever counts the epoch up after this.
    #[inline(always)]
    pub(crate) fn is_current(&self, epoch: &AtomicUsize) -> bool {
        light_or_slow();
        // ORDERING: ordered behind the caller's stores by the above; partner is the heavy barrier behind the store of the epoch.
        epoch.load(Ordering::Relaxed) == self.0.get()
    }

    /// Takes note of an epoch that was looked into, under the lock.
    pub(crate) fn note(&self, epoch: usize) {
        if is_asymmetric() {
            self.0.set(epoch);
        }
    }
}

#[cfg(not(any(loom, shuttle, miri)))]
mod asymmetric {
    use crate::sys::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};
    use std::sync::Once;

    /// True once the kernel has accepted our registration. Written once, before [`init`] first returns.
    static EXPEDITED: AtomicBool = AtomicBool::new(false);

    /// Registers the process for expedited barriers. To be called before the first [`light`] or [`heavy`].
    pub(crate) fn init() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let refused_by_user = std::env::var_os("FILCH_NO_MEMBARRIER").is_some();
            if !refused_by_user && membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) {
                // ORDERING: Release is not needed; whoever calls light or heavy has synchronised with the
                // builder of its runtime, which has returned from this Once.
                EXPEDITED.store(true, Ordering::Relaxed);
            }
        });
    }

    /// Whether the frequent side's fence is free.
    pub(crate) fn is_asymmetric() -> bool {
        EXPEDITED.load(Ordering::Relaxed)
    }

    /// The frequent side's fence.
    #[inline(always)]
    pub(crate) fn light() {
        // ORDERING: Relaxed, as for the store in `init`.
        if EXPEDITED.load(Ordering::Relaxed) {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// What [`light`] is where there is membarrier. For those who have been told to take a slow path where there is none.
    #[inline(always)]
    pub(crate) fn light_or_slow() {
        compiler_fence(Ordering::SeqCst);
    }

    /// The rare side's fence, which counts for every thread of the process.
    #[cold]
    pub(crate) fn heavy() {
        // ORDERING: Relaxed, as for the store in `init`.
        if EXPEDITED.load(Ordering::Relaxed) {
            let done = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
            assert!(done, "membarrier was registered and is refused now");
        } else {
            fence(Ordering::SeqCst);
        }
    }

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: membarrier takes two integers and touches no memory of ours.
        let status = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
        status == 0
    }
}

#[cfg(any(loom, shuttle, miri))]
mod symmetric {
    use crate::sys::sync::atomic::{Ordering, fence};

    pub(crate) fn init() {}

    /// What is chosen by this is what the program runs with, though its fences cost something here.
    pub(crate) fn is_asymmetric() -> bool {
        true
    }

    pub(crate) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
    }
}
