//! What if a worker is stuck in one poll, with work behind it that only it can reach quickly?
//!
//! A thread of the scheduler's own looks every [`TICK`] whether each worker (and spare) that is awake has begun another poll since the last look. If
//! one has not, and somebody sleeps who could help, the sentinel takes out what stands behind it (the task in its slot, the
//! readiness in its driver, its expired timers), puts it into a lane and wakes a sleeper; for its queue and for the lanes the wake alone is
//! enough, since that can be stolen from.
//!
//! It also calls each worker that is awake: *look at the clock*. A batch of polls that were short the last time may take long this time.
//!
//! So what is stranded stays so for at most two ticks and a wake-up. If nobody sleeps, because the others have work of their own or are stuck too, the sentinel does
//! the same every [`BUSY_TICK`], and asks for somebody who steals from the queue: a worker that is only busy looks at the lanes and at such calls once per batch. Where
//! every worker is stuck (or there is one only) a spare is called ([`stand_in`](super::stand_in)). Where there may be none, the tasks have to wait, but a thread in `block_on`, or another
//! runtime's task, is told in time, for instance that a deadline has passed. What was seen is recorded ([`stuck`](super::stuck)) and told ([`warning`](super::warning)). When all workers have been asleep for a while the sentinel sleeps too,
//! until the first of them that wakes up tells it.
//!
//! Rejected: workers that look at the clock before each poll (46 ns each); idle workers that wait with a short timeout (epoll's
//! are in milliseconds, and each would wake up for nothing).

use super::shared::{Remote, Shared};
use super::stand_in::{SPARE_AFTER, SpareWatch};
use super::surplus::CpuWatch;
use super::warning::{Warning, Warnings};
use super::watched::{Seen, Watched};
use crate::driver::Wait;
use crate::sys::barrier;
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::punctual::be_punctual;
use crate::sys::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sys::sync::{Arc, Condvar, Mutex};
use crate::task::refs::Notified;
use crate::util::wake_batch::WakeBatch;
use std::io;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

/// Between two looks. Each costs some 20 us, most of it the kernel's and the hypervisor's for the timer: 2 % of a core while the runtime works. Four times as often it found what was stranded
/// sooner the first time, and later on average: the kernel does not move a waiting thread to a core that keeps falling asleep for shorter than half a millisecond.
const TICK: Duration = Duration::from_millis(1);

/// The same where a worker has tasks behind it while others sleep: most likely it is about to run them, and the second look says whether. A guess.
const CONFIRM: Duration = Duration::from_micros(80);

/// The same where nobody is there to help at once. A guess: soon enough for deadlines of people and protocols, and 0.1 % of a core.
const BUSY_TICK: Duration = Duration::from_millis(5);

/// After this long with every worker asleep the sentinel sleeps too.
const QUIET: Duration = Duration::from_millis(10);

/// What others see of the sentinel.
#[derive(Debug)]
pub(super) struct Sentinel {
    is_asleep: AtomicBool,
    /// One more than the index of a worker that is stuck in one poll with tasks behind it, while nobody sleeps; 0 for none.
    stuck: AtomicUsize,
    bed: Bed,
}

/// Where it waits. On lines of its own: it writes the lock each tick, and every worker reads what stands beside it each batch.
#[derive(Debug)]
#[repr(align(128))]
struct Bed {
    stop: Mutex<bool>,
    bell: Condvar,
}

impl Sentinel {
    pub(super) fn new() -> Self {
        Self {
            is_asleep: AtomicBool::new(false),
            stuck: AtomicUsize::new(0),
            bed: Bed {
                stop: Mutex::new(false),
                bell: Condvar::new(),
            },
        }
    }

    /// Called by a worker that has just woken up (after its `is_asleep` was cleared).
    #[inline]
    pub(super) fn worker_is_awake(&self) {
        // ORDERING: the light barrier orders the worker's store of its own `is_asleep` before this load; partner is the heavy
        // barrier in `sleep_until_called`.
        barrier::light();
        if self.is_asleep.load(Ordering::Relaxed) {
            self.call();
        }
    }

    #[cold]
    fn call(&self) {
        let _stop = self.bed.stop.lock();
        // ORDERING: Relaxed: the lock orders it with the load in `sleep_until_called`.
        self.is_asleep.store(false, Ordering::Relaxed);
        self.bed.bell.notify_one();
    }

    /// Ends the sentinel's thread.
    pub(super) fn stop(&self) {
        *self.bed.stop.lock() = true;
        self.bed.bell.notify_one();
    }

    /// Waits for a tick. True if the sentinel shall stop.
    fn tick(&self, tick: Duration) -> bool {
        let mut stop = self.bed.stop.lock();
        if !*stop {
            self.bed.bell.wait_for(&mut stop, tick);
        }
        *stop
    }

    /// Waits until a worker wakes up. True if the sentinel shall stop.
    fn sleep_until_called(&self, still_quiet: impl Fn() -> bool) -> bool {
        let mut stop = self.bed.stop.lock();
        // ORDERING: the heavy barrier orders this store before the look at the workers' `is_asleep`; partner is the light barrier in
        // `worker_is_awake`.
        self.is_asleep.store(true, Ordering::Relaxed);
        barrier::heavy();
        if still_quiet() {
            // ORDERING: Relaxed, as the store below: under the lock, which `call` takes too.
            while self.is_asleep.load(Ordering::Relaxed) && !*stop {
                self.bed.bell.wait(&mut stop);
            }
        }
        self.is_asleep.store(false, Ordering::Relaxed);
        *stop
    }
}

/// Starts the sentinel's thread.
pub(super) fn start(shared: &Arc<Shared>) -> io::Result<()> {
    shared.spawn_thread("sentinel", watch)
}

fn watch(shared: &Arc<Shared>) {
    be_punctual();
    let mut watch = Watch::new(shared);
    let mut tick = watch.longest_tick();
    let mut quiet = Duration::ZERO;
    loop {
        let stop = if quiet < QUIET {
            shared.sentinel.tick(tick)
        } else {
            quiet = Duration::ZERO;
            let still_quiet = || shared.everybody().all(|remote| remote.is_asleep());
            shared.sentinel.sleep_until_called(still_quiet)
        };
        if stop {
            return;
        }
        quiet += tick;
        tick = watch.look();
        if watch.watched.iter().any(Watched::is_awake) {
            quiet = Duration::ZERO;
        }
    }
}

/// What the sentinel knows from look to look.
struct Watch<'a> {
    shared: &'a Arc<Shared>,
    /// Of every worker, and behind those of every spare there has been.
    watched: Vec<Watched>,
    spares: SpareWatch,
    cpus: CpuWatch,
    warnings: Warnings,
    looked: Instant,
    /// Kept for its capacity.
    ready: WakeBatch,
}

impl<'a> Watch<'a> {
    fn new(shared: &'a Arc<Shared>) -> Self {
        Self {
            shared,
            watched: Vec::with_capacity(shared.workers()),
            spares: SpareWatch::default(),
            cpus: CpuWatch::new(shared),
            warnings: Warnings::default(),
            looked: SystemClock.now(),
            ready: WakeBatch::new(),
        }
    }

    /// While nothing is to be confirmed.
    fn longest_tick(&self) -> Duration {
        let awake = self.watched.iter().filter(|worker| worker.is_awake());
        // A spare is a sibling, for as long as it works.
        if self.shared.workers() > 1 || awake.count() > 1 {
            TICK
        } else {
            BUSY_TICK
        }
    }

    /// Looks at everybody, and does what is to be done. Returns how soon to look again.
    fn look(&mut self) -> Duration {
        let now = SystemClock.now();
        let since = now.saturating_duration_since(std::mem::replace(&mut self.looked, now));
        let newcomers = self.watched.len()..self.shared.count();
        let newcomers = newcomers.map(|index| Watched::new(self.shared.remote(index).clone()));
        self.watched.extend(newcomers);
        self.cpus.look(self.shared, since);
        let mut is_in_doubt = false;
        for index in 0..self.watched.len() {
            let worker = &mut self.watched[index];
            let Watched {
                remote, mistrust, ..
            } = worker;
            mistrust.look(self.shared, remote, now);
            match worker.look(since) {
                Seen::Asleep => {}
                Seen::Moving => {
                    is_in_doubt |= !worker.remote.is_mistrusted()
                        && self.shared.has_tasks_behind(&worker.remote);
                }
                Seen::Stuck => {
                    worker.mistrust.renew(now);
                    self.help(index, now);
                }
            }
        }
        self.spares.look(self.shared, &self.watched, since);
        self.warn(now);
        if is_in_doubt && self.shared.idle.has_sleepers() {
            CONFIRM
        } else {
            self.longest_tick()
        }
    }

    /// Looks after what stands behind a worker that is stuck.
    fn help(&mut self, index: usize, now: Instant) {
        let shared = self.shared;
        let worker = &mut self.watched[index];
        if shared.idle.has_sleepers() {
            let has_tasks = !worker.remote.stealer.is_empty();
            let has_next = shared.rescue_tasks(&worker.remote);
            let has_events = shared.rescue_events(&worker.remote, &mut self.ready);
            shared.send_help_for(&worker.remote);
            if has_tasks || has_next || has_events {
                worker.mistrust.begin(shared, &worker.remote, now);
            }
            if worker.remote.is_mistrusted() {
                shared.find_watcher(index);
            }
            return;
        }
        // What is found is for spares then.
        let patience = if self.spares.are_all_stuck() {
            SPARE_AFTER
        } else {
            BUSY_TICK
        };
        if worker.wants_help(patience) {
            if shared.count() > 1 {
                shared.rescue_tasks(&worker.remote);
                shared.call_for_help(index);
            }
            shared.rescue_events(&worker.remote, &mut self.ready);
        }
    }

    /// Tells of those that have been stuck for long.
    fn warn(&mut self, now: Instant) {
        let spares = &self.shared.spares;
        for (worker, watched) in self.watched.iter_mut().enumerate() {
            if let Some(so_far) = watched.wants_warning() {
                let warning = Warning {
                    worker,
                    is_spare: worker >= self.shared.workers(),
                    task: watched.remote.last_polled.type_name(),
                    location: watched.remote.last_polled.location(),
                    so_far,
                    spares_working: spares.working(),
                    spares_max: spares.most(),
                    left_out: 0,
                };
                self.warnings.tell(self.shared, now, warning);
            }
        }
    }
}

impl Shared {
    /// Whether a task stands in the slot or the queue of a worker, or in a lane that it may have promised to come back to.
    fn has_tasks_behind(&self, worker: &Remote) -> bool {
        !worker.slot.is_empty() || !worker.stealer.is_empty() || self.lanes.has_work()
    }

    /// Puts the task in the slot of a worker that is stuck in one poll where others find it. False if there is none.
    pub(super) fn rescue_tasks(&self, stuck: &Remote) -> bool {
        if stuck.slot.is_empty() {
            return false;
        }
        let Some(cell) = stuck.slot.steal().and_then(NonNull::new) else {
            return false;
        };
        self.rescues.tasks.add(1);
        // SAFETY: the slot gives each `Notified` that was put in to one taker.
        self.inject(unsafe { Notified::from_raw(cell) });
        true
    }

    /// Asks the workers that are busy to take from the queue of one that is stuck in one poll.
    fn call_for_help(&self, stuck: usize) {
        if !self.remote(stuck).stealer.is_empty() {
            // ORDERING: Relaxed, here and in `answer_call`: a hint, that a call may overwrite.
            self.sentinel.stuck.store(stuck + 1, Ordering::Relaxed);
        }
    }

    /// The worker that was called for help for, once per call; unless it is `own`, which has helped itself. For a worker that is busy, at a time
    /// when it looks around anyway.
    #[inline]
    pub(super) fn answer_call(&self, own: usize) -> Option<&Remote> {
        let stuck = self.sentinel.stuck.load(Ordering::Relaxed).checked_sub(1)?;
        self.sentinel.stuck.store(0, Ordering::Relaxed);
        (stuck != own).then(|| &**self.remote(stuck))
    }

    /// Wakes whoever waits for readiness or time on a worker that is stuck in one poll. False if nobody does.
    fn rescue_events(&self, stuck: &Remote, ready: &mut WakeBatch) -> bool {
        stuck.driver.turn(Wait::Sweep, ready);
        if stuck.timers.next_deadline().is_some() {
            stuck.timers.try_fire(self.clock.now(), ready);
        }
        let found = ready.len();
        self.rescues.events.add(found);
        // On this thread, which is no worker, woken tasks go through its lane, and `send_help_for` sees to it that somebody looks.
        ready.wake_all();
        found > 0
    }

    /// Wakes a thief for the queue of a worker that is stuck in one poll; and for the lanes, since it may be the one that has promised to come back to them.
    fn send_help_for(&self, stuck: &Remote) {
        if !stuck.stealer.is_empty() || self.lanes.has_work() {
            self.unpark(self.idle.wake_one_from_outside());
        }
    }
}
