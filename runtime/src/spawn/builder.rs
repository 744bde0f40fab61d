//! How does a task get a name?
//!
//! Its future is wrapped in one that says the name in each poll. So a name costs the tasks that have one: an allocation, and two swaps for each poll.

use super::current::NAME;
use super::{spawn, spawn_blocking, spawn_local};
use crate::runtime::Handle;
use crate::task::{JoinHandle, TaskLocalFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What can be chosen for a task before it is spawned: its name.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let name = rt.block_on(async {
///     let task = filch::task::Builder::new().name("reader");
///     task.spawn(async { filch::task::name() }).await.unwrap()
/// });
/// assert_eq!(name.as_deref(), Some("reader"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder {
    name: Option<Arc<str>>,
}

impl Builder {
    /// A task without a name.
    pub fn new() -> Self {
        Self::default()
    }

    /// The task's [`name`](super::name()), for people to read. A clone of an `Arc<str>` is not copied.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Starts the task on the current runtime, like [`spawn`](crate::spawn()).
    ///
    /// # Panics
    ///
    /// If there is no runtime on this thread.
    ///
    /// # Cancel safety
    ///
    /// As for [`spawn`](crate::spawn()).
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.name {
            Some(name) => spawn(Named::new(name, future)),
            None => spawn(future),
        }
    }

    /// Starts the task on the runtime of this handle, like [`Handle::spawn`].
    ///
    /// # Cancel safety
    ///
    /// As for [`spawn`](crate::spawn()).
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.name {
            Some(name) => handle.spawn(Named::new(name, future)),
            None => handle.spawn(future),
        }
    }

    /// Starts the task on this thread, where it stays, like [`spawn_local`].
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match self.name {
            Some(name) => spawn_local(Named::new(name, future)),
            None => spawn_local(future),
        }
    }

    /// Runs a blocking function, like [`spawn_blocking`].
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, function: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        match self.name {
            Some(name) => spawn_blocking(move || NAME.sync_scope(name, function)),
            None => spawn_blocking(function),
        }
    }

    /// Runs a blocking function on the pool of this handle's runtime, like [`Handle::spawn_blocking`].
    ///
    /// # Panics
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As for [`spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(self, function: F, handle: &Handle) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        match self.name {
            Some(name) => handle.spawn_blocking(move || NAME.sync_scope(name, function)),
            None => handle.spawn_blocking(function),
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of a task with a name; a type of its own for people to read in warnings.
    struct Named<F> {
        #[pin]
        future: TaskLocalFuture<Arc<str>, F>,
    }
}

impl<F: Future> Named<F> {
    fn new(name: Arc<str>, future: F) -> Self {
        Self {
            future: NAME.scope(name, future),
        }
    }
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}
