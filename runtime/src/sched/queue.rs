//! Where do runnable tasks wait?
//!
//! Each worker has a first-in-first-out deque of its own that others steal from in batches; tasks from threads that are no workers
//! go through the injector. This file is the door to crossbeam-deque; the scheduler knows only these three types.

use crate::task::refs::Notified;
use crossbeam_deque::{
    Injector as CrossbeamInjector, Steal, Stealer as CrossbeamStealer, Worker as CrossbeamWorker,
};

/// How many tasks a thief moves at most: crossbeam moves up to 32 at a time and at most half of what is there, so a large
/// backlog is taken in several such steps.
const STEAL_STEPS_MAX: usize = 8;

/// The owner's end of a worker's queue.
pub(crate) struct Local(CrossbeamWorker<Notified>);

/// The thieves' end of a worker's queue.
pub(crate) struct Stealer(CrossbeamStealer<Notified>);

/// The queue for tasks from outside. Its length is bounded only by memory: refusing a wake would lose it.
pub(crate) struct Injector(CrossbeamInjector<Notified>);

impl Local {
    pub(crate) fn new() -> (Self, Stealer) {
        let worker = CrossbeamWorker::new_fifo();
        let stealer = worker.stealer();
        (Self(worker), Stealer(stealer))
    }

    #[inline]
    pub(crate) fn push(&self, task: Notified) {
        self.0.push(task);
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Notified> {
        self.0.pop()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Stealer {
    /// Moves up to half of the queue's tasks into `into` and returns the first of them.
    pub(crate) fn steal_into(&self, into: &Local) -> Option<Notified> {
        let first = retry(|| self.0.steal_batch_and_pop(&into.0))?;
        for _ in 1..STEAL_STEPS_MAX {
            // Half of what there was is enough: the owner keeps as much as we hold.
            if self.0.len() <= into.0.len()
                || !matches!(self.0.steal_batch(&into.0), Steal::Success(()))
            {
                break;
            }
        }
        Some(first)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Injector {
    pub(crate) fn new() -> Self {
        Self(CrossbeamInjector::new())
    }

    pub(crate) fn push(&self, task: Notified) {
        self.0.push(task);
    }

    /// Moves some tasks into `into` and returns the first of them.
    pub(crate) fn steal_into(&self, into: &Local) -> Option<Notified> {
        retry(|| self.0.steal_batch_and_pop(&into.0))
    }

    /// Moves some tasks into `into`, in their order.
    pub(crate) fn move_into(&self, into: &Local) {
        retry(|| self.0.steal_batch(&into.0));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Repeats a steal that lost a race. Each loss means that another thread has taken something, so it ends.
fn retry<T>(steal: impl Fn() -> Steal<T>) -> Option<T> {
    loop {
        match steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => crate::sys::sync::hint::spin_loop(),
        }
    }
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("len", &self.0.len()).finish()
    }
}

impl std::fmt::Debug for Stealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stealer")
            .field("len", &self.0.len())
            .finish()
    }
}

impl std::fmt::Debug for Injector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Injector")
            .field("len", &self.0.len())
            .finish()
    }
}
