//! Where does the future of a handler live, without an allocation per request?
//!
//! In a [`FutureSlot`] that the connection uses again: memory for one future of any type, kept from one request to
//! the next, and taken anew only when a future comes that does not fit. Handlers of different types cannot share a
//! type in Rust, so what is known of the future in the slot is a table of two functions, as in a trait object.
//!
//! Rejected: `Box<dyn Future>` per request (an allocation and a free for each), and one enum of all handlers' futures
//! (a router would be a type of its own for each server, and as slow to compile as that sounds).

use super::shield::shield;
use crate::response::{IntoResponse, Response};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// Memory for one future at a time.
pub(crate) struct FutureSlot {
    /// INVARIANT: memory of `layout`, from the global allocator.
    memory: NonNull<u8>,
    /// INVARIANT: never of size zero.
    layout: Layout,
    /// INVARIANT: when `Some`, the memory holds a live future of the type that these functions are for; it is not
    /// moved until it is dropped.
    held: Option<&'static Functions>,
}

struct Functions {
    /// Polls the future behind the pointer, which must be live, pinned, and of the right type.
    poll: unsafe fn(NonNull<u8>, &mut Context<'_>) -> Poll<Response>,
    /// Drops it in place.
    drop: unsafe fn(NonNull<u8>),
}

// SAFETY: what the slot holds is Send by the bound on `place`; the memory is its own.
unsafe impl Send for FutureSlot {}
// SAFETY: a shared slot can only be asked whether it holds something.
unsafe impl Sync for FutureSlot {}

/// What a slot begins with, in bytes: enough for handlers that keep little over an await, cheap enough per
/// connection at work. A guess.
const FIRST: Layout = match Layout::from_size_align(512, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("512 bytes are a layout"),
};

impl FutureSlot {
    pub(crate) fn new() -> Self {
        Self {
            memory: allocate(FIRST),
            layout: FIRST,
            held: None,
        }
    }

    /// The size of its memory.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.layout.size()
    }

    /// Whether a future is in it.
    #[cfg(test)]
    pub(crate) fn is_occupied(&self) -> bool {
        self.held.is_some()
    }

    /// Puts a future in, in place of the one that was there.
    #[inline]
    pub(crate) fn place<F>(&mut self, future: F)
    where
        F: Future<Output: IntoResponse> + Send + 'static,
    {
        self.clear();
        let layout = Layout::new::<F>();
        if layout.size() > self.layout.size() || layout.align() > self.layout.align() {
            self.grow(layout);
        }
        let place = self.memory.cast::<F>();
        // SAFETY: the memory is large enough and aligned for `F` by the lines above, and empty by `clear`.
        unsafe { place.write(future) };
        self.held = Some(const { &functions::<F>() });
    }

    /// Puts a future in, and polls it for the first time: one that answers at once is never asked by its functions.
    ///
    /// # Panics
    ///
    /// When the future does.
    #[inline]
    pub(crate) fn begin<F>(&mut self, future: F, cx: &mut Context<'_>) -> Poll<Response>
    where
        F: Future<Output: IntoResponse> + Send + 'static,
    {
        self.place(future);
        let guard = ClearOnUnwind { slot: self };
        // SAFETY: `place` has put a live `F` there, which is not moved, and nobody else has the slot.
        let poll = unsafe { poll_in_place::<F>(guard.slot.memory, cx) };
        mem::forget(guard);
        if poll.is_ready() {
            // As in `clear`.
            self.held = None;
            // SAFETY: it is live, since its poll has returned, and `held` says no more that anybody else is to drop it.
            unsafe { drop_in_place::<F>(self.memory) };
        }
        poll
    }

    /// Polls the future; drops it when it is ready, or when it panics.
    ///
    /// # Panics
    ///
    /// When the slot is empty, and when the future does.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Response> {
        let functions = self.held.expect("a future is in the slot");
        let guard = ClearOnUnwind { slot: self };
        // SAFETY: by the invariant on `held` a live future of the right type is in the memory, and stays there.
        let poll = unsafe { (functions.poll)(guard.slot.memory, cx) };
        mem::forget(guard);
        if poll.is_ready() {
            self.clear();
        }
        poll
    }

    /// Drops the future, if there is one.
    #[inline]
    pub(crate) fn clear(&mut self) {
        // Taken first: should the drop panic, it must not be done again.
        if let Some(functions) = self.held.take() {
            // SAFETY: by the invariant on `held`, which said until now that the future is live.
            unsafe { (functions.drop)(self.memory) };
        }
    }

    #[cold]
    fn grow(&mut self, least: Layout) {
        let size = least.size().max(self.layout.size()).next_power_of_two();
        let layout = Layout::from_size_align(size, least.align().max(self.layout.align()))
            .expect("a type has a size whose power of two is one too");
        let memory = allocate(layout);
        // SAFETY: memory and layout belong together by their invariant, and are replaced at once; nothing is in
        // there, as `place` has cleared it.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) };
        self.memory = memory;
        self.layout = layout;
    }
}

/// Empties the slot when the future unwinds; forgotten otherwise.
struct ClearOnUnwind<'s> {
    slot: &'s mut FutureSlot,
}

impl Drop for ClearOnUnwind<'_> {
    #[cold]
    fn drop(&mut self) {
        // A second panic that left a drop while the first unwinds would end the process.
        shield(|| self.slot.clear());
    }
}

impl Drop for FutureSlot {
    fn drop(&mut self) {
        self.clear();
        // SAFETY: memory and layout belong together by their invariant; the slot is empty and going.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) };
    }
}

impl fmt::Debug for FutureSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureSlot")
            .field("bytes", &self.layout.size())
            .field("is_occupied", &self.held.is_some())
            .finish()
    }
}

fn allocate(layout: Layout) -> NonNull<u8> {
    debug_assert!(layout.size() > 0);
    // SAFETY: the size is not zero: `FIRST` has none, and `grow` asks for no less than that.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

const fn functions<F>() -> Functions
where
    F: Future<Output: IntoResponse> + Send + 'static,
{
    Functions {
        poll: poll_in_place::<F>,
        drop: drop_in_place::<F>,
    }
}

/// # Safety
///
/// `memory` holds a live `F` that is not moved until it is dropped, and nobody else touches it meanwhile.
#[inline]
unsafe fn poll_in_place<F>(memory: NonNull<u8>, cx: &mut Context<'_>) -> Poll<Response>
where
    F: Future<Output: IntoResponse>,
{
    let mut future = memory.cast::<F>();
    // SAFETY: live and ours by the contract.
    let future = unsafe { future.as_mut() };
    // SAFETY: it is not moved by the contract.
    let future = unsafe { Pin::new_unchecked(future) };
    future.poll(cx).map(IntoResponse::into_response)
}

/// # Safety
///
/// `memory` holds a live `F` that nobody touches any more.
#[inline]
unsafe fn drop_in_place<F>(memory: NonNull<u8>) {
    let future = memory.cast::<F>();
    // SAFETY: live and ours by the contract.
    unsafe { future.drop_in_place() };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, poll_fn, ready};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::task::Waker;

    fn poll(slot: &mut FutureSlot) -> Poll<Response> {
        slot.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn holds_one_after_the_other() {
        let mut slot = FutureSlot::new();
        for text in ["a", "b"] {
            slot.place(ready(text));
            assert!(slot.is_occupied());
            assert!(matches!(poll(&mut slot), Poll::Ready(_)));
            assert!(!slot.is_occupied());
        }
    }

    #[test]
    fn grows_for_the_large_and_the_aligned() {
        #[repr(align(128))]
        struct Aligned(u8);
        let mut slot = FutureSlot::new();
        let large = [7u8; 5000];
        slot.place(async move { if large[4999] == 7 { "good" } else { "bad" } });
        assert!(slot.layout.size() >= 5000);
        assert!(matches!(poll(&mut slot), Poll::Ready(_)));
        let aligned = Aligned(1);
        slot.place(async move {
            assert_eq!(std::ptr::from_ref(&aligned).addr() % 128, 0);
            if aligned.0 == 1 { "good" } else { "bad" }
        });
        assert!(matches!(poll(&mut slot), Poll::Ready(_)));
    }

    #[test]
    fn drops_what_is_replaced_cleared_and_left() {
        let held = Arc::new(());
        let waits = |held: Arc<()>| async move {
            pending::<()>().await;
            drop(held);
        };
        let mut slot = FutureSlot::new();
        slot.place(waits(held.clone()));
        assert!(poll(&mut slot).is_pending());
        slot.place(waits(held.clone()));
        assert_eq!(Arc::strong_count(&held), 2);
        slot.clear();
        assert_eq!(Arc::strong_count(&held), 1);
        slot.place(waits(held.clone()));
        drop(slot);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn drops_what_panics() {
        let held = Arc::new(());
        let mut slot = FutureSlot::new();
        let inner = held.clone();
        slot.place(async move {
            let _inner = inner;
            if Arc::strong_count(&_inner) > 0 {
                panic!("on purpose");
            }
        });
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut slot))).is_err());
        assert!(!slot.is_occupied());
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn one_that_begins_answers_at_once_or_stays() {
        let held = Arc::new(());
        let answers = |held: Arc<()>, is_good: bool| {
            poll_fn(move |_| {
                assert!(is_good && Arc::strong_count(&held) > 0, "on purpose");
                Poll::Ready("")
            })
        };
        let waits = |held: Arc<()>| async move {
            pending::<()>().await;
            drop(held);
        };
        let mut slot = FutureSlot::new();
        let begin_well = |slot: &mut FutureSlot| {
            slot.begin(
                answers(held.clone(), true),
                &mut Context::from_waker(Waker::noop()),
            )
        };
        assert!(begin_well(&mut slot).is_ready());
        assert!(!slot.is_occupied());
        assert_eq!(Arc::strong_count(&held), 1);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(slot.begin(waits(held.clone()), &mut cx).is_pending());
        assert!(slot.is_occupied() && poll(&mut slot).is_pending());
        assert_eq!(Arc::strong_count(&held), 2);
        assert!(begin_well(&mut slot).is_ready());
        assert_eq!(Arc::strong_count(&held), 1, "in place of the other");
        let begin_badly = || slot.begin(answers(held.clone(), false), &mut cx);
        assert!(catch_unwind(AssertUnwindSafe(begin_badly)).is_err());
        assert!(!slot.is_occupied());
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn what_panics_may_panic_again_when_it_is_dropped() {
        struct PanicsWhenDropped(Arc<()>);
        impl Drop for PanicsWhenDropped {
            fn drop(&mut self) {
                panic!("on purpose, once more");
            }
        }
        let held = Arc::new(());
        for is_ready in [false, true] {
            let mut slot = FutureSlot::new();
            let inner = PanicsWhenDropped(held.clone());
            slot.place(poll_fn(move |_| {
                assert!(is_ready && Arc::strong_count(&inner.0) > 0, "on purpose");
                Poll::Ready("")
            }));
            assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut slot))).is_err());
            assert!(!slot.is_occupied());
            assert_eq!(Arc::strong_count(&held), 1);
            slot.place(ready("the next one"));
            assert!(poll(&mut slot).is_ready());
        }
    }
}
