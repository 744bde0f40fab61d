//! What can be done with a future, besides awaiting it?
//!
//! Give it less time, or let something else end it: [`FutureExt`] has that as methods of every future, [`race()`] as a function. For more than two, or different
//! handlers, there is [`select!`](crate::select!).

use crate::select::select_start;
use crate::time::{self, Instant, Timeout};
use pin_project_lite::pin_project;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Runs two futures until the first is done, and gives its output; the other one is dropped.
///
/// Where both are ready, chance decides: each poll begins with either one. Where they differ in the types of their outputs, or the order matters, use
/// [`select!`](crate::select!).
///
/// # Cancel safety
///
/// As safe as both futures: the one that loses is dropped where it stands, and so are both when the [`Race`] is dropped. To go on with one of them afterwards,
/// give `&mut future` (pinned).
///
/// # Examples
///
/// ```
/// use filch::future::race;
/// use filch::time::{Duration, sleep};
///
/// async fn after(ms: u64, text: &str) -> &str {
///     sleep(Duration::from_millis(ms)).await;
///     text
/// }
///
/// let rt = filch::Runtime::new()?;
/// let first = rt.block_on(race(after(60_000, "slow"), after(1, "fast")));
/// assert_eq!(first, "fast");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn race<A, B>(one: A, other: B) -> Race<A::IntoFuture, B::IntoFuture>
where
    A: IntoFuture,
    B: IntoFuture<Output = A::Output>,
{
    Race {
        one: one.into_future(),
        other: other.into_future(),
    }
}

pin_project! {
    /// The future of [`race()`] and [`FutureExt::race`].
    ///
    /// # Cancel safety
    ///
    /// As safe as both futures, which are dropped with it.
    #[derive(Debug)]
    #[must_use = "a race does not begin until it is awaited or polled"]
    pub struct Race<A, B> {
        #[pin]
        one: A,
        #[pin]
        other: B,
    }
}

impl<A: Future, B: Future<Output = A::Output>> Future for Race<A, B> {
    type Output = A::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if select_start(2) == 0 {
            first(this.one, this.other, cx)
        } else {
            first(this.other, this.one, cx)
        }
    }
}

/// Polls this one, and the other if that is not ready.
fn first<T>(
    this: Pin<&mut impl Future<Output = T>>,
    other: Pin<&mut impl Future<Output = T>>,
    cx: &mut Context<'_>,
) -> Poll<T> {
    match this.poll(cx) {
        Poll::Ready(output) => Poll::Ready(output),
        Poll::Pending => other.poll(cx),
    }
}

/// Methods of every future.
///
/// # Examples
///
/// ```
/// use filch::future::FutureExt;
/// use filch::time::{Duration, sleep};
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let work = async { "done" };
///     assert_eq!(work.timeout(Duration::from_secs(60)).await, Ok("done"));
///
///     let endless = std::future::pending::<()>();
///     let stop = sleep(Duration::from_millis(1));
///     assert!(endless.with_cancellation(stop).await.is_err());
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait FutureExt: Future {
    /// Gives the future that long to finish; the same as [`time::timeout`](crate::time::timeout()).
    ///
    /// # Errors
    ///
    /// The output is `Err(Elapsed)` if the time was up first.
    ///
    /// # Panics
    ///
    /// The `Timeout` panics when it has to wait outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// As safe as the future, which is dropped when the time is up, or with the `Timeout`.
    fn timeout(self, duration: Duration) -> Timeout<Self>
    where
        Self: Sized,
    {
        time::timeout(duration, self)
    }

    /// Gives the future until a point in time to finish; the same as [`time::timeout_at`].
    ///
    /// # Errors
    ///
    /// The output is `Err(Elapsed)` if the time was up first.
    ///
    /// # Panics
    ///
    /// The `Timeout` panics when it has to wait outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// As safe as the future, which is dropped when the time is up, or with the `Timeout`.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::future::FutureExt;
    /// use filch::time::{Duration, Instant};
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let deadline = Instant::now() + Duration::from_millis(2);
    ///     let endless = std::future::pending::<()>();
    ///     assert!(endless.timeout_at(deadline).await.is_err());
    ///     assert!(Instant::now() >= deadline);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn timeout_at(self, deadline: Instant) -> Timeout<Self>
    where
        Self: Sized,
    {
        time::timeout_at(deadline, self)
    }

    /// Runs the future until `stop` is done, whatever that gives.
    ///
    /// `stop` is polled first: if it is done already, the future is not polled any more, or at all. So a loop around a future that is always ready comes to its end,
    /// and no output is lost that was there already.
    ///
    /// # Errors
    ///
    /// The output is `Err(Cancelled)` if `stop` was done first.
    ///
    /// # Cancel safety
    ///
    /// As safe as the future, which is dropped where it stands when `stop` is done, or with the [`WithCancellation`]. To go on with it afterwards, give
    /// `&mut future` (pinned).
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::future::{Cancelled, FutureExt};
    /// use std::future::{pending, ready};
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     assert_eq!(ready(1).with_cancellation(pending::<()>()).await, Ok(1));
    ///     let cancelled: Result<u32, Cancelled> = ready(1).with_cancellation(ready(())).await;
    ///     assert!(cancelled.is_err());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn with_cancellation<S: IntoFuture>(self, stop: S) -> WithCancellation<Self, S::IntoFuture>
    where
        Self: Sized,
    {
        WithCancellation {
            future: self,
            stop: stop.into_future(),
        }
    }

    /// Runs both futures until the first is done, and gives its output; the same as [`race()`].
    ///
    /// # Cancel safety
    ///
    /// As safe as both futures: the one that loses is dropped where it stands, and so are both when the [`Race`] is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::future::FutureExt;
    ///
    /// let rt = filch::Runtime::new()?;
    /// let first = rt.block_on(std::future::pending().race(async { 7 }));
    /// assert_eq!(first, 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn race<B>(self, other: B) -> Race<Self, B::IntoFuture>
    where
        Self: Sized,
        B: IntoFuture<Output = Self::Output>,
    {
        race(self, other)
    }
}

impl<F: Future + ?Sized> FutureExt for F {}

pin_project! {
    /// The future of [`FutureExt::with_cancellation`].
    ///
    /// # Cancel safety
    ///
    /// As safe as both futures, which are dropped with it.
    #[derive(Debug)]
    #[must_use = "a future does nothing until it is awaited or polled"]
    pub struct WithCancellation<F, S> {
        #[pin]
        future: F,
        #[pin]
        stop: S,
    }
}

impl<F: Future, S: Future> Future for WithCancellation<F, S> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.stop.poll(cx).is_ready() {
            return Poll::Ready(Err(Cancelled(())));
        }
        Poll::Ready(Ok(ready!(this.future.poll(cx))))
    }
}

/// A future was not done when it was told to stop; see [`FutureExt::with_cancellation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled(());

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation was cancelled before it was done")
    }
}

impl Error for Cancelled {}
