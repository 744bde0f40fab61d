//! Why did a task give no output?

use super::id::Id;
use std::any::Any;
use std::fmt;

/// Why awaiting a [`JoinHandle`](crate::task::JoinHandle) gave no output: the task panicked or was cancelled.
pub struct JoinError(Cause);

/// Two words, so that a result with a small output, or a string, fits a cell of 64 bytes.
enum Cause {
    Cancelled(Id),
    Panic(Box<Panic>),
}

struct Panic {
    id: Id,
    payload: Box<dyn Any + Send + 'static>,
}

impl JoinError {
    pub(crate) fn cancelled(id: Id) -> Self {
        Self(Cause::Cancelled(id))
    }

    #[cold]
    pub(crate) fn panic(id: Id, payload: Box<dyn Any + Send + 'static>) -> Self {
        Self(Cause::Panic(Box::new(Panic { id, payload })))
    }

    /// Which task it was. A task that is spawned later may have the same id, see [`Id`].
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let task = rt.spawn(async { panic!("oh") });
    /// let id = task.id();
    /// assert_eq!(rt.block_on(task).unwrap_err().id(), id);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> Id {
        match &self.0 {
            Cause::Cancelled(id) => *id,
            Cause::Panic(panic) => panic.id,
        }
    }

    /// Whether the task was cancelled: aborted, or its runtime was shut down.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Cause::Cancelled(_))
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
            Cause::Panic(panic) => Ok(panic.payload),
            Cause::Cancelled(_) => Err(self),
        }
    }

    /// The panic's message, where it has one.
    pub(crate) fn message(&self) -> Option<&str> {
        let Cause::Panic(panic) = &self.0 else {
            return None;
        };
        let literal = panic.payload.downcast_ref::<&'static str>().copied();
        literal.or_else(|| panic.payload.downcast_ref::<String>().map(String::as_str))
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0, self.message()) {
            (Cause::Cancelled(_), _) => f.write_str("task was cancelled"),
            (Cause::Panic(_), Some(message)) => write!(f, "task panicked: {message}"),
            (Cause::Panic(_), None) => f.write_str("task panicked"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, message) = (self.id(), self.message());
        match &self.0 {
            Cause::Cancelled(_) => f.debug_tuple("JoinError::Cancelled").field(&id).finish(),
            Cause::Panic(_) => f
                .debug_tuple("JoinError::Panic")
                .field(&id)
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

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<JoinError>() == 16);
    assert!(size_of::<Result<(), JoinError>>() == 16);
    assert!(size_of::<Result<u64, JoinError>>() == 16);
    assert!(size_of::<Result<String, JoinError>>() == 24);
};
