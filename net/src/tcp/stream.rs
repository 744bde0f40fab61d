//! How does a task read and write?
//!
//! All of it works through a shared reference: the kernel keeps the two directions apart, and so does the reactor, so one task may read
//! while another writes. An operation that can be done at once costs one system call. A read or write that comes back short tells that the socket is drained (or
//! full), so no call is spent on finding that out.
//!
//! Writes are `send(2)` and `sendmsg(2)` with `MSG_NOSIGNAL`: a peer that is gone is an error, never a `SIGPIPE`, whatever the process has done about that signal.

use crate::addr::ToSocketAddrs;
use crate::byte_stream::{
    impl_async_read, impl_async_write, impl_descriptor, impl_reading, impl_socket, impl_writing,
};
use crate::readiness::impl_ready;
use crate::sys;
use crate::tcp::connector::TcpConnect;
use crate::tcp::keepalive::TcpKeepalive;
use crate::tcp::options::{impl_any_options, impl_connection_options};
use crate::tcp::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use filch::io::{AsyncFd, Placement};
use futures_io::{AsyncRead, AsyncWrite};
use socket2::SockRef;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::net::{self, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A connection.
///
/// It implements `AsyncRead` and `AsyncWrite` of `futures-io`, by value and by shared reference; nothing is buffered, so flushing does nothing, and closing
/// shuts down the direction of writing. Of the tasks that read through the traits or the `poll_` methods, only the last is woken; the same holds for
/// those that write. Dropping the stream closes the connection.
///
/// # Cancel safety
///
/// Bytes were read or written if, and only if, the poll that did it said so; dropping a future of the traits between polls loses what that future
/// itself had collected (`read_exact`, `write_all`), and nothing else.
///
/// # Examples
///
/// ```
/// use filch_net::{TcpListener, TcpStream};
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let addr = listener.local_addr()?;
/// # filch::spawn(async move {
/// #     let (mut served, _) = listener.accept().await?;
/// #     served.write_all(b"welcome").await
/// # });
/// let mut stream = TcpStream::connect(addr).await?;
/// let mut greeting = String::new();
/// stream.read_to_string(&mut greeting).await?;
/// assert_eq!(greeting, "welcome");
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TcpStream {
    fd: AsyncFd<net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first of these addresses that answers.
    ///
    /// They are tried in order, IPv6 and IPv4 in turn if there are both, each 250 ms after the one before or as soon as one has failed ([`ATTEMPT_DELAY`](super::ATTEMPT_DELAY)); one
    /// that is slow goes on beside the next, and the first success closes the others.
    ///
    /// The stream is non-blocking and close-on-exec; no option is set on it. There is no time limit but the system's (about two minutes): use
    /// [`TcpConnect`] for one, or to set options before.
    ///
    /// # Errors
    ///
    /// What resolving and `connect(2)` say, with the name and the address; of several addresses, the error of the last, with those before in its text.
    /// Outside a runtime too.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the sockets that are connecting.
    ///
    /// # Source
    ///
    /// RFC 8305, happy eyeballs.
    pub async fn connect(addr: impl ToSocketAddrs) -> io::Result<Self> {
        TcpConnect::new().to(addr).await
    }

    /// Takes over a stream of `std`, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// What `fcntl(2)` says. Outside a runtime too.
    pub fn from_std(stream: net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Self::from_nonblocking(stream)
    }

    fn from_nonblocking(stream: net::TcpStream) -> io::Result<Self> {
        Ok(Self::from_async_fd(AsyncFd::new(stream)?))
    }

    /// One of many that one task accepts for others: with the poller of a worker that has few, and registered there when somebody has to wait for it.
    pub(crate) fn accepted(stream: net::TcpStream) -> io::Result<Self> {
        let fd = AsyncFd::postponed(stream, Placement::Balanced)?;
        Ok(Self::from_async_fd(fd))
    }

    pub(crate) fn async_fd(&self) -> &AsyncFd<net::TcpStream> {
        &self.fd
    }

    pub(crate) fn from_async_fd(fd: AsyncFd<net::TcpStream>) -> Self {
        Self { fd }
    }

    /// Gives the stream back to `std`. It stays non-blocking.
    #[must_use]
    pub fn into_std(self) -> net::TcpStream {
        self.fd.into_inner()
    }

    /// Two halves that borrow the stream, for one task that reads and writes at the same time.
    #[must_use]
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::borrowed(self)
    }

    /// Two halves for two tasks, which share the stream by counting: one allocation, and none of the system calls of duplicating a descriptor. The connection is closed when both are gone.
    ///
    /// Dropping the half that writes shuts that direction down, so that the peer reads the end; [`OwnedWriteHalf::forget`] does not. What concerns the whole connection (options, shutting
    /// down) is had through [`AsRef`]. [`OwnedReadHalf::reunite`] makes them one stream again. Within one task [`split`](Self::split) does without the allocation; two tasks that
    /// only need `&TcpStream` may share an `Arc` of the stream itself, which reads and writes by shared reference.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::{TcpListener, TcpStream};
    /// use futures_lite::{AsyncReadExt, AsyncWriteExt};
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let addr = listener.local_addr()?;
    /// # let echo = filch::spawn(async move {
    /// #     let (stream, _) = listener.accept().await?;
    /// #     futures_lite::io::copy(&stream, &mut &stream).await
    /// # });
    /// let (mut read, mut write) = TcpStream::connect(addr).await?.into_split();
    /// filch::spawn(async move { write.write_all(b"hello").await }); // then the half is dropped, which ends this direction
    /// let mut word = [0; 5];
    /// read.read_exact(&mut word).await?;
    /// assert_eq!(&word, b"hello");
    /// # drop(echo);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split::owned(self)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// What `getsockname(2)` says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.fd.get_ref().local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// What `getpeername(2)` says; `NotConnected` after a reset.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.fd.get_ref().peer_addr()
    }

    /// Writes what fits, where more is to be written at once: the kernel may keep back what does not fill a packet until that comes, for 200 ms at most (`MSG_MORE`). For the head of a
    /// file that [`splice::poll_sendfile`](crate::splice::poll_sendfile) sends. Only the last task to call this, or a `poll_write_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`poll_write`](Self::poll_write).
    pub fn poll_write_more(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.fd
            .poll_write_with(cx, bytes.len(), |socket| sys::send_more(socket, bytes))
    }

    fn option(&self) -> SockRef<'_> {
        SockRef::from(self.fd.get_ref())
    }
}

impl_reading!(TcpStream, "recv(2)", sys::receive);
impl_writing!(TcpStream, "send(2)", sys::send, sys::send_vectored);
impl_socket!(TcpStream);
impl_ready!(TcpStream);
impl_async_read!(TcpStream, TcpStream, |stream| stream);
impl_async_write!(TcpStream, TcpStream, |stream| stream);
impl_async_read!(&TcpStream, TcpStream, |stream| stream);
impl_async_write!(&TcpStream, TcpStream, |stream| stream);
impl_descriptor!(TcpStream);

impl_any_options!(TcpStream);
impl_connection_options!(
    TcpStream,
    "Options. None is set on a new stream but those of the listener that has accepted it."
);
