//! Where do requests come from?
//!
//! Out of the buffer while there are whole ones in it; then, once everything is sent, from the stream. A connection that finds
//! nothing there gives back what it only needs for work.

use super::waiting::WaitsFor;
use super::{Connection, Step};
use crate::proto::conn::{Event, State};
use crate::server::allowance::Allowance;
use crate::server::seat::Seat;
use crate::server::transport::Transport;
use crate::server::work::Work;
use filch::task::is_turn_over;
use std::io;
use std::task::{Context, Poll};

impl<T: Transport> Connection<T> {
    /// Takes requests out of what has arrived; when there is none left, sends the answers and reads more.
    #[inline]
    pub(super) fn step_read(&mut self, cx: &mut Context<'_>) -> Step {
        if let Some(work) = &mut self.work {
            let is_full = work.out.is_full() || self.conn.is_batch_full();
            if !is_full && work.has_arrived() {
                if let Some(step) = self.take_request(cx) {
                    return step;
                }
            }
            match self.poll_flush(cx) {
                Poll::Pending => return Step::Wait(WaitsFor::Room),
                Poll::Ready(Err(_)) => return self.broken(),
                // There may be requests that had to wait for room.
                Poll::Ready(Ok(())) if is_full => return Step::Again,
                Poll::Ready(Ok(())) => {}
            }
        } else {
            // Nothing has come that is not answered, and nothing is to be sent.
            self.work = Some(take_work(&self.seat));
        }
        self.read(cx)
    }

    /// The next request, if it is there: the step that it comes to.
    #[inline(never)]
    fn take_request(&mut self, cx: &mut Context<'_>) -> Option<Step> {
        let work = self.work.as_mut()?;
        let exchange = work.exchange.get_mut()?;
        if exchange.buffer.is_empty() {
            return None;
        }
        if !work.out.is_empty() && is_turn_over() {
            // Whoever waits for the answers of before is not to wait for all that this client has asked for.
            return Some(Step::Yield);
        }
        match exchange.parse() {
            Ok(Some(wants)) => return Some(self.begin(wants, cx)),
            Err(refusal) => return Some(self.refuse(refusal)),
            Ok(None) if self.conn.state() == State::Idle && exchange.has_begun() => {
                let _wait = self.conn.on(Event::Begin);
            }
            Ok(None) => {}
        }
        None
    }

    #[inline]
    fn read(&mut self, cx: &mut Context<'_>) -> Step {
        let Some(exchange) = self.work.as_mut().and_then(|work| work.exchange.get_mut()) else {
            return self.broken();
        };
        match self.transport.poll_read(cx, exchange.buffer.room()) {
            Poll::Ready(Ok(0)) => self.end(Event::HalfClose),
            Poll::Ready(Ok(count)) => {
                exchange.buffer.arrived(count);
                self.moved(count);
                self.since.read(self.transport.readable_since());
                self.take_request(cx).unwrap_or(Step::Again)
            }
            Poll::Ready(Err(error)) => self.unreadable(&error),
            Poll::Pending if self.conn.state() == State::Head => Step::Wait(WaitsFor::Head),
            Poll::Pending => self.rest(),
        }
    }

    /// The client has broken it off, or the kernel has no memory or no room to tell of what comes (`ENOMEM`, `ENOSPC`).
    #[cold]
    fn unreadable(&mut self, error: &io::Error) -> Step {
        if let io::ErrorKind::OutOfMemory | io::ErrorKind::StorageFull = error.kind() {
            self.seat.service.registry.unwatched();
        }
        self.broken()
    }

    /// Waits for a request: gives back what is only needed for work, or ends if the server does.
    #[inline]
    fn rest(&mut self) -> Step {
        if self.is_draining {
            return self.look_last();
        }
        self.give_back_work();
        if self.aside.is_some() {
            self.give_up_aside();
        }
        Step::Wait(if self.is_fresh {
            WaitsFor::First
        } else {
            WaitsFor::Request
        })
    }

    /// Gives back what is only needed for work, if there is nothing in it.
    #[inline]
    fn give_back_work(&mut self) {
        if let Some(mut work) = self.work.take() {
            match work.exchange.get_mut() {
                Some(exchange) if exchange.buffer.is_empty() && work.out.is_empty() => work.give(),
                _ => self.work = Some(work),
            }
        }
    }

    /// What belonged to the requests before. How slow the client has been to read is remembered.
    #[cold]
    fn give_up_aside(&mut self) {
        if let Some(aside) = &mut self.aside {
            aside.upload = None;
            if aside.allowance.as_ref().is_none_or(Allowance::is_whole) {
                self.aside = None;
            }
        }
        self.transport.unshare();
        self.seat.forget_note();
    }

    /// The same while a response goes on whose request is over.
    pub(super) fn give_back_last_work(&mut self) {
        if let Some(exchange) = self.work.as_mut().and_then(|work| work.exchange.get_mut()) {
            exchange.begin();
        }
        self.give_back_work();
    }

    /// Between requests, before the end: what has come by now is answered. Closing would not only lose it but answer it
    /// with a reset.
    #[cold]
    pub(super) fn look_last(&mut self) -> Step {
        let work = self.work.get_or_insert_with(|| take_work(&self.seat));
        let Some(exchange) = work.exchange.get_mut() else {
            return self.broken();
        };
        match self.transport.read_now(exchange.buffer.room()) {
            Ok(count @ 1..) => {
                exchange.buffer.arrived(count);
                self.moved(count);
                Step::Again
            }
            _ => self.end(Event::Expire),
        }
    }
}

/// What is needed for work, for the connection of this seat.
#[inline]
pub(super) fn take_work(seat: &Seat) -> Box<Work> {
    let mut work = Work::take();
    if let Some(exchange) = work.exchange.get_mut() {
        exchange.serve(&seat.service, seat.peer.address());
    }
    work
}
