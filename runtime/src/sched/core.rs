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
use crate::sys::clock::Stamp;
use crate::sys::rng::XorShift;
use crate::sys::sync::Arc;
use crate::task::harness;
use crate::task::header::Header;
use crate::task::join::JoinHandle;
use crate::task::refs::{Notified, Polled};
use crate::util::slab::Slab;
use crate::util::wake_batch::WakeBatch;
use std::cell::Cell;
use std::panic::Location;
use std::ptr;
use std::time::Instant;

/// How many tasks in a row may come from the slot before the queue has its turn. tokio's figure: enough for a request and
/// its answer to stay on a warm core, too few for two tasks that wake each other to starve the rest.
const WOKEN_STREAK_MAX: u32 = 3;

/// How many tasks in a row may be the newest of those spawned in this batch, before the oldest of the queue has its turn. A tree of tasks is
/// gone through in depth this way, and has few of them in memory, not in breadth with all of them at once. docs/decisions/order.md.
const YOUNG_STREAK_MAX: u32 = 256;

/// How many tasks in a row came not from the old end of the queue.
#[derive(Debug, Default, Clone, Copy)]
struct Streaks {
    woken: u32,
    young: u32,
}

/// What one worker owns.
pub(crate) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
    /// Whether it is none of the regular workers.
    pub(super) is_spare: bool,
    /// `shared.remote(index)`, found once: it is needed several times for each task.
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
    /// Whether what was put into the slot last was spawned, and not woken.
    is_slot_young: Cell<bool>,
    streaks: Cell<Streaks>,
    /// Whether a task has come from outside since the worker last lingered for one.
    pub(super) served_outside: Cell<bool>,
    /// The task that is polled; none between two polls, perhaps, and when it is complete.
    polled: Cell<Option<Polled>>,
    /// Whether the task that is polled is within the `block_on` of a runtime, which may be another one.
    is_hidden: Cell<bool>,
    /// Whether a task went behind the others in this batch and no sibling was told.
    pub(super) owes_wake: Cell<bool>,
    /// How many polls fit between two looks at the clock.
    pub(super) batch_polls: Cell<u32>,
    /// The count of polls at which the batch is over.
    pub(super) batch_ends: Cell<usize>,
    batch_began: Cell<Instant>,
    /// The millisecond of that.
    stamp: Cell<Stamp>,
    /// Whether time only passes by itself, so that the beginning of the batch is nearly the present.
    is_clock_steady: bool,
    pub(super) swept: Cell<Instant>,
    /// When so many polls have begun, what was queued at the last sweep has been run.
    pub(super) sweep_after: Cell<usize>,
    pub(super) trimmed: Cell<Instant>,
    /// Whether it belongs to a simulation, whose only thread takes nobody's place and gives its own to nobody.
    pub(super) is_simulated: Cell<bool>,
    /// Whether the thread may host [pinned tasks](super::local).
    pub(super) is_host: Cell<bool>,
    /// How many of those come before the next batch.
    pub(super) pinned_turn: Cell<usize>,
    /// The count of polls after the last one of such a turn.
    pub(super) pinned_ended: Cell<usize>,
}

/// Cores, each in the box whose address its thread knows it by ([`context`](super::context)).
pub(crate) type Cores = Vec<Box<Core>>;

impl Core {
    pub(super) fn new(
        shared: &Arc<Shared>,
        index: usize,
        queue: Local,
        slot: Owner<Header>,
    ) -> Box<Self> {
        let now = shared.clock.now();
        Box::new(Self {
            slab: Slab::new(shared.clone()),
            remote: shared.remote(index).clone(),
            shared: shared.clone(),
            index,
            is_spare: index >= shared.workers(),
            queue,
            slot,
            random: XorShift::new(shared.random.seed()),
            round: Cell::new(Round::new(index)),
            block: Cell::new(lanes::new_block()),
            wakes: Cell::default(),
            in_batch: Cell::new(false),
            is_searching: Cell::new(false),
            is_slot_young: Cell::new(false),
            streaks: Cell::default(),
            served_outside: Cell::new(false),
            polled: Cell::new(None),
            is_hidden: Cell::new(false),
            owes_wake: Cell::new(false),
            batch_polls: Cell::new(super::worker::BATCH_POLLS_MIN),
            batch_ends: Cell::new(0),
            batch_began: Cell::new(now),
            stamp: Cell::new(Stamp::of(now)),
            is_clock_steady: shared.clock.is_steady(),
            swept: Cell::new(now),
            sweep_after: Cell::new(0),
            trimmed: Cell::new(now),
            is_simulated: Cell::new(false),
            is_host: Cell::new(false),
            pinned_turn: Cell::new(0),
            pinned_ended: Cell::new(0),
        })
    }

    /// What the clock showed at the last look, unless that is long ago.
    #[inline]
    pub(crate) fn recent(&self) -> Option<Instant> {
        self.knows_time().then(|| self.batch_began.get())
    }

    /// The same to the millisecond.
    #[inline]
    pub(crate) fn recent_stamp(&self) -> Option<Stamp> {
        self.knows_time().then(|| self.stamp.get())
    }

    #[inline]
    fn knows_time(&self) -> bool {
        self.is_clock_steady && !self.remote.is_called()
    }

    /// The clock was looked at, before a new batch. Returns what it showed before the last one.
    pub(super) fn note_time(&self, now: Instant) -> Instant {
        self.stamp.set(Stamp::of(now));
        self.batch_began.replace(now)
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

    /// The index of the worker that has wheel and poller of its own; none for a spare.
    pub(crate) fn worker(&self) -> Option<usize> {
        (!self.is_spare).then_some(self.index)
    }

    /// A poll of this task begins.
    #[inline(always)]
    pub(super) fn begin_poll(&self, task: &Notified) {
        self.polled.set(Some(Polled::of(task)));
    }

    pub(super) fn end_poll(&self) {
        self.polled.set(None);
    }

    /// The same if it is of the task in this cell. It may be of another one, in whose poll this one has come to its end.
    #[inline(always)]
    pub(super) fn end_poll_of(&self, cell: ptr::NonNull<Header>) {
        if self.polled.get().is_some_and(|polled| polled.is_in(cell)) {
            self.end_poll();
        }
    }

    /// It goes on after all.
    pub(super) fn resume_poll(&self, task: Option<Polled>) {
        self.polled.set(task);
    }

    /// The task that is polled now, unless it is complete.
    pub(super) fn polled(&self) -> Option<Polled> {
        self.polled.get()
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

    /// Whether the core stays on its thread, whatever that waits for.
    pub(super) fn is_simulated(&self) -> bool {
        self.is_simulated.get()
    }

    /// Whether the worker is between polls, running wakers it has collected.
    pub(super) fn is_in_batch(&self) -> bool {
        self.in_batch.get()
    }

    /// Makes a task and puts it where it runs next.
    #[inline]
    pub(crate) fn spawn<F>(
        &self,
        future: F,
        location: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let cell = self.slab.alloc(const { harness::class_of::<F>() });
        // SAFETY: a fresh cell of the right class, from the slab of this scheduler.
        let (task, handle) = unsafe { harness::init::<F, Shared>(cell, future, location) };
        self.push_young(task);
        handle
    }

    /// Puts a new task where it runs next; what stood there runs soon.
    #[inline(always)]
    fn push_young(&self, task: Notified) {
        if self.remote().is_mistrusted() {
            return self.offer(task);
        }
        if let Some(displaced) = self.put_into_slot(task, true) {
            self.queue.push_young(displaced);
            self.shared.unpark(self.shared.idle.wake_one_for_work());
        }
    }

    /// Puts a task where it runs next; what stood there goes behind the others.
    #[inline(always)]
    pub(super) fn run_next(&self, task: Notified) {
        if self.in_batch.get() {
            return self.queue.push(task);
        }
        if self.remote().is_mistrusted() {
            return self.offer(task);
        }
        if let Some(displaced) = self.put_into_slot(task, false) {
            self.queue.push(displaced);
            self.shared.unpark(self.shared.idle.wake_one_for_work());
        }
    }

    /// Returns what stood there.
    #[inline(always)]
    fn put_into_slot(&self, task: Notified, is_young: bool) -> Option<Notified> {
        self.is_slot_young.set(is_young);
        let displaced = self
            .slot
            .replace(&self.remote().slot, task.into_raw().as_ptr());
        // SAFETY: the slot gives each `Notified` that was put in to one taker.
        ptr::NonNull::new(displaced).map(|cell| unsafe { Notified::from_raw(cell) })
    }

    /// Puts a task that was runnable already behind the others. While polls are short, siblings hear of it after the batch.
    #[inline]
    pub(super) fn run_later(&self, task: Notified) {
        self.queue.push(task);
        if self.polls_soon() > 0 && !self.remote().is_mistrusted() {
            self.owes_wake.set(true);
        } else {
            self.share_backlog();
        }
    }

    /// Wakes somebody if there is more than this worker can run at once.
    #[inline]
    pub(super) fn share_backlog(&self) {
        if self.queue.len() > 1 || !self.slot.is_empty() {
            self.shared.unpark(self.shared.idle.wake_one_for_work());
        }
    }

    /// The next task of this worker's own: from the slot, else the newest that was spawned in this batch, else the oldest. Neither of the first two may come
    /// too often in a row.
    #[inline(always)]
    pub(super) fn next_task(&self) -> Option<Notified> {
        if !self.slot.is_empty() && self.is_turn_of_slot() {
            if let Some(task) = self.empty_slot() {
                return Some(task);
            }
        }
        let before_oldest = || self.streaks.set(Streaks::default());
        let next = self
            .queue
            .pop_next(|| self.is_turn_of_young(), before_oldest);
        next.or_else(|| self.take_slot())
    }

    #[inline(always)]
    fn is_turn_of_slot(&self) -> bool {
        if self.is_slot_young.get() {
            return self.is_turn_of_young();
        }
        let mut streaks = self.streaks.get();
        streaks.woken += 1;
        self.streaks.set(streaks);
        streaks.woken <= WOKEN_STREAK_MAX
    }

    /// Other than a woken task: what those have had in a row is forgotten.
    #[inline(always)]
    fn is_turn_of_young(&self) -> bool {
        let young = self.streaks.get().young + 1;
        self.streaks.set(Streaks { woken: 0, young });
        young <= YOUNG_STREAK_MAX
    }

    /// Whether there is a task in the slot or in the queue, or a pinned one that is ready.
    pub(super) fn has_own_work(&self) -> bool {
        !self.slot.is_empty() || self.queue.len() > 0 || self.has_pinned_work()
    }

    #[inline(always)]
    fn take_slot(&self) -> Option<Notified> {
        if self.slot.is_empty() {
            return None;
        }
        self.empty_slot()
    }

    #[inline(always)]
    fn empty_slot(&self) -> Option<Notified> {
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
        let slot = &self.remote().slot;
        if !self.slot.last_put(cell.as_ptr()) || !self.slot.take_back(slot) {
            return false;
        }
        let done = act();
        self.slot.put_into_empty(slot, cell.as_ptr());
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
