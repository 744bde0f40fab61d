//! How does a connection end so that the last answer is read?
//!
//! By saying that nothing more is sent, and dropping what still comes in, within a bound: what is left unread when a socket is
//! closed makes the kernel answer with a reset, which can overtake the answer. A body that nobody wanted, with an answer after
//! which the connection goes on, is dropped in the same way.

use super::finishing::LINGER_MAX_BYTES;
use super::reading::take_work;
use super::waiting::WaitsFor;
use super::{Connection, Step, TURN_BYTES};
use crate::proto::conn::Event;
use crate::server::transport::Transport;
use std::io;
use std::task::{Context, Poll, ready};

impl<T: Transport> Connection<T> {
    /// Reads the rest of a body that its handler did not want.
    #[inline(never)]
    pub(super) fn step_drain(&mut self, cx: &mut Context<'_>) -> Step {
        match self.poll_flush(cx) {
            Poll::Pending => return Step::Wait(WaitsFor::Room),
            Poll::Ready(Err(_)) => return self.broken(),
            Poll::Ready(Ok(())) => {}
        }
        loop {
            let Some(exchange) = self.work.as_mut().and_then(|work| work.exchange.get_mut()) else {
                return self.broken();
            };
            match exchange.skip_body() {
                Ok(true) => {
                    let _reuse = self.conn.on(Event::BodyEnd);
                    return Step::Again;
                }
                Ok(false) if self.discard() > 0 => {}
                // It is not what it should be, or more than it is worth.
                _ => {
                    self.set_discard(LINGER_MAX_BYTES);
                    return self.end(Event::LastResponse);
                }
            }
            match self.poll_discard(cx) {
                Poll::Pending => return Step::Wait(WaitsFor::Body),
                Poll::Ready(Ok(0)) => return self.end(Event::HalfClose),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return self.broken(),
            }
        }
    }

    /// Sends the last response, says that there will be no more, and waits for the peer to have read it.
    #[inline(never)]
    pub(super) fn step_linger(&mut self, cx: &mut Context<'_>) -> Step {
        match self.poll_flush(cx) {
            Poll::Pending => return Step::Wait(WaitsFor::Room),
            Poll::Ready(Err(_)) => return self.broken(),
            Poll::Ready(Ok(())) => {
                if let Some(aside) = &mut self.aside {
                    aside.ends_by_close = false;
                }
            }
        }
        if self.discard() == 0 {
            // The peer sends nothing more: closing sends nothing but the end.
            return self.end(Event::Expire);
        }
        if self.seat.answered() && self.transport.shut().is_err() {
            return self.broken();
        }
        self.take_request_away();
        while self.discard() > 0 {
            if let Some(exchange) = self.work.as_mut().and_then(|work| work.exchange.get_mut()) {
                exchange.buffer.clear();
            }
            match self.poll_discard(cx) {
                Poll::Pending => return Step::Wait(WaitsFor::End),
                Poll::Ready(Ok(0)) => return self.end(Event::HalfClose),
                Poll::Ready(Ok(_)) if self.moved > TURN_BYTES => return Step::Again,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return self.broken(),
            }
        }
        self.end(Event::Expire)
    }

    /// Whoever has the request still gets no more of its body: that is read here from now on, into a buffer that is there.
    fn take_request_away(&mut self) {
        let work = self.work.as_mut();
        if work.is_some_and(|work| work.exchange.get_mut().is_some()) {
            return;
        }
        let aside = self.aside.as_mut();
        if let Some(upload) = aside.and_then(|aside| aside.upload.take()) {
            upload.end();
        }
        self.work = Some(take_work(&self.seat));
    }

    /// Reads what is to be dropped. Zero is the end of the stream.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(exchange) = self.work.as_mut().and_then(|work| work.exchange.get_mut()) else {
            return Poll::Ready(Ok(0));
        };
        let count = ready!(self.transport.poll_read(cx, exchange.buffer.room()))?;
        exchange.buffer.arrived(count);
        self.moved(count);
        self.set_discard(self.discard().saturating_sub(count as u64));
        Poll::Ready(Ok(count))
    }

    /// How much may still be read and dropped.
    fn discard(&self) -> u64 {
        self.aside.as_ref().map_or(0, |aside| aside.discard)
    }

    #[inline]
    pub(super) fn set_discard(&mut self, bytes: u64) {
        if bytes > 0 || self.aside.is_some() {
            self.aside().discard = bytes;
        }
    }
}
