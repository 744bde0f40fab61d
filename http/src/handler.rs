//! What can answer a request?
//!
//! Whatever implements [`Handler`], which asynchronous functions do. The type parameter tells apart the shapes of
//! functions, as one type could otherwise have several: `()` for functions of nothing, `(Request,)` for functions of
//! a request. It is inferred, and means nothing else.
//!
//! A router holds handlers of many types behind one door, [`Endpoint`], which starts the handler's future in the
//! connection's [`FutureSlot`]: no allocation stands between a request and its handler.

use crate::request::Request;
use crate::response::IntoResponse;
use crate::server::slot::FutureSlot;
use std::fmt;
use std::marker::PhantomData;

/// Answers requests.
///
/// # Panics
///
/// When a handler panics, its client gets 500, its connection is closed, and nobody else notices.
///
/// # Examples
///
/// State is captured:
///
/// ```
/// use filch_http::{Request, Router};
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// let hits = Arc::new(AtomicU64::new(0));
/// let router = Router::new().get("/hits", move || {
///     let hits = hits.clone();
///     async move { hits.fetch_add(1, Ordering::Relaxed).to_string() }
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle requests",
    note = "a handler is an async function of nothing or of a `Request` whose output implements `IntoResponse` and whose future is `Send`"
)]
pub trait Handler<Args>: Send + Sync + 'static {
    /// Answers a request.
    fn call(&self, request: Request) -> impl Future<Output: IntoResponse> + Send + 'static;
}

impl<F, Fut> Handler<()> for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send + 'static,
{
    #[inline]
    fn call(&self, _request: Request) -> impl Future<Output: IntoResponse> + Send + 'static {
        self()
    }
}

impl<F, Fut> Handler<(Request,)> for F
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send + 'static,
{
    #[inline]
    fn call(&self, request: Request) -> impl Future<Output: IntoResponse> + Send + 'static {
        self(request)
    }
}

/// A handler of any type.
pub(crate) trait Endpoint: Send + Sync {
    /// Starts to answer: puts the handler's future into the slot.
    fn start(&self, request: Request, slot: &mut FutureSlot);
}

struct Erased<H, Args> {
    handler: H,
    args: PhantomData<fn(Args)>,
}

impl<H: Handler<Args>, Args> Endpoint for Erased<H, Args> {
    #[inline]
    fn start(&self, request: Request, slot: &mut FutureSlot) {
        slot.place(self.handler.call(request));
    }
}

/// Forgets the type of a handler.
pub(crate) fn erase<H: Handler<Args>, Args: 'static>(handler: H) -> Box<dyn Endpoint> {
    Box::new(Erased {
        handler,
        args: PhantomData,
    })
}

impl fmt::Debug for dyn Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint")
    }
}
