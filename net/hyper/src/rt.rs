//! Where does hyper run tasks, and how does it wait?
//!
//! On the runtime of whoever calls, by its tasks and its clock; so a server in `filch::runtime::simulate` has its timeouts in virtual time.

use filch::time::{Instant, Sleep, sleep_until};
use hyper::rt::{Executor, Timer};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{self, Duration};

/// Runs hyper's futures as tasks of the current runtime. HTTP/2 needs one; HTTP/1 does not.
///
/// # Panics
///
/// `execute` panics outside of a runtime.
///
/// # Examples
///
/// ```
/// use filch_hyper::FilchExecutor;
/// use hyper::rt::Executor;
///
/// filch::Runtime::new()?.block_on(async {
///     let (done, is_done) = filch::sync::oneshot::channel();
///     FilchExecutor::new().execute(async move { done.send("done") });
///     assert_eq!(is_done.await, Ok("done"));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct FilchExecutor {}

impl FilchExecutor {
    /// An executor.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

impl<F> Executor<F> for FilchExecutor
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        drop(filch::spawn(future));
    }
}

/// Gives hyper the runtime's clock. Without one, hyper's timeouts are off.
///
/// # Units and limits
///
/// Those of [`filch::time::sleep`]: whole milliseconds, rounded up.
///
/// # Panics
///
/// A sleep panics when it is polled outside of a runtime.
///
/// # Examples
///
/// A client that sends half a head has ten seconds for the rest:
///
/// ```
/// use filch_hyper::FilchTimer;
/// use std::time::Duration;
///
/// let mut http = hyper::server::conn::http1::Builder::new();
/// http.timer(FilchTimer::new()).header_read_timeout(Duration::from_secs(10));
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct FilchTimer {}

impl FilchTimer {
    /// A timer.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

impl Timer for FilchTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(FilchSleep {
            sleep: filch::time::sleep(duration),
        })
    }

    fn sleep_until(&self, deadline: time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(FilchSleep {
            sleep: sleep_until(Instant::from_std(deadline)),
        })
    }

    fn now(&self) -> time::Instant {
        Instant::now().into_std()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, deadline: time::Instant) {
        match sleep.as_mut().downcast_mut_pin::<FilchSleep>() {
            Some(ours) => ours.project().sleep.reset(Instant::from_std(deadline)),
            None => *sleep = self.sleep_until(deadline), // another timer's
        }
    }
}

pin_project! {
    /// What a [`FilchTimer`] waits by: a [`filch::time::Sleep`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, it takes its timer along, and nobody is woken.
    #[derive(Debug)]
    pub struct FilchSleep {
        #[pin]
        sleep: Sleep,
    }
}

impl Future for FilchSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().sleep.poll(cx)
    }
}

impl hyper::rt::Sleep for FilchSleep {}

#[cfg(test)]
mod tests {
    use super::*;
    use filch::runtime::Builder;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Virtual time: the hours take none.
    fn run<F: Future>(future: F) -> F::Output {
        let runtime = Builder::new().start_paused(true).build();
        runtime.expect("a runtime").block_on(future)
    }

    #[test]
    fn it_sleeps_by_the_clock_of_the_runtime() {
        run(async {
            let timer = FilchTimer::new();
            let begun = timer.now();
            timer.sleep(HOUR).await;
            assert!(timer.now() - begun >= HOUR);
            timer.sleep_until(begun + 2 * HOUR).await;
            assert!(timer.now() - begun >= 2 * HOUR);
        });
    }

    #[test]
    fn a_sleep_that_is_reset_has_its_new_deadline() {
        run(async {
            let timer = FilchTimer::new();
            let begun = timer.now();
            let mut sleep = timer.sleep(HOUR);
            let place: *const () = (&raw const *sleep).cast();
            timer.reset(&mut sleep, begun + 3 * HOUR);
            assert_eq!(place, (&raw const *sleep).cast(), "it is the same one");
            sleep.as_mut().await;
            assert!(timer.now() - begun >= 3 * HOUR);
            timer.reset(&mut sleep, begun + 4 * HOUR);
            sleep.await;
            assert!(timer.now() - begun >= 4 * HOUR);
        });
    }

    #[test]
    fn a_sleep_of_another_timer_is_replaced() {
        struct Never;
        impl Future for Never {
            type Output = ();
            fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
                Poll::Pending
            }
        }
        impl hyper::rt::Sleep for Never {}

        run(async {
            let timer = FilchTimer::new();
            let mut sleep: Pin<Box<dyn hyper::rt::Sleep>> = Box::pin(Never);
            timer.reset(&mut sleep, timer.now() + HOUR);
            sleep.await;
        });
    }
}
