//! How does a handler read the body of a request?
//!
//! Where it is: [`RequestBody`] borrows the request, and its pieces are views of the connection's buffer. Or elsewhere:
//! [`OwnedRequestBody`] is the request but for its head, a stream and a reader that can be moved into a task or a response.
//! Both read on the task that asks, and only when it asks.

use crate::proto::Refusal;
use crate::server::exchange::Exchange;
use crate::server::loan::Loan;
use bytes::Bytes;
use futures_core::Stream;
use futures_io::AsyncRead;
use http::{HeaderMap, StatusCode};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Why a body cannot be read to its end. The connection closes after the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// The client closed the connection, or it broke.
    Incomplete,
    /// It came too slowly, or not at all.
    Timeout,
    /// It is longer than the server allows, or its chunks are malformed.
    Refused(Refusal),
}

impl BodyError {
    /// The sentence for the client.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Incomplete => "the connection ended within the body of the request",
            Self::Timeout => Refusal::BodyTimeout.reason(),
            Self::Refused(refusal) => refusal.reason(),
        }
    }

    /// The status that says so.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Incomplete => StatusCode::BAD_REQUEST,
            Self::Timeout => Refusal::BodyTimeout.status(),
            Self::Refused(refusal) => refusal.status(),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for BodyError {}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> Self {
        let kind = match error {
            BodyError::Incomplete => io::ErrorKind::UnexpectedEof,
            BodyError::Timeout => io::ErrorKind::TimedOut,
            BodyError::Refused(_) => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
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

/// The body of a request, apart from its head: a stream of its pieces, which ends with the first error, and a reader of its bytes (`futures-io`).
///
/// While it lives the connection waits for it, as for the [`Request`](crate::Request) that it was.
///
/// # Cancel safety
///
/// Bytes were read if, and only if, the poll that did it said so.
///
/// # Examples
///
/// The same bytes back, as they come:
///
/// ```
/// use filch_http::{Body, Request, Response};
///
/// async fn echo(request: Request) -> Response {
///     Response::new(Body::stream(request.into_body()))
/// }
/// # let _ = filch_http::Router::new().post("/echo", echo);
/// ```
pub struct OwnedRequestBody {
    exchange: Loan<Exchange>,
    /// Whether the stream has ended, with an error.
    has_failed: bool,
}

impl<'r> RequestBody<'r> {
    pub(super) fn new(exchange: &'r mut Exchange) -> Self {
        Self { exchange }
    }

    /// How many bytes are still to be read, where that is known: of a chunked body it is at its end.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.exchange.body.remaining()
    }

    /// The next piece of it; `None` at the end.
    ///
    /// # Units and limits
    ///
    /// A piece is what has arrived: never empty, and rarely more than 16 KiB. It says nothing of how the client cut its
    /// body into chunks.
    ///
    /// # Errors
    ///
    /// When the rest does not come, or is not as it must be.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the next call gives what this one would have given.
    pub async fn chunk(&mut self) -> Result<Option<&[u8]>, BodyError> {
        let range = poll_fn(|cx| self.exchange.poll_piece(cx)).await?;
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
    /// When the rest does not come, or is not as it must be.
    ///
    /// # Cancel safety
    ///
    /// What had arrived is lost.
    pub async fn bytes(self) -> Result<Bytes, BodyError> {
        all(self.exchange).await
    }

    /// The fields behind a chunked body, of which everything was read; none otherwise.
    pub fn take_trailers(&mut self) -> HeaderMap {
        self.exchange.body.take_trailers()
    }
}

impl OwnedRequestBody {
    pub(super) fn new(exchange: Loan<Exchange>) -> Self {
        Self {
            exchange,
            has_failed: false,
        }
    }

    /// How many bytes are still to be read, where that is known: of a chunked body it is at its end.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.exchange.body.remaining()
    }

    /// The next piece of it; `None` at the end.
    ///
    /// # Units and limits
    ///
    /// As [`RequestBody::chunk`].
    ///
    /// # Errors
    ///
    /// When the rest does not come, or is not as it must be.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the next call gives what this one would have given.
    pub async fn chunk(&mut self) -> Result<Option<&[u8]>, BodyError> {
        let range = poll_fn(|cx| self.exchange.poll_piece(cx)).await?;
        Ok((!range.is_empty()).then(|| &self.exchange.buffer.filled()[range]))
    }

    /// All of it, or all that is left of it.
    ///
    /// # Units and limits
    ///
    /// As [`RequestBody::bytes`].
    ///
    /// # Errors
    ///
    /// When the rest does not come, or is not as it must be.
    ///
    /// # Cancel safety
    ///
    /// What had arrived is lost.
    pub async fn bytes(mut self) -> Result<Bytes, BodyError> {
        all(&mut self.exchange).await
    }

    /// The fields behind a chunked body, of which everything was read; none otherwise.
    pub fn take_trailers(&mut self) -> HeaderMap {
        self.exchange.body.take_trailers()
    }
}

async fn all(exchange: &mut Exchange) -> Result<Bytes, BodyError> {
    let mut whole = Vec::new();
    let mut filled = 0;
    while !exchange.body.is_at_end() {
        poll_fn(|cx| exchange.poll_append(&mut whole, &mut filled, cx)).await?;
    }
    whole.truncate(filled);
    Ok(whole.into())
}

impl Stream for OwnedRequestBody {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_failed {
            return Poll::Ready(None);
        }
        let piece = ready!(self.exchange.poll_bytes(cx));
        self.has_failed = piece.is_err();
        let is_end = piece.as_ref().is_ok_and(Bytes::is_empty);
        Poll::Ready((!is_end).then_some(piece))
    }
}

impl AsyncRead for OwnedRequestBody {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.exchange.poll_read(room, cx).map_err(Into::into)
    }
}

impl AsyncRead for RequestBody<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.exchange.poll_read(room, cx).map_err(Into::into)
    }
}

impl fmt::Debug for RequestBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("remaining", &self.remaining())
            .finish()
    }
}

impl fmt::Debug for OwnedRequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedRequestBody")
            .field("remaining", &self.remaining())
            .finish()
    }
}
