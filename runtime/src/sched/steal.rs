//! Where does a worker look when it has nothing to do?
//!
//! In this order: the lanes, where it finds tasks from outside; the siblings' queues, beginning at a random one; then, of siblings that are busy, the readiness in their
//! drivers and the expired timers in their wheels. What a sibling sleeps over is left to it: it waits for the same events.

use super::core::Core;
use super::idle::EndOfSearch;
use super::shared::Remote;
use crate::driver::Wait;
use crate::sys::barrier;
use crate::sys::sync::atomic::Ordering;
use crate::task::refs::Notified;

impl Core {
    /// Finds a task to run: elsewhere, since the own queue is empty.
    pub(super) fn find_work(&self) -> Option<Notified> {
        // Before the search, since who does not search holds back nobody's wakes: the end of a search costs a heavy barrier where others sleep.
        let task = self.take_from_outside().or_else(|| {
            if !self.is_searching.get() {
                self.is_searching.set(self.shared.idle.begin_search());
            }
            self.look_around()
        });
        if task.is_some() {
            self.end_search();
        }
        task
    }

    fn look_around(&self) -> Option<Notified> {
        if !self.is_searching.get() {
            return None;
        }
        self.steal_tasks()
            .or_else(|| self.steal_readiness())
            .or_else(|| self.take_from_outside())
    }

    pub(super) fn steal_tasks(&self) -> Option<Notified> {
        self.siblings().find_map(|sibling| {
            sibling.stealer.wait_for_backlog();
            self.steal_from(sibling)
        })
    }

    /// Moves a share of a sibling's queue into its own, and gives the first of it.
    pub(super) fn steal_from(&self, victim: &Remote) -> Option<Notified> {
        let before = self.queue.len();
        let first = victim.stealer.steal_into(&self.queue)?;
        let counts = &self.remote().counts;
        counts.thefts.add(1);
        counts
            .stolen
            .add(1 + self.queue.len().saturating_sub(before));
        Some(first)
    }

    pub(super) fn steal_readiness(&self) -> Option<Notified> {
        // ORDERING: Relaxed: a hint; at worst a sibling that sleeps is swept, or one that has just woken up is not.
        for sibling in self
            .siblings()
            .filter(|sibling| !sibling.is_asleep.load(Ordering::Relaxed))
        {
            self.wake_batch(|ready| {
                sibling.driver.turn(Wait::Sweep, ready);
                if sibling.timers.next_deadline().is_some() {
                    sibling.timers.try_fire(self.shared.clock.now(), ready);
                }
            });
            if let Some(task) = self.next_task() {
                return Some(task);
            }
        }
        None
    }

    /// The other workers, and spares, each once, from a random one on.
    pub(super) fn siblings(&self) -> impl Iterator<Item = &Remote> {
        let count = self.shared.count();
        let first = self.random.below(count as u32) as usize;
        (0..count)
            .map(move |step| (first + step) % count)
            .filter(|&index| index != self.index)
            .map(|index| &**self.shared.remote(index))
    }

    /// Ends a search that has found something: the last searcher passes on the wakes that were held back meanwhile.
    #[cold]
    pub(super) fn end_search(&self) {
        let idle = &self.shared.idle;
        if self.is_searching.take() && idle.end_search() == EndOfSearch::WasLast {
            barrier::heavy();
            if self.shared.has_visible_work() {
                self.shared.unpark(idle.wake_one_for_work());
            }
        }
    }
}
