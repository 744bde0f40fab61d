//! How does a test or model drive a future by hand?
//!
//! It polls when it likes, and is told whether somebody woke it. A wake-up that is lost shows at the end: a future that is pending, and was not woken.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

/// Counts its wakes; no part of the model.
#[derive(Debug, Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future, polled by hand.
pub(super) struct Polled<F> {
    future: Pin<Box<F>>,
    count: Arc<Count>,
    /// How many wakes the last poll has answered.
    answered: usize,
}

impl<F: Future> Polled<F> {
    pub(super) fn new(future: F) -> Self {
        Self {
            future: Box::pin(future),
            count: Arc::default(),
            answered: 0,
        }
    }

    pub(super) fn poll(&mut self) -> Poll<F::Output> {
        self.answered = self.count.0.load(Ordering::SeqCst);
        let waker = self.count.clone().into();
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    #[cfg(loom)]
    /// As [`poll`](Self::poll), with another waker than before; the old one counts no longer.
    pub(super) fn poll_elsewhere(&mut self) -> Poll<F::Output> {
        self.count = Arc::default();
        self.poll()
    }

    /// Whether it was woken since it was polled.
    pub(super) fn is_woken(&self) -> bool {
        self.count.0.load(Ordering::SeqCst) > self.answered
    }

    /// Polls as a task would: only if it was woken, and once more for each wake.
    ///
    /// # Panics
    ///
    /// If it is pending then.
    pub(super) fn expect_ready(mut self) -> F::Output {
        while self.is_woken() {
            if let Poll::Ready(output) = self.poll() {
                return output;
            }
        }
        panic!("it waits, and nobody has woken it");
    }

    /// Its output if it is ready now, woken or not.
    pub(super) fn ready(&mut self) -> Option<F::Output> {
        match self.poll() {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}
