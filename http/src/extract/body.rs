//! How does a handler get a whole body?
//!
//! As [`Bytes`] or as text, up to the server's limit ([`Limits::body_bytes`](crate::Limits)), or as what it is understood as
//! ([`Json`](super::Json), [`Form`](super::Form)), up to a limit of that; [`Limited`] sets another one.

use super::FromRequest;
use super::rejection::rejection;
use crate::request::{BodyError, OwnedRequestBody, Request};
use bytes::Bytes;
use http::StatusCode;
use std::convert::Infallible;
use std::fmt;

/// Why a body cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyRejection {
    /// It is longer than so many bytes.
    TooLong(u64),
    /// It did not come.
    Failed(BodyError),
}

impl BodyRejection {
    /// 413, or what the error says.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Failed(error) => error.status(),
        }
    }
}

impl fmt::Display for BodyRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(max) => write!(f, "the body is longer than {max} bytes"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl From<BodyError> for BodyRejection {
    fn from(error: BodyError) -> Self {
        Self::Failed(error)
    }
}

/// Why a body cannot be had as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextRejection {
    /// It cannot be had.
    Body(BodyRejection),
    /// It is not UTF-8.
    NotUtf8,
}

impl TextRejection {
    /// 400, or what the body's rejection says.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Body(rejection) => rejection.status(),
            Self::NotUtf8 => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for TextRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(rejection) => rejection.fmt(f),
            Self::NotUtf8 => f.write_str("the body is not UTF-8"),
        }
    }
}

impl From<BodyRejection> for TextRejection {
    fn from(rejection: BodyRejection) -> Self {
        Self::Body(rejection)
    }
}

rejection!(BodyRejection, TextRejection);

/// What is made of a whole body, and so can have a limit of its own.
pub trait WithinLimit<S>: FromRequest<S> {
    /// Makes it of a body of so many bytes at most.
    ///
    /// # Errors
    ///
    /// As for [`FromRequest::from_request`], and for a longer body.
    ///
    /// # Cancel safety
    ///
    /// What had arrived is lost.
    fn within(
        request: Request,
        state: &S,
        max_bytes: u64,
    ) -> impl Future<Output = Result<Self, Self::Rejection>> + Send;
}

/// An argument that is made of a whole body, with a limit to its length; then 413.
///
/// # Units and limits
///
/// `MAX_BYTES` takes the place of the limit that the argument has by itself. It cannot go beyond that of the server,
/// [`Limits::body_bytes`](crate::Limits), by which a body is refused before a handler is asked.
///
/// # Examples
///
/// ```
/// use filch_http::{Limited, Router};
///
/// let router = Router::new().post("/note", async |Limited(note): Limited<String, 1000>| note.to_uppercase());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limited<T, const MAX_BYTES: u64>(pub T);

impl<S: Sync, T: WithinLimit<S>, const MAX_BYTES: u64> FromRequest<S> for Limited<T, MAX_BYTES> {
    type Rejection = T::Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, T::Rejection> {
        T::within(request, state, MAX_BYTES).await.map(Self)
    }

    fn is_absent(rejection: &T::Rejection) -> bool {
        T::is_absent(rejection)
    }
}

/// As long as the server's limit allows, unless it is [`Limited`].
impl<S: Sync> FromRequest<S> for Bytes {
    type Rejection = BodyRejection;

    async fn from_request(request: Request, _state: &S) -> Result<Self, BodyRejection> {
        collect(request, u64::MAX).await
    }

    fn is_absent(_: &BodyRejection) -> bool {
        false
    }
}

impl<S: Sync> WithinLimit<S> for Bytes {
    async fn within(request: Request, _state: &S, max_bytes: u64) -> Result<Self, BodyRejection> {
        collect(request, max_bytes).await
    }
}

/// As long as the server's limit allows, unless it is [`Limited`].
impl<S: Sync> FromRequest<S> for String {
    type Rejection = TextRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, TextRejection> {
        Self::within(request, state, u64::MAX).await
    }

    fn is_absent(_: &TextRejection) -> bool {
        false
    }
}

impl<S: Sync> WithinLimit<S> for String {
    async fn within(request: Request, _state: &S, max_bytes: u64) -> Result<Self, TextRejection> {
        let bytes = collect(request, max_bytes).await?;
        Self::from_utf8(bytes.into()).map_err(|_| TextRejection::NotUtf8)
    }
}

/// The body as it comes: a stream of its pieces, and a reader of its bytes.
impl<S: Sync> FromRequest<S> for OwnedRequestBody {
    type Rejection = Infallible;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Infallible> {
        Ok(request.into_body())
    }
}

/// The whole body, if it has no more bytes than that.
pub(super) async fn collect(mut request: Request, max_bytes: u64) -> Result<Bytes, BodyRejection> {
    let mut body = request.body();
    match body.remaining() {
        Some(length) if length > max_bytes => return Err(BodyRejection::TooLong(max_bytes)),
        Some(_) => return Ok(body.bytes().await?),
        None if max_bytes == u64::MAX => return Ok(body.bytes().await?),
        None => {}
    }
    // Chunked: how long it is, is known when it is here.
    let mut whole = Vec::new();
    while let Some(piece) = body.chunk().await? {
        if (whole.len() + piece.len()) as u64 > max_bytes {
            return Err(BodyRejection::TooLong(max_bytes));
        }
        whole.extend_from_slice(piece);
    }
    Ok(whole.into())
}

/// Whether a request has no body. One whose length is not known has one.
#[cfg(feature = "serde")]
pub(super) fn is_empty(request: &mut Request) -> bool {
    request.body().remaining() == Some(0)
}
