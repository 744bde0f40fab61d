//! What can answer a request?
//!
//! Whatever implements [`Handler`], which asynchronous functions do: of nothing, of a [`Request`], or of up to eight
//! arguments that are made of a request ([`extract`](crate::extract)). The type parameter `Args` tells apart the shapes of
//! functions, as one type could otherwise have several. It is inferred, and means nothing else.
//!
//! A router holds handlers of many types behind one door, [`Endpoint`], which starts the handler's future in the
//! connection's [`FutureSlot`]: no allocation stands between a request and its handler. Functions of nothing and of a request
//! are called at once, and their futures polled as they are; others stand in a future that makes their arguments first, and
//! has a clone of the function and of the state, since a future that outlives its caller can borrow neither.

mod explain;

pub use explain::Explain;

use crate::extract::{Argument, FromRequestParts, LastArgument};
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::router::AnyEndpoint;
use crate::server::slot::FutureSlot;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Answers requests.
///
/// Asynchronous functions are handlers when each argument can be made of a request. There may be eight; all but the last are
/// made of the head ([`FromRequestParts`]), the last may have the body too ([`FromRequest`](crate::FromRequest)), or be the
/// [`Request`] itself. They are made in their order; what cannot be made answers instead of the handler. What the function
/// returns is [`IntoResponse`], and so may be its error, so that `?` answers.
///
/// `S` is the state of the router ([`Router::with_state`](crate::Router::with_state)). A function with arguments has to be
/// [`Clone`], which functions are, and closures that hold nothing else.
///
/// # Panics
///
/// When a handler panics, its client gets 500, its connection is closed, and nobody else notices.
///
/// # Cancel safety
///
/// Its future is dropped where it waits when nobody is left to be answered: the client has broken its connection off, the time for handlers is over
/// ([`Timeouts::handler`](crate::Timeouts::handler)), or the server is forced to end. What must be finished belongs into a task of its own. A client that only sends no more is answered.
///
/// # Examples
///
/// ```
/// use filch_http::{Path, Query, Router, State, StatusCode};
/// use std::collections::HashMap;
/// use std::sync::Arc;
///
/// type Prices = Arc<HashMap<String, u64>>;
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     count: u64,
/// }
///
/// async fn total(
///     State(prices): State<Prices>,
///     Path(item): Path<String>,
///     Query(order): Query<Order>,
/// ) -> Result<String, StatusCode> {
///     let price = prices.get(&item).ok_or(StatusCode::NOT_FOUND)?;
///     Ok(price.saturating_mul(order.count).to_string())
/// }
///
/// let prices: Prices = Arc::new(HashMap::from([("tea".to_owned(), 3)]));
/// let router = Router::with_state(prices).get("/total/{item}", total);
/// ```
///
/// State can also be captured:
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
///
/// An error of one's own answers for itself:
///
/// ```
/// use filch_http::{IntoResponse, Path, Response, Router, StatusCode};
///
/// enum Trouble {
///     NoSuchUser,
///     Database(std::io::Error),
/// }
///
/// impl From<std::io::Error> for Trouble {
///     fn from(error: std::io::Error) -> Self {
///         Self::Database(error)
///     }
/// }
///
/// impl IntoResponse for Trouble {
///     fn into_response(self) -> Response {
///         match self {
///             Self::NoSuchUser => (StatusCode::NOT_FOUND, "no such user").into_response(),
///             Self::Database(error) => {
///                 eprintln!("{error}"); // for us, and not for the client
///                 StatusCode::INTERNAL_SERVER_ERROR.into_response()
///             }
///         }
///     }
/// }
///
/// async fn user(Path(id): Path<u64>) -> Result<String, Trouble> {
///     let users = std::fs::read_to_string("/dev/null")?;
///     users.lines().nth(id as usize).map(str::to_owned).ok_or(Trouble::NoSuchUser)
/// }
/// # let _ = Router::new().get("/users/{id}", user);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle requests for a router with the state `{S}`",
    label = "not a handler",
    note = "a handler is an async function whose output implements `IntoResponse` and whose future is `Send` and borrows nothing",
    note = "it has no argument, or a `Request`, or up to eight arguments: all but the last implement `FromRequestParts<{S}>`, the last that or `FromRequest<{S}>`, or it is a `Request`",
    note = "what reads the body (`Json`, `Form`, `Bytes`, `String`, `Request`) comes last; `State<T>` needs `Router::with_state` with a `T`",
    note = "with arguments, the function must be `Clone` and each argument `Send`",
    note = "to see which of these it is, name the number of arguments: `filch_http::Explain::<{S}>::default().two(handler);`"
)]
pub trait Handler<Args, S = ()>: Send + Sync + 'static {
    /// Answers a request.
    fn call(
        &self,
        request: Request,
        state: &S,
    ) -> impl Future<Output: IntoResponse> + Send + 'static;
}

impl<F, Fut, S> Handler<(), S> for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send + 'static,
{
    #[inline]
    fn call(
        &self,
        _request: Request,
        _state: &S,
    ) -> impl Future<Output: IntoResponse> + Send + 'static {
        self()
    }
}

impl<F, Fut, S> Handler<(Request,), S> for F
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send + 'static,
{
    #[inline]
    fn call(
        &self,
        request: Request,
        _state: &S,
    ) -> impl Future<Output: IntoResponse> + Send + 'static {
        self(request)
    }
}

/// Functions whose last argument is made by `$trait`, and the others of the head.
macro_rules! handler {
    ($trait:ident: $($part:ident)* | $last:ident) => {
        impl<F, Fut, S, Via, $($part,)* $last> Handler<(Via, $($part,)* $last), S> for F
        where
            F: Fn($($part,)* $last) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output: IntoResponse> + Send + 'static,
            S: Clone + Send + Sync + 'static,
            Via: 'static,
            $($part: FromRequestParts<S> + Send + 'static,)*
            $last: $trait<S, Via> + Send + 'static,
        {
            #[inline]
            #[expect(non_snake_case, reason = "types name the arguments too")]
            fn call(&self, request: Request, state: &S) -> impl Future<Output: IntoResponse> + Send + 'static {
                let (handler, state) = (self.clone(), state.clone());
                async move {
                    $(
                        let $part = match $part::from_request_parts(&request, &state).await {
                            Ok(part) => part,
                            Err(rejection) => return rejection.into_response(),
                        };
                    )*
                    let $last = match $last::make(request, &state).await {
                        Ok(last) => last,
                        Err(response) => return response,
                    };
                    drop(state);
                    handler($($part,)* $last).await.into_response()
                }
            }
        }
    };
}

handler!(Argument: | A);
handler!(LastArgument: A | B);
handler!(LastArgument: A B | C);
handler!(LastArgument: A B C | D);
handler!(LastArgument: A B C D | E);
handler!(LastArgument: A B C D E | G);
handler!(LastArgument: A B C D E G | H);
handler!(LastArgument: A B C D E G H | I);

/// A handler of any type.
pub(crate) trait Endpoint: Send + Sync {
    /// Starts to answer: puts the handler's future into the slot, which is to be polled again unless it answers at once.
    fn start(
        &self,
        request: Request,
        slot: &mut FutureSlot,
        cx: &mut Context<'_>,
    ) -> Poll<Response>;
}

struct Erased<H, Args, S> {
    handler: H,
    state: S,
    args: PhantomData<fn(Args)>,
}

impl<H: Handler<Args, S>, Args, S: Send + Sync> Endpoint for Erased<H, Args, S> {
    #[inline]
    fn start(
        &self,
        request: Request,
        slot: &mut FutureSlot,
        cx: &mut Context<'_>,
    ) -> Poll<Response> {
        slot.begin(self.handler.call(request, &self.state), cx)
    }
}

/// Forgets the type of a handler.
pub(crate) fn erase<H, Args, S>(handler: H, state: S) -> AnyEndpoint
where
    H: Handler<Args, S>,
    Args: 'static,
    S: Send + Sync + 'static,
{
    Arc::new(Erased {
        handler,
        state,
        args: PhantomData,
    })
}

impl fmt::Debug for dyn Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint")
    }
}
