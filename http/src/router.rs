//! Which handler answers which request?
//!
//! A [`Router`] is a table of paths, each with its methods. Paths without parameters are found by their length and last
//! byte, which is a fifth of the work of the radix tree (matchit) that the others are looked up in; what a path does not say itself is answered here: HEAD by the handler for GET, OPTIONS with the methods there are, other methods
//! with 405 and the same list, other paths with 404.

use crate::handler::{Endpoint, Handler, erase};
use crate::response::Response;
use crate::server::exchange::Param;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use std::collections::HashMap;
use std::sync::Arc;

/// A table of routes.
///
/// A path is matched as it was sent, without decoding it. `{name}` in a route stands for one segment of the path,
/// `{*name}` for the rest of it; [`Request::param`](crate::Request::param) has what they stood for.
///
/// # Examples
///
/// ```
/// use filch_http::{Request, Router};
///
/// let router = Router::new()
///     .get("/", async || "Hello, World!")
///     .get("/square/{n}", async |request: Request| {
///         let n: u64 = request.param("n").and_then(|n| n.parse().ok()).unwrap_or(0);
///         n.saturating_mul(n).to_string()
///     });
/// ```
#[derive(Debug, Default)]
pub struct Router {
    paths: matchit::Router<usize>,
    fixed: Fixed,
    routes: Vec<Route>,
    /// Where the route of a path is; for building only.
    known: HashMap<String, usize>,
}

/// The paths without parameters, and where their routes are.
#[derive(Debug)]
struct Fixed {
    buckets: [Vec<(Box<str>, usize)>; FIXED_BUCKETS],
}

/// A power of two, so that the rest of a division is a mask. A guess: few routers have more paths.
const FIXED_BUCKETS: usize = 64;

impl Default for Fixed {
    fn default() -> Self {
        Self {
            buckets: [const { Vec::new() }; FIXED_BUCKETS],
        }
    }
}

impl Fixed {
    #[inline]
    fn bucket_of(path: &str) -> usize {
        let last = path.as_bytes().last().copied().unwrap_or(0);
        (path.len() ^ usize::from(last)) % FIXED_BUCKETS
    }

    fn insert(&mut self, path: &str, at: usize) {
        self.buckets[Self::bucket_of(path)].push((path.into(), at));
    }

    #[inline]
    fn find(&self, path: &str) -> Option<usize> {
        let bucket = &self.buckets[Self::bucket_of(path)];
        bucket
            .iter()
            .find(|(known, _)| **known == *path)
            .map(|(_, at)| *at)
    }
}

#[derive(Debug)]
struct Route {
    /// The names of the parameters in the order of the path.
    params: Vec<Arc<str>>,
    methods: Vec<(Method, Box<dyn Endpoint>)>,
    allow: HeaderValue,
}

/// What is to be done about a request.
pub(crate) enum Matched<'r> {
    Handler(&'r dyn Endpoint),
    Answer(Response),
}

impl Router {
    /// A router that answers 404.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers GET, and HEAD, on `path`.
    ///
    /// # Panics
    ///
    /// As [`Router::route`].
    #[must_use]
    pub fn get<Args: 'static>(self, path: &str, handler: impl Handler<Args>) -> Self {
        self.route(Method::GET, path, handler)
    }

    /// Answers POST on `path`.
    ///
    /// # Panics
    ///
    /// As [`Router::route`].
    #[must_use]
    pub fn post<Args: 'static>(self, path: &str, handler: impl Handler<Args>) -> Self {
        self.route(Method::POST, path, handler)
    }

    /// Answers PUT on `path`.
    ///
    /// # Panics
    ///
    /// As [`Router::route`].
    #[must_use]
    pub fn put<Args: 'static>(self, path: &str, handler: impl Handler<Args>) -> Self {
        self.route(Method::PUT, path, handler)
    }

    /// Answers PATCH on `path`.
    ///
    /// # Panics
    ///
    /// As [`Router::route`].
    #[must_use]
    pub fn patch<Args: 'static>(self, path: &str, handler: impl Handler<Args>) -> Self {
        self.route(Method::PATCH, path, handler)
    }

    /// Answers DELETE on `path`.
    ///
    /// # Panics
    ///
    /// As [`Router::route`].
    #[must_use]
    pub fn delete<Args: 'static>(self, path: &str, handler: impl Handler<Args>) -> Self {
        self.route(Method::DELETE, path, handler)
    }

    /// Answers `method` on `path`.
    ///
    /// # Panics
    ///
    /// When the path is malformed, when it cannot be told apart from another (`/{a}` and `/{b}`), and when the method
    /// has a handler there already.
    #[must_use]
    pub fn route<Args: 'static>(
        mut self,
        method: Method,
        path: &str,
        handler: impl Handler<Args>,
    ) -> Self {
        let at = self.route_at(path);
        let route = &mut self.routes[at];
        assert!(
            route.methods.iter().all(|(known, _)| *known != method),
            "{method} {path} has a handler already; a route has one handler per method"
        );
        route.methods.push((method, erase(handler)));
        route.allow = allow(route.names().collect());
        self
    }

    /// The place of the route for this path, which may be new.
    fn route_at(&mut self, path: &str) -> usize {
        if let Some(at) = self.known.get(path) {
            return *at;
        }
        let at = self.routes.len();
        if let Err(error) = self.paths.insert(path, at) {
            panic!(
                "{path} cannot be a route: {error}; write a path as /fixed/{{segment}}/{{*rest}}"
            );
        }
        if !path.contains(['{', '}']) {
            self.fixed.insert(path, at);
        }
        self.known.insert(path.to_owned(), at);
        self.routes.push(Route {
            params: param_names(path),
            methods: Vec::new(),
            allow: allow(Vec::new()),
        });
        at
    }

    /// What is to be done about a request for `path`; `params` is filled with what the route's parameters stood for.
    #[inline]
    pub(crate) fn find(&self, method: &Method, path: &str, params: &mut Vec<Param>) -> Matched<'_> {
        let route = match self.fixed.find(path) {
            Some(at) => &self.routes[at],
            None => {
                let Ok(found) = self.paths.at(path) else {
                    return self.lost(method, path);
                };
                let route = &self.routes[*found.value];
                for (name, (_, value)) in route.params.iter().zip(found.params.iter()) {
                    let at = value.as_ptr().addr() - path.as_ptr().addr();
                    let value = at..at + value.len();
                    params.push(Param {
                        name: name.clone(),
                        value,
                    });
                }
                route
            }
        };
        match route.endpoint(method) {
            Some(endpoint) => Matched::Handler(endpoint),
            None => self.unhandled(route, method),
        }
    }

    /// The answer for a path that no route has.
    #[cold]
    fn lost(&self, method: &Method, path: &str) -> Matched<'_> {
        let response = match path {
            "*" if method == Method::OPTIONS => {
                options(&allow(self.routes.iter().flat_map(Route::names).collect()))
            }
            _ if !self.knows(method) => not_implemented(),
            _ => Response::text("not found").with_status(StatusCode::NOT_FOUND),
        };
        Matched::Answer(response)
    }

    /// The answer for a method that its route has no handler for.
    #[cold]
    fn unhandled(&self, route: &Route, method: &Method) -> Matched<'_> {
        let response = if method == Method::OPTIONS {
            options(&route.allow)
        } else if !self.knows(method) {
            not_implemented()
        } else {
            let mut response =
                Response::text("method not allowed").with_status(StatusCode::METHOD_NOT_ALLOWED);
            response.insert(header::ALLOW, route.allow.clone());
            response
        };
        Matched::Answer(response)
    }

    /// Whether a method means anything here: one of RFC 9110 and 5789 but CONNECT, or one that a route has.
    fn knows(&self, method: &Method) -> bool {
        const STANDARD: [Method; 8] = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::OPTIONS,
            Method::TRACE,
            Method::PATCH,
        ];
        STANDARD.contains(method)
            || self
                .routes
                .iter()
                .any(|route| route.methods.iter().any(|(known, _)| known == method))
    }
}

impl Route {
    /// The names of its methods.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.methods.iter().map(|(method, _)| method.as_str())
    }

    /// The handler for a method; that of GET for HEAD.
    #[inline]
    fn endpoint(&self, method: &Method) -> Option<&dyn Endpoint> {
        let handler_of = |method: &Method| self.methods.iter().find(|(known, _)| known == method);
        let found = match handler_of(method) {
            None if method == Method::HEAD => handler_of(&Method::GET),
            found => found,
        };
        found.map(|(_, endpoint)| &**endpoint)
    }
}

/// `Allow` for these methods: with HEAD where there is GET, and always with OPTIONS (RFC 9110, section 10.2.1).
fn allow(mut names: Vec<&str>) -> HeaderValue {
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    names.dedup();
    HeaderValue::try_from(names.join(", ")).expect("methods are tokens")
}

fn options(allow: &HeaderValue) -> Response {
    let mut response = Response::default().with_status(StatusCode::NO_CONTENT);
    response.insert(header::ALLOW, allow.clone());
    response
}

/// RFC 9110, section 15.6.2: the method is none that this server knows on any path.
fn not_implemented() -> Response {
    Response::text("not implemented").with_status(StatusCode::NOT_IMPLEMENTED)
}

/// The names in the braces of a route, in their order. `{{` and `}}` are braces of the path itself.
fn param_names(path: &str) -> Vec<Arc<str>> {
    let path = path.replace("{{", "").replace("}}", "");
    let parts = path
        .split('{')
        .skip(1)
        .filter_map(|part| part.split_once('}'));
    parts
        .map(|(name, _)| name.trim_start_matches('*').into())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router() -> Router {
        Router::new()
            .get("/", async || "root")
            .get("/things/{id}", async || "get")
            .put("/things/{id}", async || "put")
            .post("/things/{id}/parts/{part}", async || "post")
            .get("/files/{*rest}", async || "file")
            .route(
                Method::from_bytes(b"PROPFIND").expect("a token"),
                "/dav",
                async || "dav",
            )
    }

    /// The status of the router's own answer; 200 for a handler's.
    fn status(method: &str, path: &str) -> u16 {
        let method = Method::from_bytes(method.as_bytes()).expect("a token");
        match router().find(&method, path, &mut Vec::new()) {
            Matched::Handler(_) => 200,
            Matched::Answer(response) => response.status().as_u16(),
        }
    }

    fn allowed(method: &str, path: &str) -> String {
        let method = Method::from_bytes(method.as_bytes()).expect("a token");
        match router().find(&method, path, &mut Vec::new()) {
            Matched::Answer(response) => response
                .header("allow")
                .expect("set")
                .to_str()
                .expect("text")
                .to_owned(),
            Matched::Handler(_) => panic!("{method} {path} has a handler"),
        }
    }

    fn params(path: &str) -> Vec<(String, String)> {
        let router = router();
        let mut params = Vec::new();
        let _ = router.find(&Method::GET, path, &mut params);
        params
            .iter()
            .map(|param| (param.name.to_string(), path[param.value.clone()].to_owned()))
            .collect()
    }

    #[test]
    fn paths() {
        assert_eq!(
            (
                status("GET", "/"),
                status("GET", "/things/7"),
                status("PUT", "/things/7")
            ),
            (200, 200, 200)
        );
        assert_eq!(
            (
                status("GET", "/things"),
                status("GET", "/things/"),
                status("GET", "")
            ),
            (404, 404, 404)
        );
        assert_eq!(
            (status("GET", "/files/a/b"), status("GET", "/files/")),
            (200, 404)
        );
    }

    #[test]
    fn parameters() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(params("/things/a%20b"), [pair("id", "a%20b")]);
        assert_eq!(
            params("/things/1/parts/2"),
            [pair("id", "1"), pair("part", "2")]
        );
        assert_eq!(params("/files/a/b?c"), [pair("rest", "a/b?c")]);
        assert_eq!(
            param_names("/{{a}}/{b}/{*c}")
                .iter()
                .map(|name| &**name)
                .collect::<Vec<_>>(),
            ["b", "c"]
        );
    }

    /// RFC 9110, sections 9.3.2, 9.3.7, 15.5.6 and 15.6.2.
    #[test]
    fn methods() {
        assert_eq!(
            (
                status("HEAD", "/things/7"),
                status("HEAD", "/things/7/parts/8")
            ),
            (200, 405)
        );
        assert_eq!(
            (
                status("DELETE", "/"),
                status("TRACE", "/"),
                status("OPTIONS", "/")
            ),
            (405, 405, 204)
        );
        assert_eq!(
            (
                status("BREW", "/"),
                status("BREW", "/nowhere"),
                status("CONNECT", "")
            ),
            (501, 501, 501)
        );
        assert_eq!(
            (status("PROPFIND", "/dav"), status("PROPFIND", "/")),
            (200, 405)
        );
        assert_eq!(status("OPTIONS", "*"), 204);
        assert_eq!(allowed("DELETE", "/things/7"), "GET, HEAD, OPTIONS, PUT");
        assert_eq!(allowed("OPTIONS", "/things/7/parts/8"), "OPTIONS, POST");
        assert_eq!(
            allowed("OPTIONS", "*"),
            "GET, HEAD, OPTIONS, POST, PROPFIND, PUT"
        );
    }

    #[test]
    #[should_panic(expected = "GET / has a handler already")]
    fn two_handlers_for_one_method() {
        let _ = router().get("/", async || "again");
    }

    #[test]
    #[should_panic(expected = "cannot be a route")]
    fn two_names_for_one_segment() {
        let _ = router().get("/things/{name}", async || "again");
    }
}
