//! How does a handler send a client elsewhere?

use super::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};

/// A redirect: where to, and how the client is to ask there (RFC 9110, section 15.4).
///
/// A target that a field cannot hold makes the answer 500. Where a target comes from the client, check that it leads where
/// clients may be sent.
///
/// # Examples
///
/// ```
/// use filch_http::{Redirect, Router};
///
/// let router = Router::new()
///     .get("/old", async || Redirect::permanent("/new"))
///     .post("/things", async || Redirect::see_other("/things/7"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    status: StatusCode,
    /// `None` if it cannot be one.
    location: Option<HeaderValue>,
}

impl Redirect {
    /// 303: ask there with GET. What follows a POST, so that loading the page again does not send the form again.
    #[must_use]
    pub fn see_other(to: &str) -> Self {
        Self::with(StatusCode::SEE_OTHER, to)
    }

    /// 307: ask there this time, with the same method and body.
    #[must_use]
    pub fn temporary(to: &str) -> Self {
        Self::with(StatusCode::TEMPORARY_REDIRECT, to)
    }

    /// 308: ask there from now on, with the same method and body.
    #[must_use]
    pub fn permanent(to: &str) -> Self {
        Self::with(StatusCode::PERMANENT_REDIRECT, to)
    }

    fn with(status: StatusCode, to: &str) -> Self {
        let is_text = to.bytes().all(|byte| byte.is_ascii_graphic());
        Self {
            status,
            location: HeaderValue::from_str(to).ok().filter(|_| is_text),
        }
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        let Some(location) = self.location else {
            return Response::text("internal server error")
                .with_status(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let mut response = Response::default().with_status(self.status);
        response.insert(LOCATION, location);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_and_how() {
        for (redirect, status) in [
            (Redirect::see_other("/a?b=c"), 303),
            (Redirect::temporary("/a?b=c"), 307),
            (Redirect::permanent("/a?b=c"), 308),
        ] {
            let response = redirect.into_response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.header("location").expect("set"), "/a?b=c");
        }
    }

    #[test]
    fn not_into_another_field() {
        for to in ["/a\r\nx-a: b", "/a b", "/\u{e9}", "/\0"] {
            let response = Redirect::see_other(to).into_response();
            assert_eq!(response.status().as_u16(), 500, "{to:?}");
            assert!(response.header("location").is_none());
        }
    }
}
