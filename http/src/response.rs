//! What does a handler answer?
//!
//! A [`Response`], or anything that can become one. It speaks the `http` crate's types, but most responses have a
//! status, a `Content-Type` and a body and nothing else, so these stand outside the map: a plain response allocates
//! nothing. The map is made for the first other field.

mod html;
mod parts;
mod redirect;
mod sse;

pub use html::Html;
pub use parts::IntoResponseParts;
pub use redirect::Redirect;
pub use sse::{Event, EventError, Sse};

use crate::body::Body;
use crate::proto::Refusal;
use crate::proto::encode::ContentType;
use crate::request::BodyError;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Extensions, StatusCode};
use std::borrow::Cow;
use std::convert::Infallible;

mod upgrade;

/// A response.
///
/// `Content-Length`, `Transfer-Encoding` and `Connection` are the server's: it writes them from what it does, and
/// ignores them here, except that a `Connection` with `close` closes the connection after the response. `Date` and
/// `Server` are added where they are missing.
///
/// # Examples
///
/// ```
/// use filch_http::{Response, StatusCode};
///
/// let response = Response::new("made")
///     .with_status(StatusCode::CREATED)
///     .with_header("location", "/things/7");
/// assert_eq!(response.status(), StatusCode::CREATED);
/// assert_eq!(response.header("location").unwrap(), "/things/7");
/// ```
#[derive(Debug, Default)]
pub struct Response {
    status: StatusCode,
    content_type: ContentType,
    fields: Option<Box<HeaderMap>>,
    body: Body,
}

impl Response {
    /// 200 with this body and without `Content-Type`.
    #[must_use]
    #[inline]
    pub fn new(body: impl Into<Body>) -> Self {
        Self::ok(ContentType::Elsewhere, body.into())
    }

    /// 200 with this body as `text/plain` in UTF-8.
    #[must_use]
    #[inline]
    pub fn text(body: impl Into<Body>) -> Self {
        Self::ok(ContentType::Text, body.into())
    }

    /// 200 with this body, which is JSON already, as `application/json`.
    #[must_use]
    #[inline]
    pub fn json(body: impl Into<Body>) -> Self {
        Self::ok(ContentType::Json, body.into())
    }

    #[inline]
    fn ok(content_type: ContentType, body: Body) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            fields: None,
            body,
        }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The body, for changing it: [`Body::into_stream`].
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same with this field in place of any of that name.
    ///
    /// # Panics
    ///
    /// When name or value hold bytes that they may not hold. For values that come from outside, use
    /// [`Response::insert`].
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value)
            .expect("with_header takes visible text; check what comes from outside with HeaderValue::from_str");
        let name =
            HeaderName::from_bytes(name.as_bytes()).expect("with_header takes the name of a field");
        self.insert(name, value);
        self
    }

    /// Sets a field in place of any of that name.
    pub fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers_mut().insert(name, value);
    }

    /// Adds a field to those of its name: `Set-Cookie`, say.
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers_mut().append(name, value);
    }

    /// All fields that were set, `Content-Type` among them.
    pub fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        static CONTENT_TYPE: HeaderName = header::CONTENT_TYPE;
        let content_type = self.content_type.value();
        let fields = self.fields.iter().flat_map(|fields| fields.iter());
        content_type
            .map(|value| (&CONTENT_TYPE, value))
            .into_iter()
            .chain(fields)
    }

    /// The first field of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&HeaderValue> {
        match self.content_type.value() {
            Some(value) if name.eq_ignore_ascii_case("content-type") => Some(value),
            _ => self.fields.as_ref()?.get(name),
        }
    }

    /// All fields, for changing them.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        let content_type = self.content_type.value().cloned();
        self.content_type = ContentType::Elsewhere;
        let fields = self.fields.get_or_insert_default();
        if let Some(content_type) = content_type {
            fields.insert(header::CONTENT_TYPE, content_type);
        }
        fields
    }

    /// Whether the handler wants the connection closed.
    #[inline]
    pub(crate) fn closes(&self) -> bool {
        self.fields.as_deref().is_some_and(say_close)
    }

    /// `Content-Type`, if it is not in the map.
    #[inline]
    pub(crate) fn content_type(&self) -> ContentType {
        self.content_type
    }

    pub(crate) fn fields(&self) -> Option<&HeaderMap> {
        self.fields.as_deref()
    }

    pub(crate) fn into_body(self) -> Body {
        self.body
    }
}

/// What can be answered with.
///
/// Text is `text/plain`, bytes are `application/octet-stream`, [`Json`](crate::Json) and [`Html`] what they say, `()` is 200 and
/// empty, a status is an empty response, and a `Result` is whichever it is. In a tuple, a status or fields
/// ([`IntoResponseParts`]) stand in front of what they change.
///
/// # Examples
///
/// ```
/// use filch_http::{IntoResponse, StatusCode};
///
/// let answer = (StatusCode::NOT_FOUND, [("x-tried", "3")], "no such thing").into_response();
/// assert_eq!(answer.status(), StatusCode::NOT_FOUND);
/// assert_eq!(answer.header("x-tried").unwrap(), "3");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be answered with",
    note = "text, bytes, a `StatusCode`, `Json<T>`, `Html<T>`, a `Response` can, and `Result`s of such",
    note = "in a tuple, a `StatusCode` or fields stand in front of the rest: `(StatusCode::CREATED, [(\"location\", \"/7\")], \"made\")`",
    note = "a type of your own, an error for example, can when it implements `IntoResponse`"
)]
pub trait IntoResponse {
    /// Becomes a response.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    #[inline]
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::default()
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        Response::default().with_status(self)
    }
}

impl IntoResponse for &'static str {
    #[inline]
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

impl IntoResponse for String {
    #[inline]
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

impl IntoResponse for Cow<'static, str> {
    fn into_response(self) -> Response {
        match self {
            Self::Borrowed(text) => text.into_response(),
            Self::Owned(text) => text.into_response(),
        }
    }
}

impl IntoResponse for Box<str> {
    fn into_response(self) -> Response {
        String::from(self).into_response()
    }
}

impl IntoResponse for &'static [u8] {
    fn into_response(self) -> Response {
        octets(self.into())
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        octets(self.into())
    }
}

impl IntoResponse for Bytes {
    fn into_response(self) -> Response {
        octets(self.into())
    }
}

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

impl<B: Into<Body>> IntoResponse for http::Response<B> {
    fn into_response(self) -> Response {
        Response::from(self)
    }
}

/// Says the reason; the server closes the connection after it.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        Response::text(self.reason()).with_status(self.status())
    }
}

/// 400, 408 or 413, say; the server closes the connection after it.
impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        Response::text(self.reason()).with_status(self.status())
    }
}

impl<B: Into<Body>> From<http::Response<B>> for Response {
    fn from(response: http::Response<B>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status,
            content_type: ContentType::Elsewhere,
            fields: (!parts.headers.is_empty()).then(|| Box::new(parts.headers)),
            body: body.into(),
        }
    }
}

impl From<Response> for http::Response<Body> {
    fn from(mut response: Response) -> Self {
        let headers = std::mem::take(response.headers_mut());
        let mut converted = http::Response::new(response.body);
        *converted.status_mut() = response.status;
        *converted.headers_mut() = headers;
        *converted.extensions_mut() = Extensions::new();
        converted
    }
}

fn octets(body: Body) -> Response {
    Response::ok(ContentType::Octets, body)
}

#[inline(never)]
fn say_close(fields: &HeaderMap) -> bool {
    let mut options = fields.get_all(header::CONNECTION).iter();
    options.any(|value| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_type_is_one_field_wherever_it_stands() {
        let mut response = Response::text("a");
        assert_eq!(
            response.header("Content-Type").expect("set"),
            "text/plain; charset=utf-8"
        );
        response
            .headers_mut()
            .insert("x-a", HeaderValue::from_static("b"));
        assert_eq!(
            response.header("content-type").expect("kept"),
            "text/plain; charset=utf-8"
        );
        assert_eq!(response.content_type(), ContentType::Elsewhere);
        response.insert(header::CONTENT_TYPE, HeaderValue::from_static("a/b"));
        let all: Vec<_> = response
            .headers_mut()
            .get_all("content-type")
            .iter()
            .cloned()
            .collect();
        assert_eq!(all, ["a/b"]);
    }

    #[test]
    fn names_may_be_written_as_they_are_in_books() {
        let response = Response::new("{}").with_header("Content-Type", "application/json");
        assert_eq!(
            response.header("content-type").expect("set"),
            "application/json"
        );
    }

    #[test]
    fn all_fields_are_seen_wherever_they_stand() {
        let mut response = Response::text("a");
        let seen = |response: &Response| -> Vec<String> {
            let fields = response.headers();
            fields
                .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
                .collect()
        };
        assert_eq!(seen(&response), ["content-type: text/plain; charset=utf-8"]);
        for cookie in ["a=1", "b=2"] {
            response.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
        assert_eq!(
            seen(&response),
            [
                "content-type: text/plain; charset=utf-8",
                "set-cookie: a=1",
                "set-cookie: b=2"
            ]
        );
    }

    #[test]
    fn only_close_closes() {
        assert!(!Response::new("").closes());
        assert!(
            Response::new("")
                .with_header("connection", "x, Close")
                .closes()
        );
        assert!(
            !Response::new("")
                .with_header("connection", "keep-alive")
                .closes()
        );
    }

    #[test]
    fn through_the_http_crate_and_back() {
        let response = Response::text("a")
            .with_status(StatusCode::ACCEPTED)
            .with_header("x-a", "b");
        let theirs: http::Response<Body> = response.into();
        assert_eq!(
            (theirs.status(), theirs.headers().len()),
            (StatusCode::ACCEPTED, 2)
        );
        let ours = theirs.into_response();
        assert_eq!(
            (ours.status(), ours.header("x-a").is_some()),
            (StatusCode::ACCEPTED, true)
        );
        assert_eq!(ours.body().as_bytes(), b"a");
    }

    #[test]
    fn what_becomes_a_response() {
        assert_eq!(().into_response().status(), StatusCode::OK);
        assert_eq!(StatusCode::GONE.into_response().status(), StatusCode::GONE);
        let result: Result<&str, (StatusCode, String)> = Err((StatusCode::CONFLICT, "no".into()));
        assert_eq!(result.into_response().status(), StatusCode::CONFLICT);
        assert_eq!(
            Refusal::TargetTooLong.into_response().status(),
            StatusCode::URI_TOO_LONG
        );
    }
}
