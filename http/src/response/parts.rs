//! What can be said of a response besides its body?
//!
//! Fields, as an array of pairs or as a map, in front of what has the body: `([("x-a", "b")], "text")`, and a status in front of
//! those. A name or a value that a field cannot have makes the answer 500: no value can end its line, wherever it comes from.

use super::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// What changes a response but its body; in a tuple, in front of what implements [`IntoResponse`].
///
/// A field takes the place of any of that name that what follows it has, and of those before it; a [`HeaderMap`] may have
/// several of one name.
///
/// # Examples
///
/// ```
/// use filch_http::{IntoResponse, IntoResponseParts, Response, StatusCode};
///
/// struct Cached(u32);
///
/// impl IntoResponseParts for Cached {
///     fn apply(self, response: Response) -> Result<Response, Response> {
///         [("cache-control", format!("max-age={}", self.0))].apply(response)
///     }
/// }
///
/// let answer = (StatusCode::CREATED, [("location", "/things/7")], Cached(60), "made").into_response();
/// assert_eq!(answer.header("location").unwrap(), "/things/7");
/// assert_eq!(answer.header("cache-control").unwrap(), "max-age=60");
/// ```
pub trait IntoResponseParts {
    /// Changes the response.
    ///
    /// # Errors
    ///
    /// What is answered instead.
    fn apply(self, response: Response) -> Result<Response, Response>;
}

impl<N, V, const COUNT: usize> IntoResponseParts for [(N, V); COUNT]
where
    N: TryInto<HeaderName>,
    V: TryInto<HeaderValue>,
{
    fn apply(self, mut response: Response) -> Result<Response, Response> {
        for (name, value) in self {
            let (Ok(name), Ok(value)) = (name.try_into(), value.try_into()) else {
                return Err(not_a_field());
            };
            response.insert(name, value);
        }
        Ok(response)
    }
}

impl IntoResponseParts for HeaderMap {
    fn apply(self, mut response: Response) -> Result<Response, Response> {
        response.headers_mut().extend(self);
        Ok(response)
    }
}

impl IntoResponseParts for () {
    fn apply(self, response: Response) -> Result<Response, Response> {
        Ok(response)
    }
}

impl<T: IntoResponseParts> IntoResponseParts for Option<T> {
    fn apply(self, response: Response) -> Result<Response, Response> {
        match self {
            Some(parts) => parts.apply(response),
            None => Ok(response),
        }
    }
}

#[cold]
fn not_a_field() -> Response {
    Response::text("internal server error").with_status(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The last part is applied first, so that the first has the last word, as a status has.
macro_rules! tuples {
    ($([$($part:ident)+ | $($reversed:ident)+])*) => {
        $(
            #[expect(non_snake_case, reason = "types name the values too")]
            impl<$($part: IntoResponseParts,)+ T: IntoResponse> IntoResponse for ($($part,)+ T) {
                fn into_response(self) -> Response {
                    let ($($part,)+ body) = self;
                    let response = body.into_response();
                    $(
                        let response = match $reversed.apply(response) {
                            Ok(response) => response,
                            Err(instead) => return instead,
                        };
                    )+
                    response
                }
            }

            #[expect(non_snake_case, reason = "types name the values too")]
            impl<$($part: IntoResponseParts,)+ T: IntoResponse> IntoResponse for (StatusCode, $($part,)+ T) {
                fn into_response(self) -> Response {
                    let (status, $($part,)+ body) = self;
                    let response = body.into_response();
                    $(
                        let response = match $reversed.apply(response) {
                            Ok(response) => response,
                            Err(instead) => return instead,
                        };
                    )+
                    response.with_status(status)
                }
            }
        )*
    };
}

tuples! { [A | A] [A B | B A] [A B C | C B A] }

#[cfg(test)]
mod tests {
    use super::*;

    fn field(response: &Response, name: &str) -> String {
        let value = response.header(name).expect("set");
        value.to_str().expect("text").to_owned()
    }

    #[test]
    fn fields_in_front() {
        let one = ([("x-a", "b")], "text").into_response();
        assert_eq!(
            (one.status(), field(&one, "x-a")),
            (StatusCode::OK, "b".to_owned())
        );
        assert_eq!(field(&one, "content-type"), "text/plain; charset=utf-8");
        let typed = (
            StatusCode::CREATED,
            [("content-type", "text/css"), ("x-a", "b")],
            "a {}",
        )
            .into_response();
        assert_eq!(
            (typed.status(), field(&typed, "content-type")),
            (StatusCode::CREATED, "text/css".to_owned())
        );
        let owned = (
            [(http::header::ETAG, format!("\"{}\"", 7))],
            Vec::<u8>::new(),
        )
            .into_response();
        assert_eq!(field(&owned, "etag"), "\"7\"");
    }

    #[test]
    fn the_first_has_the_last_word() {
        let response = ([("x-a", "1")], [("x-a", "2")], Some([("x-b", "3")]), "").into_response();
        assert_eq!(
            (field(&response, "x-a"), field(&response, "x-b")),
            ("1".to_owned(), "3".to_owned())
        );
        let nested = (StatusCode::GONE, [("x-a", "1")], (StatusCode::OK, "")).into_response();
        assert_eq!(nested.status(), StatusCode::GONE);
    }

    #[test]
    fn a_map_may_have_several_of_one_name() {
        let mut map = HeaderMap::new();
        map.append("set-cookie", HeaderValue::from_static("a=1"));
        map.append("set-cookie", HeaderValue::from_static("b=2"));
        let mut response = (map, "").into_response();
        assert_eq!(
            response.headers_mut().get_all("set-cookie").iter().count(),
            2
        );
    }

    #[test]
    fn no_value_ends_its_line() {
        for (name, value) in [
            ("x-a", "b\r\nx-c: d"),
            ("x-a", "b\nc"),
            ("x-a", "b\0"),
            ("x a", "b"),
            ("x-a:", "b"),
            ("", "b"),
        ] {
            let response = (
                StatusCode::CREATED,
                [(name.to_owned(), value.to_owned())],
                "text",
            )
                .into_response();
            assert_eq!(
                response.status(),
                StatusCode::INTERNAL_SERVER_ERROR,
                "{name:?} {value:?}"
            );
            assert!(response.header("x-a").is_none() && response.header("x-c").is_none());
        }
    }
}
