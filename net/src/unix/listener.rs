//! How are connections accepted?
//!
//! One `accept4(2)` per connection, which makes the new socket non-blocking and close-on-exec. What becomes of errors stands in `accepting`, for all listeners.

use crate::accepting::{Acceptor, Connections, Listens, impl_accepting};
use crate::error;
use crate::sys;
use crate::unix::addr::SocketAddr;
use crate::unix::replace;
use crate::unix::stream::UnixStream;
use filch::io::Placement;
use filch::time::Duration;
use futures_core::Stream;
use socket2::Type;
use std::fmt::{self, Display};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// How many connections may wait to be accepted: 4096.
///
/// The kernel lowers it to `net.core.somaxconn`, whose default is the same since Linux 5.4. Who finds the queue full waits, or gets `EAGAIN` if its socket is non-blocking;
/// [`UnixStream::connect`] then tries again.
pub const BACKLOG: u32 = 4096;

/// A socket that accepts connections of processes of this machine.
///
/// Closing it does not remove its file: see [the module](crate::unix#who-removes-the-file).
///
/// # Examples
///
/// ```
/// use filch_net::{UnixListener, UnixStream};
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let path = std::env::temp_dir().join(format!("filch-listener-{}.sock", std::process::id()));
/// let listener = UnixListener::bind(&path)?;
/// # let of_client = path.clone();
/// # filch::spawn(async move { UnixStream::connect(of_client).await });
/// let (stream, _peer) = listener.accept().await?;
/// println!("connected by process {:?}", stream.peer_cred()?.pid());
/// std::fs::remove_file(&path)?;
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixListener {
    acceptor: Acceptor<net::UnixListener>,
}

impl UnixListener {
    /// Listens on this path, and makes a file there; on an abstract name, if it begins with a NUL. The queue is as long as [`BACKLOG`].
    ///
    /// Whoever may write to the file may connect; the process's umask says who that is.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path cannot be that of a socket ([`SocketAddr::from_pathname`]); what `bind(2)` says: `AddrInUse` if there is a file already, whatever it is: see
    /// [`bind_replacing`](Self::bind_replacing). All with the path. Outside a runtime too.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_addr(&SocketAddr::of("listen on", path.as_ref())?)
    }

    /// Listens on this address.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Self::bind).
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::bind_to(addr).map_err(|cause| cannot_listen(addr, cause))
    }

    /// Listens on this path as [`bind`](Self::bind), and takes it over if a socket's file is there that belongs to nobody any more.
    ///
    /// Only that is removed. It is an error if the file is no socket, or if any socket is still bound to it, whatever its type, whether it listens or not. Nobody sees a connection of
    /// this. Of several programs that do this at a time, one has the path in the end: meanwhile the folder is locked (`flock(2)`).
    ///
    /// # Errors
    ///
    /// As for [`bind`](Self::bind): `AddrInUse` if somebody is bound to the path. `AlreadyExists` if there is a file that is no socket. `PermissionDenied` if the folder cannot be read, to lock it,
    /// or the file not be removed, or not be written to, by which it is found out. `ResourceBusy` if another program keeps the folder locked for about a second.
    ///
    /// # Panics
    ///
    /// If it has to wait outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it waits only for the folder's lock, and nothing is removed or bound before.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::UnixListener;
    /// use std::io::ErrorKind;
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// # let path = std::env::temp_dir().join(format!("filch-replacing-{}.sock", std::process::id()));
    /// drop(UnixListener::bind(&path)?); // the file stays
    /// assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    /// let listener = UnixListener::bind_replacing(&path).await?;
    /// assert_eq!(UnixListener::bind_replacing(&path).await.unwrap_err().kind(), ErrorKind::AddrInUse);
    /// # drop(listener);
    /// # std::fs::remove_file(&path)?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn bind_replacing(path: impl AsRef<Path>) -> io::Result<Self> {
        let addr = SocketAddr::of("listen on", path.as_ref())?;
        let bound = replace::bind_replacing(&addr, Self::bind_to).await;
        bound.map_err(|cause| cannot_listen(&addr, cause))
    }

    fn bind_to(addr: &SocketAddr) -> io::Result<Self> {
        let socket = sys::unix_socket(Type::STREAM)?;
        socket.bind(addr.inner())?;
        let listens = socket.listen(BACKLOG as i32);
        let made = listens.and_then(|()| Self::from_nonblocking(socket.into()));
        made.inspect_err(|_| addr.unbind())
    }

    /// Takes over a listener of `std`, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// What `fcntl(2)` says. Outside a runtime too.
    pub fn from_std(listener: net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::from_nonblocking(listener)
    }

    fn from_nonblocking(listener: net::UnixListener) -> io::Result<Self> {
        let acceptor = Acceptor::new(listener, Placement::Here)?;
        Ok(Self { acceptor })
    }

    /// Gives the listener back to `std`. It stays non-blocking.
    #[must_use]
    pub fn into_std(self) -> net::UnixListener {
        self.acceptor.into_inner()
    }

    /// Waits for the next connection. Any number of tasks may do so at a time.
    ///
    /// The new stream is non-blocking and close-on-exec; its peer's address is as a rule unnamed. While there is no
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
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.acceptor.accept().await.and_then(watch)
    }

    /// All connections that come, one after the other, for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::{UnixListener, UnixStream};
    /// use futures_lite::StreamExt;
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let name = format!("\0incoming-{}", std::process::id()); // abstract
    /// let listener = UnixListener::bind(&name)?;
    /// # filch::spawn(UnixStream::connect(name));
    /// let mut incoming = listener.incoming();
    /// while let Some(stream) = incoming.next().await {
    ///     println!("connected by user {}", stream?.peer_cred()?.uid());
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
        sys::unix_local_addr(self).map(SocketAddr::from_inner)
    }
}

#[cold]
fn cannot_listen(addr: &SocketAddr, cause: io::Error) -> io::Error {
    error::at(format!("listen on {addr}"), cause)
}

impl_accepting!(UnixListener, net::UnixListener, UnixStream, SocketAddr);

type Accepted = (net::UnixStream, SocketAddr);

impl Listens for net::UnixListener {
    type Accepted = Accepted;

    fn take(&self) -> io::Result<Accepted> {
        let (stream, peer) = sys::accept_unix(self)?;
        Ok((stream, SocketAddr::from_inner(peer)))
    }

    fn name(&self) -> io::Result<impl Display> {
        sys::unix_local_addr(self).map(SocketAddr::from_inner)
    }
}
