//! Where do a task's future and output lie?
//!
//! Behind the header, in the same room one after the other: first the future, then its output (the state word tells
//! which, so there is no tag). A stage too large or too strictly aligned for the slab's classes stands in a box of its
//! own, and the cell holds the pointer.

use super::error::JoinError;
use super::header::Header;
use crate::util::slab::Class;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// Future or output, never both.
pub(super) union Stage<F: Future> {
    future: ManuallyDrop<F>,
    #[expect(
        dead_code,
        reason = "there for its size and alignment; the output is reached by a cast, as the future is"
    )]
    output: ManuallyDrop<Result<F::Output, JoinError>>,
}

/// The layout of the cell of a task with the future `F`.
pub(super) struct Layout<F>(PhantomData<F>);

/// Where the pointer to the stage stands, if it is in a box.
const POINTER_OFFSET: usize = size_of::<Header>();

impl<F: Future> Layout<F> {
    /// Where the stage stands, if it does so in the cell: cells begin at multiples of 64, so this is aligned as it has to be.
    const STAGE_OFFSET: usize = size_of::<Header>().next_multiple_of(align_of::<Stage<F>>());

    /// None if the stage is too large, or too strictly aligned, for any cell.
    const IN_PLACE: Option<Class> = Class::for_layout(
        Self::STAGE_OFFSET + size_of::<Stage<F>>(),
        align_of::<Stage<F>>(),
    );

    const BOXED: Class = match Class::for_layout(POINTER_OFFSET + size_of::<*mut ()>(), 8) {
        Some(class) => class,
        None => panic!("a header and a pointer fit every slab"),
    };

    /// The size class of the cell.
    pub(super) const CLASS: Class = match Self::IN_PLACE {
        Some(class) => class,
        None => Self::BOXED,
    };

    /// Offset of the stage, or of the pointer to it, from the beginning of the cell.
    const OFFSET: usize = if Self::IN_PLACE.is_some() {
        Self::STAGE_OFFSET
    } else {
        POINTER_OFFSET
    };

    /// Stores the future in a fresh cell.
    ///
    /// # Safety
    ///
    /// The cell is of [`CLASS`](Self::CLASS), unused, and nobody else knows it.
    #[inline]
    pub(super) unsafe fn store_future(cell: NonNull<Header>, future: F) {
        // SAFETY: the class is large enough for the header and what stands behind it.
        let place = unsafe { cell.as_ptr().cast::<u8>().add(Self::OFFSET) };
        if Self::IN_PLACE.is_some() {
            // SAFETY: the place has the size and alignment of a stage (checked by IN_PLACE), and is unused.
            unsafe { place.cast::<F>().write(future) };
        } else {
            let boxed = Box::new(Stage::<F> {
                future: ManuallyDrop::new(future),
            });
            // SAFETY: the place has the size and alignment of a pointer, and is unused.
            unsafe { place.cast::<*mut Stage<F>>().write(Box::into_raw(boxed)) };
        }
    }

    /// Where the stage is.
    ///
    /// # Safety
    ///
    /// The cell holds a task with the future `F`, stored by [`store_future`](Self::store_future).
    #[inline]
    unsafe fn stage(cell: NonNull<Header>) -> *mut Stage<F> {
        // SAFETY: the cell is at least that large.
        let place = unsafe { cell.as_ptr().cast::<u8>().add(Self::OFFSET) };
        if Self::IN_PLACE.is_some() {
            place.cast()
        } else {
            // SAFETY: `store_future` wrote the pointer here, and only `free_box` takes it away.
            unsafe { place.cast::<*mut Stage<F>>().read() }
        }
    }

    /// Where the future is, while it is.
    ///
    /// # Safety
    ///
    /// As for [`stage`](Self::stage).
    #[inline]
    pub(super) unsafe fn future(cell: NonNull<Header>) -> *mut F {
        // SAFETY: passed on to the caller.
        unsafe { Self::stage(cell) }.cast()
    }

    /// Where the output is, once it is.
    ///
    /// # Safety
    ///
    /// As for [`stage`](Self::stage).
    #[inline]
    pub(super) unsafe fn output(cell: NonNull<Header>) -> *mut Result<F::Output, JoinError> {
        // SAFETY: passed on to the caller.
        unsafe { Self::stage(cell) }.cast()
    }

    /// Frees the stage's box, if it has one.
    ///
    /// # Safety
    ///
    /// As for [`stage`](Self::stage); future and output are gone, and this is called once.
    #[inline]
    pub(super) unsafe fn free_box(cell: NonNull<Header>) {
        if Self::IN_PLACE.is_none() {
            // SAFETY: passed on to the caller.
            let stage = unsafe { Self::stage(cell) };
            // SAFETY: the pointer came from `Box::into_raw`; a union of `ManuallyDrop`s drops nothing.
            drop(unsafe { Box::from_raw(stage) });
        }
    }
}

#[cfg(all(test, target_pointer_width = "64", not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use std::future::{poll_fn, ready};
    use std::mem;
    use std::task::Poll;

    fn bytes<F: Future>(_of: &F) -> usize {
        Layout::<F>::CLASS.bytes()
    }

    /// What the benchmark of waiting tasks spawns a million of (`bench/workloads/empty.rs`).
    async fn waiting() {
        poll_fn(|cx| {
            mem::forget(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    #[test]
    fn small_tasks_have_one_line() {
        assert_eq!(bytes(&waiting()), 64);
        assert_eq!(bytes(&async { 7_u64 }), 64);
        assert_eq!(bytes(&async { String::new() }), 64);
        assert_eq!(bytes(&ready([0_u64; 2])), 64);
        assert_eq!(bytes(&ready([0_u64; 4])), 128);
    }

    #[test]
    fn stages_stand_in_the_cell_if_it_is_aligned_enough() {
        #[repr(align(16))]
        struct By16(#[expect(dead_code, reason = "for its size")] u8);
        #[repr(align(32))]
        struct By32(#[expect(dead_code, reason = "for its size")] u8);
        #[repr(align(64))]
        struct By64(#[expect(dead_code, reason = "for its size")] u8);
        #[repr(align(128))]
        struct By128(#[expect(dead_code, reason = "for its size")] u8);

        fn offset<F: Future>(_of: &F) -> (bool, usize) {
            (Layout::<F>::IN_PLACE.is_some(), Layout::<F>::OFFSET)
        }
        assert_eq!(offset(&ready(0_u8)), (true, 40));
        assert_eq!(offset(&ready(By16(0))), (true, 48));
        assert_eq!(offset(&ready(By32(0))), (true, 64));
        assert_eq!(offset(&ready(By64(0))), (true, 64));
        assert_eq!(offset(&ready(By128(0))), (false, 40));
        assert_eq!(offset(&ready([0_u8; 5000])), (false, 40));
    }
}
