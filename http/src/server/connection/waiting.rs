//! How long may a connection wait for what?
//!
//! Each wait has a name, and the name a time. That for a request is watched by the server's [`sweep`](crate::server::sweep), since most connections are in it; any other too, until its end is near: then by a timer of its own. A wait for what is one thing, as a head, has one time however much comes meanwhile; one
//! for the client to read uses up its [`Allowance`](crate::server::allowance::Allowance).

use super::{Connection, Step};
use crate::limits::Timeouts;
use crate::proto::Refusal;
use crate::proto::conn::Event;
use crate::server::allowance::Rate;
use crate::server::metrics::Rejected;
use crate::server::sweep::{IdleTime, after, later};
use crate::server::transport::Transport;
use crate::server::{Service, census};
use filch::time::{Duration, Instant, Stamp};
use std::task::{Context, Poll};

/// What the task is waiting for, which decides how long it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitsFor {
    /// The first byte of the first request.
    First,
    /// The first byte of another request.
    Request,
    /// The rest of a head. Its time counts from the first byte.
    Head,
    /// Nothing yet.
    Nothing,
    /// A request that ends, so that this one may go to its handler.
    Turn,
    /// The handler. Its time counts from the first wait.
    Handler,
    /// More of the body that the handler makes, or of another protocol, which have all the time they want.
    Piece,
    /// The rest of a body that is dropped. Its time counts from the response.
    Body,
    /// Room in the socket for what is to be sent.
    Room,
    /// More of what the peer sends after the last response, or its end. There is a time for all of it besides.
    End,
}

/// How long a client may take for the rest of a head while the server drains. A guess: what was sent before the server said
/// anything has come by then, and it leaves most of the time for draining to the answers.
const DRAIN_HEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// How long before its end a wait gets a timer of its own, which few do: they would cost a handler that waits a tenth of its request. Twice the longest pause of the sweep.
const NEAR: Duration = Duration::from_millis(250);

impl WaitsFor {
    /// Whether there is one time for all of it, however much comes meanwhile.
    fn is_one(self) -> bool {
        matches!(self, Self::Head | Self::Turn | Self::Handler | Self::Body)
    }

    /// Whether it may be the first head that is waited for: of a guest, who has only one, it is.
    fn is_of_first_head(self) -> bool {
        matches!(self, Self::First | Self::Head)
    }

    /// Whether it waits for more of a request to be read.
    #[inline]
    pub(super) fn is_of_request(self) -> bool {
        matches!(self, Self::First | Self::Request | Self::Head)
    }

    /// Whether it waits for the server, and not for its client.
    fn is_of_server(self) -> bool {
        matches!(self, Self::Turn | Self::Handler | Self::Piece)
    }
}

impl<T: Transport> Connection<T> {
    /// Waits, but no longer than is allowed. Ready when that time is over.
    #[inline]
    pub(super) fn poll_deadline(&mut self, waits_for: WaitsFor, cx: &mut Context<'_>) -> Poll<()> {
        match waits_for {
            WaitsFor::First | WaitsFor::Request => self.poll_idle(waits_for),
            _ => self.poll_timer(waits_for, cx),
        }
    }

    /// Waits for a request, which the server's sweep watches, since most connections do: without a timer, and without a look at the clock.
    #[inline]
    fn poll_idle(&mut self, waits_for: WaitsFor) -> Poll<()> {
        if waits_for != self.waits_for || self.moved > 0 {
            self.waits_for = waits_for;
            let time = match waits_for {
                WaitsFor::Request => self.seat.service.idle.next,
                _ => match self.first_idle_time() {
                    // What is not there at the first look is too late.
                    Some(0) => return Poll::Ready(()),
                    time => time,
                },
            };
            self.idle_until = time.map(|millis| later(Stamp::recent(), millis));
        }
        match self.idle_until {
            Some(due) => self.seat.poll_idle(due),
            None => Poll::Pending,
        }
    }

    #[cold]
    fn first_idle_time(&self) -> IdleTime {
        let times = &self.seat.service.idle;
        match self.seat.is_guest() {
            true => times.first_of_guest,
            false => times.first,
        }
    }

    /// Waits for anything else, which a timer of its own watches, when its end is near. Until then the sweep does.
    #[inline(never)]
    fn poll_timer(&mut self, waits_for: WaitsFor, cx: &mut Context<'_>) -> Poll<()> {
        let goes_on = waits_for == self.waits_for && (waits_for.is_one() || self.moved == 0);
        if !goes_on {
            self.waits_for = waits_for;
            self.set_deadline(waits_for);
        }
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        if let Some(near_from) = work.near_from {
            // There is no sweep while the server drains.
            if !self.is_draining && self.seat.poll_idle(near_from).is_pending() {
                return Poll::Pending;
            }
            work.near_from = None;
        }
        work.deadline.poll(cx)
    }

    fn set_deadline(&mut self, waits_for: WaitsFor) {
        let now = Instant::now();
        let Some(due) = self.due(waits_for, now) else {
            if let Some(work) = &mut self.work {
                work.deadline.clear();
                work.near_from = None;
            }
            return;
        };
        let work = self.work();
        work.deadline.set(due);
        work.near_from = match due.duration_since(now).checked_sub(NEAR) {
            Some(far) if !work.deadline.is_armed() => Some(after(Stamp::recent(), far)),
            _ => None,
        };
    }

    fn due(&mut self, waits_for: WaitsFor, now: Instant) -> Option<Instant> {
        let timeouts = &self.seat.service.timeouts;
        match timeouts.of(waits_for) {
            Some(timeout) if waits_for == WaitsFor::Head && self.seat.is_guest() => {
                Some(now + timeout.min(census::GUEST_TIME))
            }
            Some(timeout) if self.is_draining && waits_for == WaitsFor::Head => {
                Some(now + timeout.min(DRAIN_HEAD_TIMEOUT))
            }
            Some(timeout) if waits_for == WaitsFor::Handler => {
                let since = self.work.as_ref().and_then(|work| work.handler_waits_since);
                Some(since.unwrap_or(now) + timeout)
            }
            Some(timeout) if waits_for == WaitsFor::End => {
                let most = now + timeouts.body.max(timeout);
                let until = *self.aside().lingers_until.get_or_insert(most);
                Some(until.min(now + timeout))
            }
            Some(_) if waits_for == WaitsFor::Room => Some(self.room_due(now)),
            Some(timeout) => Some(now + timeout),
            None => None,
        }
    }

    #[cold]
    fn room_due(&mut self, now: Instant) -> Instant {
        let rate = self.seat.service.download_rate();
        let allowance = self.aside().allowance.get_or_insert_default();
        allowance.wait(now, rate)
    }

    /// A deadline has passed.
    #[cold]
    pub(super) fn expire(&mut self) -> Step {
        match self.waits_for {
            waits_for if waits_for.is_of_first_head() && self.seat.is_guest() => self.send_off(),
            WaitsFor::Head => self.refuse(Refusal::HeadTimeout),
            WaitsFor::Turn => self.turn_away(Rejected::QueueTime),
            WaitsFor::Handler => self.turn_away(Rejected::HandlerTime),
            WaitsFor::First | WaitsFor::Request => self.look_last(),
            _ => self.end(Event::Expire),
        }
    }

    /// The server drains. Noticed once; what is waited for has its time from now.
    #[cold]
    pub(super) fn drain(&mut self) {
        if !self.is_draining {
            self.is_draining = true;
            if !self.waits_for.is_of_server() {
                self.waits_for = WaitsFor::Nothing;
            }
        }
    }
}

impl Service {
    /// How slow a client may be that sends.
    pub(super) fn upload_rate(&self) -> Rate {
        self.rate(self.timeouts.body)
    }

    /// How slow a client may be that reads.
    pub(super) fn download_rate(&self) -> Rate {
        self.rate(self.timeouts.write)
    }

    fn rate(&self, grace: Duration) -> Rate {
        Rate {
            grace,
            bytes_per_second: self.limits.body_rate,
        }
    }
}

impl Timeouts {
    /// How long a connection may wait for this, which is not a request.
    fn of(&self, waits_for: WaitsFor) -> Option<Duration> {
        match waits_for {
            WaitsFor::Head => Some(self.header),
            // The first two are watched otherwise.
            WaitsFor::First | WaitsFor::Request | WaitsFor::Nothing | WaitsFor::Piece => None,
            WaitsFor::Turn => Some(self.queue),
            WaitsFor::Handler => Some(self.handler),
            WaitsFor::Body => Some(self.body),
            WaitsFor::Room => Some(self.write),
            WaitsFor::End => Some(self.linger),
        }
    }
}
