//! How does a handler come by what all requests share?

use super::FromRequestParts;
use crate::request::Request;
use std::convert::Infallible;

/// The state of the router, or what can be made of it ([`FromRef`]): [`Router::with_state`](crate::Router::with_state).
///
/// A handler that asks for a state that its router does not have does not compile.
///
/// # Examples
///
/// ```
/// use filch_http::{Router, State};
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// async fn count(State(count): State<Arc<AtomicU64>>) -> String {
///     count.fetch_add(1, Ordering::Relaxed).to_string()
/// }
///
/// let router = Router::with_state(Arc::new(AtomicU64::new(0))).get("/count", count);
/// ```
///
/// ```compile_fail,E0277
/// # use filch_http::{Router, State};
/// # async fn count(State(count): State<u64>) -> String { count.to_string() }
/// let router = Router::new().get("/count", count); // without a state
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<S: Sync, T: FromRef<S>> FromRequestParts<S> for State<T> {
    type Rejection = Infallible;

    #[inline]
    async fn from_request_parts(_request: &Request, state: &S) -> Result<Self, Infallible> {
        Ok(Self(T::from_ref(state)))
    }
}

/// What can be made of a state `S`: the state itself, and what says so.
///
/// # Examples
///
/// ```
/// use filch_http::{FromRef, Router, State};
/// use std::sync::Arc;
///
/// #[derive(Clone)]
/// struct App {
///     name: Arc<str>,
///     users: Arc<[String]>,
/// }
///
/// struct Name(Arc<str>);
///
/// impl FromRef<App> for Name {
///     fn from_ref(app: &App) -> Self {
///         Self(app.name.clone())
///     }
/// }
///
/// let app = App { name: "shop".into(), users: Arc::new([]) };
/// let router = Router::with_state(app)
///     .get("/name", async |State(Name(name)): State<Name>| name.to_string())
///     .get("/users", async |State(app): State<App>| app.users.len().to_string());
/// ```
#[diagnostic::on_unimplemented(
    message = "a router with the state `{S}` has no `State<{Self}>`",
    note = "make the router by `Router::with_state` with a `{Self}`, or implement `FromRef<{S}>` for it"
)]
pub trait FromRef<S> {
    /// Makes it.
    fn from_ref(state: &S) -> Self;
}

impl<S: Clone> FromRef<S> for S {
    #[inline]
    fn from_ref(state: &S) -> Self {
        state.clone()
    }
}
