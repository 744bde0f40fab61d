//! How does something happen every so often?
//!
//! An [`Interval`] keeps one [`Sleep`] and moves it on after each tick. The one question with several right answers is what to
//! do when the user came late for a tick; [`MissedTickBehavior`] names three.

use crate::time::{Instant, Sleep, sleep_until};
use crate::util::budget;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Ticks now and then every `period`.
///
/// # Panics
///
/// If `period` is zero: it would tick without end; use [`yield_now`](crate::yield_now) in a loop for that. Waiting for a
/// tick outside of a runtime panics too.
///
/// # Cancel safety
///
/// See [`Interval::tick`].
///
/// # Examples
///
/// ```
/// use filch::time::{Duration, Instant, interval};
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let start = Instant::now();
///     let mut beat = interval(Duration::from_millis(3));
///     beat.tick().await; // at once
///     beat.tick().await;
///     beat.tick().await;
///     assert!(start.elapsed() >= Duration::from_millis(6));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
#[must_use = "an interval does nothing until its ticks are awaited"]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks at `start` and then every `period`.
///
/// # Panics
///
/// If `period` is zero, and as [`interval`].
///
/// # Cancel safety
///
/// See [`Interval::tick`].
///
/// # Examples
///
/// ```
/// use filch::time::{Duration, Instant, interval_at};
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let start = Instant::now() + Duration::from_millis(2);
///     let mut beat = interval_at(start, Duration::from_millis(3));
///     assert_eq!(beat.tick().await, start);
///     assert_eq!(beat.tick().await, start + Duration::from_millis(3));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
#[must_use = "an interval does nothing until its ticks are awaited"]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(
        !period.is_zero(),
        "the period of an interval is zero; give it at least a nanosecond"
    );
    Interval {
        sleep: Box::pin(sleep_until(start)),
        period,
        missed: MissedTickBehavior::default(),
    }
}

/// A regular beat; made by [`interval`] and [`interval_at`].
///
/// # Examples
///
/// ```
/// use filch::time::{Duration, Interval, MissedTickBehavior, interval};
///
/// async fn third_tick(mut beat: Interval) {
///     beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
///     for _ in 0..3 {
///         beat.tick().await;
///     }
/// }
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async { third_tick(interval(Duration::from_millis(2))).await });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Interval {
    /// Until the next tick. In a box, so that an `Interval` can be moved between ticks.
    sleep: Pin<Box<Sleep>>,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick and returns the time it was due at. The first is due at the start.
    ///
    /// # Panics
    ///
    /// When it has to wait outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Safe: the tick is taken when the future is ready. Dropped before, nothing is lost, and the next call waits for the
    /// same tick.
    pub async fn tick(&mut self) -> Instant {
        std::future::poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Asks for the next tick; if it is not due yet, the task is woken when it is.
    ///
    /// # Panics
    ///
    /// When it has to wait outside of a runtime.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        if !self.is_overdue() {
            ready!(self.sleep.as_mut().poll_elapsed(cx));
        }
        ready!(budget::poll_take(cx));
        let due = self.sleep.deadline();
        let next = self.missed.next_tick(due, Instant::now(), self.period);
        self.sleep.as_mut().reset(next);
        Poll::Ready(due)
    }

    /// A tick that is due before anybody waited for it needs no timer.
    fn is_overdue(&self) -> bool {
        !self.sleep.is_armed() && self.sleep.deadline() <= Instant::now()
    }

    /// The next tick is one period from now.
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// The next tick is due at once.
    pub fn reset_immediately(&mut self) {
        self.reset_at(Instant::now());
    }

    /// The next tick is that long from now, the others one period apart from there.
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::now() + after);
    }

    /// The next tick is due at that time, the others one period apart from there.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline);
    }

    /// The time between two ticks.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// What happens when a tick is taken late.
    #[must_use]
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Chooses what happens when a tick is taken late.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }
}

/// What an [`Interval`] does when a tick is taken later than it was due.
///
/// With a period of 10 and a tick due at 20 that is taken at 47:
///
/// | | the next ticks are due at |
/// |---|---|
/// | [`Burst`](Self::Burst) | 30, 40 (both at once), 50, 60 |
/// | [`Delay`](Self::Delay) | 57, 67, 77 |
/// | [`Skip`](Self::Skip) | 50, 60, 70 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedTickBehavior {
    /// No tick is lost: those that were missed come one right after the other, until the beat is as it was.
    #[default]
    Burst,
    /// At least a period between two ticks: the beat starts anew from the late tick. Lateness of up to 5 ms (or a
    /// period, if that is shorter) counts as none, lest each tick's few microseconds add up.
    Delay,
    /// Those that were missed are lost, the others come when they would have come anyway.
    Skip,
}

impl MissedTickBehavior {
    /// When the tick after the one of `due` is due, which is taken `now`.
    fn next_tick(self, due: Instant, now: Instant, period: Duration) -> Instant {
        let late = now - due;
        match self {
            Self::Burst => due + period,
            Self::Delay if late <= LATENESS_IGNORED.min(period) => due + period,
            Self::Delay => now + period,
            Self::Skip => now + (period - remainder(late, period)),
        }
    }
}

/// What is left of `time` after as many whole periods as fit.
fn remainder(time: Duration, period: Duration) -> Duration {
    let nanos = time.as_nanos() % period.as_nanos();
    Duration::new((nanos / NANOS_PER_S) as u64, (nanos % NANOS_PER_S) as u32)
}

const NANOS_PER_S: u128 = 1_000_000_000;

/// A timer is up to a tick of the wheel (1 ms) late by rounding, and a few more under load. tokio's choice, too.
const LATENESS_IGNORED: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;
    use MissedTickBehavior::{Burst, Delay, Skip};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Milliseconds from the start to the next tick, when the one of `due` is taken at `now` and the period is 10.
    fn next(behavior: MissedTickBehavior, due: u64, now: u64) -> u128 {
        let start = Instant::now();
        (behavior.next_tick(start + ms(due), start + ms(now), ms(10)) - start).as_millis()
    }

    #[test]
    fn the_table_of_the_documentation() {
        assert_eq!((next(Burst, 20, 47), next(Burst, 30, 47)), (30, 40));
        assert_eq!(next(Delay, 20, 47), 57);
        assert_eq!(next(Skip, 20, 47), 50);
    }

    #[test]
    fn in_time_they_agree() {
        for behavior in [Burst, Delay, Skip] {
            assert_eq!(next(behavior, 20, 20), 30);
            assert_eq!(next(behavior, 20, 25), 30);
        }
        assert_eq!(next(Delay, 20, 26), 36);
    }

    #[test]
    fn skip_never_ticks_twice_for_one_time() {
        assert_eq!(next(Skip, 20, 29), 30);
        assert_eq!(next(Skip, 20, 30), 40);
        assert_eq!(next(Skip, 20, 31), 40);
    }

    #[test]
    fn long_periods_do_not_overflow() {
        let now = Instant::now();
        for behavior in [Burst, Delay, Skip] {
            assert!(behavior.next_tick(now, now, Duration::MAX) > now);
        }
        assert_eq!(remainder(Duration::MAX, Duration::MAX), Duration::ZERO);
        let almost = Duration::MAX - Duration::from_nanos(1);
        assert_eq!(remainder(almost, Duration::MAX), almost);
    }

    #[test]
    #[should_panic(expected = "give it at least a nanosecond")]
    fn a_period_of_zero_is_refused() {
        let _ = interval(Duration::ZERO);
    }
}
