//! Where do runnable tasks wait?
//!
//! Each worker has a first-in-first-out queue of its own that others steal from in batches; tasks from threads that are no workers
//! come to it through the [`lanes`](super::lanes). The scheduler knows only these two types; which queue is behind them is chosen when it starts:
//!
//! | queue | when | push and pop | a steal |
//! |---|---|---|---|
//! | [`fast_queue`] | the kernel has membarrier(2), or `FILCH_QUEUE` is `fast` | plain loads and stores | a system call, and half of all there is |
//! | [`deque`] (crossbeam-deque) | it has not, or `FILCH_QUEUE` is `portable` | a locked instruction each | at most 32 at a time |
//!
//! Figures: docs/decisions/queue.md.

mod deque;

use super::fast_queue;
use crate::sys::barrier;
use crate::sys::sync::{Arc, hint};
use crate::task::header::Header;
use crate::task::refs::Notified;
use std::fmt;
use std::ptr::NonNull;
use std::sync::OnceLock;

/// How many tasks one theft moves at most. The victim waits for it at its next pop; a task costs a few nanoseconds. A guess.
const STEAL_MAX: usize = 64 * 1024;

/// How large a backlog is worth a theft at once. As empty tasks it takes its owner some 2 us, which is what the theft costs.
const BACKLOG_WORTH: usize = 256;

/// How often a thief looks whether a backlog has become worth it: for some 5 us, a small part of what waking the thief took. A guess. (Under
/// shuttle each look is a step, and a step is as good as a moment.)
const BACKLOG_SPINS: usize = if cfg!(shuttle) { 2 } else { 200 };

/// The owner's end of a worker's queue.
pub(crate) enum Local {
    Fast(fast_queue::Owner<Header>),
    Portable(deque::Local),
}

/// The thieves' end of a worker's queue.
pub(crate) enum Stealer {
    Fast(Arc<fast_queue::Queue<Header>>),
    Portable(deque::Stealer),
}

/// Which queue it is, for the whole process. Without membarrier the owner of a fast one takes its lock at each pop, and all is right.
fn is_fast() -> bool {
    static IS_FAST: OnceLock<bool> = OnceLock::new();
    *IS_FAST.get_or_init(|| match std::env::var_os("FILCH_QUEUE") {
        Some(queue) if queue == "fast" => true,
        Some(queue) if queue == "portable" => false,
        _ => {
            barrier::init();
            barrier::is_asymmetric()
        }
    })
}

impl Local {
    pub(crate) fn new() -> (Self, Stealer) {
        if is_fast() {
            let (owner, queue) = fast_queue::Owner::new();
            (Self::Fast(owner), Stealer::Fast(queue))
        } else {
            let (local, stealer) = deque::Local::new();
            (Self::Portable(local), Stealer::Portable(stealer))
        }
    }

    /// Whether it is the fast one.
    pub(crate) fn is_fast(&self) -> bool {
        matches!(self, Self::Fast(_))
    }

    /// Adds at the end. What was added before is not young any more.
    #[inline(always)]
    pub(crate) fn push(&self, task: Notified) {
        self.push_young(task);
        self.age();
    }

    /// Adds at the end what [`pop_next`](Self::pop_next) may take as young.
    #[inline(always)]
    pub(crate) fn push_young(&self, task: Notified) {
        match self {
            Self::Fast(owner) => owner.push(task.into_raw()),
            Self::Portable(local) => local.push(task),
        }
    }

    /// What was added up to now is not young any more.
    #[inline(always)]
    pub(crate) fn age(&self) {
        if let Self::Fast(owner) = self {
            owner.age();
        }
    }

    /// Takes the oldest; or the newest, if it is young and `is_turn_of_young`, which is asked then. `before_oldest` is called before the oldest is taken. A portable queue
    /// can only be taken from at its old end.
    #[inline(always)]
    pub(crate) fn pop_next(
        &self,
        is_turn_of_young: impl FnOnce() -> bool,
        before_oldest: impl FnOnce(),
    ) -> Option<Notified> {
        match self {
            Self::Fast(owner) => {
                if owner.has_young() && is_turn_of_young() {
                    if let Some(task) = owner.pop_newest() {
                        return Some(notified(task));
                    }
                }
                before_oldest();
                owner.pop().map(notified)
            }
            Self::Portable(local) => {
                before_oldest();
                local.pop()
            }
        }
    }

    /// How many there are, unless some were stolen since the last pop.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Fast(owner) => owner.len(),
            Self::Portable(local) => local.len(),
        }
    }

    /// Gives back memory that was not needed since the last call.
    pub(crate) fn trim(&self) {
        if let Self::Fast(owner) = self {
            owner.trim();
        }
    }

    /// Whether there is memory that [`trim`](Self::trim) may give back one day.
    pub(crate) fn has_excess(&self) -> bool {
        matches!(self, Self::Fast(owner) if owner.has_excess())
    }
}

impl Stealer {
    /// Moves up to half of the queue's tasks into `into` and returns the first of them.
    pub(crate) fn steal_into(&self, into: &Local) -> Option<Notified> {
        match (self, into) {
            (Self::Fast(queue), Local::Fast(owner)) => {
                queue.steal_into(owner, STEAL_MAX).map(notified)
            }
            (Self::Portable(stealer), Local::Portable(local)) => stealer.steal_into(local),
            _ => unreachable!("all queues of a process are of one kind"),
        }
    }

    /// If there is little, waits a moment for there to be more: a theft costs victim and thief some microseconds each, however much is taken, and a
    /// backlog of short tasks that grows is a hundred times as long by then, or gone.
    pub(crate) fn wait_for_backlog(&self) {
        for _ in 0..BACKLOG_SPINS {
            if !(1..BACKLOG_WORTH).contains(&self.len()) {
                return;
            }
            hint::spin_loop();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many there seem to be.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Fast(queue) => queue.len(),
            Self::Portable(stealer) => stealer.len(),
        }
    }
}

fn notified(cell: NonNull<Header>) -> Notified {
    // SAFETY: queues are given `Notified`s only, and give each to one taker.
    unsafe { Notified::from_raw(cell) }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("len", &self.len()).finish()
    }
}

impl fmt::Debug for Stealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stealer").field("len", &self.len()).finish()
    }
}
