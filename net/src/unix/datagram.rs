//! How are datagrams sent and received, and who waits for a receiver that is full?
//!
//! Between processes of one machine datagrams keep their order and are not lost: a receiver has a queue (`net.unix.max_dgram_qlen`, as a rule of 10 to 512), and who sends when that is full, waits. The kernel tells
//! a *connected* sender when there is room again. To one that sends by address, `epoll(7)` speaks only of its own buffer; and since the datagram that was refused is freed from that, each refusal is itself an event: who waits for
//! readiness and tries again does so without end and pause. So nobody does. Sending by address tries every 10 ms, also by hand: [`UnixDatagram::writable`] pauses after
//! [`try_send_to`](UnixDatagram::try_send_to) has found a receiver full. For the same reason there is no `poll_send_to`: it could not wake its task.
//!
//! Who often waits for one receiver should connect.

use crate::byte_stream::impl_descriptor;
use crate::error;
use crate::readiness::impl_ready;
use crate::sys;
use crate::unix::addr::SocketAddr;
use crate::unix::{replace, rights};
use filch::io::AsyncFd;
use filch::time::{Duration, sleep, timeout};
use socket2::{SockAddr, Type};
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

/// After this a send by address to a receiver that was full is tried again. A guess: a receiver that is behind is not served faster by more, and a hundred calls a second are little.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// A socket for datagrams between processes of one machine.
///
/// Each `send` is one datagram, each `recv` takes one; what does not fit the room is cut off and gone. A sender whom answers shall reach needs a name of its own: [`bind`](Self::bind). Descriptors that were
/// sent along are received by [`recv_with_fds`](Self::recv_with_fds); any other way to receive closes them. Closing the socket does not remove its file: see
/// [the module](crate::unix#who-removes-the-file).
///
/// # Units and limits
///
/// A datagram can have about 200 kB: `net.core.wmem_default`, less some.
///
/// # Cancel safety
///
/// A datagram was sent or received if, and only if, the poll that did it said so.
///
/// # Examples
///
/// ```
/// use filch_net::UnixDatagram;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let name = format!("\0server-{}", std::process::id()); // abstract
/// let server = UnixDatagram::bind(&name)?;
/// let client = UnixDatagram::bind(name.replace("server", "client"))?;
/// client.send_to(b"question", &name).await?;
///
/// let mut room = [0; 1024];
/// let (count, from) = server.recv_from(&mut room).await?;
/// assert_eq!(&room[..count], b"question");
/// server.send_to_addr(b"answer", &from).await?;
/// let count = client.recv(&mut room).await?;
/// assert_eq!(&room[..count], b"answer");
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixDatagram {
    fd: AsyncFd<net::UnixDatagram>,
    /// A receiver was found full by hand, and nobody has waited since.
    has_met_full: AtomicBool,
}

impl UnixDatagram {
    /// A socket of this path, where it makes a file; of an abstract name, if it begins with a NUL.
    ///
    /// Whoever may write to the file may send; the process's umask says who that is.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path cannot be that of a socket ([`SocketAddr::from_pathname`]); what `bind(2)` says: `AddrInUse` if there is a file already, whatever it is: see
    /// [`bind_replacing`](Self::bind_replacing). All with the path. Outside a runtime too.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_addr(&SocketAddr::of("bind to", path.as_ref())?)
    }

    /// A socket of this address.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Self::bind).
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::bind_to(addr).map_err(|cause| cannot_bind(addr, cause))
    }

    /// A socket of this path as by [`bind`](Self::bind), which takes it over if a socket's file is there that belongs to nobody any more. All as
    /// [`UnixListener::bind_replacing`](crate::UnixListener::bind_replacing) does it.
    ///
    /// # Errors
    ///
    /// As for [`UnixListener::bind_replacing`](crate::UnixListener::bind_replacing).
    ///
    /// # Panics
    ///
    /// If it has to wait outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it waits only for the folder's lock, and nothing is removed or bound before.
    pub async fn bind_replacing(path: impl AsRef<Path>) -> io::Result<Self> {
        let addr = SocketAddr::of("bind to", path.as_ref())?;
        let bound = replace::bind_replacing(&addr, Self::bind_to).await;
        bound.map_err(|cause| cannot_bind(&addr, cause))
    }

    fn bind_to(addr: &SocketAddr) -> io::Result<Self> {
        let socket = sys::unix_socket(Type::DGRAM)?;
        socket.bind(addr.inner())?;
        let made = Self::from_nonblocking(socket.into());
        made.inspect_err(|_| addr.unbind())
    }

    /// A socket without a name: nobody can send to it but the peer of a [`pair`](Self::pair).
    ///
    /// # Errors
    ///
    /// What `socket(2)` says. Outside a runtime too.
    pub fn unbound() -> io::Result<Self> {
        Self::from_nonblocking(sys::unix_socket(Type::DGRAM)?.into())
    }

    /// Two sockets that are connected with each other, and have no names.
    ///
    /// # Errors
    ///
    /// What `socketpair(2)` says. Outside a runtime too.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::UnixDatagram;
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let (one, other) = UnixDatagram::pair()?;
    /// one.send(b"first").await?;
    /// one.send(b"second").await?;
    /// let mut room = [0; 16];
    /// let count = other.recv(&mut room).await?;
    /// assert_eq!(&room[..count], b"first");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = net::UnixDatagram::pair()?;
        Ok((Self::from_std(one)?, Self::from_std(other)?))
    }

    /// Takes over a socket of `std`, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// What `fcntl(2)` says. Outside a runtime too.
    pub fn from_std(socket: net::UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::from_nonblocking(socket)
    }

    fn from_nonblocking(socket: net::UnixDatagram) -> io::Result<Self> {
        Ok(Self {
            fd: AsyncFd::new(socket)?,
            has_met_full: AtomicBool::new(false),
        })
    }

    /// Gives the socket back to `std`. It stays non-blocking.
    #[must_use]
    pub fn into_std(self) -> net::UnixDatagram {
        self.fd.into_inner()
    }

    /// Chooses the peer that [`send`](Self::send) sends to; only from this one datagrams are taken from now on. It never waits, and may be done again.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path cannot be that of a socket; what `connect(2)` says: `NotFound` if there is no such file, `ConnectionRefused` if nobody is bound to it. All with the path.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.connect_addr(&SocketAddr::of("connect to", path.as_ref())?)
    }

    /// Chooses the peer by its address.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect).
    pub fn connect_addr(&self, addr: &SocketAddr) -> io::Result<()> {
        let connected = sys::unix_connect(self, addr.inner());
        connected.map_err(|cause| error::at(format!("connect to {addr}"), cause))
    }

    /// The address it is bound to.
    ///
    /// # Errors
    ///
    /// What `getsockname(2)` says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        sys::unix_local_addr(self).map(SocketAddr::from_inner)
    }

    /// The address of the peer that was chosen.
    ///
    /// # Errors
    ///
    /// What `getpeername(2)` says: `NotConnected` if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        sys::unix_peer_addr(self).map(SocketAddr::from_inner)
    }

    /// The error that the socket holds, which is cleared by that (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.fd.get_ref().take_error()
    }

    /// Shuts down one direction, or both.
    ///
    /// # Errors
    ///
    /// What `shutdown(2)` says: `NotConnected` if there is no peer.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.fd.get_ref().shutdown(how)
    }
}

impl_ready!(
    UnixDatagram,
    "That it is writable speaks of the peer that it is connected with. For sending by address there is [`send_to`](Self::send_to), which pauses while the receiver is full: to wait for readiness and try again would be to do so without a pause."
);
impl_descriptor!(UnixDatagram);

/// To and from the peer.
impl UnixDatagram {
    /// Sends a datagram to the peer, and waits while its queue is full. Any number of tasks may do so at a time.
    ///
    /// # Errors
    ///
    /// What `send(2)` says: `NotConnected` without a peer, `ConnectionRefused` or `ConnectionReset` if it is closed, `EMSGSIZE` if the datagram is too long.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was sent.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.fd.async_write(|socket| sys::send(socket, bytes)).await
    }

    /// Sends a datagram to the peer, or waits: only the last task to call this is woken.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // Datagrams go as a whole: no count is short.
        self.fd
            .poll_write_with(cx, 0, |socket| sys::send(socket, bytes))
    }

    /// Sends a datagram to the peer, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if its queue is full; else as for [`send`](Self::send).
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.fd.try_write(|socket| sys::send(socket, bytes))
    }

    /// Receives a datagram; how many bytes of it fit. Any number of tasks may do so at a time.
    ///
    /// # Errors
    ///
    /// What `recv(2)` says.
    ///
    /// # Cancel safety
    ///
    /// No datagram is lost: one that was taken is returned by the very poll that did it.
    pub async fn recv(&self, room: &mut [u8]) -> io::Result<usize> {
        self.fd.async_read(|socket| socket.recv(room)).await
    }

    /// Receives a datagram, or waits: only the last task to call this, or another `poll_recv_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn poll_recv(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.fd.poll_read_with(cx, 0, |socket| socket.recv(room))
    }

    /// Receives a datagram, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; else as for [`recv`](Self::recv).
    pub fn try_recv(&self, room: &mut [u8]) -> io::Result<usize> {
        self.fd.try_read(|socket| socket.recv(room))
    }

    /// Reads a datagram, and leaves it there.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn peek(&self, room: &mut [u8]) -> io::Result<usize> {
        self.fd.async_read(|socket| sys::peek(socket, room)).await
    }

    /// Waits until receiving is worth trying; with [`try_recv`](Self::try_recv) and the like. Any number of tasks may wait.
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

    /// Waits until sending is worth trying; with [`try_send`](Self::try_send) and [`try_send_to`](Self::try_send_to). Any number of tasks may wait.
    ///
    /// After a [`try_send_to`](Self::try_send_to) that found the receiver full it waits for 10 ms, since the system does not tell when there is room.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Panics
    ///
    /// If it has to wait for those 10 ms outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn writable(&self) -> io::Result<()> {
        // ORDERING: nothing goes with it. A task that reads what another has left too early or too late pauses once more, or tries once more.
        if self.has_met_full.swap(false, Ordering::Relaxed) {
            sleep(FULL_PAUSE).await;
            return Ok(());
        }
        self.fd.writable().await.map(drop)
    }
}

/// To whom it may concern, and from whomever.
impl UnixDatagram {
    /// Sends a datagram to the socket of this path (of an abstract name, if it begins with a NUL), and waits while its queue is full.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path cannot be that of a socket; what `sendto(2)` says: `NotFound` if there is no such file, `ConnectionRefused` if nobody is bound to it, `EMSGSIZE` if
    /// the datagram is too long. All with the path.
    ///
    /// # Panics
    ///
    /// If it has to wait outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was sent.
    pub async fn send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let addr = SocketAddr::of("send to", path.as_ref())?;
        self.send_to_addr(bytes, &addr).await
    }

    /// Sends a datagram to the socket of this address, and waits while its queue is full.
    ///
    /// # Errors
    ///
    /// As for [`send_to`](Self::send_to).
    ///
    /// # Panics
    ///
    /// If it has to wait outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was sent.
    pub async fn send_to_addr(&self, bytes: &[u8], addr: &SocketAddr) -> io::Result<usize> {
        let sent = self.send_patiently(bytes, addr.inner()).await;
        sent.map_err(|cause| cannot_send(addr, cause))
    }

    async fn send_patiently(&self, bytes: &[u8], addr: &SockAddr) -> io::Result<usize> {
        // Being refused is an answer, which leaves what is known of readiness alone.
        let send = |socket: &_| unless_full(sys::send_to(socket, bytes, addr));
        loop {
            let sent = match timeout(FULL_PAUSE, self.fd.async_write(send)).await {
                Ok(sent) => sent?,
                // It waited for the peer that it is connected with, and this may be another.
                Err(_elapsed) => send(self.fd.get_ref())?,
            };
            match sent {
                Some(count) => return Ok(count),
                None => sleep(FULL_PAUSE).await,
            }
        }
    }

    /// Sends a datagram to the socket of this path, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if its queue is full, or this socket has too many bytes on their way; else as for [`send_to`](Self::send_to).
    pub fn try_send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let addr = SocketAddr::of("send to", path.as_ref())?;
        self.try_send_to_addr(bytes, &addr)
    }

    /// Sends a datagram to the socket of this address, without waiting.
    ///
    /// # Errors
    ///
    /// As for [`try_send_to`](Self::try_send_to).
    pub fn try_send_to_addr(&self, bytes: &[u8], addr: &SocketAddr) -> io::Result<usize> {
        // Not by what is known of readiness, which may be of the peer that it is connected with.
        let sent = unless_full(sys::send_to(self.fd.get_ref(), bytes, addr.inner()));
        match sent.map_err(|cause| cannot_send(addr, cause))? {
            Some(count) => Ok(count),
            None => {
                // ORDERING: as in `writable`.
                self.has_met_full.store(true, Ordering::Relaxed);
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }

    /// Receives a datagram, and who sent it: how many bytes of it fit. Any number of tasks may do so at a time.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// No datagram is lost: one that was taken is returned by the very poll that did it.
    pub async fn recv_from(&self, room: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let receive = |socket: &_| sys::recv_from(socket, room);
        self.fd.async_read(receive).await.map(with_sender)
    }

    /// Receives a datagram, and who sent it, or waits: only the last task to call this, or another `poll_recv_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.poll_recv_raw(cx, room).map_ok(with_sender)
    }

    /// Receives a datagram, and who sent it, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; else as for [`recv`](Self::recv).
    pub fn try_recv_from(&self, room: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let received = self.fd.try_read(|socket| sys::recv_from(socket, room));
        received.map(with_sender)
    }

    /// Reads a datagram and who sent it, and leaves it there.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn peek_from(&self, room: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let receive = |socket: &_| sys::peek_from(socket, room);
        self.fd.async_read(receive).await.map(with_sender)
    }
}

impl UnixDatagram {
    fn poll_recv_raw(
        &self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<(usize, SockAddr)>> {
        let mut received = None;
        // Datagrams come as a whole: no count is short.
        let done = ready!(self.fd.poll_read_with(cx, 0, |socket| {
            received = Some(sys::recv_from(socket, room)?);
            Ok(0)
        }));
        Poll::Ready(done.map(|_| received.expect("the operation was done")))
    }
}

/// Descriptors along with bytes (`SCM_RIGHTS`).
impl UnixDatagram {
    /// Sends a datagram to the peer with duplicates of these descriptors. It may be empty but for them.
    ///
    /// # Units and limits
    ///
    /// [`FDS_MAX`](crate::unix::FDS_MAX) descriptors.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there are more. What `sendmsg(2)` says: as for [`send`](Self::send); `ETOOMANYREFS` if more of the user's descriptors are on their way than one of its
    /// processes may have open.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::UnixDatagram;
    /// use std::fs::File;
    /// use std::os::fd::AsFd;
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let (one, other) = UnixDatagram::pair()?;
    /// let file = File::open("/proc/self/comm")?;
    /// one.send_with_fds(b"name", &[file.as_fd()]).await?;
    /// let mut room = [0; 16];
    /// let (count, fds) = other.recv_with_fds(&mut room, 1).await?;
    /// assert_eq!((&room[..count], fds.len()), (&b"name"[..], 1));
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send_with_fds(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let send = |socket: &_| rights::send(socket, bytes, fds);
        self.fd.async_write(send).await
    }

    /// Sends a datagram with descriptors to the peer, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if its queue is full; else as for [`send_with_fds`](Self::send_with_fds).
    pub fn try_send_with_fds(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.fd.try_write(|socket| rights::send(socket, bytes, fds))
    }

    /// Receives a datagram: how many bytes of it fit, and the descriptors that were sent along, at most `fds_max`.
    ///
    /// They are close-on-exec. They may be anything, also in non-blocking mode or not: the sender has chosen them.
    ///
    /// # Units and limits
    ///
    /// No more than [`FDS_MAX`](crate::unix::FDS_MAX) come at once.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv). `InvalidData` if more descriptors came than `fds_max`, or than the process may have open: then those that came are closed, and the datagram is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a datagram that was taken is returned, with its descriptors, by the very poll that did it.
    pub async fn recv_with_fds(
        &self,
        room: &mut [u8],
        fds_max: usize,
    ) -> io::Result<(usize, Vec<OwnedFd>)> {
        let receive = |socket: &_| rights::recv(socket, room, fds_max);
        self.fd.async_read(receive).await
    }

    /// Receives a datagram with descriptors, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; else as for [`recv_with_fds`](Self::recv_with_fds).
    pub fn try_recv_with_fds(
        &self,
        room: &mut [u8],
        fds_max: usize,
    ) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.fd
            .try_read(|socket| rights::recv(socket, room, fds_max))
    }
}

fn with_sender((count, sender): (usize, SockAddr)) -> (usize, SocketAddr) {
    (count, SocketAddr::from_inner(sender))
}

/// `None` if the same call may succeed later.
fn unless_full(sent: io::Result<usize>) -> io::Result<Option<usize>> {
    match sent {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}

#[cold]
fn cannot_bind(addr: &SocketAddr, cause: io::Error) -> io::Error {
    error::at(format!("bind to {addr}"), cause)
}

#[cold]
fn cannot_send(addr: &SocketAddr, cause: io::Error) -> io::Error {
    error::at(format!("send to {addr}"), cause)
}
