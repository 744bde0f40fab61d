//! What do the connection and the handler of its request share?
//!
//! An [`Exchange`]: the buffer, what was parsed from it, and how far the body has been read. It is lent to the
//! [`Request`](crate::Request) while the handler works ([`loan`](super::loan)), and used again for the next request.
//!
//! A body is read here, by the handler, on the connection's own task and straight from the connection's buffer: who
//! does not ask for more leaves it in the socket, and the peer waits. It lies behind the head in the buffer, so that
//! the head can still be looked at; what was handed out is removed with the next call.

use super::buffer::Buffer;
use super::deadline::Deadline;
use super::invitation::{Invitation, Progress};
use super::transport::Transport;
use crate::proto::limits::FIELDS_MAX;
use crate::proto::{FieldSlot, Framing, Head, Limits, Refusal, RequestHead, RequestParser};
use bytes::Bytes;
use filch::time::{Duration, Instant};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

/// A request under way.
pub(crate) struct Exchange {
    pub(crate) buffer: Buffer,
    parser: RequestParser,
    slots: [FieldSlot; FIELDS_MAX],
    head: Head,
    pub(crate) method: Method,
    pub(crate) params: Vec<Param>,
    pub(crate) peer: Option<SocketAddr>,
    body: BodyState,
    made: OnceLock<Box<Made>>,
}

/// What is made of the head for who asks.
#[derive(Default)]
struct Made {
    headers: OnceLock<HeaderMap>,
    uri: OnceLock<Uri>,
}

/// A parameter of the route: its name, and where its value is in the path.
#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) name: Arc<str>,
    pub(crate) value: Range<usize>,
}

/// How far the body of the request has been read.
#[derive(Default)]
pub(crate) struct BodyState {
    /// Bytes of the body that were not handed out yet.
    remaining: u64,
    /// Bytes behind the head that were handed out, and go with the next call.
    handed_out: usize,
    /// Where more comes from; only set when the body was not there whole with its head.
    source: Option<Source>,
    /// Why there is no more.
    failure: Option<BodyError>,
}

struct Source {
    transport: Arc<dyn Transport>,
    /// What the client waits for before it sends; `None` when it does not, or no more.
    invitation: Option<Arc<Invitation>>,
    timeout: Duration,
    deadline: Deadline,
}

/// Why a body cannot be read to its end. The connection closes after the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// The client closed the connection, or it broke.
    Incomplete,
    /// No byte came for as long as the server waits.
    Timeout,
}

impl BodyError {
    /// The sentence for the client.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Incomplete => "the connection ended within the body of the request",
            Self::Timeout => Refusal::BodyTimeout.reason(),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for BodyError {}

impl Exchange {
    pub(crate) fn new() -> Self {
        Self {
            buffer: Buffer::new(),
            parser: RequestParser::default(),
            slots: [FieldSlot::default(); FIELDS_MAX],
            head: Head::default(),
            method: Method::GET,
            params: Vec::new(),
            peer: None,
            body: BodyState::default(),
            made: OnceLock::new(),
        }
    }

    /// Gets ready for a connection.
    pub(crate) fn serve(&mut self, limits: Limits, peer: Option<SocketAddr>) {
        self.parser = RequestParser::new(limits);
        self.peer = peer;
        self.forget();
    }

    /// Lets go of a request that may stand anywhere, with the stream that its body came from.
    pub(crate) fn forget(&mut self) {
        self.buffer.clear();
        self.head = Head::default();
        self.body = BodyState::default();
        self.begin();
    }

    /// Gets ready for the next request, which begins where this one ended.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.parser.reset();
        self.params.clear();
        self.body.failure = None;
        if self.made.get_mut().is_some() {
            self.made = OnceLock::new();
        }
    }

    /// Parses on. `Ok(None)` when more bytes are needed.
    #[inline]
    pub(crate) fn parse(&mut self, body_max: u64) -> Result<Option<Framing>, Refusal> {
        let Some(head) = self.parser.parse(self.buffer.filled(), &mut self.slots)? else {
            return Ok(None);
        };
        self.head = head;
        let framing = Framing::of(&self.view(), body_max)?;
        self.method = method_of(self.view().method_bytes());
        self.body.remaining = framing.body_len;
        Ok(Some(framing))
    }

    /// Whether the request that was refused is a HEAD, as far as one can tell.
    pub(crate) fn refused_a_head(&self) -> bool {
        self.parser.method_bytes(self.buffer.filled()) == Some(b"HEAD")
    }

    /// Whether anything of a next request has arrived.
    pub(crate) fn has_begun(&self) -> bool {
        self.parser.has_begun(self.buffer.filled())
    }

    /// The head, once it was parsed.
    #[inline]
    pub(crate) fn view(&self) -> RequestHead<'_> {
        self.head.view(self.buffer.filled(), &self.slots)
    }

    /// Whether the rest of the body is in the buffer.
    #[inline]
    pub(crate) fn body_is_here(&self) -> bool {
        self.body.remaining <= self.body_buffered() as u64
    }

    /// Says where the rest of the body comes from, and what the client waits for.
    pub(crate) fn set_source(
        &mut self,
        transport: Arc<dyn Transport>,
        invitation: Option<Arc<Invitation>>,
        timeout: Duration,
    ) {
        self.body.source = Some(Source {
            transport,
            invitation,
            timeout,
            deadline: Deadline::default(),
        });
    }

    /// Is done with the request, as far as it is in the buffer. Says how much of its body is still to come.
    #[inline]
    pub(crate) fn finish(&mut self) -> u64 {
        let body_here = self
            .body_buffered()
            .min(usize::try_from(self.body.remaining).unwrap_or(usize::MAX));
        self.body.remaining -= body_here as u64;
        self.buffer
            .consume(self.head.len() + self.body.handed_out + body_here);
        self.head = Head::default();
        self.body.handed_out = 0;
        if self.body.source.is_some() {
            self.body.source = None;
        }
        self.body.remaining
    }

    /// Whether the client was not invited to send its body, or has failed to: then the rest never comes.
    pub(crate) fn body_is_lost(&self) -> bool {
        let source = self.body.source.as_ref();
        let invitation = source.and_then(|source| source.invitation.as_ref());
        let is_uninvited = invitation.is_some_and(|it| it.progress() != Progress::Sent);
        is_uninvited || self.body.failure.is_some()
    }

    /// Bytes of the body in the buffer that were not handed out; perhaps with requests behind them.
    #[inline]
    fn body_buffered(&self) -> usize {
        self.buffer.len() - self.head.len() - self.body.handed_out
    }

    /// How many bytes of the body are still to be handed out.
    pub(crate) fn body_remaining(&self) -> u64 {
        self.body.remaining
    }

    /// The next piece of the body, as a range of the buffer; empty at the end.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Range<usize>, BodyError>> {
        let at = self.head.len();
        if self.body.handed_out > 0 {
            self.buffer.remove(at..at + self.body.handed_out);
            self.body.handed_out = 0;
        }
        if self.body.remaining == 0 {
            return Poll::Ready(Ok(at..at));
        }
        if self.body_buffered() == 0 {
            let room = self.buffer.room();
            let count = ready!(self.body.poll_source(room, cx))?;
            self.buffer.arrived(count);
        }
        let len = self
            .body_buffered()
            .min(usize::try_from(self.body.remaining).unwrap_or(usize::MAX));
        self.body.handed_out = len;
        self.body.remaining -= len as u64;
        Poll::Ready(Ok(at..at + len))
    }

    /// More of the body, into `whole` behind its first `filled` bytes: first what is in the buffer, then straight from
    /// the socket. What is behind them is room, zeroed once.
    pub(crate) fn poll_append(
        &mut self,
        whole: &mut Vec<u8>,
        filled: &mut usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BodyError>> {
        if self.body_buffered() > 0 || self.body.remaining == 0 {
            let range = ready!(self.poll_chunk(cx))?;
            whole.truncate(*filled);
            whole.extend_from_slice(&self.buffer.filled()[range]);
            *filled = whole.len();
            return Poll::Ready(Ok(()));
        }
        if whole.len() == *filled {
            make_room(
                whole,
                usize::try_from(self.body.remaining).unwrap_or(usize::MAX),
            );
        }
        let count = ready!(self.body.poll_source(&mut whole[*filled..], cx))?;
        *filled += count;
        self.body.remaining -= count as u64;
        Poll::Ready(Ok(()))
    }

    /// All fields as a map, made when first asked for.
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.made.get_or_init(Box::default).headers.get_or_init(|| {
            let fields = self.view().raw_fields();
            let mut map = HeaderMap::with_capacity(fields.len());
            for (name, value) in fields {
                // The parser lets pass what these accept; tests hold it to that.
                if let (Ok(name), Ok(value)) =
                    (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
                {
                    map.append(name, value);
                }
            }
            map
        })
    }

    /// The target as a URI, made when first asked for.
    pub(crate) fn uri(&self) -> &Uri {
        self.made.get_or_init(Box::default).uri.get_or_init(|| {
            let target = Bytes::copy_from_slice(self.view().target().as_bytes());
            // The parser lets pass what this accepts, and sees the same path in it; tests hold it to that.
            Uri::from_maybe_shared(target).unwrap_or_default()
        })
    }
}

/// Least and most room that is made at once for a body that is collected, in bytes. In between it is as much as has come
/// already, so that a client which announces much and sends little has cost little.
const APPEND_MIN_BYTES: usize = 64 * 1024;
const APPEND_MAX_BYTES: usize = 1024 * 1024;

/// Room at the end of `whole`, of which `remaining` bytes are to come. Its memory doubles, but never beyond that.
fn make_room(whole: &mut Vec<u8>, remaining: usize) {
    let filled = whole.len();
    let room = filled
        .clamp(APPEND_MIN_BYTES, APPEND_MAX_BYTES)
        .min(remaining);
    if whole.capacity() - filled < room {
        whole.reserve_exact(filled.max(room).min(remaining));
    }
    whole.resize(filled + room, 0);
}

impl BodyState {
    /// Reads from the socket.
    fn poll_source(
        &mut self,
        room: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, BodyError>> {
        if let Some(failure) = self.failure {
            return Poll::Ready(Err(failure));
        }
        let Some(source) = &mut self.source else {
            return Poll::Ready(Err(self.fail(BodyError::Incomplete)));
        };
        match source.poll_read(room, cx) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(self.fail(BodyError::Incomplete))),
            Poll::Ready(Ok(count)) => {
                source.deadline.clear();
                Poll::Ready(Ok(count))
            }
            Poll::Pending if source.poll_late(cx).is_ready() => {
                Poll::Ready(Err(self.fail(BodyError::Timeout)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn fail(&mut self, failure: BodyError) -> BodyError {
        self.failure = Some(failure);
        failure
    }
}

impl Source {
    fn poll_read(&mut self, room: &mut [u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = self.transport.poll_read(cx, room);
        if read.is_pending() {
            return self.poll_uninvited(cx);
        }
        // Who sends unasked does not wait.
        self.invitation = None;
        read
    }

    /// Sees to it that the client does not wait in vain. Ready with an error if it cannot be invited any more.
    fn poll_uninvited(&self, cx: &Context<'_>) -> Poll<io::Result<usize>> {
        match &self.invitation {
            Some(invitation) if invitation.ask(cx.waker()) == Progress::Over => {
                Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
            }
            _ => Poll::Pending,
        }
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        if !self.deadline.is_set() {
            self.deadline.set(now + self.timeout);
        }
        // The request may have moved to another task since.
        self.deadline.poll_from_any_task(now, cx)
    }
}

/// The method of these bytes, which are a token.
#[inline]
fn method_of(bytes: &[u8]) -> Method {
    if bytes == b"GET" {
        return Method::GET;
    }
    // A token is a method; an extension of up to 15 bytes is kept without allocating.
    Method::from_bytes(bytes).unwrap_or_default()
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("head", &self.view())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collected_body_has_just_the_memory_it_needs() {
        for total in [
            1,
            APPEND_MIN_BYTES,
            APPEND_MIN_BYTES + 1,
            3 * APPEND_MAX_BYTES + 7,
        ] {
            let mut whole = Vec::new();
            while whole.len() < total {
                let filled = whole.len();
                make_room(&mut whole, total - filled);
                let most = filled + filled.clamp(APPEND_MIN_BYTES, APPEND_MAX_BYTES);
                assert!(filled < whole.len() && whole.len() <= most);
                assert!(whole.capacity() <= total.min(most.max(2 * filled)));
            }
            assert_eq!((whole.len(), whole.capacity()), (total, total));
        }
    }
}
