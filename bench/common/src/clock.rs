//! Where does the benchmark take its time from?
//!
//! From the system, directly: a benchmark measures the world, so the rule that time comes from the runtime's clock does not hold here.

use std::time::{Duration, Instant};

/// The time. 46 ns a call where the project is measured; never called per coroutine.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time; nobody simulates it"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Blocks the thread. For threads that are no workers.
#[expect(
    clippy::disallowed_methods,
    reason = "called on threads that are no workers only"
)]
pub fn block_for(time: Duration) {
    std::thread::sleep(time);
}

/// Keeps the thread busy, by the clock: how many turns a loop makes in that time differs between programs.
pub fn spin_for(time: Duration) {
    let begun = now();
    while begun.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spin_lasts_as_long_as_it_says() {
        let (time, begun) = (Duration::from_millis(3), now());
        spin_for(time);
        assert!(begun.elapsed() >= time);
    }
}
