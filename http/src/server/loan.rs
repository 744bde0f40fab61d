//! Who may touch what a connection and the handler of its request both need?
//!
//! One of them at a time. The connection keeps its buffer, and what it parsed, in a [`Home`]; while a handler works
//! on a request it has the [`Loan`] of it, and the connection can only ask whether it is back. Dropping the loan
//! gives it back, wherever that happens, so a request may be moved into another task and outlive its connection:
//! then the loan frees what it holds.
//!
//! Three states in one byte:
//!
//! | state  | may touch the value | `lend`        | `Loan` dropped | `Home` dropped |
//! |--------|---------------------|---------------|----------------|----------------|
//! | HOME   | the home            | -> LENT       | cannot be      | frees          |
//! | LENT   | the loan            | refused       | -> HOME        | -> ORPHAN      |
//! | ORPHAN | the loan            | cannot be     | frees          | cannot be      |
//!
//! It costs a plain load to ask and one locked instruction to give back. Rejected: a handler that borrows from the
//! connection (no lifetime of a closure's future can say so, and the handler could not keep the request), an
//! `Arc` (three locked instructions, and no mutable access for reading a body), a `Mutex<Option<Box<T>>>` (four).

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering};

const HOME: u8 = 0;
const LENT: u8 = 1;
const ORPHAN: u8 = 2;

struct Shared<T> {
    state: AtomicU8,
    /// INVARIANT: touched only by the one whom the table names for the state.
    value: UnsafeCell<T>,
}

/// The owner of a value that can be lent.
pub(crate) struct Home<T> {
    /// INVARIANT: points to a live `Shared`, made by [`Home::new`] from a box. It is freed by the last of home and
    /// loan, as the table says; there is one home, and one loan at most.
    shared: NonNull<Shared<T>>,
    owns: PhantomData<Shared<T>>,
}

/// The value, away from home.
pub(crate) struct Loan<T> {
    /// INVARIANT: points to a live `Shared` whose state is LENT or ORPHAN; there is no other loan of it.
    shared: NonNull<Shared<T>>,
    owns: PhantomData<Shared<T>>,
}

// SAFETY: home and loan together give access to the value from one thread at a time, as a box does: the state hands
// it over with Release and Acquire.
unsafe impl<T: Send> Send for Home<T> {}
// SAFETY: as for the home.
unsafe impl<T: Send> Send for Loan<T> {}
// SAFETY: a shared loan gives out shared references to the value and nothing else.
unsafe impl<T: Sync> Sync for Loan<T> {}
// SAFETY: nothing can be done with a shared home.
unsafe impl<T: Send> Sync for Home<T> {}

impl<T> Home<T> {
    pub(crate) fn new(value: T) -> Self {
        let shared = Box::new(Shared {
            state: AtomicU8::new(HOME),
            value: UnsafeCell::new(value),
        });
        Self {
            shared: NonNull::from(Box::leak(shared)),
            owns: PhantomData,
        }
    }

    /// The value, if it is at home.
    #[inline]
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        let shared = self.shared();
        // ORDERING: Acquire, partner of the Release in `Loan::drop`: what the borrower wrote is seen.
        if shared.state.load(Ordering::Acquire) != HOME {
            return None;
        }
        let value = shared.value.get();
        // SAFETY: at HOME the value is the home's, which is borrowed mutably as long as the result lives.
        Some(unsafe { &mut *value })
    }

    /// Lends the value, if it is at home.
    #[inline]
    pub(crate) fn lend(&mut self) -> Option<Loan<T>> {
        self.get_mut()?;
        // ORDERING: Relaxed: nobody else looks at the state while it is HOME, and the loan reaches another thread
        // only by what passes it on.
        self.shared().state.store(LENT, Ordering::Relaxed);
        Some(Loan {
            shared: self.shared,
            owns: PhantomData,
        })
    }

    #[inline]
    fn shared(&self) -> &Shared<T> {
        // SAFETY: live by the invariant, and only ever shared as a whole.
        unsafe { self.shared.as_ref() }
    }
}

impl<T> Drop for Home<T> {
    fn drop(&mut self) {
        // ORDERING: Release for the loan that frees it later; Acquire, partner of the Release in `Loan::drop`, for
        // freeing it here.
        let state = self.shared().state.swap(ORPHAN, Ordering::AcqRel);
        if state == HOME {
            // SAFETY: from `Box::leak`; at HOME there is no loan, and the home is going.
            drop(unsafe { Box::from_raw(self.shared.as_ptr()) });
        }
    }
}

impl<T> Loan<T> {
    #[inline]
    fn shared(&self) -> &Shared<T> {
        // SAFETY: live by the invariant, and only ever shared as a whole.
        unsafe { self.shared.as_ref() }
    }
}

impl<T> Deref for Loan<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        let value = self.shared().value.get();
        // SAFETY: the state is LENT or ORPHAN, so that the value is the loan's, and it is borrowed shared.
        unsafe { &*value }
    }
}

impl<T> DerefMut for Loan<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        let value = self.shared().value.get();
        // SAFETY: the state is LENT or ORPHAN, so that the value is the loan's, and it is borrowed mutably.
        unsafe { &mut *value }
    }
}

impl<T> Drop for Loan<T> {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: Release, partner of the Acquire in `Home::get_mut` and `Home::drop`; Acquire, partner of the
        // Release in `Home::drop`, for freeing it here.
        let state = self.shared().state.swap(HOME, Ordering::AcqRel);
        if state == ORPHAN {
            self.free_slow();
        }
    }
}

impl<T> Loan<T> {
    /// Frees what is nobody else's any more; only at the end of a drop that has found it so.
    #[cold]
    #[inline(never)]
    fn free_slow(&mut self) {
        // SAFETY: from `Box::leak`; the home is gone, and this was the one loan.
        drop(unsafe { Box::from_raw(self.shared.as_ptr()) });
    }
}

impl<T> fmt::Debug for Home<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDERING: Relaxed: for the eye only.
        let is_home = self.shared().state.load(Ordering::Relaxed) == HOME;
        f.debug_struct("Home").field("is_home", &is_home).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for Loan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Home;
    use std::sync::Arc;

    #[test]
    fn one_of_them_at_a_time() {
        let mut home = Home::new(1);
        let mut loan = home.lend().expect("at home");
        assert!(home.get_mut().is_none() && home.lend().is_none());
        *loan += 1;
        assert_eq!(*loan, 2);
        drop(loan);
        assert_eq!(home.get_mut().map(|value| *value), Some(2));
    }

    #[test]
    fn whoever_goes_last_frees() {
        let value = Arc::new(());
        let count = || Arc::strong_count(&value);

        let mut home = Home::new(value.clone());
        drop(home.lend());
        drop(home);
        assert_eq!(count(), 1);

        let mut home = Home::new(value.clone());
        let loan = home.lend().expect("at home");
        drop(home);
        assert_eq!((count(), Arc::strong_count(&loan)), (2, 2));
        drop(loan);
        assert_eq!(count(), 1);
    }

    #[test]
    fn given_back_by_another_thread() {
        let mut home = Home::new(vec![1]);
        let mut loan = home.lend().expect("at home");
        let borrower = std::thread::spawn(move || loan.push(2));
        loop {
            if let Some(value) = home.get_mut() {
                assert_eq!(*value, [1, 2]);
                break;
            }
            std::thread::yield_now();
        }
        borrower.join().expect("no panic");
    }

    #[test]
    fn both_dropped_at_once() {
        for _ in 0..50 {
            let mut home = Home::new(String::from("x"));
            let loan = home.lend().expect("at home");
            let borrower = std::thread::spawn(move || drop(loan));
            drop(home);
            borrower.join().expect("no panic");
        }
    }
}
