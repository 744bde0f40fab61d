//! How does a handler answer with a page?

use super::{IntoResponse, Response};
use crate::body::Body;
use crate::proto::encode::ContentType;

/// A page: `text/html` in UTF-8.
///
/// What goes into a page from outside must be escaped by who writes the page.
///
/// # Examples
///
/// ```
/// use filch_http::{Html, Router};
///
/// let router = Router::new().get("/", async || Html("<!doctype html><title>Hello</title><h1>Hello</h1>"));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Html<T>(pub T);

impl<T: Into<Body>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        Response {
            content_type: ContentType::Html,
            ..Response::new(self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_needs_no_map() {
        let page = Html("<p>").into_response();
        let content_type = page.header("content-type").expect("set");
        assert_eq!(content_type, "text/html; charset=utf-8");
        assert!(page.fields().is_none());
    }
}
