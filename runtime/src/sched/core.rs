//! What belongs to one worker alone?
//!
//! Its core: the owner's ends of queue and slot, its slab, its random numbers, its counters. Everything is reached through `&Core`
//! by one thread at a time (cells, no locks), since user code in the middle of a poll spawns and wakes through it. The core moves
//! to another thread only as a whole ([`handoff`](super::handoff)).

use super::lanes::{self, Round};
use super::outside::Entry;
use super::queue::Local;
use super::shared::{Remote, Shared};
use super::slot::Owner;
use crate::sys::rng::XorShift;
use crate::sys::sync::Arc;
use crate::task::harness;
use crate::task::header::Header;
use crate::task::join::JoinHandle;
use crate::task::refs::Notified;
use crate::util::slab::Slab;
use crate::util::wake_batch::WakeBatch;
use std::cell::Cell;
use std::ptr;
use std::time::Instant;

/// How many tasks in a row may come from the slot before the queue has its turn. tokio's figure: enough for a request and
/// its answer to stay on a warm core, too few for two tasks that wake each other to starve the rest.
const SLOT_STREAK_MAX: u32 = 3;

/// What one worker owns.
pub(crate) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
    /// `shared.remotes[index]`, found once: it is needed several times for each task.
    remote: Arc<Remote>,
    pub(super) queue: Local,
    slot: Owner<Header>,
    pub(super) slab: Slab<Shared>,
    pub(super) random: XorShift,
    /// Which lane is looked at next.
    pub(super) round: Cell<Round>,
    /// Room for what comes out of a lane, empty between calls.
    pub(super) block: Cell<Vec<Entry>>,
    /// Kept between turns for its capacity.
    wakes: Cell<WakeBatch>,
    /// Whether wakes come from a batch: they go into the queue and are announced once, at its end.
    in_batch: Cell<bool>,
    /// Whether the worker counts as searching in the idle protocol.
    pub(super) is_searching: Cell<bool>,
    slot_streak: Cell<u32>,
    /// Whether the task that is polled is within the `block_on` of a runtime, which may be another one.
    is_hidden: Cell<bool>,
    /// How many polls fit between two looks at the clock.
    pub(super) batch_polls: Cell<u32>,
    /// The count of polls at which the batch is over.
    pub(super) batch_ends: Cell<usize>,
    pub(super) batch_began: Cell<Instant>,
    pub(super) swept: Cell<Instant>,
    /// When so many polls have begun, what was queued at the last sweep has been run.
    pub(super) sweep_after: Cell<usize>,
    pub(super) trimmed: Cell<Instant>,
}

/// Cores, each in the box whose address its thread knows it by ([`context`](super::context)).
pub(crate) type Cores = Vec<Box<Core>>;

impl Core {
    pub(super) fn new(
        shared: Arc<Shared>,
        index: usize,
        queue: Local,
        slot: Owner<Header>,
        seed: u64,
    ) -> Box<Self> {
        let now = shared.clock.now();
        Box::new(Self {
            slab: Slab::new(shared.clone()),
            remote: shared.remotes[index].clone(),
            shared,
            index,
            queue,
            slot,
            random: XorShift::new(seed),
            round: Cell::new(Round::new(index)),
            block: Cell::new(lanes::new_block()),
            wakes: Cell::default(),
            in_batch: Cell::new(false),
            is_searching: Cell::new(false),
            slot_streak: Cell::new(0),
            is_hidden: Cell::new(false),
            batch_polls: Cell::new(super::worker::BATCH_POLLS_MIN),
            batch_ends: Cell::new(0),
            batch_began: Cell::new(now),
            swept: Cell::new(now),
            sweep_after: Cell::new(0),
            trimmed: Cell::new(now),
        })
    }

    /// What others see of this worker.
    #[inline(always)]
    pub(super) fn remote(&self) -> &Remote {
        &self.remote
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// At the end of the worker: what is left of its tasks' memory.
    pub(super) fn into_slab(self: Box<Self>) -> Slab<Shared> {
        self.slab
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Whether this worker's runtime is the current one for sure.
    #[inline(always)]
    pub(crate) fn is_current(&self) -> bool {
        !self.is_hidden.get()
    }

    /// Says whether it may be another one. Returns what was said before.
    pub(crate) fn hide(&self, is_hidden: bool) -> bool {
        self.is_hidden.replace(is_hidden)
    }

    /// Whether the worker is between polls, running wakers it has collected.
    pub(super) fn is_in_batch(&self) -> bool {
        self.in_batch.get()
    }

    /// Makes a task and puts it where it runs next.
    #[inline]
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let cell = self.slab.alloc(const { harness::class_of::<F>() });
        // SAFETY: a fresh cell of the right class, from the slab of this scheduler.
        let (task, handle) = unsafe { harness::init::<F, Shared>(cell, future) };
        self.run_next(task);
        handle
    }

    /// Puts a task where it runs next; what stood there goes into the queue.
    #[inline]
    pub(super) fn run_next(&self, task: Notified) {
        if self.in_batch.get() {
            return self.queue.push(task);
        }
        let pushed_out = self
            .slot
            .replace(&self.remote().slot, task.into_raw().as_ptr());
        if let Some(cell) = ptr::NonNull::new(pushed_out) {
            // SAFETY: the slot gives each `Notified` that was put in to one taker.
            self.queue.push(unsafe { Notified::from_raw(cell) });
            self.shared.unpark(self.shared.idle.wake_one_for_work());
        }
    }

    /// Puts a task that was runnable already behind the others.
    #[inline]
    pub(super) fn run_later(&self, task: Notified) {
        self.queue.push(task);
        self.share_backlog();
    }

    /// Wakes somebody if there is more than this worker can run at once.
    #[inline]
    pub(super) fn share_backlog(&self) {
        if self.queue.len() > 1 || !self.slot.is_empty() {
            self.shared.unpark(self.shared.idle.wake_one_for_work());
        }
    }

    /// The next task of this worker's own.
    #[inline(always)]
    pub(super) fn next_task(&self) -> Option<Notified> {
        if !self.slot.is_empty() {
            if let Some(task) = self.take_slot() {
                if self.slot_streak.get() < SLOT_STREAK_MAX {
                    self.slot_streak.set(self.slot_streak.get() + 1);
                    return Some(task);
                }
                self.run_later(task);
            }
        }
        self.slot_streak.set(0);
        self.queue.pop()
    }

    /// Whether there is a task in the slot or in the queue.
    pub(super) fn has_own_work(&self) -> bool {
        !self.slot.is_empty() || self.queue.len() > 0
    }

    #[inline]
    fn take_slot(&self) -> Option<Notified> {
        let taken = self.slot.replace(&self.remote().slot, ptr::null_mut());
        // SAFETY: the slot gives each `Notified` that was put in to one taker.
        ptr::NonNull::new(taken).map(|cell| unsafe { Notified::from_raw(cell) })
    }

    /// Calls `act` while this task is out of the slot, if it was in it: then nobody else holds it. What `act` says, or false.
    #[inline(always)]
    pub(super) fn with_slot_held(
        &self,
        cell: ptr::NonNull<Header>,
        act: impl FnOnce() -> bool,
    ) -> bool {
        if !self.slot.last_put(cell.as_ptr()) {
            return false;
        }
        let Some(task) = self.take_slot() else {
            return false;
        };
        let done = act();
        self.slot
            .put_into_empty(&self.remote().slot, task.into_raw().as_ptr());
        done
    }

    /// Collects wakers with `collect`, then runs them as one batch. True if there were any.
    pub(super) fn wake_batch(&self, collect: impl FnOnce(&mut WakeBatch)) -> bool {
        let mut wakes = self.wakes.take();
        collect(&mut wakes);
        let any = !wakes.is_empty();
        if any {
            self.in_batch.set(true);
            wakes.wake_all();
            self.in_batch.set(false);
            self.share_backlog();
        }
        self.wakes.set(wakes);
        any
    }
}
