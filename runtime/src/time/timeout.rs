//! How long may a future take?
//!
//! A [`Timeout`] polls the future first and the [`Sleep`] second: a future that is done never loses against a deadline
//! that has passed meanwhile, and one that is done at once never touches a timer.

use crate::time::error::Elapsed;
use crate::time::{Instant, Sleep, sleep, sleep_until};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Gives a future that long to finish; then it is dropped with the [`Timeout`].
///
/// The future is polled first: if it is done when the time is up, its output counts. A duration that reaches beyond the
/// clock means for ever.
///
/// A future that computes without ever waiting cannot be interrupted.
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
/// As safe as the future it runs: when the time is up, or the `Timeout` is dropped, the future is dropped where it stands. To
/// go on with it afterwards, give `&mut future` (pinned) to `timeout`.
///
/// # Examples
///
/// ```
/// use filch::time::{Duration, sleep, timeout};
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let quick = timeout(Duration::from_secs(60), async { "done" }).await;
///     assert_eq!(quick, Ok("done"));
///
///     let slow = timeout(Duration::from_millis(2), sleep(Duration::from_secs(60))).await;
///     assert!(slow.is_err());
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        sleep: sleep(duration),
    }
}

/// Gives a future until a point in time to finish; otherwise like [`timeout`].
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
/// As safe as the future it runs; see [`timeout`].
///
/// # Examples
///
/// One deadline for several steps:
///
/// ```
/// use filch::time::{Duration, Instant, error::Elapsed, timeout_at};
///
/// # async fn connect() -> u32 { 7 }
/// # async fn ask(connection: u32) -> u32 { connection + 1 }
/// let rt = filch::Runtime::new()?;
/// let answer = rt.block_on(async {
///     let deadline = Instant::now() + Duration::from_secs(60);
///     let connection = timeout_at(deadline, connect()).await?;
///     timeout_at(deadline, ask(connection)).await
/// });
/// assert_eq!(answer, Ok::<_, Elapsed>(8));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        sleep: sleep_until(deadline),
    }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    ///
    /// # Cancel safety
    ///
    /// As safe as the future in it, which is dropped with it.
    #[derive(Debug)]
    #[must_use = "a timeout does nothing until it is awaited or polled"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        #[pin]
        sleep: Sleep,
    }
}

impl<F> Timeout<F> {
    /// The future inside.
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// The future inside.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// The future inside, freed from the deadline.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // A future that uses up the task's budget in each poll must not escape its deadline by that.
        this.sleep.poll_elapsed(cx).map(|()| Err(Elapsed::new()))
    }
}
