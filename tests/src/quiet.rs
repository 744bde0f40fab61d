//! Does a program do nothing while there is nothing to do?
//!
//! A loop that waits for nothing shows in three ways: tasks are polled, workers fall asleep and wake up again, the process uses a processor. Each is looked at over an interval; one quiet
//! interval is enough, since such a loop has none. It is a process's business: whoever asks does so in a process of its own.

use crate::guard;
use filch::runtime::RuntimeMetrics;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// How long an interval lasts. The loops meant here go round more than ten thousand times in it, or a hundred where a machine is overloaded.
const INTERVAL: Duration = Duration::from_millis(100);
/// How many polls and how many naps a quiet interval may have: the timers of a test, the sentinel.
const STIRRINGS_MAX: u64 = 20;
/// Which part of an interval the processor may be used, as a divisor.
const BUSY_PART: u32 = 4;

/// What a runtime has done so far.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Polls of tasks.
    pub polls: u64,
    /// How often workers have fallen asleep.
    pub parks: u64,
}

impl Work {
    /// All that was done until now.
    #[must_use]
    pub fn so_far(metrics: &RuntimeMetrics) -> Self {
        let workers = 0..metrics.num_workers();
        let polls: u64 = workers.clone().map(|w| metrics.worker_poll_count(w)).sum();
        Self {
            polls: polls + metrics.spare_poll_count(),
            parks: workers.map(|w| metrics.worker_park_count(w)).sum(),
        }
    }

    /// What was done after `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            polls: self.polls - before.polls,
            parks: self.parks - before.parks,
        }
    }
}

/// Waits until the process is at rest.
///
/// # Panics
///
/// If it never is.
pub fn rest(metrics: &RuntimeMetrics) {
    guard::eventually("nothing goes on while there is nothing to do", || {
        is_quiet(metrics).then_some(())
    });
}

#[expect(clippy::disallowed_methods, reason = "tests wait in real time")]
fn is_quiet(metrics: &RuntimeMetrics) -> bool {
    let (begun, busy, work) = (Instant::now(), cpu_time(), Work::so_far(metrics));
    thread::sleep(INTERVAL);
    let done = Work::so_far(metrics).since(work);
    done.polls <= STIRRINGS_MAX
        && done.parks <= STIRRINGS_MAX
        && (cpu_time() - busy) * BUSY_PART <= begun.elapsed()
}

/// The time that all threads of the process have used a processor.
///
/// # Panics
///
/// If the clock cannot be read.
#[must_use]
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel fills in the struct, which is ours.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "{}", io::Error::last_os_error());
    let seconds = u64::try_from(time.tv_sec).expect("a time after the start");
    let nanos = u32::try_from(time.tv_nsec).expect("less than a second");
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use filch::runtime::Builder;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_loop_that_waits_for_nothing_is_not_quiet() {
        let rt = Builder::new().worker_threads(1).build().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let until = is_over.clone();
        let looping = rt.spawn(async move {
            while !until.load(Ordering::SeqCst) {
                filch::yield_now().await;
            }
        });
        // A machine that is overloaded may let the loop rest for an interval, not for many.
        let noticed = (0..10).filter(|_| !is_quiet(&rt.metrics())).count();
        assert!(noticed >= 5, "noticed {noticed} times");
        is_over.store(true, Ordering::SeqCst);
        rt.block_on(looping).unwrap();
    }
}
