//! How does one run a server?
//!
//! [`Server`] holds a listener and what all its connections share ([`Service`]). Its future accepts and starts a task
//! per connection; when it is told to stop it drains them ([`shutdown`]).
//!
//! | file | question |
//! |---|---|
//! | [`connection`] | how is one connection served? |
//! | [`exchange`] | what do the connection and the handler of its request share? |
//! | [`invitation`] | how is a client invited to send its body? |
//! | [`loan`] | which of them may touch it? |
//! | [`slot`] | where does the handler's future live? |
//! | [`work`], [`buffer`] | what does a connection hold while it works? |
//! | [`deadline`], [`date`] | how are time limits and the date kept without a price per request? |
//! | [`shield`] | what if a handler panics where nobody can be told? |
//! | [`shutdown`] | how does a server end? |
//! | [`transport`] | what is wanted of a stream? |

pub(crate) mod buffer;
pub(crate) mod connection;
pub(crate) mod date;
pub(crate) mod deadline;
pub(crate) mod exchange;
pub(crate) mod invitation;
pub(crate) mod loan;
pub(crate) mod shield;
pub(crate) mod shutdown;
pub(crate) mod slot;
pub(crate) mod transport;
pub(crate) mod work;

use crate::proto::Limits;
use crate::router::Router;
use connection::{Connection, Seat};
use filch::time::{Duration, sleep};
use filch_net::{TcpListener, TcpStream, ToSocketAddrs};
use http::{HeaderValue, StatusCode};
use shutdown::{Phase, Registry};
use std::fmt;
use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// An HTTP/1.1 server.
///
/// It is safe as it stands: heads and bodies are limited ([`Limits`]), so is the time a client may take ([`Timeouts`]),
/// and what is ambiguous is refused.
///
/// # Examples
///
/// ```
/// use filch_http::{Router, Server};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = filch::Runtime::new()?;
/// runtime.block_on(async {
///     let server = Server::bind("127.0.0.1:0").await?.router(Router::new().get("/", async || "Hello, World!"));
///     println!("listening on {}", server.local_addr()?);
///     # let stop = async {};
///     # #[cfg(any())]
///     let stop = std::future::pending(); // or a signal
///     let _drained = server.serve_with_shutdown(stop).await?;
///     Ok(())
/// })
/// # }
/// ```
pub struct Server {
    listener: TcpListener,
    router: Router,
    limits: Limits,
    timeouts: Timeouts,
    drain_timeout: Duration,
    name: Option<HeaderValue>,
    access_log: Option<AccessLog>,
}

type AccessLog = Box<dyn Fn(&Access<'_>) + Send + Sync>;

/// How long a client may take.
///
/// # Units and limits
///
/// A time that is over is noticed within milliseconds; while it runs it costs nothing per request. Zero waits for nothing: what is not there, or not
/// taken, at the first look is too late. A time too long to be told, as [`Duration::MAX`], never ends.
///
/// # Examples
///
/// ```
/// use filch::time::Duration;
/// use filch_http::{Server, Timeouts};
///
/// # filch::Runtime::new()?.block_on(async {
/// let timeouts = Timeouts { body: Duration::from_secs(5), ..Timeouts::default() };
/// let server = Server::bind("127.0.0.1:0").await?.timeouts(timeouts);
/// # drop(server);
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a head to its last; then 408. Five seconds: a head is one packet, or two on a bad day.
    pub header: Duration,
    /// From one request to the next; then the connection closes. Ten seconds: browsers reuse a connection within those
    /// or not at all. For the first request there is the time of a head at least. Zero closes after each response.
    pub keep_alive: Duration,
    /// Between two pieces of a body; then 408. Also for all that is left of a body whose handler did not want it; then
    /// the connection closes. Thirty seconds: a mobile network may be gone for as long.
    pub body: Duration,
    /// Between two moments in which the client takes some of a response; then the connection closes. Thirty seconds, as
    /// for a body.
    pub write: Duration,
    /// From the last response to the end of what the client sends; then the connection closes. Two seconds: a round
    /// trip and some retransmissions.
    pub linger: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(5),
            keep_alive: Duration::from_secs(10),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            linger: Duration::from_secs(2),
        }
    }
}

/// A request that was answered, for the access log.
///
/// # Examples
///
/// ```
/// use filch_http::{Access, Server};
///
/// fn log(access: &Access<'_>) {
///     eprintln!("{} {} {} {:?}", access.method, access.target, access.status, access.elapsed);
/// }
///
/// # filch::Runtime::new()?.block_on(async {
/// let server = Server::bind("127.0.0.1:0").await?.access_log(log);
/// # drop(server);
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Access<'a> {
    /// Who asked.
    pub peer: Option<SocketAddr>,
    /// The method; `-` when the request was refused before it was known.
    pub method: &'a str,
    /// The target; `-` when the request was refused before it was known.
    pub target: &'a str,
    /// The status of the response.
    pub status: StatusCode,
    /// The length of the response's body.
    pub body_bytes: usize,
    /// From the end of the request's head to the end of its handler.
    pub elapsed: Duration,
}

/// How a server ended.
///
/// # Examples
///
/// ```
/// use filch_http::{Drained, Server};
///
/// # filch::Runtime::new()?.block_on(async {
/// let server = Server::bind("127.0.0.1:0").await?;
/// let stop = async {}; // at once
/// match server.serve_with_shutdown(stop).await? {
///     Drained::Clean => println!("everybody was answered"),
///     Drained::Forced(connections) => println!("{connections} were cut off"),
/// }
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it says whether requests were cut off"]
pub enum Drained {
    /// Every request that was accepted was answered.
    Clean,
    /// The time for draining was over first: so many connections were cut off before their response was sent.
    Forced(usize),
}

/// What all connections of a server share.
pub(crate) struct Service {
    /// Tells it from all others of the process, also from those that are gone.
    pub(crate) id: u64,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) name: Option<HeaderValue>,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) registry: Registry,
}

impl Server {
    /// A server on the first of these addresses that can be bound.
    ///
    /// # Errors
    ///
    /// What resolving, binding and listening say; and outside a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it waits only while a name is resolved, and nothing is bound before.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self::from_listener(TcpListener::bind(addr).await?))
    }

    /// A server on a listener.
    #[must_use]
    pub fn from_listener(listener: TcpListener) -> Self {
        Self {
            listener,
            router: Router::new(),
            limits: Limits::DEFAULT,
            timeouts: Timeouts::default(),
            drain_timeout: DRAIN_TIMEOUT_DEFAULT,
            name: Some(HeaderValue::from_static("filch")),
            access_log: None,
        }
    }

    /// The address it listens on.
    ///
    /// # Errors
    ///
    /// What `getsockname(2)` says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What it answers. Without a router, everything is 404.
    #[must_use]
    pub fn router(self, router: Router) -> Self {
        Self { router, ..self }
    }

    /// How much a client may ask for; [`Limits::DEFAULT`] unless it is set.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self {
            limits: limits.bounded(),
            ..self
        }
    }

    /// How long a client may take for everything; see [`Timeouts`] for what holds unless it is set.
    #[must_use]
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// How long a client may take for the head of a request: [`Timeouts::header`].
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.header = timeout;
        self
    }

    /// How long a connection may be idle: [`Timeouts::keep_alive`].
    #[must_use]
    pub fn keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.keep_alive = timeout;
        self
    }

    /// How long draining may take before what is left is cut off. Five seconds unless it is set.
    #[must_use]
    pub fn drain_timeout(self, drain_timeout: Duration) -> Self {
        Self {
            drain_timeout,
            ..self
        }
    }

    /// What the field `Server` says; `None` leaves it out. `filch` unless it is set.
    #[must_use]
    pub fn name(self, name: Option<HeaderValue>) -> Self {
        Self { name, ..self }
    }

    /// Calls `log` for each response, on the connection's task, before it is sent. It must not block. If it panics, the
    /// response is sent all the same. There is an example at [`Access`].
    #[must_use]
    pub fn access_log(self, log: impl Fn(&Access<'_>) + Send + Sync + 'static) -> Self {
        Self {
            access_log: Some(Box::new(log)),
            ..self
        }
    }

    /// Serves until the process ends, or nobody can be accepted any more.
    ///
    /// # Errors
    ///
    /// As for [`Server::serve_with_shutdown`]; it ends with nothing else.
    ///
    /// # Cancel safety
    ///
    /// As [`Server::serve_with_shutdown`].
    pub async fn serve(self) -> io::Result<()> {
        self.serve_with_shutdown(pending()).await.map(drop)
    }

    /// Serves until `stop` is ready; then accepts nobody any more, lets the requests under way be answered, closes each
    /// connection after that, and returns when the last is gone or the drain timeout is over.
    ///
    /// # Errors
    ///
    /// When the listener fails for good, or the runtime has shut down: what accepting says, once the connections have
    /// been drained. For want of descriptors or memory it waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the listener and lets the connections drain, without anybody waiting for them.
    pub async fn serve_with_shutdown(self, stop: impl Future<Output = ()>) -> io::Result<Drained> {
        let service = Arc::new(Service {
            // ORDERING: Relaxed: a number of its own is all that is wanted.
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            router: self.router,
            limits: self.limits,
            timeouts: self.timeouts,
            name: self.name,
            access_log: self.access_log,
            registry: Registry::new(),
        });
        let drain = DrainOnDrop(service.clone());
        let failure = until(stop, accept_all(&self.listener, &service)).await;
        if failure.is_none() {
            accept_last(&self.listener, &service);
        }
        drop(self.listener);
        drop(drain);
        let drained = drain_within(self.drain_timeout, &service.registry).await;
        failure.map_or(Ok(drained), Err)
    }
}

/// Waits for the last connection to go, and cuts off what is left when the time is over.
async fn drain_within(timeout: Duration, registry: &Registry) -> Drained {
    let is_empty = poll_fn(|cx| registry.poll_empty(cx));
    if until(sleep(timeout), is_empty).await.is_some() {
        return Drained::Clean;
    }
    let left = registry.unanswered();
    registry.advance(Phase::Forced);
    match left {
        0 => Drained::Clean,
        left => Drained::Forced(left),
    }
}

/// How long draining may take unless it is set. A guess: what orchestrators give a process before they kill it is more.
const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// How long to wait after a connection could not be watched, for want of memory or of room in the kernel's tables, which
/// only others can give back. A guess. (For want of descriptors the listener waits itself.)
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// Begins to drain, also when the server's future is dropped.
struct DrainOnDrop(Arc<Service>);

impl Drop for DrainOnDrop {
    fn drop(&mut self) {
        self.0.registry.advance(Phase::Draining);
    }
}

/// Starts a task for each connection that comes, until none can come any more.
async fn accept_all(listener: &TcpListener, service: &Arc<Service>) -> io::Error {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => start(stream, peer, service),
            Err(error) if is_passing(&error) => sleep(ACCEPT_RETRY).await,
            Err(error) => return error,
        }
    }
}

/// Starts a task for each connection that came before the end: the kernel has accepted it already, and its client may have
/// sent a request.
fn accept_last(listener: &TcpListener, service: &Arc<Service>) {
    // Not more than the queue holds: others may come faster than they are taken out.
    for _ in 0..filch_net::tcp::BACKLOG {
        match listener.accept_now() {
            Ok((stream, peer)) => start(stream, peer, service),
            Err(_) => return,
        }
    }
}

/// Whether the next connection may be good: `epoll_ctl(2)` had no memory for this one, or no room.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::OutOfMemory | io::ErrorKind::StorageFull
    )
}

fn start(stream: TcpStream, peer: SocketAddr, service: &Arc<Service>) {
    // Each write is a whole batch: waiting for more would only delay it. Without it the connection still works.
    let _ = stream.set_nodelay(true);
    let seat = Seat::new(service.clone());
    drop(filch::spawn(Connection::new(stream, Some(peer), seat)));
}

/// Polls `work` until `stop` is ready; `None` if that came first. `stop` is asked first, since work that is never done
/// may use up what a task can do in one turn.
async fn until<W: Future>(stop: impl Future<Output = ()>, work: W) -> Option<W::Output> {
    let mut stop = pin!(stop);
    let mut work = pin!(work);
    poll_fn(move |cx| poll_until(stop.as_mut(), work.as_mut(), cx)).await
}

fn poll_until<W: Future>(
    stop: Pin<&mut impl Future<Output = ()>>,
    work: Pin<&mut W>,
    cx: &mut Context<'_>,
) -> Poll<Option<W::Output>> {
    match stop.poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => work.poll(cx).map(Some),
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}
