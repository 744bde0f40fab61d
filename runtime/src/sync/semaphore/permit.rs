//! What does a task hold that has taken permits?
//!
//! A number and the way back: the permits return when it is dropped. [`SemaphorePermit`] borrows the semaphore, [`OwnedSemaphorePermit`] keeps it alive.

use super::Semaphore;
use std::fmt;
use std::sync::Arc;

const TOO_MANY: &str = "one value holds at most u32::MAX permits";
const OF_ANOTHER: &str = "permits of different semaphores cannot be merged";

/// Permits that were taken from a [`Semaphore`]; they go back when this is dropped.
#[must_use = "the permits go back at once if this is dropped"]
#[clippy::has_significant_drop]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    permits: u32,
}

/// Permits that were taken from a [`Semaphore`] in an [`Arc`]; they go back when this is dropped.
#[must_use = "the permits go back at once if this is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    permits: u32,
}

impl<'a> SemaphorePermit<'a> {
    pub(super) fn new(semaphore: &'a Semaphore, permits: u32) -> Self {
        Self { semaphore, permits }
    }

    /// The permits are gone for good: the semaphore has as many fewer.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(3);
    /// semaphore.try_acquire().unwrap().forget();
    /// assert_eq!(semaphore.available_permits(), 2);
    /// ```
    pub fn forget(mut self) {
        self.permits = 0;
    }

    /// Adds another's permits to these.
    ///
    /// # Panics
    ///
    /// If they are another semaphore's, or together more than `u32::MAX`.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            std::ptr::eq(self.semaphore, other.semaphore),
            "{OF_ANOTHER}"
        );
        self.permits = (self.permits.checked_add(other.permits)).expect(TOO_MANY);
        other.permits = 0;
    }

    /// Splits off `n` of them. `None` if there are not as many.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(3);
    /// let mut permits = semaphore.try_acquire_many(3).unwrap();
    /// let one = permits.split(1).unwrap();
    /// assert_eq!(permits.num_permits(), 2);
    /// drop(permits);
    /// assert_eq!(semaphore.available_permits(), 2);
    /// # drop(one);
    /// ```
    pub fn split(&mut self, n: usize) -> Option<Self> {
        let n = u32::try_from(n).ok().filter(|n| *n <= self.permits)?;
        self.permits -= n;
        Some(Self::new(self.semaphore, n))
    }

    /// The semaphore they are of.
    #[must_use]
    pub fn semaphore(&self) -> &'a Semaphore {
        self.semaphore
    }

    /// How many permits they are.
    #[must_use]
    pub fn num_permits(&self) -> usize {
        self.permits as usize
    }
}

impl OwnedSemaphorePermit {
    pub(super) fn new(semaphore: Arc<Semaphore>, permits: u32) -> Self {
        Self { semaphore, permits }
    }

    /// The permits are gone for good: the semaphore has as many fewer.
    pub fn forget(mut self) {
        self.permits = 0;
    }

    /// Adds another's permits to these.
    ///
    /// # Panics
    ///
    /// If they are another semaphore's, or together more than `u32::MAX`.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            Arc::ptr_eq(&self.semaphore, &other.semaphore),
            "{OF_ANOTHER}"
        );
        self.permits = (self.permits.checked_add(other.permits)).expect(TOO_MANY);
        other.permits = 0;
    }

    /// Splits off `n` of them. `None` if there are not as many.
    pub fn split(&mut self, n: usize) -> Option<Self> {
        let n = u32::try_from(n).ok().filter(|n| *n <= self.permits)?;
        self.permits -= n;
        Some(Self::new(self.semaphore.clone(), n))
    }

    /// How many permits they are.
    #[must_use]
    pub fn num_permits(&self) -> usize {
        self.permits as usize
    }

    /// The semaphore they are of.
    #[must_use]
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        self.semaphore.give(self.permits);
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        self.semaphore.give(self.permits);
    }
}

impl fmt::Debug for SemaphorePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SemaphorePermit")
            .field(&self.permits)
            .finish()
    }
}

impl fmt::Debug for OwnedSemaphorePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedSemaphorePermit")
            .field(&self.permits)
            .finish()
    }
}
