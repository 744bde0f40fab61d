//! loom's twins: every interleaving of a small model is run.

pub(crate) use loom::sync::Arc;
// The models poll no tasks on workers; what is local to a thread is left alone.
pub(crate) use std::thread_local;

pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
    };

    /// A compiler fence orders nothing between threads, so loom has none; the models use real fences.
    pub(crate) fn compiler_fence(_order: Ordering) {}
}

pub(crate) mod hint {
    pub(crate) use loom::hint::spin_loop;
}

pub(crate) mod thread {
    pub(crate) use loom::thread::{Builder, JoinHandle, ThreadId, current, spawn, yield_now};

    /// There is no time in a model.
    pub(crate) fn sleep(_time: std::time::Duration) {
        yield_now();
    }
}

pub(crate) use loom::sync::MutexGuard;

/// loom's mutex without poisoning.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok()
    }
}

pub(crate) use loom::sync::RwLockReadGuard;

/// loom's reader-writer lock without poisoning.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> loom::sync::RwLockWriteGuard<'_, T> {
        self.0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// loom's condition variable. A timed wait may give up at once: loom has no time.
#[derive(Debug, Default)]
pub(crate) struct Condvar(loom::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        replace(guard, |guard| {
            self.0
                .wait(guard)
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        });
    }

    pub(crate) fn wait_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        _timeout: std::time::Duration,
    ) -> bool {
        self.wait(guard);
        false
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// Runs a guard through a function that takes and returns it by value.
fn replace<G>(guard: &mut G, through: impl FnOnce(G) -> G) {
    // SAFETY: `guard` is a valid, initialised reference; the value read out is passed on exactly once and
    // the slot is written again below before anybody can look at it. `through` does not unwind: loom
    // aborts the whole model when a thread in it panics.
    let taken = unsafe { std::ptr::read(guard) };
    let given = through(taken);
    // SAFETY: the slot holds a value that was moved out above, so nothing is dropped by overwriting it.
    unsafe { std::ptr::write(guard, given) };
}

/// loom's cell: it reports an access that races.
#[derive(Debug, Default)]
pub(crate) struct UnsafeCell<T: ?Sized>(loom::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        self.0.with(read)
    }

    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(write)
    }
}
