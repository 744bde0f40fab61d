//! What can be chosen for a scope?

use super::drive::Drive;
use super::group::{Group, Outcome};
use super::{Scope, TryScope};
use crate::runtime::Handle;
use crate::sys::sync::Mutex;
use crate::time::error::Elapsed;
use crate::time::{Sleep, sleep};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

/// The choices for a scope. Without any, [`scope()`](super::scope()) and [`try_scope`](super::try_scope) are shorter.
///
/// # Examples
///
/// ```
/// use filch::scope::Builder;
/// use filch::time::{Duration, error::Elapsed, sleep};
///
/// let rt = filch::Runtime::new()?;
/// let result = rt.block_on(
///     Builder::new()
///         .max_in_flight(100)
///         .timeout(Duration::from_millis(2))
///         .run(|s| async move {
///             for _ in 0..1000 {
///                 s.spawn_when_free(sleep(Duration::from_secs(60))).await;
///             }
///         }),
/// );
/// assert!(result.is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until it runs a body"]
pub struct Builder {
    max_in_flight: Option<usize>,
}

/// The choices for a scope with a timeout.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it runs a body"]
pub struct TimedBuilder {
    builder: Builder,
    timeout: Duration,
}

impl Builder {
    /// No limit, no timeout.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many children may be in flight at once: begun, and not ended.
    ///
    /// Children that [`spawn`](Scope::spawn) starts beyond that wait for their turn, in the order of their spawning, each with its future;
    /// [`spawn_when_free`](Scope::spawn_when_free) waits before there is a child at all. A child that waits for another one of the same scope keeps its turn meanwhile: if all do so, none
    /// goes on. Cleanups ([`on_cancel`](super::on_cancel)) do not count.
    ///
    /// # Panics
    ///
    /// If it is 0.
    pub fn max_in_flight(mut self, max_in_flight: usize) -> Self {
        assert!(
            max_in_flight > 0,
            "max_in_flight of 0 would let no child begin; leave it out for no limit"
        );
        self.max_in_flight = Some(max_in_flight);
        self
    }

    /// How long the scope may take, from its first poll until body and children have ended. When the time is up the scope is cancelled, the body dropped, and [`Elapsed`]
    /// comes out when all have ended.
    ///
    /// A [`timeout`](crate::time::timeout()) around a scope drops it instead, and does not wait for the children.
    pub fn timeout(self, timeout: Duration) -> TimedBuilder {
        TimedBuilder {
            builder: self,
            timeout,
        }
    }

    /// Runs a body; see [`scope()`](super::scope()).
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn run<B, F>(self, body: B) -> F::Output
    where
        B: FnOnce(Scope) -> F,
        F: Future,
    {
        match self.drive(body, None).await {
            Ok(output) => output,
            Err(outcome) => no_timeout(outcome),
        }
    }

    /// Runs a body that may fail, as its children may; see [`try_scope`](super::try_scope).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn try_run<B, F, T, E>(self, body: B) -> Result<T, E>
    where
        B: FnOnce(TryScope<E>) -> F,
        F: Future<Output = Result<T, E>>,
        E: Send + 'static,
    {
        self.try_drive(body, None, no_timeout).await
    }

    async fn drive<B, F>(self, body: B, sleep: Option<Sleep>) -> Result<F::Output, Outcome>
    where
        B: FnOnce(Scope) -> F,
        F: Future,
    {
        let group = Group::new(self.max_in_flight);
        let scope = Scope {
            group: group.clone(),
            runtime: runtime(),
        };
        // In the scope already when the body is made, since that may start children, and panic.
        Drive::new(group, async move { body(scope).await }, sleep).await
    }

    async fn try_drive<B, F, T, E>(
        self,
        body: B,
        sleep: Option<Sleep>,
        otherwise: impl FnOnce(Outcome) -> E,
    ) -> Result<T, E>
    where
        B: FnOnce(TryScope<E>) -> F,
        F: Future<Output = Result<T, E>>,
        E: Send + 'static,
    {
        let group = Group::new(self.max_in_flight);
        let error = Arc::new(Mutex::new(None));
        let scope = TryScope {
            group: group.clone(),
            runtime: runtime(),
            error: error.clone(),
        };
        let body = async move {
            match body(scope.clone()).await {
                Ok(output) => Some(output),
                Err(error) => {
                    scope.fail(error);
                    None
                }
            }
        };
        match Drive::new(group, body, sleep).await {
            Ok(output) => Ok(output.expect("a body that fails is the outcome, or comes after one")),
            Err(Outcome::Error) => {
                let error = error.lock().take();
                Err(error.expect("put there before the outcome was"))
            }
            Err(outcome) => Err(otherwise(outcome)),
        }
    }
}

fn runtime() -> Handle {
    match Handle::try_current() {
        Ok(runtime) => runtime,
        Err(_) => {
            panic!("a scope needs a runtime: await it within a task or Runtime::block_on")
        }
    }
}

impl TimedBuilder {
    /// As [`Builder::max_in_flight`].
    ///
    /// # Panics
    ///
    /// If it is 0.
    pub fn max_in_flight(mut self, max_in_flight: usize) -> Self {
        self.builder = self.builder.max_in_flight(max_in_flight);
        self
    }

    /// Runs a body; see [`scope()`](super::scope()).
    ///
    /// # Errors
    ///
    /// If the time was up before body and children had ended.
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn run<B, F>(self, body: B) -> Result<F::Output, Elapsed>
    where
        B: FnOnce(Scope) -> F,
        F: Future,
    {
        let sleep = Some(sleep(self.timeout));
        (self.builder.drive(body, sleep).await).map_err(elapsed)
    }

    /// Runs a body that may fail, as its children may; see [`try_scope`](super::try_scope).
    ///
    /// # Errors
    ///
    /// The first error of the body or a child, or [`Elapsed`], turned into one, if the time was up first.
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::scope::Builder;
    /// use filch::time::{Duration, sleep};
    /// use std::io;
    ///
    /// let rt = filch::Runtime::new()?;
    /// let limited = Builder::new().timeout(Duration::from_millis(2));
    /// let result: io::Result<()> = rt.block_on(limited.try_run(|s| async move {
    ///     s.spawn(async {
    ///         sleep(Duration::from_secs(60)).await;
    ///         io::Result::Ok(())
    ///     });
    ///     Ok(())
    /// }));
    /// assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
    /// # Ok::<(), io::Error>(())
    /// ```
    pub async fn try_run<B, F, T, E>(self, body: B) -> Result<T, E>
    where
        B: FnOnce(TryScope<E>) -> F,
        F: Future<Output = Result<T, E>>,
        E: From<Elapsed> + Send + 'static,
    {
        let sleep = Some(sleep(self.timeout));
        let otherwise = |outcome| E::from(elapsed(outcome));
        self.builder.try_drive(body, sleep, otherwise).await
    }
}

/// An outcome that is a panic, or a timeout.
fn elapsed(outcome: Outcome) -> Elapsed {
    match outcome {
        Outcome::Panic(payload) => resume_unwind(payload),
        Outcome::Timeout => Elapsed::new(),
        Outcome::Error => unreachable!("only a try_scope has errors, and it takes them itself"),
    }
}

/// An outcome of a scope without a timeout, which is a panic.
fn no_timeout<R>(outcome: Outcome) -> R {
    match outcome {
        Outcome::Panic(payload) => resume_unwind(payload),
        Outcome::Timeout => unreachable!("there is no timeout"),
        Outcome::Error => unreachable!("only a try_scope has errors, and it takes them itself"),
    }
}
