//! What does a handler see of a request?
//!
//! A [`Request`] is a view of the connection's own buffer: method, target and fields are read where they arrived, and
//! nothing is copied until the handler asks for something that must be (a [`HeaderMap`], a [`Uri`], a whole body).
//! It owns what it shows while it lives, so it can be kept over awaits and moved between tasks.

use crate::proto::Version;
use crate::server::exchange::Exchange;
use crate::server::loan::Loan;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;

pub use crate::server::exchange::BodyError;

/// A request, with its body still to be read.
///
/// While it lives the connection waits for it: drop it, or let the handler's future end, before the next request of the
/// connection can be served. A request that outlives its response costs the connection, which is closed then.
///
/// # Examples
///
/// ```
/// use filch_http::{Request, Response};
///
/// async fn greet(request: Request) -> Response {
///     let name = request.param("name").unwrap_or_default();
///     Response::text(format!("Hello, {name}!"))
/// }
/// # let _ = filch_http::Router::new().get("/greet/{name}", greet);
/// ```
pub struct Request {
    exchange: Loan<Exchange>,
}

impl Request {
    #[inline]
    pub(crate) fn new(exchange: Loan<Exchange>) -> Self {
        Self { exchange }
    }

    /// The method.
    #[must_use]
    #[inline]
    pub fn method(&self) -> &Method {
        &self.exchange.method
    }

    /// The request target as the client sent it.
    #[must_use]
    pub fn target(&self) -> &str {
        self.exchange.view().target()
    }

    /// The path of the target, still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.exchange.view().path()
    }

    /// What follows the first `?` of the target, still percent-encoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.exchange.view().query()
    }

    /// The target as a URI. It is made, with a copy, the first time it is asked for.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        self.exchange.uri()
    }

    /// The version of the protocol that the client speaks.
    #[must_use]
    pub fn version(&self) -> http::Version {
        match self.exchange.view().version() {
            Version::Http10 => http::Version::HTTP_10,
            Version::Http11 => http::Version::HTTP_11,
        }
    }

    /// The first value of the field `name`, whatever the case of either, where it lies in the buffer.
    ///
    /// It holds no controls but tabs, and need not be UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.exchange.view().field(name)
    }

    /// Name and value of each field in the order of arrival, where they lie in the buffer.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        self.exchange.view().fields()
    }

    /// All fields as a map. It is made, with copies, the first time it is asked for.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.exchange.headers()
    }

    /// The part of the path that stands for `{name}` in the route, decoded. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        let param = self
            .exchange
            .params
            .iter()
            .find(|param| *param.name == *name)?;
        let value = self.path().get(param.value.clone())?;
        Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy())
    }

    /// The address of the client, where it has one.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.exchange.peer
    }

    /// The body, to be read.
    pub fn body(&mut self) -> RequestBody<'_> {
        RequestBody {
            exchange: &mut self.exchange,
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exchange.view().fmt(f)
    }
}

/// The body of a request, read from the connection as it is asked for.
///
/// Nothing is read ahead of the handler, so that a client cannot send faster than it is served. What the handler
/// leaves is dropped after its response, or the connection closes when that is too much.
///
/// # Examples
///
/// ```
/// use filch_http::{BodyError, Request};
///
/// async fn count(mut request: Request) -> Result<String, BodyError> {
///     let mut body = request.body();
///     let mut lines = 0;
///     while let Some(chunk) = body.chunk().await? {
///         lines += chunk.iter().filter(|byte| **byte == b'\n').count();
///     }
///     Ok(lines.to_string())
/// }
/// # let _ = filch_http::Router::new().post("/count", count);
/// ```
pub struct RequestBody<'r> {
    exchange: &'r mut Exchange,
}

impl RequestBody<'_> {
    /// How many bytes are still to be read.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.exchange.body_remaining()
    }

    /// The next piece of it; `None` at the end.
    ///
    /// # Units and limits
    ///
    /// A piece is what has arrived: never empty, and rarely more than 16 KiB.
    ///
    /// # Errors
    ///
    /// When the rest does not come.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the next call gives what this one would have given.
    pub async fn chunk(&mut self) -> Result<Option<&[u8]>, BodyError> {
        let range = poll_fn(|cx| self.exchange.poll_chunk(cx)).await?;
        Ok((!range.is_empty()).then(|| &self.exchange.buffer.filled()[range]))
    }

    /// All of it, or all that is left of it.
    ///
    /// # Units and limits
    ///
    /// As long as the server's limit for bodies allows, 16 MiB unless it was changed. Memory is taken as the bytes come.
    ///
    /// # Errors
    ///
    /// When the rest does not come.
    ///
    /// # Cancel safety
    ///
    /// What had arrived is lost.
    pub async fn bytes(self) -> Result<Bytes, BodyError> {
        let mut whole = Vec::new();
        let mut filled = 0;
        while self.exchange.body_remaining() > 0 {
            poll_fn(|cx| self.exchange.poll_append(&mut whole, &mut filled, cx)).await?;
        }
        whole.truncate(filled);
        Ok(whole.into())
    }
}

impl fmt::Debug for RequestBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("remaining", &self.remaining())
            .finish()
    }
}
