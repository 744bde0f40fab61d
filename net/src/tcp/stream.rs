//! How does a task read and write?
//!
//! All of it works through a shared reference: the kernel keeps the two directions apart, and so does the reactor, so one task may read
//! while another writes. An operation that can be done at once costs one system call. A read or write that comes back short tells that the socket is drained (or
//! full), so no call is spent on finding that out.
//!
//! Writes are `send(2)` and `sendmsg(2)` with `MSG_NOSIGNAL`: a peer that is gone is an error, never a `SIGPIPE`, whatever the process has done about that signal.

use crate::addr::ToSocketAddrs;
use crate::sys;
use crate::tcp::connect::connect_to_any;
use crate::tcp::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use filch::io::AsyncFd;
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
    /// Connects to the first of these addresses that answers, trying them in order.
    ///
    /// The stream is non-blocking and close-on-exec; no option is set on it. There is no time limit but the system's (about two minutes): use
    /// [`filch::time::timeout`]. Use [`TcpSocket`](crate::TcpSocket) to set options before.
    ///
    /// # Errors
    ///
    /// What resolving and `connect(2)` say, with the name and the address; of several addresses, the error of the last, with those before in its text.
    /// Outside a runtime too.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket that is connecting.
    pub async fn connect(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let wanted = addr.wanted()?;
        let resolved = wanted.resolve().await?;
        connect_to_any(&resolved).await
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

    pub(crate) fn from_nonblocking(stream: net::TcpStream) -> io::Result<Self> {
        Ok(Self::from_async_fd(AsyncFd::new(stream)?))
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

    /// Two halves for two tasks. Dropping the half that writes shuts that direction down; [`OwnedReadHalf::reunite`] makes them one stream again.
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

    /// Shuts down one direction, or both: what was written is still sent, then the peer reads the end; reading gives what came, then the end.
    ///
    /// # Errors
    ///
    /// What `shutdown(2)` says; `NotConnected` after a reset.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.fd.get_ref().shutdown(how)
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

/// Reading and writing by hand.
impl TcpStream {
    /// Reads what is there; 0 is the end. Only the last task to call this, or another `poll_read_*`, is woken.
    ///
    /// # Errors
    ///
    /// What `recv(2)` says: `ConnectionReset` if the peer has broken the connection off. `EINTR` is tried again.
    #[inline]
    pub fn poll_read(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.fd
            .poll_read_with(cx, room.len(), |mut stream| stream.read(room))
    }

    /// Reads what is there into several pieces of room; 0 is the end.
    ///
    /// # Errors
    ///
    /// As for [`poll_read`](Self::poll_read).
    #[inline]
    pub fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        rooms: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = rooms.iter().map(|room| room.len()).sum();
        self.fd
            .poll_read_with(cx, wanted, |mut stream| stream.read_vectored(rooms))
    }

    /// Writes what fits. Only the last task to call this, or another `poll_write_*`, is woken.
    ///
    /// # Errors
    ///
    /// What `send(2)` says: `BrokenPipe` or `ConnectionReset` if nobody reads any more. `EINTR` is tried again.
    #[inline]
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.fd
            .poll_write_with(cx, bytes.len(), |stream| sys::send(stream, bytes))
    }

    /// Writes what fits of several pieces, by one `sendmsg(2)`. Of more than 1024 pieces, the first 1024 are tried.
    ///
    /// # Errors
    ///
    /// As for [`poll_write`](Self::poll_write).
    #[inline]
    pub fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let pieces = sys::sendable(pieces);
        let wanted = pieces.iter().map(|piece| piece.len()).sum();
        self.fd
            .poll_write_with(cx, wanted, |stream| sys::send_vectored(stream, pieces))
    }

    /// Reads what is there, and leaves it there; 0 is the end.
    ///
    /// # Errors
    ///
    /// As for [`poll_read`](Self::poll_read).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn peek(&self, room: &mut [u8]) -> io::Result<usize> {
        self.fd.async_read(|stream| stream.peek(room)).await
    }

    /// Reads what is there and leaves it there, or waits for it: only the last task to call this, or a `poll_read_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`poll_read`](Self::poll_read).
    pub fn poll_peek(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        // What was peeked at is still there: no count is short.
        let mut count = 0;
        let peeked = self.fd.poll_read_with(cx, 0, |stream| {
            count = stream.peek(room)?;
            Ok(count)
        });
        peeked.map_ok(|_| count)
    }

    /// Waits until a read is worth trying; with [`try_read`](Self::try_read). Any number of tasks may wait.
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

    /// Waits until a write is worth trying; with [`try_write`](Self::try_write). Any number of tasks may wait.
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

    /// Reads what is there, without waiting; 0 is the end.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing; else as for [`poll_read`](Self::poll_read).
    ///
    /// # Examples
    ///
    /// ```
    /// # use filch_net::{TcpListener, TcpStream};
    /// # use futures_lite::AsyncWriteExt;
    /// # use std::io;
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// # listener.accept().await?.0.write_all(b"x").await?;
    /// let mut room = [0; 512];
    /// let count = loop {
    ///     stream.readable().await?;
    ///     match stream.try_read(&mut room) {
    ///         Err(error) if error.kind() == io::ErrorKind::WouldBlock => {} // it was only worth trying
    ///         result => break result?,
    ///     }
    /// };
    /// # assert_eq!(count, 1);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
        self.fd.try_read(|mut stream| stream.read(room))
    }

    /// Reads what is there at this moment; 0 is the end. It asks the kernel, also where [`try_read`](Self::try_read) knows of nothing: for the last look
    /// before a connection is closed, which what has come and was not read would turn into a reset.
    ///
    /// # Errors
    ///
    /// What `recv(2)` says: `WouldBlock` if there is nothing.
    pub fn read_now(&self, room: &mut [u8]) -> io::Result<usize> {
        self.fd.get_ref().read(room)
    }

    /// Reads what is there into several pieces of room, without waiting; 0 is the end.
    ///
    /// # Errors
    ///
    /// As for [`try_read`](Self::try_read).
    pub fn try_read_vectored(&self, rooms: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.fd.try_read(|mut stream| stream.read_vectored(rooms))
    }

    /// Writes what fits, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing fits; else as for [`poll_write`](Self::poll_write).
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.fd.try_write(|stream| sys::send(stream, bytes))
    }

    /// Writes what fits of several pieces, without waiting.
    ///
    /// # Errors
    ///
    /// As for [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let pieces = sys::sendable(pieces);
        self.fd
            .try_write(|stream| sys::send_vectored(stream, pieces))
    }
}

/// Options. None is set on a new stream.
impl TcpStream {
    /// Sends small writes at once, instead of waiting for the acknowledgement of those before (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_nodelay(&self, is_at_once: bool) -> io::Result<()> {
        self.fd.get_ref().set_nodelay(is_at_once)
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.fd.get_ref().nodelay()
    }

    /// What closing does with bytes that were not sent (`SO_LINGER`): `None` sends them in the background; zero throws them away and resets the connection.
    ///
    /// With any other time, closing blocks the thread for up to so long, the worker that drops the stream: use [`shutdown`](Self::shutdown), and read until the
    /// end, instead.
    ///
    /// # Units and limits
    ///
    /// Whole seconds; fractions are cut off.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.option().set_linger(linger)
    }

    /// What closing does with bytes that were not sent.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.option().linger()
    }

    /// Sets how many routers a packet may pass (`IP_TTL`, or `IPV6_UNICAST_HOPS`).
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        if self.local_addr()?.is_ipv6() {
            self.option().set_unicast_hops_v6(ttl)
        } else {
            self.option().set_ttl_v4(ttl)
        }
    }

    /// How many routers a packet may pass.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn ttl(&self) -> io::Result<u32> {
        if self.local_addr()?.is_ipv6() {
            self.option().unicast_hops_v6()
        } else {
            self.option().ttl_v4()
        }
    }

    fn option(&self) -> SockRef<'_> {
        SockRef::from(self.fd.get_ref())
    }

    /// Ends the direction of writing, for [`AsyncWrite::poll_close`]. After a reset there is nothing to end.
    pub(crate) fn close_write(&self) -> io::Result<()> {
        match self.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

/// Implements `AsyncRead` by the methods of the stream that `$stream` finds in a value.
macro_rules! impl_async_read {
    ($type:ty, $stream:expr) => {
        impl AsyncRead for $type {
            #[inline]
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                room: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let stream: fn(&Self) -> &TcpStream = $stream;
                TcpStream::poll_read(stream(&self), cx, room)
            }

            #[inline]
            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                rooms: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let stream: fn(&Self) -> &TcpStream = $stream;
                TcpStream::poll_read_vectored(stream(&self), cx, rooms)
            }
        }
    };
}

/// Implements `AsyncWrite` by the methods of the stream that `$stream` finds in a value.
macro_rules! impl_async_write {
    ($type:ty, $stream:expr) => {
        impl AsyncWrite for $type {
            #[inline]
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                let stream: fn(&Self) -> &TcpStream = $stream;
                TcpStream::poll_write(stream(&self), cx, bytes)
            }

            #[inline]
            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let stream: fn(&Self) -> &TcpStream = $stream;
                TcpStream::poll_write_vectored(stream(&self), cx, pieces)
            }

            /// Nothing is buffered.
            #[inline]
            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Shuts down the direction of writing.
            fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let stream: fn(&Self) -> &TcpStream = $stream;
                Poll::Ready(stream(&self).close_write())
            }
        }
    };
}

pub(crate) use {impl_async_read, impl_async_write};

impl_async_read!(TcpStream, |stream| stream);
impl_async_write!(TcpStream, |stream| stream);
impl_async_read!(&TcpStream, |stream| stream);
impl_async_write!(&TcpStream, |stream| stream);

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fd.get_ref().fmt(f)
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
