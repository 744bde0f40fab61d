//! How does a sender wait for room, and who gives it?
//!
//! It stands in a [`WaitQueue`], under whose lock room is given in order: `n` permits for who asked for `n`. While anybody stands there a flag says so: new senders go to its end,
//! and who frees room comes to the lock and gives it away.
//!
//! | who | does |
//! |---|---|
//! | a sender that finds no room | locks; raises the flag (and passes the rare fence) if it is down; tries again if it would be the first; otherwise stands in the queue |
//! | the receiver, after each message | publishes the head; passes the frequent fence; if the flag is up, gives |
//! | who gives permits up | exchanges the tail; passes a full fence; if the flag is up, gives |
//! | who gives, under the lock | as long as there is room for the first: reserves it, tells it, takes it out; lowers the flag when the queue is empty |
//! | who leaves the queue | gives: those behind it may fit |
//! | who closes | says so in the tail; then under the lock tells everybody, and lowers the flag |
//!
//! *Nobody stands there while there is room for it, and nobody on the way to give it.* The flag is up as long as the queue is not empty. Who raises it looks at the tail and the head after its fence;
//! who frees room looks at the flag after its own. One of the two sees the other: either the sender finds the room, or the other finds the flag, comes to the lock when
//! the sender stands in the queue, and gives. While the flag stays up everybody who frees room sees it. Whoever takes room away gives it back so in the end: a message is
//! received, a permit is used or given up.
//!
//! So room is given after each message that is received, not after half the capacity: a receiver that takes one message and then waits for something else, which is the sender's
//! to do, would wait for ever. What this costs: the frequent fence is a full one for small channels (12 ns a message). For large ones it is one of the compiler's only, and the rare one is
//! `membarrier` ([`barrier`]), 0.2 to 3 us once until the queue is empty again, which is not before as many messages as the channel holds were sent.
//!
//! Rejected: a semaphore that every message takes from and gives to (a locked instruction more on each side); the flag as a bit of the tail (the receiver would read the
//! senders' line with each message).

use super::own_line::OwnLine;
use super::rx_waker::RxWaker;
use super::tail::{Claim, Head, Position, Refused, Tail, UNBOUNDED};
use crate::sync::wait_queue::{Locked, Phase, Wait, WaitQueue};
use crate::sys::barrier;
use crate::sys::sync::atomic::{AtomicBool, Ordering, fence};
use crate::util::wait_reason::{self, WaitReason};
use crate::util::wakers::Wakers;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

/// From this capacity on the receiver's fence is free and the waiting sender's a system call: 64 full fences cost what one of those does.
const LARGE: u64 = 64;

/// The places of a channel, how many there are, and who waits for one.
pub(super) struct Room {
    pub(super) tail: OwnLine<Tail>,
    head: OwnLine<Head>,
    capacity: u64,
    fences: Fences,
    /// Whether the queue may be other than empty. Changes under its lock.
    is_waited_for: AtomicBool,
    queue: WaitQueue<(), Ask>,
    /// The other direction: the receiver that waits for a message.
    pub(super) rx_waker: RxWaker,
}

/// What a sender in the queue asks for, and was told.
#[derive(Debug)]
struct Ask {
    wanted: u64,
    is_granted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fences {
    /// Nobody ever waits for room.
    None,
    /// Full ones on both sides.
    Full,
    /// The compiler's for the receiver, `membarrier` for who waits.
    Asymmetric,
}

impl Fences {
    fn of(capacity: u64) -> Self {
        // Before the channel is seen by anybody, so that everybody agrees.
        barrier::init();
        match capacity {
            UNBOUNDED => Self::None,
            LARGE.. if barrier::is_asymmetric() => Self::Asymmetric,
            _ => Self::Full,
        }
    }

    /// Between the receiver's store of the head and its look at the flag.
    #[inline]
    fn frequent(self) {
        match self {
            Self::None => {}
            Self::Full => fence(Ordering::SeqCst),
            Self::Asymmetric => barrier::light_or_slow(),
        }
    }

    /// Between the sender's store of the flag and its look at the head.
    fn rare(self) {
        match self {
            Self::None => {}
            Self::Full => fence(Ordering::SeqCst),
            Self::Asymmetric => barrier::heavy(),
        }
    }
}

impl Room {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            tail: OwnLine(Tail::new()),
            head: OwnLine(Head::new()),
            capacity,
            fences: Fences::of(capacity),
            is_waited_for: AtomicBool::new(false),
            queue: WaitQueue::new(()),
            rx_waker: RxWaker::new(),
        }
    }

    #[inline]
    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Messages that were sent and not received.
    pub(super) fn len(&self) -> u64 {
        // The head first: what is loaded later is not before it.
        let head = self.head.0.load();
        self.tail.0.load().position().since(head)
    }

    /// What could be sent now.
    pub(super) fn free(&self) -> u64 {
        let head = self.head.0.load();
        let word = self.tail.0.load();
        let used = word.position().since(head) + word.reserved();
        // A head that has become old since counts some too many.
        self.capacity.saturating_sub(used)
    }

    /// Claims places in a row, if there is room and nobody waits for it.
    #[inline]
    pub(super) fn claim(&self, n: u64) -> Result<Claim, Refused> {
        if self.has_queue() {
            return self.refuse();
        }
        self.tail.0.claim(n, &self.head.0, self.capacity)
    }

    /// Reserves room without places, if there is some and nobody waits for it.
    pub(super) fn reserve(&self, n: u64) -> Result<(), Refused> {
        if self.has_queue() {
            return self.refuse();
        }
        self.reserve_now(n)
    }

    fn reserve_now(&self, n: u64) -> Result<(), Refused> {
        self.tail.0.reserve(n, &self.head.0, self.capacity)
    }

    #[cold]
    fn refuse<T>(&self) -> Result<T, Refused> {
        let is_closed = self.tail.0.load().is_closed();
        Err(if is_closed {
            Refused::Closed
        } else {
            Refused::Full
        })
    }

    #[inline]
    fn has_queue(&self) -> bool {
        // ORDERING: Relaxed: a sender that sees it late goes before one that waits; those after it do not. Who frees room passes a fence first.
        self.is_waited_for.load(Ordering::Relaxed)
    }

    /// Uses `sent` permits for places in a row, and gives others up, which is to be [told](Self::gave_up) when the places are full.
    pub(super) fn settle(&self, sent: u64, given_up: u64) -> Claim {
        self.tail.0.settle(sent, given_up)
    }

    /// Gives permits up.
    pub(super) fn give_up(&self, n: u64) {
        if self.settle(0, n).wakes {
            self.wake_receiver();
        }
        self.gave_up();
    }

    /// Permits were given up: somebody may wait for the room.
    pub(super) fn gave_up(&self) {
        // ORDERING: SeqCst, partner of the rare fence in `stand`: this gives what was given up, or the other finds it.
        fence(Ordering::SeqCst);
        if self.has_queue() {
            self.give();
        }
    }

    /// Only by who has got it from a verdict.
    pub(super) fn wake_receiver(&self) {
        // SAFETY: the verdict says that RX_WAITING was set, and was taken away by the caller.
        let waker = unsafe { self.rx_waker.take() };
        waker.wake();
    }

    /// The receiver has come so far.
    #[inline]
    pub(super) fn received(&self, head: Position) {
        self.head.0.store(head);
        // ORDERING: partner of the rare fence in `stand`: this gives the room, or the other finds it.
        self.fences.frequent();
        if self.has_queue() {
            self.give();
        }
    }

    /// Gives what room there is to those who wait.
    #[cold]
    pub(super) fn give(&self) {
        let mut wakers = Wakers::new();
        loop {
            let mut locked = self.queue.lock();
            while !wakers.is_full() && self.give_to_first(&mut locked) {
                locked
                    .wake_front()
                    .into_iter()
                    .for_each(|waker| wakers.push(waker));
            }
            self.note_end(&locked);
            drop(locked);
            if !wakers.is_full() {
                return wakers.wake_all();
            }
            wakers.wake_all();
        }
    }

    fn give_to_first(&self, locked: &mut Locked<'_, (), Ask>) -> bool {
        let (_, Some(first)) = locked.front() else {
            return false;
        };
        first.is_granted = self.reserve_now(first.wanted).is_ok();
        first.is_granted
    }

    fn note_end(&self, locked: &Locked<'_, (), Ask>) {
        if locked.is_empty() {
            // ORDERING: Relaxed: by the lock, for who waits; the others may see it late.
            self.is_waited_for.store(false, Ordering::Relaxed);
        }
    }

    /// No more places from now on: everybody who waits for one is told.
    pub(super) fn close(&self) {
        self.tail.0.close();
        let mut wakers = Wakers::new();
        loop {
            let mut locked = self.queue.lock();
            while !wakers.is_full() {
                let Some(waker) = locked.wake_front() else {
                    break;
                };
                wakers.push(waker);
            }
            self.note_end(&locked);
            drop(locked);
            if !wakers.is_full() {
                return wakers.wake_all();
            }
            wakers.wake_all();
        }
    }

    /// Waits for `n` permits. Behind those who wait already.
    pub(super) fn acquire(&self, n: u64) -> Acquire<'_> {
        let ask = Ask {
            wanted: n,
            is_granted: false,
        };
        Acquire {
            room: self,
            wait: Wait::new(&self.queue, ask),
        }
    }

    /// The first poll of who waits.
    fn stand<'r>(
        &'r self,
        mut wait: Pin<&mut Wait<'r, (), Ask>>,
        waker: &Waker,
    ) -> Poll<Result<(), Refused>> {
        let waker = waker.clone();
        let wanted = wait.as_mut().value().wanted;
        let mut locked = self.queue.lock();
        if !self.has_queue() {
            // ORDERING: Relaxed: ordered by the fence.
            self.is_waited_for.store(true, Ordering::Relaxed);
            // ORDERING: partner of the fences in `received` and `gave_up`.
            self.fences.rare();
        }
        let at_once = if locked.is_empty() {
            self.reserve_now(wanted)
        } else {
            self.refuse()
        };
        if at_once == Err(Refused::Full) {
            wait.enqueue(&mut locked, waker);
            return Poll::Pending;
        }
        self.note_end(&locked);
        drop(locked);
        drop(waker);
        Poll::Ready(at_once)
    }
}

pin_project! {
    /// The future of [`Room::acquire`]. Permits that it was given and did not give out go back when it is dropped.
    pub(super) struct Acquire<'r> {
        room: &'r Room,
        #[pin]
        wait: Wait<'r, (), Ask>,
    }

    impl PinnedDrop for Acquire<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.room.leave(this.wait);
        }
    }
}

impl Room {
    fn leave<'r>(&'r self, mut wait: Pin<&mut Wait<'r, (), Ask>>) {
        if wait.phase() == Phase::Idle {
            return;
        }
        let mut locked = self.queue.lock();
        let waker = wait.as_mut().leave(&mut locked);
        self.note_end(&locked);
        drop(locked);
        drop(waker);
        let ask = wait.value();
        if std::mem::take(&mut ask.is_granted) {
            let wanted = ask.wanted;
            self.give_up(wanted);
        } else if self.has_queue() {
            self.give();
        }
    }
}

impl Future for Acquire<'_> {
    type Output = Result<(), Refused>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.wait.phase() == Phase::Idle {
            let stood = this.room.stand(this.wait, cx.waker());
            if stood.is_pending() {
                wait_reason::note(WaitReason::Send);
            }
            return stood;
        }
        ready!(this.wait.as_mut().poll(cx, WaitReason::Send));
        let is_granted = std::mem::take(&mut this.wait.as_mut().value().is_granted);
        this.wait.rearm();
        Poll::Ready(if is_granted {
            Ok(())
        } else {
            Err(Refused::Closed)
        })
    }
}
