//! How does a thread that is no worker run a future?
//!
//! It polls, and sleeps on a condition variable of its own until it is woken. On a worker's thread the first poll is made as it is;
//! if the future has to wait, the worker goes to another thread first ([`handoff`]).

use crate::sched::handoff;
use crate::sys::sync::{Arc, Condvar, Mutex};
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};

/// A thread's bed.
#[derive(Debug, Default)]
pub(super) struct Parker {
    woken: Mutex<bool>,
    bell: Condvar,
}

impl Parker {
    pub(super) fn park(&self) {
        let mut woken = self.woken.lock();
        while !*woken {
            self.bell.wait(&mut woken);
        }
        *woken = false;
    }
}

impl Wake for Parker {
    fn wake(self: std::sync::Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        *self.woken.lock() = true;
        self.bell.notify_one();
    }
}

/// Runs a future to its end on this thread.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(parker.clone());
    let mut context = Context::from_waker(&waker);
    let mut handed_off = false;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        if !handed_off {
            handed_off = true;
            if let Err(error) = handoff::before_blocking() {
                panic!(
                    "block_on within a task cannot wait, since no other thread can take over its worker: {error}"
                );
            }
        }
        parker.park();
    }
}
