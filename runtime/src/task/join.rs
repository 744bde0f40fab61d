//! How does a task's output reach whoever spawned it?

use super::abort::AbortHandle;
use super::error::JoinError;
use super::header::Header;
use super::id::Id;
use super::refs::TaskRef;
use super::state::Detach;
use crate::sys::sync::{hint, thread};
use crate::util::budget;
use crate::util::shield::shield;
use crate::util::wait_reason::{self, WaitReason};
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker, ready};

/// How often a handle looks whether the runner is done before it gives up its core. In models it does so at once.
const SPINS_MAX: u32 = if cfg!(any(loom, shuttle)) { 0 } else { 100 };

/// Owns the right to a task's output: await it to get it, drop it to detach the task.
///
/// The handle is one pointer. Dropping it does not cancel the task; [`abort`](Self::abort) does.
///
/// # Cancel safety
///
/// The handle is itself the future: dropping a borrow of it (`&mut handle` in a `select`) loses nothing, and the output
/// stays until the handle takes it or is dropped.
///
/// # Errors
///
/// Awaiting gives a [`JoinError`] if the task panicked, was aborted, or was dropped by the end of its runtime.
///
/// # Panics
///
/// If polled again after it has given its output.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let sum = rt.block_on(async {
///     let handles: Vec<_> = (1..=4).map(|n| filch::spawn(async move { n * n })).collect();
///     let mut sum = 0;
///     for handle in handles {
///         sum += handle.await.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 30);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct JoinHandle<T> {
    inner: Inner,
    _output: PhantomData<T>,
}

/// One pointer wide: where there is no task to be looked at, a low bit is set, of which cells have none.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Inner(NonNull<Header>);

impl Inner {
    /// In the address of the cell: its output was taken.
    const TAKEN: usize = 1;
    /// The task was never started, since its runtime had ended.
    const NEVER: Self = match NonNull::new(std::ptr::without_provenance_mut(2)) {
        Some(marker) => Self(marker),
        None => panic!("a marker is not null"),
    };
    /// What is 0 in the address of a cell: some of it.
    const MARKS: usize = 0b11;

    #[inline]
    fn task(&self) -> Option<&Header> {
        if self.0.addr().get() & Self::MARKS != 0 {
            return None;
        }
        // SAFETY: without a mark it is a cell, which the handle's counted reference keeps.
        Some(unsafe { self.0.as_ref() })
    }

    fn taken(self) -> Self {
        Self(self.0.map_addr(|addr| addr | Self::TAKEN))
    }

    fn is_taken(self) -> bool {
        self.0.addr().get() & Self::TAKEN != 0
    }

    fn id(self) -> Id {
        Id::of_marked(self.0)
    }
}

// SAFETY: the handle gives a `T` to the thread it is on; everything else goes through the atomic word.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through a shared handle there is no way to the output.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}
// A panic leaves a task as it leaves any other: its runner catches it.
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    ///
    /// The word counts a reference and JOIN_INTEREST for this handle, and the task's output is a `T`.
    #[inline]
    pub(crate) unsafe fn from_counted(cell: NonNull<Header>) -> Self {
        Self {
            inner: Inner(cell),
            _output: PhantomData,
        }
    }

    /// The handle of a task that was never started, because its runtime has ended.
    pub(crate) fn never_started() -> Self {
        Self {
            inner: Inner::NEVER,
            _output: PhantomData,
        }
    }

    /// Cancels the task: its future is dropped at the next point where it gives up its worker, unless it is complete by
    /// then. Returns at once; await the handle to know when it has happened.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let forever = filch::spawn(std::future::pending::<()>());
    ///     forever.abort();
    ///     assert!(forever.await.unwrap_err().is_cancelled());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn abort(&self) {
        if let Some(task) = self.task_ref() {
            task.abort();
        }
    }

    /// A handle that aborts the task, and has no right to its output.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let forever = rt.spawn(std::future::pending::<()>());
    /// let abort = forever.abort_handle();
    /// std::thread::spawn(move || abort.abort());
    /// assert!(rt.block_on(forever).unwrap_err().is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.id(), self.task_ref())
    }

    /// A reference of its own to the task, by which others can abort it; none if there is none any more.
    pub(crate) fn task_ref(&self) -> Option<TaskRef> {
        let task = self.inner.task()?;
        task.state.add_reference();
        // SAFETY: counted just now.
        Some(unsafe { TaskRef::from_counted(self.inner.0) })
    }

    /// Tells the task from others that live, also when the output was taken.
    #[must_use]
    pub fn id(&self) -> Id {
        self.inner.id()
    }

    /// Whether the output is there, or was taken.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.inner
            .task()
            .is_none_or(|task| task.state.is_complete())
    }

    /// What the task waits for; `None` if it does not wait: it is queued, or being polled, or finished.
    ///
    /// A look at a moment that may have passed: for people who ask why a program is stuck, not for programs to act on.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::task::WaitReason;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let forever = filch::spawn(std::future::pending::<()>());
    ///     while forever.wait_reason().is_none() {
    ///         filch::yield_now().await;
    ///     }
    ///     assert_eq!(forever.wait_reason(), Some(WaitReason::Unknown));
    ///     forever.abort();
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn wait_reason(&self) -> Option<WaitReason> {
        self.inner.task()?.state.wait_reason()
    }

    /// Lets the task run on by itself; the same as dropping the handle, said aloud.
    pub fn detach(self) {
        drop(self);
    }

    /// Lets a task run on by itself that nobody else has seen yet: without a locked instruction.
    pub(crate) fn detach_unseen(self) {
        if self
            .inner
            .task()
            .is_some_and(|task| task.state.detach_unshared())
        {
            // The reference is not counted any more.
            std::mem::forget(self);
        }
    }

    /// The output, if it is there. Neither waits nor charges the budget. To be called no more once it has given it.
    pub(crate) fn try_take(&mut self) -> Option<Result<T, JoinError>> {
        let Some(task) = self.inner.task() else {
            debug_assert!(!self.inner.is_taken(), "the output was taken");
            self.inner = self.inner.taken();
            return Some(Err(JoinError::cancelled(self.inner.id())));
        };
        if task.state.is_complete() {
            Some(self.take())
        } else {
            None
        }
    }

    /// Takes the output of a complete task and lets go of the cell.
    fn take(&mut self) -> Result<T, JoinError> {
        let cell = self.inner.0;
        // SAFETY: the handle's reference keeps the cell.
        wait_for_runner(unsafe { cell.as_ref() });
        let mut output = MaybeUninit::<Result<T, JoinError>>::uninit();
        // SAFETY: the handle's reference keeps the cell.
        let vtable = unsafe { cell.as_ref() }.vtable;
        // SAFETY: complete, and the right to the output is the handle's, which has not used it.
        unsafe { (vtable.take_output)(cell, output.as_mut_ptr().cast()) };
        self.inner = self.inner.taken();
        // SAFETY: the handle's reference, given up: `inner` does not stand for the cell any more.
        drop(unsafe { TaskRef::from_counted(cell) });
        // SAFETY: written by `take_output`.
        unsafe { output.assume_init() }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(task) = self.inner.task() else {
            assert!(
                !self.inner.is_taken(),
                "a JoinHandle was polled after it had given its output; await it once"
            );
            self.inner = self.inner.taken();
            return Poll::Ready(Err(JoinError::cancelled(self.id())));
        };
        if task.state.is_complete() || register(task, cx.waker()) {
            ready!(budget::poll_take(cx));
            return Poll::Ready(self.take());
        }
        wait_reason::note(WaitReason::Join);
        Poll::Pending
    }
}

/// Sees to it that the waker is woken at completion. True if the task is complete already.
fn register(task: &Header, waker: &Waker) -> bool {
    if task.state.has_join_waker() {
        // SAFETY: only this handle would fill it.
        if unsafe { task.join_waker.is(waker) } {
            return task.state.is_complete();
        }
        if !task.state.retract_join_waker() {
            return true;
        }
        // SAFETY: taken back: the place is full, and only ours.
        drop(unsafe { task.join_waker.take() });
    }
    let waker = waker.clone();
    // SAFETY: JOIN_WAKER is not set: the field is the handle's alone, and holds nothing.
    unsafe { task.join_waker.fill(waker) };
    if task.state.publish_join_waker() {
        return false;
    }
    // SAFETY: not published: still full, and only ours.
    drop(unsafe { task.join_waker.take() });
    true
}

/// Of a complete task: waits until its runner has taken the join waker out of the cell, if there was one. It is about to.
#[inline]
fn wait_for_runner(task: &Header) {
    if task.state.has_join_waker() {
        let mut spins = 0;
        while !task.join_waker.is_empty() {
            backoff(&mut spins);
        }
    }
}

/// The runner has two words to read and one to write. If it takes longer it was preempted, and may need this core.
#[cold]
fn backoff(spins: &mut u32) {
    *spins += 1;
    if *spins < SPINS_MAX {
        hint::spin_loop();
    } else {
        thread::yield_now();
    }
}

impl<T> Drop for JoinHandle<T> {
    #[inline]
    fn drop(&mut self) {
        let Some(task) = self.inner.task() else {
            return;
        };
        let cell = self.inner.0;
        // SAFETY: the handle's reference keeps the cell.
        if !unsafe { (task.vtable.detach_unshared)(cell) } {
            // SAFETY: the handle's reference, passed on.
            unsafe { detach_slow(cell) };
        }
    }
}

/// Detaches a task that others may be at.
///
/// # Safety
///
/// The caller passes on the handle's counted reference. The cell comes as a pointer, since it may be freed during the call.
#[cold]
unsafe fn detach_slow(cell: NonNull<Header>) {
    // SAFETY: the handle's reference keeps the cell, unless the verdict is `Done`.
    let task = unsafe { cell.as_ref() };
    match task.state.detach() {
        Detach::Done => return,
        Detach::DropWaker => {
            // SAFETY: the verdict gave the field back to the handle, full.
            shield(|| drop(unsafe { task.join_waker.take() }));
        }
        Detach::DropOutput => {
            wait_for_runner(task);
            // SAFETY: complete, the output stored and not taken (else `inner` would be TAKEN).
            unsafe { (task.vtable.drop_output)(cell) };
        }
    }
    // SAFETY: the handle's reference, given up.
    drop(unsafe { TaskRef::from_counted(cell) });
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("JoinHandle");
        f.field("id", &self.id());
        f.field("finished", &self.is_finished());
        if let Some(task) = self.inner.task() {
            f.field("location", &format_args!("{}", task.location));
        }
        f.finish()
    }
}
