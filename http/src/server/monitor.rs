//! How does one see from outside how a server is?
//!
//! By a [`Monitor`], which has the handlers for the paths that orchestrators and Prometheus ask for, on any router. They are exempt from admission, so that a server that turns away others still says that it
//! lives; on an admin listener ([`Server::admin`](crate::Server::admin)) they also have connections of their own.

use super::admission::Admission;
use super::metrics::{self, Counters, Gauges};
use super::shards::Shards;
use super::shutdown::{Phase, Registry};
use crate::response::Response;
use crate::router::Router;
use filch::sync::CancellationToken;
use filch::time::Duration;
use http::StatusCode;
use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::sync::{Arc, OnceLock};

/// Where liveness is asked for, by convention.
pub(crate) const HEALTHZ: &str = "/healthz";

/// Where readiness is.
pub(crate) const READYZ: &str = "/readyz";

/// Where metrics are.
pub(crate) const METRICS: &str = "/metrics";

/// How a server is, from [`Server::monitor`](crate::Server::monitor). A clone is the same monitor.
///
/// # Examples
///
/// ```
/// use filch_http::{Router, Server};
///
/// # filch::Runtime::new()?.block_on(async {
/// let server = Server::bind("127.0.0.1:0").await?;
/// let monitor = server.monitor();
/// let router = Router::new()
///     .get("/", async || "Hello, World!")
///     .get("/healthz", monitor.healthz())
///     .get("/readyz", monitor.readyz());
/// // What the world need not see:
/// let admin = filch_net::TcpListener::bind("127.0.0.1:0").await?;
/// let server = server.router(router).admin(admin);
/// # let _drained = server.serve_with_shutdown(async {}).await?;
/// # assert!(!monitor.is_ready());
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Monitor {
    pub(crate) watched: Arc<Watched>,
}

/// What is seen of a server.
pub(crate) struct Watched {
    pub(crate) registry: Arc<Registry>,
    pub(crate) counters: Arc<Shards<Counters>>,
    /// From the moment at which it serves.
    pub(crate) admission: OnceLock<Arc<Admission>>,
    pub(crate) draining: CancellationToken,
}

impl Monitor {
    pub(crate) fn new() -> Self {
        Self {
            watched: Arc::new(Watched {
                registry: Arc::new(Registry::new()),
                counters: Arc::new(Shards::new()),
                admission: OnceLock::new(),
                draining: CancellationToken::new(),
            }),
        }
    }

    /// A handler for `/healthz`: 200 while the server lives, also when it drains. Who gets no answer may kill it.
    pub fn healthz(&self) -> impl Fn() -> Ready<&'static str> + Send + Sync + 'static {
        || ready("alive\n")
    }

    /// A handler for `/readyz`: 200 while the server wants requests, 503 from the moment at which it was told to stop. Who gets 503 should send nobody any more.
    pub fn readyz(&self) -> impl Fn() -> Ready<(StatusCode, &'static str)> + Send + Sync + 'static {
        let monitor = self.clone();
        move || {
            ready(match monitor.is_ready() {
                true => (StatusCode::OK, "ready\n"),
                false => (StatusCode::SERVICE_UNAVAILABLE, "about to end\n"),
            })
        }
    }

    /// A handler for `/metrics`: [`text`](Self::text).
    pub fn metrics(&self) -> impl Fn() -> Ready<Response> + Send + Sync + 'static {
        let monitor = self.clone();
        move || ready(page(monitor.text()))
    }

    /// A router with all three, for a listener of its own.
    #[must_use]
    pub fn routes(&self) -> Router {
        Router::new()
            .get(HEALTHZ, self.healthz())
            .get(READYZ, self.readyz())
            .get(METRICS, self.metrics())
    }

    /// Whether the server has not been told to stop.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.watched.registry.phase() == Phase::Serving
    }

    /// A token that is cancelled when streams should end: the server accepts nobody any more, and waits for the responses that are under way, for as long as
    /// [`Server::drain_timeout`](crate::Server::drain_timeout) says.
    ///
    /// # Examples
    ///
    /// A handler that would wait for ever, but for the end of the server:
    ///
    /// ```
    /// use filch_http::{Router, Server};
    ///
    /// # filch::Runtime::new()?.block_on(async {
    /// let server = Server::bind("127.0.0.1:0").await?;
    /// let draining = server.monitor().draining();
    /// let router = Router::new().get("/next", move || {
    ///     let draining = draining.clone();
    ///     async move {
    ///         let next = draining.run_until_cancelled(std::future::pending::<&str>()).await;
    ///         next.unwrap_or("nothing more: the server ends")
    ///     }
    /// });
    /// let server = server.router(router);
    /// # let _drained = server.serve_with_shutdown(async {}).await?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.watched.draining.clone()
    }

    /// All counters and gauges of the server, and those of the runtime if it is called in one, in the text format of Prometheus.
    ///
    /// # Units and limits
    ///
    /// Numbers that belong together may be of two moments, some microseconds apart. Handlers that answer at once are timed by samples. A page of 4 to 20 kB, made anew each time.
    #[must_use]
    pub fn text(&self) -> String {
        metrics::print(&self.watched.counters, &self.gauges())
    }

    /// What a listener is to call when it pauses.
    pub(crate) fn count_pauses(&self) -> impl Fn(&io::Error, Duration) + Send + Sync + 'static {
        let registry = self.watched.registry.clone();
        move |_error, _pause| registry.pauses()
    }

    fn gauges(&self) -> Gauges {
        let (connections, arrivals) = self.watched.registry.counts();
        let admission = self.watched.admission.get();
        Gauges {
            connections,
            accepted: arrivals.accepted,
            full: arrivals.full,
            full_of_address: arrivals.full_of_address,
            unwatched: arrivals.unwatched,
            accept_pauses: arrivals.pauses,
            in_handlers: admission.map_or(0, |admission| admission.in_handlers()),
            in_queue: admission.map_or(0, |admission| admission.in_queue()),
            is_ready: self.is_ready(),
        }
    }
}

/// With the type that Prometheus knows the format by.
fn page(text: String) -> Response {
    Response::new(text).with_header("content-type", "text/plain; version=0.0.4; charset=utf-8")
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("gauges", &self.gauges())
            .finish()
    }
}
