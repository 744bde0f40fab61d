//! What does a connection need only while it works?
//!
//! A [`Work`]: the exchange with its read buffer, the bytes to be sent, the slot for the handler's future. A connection
//! that waits for its next request gives it back to a pool of its thread, so that idle connections cost next to
//! nothing and a busy thread touches the same few buffers again and again.

use super::asked::Asked;
use super::deadline::Deadline;
use super::exchange::Exchange;
use super::loan::Home;
use super::shield::shield;
use super::slot::FutureSlot;
use crate::body::Body;
use filch::time::{Instant, Stamp};
use std::cell::RefCell;
use std::io::IoSlice;

/// What a connection at work holds.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) exchange: Home<Exchange>,
    pub(crate) slot: FutureSlot,
    pub(crate) out: Out,
    /// Of what the connection waits for, other than a request.
    pub(crate) deadline: Deadline,
    /// From when on that needs a timer.
    pub(crate) near_from: Option<Stamp>,
    /// The request that is answered, where it will be logged.
    pub(crate) asked: Asked,
    /// When its head was complete: for the access log, and where its handler is timed.
    pub(crate) began: Option<Instant>,
    /// Since when its handler waits, once it has.
    pub(crate) handler_waits_since: Option<Instant>,
}

impl Work {
    #[cold]
    fn new() -> Box<Self> {
        Box::new(Self {
            exchange: Home::new(Exchange::new()),
            slot: FutureSlot::new(),
            out: Out::default(),
            deadline: Deadline::default(),
            near_from: None,
            asked: Asked::default(),
            began: None,
            handler_waits_since: None,
        })
    }

    /// One of the thread's pool, or a new one.
    #[inline]
    pub(crate) fn take() -> Box<Self> {
        let pooled = POOL.try_with(|pool| pool.borrow_mut().pop());
        pooled.ok().flatten().unwrap_or_else(Self::new)
    }

    /// Whether bytes have arrived that are not done with.
    #[inline]
    pub(crate) fn has_arrived(&mut self) -> bool {
        let exchange = self.exchange.get_mut();
        exchange.is_some_and(|exchange| !exchange.buffer.is_empty())
    }

    /// Gives it back. What has grown too much of it is freed, and all of it if its exchange has, or is lent out.
    #[inline]
    pub(crate) fn give(mut self: Box<Self>) {
        debug_assert!(self.out.is_empty());
        self.began = None;
        self.handler_waits_since = None;
        self.deadline.clear();
        if self.deadline.is_armed() {
            self.deadline = Deadline::default();
        }
        let is_whole = self
            .exchange
            .get_mut()
            .is_some_and(|exchange| exchange.buffer.is_small());
        if !is_whole {
            return;
        }
        if self.slot.bytes() > SLOT_MAX_BYTES || self.out.bytes.capacity() > OUT_MAX_BYTES {
            self.shrink();
        }
        // A thread that is ending has no pool any more; the work is freed then.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < POOL_MAX {
                pool.push(self);
            }
        });
    }

    #[cold]
    fn shrink(&mut self) {
        if self.slot.bytes() > SLOT_MAX_BYTES {
            self.slot = FutureSlot::new();
        }
        self.out.bytes.shrink_to(OUT_MAX_BYTES);
    }

    /// Gives it back at the end of a connection, with whatever is in it.
    pub(crate) fn abandon(mut self: Box<Self>) {
        // The handler first: it may have the exchange.
        shield(|| self.slot.clear());
        self.out = Out::default();
        self.asked.clear();
        if let Some(exchange) = self.exchange.get_mut() {
            exchange.forget();
        }
        self.give();
    }
}

/// Most works that a thread keeps, of about 20 KiB each where answers are small, of 100 KiB at most: as many as are taken at once in a round of ready connections
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

/// Bytes to be sent: a batch of responses, and perhaps a large piece of the body of the last of them.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) bytes: Vec<u8>,
    /// Bytes too many to be copied; nothing may follow them until they are sent.
    tail: Option<Body>,
    /// What stands behind those.
    end: &'static [u8],
    /// How much of all was sent.
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
        match body.into_static() {
            Ok(bytes) if bytes.len() <= COPY_MAX_BYTES => self.bytes.extend_from_slice(bytes),
            Ok(bytes) => self.push_piece(bytes.into(), b""),
            Err(body) => self.push_piece(body, b""),
        }
    }

    /// Adds bytes, and what stands behind them.
    #[inline(never)]
    pub(crate) fn push_piece(&mut self, piece: Body, end: &'static [u8]) {
        debug_assert!(self.tail.is_none());
        if piece.len() <= COPY_MAX_BYTES {
            self.bytes.extend_from_slice(piece.as_bytes());
            self.bytes.extend_from_slice(end);
        } else {
            self.tail = Some(piece);
            self.end = end;
        }
    }

    /// What is still to be sent, when that is one piece.
    #[inline]
    pub(crate) fn only_piece(&self) -> Option<&[u8]> {
        self.tail.is_none().then(|| &self.bytes[self.sent..])
    }

    /// What is still to be sent, in pieces that may be empty.
    pub(crate) fn slices(&self) -> [IoSlice<'_>; 3] {
        let tail = self.tail.as_ref().map_or(&[][..], Body::as_bytes);
        let mut skip = self.sent;
        [&self.bytes[..], tail, self.end].map(|piece| {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            IoSlice::new(&piece[skipped..])
        })
    }

    /// Takes note of bytes that were sent.
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        self.sent += count;
        if self.tail.is_some() {
            self.advance_tail();
        } else if self.sent >= self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        }
    }

    fn advance_tail(&mut self) {
        let tail = self.tail.as_ref().map_or(0, Body::len);
        if self.sent >= self.bytes.len() + tail + self.end.len() {
            *self = Self {
                bytes: std::mem::take(&mut self.bytes),
                ..Self::default()
            };
            self.bytes.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(out: &Out) -> [usize; 3] {
        out.slices().map(|piece| piece.len())
    }

    #[test]
    fn a_large_body_follows_uncopied() {
        let mut out = Out::default();
        out.bytes.extend_from_slice(b"head");
        out.push_piece(Body::from("small"), b"!");
        assert_eq!(out.only_piece(), Some(&b"headsmall!"[..]));
        out.push_piece(vec![7; COPY_MAX_BYTES + 1].into(), b"\r\n");
        assert!(out.is_full() && out.only_piece().is_none());
        out.advance(6);
        assert_eq!(lengths(&out), [4, COPY_MAX_BYTES + 1, 2]);
        out.advance(4 + 1000);
        assert_eq!(lengths(&out), [0, COPY_MAX_BYTES - 999, 2]);
        out.advance(COPY_MAX_BYTES - 998);
        assert_eq!(lengths(&out), [0, 0, 1]);
        assert!(!out.is_empty());
        out.advance(1);
        assert!(out.is_empty() && !out.is_full());
        out.push_body(Body::from("again"));
        assert_eq!(out.only_piece(), Some(&b"again"[..]));
    }

    fn address(work: &Work) -> usize {
        std::ptr::from_ref(work).addr()
    }

    #[test]
    fn works_are_pooled_unless_lent_out() {
        let work = Work::take();
        let pooled = address(&work);
        work.give();
        let mut work = Work::take();
        assert_eq!(address(&work), pooled);
        let loan = work.exchange.lend();
        work.give();
        // While it is lent its memory is nobody else's.
        let mut other = Work::take();
        assert!(other.exchange.get_mut().is_some());
        drop(loan);
        let pool = POOL.with_borrow(Vec::len);
        other.give();
        assert_eq!(POOL.with_borrow(Vec::len), pool + 1);
    }
    #[test]
    fn what_has_grown_is_freed_and_the_rest_is_kept() {
        let mut work = Work::take();
        let before = address(&work);
        let large = [7u8; SLOT_MAX_BYTES + 1];
        work.slot.place(async move {
            std::future::pending::<()>().await;
            String::from_utf8_lossy(&large).into_owned()
        });
        work.slot.clear();
        assert!(work.slot.bytes() > SLOT_MAX_BYTES);
        work.out.bytes.reserve(2 * OUT_MAX_BYTES);
        work.give();
        let work = Work::take();
        assert_eq!(address(&work), before);
        assert!(work.slot.bytes() <= SLOT_MAX_BYTES);
        assert!(work.out.bytes.capacity() <= OUT_MAX_BYTES);
    }
}
