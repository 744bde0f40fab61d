//! How does one run a server?
//!
//! [`Server`] holds listeners and what all their connections share ([`Service`]). A task accepts, and starts one
//! per connection; when the server's future is told to stop it drains them ([`shutdown`]).
//!
//! | file | question |
//! |---|---|
//! | [`listener`] | where do connections come from, and what if one cannot be accepted? |
//! | [`accepting`] | who accepts them, and until when? |
//! | [`census`], [`descriptors`] | who may come in? |
//! | [`open_files`] | how many files may be open to be sent? |
//! | [`connection`] | how is one connection served? |
//! | [`seat`], [`peer`] | what does it owe to its server, and who is its client? |
//! | [`exchange`] | what do the connection and the handler of its request share? |
//! | [`incoming`] | how far has the body of a request been read? |
//! | [`allowance`] | how slow may a peer be? |
//! | [`upgraded`] | what does a connection become that goes over to another protocol? |
//! | [`failure`] | who is told when a response fails after its head was sent? |
//! | [`invitation`] | how is a client invited to send its body? |
//! | [`loan`] | which of them may touch it? |
//! | [`slot`] | where does the handler's future live? |
//! | [`work`], [`buffer`] | what does a connection hold while it works? |
//! | [`deadline`], [`date`] | how are time limits and the date kept without a price per request? |
//! | [`sweep`] | who notices that a connection has waited for too long for a request? |
//! | [`admission`], [`overload`] | which request may go to its handler, and what is it told if not? |
//! | [`lateness`] | is it better not to begin with a request, since it comes to its turn too late? |
//! | [`metrics`], [`metered`], [`shards`] | what is counted, and how without a price per request? |
//! | [`monitor`] | how does one see from outside how the server is? |
//! | [`shield`] | what if a handler panics where nobody can be told? |
//! | [`shutdown`], [`drain`], [`roll`] | how does a server end, and who is woken for that? |
//! | [`transport`], [`maybe_shared`] | what is wanted of a stream, and who has it? |

pub(crate) mod accepting;
pub(crate) mod admission;
pub(crate) mod allowance;
pub(crate) mod asked;
pub(crate) mod buffer;
pub(crate) mod census;
pub(crate) mod connection;
pub(crate) mod date;
pub(crate) mod deadline;
pub(crate) mod descriptors;
pub(crate) mod drain;
pub(crate) mod exchange;
pub(crate) mod failure;
pub(crate) mod incoming;
pub(crate) mod invitation;
pub(crate) mod lateness;
pub(crate) mod listener;
pub(crate) mod loan;
pub(crate) mod maybe_shared;
pub(crate) mod metered;
pub(crate) mod metrics;
pub(crate) mod monitor;
pub(crate) mod open_files;
pub(crate) mod overload;
pub(crate) mod peer;
pub(crate) mod roll;
pub(crate) mod seat;
pub(crate) mod shards;
pub(crate) mod shield;
pub(crate) mod shutdown;
pub(crate) mod slot;
pub(crate) mod sweep;
pub(crate) mod transport;
pub(crate) mod upgraded;
pub(crate) mod upload;
pub(crate) mod work;

pub use drain::Drained;
pub use failure::Failure;
pub use listener::Listener;
pub use monitor::Monitor;

use crate::limits::{Limits, Timeouts};
use crate::proto;
use crate::router::Router;
use admission::Admission;
use census::Room;
use connection::Connection;
use drain::{EndOnDrop, Part, Phases};
use filch::sync::CancellationToken;
use filch::time::Duration;
use filch_net::{TcpListener, ToSocketAddrs, UnixListener};
use http::{HeaderValue, StatusCode};
use lateness::Lateness;
use listener::{Arrival, Host};
use metered::Metered;
use metrics::Counters;
use open_files::OpenFiles;
use peer::Peer;
use seat::Seat;
use shards::Shards;
use shutdown::Registry;
use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use sweep::IdleTimes;
use transport::Transport;

/// An HTTP/1.1 server.
///
/// It is safe as it stands: heads, bodies, connections and requests at a time are limited ([`Limits`]), so is the time that everything may take ([`Timeouts`]),
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
    listeners: Vec<Listener>,
    admin: Vec<Listener>,
    monitor: Monitor,
    router: Router,
    limits: Limits,
    timeouts: Timeouts,
    phases: Phases,
    exempt: Vec<Box<str>>,
    name: Option<HeaderValue>,
    access_log: Option<AccessLog>,
    error_log: ErrorLog,
}

type AccessLog = Box<dyn Fn(&Access<'_>) + Send + Sync>;

type ErrorLog = Box<dyn Fn(&Failure<'_>) + Send + Sync>;

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
    /// The length of the response's body; of one that comes in pieces, how much of it was given out to be sent.
    pub body_bytes: usize,
    /// From the end of the request's head to the end of its handler; where a body came in pieces, to the end of that.
    pub elapsed: Duration,
}

/// What all connections of a server share.
pub(crate) struct Service {
    /// Tells it from all others of the process, also from those that are gone.
    pub(crate) id: u64,
    pub(crate) router: Router,
    pub(crate) limits: proto::Limits,
    pub(crate) timeouts: Timeouts,
    /// How long a client may take for a request to come.
    pub(crate) idle: IdleTimes,
    pub(crate) name: Option<HeaderValue>,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) error_log: ErrorLog,
    pub(crate) registry: Arc<Registry>,
    /// Is cancelled when streams should end.
    pub(crate) draining: CancellationToken,
    pub(crate) admission: Arc<Admission>,
    pub(crate) lateness: Lateness,
    pub(crate) counters: Arc<Shards<Counters>>,
    pub(crate) files: OpenFiles,
    room: Room,
    exempt: Vec<Box<str>>,
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
        let listener = TcpListener::bind(addr).await?;
        let monitor = Monitor::new();
        let listener = listener.on_accept_pause(monitor.count_pauses());
        Ok(Self::watched_by(monitor, listener.into()))
    }

    /// A server on a Unix socket: a path, which is taken over if a file is there that belongs to nobody any more, or an abstract name if it begins with a NUL. The file stays when the server ends.
    ///
    /// # Errors
    ///
    /// As for [`UnixListener::bind_replacing`]: among others `AddrInUse` if somebody listens there.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it waits only for its turn to take the path, and nothing is bound before.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Router, Server};
    ///
    /// # filch::Runtime::new()?.block_on(async {
    /// let name = format!("\0server-{}", std::process::id()); // abstract
    /// let server = Server::bind_unix(&name).await?.router(Router::new().get("/", async || "Hello, World!"));
    /// # drop(server);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn bind_unix(path: impl AsRef<Path>) -> io::Result<Self> {
        let listener = UnixListener::bind_replacing(path).await?;
        let monitor = Monitor::new();
        let listener = listener.on_accept_pause(monitor.count_pauses());
        Ok(Self::watched_by(monitor, listener.into()))
    }

    /// A server on a listener. What that calls when it pauses for want of descriptors or memory ([`TcpListener::on_accept_pause`]) is its maker's affair; of listeners that the server makes
    /// itself, the metrics tell.
    #[must_use]
    pub fn from_listener(listener: impl Into<Listener>) -> Self {
        Self::watched_by(Monitor::new(), listener.into())
    }

    fn watched_by(monitor: Monitor, listener: Listener) -> Self {
        Self {
            listeners: vec![listener],
            admin: Vec::new(),
            monitor,
            router: Router::new(),
            limits: Limits::DEFAULT,
            timeouts: Timeouts::default(),
            phases: Phases::default(),
            exempt: [monitor::HEALTHZ, monitor::READYZ, monitor::METRICS]
                .map(Into::into)
                .into(),
            name: Some(HeaderValue::from_static("filch")),
            access_log: None,
            error_log: Box::new(failure::to_standard_error),
        }
    }

    /// Listens there too. There is an example at [`Listener`].
    #[must_use]
    pub fn listen(mut self, listener: impl Into<Listener>) -> Self {
        self.listeners.push(listener.into());
        self
    }

    /// Answers `/healthz`, `/readyz` and `/metrics` there ([`Monitor::routes`]), whatever becomes of the other connections: with limits of its own, and until the last of the others has gone. Not for the
    /// world to see.
    #[must_use]
    pub fn admin(mut self, listener: impl Into<Listener>) -> Self {
        self.admin.push(listener.into());
        self
    }

    /// What tells how the server is, and has the handlers for who asks.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// The first address of TCP that it listens on.
    ///
    /// # Errors
    ///
    /// What `getsockname(2)` says; `Unsupported` if it listens on Unix sockets only.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let tcp = |listener: &&Listener| matches!(listener, Listener::Tcp(_));
        match self.listeners.iter().find(tcp) {
            Some(listener) => listener.local_addr(),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// What it answers. Without a router, everything is 404.
    #[must_use]
    pub fn router<S: Clone + Send + Sync + 'static>(self, router: Router<S>) -> Self {
        Self {
            router: router.into_sealed(),
            ..self
        }
    }

    /// How much clients may ask for; [`Limits::DEFAULT`] unless it is set.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The paths whose requests go to their handlers however many are there already, and also on connections beyond the limits, of up to 256 of which the request is read: `/healthz`, `/readyz` and
    /// `/metrics` unless they are set. A path is compared as it was sent, without its query. Their handlers should be cheap: nothing but the number of connections bounds them.
    #[must_use]
    pub fn exempt_paths(self, paths: impl IntoIterator<Item: Into<Box<str>>>) -> Self {
        Self {
            exempt: paths.into_iter().map(Into::into).collect(),
            ..self
        }
    }

    /// How long everything may take; see [`Timeouts`] for what holds unless it is set.
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

    /// How long the server goes on as before when it was told to stop, while `/readyz` already says 503, so that a load balancer sends nobody any more. Not at all unless it is set: what an
    /// orchestrator takes to ask, and to tell everybody, only who runs it knows.
    #[must_use]
    pub fn not_ready_for(mut self, time: Duration) -> Self {
        self.phases.not_ready = time;
        self
    }

    /// How long after that it still accepts connections, but closes each after its response, so that clients leave in their own time. Not at all unless it is set.
    #[must_use]
    pub fn lame_duck_for(mut self, time: Duration) -> Self {
        self.phases.lame_duck = time;
        self
    }

    /// How long draining may take before what is left is cut off. Five seconds unless it is set.
    #[must_use]
    pub fn drain_timeout(mut self, drain_timeout: Duration) -> Self {
        self.phases.draining = drain_timeout;
        self
    }

    /// What the field `Server` says; `None` leaves it out. `filch` unless it is set.
    #[must_use]
    pub fn name(self, name: Option<HeaderValue>) -> Self {
        Self { name, ..self }
    }

    /// Calls `log` for each response, on the connection's task, before it is sent; where its body comes in pieces, when that has ended, in
    /// whichever way. It must not block. If it panics, the response is sent all the same. There is an example at [`Access`].
    #[must_use]
    pub fn access_log(self, log: impl Fn(&Access<'_>) + Send + Sync + 'static) -> Self {
        Self {
            access_log: Some(Box::new(log)),
            ..self
        }
    }

    /// Calls `log` for each response that fails after its head was sent, on the connection's task; a line on standard error unless
    /// it is set. It must not block. There is an example at [`Failure`].
    #[must_use]
    pub fn error_log(self, log: impl Fn(&Failure<'_>) + Send + Sync + 'static) -> Self {
        Self {
            error_log: Box::new(log),
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
    /// Before it accepts nobody any more there may be phases in which others learn of it: [`not_ready_for`](Self::not_ready_for), [`lame_duck_for`](Self::lame_duck_for). Handlers that would go on
    /// for ever can learn of it by [`Request::draining`](crate::Request::draining) or [`Monitor::draining`].
    ///
    /// # Errors
    ///
    /// When a listener fails for good, or the runtime has shut down: what accepting says, once the connections have
    /// been drained. For want of descriptors or memory it waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the listeners and lets the connections drain, without anybody waiting for them.
    pub async fn serve_with_shutdown(self, stop: impl Future<Output = ()>) -> io::Result<Drained> {
        self.serve_with_force(stop, pending()).await
    }

    /// The same, except that all that is left is cut off when `force` is ready, in whichever phase that is: for a second signal.
    ///
    /// # Errors
    ///
    /// As for [`Server::serve_with_shutdown`].
    ///
    /// # Cancel safety
    ///
    /// As [`Server::serve_with_shutdown`].
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_http::{Drained, Server};
    /// use filch_net::signal::{SignalKind, signal};
    ///
    /// # filch::Runtime::new()?.block_on(async {
    /// let (mut first, mut second) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    /// let server = Server::bind("127.0.0.1:0").await?;
    /// let stop = async { drop(first.recv().await) };
    /// let force = async { drop(second.recv().await) };
    /// # let stop = async { drop(stop) };
    /// let drained = server.serve_with_force(stop, force).await?;
    /// assert_eq!(drained, Drained::Clean);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn serve_with_force(
        mut self,
        stop: impl Future<Output = ()>,
        force: impl Future<Output = ()>,
    ) -> io::Result<Drained> {
        let phases = self.phases;
        let (room, admin_room) = self.rooms();
        let admin = self.split_admin().into_part(admin_room);
        drain::live(self.into_part(room), admin, phases, stop, force).await
    }

    /// How many connections there may be, on the listeners and on those for who asks how the server is.
    fn rooms(&self) -> (Room, Room) {
        let Limits {
            connections,
            connections_per_address,
            ..
        } = self.limits;
        let descriptors = descriptors::most();
        let admin = Room::of_admin(descriptors);
        let of_admin = if self.admin.is_empty() {
            0
        } else {
            admin.size()
        };
        let left = descriptors.map(|descriptors| descriptors.saturating_sub(of_admin));
        (Room::of(connections, connections_per_address, left), admin)
    }

    /// The server of the admin listeners, which may be none.
    fn split_admin(&mut self) -> Self {
        Self {
            listeners: std::mem::take(&mut self.admin),
            admin: Vec::new(),
            monitor: Monitor::new(),
            router: self.monitor.routes().into_sealed(),
            limits: Limits::DEFAULT,
            // Whoever asks how an overloaded server is shall be told.
            timeouts: Timeouts {
                lateness: Duration::MAX,
                ..Timeouts::default()
            },
            phases: Phases::default(),
            exempt: Vec::new(),
            name: self.name.clone(),
            access_log: None,
            error_log: Box::new(failure::to_standard_error),
        }
    }

    fn into_part(self, room: Room) -> Part<Arc<Service>> {
        let limits = self.limits;
        let watched = self.monitor.watched;
        let admission = Arc::new(Admission::new(limits.requests, limits.queue));
        // A server serves once.
        let _ = watched.admission.set(admission.clone());
        let end = EndOnDrop {
            registry: watched.registry.clone(),
            draining: watched.draining.clone(),
        };
        let service = Service {
            // ORDERING: Relaxed: a number of its own is all that is wanted.
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            router: self.router,
            limits: limits.of_messages(),
            timeouts: self.timeouts,
            idle: IdleTimes::of(&self.timeouts),
            name: self.name,
            access_log: self.access_log,
            error_log: self.error_log,
            registry: watched.registry.clone(),
            draining: watched.draining.clone(),
            admission,
            lateness: Lateness::new(self.timeouts.lateness),
            counters: watched.counters.clone(),
            files: OpenFiles::new(room.files),
            room,
            exempt: self.exempt,
        };
        Part::new(self.listeners, Arc::new(service), end)
    }
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Service {
    /// Whether a request for this path needs no permit.
    pub(crate) fn is_exempt(&self, path: &str) -> bool {
        self.exempt.iter().any(|exempt| **exempt == *path)
    }

    /// Starts the task of a connection.
    fn start(self: &Arc<Self>, stream: impl Transport, seat: Seat) {
        let stream = Metered::new(stream, self.counters.clone());
        drop(filch::spawn(Connection::new(stream, seat)));
    }
}

impl Host for Arc<Service> {
    fn receive(&self, arrival: Arrival) {
        let peer = Peer::of(match &arrival {
            Arrival::Tcp(_, peer) => Some(*peer),
            Arrival::Unix(_) => None,
        });
        let Some(place) = self.registry.enter(peer.origin(), &self.room) else {
            return listener::turn_away(arrival, overload::UNREAD);
        };
        let seat = Seat::new(self.clone(), peer, place);
        match arrival {
            Arrival::Tcp(stream, _) => self.start(stream, seat),
            Arrival::Unix(stream) => self.start(stream, seat),
        }
    }

    fn sweep(&self) -> impl Future<Output = ()> + Send {
        sweep::sweep(&self.registry, self.idle.pause_ms())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.listeners)
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
