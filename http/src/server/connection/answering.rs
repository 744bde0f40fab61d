//! How does a request meet its handler?
//!
//! As soon as its head is whole, on the connection's own task. A request whose body is still to come is held back until
//! all earlier answers are sent, since its handler may wait for the client, and the client for those.

use super::admitting::HandlerTime;
use super::waiting::WaitsFor;
use super::{Connection, Current, Step};
use crate::proto::conn::{Event, State};
use crate::proto::encode;
use crate::request::Request;
use crate::response::Response;
use crate::router::{Matched, Router};
use crate::server::exchange::Wants;
use crate::server::invitation::Invitation;
use crate::server::shield;
use crate::server::transport::Transport;
use crate::server::upload::Upload;
use crate::server::work::Work;
use filch::time::Instant;
use http::{Method, StatusCode};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

impl<T: Transport> Connection<T> {
    /// The head of a request is complete: finds its handler.
    #[inline(always)]
    pub(super) fn begin(&mut self, wants: Wants, cx: &mut Context<'_>) -> Step {
        let Some(work) = &mut self.work else {
            return self.broken();
        };
        let Some(exchange) = work.exchange.get_mut() else {
            return self.broken();
        };
        let is_logged = self.seat.service.access_log.is_some();
        if is_logged {
            work.asked.note(&exchange.view());
            work.began = Some(Instant::now());
        }
        self.current = Current {
            is_head: exchange.method == Method::HEAD,
            switch: wants.switch,
            version: exchange.version(),
            keep_alive: wants.keep_alive,
            is_new: true,
            has_body: wants.has_body,
            is_held: false,
            is_paused: false,
            handler: HandlerTime::None,
            rejected: None,
        };
        self.is_fresh = false;
        self.waits_for = WaitsFor::Nothing;
        match exchange.body_is_here() {
            Ok(true) => {
                let _answer = self.conn.on(match wants.switch {
                    None => Event::HeadOnly,
                    Some(_) => Event::HeadOfSwitch,
                });
                self.step_handle(cx)
            }
            Ok(false) => self.begin_upload(wants.expects_continue),
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// The handler will read from the socket, or invite the client to send: what was answered before goes first.
    #[inline(never)]
    fn begin_upload(&mut self, expects_continue: bool) -> Step {
        let _answer = self.conn.on(match expects_continue {
            false => Event::HeadOfBody,
            true => Event::HeadOfExpectation,
        });
        let rate = self.seat.service.upload_rate();
        self.current.is_held = true;
        let invitation: Option<Arc<Invitation>> = expects_continue.then(Arc::default);
        let upload = Arc::<Upload>::default();
        let aside = self.aside();
        aside.invitation = invitation.clone();
        aside.upload = Some(upload.clone());
        let Some(exchange) = self.work.as_mut().and_then(|work| work.exchange.get_mut()) else {
            return self.broken();
        };
        let transport = self.transport.share();
        exchange
            .body
            .set_source(transport, upload, invitation, rate);
        Step::Again
    }

    /// Lets the handler begin, or go on.
    #[inline(never)]
    pub(super) fn step_handle(&mut self, cx: &mut Context<'_>) -> Step {
        if self.current.is_held {
            match self.poll_flush(cx) {
                Poll::Pending => return Step::Wait(WaitsFor::Room),
                Poll::Ready(Err(_)) => return self.broken(),
                Poll::Ready(Ok(())) => self.current.is_held = false,
            }
        }
        let is_new = self.current.is_new;
        if is_new {
            match self.poll_admit(cx) {
                Poll::Ready(Ok(())) => self.handler_begins(),
                Poll::Ready(Err(why)) => return self.turn_away(why),
                Poll::Pending => return self.wait_with_flush(WaitsFor::Turn, cx),
            }
        } else if self.current.is_paused {
            match self.seat.poll_resume(cx) {
                Poll::Ready(()) => self.current.is_paused = false,
                Poll::Pending => return self.wait_with_flush(WaitsFor::Turn, cx),
            }
        }
        let Some(work) = &mut self.work else {
            return self.broken();
        };
        let router = &self.seat.service.router;
        // Put here, and not handed up: it would be copied on the way.
        let mut answer = Poll::Pending;
        let handle = || {
            answer = match is_new {
                true => begin_answer(router, work, cx),
                false => work.slot.poll(cx),
            }
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(handle)) {
            shield::discard(payload);
            return self.finish_plain_slow(failed());
        }
        match answer {
            Poll::Ready(response) => self.finish(response),
            Poll::Pending => self.wait_for_handler(cx),
        }
    }

    /// Sends what there is while the handler works: earlier answers, and what it needs to go on.
    #[inline(never)]
    fn wait_for_handler(&mut self, cx: &mut Context<'_>) -> Step {
        let invitation = self.aside.as_ref().and_then(|it| it.invitation.as_ref());
        if let (Some(invitation), Some(work)) = (invitation, &mut self.work) {
            if invitation.take(cx.waker()) {
                let _wait = self.conn.on(Event::Continue);
                work.out.bytes.extend_from_slice(encode::CONTINUE);
            }
        }
        self.handler_waits();
        if self.waits_for_client() {
            self.current.is_paused |= self.seat.pause();
        }
        match self.poll_flush(cx) {
            Poll::Ready(Err(_)) => self.broken(),
            // Nobody is there to be answered. Who only sends no more is.
            _ if self.transport.poll_gone(cx).is_ready() => self.broken(),
            _ => Step::Wait(WaitsFor::Handler),
        }
    }

    /// Whether somebody waits for more of the body of the request, whose handler needs no permit for that.
    #[inline]
    fn waits_for_client(&self) -> bool {
        matches!(self.conn.state(), State::Upload | State::Expect)
            && self
                .aside
                .as_ref()
                .and_then(|aside| aside.upload.as_ref())
                .is_some_and(|upload| upload.waits())
    }

    /// Sends what there is while it waits.
    #[inline(never)]
    fn wait_with_flush(&mut self, waits_for: WaitsFor, cx: &mut Context<'_>) -> Step {
        match self.poll_flush(cx) {
            Poll::Ready(Err(_)) => self.broken(),
            _ => Step::Wait(waits_for),
        }
    }
}

/// Hands the request to its handler, and lets that begin.
#[inline]
fn begin_answer(router: &Router, work: &mut Work, cx: &mut Context<'_>) -> Poll<Response> {
    let exchange = work
        .exchange
        .get_mut()
        .expect("a request that is not handled yet is at home");
    match exchange.route(router) {
        Matched::Answer(response) => Poll::Ready(response),
        Matched::Handler(endpoint) => {
            let loan = work.exchange.lend().expect("it was at home a moment ago");
            endpoint.start(Request::new(loan), &mut work.slot, cx)
        }
    }
}

/// The answer for a handler that has none, or none that can be sent.
#[cold]
pub(super) fn failed() -> Response {
    Response::text("internal server error")
        .with_status(StatusCode::INTERNAL_SERVER_ERROR)
        .with_header("connection", "close")
}
