//! Which addresses has a name, and how does nobody wait for the answer but who asked?
//!
//! The system knows (`getaddrinfo(3)`: `/etc/hosts`, name servers, whatever `nsswitch.conf` says), and blocks for as long as a name server likes. So it is asked on threads of a resolver's own, which belong to no
//! runtime: at most [`THREADS_MAX`] at a time, further names wait in order, [`WAITING_MAX`] at most. Whoever asks for a name that is being asked for already waits for the same answer. A
//! name server that never answers holds up those threads and who waits for them, and nothing else: no worker, no call of [`filch::spawn_blocking`], no runtime that ends.
//!
//! An answer goes to those who wait for it, and is forgotten: how long it holds only the name server could say, and `getaddrinfo` does not pass that on.
//!
//! Rejected: the pool of `spawn_blocking`, since a runtime that ends waits for its calls, and a hundred hung questions would be a hundred of its threads. It is used where time is virtual, because
//! a simulation waits for nobody else. A resolver of our own, in place of the system's: it would have to know `nsswitch.conf`. Threads that stay: one costs 20 us to start, and a
//! question is some hundred microseconds at its best.

use crate::addr::ToSocketAddrs;
use crate::error;
use filch::runtime::Handle;
use filch::sync::watch;
use filch::time::{Instant, timeout_at};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, PoisonError};
use std::thread;

/// How many threads a resolver has at a time, at most, unless told otherwise.
///
/// A guess: a name server that answers does so within milliseconds, so that these are some thousand names a second; and one that does not costs no more than these.
pub const THREADS_MAX: usize = 16;

/// How many names may wait for a thread, at most, unless told otherwise.
///
/// A guess: where each of them takes the half minute that a dead name server does, the last one is answered after half an hour, when nobody wants it any more.
pub const WAITING_MAX: usize = 1024;

/// Who may resolve how many names at a time. [`lookup_host`](crate::lookup_host) and everything that takes a name share one, with the default limits.
///
/// # Units and limits
///
/// At most [`THREADS_MAX`] names are asked for at a time, each on a thread; the others wait in order, [`WAITING_MAX`] at most, and what comes then is refused. Those who ask for a name that is
/// asked for already count once. Names that nobody waits for any more leave the queue without having been asked for; a question that was begun cannot be ended.
///
/// In a runtime whose time is virtual, each name is asked for by [`filch::spawn_blocking`], without these limits.
///
/// # Examples
///
/// ```
/// use filch_net::Resolver;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// // What comes from users shall not keep the program's own names waiting.
/// let for_users = Resolver::new().threads_max(4).waiting_max(100);
/// let found = for_users.lookup_host("localhost:80").await?;
/// assert!(found.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 80));
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
    threads_max: usize,
    waiting_max: usize,
}

struct Shared {
    ask: Box<Ask>,
    state: Lock<State>,
}

/// The addresses of a name, with any port.
type Ask = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

#[expect(
    clippy::disallowed_types,
    reason = "it is held for a few instructions, by threads of ours too, which have no model"
)]
type Lock<T> = std::sync::Mutex<T>;

#[derive(Default)]
struct State {
    threads: usize,
    /// Names that have no thread yet, in order.
    waiting: VecDeque<String>,
    /// Who shall be told, for each name that waits or is asked for.
    open: HashMap<String, watch::Sender<Option<Answer>>>,
}

type Answer = Result<Arc<[SocketAddr]>, Arc<io::Error>>;

/// The addresses that are meant, if they are known before `deadline`; else as [`lookup_host`](crate::lookup_host).
///
/// # Units and limits
///
/// Those of the resolver that everybody shares, see [`Resolver`]. The question goes on after the deadline, and keeps a thread of the resolver for as long as the system needs to give up.
///
/// # Errors
///
/// `TimedOut`, with the name, if there was no answer; else as for [`lookup_host`](crate::lookup_host).
///
/// # Cancel safety
///
/// As for [`lookup_host`](crate::lookup_host).
///
/// # Examples
///
/// ```
/// use filch::time::{Duration, Instant};
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let deadline = Instant::now() + Duration::from_secs(60);
/// let found = filch_net::lookup_host_by("localhost:80", deadline).await?;
/// assert!(found.iter().all(|addr| addr.ip().is_loopback()));
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn lookup_host_by(
    addr: impl ToSocketAddrs,
    deadline: Instant,
) -> io::Result<Vec<SocketAddr>> {
    Resolver::system().lookup_host_by(addr, deadline).await
}

impl Resolver {
    /// A resolver with threads of its own, which asks the system as all do.
    #[must_use]
    pub fn new() -> Self {
        Self::with_function(|host| {
            use std::net::ToSocketAddrs as _;
            (host, 0).to_socket_addrs().map(Vec::from_iter)
        })
    }

    /// A resolver that asks a function, for tests.
    #[doc(hidden)]
    pub fn with_function(
        ask: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                ask: Box::new(ask),
                state: Lock::default(),
            }),
            threads_max: THREADS_MAX,
            waiting_max: WAITING_MAX,
        }
    }

    /// The one that everybody shares.
    pub(crate) fn system() -> &'static Self {
        static SYSTEM: LazyLock<Resolver> = LazyLock::new(Resolver::new);
        &SYSTEM
    }

    /// How many threads it has at a time, at most; 0 counts as 1. Clones of a resolver share their threads, and each has limits of its own.
    #[must_use]
    pub fn threads_max(self, threads: usize) -> Self {
        Self {
            threads_max: threads.max(1),
            ..self
        }
    }

    /// How many names may wait for a thread, at most.
    #[must_use]
    pub fn waiting_max(self, names: usize) -> Self {
        Self {
            waiting_max: names,
            ..self
        }
    }

    /// The addresses that are meant, in the order in which they should be tried.
    ///
    /// # Errors
    ///
    /// As for [`lookup_host`](crate::lookup_host).
    ///
    /// # Cancel safety
    ///
    /// As for [`lookup_host`](crate::lookup_host).
    pub async fn lookup_host(&self, addr: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
        let wanted = addr.wanted()?;
        Ok(wanted.resolve_by(self).await?.addresses)
    }

    /// The addresses that are meant, if they are known before `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`lookup_host_by`].
    ///
    /// # Cancel safety
    ///
    /// As for [`lookup_host`](crate::lookup_host).
    pub async fn lookup_host_by(
        &self,
        addr: impl ToSocketAddrs,
        deadline: Instant,
    ) -> io::Result<Vec<SocketAddr>> {
        let wanted = addr.wanted()?;
        let called = wanted.to_string();
        match timeout_at(deadline, wanted.resolve_by(self)).await {
            Ok(resolved) => Ok(resolved?.addresses),
            Err(_elapsed) => {
                let cause = io::Error::new(
                    io::ErrorKind::TimedOut,
                    "no answer before the deadline; the name servers of /etc/resolv.conf may be out of reach",
                );
                Err(error::at(format!("resolve {called}"), cause))
            }
        }
    }

    /// The addresses of a name, with this port.
    pub(crate) async fn ask(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let mut addresses = if runtime.is_simulated() {
            let (shared, host) = (self.shared.clone(), host.to_owned());
            let question = runtime.spawn_blocking(move || (shared.ask)(&host));
            question.await.map_err(io::Error::other)??
        } else {
            self.ask_together(host).await?
        };
        addresses.iter_mut().for_each(|addr| addr.set_port(port));
        Ok(addresses)
    }

    async fn ask_together(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let mut answers = self.join(host)?;
        let answer = match answers.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone().expect("waited for"),
            Err(_gone) => return Err(io::Error::other("the thread that asked has panicked")),
        };
        match answer {
            Ok(addresses) => Ok(addresses.to_vec()),
            Err(error) => Err(same(&error)),
        }
    }

    /// Asks, or waits with those who have asked.
    fn join(&self, host: &str) -> io::Result<watch::Receiver<Option<Answer>>> {
        let mut state = self.shared.lock();
        if let Some(asked) = state.open.get(host) {
            return Ok(asked.subscribe());
        }
        let has_thread = state.threads < self.threads_max;
        if !has_thread && state.waiting.len() >= self.waiting_max {
            state.forget_unwanted();
            if state.waiting.len() >= self.waiting_max {
                return Err(too_many(state.waiting.len(), state.threads));
            }
        }
        let (tells, answers) = watch::channel(None);
        state.waiting.push_back(host.to_owned());
        state.open.insert(host.to_owned(), tells);
        if has_thread {
            self.shared.start_thread(&mut state)?;
        }
        Ok(answers)
    }
}

impl Shared {
    fn lock(&self) -> impl std::ops::DerefMut<Target = State> + use<'_> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the name that has just been put into the queue.
    ///
    /// # Errors
    ///
    /// If no thread can be started, and there is none that could take the name.
    fn start_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let own = self.clone();
        let thread = thread::Builder::new().name("filch-resolver".to_owned());
        match thread.spawn(move || own.work()) {
            Ok(_detached) => state.threads += 1,
            Err(_) if state.threads > 0 => {}
            Err(cause) => {
                if let Some(host) = state.waiting.pop_back() {
                    state.open.remove(&host);
                }
                return Err(error::at("start a thread", cause));
            }
        }
        Ok(())
    }

    /// A thread's whole life.
    fn work(&self) {
        loop {
            let Some(host) = self.lock().next() else {
                return;
            };
            // What is asked for a test may panic; std does not.
            let answer = catch_unwind(AssertUnwindSafe(|| (self.ask)(&host)));
            // Whoever comes from now on asks again.
            let tells = self.lock().open.remove(&host);
            if let (Some(tells), Ok(answer)) = (tells, answer) {
                let _unless_nobody_waits =
                    tells.send(Some(answer.map(Arc::from).map_err(Arc::new)));
            }
        }
    }
}

impl State {
    /// The next name that somebody waits for; the thread ends if there is none.
    fn next(&mut self) -> Option<String> {
        while let Some(host) = self.waiting.pop_front() {
            if self.open.get(&host).is_some_and(|tells| !tells.is_closed()) {
                return Some(host);
            }
            self.open.remove(&host);
        }
        self.threads -= 1;
        None
    }

    #[cold]
    fn forget_unwanted(&mut self) {
        let Self { waiting, open, .. } = self;
        waiting.retain(|host| {
            let is_wanted = open.get(host).is_some_and(|tells| !tells.is_closed());
            if !is_wanted {
                open.remove(host);
            }
            is_wanted
        });
    }
}

#[cold]
fn too_many(waiting: usize, threads: usize) -> io::Error {
    let text =
        format!("{waiting} names wait already for {threads} threads, which wait for name servers");
    io::Error::new(io::ErrorKind::ResourceBusy, text)
}

/// An error once more, for another one who asked.
fn same(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Resolver")
            .field("threads_max", &self.threads_max)
            .field("waiting_max", &self.waiting_max)
            .field("threads", &state.threads)
            .field("waiting", &state.waiting.len())
            .finish_non_exhaustive()
    }
}
