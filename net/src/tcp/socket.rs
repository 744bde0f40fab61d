//! How is a socket set up before it listens or connects?
//!
//! Some options must be set before: the buffers' sizes decide the window that the handshake announces, `SO_REUSEPORT` decides who may bind.
//! [`TcpSocket`] is a socket that does neither yet. It is non-blocking and close-on-exec from its birth, by one `socket(2)`.

use crate::error;
use crate::sys;
use crate::tcp::connect;
use crate::tcp::keepalive::TcpKeepalive;
use crate::tcp::listener::TcpListener;
use crate::tcp::options::{impl_any_options, impl_connection_options, impl_listening_options};
use crate::tcp::stream::TcpStream;
use filch::io::Placement;
use socket2::{Domain, SockRef, Socket};
use std::io;
use std::net::{self, SocketAddr};
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

    /// Takes over a socket of another library that neither listens nor is connected yet, in `std`'s type, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// What `fcntl(2)` says.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::TcpSocket;
    /// use socket2::{Domain, Socket, Type};
    ///
    /// let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    /// socket.set_tcp_mss(1000)?; // an option that is not here
    /// let socket = TcpSocket::from_std(socket.into())?;
    /// socket.bind("127.0.0.1:0".parse().unwrap())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_std(socket: net::TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::from_std_stream(socket))
    }

    /// The same, of a socket that is non-blocking already: one that is not may block a worker.
    #[must_use]
    pub fn from_std_stream(socket: net::TcpStream) -> Self {
        Self {
            socket: socket.into(),
        }
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
    /// What `listen(2)` says, with the address. Outside a runtime too.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let addr = self.local_addr()?;
        let listens = self.listen_with(backlog, Placement::Here);
        listens.map_err(|cause| error::at(format!("listen on {addr}"), cause))
    }

    /// The same, with the poller of a certain worker; its caller names the address.
    pub(crate) fn listen_with(self, backlog: u32, placement: Placement) -> io::Result<TcpListener> {
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        let listens = self.socket.listen(backlog);
        listens.map_err(|cause| error::at("listen", cause))?;
        TcpListener::from_nonblocking(self.socket.into(), placement)
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

    /// The error that the socket holds, which is cleared by that (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }
}

/// Options of addresses, and of connecting. The streams that a listener accepts have those of its socket.
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

    /// Whether a socket for IPv6 is kept from taking IPv4.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn only_v6(&self) -> io::Result<bool> {
        self.socket.only_v6()
    }

    /// Lets an address be bound that is not there (yet) (`IP_FREEBIND`).
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_freebind(&self, is_free: bool) -> io::Result<()> {
        match self.socket.domain()? {
            Domain::IPV6 => self.socket.set_freebind_v6(is_free),
            _ => self.socket.set_freebind_v4(is_free),
        }
    }

    /// Whether an address may be bound that is not there.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn freebind(&self) -> io::Result<bool> {
        match self.socket.domain()? {
            Domain::IPV6 => self.socket.freebind_v6(),
            _ => self.socket.freebind_v4(),
        }
    }

    /// Sends the first bytes with the first packet, where the server has allowed that before (`TCP_FASTOPEN_CONNECT`).
    ///
    /// [`connect`](Self::connect) then returns at once, and the connection begins with the first write: a task that reads before it has written waits for ever. Whether there is
    /// a server shows in that write, or in the first read. What is sent in this way may arrive twice, see [`set_fastopen`](Self::set_fastopen).
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says: `Unsupported` if bit 1 of `net.ipv4.tcp_fastopen` is not set, `InvalidInput` on a socket that is connected.
    ///
    /// # Source
    ///
    /// RFC 7413; `tcp(7)`.
    pub fn set_fastopen_connect(&self, is_fast: bool) -> io::Result<()> {
        sys::set_tcp_option(self, sys::TcpOption::FastOpenConnect, u32::from(is_fast))
    }

    /// Whether the first bytes are sent with the first packet.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn fastopen_connect(&self) -> io::Result<bool> {
        Ok(sys::tcp_option(self, sys::TcpOption::FastOpenConnect)? != 0)
    }

    fn option(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }
}

impl_any_options!(TcpSocket);
impl_connection_options!(TcpSocket, "Options of connections.");
impl_listening_options!(TcpSocket);

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
