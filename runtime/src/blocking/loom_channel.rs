//! What stands in for the channel when loom tries every interleaving?
//!
//! The same queue, made of loom's own lock. loom has no time, so a receiver that finds nothing times out at once: that is the worst
//! moment for a thread to retire, and the one the models are after.

use crate::sys::sync::{Arc, Mutex};
use std::collections::VecDeque;

pub(super) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    let queue = Arc::new(Mutex::new(Queue {
        items: VecDeque::new(),
        is_open: true,
    }));
    (Sender(queue.clone()), Receiver(queue))
}

struct Queue<T> {
    items: VecDeque<T>,
    is_open: bool,
}

pub(super) struct Sender<T>(Arc<Mutex<Queue<T>>>);

pub(super) struct Receiver<T>(Arc<Mutex<Queue<T>>>);

#[derive(Debug)]
pub(super) enum RecvTimeoutError {
    Timeout,
    Disconnected,
}

impl<T> Sender<T> {
    pub(super) fn send(&self, item: T) -> Result<(), std::convert::Infallible> {
        self.0.lock().items.push_back(item);
        Ok(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().is_open = false;
    }
}

impl<T> Receiver<T> {
    pub(super) fn recv_timeout(&self, _: std::time::Duration) -> Result<T, RecvTimeoutError> {
        let mut queue = self.0.lock();
        match queue.items.pop_front() {
            Some(item) => Ok(item),
            None if queue.is_open => Err(RecvTimeoutError::Timeout),
            None => Err(RecvTimeoutError::Disconnected),
        }
    }

    pub(super) fn try_iter(&self) -> impl Iterator<Item = T> {
        std::iter::from_fn(|| self.0.lock().items.pop_front())
    }
}
