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
//! # Who has the core
//!
//! At rest it lies on the [`Desk`]. [`Simulation::drive`] takes it from there (a *seat*) and puts it back. Within a task, a further `drive` of the same simulation finds it on its thread already and
//! runs the same loop inside; the task below is marked as a guest meanwhile, as that of a thread whose core was handed off, so that an end leaves it alone. Whoever notices the end, or
//! ends it while it lies on the desk, hands the core in; the outermost seat is the runner that [`shutdown`](super::shutdown) waits for. A second thread is refused where the order is drawn;
//! else it polls its own future only, and takes the seat when that is left.
//!
//! Rejected: a shuffling driver below the ordinary worker loop (its slot, streaks and batches restrict the order, and time moves while tasks run); threads that take turns (a
//! switch for each poll is some 5 us instead of some 50 ns, and stacks of futures can be told from stacks of threads only by the kernel).

use super::context::{self, Covered, Entered};
use super::core::Core;
use super::handoff;
use super::shared::Shared;
use crate::driver::{Driver, Wait};
use crate::sys::clock::{Clock, VirtualClock};
use crate::sys::rng::{self, XorShift};
use crate::sys::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sys::sync::thread::{self, ThreadId};
use crate::sys::sync::{Arc, Mutex};
use crate::task::harness;
use crate::task::refs::{Notified, Polled};
use crate::util::budget;
use crate::util::slab::Slab;
use crate::util::wait_reason::WaitReason;
use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

/// A timer that is further away than this is for never: who has armed it meant "no deadline", and a clock that jumped there would hide a deadlock. A thousand years.
const NEVER: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);

/// After so many choices in first-in-first-out order the driver is looked at, also if tasks never end: tokio's figure, for the same purpose.
const SWEEP_EVERY: u32 = 61;

/// Who is polled next?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Whoever the numbers say that follow from this seed.
    Drawn(u64),
    /// Whoever has waited longest.
    Fifo,
}

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
    /// How many blocking calls are queued or run on threads of the pool.
    calls: AtomicUsize,
    /// Whether a failure is told of here.
    tells: bool,
    has_told: AtomicBool,
}

/// What lies ready between two polls. No lock is held during one.
struct Desk {
    /// None while somebody drives, and after the end.
    core: Option<Box<Core>>,
    has_ended: bool,
    /// Who drives.
    thread: Option<ThreadId>,
    runnable: VecDeque<Notified>,
    random: XorShift,
    /// How many of the runnable are older than the latest wake of the future in `block_on`.
    before_root: usize,
    /// Until the next look at the driver.
    sweep_in: u32,
    /// Threads that would drive if nobody did.
    waiting: Vec<Waker>,
}

/// The right to drive: the outermost one has brought the core, one within a task has found it.
struct Seat<'a> {
    simulation: &'a Simulation,
    entered: Entered,
    place: Place,
    was_panicking: bool,
}

enum Place {
    Outermost(Covered),
    Nested {
        below: Option<Polled>,
        was_hidden: bool,
    },
}

/// The future in `block_on`, as far as it is woken.
struct Root {
    is_woken: AtomicBool,
    driver: Arc<dyn Driver>,
}

/// What is polled next.
enum Next {
    Root,
    Task(Notified),
    /// Nothing here: the scheduler has ended.
    Ended,
}

/// A blocking call that is under way: time does not move by itself while there is one.
pub(crate) struct Call(Arc<Simulation>);

impl Wake for Root {
    fn wake(self: std::sync::Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        // ORDERING: Release pairs with the Acquire of `take_wake`: the poll sees what came before the wake.
        self.is_woken.store(true, Ordering::Release);
        self.driver.unpark();
    }
}

impl Root {
    fn is_woken(&self) -> bool {
        // ORDERING: Relaxed: a hint, `take_wake` counts; before a wait it comes with the driver's lock, which remembers an unpark.
        self.is_woken.load(Ordering::Relaxed)
    }

    fn take_wake(&self) -> bool {
        // ORDERING: Acquire, see `wake_by_ref`.
        self.is_woken.swap(false, Ordering::Acquire)
    }
}

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
            random: XorShift::new(shared.random.seed()),
            before_root: 0,
            sweep_in: SWEEP_EVERY,
            waiting: Vec::new(),
        };
        Self {
            clock,
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

    /// Runs everything until `poll_root` says that it is done. `poll_root` is called first, and then whenever it was woken and has its turn.
    ///
    /// # Panics
    ///
    /// If `poll_root` does, if nothing can go on any more, or if another thread drives a simulation whose order is drawn.
    pub(crate) fn drive(&self, mut poll_root: impl FnMut(&mut Context<'_>) -> bool) -> Driven {
        let Some(seat) = self.take_seat() else {
            return Driven::Elsewhere;
        };
        // `select!` draws its order from the thread.
        rng::seed_thread(u64::from(self.desk.lock().random.next_u32()));
        let root = Arc::new(Root {
            is_woken: AtomicBool::new(true),
            driver: self.driver.clone(),
        });
        let waker = Waker::from(root.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            match self.next(&seat, &root) {
                Next::Task(task) => task.run(),
                Next::Root => {
                    budget::reset();
                    if poll_root(&mut context) {
                        return Driven::Done;
                    }
                }
                Next::Ended => return Driven::Elsewhere,
            }
        }
    }

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
            self.shared.end_of_runner(core);
        }
    }

    /// None if there is nothing to drive here.
    fn take_seat(&self) -> Option<Seat<'_>> {
        // A worker of an ordinary runtime goes on elsewhere; if it cannot it waits, as behind any long poll.
        let _ = handoff::before_blocking();
        let place = if self.is_on_this_thread() {
            self.nest()
        } else {
            let core = self.core_from_desk()?;
            core.hide(false);
            Place::Outermost(context::enter_above(core))
        };
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

    fn next(&self, seat: &Seat<'_>, root: &Root) -> Next {
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
            if let Some(next) = self.choose(core, root) {
                return next;
            }
            match self.order {
                Order::Drawn(_) if self.leap(core) => {}
                // Another thread may have come with something in the last moment.
                Order::Drawn(_) if root.is_woken() || self.shared.lanes.has_work() => {}
                Order::Drawn(seed) => self.tell_deadlock(core, seat, seed),
                Order::Fifo => self.idle(core, root, calls),
            }
        }
    }

    /// The end has begun while this thread drives.
    fn end_here(&self) {
        self.desk.lock().note_end(true);
        if let Some(core) = context::leave() {
            self.shared.end_of_core(core);
        }
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
                    desk.runnable.push_back(task);
                }
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

    fn choose(&self, core: &Core, root: &Root) -> Option<Next> {
        let mut desk = self.desk.lock();
        let task = match self.order {
            Order::Drawn(_) => desk.draw(root)?,
            Order::Fifo => desk.oldest(root)?,
        };
        drop(desk);
        Some(match task {
            None => Next::Root,
            Some(task) => {
                core.note_poll(&task);
                Next::Task(task)
            }
        })
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
    fn idle(&self, core: &Core, root: &Root, calls: usize) {
        if core.wake_batch(|ready| self.driver.turn(Wait::Sweep, ready)) {
            return;
        }
        if !self.clock.stands_still() {
            let now = self.clock.now();
            self.wait(core, root, core.longest_wait(now));
        } else if calls > 0 || !self.leap(core) {
            self.wait(core, root, Wait::Forever);
        }
    }

    /// As a worker sleeps that has no siblings.
    fn wait(&self, core: &Core, root: &Root, wait: Wait) {
        core.slab.flush();
        if core.has_own_work() {
            // Another runtime's last cell may have been among what was flushed, and its end runs code of the user's.
            return;
        }
        self.shared.idle.fall_asleep(core.index, false);
        let is_needed = self.shared.has_visible_work() || root.is_woken();
        if is_needed || self.shared.shutdown.is_closing() {
            core.wake_up();
        } else {
            core.turn(wait, || core.wake_up());
        }
        core.end_search();
    }

    #[cold]
    fn tell_deadlock(&self, core: &Core, seat: &Seat<'_>, seed: u64) -> ! {
        let tasks = self.waiting_tasks(core);
        let nested = match seat.place {
            Place::Outermost(_) => "",
            Place::Nested { .. } => {
                " (This block_on stands within a poll of the same simulation, which goes on only when it returns.)"
            }
        };
        panic!(
            "deadlock in the simulation with seed {seed}, after {:?} of virtual time: the future in block_on waits, so do {} tasks, and no timer is armed that could wake \
             any of them.{nested}{} Look for a message that nobody sends, a lock that is held over an await, a waker that was not kept. What happens outside of the simulation, on other \
             threads or descriptors, is not waited for: use filch::spawn_blocking, and filch::io::duplex for streams.",
            self.clock.elapsed(),
            tasks.len(),
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
        tasks
    }

    /// Says how to have the same run again, once.
    fn tell_of_failure(&self) {
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
type Waiting = (&'static Location<'static>, WaitReason);

/// Notes the tasks of a slab that are not complete.
fn note_waiting(slab: &Slab<Shared>, tasks: &mut Vec<Waiting>) {
    // SAFETY: every cell a slab has handed out was initialised right away; nobody runs a task meanwhile but those below us on this thread's stack, which stand still.
    let note = |cell| tasks.extend(unsafe { harness::waiting_in(cell) });
    // SAFETY: this thread has the slab's core, or the lock of its lane, and allocates nothing meanwhile.
    unsafe { slab.for_each_cell(note) };
}

/// More than this many of the tasks of a deadlock are not told of.
const TOLD_MAX: usize = 16;

/// The tasks of a deadlock, for people.
struct Told<'a>(&'a [Waiting]);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (location, reason) in self.0.iter().take(TOLD_MAX) {
            write!(f, " The one spawned at {location} waits for: {reason:?}.")?;
        }
        if self.0.len() > TOLD_MAX {
            f.write_str(" And others.")?;
        }
        Ok(())
    }
}

impl Desk {
    /// Any of those that are runnable; the inner `None` is the future in `block_on`.
    fn draw(&mut self, root: &Root) -> Option<Option<Notified>> {
        let tasks = self.runnable.len();
        let candidates = tasks + usize::from(root.is_woken());
        if candidates == 0 {
            return None;
        }
        let chosen = self.random.below(candidates as u32) as usize;
        if chosen == tasks {
            root.take_wake();
            return Some(None);
        }
        self.runnable.swap_remove_back(chosen).map(Some)
    }

    /// The oldest, as above. The future in `block_on` comes after those that were runnable when it was polled last.
    fn oldest(&mut self, root: &Root) -> Option<Option<Notified>> {
        if (self.before_root == 0 || self.runnable.is_empty()) && root.take_wake() {
            self.before_root = self.runnable.len();
            return Some(None);
        }
        self.before_root = self.before_root.saturating_sub(1);
        self.runnable.pop_front().map(Some)
    }

    /// The core is about to be handed in, if this thread has it. What is runnable is forgotten: the slabs know the tasks.
    fn note_end(&mut self, is_ours: bool) {
        if is_ours {
            self.has_ended = true;
            self.runnable.clear();
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let simulation = self.simulation;
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
            Place::Outermost(covered) => {
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
            std::mem::take(&mut desk.waiting)
        };
        if has_core {
            // Somebody may have begun the end, and found the desk empty.
            self.end_if_at_rest();
        } else {
            self.shared.end_of_runner(None);
        }
        // The next one takes the core, the others find it taken and wait again.
        waiting.into_iter().for_each(Waker::wake);
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
