//! What does a connection need only while it works?
//!
//! A [`Work`]: the exchange with its read buffer, the bytes to be sent, the slot for the handler's future. A connection
//! that waits for its next request gives it back to a pool of its thread, so that idle connections cost next to
//! nothing and a busy thread touches the same few buffers again and again.

use super::exchange::Exchange;
use super::loan::Home;
use super::shield::shield;
use super::slot::FutureSlot;
use crate::body::Body;
use std::cell::RefCell;
use std::io::IoSlice;

/// What a connection at work holds.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) exchange: Home<Exchange>,
    pub(crate) slot: FutureSlot,
    pub(crate) out: Out,
}

impl Work {
    fn new() -> Box<Self> {
        Box::new(Self {
            exchange: Home::new(Exchange::new()),
            slot: FutureSlot::new(),
            out: Out::default(),
        })
    }

    /// One of the thread's pool, or a new one.
    #[inline]
    pub(crate) fn take() -> Box<Self> {
        let pooled = POOL.try_with(|pool| pool.borrow_mut().pop());
        pooled.ok().flatten().unwrap_or_else(Self::new)
    }

    /// Gives it back. What has grown, or is lent out, is freed instead.
    #[inline]
    pub(crate) fn give(mut self: Box<Self>) {
        debug_assert!(self.out.is_empty());
        let is_whole = self
            .exchange
            .get_mut()
            .is_some_and(|exchange| exchange.buffer.is_small());
        if !is_whole
            || self.slot.bytes() > SLOT_MAX_BYTES
            || self.out.bytes.capacity() > OUT_MAX_BYTES
        {
            return;
        }
        // A thread that is ending has no pool any more; the work is freed then.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < POOL_MAX {
                pool.push(self);
            }
        });
    }

    /// Gives it back at the end of a connection, with whatever is in it.
    pub(crate) fn abandon(mut self: Box<Self>) {
        // The handler first: it may have the exchange.
        shield(|| self.slot.clear());
        self.out = Out::default();
        if let Some(exchange) = self.exchange.get_mut() {
            exchange.forget();
        }
        self.give();
    }
}

/// Most works that a thread keeps, of about 20 KiB each: as many as are taken at once in a round of ready connections
/// whose handlers wait for something.
const POOL_MAX: usize = 64;

/// Largest slot that is kept, in bytes.
const SLOT_MAX_BYTES: usize = 16 * 1024;

/// How much is gathered before it is sent, in bytes: a batch of responses is one write up to here. Beyond it a write
/// costs as much per byte as two.
pub(crate) const OUT_MAX_BYTES: usize = 64 * 1024;

/// Largest body that is copied behind its head, in bytes. A larger one is sent from where it is; a copy costs about
/// as much as a second piece of a vectored write there. A guess.
const COPY_MAX_BYTES: usize = 16 * 1024;

/// Works move between threads and connections by their box; they are 20 KiB.
type Works = Vec<Box<Work>>;

thread_local! {
    static POOL: RefCell<Works> = const { RefCell::new(Vec::new()) };
}

/// Bytes to be sent: a batch of responses, and perhaps the body of the last of them.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) bytes: Vec<u8>,
    /// A body too large to be copied; nothing may follow it until it is sent.
    tail: Option<Body>,
    /// How much of both was sent.
    sent: usize,
}

impl Out {
    /// Whether all was sent.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.tail.is_none()
    }

    /// Whether it must be sent before anything is added.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= OUT_MAX_BYTES || self.tail.is_some()
    }

    /// Adds the body of the response whose head was added last.
    #[inline]
    pub(crate) fn push_body(&mut self, body: Body) {
        debug_assert!(self.tail.is_none());
        if body.len() <= COPY_MAX_BYTES {
            self.bytes.extend_from_slice(body.as_bytes());
        } else {
            self.tail = Some(body);
        }
    }

    /// What is still to be sent. The second piece may be empty.
    #[inline]
    pub(crate) fn pieces(&self) -> (&[u8], &[u8]) {
        let tail = self.tail.as_ref().map_or(&[][..], Body::as_bytes);
        match self.bytes.get(self.sent..) {
            Some(rest) => (rest, tail),
            None => (&tail[self.sent - self.bytes.len()..], &[]),
        }
    }

    /// The same for a vectored write.
    pub(crate) fn slices(&self) -> [IoSlice<'_>; 2] {
        let (first, second) = self.pieces();
        [IoSlice::new(first), IoSlice::new(second)]
    }

    /// Takes note of bytes that were sent.
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.bytes.len() + self.tail.as_ref().map_or(0, Body::len) {
            self.bytes.clear();
            self.tail = None;
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_body_follows_uncopied() {
        let mut out = Out::default();
        out.bytes.extend_from_slice(b"head");
        out.push_body(Body::from("small"));
        assert_eq!(out.pieces(), (&b"headsmall"[..], &b""[..]));
        out.push_body(vec![7; COPY_MAX_BYTES + 1].into());
        assert!(out.is_full());
        out.advance(5);
        assert_eq!(
            (out.pieces().0, out.pieces().1.len()),
            (&b"mall"[..], COPY_MAX_BYTES + 1)
        );
        out.advance(4 + 1000);
        assert_eq!(
            (out.pieces().0.len(), out.pieces().1.len()),
            (COPY_MAX_BYTES - 999, 0)
        );
        out.advance(COPY_MAX_BYTES - 999);
        assert!(out.is_empty() && !out.is_full());
    }

    #[test]
    fn works_are_pooled_unless_lent_out() {
        let mut work = Work::take();
        let address = std::ptr::from_ref(&*work).addr();
        let loan = work.exchange.lend();
        work.give();
        drop(loan);
        let work = Work::take();
        let other = std::ptr::from_ref(&*work).addr();
        work.give();
        assert_eq!(std::ptr::from_ref(&*Work::take()).addr(), other);
        let _ = address;
    }
}
