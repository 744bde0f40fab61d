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
    /// A future, and then its output.
    #[derive(Debug)]
    #[project = Stage]
    #[must_use = "a future does nothing until it is polled"]
    pub enum MaybeDone<F: Future> {
        /// Not done yet.
        Running {
            #[pin]
            future: F,
        },
        /// Done; none once the output was taken.
        Done {
            output: Option<F::Output>,
        },
    }
}

impl<F: Future> MaybeDone<F> {
    /// Nothing is done yet.
    pub fn new(future: impl IntoFuture<IntoFuture = F>) -> Self {
        Self::Running {
            future: future.into_future(),
        }
    }

    /// Polls the future unless it is done.
    pub fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Stage::Running { future } = self.as_mut().project() {
            let output = Some(ready!(future.poll(cx)));
            self.set(Self::Done { output });
        }
        Poll::Ready(())
    }

    /// The output of a future that is done.
    ///
    /// # Panics
    ///
    /// If it is not done, or its output was taken already.
    pub fn take(self: Pin<&mut Self>) -> F::Output {
        match self.project() {
            Stage::Done { output } => output.take().expect("an output is taken once"),
            Stage::Running { .. } => unreachable!("an output is taken when all futures are done"),
        }
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> MaybeDone<F> {
    /// Polls the future unless it is done; an error is given out at once.
    pub fn poll_ok(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        if let Stage::Running { future } = self.as_mut().project() {
            let value = ready!(future.poll(cx))?;
            let output = Some(Ok(value));
            self.set(Self::Done { output });
        }
        Poll::Ready(Ok(()))
    }

    /// The value of a future that is done, and gave no error.
    ///
    /// # Panics
    ///
    /// If that is not so, or its value was taken already.
    pub fn take_ok(self: Pin<&mut Self>) -> T {
        match self.take() {
            Ok(value) => value,
            Err(_) => unreachable!("an error was given out by poll_ok"),
        }
    }
}
