//! How does one task wake another, and know when it did?
//!
//! The one that waits leaves its waker, the other takes the time and calls it. Written by hand, so that it is the same for every runtime; a
//! lock that nobody contends for costs some 20 ns, where what is measured with it takes microseconds at least.

#![expect(
    clippy::disallowed_types,
    reason = "a program that measures takes its locks from std; no model runs it"
)]

use crate::clock::now;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Instant;

/// A bell that is rung once, with one task that waits for it.
#[derive(Debug, Default)]
pub struct Doorbell(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rung_at: Option<Instant>,
    waiting: Option<Waker>,
}

impl Doorbell {
    /// Notes the time, and wakes who waits.
    pub fn ring(&self) {
        let rung_at = now();
        let mut state = self.lock();
        state.rung_at = Some(rung_at);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Waits until it has been rung, and gives the time just before the wake. Only the last task to wait is woken.
    pub async fn rung(&self) -> Instant {
        poll_fn(|cx| {
            let mut state = self.lock();
            if let Some(rung_at) = state.rung_at {
                return Poll::Ready(rung_at);
            }
            state.waiting = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Whether a task has left its waker.
    pub fn is_awaited(&self) -> bool {
        self.lock().waiting.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::counting;
    use std::pin::pin;
    use std::task::Context;

    #[test]
    fn who_waits_is_woken_and_told_when() {
        let (bell, (waker, wakes)) = (Doorbell::default(), counting());
        let mut cx = Context::from_waker(&waker);
        let mut rung = pin!(bell.rung());
        assert!(!bell.is_awaited());
        assert!(rung.as_mut().poll(&mut cx).is_pending());
        assert!(bell.is_awaited());
        let before = now();
        bell.ring();
        assert_eq!(wakes(), 1);
        let Poll::Ready(rung_at) = rung.as_mut().poll(&mut cx) else {
            panic!("it has been rung")
        };
        assert!(before <= rung_at && rung_at <= now());
    }

    #[test]
    fn who_comes_later_does_not_wait() {
        let bell = Doorbell::default();
        bell.ring();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(bell.rung()).poll(&mut cx).is_ready());
    }
}
