//! How does a client learn that its request was not understood?
//!
//! By a status and a sentence in plain text, which is what the error displays; but never by what is the server's own fault:
//! that is 500 and says nothing, and its `Display` is for who looks for the fault.

use crate::response::Response;
use http::StatusCode;
use std::fmt::Display;

/// The response for an error that displays as a sentence.
#[cold]
pub(super) fn respond(status: StatusCode, error: &dyn Display) -> Response {
    let text = match status.is_server_error() {
        true => "internal server error".to_owned(),
        false => error.to_string(),
    };
    Response::text(text).with_status(status)
}

/// What an error with a `status` and a `Display` is besides.
macro_rules! rejection {
    ($($error:ty),*) => {
        $(
            impl std::error::Error for $error {}

            impl crate::response::IntoResponse for $error {
                fn into_response(self) -> crate::response::Response {
                    super::rejection::respond(self.status(), &self)
                }
            }
        )*
    };
}

pub(super) use rejection;
