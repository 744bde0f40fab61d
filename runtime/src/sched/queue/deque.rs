//! The door to crossbeam-deque: the worker's queue where the kernel has no membarrier(2).

use crate::sys::sync::hint;
use crate::task::refs::Notified;
use crossbeam_deque as crossbeam;
use crossbeam_deque::Steal;

/// How many steps a theft has at most: crossbeam moves up to 32 tasks at a time and at most half of what is there, so a large
/// backlog is taken in several such steps.
const STEAL_STEPS_MAX: usize = 8;

/// The owner's end of a worker's queue.
pub(crate) struct Local(crossbeam::Worker<Notified>);

/// The thieves' end of a worker's queue.
pub(crate) struct Stealer(crossbeam::Stealer<Notified>);

impl Local {
    pub(super) fn new() -> (Self, Stealer) {
        let worker = crossbeam::Worker::new_fifo();
        let stealer = worker.stealer();
        (Self(worker), Stealer(stealer))
    }

    #[inline]
    pub(super) fn push(&self, task: Notified) {
        self.0.push(task);
    }

    #[inline]
    pub(super) fn pop(&self) -> Option<Notified> {
        self.0.pop()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Stealer {
    /// Moves up to half of the queue's tasks into `into` and returns the first of them.
    pub(super) fn steal_into(&self, into: &Local) -> Option<Notified> {
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

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Repeats a steal that lost a race. Each loss means that another thread has taken something, so it ends.
fn retry<T>(steal: impl Fn() -> Steal<T>) -> Option<T> {
    loop {
        match steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => hint::spin_loop(),
        }
    }
}
