//! What becomes of a future of a `join!` that is done before the others?
//!
//! It is dropped, and its output takes its place: the room is that of the larger of the two.

#![expect(
    missing_docs,
    reason = "pin_project takes no documentation of the fields of an enum"
)]

use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// A future, and then what it gave.
    #[derive(Debug)]
    #[project = Stage]
    #[must_use = "a future does nothing until it is polled"]
    pub enum MaybeDone<F, T> {
        /// Not done yet.
        Running {
            #[pin]
            future: F,
        },
        /// Done; none once it was taken.
        Done { value: Option<T> },
    }
}

impl<F: Future> MaybeDone<F, F::Output> {
    /// Nothing is done yet.
    pub fn new(future: impl IntoFuture<IntoFuture = F>) -> Self {
        Self::Running {
            future: future.into_future(),
        }
    }

    /// Polls the future unless it is done.
    pub fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Stage::Running { future } = self.as_mut().project() {
            let value = Some(ready!(future.poll(cx)));
            self.set(Self::Done { value });
        }
        Poll::Ready(())
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> MaybeDone<F, T> {
    /// Nothing is done yet, and nothing failed.
    pub fn new_try(future: impl IntoFuture<Output = Result<T, E>, IntoFuture = F>) -> Self {
        Self::Running {
            future: future.into_future(),
        }
    }

    /// Polls the future unless it is done; an error is given out at once.
    pub fn poll_try(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        if let Stage::Running { future } = self.as_mut().project() {
            let value = Some(ready!(future.poll(cx))?);
            self.set(Self::Done { value });
        }
        Poll::Ready(Ok(()))
    }
}

impl<F, T> MaybeDone<F, T> {
    /// What the future gave, which is done.
    ///
    /// # Panics
    ///
    /// If it is not done, or this was taken already.
    pub fn take(self: Pin<&mut Self>) -> T {
        match self.project() {
            Stage::Done { value } => value.take().expect("a value is taken once"),
            Stage::Running { .. } => unreachable!("a value is taken when all futures are done"),
        }
    }
}
