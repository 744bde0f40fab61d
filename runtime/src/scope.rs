//! Scopes: tasks that have ended when the scope returns.
//!
//! | | children may | an error | a panic |
//! |---|---|---|---|
//! | [`scope()`] | own what they use | is a value like any other | cancels the scope |
//! | [`try_scope`] | own what they use | cancels the scope, and comes out of it | cancels the scope |
//! | [`blocking_scope`] | borrow from the caller's stack | is a value like any other | cancels the scope |
//! | [`JoinSet`](crate::task::JoinSet), which is none | own what they use | comes as a result | comes as a result |
//!
//! # What is promised
//!
//! - A scope returns when its body is done and every child has ended: its future dropped, and its output too, unless a [`ScopedHandle`] has it. That is so
//!   whatever happens: an error, a panic, a timeout.
//! - What cancels a scope has a reason ([`CancelReason`]). Every child is aborted then, that is dropped at the next point where it gives up its worker, and new ones are
//!   refused: their futures are dropped at once, and their handles say *cancelled*. What [`on_cancel`] has registered runs to its end or its deadline.
//! - An error, a panic or a timeout also drops the body where it stands. The first of them comes out when all have ended: the error is returned, the panic resumed. What comes later is
//!   lost; panics have been reported by the panic hook.
//! - **A scope's future that is dropped** before it is done cannot wait for anybody: its children are told at once, and each is dropped at the next point where it gives up its worker, which may be after the drop
//!   has returned. Only where the future is dropped as part of another scope's body or child, that scope waits for them too. So within scopes there is
//!   no way to leave a child behind; to wait at the outermost one, do not drop it.
//! - When the runtime ends, children are dropped like all tasks.
//!
//! # Limits
//!
//! [`Builder`] sets a timeout, and how many children may be in flight at once.
//!
//! # How it works
//!
//! | file | answers |
//! |---|---|
//! | `scope/group` | who belongs to a scope, and how do they end together? |
//! | `scope/child` | how does a future become a child? |
//! | `scope/handle` | how does its output reach whoever spawned it? |
//! | `scope/turn` | who may be in flight, if there is a limit? |
//! | `scope/drive` | how does a scope run its body, and when does it return? |
//! | `scope/builder` | what can be chosen? |
//! | `scope/cleanup` | what if a future has something to put right when it is cancelled? |
//! | `scope/blocking` | may children borrow? |

pub mod blocking;
mod builder;
mod child;
mod cleanup;
mod drive;
mod group;
mod handle;
#[cfg(test)]
mod tests;
mod turn;

pub use blocking::blocking_scope;
pub use builder::{Builder, TimedBuilder};
pub use cleanup::{OnCancel, on_cancel};
pub use group::CancelReason;
pub use handle::ScopedHandle;

use crate::runtime::Handle;
use crate::sys::sync::Mutex;
use crate::util::shield::shield;
use group::{Group, Outcome};
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::sync::Arc;
use turn::Turn;

/// Runs a body that starts children, and returns its output when all have ended.
///
/// See the [module](self) for what is promised. [`try_scope`] is for children that fail, [`Builder`] for a timeout or a limit.
///
/// # Panics
///
/// If the body or a child panics, with the panic that was first, when all have ended. And if it is polled outside of a runtime.
///
/// # Cancel safety
///
/// Dropping the future cancels every child and the body, and does not wait for them, unless a scope around it does. An output that the body or a child has given by then is lost.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let longest = rt.block_on(filch::scope(|s| async move {
///     let lengths: Vec<_> = ["one", "three", "two"]
///         .into_iter()
///         .map(|word| s.spawn(async move { word.len() }))
///         .collect();
///     let mut longest = 0;
///     for length in lengths {
///         longest = longest.max(length.await.unwrap());
///     }
///     longest
/// }));
/// assert_eq!(longest, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn scope<B, F>(body: B) -> F::Output
where
    B: FnOnce(Scope) -> F,
    F: Future,
{
    Builder::new().run(body).await
}

/// Runs a body that starts children, any of which may fail: the first error, of a child or of the body, cancels the others and comes out when all have ended.
///
/// See the [module](self) for what is promised.
///
/// # Errors
///
/// The first error of the body or a child, unless a panic came before it.
///
/// # Panics
///
/// As for [`scope()`].
///
/// # Cancel safety
///
/// As for [`scope()`].
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let result = rt.block_on(filch::try_scope(|s| async move {
///     s.spawn(async { "7".parse::<u8>().map(drop) });
///     s.spawn(async { "seven".parse::<u8>().map(drop) });
///     s.spawn(std::future::pending::<Result<(), _>>()); // is cancelled
///     Ok(())
/// }));
/// assert_eq!(result, Err("seven".parse::<u8>().unwrap_err()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn try_scope<B, F, T, E>(body: B) -> Result<T, E>
where
    B: FnOnce(TryScope<E>) -> F,
    F: Future<Output = Result<T, E>>,
    E: Send + 'static,
{
    Builder::new().try_run(body).await
}

/// What the body of a [`scope()`] starts children with. It may be cloned and given to children, which start more of them.
///
/// Once the scope has returned, a clone that is left refuses children, as after a cancellation.
#[derive(Clone)]
pub struct Scope {
    group: Arc<Group>,
    /// Where children are spawned, from whichever thread.
    runtime: Handle,
}

impl Scope {
    /// Starts a child. If the scope has a [limit](Builder::max_in_flight), the child waits for its turn before its future is polled.
    ///
    /// If the scope was cancelled, the future is dropped at once.
    ///
    /// # Cancel safety
    ///
    /// Not a future: the child is started when `spawn` returns.
    ///
    /// # Examples
    ///
    /// A child that starts another one, for which the scope waits as well:
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(filch::scope(|s| async move {
    ///     let inner = s.clone();
    ///     s.spawn(async move {
    ///         inner.spawn(async { println!("last") });
    ///     });
    /// }));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> ScopedHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_with(future, Turn::new(&self.group), Location::caller())
    }

    /// Waits until the [limit](Builder::max_in_flight) leaves room, then starts a child, so that no more futures are kept than run. Without a limit there is always room.
    ///
    /// Returns at once if the scope is cancelled; the future is dropped then.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, it loses its place in the queue, and the future is dropped without having been polled. It is first come, first served, together with the children that
    /// [`spawn`](Self::spawn) has made.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::scope::Builder;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(Builder::new().max_in_flight(8).run(|s| async move {
    ///     for n in 0..1000_u32 {
    ///         s.spawn_when_free(async move { n * n }).await;
    ///     }
    /// }));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_when_free<F>(
        &self,
        future: F,
    ) -> impl Future<Output = ScopedHandle<F::Output>> + Send
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let location = Location::caller();
        #[expect(
            clippy::async_yields_async,
            reason = "the handle is what is asked for, and awaited by who wants the output"
        )]
        async move {
            let turn = free_turn(&self.group).await;
            self.spawn_with(future, turn, location)
        }
    }

    fn spawn_with<F>(
        &self,
        future: F,
        turn: Turn,
        location: &'static Location<'static>,
    ) -> ScopedHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let start = |child| self.runtime.spawn_at(child, location);
        child::spawn(&self.group, future, Some, turn, start)
    }

    /// Cancels the scope: every child is aborted, and further ones are refused. The body goes on, and gives the scope's output; handles it awaits say *cancelled*.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let first = rt.block_on(filch::scope(|s| async move {
    ///     let quick = s.spawn(async { 7 });
    ///     s.spawn(std::future::pending::<()>());
    ///     let first = quick.await.unwrap();
    ///     s.cancel();
    ///     first
    /// }));
    /// assert_eq!(first, 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
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

/// What the body of a [`try_scope`] starts children with. It may be cloned and given to children, which start more of them.
///
/// Once the scope has returned, a clone that is left refuses children, as after a cancellation.
pub struct TryScope<E> {
    group: Arc<Group>,
    runtime: Handle,
    /// The first error, put there when it becomes the group's outcome.
    error: Arc<Mutex<Option<E>>>,
}

impl<E> Clone for TryScope<E> {
    fn clone(&self) -> Self {
        Self {
            group: self.group.clone(),
            runtime: self.runtime.clone(),
            error: self.error.clone(),
        }
    }
}

impl<E: Send + 'static> TryScope<E> {
    /// Starts a child. Its error, if it is the first, cancels the scope and comes out of it; the handle gives the child's output otherwise.
    ///
    /// If the scope has a [limit](Builder::max_in_flight), the child waits for its turn before its future is polled. If the scope was cancelled, the future is dropped at once.
    ///
    /// # Cancel safety
    ///
    /// Not a future: the child is started when `spawn` returns.
    #[track_caller]
    pub fn spawn<F, T>(&self, future: F) -> ScopedHandle<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_with(future, Turn::new(&self.group), Location::caller())
    }

    /// Waits until the [limit](Builder::max_in_flight) leaves room, then starts a child; see [`Scope::spawn_when_free`].
    ///
    /// # Cancel safety
    ///
    /// As there.
    #[track_caller]
    pub fn spawn_when_free<F, T>(&self, future: F) -> impl Future<Output = ScopedHandle<T>> + Send
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let location = Location::caller();
        #[expect(
            clippy::async_yields_async,
            reason = "the handle is what is asked for, and awaited by who wants the output"
        )]
        async move {
            let turn = free_turn(&self.group).await;
            self.spawn_with(future, turn, location)
        }
    }

    fn spawn_with<F, T>(
        &self,
        future: F,
        turn: Turn,
        location: &'static Location<'static>,
    ) -> ScopedHandle<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let scope = self.clone();
        let judge = move |result| match result {
            Ok(output) => Some(output),
            Err(error) => {
                scope.fail(error);
                None
            }
        };
        let start = |child| self.runtime.spawn_at(child, location);
        child::spawn(&self.group, future, judge, turn, start)
    }
}

impl<E> TryScope<E> {
    /// Cancels the scope; see [`Scope::cancel`]. That is no error: the body's output comes out, unless there is an error still.
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

    /// The error of the body or a child.
    fn fail(&self, error: E) {
        let mut error = Some(error);
        (self.group).stop(Outcome::Error, || *self.error.lock() = error.take());
        // One that is not the first is lost, whatever its destructor does.
        shield(|| drop(error));
    }
}

async fn free_turn(group: &Arc<Group>) -> Turn {
    let mut turn = Turn::new(group);
    poll_fn(|cx| turn.poll(cx)).await;
    turn
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.group).finish()
    }
}

impl<E> fmt::Debug for TryScope<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryScope").field(&self.group).finish()
    }
}
