//! How often does a thread ask for memory, and how much does the process have?
//!
//! A test that wants to know makes [`Counting`] its global allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, which counts for each thread how often it is asked, and for all of them what they have.
#[derive(Debug, Clone, Copy)]
pub struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

/// How many bytes were asked for and not given back, by any thread.
#[must_use]
pub fn live_bytes() -> usize {
    // ORDERING: Relaxed, here and below: a number, and who compares two of them has waited for what is between.
    LIVE_BYTES.load(Ordering::Relaxed)
}

/// How often this thread has asked for memory.
#[must_use]
pub fn of_this_thread() -> usize {
    COUNT.with(Cell::get)
}

/// How often this thread asks for memory within `f`.
pub fn during(f: impl FnOnce()) -> usize {
    let before = of_this_thread();
    f();
    of_this_thread() - before
}

fn count() {
    // A thread that is ending counts nothing.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: the system's allocator does it all; a counter beside it allocates nothing, being const and without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        LIVE_BYTES.fetch_add(size, Ordering::Relaxed);
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}
