//! What becomes of a connection with a response?
//!
//! The response is added to what is to be sent; then the connection goes on with the next request, reads the rest of a body that
//! nobody wanted, or ends.

use super::{Connection, Step};
use crate::proto::Version;
use crate::proto::conn::{Event, State};
use crate::proto::encode::{self, Persistence, ResponseHead};
use crate::proto::framing::BodyFraming;
use crate::response::{IntoResponse, Response};
use crate::server::incoming::Rest;
use crate::server::shutdown::Phase;
use crate::server::transport::Transport;
use crate::server::{date, overload};
use filch::time::Instant;

/// Most of an unread body that is read and dropped to keep the connection, in bytes. More is not worth the time: the
/// connection closes. A guess, and what nginx calls lingering does the same.
const DISCARD_MAX_BYTES: u64 = 256 * 1024;

/// Most that is read and dropped after the last response, in bytes, so that the peer sees it and not a reset. Four
/// times the body that is refused by default; the time for it is what bounds it on a slow line. A guess.
pub(super) const LINGER_MAX_BYTES: u64 = 64 * 1024 * 1024;

impl<T: Transport> Connection<T> {
    /// The handler has answered.
    #[inline(always)]
    pub(super) fn finish(&mut self, response: Response) -> Step {
        if !response.body().is_there()
            || response.status().is_informational()
            || self.current.switch.is_some()
        {
            return self.finish_unusual(response);
        }
        self.finish_plain(response)
    }

    /// A response whose body is there, off the common path.
    #[cold]
    pub(super) fn finish_plain_slow(&mut self, response: Response) -> Step {
        self.finish_plain(response)
    }

    /// A response whose body is there: adds it to what is to be sent.
    #[inline(always)]
    fn finish_plain(&mut self, response: Response) -> Step {
        self.log(&response);
        self.account(&response);
        if let Some(aside) = &mut self.aside {
            if let Some(invitation) = aside.invitation.take() {
                invitation.close();
            }
        }
        let rest = self.settle();
        let keep_alive = self.may_stay(&response) && is_worth_reading(rest);
        let framing = BodyFraming::Length(response.body().len() as u64);
        self.encode_head(&response, framing, self.persistence(keep_alive));
        let Some(work) = &mut self.work else {
            return self.broken();
        };
        if !self.current.is_head && encode::may_have_body(response.status()) {
            work.out.push_body(response.into_body());
        }
        self.complete(keep_alive, rest)
    }

    /// The response is complete: decides what comes next.
    #[inline(always)]
    pub(super) fn complete(&mut self, keep_alive: bool, rest: Option<Rest>) -> Step {
        let mut is_quiet = false;
        if let Some(work) = &mut self.work {
            work.began = None;
        }
        let exchange = self.work.as_mut().and_then(|work| work.exchange.get_mut());
        if let Some(exchange) = exchange {
            // Whether the client asked for the end and was done: then nothing can come that closing would answer with
            // a reset. It is not enough that nothing has come, since more may be under way, or in the socket: behind a body
            // that is often an empty line.
            is_quiet = !self.current.keep_alive
                && self.current.switch.is_none()
                && !self.current.has_body
                && rest == Some(Rest::None)
                && exchange.buffer.is_empty();
            if keep_alive {
                exchange.begin();
            }
        }
        self.current.rejected = None;
        self.note_body(rest);
        self.set_discard(match (keep_alive, rest) {
            (true, Some(Rest::None)) => 0,
            (true, _) => DISCARD_MAX_BYTES,
            (false, _) if is_quiet => 0,
            (false, _) => LINGER_MAX_BYTES,
        });
        let _owed = self.conn.on(if keep_alive {
            Event::Response
        } else {
            Event::LastResponse
        });
        Step::Again
    }

    /// What is known of the body of the request by the end of the response, or of its head.
    #[inline(always)]
    pub(super) fn note_body(&mut self, rest: Option<Rest>) {
        let is_expected = self.conn.state() == State::Expect;
        if is_expected && !matches!(rest, None | Some(Rest::Lost)) {
            let _wait = self.conn.on(Event::BodySeen);
        }
        let is_under_way = matches!(self.conn.state(), State::Upload | State::Overlap);
        if is_under_way && rest == Some(Rest::None) {
            let _wait = self.conn.on(Event::BodyEnd);
        }
    }

    /// Is done with the request, if it was given back. Says what is still to come of its body; `None` when its handler has kept it, so
    /// that what follows it is out of reach.
    #[inline]
    pub(super) fn settle(&mut self) -> Option<Rest> {
        let exchange = self.work.as_mut()?.exchange.get_mut()?;
        Some(exchange.finish())
    }

    /// Whether the connection may be used again as far as everybody's wishes go.
    #[inline]
    pub(super) fn may_stay(&self, response: &Response) -> bool {
        let service = &self.seat.service;
        self.current.keep_alive
            && service.registry.phase() < Phase::LameDuck
            && !self.seat.is_guest()
            && !service.timeouts.keep_alive.is_zero()
            && !response.closes()
    }

    #[inline]
    pub(super) fn persistence(&self, keep_alive: bool) -> Persistence {
        match (keep_alive, self.current.version) {
            (false, _) => Persistence::Close,
            (true, Version::Http11) => Persistence::KeepAlive,
            (true, Version::Http10) => Persistence::KeepAliveSaid,
        }
    }

    /// Adds the head of a response to what is to be sent.
    #[inline(never)]
    pub(super) fn encode_head(
        &mut self,
        response: &Response,
        body: BodyFraming,
        persistence: Persistence,
    ) {
        let Some(work) = &mut self.work else {
            return;
        };
        let service = &self.seat.service;
        let turned_away = self.current.rejected.map(|_| &*overload::FIELDS);
        let head = ResponseHead {
            status: response.status(),
            content_type: response.content_type(),
            fields: response.fields().or(turned_away),
            body,
            persistence,
        };
        let (name, now) = (service.name.as_ref(), Instant::recent());
        date::with_standard_fields(service.id, name, now, |standard| {
            head.encode(standard, &mut work.out.bytes);
        });
    }

    /// Answers a request that cannot be served, and sees to the end of the connection.
    #[cold]
    pub(super) fn refuse(&mut self, refusal: impl IntoResponse) -> Step {
        let response = refusal.into_response();
        self.log(&response);
        self.account_slow(&response);
        let framing = BodyFraming::Length(response.body().len() as u64);
        self.encode_head(&response, framing, Persistence::Close);
        let Some(work) = &mut self.work else {
            return self.broken();
        };
        let is_head = work
            .exchange
            .get_mut()
            .is_some_and(|exchange| exchange.refused_a_head());
        if !is_head {
            work.out.push_body(response.into_body());
        }
        self.set_discard(LINGER_MAX_BYTES);
        let _owed = self.conn.on(Event::LastResponse);
        Step::Again
    }
}

/// Whether the connection can be kept for what is still to come of a body that nobody will read.
#[inline]
pub(super) fn is_worth_reading(rest: Option<Rest>) -> bool {
    match rest {
        Some(Rest::None | Rest::Unknown) => true,
        Some(Rest::Bytes(count)) => count <= DISCARD_MAX_BYTES,
        Some(Rest::Lost) | None => false,
    }
}
