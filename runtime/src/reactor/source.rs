//! Who waits for a descriptor, and in which direction?
//!
//! A source has two sides, reading and writing, each with a readiness word, and the wakers of those who wait for them. The `poll_` interface has one
//! place per side (the last one to poll is woken, as the futures-io traits have it); any number of `readable()`-like futures have a place each, by
//! number.
//!
//! No wake-up is lost: a waiter announces itself in the word, under the lock, before it leaves its waker; an event that finds the announcement
//! takes that lock ([`readiness`](super::readiness)). A waiter that is woken and dropped takes nothing from the others: all of a side are woken by each event.

use super::readiness::{Event, Readiness, Seen};
use crate::sys::clock::Stamp;
use crate::sys::sync::Mutex;
use crate::util::wait_reason::{self, WaitReason};
use crate::util::wake_batch::WakeBatch;
use std::task::{Context, Poll, Waker};

/// Reading or writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    /// Says that the task waits for it, if it does in the end.
    fn note(self) {
        wait_reason::note(match self {
            Self::Read => WaitReason::Read,
            Self::Write => WaitReason::Write,
        });
    }
}

/// What one event of the kernel says of both directions.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Events {
    pub(crate) read: Event,
    pub(crate) write: Event,
}

/// A registered descriptor, as far as readiness goes.
///
/// 64 bytes: it is a good part of what an idle connection costs. So both sides share a lock, and who waits elsewhere than in the two places has a box that
/// is made for the first of them. On a line of its own, since its neighbours in the table are of other tasks.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Source {
    read: Readiness,
    write: Readiness,
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// Of the `poll_` interface.
    reader: Option<Waker>,
    writer: Option<Waker>,
    others: Option<Box<Others>>,
}

/// Those who have a place of their own.
#[derive(Debug, Default)]
struct Others {
    waiting: Vec<Other>,
    next_id: WaiterId,
}

#[derive(Debug)]
struct Other {
    id: WaiterId,
    direction: Direction,
    waker: Waker,
}

/// The number of one of several waiters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaiterId(u64);

impl Source {
    pub(crate) fn new() -> Self {
        Self {
            read: Readiness::new(),
            write: Readiness::new(),
            waiters: Mutex::new(Waiters::default()),
        }
    }

    /// Makes it as it was when it was new, and gives back who was left waiting, to be dropped without a lock. Nobody else may have it.
    pub(super) fn begin_anew(&self) -> Waiters {
        self.read.begin_anew();
        self.write.begin_anew();
        std::mem::take(&mut *self.waiters.lock())
    }

    fn readiness(&self, direction: Direction) -> &Readiness {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    /// The kernel will be told when somebody has to wait. Nobody else may have it yet.
    pub(crate) fn postpone(&self) {
        self.read.postpone();
    }

    /// The kernel was told.
    pub(crate) fn end_postponement(&self) {
        self.read.end_postponement();
    }

    /// Whether the kernel is still to be told, by who waits.
    #[inline]
    pub(crate) fn is_postponed(&self) -> bool {
        self.read.is_postponed()
    }

    /// What is known of a direction, if there is reason to try an operation.
    #[inline]
    pub(crate) fn look(&self, direction: Direction) -> Option<Seen> {
        self.readiness(direction).look()
    }

    /// When a direction became ready last; none if it has been since the beginning.
    #[inline]
    pub(crate) fn since(&self, direction: Direction) -> Option<Stamp> {
        self.readiness(direction).since()
    }

    /// Notes that what was seen is used up, unless an event came since.
    pub(crate) fn clear(&self, direction: Direction, seen: Seen) {
        self.readiness(direction).clear(seen);
    }

    /// Waits in the one place that a direction has for the `poll_` interface.
    #[inline]
    pub(crate) fn poll_ready(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<Seen> {
        match self.readiness(direction).look() {
            Some(seen) => Poll::Ready(seen),
            None => self.wait(direction, cx),
        }
    }

    /// Waits in the same place for the end of a direction, or an error, whether it is ready or not.
    pub(crate) fn poll_ended(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<()> {
        match self.readiness(direction).look() {
            Some(seen) if seen.has_ended() => Poll::Ready(()),
            _ => self.wait_for_end(direction, cx),
        }
    }

    /// Waits in a place of its own, to be kept in `id` from the first call on and given up with [`forget`](Self::forget).
    pub(crate) fn poll_ready_as(
        &self,
        direction: Direction,
        id: &mut Option<WaiterId>,
        cx: &mut Context<'_>,
    ) -> Poll<Seen> {
        direction.note();
        // As in `wait`.
        let mut replaced = cx.waker().clone();
        let mut waiters = self.waiters.lock();
        if let Some(seen) = self.readiness(direction).begin_wait() {
            return Poll::Ready(seen);
        }
        let others = waiters.others.get_or_insert_default();
        let me = *id.get_or_insert_with(|| others.new_id());
        match others.waiting.iter_mut().find(|other| other.id == me) {
            Some(other) => std::mem::swap(&mut other.waker, &mut replaced),
            None => {
                others.waiting.push(Other {
                    id: me,
                    direction,
                    waker: replaced,
                });
                return Poll::Pending;
            }
        }
        drop(waiters);
        drop(replaced);
        Poll::Pending
    }

    /// Gives up a place of [`poll_ready_as`](Self::poll_ready_as).
    pub(crate) fn forget(&self, id: WaiterId) {
        let mut waiters = self.waiters.lock();
        let gone = waiters.others.as_mut().and_then(|others| others.take(id));
        drop(waiters);
        drop(gone);
    }

    /// Takes in an event that was found at this time; the wakers of who waited go into `ready`.
    #[inline]
    pub(crate) fn deliver(&self, events: Events, at: Stamp, ready: &mut WakeBatch) {
        if events.read != Event::default() && self.read.deliver(events.read, at) {
            self.take_waiters(Direction::Read, ready);
        }
        if events.write != Event::default() && self.write.deliver(events.write, at) {
            self.take_waiters(Direction::Write, ready);
        }
    }

    /// The number belongs to another descriptor: whoever waits learns it, and no operation is tried any more.
    pub(crate) fn rob(&self, ready: &mut WakeBatch) {
        for direction in [Direction::Read, Direction::Write] {
            if self.readiness(direction).rob() {
                self.take_waiters(direction, ready);
            }
        }
    }

    /// Whether the number belongs to another descriptor.
    pub(crate) fn is_robbed(&self) -> bool {
        self.look(Direction::Read).is_some_and(Seen::is_robbed)
    }

    /// The runtime has ended: whoever waits learns it.
    pub(crate) fn shut_down(&self, ready: &mut WakeBatch) {
        for direction in [Direction::Read, Direction::Write] {
            if self.readiness(direction).shut_down() {
                self.take_waiters(direction, ready);
            }
        }
    }

    fn wait_for_end(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<()> {
        // As in `wait`. Who waits for this is woken by each event, and looks again.
        let waker = cx.waker().clone();
        let mut waiters = self.waiters.lock();
        let seen = self.readiness(direction).begin_wait();
        if seen.is_some_and(Seen::has_ended) {
            return Poll::Ready(());
        }
        let replaced = waiters.place(direction).replace(waker);
        drop(waiters);
        drop(replaced);
        Poll::Pending
    }

    /// Waits in that place as well, where a look has found nothing.
    #[inline(never)]
    pub(crate) fn wait(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<Seen> {
        direction.note();
        // Cloned before and dropped after the lock: both run code of others.
        let waker = cx.waker().clone();
        let mut waiters = self.waiters.lock();
        if let Some(seen) = self.readiness(direction).begin_wait() {
            return Poll::Ready(seen);
        }
        let replaced = waiters.place(direction).replace(waker);
        drop(waiters);
        drop(replaced);
        Poll::Pending
    }

    #[inline(always)]
    fn take_waiters(&self, direction: Direction, ready: &mut WakeBatch) {
        let mut waiters = self.waiters.lock();
        if let Some(waker) = waiters.place(direction).take() {
            ready.push(waker);
        }
        if let Some(others) = &mut waiters.others {
            others.take_all(direction, ready);
        }
    }
}

impl Waiters {
    #[inline]
    fn place(&mut self, direction: Direction) -> &mut Option<Waker> {
        match direction {
            Direction::Read => &mut self.reader,
            Direction::Write => &mut self.writer,
        }
    }
}

impl Others {
    #[cold]
    fn take_all(&mut self, direction: Direction, ready: &mut WakeBatch) {
        // Seldom do some wait to read and others to write.
        let mut kept = Vec::new();
        for other in self.waiting.drain(..) {
            match other.direction == direction {
                true => ready.push(other.waker),
                false => kept.push(other),
            }
        }
        self.waiting.append(&mut kept);
    }

    fn take(&mut self, id: WaiterId) -> Option<Other> {
        let at = self.waiting.iter().position(|other| other.id == id)?;
        Some(self.waiting.swap_remove(at))
    }

    fn new_id(&mut self) -> WaiterId {
        let id = self.next_id;
        self.next_id = WaiterId(id.0 + 1);
        id
    }
}

#[cfg(all(target_pointer_width = "64", not(any(loom, shuttle))))]
const _: () = assert!(size_of::<Source>() == 64);

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sys::clock::{Clock, SystemClock};
    use crate::sys::sync::atomic::{AtomicUsize, Ordering};
    use crate::sys::sync::{Arc, thread};

    const DATA: Events = Events {
        read: Event::READY,
        write: Event::READY.when(false),
    };

    fn now() -> Stamp {
        Stamp::of(SystemClock.now())
    }

    /// A kernel that has `bytes` of data, delivers an event for each, and a reader that takes one at a time and clears on finding none.
    fn every_byte_is_read(bytes: usize, as_future: bool) {
        // Unbounded, the variant with places of their own takes minutes. `LOOM_MAX_PREEMPTIONS` wins.
        let mut model = loom::model::Builder::new();
        model.preemption_bound.get_or_insert(3);
        model.check(move || {
            let source = Arc::new(Source::new());
            let data = Arc::new(AtomicUsize::new(0));
            let kernel = thread::spawn({
                let (source, data) = (source.clone(), data.clone());
                move || {
                    for _ in 0..bytes {
                        // ORDERING: Relaxed on purpose: the word alone must order the data before the event.
                        data.store(data.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                        let mut ready = WakeBatch::new();
                        source.deliver(DATA, now(), &mut ready);
                        ready.wake_all();
                    }
                }
            });
            let mut read = 0;
            let mut place = None;
            loom::future::block_on(std::future::poll_fn(|cx| {
                while read < bytes {
                    let seen = match as_future {
                        true => source.poll_ready_as(Direction::Read, &mut place, cx),
                        false => source.poll_ready(Direction::Read, cx),
                    };
                    let Poll::Ready(seen) = seen else {
                        return Poll::Pending;
                    };
                    match data.load(Ordering::Relaxed) {
                        there if there > read => read = there,
                        _ => source.clear(Direction::Read, seen),
                    }
                }
                Poll::Ready(())
            }));
            kernel.join().unwrap();
        });
    }

    #[test]
    fn loom_source_poller_misses_no_event() {
        every_byte_is_read(2, false);
    }

    #[test]
    fn loom_source_future_misses_no_event() {
        every_byte_is_read(2, true);
    }

    /// One of two waiting futures goes away while the event comes: the other one is woken all the same.
    #[test]
    fn loom_source_dropped_waiter_takes_nothing() {
        loom::model(|| {
            let source = Arc::new(Source::new());
            source.clear(Direction::Read, source.look(Direction::Read).unwrap());
            let mut gone = None;
            let mut noop = Context::from_waker(Waker::noop());
            assert!(
                source
                    .poll_ready_as(Direction::Read, &mut gone, &mut noop)
                    .is_pending()
            );
            let kernel = thread::spawn({
                let source = source.clone();
                move || {
                    let mut ready = WakeBatch::new();
                    source.deliver(DATA, now(), &mut ready);
                    ready.wake_all();
                }
            });
            let dropper = thread::spawn({
                let source = source.clone();
                move || source.forget(gone.unwrap())
            });
            let mut place = None;
            loom::future::block_on(std::future::poll_fn(|cx| {
                source
                    .poll_ready_as(Direction::Read, &mut place, cx)
                    .map(drop)
            }));
            kernel.join().unwrap();
            dropper.join().unwrap();
        });
    }
}
