//! Which runtimes have virtual time, and how many seeds are worth trying?

use filch::Runtime;
use filch::runtime::Builder;
use std::ops::Range;

/// A runtime in which the seed decides everything.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn simulated(seed: u64) -> Runtime {
    Builder::new().simulated(seed).build().expect("a runtime")
}

/// An ordinary runtime whose clock stands still.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn paused() -> Runtime {
    let runtime = Builder::new().start_paused(true).build();
    runtime.expect("a runtime")
}

/// One of each kind. Miri knows too little of epoll for the second.
#[must_use]
pub fn both(seed: u64) -> Vec<Runtime> {
    let mut both = vec![simulated(seed)];
    if !cfg!(miri) {
        both.push(paused());
    }
    both
}

/// The first so many, and a few under Miri.
#[must_use]
pub fn seeds(count: u64) -> Range<u64> {
    0..if cfg!(miri) { 3 } else { count }
}
