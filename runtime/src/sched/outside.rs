//! How do threads that are no workers spawn and wake?
//!
//! Through a [lane](super::lanes): one lock acquisition gives the cell, and puts the task where workers look. Each thread has a lane for good, given out in turn,
//! so what it spawns begins in its order, as far as one worker runs it.
//!
//! Whether anybody is woken is the idle protocol's business (`IDLE.md`); it is asked for the first task of a lane only. A lock orders what was done
//! under it, but is no full fence: an announcement of sleep may be overtaken by it. So the fence stands in
//! [`wake_one_from_outside`](super::idle::Idle::wake_one_from_outside), behind the lock, and only who has to ask pays for it.

use super::core::Core;
use super::lanes::Left;
use super::shared::Shared;
use crate::sys::sync::Arc;
use crate::sys::sync::atomic::{AtomicUsize, Ordering};
use crate::task::harness;
use crate::task::header::Header;
use crate::task::join::JoinHandle;
use crate::task::refs::Notified;
use crate::util::slab::Slab;
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::ptr::NonNull;
use std::time::Instant;

/// What a lane has beside its tasks: the cells for them.
pub(super) struct Outside {
    pub(super) slab: Slab<Shared>,
    pub(super) trimmed: Instant,
}

/// A [`Notified`] in a lane, which copies it without looking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry(NonNull<Header>);

// SAFETY: it stands for a `Notified`, which may be sent; lanes give each to one taker.
unsafe impl Send for Entry {}

impl Entry {
    #[inline]
    pub(crate) fn new(task: Notified) -> Self {
        Self(task.into_raw())
    }

    /// # Safety
    ///
    /// This entry came out of a lane, and is used once.
    #[inline]
    pub(crate) unsafe fn into_task(self) -> Notified {
        // SAFETY: made from a `Notified`, which was given up for it; passed on to the caller.
        unsafe { Notified::from_raw(self.0) }
    }
}

impl Outside {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            slab: Slab::new(shared.clone()),
            trimmed: shared.clock.now(),
        }
    }

    pub(super) fn into_slab(self) -> Slab<Shared> {
        self.slab
    }
}

/// This thread's lane, in any scheduler.
#[inline]
#[cfg(not(shuttle))]
pub(super) fn own_lane() -> usize {
    const NONE: usize = usize::MAX;
    static IN_TURN: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LANE: Cell<usize> = const { Cell::new(NONE) };
    }
    let lane = LANE.get();
    if lane != NONE {
        return lane;
    }
    // ORDERING: Relaxed: only a counter.
    let lane = IN_TURN.fetch_add(1, Ordering::Relaxed) % NONE;
    LANE.set(lane);
    lane
}

/// In a model the same lane each time the model is run.
#[cfg(shuttle)]
pub(super) fn own_lane() -> usize {
    use std::hash::{DefaultHasher, Hash, Hasher};

    let mut hasher = DefaultHasher::new();
    crate::sys::sync::thread::current().id().hash(&mut hasher);
    hasher.finish() as usize
}

impl Shared {
    /// Makes a task from a thread that is no worker of this scheduler. If it has ended, the future is dropped at once.
    pub(crate) fn spawn_outside<F>(
        &self,
        future: F,
        location: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let spawned = self.lanes.push(own_lane(), |tasks, outside| {
            let cell = outside.slab.alloc(const { harness::class_of::<F>() });
            // Under the lock, so that the shutdown, which takes the slab under it, never meets a half-made task.
            // SAFETY: a fresh cell of the right class, from a slab of this scheduler.
            let (task, handle) = unsafe { harness::init::<F, Self>(cell, future, location) };
            tasks.push(Entry::new(task));
            handle
        });
        let Some((handle, asks)) = spawned else {
            return JoinHandle::never_started();
        };
        self.wake_from_outside(asks);
        handle
    }

    /// Puts a task into this thread's lane and sees to it that somebody looks. After the end it is forgotten, as what stands in the queues is.
    pub(super) fn inject(&self, task: Notified) {
        let task = Entry::new(task);
        if let Some(((), asks)) = self.lanes.push(own_lane(), |tasks, _| tasks.push(task)) {
            self.wake_from_outside(asks);
        }
    }

    /// What a lane's pusher owes.
    #[inline]
    pub(super) fn wake_from_outside(&self, asks: bool) {
        if asks {
            self.unpark(self.idle.wake_one_from_outside());
        }
    }
}

impl Core {
    /// A task that came from outside, with its share put into the own queue, which is empty.
    pub(super) fn take_from_outside(&self) -> Option<Notified> {
        let (mut round, mut block) = (self.round.get(), self.block.take());
        // A spare may go at any time, and promises nothing.
        let soon = if self.is_spare { 0 } else { self.polls_soon() };
        let left = self.shared.lanes.take(&mut round, soon, &mut block);
        self.round.set(round);
        let mut tasks = block.drain(..);
        // SAFETY: just taken from a lane, and drained once.
        let first = tasks.next().map(|entry| unsafe { entry.into_task() });
        // SAFETY: as above.
        tasks.for_each(|entry| self.queue.push(unsafe { entry.into_task() }));
        self.block.set(block);
        self.share_what_is(left?);
        self.served_outside.set(true);
        first
    }

    /// A share of all that came from outside, put into the own queue behind what is there.
    pub(super) fn queue_from_outside(&self) {
        let mut round = self.round.get();
        if !round.has_promised() && !self.shared.lanes.has_work() {
            return;
        }
        let mut block = self.block.take();
        let mut any = false;
        self.shared.lanes.take_all(&mut round, &mut block, |block| {
            any |= !block.is_empty();
            // SAFETY: just taken from a lane, and drained once.
            let tasks = block.drain(..).map(|entry| unsafe { entry.into_task() });
            tasks.for_each(|task| self.queue.push(task));
        });
        self.round.set(round);
        self.block.set(block);
        if any {
            self.shared.unpark(self.shared.idle.wake_one_for_work());
        }
    }

    /// Rule 1 of the idle protocol for a worker that has moved tasks from a lane, unless it has promised to be back before anybody else could be awake. Who searches
    /// applies rule 3 instead.
    fn share_what_is(&self, left: Left) {
        let others_may_help = left.tasks > 0 || self.queue.len() > 0;
        if others_may_help && !left.is_awaited && !self.is_searching.get() {
            self.shared.unpark(self.shared.idle.wake_one_for_work());
        }
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside")
            .field("slab", &self.slab)
            .finish_non_exhaustive()
    }
}
