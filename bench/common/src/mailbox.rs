//! How do many tasks signal one?
//!
//! A word counts the signals and says in its highest bit whether the one who reads waits; a cell beside it holds its waker then. A signal
//! is an addition, and only the first after the reader has gone to wait pays for waking it. As with every such thing, a runtime
//! that lets others run before it comes to the reader needs fewer wakes than one that runs it at once.

use std::future;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

#[expect(
    clippy::disallowed_types,
    reason = "the benchmark's own, so that it is the same for everyone"
)]
type Cell = std::sync::Mutex<Option<Waker>>;

/// The bit that says that the reader waits.
const WAITS: usize = 1 << (usize::BITS - 1);

/// Where signals come in.
#[derive(Debug, Default)]
pub struct Mailbox {
    /// How many have come, and [`WAITS`].
    come: AtomicUsize,
    reader: Cell,
}

impl Mailbox {
    /// One more.
    pub fn signal(&self) {
        // ORDERING: Release; what was done before is seen by who reads the count. Acquire; who sees the bit sees the waker.
        if self.come.fetch_add(1, Ordering::AcqRel) & WAITS != 0 {
            self.wake();
        }
    }

    /// Waits until so many have come. For one task only.
    pub async fn until(&self, goal: usize) {
        future::poll_fn(|cx| self.poll(goal, cx)).await;
    }

    fn poll(&self, goal: usize, cx: &Context<'_>) -> Poll<()> {
        loop {
            // ORDERING: Acquire; the partner is the addition in `signal`.
            let come = self.come.load(Ordering::Acquire) & !WAITS;
            if come >= goal {
                return Poll::Ready(());
            }
            self.exchange(Some(cx.waker().clone()));
            // ORDERING: Release; whoever sees the bit finds the waker. The partner is the addition in `signal`.
            let before = self.come.fetch_or(WAITS, Ordering::AcqRel);
            if before & !WAITS == come {
                return Poll::Pending;
            }
        }
    }

    fn wake(&self) {
        // ORDERING: it only says that nobody else has to. Who puts a waker in later sets the bit again, and if this call takes that
        // one out, it wakes it too.
        self.come.fetch_and(!WAITS, Ordering::Relaxed);
        if let Some(reader) = self.exchange(None) {
            reader.wake();
        }
    }

    fn exchange(&self, reader: Option<Waker>) -> Option<Waker> {
        let mut cell = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *cell, reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{block_on, counting};
    use std::pin::pin;

    #[test]
    fn only_the_first_signal_after_a_look_wakes() {
        let mailbox = Mailbox::default();
        let (waker, wakes) = counting();
        let mut cx = Context::from_waker(&waker);
        let mut reader = pin!(mailbox.until(3));
        mailbox.signal();
        assert!(reader.as_mut().poll(&mut cx).is_pending());
        assert_eq!(wakes(), 0);
        mailbox.signal();
        mailbox.signal();
        assert_eq!(wakes(), 1);
        assert!(reader.as_mut().poll(&mut cx).is_ready());
        mailbox.signal();
        assert_eq!(wakes(), 1);
    }

    #[test]
    fn signals_of_several_threads_all_arrive() {
        const SIGNALS: usize = 20_000;
        let mailbox = Mailbox::default();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..SIGNALS {
                        mailbox.signal();
                    }
                });
            }
            block_on(mailbox.until(3 * SIGNALS));
        });
    }

    /// There and back, many times: the last signal comes before, while or after the reader goes to wait.
    #[test]
    fn the_last_signal_is_never_missed() {
        const LETTERS: usize = 30_000;
        let boxes = || -> Vec<_> { (0..LETTERS).map(|_| Mailbox::default()).collect() };
        let (there, back) = (boxes(), boxes());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (there, back) in there.iter().zip(&back) {
                    there.signal();
                    block_on(back.until(1));
                }
            });
            for (there, back) in there.iter().zip(&back) {
                block_on(there.until(1));
                back.signal();
            }
        });
    }
}
