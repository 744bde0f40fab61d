//! How much processor time has this process used?
//!
//! The kernel's clock of the process: user and system time of all its threads, also of those that have ended, as `getrusage(2)` adds them,
//! but in nanoseconds and without rounding to ticks. Rejected: `/proc/self/stat` (hundredths of a second), `/proc/self/task` (forgets who has
//! ended).

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// User and system time of the process so far.
pub fn used() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // Neither is ever negative.
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_used_stays_when_it_has_ended() {
        const WORK: Duration = Duration::from_millis(20);
        let before = used();
        let worker = std::thread::spawn(move || {
            while used() - before < WORK {
                std::hint::spin_loop();
            }
        });
        worker.join().expect("it does not panic");
        assert!(used() - before >= WORK);
    }
}
