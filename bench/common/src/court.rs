//! How do two tasks take turns?
//!
//! A word says whose turn it is, and a cell beside it holds the waker of the other, who waits for it. Whoever has the turn gives it away,
//! leaves a waker of its own and takes the other's out, all in one go: one lock that is hardly ever contended, one clone of a waker and
//! one wake for each change of turns. That is what channels and locks do of it too, and the same for every runtime.
//!
//! Rejected: wakers that are cloned once and kept (nothing that is waited for more than once does so), a cell for each side (two locks
//! instead of one, and they would be what is measured).

use std::future;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

#[expect(
    clippy::disallowed_types,
    reason = "the benchmark's own, so that it is the same for everyone"
)]
type Cell = std::sync::Mutex<Option<Waker>>;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Has the first turn.
    First,
    /// The other one.
    Second,
}

/// What two tasks play on.
#[derive(Debug, Default)]
pub struct Court {
    /// Whether it is the second one's turn. Written under the lock of [`Court::waiting`] only.
    is_seconds: AtomicBool,
    /// The waker of who has not the turn, if that one has come already.
    waiting: Cell,
}

impl Court {
    /// Waits until this side has the turn.
    pub async fn turn_of(&self, side: Side) {
        future::poll_fn(|cx| self.poll_turn(side, cx)).await;
    }

    /// Gives the turn away, and waits until it is back. To be called by who has it.
    pub async fn exchange(&self, side: Side) {
        let mut is_given = false;
        future::poll_fn(|cx| {
            if mem::replace(&mut is_given, true) {
                return self.poll_turn(side, cx);
            }
            self.give(side, Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Gives the turn away for good. To be called by who has it.
    pub fn leave(&self, side: Side) {
        self.give(side, None);
    }

    fn give(&self, from: Side, mine: Option<Waker>) {
        let mut waiting = self.lock();
        // ORDERING: Release; what this side has done is seen by the other, whose load in `has_turn` is the partner.
        self.is_seconds
            .store(from == Side::First, Ordering::Release);
        let other = mem::replace(&mut *waiting, mine);
        drop(waiting);
        if let Some(other) = other {
            other.wake();
        }
    }

    fn poll_turn(&self, side: Side, cx: &Context<'_>) -> Poll<()> {
        if self.has_turn(side) {
            return Poll::Ready(());
        }
        let mut waiting = self.lock();
        // Again, under the lock: from here on the other finds the waker.
        if self.has_turn(side) {
            return Poll::Ready(());
        }
        *waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    fn has_turn(&self, side: Side) -> bool {
        // ORDERING: Acquire; the partner is the store in `give`.
        self.is_seconds.load(Ordering::Acquire) == (side == Side::Second)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{block_on, counting};
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn who_waits_is_woken_by_the_others_turn_and_not_before() {
        let court = Court::default();
        let (waker, wakes) = counting();
        let mut cx = Context::from_waker(&waker);
        let mut second = pin!(court.turn_of(Side::Second));
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert_eq!(wakes(), 0);
        court.leave(Side::First);
        assert_eq!(wakes(), 1);
        assert!(second.as_mut().poll(&mut cx).is_ready());
    }

    #[test]
    fn who_comes_late_finds_the_turn() {
        let court = Court::default();
        let (waker, wakes) = counting();
        let mut cx = Context::from_waker(&waker);
        let mut first = pin!(court.exchange(Side::First));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        // Polled for no reason: still the other's turn.
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(pin!(court.turn_of(Side::Second)).poll(&mut cx).is_ready());
        court.leave(Side::Second);
        assert_eq!(wakes(), 1);
        assert!(first.as_mut().poll(&mut cx).is_ready());
    }

    /// Many short games: who comes first and who finds the other waiting is settled anew in each.
    #[test]
    fn two_threads_take_turns() {
        const GAMES: usize = 10_000;
        let games: Vec<_> = (0..GAMES).map(|_| Court::default()).collect();
        let hits = AtomicUsize::new(0);
        // ORDERING: the turns order it; that they do is what is tested.
        let hit = |parity| assert_eq!(hits.fetch_add(1, Ordering::Relaxed) % 2, parity);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for court in &games {
                    hit(0);
                    block_on(court.exchange(Side::First));
                    hit(0);
                    block_on(court.exchange(Side::First));
                }
            });
            for court in &games {
                block_on(court.turn_of(Side::Second));
                hit(1);
                block_on(court.exchange(Side::Second));
                hit(1);
                court.leave(Side::Second);
            }
        });
        assert_eq!(hits.into_inner(), 4 * GAMES);
    }
}
