//! How is a value given to one task at a time?
//!
//! By a lock that a task may hold while it waits for other things. Here is what callers use; who gets the lock next is decided in [`raw`], the word it is decided on in
//! [`word`], and what a task holds that has it are the guards.

mod guard;
#[cfg(all(test, loom))]
mod loom_tests;
mod owned_guard;
mod raw;
#[cfg(all(test, not(loom)))]
mod tests;
mod word;

use crate::sys::sync::UnsafeCell;
use crate::util::block_on::block_on;
use raw::RawMutex;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

pub use guard::{MappedMutexGuard, MutexGuard};
pub use owned_guard::{OwnedMappedMutexGuard, OwnedMutexGuard};

/// A value that one task, or thread, has at a time, and may keep while it waits for something else.
///
/// While it is free, locking and unlocking cost one locked instruction each. It works without a runtime, and between tasks of different ones. For a value that is only held
/// between two waits, and by few, `std::sync::Mutex` does too.
///
/// # Fairness
///
/// Tasks that wait stand in a queue. Who unlocks wakes the first, and the lock is free meanwhile: a task that comes along, or the one that has just unlocked, may take it first.
/// A waiter that was woken in vain keeps its place, and after four times is handed the lock itself. So nobody waits for ever, and a lock that changes hands often does not
/// wait for the scheduler each time. With [`new_fair`](Self::new_fair) the lock is always handed to who has waited longest.
///
/// # Panics
///
/// There is no poisoning: when a task panics that has the lock, it is unlocked, and the value is as the task has left it.
///
/// # Units and limits
///
/// 32 bytes and the value. A wait allocates nothing.
///
/// # Examples
///
/// ```
/// use filch::sync::Mutex;
/// use std::sync::Arc;
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let sum = Arc::new(Mutex::new(0));
///     let tasks: Vec<_> = (1..=10)
///         .map(|n| {
///             let sum = sum.clone();
///             filch::spawn(async move {
///                 let mut sum = sum.lock().await;
///                 filch::yield_now().await;
///                 *sum += n;
///             })
///         })
///         .collect();
///     for task in tasks {
///         task.await.unwrap();
///     }
///     assert_eq!(*sum.lock().await, 55);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Mutex<T: ?Sized> {
    raw: RawMutex,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one thread at a time, under the lock, and moves between threads so; that is what `T: Send` allows.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above: a shared reference gives the value to one at a time.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// A lock that is free.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Mutex;
    ///
    /// static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    /// NAMES.blocking_lock().push("filch".into());
    /// ```
    #[must_use]
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Self {
        Self {
            raw: RawMutex::new(raw::PATIENCE),
            value: UnsafeCell::new(value),
        }
    }

    /// A lock that is free.
    #[must_use]
    #[cfg(loom)]
    pub fn new(value: T) -> Self {
        Self {
            raw: RawMutex::new(raw::PATIENCE),
            value: UnsafeCell::new(value),
        }
    }

    /// A lock that is free, and goes to its waiters strictly in the order in which they came. Where several contend for it, that costs a switch of tasks each time.
    #[must_use]
    #[cfg(not(loom))]
    pub const fn new_fair(value: T) -> Self {
        Self {
            raw: RawMutex::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// A lock that is free, and goes to its waiters in order.
    #[must_use]
    #[cfg(loom)]
    pub fn new_fair(value: T) -> Self {
        Self {
            raw: RawMutex::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// The same as [`new`](Self::new).
    #[must_use]
    #[cfg(not(loom))]
    pub const fn const_new(value: T) -> Self {
        Self::new(value)
    }

    /// The value, of a lock that nobody else has.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks, or waits until it can.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives up the place in the queue; another `lock` stands at the end. If its turn had come, it goes to the next.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Mutex;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let mutex = Mutex::new(1);
    ///     *mutex.lock().await += 1;
    ///     assert_eq!(mutex.into_inner(), 2);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        self.raw.lock().await;
        // It is ours just now.
        MutexGuard::new(self)
    }

    /// As [`lock`](Self::lock), with a guard that may be kept anywhere.
    ///
    /// # Cancel safety
    ///
    /// As [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Mutex;
    /// use std::sync::Arc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let mutex = Arc::new(Mutex::new(1));
    ///     let mut guard = mutex.clone().lock_owned().await;
    ///     filch::spawn(async move { *guard += 1 }).await.unwrap();
    ///     assert_eq!(*mutex.lock().await, 2);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        self.raw.lock().await;
        OwnedMutexGuard::new(self)
    }

    /// Locks if it is free, also if somebody waits who has been woken and is not there yet.
    ///
    /// # Errors
    ///
    /// If somebody has it.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Mutex;
    ///
    /// let mutex = Mutex::new(1);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_err());
    /// drop(guard);
    /// assert!(mutex.try_lock().is_ok());
    /// ```
    #[inline]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        match self.raw.try_lock() {
            true => Ok(MutexGuard::new(self)),
            false => Err(TryLockError(())),
        }
    }

    /// As [`try_lock`](Self::try_lock), with a guard that may be kept anywhere.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        match self.raw.try_lock() {
            true => Ok(OwnedMutexGuard::new(self)),
            false => Err(TryLockError(())),
        }
    }

    /// As [`lock`](Self::lock), for a thread that is in no task: it sleeps until it has the lock. Within a task, others take over its worker first.
    ///
    /// # Panics
    ///
    /// Within a task, if it has to wait and no thread can be started to take over the worker.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Mutex;
    ///
    /// let mutex = Mutex::new(0);
    /// std::thread::scope(|scope| {
    ///     for _ in 0..3 {
    ///         scope.spawn(|| *mutex.blocking_lock() += 1);
    ///     }
    /// });
    /// assert_eq!(mutex.into_inner(), 3);
    /// ```
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        block_on(self.lock())
    }

    /// As [`blocking_lock`](Self::blocking_lock), with a guard that may be kept anywhere.
    ///
    /// # Panics
    ///
    /// As [`blocking_lock`](Self::blocking_lock).
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        block_on(self.lock_owned())
    }

    /// The value, without a lock: nobody else has a reference.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self`: nobody else reaches the value, and the result borrows it.
        self.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(value) => shown.field("value", &&*value),
            Err(_) => shown.field("value", &format_args!("<locked>")),
        };
        shown.finish()
    }
}

/// Somebody has the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TryLockError(pub(super) ());

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("somebody has the lock")
    }
}

impl Error for TryLockError {}
