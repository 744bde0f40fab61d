//! What do the connection and the handler of its request share?
//!
//! An [`Exchange`]: the buffer, what was parsed from it, and how far the body has been read ([`Incoming`]). It is lent to
//! the [`Request`](crate::Request) while the handler works ([`loan`](super::loan)), and used again for the next request.

use super::Service;
use super::buffer::Buffer;
use super::incoming::{Incoming, Rest};
use super::open_files::OpenFiles;
use crate::proto::framing::{BodyFraming, Switch};
use crate::proto::limits::FIELDS_MAX;
use crate::proto::{
    ChunkedDecoder, FieldSlot, Framing, Head, Limits, Refusal, RequestHead, RequestParser, Version,
};
use crate::request::BodyError;
use crate::router::found::Found;
use crate::router::{Matched, Router};
use bytes::Bytes;
use filch::sync::CancellationToken;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::OnceLock;
use std::task::{Context, Poll};

/// A request under way.
pub(crate) struct Exchange {
    pub(crate) buffer: Buffer,
    parser: RequestParser,
    slots: [FieldSlot; FIELDS_MAX],
    pub(crate) method: Method,
    /// What the router found for it.
    pub(crate) found: Found,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) body: Incoming,
    limits: Limits,
    /// Which server it was used by last, what tells that this one drains, and its open files: changed only when another one uses it.
    server: Option<(u64, CancellationToken, OpenFiles)>,
    made: OnceLock<Box<Made>>,
}

/// What a head says of its connection: as much of its [`Framing`] as is asked about once the body is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wants {
    pub(crate) keep_alive: bool,
    pub(crate) has_body: bool,
    pub(crate) expects_continue: bool,
    pub(crate) switch: Option<Switch>,
}

impl From<Framing> for Wants {
    #[inline]
    fn from(framing: Framing) -> Self {
        Self {
            keep_alive: framing.keep_alive,
            has_body: framing.body != BodyFraming::Length(0),
            expects_continue: framing.expects_continue,
            switch: framing.switch,
        }
    }
}

/// What is made of the head for who asks.
#[derive(Default)]
struct Made {
    headers: OnceLock<HeaderMap>,
    uri: OnceLock<Uri>,
}

impl Exchange {
    pub(crate) fn new() -> Self {
        Self {
            buffer: Buffer::new(),
            parser: RequestParser::default(),
            slots: [FieldSlot::default(); FIELDS_MAX],
            method: Method::GET,
            found: Found::default(),
            peer: None,
            body: Incoming::default(),
            limits: Limits::DEFAULT,
            server: None,
            made: OnceLock::new(),
        }
    }

    /// Gets ready for a connection. Nothing is left of what it was used for before: whoever gave it back has seen to that.
    #[inline]
    pub(crate) fn serve(&mut self, service: &Service, peer: Option<SocketAddr>) {
        debug_assert!(self.buffer.is_empty() && self.found.values.is_empty());
        self.peer = peer;
        if self
            .server
            .as_ref()
            .is_none_or(|(id, ..)| *id != service.id)
        {
            self.serve_another(service);
        }
    }

    #[cold]
    fn serve_another(&mut self, service: &Service) {
        self.parser.reset_with(service.limits);
        self.limits = service.limits;
        let draining = service.draining.clone();
        self.server = Some((service.id, draining, service.files.clone()));
    }

    /// What tells that the server drains.
    pub(crate) fn draining(&self) -> CancellationToken {
        let server = self.server.as_ref();
        server.map_or_else(CancellationToken::new, |(_, draining, _)| draining.clone())
    }

    /// The files that may be open to be sent.
    pub(crate) fn open_files(&self) -> Option<&OpenFiles> {
        self.server.as_ref().map(|(.., files)| files)
    }

    /// Lets go of a request that may stand anywhere, with the stream that its body came from.
    pub(crate) fn forget(&mut self) {
        self.buffer.clear();
        self.parser.reset();
        self.body = Incoming::default();
        self.begin();
    }

    /// Gets ready for the next request, which begins where this one [ended](Self::finish).
    #[inline(always)]
    pub(crate) fn begin(&mut self) {
        debug_assert!(self.parser.head().is_empty());
        self.found.clear();
        if self.made.get().is_some() {
            self.made = OnceLock::new();
        }
    }

    /// Parses on. `Ok(None)` when more bytes are needed.
    #[inline(always)]
    pub(crate) fn parse(&mut self) -> Result<Option<Wants>, Refusal> {
        let filled = self.buffer.filled();
        if !self.parser.parse_on(filled, &mut self.slots)? {
            return Ok(None);
        }
        let view = self.parser.head().view(filled, &self.slots);
        match view.method_bytes() {
            b"GET" if self.method == Method::GET => {}
            method => self.method = method_of(method),
        }
        let framing = match Framing::of_plain(&view) {
            Some(framing) => {
                self.body.begin_none();
                framing
            }
            None => self.frame_any()?,
        };
        Ok(Some(framing.into()))
    }

    /// A head that says something of a body, or of the connection.
    #[inline(never)]
    fn frame_any(&mut self) -> Result<Framing, Refusal> {
        let framing = Framing::of_any(&self.view(), self.limits.body_bytes)?;
        match framing.body {
            BodyFraming::Length(length) => self.body.begin(length),
            BodyFraming::Chunked => self.body.begin_chunked(ChunkedDecoder::new(self.limits)),
            // Only a response ends with its connection; what follows an upgrade is none of the request.
            BodyFraming::UntilClose | BodyFraming::Tunnel => self.body.begin_none(),
        }
        Ok(framing)
    }

    /// Whether the request that was refused is a HEAD, as far as one can tell.
    pub(crate) fn refused_a_head(&self) -> bool {
        self.parser.method_bytes(self.buffer.filled()) == Some(b"HEAD")
    }

    /// Whether anything of a next request has arrived.
    pub(crate) fn has_begun(&self) -> bool {
        self.parser.has_begun(self.buffer.filled())
    }

    /// The head, once it was parsed whole; an empty one before, and where it was refused.
    #[inline]
    pub(crate) fn view(&self) -> RequestHead<'_> {
        let head = self.parser.head();
        let head = if head.is_empty() { &Head::NONE } else { head };
        head.view(self.buffer.filled(), &self.slots)
    }

    /// The version of the request.
    #[inline]
    pub(crate) fn version(&self) -> Version {
        self.parser.head().version()
    }

    /// Looks for who answers it.
    #[inline]
    pub(crate) fn route<'r>(&mut self, router: &'r Router) -> Matched<'r> {
        let path = self.parser.head().path_bytes(self.buffer.filled());
        router.find(&self.method, path, &mut self.found)
    }

    /// Whether the rest of the body is in the buffer.
    ///
    /// # Errors
    ///
    /// What is here of it is not as it must be.
    #[inline]
    pub(crate) fn body_is_here(&mut self) -> Result<bool, Refusal> {
        self.body
            .is_here(&mut self.buffer, self.parser.head().len())
    }

    /// Is done with the request, as far as it is in the buffer. Says how much of its body is still to come.
    #[inline]
    pub(crate) fn finish(&mut self) -> Rest {
        let rest = self.body.finish(&mut self.buffer, self.parser.head().len());
        self.parser.reset();
        rest
    }

    /// Drops what is in the buffer of the body of a request that is over. Whether that was all of it.
    ///
    /// # Errors
    ///
    /// What is here of it is not as it must be.
    pub(crate) fn skip_body(&mut self) -> Result<bool, Refusal> {
        self.body.skip(&mut self.buffer)
    }

    /// The next piece of the body, as a range of the buffer; empty at the end.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Range<usize>, BodyError>> {
        self.body
            .poll_piece(&mut self.buffer, self.parser.head().len(), cx)
    }

    /// What fits of the body into `room`; nothing at the end.
    pub(crate) fn poll_read(
        &mut self,
        room: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, BodyError>> {
        self.body
            .poll_read(&mut self.buffer, self.parser.head().len(), room, cx)
    }

    /// The next piece of the body, to be kept; empty at the end.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, BodyError>> {
        self.body
            .poll_bytes(&mut self.buffer, self.parser.head().len(), cx)
    }

    /// More of the body, into `whole` behind its first `filled` bytes.
    pub(crate) fn poll_append(
        &mut self,
        whole: &mut Vec<u8>,
        filled: &mut usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BodyError>> {
        let head = self.parser.head().len();
        self.body
            .poll_append(&mut self.buffer, head, whole, filled, cx)
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

/// The method of these bytes, which are a token.
#[inline(never)]
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
