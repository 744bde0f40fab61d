//! How are single datagrams sent and received, to and from anybody or one peer?
//!
//! One system call for each, which is tried before anything is waited for. A datagram says nothing of the next one, so only `WouldBlock` makes a task wait.

use crate::addr::{self, ToSocketAddrs};
use crate::byte_stream::impl_descriptor;
use crate::readiness::impl_ready;
use crate::udp::builder::Builder;
use crate::udp::segments::Offload;
use filch::io::AsyncFd;
use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll, ready};

/// A socket for datagrams.
///
/// Everything works through a shared reference, from any number of tasks: for two that share one, put it into an [`Arc`](std::sync::Arc). Each datagram goes to one of those that receive.
/// Of the tasks that wait by a `poll_` method, only the last is woken in each direction.
///
/// See [the module](crate::udp) for what an error means, and what an empty datagram does.
///
/// # Cancel safety
///
/// A datagram was taken or sent if, and only if, the poll that did it said so.
///
/// # Examples
///
/// ```
/// use filch_net::UdpSocket;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = UdpSocket::bind("127.0.0.1:0").await?;
/// client.connect(server.local_addr()?).await?;
/// client.send(b"ping").await?;
///
/// let mut room = [0; 1500];
/// let (count, peer) = server.recv_from(&mut room).await?;
/// server.send_to(&room[..count], peer).await?;
/// assert_eq!(client.recv(&mut room).await?, 4);
/// assert_eq!(&room[..4], b"ping");
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UdpSocket {
    pub(super) fd: AsyncFd<net::UdpSocket>,
    pub(super) offload: Offload,
}

impl UdpSocket {
    /// A socket with the first of these addresses that can be had.
    ///
    /// It is non-blocking and close-on-exec; no option is set on it. Use [`builder`](Self::builder) for those that must be set before. Port 0 takes a free one, see
    /// [`local_addr`](Self::local_addr); to send to anybody from anywhere, bind to `0.0.0.0:0` or `[::]:0`.
    ///
    /// # Errors
    ///
    /// What resolving, `socket(2)` and `bind(2)` say, with the address; of several addresses, the error of the last. Outside a runtime too.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it waits only while a name is resolved, and nothing is bound before.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Builder::new().bind(addr).await
    }

    /// Options to be set before an address is bound.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Takes over a socket of `std`, and makes it non-blocking. A `socket2::Socket` becomes one of `std` by `into`.
    ///
    /// # Errors
    ///
    /// What `fcntl(2)` says. Outside a runtime too.
    pub fn from_std(socket: net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::from_nonblocking(socket)
    }

    pub(super) fn from_nonblocking(socket: net::UdpSocket) -> io::Result<Self> {
        Ok(Self {
            fd: AsyncFd::new(socket)?,
            offload: Offload::default(),
        })
    }

    /// Gives the socket back to `std`. It stays non-blocking.
    #[must_use]
    pub fn into_std(self) -> net::UdpSocket {
        self.fd.into_inner()
    }

    /// Makes the first of these addresses that can be reached the only peer: [`send`](Self::send) sends there, datagrams of others are not received, and errors of the way there are
    /// told. Nothing is sent by that, so it says nothing of whether there is anybody. It can be done again, for another peer.
    ///
    /// # Errors
    ///
    /// What resolving and `connect(2)` say, with the address; of several addresses, the error of the last.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it waits only while a name is resolved, and the peer is as before.
    pub async fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<()> {
        let wanted = addr.wanted()?;
        let resolved = wanted.resolve().await?;
        resolved.first_that(|addr| self.fd.get_ref().connect(addr), "connect to")
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// What `getsockname(2)` says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.fd.get_ref().local_addr()
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    ///
    /// What `getpeername(2)` says; `NotConnected` if it is to none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.fd.get_ref().peer_addr()
    }

    /// The error that the socket holds, which is cleared by that (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.fd.get_ref().take_error()
    }
}

/// Sending.
impl UdpSocket {
    /// Sends a datagram to the peer that the socket is connected to; all of it, or it is an error.
    ///
    /// # Errors
    ///
    /// What `send(2)` says: `EDESTADDRREQ` without a peer, `EMSGSIZE` if it is larger than 65 507 bytes (65 527 with IPv6), `ConnectionRefused` of a datagram before.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was sent.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.fd.async_write(|socket| socket.send(bytes)).await
    }

    /// Sends a datagram, or waits until there is room: only the last task to call this, or another `poll_send_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_as(cx, |socket| socket.send(bytes))
    }

    /// Sends a datagram, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else as for [`send`](Self::send).
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.fd.try_write(|socket| socket.send(bytes))
    }

    /// Sends a datagram to this address, the first if there are several; all of it, or it is an error.
    ///
    /// A [`SocketAddr`] is the fastest: a text is parsed each time, and a name resolved.
    ///
    /// # Errors
    ///
    /// What resolving says, with the name; what `sendto(2)` says, as for [`send`](Self::send), and `PermissionDenied` for a broadcast that was not
    /// [allowed](Self::set_broadcast).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was sent.
    pub async fn send_to(&self, bytes: &[u8], addr: impl ToSocketAddrs) -> io::Result<usize> {
        let addr = addr::first(addr).await?;
        let sent = self.fd.async_write(|socket| socket.send_to(bytes, addr));
        sent.await
    }

    /// Sends a datagram to this address, or waits until there is room: only the last task to call this, or another `poll_send_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`send_to`](Self::send_to).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        addr: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.poll_write_as(cx, |socket| socket.send_to(bytes, addr))
    }

    /// Sends a datagram to this address, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else as for [`send_to`](Self::send_to).
    pub fn try_send_to(&self, bytes: &[u8], addr: SocketAddr) -> io::Result<usize> {
        self.fd.try_write(|socket| socket.send_to(bytes, addr))
    }

    /// Waits until sending is worth trying; with the `try_send` methods. Any number of tasks may wait.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn writable(&self) -> io::Result<()> {
        self.fd.writable().await.map(drop)
    }

    /// Waits like [`writable`](Self::writable), for hand-written futures: only the last task to call this, or a `poll_send_*`, is woken.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fd.poll_write_ready(cx).map_ok(drop)
    }
}

/// Receiving. What does not fit into the room is lost, and these methods do not say so: [`recv_datagram`](UdpSocket::recv_datagram) does.
impl UdpSocket {
    /// Receives a datagram, and returns how many bytes were written to the room; 0 if it is empty. Of any sender, or of the peer that the socket is connected to.
    ///
    /// # Errors
    ///
    /// What `recv(2)` says: on a connected socket `ConnectionRefused` of a datagram sent before. The socket goes on.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no datagram was taken.
    pub async fn recv(&self, room: &mut [u8]) -> io::Result<usize> {
        self.fd.async_read(|socket| socket.recv(room)).await
    }

    /// Receives a datagram, or waits for one: only the last task to call this, or another `poll_recv_*` or `poll_peek_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn poll_recv(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_read_as(cx, |socket| socket.recv(room))
    }

    /// Receives a datagram, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; else as for [`recv`](Self::recv).
    pub fn try_recv(&self, room: &mut [u8]) -> io::Result<usize> {
        self.fd.try_read(|socket| socket.recv(room))
    }

    /// Receives a datagram, and returns how many bytes were written to the room and who sent it.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no datagram was taken.
    pub async fn recv_from(&self, room: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.fd.async_read(|socket| socket.recv_from(room)).await
    }

    /// Receives a datagram and its sender, or waits for one: only the last task to call this, or another `poll_recv_*` or `poll_peek_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.poll_read_as(cx, |socket| socket.recv_from(room))
    }

    /// Receives a datagram and its sender, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; else as for [`recv`](Self::recv).
    pub fn try_recv_from(&self, room: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.fd.try_read(|socket| socket.recv_from(room))
    }

    /// Reads the next datagram, and leaves it there.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn peek(&self, room: &mut [u8]) -> io::Result<usize> {
        self.fd.async_read(|socket| socket.peek(room)).await
    }

    /// Reads the next datagram and leaves it there, or waits for one: only the last task to call this, or another `poll_recv_*` or `poll_peek_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn poll_peek(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_read_as(cx, |socket| socket.peek(room))
    }

    /// Reads the next datagram and leaves it there, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; else as for [`recv`](Self::recv).
    pub fn try_peek(&self, room: &mut [u8]) -> io::Result<usize> {
        self.fd.try_read(|socket| socket.peek(room))
    }

    /// Reads the next datagram and its sender, and leaves it there. Without room, it tells the sender alone.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn peek_from(&self, room: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.fd.async_read(|socket| socket.peek_from(room)).await
    }

    /// Reads the next datagram and its sender and leaves it there, or waits for one: only the last task to call this, or another `poll_recv_*` or `poll_peek_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.poll_read_as(cx, |socket| socket.peek_from(room))
    }

    /// Reads the next datagram and its sender and leaves it there, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; else as for [`recv`](Self::recv).
    pub fn try_peek_from(&self, room: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.fd.try_read(|socket| socket.peek_from(room))
    }

    /// Waits until receiving is worth trying; with the `try_recv` and `try_peek` methods. Any number of tasks may wait.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn readable(&self) -> io::Result<()> {
        self.fd.readable().await.map(drop)
    }

    /// Waits like [`readable`](Self::readable), for hand-written futures: only the last task to call this, or another `poll_recv_*` or `poll_peek_*`, is woken.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fd.poll_read_ready(cx).map_ok(drop)
    }
}

/// What the `poll_` methods have in common: nothing of what an operation returns is a short count.
impl UdpSocket {
    pub(super) fn poll_read_as<R>(
        &self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&net::UdpSocket) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let mut got = None;
        let done = ready!(self.fd.poll_read_with(cx, 0, |socket| {
            got = Some(operation(socket)?);
            Ok(0)
        }));
        Poll::Ready(done.map(|_| got.expect("the operation was done")))
    }

    pub(super) fn poll_write_as<R>(
        &self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&net::UdpSocket) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let mut got = None;
        let done = ready!(self.fd.poll_write_with(cx, 0, |socket| {
            got = Some(operation(socket)?);
            Ok(0)
        }));
        Poll::Ready(done.map(|_| got.expect("the operation was done")))
    }
}

impl_ready!(UdpSocket);
impl_descriptor!(UdpSocket);
