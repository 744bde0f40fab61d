//! Why not `std::time::Instant` itself?
//!
//! Because [`Instant::now`] asks the runtime's clock, which a simulation may own, and because arithmetic that leaves the
//! range of the clock should mean "as far as it goes", not a panic: a deadline of `now + Duration::MAX` is an ordinary way
//! to say "none". Everything else is the standard library's.

use crate::runtime::context;
use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

/// A point in time on the runtime's clock.
///
/// Like [`std::time::Instant`], which it converts from and into, with the same arithmetic; where that would panic because the
/// result cannot be represented, this one saturates.
///
/// # Examples
///
/// ```
/// use filch::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let later = start + Duration::from_secs(2);
/// assert_eq!(later - start, Duration::from_secs(2));
/// assert_eq!(start - later, Duration::ZERO);
/// assert!(start + Duration::MAX > later);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(std::time::Instant);

impl Instant {
    /// The present, by the clock of the current runtime; outside of one, by the system's.
    #[must_use]
    pub fn now() -> Self {
        Self(context::now())
    }

    /// Nearly the present, for next to nothing: on a worker what its last look at the clock showed, anywhere else
    /// [`now`](Self::now). For deadlines of seconds, where a look at the clock (some 45 ns) would be paid for each request.
    ///
    /// # Units and limits
    ///
    /// A worker looks at the clock after some 100 us of polls, and a single poll that lasts longer is noticed after some milliseconds, as a rule no
    /// more than five; then this looks itself. It never lies ahead of the present, and goes back on no worker; two workers differ.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::time::Instant;
    ///
    /// # filch::Runtime::new()?.block_on(async {
    /// let nearly = filch::spawn(async { Instant::recent() }).await?;
    /// assert!(nearly <= Instant::now());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn recent() -> Self {
        Self(context::recent())
    }

    /// The same point in time for the standard library.
    #[must_use]
    pub fn into_std(self) -> std::time::Instant {
        self.0
    }

    /// The same point in time, from the standard library.
    #[must_use]
    pub fn from_std(instant: std::time::Instant) -> Self {
        Self(instant)
    }

    /// The time that has passed since then; zero if it lies ahead.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// The time from `earlier` to this; zero if `earlier` is later.
    #[must_use]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The time from `earlier` to this; `None` if `earlier` is later.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_duration_since(earlier.0)
    }

    /// The time from `earlier` to this; zero if `earlier` is later. The same as [`Self::duration_since`].
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }

    /// The point in time that much later; `None` if the clock does not reach that far.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    /// The point in time that much earlier; `None` if the clock does not reach that far.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// The point in time that much later, or the last one there is.
    fn add(self, duration: Duration) -> Self {
        self.checked_add(duration)
            .unwrap_or_else(|| self.as_far_as(Self::checked_add))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// The point in time that much earlier, or the first one there is.
    fn sub(self, duration: Duration) -> Self {
        self.checked_sub(duration)
            .unwrap_or_else(|| self.as_far_as(Self::checked_sub))
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// The time from `earlier` to this; zero if `earlier` is later.
    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

impl From<std::time::Instant> for Instant {
    fn from(instant: std::time::Instant) -> Self {
        Self(instant)
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> Self {
        instant.0
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Instant {
    /// The end of the clock's range in the direction of `step`, which the standard library does not name: found by
    /// steps of half the size each.
    #[cold]
    fn as_far_as(self, step: fn(&Self, Duration) -> Option<Self>) -> Self {
        let seconds = (0..u64::BITS)
            .rev()
            .map(|bit| Duration::from_secs(1 << bit));
        let nanos = (0..30).rev().map(|bit| Duration::from_nanos(1 << bit));
        seconds
            .chain(nanos)
            .fold(self, |so_far, by| step(&so_far, by).unwrap_or(so_far))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANO: Duration = Duration::from_nanos(1);

    #[test]
    fn addition_ends_at_the_end_of_the_clock() {
        let last = Instant::now() + Duration::MAX;
        assert_eq!(last.checked_add(NANO), None);
        assert_eq!(last + NANO, last);
        assert_eq!(Instant::now() + Duration::MAX, last);
        assert_eq!(last - NANO + NANO, last);
    }

    #[test]
    fn subtraction_ends_at_the_beginning() {
        let first = Instant::now() - Duration::MAX;
        assert_eq!(first.checked_sub(NANO), None);
        assert_eq!(first - NANO, first);
        assert_eq!(first - Instant::now(), Duration::ZERO);
    }

    #[test]
    fn the_rest_is_as_in_the_standard_library() {
        let start = Instant::now();
        let mut later = start;
        later += Duration::from_millis(1500);
        assert_eq!(
            later.into_std() - start.into_std(),
            Duration::from_millis(1500)
        );
        assert_eq!(later - start, Duration::from_millis(1500));
        assert_eq!(later.checked_duration_since(start), Some(later - start));
        assert_eq!(start.checked_duration_since(later), None);
        later -= Duration::from_millis(1500);
        assert_eq!(later, start);
        assert_eq!(Instant::from(std::time::Instant::from(start)), start);
    }
}
