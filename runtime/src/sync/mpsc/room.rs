//! How does a sender wait for room, and who calls it?
//!
//! It stands in line, in a [`WaitQueue`]. Whoever runs takes what room there is, also if others wait: room that is kept for a task that sleeps is of no use until that task runs, and
//! meanwhile the one that runs would have to stand in line for each message. So who frees room does not give it away, but *calls* the first in line, which then tries like
//! anybody else. One that was called in vain [`PATIENCE`] times has its room reserved, and as long as it stands there newcomers stand behind it.
//!
//! | who | does |
//! |---|---|
//! | a newcomer | takes room if there is enough, and the first in line is not impatient; else locks; if nobody stands there raises QUEUED, passes a full fence, and tries again; otherwise stands at the end |
//! | the receiver, after each message | publishes the head; passes a full fence; if somebody stands there and nobody is on the way, calls |
//! | the receiver, when it begins to wait, and with every [`CALL_AGAIN`]th message; who gives permits up, after a full fence | if somebody stands there, calls, also if another is on the way |
//! | who calls, under the lock | if there is room for the first: takes it out and wakes it, on which it is on the way (CALLED). If not, this counts as called in vain. For an impatient one it reserves the room |
//! | who was called | tries; *answers* (clears CALLED) once it has room; if others stand there it passes a full fence, and if room is left, calls |
//! | who was called in vain | locks; answers, and passes a full fence; tries again; stands in line before all others |
//! | who was called and is dropped | gives up what was reserved for it; answers, as above |
//! | who leaves the line | if there is room, calls: those behind it may fit |
//! | who closes | says so in the tail; then under the lock tells everybody |
//!
//! What [the word](super::line) says about the line, an [`Ask`] says about a waiter: how often it was called in vain, and whether its room is reserved.
//!
//! *Nobody stands first while there is room for it, and nobody on the way, nor about to call.* Who makes it so that somebody stands there and nobody is on the way looks at the tail and
//! the head after its fence: a newcomer that would be the first, and who answers. Who frees room looks at the word after its own fence. One of the two sees the other: either
//! the room is found by the one, or the other finds that it has to call, and comes to the lock when the sender stands in line. Who frees room while somebody is on the way
//! has nothing to do, since that one looks when it answers. Whoever takes room away gives it back so in the end: a message is received, a permit is used or given up.
//!
//! *Everybody gets its turn.* Newcomers stand at the end, and only who was called comes back to the front. So who is first stays first, or next to it, until it has its room, and loses
//! it at most [`PATIENCE`] times. One who asks for many places is not called while there are fewer, but loses each time that somebody finds it so; when it has become impatient, room
//! accumulates.
//!
//! One that was called and is not polled, as in a `select!` whose other arm takes long, would hold up those in line. So another is called after some messages, and when the receiver finds
//! none: nobody would wake it but they. That is in vain if the first is just slow, but costs no poll that would not come later anyhow (docs/decisions/room.md).
//!
//! So somebody is called after a message that is received, not after half the capacity: a receiver that takes one message and then waits for something else, which is the
//! sender's to do, would wait for ever. What this costs is a full fence for each message, about 5 ns.
//!
//! Rejected: to reserve room for each that waits, always (a switch of tasks for nearly every message, see docs/decisions/room.md); to take the message itself out of the waiting sender
//! (then one whose `send` is dropped would not know whether it was sent); to call one for each place that is free (all but the first come in vain); a
//! semaphore that every message takes from and gives to (a locked instruction more on each side); the word's bits in the tail (the receiver would read the senders' line with each
//! message); a fence of the compiler's for the receiver and `membarrier` for the sender that waits, which is dearer even with room for 128 (docs/decisions/room.md).

use super::line::{First, Line};
use super::own_line::OwnLine;
use super::rx_waker::RxWaker;
use super::tail::{Claim, Head, Position, Refused, Tail, UNBOUNDED};
use crate::sync::wait_queue::{Locked, Phase, Wait, WaitQueue};
use crate::sys::sync::atomic::{Ordering, fence};
use crate::util::shield::shield;
use crate::util::wait_reason::{self, WaitReason};
use crate::util::wakers::Wakers;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

/// How often a sender that waits is called in vain before room is reserved for it. A guess. Models come sooner to what follows.
pub(super) const PATIENCE: u8 = if cfg!(loom) { 1 } else { 4 };

/// After so many messages somebody is called also if another is on the way. A guess: one poll in vain among so many is not noticed (with 64 it was, with room for 128).
const CALL_AGAIN: u64 = 512;

/// The places of a channel, how many there are, and who waits for one.
pub(super) struct Room {
    pub(super) tail: OwnLine<Tail>,
    head: OwnLine<Head>,
    capacity: u64,
    line: Line,
    queue: WaitQueue<(), Ask>,
    /// The other direction: the receiver that waits for a message.
    pub(super) rx_waker: RxWaker,
}

/// What a sender that waits asks for, and what it has with it.
#[derive(Debug)]
struct Ask {
    wanted: u64,
    /// How often it was called in vain, or would have been.
    losses: u8,
    /// The room is its own since it was called.
    is_reserved: bool,
}

/// Who comes to stand in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comer {
    New,
    /// Has stood there, and was called.
    Called,
}

type Waiting<'r> = Wait<'r, (), Ask>;

impl Ask {
    fn lose(&mut self) -> First {
        self.losses = self.losses.saturating_add(1);
        self.as_first()
    }

    fn is_impatient(&self) -> bool {
        self.losses >= PATIENCE
    }

    fn as_first(&self) -> First {
        if self.is_impatient() {
            First::Impatient
        } else {
            First::Patient
        }
    }
}

impl Room {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            tail: OwnLine(Tail::new()),
            head: OwnLine(Head::new()),
            capacity,
            line: Line::new(),
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

    /// Claims places in a row, if there is room, and nobody has waited too long for it.
    #[inline]
    pub(super) fn claim(&self, n: u64) -> Result<Claim, Refused> {
        if !self.line.is_open() {
            return self.refuse();
        }
        self.tail.0.claim(n, &self.head.0, self.capacity)
    }

    /// Reserves room without places, if there is some, and nobody has waited too long for it.
    pub(super) fn reserve(&self, n: u64) -> Result<(), Refused> {
        if !self.line.is_open() {
            return self.refuse();
        }
        self.reserve_now(n)
    }

    fn reserve_now(&self, n: u64) -> Result<(), Refused> {
        self.tail.0.reserve(n, &self.head.0, self.capacity)
    }

    fn has_room(&self, n: u64) -> bool {
        self.tail.0.has_room(n, &self.head.0, self.capacity)
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
        // ORDERING: SeqCst, partner of the fences in `stand` and `Line::answer`: this calls, or the other finds the room.
        fence(Ordering::SeqCst);
        self.call_any();
    }

    /// Whoever was called before: by who does not free room again soon, and has passed a fence since it did.
    #[inline]
    pub(super) fn call_any(&self) {
        if self.line.has_queue() {
            self.call_another();
        }
    }

    /// Only by who has got it from a verdict.
    pub(super) fn wake_receiver(&self) {
        // SAFETY: the verdict says that RX_WAITING was set, and was taken away by the caller.
        let waker = unsafe { self.rx_waker.take() };
        shield(|| waker.wake());
    }

    /// The receiver has come so far, by `n` messages.
    #[inline]
    pub(super) fn received(&self, head: Position, n: u64) {
        self.head.0.store(head);
        if self.capacity == UNBOUNDED {
            return;
        }
        // ORDERING: SeqCst, partner of the fences in `stand` and `Line::answer`: this calls, or the other finds the room.
        fence(Ordering::SeqCst);
        if self.line.has_queue() {
            self.call_if_due(head, n);
        }
    }

    #[cold]
    fn call_if_due(&self, head: Position, n: u64) {
        if self.line.has_to_call() {
            self.call();
        } else if head.to_number() % CALL_AGAIN < n {
            self.call_another();
        }
    }

    /// Calls the first in line, if there is room for it.
    #[cold]
    fn call(&self) {
        let mut locked = self.queue.lock();
        let called = self.call_first(&mut locked);
        drop(locked);
        wake(called);
    }

    /// Who is on the way may not come for long.
    #[cold]
    fn call_another(&self) {
        if self.line.answer() {
            self.call();
        }
    }

    /// Returns who is to be woken when the lock is gone.
    #[must_use = "it is on the way, and has to be woken"]
    fn call_first(&self, locked: &mut Locked<'_, (), Ask>) -> Option<Waker> {
        if self.line.is_called() {
            return None;
        }
        let ((), first) = locked.front();
        let ask = first?;
        if ask.is_impatient() {
            self.reserve_now(ask.wanted).ok()?;
            ask.is_reserved = true;
        } else if !self.has_room(ask.wanted) {
            self.line.note(ask.lose());
            return None;
        }
        // Before it can see that it was woken, and answers.
        self.line.call();
        let called = locked.wake_front();
        self.note_first(locked);
        called
    }

    fn note_first(&self, locked: &mut Locked<'_, (), Ask>) {
        let ((), first) = locked.front();
        self.line
            .note(first.map_or(First::Nobody, |ask| ask.as_first()));
    }

    /// Who was called needs no call any more: the next one may.
    fn answer(&self) {
        if self.line.answer() && self.has_room(1) {
            self.call();
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
            self.note_first(&mut locked);
            drop(locked);
            if !wakers.is_full() {
                return wakers.wake_all();
            }
            wakers.wake_all();
        }
    }

    /// Waits for `n` permits.
    pub(super) fn acquire(&self, n: u64) -> Acquire<'_> {
        let ask = Ask {
            wanted: n,
            losses: 0,
            is_reserved: false,
        };
        Acquire {
            room: self,
            wait: Wait::new(&self.queue, ask),
        }
    }

    /// Stands in line, or finds room after all.
    #[cold]
    fn stand<'r>(
        &'r self,
        mut wait: Pin<&mut Waiting<'r>>,
        waker: &Waker,
        comer: Comer,
    ) -> Poll<Result<(), Refused>> {
        let waker = waker.clone();
        let mut locked = self.queue.lock();
        let found = self.look_again(wait.as_mut().value(), &locked, comer);
        if found == Err(Refused::Full) {
            match comer {
                Comer::New => wait.enqueue(&mut locked, waker),
                Comer::Called => {
                    wait.as_mut().rearm();
                    wait.enqueue_front(&mut locked, waker);
                }
            }
            return Poll::Pending;
        }
        wait.rearm();
        self.note_first(&mut locked);
        let called = self.call_left(&mut locked);
        drop(locked);
        drop(waker);
        wake(called);
        Poll::Ready(found)
    }

    /// Under the lock. Full only after it was said that the caller stands there, which it has to before it lets go of the lock.
    fn look_again(
        &self,
        ask: &mut Ask,
        locked: &Locked<'_, (), Ask>,
        comer: Comer,
    ) -> Result<(), Refused> {
        match comer {
            Comer::New if !locked.is_empty() => return self.refuse(),
            Comer::New => {
                self.line.note(First::Patient);
                // ORDERING: SeqCst, partner of the fences in `received` and `gave_up`: those call, or this finds the room.
                fence(Ordering::SeqCst);
            }
            Comer::Called => {
                self.line.note(ask.lose());
                let _others = self.line.answer();
            }
        }
        self.reserve_now(ask.wanted)
    }

    /// Who was called tries.
    fn come<'r>(
        &'r self,
        mut wait: Pin<&mut Waiting<'r>>,
        waker: &Waker,
    ) -> Poll<Result<(), Refused>> {
        let ask = wait.as_mut().value();
        let found = if std::mem::take(&mut ask.is_reserved) {
            Ok(())
        } else {
            self.reserve_now(ask.wanted)
        };
        if found == Err(Refused::Full) {
            return self.stand(wait, waker, Comer::Called);
        }
        wait.rearm();
        self.answer();
        Poll::Ready(found)
    }

    /// Of the room that is left by who does not need to stand in line, or does not any more.
    fn call_left(&self, locked: &mut Locked<'_, (), Ask>) -> Option<Waker> {
        self.has_room(1).then(|| self.call_first(locked)).flatten()
    }

    #[cold]
    fn leave<'r>(&'r self, mut wait: Pin<&mut Waiting<'r>>) {
        if wait.phase() == Phase::Waiting {
            let mut locked = self.queue.lock();
            let waker = wait.as_mut().leave(&mut locked);
            if waker.is_some() {
                self.note_first(&mut locked);
                let called = self.call_left(&mut locked);
                drop(locked);
                drop(waker);
                return wake(called);
            }
        }
        let ask = wait.value();
        if std::mem::take(&mut ask.is_reserved) {
            self.give_up(ask.wanted);
        }
        self.answer();
    }
}

fn wake(called: Option<Waker>) {
    if let Some(waker) = called {
        shield(|| waker.wake());
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
            if this.wait.phase() != Phase::Idle {
                this.room.leave(this.wait);
            }
        }
    }
}

impl Future for Acquire<'_> {
    type Output = Result<(), Refused>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = if this.wait.phase() == Phase::Idle {
            this.room.stand(this.wait, cx.waker(), Comer::New)
        } else {
            ready!(this.wait.as_mut().poll(cx, WaitReason::Send));
            this.room.come(this.wait, cx.waker())
        };
        if polled.is_pending() {
            wait_reason::note(WaitReason::Send);
        }
        polled
    }
}
