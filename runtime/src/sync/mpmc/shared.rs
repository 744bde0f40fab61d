//! Who is told when a message comes, or room, or the end?

use super::error::{SendError, TryRecvError, TrySendError};
use super::ring::{NotPopped, NotPushed, Ring};
use super::turn::Turn;
use super::{Receiver, Sender};
use crate::sync::drop_all::drop_all;
use crate::sync::handles::Handles;
use crate::sync::wait_queue::{Locked, WaitQueue};
use crate::sync::wait_until::wait_until;
use crate::sys::sync::Arc;
use crate::util::shield::shield;
use crate::util::wait_reason::WaitReason;
use crate::util::wakers::Wakers;

/// What both sides of a channel have.
pub(super) struct Shared<T> {
    ring: Ring<T>,
    receiving: WaitQueue<(), ()>,
    sending: WaitQueue<(), ()>,
    /// Senders that wait for the end.
    closed: WaitQueue<(), ()>,
    pub(super) senders: Handles,
    pub(super) receivers: Handles,
}

/// Of the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Receiving,
    Sending,
}

impl Side {
    pub(super) fn reason(self) -> WaitReason {
        match self {
            Self::Receiving => WaitReason::Receive,
            Self::Sending => WaitReason::Send,
        }
    }
}

impl<T> Shared<T> {
    pub(super) fn pair(capacity: usize) -> (Sender<T>, Receiver<T>) {
        Self::pair_of(Ring::new(capacity))
    }

    pub(super) fn pair_of(ring: Ring<T>) -> (Sender<T>, Receiver<T>) {
        let shared = Arc::new(Self {
            ring,
            receiving: WaitQueue::new(()),
            sending: WaitQueue::new(()),
            closed: WaitQueue::new(()),
            senders: Handles::one(),
            receivers: Handles::one(),
        });
        (Sender::of(shared.clone()), Receiver::of(shared))
    }

    #[inline]
    pub(super) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.ring.push(value) {
            Ok(somebody_waits) => {
                if somebody_waits {
                    self.wake(Side::Receiving, 1);
                }
                Ok(())
            }
            Err(NotPushed::Full(value)) => Err(TrySendError::Full(value)),
            Err(NotPushed::Closed(value)) => Err(TrySendError::Closed(value)),
        }
    }

    #[inline]
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        let (value, somebody_waits) = self.ring.pop()?;
        if somebody_waits {
            self.wake(Side::Sending, 1);
        }
        Ok(value)
    }

    pub(super) fn try_recv_many(
        &self,
        messages: &mut Vec<T>,
        limit: usize,
    ) -> Result<usize, TryRecvError> {
        let (count, somebody_waits) = self.ring.pop_many(messages, limit)?;
        if somebody_waits {
            self.wake(Side::Sending, count);
        }
        Ok(count)
    }

    /// Waits for room and sends what is in `value`. False if the channel is closed; then it is still there, as it is if the future is dropped.
    pub(super) fn send_from<'a>(
        &'a self,
        value: &'a mut Option<T>,
    ) -> impl Future<Output = bool> + use<'a, T> {
        Turn::new(self, Side::Sending, move || {
            let sent = self.try_send(value.take()?);
            match sent {
                Ok(()) => Some(true),
                Err(TrySendError::Full(back)) => {
                    *value = Some(back);
                    None
                }
                Err(TrySendError::Closed(back)) => {
                    *value = Some(back);
                    Some(false)
                }
            }
        })
    }

    /// Sends of `items`, with what is in `next` before them, what there is room for, at most [`ROUND`], and wakes those who wait for it once. `None` if there is no room.
    /// An item for which there is none goes into `next`.
    pub(super) fn try_send_round(
        &self,
        next: &mut Option<T>,
        items: &mut impl Iterator<Item = T>,
    ) -> Option<Result<Round, SendError<T>>> {
        let mut waited_for = WokenAtEnd(self, 0);
        let mut is_any = false;
        for _ in 0..ROUND {
            let Some(item) = next.take().or_else(|| items.next()) else {
                return Some(Ok(Round::Last));
            };
            match self.ring.push(item) {
                Ok(somebody_waits) => waited_for.1 += usize::from(somebody_waits),
                Err(NotPushed::Closed(item)) => return Some(Err(SendError(item))),
                Err(NotPushed::Full(item)) => {
                    *next = Some(item);
                    return is_any.then_some(Ok(Round::More));
                }
            }
            is_any = true;
        }
        Some(Ok(Round::More))
    }

    pub(super) fn queue(&self, side: Side) -> &WaitQueue<(), ()> {
        match side {
            Side::Receiving => &self.receiving,
            Side::Sending => &self.sending,
        }
    }

    /// Whether nothing is to be had on this side; whoever makes that untrue from now on wakes somebody. To be called under the lock of its queue.
    pub(super) fn must_wait(&self, side: Side) -> bool {
        let ring = &self.ring;
        match side {
            Side::Receiving => {
                // The head first: the tail is never behind it, so that they have met if they seem to have.
                let head = ring.head().load();
                let tail = ring.tail().wait();
                head.position() == tail.position() && !tail.is_closed()
            }
            Side::Sending => {
                // The tail first: it is never more than a lap ahead.
                let tail = ring.tail().load();
                let head = ring.head().wait();
                ring.is_full_between(head, tail) && !tail.is_closed()
            }
        }
    }

    /// Wakes those who have waited longest on a side, at most so many. A wake too many does no harm.
    #[cold]
    pub(super) fn wake(&self, side: Side, count: usize) {
        if count > 1 {
            return self.wake_many(side, count);
        }
        let mut locked = self.queue(side).lock();
        let waker = locked.wake_front();
        if waker.is_none() {
            self.nobody_waits(side);
        }
        drop(locked);
        if let Some(waker) = waker {
            shield(|| waker.wake());
        }
    }

    fn wake_many(&self, side: Side, mut left: usize) {
        let mut wakers = Wakers::new();
        loop {
            let mut locked = self.queue(side).lock();
            while left > 0 && !wakers.is_full() {
                let Some(waker) = locked.wake_front() else {
                    self.nobody_waits(side);
                    left = 0;
                    break;
                };
                wakers.push(waker);
                left -= 1;
            }
            drop(locked);
            wakers.wake_all();
            if left == 0 {
                return;
            }
        }
    }

    /// To be called under the lock of the side's queue, which is empty.
    fn nobody_waits(&self, side: Side) {
        match side {
            Side::Receiving => self.ring.tail().nobody_waits(),
            Side::Sending => self.ring.head().nobody_waits(),
        }
    }

    /// Nothing more can be sent. True if that is new.
    pub(super) fn close(&self) -> bool {
        let is_new = self.ring.tail().close();
        if is_new {
            self.wake_many(Side::Receiving, usize::MAX);
            self.wake_many(Side::Sending, usize::MAX);
            self.closed.lock().wake_while(|(), ()| true);
        }
        is_new
    }

    /// Waits until nothing more can be sent.
    pub(super) async fn closed(&self) {
        // Under the lock, which who closes takes after it has said so.
        let look = |_: &mut Locked<'_, (), ()>| self.is_closed().then_some(());
        wait_until(&self.closed, (), WaitReason::Closed, look).await;
    }

    /// The last receiver has gone: closes, and drops what nobody will receive.
    pub(super) fn close_and_empty(&self) {
        self.close();
        drop_all(|| self.ring.pop().ok());
    }

    pub(super) fn is_closed(&self) -> bool {
        self.ring.tail().load().is_closed()
    }

    pub(super) fn len(&self) -> usize {
        self.ring.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}

/// So many items of a `send_many` are sent before anybody is told and the task's budget is charged: as many as are [woken](Wakers) in one go.
const ROUND: usize = 32;

/// What became of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// There were no more items.
    Last,
    /// There may be more.
    More,
}

/// Wakes so many receivers at the end, also when the caller's iterator panics.
struct WokenAtEnd<'a, T>(&'a Shared<T>, usize);

impl<T> Drop for WokenAtEnd<'_, T> {
    fn drop(&mut self) {
        if self.1 > 0 {
            self.0.wake(Side::Receiving, self.1);
        }
    }
}

impl From<NotPopped> for TryRecvError {
    fn from(why: NotPopped) -> Self {
        match why {
            NotPopped::Empty => Self::Empty,
            NotPopped::Closed => Self::Closed,
        }
    }
}
