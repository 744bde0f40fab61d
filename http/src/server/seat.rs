//! What does a connection owe to its server?
//!
//! A [`Seat`] is its place among the connections, and the permit of the request that is in its handler. Both are given back when it is dropped, so that whatever becomes of a connection, nothing of it is
//! left in the server's books.

use super::Service;
use super::admission::{Turn, Waiting};
use super::metrics::{Rejected, Took};
use super::peer::Peer;
use super::shutdown::Place;
use super::sweep::is_over;
use filch::time::Stamp;
use http::StatusCode;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A connection's place among those of its server.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) service: Arc<Service>,
    pub(crate) peer: Peer,
    place: Place,
    /// When the task is woken ([`sweep`](super::sweep)), unless that has been done.
    noted: Option<Stamp>,
    is_registered: bool,
    is_answered: bool,
    /// Whether the request under way has a permit.
    is_permitted: bool,
    /// Its place in the queue, while it waits for one.
    waiting: Option<Box<Waiting>>,
}

impl Seat {
    /// Of a connection that this place was given for, to a client who is there.
    pub(crate) fn new(service: Arc<Service>, peer: Peer, place: Place) -> Self {
        Self {
            service,
            peer,
            place,
            noted: None,
            is_registered: false,
            is_answered: false,
            is_permitted: false,
            waiting: None,
        }
    }

    /// Makes sure that the server can wake the task.
    #[inline]
    pub(crate) fn register(&mut self, cx: &Context<'_>) {
        if !self.is_registered {
            let registry = &self.service.registry;
            registry.set_waker(self.place, cx.waker().clone());
            self.is_registered = true;
        }
    }

    /// Whether a wait for a request is over. Otherwise the task is woken when it is, or before; at most a pause of the [`sweep`](super::sweep) later.
    #[inline]
    pub(crate) fn poll_idle(&mut self, due: Stamp) -> Poll<()> {
        match self.noted {
            Some(noted) if is_over(noted, due) && self.is_noted(noted) => Poll::Pending,
            _ => self.note_slow(due),
        }
    }

    /// Whether no sweep has cleared what it has noted.
    #[inline]
    fn is_noted(&self, noted: Stamp) -> bool {
        let swept_until = self.service.registry.swept_until();
        swept_until.is_none_or(|swept_until| !is_over(noted, swept_until))
    }

    #[cold]
    fn note_slow(&mut self, due: Stamp) -> Poll<()> {
        if !self.service.registry.note(self.place, due) {
            return Poll::Ready(());
        }
        self.noted = Some(due);
        Poll::Pending
    }

    /// Forgets what it has noted, which after weeks could be taken for a time to come.
    pub(crate) fn forget_note(&mut self) {
        self.noted = None;
    }

    /// Takes note that the last response was sent. Whether it was the first call.
    pub(crate) fn answered(&mut self) -> bool {
        if self.is_answered {
            return false;
        }
        self.is_answered = true;
        self.service.registry.answered();
        true
    }

    /// Whether it is beyond the limits: it gets one answer.
    #[inline]
    pub(crate) fn is_guest(&self) -> bool {
        self.place.is_guest()
    }

    /// Whether the request may go to its handler at once; then it has a permit until [`finish`](Self::finish). If not, ask [`poll_admit`](Self::poll_admit).
    #[inline]
    pub(crate) fn try_admit(&mut self) -> bool {
        let is_admitted =
            self.waiting.is_none() && !self.is_guest() && self.service.admission.try_enter();
        self.is_permitted |= is_admitted;
        is_admitted
    }

    /// Waits until the request for this path may go to its handler; an error if it is turned away.
    #[cold]
    pub(crate) fn poll_admit(
        &mut self,
        path: &str,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Rejected>> {
        if self.waiting.is_none() {
            if self.service.is_exempt(path) {
                return Poll::Ready(Ok(()));
            }
            if self.is_guest() {
                return Poll::Ready(Err(Rejected::Guest));
            }
            match self.service.admission.enter_slow() {
                Turn::Granted => {}
                Turn::Waits(waiting) => self.waiting = Some(Box::new(waiting)),
                Turn::Refused => return Poll::Ready(Err(Rejected::QueueFull)),
            }
        }
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.poll(cx));
        }
        self.is_permitted = true;
        self.waiting = None;
        Poll::Ready(Ok(()))
    }

    /// The handler waits for its client alone: the next may have its permit. Whether it had one; then ask [`poll_resume`](Self::poll_resume) before it goes on.
    #[cold]
    pub(crate) fn pause(&mut self) -> bool {
        let was_permitted = self.is_permitted;
        self.give_back();
        was_permitted
    }

    /// Waits until a handler that was paused may go on.
    #[cold]
    pub(crate) fn poll_resume(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.try_admit() {
            return Poll::Ready(());
        }
        if self.waiting.is_none() {
            match self.service.admission.enter_again() {
                Turn::Waits(waiting) => self.waiting = Some(Box::new(waiting)),
                Turn::Granted | Turn::Refused => {}
            }
        }
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.poll(cx));
        }
        self.is_permitted = true;
        self.waiting = None;
        Poll::Ready(())
    }

    /// Whether the handler that begins is to be timed.
    #[inline]
    pub(crate) fn is_timed(&self) -> bool {
        self.service.counters.counting().begins()
    }

    /// The request has its response, or is given up: the next may have its permit. Its handler, if it had one, took so long.
    #[inline(always)]
    pub(crate) fn finish(&mut self, status: StatusCode, took: Option<Took>) {
        self.give_back();
        let counting = self.service.counters.counting();
        counting.responded(status);
        if let Some(took) = took {
            counting.took(took);
        }
    }

    /// Takes note of a request that the server itself has answered with 503.
    pub(crate) fn rejected(&self, why: Rejected) {
        self.service.counters.counting().rejected(why);
    }

    #[inline]
    fn give_back(&mut self) {
        if self.waiting.is_some() {
            self.waiting = None;
        }
        if self.is_permitted {
            self.is_permitted = false;
            self.service.admission.leave();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.give_back();
        let registry = &self.service.registry;
        registry.leave(self.place, self.peer.origin(), self.is_answered);
    }
}
