//! How is a socket set up before it listens or connects?
//!
//! Some options must be set before: the buffers' sizes decide the window that the handshake announces, `SO_REUSEPORT` decides who may bind.
//! [`TcpSocket`] is a socket that does neither yet. It is non-blocking and close-on-exec from its birth, by one `socket(2)`.

use crate::error;
use crate::sys;
use crate::tcp::connect;
use crate::tcp::listener::TcpListener;
use crate::tcp::stream::TcpStream;
use socket2::{Domain, Socket};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

/// A socket that neither listens nor is connected yet.
///
/// # Examples
///
/// ```
/// use filch_net::{TcpKeepalive, TcpSocket};
/// use std::time::Duration;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let socket = TcpSocket::new_v4()?;
/// socket.set_reuseaddr(true)?;
/// socket.set_keepalive(Some(TcpKeepalive::new().time(Duration::from_secs(60))))?;
/// socket.bind("127.0.0.1:0".parse().unwrap())?;
/// let listener = socket.listen(1024)?;
/// let client = TcpSocket::new_v4()?;
/// client.set_nodelay(true)?;
/// let stream = client.connect(listener.local_addr()?).await?;
/// assert!(stream.nodelay()?);
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TcpSocket {
    socket: Socket,
}

/// When the kernel asks a silent peer if it still lives; what is not set is left to the system (`net.ipv4.tcp_keepalive_*`: two hours, 75 s, 9 times).
///
/// # Source
///
/// `tcp(7)`: `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use = "it does nothing before set_keepalive"]
pub struct TcpKeepalive {
    time: Option<Duration>,
    interval: Option<Duration>,
    retries: Option<u32>,
}

impl TcpKeepalive {
    /// As the system has it.
    pub const fn new() -> Self {
        Self {
            time: None,
            interval: None,
            retries: None,
        }
    }

    /// How long a peer may be silent before it is asked; in seconds, fractions are cut off.
    pub const fn time(self, time: Duration) -> Self {
        Self {
            time: Some(time),
            ..self
        }
    }

    /// How long to wait from one question to the next; in seconds, fractions are cut off.
    pub const fn interval(self, interval: Duration) -> Self {
        Self {
            interval: Some(interval),
            ..self
        }
    }

    /// How many questions without an answer end the connection.
    pub const fn retries(self, retries: u32) -> Self {
        Self {
            retries: Some(retries),
            ..self
        }
    }

    fn for_socket(self) -> socket2::TcpKeepalive {
        let mut keepalive = socket2::TcpKeepalive::new();
        if let Some(time) = self.time {
            keepalive = keepalive.with_time(time);
        }
        if let Some(interval) = self.interval {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(retries) = self.retries {
            keepalive = keepalive.with_retries(retries);
        }
        keepalive
    }
}

impl TcpSocket {
    /// A socket for IPv4.
    ///
    /// # Errors
    ///
    /// What `socket(2)` says.
    pub fn new_v4() -> io::Result<Self> {
        Self::new(Domain::IPV4)
    }

    /// A socket for IPv6; bound to `[::]` it takes IPv4 too, if the system has it so and [`set_only_v6`](Self::set_only_v6) does not forbid it.
    ///
    /// # Errors
    ///
    /// What `socket(2)` says.
    pub fn new_v6() -> io::Result<Self> {
        Self::new(Domain::IPV6)
    }

    /// A socket of an address's family.
    pub(crate) fn new_for(addr: SocketAddr) -> io::Result<Self> {
        Self::new(Domain::for_address(addr))
    }

    fn new(domain: Domain) -> io::Result<Self> {
        let socket = sys::tcp_socket(domain).map_err(|cause| error::at("make a socket", cause))?;
        Ok(Self { socket })
    }

    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }

    /// Gives the socket an address of its own. Port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// What `bind(2)` says, with the address.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        let bound = self.socket.bind(&addr.into());
        bound.map_err(|cause| error::at(format!("bind to {addr}"), cause))
    }

    /// Listens, with room for `backlog` connections that wait to be accepted; the kernel lowers that to `net.core.somaxconn`.
    ///
    /// # Errors
    ///
    /// What `listen(2)` says. Outside a runtime too.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        let listens = self.socket.listen(backlog);
        listens.map_err(|cause| error::at("listen", cause))?;
        TcpListener::from_nonblocking(self.socket.into())
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// What `connect(2)` says, with the address. Outside a runtime too.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        let connected = connect::connect(self.socket, addr).await;
        connected.map_err(|cause| error::at(format!("connect to {addr}"), cause))
    }

    /// The address it is bound to.
    ///
    /// # Errors
    ///
    /// What `getsockname(2)` says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        sys::local_addr(&self.socket)
    }
}

/// Options. The streams that a listener accepts have those of its socket.
impl TcpSocket {
    /// Lets an address be bound while connections of an earlier listener linger (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_reuseaddr(&self, is_reused: bool) -> io::Result<()> {
        self.socket.set_reuse_address(is_reused)
    }

    /// Whether `SO_REUSEADDR` is set.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn reuseaddr(&self) -> io::Result<bool> {
        self.socket.reuse_address()
    }

    /// Lets several sockets of one user be bound to one address; the kernel spreads the connections (`SO_REUSEPORT`).
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_reuseport(&self, is_shared: bool) -> io::Result<()> {
        self.socket.set_reuse_port(is_shared)
    }

    /// Whether `SO_REUSEPORT` is set.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn reuseport(&self) -> io::Result<bool> {
        self.socket.reuse_port()
    }

    /// Keeps a socket for IPv6 from taking IPv4 (`IPV6_V6ONLY`).
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_only_v6(&self, is_only_v6: bool) -> io::Result<()> {
        self.socket.set_only_v6(is_only_v6)
    }

    /// Asks a silent peer if it still lives; `None` does not.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_keepalive(&self, keepalive: Option<TcpKeepalive>) -> io::Result<()> {
        match keepalive {
            None => self.socket.set_keepalive(false),
            Some(keepalive) => self.socket.set_tcp_keepalive(&keepalive.for_socket()),
        }
    }

    /// Whether a silent peer is asked.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn keepalive(&self) -> io::Result<bool> {
        self.socket.keepalive()
    }

    /// Sets the size of the buffer for what was received, in bytes (`SO_RCVBUF`). The kernel doubles it, for its own needs, and stops adapting it.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_recv_buffer_size(bytes)
    }

    /// The size of the buffer for what was received, in bytes, as the kernel has it.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        self.socket.recv_buffer_size()
    }

    /// Sets the size of the buffer for what is to be sent, in bytes (`SO_SNDBUF`). The kernel doubles it, for its own needs, and stops adapting it.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_send_buffer_size(bytes)
    }

    /// The size of the buffer for what is to be sent, in bytes, as the kernel has it.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        self.socket.send_buffer_size()
    }

    /// Sends small writes at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_nodelay(&self, is_at_once: bool) -> io::Result<()> {
        self.socket.set_tcp_nodelay(is_at_once)
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.tcp_nodelay()
    }

    /// What closing does with bytes that were not sent; see [`TcpStream::set_linger`].
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(linger)
    }

    /// What closing does with bytes that were not sent.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket.linger()
    }
}

impl AsRawFd for TcpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
