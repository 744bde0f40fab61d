//! How does one task wait for many, and take their results as they come?
//!
//! Each task of a [`JoinSet`] has a number, and carries an [`Ending`] behind its future: when the future has gone, whether it was done, panicked or was aborted, the
//! number is pushed to the set's [`ReadyList`]. The output itself comes the usual way, through the task's [`JoinHandle`], which the set keeps under that number.
//! So there is nothing for panics, aborts and shutdowns to be told apart by here, nothing unsafe, and no allocation for a task but its cell: in the set it is a word of a
//! `Vec`. A completion costs one lock and one wake-up at most, whatever the size of the set.
//!
//! The number is pushed when the future has been dropped, the output is stored right after. A set that runs on another worker may be faster than that; then it waits
//! with the handle itself, whose turn it is anyway.
//!
//! Rejected: a waker for each handle that knows its number. A waker is one pointer, so each needs a node that counts its references: an allocation for each task, or
//! chunks of nodes and unsafe code; and each task would be woken for twice, by its own waker and by the set's.

use crate::runtime::{Handle, pinned};
use crate::spawn::spawn_at;
use crate::task::{AbortHandle, Id, JoinError, JoinHandle};
use crate::util::ready_list::ReadyList;
use crate::util::shield::shield;
use crate::util::wait_reason::{self, WaitReason};
use pin_project_lite::pin_project;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Tasks whose results are taken in the order in which they end.
///
/// Dropping the set aborts its tasks, and does not wait until they have ended; [`shutdown`](Self::shutdown) does.
///
/// # Units and limits
///
/// No limit on tasks. A task costs the set a word, a further one while its result waits to be taken, and no allocation of its own. The room for a burst stays until the set goes.
///
/// # Examples
///
/// ```
/// use filch::task::JoinSet;
///
/// let rt = filch::Runtime::new()?;
/// let sum = rt.block_on(async {
///     let mut set = JoinSet::new();
///     for n in 0..100_u64 {
///         set.spawn(async move { n });
///     }
///     let mut sum = 0;
///     while let Some(result) = set.join_next().await {
///         sum += result.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 4950);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct JoinSet<T> {
    ended: Arc<ReadyList>,
    /// Taken from `ended`, and not yet given out.
    batch: VecDeque<usize>,
    /// By number.
    tasks: Vec<Option<JoinHandle<T>>>,
    /// Numbers that no task has, and no list.
    free: Vec<usize>,
    len: usize,
}

/// Tells the set when it goes: with the last of what the task was made of.
struct Ending {
    list: Arc<ReadyList>,
    number: usize,
}

impl Drop for Ending {
    fn drop(&mut self) {
        // The waker may be anybody's, and this may be an unwinding already.
        shield(|| self.list.push(self.number));
    }
}

pin_project! {
    /// A task's future, and behind it, so that it is dropped after the future has gone, the ending.
    struct Member<F> {
        #[pin]
        future: F,
        ending: Ending,
    }
}

impl<F: Future> Future for Member<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

impl<T> JoinSet<T> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ended: Arc::new(ReadyList::new()),
            batch: VecDeque::new(),
            tasks: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }

    /// How many tasks there are whose results have not been taken, ended or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether every result has been taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<T: Send + 'static> JoinSet<T> {
    /// Starts a task on the current runtime.
    ///
    /// # Panics
    ///
    /// If there is no runtime on this thread; [`spawn_on`](Self::spawn_on) needs none.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
    {
        let location = Location::caller();
        self.add(|ending| spawn_at(Member { future, ending }, location))
    }

    /// Starts a task on the runtime of a handle.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let mut set = filch::task::JoinSet::new();
    /// set.spawn_on(async { 7 }, rt.handle());
    /// assert_eq!(rt.block_on(set.join_all()), [7]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
    {
        let location = Location::caller();
        self.add(|ending| handle.spawn_at(Member { future, ending }, location))
    }

    /// Runs a blocking function on the current runtime's pool; see [`spawn_blocking`](crate::spawn_blocking). One that has begun cannot be aborted.
    ///
    /// # Panics
    ///
    /// If there is no runtime on this thread, or its pool has no thread and none can be started.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, function: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
    {
        self.spawn_blocking_at(function, &Handle::current(), Location::caller())
    }

    /// Runs a blocking function on the pool of the runtime of a handle.
    ///
    /// # Panics
    ///
    /// If the pool has no thread and none can be started.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, function: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
    {
        self.spawn_blocking_at(function, handle, Location::caller())
    }

    fn spawn_blocking_at<F>(
        &mut self,
        function: F,
        handle: &Handle,
        location: &'static Location<'static>,
    ) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
    {
        self.add(|ending| {
            let call = move || {
                let _ending = ending;
                function()
            };
            handle.spawn_blocking_at(call, location)
        })
    }
}

impl<T: 'static> JoinSet<T> {
    /// Starts a task that stays on this thread, so that neither its future nor its output need be [`Send`]; see [`filch::spawn_local`](crate::spawn_local).
    ///
    /// # Panics
    ///
    /// As there: outside of a task, and within `block_on`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// let sum = rt.spawn_pinned(|| async {
    ///     let mut set = filch::task::JoinSet::new();
    ///     let one = Rc::new(1);
    ///     for _ in 0..3 {
    ///         let one = one.clone();
    ///         set.spawn_local(async move { one });
    ///     }
    ///     set.join_all().await.iter().map(|one| **one).sum::<i32>()
    /// });
    /// assert_eq!(rt.block_on(sum).unwrap(), 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        let location = Location::caller();
        self.add(|ending| pinned::spawn(Member { future, ending }, location))
    }
}

impl<T> JoinSet<T> {
    fn add(&mut self, spawn: impl FnOnce(Ending) -> JoinHandle<T>) -> AbortHandle {
        let number = self.free.pop().unwrap_or_else(|| {
            self.tasks.push(None);
            self.tasks.len() - 1
        });
        // If this panics, the ending goes with what could not be spawned, and the number comes back as one without a task.
        let task = spawn(Ending {
            list: self.ended.clone(),
            number,
        });
        let abort = task.abort_handle();
        self.tasks[number] = Some(task);
        self.len += 1;
        abort
    }
}

impl<T> JoinSet<T> {
    /// Waits until a task has ended and gives its result; `None` if the set is empty.
    ///
    /// # Errors
    ///
    /// The [`JoinError`] of a task that panicked, was aborted, or was dropped by the end of its runtime.
    ///
    /// # Cancel safety
    ///
    /// A wait that is dropped, in a `select` for instance, takes no result: the next one gives it.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// The same, with the task's [`Id`]; that of one that failed is in its error.
    ///
    /// # Errors
    ///
    /// As for [`join_next`](Self::join_next).
    ///
    /// # Cancel safety
    ///
    /// As for [`join_next`](Self::join_next).
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let mut set = filch::task::JoinSet::new();
    ///     let task = set.spawn(async { 7 });
    ///     assert_eq!(set.join_next_with_id().await.unwrap().unwrap(), (task.id(), 7));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// The result of a task that has ended; `None` if the set is empty or none has. Does not wait.
    ///
    /// # Errors
    ///
    /// As for [`join_next`](Self::join_next).
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        let result = self.try_join_next_with_id()?;
        Some(result.map(|(_, output)| output))
    }

    /// The same, with the task's [`Id`]; see [`join_next_with_id`](Self::join_next_with_id).
    ///
    /// # Errors
    ///
    /// As for [`join_next`](Self::join_next).
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        loop {
            if self.batch.is_empty() {
                self.ended.take(&mut self.batch);
            }
            let number = *self.batch.front()?;
            let Some(task) = &mut self.tasks[number] else {
                self.give_back();
                continue;
            };
            let id = task.id();
            let result = task.try_take()?.map(|output| (id, output));
            self.tasks[number] = None;
            self.len -= 1;
            self.give_back();
            return Some(result);
        }
    }

    /// Gives a task's result once one has ended; [`join_next`](Self::join_next) for those who write futures by hand.
    ///
    /// Ready with `None` if the set is empty. When it is pending, the context's waker is woken when a task ends, or when the set has used up what one poll may take
    /// (the cooperative budget); only the waker of the last poll is.
    ///
    /// # Errors
    ///
    /// As for [`join_next`](Self::join_next).
    ///
    /// # Cancel safety
    ///
    /// Takes nothing while it is pending.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        let next = ready!(self.poll_join_next_with_id(cx));
        Poll::Ready(next.map(|result| result.map(|(_, output)| output)))
    }

    /// The same, with the task's [`Id`]; see [`join_next_with_id`](Self::join_next_with_id).
    ///
    /// # Errors
    ///
    /// As for [`join_next`](Self::join_next).
    ///
    /// # Cancel safety
    ///
    /// Takes nothing while it is pending.
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        while !self.is_empty() {
            if self.batch.is_empty() {
                wait_reason::note(WaitReason::JoinSet);
                ready!(self.ended.poll_take(&mut self.batch, cx));
            }
            let Some(&number) = self.batch.front() else {
                continue;
            };
            let Some(task) = &mut self.tasks[number] else {
                self.give_back();
                continue;
            };
            let id = task.id();
            // Its future has gone: the output is there, or about to be. It charges the budget.
            let result = ready!(Pin::new(task).poll(cx)).map(|output| (id, output));
            self.tasks[number] = None;
            self.len -= 1;
            self.give_back();
            return Poll::Ready(Some(result));
        }
        Poll::Ready(None)
    }

    /// The first number of the batch is free for another task: it was pushed, which happens once.
    fn give_back(&mut self) {
        self.free.extend(self.batch.pop_front());
    }

    /// Waits for all tasks and gives their outputs in the order in which they ended.
    ///
    /// # Panics
    ///
    /// If a task panicked, with its panic; or if one was aborted. The rest of the set is aborted then.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it drops the set, which aborts what is left, and the outputs it has.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let squares = rt.block_on(async {
    ///     let mut set: filch::task::JoinSet<_> = (1..=3).map(|n| async move { n * n }).collect();
    ///     set.spawn_blocking(|| 16);
    ///     set.join_all().await
    /// });
    /// assert_eq!(squares.into_iter().sum::<i32>(), 30);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len);
        while let Some(result) = self.join_next().await {
            match result.map_err(JoinError::try_into_panic) {
                Ok(output) => outputs.push(output),
                Err(Ok(payload)) => resume_unwind(payload),
                Err(Err(error)) => panic!("a task of join_all has no output: {error}"),
            }
        }
        outputs
    }

    /// Aborts all tasks; their results, mostly errors, are still to be taken. Tasks that are spawned afterwards are not aborted.
    pub fn abort_all(&mut self) {
        self.tasks.iter().flatten().for_each(JoinHandle::abort);
    }

    /// Aborts all tasks and waits until they have ended.
    ///
    /// # Cancel safety
    ///
    /// All are aborted at the first poll. Dropped before it is done, the wait can be begun anew.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let mut set = filch::task::JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.shutdown().await;
    ///     assert!(set.is_empty());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Lets all tasks run on by themselves; the set is empty then.
    pub fn detach_all(&mut self) {
        // What they push from now on nobody reads.
        self.ended = Arc::new(ReadyList::new());
        self.batch.clear();
        self.free.clear();
        self.tasks.clear();
        self.len = 0;
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Starts a task on the current runtime for each future.
///
/// # Panics
///
/// If there is a future, and no runtime on this thread.
impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        set.extend(futures);
        set
    }
}

/// Starts a task on the current runtime for each future.
///
/// # Panics
///
/// If there is a future, and no runtime on this thread.
impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.spawn(future);
        }
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
