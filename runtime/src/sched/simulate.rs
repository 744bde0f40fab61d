//! How does one thread run everything, in an order that a number decides?
//!
//! With the real cells, slab, slot, queue, lanes and wheel, and one real [`Core`], but without a worker's thread, a sentinel or spares: whoever is in `block_on` enters the
//! core and runs this file's loop.
//!
//! ```text
//! fire what is due -> take everything that is runnable out of slot, queue and lanes -> choose one of it -> poll it
//!     ^                     | nothing is runnable
//!     +---- move the clock to the next deadline; if there is none: a deadlock, which is told with the seed
//! ```
//!
//! The future in `block_on` is one of those to choose from. Since any that is runnable may be polled next, each interleaving of polls that any number of workers, thefts,
//! wake-ups and hand-offs could bring about, of polls that do not overlap, comes up for some seed; what it cannot show are races of two threads within two polls, which are for loom
//! and ThreadSanitizer. What is drawn: the task that is polled next, the order of wakers whose timers are due at the same tick, and the seeds of everybody who asks the runtime's
//! random source (the faults of [`io::sim`](crate::io::sim)).
//!
//! | order | who uses it | the next one | when nothing is runnable |
//! |---|---|---|---|
//! | [`Order::Drawn`] | `Builder::simulated` | any | the clock moves; without a timer it panics |
//! | [`Order::Fifo`] | `Builder::start_paused` | the oldest; the future in `block_on` after those that waited with it | the driver is looked at, blocking calls are waited for; then the clock moves; without a timer it waits in the driver |
//!
//! | file | answers |
//! |---|---|
//! | `desk` | who is polled next? |
//! | `seat` | who has the core? |
//! | `root` | what is the future in `block_on` to it? |
//! | `report` | what is said when it fails? |
//!
//! Rejected: a shuffling driver below the ordinary worker loop (its slot, streaks and batches restrict the order, and time moves while tasks run); threads that take turns (a
//! switch for each poll is some 5 us instead of some 50 ns, and stacks of futures can be told from stacks of threads only by the kernel).

mod desk;
mod report;
mod root;
mod seat;

pub(crate) use desk::Order;

use super::core::Core;
use super::local::NoHost;
use super::local::visit::Visited;
use super::shared::Shared;
use crate::driver::{Driver, Wait};
use crate::sys::clock::{Clock, VirtualClock};
use crate::sys::rng::{self, XorShift};
use crate::sys::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sys::sync::thread;
use crate::sys::sync::{Arc, Mutex};
use crate::task::join::JoinHandle;
use crate::util::apart::apart;
use desk::{Chosen, Desk, Next, Runnable, SWEEP_EVERY};
use root::Root;
use seat::Seat;
use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::task::Context;
use std::time::{Duration, Instant};

/// A timer that is further away than this is for never: who has armed it meant "no deadline", and a clock that jumped there would hide a deadlock. A thousand years.
const NEVER: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);

/// How a [`Simulation::drive`] has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Driven {
    /// The future is ready.
    Done,
    /// The scheduler has ended, or another thread drives it: nobody is needed here.
    Elsewhere,
}

/// A scheduler that is driven by whoever is in `block_on`.
pub(crate) struct Simulation {
    shared: Arc<Shared>,
    clock: Arc<VirtualClock>,
    driver: Arc<dyn Driver>,
    order: Order,
    desk: Mutex<Desk>,
    /// What threads have pinned to themselves here.
    pinned: Arc<Visited>,
    /// How many blocking calls are queued or run on threads of the pool.
    calls: AtomicUsize,
    /// Whether a failure is told of here.
    tells: bool,
    has_told: AtomicBool,
}

/// A blocking call that is under way: time does not move by itself while there is one.
pub(crate) struct Call(Arc<Simulation>);

impl Simulation {
    /// Of a scheduler with one worker, whose core this is. Its clock is `clock`.
    pub(crate) fn new(
        core: Box<Core>,
        clock: Arc<VirtualClock>,
        order: Order,
        tells: bool,
    ) -> Self {
        let shared = core.shared().clone();
        core.is_simulated.set(true);
        let desk = Desk {
            core: Some(core),
            has_ended: false,
            thread: None,
            runnable: VecDeque::new(),
            pinned: 0,
            random: XorShift::new(shared.random.seed()),
            before_root: 0,
            roots: Vec::new(),
            next_root: 0,
            sweep_in: SWEEP_EVERY,
            waiting: Vec::new(),
        };
        let sched = shared.clone();
        let pinned = Visited::new(Arc::new(move |panic| sched.unhandled_panic(panic)));
        Self {
            clock,
            pinned,
            driver: shared.remote(0).driver.clone(),
            shared,
            order,
            desk: Mutex::new(desk),
            calls: AtomicUsize::new(0),
            tells,
            has_told: AtomicBool::new(false),
        }
    }

    pub(crate) fn clock(&self) -> &VirtualClock {
        &self.clock
    }

    /// Whether everything is drawn from a seed, and blocking calls are steps of the one thread.
    pub(crate) fn is_drawn(&self) -> bool {
        matches!(self.order, Order::Drawn(_))
    }

    /// Whether this thread drives it.
    pub(crate) fn is_here(&self) -> bool {
        self.desk.lock().thread == Some(thread::current().id())
    }

    /// Makes a task that stays on this thread.
    ///
    /// # Errors
    ///
    /// If the thread does not drive, or is within another runtime's `block_on`.
    pub(crate) fn spawn_local<F>(
        &self,
        future: F,
        location: &'static Location<'static>,
    ) -> Result<JoinHandle<F::Output>, NoHost>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.pinned.spawn(future, location)
    }

    /// Whether the end has begun.
    pub(crate) fn is_ending(&self) -> bool {
        self.shared.shutdown.is_closing()
    }

    /// Moves the clock on to this time. What becomes due fires with the next step. False if the clock moves by itself.
    pub(crate) fn move_clock(&self, to: Instant) -> bool {
        let moved = self.clock.move_to(to);
        self.driver.unpark();
        moved
    }

    /// Ends a wait for what may have become different.
    pub(crate) fn look_again(&self) {
        self.driver.unpark();
    }

    /// A blocking call begins on a thread of the pool, or in its queue.
    pub(crate) fn call_begins(self: &Arc<Self>) -> Call {
        // ORDERING: Relaxed: the driving thread, or one that it waits for, counts up; counting down is what matters.
        self.calls.fetch_add(1, Ordering::Relaxed);
        Call(self.clone())
    }

    /// Runs everything until `poll_root` says that it is done, which is called whenever it was woken and has its turn; it counts as woken to begin with. `caller` is who waits for it.
    ///
    /// # Panics
    ///
    /// If `poll_root` does, if nothing can go on any more, or if another thread drives a simulation whose order is drawn.
    pub(crate) fn drive(
        &self,
        mut poll_root: impl FnMut(&mut Context<'_>) -> bool,
        caller: &'static Location<'static>,
    ) -> Driven {
        let root = Arc::new(Root::new(caller, self.driver.clone()));
        let Some(seat) = self.take_seat(&root) else {
            return Driven::Elsewhere;
        };
        // `select!` draws its order from the thread.
        rng::seed_thread(u64::from(self.desk.lock().random.next_u32()));
        let _lease = root.lend(&mut poll_root);
        // Others are polled within its polls, and it within those of others.
        while !root.take_outcome() {
            match self.next(&seat) {
                Next::Task(task) => apart(|| task.run()),
                Next::Root(other) if !Arc::ptr_eq(&other, &root) => apart(|| other.poll_aside()),
                Next::Root(_) => {
                    if root.poll() {
                        break;
                    }
                }
                Next::Ended => return Driven::Elsewhere,
            }
        }
        Driven::Done
    }

    fn next(&self, seat: &Seat<'_>) -> Next {
        loop {
            let Some(core) = seat.entered.core() else {
                return Next::Ended;
            };
            core.end_poll();
            if self.shared.shutdown.is_closing() {
                self.end_here();
                return Next::Ended;
            }
            // Before looking: of a call that is counted no more, everything is there to be seen.
            // ORDERING: Acquire pairs with the Release of `Call::drop`.
            let calls = self.calls.load(Ordering::Acquire);
            self.gather(core);
            if let Some(next) = self.choose(core) {
                return next;
            }
            match self.order {
                Order::Drawn(_) if self.leap(core) => {}
                // Another thread may have come with something in the last moment.
                Order::Drawn(_) if self.has_become_runnable(core) => {}
                Order::Drawn(seed) => self.tell_deadlock(core, seed),
                Order::Fifo => self.idle(core, calls),
            }
        }
    }

    fn has_become_runnable(&self, core: &Core) -> bool {
        self.desk.lock().has_runnable_root()
            || self.shared.lanes.has_work()
            || core.has_pinned_work()
    }

    /// Puts everything that is runnable onto the desk.
    fn gather(&self, core: &Core) {
        if self.order == Order::Fifo {
            self.sweep_sometimes(core);
        }
        self.fire_timers(core);
        loop {
            {
                let mut desk = self.desk.lock();
                while let Some(task) = core.next_task() {
                    desk.runnable.push_back(Runnable::Task(task));
                }
                desk.note_pinned(core.count_pinned_ready());
            }
            if !self.shared.lanes.has_work() {
                return;
            }
            core.queue_from_outside();
        }
    }

    /// Tick after tick, so that what is due earlier is woken earlier, also if the clock was moved over both.
    fn fire_timers(&self, core: &Core) {
        let now = self.clock.now();
        let timers = &core.remote().timers;
        while timers.is_due(now) {
            let at = timers.next_deadline().map_or(now, |at| at.min(now));
            core.wake_batch(|ready| {
                timers.fire(at, ready);
                if self.is_drawn() {
                    let desk = self.desk.lock();
                    ready.shuffle(|n| desk.random.below(n));
                }
            });
        }
    }

    fn sweep_sometimes(&self, core: &Core) {
        let is_due = {
            let mut desk = self.desk.lock();
            desk.sweep_in = desk.sweep_in.checked_sub(1).unwrap_or(SWEEP_EVERY);
            desk.sweep_in == 0
        };
        if is_due {
            core.wake_batch(|ready| self.driver.turn(Wait::Sweep, ready));
        }
    }

    fn choose(&self, core: &Core) -> Option<Next> {
        let mut desk = self.desk.lock();
        let chosen = match self.order {
            Order::Drawn(_) => desk.draw()?,
            Order::Fifo => desk.oldest()?,
        };
        drop(desk);
        let task = match chosen {
            Chosen::Root(root) => return Some(Next::Root(root)),
            Chosen::Task(task) => task,
            Chosen::Pinned(place) => core
                .take_pinned(place)
                .expect("only this thread takes them, and it has counted them"),
        };
        core.note_poll(&task);
        Some(Next::Task(task))
    }

    /// Moves the clock to the next deadline. False if there is none.
    fn leap(&self, core: &Core) -> bool {
        let now = self.clock.now();
        let next = core.remote().timers.next_deadline();
        let Some(next) = next.filter(|&at| at.saturating_duration_since(now) < NEVER) else {
            return false;
        };
        self.clock.move_to(next);
        core.trim(next);
        true
    }

    /// Nothing is runnable: looks at the driver, else moves the clock if only time is waited for, else waits.
    fn idle(&self, core: &Core, calls: usize) {
        if core.wake_batch(|ready| self.driver.turn(Wait::Sweep, ready)) {
            return;
        }
        if !self.clock.stands_still() {
            let now = self.clock.now();
            self.wait(core, core.longest_wait(now));
        } else if calls > 0 || !self.leap(core) {
            self.wait(core, Wait::Forever);
        }
    }

    /// As a worker sleeps that has no siblings.
    fn wait(&self, core: &Core, wait: Wait) {
        core.slab.flush();
        if core.has_own_work() {
            // Another runtime's last cell may have been among what was flushed, and its end runs code of the user's.
            return;
        }
        self.shared.idle.fall_asleep(core.index, false);
        let is_needed = self.shared.has_visible_work() || self.desk.lock().has_runnable_root();
        if is_needed || self.shared.shutdown.is_closing() {
            core.wake_up();
        } else {
            core.turn(wait, || core.wake_up());
        }
        core.end_search();
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquire in `next`: what the call has woken is in a lane before it counts no more.
        self.0.calls.fetch_sub(1, Ordering::Release);
        self.0.driver.unpark();
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("order", &self.order)
            .field("elapsed", &self.clock.elapsed())
            .finish_non_exhaustive()
    }
}
