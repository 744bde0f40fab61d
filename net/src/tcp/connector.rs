//! How is a connection made to a name, with options and within a time?

use crate::addr::{Resolved, ToSocketAddrs, Wanted};
use crate::error;
use crate::resolver::Resolver;
use crate::tcp::connect::connect;
use crate::tcp::race::{ATTEMPT_DELAY, Race, Standing};
use crate::tcp::socket::TcpSocket;
use crate::tcp::stream::TcpStream;
use filch::time::{Duration, Instant, timeout_at};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

/// Connects to names and addresses, with options that are set before, and within a time. [`TcpStream::connect`] is the same with none of them.
///
/// # Examples
///
/// ```
/// use filch_net::{TcpConnect, TcpListener};
/// use std::time::Duration;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let server = listener.local_addr()?;
/// let connect = TcpConnect::new()
///     .timeout(Duration::from_secs(5)) // for resolving and connecting together
///     .prepare(|socket, _addr| socket.set_nodelay(true));
/// let stream = connect.to(server).await?;
/// assert!(stream.nodelay()?);
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "it does nothing before `to`"]
pub struct TcpConnect<'a> {
    deadline: Option<Instant>,
    timeout: Option<Duration>,
    delay: Duration,
    prepare: Option<Prepare<'a>>,
    resolver: Option<Resolver>,
}

type Prepare<'a> = Box<dyn Fn(&TcpSocket, SocketAddr) -> io::Result<()> + Send + Sync + 'a>;

impl<'a> TcpConnect<'a> {
    /// Without options and without a limit but the system's, about two minutes for each address.
    pub fn new() -> Self {
        Self {
            deadline: None,
            timeout: None,
            delay: ATTEMPT_DELAY,
            prepare: None,
            resolver: None,
        }
    }

    /// Gives up at this time, whether it still resolves or connects.
    pub fn deadline(self, deadline: Instant) -> Self {
        Self {
            deadline: Some(deadline),
            ..self
        }
    }

    /// Gives up so long after [`to`](Self::to) has begun, whether it still resolves or connects; a [`deadline`](Self::deadline) before that counts.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    /// How long an address has before the next one is tried beside it; [`ATTEMPT_DELAY`] if this is not called. With a very long time they are tried one after the other.
    pub fn attempt_delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Calls `prepare` with each socket before it connects, and with the address it will connect to: for options, or to bind it to an address. An error counts as one of that
    /// address, and the next one is tried.
    pub fn prepare(
        self,
        prepare: impl Fn(&TcpSocket, SocketAddr) -> io::Result<()> + Send + Sync + 'a,
    ) -> Self {
        Self {
            prepare: Some(Box::new(prepare)),
            ..self
        }
    }

    /// Who resolves a name; the one that everybody shares if this is not called.
    pub fn resolver(self, resolver: Resolver) -> Self {
        Self {
            resolver: Some(resolver),
            ..self
        }
    }

    /// Connects to the first of these addresses that answers; see [`TcpStream::connect`].
    ///
    /// # Errors
    ///
    /// As for [`TcpStream::connect`]; `TimedOut` when the time is over, with what was tried.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the sockets that are connecting.
    pub async fn to(&self, addr: impl ToSocketAddrs) -> io::Result<TcpStream> {
        let wanted = addr.wanted()?;
        let deadline = self.ends();
        let resolved = self.resolve(wanted, deadline).await?;
        match (deadline, &*resolved.addresses) {
            // As a rule: nothing to race, and nobody looks at the clock.
            (None, &[addr]) => {
                let connected = self.attempt(addr).await;
                connected.map_err(|cause| refused(&resolved, vec![(addr, cause)]))
            }
            _ => self.race(&resolved, deadline).await,
        }
    }

    async fn resolve(&self, wanted: Wanted, deadline: Option<Instant>) -> io::Result<Resolved> {
        let name = match (&wanted, deadline) {
            (Wanted::Named(host, port), Some(_)) => format!("{host}:{port}"),
            // Nothing is asked, or nobody looks at the clock.
            _ => return wanted.resolve_by(self.asked()).await,
        };
        match within(deadline, wanted.resolve_by(self.asked())).await {
            Some(resolved) => resolved,
            None => Err(error::at(format!("resolve {name}"), time_is_over())),
        }
    }

    fn asked(&self) -> &Resolver {
        match &self.resolver {
            Some(resolver) => resolver,
            None => Resolver::system(),
        }
    }

    async fn race(&self, resolved: &Resolved, deadline: Option<Instant>) -> io::Result<TcpStream> {
        let mut race = Race::new(&resolved.addresses, self.delay, |addr| self.attempt(addr));
        match within(deadline, poll_fn(|cx| race.poll(cx))).await {
            Some(Some(stream)) => Ok(stream),
            Some(None) => Err(refused(resolved, race.end().failures)),
            None => Err(late(resolved, race.end())),
        }
    }

    async fn attempt(&self, addr: SocketAddr) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_for(addr)?;
        if let Some(prepare) = &self.prepare {
            prepare(&socket, addr)?;
        }
        connect(socket.into_socket(), addr).await
    }

    /// When its time is over, if it begins now.
    fn ends(&self) -> Option<Instant> {
        // A time that no clock can show is none.
        let by_timeout = self
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        self.deadline.into_iter().chain(by_timeout).min()
    }
}

impl Default for TcpConnect<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TcpConnect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnect")
            .field("deadline", &self.deadline)
            .field("timeout", &self.timeout)
            .field("delay", &self.delay)
            .finish_non_exhaustive()
    }
}

/// What comes of it before the deadline.
async fn within<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        None => Some(future.await),
        Some(deadline) => timeout_at(deadline, future).await.ok(),
    }
}

/// The last failure is the error; those before are told in its text.
#[cold]
fn refused(resolved: &Resolved, mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    let (addr, cause) = failures.pop().expect("a resolved name has an address");
    let mut step = format!("connect to {}", resolved.call(addr));
    tell(&mut step, &failures);
    error::at(step, cause)
}

#[cold]
fn late(resolved: &Resolved, standing: Standing) -> io::Error {
    let mut step = format!("connect to {resolved}");
    tell(&mut step, &standing.failures);
    for addr in standing.under_way {
        step += &format!(", after {addr}: no answer");
    }
    if standing.left > 0 {
        step += &format!(", {} not tried", standing.left);
    }
    error::at(step, time_is_over())
}

fn tell(step: &mut String, failures: &[(SocketAddr, io::Error)]) {
    for (addr, cause) in failures {
        *step += &format!(", after {addr}: {cause}");
    }
}

fn time_is_over() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the time is over")
}
