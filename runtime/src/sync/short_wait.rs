//! How does a thread wait for another one that is in the middle of a few instructions?
//!
//! It looks again and again, and lets the system run others when that takes longer than a few instructions do: the other thread was interrupted there. Only
//! for what is rare, and not while code of the user's runs on the other side; but for a [broadcast](super::broadcast) message that is cloned while it is overwritten.

use crate::sys::sync::{hint, thread};

/// So often it spins, 1, 2, 4 and so on times, before it begins to yield: 63 pauses, about 2 us. A guess; in models it yields at once.
const SPINS: u32 = if cfg!(any(loom, shuttle)) { 0 } else { 6 };

/// How long this thread has waited for another one.
#[derive(Debug, Default)]
pub(crate) struct ShortWait(u32);

impl ShortWait {
    /// Waits for a moment, each time longer.
    #[cold]
    pub(crate) fn wait(&mut self) {
        if self.0 >= SPINS {
            thread::yield_now();
            return;
        }
        for _ in 0..1_u32 << self.0 {
            hint::spin_loop();
        }
        self.0 += 1;
    }
}

/// Returns when `is_over` says so.
#[cold]
pub(crate) fn until(mut is_over: impl FnMut() -> bool) {
    let mut wait = ShortWait::default();
    while !is_over() {
        wait.wait();
    }
}
