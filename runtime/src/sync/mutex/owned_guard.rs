//! What does a task hold that has the lock, and keeps the mutex alive?
//!
//! As [`guard`](super::guard), with an [`Arc`] in the place of a reference. The lock itself is [`Held`], so that a guard can be taken apart and made into one of a part.

use super::Mutex;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A mutex that is locked; unlocks when it is dropped.
struct Held<T: ?Sized>(Arc<Mutex<T>>);

impl<T: ?Sized> Drop for Held<T> {
    fn drop(&mut self) {
        self.0.raw.unlock();
    }
}

/// The lock of a [`Mutex`] in an [`Arc`] and the way to its value; unlocks when it is dropped.
#[must_use = "it unlocks at once if this is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedMutexGuard<T: ?Sized> {
    held: Held<T>,
    /// It may be shared between threads if the value may.
    _value: PhantomData<T>,
}

/// The lock of a [`Mutex`] in an [`Arc`] and the way to a part of its value; unlocks when it is dropped. Made by [`OwnedMutexGuard::map`].
#[must_use = "it unlocks at once if this is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedMappedMutexGuard<T: ?Sized, U: ?Sized = T> {
    held: Held<T>,
    /// Part of the value that the lock protects, or of what it owns.
    part: *mut U,
    _part: PhantomData<U>,
}

// SAFETY: it stands for a `&mut U`, and for an `Arc<Mutex<T>>`, which may be sent if the value may.
unsafe impl<T: ?Sized + Send, U: ?Sized + Send> Send for OwnedMappedMutexGuard<T, U> {}
// SAFETY: a reference to it stands for a `&U` only.
unsafe impl<T: ?Sized + Send, U: ?Sized + Send + Sync> Sync for OwnedMappedMutexGuard<T, U> {}
impl<T: ?Sized> OwnedMutexGuard<T> {
    /// Only for who has locked it, and has no other guard.
    pub(super) fn new(mutex: Arc<Mutex<T>>) -> Self {
        Self {
            held: Held(mutex),
            _value: PhantomData,
        }
    }

    /// The same lock, and a part of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::{Mutex, OwnedMutexGuard};
    /// use std::sync::Arc;
    ///
    /// let mutex = Arc::new(Mutex::new((1, "one")));
    /// let guard = mutex.clone().try_lock_owned().unwrap();
    /// *OwnedMutexGuard::map(guard, |pair| &mut pair.0) += 1;
    /// assert_eq!(*mutex.try_lock().unwrap(), (2, "one"));
    /// ```
    pub fn map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> OwnedMappedMutexGuard<T, U> {
        let part: *mut U = part(&mut this);
        OwnedMappedMutexGuard::new(this.held, part)
    }

    /// The same lock, and a part of the value if there is one.
    ///
    /// # Errors
    ///
    /// The guard as it was, if there is no such part.
    pub fn try_map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<OwnedMappedMutexGuard<T, U>, Self> {
        match part(&mut this).map(|part| part as *mut U) {
            Some(part) => Ok(OwnedMappedMutexGuard::new(this.held, part)),
            None => Err(this),
        }
    }

    /// The mutex it is of.
    #[must_use]
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        &this.held.0
    }
}

impl<T: ?Sized, U: ?Sized> OwnedMappedMutexGuard<T, U> {
    /// `part` is in the value that the lock protects.
    fn new(held: Held<T>, part: *mut U) -> Self {
        Self {
            held,
            part,
            _part: PhantomData,
        }
    }

    /// The same lock, and a part of the part.
    pub fn map<V: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut U) -> &mut V,
    ) -> OwnedMappedMutexGuard<T, V> {
        let part: *mut V = part(&mut this);
        OwnedMappedMutexGuard::new(this.held, part)
    }

    /// The same lock, and a part of the part if there is one.
    ///
    /// # Errors
    ///
    /// The guard as it was, if there is no such part.
    pub fn try_map<V: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<OwnedMappedMutexGuard<T, V>, Self> {
        match part(&mut this).map(|part| part as *mut V) {
            Some(part) => Ok(OwnedMappedMutexGuard::new(this.held, part)),
            None => Err(this),
        }
    }
}

impl<T: ?Sized> Deref for OwnedMutexGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is the guard's, so nobody else reaches the value; the result borrows the guard.
        self.held.0.value.with(|value| unsafe { &*value })
    }
}

impl<T: ?Sized> DerefMut for OwnedMutexGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        self.held.0.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T: ?Sized, U: ?Sized> Deref for OwnedMappedMutexGuard<T, U> {
    type Target = U;

    fn deref(&self) -> &U {
        // SAFETY: part of a value that `held` keeps alive and locked; it came from a reference that lives as long as the lock is held.
        unsafe { &*self.part }
    }
}

impl<T: ?Sized, U: ?Sized> DerefMut for OwnedMappedMutexGuard<T, U> {
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: as in `deref`, and the guard is borrowed exclusively.
        unsafe { &mut *self.part }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedMutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for OwnedMutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Debug> fmt::Debug for OwnedMappedMutexGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Display> fmt::Display for OwnedMappedMutexGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
