//! What does the sentinel know of a worker?
//!
//! Whether it sleeps, goes on from poll to poll, or is in the same poll as at the last look, and for how long it has been: a lower bound, see [`stuck`](super::stuck).

use super::mistrust::Mistrust;
use super::shared::Remote;
use super::stuck::LOOK_COUNTS_MAX;
use super::warning::{WARN_AFTER, WARN_AGAIN};
use crate::sys::sync::Arc;
use crate::sys::sync::atomic::Ordering;
use crate::sys::thread_state;
use std::time::Duration;

/// A spare that computes is left to itself for so long, as another one takes a part of the processor from it. Figures are in [`stand_in`](super::stand_in).
const COMPUTING_SPARE: Duration = Duration::from_millis(2);

/// A worker, or a spare, under the sentinel's eyes.
pub(super) struct Watched {
    pub(super) remote: Arc<Remote>,
    /// Its count of polls at the last look; none if it slept then.
    polls: Option<usize>,
    /// For how long it has been in that poll.
    in_poll: Duration,
    /// Since it began its poll, or since it was last looked after without help.
    unhelped: Duration,
    pub(super) mistrust: Mistrust,
    /// It is told of when it is stuck for so long.
    warn_at: Duration,
}

/// What a look has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It waits in its driver, or is a spare without work.
    Asleep,
    /// It has begun another poll since the last look.
    Moving,
    /// It has not.
    Stuck,
}

impl Watched {
    pub(super) fn new(remote: Arc<Remote>) -> Self {
        Self {
            remote,
            polls: None,
            in_poll: Duration::ZERO,
            unhelped: Duration::ZERO,
            mistrust: Mistrust::default(),
            warn_at: WARN_AFTER,
        }
    }

    /// Looks, so long after the last time.
    pub(super) fn look(&mut self, since: Duration) -> Seen {
        if self.remote.is_asleep() {
            self.begin_anew(None);
            return Seen::Asleep;
        }
        // ORDERING: Relaxed: a hint, which the worker sees some time.
        self.remote.is_called.store(true, Ordering::Relaxed);
        // ORDERING: Relaxed: only whether it has changed counts; a change that is seen late costs a rescue that was not needed.
        let polls = Some(self.remote.polls.load(Ordering::Relaxed));
        if self.polls != polls {
            self.begin_anew(polls);
            return Seen::Moving;
        }
        let before = self.in_poll;
        self.in_poll += since.min(LOOK_COUNTS_MAX);
        self.unhelped += since;
        self.remote.long_polls.note(before, self.in_poll);
        Seen::Stuck
    }

    fn begin_anew(&mut self, polls: Option<usize>) {
        self.polls = polls;
        self.in_poll = Duration::ZERO;
        self.unhelped = Duration::ZERO;
        self.warn_at = WARN_AFTER;
        self.remote.long_polls.note_end();
    }

    /// For how long it has been stuck; zero if it sleeps or goes on.
    pub(super) fn stuck_for(&self) -> Duration {
        self.in_poll
    }

    /// Whether it was awake at the last look.
    pub(super) fn is_awake(&self) -> bool {
        self.polls.is_some()
    }

    /// Whether it has been stuck for so long without anybody to help; asked again, it is not.
    pub(super) fn wants_help(&mut self, after: Duration) -> bool {
        let wants = self.unhelped >= after;
        if wants {
            self.unhelped = Duration::ZERO;
        }
        wants
    }

    /// Whether it is time to tell of it, for how long it has been stuck: much longer the next time.
    pub(super) fn wants_warning(&mut self) -> Option<Duration> {
        let wants = self.in_poll >= self.warn_at;
        if wants {
            self.warn_at = self.warn_at.saturating_mul(WARN_AGAIN);
        }
        wants.then_some(self.in_poll)
    }

    /// Whether a spare that has been stuck for a while is to be given up for now. A thread that has not begun counts as one that computes.
    pub(super) fn is_lost_spare(&self) -> bool {
        // ORDERING: Relaxed: a number; who reads it late takes the thread for one that has not begun.
        let thread = self.remote.thread.load(Ordering::Relaxed);
        let waits = thread != 0 && thread_state::waits(thread).unwrap_or(true);
        waits || self.in_poll >= COMPUTING_SPARE
    }
}

impl Remote {
    pub(super) fn is_asleep(&self) -> bool {
        // ORDERING: Relaxed: a hint for a tick; before the sentinel sleeps it comes after the heavy barrier in `sleep_until_called`.
        self.is_asleep.load(Ordering::Relaxed)
    }
}
