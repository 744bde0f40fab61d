//! What does a task hold that reads?
//!
//! The way to the value, or after [`RwLockReadGuard::map`] to a part of it, and one permit.

use super::super::permits::Permits;
use super::RwLock;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::Deref;

/// The right to read the value of a [`RwLock`], or a part of it; ends when it is dropped.
#[must_use = "it ends at once if this is dropped"]
#[clippy::has_significant_drop]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    /// One of them is the guard's.
    permits: &'a Permits,
    /// The value that they protect, or a part of it.
    part: *const T,
    _part: PhantomData<&'a T>,
}

// SAFETY: it stands for a `&T`; the permit may be given back by any thread.
unsafe impl<T: ?Sized + Sync> Send for RwLockReadGuard<'_, T> {}
// SAFETY: a reference to it stands for a `&T`, and for a second guard nobody can make one from it.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// Only for who has taken a permit, which is the guard's from now on.
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        Self::of(&lock.permits, lock.shared())
    }

    /// As `new`; `part` is in the value that the permits protect.
    pub(super) fn of(permits: &'a Permits, part: *const T) -> Self {
        Self {
            permits,
            part,
            _part: PhantomData,
        }
    }

    /// The same right, to a part of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::{RwLock, RwLockReadGuard};
    ///
    /// let lock = RwLock::new((1, "one"));
    /// let name = RwLockReadGuard::map(lock.try_read().unwrap(), |pair| &pair.1);
    /// assert_eq!(*name, "one");
    /// ```
    pub fn map<U: ?Sized>(this: Self, part: impl FnOnce(&T) -> &U) -> RwLockReadGuard<'a, U> {
        let part: *const U = part(&this);
        Self::into_mapped(this, part)
    }

    /// The same right, to a part of the value if there is one.
    ///
    /// # Errors
    ///
    /// The guard as it was, if there is no such part.
    pub fn try_map<U: ?Sized>(
        this: Self,
        part: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<RwLockReadGuard<'a, U>, Self> {
        match part(&this).map(|part| part as *const U) {
            Some(part) => Ok(Self::into_mapped(this, part)),
            None => Err(this),
        }
    }

    fn into_mapped<U: ?Sized>(this: Self, part: *const U) -> RwLockReadGuard<'a, U> {
        let permits = this.permits;
        mem::forget(this);
        RwLockReadGuard::of(permits, part)
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: part of a value that nobody changes while the guard has its permit; it came from a `&T` that lives as long.
        unsafe { &*self.part }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.permits.give(1);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
