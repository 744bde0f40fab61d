//! How does a connection keep a deadline that moves, without touching a timer each time?
//!
//! [`Deadline`] remembers when something is due and has one timer, armed for that moment or earlier. A deadline that
//! moves away, as it does with each piece of a body, only changes the memory: when the timer goes off too early, it is armed
//! for the rest. So a busy connection costs the wheel one entry per timeout, not one per piece. The timer is made when it is needed first, which for the [`Work`](super::work::Work) of a connection is shortly before the end, and goes with that or with the body whose it is: a connection that waits for a
//! request has none, and is watched by the [`sweep`](super::sweep).
//!
//! Nor does it look at the clock while it waits: the timer says by itself whether it has gone off, which is one load. While it has not,
//! it is still to wake the task, no later than the moment that is watched for; when it has, the clock says what that means.
//!
//! That no deadline is lost: the timer is marked as gone off before it wakes the task. A poll that was begun by that wake, or later, sees the mark. One that does not see it has the wake
//! still ahead: it is polled again.
//!
//! Rejected: a look at a recent time in place of the timer. One that had gone off by the clock of another worker was taken for armed still, and nobody woke the task any more.

use filch::time::{Instant, Sleep, sleep_until};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A moment that is watched for.
#[derive(Default)]
pub(crate) struct Deadline {
    due: Option<Instant>,
    /// Knows for when it is armed.
    timer: Option<Pin<Box<Sleep>>>,
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

    /// Whether it has a timer.
    #[inline]
    pub(crate) fn is_armed(&self) -> bool {
        self.timer.is_some()
    }

    /// Whether the moment has come. Nobody is woken for it.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| now >= due)
    }

    /// Whether the moment has come. Otherwise the task is woken when it has, or before. It must be the same task each
    /// time: the timer is not told anew whom to wake.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else {
            return Poll::Pending;
        };
        match &self.timer {
            Some(timer) if timer.deadline() <= due && !timer.is_elapsed() => Poll::Pending,
            _ => self.arm_slow(due, cx),
        }
    }

    /// The same for whichever task asks.
    pub(crate) fn poll_from_any_task(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => self.tell(cx),
        }
    }

    /// Tells the timer whom to wake. If it has gone off by now, it is armed for the rest.
    fn tell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(due), Some(timer)) = (self.due, &mut self.timer) else {
            return Poll::Pending;
        };
        ready!(timer.as_mut().poll(cx));
        self.arm_slow(due, cx)
    }

    #[cold]
    fn arm_slow(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= due {
            return Poll::Ready(());
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
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

#[cfg(test)]
mod tests {
    use super::*;
    use filch::runtime::Builder;
    use filch::time::Duration;
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    const SECOND: Duration = Duration::from_secs(1);

    /// Runs it in virtual time, which goes on to the next timer when all wait; where there is none, the test has failed.
    fn in_virtual_time<R>(f: impl Future<Output = R>) -> R {
        let runtime = Builder::new().simulated(1).build();
        runtime.expect("a runtime").block_on(f)
    }

    /// Waits for the deadline, and counts how often that is polled.
    async fn over(deadline: &mut Deadline) -> usize {
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            deadline.poll(cx)
        })
        .await;
        polls
    }

    /// Its timer goes off before it is due. If that were overlooked, nobody would wake the task any more.
    #[test]
    fn one_that_moves_away_is_kept() {
        in_virtual_time(async {
            let begin = Instant::now();
            let mut deadline = Deadline::default();
            deadline.set(begin + SECOND);
            let noted = poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await;
            assert!(noted.is_pending());
            deadline.set(begin + 3 * SECOND);
            // Its first poll, that of the timer which is too early, and the last.
            assert_eq!(over(&mut deadline).await, 3);
            assert_eq!(Instant::now() - begin, 3 * SECOND);
        });
    }

    /// The timer goes off while nothing is watched for, and its wake is used up by then.
    #[test]
    fn one_that_is_set_after_the_timer_has_gone_off_is_kept() {
        in_virtual_time(async {
            let begin = Instant::now();
            let mut deadline = Deadline::default();
            deadline.set(begin + SECOND);
            let noted = poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await;
            assert!(noted.is_pending());
            deadline.clear();
            filch::time::sleep(2 * SECOND).await;
            // Later than the timer was armed for, as a busy connection's is.
            deadline.set(begin + 5 * SECOND);
            over(&mut deadline).await;
            assert_eq!(Instant::now() - begin, 5 * SECOND);
        });
    }

    #[test]
    fn one_that_comes_nearer_is_not_late() {
        in_virtual_time(async {
            let begin = Instant::now();
            let mut deadline = Deadline::default();
            deadline.set(begin + 9 * SECOND);
            let noted = poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await;
            assert!(noted.is_pending());
            deadline.set(begin + SECOND);
            over(&mut deadline).await;
            assert_eq!(Instant::now() - begin, SECOND);
        });
    }

    #[test]
    fn one_that_is_past_is_over_at_once() {
        in_virtual_time(async {
            let mut deadline = Deadline::default();
            deadline.set(Instant::now());
            assert_eq!(over(&mut deadline).await, 1);
        });
    }

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The task that is woken is the one that has asked last, also when the timer has gone off for another.
    #[test]
    fn whichever_task_asks_is_woken() {
        in_virtual_time(async {
            let begin = Instant::now();
            let mut deadline = Deadline::default();
            let [first, second] = [(); 2].map(|()| Arc::new(Count(AtomicUsize::new(0))));
            let poll = |deadline: &mut Deadline, by: &Arc<Count>| {
                let waker = Waker::from(by.clone());
                deadline.poll_from_any_task(&mut Context::from_waker(&waker))
            };
            deadline.set(begin + SECOND);
            assert!(poll(&mut deadline, &first).is_pending());
            assert!(poll(&mut deadline, &second).is_pending());
            deadline.set(begin + 3 * SECOND);
            filch::time::sleep(2 * SECOND).await;
            let woken = |count: &Count| count.0.load(Ordering::Relaxed);
            assert_eq!((woken(&first), woken(&second)), (0, 1));
            assert!(poll(&mut deadline, &first).is_pending());
            filch::time::sleep(2 * SECOND).await;
            assert_eq!((woken(&first), woken(&second)), (1, 1));
            assert!(poll(&mut deadline, &first).is_ready());
        });
    }
}
