//! How does a thread wait for another one that is in the middle of a few instructions?
//!
//! It looks again and again, and lets the system run others when that takes longer than a few instructions do: the other thread was interrupted there. Only
//! for what is rare, and never while code of the user's runs on the other side.

use crate::sys::sync::{hint, thread};

/// Looks at a line that another thread has: some 100 ns each when it has just written it, and it writes within one of those. A guess.
const LOOKS_MAX: u32 = if cfg!(any(loom, shuttle)) { 0 } else { 64 };

/// Returns when `is_over` says so.
#[cold]
pub(crate) fn until(mut is_over: impl FnMut() -> bool) {
    for _ in 0..LOOKS_MAX {
        if is_over() {
            return;
        }
        hint::spin_loop();
    }
    while !is_over() {
        thread::yield_now();
    }
}
