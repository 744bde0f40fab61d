//! Who may be in flight, if a scope has a limit?
//!
//! A [`Turn`] asks when it is made: it holds one of the group's places, or stands in the queue for one. Who gives up a place passes it on to the first of the queue, by taking it out of there,
//! and wakes it; whoever does not find itself in the queue any more has the place. When the group is cancelled the queue is emptied: everybody is let through, and nobody counts.

use super::group::{Group, wake};
use crate::util::wait_reason::{self, WaitReason};
use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The places of a group, and the queue; under the group's lock.
#[derive(Default)]
pub(super) struct Turns {
    in_flight: usize,
    /// By ticket; without a waker, who has not been polled yet.
    queue: BTreeMap<u64, Option<Waker>>,
    next_ticket: u64,
}

impl Turns {
    fn ask(&mut self, max_in_flight: usize) -> State {
        if self.in_flight < max_in_flight {
            self.in_flight += 1;
            return State::Held;
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.queue.insert(ticket, None);
        State::Queued(ticket)
    }

    /// A place is given up. Who is to be woken for it.
    fn pass_on(&mut self) -> Option<Waker> {
        match self.queue.pop_first() {
            Some((_, waker)) => waker,
            None => {
                // After a cancellation nobody counts.
                self.in_flight = self.in_flight.saturating_sub(1);
                None
            }
        }
    }

    /// Lets everybody through; who waits is to be woken.
    pub(super) fn open(&mut self) -> impl Iterator<Item = Waker> + use<> {
        mem::take(&mut self.queue).into_values().flatten()
    }
}

/// A place among those children of a group that may be in flight, or in the queue for one.
pub(super) struct Turn {
    /// None, if there is no limit.
    group: Option<Arc<Group>>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// There was no limit, or none any more since the group is cancelled.
    Needless,
    Queued(u64),
    Held,
}

impl Turn {
    /// Asks for a turn. First come, first served.
    pub(super) fn new(group: &Arc<Group>) -> Self {
        let Some(max) = group.max_in_flight else {
            return Self::needless();
        };
        let state = group.with_turns(|turns| turns.map(|turns| turns.ask(max)));
        Self {
            group: Some(group.clone()),
            state: state.unwrap_or(State::Needless),
        }
    }

    /// Of somebody to whom the limit does not apply.
    pub(super) fn needless() -> Self {
        Self {
            group: None,
            state: State::Needless,
        }
    }

    /// Waits for it.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match (&self.group, self.state) {
            (Some(group), State::Queued(ticket)) => {
                // Code of the user's: a waker is cloned, and others dropped, without the lock.
                let mut waker = Some(cx.waker().clone());
                let queued = group.with_turns(|turns| {
                    let place = turns?.queue.get_mut(&ticket)?;
                    mem::swap(place, &mut waker);
                    Some(())
                });
                if queued.is_some() {
                    wait_reason::note(WaitReason::ScopeRoom);
                    return Poll::Pending;
                }
                self.state = State::Held;
                Poll::Ready(())
            }
            _ => Poll::Ready(()),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(group) = self.group.take() else {
            return;
        };
        let state = self.state;
        let (own, next) = group.with_turns(|turns| match (turns, state) {
            (None, _) | (_, State::Needless) => (None, None),
            (Some(turns), State::Held) => (None, turns.pass_on()),
            (Some(turns), State::Queued(ticket)) => match turns.queue.remove(&ticket) {
                Some(own) => (own, None),
                // It was given a place, and does not need it.
                None => (None, turns.pass_on()),
            },
        });
        drop(own);
        next.into_iter().for_each(wake);
    }
}
