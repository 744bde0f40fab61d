//! The runtime: where scheduler, reactor, timers and blocking pool are put together.
//!
//! This is the only module that names both scheduler and reactor. Most programs need no more than [`Runtime::new`] and
//! [`Runtime::block_on`]; [`Builder`] has the choices.

pub(crate) mod blocking_task;
mod builder;
pub(crate) mod context;
#[cfg(test)]
mod cpu_tests;
mod enter;
mod handle;
mod metrics;
pub(crate) mod pinned;
pub(crate) mod placement;
mod simulate;
mod simulated;
#[cfg(test)]
mod stuck_tests;
#[cfg(test)]
mod tests;

pub use crate::sched::UnhandledPanic;
pub use builder::Builder;
pub use enter::EnterGuard;
pub use handle::{Handle, NoRuntime};
pub use metrics::RuntimeMetrics;
pub(crate) use simulate::only_seed;
pub use simulate::simulate;

use std::time::Duration;

/// A running runtime: its worker threads, their pollers and timers, and the pool for blocking calls.
///
/// Dropping it ends it: every task that is not complete is dropped, at the latest when its current poll returns, and so are blocking
/// calls that have not begun; the drop returns when all threads have ended. It waits for polls and blocking calls that are
/// under way, without a limit: [`shutdown_timeout`](Self::shutdown_timeout) sets one.
///
/// A runtime may be dropped anywhere. Within a task, of its own or of another runtime, and within its own blocking calls, it ends all the same, but
/// the drop does not wait: two runtimes that are dropped in each other's tasks would wait for ever.
///
/// A destructor that runs at the end may use `block_on`, and finds every timer expired and every descriptor in error; it must not wait for another task of
/// the same runtime, whose turn may come after it. A process that was forked has none of the threads: end the runtime there with
/// [`shutdown_background`](Self::shutdown_background), or not at all.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let answer = rt.block_on(async { filch::spawn(async { 6 * 7 }).await.unwrap() });
/// assert_eq!(answer, 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Runtime {
    handle: Handle,
    /// Whether it was told to end already, so that the drop does not wait again.
    is_told_to_end: bool,
}

impl Runtime {
    /// Starts a runtime with one worker for each core this process may use.
    ///
    /// # Units and limits
    ///
    /// The number of workers is what `FILCH_WORKERS` says, else the smaller of the processors in the CPU affinity mask and
    /// the cgroup's CPU quota, and at least 1. More than 65 535 are as many as that, where [`Builder::worker_threads`] makes an error of it.
    /// When mask or quota change later, as many of them are active as there are processors for; see [`Builder::follow_cpu_limits`].
    ///
    /// # Errors
    ///
    /// If threads, pollers or descriptors are not to be had, or `FILCH_WORKERS` is not a positive number; the error names the step.
    pub fn new() -> std::io::Result<Self> {
        Builder::new().build()
    }

    /// The choices for a runtime; the same as [`Builder::new`].
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Runs a future on the current thread until it is complete, while the workers run what it spawns.
    ///
    /// May be called anywhere, also within a task: if the future has to wait there, another thread takes over the worker.
    ///
    /// # Panics
    ///
    /// If the future panics; or within a task, if the future has to wait and no thread can be started to take over the worker. In a [simulation](Builder::simulated) also if nothing can go on any
    /// more.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// assert_eq!(rt.block_on(async { 1 + 1 }), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    /// Starts a task, from any thread; see [`filch::spawn`](crate::spawn()).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> crate::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Starts a task for each future, from any thread; see [`filch::spawn_batch`](crate::spawn_batch).
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let tasks = rt.spawn_batch((1..=3).map(|n| async move { n * n }));
    /// let squares: Vec<_> = tasks.into_iter().map(|task| rt.block_on(task).unwrap()).collect();
    /// assert_eq!(squares, [1, 4, 9]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use = "who wants no handles uses spawn_batch_detached, which makes none"]
    #[track_caller]
    pub fn spawn_batch<F>(
        &self,
        futures: impl IntoIterator<Item = F>,
    ) -> Vec<crate::JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn_batch(futures)
    }

    /// Starts a task without a handle for each future, from any thread; see [`filch::spawn_batch_detached`](crate::spawn_batch_detached).
    #[track_caller]
    pub fn spawn_batch_detached<F>(&self, futures: impl IntoIterator<Item = F>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn_batch_detached(futures);
    }

    /// Starts a task that stays on one thread, from any thread: the closure makes its future there, which need not be [`Send`]; see [`Handle::spawn_pinned`] and
    /// [`filch::spawn_local`](crate::spawn_local).
    #[track_caller]
    pub fn spawn_pinned<M, F>(&self, make: M) -> crate::JoinHandle<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn_pinned(make)
    }

    /// Runs a blocking function on the pool for such, from any thread; see [`filch::spawn_blocking`](crate::spawn_blocking).
    ///
    /// # Panics
    ///
    /// If the pool has no thread and none can be started.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let sum = rt.spawn_blocking(|| (1..=1000).sum::<u64>());
    /// assert_eq!(rt.block_on(sum).unwrap(), 500_500);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, function: F) -> crate::JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(function)
    }

    /// A handle by which others can use the runtime; it does not keep it running.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What can be known of the runtime while it runs; see [`Handle::metrics`].
    #[must_use]
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// Ends the runtime like a drop, but waits no longer than `timeout`. True if everything has ended by then; else threads
    /// that are busy in a poll or a blocking call end when these return.
    ///
    /// # Units and limits
    ///
    /// [`Duration::MAX`] is for ever. With zero, or on a thread of this runtime, which would wait for itself, it does not wait, and the answer is
    /// false.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.spawn(std::future::pending::<()>());
    /// assert!(rt.shutdown_timeout(Duration::from_secs(5)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_timeout(mut self, timeout: Duration) -> bool {
        self.is_told_to_end = true;
        self.handle.inner().end_within(timeout)
    }

    /// Tells the runtime to end, and does not wait.
    ///
    /// # Units and limits
    ///
    /// Its threads end by themselves, each when its poll or blocking call returns. If the process ends first, what is left is not dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// rt.spawn(async { std::thread::sleep(std::time::Duration::from_millis(20)) });
    /// rt.shutdown_background(); // a drop might wait for the sleep
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_background(mut self) {
        self.is_told_to_end = true;
        self.handle.inner().end_within(Duration::ZERO);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if !self.is_told_to_end {
            self.handle.inner().end();
        }
    }
}
