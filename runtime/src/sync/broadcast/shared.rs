//! What comes next for a receiver, and who is told of a message?

use super::error::SendError;
use super::slot::{NotThere, RECEIVERS_MAX, Slot};
use crate::sync::drop_all::drop_all;
use crate::sync::handles::Handles;
use crate::sync::wait_queue::{Locked, WaitQueue};
use crate::sync::wait_until::wait_until;
use crate::util::wait_reason::WaitReason;
use crate::util::wakers::Wakers;

/// What both sides of a channel have.
pub(super) struct Shared<T> {
    /// As many as a power of two.
    slots: Box<[Slot<T>]>,
    /// Receivers that wait, each with the position that it waits for.
    news: WaitQueue<Line, u64>,
    pub(super) senders: Handles,
    /// Weak senders, which are only told of.
    pub(super) weak: Handles,
    /// Senders that wait until there is no receiver.
    all_gone: WaitQueue<(), ()>,
}

/// What is under the lock.
#[derive(Debug, Default)]
struct Line {
    /// The position of the next message. They are counted from 0 and never begin anew: at one in each nanosecond that would take 584 years.
    tail: u64,
    /// How many receivers have a right to it.
    receivers: u64,
    /// There will be no other: every sender has gone.
    is_closed: bool,
}

/// What there is for a receiver at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// A message.
    Message,
    /// Nothing yet.
    None,
    /// The message was overwritten, as were others; this is the oldest one that is left.
    Lagged { oldest: u64 },
    /// Nothing, and nothing will come.
    Closed,
}

impl<T> Shared<T> {
    /// With one sender and no receiver.
    ///
    /// # Panics
    ///
    /// If the capacity is 0 or too much.
    pub(super) fn new(capacity: usize) -> Self {
        assert!(
            capacity > 0,
            "a broadcast channel of no capacity loses everything; give it at least 1"
        );
        assert!(
            capacity <= usize::MAX / 4,
            "so many messages do not fit into memory"
        );
        let slots = capacity.next_power_of_two();
        Self {
            slots: (0..slots).map(|_| Slot::new()).collect(),
            news: WaitQueue::new(Line::default()),
            senders: Handles::one(),
            weak: Handles::none(),
            all_gone: WaitQueue::new(()),
        }
    }

    /// Sends, and says how many receivers have a right to it.
    pub(super) fn send(&self, message: T) -> Result<usize, SendError<T>> {
        let mut line = self.news.lock();
        let (position, receivers) = (line.tail, line.receivers);
        if receivers == 0 {
            drop(line);
            return Err(SendError(message));
        }
        let overwritten = self.slot(position).put(position, message, receivers);
        line.tail += 1;
        if line.is_empty() {
            drop(line);
        } else {
            self.tell(line, position + 1);
        }
        drop(overwritten);
        Ok(usize::try_from(receivers).unwrap_or(usize::MAX))
    }

    /// Wakes those who wait for something before this position. Not those who have come since and wait for what is next.
    #[cold]
    fn tell<'a>(&'a self, mut line: Locked<'a, Line, u64>, end: u64) {
        let mut wakers = Wakers::new();
        loop {
            while !wakers.is_full() {
                match line.front() {
                    (_, Some(awaited)) if *awaited < end => {}
                    _ => break,
                }
                wakers.push(line.wake_front().expect("there is a first one"));
            }
            drop(line);
            let is_over = !wakers.is_full();
            wakers.wake_all();
            if is_over {
                return;
            }
            line = self.news.lock();
        }
    }

    /// The last sender has gone.
    pub(super) fn close(&self) {
        let mut line = self.news.lock();
        line.is_closed = true;
        self.tell(line, u64::MAX);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.news.lock().is_closed
    }

    /// Another receiver. Returns where it begins.
    ///
    /// # Panics
    ///
    /// If there are too many.
    pub(super) fn subscribe(&self) -> u64 {
        let mut line = self.news.lock();
        if line.receivers == RECEIVERS_MAX {
            drop(line);
            panic!("more receivers than a broadcast channel can count: {RECEIVERS_MAX}");
        }
        line.receivers += 1;
        line.tail
    }

    /// One receiver less, which has read everything before this position.
    pub(super) fn unsubscribe(&self, next: u64) {
        // Most of it without the lock: others wait for that, and a message may not be dropped under it.
        let tail = self.news.lock().tail;
        let mut most = self.kept_from(next, tail)..tail;
        // Also if a destructor panics.
        let _last = Uncounted {
            shared: self,
            next: tail,
        };
        drop_all(|| most.find_map(|position| self.slot(position).skip(position)));
    }

    /// What of the messages from `next` on is still kept when `tail` comes next begins here.
    fn kept_from(&self, next: u64, tail: u64) -> u64 {
        next.max(tail.saturating_sub(self.capacity()))
    }

    /// The end of [`unsubscribe`](Self::unsubscribe), which has given up what comes before `next`.
    fn uncount(&self, next: u64) {
        let mut line = self.news.lock();
        let mut rest = self.kept_from(next, line.tail)..line.tail;
        for position in rest.clone() {
            self.slot(position).forfeit(position);
        }
        line.receivers -= 1;
        let is_last = line.receivers == 0;
        drop(line);
        if is_last {
            self.tell_that_all_have_gone();
        }
        drop_all(|| rest.find_map(|position| self.slot(position).tidy()));
    }

    fn tell_that_all_have_gone(&self) {
        let mut wakers = Wakers::new();
        loop {
            let mut locked = self.all_gone.lock();
            while let Some(waker) = (!wakers.is_full()).then(|| locked.wake_front()).flatten() {
                wakers.push(waker);
            }
            drop(locked);
            let is_over = !wakers.is_full();
            wakers.wake_all();
            if is_over {
                return;
            }
        }
    }

    /// Waits until there is no receiver.
    pub(super) async fn all_gone(&self) {
        let look = |_: &mut Locked<'_, (), ()>| (self.receivers() == 0).then_some(());
        wait_until(&self.all_gone, (), WaitReason::Closed, look).await;
    }

    pub(super) fn receivers(&self) -> usize {
        usize::try_from(self.news.lock().receivers).unwrap_or(usize::MAX)
    }

    /// Reads the message at a position that the caller has a right to, and uses that up.
    #[inline]
    pub(super) fn read(&self, position: u64) -> Result<T, NotThere>
    where
        T: Clone,
    {
        self.slot(position).read(position)
    }

    /// What there is for who comes to this position.
    pub(super) fn news(&self, next: u64) -> News {
        self.news_of(&self.news.lock(), next)
    }

    fn news_of(&self, line: &Line, next: u64) -> News {
        let oldest = line.tail.saturating_sub(self.capacity());
        if next < oldest {
            News::Lagged { oldest }
        } else if next < line.tail {
            News::Message
        } else if line.is_closed {
            News::Closed
        } else {
            News::None
        }
    }

    /// Waits until there is something for who comes to this position.
    pub(super) async fn wait_for_news(&self, next: u64) -> News {
        let look = |line: &mut Locked<'_, Line, u64>| match self.news_of(line, next) {
            News::None => None,
            news => Some(news),
        };
        wait_until(&self.news, next, WaitReason::Broadcast, look).await
    }

    /// How many messages were sent from this position on.
    pub(super) fn sent_since(&self, next: u64) -> u64 {
        self.news.lock().tail - next
    }

    /// How many messages somebody has yet to read. Those come last, as everybody reads in order.
    pub(super) fn wanted(&self) -> usize {
        let line = self.news.lock();
        let (mut low, mut high) = (line.tail.saturating_sub(self.capacity()), line.tail);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.slot(middle).is_wanted() {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        usize::try_from(line.tail - low).unwrap_or(usize::MAX)
    }

    fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    #[inline]
    fn slot(&self, position: u64) -> &Slot<T> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the mask leaves what an index has"
        )]
        let index = position as usize & (self.slots.len() - 1);
        &self.slots[index]
    }
}

/// A receiver that goes, and is counted until this is dropped.
struct Uncounted<'a, T> {
    shared: &'a Shared<T>,
    next: u64,
}

impl<T> Drop for Uncounted<'_, T> {
    fn drop(&mut self) {
        self.shared.uncount(self.next);
    }
}
