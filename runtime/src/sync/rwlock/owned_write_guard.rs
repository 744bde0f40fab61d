//! What does a task hold that writes, and keeps the lock alive?
//!
//! As [`write_guard`](super::write_guard), with an [`Arc`] in the place of a reference. The right itself is [`Held`], so that a guard can be taken apart and made into another.

use super::{OwnedRwLockReadGuard, RwLock};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A lock that is being written, on the holder's behalf; ends when it is dropped.
struct Held<T: ?Sized> {
    lock: Arc<RwLock<T>>,
    /// False when all permits but one have been given back already, and that one is somebody else's.
    ends_write: bool,
}

impl<T: ?Sized> Held<T> {
    /// Gives back all permits but one, which is the caller's.
    fn into_read(mut self) -> Arc<RwLock<T>> {
        let lock = self.lock.clone();
        self.ends_write = false;
        lock.downgrade();
        lock
    }
}

impl<T: ?Sized> Drop for Held<T> {
    fn drop(&mut self) {
        if self.ends_write {
            self.lock.end_write();
        }
    }
}

/// The right to change the value of a [`RwLock`] in an [`Arc`]; ends when it is dropped.
#[must_use = "it ends at once if this is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockWriteGuard<T: ?Sized> {
    held: Held<T>,
    value: *mut T,
    _value: PhantomData<T>,
}

/// The right to change a part of the value of a [`RwLock`] in an [`Arc`]; ends when it is dropped. Made by [`OwnedRwLockWriteGuard::map`].
#[must_use = "it ends at once if this is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockMappedWriteGuard<T: ?Sized, U: ?Sized = T> {
    held: Held<T>,
    /// Part of the value that the lock protects, or of what it owns.
    part: *mut U,
    _part: PhantomData<U>,
}

// SAFETY: it stands for a `&mut T`, and for an `Arc<RwLock<T>>`, which may be sent if the value may be sent and shared.
unsafe impl<T: ?Sized + Send + Sync> Send for OwnedRwLockWriteGuard<T> {}
// SAFETY: as above, for a reference to both.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedRwLockWriteGuard<T> {}
// SAFETY: it stands for a `&mut U`, and for an `Arc<RwLock<T>>`.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send> Send for OwnedRwLockMappedWriteGuard<T, U> {}
// SAFETY: a reference to it stands for a `&U`, and for a `&Arc<RwLock<T>>`.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Sync for OwnedRwLockMappedWriteGuard<T, U> {}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    /// Only for who has taken all permits, which are the guard's from now on.
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        let value = lock.exclusive();
        let ends_write = true;
        Self {
            held: Held { lock, ends_write },
            value,
            _value: PhantomData,
        }
    }

    /// The same right, to a part of the value.
    pub fn map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> OwnedRwLockMappedWriteGuard<T, U> {
        let part: *mut U = part(&mut this);
        OwnedRwLockMappedWriteGuard::of(this.held, part)
    }

    /// The same right, to a part of the value if there is one.
    ///
    /// # Errors
    ///
    /// The guard as it was, if there is no such part.
    pub fn try_map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, U>, Self> {
        match part(&mut this).map(|part| part as *mut U) {
            Some(part) => Ok(OwnedRwLockMappedWriteGuard::of(this.held, part)),
            None => Err(this),
        }
    }

    /// Reads from now on, and lets others read; nobody writes in between. See [`RwLockWriteGuard::downgrade`](super::RwLockWriteGuard::downgrade).
    pub fn downgrade(self) -> OwnedRwLockReadGuard<T> {
        OwnedRwLockReadGuard::new(self.held.into_read())
    }

    /// As [`downgrade`](Self::downgrade), to a reader of a part. Others read when `part` has returned.
    pub fn downgrade_map<U: ?Sized>(
        this: Self,
        part: impl FnOnce(&T) -> &U,
    ) -> OwnedRwLockReadGuard<T, U> {
        let part: *const U = part(&this);
        OwnedRwLockReadGuard::of_part(this.held.into_read(), part)
    }

    /// As [`downgrade`](Self::downgrade), to a reader of a part if there is one.
    ///
    /// # Errors
    ///
    /// The guard as it was, which writes still, if there is no such part.
    pub fn try_downgrade_map<U: ?Sized>(
        this: Self,
        part: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<OwnedRwLockReadGuard<T, U>, Self> {
        match part(&this).map(|part| part as *const U) {
            Some(part) => Ok(OwnedRwLockReadGuard::of_part(this.held.into_read(), part)),
            None => Err(this),
        }
    }

    /// The same right as one to a part, namely to all of it. It cannot be made into a reader's any more.
    pub fn into_mapped(this: Self) -> OwnedRwLockMappedWriteGuard<T> {
        OwnedRwLockMappedWriteGuard::of(this.held, this.value)
    }

    /// The lock it is of.
    #[must_use]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        &this.held.lock
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockMappedWriteGuard<T, U> {
    /// `part` is in the value that the lock protects.
    fn of(held: Held<T>, part: *mut U) -> Self {
        Self {
            held,
            part,
            _part: PhantomData,
        }
    }

    /// The same right, to a part of the part.
    pub fn map<V: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut U) -> &mut V,
    ) -> OwnedRwLockMappedWriteGuard<T, V> {
        let part: *mut V = part(&mut this);
        OwnedRwLockMappedWriteGuard::of(this.held, part)
    }

    /// The same right, to a part of the part if there is one.
    ///
    /// # Errors
    ///
    /// The guard as it was, if there is no such part.
    pub fn try_map<V: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, V>, Self> {
        match part(&mut this).map(|part| part as *mut V) {
            Some(part) => Ok(OwnedRwLockMappedWriteGuard::of(this.held, part)),
            None => Err(this),
        }
    }

    /// The lock it is of.
    #[must_use]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        &this.held.lock
    }
}

impl<T: ?Sized> Deref for OwnedRwLockWriteGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the value that `held` keeps alive; nobody else reaches it, since all permits are the guard's.
        unsafe { &*self.value }
    }
}

impl<T: ?Sized> DerefMut for OwnedRwLockWriteGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        unsafe { &mut *self.value }
    }
}

impl<T: ?Sized, U: ?Sized> Deref for OwnedRwLockMappedWriteGuard<T, U> {
    type Target = U;

    fn deref(&self) -> &U {
        // SAFETY: part of a value that `held` keeps alive and to itself; it came from a reference that lives as long.
        unsafe { &*self.part }
    }
}

impl<T: ?Sized, U: ?Sized> DerefMut for OwnedRwLockMappedWriteGuard<T, U> {
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        unsafe { &mut *self.part }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedRwLockWriteGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for OwnedRwLockWriteGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Debug> fmt::Debug for OwnedRwLockMappedWriteGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Display> fmt::Display for OwnedRwLockMappedWriteGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
