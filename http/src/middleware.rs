//! What stands around handlers?
//!
//! [`Middleware`]: an async function of a request and of what comes [`Next`], which may be the handler or more middleware. It
//! sees the request first and the response last, and decides whether there is anything in between.
//!
//! What comes next is behind a pointer, as a handler is, since otherwise middleware would have to be generic over it, which
//! asynchronous functions that are passed by name cannot be. Its future is of a type that nobody knows, and lives in a
//! [`FutureSlot`] as a handler's does: from a pool of the thread, so that a warm server allocates nothing for it. Rejected: a
//! box for each request and each middleware; and layers whose types contain each other, which are compiled slowly and
//! complained of in pages.

mod pool;

use crate::handler::Endpoint;
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::router::AnyEndpoint;
use crate::server::slot::FutureSlot;
use crate::striped::{Stripe, Striped};
use pool::Pooled;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Stands around handlers: [`Router::middleware`](crate::Router::middleware), [`Router::group`](crate::Router::group).
///
/// It is an async function of a [`Request`] and of [`Next`] whose output implements [`IntoResponse`]. State is captured.
///
/// # Panics
///
/// What panics within it, or within what comes next, is as a panic of a handler: 500, and the end of the connection.
///
/// # Examples
///
/// A number for each request, for the handlers by [`Extension`](crate::Extension) and for the client in a field:
///
/// ```
/// use filch_http::{Extension, Next, Request, Response, Router};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Clone, Copy)]
/// struct RequestId(u64);
///
/// async fn request_id(mut request: Request, next: Next) -> Response {
///     static NEXT: AtomicU64 = AtomicU64::new(1);
///     let id = NEXT.fetch_add(1, Ordering::Relaxed);
///     request.extensions_mut().insert(RequestId(id));
///     next.run(request).await.with_header("x-request-id", &id.to_string())
/// }
///
/// let router = Router::new()
///     .get("/", async |Extension(RequestId(id)): Extension<RequestId>| format!("this is request {id}"))
///     .middleware(request_id);
/// ```
///
/// A limit to the time of a handler, which is dropped when it is over:
///
/// ```
/// use filch::time::{Duration, timeout};
/// use filch_http::{Next, Request, Response, Router, StatusCode};
///
/// async fn in_time(request: Request, next: Next) -> Result<Response, (StatusCode, &'static str)> {
///     timeout(Duration::from_secs(10), next.run(request))
///         .await
///         .map_err(|_| (StatusCode::GATEWAY_TIMEOUT, "this took too long"))
/// }
///
/// let router = Router::new().get("/", async || "quick").middleware(in_time);
/// ```
///
/// Who is it? With state, which is captured:
///
/// ```
/// use filch_http::{IntoResponse, Next, Request, Response, Router, StatusCode};
/// use std::collections::HashMap;
/// use std::sync::Arc;
///
/// #[derive(Clone)]
/// struct User(String);
///
/// type Keys = HashMap<String, User>;
///
/// async fn check(keys: Arc<Keys>, mut request: Request, next: Next) -> Response {
///     let key = request.header("authorization").and_then(|value| value.strip_prefix(b"Bearer "));
///     let user = key.and_then(|key| keys.get(std::str::from_utf8(key).ok()?)).cloned();
///     let Some(user) = user else {
///         return (StatusCode::UNAUTHORIZED, [("www-authenticate", "Bearer")], "who are you?").into_response();
///     };
///     request.extensions_mut().insert(user);
///     next.run(request).await
/// }
///
/// let keys = Arc::new(Keys::new());
/// let router = Router::new()
///     .get("/", async || "for all")
///     .group(
///         move |request, next| check(keys.clone(), request, next),
///         |routes| routes.get("/secret", async || "for some"),
///     );
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no middleware",
    label = "not middleware",
    note = "middleware is an async function of a `Request` and a `Next` whose output implements `IntoResponse` and whose future is `Send` and borrows nothing",
    note = "what else it needs is captured: `move |request, next| check(keys.clone(), request, next)`"
)]
pub trait Middleware: Send + Sync + 'static {
    /// Answers a request, perhaps by what comes next.
    fn call(
        &self,
        request: Request,
        next: Next,
    ) -> impl Future<Output: IntoResponse> + Send + 'static;
}

impl<F, Fut> Middleware for F
where
    F: Fn(Request, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send + 'static,
{
    #[inline]
    fn call(
        &self,
        request: Request,
        next: Next,
    ) -> impl Future<Output: IntoResponse> + Send + 'static {
        self(request, next)
    }
}

/// What comes after a [`Middleware`]: the handler, perhaps within more middleware.
pub struct Next {
    endpoint: Stripe<AnyEndpoint>,
}

impl Next {
    /// Lets it answer.
    ///
    /// # Cancel safety
    ///
    /// What comes next is dropped where it waits, and the request with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Next, Request, Response};
    ///
    /// async fn log(request: Request, next: Next) -> Response {
    ///     let path = request.path().to_owned();
    ///     let response = next.run(request).await;
    ///     println!("{path}: {}", response.status());
    ///     response
    /// }
    /// # let _ = filch_http::Router::new().middleware(log);
    /// ```
    pub async fn run(self, request: Request) -> Response {
        let mut slot = Pooled::take();
        let mut request = Some(request);
        poll_fn(|cx| match request.take() {
            Some(request) => self.endpoint.start(request, &mut slot, cx),
            None => slot.poll(cx),
        })
        .await
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

/// Middleware of any type.
pub(crate) trait Wrap: Send + Sync {
    /// What answers with the middleware around `inner`.
    fn around(&self, inner: AnyEndpoint) -> AnyEndpoint;
}

/// Forgets the type of middleware.
pub(crate) fn wrap(middleware: impl Middleware) -> Box<dyn Wrap> {
    Box::new(Arc::new(middleware))
}

impl<M: Middleware> Wrap for Arc<M> {
    fn around(&self, inner: AnyEndpoint) -> AnyEndpoint {
        Arc::new(Wrapped {
            middleware: self.clone(),
            inner: Striped::new(inner),
        })
    }
}

struct Wrapped<M> {
    middleware: Arc<M>,
    inner: Striped<AnyEndpoint>,
}

impl<M: Middleware> Endpoint for Wrapped<M> {
    fn start(
        &self,
        request: Request,
        slot: &mut FutureSlot,
        cx: &mut Context<'_>,
    ) -> Poll<Response> {
        let next = Next {
            endpoint: self.inner.hold(),
        };
        slot.begin(self.middleware.call(request, next), cx)
    }
}
