//! How is one connection served?
//!
//! By one task, which is this future. It reads what has arrived, answers every request in it in turn, and sends all
//! answers with one write; then it waits. What may happen when is the table of [`conn`](crate::proto::conn); the files
//! below do what the table says is owed, one question each, and are the only ones that touch both a stream and the protocol.
//!
//! | file | question |
//! |---|---|
//! | `reading` | where do requests come from? |
//! | `admitting` | when may a request go to its handler, and what do the server's books learn of it? |
//! | `answering` | how does a request meet its handler? |
//! | `finishing` | what becomes of a connection with a response? |
//! | `logging` | what does the access log learn of a request, and when? |
//! | `sending` | how do the bytes get out? |
//! | `streaming` | how is a body sent that is not there yet? |
//! | `switching` | how does a connection go over to another protocol? |
//! | `ending` | how does a connection end so that the last answer is read? |
//! | `waiting` | how long may it wait for what? |
//!
//! What the fast path is made of: one read and one write for a batch of requests, no timer armed or cancelled and no look at the clock
//! ([`Deadline`]), no allocation ([`Work`] is pooled, the handler's future lives in its slot), no write interest before
//! a write has failed.
//!
//! Nothing is left unsent when the task waits: neither for the next request, nor for a handler, nor for a body.
//!
//! What a client can make a connection hold: a head and what was read with it (128 KiB at most, 16 KiB unless the head is longer), answers
//! of 64 KiB and one more, and of a body in pieces one piece beside that, of 256 KiB at most while its client sends fast, else 64. A connection that waits for a request, or for a
//! body that has nothing to send yet, holds nothing but this.

mod admitting;
mod answering;
mod ending;
mod finishing;
mod logging;
mod reading;
mod sending;
mod streaming;
mod switching;
mod waiting;

use super::allowance::Allowance;
use super::deadline::Deadline;
use super::invitation::Invitation;
use super::lateness::Since;
use super::metrics::Rejected;
use super::seat::Seat;
use super::shield::shield;
use super::shutdown::Phase;
use super::transport::Transport;
use super::upload::Upload;
use super::work::Work;
use crate::proto::Version;
use crate::proto::conn::{Action, Conn, Event, State};
use crate::proto::framing::Switch;
use admitting::HandlerTime;
use filch::time::{Duration, Instant};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use streaming::Outgoing;
use switching::Switched;
use waiting::WaitsFor;

/// The task of a connection.
#[derive(Debug)]
pub(crate) struct Connection<T: Transport> {
    transport: Arc<T>,
    seat: Seat,
    peer: Option<SocketAddr>,
    conn: Conn,
    work: Option<Box<Work>>,
    /// What the current request wants, from the end of its head to the end of its response.
    current: Current,
    /// What its client waits for before it sends the body.
    invitation: Option<Arc<Invitation>>,
    /// The body of the last request that had not come whole with its head.
    upload: Option<Arc<Upload>>,
    /// Since when the handler waits.
    handler_waits_since: Option<Instant>,
    /// What follows the head of its response.
    following: Following,
    waits_for: WaitsFor,
    /// Since when the next request waits for the thread.
    since: Since,
    deadline: Deadline,
    /// The time that the client may be waited for to read; made when it is waited for the first time.
    allowance: Option<Box<Allowance>>,
    /// Whether the client will take the end of the connection for that of a body that is not sent whole yet.
    ends_by_close: bool,
    /// Whether another protocol was spoken and has ended by itself: what it keeps of the stream is its own.
    is_let_go: bool,
    /// How many bytes came or went in this poll.
    moved: usize,
    /// Until when it may wait for its client to read the last response.
    lingers_until: Option<Instant>,
    /// Bytes that may still be read and dropped: of a body that nobody wants, or after the last response.
    discard: u64,
    /// Whether it has seen that the server drains.
    is_draining: bool,
    /// Whether there was no request yet.
    is_fresh: bool,
}

/// What follows the head of a response, after the bytes that are there.
#[derive(Debug, Default)]
enum Following {
    #[default]
    Nothing,
    /// A body that comes in pieces.
    Body(Box<Outgoing>),
    /// Another protocol.
    Protocol(Switched),
}

/// What is known of the request that is being answered.
#[derive(Debug, Clone, Copy)]
struct Current {
    is_head: bool,
    /// What it asks the connection to become.
    switch: Option<Switch>,
    version: Version,
    /// Whether the client lets the connection stay. If not, it sends nothing more.
    keep_alive: bool,
    /// Whether its handler has still to be called.
    is_new: bool,
    /// Whether it has a body.
    has_body: bool,
    /// Whether it is held back until all earlier responses are sent.
    is_held: bool,
    /// Whether its handler has given back its permit while it waits for the client.
    is_paused: bool,
    /// When its head was complete: for the access log, and where its handler is timed.
    began: Option<Instant>,
    /// What is known of its handler.
    handler: HandlerTime,
    /// Why it was turned away.
    rejected: Option<Rejected>,
}

impl Current {
    /// How long ago it began, if that is known.
    fn elapsed(&self) -> Duration {
        elapsed_since(self.began)
    }
}

fn elapsed_since(began: Option<Instant>) -> Duration {
    began.map_or(Duration::ZERO, |began| began.elapsed())
}

/// What a step came to.
enum Step {
    /// There is more to do at once.
    Again,
    /// There is more to do, when others have had their turn.
    Yield,
    /// Nothing can be done until something happens.
    Wait(WaitsFor),
    /// The connection is over.
    End,
}

/// Most steps of one poll: after so many, everything is sent and other tasks get their turn. A step is a request and its answer, or
/// a read; so it is also the most requests that are answered with one write. A guess. Where handlers compute, the turn is over
/// before, as soon as the runtime wants its thread back ([`is_turn_over`](filch::task::is_turn_over)).
const STEPS_MAX: usize = 64;

/// After so many bytes in one poll other tasks get their turn. A guess: some 100 us of copying.
const TURN_BYTES: usize = 1024 * 1024;

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
                switch: None,
                version: Version::Http11,
                keep_alive: true,
                is_new: false,
                has_body: false,
                is_held: false,
                is_paused: false,
                began: None,
                handler: HandlerTime::None,
                rejected: None,
            },
            invitation: None,
            upload: None,
            handler_waits_since: None,
            following: Following::Nothing,
            // What it waits for first is decided by its first poll.
            waits_for: WaitsFor::Nothing,
            since: Since::beginning(),
            deadline: Deadline::default(),
            allowance: None,
            ends_by_close: false,
            is_let_go: false,
            moved: 0,
            lingers_until: None,
            discard: 0,
            is_draining: false,
            is_fresh: true,
        }
    }

    #[inline]
    fn step(&mut self, cx: &mut Context<'_>) -> Step {
        match self.conn.state() {
            State::Idle | State::Head => self.step_read(cx),
            State::Await | State::Upload | State::Expect | State::Offer => self.step_handle(cx),
            State::Reply | State::Overlap | State::Uninvited => self.step_stream(cx),
            State::Tunnel => self.step_switched(cx),
            State::Drain => self.step_drain(cx),
            State::Linger => self.step_linger(cx),
            State::Closed => Step::End,
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
}

impl<T: Transport> Future for Connection<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.seat.register(cx);
        this.moved = 0;
        let phase = this.seat.service.registry.phase();
        if phase >= Phase::Draining {
            if phase == Phase::Forced {
                return Poll::Ready(());
            }
            this.drain();
        }
        for _ in 0..STEPS_MAX {
            let step = match this.step(cx) {
                Step::Wait(waits_for) => match this.poll_deadline(waits_for, cx) {
                    Poll::Pending => {
                        this.since.sleeps(waits_for.is_of_request());
                        return Poll::Pending;
                    }
                    Poll::Ready(()) => this.expire(),
                },
                step => step,
            };
            match step {
                Step::End => return Poll::Ready(()),
                Step::Yield => break,
                _ if this.moved > TURN_BYTES => break,
                _ => {}
            }
        }
        // Nothing is left unsent. If that fails, the next step finds out.
        let _ = this.poll_flush(cx);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: Transport> Drop for Connection<T> {
    fn drop(&mut self) {
        // What may have the stream goes first.
        let following = std::mem::take(&mut self.following);
        shield(|| drop(following));
        if let Some(work) = self.work.take() {
            work.abandon();
        }
        if self.ends_by_close {
            self.transport.will_reset();
        }
        if !self.is_let_go && Arc::strong_count(&self.transport) > 1 {
            // Whoever keeps the request keeps its stream from being closed.
            self.transport.cut();
        }
    }
}
