//! Who asks?

use super::FromRequestParts;
use super::rejection::rejection;
use crate::request::Request;
use http::StatusCode;
use std::fmt;
use std::net::SocketAddr;

/// The address of the client, or of the last proxy before the server.
///
/// A connection without one, by a Unix socket, is answered with 500; `Option<PeerAddr>` is for servers that have such.
///
/// # Examples
///
/// ```
/// use filch_http::{PeerAddr, Router};
///
/// let router = Router::new().get("/", async |PeerAddr(addr): PeerAddr| format!("you are {addr}"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);

/// The client has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPeerAddr;

impl NoPeerAddr {
    /// 500: the client can do nothing about it.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

impl fmt::Display for NoPeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client has no address; ask for Option<PeerAddr>")
    }
}

rejection!(NoPeerAddr);

impl<S: Sync> FromRequestParts<S> for PeerAddr {
    type Rejection = NoPeerAddr;

    async fn from_request_parts(request: &Request, _state: &S) -> Result<Self, NoPeerAddr> {
        request.peer_addr().map(Self).ok_or(NoPeerAddr)
    }
}
