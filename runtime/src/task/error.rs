//! Why did a task give no output?

use std::any::Any;
use std::fmt;

/// Why awaiting a [`JoinHandle`](crate::task::JoinHandle) gave no output: the task panicked or was cancelled.
pub struct JoinError(Cause);

enum Cause {
    Cancelled,
    Panic(Box<dyn Any + Send + 'static>),
}

impl JoinError {
    pub(crate) fn cancelled() -> Self {
        Self(Cause::Cancelled)
    }

    pub(crate) fn panic(payload: Box<dyn Any + Send + 'static>) -> Self {
        Self(Cause::Panic(payload))
    }

    /// Whether the task was cancelled: aborted, or its runtime was shut down.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Cause::Cancelled)
    }

    /// Whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Cause::Panic(_))
    }

    /// The payload the task panicked with, to be examined or passed to [`std::panic::resume_unwind`].
    ///
    /// # Panics
    ///
    /// If the task did not panic; ask [`is_panic`](Self::is_panic) or use [`try_into_panic`](Self::try_into_panic).
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let error = rt.block_on(async { filch::spawn(async { panic!("oh") }).await }).unwrap_err();
    /// assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "oh");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic()
            .expect("into_panic on a task that was cancelled; ask is_panic first")
    }

    /// The payload the task panicked with, or the error itself if it did not.
    ///
    /// # Errors
    ///
    /// Gives the error back if the task was cancelled.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self.0 {
            Cause::Panic(payload) => Ok(payload),
            Cause::Cancelled => Err(self),
        }
    }

    /// The panic's message, where it has one.
    fn message(&self) -> Option<&str> {
        let Cause::Panic(payload) = &self.0 else {
            return None;
        };
        let literal = payload.downcast_ref::<&'static str>().copied();
        literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0, self.message()) {
            (Cause::Cancelled, _) => f.write_str("task was cancelled"),
            (Cause::Panic(_), Some(message)) => write!(f, "task panicked: {message}"),
            (Cause::Panic(_), None) => f.write_str("task panicked"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0, self.message()) {
            (Cause::Cancelled, _) => f.write_str("JoinError::Cancelled"),
            (Cause::Panic(_), message) => f
                .debug_tuple("JoinError::Panic")
                .field(&message.unwrap_or(".."))
                .finish(),
        }
    }
}

impl std::error::Error for JoinError {}

// A panic payload is `Send` but not `Sync`; it is only ever reached by value (`into_panic`) or, as a string, read-only.
// SAFETY: `&JoinError` gives access to the payload only through `message`, which downcasts to `&'static str` or `String`,
// both of which are `Sync`.
unsafe impl Sync for JoinError {}
