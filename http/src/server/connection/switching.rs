//! How does a connection go over to another protocol?
//!
//! When both sides want it: the client has asked, nothing of its request is left, and the handler's response agrees. Then the head of
//! that is sent, and the future that serves the other protocol is polled in place of all else, until it ends.

use super::answering::failed;
use super::aside::Following;
use super::waiting::WaitsFor;
use super::{Connection, Step};
use crate::body::Later;
use crate::proto::conn::Event;
use crate::proto::encode::Persistence;
use crate::proto::framing::{BodyFraming, Switch};
use crate::response::Response;
use crate::server::incoming::Rest;
use crate::server::shield;
use crate::server::transport::Transport;
use crate::server::upgraded::{Serving, Upgraded};
use http::{StatusCode, header};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

/// The other protocol, which begins when the head of the response is sent.
pub(super) struct Switched {
    serving: Serving,
}

impl<T: Transport> Connection<T> {
    /// A response that is more than a head and bytes, or would be understood as such.
    #[cold]
    pub(super) fn finish_unusual(&mut self, response: Response) -> Step {
        let wanted = match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => Some(Switch::Upgrade),
            status if status.is_success() && self.current.switch == Some(Switch::Connect) => {
                Some(Switch::Connect)
            }
            _ => None,
        };
        match (wanted, response.body().is_switch()) {
            (None, false) if response.status().is_informational() => {
                // It answers nothing: the client would take the next answer for this request.
                self.finish_plain_slow(failed())
            }
            (None, false) if response.body().is_there() => self.finish_plain_slow(response),
            (None, false) => self.begin_stream(response),
            (Some(wanted), true) if self.current.switch == Some(wanted) => self.switch(response),
            (Some(Switch::Upgrade), true) => self.finish_plain_slow(upgrade_required(response)),
            _ => self.finish_plain_slow(failed()),
        }
    }

    /// Goes over to the other protocol.
    fn switch(&mut self, response: Response) -> Step {
        // A request that its handler has kept has what follows it.
        let Some(exchange) = self.work.as_mut().and_then(|work| work.exchange.get_mut()) else {
            return self.finish_plain_slow(failed());
        };
        if !exchange.body.is_at_end() {
            return self.finish_plain_slow(failed());
        }
        self.log(&response);
        self.account_slow(&response);
        let rest = self.settle();
        debug_assert_eq!(rest, Some(Rest::None));
        let Some(work) = &mut self.work else {
            return self.broken();
        };
        let Some(exchange) = work.exchange.get_mut() else {
            return self.broken();
        };
        let ahead = exchange.buffer.filled().to_vec();
        exchange.buffer.clear();
        self.encode_head(&response, BodyFraming::Tunnel, Persistence::KeepAlive);
        let Later::Switch(switch) = response.into_body().into_later() else {
            return self.broken();
        };
        let stream = Upgraded::new(
            self.transport.share(),
            ahead,
            self.seat.peer.address(),
            self.seat.service.draining.clone(),
        );
        match catch_unwind(AssertUnwindSafe(|| switch(stream))) {
            Ok(serving) => {
                let _hand_over = self.conn.on(Event::Switch);
                self.aside().following = Following::Protocol(Switched { serving });
            }
            Err(payload) => {
                shield::discard(payload);
                return self.broken();
            }
        }
        Step::Again
    }

    /// Lets the other protocol go on, once the head of the response is sent.
    #[inline(never)]
    pub(super) fn step_switched(&mut self, cx: &mut Context<'_>) -> Step {
        if self.work.is_some() {
            match self.poll_flush(cx) {
                Poll::Pending => return Step::Wait(WaitsFor::Room),
                Poll::Ready(Err(_)) => return self.broken(),
                Poll::Ready(Ok(())) => self.give_back_last_work(),
            }
        }
        let aside = self.aside.as_deref_mut();
        let Some((Following::Protocol(switched), is_let_go)) =
            aside.map(|aside| (&mut aside.following, &mut aside.is_let_go))
        else {
            return self.broken();
        };
        match catch_unwind(AssertUnwindSafe(|| switched.serving.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Step::Wait(WaitsFor::Piece),
            Ok(Poll::Ready(())) => {
                *is_let_go = true;
                self.end(Event::Break)
            }
            Err(payload) => {
                shield::discard(payload);
                self.broken()
            }
        }
    }
}

/// RFC 9110, section 15.5.22: what the client would have to ask for.
fn upgrade_required(mut refused: Response) -> Response {
    let mut response = Response::text("this resource is only there with an upgrade")
        .with_status(StatusCode::UPGRADE_REQUIRED);
    if let Some(protocol) = refused.headers_mut().remove(header::UPGRADE) {
        response.insert(header::UPGRADE, protocol);
    }
    response
}

impl fmt::Debug for Switched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switched").finish_non_exhaustive()
    }
}
