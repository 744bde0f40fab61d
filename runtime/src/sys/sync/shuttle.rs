//! shuttle's twins: random interleavings of a large model are run, each replayable from its seed.

pub(crate) use shuttle::sync::Arc;
pub(crate) use shuttle::thread_local;

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Duration;

pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{Ordering, compiler_fence, fence};

    use std::ops::Deref;
    use std::sync::atomic as real;
    use std::time::Duration;

    /// An atomic of std's, with a step of the model before each access. shuttle's own are the same, but not as small as they are: the slab counts on a freed
    /// cell's first word, which is a task's state word, to stay as it was.
    #[derive(Debug, Default)]
    pub(crate) struct Stepped<A>(A);

    pub(crate) type AtomicBool = Stepped<real::AtomicBool>;
    pub(crate) type AtomicU8 = Stepped<real::AtomicU8>;
    pub(crate) type AtomicU64 = Stepped<real::AtomicU64>;
    pub(crate) type AtomicUsize = Stepped<real::AtomicUsize>;
    pub(crate) type AtomicPtr<T> = Stepped<real::AtomicPtr<T>>;

    impl<A> Deref for Stepped<A> {
        type Target = A;

        fn deref(&self) -> &A {
            // A sleep is a step and nothing else, unlike a yield, which PCT takes for a wish to be put off.
            shuttle::thread::sleep(Duration::ZERO);
            &self.0
        }
    }

    impl Stepped<real::AtomicBool> {
        pub(crate) const fn new(value: bool) -> Self {
            Self(real::AtomicBool::new(value))
        }
    }

    impl Stepped<real::AtomicU8> {
        pub(crate) const fn new(value: u8) -> Self {
            Self(real::AtomicU8::new(value))
        }
    }

    impl Stepped<real::AtomicU64> {
        pub(crate) const fn new(value: u64) -> Self {
            Self(real::AtomicU64::new(value))
        }
    }

    impl Stepped<real::AtomicUsize> {
        pub(crate) const fn new(value: usize) -> Self {
            Self(real::AtomicUsize::new(value))
        }
    }

    impl<T> Stepped<real::AtomicPtr<T>> {
        pub(crate) const fn new(value: *mut T) -> Self {
            Self(real::AtomicPtr::new(value))
        }
    }
}

pub(crate) mod hint {
    pub(crate) use shuttle::hint::spin_loop;
}

pub(crate) mod thread {
    pub(crate) use shuttle::thread::{
        Builder, JoinHandle, ThreadId, current, sleep, spawn, yield_now,
    };

    /// shuttle does not say; whoever asks is going to join the others anyway.
    pub(crate) fn has_ended<T>(_thread: &JoinHandle<T>) -> bool {
        false
    }
}

/// shuttle's mutex without poisoning.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

/// Knows its mutex, so that a wait can let go of it and come back.
#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// None in the middle of a wait only.
    held: Option<shuttle::sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            mutex: self,
            held: Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let held = self.0.try_lock().ok()?;
        Some(MutexGuard {
            mutex: self,
            held: Some(held),
        })
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().expect("not in a wait")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("not in a wait")
    }
}

std::thread_local! {
    static PATIENCE: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// shuttle has no time. So from now on a timed wait of at most this length ends by itself, at any moment, and a longer one never does.
/// For all threads of a model, which are one of the system's.
pub(crate) fn set_patience(patience: Duration) {
    PATIENCE.set(patience);
}

/// shuttle's condition variable.
#[derive(Debug, Default)]
pub(crate) struct Condvar(shuttle::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(shuttle::sync::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.held.take().expect("not in a wait");
        let held = self.0.wait(held);
        guard.held = Some(held.unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, timeout: Duration) -> bool {
        if timeout > PATIENCE.get() {
            self.wait(guard);
            return false;
        }
        // However long the others run now: it is a wait that ends then. Being notified meanwhile looks the same to the caller.
        drop(guard.held.take());
        shuttle::thread::yield_now();
        guard.held = guard.mutex.lock().held;
        true
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// `std::cell::UnsafeCell` with the closure interface a model checker needs to see each access.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    /// Gives a pointer to read through. The caller proves that nobody writes meanwhile.
    #[inline(always)]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Gives a pointer to write through. The caller proves that nobody else reads or writes meanwhile.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}
