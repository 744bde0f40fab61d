//! How do benchmarks reach a single operation of the scheduler's inside, and tests learn which queue there is?
//!
//! By thin wrappers around the queue, a lane and the slot, published under a name that is hidden and begins with underscores: it
//! is no part of the API and may change with any commit. They hold numbers instead of tasks, since none of the three ever
//! looks behind the pointers it keeps.
//!
//! They are compiled always. Rejected: a feature or a cfg (a benchmark of another build than the one that is shipped proves
//! little, and each flag is a build that somebody forgets to test); benchmarks inside the crate (they need nightly).

use crate::sched::lanes::{Lanes, Round, new_block};
use crate::sched::outside::Entry;
use crate::sched::{queue, slot};
use crate::sys::barrier;
use crate::task::header::Header;
use crate::task::refs::Notified;
use std::cell::RefCell;
use std::ptr::{self, NonNull};

/// A worker's queue with both of its ends.
#[derive(Debug)]
pub struct Queue {
    local: queue::Local,
    stealer: queue::Stealer,
}

/// The lanes for tasks from outside, of one worker; always the same one is used.
#[derive(Debug)]
pub struct Injector {
    lanes: Lanes<Entry, ()>,
    worker: RefCell<(Round, Vec<Entry>)>,
}

/// A worker's slot with both of its sides.
#[derive(Debug)]
pub struct Slot {
    shared: slot::Slot<u8>,
    owner: slot::Owner<u8>,
}

impl Queue {
    /// An empty queue.
    #[expect(clippy::new_without_default, reason = "nobody wants one")]
    pub fn new() -> Self {
        let (local, stealer) = queue::Local::new();
        Self { local, stealer }
    }

    /// The owner puts `number`, not 0, at the end.
    #[inline]
    pub fn push(&self, number: usize) {
        self.local.push(task(number));
    }

    /// The owner takes from the beginning.
    #[inline]
    pub fn pop(&self) -> Option<usize> {
        self.local.pop_next(|| false, || ()).map(number)
    }

    /// A thief moves a share into its own queue and takes the first.
    pub fn steal_into(&self, thief: &Self) -> Option<usize> {
        self.stealer.steal_into(&thief.local).map(number)
    }

    /// Whether it is the one that wants membarrier(2), and not crossbeam's; the same for every queue of the process. Whoever wants to know must ask here: environment, kernel
    /// and seccomp filter have a say.
    pub fn is_fast(&self) -> bool {
        self.local.is_fast()
    }

    /// How many are in it.
    pub fn count(&self) -> usize {
        self.local.len()
    }
}

impl Injector {
    /// An empty one.
    #[expect(clippy::new_without_default, reason = "nobody wants one")]
    pub fn new() -> Self {
        let lanes = Lanes::new(1);
        lanes.open(|| ());
        Self {
            lanes,
            worker: RefCell::new((Round::new(0), new_block())),
        }
    }

    /// Anybody puts `number`, not 0, at the end.
    pub fn push(&self, number: usize) {
        let entry = Entry::new(task(number));
        let pushed = self.lanes.push(0, |tasks, ()| tasks.push(entry));
        debug_assert!(pushed.is_some(), "they are open");
    }

    /// A worker moves some into its queue and takes the first.
    pub fn steal_into(&self, worker: &Queue) -> Option<usize> {
        let (round, block) = &mut *self.worker.borrow_mut();
        self.lanes.take(round, 0, block);
        // SAFETY: just taken from a lane, and drained once.
        let mut tasks = block.drain(..).map(|entry| unsafe { entry.into_task() });
        let first = tasks.next().map(number);
        tasks.for_each(|task| worker.local.push(task));
        first
    }
}

impl Slot {
    /// An empty one.
    #[expect(clippy::new_without_default, reason = "nobody wants one")]
    pub fn new() -> Self {
        barrier::init();
        let (shared, owner) = slot::Slot::new();
        Self { shared, owner }
    }

    /// The owner puts `number` in, 0 for nothing, and gets what was there.
    #[inline]
    pub fn replace(&self, number: usize) -> usize {
        let new = ptr::without_provenance_mut(number);
        self.owner.replace(&self.shared, new).addr()
    }

    /// A thief takes what is in it, 0 if nothing.
    pub fn steal(&self) -> usize {
        self.shared.steal().map_or(0, |stolen| stolen.addr())
    }
}

/// A number in the place of a task.
#[inline]
fn task(number: usize) -> Notified {
    let cell = NonNull::new(ptr::without_provenance_mut::<Header>(number)).expect("not 0");
    // SAFETY: it stands for no task, and nobody runs it: it goes into a queue of this file only, comes out as a number, and queues
    // neither look behind what they hold nor drop anything with it.
    unsafe { Notified::from_raw(cell) }
}

#[inline]
fn number(task: Notified) -> usize {
    task.into_raw().as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_pass_through_unharmed() {
        let (queue, thief, injector) = (Queue::new(), Queue::new(), Injector::new());
        (1..=8).for_each(|number| queue.push(number));
        assert_eq!(queue.pop(), Some(1));
        assert_eq!(queue.steal_into(&thief), Some(2));
        assert_eq!(queue.pop(), Some(6));
        assert_eq!(queue.count() + thief.count(), 5);
        injector.push(9);
        assert_eq!(injector.steal_into(&Queue::new()), Some(9));

        let slot = Slot::new();
        assert_eq!(slot.replace(1), 0);
        assert_eq!(slot.replace(2), 1);
        assert_eq!(slot.steal(), 2);
        assert_eq!(slot.replace(0), 0);
    }
}
