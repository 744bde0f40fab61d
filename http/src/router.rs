//! Which handler answers which request?
//!
//! A [`Router`] is written down route by route and becomes a [`Table`], in which requests are looked up; what a path does
//! not say itself is answered there: HEAD by the handler for GET, OPTIONS with the methods there are, other methods with 405
//! and the same list, other paths with 404.
//!
//! State comes first ([`Router::with_state`]), so that each handler is checked against it where it is added, and has it from
//! then on: routers with different states can be put together. Rejected: a router whose type says which state it still
//! lacks, which moves the error for a wrong handler to the line that starts the server.
//!
//! Middleware concerns the whole router, whatever the order in which one and the other are said. Rejected: middleware for
//! what was added before it, by which a route that is added at the end of the list is the one that nobody guards.

mod answer;
pub mod door;
pub(crate) mod found;
mod paths;
mod pattern;
mod table;

pub(crate) use table::{AnyEndpoint, Matched};

use crate::handler::{Handler, erase};
use crate::middleware::{Middleware, Wrap, wrap};
use found::Found;
use http::Method;
use std::fmt;
use table::{Table, Verb};

/// A table of routes.
///
/// The pattern of a route is a path; `{name}` in it stands for one segment, `{*name}` at its end for all that is left, neither
/// of them empty. A path is matched as it was sent: `%2F` does not end a segment, and `/%61` is not `/a`. Then parameters
/// are decoded; what cannot be, or is not UTF-8, is 400. [`Path`](crate::Path) and
/// [`Request::param`](crate::Request::param) have what they stood for.
///
/// Where several patterns fit, text goes before `{name}`, and that before `{*name}`, from left to right.
///
/// # Units and limits
///
/// A lookup allocates nothing. It takes one comparison for a path without parameters, and otherwise a search of a sorted list
/// for each segment.
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
pub struct Router<S = ()> {
    state: S,
    table: Table,
    /// From the outermost inwards.
    middleware: Vec<Box<dyn Wrap>>,
}

impl Router {
    /// A router that answers 404, for handlers without state.
    #[must_use]
    pub fn new() -> Self {
        Self::with_state(())
    }

    /// What is to be done about a request for `path`; `found` is filled with what the route's parameters stood for.
    #[inline]
    pub(crate) fn find(&self, method: &Method, path: &[u8], found: &mut Found) -> Matched<'_> {
        self.table.find(method, path, found)
    }
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// A router that answers 404, for handlers that may ask for this state by [`State`](crate::State).
    ///
    /// # Units and limits
    ///
    /// Each request whose handler has arguments (other than the request alone) clones the state: let it be something whose
    /// clone is cheap, as an [`Arc`](std::sync::Arc) or a `&'static` reference.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Router, State};
    /// use std::sync::Arc;
    ///
    /// struct App {
    ///     greeting: String,
    /// }
    ///
    /// async fn greet(State(app): State<Arc<App>>) -> String {
    ///     app.greeting.clone()
    /// }
    ///
    /// let app = Arc::new(App { greeting: "Hello".to_owned() });
    /// let router = Router::with_state(app).get("/", greet);
    /// ```
    #[must_use]
    pub fn with_state(state: S) -> Self {
        Self {
            state,
            table: Table::default(),
            middleware: Vec::new(),
        }
    }

    /// Answers GET, and HEAD, on `path`.
    ///
    /// # Panics
    ///
    /// As [`Router::route`].
    #[must_use]
    pub fn get<Args: 'static>(self, path: &str, handler: impl Handler<Args, S>) -> Self {
        self.route(Method::GET, path, handler)
    }

    /// Answers POST on `path`.
    ///
    /// # Panics
    ///
    /// As [`Router::route`].
    #[must_use]
    pub fn post<Args: 'static>(self, path: &str, handler: impl Handler<Args, S>) -> Self {
        self.route(Method::POST, path, handler)
    }

    /// Answers PUT on `path`.
    ///
    /// # Panics
    ///
    /// As [`Router::route`].
    #[must_use]
    pub fn put<Args: 'static>(self, path: &str, handler: impl Handler<Args, S>) -> Self {
        self.route(Method::PUT, path, handler)
    }

    /// Answers PATCH on `path`.
    ///
    /// # Panics
    ///
    /// As [`Router::route`].
    #[must_use]
    pub fn patch<Args: 'static>(self, path: &str, handler: impl Handler<Args, S>) -> Self {
        self.route(Method::PATCH, path, handler)
    }

    /// Answers DELETE on `path`.
    ///
    /// # Panics
    ///
    /// As [`Router::route`].
    #[must_use]
    pub fn delete<Args: 'static>(self, path: &str, handler: impl Handler<Args, S>) -> Self {
        self.route(Method::DELETE, path, handler)
    }

    /// Answers `method` on `path`.
    ///
    /// HEAD is answered by the handler for GET, and OPTIONS with the methods there are, unless they have handlers of their
    /// own.
    ///
    /// # Panics
    ///
    /// When the path is malformed, when another stands for the same paths with other names (`/{a}` and `/{b}`), and when the
    /// method has a handler there already.
    #[must_use]
    pub fn route<Args: 'static>(
        mut self,
        method: Method,
        path: &str,
        handler: impl Handler<Args, S>,
    ) -> Self {
        let endpoint = erase(handler, self.state.clone());
        self.table.add(Verb::Method(method), path, endpoint);
        self
    }

    /// Answers on `path` every method that has no handler of its own there.
    ///
    /// # Panics
    ///
    /// As [`Router::route`].
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Method, Router};
    ///
    /// let router = Router::new().any("/method", async |method: Method| method.to_string());
    /// ```
    #[must_use]
    pub fn any<Args: 'static>(mut self, path: &str, handler: impl Handler<Args, S>) -> Self {
        let endpoint = erase(handler, self.state.clone());
        self.table.add(Verb::Any, path, endpoint);
        self
    }

    /// Answers what no route has the path of, whatever the method; 404 unless it is set.
    ///
    /// # Panics
    ///
    /// When there is one already.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Request, Router, StatusCode};
    ///
    /// let router = Router::new()
    ///     .get("/", async || "here")
    ///     .fallback(async |request: Request| (StatusCode::NOT_FOUND, format!("there is no {}\n", request.path())));
    /// ```
    #[must_use]
    pub fn fallback<Args: 'static>(mut self, handler: impl Handler<Args, S>) -> Self {
        let endpoint = erase(handler, self.state.clone());
        self.table.set_fallback(endpoint);
        self
    }

    /// Takes all that another router has, below `prefix`: its `/things` becomes `/prefix/things`, and its `/` becomes
    /// `/prefix`. Handlers see the whole path, and the parameters of the prefix. Its fallback answers below the prefix.
    ///
    /// # Panics
    ///
    /// When the prefix does not begin with a slash, or ends with one, or with `{*rest}`; and as [`Router::route`].
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Path, Router};
    ///
    /// let posts = Router::new()
    ///     .get("/", async |Path(user): Path<u64>| format!("posts of {user}"))
    ///     .get("/{post}", async |Path((user, post)): Path<(u64, u64)>| format!("post {post} of {user}"));
    /// let router = Router::new().nest("/users/{user}/posts", posts);
    /// ```
    #[must_use]
    pub fn nest<T: Clone + Send + Sync + 'static>(
        mut self,
        prefix: &str,
        router: Router<T>,
    ) -> Self {
        assert!(
            prefix.starts_with('/') && !prefix.ends_with('/') && !prefix.contains("{*"),
            "{prefix:?} cannot be a prefix: write it as /fixed/{{segment}}, without a slash at its end; to have routes side by \
             side, use merge"
        );
        self.table.take(prefix, router.sealed());
        self
    }

    /// Takes all that another router has.
    ///
    /// # Panics
    ///
    /// When both have a fallback, and as [`Router::route`].
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::Router;
    ///
    /// let (shop, blog) = (Router::new().get("/shop", async || "shop"), Router::new().get("/blog", async || "blog"));
    /// let router = shop.merge(blog);
    /// ```
    #[must_use]
    pub fn merge<T: Clone + Send + Sync + 'static>(mut self, router: Router<T>) -> Self {
        self.table.take("", router.sealed());
        self
    }

    /// Lets `middleware` stand around everything that this router answers: its handlers, those it took from other routers,
    /// and its own answers (404, 405, OPTIONS), whether they were added before or are later. The first that is added is the
    /// outermost.
    ///
    /// # Units and limits
    ///
    /// A router without middleware costs nothing for it. With it, a request costs some tens of nanoseconds for each (a guess),
    /// and no allocation once the server is warm.
    ///
    /// # Examples
    ///
    /// There are more at [`Middleware`].
    ///
    /// ```
    /// use filch_http::{Next, Request, Response, Router};
    ///
    /// async fn no_store(request: Request, next: Next) -> Response {
    ///     next.run(request).await.with_header("cache-control", "no-store")
    /// }
    ///
    /// let router = Router::new().get("/", async || "Hello, World!").middleware(no_store);
    /// ```
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        self.middleware.push(wrap(middleware));
        self
    }

    /// Adds routes that `middleware` stands around, and around no others.
    ///
    /// # Panics
    ///
    /// As [`Router::route`].
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{IntoResponse, Next, Request, Response, Router, StatusCode};
    ///
    /// async fn guard(request: Request, next: Next) -> Response {
    ///     match request.header("authorization") {
    ///         Some(b"Bearer of the key") => next.run(request).await,
    ///         _ => StatusCode::UNAUTHORIZED.into_response(),
    ///     }
    /// }
    ///
    /// let router = Router::new()
    ///     .get("/", async || "for all")
    ///     .group(guard, |routes| routes.get("/secret", async || "for some"));
    /// ```
    #[must_use]
    pub fn group(self, middleware: impl Middleware, routes: impl FnOnce(Self) -> Self) -> Self {
        let group = Self::with_state(self.state.clone()).middleware(middleware);
        self.merge(routes(group))
    }

    /// What requests are looked up in, with the middleware in its place.
    fn sealed(self) -> Table {
        let mut table = self.table;
        for middleware in self.middleware.iter().rev() {
            table.wrap(|endpoint| middleware.around(endpoint));
        }
        table
    }

    /// The same, with the state within its handlers only.
    pub(crate) fn into_sealed(self) -> Router {
        Router {
            state: (),
            table: self.sealed(),
            middleware: Vec::new(),
        }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (pattern, allow) in self.table.patterns() {
            map.entry(&pattern, &allow);
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests;
