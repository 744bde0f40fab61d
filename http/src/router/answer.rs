//! What is answered when no handler is found?
//!
//! A [`Miss`] says why there is none, and becomes the answer. A router with middleware hands it to that as it would hand
//! a request to a handler: then [`Misses`] is the handler.

use crate::handler::Endpoint;
use crate::percent::DecodeError;
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::server::slot::FutureSlot;
use http::StatusCode;
use http::header::{self, HeaderValue};
use std::task::{Context, Poll};

/// Why a request has no handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Miss {
    /// No route has the path.
    NotFound,
    /// A parameter of the route cannot be decoded.
    Malformed(DecodeError),
    /// The route has other methods.
    MethodNotAllowed(HeaderValue),
    /// The client asks for the methods.
    Options(HeaderValue),
    /// No route has the method, and it is none that everybody knows (RFC 9110, section 15.6.2).
    NotImplemented,
}

impl IntoResponse for Miss {
    fn into_response(self) -> Response {
        let (status, text, allow) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not found", None),
            Self::Malformed(error) => (StatusCode::BAD_REQUEST, error.reason(), None),
            Self::MethodNotAllowed(allow) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method not allowed",
                Some(allow),
            ),
            Self::Options(allow) => {
                let mut response = Response::default().with_status(StatusCode::NO_CONTENT);
                response.insert(header::ALLOW, allow);
                return response;
            }
            Self::NotImplemented => (StatusCode::NOT_IMPLEMENTED, "not implemented", None),
        };
        let mut response = Response::text(text).with_status(status);
        if let Some(allow) = allow {
            response.insert(header::ALLOW, allow);
        }
        response
    }
}

/// Answers what the router found.
#[derive(Debug)]
pub(crate) struct Misses;

impl Endpoint for Misses {
    fn start(
        &self,
        request: Request,
        _slot: &mut FutureSlot,
        _cx: &mut Context<'_>,
    ) -> Poll<Response> {
        let miss = request.found().miss.clone();
        Poll::Ready(miss.unwrap_or(Miss::NotFound).into_response())
    }
}

/// `Allow` for these methods: with HEAD where there is GET, and always with OPTIONS (RFC 9110, section 10.2.1).
pub(crate) fn allow(mut names: Vec<&str>) -> HeaderValue {
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    names.dedup();
    HeaderValue::try_from(names.join(", ")).expect("methods are tokens")
}
