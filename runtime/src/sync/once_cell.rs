//! How is a value made once, by whichever task needs it first, while the others wait?
//!
//! The value lies in a [`SetOnce`], where those wait for it who would not make it: it is set under the lock of a [queue](super::wait_queue), once. Beside it in the lock stands
//! whether somebody is making the value. The right to make it is a [`Turn`], which exists once:
//!
//! | | value | a turn exists | the list |
//! |---|---|---|---|
//! | EMPTY | no | no | is empty |
//! | BUSY | no | yes | has those who want the turn or the value |
//! | SET | yes | no | is emptied |
//!
//! | arrow | made by |
//! |---|---|
//! | EMPTY -> BUSY | [`Claim`], polled first |
//! | BUSY -> SET | [`Turn::complete`]; all are woken |
//! | BUSY -> BUSY | drop of a [`Turn`] (its future failed, panicked or was dropped): the turn goes to who has waited longest |
//! | BUSY -> EMPTY | the same, where nobody waits |
//! | EMPTY -> SET | [`OnceCell::set`] |
//!
//! A turn that is given to a waiter who is dropped before it has seen it is given on.
//!
//! Rejected: to wake all when a turn is given up (they would run for it, and the loser's place is lost).

use super::set_once::SetOnce;
use super::wait_queue::{Phase, Wait, WaitQueue};
use crate::util::budget;
use crate::util::shield::shield;
use crate::util::wait_reason::WaitReason;
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A cell whose value is set once, also by an asynchronous function that several tasks may want to run at the same time.
///
/// A [`Lazy`](super::Lazy) has the function with it. Needs no runtime.
///
/// # Units and limits
///
/// Reading a value that is there costs a load, and is not charged to the task's budget.
///
/// # Examples
///
/// ```
/// use filch::sync::OnceCell;
///
/// static ADDRESS: OnceCell<String> = OnceCell::const_new();
///
/// async fn address() -> &'static str {
///     ADDRESS.get_or_init(|| async {
///         filch::yield_now().await; // looked up somewhere
///         "127.0.0.1:80".to_owned()
///     }).await
/// }
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let other = filch::spawn(address());
///     assert_eq!(address().await, "127.0.0.1:80");
///     assert!(std::ptr::eq(other.await.unwrap(), address().await));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct OnceCell<T> {
    /// With those who wait for the value and would not make it. Its lock and the one below are not taken within one another.
    once: SetOnce<T>,
    queue: WaitQueue<IsBusy, Given>,
}

/// Whether a [`Turn`] exists.
#[derive(Debug)]
struct IsBusy(bool);

/// Whether a waiter was given the turn.
#[derive(Debug)]
struct Given(bool);

/// Why a [`OnceCell`] was not set; has the value that it was to be set to.
///
/// # Examples
///
/// ```
/// use filch::sync::{OnceCell, SetError};
///
/// let cell = OnceCell::new();
/// cell.set(1).unwrap();
/// assert_eq!(cell.set(2), Err(SetError::AlreadyInitializedError(2)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetError<T> {
    /// It has a value.
    AlreadyInitializedError(T),
    /// Somebody is making a value.
    InitializingError(T),
}

impl<T> SetError<T> {
    /// Whether the cell has a value.
    pub fn is_already_init_err(&self) -> bool {
        matches!(self, Self::AlreadyInitializedError(_))
    }

    /// Whether somebody is making a value.
    pub fn is_initializing_err(&self) -> bool {
        matches!(self, Self::InitializingError(_))
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInitializedError(_) => "the cell has a value already",
            Self::InitializingError(_) => "the cell's value is being made",
        })
    }
}

impl<T: fmt::Debug> Error for SetError<T> {}

impl<T> OnceCell<T> {
    /// Without a value.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self::of(SetOnce::new())
    }

    /// Without a value.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self::of(SetOnce::new())
    }

    /// The same as [`new`](Self::new), under the name that tokio has for it.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn const_new() -> Self {
        Self::new()
    }

    /// With a value.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::OnceCell;
    ///
    /// static LEVEL: OnceCell<u8> = OnceCell::const_new_with(3);
    /// assert_eq!(LEVEL.get(), Some(&3));
    /// ```
    #[cfg(not(loom))]
    #[must_use]
    pub const fn const_new_with(value: T) -> Self {
        Self::of(SetOnce::const_new_with(value))
    }

    #[cfg(not(loom))]
    const fn of(once: SetOnce<T>) -> Self {
        Self {
            once,
            queue: WaitQueue::new(IsBusy(false)),
        }
    }

    #[cfg(loom)]
    fn of(once: SetOnce<T>) -> Self {
        Self {
            once,
            queue: WaitQueue::new(IsBusy(false)),
        }
    }

    /// With a value, or without.
    pub fn new_with(value: Option<T>) -> Self {
        value.map_or_else(Self::new, Self::from)
    }

    /// Whether there is a value.
    #[inline]
    pub fn initialized(&self) -> bool {
        self.once.initialized()
    }

    /// The value, if it is there.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.once.get()
    }

    /// The value, if it is there.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.once.get_mut()
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// If there is one, or somebody is making one; it does not wait for that.
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        if self.initialized() {
            return Err(SetError::AlreadyInitializedError(value));
        }
        match self.try_begin() {
            Some(turn) => {
                turn.complete(value);
                Ok(())
            }
            None if self.initialized() => Err(SetError::AlreadyInitializedError(value)),
            None => Err(SetError::InitializingError(value)),
        }
    }

    /// The value. If it is not there, and nobody is making it, this task makes it; the others wait.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, or panics, while it makes the value, one of those who wait begins to make it anew, with its own function. If it is dropped while it waits, nothing is
    /// lost.
    pub async fn get_or_init<F, Fut>(&self, f: F) -> &T
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        let made = self.get_or_try_init(|| async { Ok::<_, Infallible>(f().await) });
        match made.await {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The value. If it is not there, and nobody is making it, this task tries to; the others wait.
    ///
    /// # Errors
    ///
    /// Those of the function. Then one of those who wait tries, with its own.
    ///
    /// # Cancel safety
    ///
    /// As for [`get_or_init`](Self::get_or_init).
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = filch::Runtime::new()?;
    /// let cell = filch::sync::OnceCell::new();
    /// rt.block_on(async {
    ///     assert_eq!(cell.get_or_try_init(|| async { Err("no luck") }).await, Err("no luck"));
    ///     assert_eq!(cell.get_or_try_init(|| async { Ok::<_, &str>(1) }).await, Ok(&1));
    ///     assert_eq!(cell.get_or_try_init(|| async { Err("not asked") }).await, Ok(&1));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn get_or_try_init<E, F, Fut>(&self, f: F) -> Result<&T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        match self.claim().await {
            Claimed::Value(value) => Ok(value),
            Claimed::Turn(turn) => {
                let value = f().await?;
                Ok(turn.complete(value))
            }
        }
    }

    /// Waits until somebody has set the value.
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends the wait and changes nothing else.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::OnceCell;
    /// use std::sync::Arc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// let cell = Arc::new(OnceCell::new());
    /// let waiting = rt.spawn({
    ///     let cell = cell.clone();
    ///     async move { *cell.wait_initialized().await }
    /// });
    /// cell.set(5).unwrap();
    /// assert_eq!(rt.block_on(waiting).unwrap(), 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn wait_initialized(&self) -> &T {
        self.once.wait().await
    }

    /// The value, if it is there.
    pub fn into_inner(self) -> Option<T> {
        self.once.into_inner()
    }

    /// The value, if it is there; the cell is empty then and may be set again.
    pub fn take(&mut self) -> Option<T> {
        self.once.take()
    }

    pub(super) fn claim(&self) -> Claim<'_, T> {
        let wait = Wait::new(&self.queue, Given(false));
        let is_done = false;
        Claim {
            cell: self,
            wait,
            is_done,
        }
    }

    /// A turn, if there is neither one nor a value.
    fn try_begin(&self) -> Option<Turn<'_, T>> {
        let mut locked = self.queue.lock();
        if locked.0 || self.initialized() {
            return None;
        }
        locked.0 = true;
        drop(locked);
        Some(Turn { cell: self })
    }

    /// Gives the turn to who has waited longest. If nobody waits, there is none.
    fn pass_on(&self) {
        let mut locked = self.queue.lock();
        match locked.front() {
            (_, Some(given)) => given.0 = true,
            (is_busy, None) => is_busy.0 = false,
        }
        let waker = locked.wake_front();
        drop(locked);
        if let Some(waker) = waker {
            // In a destructor, and where the function has panicked while a panic unwinds.
            shield(|| waker.wake());
        }
    }
}

/// The right to make the value of a cell that has none. Dropped, it is passed on.
pub(super) struct Turn<'a, T> {
    cell: &'a OnceCell<T>,
}

impl<'a, T> Turn<'a, T> {
    pub(super) fn complete(self, value: T) -> &'a T {
        let cell = self.cell;
        // The cell is set: there is nothing to pass on.
        std::mem::forget(self);
        let mut locked = cell.queue.lock();
        // Only who has the turn sets it, so that this neither waits nor finds a value.
        let refused = cell.once.put(value);
        debug_assert!(refused.is_none(), "set twice");
        locked.0 = false;
        // Nobody comes any more: they find the value under the lock.
        locked.wake_while(|_, _| true);
        cell.once.wake_all();
        cell.get().expect("set above")
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        self.cell.pass_on();
    }
}

/// What a [`Claim`] gives.
pub(super) enum Claimed<'a, T> {
    Value(&'a T),
    Turn(Turn<'a, T>),
}

pin_project! {
    /// Waits for the value, or for the turn to make it.
    pub(super) struct Claim<'a, T> {
        cell: &'a OnceCell<T>,
        #[pin]
        wait: Wait<'a, IsBusy, Given>,
        is_done: bool,
    }

    impl<T> PinnedDrop for Claim<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if !*this.is_done && is_given_unseen(this.wait) {
                this.cell.pass_on();
            }
        }
    }
}

impl<'a, T> Future for Claim<'a, T> {
    type Output = Claimed<'a, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Claimed<'a, T>> {
        let mut this = self.project();
        let cell = *this.cell;
        if this.wait.phase() == Phase::Idle {
            ready!(budget::poll_proceed(cx));
            if let Some(claimed) = begin(cell, this.wait.as_mut(), cx) {
                budget::charge();
                *this.is_done = true;
                return Poll::Ready(claimed);
            }
        }
        ready!(this.wait.as_mut().poll(cx, WaitReason::OnceCell));
        // It stays woken, also if the task has to give up its turn first.
        ready!(budget::poll_take(cx));
        *this.is_done = true;
        Poll::Ready(match this.wait.value() {
            Given(true) => Claimed::Turn(Turn { cell }),
            Given(false) => Claimed::Value(cell.get().expect("woken when it was set")),
        })
    }
}

/// If there is neither a value nor a turn to have, the wait is in the list.
fn begin<'a, T>(
    cell: &'a OnceCell<T>,
    wait: Pin<&mut Wait<'_, IsBusy, Given>>,
    cx: &Context<'_>,
) -> Option<Claimed<'a, T>> {
    let waker = cx.waker().clone();
    let mut locked = cell.queue.lock();
    if locked.0 {
        wait.enqueue(&mut locked, waker);
        return None;
    }
    let value = cell.get();
    locked.0 = value.is_none();
    drop(locked);
    Some(match value {
        Some(value) => Claimed::Value(value),
        None => Claimed::Turn(Turn { cell }),
    })
}

/// Takes it out of the list; true if it had been given the turn.
fn is_given_unseen(mut wait: Pin<&mut Wait<'_, IsBusy, Given>>) -> bool {
    if wait.phase() == Phase::Waiting {
        let mut locked = wait.queue().lock();
        let waker = wait.as_mut().leave(&mut locked);
        drop(locked);
        drop(waker);
    }
    wait.phase() == Phase::Woken && wait.value().0
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        Self::of(SetOnce::from(value))
    }
}

impl<T: Clone> Clone for OnceCell<T> {
    /// With a clone of the value, if it is there.
    fn clone(&self) -> Self {
        Self::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for OnceCell<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceCell<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceCell")
            .field("value", &self.get())
            .finish()
    }
}

#[cfg(test)]
mod tests;
