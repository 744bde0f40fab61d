//! What does a connection become when it goes over to another protocol?
//!
//! An [`Upgraded`]: the stream, with what the client has sent behind its request. The other protocol is a future that the
//! connection's own task runs from then on, in place of HTTP: so it is counted among the server's connections, and is cut
//! off like them when the time for draining is over.
//!
//! Rejected: a stream that the handler awaits (`request.on_upgrade()`), which needs a task of its own for the time between the
//! response and the new protocol, and leaves nobody to wait for that task.

use super::transport::Transport;
use filch::sync::CancellationToken;
use futures_io::{AsyncRead, AsyncWrite};
use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A connection that speaks another protocol now; see [`Response::upgrade`](crate::Response::upgrade).
///
/// It implements `AsyncRead` and `AsyncWrite` of `futures-io`; nothing that is written is buffered. Closing it ends the direction
/// of writing. Dropping it closes the connection.
///
/// # Cancel safety
///
/// Bytes were read or written if, and only if, the poll that did it said so.
///
/// # Examples
///
/// ```
/// use filch_http::Upgraded;
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// async fn echo(mut stream: Upgraded) -> std::io::Result<()> {
///     let mut room = [0; 4096];
///     loop {
///         match stream.read(&mut room).await? {
///             0 => return Ok(()),
///             count => stream.write_all(&room[..count]).await?,
///         }
///     }
/// }
/// # let _ = echo;
/// ```
pub struct Upgraded {
    transport: Arc<dyn Transport>,
    /// What was read with the request and is not of it.
    ahead: Vec<u8>,
    /// How much of that was given out.
    taken: usize,
    peer: Option<SocketAddr>,
    draining: CancellationToken,
}

/// Makes the future that serves the new protocol.
pub(crate) type Switch = Box<dyn FnOnce(Upgraded) -> Serving + Send>;

/// The future that serves it.
pub(crate) type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Upgraded {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        ahead: Vec<u8>,
        peer: Option<SocketAddr>,
        draining: CancellationToken,
    ) -> Self {
        Self {
            transport,
            ahead,
            taken: 0,
            peer,
            draining,
        }
    }

    /// The address of the client, where it has one.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// What is cancelled when the server drains: a protocol that can end in its own way does so then, and is cut off when the time for
    /// draining is over.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Gives out what was read ahead.
    fn take_ahead(&mut self, room: &mut [u8]) -> usize {
        let left = &self.ahead[self.taken..];
        let count = left.len().min(room.len());
        room[..count].copy_from_slice(&left[..count]);
        self.taken += count;
        if self.taken == self.ahead.len() {
            self.ahead = Vec::new();
            self.taken = 0;
        }
        count
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(self.take_ahead(room)));
        }
        self.transport.poll_read(cx, room)
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.transport.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.transport.poll_write_vectored(cx, pieces)
    }

    /// Nothing is buffered.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends the direction of writing.
    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.transport.shut() {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded")
            .field("transport", &self.transport)
            .field("ahead", &(self.ahead.len() - self.taken))
            .finish_non_exhaustive()
    }
}
