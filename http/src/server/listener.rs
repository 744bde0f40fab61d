//! Where do connections come from?
//!
//! From a [`Listener`]: TCP or Unix, made by the server, by its caller, or by the manager that has started the process ([`filch_net::inherit`]). A connection that was accepted belongs to the worker
//! that has few of them ([`Placement::Balanced`](filch::io::Placement::Balanced)).
//!
//! What goes wrong with accepting ends no server that could go on:
//!
//! | error | what is done |
//! |---|---|
//! | the connection died in the queue, or a firewall refused it (`ECONNABORTED`, `EPROTO`, `EPERM` and others) | the next one |
//! | no descriptor or no memory (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`) | it stays in the queue; a pause of 5 ms to 1 s. At the end of the server it is tried again while connections go |
//! | it cannot be watched: no memory, no room in the kernel's tables (`ENOMEM`, `ENOSPC` of `epoll_ctl(2)`) | it is accepted, since the kernel is only told when somebody has to wait for it; then it ends, and is counted |
//! | the descriptor is no listener, or the runtime has ended | the server ends with this error |
//!
//! The first two are the listener's own affair (`filch_net`'s `accepting`).

use filch_net::inherit::Socket;
use filch_net::{TcpListener, TcpStream, UnixListener, UnixStream};
use std::fmt::{self, Display};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::Poll;

/// A socket that listens, of TCP or Unix.
///
/// # Examples
///
/// A server on two ports and a path:
///
/// ```
/// use filch_http::Server;
/// use filch_net::{TcpListener, UnixListener};
///
/// # filch::Runtime::new()?.block_on(async {
/// # let path = format!("\0listener-{}", std::process::id());
/// let server = Server::bind("127.0.0.1:0").await?
///     .listen(TcpListener::bind("127.0.0.1:0").await?)
///     .listen(UnixListener::bind(path)?);
/// # drop(server);
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// One that the manager has opened (socket activation):
///
/// ```
/// use filch_http::{Listener, Server};
///
/// # filch::Runtime::new()?.block_on(async {
/// let mut server = None;
/// for inherited in filch_net::inherit::sockets()? {
///     let listener = Listener::try_from(inherited.socket)?;
///     server = Some(match server.take() {
///         None => Server::from_listener(listener),
///         Some(server) => Server::listen(server, listener),
///     });
/// }
/// # assert!(server.is_none());
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// Of TCP.
    Tcp(TcpListener),
    /// Of Unix.
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// Takes over what the manager of the process has opened.
///
/// # Errors
///
/// `InvalidInput` if it is no listener of TCP or Unix; what `from_std` of these says, also outside a runtime.
impl TryFrom<Socket> for Listener {
    type Error = io::Error;

    fn try_from(socket: Socket) -> io::Result<Self> {
        match socket {
            Socket::TcpListener(listener) => Ok(TcpListener::from_std(listener)?.into()),
            Socket::UnixListener(listener) => Ok(UnixListener::from_std(listener)?.into()),
            other => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{other:?} is no listener that a server could accept from"),
            )),
        }
    }
}

impl Listener {
    /// Its address, if it has one of TCP.
    ///
    /// # Errors
    ///
    /// What `getsockname(2)` says; `Unsupported` if it is none of TCP.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            Self::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// Its address or path, as a person wants to read it.
impl Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(addr) => addr.fmt(f),
                Err(_) => f.write_str("an unknown address"),
            },
            Self::Unix(listener) => match listener.local_addr() {
                Ok(addr) => addr.fmt(f),
                Err(_) => f.write_str("an unknown path"),
            },
        }
    }
}

/// A connection that was accepted.
#[derive(Debug)]
pub(crate) enum Arrival {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Arrival {
    /// It may have come before its listener was told of `TCP_NODELAY`, and has not inherited it then. Without it it still works.
    fn early((stream, peer): (TcpStream, SocketAddr)) -> Self {
        let _ = stream.set_nodelay(true);
        Self::Tcp(stream, peer)
    }
}

/// Who sets `TCP_NODELAY`. A connection sends each write at once, which is a whole batch: waiting for more would only delay it, by 40 ms where the client delays its ACK.
///
/// The listener does, which its connections have it from, and that saves each of them a call. But those that came before it was set there have it not: they stand in the queue, in front of all others, until that has
/// been found empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoDelay {
    /// The listener, for every connection that is still to come out of its queue.
    Inherited,
    /// The listener, but the next connection may be older than that.
    InheritedSoon,
    /// The listener has refused it.
    SetOnEach,
}

impl NoDelay {
    fn of(listener: &Listener) -> Self {
        match listener {
            Listener::Tcp(listener) if listener.set_nodelay(true).is_ok() => Self::InheritedSoon,
            Listener::Tcp(_) => Self::SetOnEach,
            // There is no such thing.
            Listener::Unix(_) => Self::Inherited,
        }
    }

    async fn accept(&mut self, listener: &TcpListener) -> io::Result<Arrival> {
        if *self == Self::InheritedSoon {
            match listener.accept_now() {
                Ok(accepted) => return Ok(Arrival::early(accepted)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => *self = Self::Inherited,
                // It is still in the queue, or never will be; `accept` knows what to do.
                Err(_) => {}
            }
        }
        let accepted = listener.accept().await?;
        Ok(match self {
            Self::Inherited => Arrival::Tcp(accepted.0, accepted.1),
            Self::InheritedSoon | Self::SetOnEach => Arrival::early(accepted),
        })
    }
}

/// Where arrivals go.
pub(crate) trait Host: Send + Sync {
    /// Takes a connection in, or turns it away.
    fn receive(&self, arrival: Arrival);

    /// Wakes those again and again that have waited for too long, for as long as anybody is accepted.
    fn sweep(&self) -> impl Future<Output = ()> + Send;
}

/// How many connections are accepted before others get their turn: the other listeners, and who wants to stop the server. A guess.
const BATCH: usize = 64;

impl Listener {
    /// Accepts for ever; gives the error that nothing can be done about.
    async fn accept_all(&self, host: &impl Host) -> io::Error {
        let mut no_delay = NoDelay::of(self);
        loop {
            for _ in 0..BATCH {
                match self.accept(&mut no_delay).await {
                    Ok(arrival) => host.receive(arrival),
                    Err(error) => return error,
                }
            }
            filch::yield_now().await;
        }
    }

    async fn accept(&self, no_delay: &mut NoDelay) -> io::Result<Arrival> {
        match self {
            Self::Tcp(listener) => no_delay.accept(listener).await,
            Self::Unix(listener) => {
                let (stream, _unnamed) = listener.accept().await?;
                Ok(Arrival::Unix(stream))
            }
        }
    }

    fn accept_now(&self) -> io::Result<Arrival> {
        match self {
            Self::Tcp(listener) => listener.accept_now().map(Arrival::early),
            Self::Unix(listener) => {
                let (stream, _unnamed) = listener.accept_now()?;
                Ok(Arrival::Unix(stream))
            }
        }
    }

    /// Accepts what came before the end: the kernel has accepted it already, and its client may have sent a request. Closing the listener would reset it. Whether that was all of it; if not, there
    /// may be descriptors for more when others have gone.
    fn accept_last(&self, host: &impl Host) -> bool {
        // Not more than the queue holds: others may come faster than they are taken out.
        for _ in 0..filch_net::tcp::BACKLOG {
            match self.accept_now() {
                Ok(arrival) => host.receive(arrival),
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}

/// Accepts from all of them, until one of them cannot accept any more.
pub(crate) async fn accept_all(listeners: &[Listener], host: &impl Host) -> io::Error {
    let accept = |listener| -> Pin<Box<dyn Future<Output = io::Error> + Send>> {
        Box::pin(Listener::accept_all(listener, host))
    };
    let mut accepting: Vec<_> = listeners.iter().map(accept).collect();
    std::future::poll_fn(move |cx| {
        let mut each = accepting.iter_mut().map(|accept| accept.as_mut().poll(cx));
        each.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

/// Accepts what is in the queues of all of them. Whether that was all.
pub(crate) fn accept_last(listeners: &[Listener], host: &impl Host) -> bool {
    let mut is_all = true;
    for listener in listeners {
        is_all &= listener.accept_last(host);
    }
    is_all
}

/// Writes an answer to a connection that nobody will serve, and closes it. What its client has sent already is read, so that closing it is not a reset.
#[cold]
pub(crate) fn turn_away(arrival: Arrival, answer: &[u8]) {
    let mut unread = [0; 4096];
    match arrival {
        Arrival::Tcp(stream, _) => {
            let _ = stream.try_write(answer);
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_now(&mut unread);
        }
        Arrival::Unix(stream) => {
            let _ = stream.try_write(answer);
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_now(&mut unread);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the connections have, of which so many came before the server, and as many when it had found its queue empty.
    fn nodelay_of(early: usize, late: usize) -> (Vec<bool>, NoDelay) {
        let runtime = filch::Runtime::new().expect("a runtime");
        let found = runtime.block_on(async {
            let tcp = TcpListener::bind("127.0.0.1:0").await?;
            let addr = tcp.local_addr()?;
            let connect = async |count: usize| {
                let mut clients = Vec::new();
                for _ in 0..count {
                    clients.push(TcpStream::connect(addr).await?);
                }
                io::Result::Ok(clients)
            };
            let _early = connect(early).await?;
            let listener = Listener::from(tcp);
            let mut no_delay = NoDelay::of(&listener);
            let mut arrivals = Vec::new();
            for _ in 0..early {
                arrivals.push(listener.accept(&mut no_delay).await?);
            }
            let mut accept = Box::pin(listener.accept(&mut no_delay));
            assert!(futures_lite::future::poll_once(&mut accept).await.is_none());
            let _late = connect(late).await?;
            if late > 0 {
                arrivals.push(accept.await?);
            } else {
                drop(accept);
            }
            for _ in 1..late {
                arrivals.push(listener.accept(&mut no_delay).await?);
            }
            let of_tcp = arrivals.into_iter().map(|arrival| match arrival {
                Arrival::Tcp(stream, _) => stream.nodelay(),
                Arrival::Unix(_) => unreachable!("it is of TCP"),
            });
            io::Result::Ok((of_tcp.collect::<io::Result<_>>()?, no_delay))
        });
        found.expect("as many connections")
    }

    #[test]
    fn no_connection_is_delayed_whether_it_came_before_the_server_or_after() {
        for (early, late) in [(0, 2), (2, 0), (2, 2)] {
            let (nodelay, no_delay) = nodelay_of(early, late);
            assert_eq!(nodelay, vec![true; early + late]);
            assert_eq!(
                no_delay,
                NoDelay::Inherited,
                "nobody sets it on each any more"
            );
        }
    }

    #[test]
    fn what_is_accepted_at_the_end_of_the_server_is_not_delayed_either() {
        let runtime = filch::Runtime::new().expect("a runtime");
        let arrival = runtime.block_on(async {
            let tcp = TcpListener::bind("127.0.0.1:0").await?;
            let _client = TcpStream::connect(tcp.local_addr()?).await?;
            Listener::from(tcp).accept_now()
        });
        let Ok(Arrival::Tcp(stream, _)) = arrival else {
            panic!("a connection of TCP, not {arrival:?}")
        };
        assert!(stream.nodelay().expect("a connection"));
    }
}
