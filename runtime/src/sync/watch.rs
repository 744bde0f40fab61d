//! How do many learn of the newest value?
//!
//! The value stands in a reader-writer lock, its version in a word beside it. A receiver remembers the version that it has seen; when the word has another one, there is something
//! new. Values that come faster than somebody looks are skipped: there is one value, and no queue.
//!
//! | bits of the state | name | set by | cleared by |
//! |---|---|---|---|
//! | 0 | CLOSED | the last sender, when it goes | a sender that is made of none: never |
//! | 1 | WAITING | a receiver, under the queue's lock, before it stands in the queue | whoever empties the queue, under its lock |
//! | 2.. | version | who writes the value, under the value's lock, adds one | |
//!
//! Who changes the version finds out with the same instruction whether anybody waits. A receiver sets WAITING and sees the version with one instruction, too: whichever of the
//! two comes second sees the other. So a value that nobody waits for costs a lock and an addition.
//!
//! Rejected: a version that is changed with the value in one lock and looked at under it (each `has_changed` would lock); a list of receivers that are told one by one (tokio spreads
//! them over eight, so that they do not all want one lock; here those who wait take it once each, and those who wake once for 32).

use super::generated::Generated;
use super::wait_queue::{Locked, WaitQueue};
use super::wait_until::wait_until;
use crate::sys::sync::atomic::{AtomicUsize, Ordering};
use crate::sys::sync::{Arc, RwLock, RwLockReadGuard};
use crate::util::block_on::block_on;
use crate::util::budget;
use crate::util::wait_reason::WaitReason;
use crate::util::wakers::Wakers;
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

pub mod error {
    //! What can go wrong with a watch channel.

    use std::fmt;

    /// Nobody looks: every [`Receiver`](super::Receiver) has gone. The value comes back.
    #[derive(Clone, Copy, PartialEq, Eq, Default)]
    pub struct SendError<T>(pub T);

    impl<T> fmt::Debug for SendError<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("SendError").finish_non_exhaustive()
        }
    }

    impl<T> fmt::Display for SendError<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("nobody looks: every receiver of the watch channel has gone")
        }
    }

    impl<T> std::error::Error for SendError<T> {}

    /// There will be no other value: every [`Sender`](super::Sender) has gone.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RecvError(pub(super) ());

    impl fmt::Display for RecvError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("there is no new value to come: every sender of the watch channel has gone")
        }
    }

    impl std::error::Error for RecvError {}
}

use error::{RecvError, SendError};

/// Sets the value. Any number of them may share one, by `clone`.
///
/// When the last one goes, the receivers learn that nothing new will come; they still see the last value.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// Looks at the value, and waits until it is another one. A clone has seen what its original has.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The version it has seen.
    seen: Version,
}

/// The value, borrowed. Whoever wants to set it waits until this goes: hold it for a moment, and never across an await.
#[derive(Debug)]
pub struct Ref<'a, T> {
    value: RwLockReadGuard<'a, T>,
    has_changed: bool,
}

struct Shared<T> {
    value: RwLock<T>,
    state: State,
    /// Receivers that wait for another version, each with the one it has seen.
    changes: WaitQueue<(), Version>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// Senders that wait until nobody looks.
    all_gone: WaitQueue<(), ()>,
}

/// Makes a channel for one value, which is `init` now, and has been seen by the receiver.
///
/// # Cancel safety
///
/// What waits here, [`Receiver::changed`], [`Receiver::wait_for`] and [`Sender::closed`], may be dropped at any time, and loses nothing.
///
/// # Examples
///
/// ```
/// use filch::sync::watch;
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let (config, mut seen) = watch::channel("first");
///     let reader = filch::spawn(async move {
///         seen.changed().await.unwrap();
///         *seen.borrow()
///     });
///     config.send("second").unwrap();
///     assert_eq!(reader.await.unwrap(), "second");
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(init);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Sender<T> {
    /// A sender whose value nobody looks at yet.
    pub fn new(init: T) -> Self {
        Self {
            shared: Arc::new(Shared {
                value: RwLock::new(init),
                state: State::new(),
                changes: WaitQueue::new(()),
                senders: AtomicUsize::new(1),
                receivers: AtomicUsize::new(0),
                all_gone: WaitQueue::new(()),
            }),
        }
    }

    /// Sets the value and tells the receivers.
    ///
    /// # Errors
    ///
    /// If there is no receiver: the value comes back, and the channel keeps the one it has. [`send_replace`](Self::send_replace) sets it all the same.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.receiver_count() == 0 {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Sets the value, whether anybody looks or not, and tells the receivers. Returns the one before.
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|old| std::mem::swap(old, &mut value));
        value
    }

    /// Changes the value in its place, and tells the receivers.
    ///
    /// # Panics
    ///
    /// If `modify` does; the receivers are told nothing then, although it may have changed something.
    pub fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// Changes the value in its place, and tells the receivers if `modify` says that it has. Returns what it says.
    ///
    /// # Panics
    ///
    /// If `modify` does; the receivers are told nothing then.
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let mut value = self.shared.value.write();
        // The lock is let go of before the panic goes on.
        let modified = catch_unwind(AssertUnwindSafe(|| modify(&mut value)));
        let is_modified = match modified {
            Ok(is_modified) => is_modified,
            Err(panic) => {
                drop(value);
                resume_unwind(panic);
            }
        };
        let somebody_waits = is_modified && self.shared.state.next_version();
        drop(value);
        if somebody_waits {
            self.shared.tell();
        }
        is_modified
    }

    /// The value, borrowed.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref {
            value: self.shared.value.read(),
            has_changed: false,
        }
    }

    /// Another receiver, which has seen the value as it is.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        // ORDERING: Relaxed: only a counter; the channel cannot be without sender meanwhile.
        self.shared.receivers.fetch_add(1, Ordering::Relaxed);
        Receiver {
            seen: self.shared.state.load().version,
            shared: self.shared.clone(),
        }
    }

    /// Waits until there is no receiver. Another one may be made any time.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::watch;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, receiver) = watch::channel(0);
    ///     filch::spawn(async move { drop(receiver) });
    ///     sender.closed().await;
    ///     assert!(sender.is_closed());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn closed(&self) {
        let is_closed = |_: &mut Locked<'_, (), ()>| self.is_closed().then_some(());
        wait_until(&self.shared.all_gone, (), WaitReason::Closed, is_closed).await;
    }

    /// Whether there is no receiver.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        // ORDERING: Relaxed where it is only told; for `closed` the queue's lock orders it, which the last receiver takes.
        self.shared.receivers.load(Ordering::Relaxed)
    }

    /// How many senders there are.
    #[must_use]
    pub fn sender_count(&self) -> usize {
        self.shared.senders.load(Ordering::Relaxed)
    }

    /// Whether both send to the same receivers.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Receiver<T> {
    /// Waits for a value that this receiver has not seen, and marks it as seen. If there is one already, it is done at once.
    ///
    /// # Errors
    ///
    /// If every sender has gone, and the last value was seen.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time: a value is marked as seen only when this returns.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        let seen = self.seen;
        self.seen = self.shared.after(seen).await?;
        Ok(())
    }

    /// Blocks the thread until [`changed`](Self::changed) would return. Within a task the worker goes on on another thread.
    ///
    /// # Errors
    ///
    /// As for [`changed`](Self::changed).
    ///
    /// # Panics
    ///
    /// Within a task, if no thread can take over its worker.
    #[track_caller]
    pub fn blocking_changed(&mut self) -> Result<(), RecvError> {
        block_on(self.changed())
    }

    /// Waits until the value is as `is_right` wants it, and marks it as seen. It is asked about the value as it is, too.
    ///
    /// # Errors
    ///
    /// If every sender has gone, and the last value is not right.
    ///
    /// # Panics
    ///
    /// If `is_right` does.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time. Values that were not right are marked as seen.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::watch;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (level, mut gauge) = watch::channel(1);
    ///     filch::spawn(async move {
    ///         for next in 2..=10 {
    ///             level.send(next).unwrap();
    ///             filch::yield_now().await;
    ///         }
    ///     });
    ///     assert!(*gauge.wait_for(|level| *level >= 5).await.unwrap() >= 5);
    ///     assert!(gauge.wait_for(|level| *level > 10).await.is_err());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn wait_for(
        &mut self,
        mut is_right: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, RecvError> {
        // A round that goes on is charged where it waits for another value.
        poll_fn(budget::poll_take).await;
        loop {
            // Before the value: when every sender has gone, the value is the last one.
            let state = self.shared.state.load();
            let (has_changed, found) = {
                let value = self.shared.value.read();
                let version = self.shared.state.load().version;
                let has_changed = version != self.seen;
                self.seen = version;
                let asked = catch_unwind(AssertUnwindSafe(|| is_right(&value)));
                drop(value);
                match asked {
                    Ok(found) => (has_changed, found),
                    Err(panic) => resume_unwind(panic),
                }
            };
            if found {
                let value = self.shared.value.read();
                // It may be another one by now.
                if self.shared.state.load().version == self.seen {
                    return Ok(Ref { value, has_changed });
                }
                continue;
            }
            if state.is_closed {
                return Err(RecvError(()));
            }
            // Not marked as seen: the next round does, with the value in hand.
            if self.shared.after(self.seen).await.is_err() {
                return Err(RecvError(()));
            }
        }
    }

    /// The value, borrowed. What this receiver has seen stays what it was.
    pub fn borrow(&self) -> Ref<'_, T> {
        let value = self.shared.value.read();
        let has_changed = self.shared.state.load().version != self.seen;
        Ref { value, has_changed }
    }

    /// The value, borrowed and marked as seen.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let value = self.shared.value.read();
        // Under the lock, so that it is this value's.
        let version = self.shared.state.load().version;
        let has_changed = version != self.seen;
        self.seen = version;
        Ref { value, has_changed }
    }

    /// Whether there is a value that this receiver has not seen.
    ///
    /// # Errors
    ///
    /// If every sender has gone.
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        let state = self.shared.state.load();
        if state.is_closed {
            return Err(RecvError(()));
        }
        Ok(state.version != self.seen)
    }

    /// Takes the value for one that was not seen: [`changed`](Self::changed) returns at once.
    pub fn mark_changed(&mut self) {
        self.seen = self.seen.before();
    }

    /// Takes the value, which may be a new one, for seen.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.state.load().version;
    }

    /// Whether both look at the same value.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The values as a stream: the one that there is, then each that is new when the stream is polled. It ends when every sender has gone.
    ///
    /// # Cancel safety
    ///
    /// A stream that is dropped loses nothing but itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::watch;
    /// use futures_lite::StreamExt;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (sender, receiver) = watch::channel(1);
    ///     let mut values = receiver.into_stream();
    ///     assert_eq!(values.next().await, Some(1));
    ///     sender.send(2).unwrap();
    ///     sender.send(3).unwrap();
    ///     assert_eq!(values.next().await, Some(3));
    ///     drop(sender);
    ///     assert_eq!(values.next().await, None);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use = "a stream does nothing until it is polled"]
    pub fn into_stream(mut self) -> WatchStream<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        self.mark_changed();
        WatchStream {
            values: Generated::new(|give| async move {
                while self.changed().await.is_ok() {
                    let value = self.borrow_and_update().clone();
                    give.give(value).await;
                }
            }),
        }
    }
}

impl<T> Shared<T> {
    /// Waits for another version than this.
    async fn after(&self, seen: Version) -> Result<Version, RecvError> {
        poll_fn(budget::poll_proceed).await;
        if let Some(found) = self.state.load().after(seen) {
            budget::charge();
            return found;
        }
        let look = |locked: &mut Locked<'_, (), Version>| {
            let found = self.state.wait().after(seen);
            if found.is_some() && locked.is_empty() {
                self.state.nobody_waits();
            }
            found
        };
        wait_until(&self.changes, seen, WaitReason::Watch, look).await
    }

    /// Wakes those who wait. Not those who came since and wait for the next version.
    fn tell(&self) {
        let mut wakers = Wakers::new();
        let told = self.state.load();
        let mut locked = self.changes.lock();
        while locked.wake_into(&mut wakers, |(), seen| told.after(*seen).is_some()) {
            drop(locked);
            wakers.wake_all();
            locked = self.changes.lock();
        }
        if locked.is_empty() {
            self.state.nobody_waits();
        }
        drop(locked);
        wakers.wake_all();
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        // ORDERING: Relaxed: the count is not 0, since there is this one.
        self.shared.senders.fetch_add(1, Ordering::Relaxed);
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // ORDERING: AcqRel: the values of other senders that have gone are there before the channel is closed.
        if self.shared.senders.fetch_sub(1, Ordering::AcqRel) == 1 && self.shared.state.close() {
            self.shared.tell();
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        // ORDERING: Relaxed: the count is not 0, since there is this one.
        self.shared.receivers.fetch_add(1, Ordering::Relaxed);
        Self {
            shared: self.shared.clone(),
            seen: self.seen,
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // ORDERING: AcqRel, so that who learns of it has what the receivers did behind it.
        if self.shared.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.all_gone.lock().wake_while(|(), ()| true);
        }
    }
}

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Ref<'_, T> {
    /// Whether the receiver had not seen this value before.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// The values of a [`Receiver`] as a stream; see [`Receiver::into_stream`].
pub struct WatchStream<T> {
    values: Generated<T>,
}

impl<T> Stream for WatchStream<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.values.poll_next(cx)
    }
}

/// Which of the values it is. They are counted, and begin anew after 2^62.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version(usize);

impl Version {
    fn before(self) -> Self {
        Self(self.0.wrapping_sub(STEP) & VERSIONS)
    }
}

const CLOSED: usize = 1;
const WAITING: usize = 1 << 1;
const STEP: usize = 1 << 2;
const VERSIONS: usize = !(STEP - 1);

/// The word beside the value; see the module's table.
#[derive(Debug)]
struct State(AtomicUsize);

/// What it said.
#[derive(Debug, Clone, Copy)]
struct Seen {
    version: Version,
    is_closed: bool,
}

impl Seen {
    fn of(word: usize) -> Self {
        Self {
            version: Version(word & VERSIONS),
            is_closed: word & CLOSED != 0,
        }
    }

    /// What whoever has seen this version is told, if it is told anything.
    fn after(self, seen: Version) -> Option<Result<Version, RecvError>> {
        if self.version != seen {
            Some(Ok(self.version))
        } else {
            self.is_closed.then_some(Err(RecvError(())))
        }
    }
}

impl State {
    fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    #[inline]
    fn load(&self) -> Seen {
        // ORDERING: Acquire, partner of `next_version` and `close`: what the sender did before is there, too. (The value has its lock.)
        Seen::of(self.0.load(Ordering::Acquire))
    }

    /// There is another value. To be called under its lock. True if somebody waits.
    #[must_use]
    fn next_version(&self) -> bool {
        // ORDERING: AcqRel: Release for `load` and `wait`; Acquire, since who waits has set WAITING behind what it did.
        self.0.fetch_add(STEP, Ordering::AcqRel) & WAITING != 0
    }

    /// There will be no other. True if somebody waits.
    #[must_use]
    fn close(&self) -> bool {
        // ORDERING: as for `next_version`.
        self.0.fetch_or(CLOSED, Ordering::AcqRel) & WAITING != 0
    }

    /// Somebody is about to wait, unless this is news to it. To be called under the lock of the queue.
    fn wait(&self) -> Seen {
        // ORDERING: AcqRel, partner of `next_version` and `close`: whichever of the two comes second sees the other.
        Seen::of(self.0.fetch_or(WAITING, Ordering::AcqRel))
    }

    /// To be called under the lock of the queue, which is empty.
    fn nobody_waits(&self) {
        // ORDERING: Relaxed: WAITING is set and cleared under the lock; a version that comes in between is seen by who sets it next.
        self.0.fetch_and(!WAITING, Ordering::Relaxed);
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("receivers", &self.receiver_count())
            .finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("has_changed", &self.has_changed())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for WatchStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchStream").finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
