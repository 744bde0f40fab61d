//! What is a client told that is turned away?
//!
//! 503 with `Retry-After` (RFC 9110, sections 15.6.4 and 10.2.3). The response is made of what is there: a static body and a static map of fields, so that turning somebody away allocates nothing; and
//! for a connection that is not even read, it is one piece of static bytes.

use super::metrics::Rejected;
use crate::response::Response;
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use std::sync::LazyLock;

/// After how many seconds a client may try again: as soon as it can be said. What waits now has been answered by then, and clients that all were turned away at one moment are spread by more than
/// the server could tell them, the way to here.
pub(crate) const RETRY_AFTER_SECONDS: &str = "1";

/// Whole, for a connection that nobody reads. RFC 9110, section 6.6.1: 5xx needs no `Date`.
pub(crate) const UNREAD: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 32\r\n\
    Retry-After: 1\r\n\
    Connection: close\r\n\
    \r\n\
    too many connections; try again\n";

/// What the responses have besides the standard fields.
pub(crate) static FIELDS: LazyLock<HeaderMap> = LazyLock::new(|| {
    let value = HeaderValue::from_static(RETRY_AFTER_SECONDS);
    HeaderMap::from_iter([(RETRY_AFTER, value)])
});

/// The response; [`FIELDS`] go with it.
#[cold]
pub(crate) fn response(why: Rejected) -> Response {
    let text = match why {
        Rejected::QueueFull => "too many requests at a time; try again\n",
        Rejected::QueueTime => "waited too long for its turn; try again\n",
        Rejected::HandlerTime => "took too long; try again\n",
        Rejected::Late => "too much to do; try again\n",
        Rejected::Guest => "too many connections; try again\n",
    };
    Response::text(text).with_status(StatusCode::SERVICE_UNAVAILABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_say_what_the_response_says() {
        let text = std::str::from_utf8(UNREAD).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let response = response(Rejected::Guest);
        assert_eq!(response.body().as_bytes(), body.as_bytes());
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
        assert!(head.contains(&format!("\r\nRetry-After: {RETRY_AFTER_SECONDS}\r\n")));
        assert_eq!(FIELDS[RETRY_AFTER], RETRY_AFTER_SECONDS);
    }
}
