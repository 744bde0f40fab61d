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
//! | `aside` | what does a connection have only now and then? |
//! | `waiting` | how long may it wait for what? |
//!
//! What the fast path is made of: one read and one write for a batch of requests, no timer armed or cancelled and no look at the clock
//! ([`sweep`](super::sweep)), no allocation ([`Work`] is pooled, the handler's future lives in its slot), no write interest before
//! a write has failed.
//!
//! Nothing is left unsent when the task waits: neither for the next request, nor for a handler, nor for a body.
//!
//! What a client can make a connection hold: a head and what was read with it (128 KiB at most, 16 KiB unless the head is longer), answers
//! of 64 KiB and one more, and of a body in pieces one piece beside that, of 256 KiB at most while its client sends fast, else 64. A connection that waits for a request, or for a
//! body that has nothing to send yet, holds nothing but this.
//!
//! What it costs while it waits for a request, in bytes:
//!
//! | what | bytes |
//! |---|---|
//! | the cell of its task, with this, the stream and its header | 192 |
//! | what is watched of its descriptor, in the reactor's table | 68 |
//! | whom its descriptor's number belongs to | 4 to 8 |
//! | whom to wake when the server ends, and when it has waited for too long ([`roll`](super::roll)) | 20 |
//!
//! With what allocators add to that, 10 000 of them take 310 bytes each (resident, by `filch-bench compare --workloads http-idle`; 2026-11-22, two cores). A client of IPv6 takes 32 more, one that has been slow to read 112.

mod admitting;
mod answering;
mod aside;
mod ending;
mod finishing;
mod logging;
mod reading;
mod sending;
mod streaming;
mod switching;
mod waiting;

use super::lateness::Since;
use super::maybe_shared::MaybeShared;
use super::metered::Metered;
use super::metrics::Rejected;
use super::seat::Seat;
use super::shield::shield;
use super::shutdown::Phase;
use super::transport::Transport;
use super::work::Work;
use crate::proto::Version;
use crate::proto::conn::{Action, Conn, Event, State};
use crate::proto::framing::Switch;
use admitting::HandlerTime;
use aside::Aside;
use filch::time::{Duration, Instant, Stamp};
use filch_net::TcpStream;
use reading::take_work;
use std::pin::Pin;
use std::task::{Context, Poll};
use waiting::WaitsFor;

/// The task of a connection.
#[derive(Debug)]
pub(crate) struct Connection<T: Transport> {
    transport: MaybeShared<T>,
    seat: Seat,
    conn: Conn,
    work: Option<Box<Work>>,
    /// What the current request wants, from the end of its head to the end of its response.
    current: Current,
    aside: Option<Box<Aside>>,
    waits_for: WaitsFor,
    /// Since when the next request waits for the thread.
    since: Since,
    /// When it has waited for too long for its next request, if it waits for one.
    idle_until: Option<Stamp>,
    /// How many bytes came or went in this poll.
    moved: u32,
    /// Whether it has seen that the server drains.
    is_draining: bool,
    /// Whether there was no request yet.
    is_fresh: bool,
}

/// With the header of its task, of 40 bytes, it fills three lines of its slab, and is not to need a fourth.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Connection<Metered<TcpStream>>>() <= 3 * 64 - 40);

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
    /// What is known of its handler.
    handler: HandlerTime,
    /// Why it was turned away.
    rejected: Option<Rejected>,
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
const TURN_BYTES: u32 = 1024 * 1024;

impl<T: Transport> Connection<T> {
    pub(crate) fn new(transport: T, seat: Seat) -> Self {
        Self {
            transport: MaybeShared::Own(transport),
            seat,
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
                handler: HandlerTime::None,
                rejected: None,
            },
            aside: None,
            // What it waits for first is decided by its first poll.
            waits_for: WaitsFor::Nothing,
            since: Since::beginning(),
            idle_until: None,
            moved: 0,
            is_draining: false,
            is_fresh: true,
        }
    }

    /// What it needs for work, from now on if not before.
    #[inline]
    fn work(&mut self) -> &mut Work {
        self.work.get_or_insert_with(|| take_work(&self.seat))
    }

    /// What it has only now and then, from now on if not before.
    fn aside(&mut self) -> &mut Aside {
        self.aside.get_or_insert_default()
    }

    /// When the request under way began, if that is known.
    fn began(&self) -> Option<Instant> {
        self.work.as_ref().and_then(|work| work.began)
    }

    /// How long ago that was.
    fn elapsed(&self) -> Duration {
        elapsed_since(self.began())
    }

    /// Takes note of bytes that came or went.
    #[inline]
    fn moved(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.moved = self.moved.saturating_add(count);
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
        let aside = self.aside.as_deref_mut();
        let (mut ends_by_close, mut is_let_go) = (false, false);
        if let Some(aside) = aside {
            // What may have the stream goes first.
            let following = std::mem::take(&mut aside.following);
            shield(|| drop(following));
            (ends_by_close, is_let_go) = (aside.ends_by_close, aside.is_let_go);
        }
        if let Some(work) = self.work.take() {
            work.abandon();
        }
        if ends_by_close {
            self.transport.will_reset();
        }
        if !is_let_go && self.transport.is_shared() {
            // Whoever keeps the request keeps its stream from being closed.
            self.transport.cut();
        }
    }
}
