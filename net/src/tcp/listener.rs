//! How are connections accepted?
//!
//! One `accept4(2)` per connection, which makes the new socket non-blocking and close-on-exec; nothing else is set on it.
//!
//! What becomes of errors stands in `accepting`, for all listeners.

use crate::accepting::{Acceptor, Connections, Listens, impl_accepting};
use crate::addr::ToSocketAddrs;
use crate::error;
use crate::sys;
use crate::tcp::options::{impl_any_options, impl_listening_options};
use crate::tcp::socket::TcpSocket;
use crate::tcp::stream::TcpStream;
use filch::io::Placement;
use futures_core::Stream;
use socket2::SockRef;
use std::fmt::{self, Display};
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How many connections may wait to be accepted when [`TcpListener::bind`] listens: 4096.
///
/// The kernel lowers it to `net.core.somaxconn`, whose default is the same since Linux 5.4. A connection that finds the queue full is dropped, and its client
/// tries again a second later; so a short queue (`std` has 128) shows as delays of exactly one second under bursts.
pub const BACKLOG: u32 = 4096;

/// A socket that accepts connections.
///
/// # Examples
///
/// ```
/// use filch_net::TcpListener;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// println!("listening on {}", listener.local_addr()?);
/// # filch::spawn(filch_net::TcpStream::connect(listener.local_addr()?));
/// let (stream, peer) = listener.accept().await?;
/// println!("connected by {peer}");
/// // Who wants to know when there is no descriptor for the next one:
/// let listener = listener.on_accept_pause(|error, pause| eprintln!("nobody is let in for {pause:?}: {error}"));
/// # drop((stream, listener));
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TcpListener {
    acceptor: Acceptor<net::TcpListener>,
}

impl TcpListener {
    /// Listens on the first of these addresses that can be had.
    ///
    /// `SO_REUSEADDR` is set, so that a server can be started again while connections of the last one linger; the queue is as long as [`BACKLOG`]. Use
    /// [`TcpSocket`] for anything else. Port 0 takes a free one, see [`local_addr`](Self::local_addr).
    ///
    /// # Errors
    ///
    /// What resolving, `bind(2)` and `listen(2)` say, with the address; of several addresses, the error of the last. Outside a runtime too.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it waits only while a name is resolved, and nothing is bound before.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let wanted = addr.wanted()?;
        let resolved = wanted.resolve().await?;
        resolved.first_that(Self::bind_to, "listen on")
    }

    fn bind_to(addr: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_for(addr)?;
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    }

    /// Takes over a listener of `std`, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// What `fcntl(2)` says. Outside a runtime too.
    pub fn from_std(listener: net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::from_nonblocking(listener, Placement::Here)
    }

    pub(crate) fn from_nonblocking(
        listener: net::TcpListener,
        placement: Placement,
    ) -> io::Result<Self> {
        let acceptor = Acceptor::new(listener, placement)?;
        Ok(Self { acceptor })
    }

    /// Gives the listener back to `std`. It stays non-blocking.
    #[must_use]
    pub fn into_std(self) -> net::TcpListener {
        self.acceptor.into_inner()
    }

    /// Waits for the next connection. Any number of tasks may do so at a time.
    ///
    /// The new stream is non-blocking and close-on-exec; it has the options that were set on the listener's socket, so after [`bind`](Self::bind) none. It belongs to the accepting
    /// worker or to one that has fewer descriptors ([`Placement::Balanced`]), so that connections do not pile up where one task accepts them all. Connections that died in the queue are passed over. While there is no
    /// descriptor or memory for a connection, it stays in the queue and this pauses, 5 ms at first and up to 1 s; see [`on_accept_pause`](Self::on_accept_pause).
    ///
    /// # Errors
    ///
    /// What else `accept4(2)` says, or that the runtime has shut down. That the new stream cannot be watched (`epoll_ctl(2)`: no
    /// memory, or too many watches) is told by the first of its operations that has to wait ([`AsyncFd::postponed`](filch::io::AsyncFd::postponed)).
    ///
    /// # Cancel safety
    ///
    /// No connection is lost: one that was taken out of the queue is returned by the very poll that did it.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.acceptor.accept().await.and_then(watch)
    }

    /// All connections that come, one after the other, for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::StreamExt;
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let listener = filch_net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let addr = listener.local_addr()?;
    /// # filch::spawn(async move { filch_net::TcpStream::connect(addr).await });
    /// let mut incoming = listener.incoming();
    /// while let Some(stream) = incoming.next().await {
    ///     println!("connected by {}", stream?.peer_addr()?);
    ///     # break;
    /// }
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming {
            connections: self.acceptor.connections(),
        }
    }

    /// The address it listens on.
    ///
    /// # Errors
    ///
    /// What `getsockname(2)` says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.acceptor.get_ref().local_addr()
    }

    /// Whether its connections send small writes at once, instead of waiting for the acknowledgement of those before (`TCP_NODELAY`). Set once here, it need not be set on each of them: Linux gives an
    /// accepted socket the options of its listener.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_nodelay(&self, is_at_once: bool) -> io::Result<()> {
        self.option().set_tcp_nodelay(is_at_once)
    }

    /// Whether its connections send small writes at once, unless they say otherwise.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.option().tcp_nodelay()
    }

    fn option(&self) -> SockRef<'_> {
        SockRef::from(self.acceptor.get_ref())
    }
}

impl_any_options!(TcpListener);
impl_listening_options!(TcpListener);

impl_accepting!(TcpListener, net::TcpListener, TcpStream, SocketAddr);

type Accepted = (net::TcpStream, SocketAddr);

impl Listens for net::TcpListener {
    type Accepted = Accepted;

    fn take(&self) -> io::Result<Accepted> {
        sys::accept(self)
    }

    fn name(&self) -> io::Result<impl Display> {
        self.local_addr()
    }
}
