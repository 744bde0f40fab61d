//! How long may a connection wait for what?
//!
//! Each wait has a name, and the name a time. A wait for what is one thing, as a head, has one time however much comes meanwhile; one
//! for the client to read uses up its [`Allowance`](crate::server::allowance::Allowance).

use super::{Connection, Step};
use crate::limits::Timeouts;
use crate::proto::Refusal;
use crate::proto::conn::Event;
use crate::server::allowance::Rate;
use crate::server::metrics::Rejected;
use crate::server::transport::Transport;
use crate::server::{Service, census};
use filch::time::{Duration, Instant};
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

/// How far a recent time may lie behind the present, as a rule ([`Instant::recent`]): so much longer may a client take for its next request, that it does not have less than it was
/// promised.
const RECENT_LAG: Duration = Duration::from_millis(5);

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
        let goes_on = waits_for == self.waits_for && (waits_for.is_one() || self.moved == 0);
        if !goes_on {
            self.waits_for = waits_for;
            match self.due(waits_for) {
                Some(due) => self.deadline.set(due),
                None => self.deadline.clear(),
            }
        }
        self.deadline.poll(cx)
    }

    #[inline]
    fn due(&mut self, waits_for: WaitsFor) -> Option<Instant> {
        match waits_for {
            // Once for each request: without a look at the clock.
            WaitsFor::Request => Some(Instant::recent() + self.seat.service.next_request_timeout),
            _ => self.due_slow(waits_for),
        }
    }

    #[inline(never)]
    fn due_slow(&mut self, waits_for: WaitsFor) -> Option<Instant> {
        let now = Instant::now();
        let timeouts = &self.seat.service.timeouts;
        match timeouts.of(waits_for) {
            Some(timeout) if waits_for.is_of_first_head() && self.seat.is_guest() => {
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
    /// How long a client may take for its next request, from a recent time on.
    pub(in crate::server) fn of_next_request(&self) -> Duration {
        self.keep_alive.saturating_add(RECENT_LAG)
    }

    /// How long a connection may wait for this.
    fn of(&self, waits_for: WaitsFor) -> Option<Duration> {
        match waits_for {
            WaitsFor::First => Some(self.keep_alive.max(self.header)),
            WaitsFor::Request => Some(self.keep_alive),
            WaitsFor::Head => Some(self.header),
            WaitsFor::Nothing | WaitsFor::Piece => None,
            WaitsFor::Turn => Some(self.queue),
            WaitsFor::Handler => Some(self.handler),
            WaitsFor::Body => Some(self.body),
            WaitsFor::Room => Some(self.write),
            WaitsFor::End => Some(self.linger),
        }
    }
}
