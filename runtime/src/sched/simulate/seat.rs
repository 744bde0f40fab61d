//! Who has the core of a simulation?
//!
//! At rest it lies on the [`Desk`](super::desk::Desk). [`Simulation::drive`] takes it from there (a *seat*) and puts it back. Within a task, a further `drive` of the same simulation finds it on
//! its thread already and runs the same loop inside; the task below is marked as a guest meanwhile, as that of a thread whose core was handed off, so that an end leaves it alone. Whoever notices
//! the end, or ends it while it lies on the desk, hands the core in; the outermost seat is the runner that [`shutdown`](crate::sched::shutdown) waits for. A second thread is refused where the
//! order is drawn; else it polls its own future only, and takes the seat when that is left.

use super::Simulation;
use super::root::Root;
use crate::sched::context::{self, Covered, Entered};
use crate::sched::core::Core;
use crate::sched::handoff;
use crate::sched::local::visit::{self, Visit};
use crate::sys::sync::Arc;
use crate::sys::sync::thread;
use crate::task::refs::Polled;
use crate::util::apart::apart;
use crate::util::budget;
use std::task::Waker;

/// The right to drive: the outermost one has brought the core, one within a task has found it.
pub(super) struct Seat<'a> {
    simulation: &'a Simulation,
    pub(super) entered: Entered,
    pub(super) place: Place,
    was_panicking: bool,
}

pub(super) enum Place {
    Outermost {
        covered: Covered,
        _visit: Visit,
    },
    Nested {
        below: Option<Polled>,
        was_hidden: bool,
    },
}

impl Simulation {
    /// Wakes this one when nobody drives any more; true if that is so already. After the end there is nothing to be waited for.
    pub(crate) fn wakes_at_rest(&self, waker: &Waker) -> bool {
        let mut desk = self.desk.lock();
        let is_at_rest = desk.core.is_some();
        if !is_at_rest && !desk.has_ended && !desk.waiting.iter().any(|it| it.will_wake(waker)) {
            desk.waiting.push(waker.clone());
        }
        is_at_rest
    }

    /// Hands the core in if the scheduler is closing and nobody drives it: whoever does will.
    pub(crate) fn end_if_at_rest(&self) {
        let visit = self
            .shared
            .shutdown
            .is_closing()
            .then(|| self.pinned.visit());
        if visit.is_some() {
            self.end_at_rest_here();
        }
    }

    /// The same on a thread that visits.
    fn end_at_rest_here(&self) {
        if !self.shared.shutdown.is_closing() {
            return;
        }
        let core = {
            let mut desk = self.desk.lock();
            let core = desk.core.take();
            desk.note_end(core.is_some());
            core
        };
        if core.is_some() {
            apart(|| {
                self.pinned.end();
                self.shared.end_of_runner(core);
            });
        }
    }

    /// None if there is nothing to drive here.
    pub(super) fn take_seat(&self, root: &Arc<Root>) -> Option<Seat<'_>> {
        // A worker of an ordinary runtime goes on elsewhere; if it cannot it waits, as behind any long poll.
        let _ = handoff::before_blocking();
        let place = if self.is_on_this_thread() {
            self.nest()
        } else {
            let visit = self.pinned.visit();
            let core = self.core_from_desk()?;
            core.hide(false);
            let covered = context::enter_above(core);
            Place::Outermost {
                covered,
                _visit: visit,
            }
        };
        {
            let mut desk = self.desk.lock();
            // What stands on the desk has waited for others.
            desk.before_root = 0;
            desk.roots.push(root.clone());
        }
        Some(Seat {
            simulation: self,
            entered: context::entered(),
            place,
            was_panicking: std::thread::panicking(),
        })
    }

    fn is_on_this_thread(&self) -> bool {
        let is_ours = |core: &Core| Arc::ptr_eq(core.shared(), &self.shared);
        context::with_core(|core| core.is_some_and(is_ours))
    }

    fn core_from_desk(&self) -> Option<Box<Core>> {
        let mut desk = self.desk.lock();
        if let Some(core) = desk.core.take() {
            desk.thread = Some(thread::current().id());
            return Some(core);
        }
        let is_here = desk.thread == Some(thread::current().id());
        let has_ended = desk.has_ended;
        drop(desk);
        if has_ended || (!self.is_drawn() && !is_here) {
            return None;
        }
        panic!(
            "block_on of a simulation that {} drives already: a simulation is one thread, and what it waits for has to happen there; start a task instead",
            if is_here {
                "this thread, further down and through another runtime,"
            } else {
                "another thread"
            }
        );
    }

    /// Within a poll of a task, or of another future in `block_on`.
    fn nest(&self) -> Place {
        context::with_core(|core| {
            let core = core.expect("it is on this thread, as the caller has asked");
            let below = core.polled();
            core.end_poll();
            // SAFETY: it is being polled, by this thread, and not complete.
            below
                .into_iter()
                .for_each(|task| unsafe { task.become_guest() });
            Place::Nested {
                below,
                was_hidden: core.hide(false),
            }
        })
    }

    /// The end has begun while this thread drives.
    pub(super) fn end_here(&self) {
        self.desk.lock().note_end(true);
        apart(|| {
            self.pinned.end();
            if let Some(core) = context::leave() {
                self.shared.end_of_core(core);
            }
        });
        visit::begin_end();
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let simulation = self.simulation;
        simulation.desk.lock().roots.pop();
        // Whatever comes next on this thread, nobody renews its budget.
        budget::lift();
        match &self.place {
            Place::Nested { below, was_hidden } => {
                if let Some(core) = self.entered.core() {
                    core.hide(*was_hidden);
                    // SAFETY: this thread polls it, and it is not complete: it has called us.
                    below.iter().for_each(|task| unsafe { task.is_no_guest() });
                    core.resume_poll(*below);
                }
            }
            Place::Outermost { covered, .. } => {
                if std::thread::panicking() && !self.was_panicking {
                    simulation.tell_of_failure();
                }
                if let Some(core) = self.entered.core() {
                    core.end_poll();
                    core.slab.flush();
                }
                simulation.take_back(context::uncover(covered));
            }
        }
    }
}

impl Simulation {
    /// The outermost seat is left.
    fn take_back(&self, core: Option<Box<Core>>) {
        let has_core = core.is_some();
        let waiting = {
            let mut desk = self.desk.lock();
            desk.core = core;
            desk.thread = None;
            desk.forget_pinned();
            std::mem::take(&mut desk.waiting)
        };
        if has_core {
            // Somebody may have begun the end, and found the desk empty.
            self.end_at_rest_here();
        } else {
            self.shared.end_of_runner(None);
        }
        // The next one takes the core, the others find it taken and wait again.
        waiting.into_iter().for_each(Waker::wake);
    }
}
