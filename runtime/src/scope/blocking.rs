//! May children borrow from the stack of who starts them?
//!
//! From synchronous code, yes: [`blocking_scope`] blocks its thread until all have ended, as [`std::thread::scope`] does for threads. An async function cannot promise that, since its future
//! can be dropped, or leaked, while children run: therefore the children of [`scope()`](super::scope()) own what they use.
//!
//! # Why is that sound?
//!
//! A child is given to the runtime as a future of which is claimed that it is `'static`. What it borrows lives until `blocking_scope` returns. So the claim does no harm if at that moment
//! nothing is left that could still touch it: not the future, not its output on the runtime's side, and no poll of it that is under way.
//!
//! 1. **Nobody but the child's task has the future.** It stands in a `Child` (`scope/child.rs`), which has a `Member` of the scope's group as its last field. Whatever becomes
//!    of the task (it ends, panics, is aborted, is dropped by the end of the runtime, is never started), the member is dropped after the future, and after the task's share of the output. If
//!    the task is leaked, the member is too.
//! 2. **`blocking_scope` returns only when the group has ended**, that is when every member was dropped: on every path, also when the closure panics. If the wait itself panics (a deadlock in a simulation, a runtime
//!    that an unhandled panic has ended), the children are aborted and waited for anew; if that panicked too, the process would abort. A thread that polls
//!    a child, or is in the middle of dropping it, has yet to drop the member: also one that the runtime's end does not wait for, since it was shut down in the background.
//! 3. **Nothing of a child is looked at after its member has gone**, but the memory of its cell, and of the box it stands in: neither has anything borrowed in it by then. The group itself
//!    borrows nothing and is counted; panics carry `'static` payloads; wakers are the runtime's, and `'static`.
//! 4. **Outputs may borrow too**: an output is dropped with the task's share of the `Packet`, before the member, or is the handle's, which cannot leave the scope: its type has `'scope` in it,
//!    a lifetime that ends in `blocking_scope`, and that the closure has to accept whatever it is. A handle that is leaked never drops the output.
//! 5. **What may be borrowed** is checked by the compiler as for [`std::thread::scope`]: futures are `'scope`, which `'env` outlives, and both are invariant, so that neither can be shrunk or
//!    grown to fit. What is shared between children has to be [`Sync`], and what moves to them [`Send`].
//!
//! The future's address does not matter, it is boxed and pinned like any other.
//!
//! Rejected: futures that are polled on the blocked thread only (no parallelism); a scope object whose destructor waits (it can be leaked, and was, before Rust 1.0).

use super::CancelReason;
use super::child::{self, Child};
use super::group::{Group, Outcome};
use super::turn::Turn;
use crate::runtime::{Handle, Runtime};
use crate::sched::handoff::before_blocking;
use crate::task::{AbortHandle, Id, JoinError};
use crate::util::shield::shield;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Runs a closure that starts tasks which borrow from its surroundings, and blocks the thread until all have ended; on the current runtime.
///
/// It may be called on any thread that has a runtime: in a blocking call, within `block_on`, and also in a task, where another thread takes over the worker first. Elsewhere there are
/// [`Runtime::blocking_scope`] and [`Handle::blocking_scope`].
///
/// If the closure or a child panics, the others are aborted. When the runtime ends meanwhile, children are dropped as all tasks are: the scope waits for that, also for
/// polls that are under way, and handles say *cancelled*.
///
/// # Panics
///
/// With the first panic of the closure or a child, when all have ended. Where [`block_on`](Runtime::block_on) panics while it waits (in a simulation that is in deadlock, in a runtime that was ended by
/// [`UnhandledPanic::Shutdown`](crate::runtime::UnhandledPanic::Shutdown)), so does this, when the children were aborted and have ended. And, before the closure is called, if there is no runtime on this
/// thread, or within a task if no thread can be started to take over the worker.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let words = vec!["one".to_owned(), "two".to_owned(), "three".to_owned()];
/// let mut longest = 0;
/// rt.blocking_scope(|s| {
///     let lengths: Vec<_> = words.iter().map(|word| s.spawn(async move { word.len() })).collect();
///     s.spawn(async {
///         for length in lengths {
///             longest = longest.max(length.await.unwrap());
///         }
///     });
/// });
/// assert_eq!((words.len(), longest), (3, 5));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// What a child borrows must outlive the scope:
///
/// ```compile_fail,E0597
/// let rt = filch::Runtime::new().unwrap();
/// rt.blocking_scope(|s| {
///     let local = String::new();
///     let borrowed = &local;
///     s.spawn(async move { println!("{borrowed}") }); // the closure's own variable is gone when the scope waits
/// });
/// ```
///
/// A handle cannot leave the scope, nor can the scope itself:
///
/// ```compile_fail
/// let rt = filch::Runtime::new().unwrap();
/// let handle = rt.blocking_scope(|s| s.spawn(async { 1 }));
/// ```
///
/// ```compile_fail,E0521
/// let rt = filch::Runtime::new().unwrap();
/// let mut left = None;
/// rt.blocking_scope(|s| left = Some(s.spawn(async { 1 })));
/// ```
///
/// ```compile_fail,E0521
/// let rt = filch::Runtime::new().unwrap();
/// let mut left = None;
/// rt.blocking_scope(|s| left = Some(s));
/// ```
///
/// Children may move between threads:
///
/// ```compile_fail,E0277
/// let rt = filch::Runtime::new().unwrap();
/// let counter = std::rc::Rc::new(1);
/// rt.blocking_scope(|s| {
///     s.spawn(async { println!("{counter}") });
/// });
/// ```
///
/// Two of them cannot write to the same, and nobody can read what one writes to:
///
/// ```compile_fail,E0499
/// let rt = filch::Runtime::new().unwrap();
/// let mut counter = 0;
/// rt.blocking_scope(|s| {
///     s.spawn(async { counter += 1 });
///     s.spawn(async { counter += 1 });
/// });
/// ```
///
/// ```compile_fail,E0502
/// let rt = filch::Runtime::new().unwrap();
/// let mut counter = 0;
/// rt.blocking_scope(|s| {
///     s.spawn(async { counter += 1 });
///     println!("{counter}");
/// });
/// ```
#[track_caller]
pub fn blocking_scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    match Handle::try_current() {
        Ok(handle) => handle.blocking_scope(f),
        Err(_) => panic!(
            "blocking_scope needs a runtime: call it within a task or Runtime::block_on, or use Handle::blocking_scope"
        ),
    }
}

impl Runtime {
    /// Runs a closure that starts tasks which borrow from its surroundings, and blocks the thread until all have ended; see [`filch::blocking_scope`](blocking_scope).
    ///
    /// # Panics
    ///
    /// As there.
    pub fn blocking_scope<'env, F, T>(&self, f: F) -> T
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
    {
        self.handle().blocking_scope(f)
    }
}

impl Handle {
    /// Runs a closure that starts tasks which borrow from its surroundings, and blocks the thread until all have ended; see [`filch::blocking_scope`](blocking_scope).
    ///
    /// If the runtime has ended, every child is dropped at once.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn blocking_scope<'env, F, T>(&self, f: F) -> T
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
    {
        // Before there is a child, since it may fail. So may every wait in a runtime that a panic has ended, or in a simulation that another thread drives.
        if let Err(error) = before_blocking() {
            panic!(
                "blocking_scope within a task cannot wait, since no other thread can take over its worker: {error}"
            );
        }
        self.block_on(async {});
        let scope = Scope {
            group: Group::new(None),
            runtime: self.clone(),
            scope: PhantomData,
            env: PhantomData,
        };
        let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
        let group = &scope.group;
        let output = match result {
            Ok(output) => Some(output),
            Err(payload) => {
                group.stop(Outcome::Panic(payload), || ());
                None
            }
        };
        match wait(self, group) {
            Some(Outcome::Panic(payload)) => {
                // Its destructor may panic too, and would end the process in the middle of this panic.
                shield(|| drop(output));
                resume_unwind(payload)
            }
            // There are no others here.
            _ => output.expect("a closure that panics is the outcome, or comes after one"),
        }
    }
}

/// Waits until every member has gone: returns then and not before, or never. A panic of the wait is an outcome: `block_on` has some, which say that what it waits for will not come by itself
/// (a deadlock in a simulation, a runtime that was ended by an unhandled panic). After that the children are aborted, and all that is left is to wait for that.
fn wait(runtime: &Handle, group: &Group) -> Option<Outcome> {
    struct AbortOnUnwind;
    impl Drop for AbortOnUnwind {
        fn drop(&mut self) {
            std::process::abort();
        }
    }
    let guard = AbortOnUnwind;
    let ended = || poll_fn(|cx| group.poll_ended(cx));
    let outcome = match catch_unwind(AssertUnwindSafe(|| runtime.block_on(ended()))) {
        Ok(outcome) => outcome,
        Err(payload) => {
            group.stop(Outcome::Panic(payload), || ());
            runtime.block_on_regardless(ended())
        }
    };
    mem::forget(guard);
    outcome
}

/// What the closure of a [`blocking_scope`] starts children with. Children may use it too.
pub struct Scope<'scope, 'env: 'scope> {
    group: Arc<Group>,
    runtime: Handle,
    /// Invariant, both: see the module.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl<'scope> Scope<'scope, '_> {
    /// Starts a child, which may borrow what outlives the scope.
    ///
    /// If the scope was cancelled, the future is dropped at once.
    ///
    /// # Examples
    ///
    /// A child that starts another one:
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let text = String::from("borrowed");
    /// rt.blocking_scope(|s| {
    ///     s.spawn(async {
    ///         let length = s.spawn(async { text.len() });
    ///         assert_eq!(length.await.unwrap(), 8);
    ///     });
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&'scope self, future: F) -> ScopedHandle<'scope, F::Output>
    where
        F: Future + Send + 'scope,
        F::Output: Send + 'scope,
    {
        let location = Location::caller();
        // SAFETY: `blocking_scope`, the only one to make a `Scope`, returns when the group has ended, which is after the child's member was dropped.
        let start = |child| self.runtime.spawn_at(unsafe { unbounded(child) }, location);
        let inner = child::spawn(&self.group, future, Some, Turn::needless(), start);
        ScopedHandle {
            inner,
            runtime: &self.runtime,
            scope: PhantomData,
        }
    }

    /// Cancels the scope: every child is aborted, and further ones are refused. The closure goes on.
    pub fn cancel(&self) {
        self.group.cancel(CancelReason::Requested);
    }

    /// Why the scope was cancelled, if it was.
    #[must_use]
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        self.group.reason()
    }

    /// How many children (and cleanups) have not ended. One whose handle has just given its output may count still.
    #[must_use]
    pub fn len(&self) -> usize {
        self.group.members()
    }

    /// Whether all children (and cleanups) have ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The child as a future that may be given to a runtime: the lifetime of what it borrows is forgotten.
///
/// # Safety
///
/// `'scope` lasts until the child's member was dropped.
pub(super) unsafe fn unbounded<'scope, F, T, J>(
    child: Child<F, T, J>,
) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>>
where
    F: Future + Send + 'scope,
    T: Send + 'scope,
    J: FnOnce(F::Output) -> Option<T> + Send + 'scope,
{
    let child: Pin<Box<dyn Future<Output = ()> + Send + 'scope>> = Box::pin(child);
    // SAFETY: the two types differ in a lifetime only, which lasts, says the caller, until the child's member was dropped; that is after everything of it that borrows. It would be wrong if a
    // `Child` dropped its member before future, packet or output, or if one of those could be moved out of it.
    unsafe { mem::transmute(child) }
}

/// Gives the output of a [`blocking_scope`]'s child: await it in another child, or [`join`](Self::join) it. Dropping it lets the child go on; the scope waits for it all the same.
///
/// # Errors
///
/// A [`JoinError`] that [is *cancelled*](JoinError::is_cancelled) if the child has no output to give: it was aborted, or cancelled with its scope, or its runtime has ended; or it has panicked, which comes out
/// of the scope.
///
/// # Cancel safety
///
/// The handle is itself the future: dropping a borrow of it (`&mut handle` in a `select`) loses nothing.
pub struct ScopedHandle<'scope, T> {
    inner: super::ScopedHandle<T>,
    runtime: &'scope Handle,
    scope: PhantomData<&'scope mut &'scope ()>,
}

impl<T> ScopedHandle<'_, T> {
    /// Blocks the thread until the child has ended.
    ///
    /// # Errors
    ///
    /// See [above](Self).
    ///
    /// # Panics
    ///
    /// Within a task, if no other thread can take over its worker.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let text = String::from("borrowed");
    /// let part = rt.blocking_scope(|s| s.spawn(async { &text[..6] }).join().unwrap());
    /// assert_eq!(part, "borrow");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn join(self) -> Result<T, JoinError> {
        self.runtime.block_on(self)
    }

    /// Cancels this child alone: its future is dropped at the next point where it gives up its worker, unless it is done by then. The scope goes on.
    pub fn abort(&self) {
        self.inner.abort();
    }

    /// A handle that aborts the child, and has no right to its output. It may leave the scope: it keeps nothing of the child but the task's memory.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        self.inner.abort_handle()
    }

    /// Tells the child from other tasks that live.
    #[must_use]
    pub fn id(&self) -> Id {
        self.inner.id()
    }

    /// Whether the child has ended, so that awaiting or joining the handle does not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.inner.is_finished()
    }
}

impl<T> Future for ScopedHandle<'_, T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

impl<T> fmt::Debug for ScopedHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.group).finish()
    }
}
