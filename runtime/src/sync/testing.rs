//! How does a test or model drive a future by hand?
//!
//! It polls when it likes, and is told whether somebody woke it. A wake-up that is lost shows at the end: a future that is pending, and was not woken.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

/// Counts its wakes; no part of the model.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    pub(super) fn woken(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Panics when it is called.
#[cfg(not(loom))]
struct Panics;

#[cfg(not(loom))]
impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics, as planned");
    }
}

/// Polls with a waker that panics.
#[cfg(not(loom))]
pub(super) fn poll_with_a_waker_that_panics<F: Future + ?Sized>(
    future: &mut Pin<Box<F>>,
) -> Poll<F::Output> {
    let waker = Arc::new(Panics).into();
    future.as_mut().poll(&mut Context::from_waker(&waker))
}

/// Polls with a waker that counts.
pub(super) fn poll<F: Future + ?Sized>(
    future: &mut Pin<Box<F>>,
    count: &Arc<Count>,
) -> Poll<F::Output> {
    let waker = count.clone().into();
    future.as_mut().poll(&mut Context::from_waker(&waker))
}

/// Polls with a waker that nobody listens to.
pub(super) fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    poll(future, &Arc::default())
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
        self.answered = self.count.woken();
        poll(&mut self.future, &self.count)
    }

    #[cfg(not(shuttle))]
    /// As [`poll`](Self::poll), with another waker than before; the old one counts no longer.
    pub(super) fn poll_elsewhere(&mut self) -> Poll<F::Output> {
        self.count = Arc::default();
        self.poll()
    }

    /// Whether it was woken since it was polled.
    pub(super) fn is_woken(&self) -> bool {
        self.count.woken() > self.answered
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
