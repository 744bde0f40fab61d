//! Where do tasks wait that come from threads that are no workers?
//!
//! In *lanes*: about as many as there are workers, each with a lock of its own, on cache lines of its own. A thread always uses the same one, so that
//! what it starts begins in its order, and two threads seldom meet. One lock acquisition does all of a spawn: what stands beside the tasks of a lane
//! (`S`, the slab that their cells come from) is under the same lock.
//!
//! | word | written | read |
//! |---|---|---|
//! | `used` | when a lane is first pushed to | by workers, to know which lanes to look at |
//! | `len` of a lane | under its lock | by workers, as a hint whether to take the lock |
//! | `is_awaited` of a lane | under its lock | under its lock |
//!
//! A worker takes its *share* in one go: what a lane holds, divided by the number of workers; at least one, at most a block. It begins at
//! the lane behind the one it took from last, so that none starves.
//!
//! # Who is to be woken
//!
//! Not somebody for each task. [`Lanes::push`] says whether the pusher has to ask the idle protocol:
//!
//! - when the lane was empty: yes. While it is not, whoever pushed the first has asked, and the claim of `IDLE.md` holds for the rest as well;
//! - unless the lane is *awaited*: a worker has taken a few short tasks from it and will be back before anybody that sleeps could be awake. It comes back at the latest
//!   with the end of its batch, and takes the promise back, under the lock, before it looks elsewhere. Then only the push that makes the backlog
//!   [worth a wake-up](AWAITED_MAX) asks.
//!
//! A worker that breaks its promise, because one of the short tasks is long, is what the sentinel is for.
//!
//! Rejected: crossbeam's `Injector` (all producers write its tail, and the slab needs a lock besides); a queue in each worker that others push to (no order, and
//! what it holds is stranded with it); a bitmap of lanes that are not empty (each of two producers in turn with a worker would write it for each task).

mod fifo;

pub(crate) use fifo::{BLOCK, Fifo, new_block};

use crate::sys::sync::Mutex;
use crate::sys::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::fmt;

/// At most so many lanes: `used` has a bit for each.
const LANES_MAX: usize = 64;
/// And at least: a few threads that spawn are usual also where there are few workers.
const LANES_MIN: usize = 4;

/// How many tasks may come to stand in a lane that is awaited before somebody is woken all the same. As empty tasks they take 2 us, a tenth of what a wake-up takes to
/// arrive; but the worker that is awaited may have met a long one. A guess.
#[cfg(not(any(loom, shuttle)))]
const AWAITED_MAX: usize = 256;
#[cfg(any(loom, shuttle))]
const AWAITED_MAX: usize = 2;

/// Lanes of `T`s, with an `S` beside each.
pub(crate) struct Lanes<T, S> {
    lanes: Box<[Lane<T, S>]>,
    /// A bit for each lane that was ever pushed to: most programs have fewer such threads than lanes.
    used: AtomicU64,
    workers: usize,
}

/// On lines of its own: one producer writes it all the time.
#[repr(align(128))]
struct Lane<T, S> {
    len: AtomicUsize,
    /// None once it is closed.
    inside: Mutex<Option<Inside<T, S>>>,
}

struct Inside<T, S> {
    tasks: Fifo<T>,
    /// A worker that is awake will be back soon.
    is_awaited: bool,
    is_used: bool,
    beside: S,
}

/// Which lanes a worker looks at next, and which of them wait for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// The lane to begin at.
    next: usize,
    /// A bit for each lane that it has promised to come back to.
    promised: u64,
}

/// What is left of a lane after a worker has taken its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) tasks: usize,
    /// Whether the worker has promised to come back for them.
    pub(crate) is_awaited: bool,
}

impl<T: Copy, S> Lanes<T, S> {
    /// As many as are good for so many workers, closed.
    pub(crate) fn new(workers: usize) -> Self {
        let lanes = workers.clamp(LANES_MIN, LANES_MAX).next_power_of_two();
        Self::closed(lanes, workers)
    }

    /// One for all threads, of one worker, closed: what they push comes in the order in which they did.
    #[cfg_attr(
        loom,
        expect(dead_code, reason = "it is one of the lanes that are modelled")
    )]
    pub(crate) fn single() -> Self {
        Self::closed(1, 1)
    }

    fn closed(lanes: usize, workers: usize) -> Self {
        let closed = |_| Lane {
            len: AtomicUsize::new(0),
            inside: Mutex::new(None),
        };
        Self {
            lanes: (0..lanes).map(closed).collect(),
            used: AtomicU64::new(0),
            workers,
        }
    }

    /// Opens them, with something beside the tasks of each.
    pub(crate) fn open(&self, beside: impl Fn() -> S) {
        for lane in &self.lanes {
            *lane.inside.lock() = Some(Inside {
                tasks: Fifo::new(),
                is_awaited: false,
                is_used: false,
                beside: beside(),
            });
        }
    }

    /// Closes them for good, and gives back what stands beside the tasks. The tasks are forgotten.
    pub(crate) fn close(&self) -> Vec<S> {
        let inside = self.lanes.iter().filter_map(|lane| {
            let mut inside = lane.inside.lock();
            lane.note_len(0);
            inside.take()
        });
        inside.map(|inside| inside.beside).collect()
    }

    /// Adds what `put` puts to a lane, which is counted modulo their number; `put` runs under its lock. What `put` returns, and whether somebody may have to be
    /// woken for it. None, without calling it, if the lanes are closed.
    #[inline]
    pub(crate) fn push<R>(
        &self,
        lane: usize,
        put: impl FnOnce(&mut Fifo<T>, &S) -> R,
    ) -> Option<(R, bool)> {
        let index = lane & (self.lanes.len() - 1);
        let lane = &self.lanes[index];
        let mut guard = lane.inside.lock();
        // Where it is closed, `put` and what it holds are dropped after the guard, as parameters are.
        let inside = guard.as_mut()?;
        if !inside.is_used {
            inside.is_used = true;
            // ORDERING: Relaxed, as the store of `len`: who must not miss it passes a barrier first, whose partner is the asking pusher's.
            self.used.fetch_or(1 << index, Ordering::Relaxed);
        }
        let before = inside.tasks.len();
        let result = put(&mut inside.tasks, &inside.beside);
        let now = inside.tasks.len();
        lane.note_len(now);
        let enough = if inside.is_awaited { AWAITED_MAX } else { 1 };
        Some((result, before < enough && now >= enough))
    }

    /// Takes a share of the first lane that has any, into `into`, which is [a block](new_block) and empty. A share of no more than `soon` makes the lane awaited: a promise
    /// to call this again before anything else that is not a task of one's own.
    pub(crate) fn take(&self, round: &mut Round, soon: usize, into: &mut Vec<T>) -> Option<Left> {
        for index in self.of_interest(*round) {
            let left = self.take_from(index, round, soon, into);
            if !into.is_empty() {
                round.next = index + 1;
                return Some(left);
            }
        }
        None
    }

    /// Takes a share of each lane, and takes back all promises.
    pub(crate) fn take_all(
        &self,
        round: &mut Round,
        into: &mut Vec<T>,
        mut each: impl FnMut(&mut Vec<T>),
    ) {
        for index in self.of_interest(*round) {
            self.take_from(index, round, 0, into);
            each(into);
        }
    }

    /// The lanes that have tasks, as it seems, or to which a promise was given.
    fn of_interest(&self, round: Round) -> impl Iterator<Item = usize> {
        // ORDERING: Relaxed, see `push`.
        let used = self.used.load(Ordering::Relaxed);
        let lanes = self.lanes.len();
        (0..lanes)
            .map(move |step| (round.next + step) & (lanes - 1))
            .filter(move |index| used >> index & 1 == 1)
            .filter(move |&index| {
                round.promised >> index & 1 == 1 || !self.lanes[index].seems_empty()
            })
    }

    fn take_from(&self, index: usize, round: &mut Round, soon: usize, into: &mut Vec<T>) -> Left {
        let lane = &self.lanes[index];
        let bit = 1 << index;
        round.promised &= !bit;
        let mut guard = lane.inside.lock();
        let Some(inside) = guard.as_mut() else {
            return Left {
                tasks: 0,
                is_awaited: false,
            };
        };
        let share = (inside.tasks.len() / self.workers).clamp(1, BLOCK);
        inside.tasks.take(share, into);
        let tasks = inside.tasks.len();
        lane.note_len(tasks);
        let is_awaited = (1..=soon).contains(&into.len());
        inside.is_awaited = is_awaited;
        if is_awaited {
            round.promised |= bit;
        }
        Left { tasks, is_awaited }
    }

    /// Whether there seem to be tasks.
    pub(crate) fn has_work(&self) -> bool {
        // ORDERING: Relaxed, see `push`.
        let used = self.used.load(Ordering::Relaxed);
        let mut lanes = self.lanes.iter().enumerate();
        lanes.any(|(index, lane)| used >> index & 1 == 1 && !lane.seems_empty())
    }

    /// Calls `each` with what is in each lane that was ever used and that nobody is at; with nothing for one that somebody is at.
    pub(crate) fn look_after(&self, mut each: impl FnMut(Option<(&mut Fifo<T>, &mut S)>)) {
        // ORDERING: Relaxed: what is missed now is looked after the next time.
        let used = self.used.load(Ordering::Relaxed);
        let lanes = self.lanes.iter().enumerate();
        for (_, lane) in lanes.filter(|(index, _)| used >> index & 1 == 1) {
            match lane.inside.try_lock() {
                None => each(None),
                Some(mut guard) => {
                    if let Some(inside) = guard.as_mut() {
                        each(Some((&mut inside.tasks, &mut inside.beside)));
                    }
                }
            }
        }
    }

    /// How many tasks there seem to be.
    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(Lane::len).sum()
    }
}

impl<T, S> Lane<T, S> {
    /// Under the lock.
    #[inline]
    fn note_len(&self, len: usize) {
        // ORDERING: Relaxed: a hint, except for who falls asleep or ends a search: those look behind a heavy barrier, whose partner is the barrier of the pusher
        // that asks (`wake_one_from_outside`), or the light one of the worker that has taken back a promise.
        self.len.store(len, Ordering::Relaxed);
    }

    fn len(&self) -> usize {
        // ORDERING: Relaxed, see `note_len`.
        self.len.load(Ordering::Relaxed)
    }

    fn seems_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Round {
    /// Workers begin at different lanes.
    pub(crate) fn new(worker: usize) -> Self {
        Self {
            next: worker,
            promised: 0,
        }
    }

    /// Whether a lane waits for this worker.
    pub(crate) fn has_promised(self) -> bool {
        self.promised != 0
    }
}

impl<T: Copy, S> fmt::Debug for Lanes<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom), not(shuttle)))]
mod tests;
