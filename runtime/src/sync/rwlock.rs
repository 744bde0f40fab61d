//! How is a value shared by many readers, and changed by one at a time?
//!
//! The lock has as many [permits](super::permits) as there may be readers at once; a reader takes one, a writer all. They are given in the order in which they were asked
//! for, so that a writer who waits holds back the readers who come after it, and does not wait longer than for those before it.
//!
//! | has it | permits that are left | who may come |
//! |---|---|---|
//! | nobody | all | anybody |
//! | `n` readers | all but `n` | readers, while nobody waits |
//! | a writer | none | nobody |
//!
//! A writer becomes a reader ([`RwLockWriteGuard::downgrade`]) by giving back all but one. Reading costs one locked instruction to begin and one to end, while nobody waits.
//!
//! Rejected: a word of its own with a count of readers and a bit for a writer (the same instructions, and the queue once more); readers that overtake a writer who waits (a writer
//! may then wait for ever).

mod owned_read_guard;
mod owned_write_guard;
mod read_guard;
#[cfg(all(test, not(loom)))]
mod tests;
mod write_guard;

use super::TryLockError;
use super::permits::Permits;
use crate::sys::sync::UnsafeCell;
use crate::util::block_on::block_on;
use crate::util::wait_reason::WaitReason;
use std::fmt;
use std::sync::Arc;

pub use owned_read_guard::OwnedRwLockReadGuard;
pub use owned_write_guard::{OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard};
pub use read_guard::RwLockReadGuard;
pub use write_guard::{RwLockMappedWriteGuard, RwLockWriteGuard};

/// How many may read at once, if not said otherwise: as many permits as there can be where a word has 32 bits.
const READERS_MAX: u32 = u32::MAX >> 3;

/// A value that many tasks, or threads, may read at once, and one may change at a time; they may keep it while they wait for something else.
///
/// First come, first served: a writer who waits holds back the readers who come after it. Therefore a task that reads, and reads once more without having ended the first time,
/// may wait for a writer who waits for it. Works without a runtime, and between tasks of different ones.
///
/// # Panics
///
/// There is no poisoning: when a task panics that writes, the value is as the task has left it.
///
/// # Units and limits
///
/// 40 bytes and the value. At most `u32::MAX / 8` readers at once, the others wait; see [`with_max_readers`](Self::with_max_readers). A wait allocates nothing.
///
/// # Examples
///
/// ```
/// use filch::sync::RwLock;
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let names = RwLock::new(vec!["one"]);
///     {
///         let first = names.read().await;
///         let second = names.read().await;
///         assert_eq!(first[0], second[0]);
///     }
///     names.write().await.push("two");
///     assert_eq!(names.into_inner(), ["one", "two"]);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct RwLock<T: ?Sized> {
    /// Never closed.
    permits: Permits,
    /// What a writer takes.
    max_readers: u32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock moves with its value, which may be sent.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: a shared reference gives `&T` to several threads at once (`T: Sync`) and `&mut T` to one of them (`T: Send`).
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    /// A lock that is free.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::RwLock;
    ///
    /// static LEVEL: RwLock<u8> = RwLock::new(1);
    /// assert_eq!(*LEVEL.blocking_read(), 1);
    /// ```
    #[must_use]
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Self {
        Self::with_max_readers(value, READERS_MAX)
    }

    /// A lock that is free.
    #[must_use]
    #[cfg(loom)]
    pub fn new(value: T) -> Self {
        Self::with_max_readers(value, READERS_MAX)
    }

    /// A lock that is free, and has at most `max_readers` at once.
    ///
    /// # Panics
    ///
    /// If that is 0 or more than `u32::MAX / 8`.
    #[must_use]
    #[cfg(not(loom))]
    pub const fn with_max_readers(value: T, max_readers: u32) -> Self {
        assert!(
            max_readers > 0 && max_readers <= READERS_MAX,
            "a lock has 1 to u32::MAX / 8 readers at once"
        );
        Self {
            permits: Permits::new(max_readers as usize),
            max_readers,
            value: UnsafeCell::new(value),
        }
    }

    /// A lock that is free, and has at most `max_readers` at once.
    #[must_use]
    #[cfg(loom)]
    pub fn with_max_readers(value: T, max_readers: u32) -> Self {
        Self {
            permits: Permits::new(max_readers as usize),
            max_readers,
            value: UnsafeCell::new(value),
        }
    }

    /// The same as [`new`](Self::new).
    #[must_use]
    #[cfg(not(loom))]
    pub const fn const_new(value: T) -> Self {
        Self::new(value)
    }

    /// The same as [`with_max_readers`](Self::with_max_readers).
    ///
    /// # Panics
    ///
    /// As [`with_max_readers`](Self::with_max_readers).
    #[must_use]
    #[cfg(not(loom))]
    pub const fn const_with_max_readers(value: T, max_readers: u32) -> Self {
        Self::with_max_readers(value, max_readers)
    }

    /// The value, of a lock that nobody else has.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Begins to read, or waits until it may: until nobody writes, and everybody has had it who came before.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives up the place in the queue; another `read` stands at the end. If its turn had come, it goes to the next.
    #[inline]
    pub async fn read(&self) -> RwLockReadGuard<'_, T> {
        self.wait_to_read().await;
        RwLockReadGuard::new(self)
    }

    /// As [`read`](Self::read), with a guard that may be kept anywhere.
    ///
    /// # Cancel safety
    ///
    /// As [`read`](Self::read).
    pub async fn read_owned(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        self.wait_to_read().await;
        OwnedRwLockReadGuard::new(self)
    }

    /// Begins to read if nobody writes or waits.
    ///
    /// # Errors
    ///
    /// If somebody writes or waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::RwLock;
    ///
    /// let lock = RwLock::new(1);
    /// let reading = lock.try_read().unwrap();
    /// assert!(lock.try_read().is_ok());
    /// assert!(lock.try_write().is_err());
    /// drop(reading);
    /// assert!(lock.try_write().is_ok());
    /// ```
    #[inline]
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        self.try_take(1)?;
        Ok(RwLockReadGuard::new(self))
    }

    /// As [`try_read`](Self::try_read), with a guard that may be kept anywhere.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        self.try_take(1)?;
        Ok(OwnedRwLockReadGuard::new(self))
    }

    /// As [`read`](Self::read), for a thread that is in no task: it sleeps until it may. Within a task, others take over its worker first.
    ///
    /// # Panics
    ///
    /// Within a task, if it has to wait and no thread can be started to take over the worker.
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        block_on(self.read())
    }

    /// Begins to write, or waits until it may: until nobody reads or writes, and everybody has had it who came before.
    ///
    /// # Cancel safety
    ///
    /// As [`read`](Self::read). Readers behind it need not wait for more than those before it any longer.
    #[inline]
    pub async fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.wait_to_write().await;
        RwLockWriteGuard::new(self)
    }

    /// As [`write`](Self::write), with a guard that may be kept anywhere.
    ///
    /// # Cancel safety
    ///
    /// As [`write`](Self::write).
    pub async fn write_owned(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        self.wait_to_write().await;
        OwnedRwLockWriteGuard::new(self)
    }

    /// Begins to write if nobody reads, writes or waits.
    ///
    /// # Errors
    ///
    /// If somebody does.
    #[inline]
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        self.try_take(self.max_readers)?;
        Ok(RwLockWriteGuard::new(self))
    }

    /// As [`try_write`](Self::try_write), with a guard that may be kept anywhere.
    ///
    /// # Errors
    ///
    /// As [`try_write`](Self::try_write).
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        self.try_take(self.max_readers)?;
        Ok(OwnedRwLockWriteGuard::new(self))
    }

    /// As [`write`](Self::write), for a thread that is in no task: it sleeps until it may. Within a task, others take over its worker first.
    ///
    /// # Panics
    ///
    /// As [`blocking_read`](Self::blocking_read).
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::RwLock;
    ///
    /// let lock = RwLock::new(0);
    /// std::thread::scope(|scope| {
    ///     for _ in 0..3 {
    ///         scope.spawn(|| *lock.blocking_write() += 1);
    ///     }
    /// });
    /// assert_eq!(lock.into_inner(), 3);
    /// ```
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        block_on(self.write())
    }

    /// The value, without a lock: nobody else has a reference.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self`: nobody else reaches the value, and the result borrows it.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    #[inline]
    async fn wait_to_read(&self) {
        let taken = self.permits.take(1, WaitReason::RwLockRead).await;
        taken.expect("never closed");
    }

    #[inline]
    async fn wait_to_write(&self) {
        let all = self.max_readers as usize;
        let taken = self.permits.take(all, WaitReason::RwLockWrite).await;
        taken.expect("never closed");
    }

    #[inline]
    fn try_take(&self, permits: u32) -> Result<(), TryLockError> {
        let taken = self.permits.try_take(permits as usize);
        taken.map_err(|_too_few| TryLockError(()))
    }

    #[inline]
    fn end_read(&self) {
        self.permits.give(1);
    }

    #[inline]
    fn end_write(&self) {
        self.permits.give(self.max_readers as usize);
    }

    /// Who writes only reads from now on.
    fn downgrade(&self) {
        self.permits.give(self.max_readers as usize - 1);
    }

    /// To read from, by who may.
    fn shared(&self) -> *const T {
        self.value.with(|value| value)
    }

    /// To write to, by who may.
    fn exclusive(&self) -> *mut T {
        self.value.with_mut(|value| value)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(value) => shown.field("value", &&*value),
            Err(_) => shown.field("value", &format_args!("<locked>")),
        };
        shown.finish()
    }
}
