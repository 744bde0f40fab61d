//! How does a thread that is no worker wait for a task?
//!
//! In the same way for every peer whose handles are futures: it polls, and parks until it is woken. Rejected: each runtime's own `block_on`
//! (some drive their reactor in it, some spin first: that would be compared, and not the way there and back).

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks the thread until the future is complete.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            // It may return by itself; then the future is polled once more for nothing.
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Doorbell;
    use std::future::{poll_fn, ready};

    #[test]
    fn what_is_complete_is_given_at_once() {
        assert_eq!(block_on(ready(7)), 7);
    }

    #[test]
    fn a_wake_during_the_poll_is_not_lost() {
        let mut polls = 0;
        let polls = block_on(poll_fn(|cx| {
            polls += 1;
            if polls == 1000 {
                return Poll::Ready(polls);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        assert_eq!(polls, 1000);
    }

    #[test]
    fn another_thread_wakes_it() {
        let bell = Arc::new(Doorbell::default());
        let ringer = thread::spawn({
            let bell = bell.clone();
            move || {
                while !bell.is_awaited() {
                    thread::yield_now();
                }
                bell.ring();
            }
        });
        block_on(bell.rung());
        ringer.join().expect("no panic");
    }
}
