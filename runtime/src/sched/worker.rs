//! What does a worker do all day?
//!
//! It runs tasks in batches, looks at the clock between two batches, and when it has nothing left it looks for work elsewhere
//! and then sleeps:
//!
//! ```text
//!        +-> own tasks -- batch over --> maintain (timers, driver, lanes: on a time basis)
//!        |       | none left               |
//!        |       v                         |
//!        +-- find_work (steal.rs) <--------+
//!        |       | nothing
//!        |       v
//!        +--- sleep in the driver
//! ```
//!
//! Time is read once per batch, never per poll (46 ns, measured on the 2-core machine the project is developed on). A batch is as many
//! polls as took about 100 us lately, so that what waits outside the queue is looked at on time whether polls are short or long; and if they have become
//! long since, the [`sentinel`](super::sentinel) calls. A batch goes on across searches that find something: a worker that lives on the lanes or on its
//! siblings' backlog has timers and a driver too.

use super::context::{self, Entered};
use super::core::Core;
use super::idle::Awake;
use super::local;
use crate::driver::Wait;
use crate::sys::sync::atomic::Ordering;
use crate::sys::sync::{Arc, hint};
use crate::task::refs::Notified;
use crate::util::budget;
use std::io;
use std::time::{Duration, Instant};

/// A batch has at least this many polls: even if each is long, the clock costs nothing beside them.
pub(super) const BATCH_POLLS_MIN: u32 = 1;
/// And at most this many: 46 ns of clock in 512 polls of 20 ns are half a per cent.
const BATCH_POLLS_MAX: u32 = 512;
/// How long a batch should take. Short beside what a client notices, long beside an epoll_wait that finds nothing (0.2 us).
const BATCH_TARGET: Duration = Duration::from_micros(100);
/// How often a worker that never runs out of tasks sweeps its driver, at most: an epoll_wait that finds nothing is then 0.2 % of its time.
const SWEEP_INTERVAL_MIN: Duration = Duration::from_micros(100);
/// And at least. In between it sweeps when the tasks that were queued at the last sweep have been run: what it found earlier would
/// only wait behind them, and 64 busy connections would cost 4 sweeps a round instead of one (2.28 system calls a request
/// instead of 2.03).
const SWEEP_INTERVAL_MAX: Duration = Duration::from_millis(1);

/// How often a worker looks for a further task from outside before it sleeps: some 10 us, half of what a wake-up takes to arrive. In a trickle
/// of a thousand tasks a second that is one per cent of a core.
const LINGER_SPINS: usize = if cfg!(shuttle) { 2 } else { 400 };
/// How often it looks into its siblings' queues meanwhile, whose lines they need themselves.
const LINGER_LOOK_EVERY: usize = 64;

/// Starts a thread for a core; gives the core back if there is none to be had.
pub(super) fn start(core: Box<Core>) -> Result<(), (Box<Core>, io::Error)> {
    let shared = core.shared().clone();
    let role = if core.is_spare { "spare" } else { "worker" };
    // Through a common place, so that a thread that does not start does not take the core with it.
    let parcel = Arc::new(crate::sys::sync::Mutex::new(Some(core)));
    let handed = parcel.clone();
    let thread = shared.spawn_thread(role, move |shared| {
        let core = handed.lock().take();
        if let Some(core) = core {
            let sched = shared.clone();
            local::enter(Arc::new(move |panic| sched.unhandled_panic(panic)));
            let core = run(core);
            shared.end_of_runner(core);
        }
    });
    match thread {
        Ok(()) => Ok(()),
        Err(error) => {
            let core = parcel.lock().take().expect("the thread did not start");
            Err((core, error))
        }
    }
}

/// Works until the scheduler closes, and returns the core; or until the core is handed off.
fn run(core: Box<Core>) -> Option<Box<Core>> {
    let entered = context::enter(core);
    if let Some(core) = entered.core() {
        core.note_time(core.shared.clock.now());
        core.is_host.set(false);
        core.note_thread();
    }
    while let Some(task) = next(&entered) {
        task.run();
    }
    // If it has become a guest's.
    context::set_task(None);
    context::leave()
}

/// The next task of a thread that has (still) a core, if it shall go on. No borrow of the core lasts into the task's poll: there the core may leave,
/// and end on another thread.
#[inline(always)]
fn next(entered: &Entered) -> Option<Notified> {
    let core = entered.core()?;
    loop {
        if core.is_batch_over() {
            if core.shared.shutdown.is_closing() {
                return None;
            }
            if core.pinned_turn.get() == 0 || core.remote().is_called() {
                core.between_batches();
            }
            if let Some(task) = core.next_in_pinned_turn() {
                core.note_poll(&task);
                return Some(task);
            }
        }
        if let Some(task) = core.next_task().or_else(|| core.next_elsewhere()) {
            core.note_poll(&task);
            return Some(task);
        }
        if core.is_spare {
            return None;
        }
    }
}

impl Core {
    /// Whether the sentinel wants the worker between two polls.
    pub(super) fn is_called(&self) -> bool {
        self.remote().is_called()
    }

    #[inline(always)]
    fn is_batch_over(&self) -> bool {
        // It is looked at after each poll, so it cannot be missed.
        self.remote().polls_in(0) == self.batch_ends.get() || self.remote().is_called()
    }

    /// The own queue is empty: a task from elsewhere, after a sleep if need be; none when the scheduler closes.
    #[inline(never)]
    fn next_elsewhere(&self) -> Option<Notified> {
        self.end_poll();
        if self.is_spare {
            return self.next_as_spare();
        }
        while !self.shared.shutdown.is_closing() {
            if let Some(task) = self.next_pinned() {
                self.end_search();
                return Some(task);
            }
            if self.is_surplus() {
                self.sit_out();
                continue;
            }
            if let Some(task) = self.find_work() {
                return Some(task);
            }
            if self.linger() {
                continue;
            }
            self.sleep();
            if self.is_surplus() {
                continue;
            }
            if let Some(task) = self.next_task() {
                // Woken as a searcher perhaps, and its own driver had something too.
                self.end_search();
                return Some(task);
            }
        }
        self.end_batch();
        None
    }

    /// Whoever has just had a task from outside looks a moment for another one: the thread that sent it may send the next when it has the answer, and
    /// waking this one would cost both of them more. True if there is something.
    fn linger(&self) -> bool {
        if !self.is_searching.get() || !self.served_outside.take() {
            return false;
        }
        (0..LINGER_SPINS).any(|spin| {
            hint::spin_loop();
            self.shared.lanes.has_work()
                || (spin % LINGER_LOOK_EVERY == 0 && self.shared.has_visible_work())
        })
    }

    /// Before each poll.
    #[inline(always)]
    pub(super) fn note_poll(&self, task: &Notified) {
        debug_assert!(
            !self.is_searching.get(),
            "who searches holds back the wakes of others"
        );
        self.remote().count_poll(task);
        self.begin_poll(task);
        budget::reset();
    }

    /// A batch is over: the clock is looked at, or what is here is handed over by who is not wanted any more.
    fn between_batches(&self) {
        if self.is_dismissed() {
            self.end_poll();
            self.hand_over();
            self.begin_batch();
        } else {
            self.maintain();
        }
        if self.is_host.get() {
            self.begin_pinned_turn();
        }
    }

    pub(super) fn begin_batch(&self) {
        let polls = self.batch_polls.get() as usize;
        self.batch_ends.set(self.remote().polls_in(polls));
    }

    fn end_batch(&self) {
        self.batch_ends.set(self.remote().polls_in(0));
    }

    /// Between two batches of a busy worker: what is due in the wheel, ready in the driver, waiting in a lane.
    fn maintain(&self) {
        self.end_poll();
        let now = self.shared.clock.now();
        // ORDERING: Relaxed: a call that this wipes out asks for what is done here.
        self.remote().is_called.store(false, Ordering::Relaxed);
        self.adapt_batch(now);
        self.fire_timers(now);
        if self.is_sweep_due(now) {
            self.wake_batch(|ready| self.remote().driver.turn(Wait::Sweep, ready));
            self.note_sweep(now);
        }
        self.queue_from_outside();
        self.help_stuck();
        self.trim(now);
        self.queue.age();
        if self.owes_wake.take() {
            self.share_backlog();
        }
        self.begin_batch();
    }

    /// Takes a share of what stands behind a sibling's long poll, if the sentinel asked for that.
    fn help_stuck(&self) {
        if let Some(stuck) = self.shared.answer_call(self.index) {
            if let Some(task) = self.steal_from(stuck) {
                self.run_later(task);
            }
        }
    }

    fn is_sweep_due(&self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.swept.get());
        since >= SWEEP_INTERVAL_MAX
            || (since >= SWEEP_INTERVAL_MIN && self.remote().has_polled(self.sweep_after.get()))
    }

    fn note_sweep(&self, now: Instant) {
        self.swept.set(now);
        self.sweep_after
            .set(self.remote().polls_in(self.queue.len()));
    }

    /// Makes the next batch as long as [`BATCH_TARGET`].
    fn adapt_batch(&self, now: Instant) {
        let took = now.saturating_duration_since(self.note_time(now));
        let polls = self.batch_polls.get();
        if took < BATCH_TARGET / 2 {
            self.batch_polls.set((polls * 2).min(BATCH_POLLS_MAX));
        } else if took > BATCH_TARGET * 2 {
            self.batch_polls.set((polls / 2).max(BATCH_POLLS_MIN));
        }
    }

    /// How many polls are over before a worker that sleeps now could be awake (some 20 us), if they last as long as lately: a quarter of a batch.
    pub(super) fn polls_soon(&self) -> usize {
        if cfg!(shuttle) {
            // Time may stand still there, and polls that block seem short. Promises have models of their own, `loom_idle_lane_*`.
            return 0;
        }
        self.batch_polls.get() as usize / 4
    }

    fn fire_timers(&self, now: Instant) {
        let timers = &self.remote().timers;
        if timers.is_due(now) {
            self.wake_batch(|ready| timers.fire(now, ready));
        }
    }

    /// Nothing to do: waits in the driver, unless a last look around finds something.
    fn sleep(&self) {
        let now = self.shared.clock.now();
        self.slab.flush();
        self.trim(now);
        if self.has_own_work() {
            // Another runtime's last cell may have been among what was flushed, and its end runs code of the user's.
            return;
        }
        let wait = self.longest_wait(now);
        self.shared
            .idle
            .fall_asleep(self.index, self.is_searching.take());
        if self.shared.has_visible_work() || self.shared.shutdown.is_closing() {
            self.wake_up();
            // There may be more than this worker takes, and wakes for it were held back while it searched: it goes on searching, so that it passes
            // them on when it has found something, or when a timer of its own has.
            if !self.is_searching.get() {
                self.is_searching.set(self.shared.idle.begin_search());
            }
        } else {
            let watched = self.watch_a_sibling();
            let wait = self.also_for(watched, wait, now);
            // Ends the sleep before the wakers run, since what they put into the queue may be worth a wake-up.
            self.turn(wait, || self.wake_up());
            if let Some(sibling) = watched {
                self.unwatch(sibling);
            }
            if self.remote().is_mistrusted() {
                self.shared.find_watcher(self.index);
            }
        }
        self.begin_anew();
    }

    /// How long a wait that begins now may last.
    pub(super) fn longest_wait(&self, now: Instant) -> Wait {
        let timer_in = self
            .remote()
            .timers
            .next_deadline()
            .map(|at| at.saturating_duration_since(now));
        match timer_in.into_iter().chain(self.trim_in(now)).min() {
            Some(at_most) => Wait::AtMost(at_most),
            None => Wait::Forever,
        }
    }

    /// After a wait: a new batch, and what is due in the wheel.
    pub(super) fn begin_anew(&self) {
        let now = self.shared.clock.now();
        // ORDERING: Relaxed: as in `maintain`. A call from before the wait would end the turn of the first task at once.
        self.remote().is_called.store(false, Ordering::Relaxed);
        self.note_time(now);
        self.begin_batch();
        self.note_sweep(now);
        self.fire_timers(now);
    }

    /// Waits in the driver, calls `awake`, then runs the wakers.
    pub(super) fn turn(&self, wait: Wait, awake: impl FnOnce()) {
        let remote = self.remote();
        remote.counts.parks.add(1);
        // ORDERING: Relaxed: a hint; who reads it late takes this worker for busy once more.
        remote.is_asleep.store(true, Ordering::Relaxed);
        self.wake_batch(|ready| {
            remote.driver.turn(wait, ready);
            // ORDERING: the light barrier in `worker_is_awake` orders this store before the load there; partner is the heavy barrier in
            // `Sentinel::sleep_until_called`.
            remote.is_asleep.store(false, Ordering::Relaxed);
            self.shared.sentinel.worker_is_awake();
            awake();
        });
    }

    pub(super) fn wake_up(&self) {
        let awake = self.shared.idle.wake_up(self.index);
        self.is_searching.set(awake == Awake::AsSearcher);
    }
}
