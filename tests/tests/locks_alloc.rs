//! Do locks and semaphores wait without an allocation?
//!
//! The only test of its binary, since its allocator counts. It polls by hand: what a runtime allocates for itself is none of its business.

use filch::sync::{Mutex, RwLock, Semaphore};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting by thread.
struct Counting;

// SAFETY: the system's allocator does the work; the count is a plain cell of the thread that allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: passed on to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on to the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread allocates meanwhile.
fn allocations_of(run: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

/// The output of what is ready.
fn ready<T>(polled: Poll<T>) -> T {
    match polled {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn nothing_is_allocated_to_wait() {
    assert_eq!(
        allocations_of(|| drop(std::hint::black_box(Box::new(1)))),
        1
    );
    let (mutex, rwlock, semaphore) = (Mutex::new(1), RwLock::new(1), Semaphore::new(1));
    let mut cx = Context::from_waker(Waker::noop());
    let mutex_waits = || {
        let guard = mutex.try_lock().unwrap();
        let (mut first, mut second) = (pin!(mutex.lock()), pin!(mutex.lock()));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        drop(guard);
        drop(ready(first.poll(&mut cx)));
        drop(ready(second.poll(&mut cx)));
    };
    assert_eq!(allocations_of(mutex_waits), 0);
    let rwlock_waits = || {
        let guard = rwlock.try_write().unwrap();
        let (mut read, mut write) = (pin!(rwlock.read()), pin!(rwlock.write()));
        assert!(read.as_mut().poll(&mut cx).is_pending());
        assert!(write.as_mut().poll(&mut cx).is_pending());
        drop(guard);
        drop(ready(read.poll(&mut cx)));
        drop(ready(write.poll(&mut cx)));
    };
    assert_eq!(allocations_of(rwlock_waits), 0);
    let semaphore_waits = || {
        let permit = semaphore.try_acquire().unwrap();
        let (mut first, mut second) = (pin!(semaphore.acquire()), pin!(semaphore.acquire()));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        drop(permit);
        drop(ready(first.poll(&mut cx)));
        drop(ready(second.poll(&mut cx)));
    };
    assert_eq!(allocations_of(semaphore_waits), 0);
}
