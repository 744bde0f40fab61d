//! How does a connection keep its deadlines without touching a timer for each request?
//!
//! [`Deadline`] remembers when something is due and has one timer, armed for that moment or earlier. A deadline that
//! moves away, as it does with each request, only changes the memory: when the timer goes off too early, it is armed
//! for the rest. So a busy connection costs the wheel one entry per timeout, not one per request.

use filch::time::{Instant, Sleep, sleep_until};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A moment that is watched for.
#[derive(Default)]
pub(crate) struct Deadline {
    due: Option<Instant>,
    /// The timer and the moment it is armed for.
    armed: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Deadline {
    /// Watches for this moment, in place of any other.
    #[inline]
    pub(crate) fn set(&mut self, due: Instant) {
        self.due = Some(due);
    }

    /// Watches for none. The timer stays armed, and is ignored when it goes off.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.due = None;
    }

    /// Whether the moment has come. Nobody is woken for it.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| now >= due)
    }

    /// Whether the moment has come. Otherwise the task is woken when it has, or before. It must be the same task each
    /// time: the timer is not told anew whom to wake.
    ///
    /// `now` must be no older than the wake: a timer that has gone off is done, and one that is taken for armed still would never wake the task again.
    #[inline]
    pub(crate) fn poll(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else {
            return Poll::Pending;
        };
        if now >= due {
            return Poll::Ready(());
        }
        match &self.armed {
            Some((armed_for, _)) if now < *armed_for && *armed_for <= due => Poll::Pending,
            _ => self.arm_slow(due, cx),
        }
    }

    /// The same for whichever task asks.
    pub(crate) fn poll_from_any_task(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll(now, cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => self.tell(cx),
        }
    }

    /// Tells the timer whom to wake. If it has gone off by now, it is armed for the rest.
    fn tell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(due), Some((_, timer))) = (self.due, &mut self.armed) else {
            return Poll::Pending;
        };
        ready!(timer.as_mut().poll(cx));
        self.arm_slow(due, cx)
    }

    #[cold]
    fn arm_slow(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let (armed_for, timer) = self
            .armed
            .get_or_insert_with(|| (due, Box::pin(sleep_until(due))));
        if *armed_for != due {
            *armed_for = due;
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(cx)
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline")
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}
