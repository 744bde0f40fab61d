//! How is a task, or a whole tree of them, told to end?
//!
//! By a token that it looks at or waits for. What is below a token is the [tree]'s matter, which has the tables; here are the tokens, which are references to
//! nodes of it, and the futures that wait for one.
//!
//! | a future that waits is | phase of its wait | at a cancellation |
//! |---|---|---|
//! | new | IDLE | finds it at its first poll |
//! | waiting | WAITING | is woken |
//! | woken | WOKEN | ready, for ever |
//!
//! The futures charge the cooperative budget, but do not ask it, as a timeout does not: a task that uses it up each time must not escape its cancellation.

mod children;
mod reason;
mod tree;

use super::wait_queue::{Phase, Wait};
use crate::util::budget;
use crate::util::wait_reason::WaitReason;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tree::{Inside, Node};

pub use reason::CancelReason;

/// Tells tasks to end; they look at it, or wait for it.
///
/// Clones are the same token. A [child](Self::child_token) is cancelled with its parent, and not the other way round. Dropping tokens cancels nothing. Needs no
/// runtime.
///
/// # Units and limits
///
/// [`is_cancelled`](Self::is_cancelled) is a load. A child is made, and forgotten by its parent, in constant time, however many there are; its memory is given back with its last
/// clone, and the last token below it.
///
/// # Examples
///
/// ```
/// use filch::sync::CancellationToken;
///
/// let rt = filch::Runtime::new()?;
/// let shutdown = CancellationToken::new();
/// let request = shutdown.child_token();
/// let task = rt.spawn(async move {
///     let work = async { std::future::pending::<u32>().await };
///     let done = request.run_until_cancelled(work).await;
///     (done, request.reason().map(|reason| reason.to_string()))
/// });
/// shutdown.cancel_with("the server ends");
/// let ended = rt.block_on(task).unwrap();
/// assert_eq!(ended, (None, Some("the server ends".to_owned())));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct CancellationToken {
    node: Arc<Node>,
}

impl CancellationToken {
    /// One without a parent, that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self {
            node: Node::root(None),
        }
    }

    /// One that is cancelled with this one, for the same reason. Cancelled at once if this one is.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::CancellationToken;
    ///
    /// let parent = CancellationToken::new();
    /// let (first, second) = (parent.child_token(), parent.child_token());
    /// first.cancel();
    /// assert!(!parent.is_cancelled() && !second.is_cancelled());
    /// parent.cancel();
    /// assert!(second.is_cancelled() && parent.child_token().is_cancelled());
    /// ```
    #[must_use]
    pub fn child_token(&self) -> Self {
        Self {
            node: self.node.child(),
        }
    }

    /// Cancels it and all below it, and wakes who waits for one of them.
    ///
    /// The first cancellation of a token counts; later ones, of itself or from above, change nothing. When this returns all below is cancelled, unless another thread had begun to
    /// cancel the same part just before, and is about it.
    pub fn cancel(&self) {
        self.node.cancel(None);
    }

    /// As [`cancel`](Self::cancel), and says why: with a text, or any error.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// let child = token.child_token();
    /// token.cancel_with("out of time");
    /// token.cancel_with("too late");
    /// assert_eq!(child.reason().unwrap().to_string(), "out of time");
    /// ```
    pub fn cancel_with(&self, reason: impl Into<CancelReason>) {
        self.node.cancel(Some(reason.into()));
    }

    /// Whether it is cancelled. What was done before the cancellation is visible then.
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.node.is_cancelled()
    }

    /// Why it was cancelled, if it was and the one who did it has said so.
    #[must_use]
    pub fn reason(&self) -> Option<CancelReason> {
        self.node.reason()
    }

    /// Waits until it is cancelled. Awaiting `&token` does the same.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait and changes nothing else.
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        let wait = Wait::new(self.node.queue(), ());
        WaitForCancellationFuture { token: self, wait }
    }

    /// As [`cancelled`](Self::cancelled), in a future that borrows nothing. Awaiting the token does the same.
    ///
    /// # Cancel safety
    ///
    /// As for [`cancelled`](Self::cancelled).
    pub fn cancelled_owned(self) -> WaitForCancellationFutureOwned {
        let wait = Wait::owned(self.node.clone(), Node::queue, ());
        WaitForCancellationFutureOwned { token: self, wait }
    }

    /// Cancels the token when the guard is dropped, as at the end of a scope, however that is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// let disarmed = token.clone().drop_guard().disarm();
    /// assert!(!disarmed.is_cancelled());
    /// drop(token.clone().drop_guard());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn drop_guard(self) -> DropGuard {
        DropGuard {
            token: self,
            is_armed: true,
        }
    }

    /// As [`drop_guard`](Self::drop_guard), with a guard that borrows the token.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// assert!(!token.drop_guard_ref().disarm().is_cancelled());
    /// drop(token.drop_guard_ref());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn drop_guard_ref(&self) -> DropGuardRef<'_> {
        DropGuardRef {
            token: self,
            is_armed: true,
        }
    }

    /// Runs the future until it is done or the token is cancelled, whichever comes first; then it is dropped, and there is no output.
    ///
    /// A future whose token is cancelled already is not polled. In a poll in which both happen, the output wins.
    ///
    /// # Cancel safety
    ///
    /// That of the future: dropping this drops it.
    pub async fn run_until_cancelled<F: Future>(&self, future: F) -> Option<F::Output> {
        if self.is_cancelled() {
            return None;
        }
        let (mut future, mut cancelled) = (pin!(future), pin!(self.cancelled()));
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => cancelled.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    /// As [`run_until_cancelled`](Self::run_until_cancelled), in a future that does not borrow the token.
    ///
    /// # Cancel safety
    ///
    /// As for [`run_until_cancelled`](Self::run_until_cancelled).
    pub async fn run_until_cancelled_owned<F: Future>(self, future: F) -> Option<F::Output> {
        self.run_until_cancelled(future).await
    }
}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl IntoFuture for CancellationToken {
    type Output = ();
    type IntoFuture = WaitForCancellationFutureOwned;

    fn into_future(self) -> WaitForCancellationFutureOwned {
        self.cancelled_owned()
    }
}

impl<'a> IntoFuture for &'a CancellationToken {
    type Output = ();
    type IntoFuture = WaitForCancellationFuture<'a>;

    fn into_future(self) -> WaitForCancellationFuture<'a> {
        self.cancelled()
    }
}

/// Cancels its token when it is dropped; see [`CancellationToken::drop_guard`].
#[derive(Debug)]
#[must_use = "cancels at once if it is not kept"]
pub struct DropGuard {
    token: CancellationToken,
    is_armed: bool,
}

impl DropGuard {
    /// Gives the token back, which is not cancelled.
    #[must_use = "the guard is gone; to cancel, drop it instead"]
    pub fn disarm(mut self) -> CancellationToken {
        self.is_armed = false;
        self.token.clone()
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if self.is_armed {
            self.token.cancel();
        }
    }
}

/// Cancels the token that it borrows when it is dropped; see [`CancellationToken::drop_guard_ref`].
#[derive(Debug)]
#[must_use = "cancels at once if it is not kept"]
pub struct DropGuardRef<'a> {
    token: &'a CancellationToken,
    is_armed: bool,
}

impl<'a> DropGuardRef<'a> {
    /// Gives the token back, which is not cancelled.
    #[must_use = "the guard is gone; to cancel, drop it instead"]
    pub fn disarm(mut self) -> &'a CancellationToken {
        self.is_armed = false;
        self.token
    }
}

impl Drop for DropGuardRef<'_> {
    fn drop(&mut self) {
        if self.is_armed {
            self.token.cancel();
        }
    }
}

pin_project! {
    /// The future of [`CancellationToken::cancelled`].
    ///
    /// Once it is done it stays so.
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends the wait and changes nothing else.
    #[derive(Debug)]
    #[must_use = "waits for nothing until it is awaited or polled"]
    pub struct WaitForCancellationFuture<'a> {
        token: &'a CancellationToken,
        #[pin]
        wait: Wait<'a, Inside, ()>,
    }
}

pin_project! {
    /// The future of [`CancellationToken::cancelled_owned`].
    ///
    /// Once it is done it stays so.
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends the wait and changes nothing else.
    #[derive(Debug)]
    #[must_use = "waits for nothing until it is awaited or polled"]
    pub struct WaitForCancellationFutureOwned {
        token: CancellationToken,
        #[pin]
        wait: Wait<'static, Inside, (), Arc<Node>>,
    }
}

impl Future for WaitForCancellationFuture<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        poll_cancelled(&this.token.node, this.wait, cx)
    }
}

impl Future for WaitForCancellationFutureOwned {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        poll_cancelled(&this.token.node, this.wait, cx)
    }
}

fn poll_cancelled<O>(
    node: &Node,
    mut wait: Pin<&mut Wait<'_, Inside, (), O>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let is_over = wait.phase() == Phase::Idle
        && (node.is_cancelled() || !node.enter(wait.as_mut(), cx.waker().clone()));
    if !is_over {
        ready!(wait.poll(cx, WaitReason::Cancellation));
    }
    budget::charge();
    Poll::Ready(())
}

#[cfg(test)]
mod tests;
