//! How does a task read and write, send descriptors, and ask who is there?
//!
//! As on TCP, with two differences of the kernel's.
//!
//! A read ends where descriptors were sent along, even if more bytes wait behind them; so a short read does not tell that the socket is drained, as it does for TCP, and only `EAGAIN`
//! does. That costs one system call more each time a task has to wait; taken as drained, the bytes behind descriptors would stay there until more come.
//!
//! A non-blocking `connect(2)` to a listener whose queue is full fails at once (`EAGAIN`), and nothing tells when there is room. So connecting pauses, 1 ms at first and twice
//! as long each time up to 100 ms, and tries again. Rejected: to leave that to the caller, who then has errors under bursts that a program with threads has not; a blocking call on
//! another thread, which could not be given up.

use crate::byte_stream::{
    impl_async_read, impl_async_write, impl_descriptor, impl_reading, impl_socket, impl_writing,
};
use crate::error;
use crate::pauses::Pauses;
use crate::readiness::impl_ready;
use crate::sys;
use crate::unix::addr::SocketAddr;
use crate::unix::rights;
use crate::unix::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::unix::ucred::UCred;
use filch::io::{AsyncFd, Placement};
use filch::time::{Duration, sleep};
use futures_io::{AsyncRead, AsyncWrite};
use socket2::Type;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The first pause when a listener's queue is full. A guess: it takes some connections out of it by then.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// The longest pause. A guess: ten calls a second are nothing.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// A connection between processes of one machine.
///
/// It implements `AsyncRead` and `AsyncWrite` of `futures-io`, by value and by shared reference; nothing is buffered, so flushing does nothing, and closing
/// shuts down the direction of writing. Of the tasks that read through the traits or the `poll_` methods, only the last is woken; the same holds for
/// those that write. Dropping the stream closes the connection.
///
/// Descriptors that the peer has sent along are received by [`recv_with_fds`](Self::recv_with_fds); any other read closes them.
///
/// # Cancel safety
///
/// Bytes were read or written if, and only if, the poll that did it said so; dropping a future of the traits between polls loses what that future
/// itself had collected (`read_exact`, `write_all`), and nothing else.
///
/// # Examples
///
/// ```
/// use filch_net::UnixStream;
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let (mut one, mut other) = UnixStream::pair()?;
/// one.write_all(b"welcome").await?;
/// one.close().await?;
/// let mut greeting = String::new();
/// other.read_to_string(&mut greeting).await?;
/// assert_eq!(greeting, "welcome");
/// assert_eq!(other.peer_cred()?.pid(), Some(std::process::id() as i32));
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixStream {
    fd: AsyncFd<net::UnixStream>,
}

impl UnixStream {
    /// Connects to the listener of this path; of an abstract name, if it begins with a NUL.
    ///
    /// The stream is non-blocking and close-on-exec. While the listener's queue is full, this tries again and again, with pauses of 1 ms to 100 ms and without a time limit: use
    /// [`filch::time::timeout`].
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path cannot be that of a socket ([`SocketAddr::from_pathname`]); what `connect(2)` says: `NotFound` if there is no such file, `ConnectionRefused` if nobody listens there, or it
    /// is no socket. All with the path. Outside a runtime too.
    ///
    /// # Panics
    ///
    /// If it has to pause outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket that is connecting.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::{UnixListener, UnixStream};
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let name = format!("\0connect-{}", std::process::id()); // abstract
    /// let listener = UnixListener::bind(&name)?;
    /// let stream = UnixStream::connect(&name).await?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # drop(listener);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let addr = SocketAddr::of("connect to", path.as_ref())?;
        Self::connect_addr(&addr).await
    }

    /// Connects to the listener of this address.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// If it has to pause outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket that is connecting.
    pub async fn connect_addr(addr: &SocketAddr) -> io::Result<Self> {
        let connected = Self::connect_to(addr).await;
        connected.map_err(|cause| error::at(format!("connect to {addr}"), cause))
    }

    async fn connect_to(addr: &SocketAddr) -> io::Result<Self> {
        let socket = sys::unix_socket(Type::STREAM)?;
        let mut pauses = Pauses::between(PAUSE_MIN, PAUSE_MAX);
        loop {
            match socket.connect(addr.inner()) {
                Ok(()) => return Self::from_nonblocking(socket.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sleep(pauses.step()).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Two streams that are connected with each other, and have no names.
    ///
    /// # Errors
    ///
    /// What `socketpair(2)` says. Outside a runtime too.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = net::UnixStream::pair()?;
        Ok((Self::from_std(one)?, Self::from_std(other)?))
    }

    /// Takes over a stream of `std`, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// What `fcntl(2)` says. Outside a runtime too.
    pub fn from_std(stream: net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Self::from_nonblocking(stream)
    }

    /// One that a listener has taken from its queue: with the poller of a worker that has few, and registered there when somebody has to wait for it.
    pub(crate) fn accepted(stream: net::UnixStream) -> io::Result<Self> {
        let fd = AsyncFd::postponed(stream, Placement::Balanced)?;
        Ok(Self { fd })
    }

    fn from_nonblocking(stream: net::UnixStream) -> io::Result<Self> {
        let fd = AsyncFd::new(stream)?;
        Ok(Self { fd })
    }

    pub(crate) fn async_fd(&self) -> &AsyncFd<net::UnixStream> {
        &self.fd
    }

    /// Gives the stream back to `std`. It stays non-blocking.
    #[must_use]
    pub fn into_std(self) -> net::UnixStream {
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
    /// use filch_net::UnixStream;
    /// use futures_lite::{AsyncReadExt, AsyncWriteExt};
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let (one, other) = UnixStream::pair()?;
    /// let (mut read, mut write) = one.into_split();
    /// filch::spawn(async move { write.write_all(b"question").await }); // then the half is dropped, which ends this direction
    /// filch::spawn(async move { futures_lite::io::copy(&other, &other).await });
    /// let mut answer = String::new();
    /// read.read_to_string(&mut answer).await?;
    /// assert_eq!(answer, "question");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split::owned(self)
    }

    /// The address of this end; as a rule it has none, if it has connected.
    ///
    /// # Errors
    ///
    /// What `getsockname(2)` says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        sys::unix_local_addr(self).map(SocketAddr::from_inner)
    }

    /// The address of the other end; as a rule it has none, if it was accepted.
    ///
    /// # Errors
    ///
    /// What `getpeername(2)` says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        sys::unix_peer_addr(self).map(SocketAddr::from_inner)
    }

    /// The process at the other end, and its user and group, as they were when it called `connect(2)`, `listen(2)` or `socketpair(2)`.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::UnixStream;
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let (ours, _other) = UnixStream::pair()?;
    /// let peer = ours.peer_cred()?;
    /// assert_eq!(peer.pid(), Some(std::process::id() as i32));
    /// println!("user {}, group {}", peer.uid(), peer.gid());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peer_cred(&self) -> io::Result<UCred> {
        UCred::of_peer(self)
    }

    /// The process at the other end as a descriptor (`pidfd_open(2)`), which means the same process also when that has ended and its number is another's. It becomes readable when the process ends.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says: `ENOPROTOOPT` before Linux 6.5; another error, on many kernels, if the process has ended and was waited for.
    pub fn peer_pidfd(&self) -> io::Result<OwnedFd> {
        sys::peer_pidfd(self)
    }
}

impl_reading!(UnixStream, "recv(2)", sys::receive, 0);
impl_writing!(UnixStream, "send(2)", sys::send, sys::send_vectored);
impl_socket!(UnixStream);
impl_ready!(UnixStream);
impl_async_read!(UnixStream, UnixStream, |stream| stream);
impl_async_write!(UnixStream, UnixStream, |stream| stream);
impl_async_read!(&UnixStream, UnixStream, |stream| stream);
impl_async_write!(&UnixStream, UnixStream, |stream| stream);
impl_descriptor!(UnixStream);

/// Descriptors along with bytes (`SCM_RIGHTS`).
impl UnixStream {
    /// Writes what fits of the bytes, and sends duplicates of the descriptors with the first of them: all, or the error says that nothing was sent.
    ///
    /// What did not fit of the bytes is for `write`, or the descriptors would be sent again. The peer gets them with [`recv_with_fds`](Self::recv_with_fds) when it reads that first byte.
    ///
    /// # Units and limits
    ///
    /// [`FDS_MAX`](crate::unix::FDS_MAX) descriptors.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there are more, or descriptors and no byte. What `sendmsg(2)` says: `BrokenPipe` if nobody reads any more; `ETOOMANYREFS` if more of the user's descriptors
    /// are on their way than one of its processes may have open.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::UnixStream;
    /// use std::fs::File;
    /// use std::io::Read;
    /// use std::os::fd::AsFd;
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let (one, other) = UnixStream::pair()?;
    /// let file = File::open("/proc/self/comm")?;
    /// one.send_with_fds(b"name", &[file.as_fd()]).await?;
    ///
    /// let mut room = [0; 16];
    /// let (count, fds) = other.recv_with_fds(&mut room, 1).await?;
    /// assert_eq!((&room[..count], fds.len()), (&b"name"[..], 1));
    /// let mut name = String::new();
    /// for fd in fds {
    ///     File::from(fd).read_to_string(&mut name)?;
    /// }
    /// assert!(name.ends_with('\n'));
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send_with_fds(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let send = |socket: &_| rights::send_on_stream(socket, bytes, fds);
        self.fd.async_write(send).await
    }

    /// Writes what fits and sends descriptors, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if no byte fits; else as for [`send_with_fds`](Self::send_with_fds).
    pub fn try_send_with_fds(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.fd
            .try_write(|socket| rights::send_on_stream(socket, bytes, fds))
    }

    /// Reads what is there, with the descriptors that were sent along, at most `fds_max`; 0 bytes are the end.
    ///
    /// The read ends before the next byte that has descriptors. They are close-on-exec. They may be anything, also in non-blocking mode or not: the peer has chosen them.
    ///
    /// # Units and limits
    ///
    /// No more than [`FDS_MAX`](crate::unix::FDS_MAX) come at once.
    ///
    /// # Errors
    ///
    /// As for [`poll_read`](Self::poll_read). `InvalidData` if more descriptors came than `fds_max`, or than the process may have open: then those that came are closed, and the bytes are
    /// gone; as a rule so is what the peer and this side agree on.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: bytes and descriptors that were taken are returned by the very poll that did it.
    pub async fn recv_with_fds(
        &self,
        room: &mut [u8],
        fds_max: usize,
    ) -> io::Result<(usize, Vec<OwnedFd>)> {
        let receive = |socket: &_| rights::recv(socket, room, fds_max);
        self.fd.async_read(receive).await
    }

    /// Reads what is there, with descriptors, without waiting; 0 bytes are the end.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing; else as for [`recv_with_fds`](Self::recv_with_fds).
    pub fn try_recv_with_fds(
        &self,
        room: &mut [u8],
        fds_max: usize,
    ) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.fd
            .try_read(|socket| rights::recv(socket, room, fds_max))
    }
}
