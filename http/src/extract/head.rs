//! What of a request's head can be had as it is?

use super::FromRequestParts;
use super::rejection::rejection;
use crate::request::Request;
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use std::any::type_name;
use std::convert::Infallible;
use std::fmt;

impl<S: Sync> FromRequestParts<S> for Method {
    type Rejection = Infallible;

    async fn from_request_parts(request: &Request, _state: &S) -> Result<Self, Infallible> {
        Ok(request.method().clone())
    }
}

impl<S: Sync> FromRequestParts<S> for Version {
    type Rejection = Infallible;

    async fn from_request_parts(request: &Request, _state: &S) -> Result<Self, Infallible> {
        Ok(request.version())
    }
}

impl<S: Sync> FromRequestParts<S> for Uri {
    type Rejection = Infallible;

    async fn from_request_parts(request: &Request, _state: &S) -> Result<Self, Infallible> {
        Ok(request.uri().clone())
    }
}

/// A copy of all fields; [`Request::header`] finds one without.
impl<S: Sync> FromRequestParts<S> for HeaderMap {
    type Rejection = Infallible;

    async fn from_request_parts(request: &Request, _state: &S) -> Result<Self, Infallible> {
        Ok(request.headers().clone())
    }
}

/// What follows the `?` of the target, as it was sent.
///
/// # Examples
///
/// ```
/// use filch_http::{RawQuery, Router};
///
/// let router = Router::new().get("/", async |RawQuery(query): RawQuery| query.unwrap_or_default());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawQuery(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for RawQuery {
    type Rejection = Infallible;

    async fn from_request_parts(request: &Request, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(request.query().map(str::to_owned)))
    }
}

/// The pattern of the route that was found, as `/users/{id}`: what to count requests by, as there are not many. For a request
/// without a route it is empty.
///
/// # Examples
///
/// ```
/// use filch_http::{MatchedPath, Router};
///
/// let router = Router::new().get("/users/{id}", async |MatchedPath(pattern): MatchedPath| pattern);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MatchedPath(pub String);

impl<S: Sync> FromRequestParts<S> for MatchedPath {
    type Rejection = Infallible;

    async fn from_request_parts(request: &Request, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(request.matched_path().unwrap_or_default().to_owned()))
    }
}

/// A value that middleware has left in [`Request::extensions_mut`].
///
/// Without it the answer is 500: a route that needs it stands outside the middleware that puts it there.
///
/// # Examples
///
/// There is one at [`Middleware`](crate::Middleware).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extension<T>(pub T);

/// Nobody has left such a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingExtension {
    wanted: &'static str,
}

impl MissingExtension {
    /// 500: the client can do nothing about it.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

impl fmt::Display for MissingExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no middleware has left a {}", self.wanted)
    }
}

rejection!(MissingExtension);

impl<S: Sync, T: Clone + Send + Sync + 'static> FromRequestParts<S> for Extension<T> {
    type Rejection = MissingExtension;

    async fn from_request_parts(request: &Request, _state: &S) -> Result<Self, MissingExtension> {
        let value = request.extensions().get::<T>().cloned();
        value.map(Self).ok_or(MissingExtension {
            wanted: type_name::<T>(),
        })
    }
}
