//! What do the senders and the receiver of a channel share, and what may each of them do with it?
//!
//! A [`Room`], which says who may send, and a [`Chain`], which has the messages. [`Tx`] is the right to send, counted; [`Rx`] that to receive, of which there is one. The
//! public faces, bounded and not, stand on these.
//!
//! | a message | locked instructions |
//! |---|---|
//! | [`Tx::try_send`] | one: the claim |
//! | [`Rx::poll_recv`], of a message that is there | none |
//! | [`Rx::poll_recv`] that waits | the clone of the waker, and one |
//! | waking it | the wake |
//!
//! The end: CLOSED in the tail is set by the receiver or by the last sender. The receiver is told that nothing comes any more when it is set, everything claimed was
//! received, and no permit is out; or no sender is there, so that a permit that is out was forgotten (`mem::forget`).
//!
//! Permits may outlive the receiver. What they send then would stay in the chain as long as there is a sender, who may be waiting for an answer to it. So a receiver that goes leaves its right to
//! who has a lock, and who has sent by a permit looks whether the channel is closed, and if so drops, under that lock, what nobody receives. Before it goes it waits for those who have
//! claimed a place before it closed the channel, which is a matter of a few instructions.

use super::chain::Chain;
use super::error::TryRecvError;
use super::room::{Acquire, Room};
use super::tail::{Claim, Refused};
use crate::sync::drop_all::drop_all;
use crate::sync::short_wait;
use crate::sync::wait_queue::{Phase, Wait, WaitQueue};
use crate::sys::sync::Arc;
use crate::sys::sync::atomic::{AtomicUsize, Ordering};
use crate::util::budget;
use crate::util::wait_reason::{self, WaitReason};
use crate::util::wakers::Wakers;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

struct Chan<T> {
    room: Room,
    chain: Chain<T>,
    /// Senders that wait until the receiver is gone or closed; and whether it is gone, so that whoever has the lock may take messages out.
    closed: WaitQueue<bool, ()>,
    /// The last of them closes the channel.
    senders: AtomicUsize,
    weak: AtomicUsize,
}

/// The right to send.
pub(super) struct Tx<T>(Arc<Chan<T>>);

/// A way back to the right to send, as long as somebody has it.
pub(super) struct WeakTx<T>(Arc<Chan<T>>);

/// The right to receive.
pub(super) struct Rx<T>(Arc<Chan<T>>);

/// A channel of so many places.
pub(super) fn channel<T>(capacity: u64) -> (Tx<T>, Rx<T>) {
    let chan = Arc::new(Chan {
        room: Room::new(capacity),
        chain: Chain::new(),
        closed: WaitQueue::new(false),
        senders: AtomicUsize::new(1),
        weak: AtomicUsize::new(0),
    });
    (Tx(chan.clone()), Rx(chan))
}

impl<T> Chan<T> {
    /// Fills places that were claimed in a row, and wakes the receiver if it waits for them.
    ///
    /// # Safety
    ///
    /// The claim is the caller's, of as many places as there are messages, which come without code of the user's.
    #[inline]
    unsafe fn fill(&self, claim: Claim, messages: impl Iterator<Item = T>) {
        // SAFETY: claimed by an exchange of this tail.
        unsafe { self.chain.fill(claim.first, messages, &self.room.tail.0) };
        if claim.wakes {
            self.room.wake_receiver();
        }
    }

    /// To be called when something was sent by a permit: drops it if the receiver has gone.
    #[inline]
    fn sent_by_permit(&self) {
        // If it is not closed yet, the receiver closes it later, and then sees the claim.
        if self.room.tail.0.load().is_closed() {
            self.drop_left();
        }
    }

    /// Drops what is there, if the receiver has gone. What is not filled yet is left to who fills it, and comes here after that.
    #[cold]
    fn drop_left(&self) {
        drop_all(|| {
            let is_gone = self.closed.lock();
            // SAFETY: the receiver has gone, and has left its right to who has the lock.
            is_gone.then(|| unsafe { self.chain.pop() }).flatten()
        });
    }
}

impl<T> Tx<T> {
    /// Sends, if there is room.
    #[inline]
    pub(super) fn try_send(&self, message: T) -> Result<(), (Refused, T)> {
        match self.0.room.claim(1) {
            Ok(claim) => {
                // SAFETY: claimed just now.
                unsafe { self.0.fill(claim, std::iter::once(message)) };
                Ok(())
            }
            Err(refused) => Err((refused, message)),
        }
    }

    /// Sends with a permit, which is used up.
    pub(super) fn send_reserved(&self, message: T) {
        let claim = self.0.room.settle(1, 0);
        // SAFETY: claimed just now, with a permit.
        unsafe { self.0.fill(claim, std::iter::once(message)) };
        self.0.sent_by_permit();
    }

    /// Sends some with `permits`, and gives the rest of those up.
    pub(super) fn send_batch_reserved(
        &self,
        messages: impl ExactSizeIterator<Item = T>,
        permits: u64,
    ) {
        let sent = messages.len() as u64;
        let given_up = permits - sent;
        if sent == 0 {
            return self.give_up(given_up);
        }
        let claim = self.0.room.settle(sent, given_up);
        // SAFETY: claimed just now, with permits.
        unsafe { self.0.fill(claim, messages) };
        if given_up > 0 {
            self.0.room.gave_up();
        }
        self.0.sent_by_permit();
    }

    pub(super) fn reserve(&self, n: u64) -> Result<(), Refused> {
        self.0.room.reserve(n)
    }

    pub(super) fn give_up(&self, permits: u64) {
        if permits > 0 {
            self.0.room.give_up(permits);
        }
    }

    /// Waits for permits.
    pub(super) fn acquire(&self, n: u64) -> Acquire<'_> {
        self.0.room.acquire(n)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.room.tail.0.load().is_closed()
    }

    /// Waits until the receiver is gone or closed.
    pub(super) fn closed(&self) -> Closed<'_> {
        Closed {
            room: &self.0.room,
            wait: Wait::new(&self.0.closed, ()),
        }
    }

    pub(super) fn room(&self) -> &Room {
        &self.0.room
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn downgrade(&self) -> WeakTx<T> {
        WeakTx::new(self.0.clone())
    }

    pub(super) fn strong_count(&self) -> usize {
        strong_count(&self.0)
    }

    pub(super) fn weak_count(&self) -> usize {
        weak_count(&self.0)
    }
}

fn strong_count<T>(chan: &Chan<T>) -> usize {
    // ORDERING: Relaxed: a number that is old when it is seen.
    chan.senders.load(Ordering::Relaxed)
}

fn weak_count<T>(chan: &Chan<T>) -> usize {
    // ORDERING: Relaxed, as above.
    chan.weak.load(Ordering::Relaxed)
}

impl<T> Clone for Tx<T> {
    fn clone(&self) -> Self {
        // ORDERING: Relaxed: this one is counted, so that it is not the last that goes meanwhile.
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl<T> Drop for Tx<T> {
    fn drop(&mut self) {
        // ORDERING: AcqRel, partners of one another: what all senders did comes before the end that the last one tells of.
        let before = self.0.senders.fetch_sub(1, Ordering::AcqRel);
        if before == 1 && self.0.room.tail.0.end() {
            self.0.room.wake_receiver();
        }
    }
}

impl<T> WeakTx<T> {
    fn new(chan: Arc<Chan<T>>) -> Self {
        // ORDERING: Relaxed: it only counts.
        chan.weak.fetch_add(1, Ordering::Relaxed);
        Self(chan)
    }

    pub(super) fn upgrade(&self) -> Option<Tx<T>> {
        let more = |count: usize| (count > 0).then(|| count + 1);
        // ORDERING: Relaxed, as for a clone: at 0 it stays, and otherwise somebody is counted.
        let counted = (self.0.senders).fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        counted.is_ok().then(|| Tx(self.0.clone()))
    }

    pub(super) fn strong_count(&self) -> usize {
        strong_count(&self.0)
    }

    pub(super) fn weak_count(&self) -> usize {
        weak_count(&self.0)
    }
}

impl<T> Clone for WeakTx<T> {
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

impl<T> Drop for WeakTx<T> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: it only counts.
        self.0.weak.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> Rx<T> {
    /// A message that is there, whose room is not given back yet.
    #[inline]
    fn pop(&mut self) -> Option<T> {
        // SAFETY: there is one `Rx`, and it is held exclusively.
        unsafe { self.0.chain.pop() }
    }

    /// Gives the room of the `n` that were received back.
    #[inline]
    fn received(&mut self, n: usize) {
        // SAFETY: as for `pop`.
        let head = unsafe { self.0.chain.head() };
        self.0.room.received(head, n as u64);
    }

    /// A message whose place was claimed: it comes as soon as its sender has gone on.
    #[cold]
    fn pop_claimed(&mut self) -> T {
        let mut message = None;
        short_wait::until(|| {
            message = self.pop();
            message.is_some()
        });
        message.expect("waited for")
    }

    /// Nothing was there to pop: a message that came meanwhile, or why there is none. If the channel is empty, says so by the word that was seen.
    fn look_again(&mut self) -> Result<T, (TryRecvError, super::tail::Word)> {
        let mut word = self.0.room.tail.0.load();
        let mut is_over = word.is_closed() && word.reserved() == 0;
        if word.is_closed() && !is_over && self.has_no_sender() {
            // Those permits were forgotten. The word again: it has what the senders did now.
            word = self.0.room.tail.0.load();
            is_over = true;
        }
        // SAFETY: as for `pop`.
        let head = unsafe { self.0.chain.head() };
        if word.position() != head {
            return Ok(self.pop_claimed());
        }
        Err((
            if is_over {
                TryRecvError::Disconnected
            } else {
                TryRecvError::Empty
            },
            word,
        ))
    }

    #[cold]
    fn has_no_sender(&self) -> bool {
        // ORDERING: Acquire, partner of the subtraction of each sender that has gone: what it claimed is in the tail.
        self.0.senders.load(Ordering::Acquire) == 0
    }

    /// The next message, if it is there.
    pub(super) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let message = match self.pop() {
            Some(message) => message,
            None => self.look_again().map_err(|(why, _)| why)?,
        };
        self.received(1);
        Ok(message)
    }

    /// The next message; none when nothing comes any more.
    #[inline]
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(budget::poll_proceed(cx));
        let message = match self.pop() {
            Some(message) => message,
            None => match ready!(self.poll_empty(cx)) {
                Some(message) => message,
                None => return Poll::Ready(None),
            },
        };
        budget::charge();
        self.received(1);
        Poll::Ready(Some(message))
    }

    /// As many as are there, but no more than `limit`, which is not 0. None only when nothing comes any more.
    pub(super) fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        messages: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        ready!(budget::poll_proceed(cx));
        let before = messages.len();
        while messages.len() - before < limit {
            let Some(message) = self.pop() else { break };
            messages.push(message);
        }
        if messages.len() == before {
            match ready!(self.poll_empty(cx)) {
                Some(message) => messages.push(message),
                None => return Poll::Ready(0),
            }
        }
        budget::charge();
        let count = messages.len() - before;
        self.received(count);
        Poll::Ready(count)
    }

    /// Nothing was there to pop. Leaves the waker, unless something has come, or nothing comes any more.
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            let word = match self.look_again() {
                Ok(message) => return Poll::Ready(Some(message)),
                Err((TryRecvError::Disconnected, _)) => return Poll::Ready(None),
                Err((TryRecvError::Empty, word)) => word,
            };
            let Room { tail, rx_waker, .. } = &self.0.room;
            if rx_waker.is_empty() {
                // SAFETY: the receiver's, and empty.
                unsafe { rx_waker.put(cx.waker().clone()) };
                if tail.0.wait(word).is_ok() {
                    // The fence is that of the last message.
                    self.0.room.call_any();
                    break;
                }
                // SAFETY: full, and RX_WAITING is not set.
                drop(unsafe { rx_waker.take() });
            // SAFETY: the receiver's, and full.
            } else if unsafe { rx_waker.will_wake(cx.waker()) } {
                // It waits, or is about to be woken.
                break;
            } else {
                self.take_waker_back();
            }
        }
        wait_reason::note(WaitReason::Receive);
        Poll::Pending
    }

    /// Empties the place of the waker, or waits until who is about to has done so.
    #[cold]
    fn take_waker_back(&mut self) {
        let Room { tail, rx_waker, .. } = &self.0.room;
        let mut word = tail.0.load();
        while word.is_waited() {
            match tail.0.retract(word) {
                Ok(_) => {
                    // SAFETY: full, as RX_WAITING says, which was taken away just now.
                    return drop(unsafe { rx_waker.take() });
                }
                Err(now) => word = now,
            }
        }
        short_wait::until(|| rx_waker.is_empty());
    }

    /// No more messages from now on, but for what was sent and what permits are out for.
    pub(super) fn close(&mut self) {
        self.0.room.close();
        let mut wakers = Wakers::new();
        loop {
            let mut locked = self.0.closed.lock();
            while !wakers.is_full() {
                let Some(waker) = locked.wake_front() else {
                    break;
                };
                wakers.push(waker);
            }
            let is_over = locked.is_empty();
            drop(locked);
            wakers.wake_all();
            if is_over {
                return;
            }
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.room.tail.0.load().is_closed()
    }

    pub(super) fn room(&self) -> &Room {
        &self.0.room
    }

    pub(super) fn strong_count(&self) -> usize {
        strong_count(&self.0)
    }

    pub(super) fn weak_count(&self) -> usize {
        weak_count(&self.0)
    }
}

impl<T> Drop for Rx<T> {
    fn drop(&mut self) {
        self.close();
        if !self.0.room.rx_waker.is_empty() {
            self.take_waker_back();
        }
        // Also if a destructor panics.
        let _last = LeavesTheRest(self.0.clone());
        drop_all(|| self.pop().or_else(|| self.look_again().ok()));
    }
}

/// A receiver that has gone.
struct LeavesTheRest<T>(Arc<Chan<T>>);

impl<T> Drop for LeavesTheRest<T> {
    fn drop(&mut self) {
        *self.0.closed.lock() = true;
        self.0.drop_left();
    }
}

pin_project! {
    /// The future of [`Tx::closed`].
    pub(super) struct Closed<'c> {
        room: &'c Room,
        #[pin]
        wait: Wait<'c, bool, ()>,
    }
}

impl Future for Closed<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.wait.phase() != Phase::Idle {
            return this.wait.poll(cx, WaitReason::Closed);
        }
        let waker = cx.waker().clone();
        let mut locked = this.wait.queue().lock();
        // Under the lock, which who closes takes after it has said so.
        let is_closed = this.room.tail.0.load().is_closed();
        if !is_closed {
            this.wait.as_mut().enqueue(&mut locked, waker);
            wait_reason::note(WaitReason::Closed);
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}
