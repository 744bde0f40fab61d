//! How is a value made by an asynchronous function when it is needed first?
//!
//! A [`OnceCell`], and the function beside it. The future is written out, so that `(&lazy).await` has a type without a box.

use super::once_cell::{Claim, Claimed, OnceCell, Turn};
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What a function returns that a `static` can name.
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A value that is made by an asynchronous function when it is first awaited, once.
///
/// Needs no runtime, unless the function does.
///
/// # Units and limits
///
/// Where the value is there it costs a load.
///
/// # Cancel safety
///
/// If the future that makes the value is dropped or panics, one of those who wait calls the function anew; hence the `Fn`. If one is dropped that waits, nothing is lost.
///
/// # Examples
///
/// A static names its type, so that its future is boxed, once:
///
/// ```
/// use filch::sync::Lazy;
///
/// static ANSWER: Lazy<u32> = Lazy::new(|| Box::pin(async {
///     filch::yield_now().await; // asked somewhere
///     42
/// }));
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let other = filch::spawn(async { *ANSWER.force().await });
///     assert_eq!(*(&ANSWER).await, 42);
///     assert_eq!(other.await.unwrap(), 42);
/// });
/// assert_eq!(ANSWER.get(), Some(&42));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Lazy<T, F = fn() -> Boxed<T>> {
    cell: OnceCell<T>,
    make: F,
}

impl<T, F> Lazy<T, F> {
    /// The function is called when the value is needed first.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(make: F) -> Self {
        Self {
            cell: OnceCell::new(),
            make,
        }
    }

    /// The function is called when the value is needed first.
    #[cfg(loom)]
    pub fn new(make: F) -> Self {
        Self {
            cell: OnceCell::new(),
            make,
        }
    }

    /// The value, if it is there; calls and waits for nothing.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.cell.get()
    }
}

/// A function that makes the value of a [`Lazy`]: any without arguments whose future gives it.
///
/// One parameter for function and future: with two, a task that awaits one in a `static` would not be found to be `Send` (rust-lang/rust#110338).
pub trait MakeLazy<T> {
    /// What the function returns.
    type Future: Future<Output = T>;

    /// Calls it.
    fn make(&self) -> Self::Future;
}

impl<T, F: Fn() -> Fut, Fut: Future<Output = T>> MakeLazy<T> for F {
    type Future = Fut;

    fn make(&self) -> Fut {
        self()
    }
}

impl<T, F: MakeLazy<T>> Lazy<T, F> {
    /// The value. If it is not there, and nobody is making it, this task makes it; the others wait. Awaiting `&lazy` does the same.
    ///
    /// # Cancel safety
    ///
    /// As for [`Lazy`].
    pub fn force(&self) -> ForceLazy<'_, T, F> {
        ForceLazy {
            lazy: self,
            claim: self.cell.claim(),
            making: None,
            turn: None,
        }
    }
}

impl<'a, T, F: MakeLazy<T>> IntoFuture for &'a Lazy<T, F> {
    type Output = &'a T;
    type IntoFuture = ForceLazy<'a, T, F>;

    fn into_future(self) -> Self::IntoFuture {
        self.force()
    }
}

pin_project! {
    /// The future of [`Lazy::force`].
    ///
    /// # Cancel safety
    ///
    /// As for [`Lazy`].
    #[must_use = "makes nothing until it is awaited or polled"]
    pub struct ForceLazy<'a, T, F: MakeLazy<T>> {
        lazy: &'a Lazy<T, F>,
        #[pin]
        claim: Claim<'a, T>,
        // Dropped before the turn: two are not made at the same time.
        #[pin]
        making: Option<F::Future>,
        turn: Option<Turn<'a, T>>,
    }
}

impl<'a, T, F: MakeLazy<T>> Future for ForceLazy<'a, T, F> {
    type Output = &'a T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'a T> {
        let mut this = self.project();
        if let Some(value) = this.lazy.get() {
            return Poll::Ready(value);
        }
        if this.turn.is_none() {
            match ready!(this.claim.poll(cx)) {
                Claimed::Value(value) => return Poll::Ready(value),
                Claimed::Turn(turn) => *this.turn = Some(turn),
            }
            this.making.set(Some(this.lazy.make.make()));
        }
        let making = this.making.as_mut().as_pin_mut();
        let value = ready!(making.expect("made with the turn").poll(cx));
        this.making.set(None);
        let turn = this.turn.take().expect("held while the value is made");
        Poll::Ready(turn.complete(value))
    }
}

impl<T: fmt::Debug, F> fmt::Debug for Lazy<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy")
            .field("value", &self.get())
            .finish_non_exhaustive()
    }
}

impl<T, F: MakeLazy<T>> fmt::Debug for ForceLazy<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForceLazy")
            .field("is_making", &self.making.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::sync::testing::poll_once;
    use std::cell::Cell;
    use std::future::{pending, ready};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn the_function_is_called_once() {
        let calls = Cell::new(0);
        let lazy = Lazy::new(|| {
            calls.set(calls.get() + 1);
            ready(7)
        });
        assert_eq!(lazy.get(), None);
        for _ in 0..2 {
            assert_eq!(poll_once(&mut Box::pin(lazy.force())), Poll::Ready(&7));
            assert_eq!(
                poll_once(&mut Box::pin((&lazy).into_future())),
                Poll::Ready(&7)
            );
        }
        assert_eq!((lazy.get(), calls.get()), (Some(&7), 1));
    }

    /// The first future never ends, the second panics, the third makes the value.
    #[test]
    fn whoever_waits_takes_over() {
        let calls = Cell::new(0);
        let lazy = Lazy::new(|| {
            let call = calls.replace(calls.get() + 1);
            async move {
                match call {
                    0 => pending().await,
                    1 => panic!("as planned"),
                    _ => call,
                }
            }
        });
        let mut waits = [(); 3].map(|()| Box::pin(lazy.force()));
        assert!(waits.iter_mut().all(|wait| poll_once(wait).is_pending()));
        assert_eq!(calls.get(), 1);
        let [first, mut second, mut third] = waits;
        drop(first);
        assert!(catch_unwind(AssertUnwindSafe(|| poll_once(&mut second))).is_err());
        assert!(poll_once(&mut third).is_pending());
        drop(second);
        assert_eq!(poll_once(&mut third), Poll::Ready(&2));
    }
}
