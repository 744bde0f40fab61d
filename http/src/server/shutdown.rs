//! How does a server end without cutting anybody off?
//!
//! In two steps. Draining: nobody new is accepted, connections between requests close, the others say
//! `Connection: close` with the answer they are at and close after it. Forced, when that takes too long: every
//! connection that is polled ends where it stands. A connection that has sent its last answer and only waits for its client
//! to have read it was not cut off by that, and is not counted.
//!
//! A [`Registry`] knows how many connections live, and how to wake each of them for this. A connection pays a lock when
//! it comes and when it goes; per request it costs a plain load.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};

#[expect(
    clippy::disallowed_types,
    reason = "taken once per connection, or for a rare field, and never in a model: the runtime's own lock stays its own"
)]
pub(crate) type Lock<T> = std::sync::Mutex<T>;

/// How far a server is in ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Serving,
    Draining,
    Forced,
}

/// The connections of a server.
pub(crate) struct Registry {
    phase: AtomicU8,
    members: Lock<Members>,
}

#[derive(Default)]
struct Members {
    /// Who is to be woken, by place; `None` for free places and for connections that were not polled yet.
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
    live: usize,
    /// How many of them have sent their last response.
    answered: usize,
    /// Who waits for the last to go.
    waiter: Option<Waker>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            phase: AtomicU8::new(Phase::Serving as u8),
            members: Lock::default(),
        }
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        // ORDERING: Relaxed: who must not miss a change is woken after it, through the lock.
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            _ => Phase::Forced,
        }
    }

    /// A place for a connection that comes.
    pub(crate) fn enter(&self) -> usize {
        let mut members = self.lock();
        members.live += 1;
        match members.free.pop() {
            Some(place) => place,
            None => {
                members.wakers.push(None);
                members.wakers.len() - 1
            }
        }
    }

    /// Says how to wake the connection of this place.
    pub(crate) fn set_waker(&self, place: usize, waker: Waker) {
        self.lock().wakers[place] = Some(waker);
    }

    /// Takes note of a connection that has sent its last response.
    pub(crate) fn answered(&self) {
        self.lock().answered += 1;
    }

    /// Gives the place back. `is_answered` says whether [`answered`](Self::answered) was called for it.
    pub(crate) fn leave(&self, place: usize, is_answered: bool) {
        let mut members = self.lock();
        members.answered -= usize::from(is_answered);
        let gone = members.wakers[place].take();
        members.free.push(place);
        members.live -= 1;
        let waiter = if members.live == 0 {
            members.waiter.take()
        } else {
            None
        };
        drop(members);
        // Outside the lock: either may be the last handle of something.
        drop(gone);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    /// Goes on to this phase and wakes every connection to see it.
    pub(crate) fn advance(&self, phase: Phase) {
        // ORDERING: Relaxed: a connection that enters or sets its waker later takes the lock after us, and sees it.
        self.phase.store(phase as u8, Ordering::Relaxed);
        let wakers: Vec<Waker> = self.lock().wakers.iter().flatten().cloned().collect();
        for waker in wakers {
            waker.wake();
        }
    }

    /// How many connections live that may still owe a response.
    pub(crate) fn unanswered(&self) -> usize {
        let members = self.lock();
        members.live - members.answered
    }

    /// Waits for the last connection to go. Only the last to wait is woken.
    pub(crate) fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut members = self.lock();
        if members.live == 0 {
            return Poll::Ready(());
        }
        members.waiter = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> impl std::ops::DerefMut<Target = Members> + '_ {
        // No user code runs under it, so that a panic cannot leave it half changed.
        self.members
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_and_the_last_to_go_is_noticed() {
        let registry = Registry::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(registry.poll_empty(&mut cx).is_ready());
        let (a, b) = (registry.enter(), registry.enter());
        registry.set_waker(a, Waker::noop().clone());
        assert!(registry.poll_empty(&mut cx).is_pending());
        registry.leave(a, false);
        assert_eq!((registry.enter(), registry.unanswered()), (a, 2));
        registry.answered();
        assert_eq!(registry.unanswered(), 1);
        registry.leave(a, true);
        assert_eq!(registry.unanswered(), 1);
        registry.leave(b, false);
        assert_eq!(registry.unanswered(), 0);
        assert!(registry.poll_empty(&mut cx).is_ready());
    }

    #[test]
    fn phases_only_follow_each_other() {
        let registry = Registry::new();
        assert_eq!(registry.phase(), Phase::Serving);
        registry.advance(Phase::Draining);
        registry.advance(Phase::Forced);
        assert_eq!(registry.phase(), Phase::Forced);
        assert!(Phase::Serving < Phase::Draining && Phase::Draining < Phase::Forced);
    }
}
