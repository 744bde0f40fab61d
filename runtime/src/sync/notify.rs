//! How does a task tell others that something has happened, without saying what?
//!
//! A [`Notify`] is a [word](state) and a [queue of waiters](super::wait_queue). Where nobody waits, or a permit is kept, the word is all that is touched: one locked
//! instruction. Who waits is in the list, and is told how it was notified through its value there.
//!
//! | a [`Notified`] is | phase of its wait | dropped then |
//! |---|---|---|
//! | new: polled never, or kept off by the budget | IDLE | nothing happens |
//! | waiting | WAITING | leaves the list |
//! | notified by [`notify_one`](Notify::notify_one) or [`notify_last`](Notify::notify_last), and does not know yet | WOKEN, value `One` | notifies another one in the same way |
//! | called by [`notify_waiters`](Notify::notify_waiters), and does not know yet | WOKEN, value `Nobody` | nothing happens |
//! | done | any | nothing happens |
//!
//! A call to everybody goes through the list in rounds and lets go of the lock in between. Who is to be called and who has come since is told apart by the count of
//! calls that each of them noted when it was created. Who notifies one meanwhile helps to finish first: otherwise its notification would go to a waiter that is called anyway.
//!
//! Rejected: a list of its own for those who are called (they would leave it under the lock of the first one, so that it has to be known from both).

mod state;

use super::wait_queue::{Locked, Phase, Wait, WaitQueue};
use crate::util::budget;
use crate::util::shield::shield;
use crate::util::wait_reason::WaitReason;
use crate::util::wakers::Wakers;
use pin_project_lite::pin_project;
use state::{Calls, Give, Take, Word};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// Notifies tasks that something has happened.
///
/// It carries no value. What has happened is looked up elsewhere: in an atomic, in a queue in a lock. [`notify_one`](Self::notify_one) keeps *one* permit where nobody
/// waits, so that whoever looks first and then waits misses nothing. [`notify_waiters`](Self::notify_waiters) keeps none, and reaches everybody whose [`Notified`]
/// exists.
///
/// Needs no runtime.
///
/// # Units and limits
///
/// Those who wait are notified in the order in which they began to. 32 bytes.
///
/// # Examples
///
/// A queue of one's own:
///
/// ```
/// use filch::sync::Notify;
/// use std::collections::VecDeque;
/// use std::sync::{Arc, Mutex};
///
/// #[derive(Default)]
/// struct Queue {
///     values: Mutex<VecDeque<u32>>,
///     pushed: Notify,
/// }
///
/// impl Queue {
///     fn push(&self, value: u32) {
///         self.values.lock().unwrap().push_back(value);
///         self.pushed.notify_one();
///     }
///
///     /// For one consumer.
///     async fn pop(&self) -> u32 {
///         loop {
///             let value = self.values.lock().unwrap().pop_front();
///             match value {
///                 Some(value) => return value,
///                 None => self.pushed.notified().await,
///             }
///         }
///     }
/// }
///
/// let rt = filch::Runtime::new()?;
/// let queue = Arc::new(Queue::default());
/// let consumer = rt.spawn({
///     let queue = queue.clone();
///     async move { queue.pop().await + queue.pop().await }
/// });
/// queue.push(3);
/// queue.push(4);
/// assert_eq!(rt.block_on(consumer).unwrap(), 7);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Notify {
    word: Word,
    queue: WaitQueue<(), Asked>,
}

/// What a waiter has with the queue.
#[derive(Debug)]
struct Asked {
    /// When it was created.
    created: Calls,
    by: By,
}

/// Who has woken a waiter.
#[derive(Debug, Clone, Copy)]
enum By {
    /// Nobody, or a call to everybody.
    Nobody,
    /// Who notifies one.
    One(End),
}

/// Which end of the list.
#[derive(Debug, Clone, Copy)]
enum End {
    First,
    Last,
}

impl Notify {
    /// Without a permit.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            word: Word::new(),
            queue: WaitQueue::new(()),
        }
    }

    /// Without a permit.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            word: Word::new(),
            queue: WaitQueue::new(()),
        }
    }

    /// The same as [`new`](Self::new), under the name that tokio has for it.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn const_new() -> Self {
        Self::new()
    }

    /// Notifies the task that has waited longest; if none waits, the next one that does. Several such notifications that nobody waits for are one.
    ///
    /// A task that was notified and drops its [`Notified`] before it has seen it passes the notification on.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Notify;
    ///
    /// let rt = filch::Runtime::new()?;
    /// let notify = Notify::new();
    /// notify.notify_one();
    /// rt.block_on(notify.notified());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn notify_one(&self) {
        self.notify(End::First);
    }

    /// Notifies the task that came last, as [`notify_one`](Self::notify_one) does the first: the one whose memory is still warm, where it does not matter who does the work.
    pub fn notify_last(&self) {
        self.notify(End::Last);
    }

    /// Notifies all whose [`Notified`] exists at this moment, whether it was polled or not. Keeps no permit, and leaves one where it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Notify;
    ///
    /// let rt = filch::Runtime::new()?;
    /// let notify = Notify::new();
    /// let (first, second) = (notify.notified(), notify.notified());
    /// notify.notify_waiters();
    /// rt.block_on(first);
    /// rt.block_on(second);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn notify_waiters(&self) {
        if self.word.call() {
            self.wake_called();
        }
    }

    /// Waits for a notification.
    ///
    /// It is called by every [`notify_waiters`](Self::notify_waiters) from now on. It takes part in [`notify_one`](Self::notify_one) from its first poll
    /// on, or from [`Notified::enable`].
    ///
    /// # Cancel safety
    ///
    /// A [`Notified`] that is dropped loses its place in the order of those who wait, and no notification.
    #[inline]
    pub fn notified(&self) -> Notified<'_> {
        let wait = Wait::new(&self.queue, Asked::now(&self.word));
        Notified {
            notify: self,
            ticket: Ticket::new(wait),
        }
    }

    /// As [`notified`](Self::notified), in a future that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// As for [`notified`](Self::notified).
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Notify;
    /// use std::sync::Arc;
    ///
    /// let rt = filch::Runtime::new()?;
    /// let notify = Arc::new(Notify::new());
    /// let waiting = rt.spawn(notify.clone().notified_owned());
    /// notify.notify_waiters();
    /// rt.block_on(waiting).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        let asked = Asked::now(&self.word);
        let wait = Wait::owned(self.clone(), |notify| &notify.queue, asked);
        OwnedNotified {
            notify: self,
            ticket: Ticket::new(wait),
        }
    }

    #[inline]
    fn notify(&self, end: End) {
        if self.word.give() == Give::SomebodyWaits {
            self.notify_a_waiter(end);
        }
    }

    #[cold]
    fn notify_a_waiter(&self, end: End) {
        let mut locked = self.queue.lock();
        while self.is_calling(&mut locked) {
            drop(locked);
            self.wake_called();
            locked = self.queue.lock();
        }
        let waker = self.take_out(&mut locked, end);
        drop(locked);
        if let Some(waker) = waker {
            // Also in the destructor of one that passes its notification on.
            shield(|| waker.wake());
        }
    }

    /// Takes the one at this end out of the list, or keeps a permit.
    fn take_out(&self, locked: &mut Locked<'_, (), Asked>, end: End) -> Option<Waker> {
        let at_end = match end {
            End::First => locked.front(),
            End::Last => locked.back(),
        };
        let Some(asked) = at_end.1 else {
            let given = self.word.give();
            debug_assert_eq!(given, Give::Kept, "the list is empty");
            return None;
        };
        asked.by = By::One(end);
        let waker = match end {
            End::First => locked.wake_front(),
            End::Last => locked.wake_back(),
        };
        self.note_if_empty(locked);
        waker
    }

    /// Wakes all in the list that were created before the last call.
    fn wake_called(&self) {
        let mut wakers = Wakers::new();
        loop {
            let mut locked = self.queue.lock();
            if !self.is_calling(&mut locked) {
                return;
            }
            let calls = self.word.calls();
            let _full = locked.wake_into(&mut wakers, |(), asked| asked.created != calls);
            self.note_if_empty(&locked);
            drop(locked);
            wakers.wake_all();
        }
    }

    /// Whether somebody in the list was created before the last call.
    fn is_calling(&self, locked: &mut Locked<'_, (), Asked>) -> bool {
        let calls = self.word.calls();
        locked.front().1.is_some_and(|asked| asked.created != calls)
    }

    /// To be asked whenever somebody has come out of the list.
    fn note_if_empty(&self, locked: &Locked<'_, (), Asked>) {
        if locked.is_empty() {
            self.word.nobody_waits();
        }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl Asked {
    fn now(word: &Word) -> Self {
        Self {
            created: word.calls(),
            by: By::Nobody,
        }
    }
}

pin_project! {
    /// The future of [`Notify::notified`].
    ///
    /// Once it is done it stays so.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses no notification: one of [`notify_one`](Notify::notify_one) that it has got and not seen goes to another one.
    #[derive(Debug)]
    #[must_use = "waits for nothing until it is awaited, polled or enabled"]
    pub struct Notified<'a> {
        notify: &'a Notify,
        #[pin]
        ticket: Ticket<'a, ()>,
    }

    impl PinnedDrop for Notified<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.ticket.give_up(this.notify);
        }
    }
}

pin_project! {
    /// The future of [`Notify::notified_owned`].
    ///
    /// Once it is done it stays so.
    ///
    /// # Cancel safety
    ///
    /// As for [`Notified`].
    #[derive(Debug)]
    #[must_use = "waits for nothing until it is awaited, polled or enabled"]
    pub struct OwnedNotified {
        notify: Arc<Notify>,
        #[pin]
        ticket: Ticket<'static, Arc<Notify>>,
    }

    impl PinnedDrop for OwnedNotified {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.ticket.give_up(this.notify);
        }
    }
}

impl Notified<'_> {
    /// Waits from now on, without a task: the next [`notify_one`](Notify::notify_one) may be for this one. True if it was notified already, and is done.
    ///
    /// For those who have to look at something between the beginning of the wait and its end, where several wait and permits are not enough.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::sync::Notify;
    /// use std::pin::pin;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// async fn wait_until(flag: &AtomicBool, changed: &Notify) {
    ///     loop {
    ///         let mut notified = pin!(changed.notified());
    ///         notified.as_mut().enable();
    ///         if flag.load(Ordering::Acquire) {
    ///             return;
    ///         }
    ///         notified.await;
    ///     }
    /// }
    ///
    /// let rt = filch::Runtime::new()?;
    /// let (flag, changed) = (AtomicBool::new(false), Notify::new());
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         flag.store(true, Ordering::Release);
    ///         changed.notify_one();
    ///     });
    ///     rt.block_on(wait_until(&flag, &changed));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        this.ticket.enable(this.notify)
    }
}

impl OwnedNotified {
    /// As [`Notified::enable`].
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        this.ticket.enable(this.notify)
    }
}

impl Future for Notified<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.ticket.poll(this.notify, cx)
    }
}

impl Future for OwnedNotified {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.ticket.poll(this.notify, cx)
    }
}

pin_project! {
    /// What both futures are but for how they hold the [`Notify`].
    #[derive(Debug)]
    struct Ticket<'a, O> {
        #[pin]
        wait: Wait<'a, (), Asked, O>,
        is_done: bool,
    }
}

impl<'a, O> Ticket<'a, O> {
    fn new(wait: Wait<'a, (), Asked, O>) -> Self {
        Self {
            wait,
            is_done: false,
        }
    }

    #[inline]
    fn poll(self: Pin<&mut Self>, notify: &Notify, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if *this.is_done {
            return Poll::Ready(());
        }
        if this.wait.phase() == Phase::Idle {
            ready!(budget::poll_proceed(cx));
            if begin(this.wait.as_mut(), notify, || cx.waker().clone()) {
                budget::charge();
                *this.is_done = true;
                return Poll::Ready(());
            }
        }
        ready!(this.wait.poll(cx, WaitReason::Notify));
        // It stays notified, also if the task has to give up its turn first.
        ready!(budget::poll_take(cx));
        *this.is_done = true;
        Poll::Ready(())
    }

    fn enable(self: Pin<&mut Self>, notify: &Notify) -> bool {
        let this = self.project();
        *this.is_done = *this.is_done
            || match this.wait.phase() {
                // No task yet: the first poll brings its waker.
                Phase::Idle => begin(this.wait, notify, || Waker::noop().clone()),
                Phase::Waiting => false,
                Phase::Woken => true,
            };
        *this.is_done
    }

    /// Before it is dropped.
    fn give_up(self: Pin<&mut Self>, notify: &Notify) {
        let mut this = self.project();
        if *this.is_done || this.wait.phase() == Phase::Idle {
            return;
        }
        if this.wait.phase() == Phase::Waiting && leave(this.wait.as_mut(), notify) {
            return;
        }
        if let By::One(end) = this.wait.value().by {
            notify.notify(end);
        }
    }
}

/// Takes what there is, or enters the list. True if it is notified.
#[inline]
fn begin<O>(
    mut wait: Pin<&mut Wait<'_, (), Asked, O>>,
    notify: &Notify,
    waker: impl FnOnce() -> Waker,
) -> bool {
    let created = wait.as_mut().value().created;
    notify.word.take(created) != Take::Nothing || enter(wait, notify, created, waker())
}

#[cold]
fn enter<O>(
    wait: Pin<&mut Wait<'_, (), Asked, O>>,
    notify: &Notify,
    created: Calls,
    waker: Waker,
) -> bool {
    let mut locked = notify.queue.lock();
    let found = notify.word.begin_wait(created);
    if found == Take::Nothing {
        wait.enqueue(&mut locked, waker);
        return false;
    }
    drop(locked);
    true
}

/// False if it has been woken meanwhile.
fn leave<O>(wait: Pin<&mut Wait<'_, (), Asked, O>>, notify: &Notify) -> bool {
    let mut locked = notify.queue.lock();
    let waker = wait.leave(&mut locked);
    if waker.is_some() {
        notify.note_if_empty(&locked);
    }
    drop(locked);
    waker.is_some()
}

#[cfg(test)]
mod tests;
