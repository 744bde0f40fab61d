//! How does a future wait for what another task does, without an allocation?
//!
//! It contains a [`Wait`]: a node of the intrusive list that a [`WaitQueue`] keeps in its lock, beside whatever state of the primitive the lock protects. Who has something
//! to give locks the queue, takes the [first](Locked::front) out ([`wake_front`](Locked::wake_front)), and wakes it when the lock is gone. Who gives up waiting, since it
//! is dropped, takes itself out. So all the unsafe code of queues stands here, and the primitives have none.
//!
//! | phase | in the list | waker slot | links, waker slot, value may be touched by |
//! |---|---|---|---|
//! | IDLE | no | empty | the holder |
//! | WAITING | yes | full | who has the lock (the holder may compare its waker without) |
//! | WOKEN | no | moved out | the holder |
//!
//! The *holder* is whoever has the pinned exclusive reference to the [`Wait`], or drops it.
//!
//! | arrow | made by | under the lock |
//! |---|---|---|
//! | IDLE -> WAITING | [`Wait::enqueue`], [`Wait::enqueue_front`], the holder | yes |
//! | WAITING -> WOKEN | [`Locked::wake_front`], anybody | yes |
//! | WAITING -> IDLE | [`Wait::leave`], the holder | yes |
//! | WOKEN -> IDLE | [`Wait::rearm`], the holder | no |
//!
//! WOKEN is stored last by who wakes, so that a holder that sees it may go on, and free the node, without the lock: a wait takes the lock once. The same protocol as
//! that of a timer's entry (`timer/entry.rs`), and for the same reasons.
//!
//! The *value* is what the waiter asks for, or what it is given: who has the lock may change it before it wakes ([`Locked::front`]), and the holder reads it after.
//!
//! Rejected: a waker in an `AtomicWaker` (two locked instructions for each registration, to spare a lock that is taken anyhow); a node that is unlinked by the woken
//! task itself (it takes the lock twice); a queue without a lock (a waiter that leaves from the middle makes them several times as long, and a lock that is
//! free costs one locked instruction).

use crate::sys::sync::atomic::{AtomicU8, Ordering};
use crate::sys::sync::{Mutex, MutexGuard, UnsafeCell};
use crate::util::list::{Linked, List, Pointers};
use crate::util::wait_reason::{self, WaitReason};
use crate::util::wakers::Wakers;
use std::fmt;
use std::marker::{PhantomData, PhantomPinned};
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A primitive's state and those who wait for it, in one lock. `T` is what each of them has with it.
pub(crate) struct WaitQueue<S, T> {
    inner: Mutex<Inner<S, T>>,
}

struct Inner<S, T> {
    state: S,
    /// Each node is in phase WAITING, and its `Wait` borrows the queue.
    waiters: List<Node<T>>,
}

/// Says which node of a list stands at one of its ends.
type End<T> = fn(&List<Node<T>>) -> Option<NonNull<Node<T>>>;

/// A queue, locked. Dereferences to the primitive's state.
pub(crate) struct Locked<'q, S, T> {
    /// To know whose lock it is.
    queue: &'q WaitQueue<S, T>,
    inner: MutexGuard<'q, Inner<S, T>>,
}

/// A place in a queue, for one future. Borrows the queue, or [owns](Wait::owned) a part of what it is in.
pub(crate) struct Wait<'q, S, T, O = ()> {
    /// Alive for `'q`, or as long as the owner.
    queue: NonNull<WaitQueue<S, T>>,
    node: Node<T>,
    _borrowed: PhantomData<&'q WaitQueue<S, T>>,
    _owner: O,
}

struct Node<T> {
    links: Pointers<Self>,
    phase: PhaseWord,
    waker: UnsafeCell<MaybeUninit<Waker>>,
    value: UnsafeCell<T>,
    _pinned: PhantomPinned,
}

/// Where a wait stands; see the module's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// In no list.
    Idle,
    /// In the list; out of date at any moment.
    Waiting,
    /// Taken out by who woke it.
    Woken,
}

impl<S, T> WaitQueue<S, T> {
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) const fn new(state: S) -> Self {
        let waiters = List::new();
        Self {
            inner: Mutex::new(Inner { state, waiters }),
        }
    }

    #[cfg(any(loom, shuttle))]
    pub(crate) fn new(state: S) -> Self {
        let waiters = List::new();
        Self {
            inner: Mutex::new(Inner { state, waiters }),
        }
    }

    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, S, T> {
        Locked {
            queue: self,
            inner: self.inner.lock(),
        }
    }
}

impl<S, T> std::ops::Deref for Locked<'_, S, T> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.inner.state
    }
}

impl<S, T> std::ops::DerefMut for Locked<'_, S, T> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.inner.state
    }
}

impl<S, T> Locked<'_, S, T> {
    /// Whether nobody waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.inner.waiters.is_empty()
    }

    /// Whether exactly one waits.
    #[inline]
    pub(crate) fn is_single(&self) -> bool {
        self.inner.waiters.is_single()
    }

    /// State, and the value of who has waited longest.
    pub(crate) fn front(&mut self) -> (&mut S, Option<&mut T>) {
        let Inner { state, waiters } = &mut *self.inner;
        (state, Self::value_at(waiters, List::front))
    }

    /// State, and the value of who came last.
    pub(crate) fn back(&mut self) -> (&mut S, Option<&mut T>) {
        let Inner { state, waiters } = &mut *self.inner;
        (state, Self::value_at(waiters, List::back))
    }

    fn value_at(waiters: &mut List<Node<T>>, end: End<T>) -> Option<&mut T> {
        end(waiters).map(|node| {
            // SAFETY: a node in the list is alive and in phase WAITING.
            let node = unsafe { node.as_ref() };
            // SAFETY: it is touched by who has the lock, which the result borrows.
            node.value.with_mut(|value| unsafe { &mut *value })
        })
    }

    /// Takes out who has waited longest. Returns its waker, to be woken when the lock is gone.
    #[must_use = "to be woken when the lock is gone"]
    pub(crate) fn wake_front(&mut self) -> Option<Waker> {
        self.inner.waiters.pop_front().map(Self::wake)
    }

    /// Takes out who came last. Returns its waker, to be woken when the lock is gone.
    #[must_use = "to be woken when the lock is gone"]
    pub(crate) fn wake_back(&mut self) -> Option<Waker> {
        self.inner.waiters.pop_back().map(Self::wake)
    }

    /// Takes out from the front as long as `wakes` says so of state and value. True if there is no room for more wakers.
    #[must_use = "there may be more to wake when these are woken"]
    pub(crate) fn wake_into(
        &mut self,
        wakers: &mut Wakers,
        mut wakes: impl FnMut(&mut S, &mut T) -> bool,
    ) -> bool {
        while !wakers.is_full() {
            let (state, front) = self.front();
            if !front.is_some_and(|value| wakes(state, value)) {
                return false;
            }
            self.wake_front().into_iter().for_each(|w| wakers.push(w));
        }
        true
    }

    /// Lets go of the lock, having woken from the front as long as `wakes` says so of state and value. Between the rounds of a long queue the lock is free, so that
    /// `wakes` has to tell apart who comes meanwhile.
    pub(crate) fn wake_while(mut self, mut wakes: impl FnMut(&mut S, &mut T) -> bool) {
        let (queue, mut wakers) = (self.queue, Wakers::new());
        while self.wake_into(&mut wakers, &mut wakes) {
            drop(self);
            wakers.wake_all();
            self = queue.lock();
        }
        drop(self);
        wakers.wake_all();
    }

    /// Of a node that was taken out of the list just now.
    fn wake(node: NonNull<Node<T>>) -> Waker {
        // SAFETY: what was in the list is alive and was in phase WAITING, so that its slot is full; it is out of it now, and woken below.
        let waker = unsafe { Node::take_waker(node) };
        // SAFETY: alive until the store within.
        unsafe { &(*node.as_ptr()).phase }.wake();
        waker
    }
}

impl<'q, S, T> Wait<'q, S, T> {
    pub(crate) fn new(queue: &'q WaitQueue<S, T>, value: T) -> Self {
        Self::with_owner(NonNull::from(queue), value, ())
    }

    /// Its queue.
    #[inline]
    pub(crate) fn queue(&self) -> &'q WaitQueue<S, T> {
        // SAFETY: borrowed for 'q, since there is no owner.
        unsafe { self.queue.as_ref() }
    }
}

impl<S: 'static, T: 'static, A> Wait<'static, S, T, Arc<A>> {
    /// A place that keeps alive what its queue is in. (That `queue` returns a borrow of any `A` for as long as that is borrowed makes it the same queue as long as
    /// the owner lives: nobody has the owner exclusively meanwhile.)
    pub(crate) fn owned(owner: Arc<A>, queue: fn(&A) -> &WaitQueue<S, T>, value: T) -> Self {
        Self::with_owner(NonNull::from(queue(&owner)), value, owner)
    }
}

impl<S, T, O> Wait<'_, S, T, O> {
    fn with_owner(queue: NonNull<WaitQueue<S, T>>, value: T, owner: O) -> Self {
        Self {
            queue,
            node: Node {
                links: Pointers::new(),
                phase: PhaseWord::idle(),
                waker: UnsafeCell::new(MaybeUninit::uninit()),
                value: UnsafeCell::new(value),
                _pinned: PhantomPinned,
            },
            _borrowed: PhantomData,
            _owner: owner,
        }
    }

    /// Where it stands.
    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        self.node.phase.load()
    }

    /// What it asks for, or was given; only while it is not in the list.
    ///
    /// # Panics
    ///
    /// If it is in the list.
    pub(crate) fn value(self: Pin<&mut Self>) -> &mut T {
        assert!(
            self.phase() != Phase::Waiting,
            "the value of a waiter in the list belongs to who has the lock"
        );
        // SAFETY: the node is not moved by this; the value is not pinned structurally.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: not in the list: the holder's alone, and the result borrows the holder's reference.
        this.node.value.with_mut(|value| unsafe { &mut *value })
    }

    /// Stands at the end of the queue from now on. The lock is let go of after it, so that what the caller has found under it still holds.
    ///
    /// # Panics
    ///
    /// If it is in the list already, or the lock is another queue's.
    pub(crate) fn enqueue(self: Pin<&mut Self>, locked: &mut Locked<'_, S, T>, waker: Waker) {
        self.prepare(locked, waker);
        // SAFETY: in no list. It is pinned, so that it stays where it is until it is dropped, and then leaves the list first; nobody has it exclusively
        // meanwhile but through `Pin<&mut Self>`, whose methods make no exclusive reference to the node while it is in the list.
        unsafe { locked.inner.waiters.push_back(self.address()) };
    }

    /// As [`enqueue`](Self::enqueue), but before all others: who has stood there already, and was woken in vain.
    ///
    /// # Panics
    ///
    /// As [`enqueue`](Self::enqueue).
    pub(crate) fn enqueue_front(self: Pin<&mut Self>, locked: &mut Locked<'_, S, T>, waker: Waker) {
        self.prepare(locked, waker);
        // SAFETY: as in `enqueue`.
        unsafe { locked.inner.waiters.push_front(self.address()) };
    }

    /// Ready when it was woken; as long as it is in the list the waker given last is the one to be woken. Notes why it waits.
    ///
    /// # Panics
    ///
    /// If it neither waits nor was woken.
    #[inline]
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, reason: WaitReason) -> Poll<()> {
        match self.phase() {
            Phase::Woken => return Poll::Ready(()),
            Phase::Waiting if self.node.will_wake(cx.waker()) => {}
            Phase::Waiting => {
                if !self.change_waker(cx.waker()) {
                    return Poll::Ready(());
                }
            }
            Phase::Idle => panic!("polled before it was put into a queue"),
        }
        wait_reason::note(reason);
        Poll::Pending
    }

    /// Takes it out of the list, and returns its waker, to be dropped when the lock is gone. `None` if it was not in the list: woken, or never enqueued.
    ///
    /// # Panics
    ///
    /// If the lock is another queue's.
    #[must_use = "to be dropped when the lock is gone; none says that it was not in the list"]
    pub(crate) fn leave(self: Pin<&mut Self>, locked: &mut Locked<'_, S, T>) -> Option<Waker> {
        self.into_ref().get_ref().take_out(locked)
    }

    /// It was woken, and may be put into the queue again.
    pub(crate) fn rearm(self: Pin<&mut Self>) {
        assert!(self.phase() != Phase::Waiting, "it has to leave first");
        self.node.phase.clear();
    }

    fn address(&self) -> NonNull<Node<T>> {
        NonNull::from(&self.node)
    }

    /// Only for the holder, who puts it into the list next.
    fn prepare(&self, locked: &Locked<'_, S, T>, waker: Waker) {
        assert!(ptr::eq(self.queue.as_ptr(), locked.queue), "another queue");
        assert!(
            self.phase() == Phase::Idle,
            "a wait stands in one queue once"
        );
        // SAFETY: not in the list, so that the slot is empty and the holder's.
        unsafe { self.node.put_waker(waker) };
        self.node.phase.wait();
    }

    /// False if it was woken before.
    #[cold]
    fn change_waker(&self, waker: &Waker) -> bool {
        let new = waker.clone();
        let locked = self.lock();
        if self.phase() != Phase::Waiting {
            return false;
        }
        // SAFETY: in the list, and we have the lock: the slot is full, and filled again at once.
        let old = unsafe { Node::take_waker(self.address()) };
        // SAFETY: moved out of just now; we have the lock.
        unsafe { self.node.put_waker(new) };
        drop(locked);
        drop(old);
        true
    }

    fn lock(&self) -> Locked<'_, S, T> {
        // SAFETY: alive as long as what is borrowed or owned.
        unsafe { self.queue.as_ref() }.lock()
    }

    /// Only for the holder.
    fn take_out(&self, locked: &mut Locked<'_, S, T>) -> Option<Waker> {
        assert!(ptr::eq(self.queue.as_ptr(), locked.queue), "another queue");
        // SAFETY: alive, and in this queue's list or in none.
        let was_in = unsafe { locked.inner.waiters.remove(self.address()) };
        was_in.then(|| {
            self.node.phase.clear();
            // SAFETY: it was in the list, so that the slot was full; it is IDLE from now on, and we have the lock.
            unsafe { Node::take_waker(self.address()) }
        })
    }
}

impl<S, T, O> Drop for Wait<'_, S, T, O> {
    fn drop(&mut self) {
        if self.phase() == Phase::Waiting {
            let mut locked = self.lock();
            let waker = self.take_out(&mut locked);
            drop(locked);
            drop(waker);
        }
        #[cfg(loom)]
        self.node.claim_all();
    }
}

impl<T> Node<T> {
    /// Compares with the waker given last. Only for the holder, of a node that was WAITING when it looked.
    #[inline]
    fn will_wake(&self, waker: &Waker) -> bool {
        self.waker.with(|slot| {
            // SAFETY: the slot was filled by the holder, or under the lock on its behalf, and nobody else writes it. The waker may have been moved out since, and
            // even dropped; `will_wake` compares the pointers and follows neither of them.
            let slot = unsafe { &*slot };
            // SAFETY: as above.
            unsafe { slot.assume_init_ref() }.will_wake(waker)
        })
    }

    /// # Safety
    ///
    /// The slot is empty and the caller's.
    unsafe fn put_waker(&self, waker: Waker) {
        // SAFETY: passed on to the caller.
        (self.waker).with_mut(|slot| unsafe { slot.write(MaybeUninit::new(waker)) });
    }

    /// Moves the waker out. Leaves its bits, for the holder to compare with.
    ///
    /// # Safety
    ///
    /// The node is alive, its slot full, and the caller's, who sees to it that it counts as empty from now on.
    unsafe fn take_waker(node: NonNull<Self>) -> Waker {
        // SAFETY: alive, says the caller.
        let node = unsafe { node.as_ref() };
        node.waker.with(|slot| {
            // SAFETY: nobody writes it meanwhile, says the caller.
            let slot = unsafe { slot.read() };
            // SAFETY: full, says the caller, and moved out of once.
            unsafe { slot.assume_init() }
        })
    }

    /// Touches every field as its only user, so that the model checker reports whoever still uses one.
    #[cfg(loom)]
    fn claim_all(&self) {
        self.waker.with_mut(|_| ());
        self.value.with_mut(|_| ());
    }
}

// SAFETY: always the same field, by address alone; only the list of a queue uses it.
unsafe impl<T> Linked for Node<T> {
    unsafe fn pointers(node: NonNull<Self>) -> NonNull<Pointers<Self>> {
        // SAFETY: the node is alive, so the field's address is in bounds.
        let links = unsafe { &raw mut (*node.as_ptr()).links };
        // SAFETY: the address of a field of something alive is not null.
        unsafe { NonNull::new_unchecked(links) }
    }
}

// SAFETY: it is a reference to the queue, which may be sent if states and values may; or an owner of it, which may be sent.
unsafe impl<S: Send, T: Send, O: Send> Send for Wait<'_, S, T, O> {}
// SAFETY: as above; a shared reference gives the queue and the phase.
unsafe impl<S: Send, T: Send, O: Sync> Sync for Wait<'_, S, T, O> {}

// SAFETY: a node's fields are touched by who may, by the module's table; what they contain may be sent.
unsafe impl<T: Send> Send for Node<T> {}
// SAFETY: a shared reference gives the phase only, which is atomic; the value is reached by the holder's exclusive one or under the lock.
unsafe impl<T: Send> Sync for Node<T> {}

// No code of the user's runs under the lock, so that no panic leaves behind it what is half done: not in the queue, nor in a place in it.
impl<S, T> UnwindSafe for WaitQueue<S, T> {}
impl<S, T> RefUnwindSafe for WaitQueue<S, T> {}
impl<S, T, O> UnwindSafe for Wait<'_, S, T, O> {}
impl<S, T, O> RefUnwindSafe for Wait<'_, S, T, O> {}

/// The phase of a node.
#[derive(Debug)]
#[repr(transparent)]
struct PhaseWord(AtomicU8);

const IDLE: u8 = 0;
const WAITING: u8 = 1;
const WOKEN: u8 = 2;

impl PhaseWord {
    fn idle() -> Self {
        Self(AtomicU8::new(IDLE))
    }

    #[inline]
    fn load(&self) -> Phase {
        // ORDERING: Acquire, partner of the Release in `wake`: who woke has read the waker and written the value before the holder goes on or frees the node.
        match self.0.load(Ordering::Acquire) {
            IDLE => Phase::Idle,
            WAITING => Phase::Waiting,
            _ => Phase::Woken,
        }
    }

    fn wait(&self) {
        // ORDERING: Relaxed: who wakes learns of the node from the list, under the lock that the holder has.
        self.0.store(WAITING, Ordering::Relaxed);
    }

    /// After this store the node may be gone; `self` is all atomic, so that a reference to it may outlive it that long.
    fn wake(&self) {
        // ORDERING: Release, partner of the Acquire in `load`.
        self.0.store(WOKEN, Ordering::Release);
    }

    fn clear(&self) {
        // ORDERING: Relaxed: only the holder looks at a node that is in no list.
        self.0.store(IDLE, Ordering::Relaxed);
    }
}

impl<S: fmt::Debug, T> fmt::Debug for WaitQueue<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("WaitQueue");
        match self.inner.try_lock() {
            Some(inner) => shown.field("state", &inner.state),
            None => shown.field("state", &format_args!("<locked>")),
        };
        shown.finish_non_exhaustive()
    }
}

impl<S, T, O> fmt::Debug for Wait<'_, S, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wait").field(&self.phase()).finish()
    }
}

#[cfg(test)]
mod tests;
