//! What does a task hold that has the lock?
//!
//! [`MutexGuard`] leads to the value, [`MappedMutexGuard`] to a part of it; both borrow the [`Mutex`]. Those that keep it alive are in
//! [`owned_guard`](super::owned_guard).

use super::Mutex;
use super::raw::RawMutex;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut};

/// The lock of a [`Mutex`] and the way to its value; unlocks when it is dropped.
#[must_use = "it unlocks at once if this is dropped"]
#[clippy::has_significant_drop]
pub struct MutexGuard<'a, T: ?Sized> {
    /// Locked, on the guard's behalf.
    mutex: &'a Mutex<T>,
    /// It may be shared between threads if the value may.
    _value: PhantomData<&'a mut T>,
}

/// The lock of a [`Mutex`] and the way to a part of its value; unlocks when it is dropped. Made by [`MutexGuard::map`].
#[must_use = "it unlocks at once if this is dropped"]
#[clippy::has_significant_drop]
pub struct MappedMutexGuard<'a, T: ?Sized> {
    /// Locked, on the guard's behalf.
    raw: &'a RawMutex,
    /// Part of the value that this lock protects, or of what it owns.
    part: *mut T,
    _part: PhantomData<&'a mut T>,
}

// SAFETY: it stands for a `&mut T`; unlocking may be done by any thread.
unsafe impl<T: ?Sized + Send> Send for MappedMutexGuard<'_, T> {}
// SAFETY: it stands for a `&mut T`, and `&MappedMutexGuard` for a `&T`.
unsafe impl<T: ?Sized + Sync> Sync for MappedMutexGuard<'_, T> {}
impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Only for who has locked it, and has no other guard.
    pub(super) fn new(mutex: &'a Mutex<T>) -> Self {
        Self {
            mutex,
            _value: PhantomData,
        }
    }

    /// The same lock, and a part of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::{Mutex, MutexGuard};
    ///
    /// let mutex = Mutex::new((1, "one"));
    /// let mut number = MutexGuard::map(mutex.try_lock().unwrap(), |pair| &mut pair.0);
    /// *number += 1;
    /// drop(number);
    /// assert_eq!(mutex.into_inner(), (2, "one"));
    /// ```
    pub fn map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedMutexGuard<'a, U> {
        let part: *mut U = part(&mut this);
        Self::into_mapped(this, part)
    }

    /// The same lock, and a part of the value if there is one.
    ///
    /// # Errors
    ///
    /// The guard as it was, if there is no such part.
    pub fn try_map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedMutexGuard<'a, U>, Self> {
        match part(&mut this).map(|part| part as *mut U) {
            Some(part) => Ok(Self::into_mapped(this, part)),
            None => Err(this),
        }
    }

    /// The mutex it is of.
    #[must_use]
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.mutex
    }

    fn into_mapped<U: ?Sized>(this: Self, part: *mut U) -> MappedMutexGuard<'a, U> {
        let raw = &this.mutex.raw;
        mem::forget(this);
        MappedMutexGuard::new(raw, part)
    }
}

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    /// The lock passes to it; `part` is in the value that it protects.
    fn new(raw: &'a RawMutex, part: *mut T) -> Self {
        Self {
            raw,
            part,
            _part: PhantomData,
        }
    }

    /// The same lock, and a part of the part.
    pub fn map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedMutexGuard<'a, U> {
        let part: *mut U = part(&mut this);
        Self::into_mapped(this, part)
    }

    /// The same lock, and a part of the part if there is one.
    ///
    /// # Errors
    ///
    /// The guard as it was, if there is no such part.
    pub fn try_map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedMutexGuard<'a, U>, Self> {
        match part(&mut this).map(|part| part as *mut U) {
            Some(part) => Ok(Self::into_mapped(this, part)),
            None => Err(this),
        }
    }

    fn into_mapped<U: ?Sized>(this: Self, part: *mut U) -> MappedMutexGuard<'a, U> {
        let raw = this.raw;
        mem::forget(this);
        MappedMutexGuard::new(raw, part)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is the guard's, so nobody else reaches the value; the result borrows the guard.
        self.mutex.value.with(|value| unsafe { &*value })
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        self.mutex.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T: ?Sized> Deref for MappedMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: part of a value that nobody else reaches, since the lock is the guard's; it came from a `&mut T` that lives as long as the lock is held.
        unsafe { &*self.part }
    }
}

impl<T: ?Sized> DerefMut for MappedMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        unsafe { &mut *self.part }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.raw.unlock();
    }
}

impl<T: ?Sized> Drop for MappedMutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.raw.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MappedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MappedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
