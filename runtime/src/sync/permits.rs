//! How are permits given to those who ask, in the order in which they have asked?
//!
//! What [`Semaphore`](super::Semaphore) and [`RwLock`](super::RwLock) stand on: a counter, and a queue of those who ask for more than there is. Taking and giving back
//! cost one locked instruction each while nobody waits.
//!
//! | the [`word`] | taking `n` | giving back `n` |
//! |---|---|---|
//! | open, nobody waits, `n` are there | one exchange | one addition |
//! | open, nobody waits, fewer are there | sets QUEUED under the lock, and waits | one addition |
//! | open, QUEUED | waits behind the others, even if `n` are there | adds, then [hands out](Permits::hand_out) under the lock |
//! | CLOSED | refused | one addition; with QUEUED, the lock for nothing |
//!
//! QUEUED is set exactly while the list is not empty, and both change under the queue's lock. While it is set, only who has the lock takes permits out of the word, on behalf of
//! who has waited longest; everybody may add. So nobody is overtaken, and who asks for many is not starved: what comes back stays in the word until there is enough.
//!
//! | a waiter's [`Want`] | made by | what it owes when it is dropped |
//! |---|---|---|
//! | in the list | `begin` | it leaves; whoever stood behind it may now be first, so it hands out |
//! | woken, granted | `hand_out` | it gives back what it was granted, which hands out |
//! | woken, not granted | `close` | nothing |
//!
//! Rejected: giving a waiter what there is piece by piece (tokio): each release then writes to the waiter's node, and a waiter that leaves has more to give back; permits
//! that come back pass the word by while somebody waits (they cannot be counted without the lock then, and two releases have to agree who hands out what).

#[cfg(all(test, loom))]
mod loom_tests;
mod word;

use super::wait_queue::{Locked, Phase, Wait, WaitQueue};
use crate::util::budget;
use crate::util::shield::shield;
use crate::util::wait_reason::{self, WaitReason};
use crate::util::wakers::Wakers;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use word::{Given, Word};
pub(crate) use word::{MAX, Refused};

/// Permits, and those who wait for some.
#[derive(Debug)]
pub(crate) struct Permits {
    word: Word,
    queue: WaitQueue<(), Want>,
}

/// What a waiter asks for.
#[derive(Debug)]
struct Want {
    permits: usize,
    is_granted: bool,
}

type Queue<'q> = Locked<'q, (), Want>;

impl Permits {
    /// At most [`MAX`], to be checked by the caller.
    #[cfg(not(loom))]
    pub(crate) const fn new(permits: usize) -> Self {
        Self {
            word: Word::new(permits),
            queue: WaitQueue::new(()),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new(permits: usize) -> Self {
        Self {
            word: Word::new(permits),
            queue: WaitQueue::new(()),
        }
    }

    /// How many could be taken now: none while somebody waits.
    pub(crate) fn available(&self) -> usize {
        self.word.available()
    }

    #[inline]
    pub(crate) fn try_take(&self, permits: usize) -> Result<(), Refused> {
        self.word.take(permits)
    }

    /// Waits for so many. Charges the budget.
    #[inline]
    pub(crate) fn take(&self, permits: usize, reason: WaitReason) -> Take<'_> {
        let permits_of = self;
        Take {
            permits_of,
            permits,
            reason,
            wait: None,
        }
    }

    /// Gives back what was taken before. Where others have been added in their place, so that there are more than [`MAX`] now, they are gone: this is called in
    /// destructors.
    #[inline]
    pub(crate) fn give(&self, permits: usize) {
        match self.word.give(permits) {
            Given::Kept => {}
            Given::SomebodyWaits => self.hand_out(self.queue.lock()),
            Given::TooMany => self.lose(permits),
        }
    }

    /// Adds new ones. False if there would be more than [`MAX`] then; nothing has changed in that case.
    #[must_use]
    pub(crate) fn add(&self, permits: usize) -> bool {
        let added = self.word.add(permits);
        if added == Ok(Given::SomebodyWaits) {
            self.hand_out(self.queue.lock());
        }
        added.is_ok()
    }

    #[cold]
    fn lose(&self, permits: usize) {
        let _lost = self.forget(permits);
        // If somebody waits, it may have counted on this one.
        self.hand_out(self.queue.lock());
    }

    /// Takes away so many of those that nobody has, or as many as there are; says how many.
    pub(crate) fn forget(&self, permits: usize) -> usize {
        // Who has the lock relies on it that nobody else takes.
        let _locked = self.queue.lock();
        self.word.forget(permits)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.word.is_closed()
    }

    /// Refuses those who wait, and everybody from now on.
    pub(crate) fn close(&self) {
        let mut wakers = Wakers::new();
        let mut locked = self.queue.lock();
        self.word.close();
        while let Some(waker) = self.wake_front(&mut locked) {
            wakers.push(waker);
            if wakers.is_full() {
                // Meanwhile nobody joins them, and nobody is granted anything.
                drop(locked);
                wakers.wake_all();
                locked = self.queue.lock();
            }
        }
        drop(locked);
        wakers.wake_all();
    }

    /// Grants what there is to those who have waited longest, and wakes them without the lock.
    #[cold]
    fn hand_out<'q>(&'q self, mut locked: Queue<'q>) {
        let Some(first) = self.grant_front(&mut locked) else {
            return;
        };
        let Some(second) = self.grant_front(&mut locked) else {
            drop(locked);
            shield(|| first.wake());
            return;
        };
        let mut wakers = Wakers::new();
        wakers.push(first);
        wakers.push(second);
        while let Some(waker) = self.grant_front(&mut locked) {
            wakers.push(waker);
            if wakers.is_full() {
                drop(locked);
                wakers.wake_all();
                locked = self.queue.lock();
            }
        }
        drop(locked);
        wakers.wake_all();
    }

    /// `None` if nobody waits, there is too little for the first, or all is over.
    fn grant_front(&self, locked: &mut Queue<'_>) -> Option<Waker> {
        let is_last = locked.is_single();
        let ((), front) = locked.front();
        let front = front?;
        if !self.word.grant(front.permits, is_last) {
            return None;
        }
        front.is_granted = true;
        locked.wake_front()
    }

    /// As it is: not granted.
    fn wake_front(&self, locked: &mut Queue<'_>) -> Option<Waker> {
        let waker = locked.wake_front()?;
        if locked.is_empty() {
            self.word.queue_is_empty();
        }
        Some(waker)
    }

    /// Takes them, or puts the caller into the queue. The lock is what makes the last look and the announcement one.
    #[cold]
    fn begin<'q>(
        &'q self,
        wait: Pin<&mut Wait<'q, (), Want>>,
        permits: usize,
        waker: Waker,
    ) -> Poll<Result<(), Refused>> {
        let mut locked = self.queue.lock();
        match self.word.take_or_announce(permits) {
            Err(Refused::TooFew) => {
                wait.enqueue(&mut locked, waker);
                Poll::Pending
            }
            done => {
                drop(locked);
                drop(waker);
                Poll::Ready(done)
            }
        }
    }

    /// For one that is dropped before it has heard how its wait ended.
    #[cold]
    fn leave<'q>(&'q self, mut wait: Pin<&mut Wait<'q, (), Want>>) {
        if wait.phase() == Phase::Waiting {
            let mut locked = wait.queue().lock();
            if let Some(waker) = wait.as_mut().leave(&mut locked) {
                if locked.is_empty() {
                    self.word.queue_is_empty();
                }
                self.hand_out(locked);
                drop(waker);
                return;
            }
        }
        let want = wait.value();
        if want.is_granted {
            self.give(want.permits);
        }
    }
}

pin_project! {
    /// The future of [`Permits::take`].
    #[derive(Debug)]
    #[must_use = "it does nothing until it is polled"]
    pub(crate) struct Take<'q> {
        permits_of: &'q Permits,
        permits: usize,
        reason: WaitReason,
        // From the first poll that had to wait to the last.
        #[pin]
        wait: Option<Wait<'q, (), Want>>,
    }

    impl PinnedDrop for Take<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(wait) = this.wait.as_pin_mut() {
                this.permits_of.leave(wait);
            }
        }
    }
}

impl Future for Take<'_> {
    /// [`Refused::TooFew`] does not come.
    type Output = Result<(), Refused>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        if self.wait.is_some() {
            return self.poll_wait(cx);
        }
        ready!(budget::poll_proceed(cx));
        match self.permits_of.try_take(self.permits) {
            Err(Refused::TooFew) => self.poll_begin(cx),
            done => {
                budget::charge();
                Poll::Ready(done)
            }
        }
    }
}

impl Take<'_> {
    #[cold]
    fn poll_begin(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<Result<(), Refused>> {
        let mut this = self.project();
        let want = Want {
            permits: *this.permits,
            is_granted: false,
        };
        let waker = cx.waker().clone();
        let queue = &this.permits_of.queue;
        this.wait.set(Some(Wait::new(queue, want)));
        let wait = this.wait.as_mut().as_pin_mut();
        let wait = wait.expect("it was set just now");
        if let Poll::Ready(done) = this.permits_of.begin(wait, *this.permits, waker) {
            this.wait.set(None);
            budget::charge();
            return Poll::Ready(done);
        }
        wait_reason::note(*this.reason);
        Poll::Pending
    }

    /// Who has waited is charged, but not held up: what it was granted is not free for others.
    #[cold]
    fn poll_wait(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        let mut this = self.project();
        let wait = this.wait.as_mut().as_pin_mut();
        let mut wait = wait.expect("the caller has looked");
        ready!(wait.as_mut().poll(cx, *this.reason));
        let is_granted = wait.value().is_granted;
        this.wait.set(None);
        budget::charge();
        Poll::Ready(if is_granted {
            Ok(())
        } else {
            Err(Refused::Closed)
        })
    }
}
