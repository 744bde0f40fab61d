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
//! - [`Router`] says which [`Handler`] answers which request; a handler is an async function of nothing or of a
//!   [`Request`] that returns something that is [`IntoResponse`].
//! - [`Server`] is safe as it stands: [`Limits`] and [`Timeouts`] are on, and what is ambiguous is refused.
//! - [`proto`] is the protocol itself, without I/O.
//!
//! A request is a view of the connection's buffer, and its handler's future lives in memory that the connection uses
//! again: between a plain request and its response nothing is allocated.

pub mod proto;

mod body;
mod handler;
mod request;
mod response;
mod router;
mod server;

pub use body::Body;
pub use handler::Handler;
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
pub use proto::Limits;
pub use request::{BodyError, Request, RequestBody};
pub use response::{IntoResponse, Response};
pub use router::Router;
pub use server::{Access, Drained, Server, Timeouts};

/// The server of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
