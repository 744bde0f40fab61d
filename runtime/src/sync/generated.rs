//! How does an async loop become a stream?
//!
//! The loop runs in one box for the whole life of the stream. It leaves each item in a slot and waits there until it is polled again; whoever polls the stream polls the loop
//! and takes what is in the slot. So an item costs no allocation, and the loop may use anything that waits.

use crate::sys::sync::{Arc, Mutex};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The items that a loop gives.
pub(super) struct Generated<T> {
    /// `None` when it has ended.
    run: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    slot: Arc<Mutex<Option<T>>>,
}

/// By which the loop gives its items.
pub(super) struct Give<T> {
    slot: Arc<Mutex<Option<T>>>,
}

impl<T> Give<T> {
    /// Gives an item, and goes on when the next one is asked for.
    pub(super) async fn give(&self, item: T) {
        *self.slot.lock() = Some(item);
        let mut is_given = false;
        std::future::poll_fn(|_| {
            // Nobody is to be woken: who takes the item polls again by itself.
            if std::mem::replace(&mut is_given, true) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

impl<T> Generated<T> {
    pub(super) fn new<F>(run: impl FnOnce(Give<T>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let slot = Arc::new(Mutex::new(None));
        let give = Give { slot: slot.clone() };
        Self {
            run: Some(Box::pin(run(give))),
            slot,
        }
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(run) = &mut self.run else {
            return Poll::Ready(None);
        };
        if run.as_mut().poll(cx).is_ready() {
            self.run = None;
            return Poll::Ready(None);
        }
        let item = self.slot.lock().take();
        item.map_or(Poll::Pending, |item| Poll::Ready(Some(item)))
    }
}
