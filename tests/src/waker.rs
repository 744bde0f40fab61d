//! How does a test get a waker whose clone runs code of the test's?
//!
//! `std::task::Wake` allows code in `wake` and `drop` only; a clone is the `Arc`'s. So the table of functions is ours.

use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// Called when the waker is cloned.
type OnClone = Box<dyn Fn() + Send + Sync>;

/// A waker that wakes nobody, and calls `on_clone` each time it is cloned.
#[must_use]
pub fn with_clone(on_clone: impl Fn() + Send + Sync + 'static) -> Waker {
    let on_clone: OnClone = Box::new(on_clone);
    // SAFETY: the table's functions keep RawWaker's contract: each waker owns one count of the `Arc`, whose content is `Send + Sync`.
    unsafe { Waker::from_raw(raw(Arc::new(on_clone))) }
}

fn raw(on_clone: Arc<OnClone>) -> RawWaker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, release, |_| {}, release);
    RawWaker::new(Arc::into_raw(on_clone).cast(), &TABLE)
}

/// # Safety
///
/// `data` is that of a waker made by [`raw`], which lives.
unsafe fn clone(data: *const ()) -> RawWaker {
    let data = data.cast::<OnClone>();
    // SAFETY: the pointer came from `Arc::into_raw`, and the waker's count keeps what it points to.
    (unsafe { &*data })();
    // SAFETY: as above.
    unsafe { Arc::increment_strong_count(data) };
    // SAFETY: the count that was just added is the new waker's.
    raw(unsafe { Arc::from_raw(data) })
}

/// # Safety
///
/// `data` is that of a waker made by [`raw`], which ends here.
unsafe fn release(data: *const ()) {
    // SAFETY: the pointer came from `Arc::into_raw`, and the waker gives up its count.
    drop(unsafe { Arc::from_raw(data.cast::<OnClone>()) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn clones_are_told_and_everything_is_released() {
        let clones = Arc::new(AtomicUsize::new(0));
        let waker = with_clone({
            let clones = clones.clone();
            move || {
                clones.fetch_add(1, Ordering::SeqCst);
            }
        });
        let (one, other) = (waker.clone(), waker.clone());
        one.wake();
        drop(other);
        waker.wake_by_ref();
        drop(waker);
        assert_eq!(clones.load(Ordering::SeqCst), 2);
        assert_eq!(Arc::strong_count(&clones), 1);
    }
}
