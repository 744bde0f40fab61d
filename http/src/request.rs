//! What does a handler see of a request?
//!
//! A [`Request`] is a view of the connection's own buffer: method, target and fields are read where they arrived, and
//! nothing is copied until the handler asks for something that must be (a [`HeaderMap`], a [`Uri`], a whole body).
//! It owns what it shows while it lives, so it can be kept over awaits and moved between tasks.

use crate::percent::decode;
use crate::proto::Version;
use crate::router::found::Found;
use crate::server::exchange::Exchange;
use crate::server::loan::Loan;
use crate::server::open_files::FilePermit;
use filch::sync::CancellationToken;
use http::{Extensions, HeaderMap, Method, Uri};
use left::Left;
use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

mod body;
mod left;

pub use body::{BodyError, OwnedRequestBody, RequestBody};

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
    left: Left,
}

impl Request {
    #[inline]
    pub(crate) fn new(exchange: Loan<Exchange>) -> Self {
        Self {
            exchange,
            left: Left::default(),
        }
    }

    /// What the router knows of it.
    #[inline]
    pub(crate) fn found(&self) -> &Found {
        &self.exchange.found
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

    /// The part of the path that stands for `{name}` in the route, decoded.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        let place = self.found().place_of(name)?;
        Some(decoded(self.path().get(place)?))
    }

    /// Name and decoded value of each parameter of the route, in their order.
    pub fn params(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let path = self.path();
        let params = self.found().params();
        params.filter_map(|(name, place)| Some((name, decoded(path.get(place)?))))
    }

    /// The pattern of the route that was found, as `/users/{id}`. A request that has no route has none.
    #[must_use]
    pub fn matched_path(&self) -> Option<&str> {
        self.found().pattern(self.path())
    }

    /// What middleware has left for those that come next.
    #[must_use]
    #[inline]
    pub fn extensions(&self) -> &Extensions {
        self.left.get()
    }

    /// The same, to leave something; [`Extension`](crate::Extension) is how a handler finds it.
    ///
    /// # Units and limits
    ///
    /// One value of each type. The first allocates.
    #[must_use]
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        self.left.get_mut()
    }

    /// What the parameter stands for that the path ends with, as it was sent; empty if it ends otherwise, as a route below a prefix with parameters does that has none itself. Who decodes by
    /// stricter rules than those of [`param`](Self::param) needs it so.
    pub(crate) fn end_param_raw(&self) -> &str {
        self.found().end_of(self.path())
    }

    /// The address of the client, where it has one.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.exchange.peer
    }

    /// What is cancelled when the server drains, and waits for this response among others: for handlers that would go on for a long time. Bodies have
    /// [`Body::until_drain`](crate::Body::until_drain).
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Request, StatusCode};
    ///
    /// async fn next(request: Request) -> Result<&'static str, StatusCode> {
    ///     let news = std::future::pending(); // whatever it is
    ///     let news = request.draining().run_until_cancelled(news).await;
    ///     news.ok_or(StatusCode::SERVICE_UNAVAILABLE)
    /// }
    /// # let _ = filch_http::Router::new().get("/next", next);
    /// ```
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.exchange.draining()
    }

    /// The right to open a file that is to be sent; `None` if there are as many open as there may be.
    pub(crate) fn try_open_file(&self) -> Option<FilePermit> {
        self.exchange.open_files()?.try_open()
    }

    /// The body, to be read.
    pub fn body(&mut self) -> RequestBody<'_> {
        RequestBody::new(&mut self.exchange)
    }

    /// The body alone, to be moved to where it is read: into another task, or into the body of the response.
    #[must_use]
    pub fn into_body(self) -> OwnedRequestBody {
        OwnedRequestBody::new(self.exchange)
    }
}

/// The value of a parameter. The router has found that it can be decoded.
#[inline]
fn decoded(value: &str) -> Cow<'_, str> {
    decode(value).unwrap_or(Cow::Borrowed(value))
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exchange.view().fmt(f)
    }
}
