//! By what do others use a runtime?

use super::blocking_task;
use super::context;
use super::metrics::RuntimeMetrics;
use super::pinned;
use super::simulated;
use crate::blocking::Pool;
use crate::driver::Driver;
use crate::reactor::Poller;
use crate::sched::Shared;
use crate::sched::context::{is_runtime_thread, with_core};
use crate::sched::handoff::before_blocking;
use crate::sched::simulate::Simulation;
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::sync::Arc;
use crate::sys::sync::atomic::{AtomicUsize, Ordering};
use crate::task::JoinHandle;
use crate::timer::Timers;
use crate::util::block_on::block_on;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::Location;
use std::pin::pin;
use std::task::Context;
use std::time::{Duration, Instant};

/// A handle to a runtime, cheap to clone, usable from any thread.
///
/// It does not keep the runtime running: once the [`Runtime`](super::Runtime) has gone, spawning through the handle drops the
/// future at once and gives a [`JoinHandle`] that says *cancelled*.
///
/// # Examples
///
/// ```
/// use filch::runtime::Handle;
///
/// let rt = filch::Runtime::new()?;
/// let handle: Handle = rt.handle().clone();
/// let task = handle.spawn(async { 6 * 7 });
/// assert_eq!(handle.block_on(task).unwrap(), 42);
/// drop(rt);
/// assert!(handle.block_on(handle.spawn(async {})).unwrap_err().is_cancelled());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    inner: Arc<Inner>,
}

/// There is no runtime on this thread: [`Handle::try_current`] was called neither within a task nor within `block_on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRuntime;

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no filch runtime on this thread; call this within a task or Runtime::block_on, or use a Handle")
    }
}

impl std::error::Error for NoRuntime {}

/// The parts of a runtime.
pub(crate) struct Inner {
    pub(super) sched: Arc<Shared>,
    /// What drives it instead of threads, if it is simulated or its time can be paused.
    pub(super) simulation: Option<Arc<Simulation>>,
    /// One for each worker; none if the runtime was built with drivers that do no I/O.
    pub(super) pollers: Vec<Arc<Poller>>,
    pub(super) timers: Vec<Arc<Timers>>,
    pub(super) blocking: Arc<Pool>,
    pub(super) clock: Arc<dyn Clock>,
    /// Whose turn it is to take what comes from threads that are no workers.
    pub(super) turn: Turn,
}

/// On lines of its own: threads that are no workers write it whenever they begin to wait, and everybody reads what stands beside it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Turn(AtomicUsize);

impl Handle {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// The runtime of the current task or `block_on`.
    ///
    /// # Panics
    ///
    /// If there is none; [`try_current`](Self::try_current) returns an error instead.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        match Self::try_current() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// The runtime of the current task or `block_on`, if there is one.
    ///
    /// # Errors
    ///
    /// If the current thread neither belongs to a runtime nor is within `block_on`.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::runtime::Handle;
    ///
    /// assert!(Handle::try_current().is_err());
    /// let rt = filch::Runtime::new()?;
    /// assert!(rt.block_on(async { Handle::try_current().is_ok() }));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_current() -> Result<Self, NoRuntime> {
        context::current().ok_or(NoRuntime)
    }

    /// Starts a task, from any thread; see [`filch::spawn`](crate::spawn()).
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let handle = rt.handle().clone();
    /// let task = std::thread::spawn(move || handle.spawn(async { 7 })).join().unwrap();
    /// assert_eq!(rt.block_on(task).unwrap(), 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_at(future, Location::caller())
    }

    /// The same, said to be at this location.
    #[inline]
    pub(crate) fn spawn_at<F>(
        &self,
        future: F,
        location: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        with_core(|core| match core {
            Some(core) if Arc::ptr_eq(core.shared(), &self.inner.sched) => {
                core.spawn(future, location)
            }
            _ => self.inner.sched.spawn_outside(future, location),
        })
    }

    /// Starts a task for each future, from any thread; see [`filch::spawn_batch`](crate::spawn_batch).
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let handle = rt.handle().clone();
    /// let tasks = handle.spawn_batch((0..100_u64).map(|n| async move { n }));
    /// let mut sum = 0;
    /// for task in tasks {
    ///     sum += handle.block_on(task).unwrap();
    /// }
    /// assert_eq!(sum, 4950);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use = "who wants no handles uses spawn_batch_detached, which makes none"]
    #[track_caller]
    pub fn spawn_batch<F>(&self, futures: impl IntoIterator<Item = F>) -> Vec<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut handles = Vec::new();
        (self.inner.sched).spawn_batch(futures, Some(&mut handles), Location::caller());
        handles
    }

    /// Starts a task without a handle for each future, from any thread; see [`filch::spawn_batch_detached`](crate::spawn_batch_detached).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// let (send, receive) = mpsc::channel();
    /// rt.handle().spawn_batch_detached((0..100_u64).map(|n| {
    ///     let send = send.clone();
    ///     async move { send.send(n).unwrap() }
    /// }));
    /// drop(send);
    /// assert_eq!(receive.iter().sum::<u64>(), 4950);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_batch_detached<F>(&self, futures: impl IntoIterator<Item = F>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let location = Location::caller();
        self.inner.sched.spawn_batch(futures, None, location);
    }

    /// Starts a task that stays on one thread, from any thread: the closure is called on a worker, and the future it makes, which need not be [`Send`], is run there for good; see
    /// [`filch::spawn_local`](crate::spawn_local).
    ///
    /// Which worker it is nobody says: the closure is a task like others, which whoever is free takes. What it makes can spawn further tasks for the same thread, which share what is not
    /// `Send` with it.
    ///
    /// To abort the handle's task aborts the future. The handle then says *cancelled* at once; the future is dropped on its own thread, when that comes to it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// let handle = rt.handle().clone();
    /// let task = handle.spawn_pinned(|| async {
    ///     let here = std::thread::current().id();
    ///     let shared = Rc::new(7);
    ///     filch::yield_now().await;
    ///     assert_eq!(std::thread::current().id(), here);
    ///     *shared
    /// });
    /// assert_eq!(rt.block_on(task).unwrap(), 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_pinned<M, F>(&self, make: M) -> JoinHandle<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let location = Location::caller();
        self.spawn_at(pinned::pin_here(make, location), location)
    }

    /// Runs a blocking function on the pool for such; see [`filch::spawn_blocking`](crate::spawn_blocking).
    ///
    /// # Panics
    ///
    /// If the pool has no thread and none can be started.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, function: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.spawn_blocking_at(function, Location::caller())
    }

    /// The same, where a thread that cannot be started is an error and no panic.
    ///
    /// # Errors
    ///
    /// What starting a thread says (`WouldBlock`, which is `EAGAIN`, if the user or the control group may have no more), if the pool has no thread yet. The function has been dropped then, on this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let sum = rt.handle().try_spawn_blocking(|| (1..=1000).sum::<u64>())?;
    /// assert_eq!(rt.block_on(sum).unwrap(), 500_500);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn try_spawn_blocking<F, R>(&self, function: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.try_spawn_blocking_at(function, Location::caller())
    }

    /// The same, said to be at this location.
    pub(crate) fn spawn_blocking_at<F, R>(
        &self,
        function: F,
        at: &'static Location<'static>,
    ) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let spawned = self.try_spawn_blocking_at(function, at);
        spawned.unwrap_or_else(|error| {
            panic!("spawn_blocking has no thread to run on, and none can be started: {error}")
        })
    }

    fn try_spawn_blocking_at<F, R>(
        &self,
        function: F,
        at: &'static Location<'static>,
    ) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let inner = &self.inner;
        let (pool, sched) = (&inner.blocking, &inner.sched);
        match &inner.simulation {
            None => blocking_task::spawn(pool, sched, function, at, ()),
            Some(simulation) if simulation.is_drawn() => {
                Ok(self.spawn_at(blocking_task::step(function), at))
            }
            Some(simulation) => {
                let call = simulation.call_begins();
                blocking_task::spawn(pool, sched, function, at, call)
            }
        }
    }

    /// Runs a future on the current thread; see [`Runtime::block_on`](super::Runtime::block_on).
    ///
    /// # Panics
    ///
    /// As there.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = context::enter(self.clone());
        let root = self.inner.sched.root();
        let check = |cx: &Context<'_>| root.iter().for_each(|root| root.check(cx.waker()));
        let mut future = pin!(future);
        self.run_here(poll_fn(|cx| {
            check(cx);
            future.as_mut().poll(cx)
        }))
    }

    /// The same, also if an unhandled panic has ended the runtime: for who has to wait for what is left of it.
    pub(crate) fn block_on_regardless<F: Future>(&self, future: F) -> F::Output {
        let _entered = context::enter(self.clone());
        self.run_here(future)
    }

    fn run_here<F: Future>(&self, future: F) -> F::Output {
        match &self.inner.simulation {
            None => block_on(future),
            Some(simulation) => simulated::block_on(simulation, future, Location::caller()),
        }
    }

    /// The present, by the runtime's clock, on whichever thread.
    pub(crate) fn now(&self) -> Instant {
        self.inner.now()
    }

    /// What can be known of the runtime while it runs: queues, polls, thefts, what was stuck.
    #[must_use]
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::new(self.inner.clone())
    }

    /// Whether time is virtual here, or may become so: the runtime was built with [`Builder::simulated`](super::Builder::simulated) or
    /// [`Builder::start_paused`](super::Builder::start_paused).
    ///
    /// Such a runtime waits for its own tasks and [`spawn_blocking`](Self::spawn_blocking), and for nobody else: who would ask a thread of its own uses that instead.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::Runtime;
    ///
    /// assert!(!Runtime::new()?.handle().is_simulated());
    /// assert!(Runtime::builder().simulated(1).build()?.handle().is_simulated());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.inner.simulation.is_some()
    }

    /// How many workers the runtime has; one if it is simulated or its time can be paused.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.inner.sched.workers()
    }
}

impl Inner {
    /// Begins the end, and waits for it on threads that work for no runtime: two runtimes may be dropped in each other's tasks and
    /// blocking calls.
    pub(super) fn end(self: &Arc<Self>) {
        self.close();
        if !self.is_here() && !is_runtime_thread() {
            self.wait_for_end(None);
        }
    }

    fn close(self: &Arc<Self>) {
        self.sched.close();
        if let Some(simulation) = &self.simulation {
            // What tasks do in their destructors they do in this runtime.
            let _entered = context::enter(Handle::new(self.clone()));
            simulation.end_if_at_rest();
        }
    }

    /// Whether this thread is one that the end waits for.
    fn is_here(self: &Arc<Self>) -> bool {
        let drives = |simulation: &Arc<Simulation>| simulation.is_here();
        context::is_thread_of(self) || self.simulation.as_ref().is_some_and(drives)
    }

    /// Begins the end and waits for it as long as given, unless this thread belongs to the runtime. True if it has ended.
    pub(super) fn end_within(self: &Arc<Self>, timeout: Duration) -> bool {
        self.close();
        if self.is_here() || timeout.is_zero() {
            return false;
        }
        // On a worker of another runtime: without a thread to go on in its place it has to wait all the same.
        let _ = before_blocking();
        self.wait_for_end(Some(timeout))
    }

    fn wait_for_end(&self, timeout: Option<Duration>) -> bool {
        // Counted by the system's clock, as both waits are.
        let begun = SystemClock.now();
        if !self.sched.join(timeout) {
            return false;
        }
        let spent = SystemClock.now().saturating_duration_since(begun);
        self.blocking
            .shutdown(timeout.map(|timeout| timeout.saturating_sub(spent)))
    }

    /// What the last worker does: nothing of this runtime will become ready any more, so whoever still waits for it, on other threads, is
    /// told.
    pub(super) fn at_quiet(pollers: &[Arc<Poller>], timers: &[Arc<Timers>], blocking: &Pool) {
        let mut ready = crate::util::wake_batch::WakeBatch::new();
        pollers
            .iter()
            .for_each(|poller| poller.shutdown(&mut ready));
        timers.iter().for_each(|timers| timers.shutdown(&mut ready));
        blocking.close();
        ready.wake_all();
    }

    /// The worker to charge with something that comes from no worker: an active one, at the moment.
    pub(super) fn next_in_turn(&self) -> usize {
        // ORDERING: Relaxed: only a counter.
        self.turn.0.fetch_add(1, Ordering::Relaxed) % self.sched.active()
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("workers", &self.workers())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("sched", &self.sched)
            .finish_non_exhaustive()
    }
}

/// Makes the drivers' type explicit where a poller becomes one.
pub(super) fn as_driver(poller: &Arc<Poller>) -> Arc<dyn Driver> {
    poller.clone()
}
