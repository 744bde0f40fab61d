//! How is one connection served?
//!
//! By one task, which is this future. It reads what has arrived, answers every request in it in turn, and sends all
//! answers with one write; then it waits. What may happen when is the table of [`conn`](crate::proto::conn); this file
//! does what the table says is owed, and it is the only one that touches both a stream and the protocol.
//!
//! What the fast path is made of: one read and one write for a batch of requests, no timer armed or cancelled
//! ([`Deadline`]), no allocation ([`Work`] is pooled, the handler's future lives in its slot), no write interest before
//! a write has failed.
//!
//! Nothing is left unsent when the task waits: neither for the next request, nor for a handler, nor for a body.

use super::deadline::Deadline;
use super::invitation::Invitation;
use super::shutdown::Phase;
use super::transport::Transport;
use super::work::Work;
use super::{Access, Service, date, shield};
use crate::proto::conn::{Action, Conn, Event, State};
use crate::proto::encode::{self, Persistence, ResponseHead};
use crate::proto::{Framing, Refusal, Version};
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::router::{Matched, Router};
use filch::time::{Duration, Instant};
use http::{Method, StatusCode};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The task of a connection.
#[derive(Debug)]
pub(crate) struct Connection<T> {
    transport: Arc<T>,
    seat: Seat,
    peer: Option<SocketAddr>,
    conn: Conn,
    work: Option<Box<Work>>,
    /// What the current request wants, from the end of its head to the end of its response.
    current: Current,
    /// What its client waits for before it sends the body.
    invitation: Option<Arc<Invitation>>,
    waits_for: WaitsFor,
    deadline: Deadline,
    /// The time, read once per poll, unless a handler took some of it since.
    now: Option<Instant>,
    is_now_old: bool,
    /// Whether bytes came or went in this poll.
    has_moved: bool,
    /// Bytes still to be read and dropped: of a body that nobody wants, or after the last response.
    discard: u64,
    /// Whether it has seen that the server drains.
    is_draining: bool,
    /// Whether there was no request yet.
    is_fresh: bool,
}

/// A connection's place among those of its server, which it leaves when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    service: Arc<Service>,
    place: usize,
    is_registered: bool,
    is_answered: bool,
}

/// What is known of the request that is being answered.
#[derive(Debug, Clone, Copy)]
struct Current {
    is_head: bool,
    version: Version,
    /// Whether the client lets the connection stay. If not, it sends nothing more.
    keep_alive: bool,
    /// Whether its handler has still to be called.
    is_new: bool,
    /// Whether it is held back until all earlier responses are sent.
    is_held: bool,
    /// When its head was complete; only for the access log.
    began: Option<Instant>,
}

/// What the task is waiting for, which decides how long it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaitsFor {
    /// The first byte of the first request.
    First,
    /// The first byte of another request.
    Request,
    /// The rest of a head. Its time counts from the first byte.
    Head,
    /// The handler, which has all the time it wants.
    Handler,
    /// The rest of a body that is dropped. Its time counts from the response.
    Body,
    /// Room in the socket for what is to be sent.
    Room,
    /// The end of what the peer sends after the last response, counted from that.
    End,
}

impl WaitsFor {
    /// Whether there is one time for all of it, however much comes meanwhile.
    fn is_one(self) -> bool {
        matches!(self, Self::Head | Self::Body | Self::End)
    }
}

/// What a step came to.
enum Step {
    /// There is more to do at once.
    Again,
    /// Nothing can be done until something happens.
    Wait(WaitsFor),
    /// The connection is over.
    End,
}

/// Most steps of one poll: after so many, other tasks get their turn. A step is a request and its answer, or a read. A guess.
const STEPS_MAX: usize = 64;

/// How long a client may take for the rest of a head while the server drains. A guess: what was sent before the server said
/// anything has come by then, and it leaves most of the time for draining to the answers.
const DRAIN_HEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// Most of an unread body that is read and dropped to keep the connection, in bytes. More is not worth the time: the
/// connection closes. A guess, and what nginx calls lingering does the same.
const DISCARD_MAX_BYTES: u64 = 256 * 1024;

/// Most that is read and dropped after the last response, in bytes, so that the peer sees it and not a reset. Four
/// times the body that is refused by default; the time for it is what bounds it on a slow line. A guess.
const LINGER_MAX_BYTES: u64 = 64 * 1024 * 1024;

impl Seat {
    pub(crate) fn new(service: Arc<Service>) -> Self {
        let place = service.registry.enter();
        Self {
            service,
            place,
            is_registered: false,
            is_answered: false,
        }
    }

    /// Makes sure that the server can wake the task.
    #[inline]
    fn register(&mut self, cx: &Context<'_>) {
        if !self.is_registered {
            self.service
                .registry
                .set_waker(self.place, cx.waker().clone());
            self.is_registered = true;
        }
    }

    /// Takes note that the last response was sent. Whether it was the first call.
    fn answered(&mut self) -> bool {
        if self.is_answered {
            return false;
        }
        self.is_answered = true;
        self.service.registry.answered();
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.service.registry.leave(self.place, self.is_answered);
    }
}

impl<T: Transport> Connection<T> {
    pub(crate) fn new(transport: T, peer: Option<SocketAddr>, seat: Seat) -> Self {
        Self {
            transport: Arc::new(transport),
            seat,
            peer,
            conn: Conn::new(),
            work: None,
            current: Current {
                is_head: false,
                version: Version::Http11,
                keep_alive: true,
                is_new: false,
                is_held: false,
                began: None,
            },
            invitation: None,
            // What it waits for first is decided by its first poll.
            waits_for: WaitsFor::Handler,
            deadline: Deadline::default(),
            now: None,
            is_now_old: false,
            has_moved: false,
            discard: 0,
            is_draining: false,
            is_fresh: true,
        }
    }

    #[inline]
    fn step(&mut self, cx: &mut Context<'_>) -> Step {
        match self.conn.state() {
            State::Idle | State::Head => self.step_read(cx),
            State::Upload | State::Await => self.step_handle(cx),
            State::Drain => self.step_drain(cx),
            State::Linger => self.step_linger(cx),
            State::Closed => Step::End,
        }
    }

    /// Takes requests out of what has arrived; when there is none left, sends the answers and reads more.
    #[inline]
    fn step_read(&mut self, cx: &mut Context<'_>) -> Step {
        let body_max = self.seat.service.limits.body_bytes;
        let work = self
            .work
            .get_or_insert_with(|| take_work(&self.seat.service, self.peer));
        let Some(exchange) = work.exchange.get_mut() else {
            return self.broken();
        };
        if !exchange.buffer.is_empty() && !work.out.is_full() {
            match exchange.parse(body_max) {
                Ok(Some(framing)) => return self.begin(framing, cx),
                Err(refusal) => return self.refuse(refusal),
                Ok(None) if self.conn.state() == State::Idle && exchange.has_begun() => {
                    let _wait = self.conn.on(Event::Begin);
                }
                Ok(None) => {}
            }
        }
        let was_full = work.out.is_full();
        if !work.out.is_empty() {
            match self.poll_flush(cx) {
                Poll::Pending => return Step::Wait(WaitsFor::Room),
                Poll::Ready(Err(_)) => return self.broken(),
                // There may be requests that had to wait for room.
                Poll::Ready(Ok(())) if was_full => return Step::Again,
                Poll::Ready(Ok(())) => {}
            }
        }
        self.read(cx)
    }

    #[inline]
    fn read(&mut self, cx: &mut Context<'_>) -> Step {
        let Some(work) = &mut self.work else {
            return self.broken();
        };
        let Some(exchange) = work.exchange.get_mut() else {
            return self.broken();
        };
        match self.transport.poll_read(cx, exchange.buffer.room()) {
            Poll::Ready(Ok(0)) => self.end(Event::HalfClose),
            Poll::Ready(Ok(count)) => {
                exchange.buffer.arrived(count);
                self.has_moved = true;
                Step::Again
            }
            Poll::Ready(Err(_)) => self.broken(),
            Poll::Pending if self.conn.state() == State::Head => Step::Wait(WaitsFor::Head),
            Poll::Pending => self.rest(),
        }
    }

    /// Waits for a request: gives back what is only needed for work, or ends if the server does.
    #[inline]
    fn rest(&mut self) -> Step {
        if self.is_draining {
            return self.look_last();
        }
        if let Some(mut work) = self.work.take() {
            match work.exchange.get_mut() {
                Some(exchange) if exchange.buffer.is_empty() => work.give(),
                _ => self.work = Some(work),
            }
        }
        Step::Wait(if self.is_fresh {
            WaitsFor::First
        } else {
            WaitsFor::Request
        })
    }

    /// Between requests, before the end: what has come by now is answered. Closing would not only lose it but answer it
    /// with a reset.
    #[cold]
    fn look_last(&mut self) -> Step {
        let work = self
            .work
            .get_or_insert_with(|| take_work(&self.seat.service, self.peer));
        let Some(exchange) = work.exchange.get_mut() else {
            return self.broken();
        };
        match self.transport.read_now(exchange.buffer.room()) {
            Ok(count @ 1..) => {
                exchange.buffer.arrived(count);
                self.has_moved = true;
                Step::Again
            }
            _ => self.end(Event::Expire),
        }
    }

    /// The head of a request is complete: finds its handler.
    #[inline]
    fn begin(&mut self, framing: Framing, cx: &mut Context<'_>) -> Step {
        let Some(work) = &mut self.work else {
            return self.broken();
        };
        let Some(exchange) = work.exchange.get_mut() else {
            return self.broken();
        };
        self.current = Current {
            is_head: exchange.method == Method::HEAD,
            version: exchange.view().version(),
            keep_alive: framing.keep_alive,
            is_new: true,
            is_held: false,
            began: self.seat.service.access_log.is_some().then(Instant::now),
        };
        self.is_fresh = false;
        self.waits_for = WaitsFor::Handler;
        self.deadline.clear();
        if exchange.body_is_here() {
            let _answer = self.conn.on(Event::HeadOnly);
            return self.step_handle(cx);
        }
        // The handler will read from the socket, or invite the client to send: what was answered before goes first.
        let _answer = self.conn.on(Event::HeadOfBody);
        let timeout = self.seat.service.timeouts.body;
        self.invitation = framing.expects_continue.then(Arc::default);
        exchange.set_source(self.transport.clone(), self.invitation.clone(), timeout);
        self.current.is_held = true;
        Step::Again
    }

    /// Lets the handler begin, or go on.
    #[inline]
    fn step_handle(&mut self, cx: &mut Context<'_>) -> Step {
        if self.current.is_held {
            match self.poll_flush(cx) {
                Poll::Pending => return Step::Wait(WaitsFor::Room),
                Poll::Ready(Err(_)) => return self.broken(),
                Poll::Ready(Ok(())) => self.current.is_held = false,
            }
        }
        let is_new = std::mem::replace(&mut self.current.is_new, false);
        let Some(work) = &mut self.work else {
            return self.broken();
        };
        self.is_now_old = self.now.is_some();
        let router = &self.seat.service.router;
        let handle = || match is_new {
            true => begin_answer(router, work, cx),
            false => work.slot.poll(cx),
        };
        match catch_unwind(AssertUnwindSafe(handle)) {
            // An interim response answers nothing: the client would take the next answer for this request.
            Ok(Poll::Ready(response)) if response.status().is_informational() => {
                self.finish(failed())
            }
            Ok(Poll::Ready(response)) => self.finish(response),
            Ok(Poll::Pending) => self.wait_for_handler(cx),
            Err(payload) => {
                shield::discard(payload);
                self.finish(failed())
            }
        }
    }

    /// Sends what there is while the handler works: earlier answers, and what it needs to go on.
    #[inline]
    fn wait_for_handler(&mut self, cx: &mut Context<'_>) -> Step {
        if let (Some(invitation), Some(work)) = (&self.invitation, &mut self.work)
            && invitation.take(cx.waker())
        {
            work.out.bytes.extend_from_slice(encode::CONTINUE);
        }
        match self.poll_flush(cx) {
            Poll::Ready(Err(_)) => self.broken(),
            _ => Step::Wait(WaitsFor::Handler),
        }
    }

    /// Adds the response to what is to be sent, and decides what becomes of the connection.
    #[inline]
    fn finish(&mut self, response: Response) -> Step {
        self.log(&response);
        if let Some(invitation) = self.invitation.take() {
            invitation.close();
        }
        let now = self.now();
        let Some(work) = &mut self.work else {
            return self.broken();
        };
        let service = &self.seat.service;
        let mut keep_alive = self.current.keep_alive
            && service.registry.phase() == Phase::Serving
            && !service.timeouts.keep_alive.is_zero()
            && !response.closes();
        let mut rest = 0;
        // Whether the client asked for the end and was done: then nothing can come that closing would answer with a
        // reset. It is not enough that nothing has come, since more may be under way, or in the socket.
        let mut is_quiet = false;
        match work.exchange.get_mut() {
            // A request that its handler has kept is not given back: what follows it is out of reach.
            None => keep_alive = false,
            Some(exchange) => {
                let is_lost = exchange.body_is_lost();
                rest = exchange.finish();
                keep_alive &= rest == 0 || (rest <= DISCARD_MAX_BYTES && !is_lost);
                is_quiet = !self.current.keep_alive && rest == 0 && exchange.buffer.is_empty();
                if keep_alive {
                    exchange.begin();
                }
            }
        }
        let persistence = match (keep_alive, self.current.version) {
            (false, _) => Persistence::Close,
            (true, Version::Http11) => Persistence::KeepAlive,
            (true, Version::Http10) => Persistence::KeepAliveSaid,
        };
        encode_response(
            service,
            work,
            response,
            persistence,
            self.current.is_head,
            now,
        );
        if rest == 0 && self.conn.state() == State::Upload {
            let _wait = self.conn.on(Event::BodyEnd);
        }
        self.discard = if keep_alive || is_quiet {
            rest
        } else {
            LINGER_MAX_BYTES
        };
        let _owed = self.conn.on(if keep_alive {
            Event::Response
        } else {
            Event::LastResponse
        });
        Step::Again
    }

    /// Answers a request that cannot be served, and sees to the end of the connection.
    #[cold]
    fn refuse(&mut self, refusal: Refusal) -> Step {
        let now = self.now();
        let response = refusal.into_response();
        self.log(&response);
        let Some(work) = &mut self.work else {
            return self.broken();
        };
        let is_head = work
            .exchange
            .get_mut()
            .is_some_and(|exchange| exchange.refused_a_head());
        self.current.is_head = is_head;
        encode_response(
            &self.seat.service,
            work,
            response,
            Persistence::Close,
            is_head,
            now,
        );
        self.discard = LINGER_MAX_BYTES;
        let _owed = self.conn.on(Event::LastResponse);
        Step::Again
    }

    /// Reads the rest of a body that its handler did not want.
    fn step_drain(&mut self, cx: &mut Context<'_>) -> Step {
        match self.poll_flush(cx) {
            Poll::Pending => return Step::Wait(WaitsFor::Room),
            Poll::Ready(Err(_)) => return self.broken(),
            Poll::Ready(Ok(())) => {}
        }
        while self.discard > 0 {
            match self.poll_discard(cx) {
                Poll::Pending => return Step::Wait(WaitsFor::Body),
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return self.end(Event::HalfClose),
                Poll::Ready(Err(_)) => return self.broken(),
            }
        }
        let _reuse = self.conn.on(Event::BodyEnd);
        Step::Again
    }

    /// Sends the last response, says that there will be no more, and waits for the peer to have read it: what it still
    /// sends would otherwise be answered with a reset, which can overtake the response.
    fn step_linger(&mut self, cx: &mut Context<'_>) -> Step {
        match self.poll_flush(cx) {
            Poll::Pending => return Step::Wait(WaitsFor::Room),
            Poll::Ready(Err(_)) => return self.broken(),
            Poll::Ready(Ok(())) => {}
        }
        if self.discard == 0 {
            // The peer sends nothing more: closing sends nothing but the end.
            return self.end(Event::Expire);
        }
        if self.seat.answered() && self.transport.shut().is_err() {
            return self.broken();
        }
        while self.discard > 0 {
            match self.poll_discard(cx) {
                Poll::Pending => return Step::Wait(WaitsFor::End),
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return self.end(Event::HalfClose),
                Poll::Ready(Err(_)) => return self.broken(),
            }
        }
        self.end(Event::Expire)
    }

    /// Reads and drops, at most `discard` bytes. `false` at the end of the stream.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let Some(exchange) = self.work.as_mut().and_then(|work| work.exchange.get_mut()) else {
            return Poll::Ready(Ok(false));
        };
        let here = exchange.buffer.len();
        exchange
            .buffer
            .consume(here.min(usize::try_from(self.discard).unwrap_or(usize::MAX)));
        self.discard -= (here - exchange.buffer.len()) as u64;
        if self.discard == 0 {
            return Poll::Ready(Ok(true));
        }
        let count = ready!(self.transport.poll_read(cx, exchange.buffer.room()))?;
        exchange.buffer.arrived(count);
        self.has_moved = true;
        Poll::Ready(Ok(count > 0))
    }

    /// Sends everything that is to be sent.
    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(work) = &mut self.work else {
            return Poll::Ready(Ok(()));
        };
        while !work.out.is_empty() {
            let count = match work.out.pieces() {
                (piece, []) => ready!(self.transport.poll_write(cx, piece))?,
                _ => ready!(self.transport.poll_write_vectored(cx, &work.out.slices()))?,
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            work.out.advance(count);
            self.has_moved = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits, but no longer than is allowed. Ready when that time is over.
    #[inline]
    fn poll_deadline(&mut self, waits_for: WaitsFor, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_now_old {
            self.is_now_old = false;
            self.now = None;
        }
        let now = self.now();
        let goes_on = waits_for == self.waits_for && (waits_for.is_one() || !self.has_moved);
        if !goes_on {
            self.waits_for = waits_for;
            match self.seat.service.timeouts.of(waits_for) {
                Some(timeout) if self.is_draining && waits_for == WaitsFor::Head => {
                    self.deadline.set(now + timeout.min(DRAIN_HEAD_TIMEOUT));
                }
                Some(timeout) => self.deadline.set(now + timeout),
                None => self.deadline.clear(),
            }
        }
        self.deadline.poll(now, cx)
    }

    /// A deadline has passed.
    #[cold]
    fn expire(&mut self) -> Step {
        match self.waits_for {
            WaitsFor::Head => self.refuse(Refusal::HeadTimeout),
            WaitsFor::First | WaitsFor::Request => self.look_last(),
            _ => self.end(Event::Expire),
        }
    }

    /// The server drains. Noticed once; what is waited for has its time from now.
    #[cold]
    fn drain(&mut self) {
        if !self.is_draining {
            self.is_draining = true;
            self.waits_for = WaitsFor::Handler;
        }
    }

    #[cold]
    fn broken(&mut self) -> Step {
        self.end(Event::Break)
    }

    #[cold]
    fn end(&mut self, event: Event) -> Step {
        match self.conn.on(event) {
            Action::Close => Step::End,
            _ => Step::Again,
        }
    }

    #[inline]
    fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(Instant::now)
    }

    #[inline]
    fn log(&mut self, response: &Response) {
        if self.seat.service.access_log.is_some() {
            self.log_slow(response);
        }
    }

    #[cold]
    fn log_slow(&mut self, response: &Response) {
        let Some(log) = &self.seat.service.access_log else {
            return;
        };
        let exchange = self.work.as_mut().and_then(|work| work.exchange.get_mut());
        let view = exchange.as_ref().map(|exchange| exchange.view());
        let access = Access {
            peer: self.peer,
            method: view.as_ref().map_or("-", |view| non_empty(view.method())),
            target: view.as_ref().map_or("-", |view| non_empty(view.target())),
            status: response.status(),
            body_bytes: response.body().len(),
            elapsed: self
                .current
                .began
                .take()
                .map_or(Duration::ZERO, |began| began.elapsed()),
        };
        // The client is not to blame when a line cannot be written.
        shield::shield(|| log(&access));
    }
}

impl<T> Drop for Connection<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            work.abandon();
        }
    }
}

impl<T: Transport> Future for Connection<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.seat.register(cx);
        this.now = None;
        this.has_moved = false;
        match this.seat.service.registry.phase() {
            Phase::Serving => {}
            Phase::Draining => this.drain(),
            Phase::Forced => return Poll::Ready(()),
        }
        for _ in 0..STEPS_MAX {
            let step = match this.step(cx) {
                Step::Wait(waits_for) => match this.poll_deadline(waits_for, cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => this.expire(),
                },
                step => step,
            };
            if let Step::End = step {
                return Poll::Ready(());
            }
        }
        // Nothing is left unsent. If that fails, the next step finds out.
        let _ = this.poll_flush(cx);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What is needed for work, for a connection of this server.
fn take_work(service: &Service, peer: Option<SocketAddr>) -> Box<Work> {
    let mut work = Work::take();
    if let Some(exchange) = work.exchange.get_mut() {
        exchange.serve(service.limits, peer);
    }
    work
}

/// Hands the request to its handler, and lets that begin.
#[inline]
fn begin_answer(router: &Router, work: &mut Work, cx: &mut Context<'_>) -> Poll<Response> {
    let exchange = work
        .exchange
        .get_mut()
        .expect("a request that is not handled yet is at home");
    let mut params = std::mem::take(&mut exchange.params);
    let matched = router.find(&exchange.method, exchange.view().path(), &mut params);
    exchange.params = params;
    match matched {
        Matched::Answer(response) => Poll::Ready(response),
        Matched::Handler(endpoint) => {
            let loan = work.exchange.lend().expect("it was at home a moment ago");
            endpoint.start(Request::new(loan), &mut work.slot);
            work.slot.poll(cx)
        }
    }
}

#[inline]
fn encode_response(
    service: &Service,
    work: &mut Work,
    response: Response,
    persistence: Persistence,
    is_head: bool,
    now: Instant,
) {
    let head = ResponseHead {
        status: response.status(),
        content_type: response.content_type(),
        fields: response.fields(),
        body_len: response.body().len() as u64,
        persistence,
    };
    let sends_body = !is_head && encode::may_have_body(head.status);
    date::with_standard_fields(service.id, service.name.as_ref(), now, |standard| {
        head.encode(standard, &mut work.out.bytes)
    });
    if sends_body {
        work.out.push_body(response.into_body());
    }
}

/// The answer for a handler that has none, or none that can be sent.
#[cold]
fn failed() -> Response {
    Response::text("internal server error")
        .with_status(StatusCode::INTERNAL_SERVER_ERROR)
        .with_header("connection", "close")
}

fn non_empty(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

impl super::Timeouts {
    /// How long a connection may wait for this.
    fn of(&self, waits_for: WaitsFor) -> Option<Duration> {
        match waits_for {
            WaitsFor::First => Some(self.keep_alive.max(self.header)),
            WaitsFor::Request => Some(self.keep_alive),
            WaitsFor::Head => Some(self.header),
            WaitsFor::Handler => None,
            WaitsFor::Body => Some(self.body),
            WaitsFor::Room => Some(self.write),
            WaitsFor::End => Some(self.linger),
        }
    }
}
