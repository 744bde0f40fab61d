//! How does a thread wake up on time?
//!
//! The kernel may let a timed wait last longer, by 50 us unless told otherwise, to wake several at once (`PR_SET_TIMERSLACK`, prctl(2)). That is a fifth of
//! the sentinel's tick.

/// Asks the kernel to end this thread's waits on time, as far as it can. Where it refuses, they are late as before.
pub(crate) fn be_punctual() {
    #[cfg(not(any(loom, shuttle, miri)))]
    // SAFETY: this option takes a number, and changes nothing but the calling thread's timers.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1_usize);
    }
}
