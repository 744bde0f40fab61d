//! How does a task start others, and give up its turn?
//!
//! | file | answers |
//! |---|---|
//! | `builder` | how does a task get a name? |
//! | `current` | what does a task know of itself? |
//! | `in_place` | what if it has to call something that blocks? |

mod builder;
mod current;
mod in_place;

pub use builder::Builder;
pub use current::{id, location, name, try_id};
pub use in_place::block_in_place;

use crate::runtime::{Handle, context, pinned};
use crate::sched::context::{is_called, with_core};
use crate::task::JoinHandle;
use crate::util::wait_reason::{self, WaitReason};
use std::panic::Location;
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
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_at(future, Location::caller())
}

/// The same, said to be at this location.
#[inline]
pub(crate) fn spawn_at<F>(future: F, location: &'static Location<'static>) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    with_core(|core| match core {
        Some(core) if core.is_current() => core.spawn(future, location),
        _ => spawn_elsewhere(future, location),
    })
}

/// On a thread that is no worker, or within another runtime's `block_on` on one that is.
#[cold]
fn spawn_elsewhere<F>(future: F, location: &'static Location<'static>) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    current("spawn").spawn_at(future, location)
}

/// Starts a task for each future, on the current runtime: what a loop over [`spawn()`] does, for less.
///
/// The tasks begin in the order of the iterator, as far as one worker runs them; on a worker they go behind those that wait on it already.
///
/// The handles come in the same order, in a `Vec`, since that can be awaited in a loop, indexed, and given to whatever joins several. Dropping it detaches
/// the tasks, at the price of a locked instruction for each, on memory that other workers are at; who wants no handles uses [`spawn_batch_detached`].
///
/// # Units and limits
///
/// The futures are taken from the iterator in chunks of 64, and a chunk can be run before the next is asked for. So an iterator that is long, or slow, or even
/// endless keeps nobody waiting but its caller; on a worker it is part of one poll, though, whose siblings are taken over by other workers if there are any.
///
/// The iterator may do what it likes: spawn tasks of its own (they come before the chunk that it is called for), block, or end the runtime. Once the runtime has ended
/// its futures are dropped at once, and their handles say *cancelled*.
///
/// # Panics
///
/// If there is no runtime on this thread: call it within a task or [`Runtime::block_on`](crate::Runtime::block_on), or use a
/// [`Handle`].
///
/// If the iterator panics, so does this. Tasks of chunks that were full run on by themselves; the up to 63 futures that were still to be spawned are dropped.
///
/// # Cancel safety
///
/// Not a future: the tasks are started when it returns, and each stands for itself.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let sum = rt.block_on(async {
///     let mut sum = 0;
///     for task in filch::spawn_batch((0..1000_u64).map(|n| async move { n })) {
///         sum += task.await.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 499_500);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "who wants no handles uses spawn_batch_detached, which makes none"]
#[track_caller]
pub fn spawn_batch<F>(futures: impl IntoIterator<Item = F>) -> Vec<JoinHandle<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    current("spawn_batch").spawn_batch(futures)
}

/// Starts a task without a handle for each future, on the current runtime: [`spawn_batch`] for those who do not wait for the tasks.
///
/// The cheapest way to start many: no handle is made, so that none has to be dropped, and a task to which nobody refers needs no locked instruction from its
/// first poll to its end.
///
/// # Units and limits
///
/// As for [`spawn_batch`].
///
/// # Panics
///
/// As for [`spawn_batch`].
///
/// # Cancel safety
///
/// As for [`spawn_batch`].
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// let rt = filch::Runtime::new()?;
/// let sum = Arc::new(AtomicU64::new(0));
/// rt.block_on(async {
///     filch::spawn_batch_detached((0..1000_u64).map(|n| {
///         let sum = sum.clone();
///         async move {
///             sum.fetch_add(n, Ordering::Relaxed);
///         }
///     }));
///     // Each task has a share of it until it is done.
///     while Arc::strong_count(&sum) > 1 {
///         filch::yield_now().await;
///     }
/// });
/// assert_eq!(sum.load(Ordering::Relaxed), 499_500);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn spawn_batch_detached<F>(futures: impl IntoIterator<Item = F>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    current("spawn_batch_detached").spawn_batch_detached(futures);
}

/// The current runtime, for a function that is useless without.
#[track_caller]
fn current(caller: &str) -> Handle {
    match context::current() {
        Some(handle) => handle,
        None => panic!(
            "{caller} needs a runtime: call it within a task or Runtime::block_on, or use Handle::{caller}"
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
#[track_caller]
pub fn spawn_blocking<F, R>(function: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    Handle::current().spawn_blocking(function)
}

/// Starts a task that stays on this thread, so that its future need not be [`Send`].
///
/// It is run by the worker that this is, among the tasks of that worker that others may take, and never by another thread, whatever happens: neither while it waits, nor after
/// [`block_on`](crate::Runtime::block_on) in a task has handed this thread's worker to another thread. So it may share an [`Rc`](std::rc::Rc) with the tasks it was spawned by. It can be woken,
/// aborted and awaited from anywhere; the handle is `Send` if the output is.
///
/// [`Runtime::spawn_pinned`](crate::Runtime::spawn_pinned) starts one from any thread.
///
/// # Units and limits
///
/// Nobody takes over what is pinned to a thread that is stuck: while a task computes for long, blocks, or waits in `block_on`, the tasks that are pinned to its thread wait. So a task must not
/// block for something that another one does that is pinned to the same thread; to `.await` it is fine.
///
/// On a busy worker pinned tasks have a turn about every 100 us. A thread that hosts some has memory of its own for them, 2 MiB of address space and 64 KiB for each size of tasks.
///
/// In a [simulation](crate::runtime::Builder::simulated), and where [time is paused](crate::runtime::Builder::start_paused), the thread is the one in
/// [`block_on`](crate::Runtime::block_on), and the future there may call this too. A pinned task has its turn like any other, whenever that thread is in `block_on`; while another one drives, it
/// waits. If the runtime ends on another thread, what is pinned is dropped when its own thread uses such a runtime again, or ends.
///
/// # Panics
///
/// Outside of a task, and within `block_on`, also where that was called in a task: the thread would not come to the new task before `block_on` returns, if ever. (In a simulation, and where time is
/// paused, it does.)
///
/// # Cancel safety
///
/// Not a future: the task is started when `spawn_local` returns. A task that is dropped by the end of its runtime, or aborted, is dropped on its own thread.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// let rt = filch::Runtime::new()?;
/// let sum = rt.spawn_pinned(|| async {
///     let sum = Rc::new(Cell::new(0));
///     let tasks: Vec<_> = (1..=4)
///         .map(|n| {
///             let sum = sum.clone();
///             filch::spawn_local(async move { sum.set(sum.get() + n) })
///         })
///         .collect();
///     for task in tasks {
///         task.await.unwrap();
///     }
///     sum.get()
/// });
/// assert_eq!(rt.block_on(sum).unwrap(), 10);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    pinned::spawn(future, Location::caller())
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

/// Whether the task in whose poll this is called has had its turn: something else has waited on its worker for about a millisecond or more, or may have. For code that computes in steps, and can stop
/// between them; other code has its turns ended where it waits.
///
/// # Units and limits
///
/// A look costs some nanoseconds. The runtime asks for the turn once a millisecond where somebody waits, at least once every five; a short task may be asked too, for what those before it
/// have used up. Never on a thread that is no worker.
///
/// # Examples
///
/// ```
/// async fn sum(numbers: &[u64]) -> u64 {
///     let mut sum = 0;
///     for part in numbers.chunks(1000) {
///         sum += part.iter().sum::<u64>();
///         if filch::task::is_turn_over() {
///             filch::yield_now().await;
///         }
///     }
///     sum
/// }
/// # assert_eq!(filch::Runtime::new()?.block_on(sum(&[7; 5000])), 35000);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn is_turn_over() -> bool {
    is_called()
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
        wait_reason::note(WaitReason::Turn);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
