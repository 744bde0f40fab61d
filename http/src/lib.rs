//! An HTTP/1.1 server for the filch runtime.
//!
//! ```
//! use filch_http::{Request, Router, Server};
//!
//! # fn main() -> std::io::Result<()> {
//! let router = Router::new()
//!     .get("/", async || "Hello, World!")
//!     .get("/greet/{name}", async |request: Request| format!("Hello, {}!", request.param("name").unwrap_or_default()));
//!
//! filch::Runtime::new()?.block_on(async {
//!     let server = Server::bind("127.0.0.1:0").await?.router(router);
//!     # let stop = async {};
//!     let _drained = server.serve_with_shutdown(stop).await?;
//!     Ok(())
//! })
//! # }
//! ```
//!
//! - [`Router`] says which [`Handler`] answers which request; a handler is an async function of what it needs of a request
//!   ([`extract`] has the list) that returns something that is [`IntoResponse`]. [`Middleware`] stands around handlers.
//! - [`Server`] is safe as it stands: [`Limits`] and [`Timeouts`] are on, and what is ambiguous is refused.
//! - [`Monitor`] tells how a server is: liveness, readiness, metrics.
//! - [`proto`] is the protocol itself, without I/O.
//!
//! A request is a view of the connection's buffer, and its handler's future lives in memory that the connection uses
//! again: between a plain request and its response nothing is allocated.

pub mod extract;
pub mod limits;
pub mod proto;

mod body;
mod files;
mod handler;
mod middleware;
mod percent;
mod request;
mod response;
mod router;
mod server;
mod striped;

pub use body::{Body, BodyClosed, BodySender, BodyStream};
#[cfg(feature = "json")]
pub use extract::Json;
pub use extract::{
    Extension, FromRef, FromRequest, FromRequestParts, Limited, MatchedPath, PeerAddr, RawQuery,
    State,
};
#[cfg(feature = "serde")]
pub use extract::{Form, Path, Query};
pub use files::StaticFiles;
pub use handler::{Explain, Handler};
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
pub use limits::{Limits, Timeouts};
pub use middleware::{Middleware, Next};
pub use percent::DecodeError;
pub use request::{BodyError, OwnedRequestBody, Request, RequestBody};
pub use response::{
    Event, EventError, Html, IntoResponse, IntoResponseParts, Redirect, Response, Sse,
};
pub use router::Router;
#[doc(hidden)]
pub use router::door as __door;
pub use server::upgraded::Upgraded;
pub use server::{Access, Drained, Failure, Listener, Monitor, Server};

/// What the fuzz targets of static files try.
#[doc(hidden)]
pub mod file_doors {
    pub use crate::files::{
        ASKED_LENGTHS_MAX, GAP_BYTES, NAME_MAX_BYTES, OVERLAPS_MAX, PATH_MAX_BYTES, Ranges,
        Relative, SPECS_MAX,
    };
}
