//! How is a value set once, while others wait for it?
//!
//! The value lies in std's `OnceLock`, which nobody waits in; those who wait for it stand in a [queue](super::wait_queue).
//!
//! | | value | the list |
//! |---|---|---|
//! | EMPTY | no | has those who wait |
//! | SET | yes | is emptied, and nobody comes any more |
//!
//! The value is set under the lock of the list, and looked for under it before somebody enters the list. A [`OnceCell`](super::OnceCell), which is this and a turn to make the
//! value, sets it under a lock of its own and wakes the list after it ([`put`](SetOnce::put), [`wake_all`](SetOnce::wake_all)): then one that comes in between finds the value.
//!
//! Rejected: a place of our own for the value (std's has the same cost, a load, and its unsafe code is not ours); an `OnceLock` alone (its constructor with a value is not `const`).

use super::wait_queue::{Phase, Wait, WaitQueue};
use crate::util::budget;
use crate::util::wait_reason::WaitReason;
use pin_project_lite::pin_project;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};

/// A value that is set once, and that tasks may wait for.
///
/// Where the value is to be made by who needs it first, see [`OnceCell`](super::OnceCell). Needs no runtime.
///
/// # Units and limits
///
/// Reading a value that is there costs a load.
///
/// # Examples
///
/// ```
/// use filch::sync::SetOnce;
///
/// static ADDRESS: SetOnce<String> = SetOnce::const_new();
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let waiting = filch::spawn(async { ADDRESS.wait().await.len() });
///     ADDRESS.set("127.0.0.1:80".to_owned()).unwrap();
///     assert_eq!(waiting.await.unwrap(), 12);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct SetOnce<T> {
    value: Value<T>,
    queue: WaitQueue<(), ()>,
}

/// Where the value is, or will be.
enum Value<T> {
    /// It was there from the start.
    Given(T),
    Later(OnceLock<T>),
}

/// A [`SetOnce`] was not set, since it has a value already; has the value that it was to be set to.
///
/// # Examples
///
/// ```
/// use filch::sync::{SetOnce, SetOnceError};
///
/// let once = SetOnce::new();
/// once.set(1).unwrap();
/// assert_eq!(once.set(2), Err(SetOnceError(2)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetOnceError<T>(pub T);

impl<T> fmt::Display for SetOnceError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value was set already")
    }
}

impl<T: fmt::Debug> Error for SetOnceError<T> {}

impl<T> SetOnce<T> {
    /// Without a value.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self::of(Value::Later(OnceLock::new()))
    }

    /// Without a value.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self::of(Value::Later(OnceLock::new()))
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
    /// use filch::sync::SetOnce;
    ///
    /// static LEVEL: SetOnce<u8> = SetOnce::const_new_with(3);
    /// assert_eq!(LEVEL.get(), Some(&3));
    /// ```
    #[cfg(not(loom))]
    #[must_use]
    pub const fn const_new_with(value: T) -> Self {
        Self::of(Value::Given(value))
    }

    /// With a value, or without.
    pub fn new_with(value: Option<T>) -> Self {
        value.map_or_else(Self::new, Self::from)
    }

    #[cfg(not(loom))]
    const fn of(value: Value<T>) -> Self {
        Self {
            value,
            queue: WaitQueue::new(()),
        }
    }

    #[cfg(loom)]
    fn of(value: Value<T>) -> Self {
        Self {
            value,
            queue: WaitQueue::new(()),
        }
    }

    /// Whether there is a value.
    #[inline]
    pub fn initialized(&self) -> bool {
        self.get().is_some()
    }

    /// The value, if it is there.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        match &self.value {
            Value::Given(value) => Some(value),
            Value::Later(value) => value.get(),
        }
    }

    /// Sets the value, and wakes who waits for it.
    ///
    /// # Errors
    ///
    /// If there is one.
    pub fn set(&self, value: T) -> Result<(), SetOnceError<T>> {
        let locked = self.queue.lock();
        let refused = self.put(value);
        if let Some(value) = refused {
            drop(locked);
            return Err(SetOnceError(value));
        }
        locked.wake_while(|(), ()| true);
        Ok(())
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
    /// use filch::sync::SetOnce;
    /// use std::sync::Arc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// let once = Arc::new(SetOnce::new());
    /// let waiting = rt.spawn({
    ///     let once = once.clone();
    ///     async move { *once.wait().await }
    /// });
    /// once.set(5).unwrap();
    /// assert_eq!(rt.block_on(waiting).unwrap(), 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn wait(&self) -> &T {
        let wait = Wait::new(&self.queue, ());
        Look { once: self, wait }.await
    }

    /// The value, if it is there.
    pub fn into_inner(self) -> Option<T> {
        match self.value {
            Value::Given(value) => Some(value),
            Value::Later(value) => value.into_inner(),
        }
    }

    pub(super) fn get_mut(&mut self) -> Option<&mut T> {
        match &mut self.value {
            Value::Given(value) => Some(value),
            Value::Later(value) => value.get_mut(),
        }
    }

    /// The value; it may be set again.
    pub(super) fn take(&mut self) -> Option<T> {
        let empty = Value::Later(OnceLock::new());
        match std::mem::replace(&mut self.value, empty) {
            Value::Given(value) => Some(value),
            Value::Later(value) => value.into_inner(),
        }
    }

    /// Sets the value, or gives it back if there is one. Under a lock, so that this neither waits nor races; whoever has it [wakes](Self::wake_all) next.
    pub(super) fn put(&self, value: T) -> Option<T> {
        match &self.value {
            Value::Given(_) => Some(value),
            Value::Later(place) => place.set(value).err(),
        }
    }

    pub(super) fn wake_all(&self) {
        self.queue.lock().wake_while(|(), ()| true);
    }
}

pin_project! {
    /// Waits for the value.
    struct Look<'a, T> {
        once: &'a SetOnce<T>,
        #[pin]
        wait: Wait<'a, (), ()>,
    }
}

impl<'a, T> Future for Look<'a, T> {
    type Output = &'a T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'a T> {
        let mut this = self.project();
        if let Some(value) = this.once.get() {
            ready!(budget::poll_take(cx));
            return Poll::Ready(value);
        }
        if this.wait.phase() == Phase::Idle {
            let waker = cx.waker().clone();
            let mut locked = this.once.queue.lock();
            if let Some(value) = this.once.get() {
                drop(locked);
                budget::charge();
                return Poll::Ready(value);
            }
            this.wait.as_mut().enqueue(&mut locked, waker);
        }
        // Whoever sets the value wakes the list after it, so that this one is not ready without a value.
        let woken = this.wait.poll(cx, WaitReason::OnceCell);
        woken.map(|()| this.once.get().expect("woken when it was set"))
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for SetOnce<T> {
    fn from(value: T) -> Self {
        Self::of(Value::Given(value))
    }
}

impl<T: Clone> Clone for SetOnce<T> {
    /// With a clone of the value, if it is there.
    fn clone(&self) -> Self {
        Self::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for SetOnce<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for SetOnce<T> {}

impl<T: fmt::Debug> fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetOnce")
            .field("value", &self.get())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    //! On real threads, under Miri, and under loom (`loom_*`).

    use super::*;
    use crate::sync::testing::{Count, poll, poll_once};
    use std::sync::Arc;

    #[cfg(not(any(loom, shuttle)))]
    mod real {
        use super::*;
        use crate::util::block_on::block_on;

        #[test]
        fn a_value_is_set_once() {
            for empty in [SetOnce::new(), SetOnce::default(), SetOnce::new_with(None)] {
                assert_eq!((empty.get(), empty.initialized()), (None, false));
                assert_eq!(empty.set(1), Ok(()));
                assert_eq!(empty.set(2), Err(SetOnceError(2)));
                assert_eq!(empty, empty.clone());
                assert_eq!(empty.into_inner(), Some(1));
            }
            for full in [SetOnce::from(3), SetOnce::const_new_with(3)] {
                assert_eq!(full.set(4), Err(SetOnceError(4)));
                assert_eq!(*block_on(full.wait()), 3);
                assert_eq!(full.into_inner(), Some(3));
            }
            assert_eq!(SetOnce::<u8>::new().into_inner(), None);
        }

        /// More than one round of wakers, and some that have gone.
        #[test]
        fn all_who_wait_are_woken() {
            let (once, count) = (SetOnce::new(), Arc::<Count>::default());
            let mut waits: Vec<_> = (0..100).map(|_| Box::pin(once.wait())).collect();
            assert!(waits.iter_mut().all(|wait| poll(wait, &count).is_pending()));
            waits.truncate(90);
            once.set(1).unwrap();
            assert_eq!(count.woken(), 90);
            assert!(waits.iter_mut().all(|wait| poll_once(wait).is_ready()));
        }

        /// What is refused is dropped, or looked at, without the lock.
        #[test]
        fn a_value_that_is_refused_may_use_the_cell_when_it_is_dropped() {
            #[derive(Debug)]
            struct Looks(Arc<SetOnce<Option<Looks>>>);
            impl Drop for Looks {
                fn drop(&mut self) {
                    assert!(self.0.set(None).is_err());
                }
            }
            let once = Arc::new(SetOnce::new());
            once.set(None).unwrap();
            drop(once.set(Some(Looks(once.clone()))));
        }

        /// The value is dropped with the cell, and nothing of it twice.
        #[test]
        fn a_value_is_dropped_once() {
            let value = Arc::new(());
            drop(SetOnce::from(value.clone()));
            let once = SetOnce::new();
            once.set(value.clone()).unwrap();
            assert!(once.set(value.clone()).is_err());
            assert_eq!(Arc::strong_count(&value), 2);
            drop(once);
            assert_eq!(Arc::strong_count(&value), 1);
        }
    }

    #[cfg(loom)]
    mod model {
        use super::*;
        use crate::sys::sync::thread;
        use crate::util::block_on::block_on;

        fn once() -> &'static SetOnce<u32> {
            Box::leak(Box::new(SetOnce::new()))
        }

        #[test]
        fn loom_set_once_set_against_wait() {
            loom::model(|| {
                let once = once();
                let other = thread::spawn(move || once.set(1).unwrap());
                assert_eq!(*block_on(once.wait()), 1);
                other.join().unwrap();
            });
        }

        #[test]
        fn loom_set_once_set_against_set() {
            loom::model(|| {
                let once = once();
                let other = thread::spawn(move || once.set(1));
                let mine = once.set(2);
                // Who is refused finds the other's value.
                assert!(once.initialized());
                let theirs = other.join().unwrap();
                assert!(mine.is_ok() != theirs.is_ok());
                assert_eq!(once.get(), Some(if mine.is_ok() { &2 } else { &1 }));
            });
        }

        #[test]
        fn loom_set_once_set_against_drop_of_the_wait() {
            loom::model(|| {
                let (once, count) = (once(), Arc::<Count>::default());
                let mut leaves = Box::pin(once.wait());
                let mut stays = Box::pin(once.wait());
                assert!(poll_once(&mut leaves).is_pending());
                assert!(poll(&mut stays, &count).is_pending());
                let other = thread::spawn(move || once.set(1).unwrap());
                drop(leaves);
                other.join().unwrap();
                assert_eq!(count.woken(), 1);
                assert!(poll_once(&mut stays).is_ready());
            });
        }
    }
}
