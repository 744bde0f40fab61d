//! How does a handler do without an argument that cannot be made?

use super::{FromRequest, FromRequestParts};
use crate::request::Request;
use std::convert::Infallible;

/// `None` when the request has nothing that it could be made of ([`FromRequestParts::is_absent`]); what is there but wrong is
/// still rejected.
impl<S: Sync, T: FromRequestParts<S>> FromRequestParts<S> for Option<T> {
    type Rejection = T::Rejection;

    async fn from_request_parts(request: &Request, state: &S) -> Result<Self, T::Rejection> {
        match T::from_request_parts(request, state).await {
            Ok(made) => Ok(Some(made)),
            Err(rejection) if T::is_absent(&rejection) => Ok(None),
            Err(rejection) => Err(rejection),
        }
    }
}

/// As for what is made of the head.
impl<S: Sync, T: FromRequest<S>> FromRequest<S> for Option<T> {
    type Rejection = T::Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, T::Rejection> {
        match T::from_request(request, state).await {
            Ok(made) => Ok(Some(made)),
            Err(rejection) if T::is_absent(&rejection) => Ok(None),
            Err(rejection) => Err(rejection),
        }
    }
}

/// The handler decides what a rejection comes to.
impl<S: Sync, T: FromRequestParts<S>> FromRequestParts<S> for Result<T, T::Rejection> {
    type Rejection = Infallible;

    async fn from_request_parts(request: &Request, state: &S) -> Result<Self, Infallible> {
        Ok(T::from_request_parts(request, state).await)
    }
}

/// As for what is made of the head.
impl<S: Sync, T: FromRequest<S>> FromRequest<S> for Result<T, T::Rejection> {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        Ok(T::from_request(request, state).await)
    }
}
