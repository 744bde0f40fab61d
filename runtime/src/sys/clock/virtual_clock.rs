//! What time is it where somebody else decides?
//!
//! A hand that stands still until it is moved. It can also be let go, and then moves with the system's clock from where it stood: that is what
//! resuming a paused runtime means. Only runtimes that were built for it have such a clock, so the others pay nothing.
//!
//! Rejected: a word in every runtime's clock that says whether it stands still. It would cost each reading a load, for runtimes whose time
//! could not be moved in a sound way anyway (docs/decisions/virtual-time.md).

use super::{Clock, SystemClock};
use crate::sys::sync::Mutex;
use std::time::{Duration, Instant};

/// A clock that stands still, or goes from where it was let go.
#[derive(Debug)]
pub(crate) struct VirtualClock {
    begun: Instant,
    hand: Mutex<Hand>,
}

#[derive(Debug, Clone, Copy)]
enum Hand {
    At(Instant),
    /// It shows `at` plus what has passed on the system's clock since `let_go`.
    Moving {
        at: Instant,
        let_go: Instant,
    },
}

impl Hand {
    fn shows(self) -> Instant {
        match self {
            Self::At(at) => at,
            Self::Moving { at, let_go } => {
                let passed = SystemClock.now().saturating_duration_since(let_go);
                // It may have been moved to the last time there is.
                at.checked_add(passed).unwrap_or(at)
            }
        }
    }
}

impl VirtualClock {
    /// A clock that stands still at the time of its making.
    pub(crate) fn new() -> Self {
        let begun = SystemClock.now();
        Self {
            begun,
            hand: Mutex::new(Hand::At(begun)),
        }
    }

    /// How far it has come since it was made.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now().saturating_duration_since(self.begun)
    }

    /// Whether it moves only when it is told to.
    pub(crate) fn stands_still(&self) -> bool {
        matches!(*self.hand.lock(), Hand::At(_))
    }

    /// Stops it where it is. False if it stood still already.
    pub(crate) fn stop(&self) -> bool {
        let mut hand = self.hand.lock();
        let moves = matches!(*hand, Hand::Moving { .. });
        *hand = Hand::At(hand.shows());
        moves
    }

    /// Lets it go on as the system's does. False if it went already.
    pub(crate) fn let_go(&self) -> bool {
        let mut hand = self.hand.lock();
        let Hand::At(at) = *hand else {
            return false;
        };
        let let_go = SystemClock.now();
        *hand = Hand::Moving { at, let_go };
        true
    }

    /// Moves it on to this time, unless it is later already, or moves by itself. False if it moves by itself.
    pub(crate) fn move_to(&self, time: Instant) -> bool {
        let mut hand = self.hand.lock();
        let Hand::At(at) = *hand else {
            return false;
        };
        *hand = Hand::At(at.max(time));
        true
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        self.hand.lock().shows()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_stands_still_until_it_is_moved() {
        let clock = VirtualClock::new();
        let start = clock.now();
        assert!(clock.stands_still());
        assert!(clock.move_to(start + SECOND));
        assert!(clock.move_to(start));
        assert_eq!(clock.now(), start + SECOND);
        assert_eq!(clock.elapsed(), SECOND);
    }

    #[test]
    fn let_go_it_goes_on_from_where_it_was() {
        let clock = VirtualClock::new();
        let start = clock.now();
        clock.move_to(start + 1000 * SECOND);
        assert!(clock.let_go());
        assert!(!clock.let_go());
        assert!(!clock.stands_still());
        assert!(!clock.move_to(start + 100_000 * SECOND));
        assert!(clock.now() >= start + 1000 * SECOND);
        assert!(clock.now() < start + 100_000 * SECOND);
        assert!(clock.stop());
        assert!(!clock.stop());
        let stopped = clock.now();
        assert_eq!(clock.now(), stopped);
    }
}
