//! Who gets the lock next?
//!
//! Whoever comes while it is free: a lock that is handed to a task that sleeps cannot be used until that task runs. But a waiter that was woken in vain [`PATIENCE`] times
//! is handed it. What [the word](super::word) says about the lock, a waiter's [`Turn`] says about the waiter:
//!
//! | a waiter | made by | what it owes when it is dropped |
//! |---|---|---|
//! | in the list | `begin`, `come_back` | it leaves |
//! | woken, called | `call` | it declines: clears CALLED; if the lock is free, somebody else has to be called |
//! | woken, handed the lock | `call` | it unlocks |
//!
//! At most one is called at a time. It tries to take the lock; if somebody else was first it stands in the queue again, before all others, and counts what it has
//! lost.
//!
//! Rejected: handing the lock on always (tokio; [`Mutex::new_fair`](super::Mutex::new_fair)): where tasks contend, each unlock then costs a switch of tasks, and the lock is
//! held by nobody who runs meanwhile; a limit in time (Go: 1 ms) instead of losses: it costs a reading of the clock for each wait, 46 ns; waking without CALLED: each of
//! several unlocks in a row would wake another waiter, and all but one in vain; a semaphore of one permit (two more conditions on both paths, and no barging).

use super::super::wait_queue::{Phase, Wait, WaitQueue};
use super::word::{Comer, Unlocked, Word};
use crate::sys::sync::hint;
use crate::util::budget;
use crate::util::shield::shield;
use crate::util::wait_reason::{self, WaitReason};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

/// How often a waiter is woken in vain before it is handed the lock; 0 means never in vain. A guess.
pub(super) const PATIENCE: u8 = 4;

/// How often who finds the lock taken looks again before it waits: some 200 ns on machines whose `pause` takes 40 cycles to 140. Most critical sections are shorter, if their task
/// runs; a wait costs as much. A guess. In a model each look would be a step that changes nothing.
const LOOKS: u32 = if cfg!(loom) { 0 } else { 6 };

/// The lock without its value.
#[derive(Debug)]
pub(super) struct RawMutex {
    word: Word,
    /// See [`PATIENCE`].
    patience: u8,
    queue: WaitQueue<(), Turn>,
}

/// What a waiter has with it.
#[derive(Debug)]
struct Turn {
    /// How often it was woken in vain.
    losses: u8,
    /// The lock is its own since it was woken.
    is_handed: bool,
}

type Waiting<'q> = Wait<'q, (), Turn>;

impl RawMutex {
    #[cfg(not(loom))]
    pub(super) const fn new(patience: u8) -> Self {
        Self {
            word: Word::new(),
            patience,
            queue: WaitQueue::new(()),
        }
    }

    #[cfg(loom)]
    pub(super) fn new(patience: u8) -> Self {
        Self {
            word: Word::new(),
            patience,
            queue: WaitQueue::new(()),
        }
    }

    #[inline]
    pub(super) fn try_lock(&self) -> bool {
        self.word.take_free() || self.word.take(Comer::New)
    }

    /// Waits for the lock. Charges the budget.
    #[inline]
    pub(super) fn lock(&self) -> Lock<'_> {
        Lock {
            mutex: self,
            wait: None,
        }
    }

    /// Only for who has it.
    #[inline]
    pub(super) fn unlock(&self) {
        if self.word.unlock() == Unlocked::Call {
            self.call();
        }
    }

    /// Unlocks, and wakes who has waited longest, or hands it the lock.
    #[cold]
    fn call(&self) {
        let mut locked = self.queue.lock();
        let is_last = locked.is_single();
        let ((), front) = locked.front();
        let Some(turn) = front else {
            drop(locked);
            // Who waited has left since, so that there is nobody to be called. Should somebody come once more, it begins again.
            return self.unlock();
        };
        turn.is_handed = self.is_handed_on(turn);
        if turn.is_handed {
            self.word.hand_on(is_last);
        } else {
            // Before the waiter can see that it was woken, and clears CALLED.
            self.word.let_go(is_last);
        }
        let waker = locked.wake_front();
        drop(locked);
        if let Some(waker) = waker {
            shield(|| waker.wake());
        }
    }

    /// The policy.
    fn is_handed_on(&self, turn: &Turn) -> bool {
        turn.losses >= self.patience
    }

    /// Whether it is free, and no bit is left over.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.word.is_idle()
    }

    /// Looks a few times.
    #[cold]
    fn try_for_a_while(&self) -> bool {
        for _ in 0..LOOKS {
            hint::spin_loop();
            if self.word.take(Comer::New) {
                return true;
            }
        }
        false
    }

    /// Takes the lock and returns true, or puts the caller into the queue.
    #[cold]
    fn begin<'q>(&'q self, wait: Pin<&mut Waiting<'q>>, waker: Waker) -> bool {
        let mut locked = self.queue.lock();
        let is_taken = self.word.take_or_announce(Comer::New);
        if !is_taken {
            wait.enqueue(&mut locked, waker);
        }
        is_taken
    }

    /// As `begin`, for one that was called.
    #[cold]
    fn come_back<'q>(&'q self, mut wait: Pin<&mut Waiting<'q>>, waker: Waker) -> bool {
        let mut locked = self.queue.lock();
        let is_taken = self.word.take_or_announce(Comer::Called);
        if !is_taken {
            let turn = wait.as_mut().value();
            turn.losses = turn.losses.saturating_add(1);
            wait.as_mut().rearm();
            wait.enqueue_front(&mut locked, waker);
        }
        is_taken
    }

    /// For one that is dropped before it has the lock, or knows that it has.
    #[cold]
    fn leave<'q>(&'q self, mut wait: Pin<&mut Waiting<'q>>) {
        if wait.phase() == Phase::Waiting {
            let mut locked = wait.queue().lock();
            let waker = wait.as_mut().leave(&mut locked);
            if waker.is_some() {
                if locked.is_empty() {
                    self.word.queue_is_empty();
                }
                drop(locked);
                return drop(waker);
            }
        }
        if wait.value().is_handed || self.word.decline() {
            self.unlock();
        }
    }
}

pin_project! {
    /// The future of [`RawMutex::lock`].
    #[derive(Debug)]
    #[must_use = "it does nothing until it is polled"]
    pub(super) struct Lock<'q> {
        mutex: &'q RawMutex,
        // While it is in the list, or was woken and does not have the lock.
        #[pin]
        wait: Option<Waiting<'q>>,
    }

    impl PinnedDrop for Lock<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(wait) = this.wait.as_pin_mut() {
                this.mutex.leave(wait);
            }
        }
    }
}

impl Future for Lock<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.wait.is_some() {
            return self.poll_wait(cx);
        }
        ready!(budget::poll_proceed(cx));
        if self.mutex.try_lock() || self.mutex.try_for_a_while() {
            budget::charge();
            return Poll::Ready(());
        }
        self.poll_begin(cx)
    }
}

impl Lock<'_> {
    #[cold]
    fn poll_begin(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let turn = Turn {
            losses: 0,
            is_handed: false,
        };
        let waker = cx.waker().clone();
        this.wait.set(Some(Wait::new(&this.mutex.queue, turn)));
        let wait = this.wait.as_mut().as_pin_mut();
        let wait = wait.expect("it was set just now");
        if this.mutex.begin(wait, waker) {
            this.wait.set(None);
            budget::charge();
            return Poll::Ready(());
        }
        wait_reason::note(WaitReason::Mutex);
        Poll::Pending
    }

    /// Who has waited is charged, but not held up.
    #[cold]
    fn poll_wait(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let wait = this.wait.as_mut().as_pin_mut();
        let mut wait = wait.expect("the caller has looked");
        ready!(wait.as_mut().poll(cx, WaitReason::Mutex));
        let word = &this.mutex.word;
        let has_lock = wait.as_mut().value().is_handed
            || word.take(Comer::Called)
            || this.mutex.come_back(wait, cx.waker().clone());
        if !has_lock {
            wait_reason::note(WaitReason::Mutex);
            return Poll::Pending;
        }
        this.wait.set(None);
        budget::charge();
        Poll::Ready(())
    }
}
