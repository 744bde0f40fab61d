//! How does a task start others, and give up its turn?

use crate::runtime::{Handle, context};
use crate::sched::context::with_core;
use crate::task::JoinHandle;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Starts a task on the current runtime.
///
/// The task runs on its own from now on; dropping the handle detaches it, awaiting the handle gives its output. On a worker the new task
/// is the next to run there, unless a sibling takes it first.
///
/// # Panics
///
/// If there is no runtime on this thread: call it within a task or [`Runtime::block_on`](crate::Runtime::block_on), or use a
/// [`Handle`].
///
/// # Cancel safety
///
/// Not a future: the task is started when `spawn` returns. A task that is dropped by the end of its runtime, or aborted, is dropped
/// at one of its await points; what each of those promises stands with the future awaited.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let task = filch::spawn(async { 6 * 7 });
///     assert_eq!(task.await.unwrap(), 42);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[inline]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    with_core(|core| match core {
        Some(core) if core.is_current() => core.spawn(future),
        _ => spawn_elsewhere(future),
    })
}

/// On a thread that is no worker, or within another runtime's `block_on` on one that is.
#[cold]
fn spawn_elsewhere<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match context::current() {
        Some(handle) => handle.spawn(future),
        None => panic!(
            "spawn needs a runtime: call it within a task or Runtime::block_on, or use Handle::spawn"
        ),
    }
}

/// Runs a blocking function on a thread of the pool for such calls, so that it keeps no worker.
///
/// # Units and limits
///
/// As many run at a time as [`max_blocking_threads`](crate::runtime::Builder::max_blocking_threads) says; further ones wait in a
/// queue. Threads that have been idle for 10 s end. A call that has begun cannot be aborted; one in the queue can.
///
/// # Panics
///
/// If there is no runtime on this thread, or the pool has no thread and none can be started.
///
/// # Cancel safety
///
/// Not a future: the call is in the queue when `spawn_blocking` returns. Dropping the handle, also in the middle of awaiting it, lets the call go on and
/// loses its result only.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let text = rt.block_on(async {
///     filch::spawn_blocking(|| std::fs::read_to_string("/proc/self/comm")).await.unwrap()
/// })?;
/// assert!(!text.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn spawn_blocking<F, R>(function: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    Handle::current().spawn_blocking(function)
}

/// Gives up the current turn: the task goes behind those that wait on its worker already.
///
/// # Cancel safety
///
/// Nothing is lost when the future is dropped.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     filch::spawn(async {
///         for _ in 0..3 {
///             filch::yield_now().await;
///         }
///     })
///     .await
///     .unwrap();
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn yield_now() -> impl Future<Output = ()> + Send + Sync {
    YieldNow { yielded: false }
}

#[derive(Debug)]
struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
