//! How does a thread wait for another one that is between two instructions?
//!
//! Somebody has claimed a place and has yet to say that it is done. As a rule that takes it some nanoseconds; if it was preempted there, the processor is better left to it.

use crate::sys::sync::{hint, thread};

/// So often it spins, 1, 2, 4 and so on times, before it begins to yield: 63 pauses, about 2 us. A guess.
const SPINS: u32 = 6;

/// How long this thread has waited for another one.
#[derive(Debug, Default)]
pub(super) struct Snooze(u32);

impl Snooze {
    /// Waits for a moment, each time longer.
    #[cold]
    pub(super) fn wait(&mut self) {
        if cfg!(any(loom, shuttle)) || self.0 >= SPINS {
            thread::yield_now();
            return;
        }
        for _ in 0..1_u32 << self.0 {
            hint::spin_loop();
        }
        self.0 += 1;
    }
}
