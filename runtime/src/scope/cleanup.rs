//! What if a future has something to put right when it is cancelled, and that takes waiting?
//!
//! A destructor cannot wait. So an [`OnCancel`] that is dropped before its work is done starts the cleanup as a task: within a scope as a member of it, so that the scope waits,
//! elsewhere as a task of the runtime it was polled on. The scope and the runtime are those of the first poll: a future that was never polled has done nothing.
//!
//! Rejected: a guard that is to be disarmed. Who forgets it cleans up after success, and who writes `let _ =` at once.

use super::child::Child;
use super::drive::pass_on;
use super::group::{self, Group};
use super::turn::Turn;
use crate::runtime::Handle;
use crate::time::{Instant, timeout_at};
use pin_project_lite::pin_project;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Runs `work`; if that is dropped before it is done, `cleanup` is run as a task, for no longer than `deadline`.
///
/// Dropped means: its task was aborted, its scope cancelled, a timeout or a `select` around it has given it up; or the work has panicked. What the work holds is dropped first,
/// then the cleanup begins. If the work is done, or was never polled, the cleanup is dropped without being polled.
///
/// Within a [scope](crate::scope()), in its body or in a child, the cleanup is part of the scope: the scope returns when the cleanup is done, or was dropped at its deadline, and a panic
/// of the cleanup is one of the scope's. Cancelling the scope once more does not touch it. Elsewhere it is a task of its own.
///
/// When the runtime ends, cleanups are dropped like all other tasks: one that runs, at its next await; one that was to begin, at once. What must be done even then belongs in a
/// destructor.
///
/// # Units and limits
///
/// The deadline counts from the moment the work is dropped. A cleanup that computes without ever waiting cannot be interrupted.
///
/// # Panics
///
/// The future panics where `work` does.
///
/// # Cancel safety
///
/// Made for it: see above. The work itself is dropped where it stands.
///
/// # Examples
///
/// ```
/// use filch::task::on_cancel;
/// use filch::time::{Duration, sleep, timeout};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// let rt = filch::Runtime::new()?;
/// let said_goodbye = Arc::new(AtomicBool::new(false));
/// let goodbye = said_goodbye.clone();
/// rt.block_on(filch::scope(|_| async move {
///     let conversation = on_cancel(sleep(Duration::from_secs(60)), Duration::from_secs(5), async move {
///         sleep(Duration::from_millis(1)).await; // the other side is told
///         goodbye.store(true, Ordering::Relaxed);
///     });
///     assert!(timeout(Duration::from_millis(1), conversation).await.is_err());
/// }));
/// assert!(said_goodbye.load(Ordering::Relaxed), "the scope has waited for it");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn on_cancel<F, C>(work: F, deadline: Duration, cleanup: C) -> OnCancel<F, C>
where
    F: Future,
    C: Future<Output = ()> + Send + 'static,
{
    OnCancel {
        work: Some(work),
        cleanup: Some(cleanup),
        deadline,
        home: None,
    }
}

pin_project! {
    /// The future of [`on_cancel`].
    ///
    /// # Cancel safety
    ///
    /// Dropped after its first poll and before the work is done, it begins the cleanup as a task; see [`on_cancel`].
    #[must_use = "the work does nothing until it is awaited or polled"]
    pub struct OnCancel<F, C>
    where
        C: Future<Output = ()>,
        C: Send,
        C: 'static,
    {
        #[pin]
        work: Option<F>,
        cleanup: Option<C>,
        deadline: Duration,
        home: Option<Home>,
    }

    impl<F, C> PinnedDrop for OnCancel<F, C>
    where
        C: Future<Output = ()>,
        C: Send,
        C: 'static,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let mut work = this.work;
            let (Some(home), Some(cleanup)) = (this.home.take(), this.cleanup.take()) else {
                return;
            };
            let dropped = catch_unwind(AssertUnwindSafe(|| work.set(None)));
            home.run(cleanup, *this.deadline);
            pass_on(dropped);
        }
    }
}

/// Where a cleanup runs.
enum Home {
    Scope(Arc<Group>, Handle),
    Runtime(Handle),
    /// Polled outside of a runtime.
    None,
}

impl Home {
    fn here() -> Self {
        match (group::current(), Handle::try_current()) {
            (Some(group), Ok(handle)) => Self::Scope(group, handle),
            (None, Ok(handle)) => Self::Runtime(handle),
            (_, Err(_)) => Self::None,
        }
    }

    /// Begins the cleanup now, whenever it comes to be polled.
    fn run(self, cleanup: impl Future<Output = ()> + Send + 'static, deadline: Duration) {
        let (Self::Scope(_, handle) | Self::Runtime(handle)) = &self else {
            return;
        };
        let deadline = Instant::from_std(handle.now()) + deadline;
        let cleanup = async move {
            // Too late is too late: there is nobody to be told.
            let _ = timeout_at(deadline, cleanup).await;
        };
        match self {
            Self::Scope(group, handle) => match group.admit() {
                Some(member) => {
                    let child = Child::new(cleanup, Some, None, Turn::needless(), member);
                    handle.spawn(child).detach();
                }
                // Its scope has returned: the work has outlived it.
                None => handle.spawn(cleanup).detach(),
            },
            Self::Runtime(handle) => handle.spawn(cleanup).detach(),
            Self::None => {}
        }
    }
}

impl<F, C> Future for OnCancel<F, C>
where
    F: Future,
    C: Future<Output = ()> + Send + 'static,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.home.get_or_insert_with(Home::here);
        let work = this.work.as_pin_mut();
        let output = ready!(work.expect("polled after it was done").poll(cx));
        *this.cleanup = None;
        Poll::Ready(output)
    }
}

impl<F, C> fmt::Debug for OnCancel<F, C>
where
    C: Future<Output = ()> + Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnCancel")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
