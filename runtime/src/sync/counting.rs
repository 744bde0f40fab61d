//! For tests: who was woken how often?

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

/// Counts its wakes; no part of a model.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    pub(super) fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
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
