//! How do tasks share a number of things that are all alike?
//!
//! Each takes as many permits as it needs and gives them back; who finds too few waits for its turn. The counting and the queue are in [`permits`]; here are
//! its public names, and the permits as values ([`permit`]).

mod permit;
#[cfg(all(test, not(loom)))]
mod tests;

use super::permits::{self, Permits, Refused};
use crate::util::block_on::block_on;
use crate::util::wait_reason::WaitReason;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

pub use permit::{OwnedSemaphorePermit, SemaphorePermit};

/// A number of permits, which tasks and threads take and give back.
///
/// Permits are given in the order in which they were asked for: who waits for many is not overtaken by those who want few, also if there are enough for them. Works
/// without a runtime, and between tasks of different ones.
///
/// # Units and limits
///
/// At most [`MAX_PERMITS`](Self::MAX_PERMITS). 32 bytes; a wait allocates nothing.
///
/// # Examples
///
/// At most two downloads at a time:
///
/// ```
/// use filch::sync::Semaphore;
/// use std::sync::Arc;
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let downloads = Arc::new(Semaphore::new(2));
///     let tasks: Vec<_> = (0..10)
///         .map(|n| {
///             let downloads = downloads.clone();
///             filch::spawn(async move {
///                 let _permit = downloads.acquire().await.unwrap();
///                 n // downloads something
///             })
///         })
///         .collect();
///     for task in tasks {
///         task.await.unwrap();
///     }
///     assert_eq!(downloads.available_permits(), 2);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Semaphore {
    permits: Permits,
}

impl Semaphore {
    /// The most permits a semaphore can have: `usize::MAX / 8`.
    pub const MAX_PERMITS: usize = permits::MAX;

    /// With so many permits to begin with.
    ///
    /// # Panics
    ///
    /// If there are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Semaphore;
    ///
    /// static WRITERS: Semaphore = Semaphore::new(3);
    /// assert_eq!(WRITERS.available_permits(), 3);
    /// ```
    #[must_use]
    #[cfg(not(loom))]
    pub const fn new(permits: usize) -> Self {
        assert!(
            permits <= permits::MAX,
            "more permits than there can be: see Semaphore::MAX_PERMITS"
        );
        Self {
            permits: Permits::new(permits),
        }
    }

    /// With so many permits to begin with.
    #[must_use]
    #[cfg(loom)]
    pub fn new(permits: usize) -> Self {
        Self {
            permits: Permits::new(permits),
        }
    }

    /// The same as [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    #[must_use]
    #[cfg(not(loom))]
    pub const fn const_new(permits: usize) -> Self {
        Self::new(permits)
    }

    /// How many permits could be taken now without waiting: none while somebody waits. Out of date at once.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Adds permits to those there are.
    ///
    /// # Panics
    ///
    /// If there were more than [`MAX_PERMITS`](Self::MAX_PERMITS) then, not counting those that are held; nothing is added in that case. (Permits that come back to as many are gone.)
    pub fn add_permits(&self, n: usize) {
        assert!(
            self.permits.add(n),
            "more permits than there can be: {}",
            Self::MAX_PERMITS
        );
    }

    /// Takes permits away for good: `n` of those that nobody has, or as many as there are. Says how many.
    ///
    /// Also those that are being saved for somebody who waits for more than there are.
    pub fn forget_permits(&self, n: usize) -> usize {
        self.permits.forget(n)
    }

    /// Takes one permit, or waits for it.
    ///
    /// # Errors
    ///
    /// If the semaphore is [closed](Self::close), before or while it waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives up the place in the queue; another `acquire` stands at the end. A permit that was on its way to it goes to the next.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Semaphore;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let semaphore = Semaphore::new(1);
    ///     let permit = semaphore.acquire().await.unwrap();
    ///     assert_eq!(semaphore.available_permits(), 0);
    ///     drop(permit);
    ///     assert_eq!(semaphore.available_permits(), 1);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.acquire_many(1).await
    }

    /// Takes `n` permits, or waits until there are as many at once.
    ///
    /// # Errors
    ///
    /// If the semaphore is [closed](Self::close), before or while it waits.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire). Those behind it that want fewer need not wait for more any longer.
    pub async fn acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.wait_for(n).await?;
        Ok(SemaphorePermit::new(self, n))
    }

    /// Takes one permit if there is one, and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::NoPermits`] if there is none or somebody waits for some, [`TryAcquireError::Closed`] if the semaphore is closed.
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `n` permits if there are as many, and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_take(n)?;
        Ok(SemaphorePermit::new(self, n))
    }

    /// As [`acquire`](Self::acquire), with a permit that may be kept anywhere.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// A permit for each task, taken before it is spawned:
    ///
    /// ```
    /// use filch::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let connections = Arc::new(Semaphore::new(3));
    ///     for _ in 0..10 {
    ///         let permit = connections.clone().acquire_owned().await.unwrap();
    ///         filch::spawn(async move {
    ///             // serves somebody
    ///             drop(permit);
    ///         })
    ///         .detach();
    ///     }
    ///     let _all = connections.acquire_many(3).await.unwrap();
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_many_owned(1).await
    }

    /// As [`acquire_many`](Self::acquire_many), with permits that may be kept anywhere.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub async fn acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.wait_for(n).await?;
        Ok(OwnedSemaphorePermit::new(self, n))
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that may be kept anywhere.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with permits that may be kept anywhere.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_take(n)?;
        Ok(OwnedSemaphorePermit::new(self, n))
    }

    /// As [`acquire`](Self::acquire), for a thread that is in no task: it sleeps until it has the permit. Within a task, others take over its worker first.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// Within a task, if it has to wait and no thread can be started to take over the worker.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(1);
    /// std::thread::scope(|scope| {
    ///     for _ in 0..3 {
    ///         scope.spawn(|| drop(semaphore.blocking_acquire().unwrap()));
    ///     }
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        block_on(self.acquire())
    }

    /// As [`acquire_many`](Self::acquire_many), for a thread that is in no task.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As [`blocking_acquire`](Self::blocking_acquire).
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        block_on(self.acquire_many(n))
    }

    /// As [`acquire_owned`](Self::acquire_owned), for a thread that is in no task.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As [`blocking_acquire`](Self::blocking_acquire).
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        block_on(self.acquire_owned())
    }

    /// As [`acquire_many_owned`](Self::acquire_many_owned), for a thread that is in no task.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As [`blocking_acquire`](Self::blocking_acquire).
    pub fn blocking_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        block_on(self.acquire_many_owned(n))
    }

    /// Gives nobody any permits from now on; those who wait are told so. Permits that are held may be given back as before.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::{Semaphore, TryAcquireError};
    ///
    /// let semaphore = Semaphore::new(1);
    /// semaphore.close();
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    /// ```
    pub fn close(&self) {
        self.permits.close();
    }

    /// Whether it was [closed](Self::close).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    async fn wait_for(&self, n: u32) -> Result<(), AcquireError> {
        let taken = self.permits.take(n as usize, WaitReason::Semaphore).await;
        taken.map_err(|_closed| AcquireError(()))
    }

    fn try_take(&self, n: u32) -> Result<(), TryAcquireError> {
        self.permits
            .try_take(n as usize)
            .map_err(|refused| match refused {
                Refused::Closed => TryAcquireError::Closed,
                Refused::TooFew => TryAcquireError::NoPermits,
            })
    }

    fn give(&self, n: u32) {
        if n > 0 {
            self.permits.give(n as usize);
        }
    }
}

/// The semaphore was closed, so that there are no permits any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcquireError(());

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed")
    }
}

impl Error for AcquireError {}

/// Why [`Semaphore::try_acquire`] took nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is closed.
    Closed,
    /// There are too few permits now, or somebody waits for some.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the semaphore is closed",
            Self::NoPermits => "the semaphore has too few permits",
        })
    }
}

impl Error for TryAcquireError {}
