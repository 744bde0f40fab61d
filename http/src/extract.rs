//! What can a handler ask for?
//!
//! | argument | what it is | when it cannot be had |
//! |---|---|---|
//! | [`Path`] | the parameters of the route | 400 |
//! | [`Query`] | what follows the `?` | 400 |
//! | [`State`] | what the router was made with, or a part of it | does not compile |
//! | [`Extension`] | what middleware has left for it | 500 |
//! | [`Method`](http::Method), [`Uri`](http::Uri), [`Version`](http::Version), [`HeaderMap`](http::HeaderMap) | those of the request | |
//! | [`MatchedPath`], [`RawQuery`] | the pattern of the route; the query as it was sent | |
//! | [`PeerAddr`] | the client's address | 500, where it has none |
//! | [`Json`], [`Form`] | the body, read and understood | 400, 408, 413, 415, 422 |
//! | [`Bytes`](bytes::Bytes), [`String`] | the body, read | 400, 408, 413 |
//! | [`OwnedRequestBody`](crate::OwnedRequestBody) | the body, to be read as it comes | |
//! | [`Request`] | all of it, with its body still to be read | |
//! | `Option<T>` | a `T`, or nothing where there is none | 4xx, when there is something that is wrong |
//! | `Result<T, T::Rejection>` | a `T`, or why there is none | |
//!
//! What has the body may only come last, as it takes the request. The others may stand anywhere: they look at the head where it
//! lies in the connection's buffer, and copy nothing that the argument does not own in the end.
//!
//! [`Path`], [`Query`] and [`Form`] take what [serde](https://serde.rs) can deserialize, [`Json`] also. They need the features
//! `serde` and `json`, which are on unless they are switched off: nearly everybody wants them, they cost what a program does
//! not use only at compile time (`serde_core` and `serde_json`, no procedural macros), and who wants neither writes
//! `default-features = false` and has [`Request::param`], [`Request::query`] and [`Request::body`].

mod body;
#[cfg(feature = "serde")]
mod form;
mod head;
#[cfg(feature = "json")]
mod json;
mod maybe;
#[cfg(feature = "serde")]
mod media;
#[cfg(feature = "serde")]
mod pairs;
#[cfg(feature = "serde")]
mod path;
mod peer;
#[cfg(feature = "serde")]
mod query;
mod rejection;
#[cfg(feature = "serde")]
mod scalar;
mod state;

pub use body::{BodyRejection, Limited, TextRejection, WithinLimit};
#[cfg(feature = "serde")]
pub use form::{FORM_MAX_BYTES, Form, FormRejection};
pub use head::{Extension, MatchedPath, MissingExtension, RawQuery};
#[cfg(feature = "json")]
pub use json::{JSON_MAX_BYTES, Json, JsonRejection};
#[cfg(feature = "serde")]
pub use pairs::{PAIRS_MAX, PairsError};
#[cfg(feature = "serde")]
pub use path::{Path, PathRejection};
pub use peer::{NoPeerAddr, PeerAddr};
#[cfg(feature = "serde")]
pub use query::{Query, QueryRejection};
pub use state::{FromRef, State};

use crate::request::Request;
use crate::response::{IntoResponse, Response};
use std::future::ready;

/// What can be made of the head of a request, and so be any argument of a handler.
///
/// `S` is the state of the router.
///
/// # Examples
///
/// An argument of one's own:
///
/// ```
/// use filch_http::{FromRequestParts, Request, Router, StatusCode};
///
/// /// What the client likes to be answered in, if it is something we speak.
/// struct Language(&'static str);
///
/// impl<S: Sync> FromRequestParts<S> for Language {
///     type Rejection = (StatusCode, &'static str);
///
///     async fn from_request_parts(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
///         match request.header("accept-language") {
///             None => Ok(Self("en")),
///             Some(wanted) if wanted.starts_with(b"en") => Ok(Self("en")),
///             Some(wanted) if wanted.starts_with(b"ja") => Ok(Self("ja")),
///             Some(_) => Err((StatusCode::NOT_ACCEPTABLE, "we speak English and Japanese")),
///         }
///     }
/// }
///
/// let router = Router::new().get("/", async |Language(language): Language| match language {
///     "ja" => "\u{4eca}\u{65e5}\u{306f}",
///     _ => "Hello",
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made of the head of a request for a router with the state `{S}`",
    note = "what reads the body (`Json`, `Form`, `Bytes`, `String`, `Request`) can only be the last argument of a handler",
    note = "`State<T>` needs `Router::with_state` with a `T`, or a state that `T` can be made of by `FromRef`",
    note = "`Path`, `Query` and `Form` need a type that implements `serde::Deserialize` and borrows nothing"
)]
pub trait FromRequestParts<S>: Sized {
    /// What is answered when it cannot be made.
    type Rejection: IntoResponse;

    /// Makes it.
    fn from_request_parts(
        request: &Request,
        state: &S,
    ) -> impl Future<Output = Result<Self, Self::Rejection>> + Send;

    /// Whether the request has nothing that it could be made of, so that an `Option` of it is `None`; otherwise there is
    /// something, but it is wrong, and the rejection is answered. Unless this is written, every failure means that there is
    /// nothing.
    fn is_absent(rejection: &Self::Rejection) -> bool {
        let _ = rejection;
        true
    }
}

/// What can be made of a request with its body, and so be the last argument of a handler.
///
/// `S` is the state of the router.
///
/// # Examples
///
/// ```
/// use filch_http::{BodyError, FromRequest, Request, Router};
///
/// /// The length of a body, which is not kept.
/// struct Counted(u64);
///
/// impl<S: Sync> FromRequest<S> for Counted {
///     type Rejection = BodyError;
///
///     async fn from_request(mut request: Request, _state: &S) -> Result<Self, Self::Rejection> {
///         let mut body = request.body();
///         let mut count = 0;
///         while let Some(chunk) = body.chunk().await? {
///             count += chunk.len() as u64;
///         }
///         Ok(Self(count))
///     }
/// }
///
/// let router = Router::new().post("/count", async |Counted(count): Counted| count.to_string());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made of a request for a router with the state `{S}`",
    note = "`Json` and `Form` need a type that implements `serde::Deserialize` and borrows nothing"
)]
pub trait FromRequest<S>: Sized {
    /// What is answered when it cannot be made.
    type Rejection: IntoResponse;

    /// Makes it.
    fn from_request(
        request: Request,
        state: &S,
    ) -> impl Future<Output = Result<Self, Self::Rejection>> + Send;

    /// As [`FromRequestParts::is_absent`].
    fn is_absent(rejection: &Self::Rejection) -> bool {
        let _ = rejection;
        true
    }
}

/// Reads names and values as pairs, for a fuzzer.
#[cfg(feature = "serde")]
pub(crate) fn read_pairs(text: &str) -> Result<Vec<(String, String)>, PairsError> {
    pairs::parse(text)
}

/// Marks arguments that are made of the head.
#[derive(Debug)]
pub struct ViaHead;
/// Marks arguments that are made of the whole request.
#[derive(Debug)]
pub struct ViaBody;
/// Marks the request itself.
#[derive(Debug)]
pub struct Whole;

/// What is answered when an argument cannot be made.
type Made<T> = Result<T, Response>;

/// The only argument of a handler, if it is not the request: that has a shape of its own, which costs less.
pub trait Argument<S, Via>: Sized {
    /// Makes it.
    fn make(request: Request, state: &S) -> impl Future<Output = Made<Self>> + Send;
}

impl<S: Sync, T: FromRequestParts<S> + Send> Argument<S, ViaHead> for T {
    #[inline]
    async fn make(request: Request, state: &S) -> Made<Self> {
        let made = T::from_request_parts(&request, state).await;
        made.map_err(IntoResponse::into_response)
    }
}

impl<S: Sync, T: FromRequest<S> + Send> Argument<S, ViaBody> for T {
    #[inline]
    async fn make(request: Request, state: &S) -> Made<Self> {
        let made = T::from_request(request, state).await;
        made.map_err(IntoResponse::into_response)
    }
}

/// The last of several arguments of a handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the last argument of a handler for a router with the state `{S}`",
    note = "it implements neither `FromRequestParts<{S}>` nor `FromRequest<{S}>`, and is not `Request`",
    note = "`State<T>` needs `Router::with_state` with a `T`, or a state that `T` can be made of by `FromRef`",
    note = "`Path`, `Query`, `Form` and `Json` need a type that implements `serde::Deserialize` and borrows nothing"
)]
pub trait LastArgument<S, Via>: Sized {
    /// Makes it.
    fn make(request: Request, state: &S) -> impl Future<Output = Made<Self>> + Send;
}

impl<S: Sync, T: FromRequestParts<S> + Send> LastArgument<S, ViaHead> for T {
    #[inline]
    fn make(request: Request, state: &S) -> impl Future<Output = Made<Self>> + Send {
        <T as Argument<S, ViaHead>>::make(request, state)
    }
}

impl<S: Sync, T: FromRequest<S> + Send> LastArgument<S, ViaBody> for T {
    #[inline]
    fn make(request: Request, state: &S) -> impl Future<Output = Made<Self>> + Send {
        <T as Argument<S, ViaBody>>::make(request, state)
    }
}

impl<S> LastArgument<S, Whole> for Request {
    #[inline]
    fn make(request: Request, _state: &S) -> impl Future<Output = Made<Self>> + Send {
        ready(Ok(request))
    }
}
