//! What time is it, and who says so?
//!
//! A [`Clock`]. There is one per runtime: [`SystemClock`] outside of tests, and a [`VirtualClock`] in a simulation and where time
//! can be paused. Nobody else asks the operating system, which a lint checks, so that a run can be replayed with the same
//! times.
//!
//! Times are `std::time::Instant` and not a number of our own: a deadline that a user computed with the standard
//! library must mean the same thing here. A simulated clock adds to an instant it has read once.
//!
//! A reading costs 20 to 50 ns (the vDSO; measured 46 ns on the project's machine, 2 cores, November 2026), three times
//! an empty task. So time is read once per batch of polls and handed down as an argument, never once per poll.

use std::fmt::Debug;
use std::time::Instant;

/// A source of time that never goes backwards.
pub(crate) trait Clock: Send + Sync + Debug {
    /// The present.
    fn now(&self) -> Instant;

    /// Whether it moves by itself only, so that what it showed a moment ago is nearly the present.
    fn is_steady(&self) -> bool {
        false
    }
}

/// The operating system's monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> Instant {
        system_now()
    }

    #[inline]
    fn is_steady(&self) -> bool {
        true
    }
}

#[cfg(not(shuttle))]
#[inline]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the door that the lint points to"
)]
fn system_now() -> Instant {
    Instant::now()
}

/// In a model each look takes a moment, always the same, so that a run can be repeated. (All threads of a model are one of the system's.)
#[cfg(shuttle)]
#[expect(clippy::disallowed_methods, reason = "it has to begin somewhere")]
fn system_now() -> Instant {
    use std::cell::Cell;
    use std::time::Duration;

    std::thread_local! {
        static NOW: Cell<Instant> = Cell::new(Instant::now());
    }
    NOW.with(|now| now.replace(now.get() + Duration::from_micros(250)))
}

mod stamp;
mod virtual_clock;

#[cfg_attr(
    any(loom, shuttle),
    expect(
        unreachable_pub,
        reason = "its public name is in `time`, which models do without"
    )
)]
pub use stamp::Stamp;
pub(crate) use virtual_clock::VirtualClock;

#[cfg(all(test, not(any(loom, shuttle))))]
pub(crate) use manual::ManualClock;

#[cfg(all(test, not(any(loom, shuttle))))]
mod manual {
    use super::{Clock, SystemClock};
    use crate::sys::sync::Mutex;
    use std::time::{Duration, Instant};

    /// A clock that stands still until it is told to move.
    #[derive(Debug)]
    pub(crate) struct ManualClock {
        now: Mutex<Instant>,
    }

    impl ManualClock {
        /// A clock that shows the real time of its making.
        pub(crate) fn new() -> Self {
            Self {
                now: Mutex::new(SystemClock.now()),
            }
        }

        /// Moves the hands forward.
        pub(crate) fn advance(&self, by: Duration) {
            let mut now = self.now.lock();
            *now += by;
        }
    }

    impl Clock for ManualClock {
        fn now(&self) -> Instant {
            *self.now.lock()
        }
    }

    mod tests {
        use super::*;

        #[test]
        fn a_manual_clock_moves_only_when_told() {
            let clock = ManualClock::new();
            let start = clock.now();
            assert_eq!(clock.now(), start);
            clock.advance(Duration::from_millis(3));
            assert_eq!(clock.now() - start, Duration::from_millis(3));
        }

        #[test]
        fn the_system_clock_does_not_go_back() {
            let earlier = SystemClock.now();
            assert!(SystemClock.now() >= earlier);
        }
    }
}
