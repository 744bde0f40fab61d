//! How does a `Waker` reach its task?
//!
//! It is a pointer to the cell, counted in the state word. The waker a poll is lent is the exception: it is made without
//! counting and never dropped, so a future that does not clone it costs no locked instruction.

use super::harness::release;
use super::header::Header;
use super::refs::Notified;
use super::schedule::Schedule;
use super::state::Wake;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// A waker lent to a poll: not counted, not dropped.
pub(super) struct LentWaker<'poll> {
    waker: ManuallyDrop<Waker>,
    _poll: PhantomData<&'poll Header>,
}

impl LentWaker<'_> {
    /// # Safety
    ///
    /// The task must stay incomplete while the waker is lent; clones are counted and free to outlive it.
    #[inline]
    pub(super) unsafe fn new<S: Schedule>(cell: NonNull<Header>) -> Self {
        let raw = RawWaker::new(cell.as_ptr().cast(), vtable::<S>());
        // SAFETY: the functions of the vtable keep the contract of `RawWaker` for counted pointers, and this uncounted one is
        // never dropped nor woken by value: it only leaves as `&Waker`.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw) });
        Self {
            waker,
            _poll: PhantomData,
        }
    }
}

impl Deref for LentWaker<'_> {
    type Target = Waker;

    #[inline]
    fn deref(&self) -> &Waker {
        &self.waker
    }
}

fn vtable<S: Schedule>() -> &'static RawWakerVTable {
    const { &RawWakerVTable::new(clone::<S>, wake::<S>, wake_by_ref::<S>, drop_waker) }
}

fn to_cell(data: *const ()) -> NonNull<Header> {
    NonNull::new(data.cast_mut().cast()).expect("a waker points to a cell")
}

unsafe fn clone<S: Schedule>(data: *const ()) -> RawWaker {
    // SAFETY: the caller's waker keeps the cell.
    unsafe { to_cell(data).as_ref() }.state.add_reference();
    RawWaker::new(data, vtable::<S>())
}

unsafe fn wake<S: Schedule>(data: *const ()) {
    let cell = to_cell(data);
    // SAFETY: the caller's waker keeps the cell.
    if !unsafe { S::is_home(cell) } {
        // Another thread's runtime may end between the wake and the push: the reference is given up last.
        // SAFETY: as above.
        unsafe { wake_by_ref::<S>(data) };
        // SAFETY: the waker is consumed, and its reference with it.
        unsafe { release(cell) };
        return;
    }
    // SAFETY: as above.
    match unsafe { cell.as_ref() }.state.wake_by_value() {
        // SAFETY: the verdict hands out the task's only `Notified`.
        Wake::Schedule => S::schedule_at_home(unsafe { Notified::from_raw(cell) }),
        Wake::Nothing => {}
        // SAFETY: the verdict says that the waker was the last reference to a complete task.
        Wake::Free => unsafe { super::harness::free(cell) },
    }
}

unsafe fn wake_by_ref<S: Schedule>(data: *const ()) {
    let cell = to_cell(data);
    // SAFETY: the caller's waker keeps the cell.
    if unsafe { cell.as_ref() }.state.wake_by_ref() == Wake::Schedule {
        // SAFETY: the verdict hands out the task's only `Notified`.
        S::schedule(unsafe { Notified::from_raw(cell) });
    }
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker is dropped, and its reference with it.
    unsafe { release(to_cell(data)) };
}
