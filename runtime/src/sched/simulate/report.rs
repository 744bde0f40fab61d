//! What is said when a simulation fails?
//!
//! Of a deadlock: when it came, and what everybody waits for. Of any failure: how to have the same run again.

use super::Simulation;
use super::desk::Order;
use super::root::Root;
use crate::sched::core::Core;
use crate::sched::shared::Shared;
use crate::sys::sync::Arc;
use crate::sys::sync::atomic::Ordering;
use crate::task::harness;
use crate::util::slab::Slab;
use crate::util::wait_reason::WaitReason;
use std::fmt;
use std::panic::Location;

impl Simulation {
    #[cold]
    pub(super) fn tell_deadlock(&self, core: &Core, seed: u64) -> ! {
        // Also if somebody makes nothing of the panic.
        self.tell_of_failure();
        let tasks = self.waiting_tasks(core);
        let roots = self.desk.lock().roots.clone();
        let (top, below) = roots.split_last().expect("whoever drives has one");
        panic!(
            "deadlock in the simulation with seed {seed}, after {:?} of virtual time: {} waits for {:?}, so do {} tasks, and no timer is armed that could wake \
             any of them.{}{} Look for a message that nobody sends, a lock that is held over an await, a waker that was not kept. What happens outside of the simulation, on other \
             threads or descriptors, is not waited for: use filch::spawn_blocking, and filch::io::duplex for streams.",
            self.clock.elapsed(),
            Caller(top, below.is_empty()),
            top.reason(),
            tasks.len() - tasks.iter().filter(|(_, reason)| reason.is_none()).count(),
            Below(below),
            Told(&tasks),
        );
    }

    fn waiting_tasks(&self, core: &Core) -> Vec<Waiting> {
        let mut tasks = Vec::new();
        note_waiting(&core.slab, &mut tasks);
        self.shared.lanes.look_after(|inside| {
            inside
                .into_iter()
                .for_each(|(_, outside)| note_waiting(&outside.slab, &mut tasks));
        });
        // SAFETY: as in `note_waiting`.
        let note = |cell| tasks.extend(unsafe { harness::waiting_in(cell) });
        core.for_each_pinned(note);
        tasks
    }

    /// Says how to have the same run again, once.
    pub(super) fn tell_of_failure(&self) {
        let Order::Drawn(seed) = self.order else {
            return;
        };
        // ORDERING: Relaxed: a flag by itself.
        if self.tells && !self.has_told.swap(true, Ordering::Relaxed) {
            eprintln!("filch: simulation failed; replay with seed {seed}");
        }
    }
}

/// Where a task was spawned, and what it waits for.
type Waiting = (&'static Location<'static>, Option<WaitReason>);

/// Notes the tasks of a slab that are not complete.
fn note_waiting(slab: &Slab<Shared>, tasks: &mut Vec<Waiting>) {
    // SAFETY: every cell a slab has handed out was initialised right away; nobody runs a task meanwhile but those below us on this thread's stack, which stand still.
    let note = |cell| tasks.extend(unsafe { harness::waiting_in(cell) });
    // SAFETY: this thread has the slab's core, or the lock of its lane, and allocates nothing meanwhile.
    unsafe { slab.for_each_cell(note) };
}

/// Who is in the middle of `block_on`, for people: whether it is the outermost.
struct Caller<'a>(&'a Root, bool);

impl fmt::Display for Caller<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1 {
            return f.write_str("the future in block_on");
        }
        write!(f, "the call that blocks its thread at {}", self.0.caller())
    }
}

/// What stands below such a call on the thread's stack, for people.
struct Below<'a>(&'a [Arc<Root>]);

impl fmt::Display for Below<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        f.write_str(" That call stands within a poll of the same simulation, which goes on only when it returns.")?;
        for (depth, root) in self.0.iter().enumerate().rev() {
            // Many tasks may block, one above the other.
            if self.0.len() - depth > TOLD_MAX {
                return f.write_str(" And so on.");
            }
            let caller = Caller(root, depth == 0);
            if root.is_done() || root.is_woken() {
                write!(
                    f,
                    " Below it, {caller} could go on, but has to wait for those above it: on a thread of its own it would; use .await here, or there."
                )?;
            } else {
                write!(f, " Below it, {caller} waits for {:?}.", root.reason())?;
            }
        }
        Ok(())
    }
}

/// More than this many of the tasks of a deadlock are not told of.
const TOLD_MAX: usize = 16;

/// The tasks of a deadlock, for people.
struct Told<'a>(&'a [Waiting]);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (location, reason) in self.0.iter().take(TOLD_MAX) {
            match reason {
                Some(reason) => write!(f, " The one spawned at {location} waits for: {reason:?}.")?,
                None => write!(
                    f,
                    " The one spawned at {location} is in the middle of a poll."
                )?,
            }
        }
        if self.0.len() > TOLD_MAX {
            f.write_str(" And others.")?;
        }
        Ok(())
    }
}
