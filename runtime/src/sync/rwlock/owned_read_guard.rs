//! What does a task hold that reads, and keeps the lock alive?
//!
//! As [`read_guard`](super::read_guard), with an [`Arc`] in the place of a reference. The right itself is [`Held`], so that a guard can be taken apart and made into one of a part.

use super::RwLock;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

/// A lock that is being read, on the holder's behalf; ends when it is dropped.
struct Held<T: ?Sized>(Arc<RwLock<T>>);

impl<T: ?Sized> Drop for Held<T> {
    fn drop(&mut self) {
        self.0.end_read();
    }
}

/// The right to read the value of a [`RwLock`] in an [`Arc`], or a part of it; ends when it is dropped.
#[must_use = "it ends at once if this is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockReadGuard<T: ?Sized, U: ?Sized = T> {
    held: Held<T>,
    /// The value, or a part of it.
    part: *const U,
    _part: PhantomData<U>,
}

// SAFETY: it stands for a `&U`, and for an `Arc<RwLock<T>>`, which may be sent if the value may be sent and shared.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Send for OwnedRwLockReadGuard<T, U> {}
// SAFETY: as above, for a reference to both.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Sync for OwnedRwLockReadGuard<T, U> {}

impl<T: ?Sized> OwnedRwLockReadGuard<T> {
    /// Only for who has taken a permit, which is the guard's from now on.
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        let value = lock.shared();
        Self::of(Held(lock), value)
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    /// As `new`; `part` is in the value that the lock protects.
    pub(super) fn of_part(lock: Arc<RwLock<T>>, part: *const U) -> Self {
        Self::of(Held(lock), part)
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    /// `part` is in the value that the lock protects.
    fn of(held: Held<T>, part: *const U) -> Self {
        Self {
            held,
            part,
            _part: PhantomData,
        }
    }

    /// The same right, to a part of the value.
    pub fn map<V: ?Sized>(this: Self, part: impl FnOnce(&U) -> &V) -> OwnedRwLockReadGuard<T, V> {
        let part: *const V = part(&this);
        OwnedRwLockReadGuard::of(this.held, part)
    }

    /// The same right, to a part of the value if there is one.
    ///
    /// # Errors
    ///
    /// The guard as it was, if there is no such part.
    pub fn try_map<V: ?Sized>(
        this: Self,
        part: impl FnOnce(&U) -> Option<&V>,
    ) -> Result<OwnedRwLockReadGuard<T, V>, Self> {
        match part(&this).map(|part| part as *const V) {
            Some(part) => Ok(OwnedRwLockReadGuard::of(this.held, part)),
            None => Err(this),
        }
    }

    /// The lock it is of.
    #[must_use]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        &this.held.0
    }
}

impl<T: ?Sized, U: ?Sized> Deref for OwnedRwLockReadGuard<T, U> {
    type Target = U;

    fn deref(&self) -> &U {
        // SAFETY: part of a value that `held` keeps alive and unchanged; it came from a reference that lives as long.
        unsafe { &*self.part }
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Debug> fmt::Debug for OwnedRwLockReadGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Display> fmt::Display for OwnedRwLockReadGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
