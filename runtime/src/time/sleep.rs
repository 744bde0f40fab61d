//! How does a future wait for a time?
//!
//! A [`Sleep`] is a deadline and an entry of a timing wheel (see [`crate::timer`]). It is put into the wheel of the worker
//! that polls it first, and leaves it when it fires, is reset or is dropped; a sleep that is never polled, as that of a
//! timeout whose future was done at once, costs two words to write.
//!
//! Rejected: a first poll that looks whether the deadline has passed already. It costs a reading of the clock (46 ns) in
//! every sleep to save a turn in few, and a loop around `sleep(Duration::ZERO)` would never let anybody else run.

use crate::runtime::context;
use crate::time::Instant;
use crate::timer::{Entry, Polled};
use crate::util::budget;
use crate::util::wait_reason::{self, WaitReason};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Waits for a while.
///
/// A duration that reaches beyond the clock means for ever.
///
/// # Units and limits
///
/// Rounded up to the next millisecond of the runtime: never shorter, and at most 1 ms longer plus the time until a worker
/// looks. `sleep(Duration::ZERO)` waits for that next millisecond too; to let others run, there is
/// [`yield_now`](crate::yield_now).
///
/// # Panics
///
/// The future panics when it is polled outside of a runtime.
///
/// # Cancel safety
///
/// Dropping it cancels the wait and loses nothing else. A new `sleep` begins anew; to go on with the same deadline, keep
/// the [`Sleep`] pinned and poll it by reference, or use [`sleep_until`].
///
/// # Examples
///
/// ```
/// use filch::time::{Duration, Instant, sleep};
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let start = Instant::now();
///     sleep(Duration::from_millis(5)).await;
///     assert!(start.elapsed() >= Duration::from_millis(5));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now() + duration)
}

/// Waits until a point in time; if that is past, until a worker looks next.
///
/// # Panics
///
/// The future panics when it is polled outside of a runtime.
///
/// # Cancel safety
///
/// Dropping it cancels the wait and loses nothing: another `sleep_until` of the same deadline takes its place.
///
/// # Examples
///
/// ```
/// use filch::time::{Duration, Instant, sleep_until};
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let deadline = Instant::now() + Duration::from_millis(5);
///     sleep_until(deadline).await;
///     assert!(Instant::now() >= deadline);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        deadline,
        entry: Entry::new(),
    }
}

pin_project! {
    /// The future of [`sleep`] and [`sleep_until`].
    ///
    /// It may be polled from any task and thread of a runtime, one after the other, and dropped anywhere. Once it is
    /// done it stays so: polled again it is ready again, until [`Sleep::reset`]. When its runtime ends it is
    /// done at once.
    ///
    /// # Units and limits
    ///
    /// 72 bytes, all a timer needs.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it takes its timer along, and nobody is woken. A borrow (`&mut sleep`, pinned) may be dropped and the sleep awaited again: the deadline stays.
    ///
    /// # Examples
    ///
    /// A deadline that moves, as that of an idle connection:
    ///
    /// ```
    /// use filch::time::{Duration, Instant, sleep};
    /// use std::pin::pin;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let start = Instant::now();
    ///     let mut idle = pin!(sleep(Duration::from_millis(2)));
    ///     idle.as_mut().reset(start + Duration::from_millis(8));
    ///     idle.as_mut().await;
    ///     assert!(start.elapsed() >= Duration::from_millis(8));
    ///     assert!(idle.is_elapsed());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[derive(Debug)]
    #[must_use = "a sleep does nothing until it is awaited or polled"]
    pub struct Sleep {
        deadline: Instant,
        #[pin]
        entry: Entry,
    }
}

impl Sleep {
    /// The time it waits for.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// True when the wait is over, so that the next poll is ready. A sleep that was not polled yet waits for nothing.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        self.entry.is_fired()
    }

    /// Waits for another time, earlier or later, from now on; a sleep that is done is to be polled anew.
    ///
    /// The task that polled last is woken at the new time even if it does not poll again before. A wake-up that was on its
    /// way already still arrives.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        *this.deadline = deadline;
        let mut entry = this.entry;
        if entry.is_armed() {
            rearm(entry, deadline);
        } else {
            drop(entry.as_mut().disarm());
        }
    }

    /// Polls without asking the cooperative budget.
    pub(crate) fn poll_elapsed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let mut entry = this.entry;
        match entry.as_mut().poll(cx.waker()) {
            Polled::Armed => wait(),
            Polled::Fired => Poll::Ready(()),
            Polled::Idle => arm(entry, *this.deadline, cx),
        }
    }

    /// True while it stands in a wheel.
    pub(super) fn is_armed(&self) -> bool {
        self.entry.is_armed()
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_elapsed(cx));
        // It stays elapsed, also if the task has to give up its turn first.
        budget::poll_take(cx)
    }
}

fn arm(entry: Pin<&mut Entry>, deadline: Instant, cx: &Context<'_>) -> Poll<()> {
    let (timers, by_owner) = context::timers()
        .expect("waiting for time needs a runtime: await it within a task or Runtime::block_on");
    match entry.arm(timers, deadline.into_std(), cx.waker().clone(), by_owner) {
        Polled::Fired => Poll::Ready(()),
        Polled::Armed | Polled::Idle => wait(),
    }
}

fn wait() -> Poll<()> {
    wait_reason::note(WaitReason::Timer);
    Poll::Pending
}

/// In passing, the sleep moves to the worker that uses it now.
fn rearm(mut entry: Pin<&mut Entry>, deadline: Instant) {
    let deadline = deadline.into_std();
    match context::timers() {
        None => entry.rearm(deadline, false),
        Some((timers, by_owner)) if entry.as_mut().is_home(&timers) => {
            entry.rearm(deadline, by_owner);
        }
        Some((timers, by_owner)) => {
            if let Some(waker) = entry.as_mut().disarm() {
                let _armed = entry.arm(timers, deadline, waker, by_owner);
            }
        }
    }
}
