//! How are connections accepted, and what if there is no descriptor for the next one?
//!
//! One `accept4(2)` per connection, which makes the new socket non-blocking and close-on-exec; nothing else is set on it.
//!
//! What `accept` reports is of three sorts. Some errors belong to a connection that died in the queue: it is gone, the next one is
//! tried at once. Some say that the process or the machine has no descriptor or memory left: the connection stays in the queue, so trying again at once
//! would burn a core, and giving up would end a server because of a burst; so accepting pauses, 5 ms at first and twice as long each time up to 1 s,
//! and goes on. A hook tells the server ([`TcpListener::on_accept_pause`]). The rest is a mistake of the program, and the caller gets it.
//!
//! Rejected: a descriptor kept in reserve, given up to accept and close the connection. The client would see a reset where it now sees a delay,
//! and with several threads somebody else takes the descriptor first.

use crate::addr::{Resolved, ToSocketAddrs};
use crate::error;
use crate::sys::{self, AcceptFault};
use crate::tcp::socket::TcpSocket;
use crate::tcp::stream::TcpStream;
use filch::io::AsyncFd;
use filch::time::{Duration, Sleep, sleep};
use futures_core::Stream;
use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// How many connections may wait to be accepted when [`TcpListener::bind`] listens: 4096.
///
/// The kernel lowers it to `net.core.somaxconn`, whose default is the same since Linux 5.4. A connection that finds the queue full is dropped, and its client
/// tries again a second later; so a short queue (`std` has 128) shows as delays of exactly one second under bursts.
pub const BACKLOG: u32 = 4096;

/// The first pause after a lack of descriptors or memory. A guess: some connections have ended by then on a busy server.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// The longest pause. A guess: it is what a client waits for a lost packet anyway.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How many connections that died in the queue are passed over without a pause. Each is taken out of the queue by that; the bound is for
/// a descriptor that fails in this way for ever.
const DEAD_MAX: usize = 64;

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
/// # drop(stream);
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TcpListener {
    fd: AsyncFd<net::TcpListener>,
    on_pause: Option<PauseHook>,
}

type PauseHook = Box<dyn Fn(&io::Error, Duration) + Send + Sync>;

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
        Self::bind_to_any(&resolved)
    }

    fn bind_to_any(resolved: &Resolved) -> io::Result<Self> {
        let mut last = None;
        for &addr in &resolved.addresses {
            match Self::bind_to(addr) {
                Ok(listener) => return Ok(listener),
                Err(cause) => last = Some((addr, cause)),
            }
        }
        let (addr, cause) = last.expect("a resolved name has an address");
        let step = format!("listen on {}", resolved.call(addr));
        Err(error::at(step, cause))
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
        Self::from_nonblocking(listener)
    }

    pub(crate) fn from_nonblocking(listener: net::TcpListener) -> io::Result<Self> {
        Ok(Self {
            fd: AsyncFd::new(listener)?,
            on_pause: None,
        })
    }

    /// Gives the listener back to `std`. It stays non-blocking.
    #[must_use]
    pub fn into_std(self) -> net::TcpListener {
        self.fd.into_inner()
    }

    /// Calls `hook` with the error and the pause each time accepting pauses for lack of descriptors or memory.
    ///
    /// It runs on the task that accepts, and should not block.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::TcpListener;
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let listener = listener.on_accept_pause(|error, pause| eprintln!("nobody is let in for {pause:?}: {error}"));
    /// # drop(listener);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn on_accept_pause(
        self,
        hook: impl Fn(&io::Error, Duration) + Send + Sync + 'static,
    ) -> Self {
        Self {
            on_pause: Some(Box::new(hook)),
            ..self
        }
    }

    /// Waits for the next connection. Any number of tasks may do so at a time.
    ///
    /// The new stream is non-blocking and close-on-exec; it has the options that were set on the listener's socket, so after [`bind`](Self::bind) none. Connections that died in the queue are passed over. While there is no
    /// descriptor or memory for a connection, it stays in the queue and this pauses, 5 ms at first and up to 1 s; see [`on_accept_pause`](Self::on_accept_pause).
    ///
    /// # Errors
    ///
    /// What else `accept4(2)` says, or that the runtime has shut down. If the new stream cannot be watched (`epoll_ctl(2)`: no
    /// memory, or too many watches), it is closed.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost: one that was taken out of the queue is returned by the very poll that did it.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let mut pauses = Pauses::new();
        loop {
            match self.fd.async_read(accept_one).await {
                Ok(accepted) => return watch(accepted),
                Err(cause) => sleep(self.pause_after(cause, &mut pauses)?).await,
            }
        }
    }

    /// Accepts a connection that is in the queue at this moment. It asks the kernel, whatever is known of the queue: for the last connections before the
    /// listener is closed, which would reset them.
    ///
    /// # Errors
    ///
    /// What `accept4(2)` says: `WouldBlock` if there is none. If the new stream cannot be watched, as for [`accept`](Self::accept).
    pub fn accept_now(&self) -> io::Result<(TcpStream, SocketAddr)> {
        accept_one(self.fd.get_ref()).and_then(watch)
    }

    /// Accepts a connection, or waits for one: only the last task to call this is woken.
    ///
    /// It does not pause: when there is no descriptor or memory left, it returns that error, and the caller must let time pass before the next call.
    /// [`accept`](Self::accept) and [`incoming`](Self::incoming) do.
    ///
    /// # Errors
    ///
    /// As for [`accept`](Self::accept), and `EMFILE`, `ENFILE`, `ENOBUFS` and `ENOMEM`.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.poll_accept_raw(cx).map(|accepted| {
            accepted
                .map_err(|cause| self.cannot_accept(cause))
                .and_then(watch)
        })
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
            listener: self,
            pauses: Pauses::new(),
            pause: None,
        }
    }

    /// The address it listens on.
    ///
    /// # Errors
    ///
    /// What `getsockname(2)` says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.fd.get_ref().local_addr()
    }

    /// The error that the socket holds, which is cleared by that (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.fd.get_ref().take_error()
    }

    fn poll_accept_raw(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let mut accepted = None;
        // One of one is not short: there may be more connections, and the readiness stays.
        let done = ready!(self.fd.poll_read_with(cx, 1, |listener| {
            accepted = Some(accept_one(listener)?);
            Ok(1)
        }));
        Poll::Ready(done.map(|_| accepted.expect("the operation was done")))
    }

    /// How long to pause after this error; the error itself if that would not help.
    #[cold]
    fn pause_after(&self, cause: io::Error, pauses: &mut Pauses) -> io::Result<Duration> {
        if sys::accept_fault(&cause) == AcceptFault::Lasting {
            return Err(self.cannot_accept(cause));
        }
        let pause = pauses.step();
        if let Some(hook) = &self.on_pause {
            hook(&self.cannot_accept(cause), pause);
        }
        Ok(pause)
    }

    #[cold]
    fn cannot_accept(&self, cause: io::Error) -> io::Error {
        match self.local_addr() {
            Ok(addr) => error::at(format!("accept on {addr}"), cause),
            Err(_) => error::at("accept", cause),
        }
    }
}

type Accepted = (net::TcpStream, SocketAddr);

/// Takes the next connection that lives out of the queue.
fn accept_one(listener: &net::TcpListener) -> io::Result<Accepted> {
    for _ in 0..DEAD_MAX {
        match sys::accept(listener) {
            Err(cause) if sys::accept_fault(&cause) == AcceptFault::DeadConnection => {}
            result => return result,
        }
    }
    sys::accept(listener)
}

fn watch((stream, peer): Accepted) -> io::Result<(TcpStream, SocketAddr)> {
    match TcpStream::from_nonblocking(stream) {
        Ok(stream) => Ok((stream, peer)),
        Err(cause) => Err(error::at(format!("watch the connection of {peer}"), cause)),
    }
}

/// The pauses that follow each other while there is no descriptor.
#[derive(Debug)]
struct Pauses {
    next: Duration,
}

impl Pauses {
    fn new() -> Self {
        Self { next: PAUSE_MIN }
    }

    fn step(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(PAUSE_MAX);
        pause
    }
}

/// The connections of a listener, from [`TcpListener::incoming`]. It never ends.
///
/// # Cancel safety
///
/// Dropping it loses no connection.
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
    pauses: Pauses,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let listener = self.listener;
            match ready!(listener.poll_accept_raw(cx)) {
                Ok(accepted) => {
                    self.pauses = Pauses::new();
                    return Poll::Ready(Some(watch(accepted).map(|(stream, _peer)| stream)));
                }
                Err(cause) => match listener.pause_after(cause, &mut self.pauses) {
                    Ok(pause) => self.pause = Some(Box::pin(sleep(pause))),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
            }
        }
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fd.get_ref().fmt(f)
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("listener", &self.listener)
            .field("is_paused", &self.pause.is_some())
            .finish_non_exhaustive()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second() {
        let mut pauses = Pauses::new();
        let all: Vec<_> = (0..10).map(|_| pauses.step().as_millis()).collect();
        assert_eq!(all, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }
}
