//! When was that, in four bytes?
//!
//! A [`Stamp`]: milliseconds since the process first asked for one. For what is noted often and compared seldom, as when a descriptor became ready: an `Instant` has sixteen bytes, and the
//! difference of two takes some twenty instructions.
//!
//! It comes round after 49 days; of two that are compared, the one that lies less than half of that ahead is the later one.

#![cfg_attr(
    any(loom, shuttle),
    expect(
        unreachable_pub,
        reason = "its public name is in `time`, which models do without"
    )
)]

use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Since when milliseconds are counted.
static BEGUN: OnceLock<Instant> = OnceLock::new();

/// A point in time to the millisecond, for waits of seconds.
///
/// # Units and limits
///
/// Milliseconds. It comes round after 49 days: two that lie more than 24 days apart cannot be told from two that are in the other order.
///
/// # Examples
///
/// ```
/// use filch::time::{Duration, Stamp};
///
/// let stamp = Stamp::recent();
/// let later = stamp + Duration::from_millis(20);
/// assert_eq!(later.millis_since(stamp), 20);
/// assert_eq!(stamp.millis_since(later), 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(NonZeroU32);

impl Stamp {
    /// The millisecond of this time, by whichever clock of the process.
    pub(crate) fn of(now: Instant) -> Self {
        let begun = *BEGUN.get_or_init(|| now);
        Self::from_millis(now.saturating_duration_since(begun).as_millis() as u32)
    }

    /// The stamp with these bits; none for zero, which no stamp has.
    #[must_use]
    #[inline]
    pub fn from_bits(bits: u32) -> Option<Self> {
        NonZeroU32::new(bits).map(Self)
    }

    /// What it is made of, to be kept in an atomic word.
    #[must_use]
    #[inline]
    pub fn to_bits(self) -> u32 {
        self.0.get()
    }

    fn from_millis(millis: u32) -> Self {
        // One millisecond in 49 days is told as the next.
        Self(NonZeroU32::new(millis).unwrap_or(NonZeroU32::MIN))
    }

    /// How many milliseconds lie between `earlier` and this; none if `earlier` is later.
    #[must_use]
    #[inline]
    pub fn millis_since(self, earlier: Self) -> u32 {
        let millis = self.0.get().wrapping_sub(earlier.0.get());
        if millis > i32::MAX as u32 { 0 } else { millis }
    }
}

impl std::ops::Add<Duration> for Stamp {
    type Output = Self;

    /// The point in time that much later, coming round.
    fn add(self, duration: Duration) -> Self {
        Self::from_millis(self.0.get().wrapping_add(duration.as_millis() as u32))
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn at(millis: u32) -> Stamp {
        Stamp::from_millis(millis)
    }

    #[test]
    fn the_later_one_is_the_one_that_lies_less_than_half_round_ahead() {
        assert_eq!(at(7).millis_since(at(5)), 2);
        assert_eq!(at(5).millis_since(at(7)), 0);
        assert_eq!(at(5).millis_since(at(5)), 0);
        assert_eq!(at(5).millis_since(at(u32::MAX - 4)), 10);
        assert_eq!(at(u32::MAX).millis_since(at(5)), 0);
        assert_eq!(at(1 << 31).millis_since(at(1)), (1 << 31) - 1);
        assert_eq!(at((1 << 31) + 1).millis_since(at(1)), 0);
    }

    #[test]
    fn zero_is_no_stamp() {
        assert_eq!(Stamp::from_bits(0), None);
        assert_eq!(at(0), at(1));
        let last = at(u32::MAX);
        assert_eq!(last + Duration::from_millis(1), at(1));
        assert_eq!(Stamp::from_bits(last.to_bits()), Some(last));
    }

    #[test]
    fn stamps_follow_the_clock() {
        use crate::sys::clock::{Clock, SystemClock};
        let now = SystemClock.now();
        let (earlier, later) = (Stamp::of(now), Stamp::of(now + Duration::from_millis(1500)));
        assert!((1499..=1500).contains(&later.millis_since(earlier)));
    }
}
