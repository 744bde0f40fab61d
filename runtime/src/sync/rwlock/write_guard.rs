//! What does a task hold that writes?
//!
//! [`RwLockWriteGuard`] leads to the value, [`RwLockMappedWriteGuard`] to a part of it; both have all permits. Only the first can be made into a reader's: who has a part could
//! otherwise, once others read the whole, still change it.

use super::super::permits::Permits;
use super::{RwLock, RwLockReadGuard};
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut};

/// The right to change the value of a [`RwLock`]; ends when it is dropped.
#[must_use = "it ends at once if this is dropped"]
#[clippy::has_significant_drop]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    /// All its permits are the guard's.
    lock: &'a RwLock<T>,
    value: *mut T,
    _value: PhantomData<&'a mut T>,
}

/// The right to change a part of the value of a [`RwLock`]; ends when it is dropped. Made by [`RwLockWriteGuard::map`].
#[must_use = "it ends at once if this is dropped"]
#[clippy::has_significant_drop]
pub struct RwLockMappedWriteGuard<'a, T: ?Sized> {
    /// All of them are the guard's.
    permits: &'a Permits,
    all: u32,
    /// Part of the value that they protect, or of what it owns.
    part: *mut T,
    _part: PhantomData<&'a mut T>,
}

// SAFETY: it stands for a `&mut T`; the permits may be given back by any thread. It can become a reader's guard while others read on other threads: `T: Sync`.
unsafe impl<T: ?Sized + Send + Sync> Send for RwLockWriteGuard<'_, T> {}
// SAFETY: a reference to it stands for a `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLockWriteGuard<'_, T> {}
// SAFETY: it stands for a `&mut T`; the permits may be given back by any thread.
unsafe impl<T: ?Sized + Send> Send for RwLockMappedWriteGuard<'_, T> {}
// SAFETY: a reference to it stands for a `&T`.
unsafe impl<T: ?Sized + Sync> Sync for RwLockMappedWriteGuard<'_, T> {}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Only for who has taken all permits, which are the guard's from now on.
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        let value = lock.exclusive();
        Self {
            lock,
            value,
            _value: PhantomData,
        }
    }

    /// The same right, to a part of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new((1, "one"));
    /// *RwLockWriteGuard::map(lock.try_write().unwrap(), |pair| &mut pair.0) += 1;
    /// assert_eq!(lock.into_inner(), (2, "one"));
    /// ```
    pub fn map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> RwLockMappedWriteGuard<'a, U> {
        let part: *mut U = part(&mut this);
        Self::into_part(this, part)
    }

    /// The same right, to a part of the value if there is one.
    ///
    /// # Errors
    ///
    /// The guard as it was, if there is no such part.
    pub fn try_map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<RwLockMappedWriteGuard<'a, U>, Self> {
        match part(&mut this).map(|part| part as *mut U) {
            Some(part) => Ok(Self::into_part(this, part)),
            None => Err(this),
        }
    }

    /// Reads from now on, and lets others read; nobody writes in between.
    ///
    /// A writer who waits already holds the others back as before.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::RwLock;
    ///
    /// let lock = RwLock::new(1);
    /// let mut writing = lock.try_write().unwrap();
    /// *writing += 1;
    /// let reading = writing.downgrade();
    /// assert_eq!(*lock.try_read().unwrap(), 2);
    /// # drop(reading);
    /// ```
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        let value = self.value.cast_const();
        RwLockReadGuard::of(self.into_read(), value)
    }

    /// As [`downgrade`](Self::downgrade), to a reader of a part. Others read when `part` has returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new((1, "one"));
    /// let name = RwLockWriteGuard::downgrade_map(lock.try_write().unwrap(), |pair| &pair.1);
    /// assert_eq!(*name, lock.try_read().unwrap().1);
    /// ```
    pub fn downgrade_map<U: ?Sized>(
        this: Self,
        part: impl FnOnce(&T) -> &U,
    ) -> RwLockReadGuard<'a, U> {
        let part: *const U = part(&this);
        RwLockReadGuard::of(this.into_read(), part)
    }

    /// As [`downgrade`](Self::downgrade), to a reader of a part if there is one.
    ///
    /// # Errors
    ///
    /// The guard as it was, which writes still, if there is no such part.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(vec![1]);
    /// let mut writing = lock.try_write().unwrap();
    /// writing = RwLockWriteGuard::try_downgrade_map(writing, |list| list.get(1)).unwrap_err();
    /// writing.push(2);
    /// let second = RwLockWriteGuard::try_downgrade_map(writing, |list| list.get(1)).unwrap();
    /// assert_eq!(*second, lock.try_read().unwrap()[1]);
    /// ```
    pub fn try_downgrade_map<U: ?Sized>(
        this: Self,
        part: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<RwLockReadGuard<'a, U>, Self> {
        match part(&this).map(|part| part as *const U) {
            Some(part) => Ok(RwLockReadGuard::of(this.into_read(), part)),
            None => Err(this),
        }
    }

    /// The same right as one to a part, namely to all of it: where both kinds are to be of one type. It cannot be made into a reader's any more.
    pub fn into_mapped(this: Self) -> RwLockMappedWriteGuard<'a, T> {
        let value = this.value;
        Self::into_part(this, value)
    }

    /// Gives back all permits but one, which is the caller's.
    fn into_read(self) -> &'a Permits {
        let lock = self.lock;
        mem::forget(self);
        lock.downgrade();
        &lock.permits
    }

    fn into_part<U: ?Sized>(this: Self, part: *mut U) -> RwLockMappedWriteGuard<'a, U> {
        let lock = this.lock;
        mem::forget(this);
        RwLockMappedWriteGuard::of(&lock.permits, lock.max_readers, part)
    }
}

impl<'a, T: ?Sized> RwLockMappedWriteGuard<'a, T> {
    fn of(permits: &'a Permits, all: u32, part: *mut T) -> Self {
        Self {
            permits,
            all,
            part,
            _part: PhantomData,
        }
    }

    /// The same right, to a part of the part.
    pub fn map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> RwLockMappedWriteGuard<'a, U> {
        let part: *mut U = part(&mut this);
        Self::into_part(this, part)
    }

    /// The same right, to a part of the part if there is one.
    ///
    /// # Errors
    ///
    /// The guard as it was, if there is no such part.
    pub fn try_map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<RwLockMappedWriteGuard<'a, U>, Self> {
        match part(&mut this).map(|part| part as *mut U) {
            Some(part) => Ok(Self::into_part(this, part)),
            None => Err(this),
        }
    }

    fn into_part<U: ?Sized>(this: Self, part: *mut U) -> RwLockMappedWriteGuard<'a, U> {
        let (permits, all) = (this.permits, this.all);
        mem::forget(this);
        RwLockMappedWriteGuard::of(permits, all, part)
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: all permits are the guard's, so nobody else reaches the value; the result borrows the guard.
        unsafe { &*self.value }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        unsafe { &mut *self.value }
    }
}

impl<T: ?Sized> Deref for RwLockMappedWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: part of a value that nobody else reaches, since all permits are the guard's; it came from a `&mut T` that lives as long.
        unsafe { &*self.part }
    }
}

impl<T: ?Sized> DerefMut for RwLockMappedWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        unsafe { &mut *self.part }
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.end_write();
    }
}

impl<T: ?Sized> Drop for RwLockMappedWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.permits.give(self.all as usize);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockMappedWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockMappedWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
