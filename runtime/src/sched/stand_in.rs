//! How does a spare worker go on when every worker is stuck, and who calls it?
//!
//! The sentinel does ([`SpareWatch`]), when each worker (that is not [surplus](super::surplus)) has been in the same poll for [`SPARE_AFTER`], so has each spare that works, and work waits: in a lane, in a queue or a
//! slot, or because of readiness and timers that the sentinel has just fired. One at a time: before the next is called, the last must be stuck too.
//! A spare that computes is given a little more time for that: another one shares the processors with it, and what waits is short more often than not.
//!
//! A spare runs the loop of `worker.rs` on a core of its own, with these differences:
//!
//! | | a worker | a spare |
//! |---|---|---|
//! | waits for | readiness, timers, work | being called (`driver/stand_in.rs`); one of them for readiness of the workers that are stuck ([`post`](super::post)) |
//! | sweeps and fires, between batches | its own poller and wheel | those of the worker it stands in for |
//! | timers and descriptors of tasks it polls | are registered with it | with a worker in turn, as on threads that are no workers |
//! | in the idle protocol | searches and sleeps, is woken for work | does neither: it looks around uncounted, and nobody but the sentinel calls it |
//! | out of work, or a worker is free again | sleeps | gives what it has to a lane and parks; its thread ends after [`KEPT`] |
//!
//! That a spare counts nowhere means that it holds back nobody's wake-ups. What it pushes into its queue is announced as by a worker. In a runtime with one
//! worker, which falls asleep without the heavy barrier, that announcement may be missed; then the spare runs the task itself, or, if it is stuck, the sentinel wakes the worker for it.
//!
//! Memory: a spare that never was costs 16 bytes of its runtime. Its first call makes queue (4 KiB), core and the rest (2 KiB), and a thread.
//!
//! **How soon?** Four clients that make a handler compute for 22 ms, beside 1000 short requests a second, two workers on two processors (two runs of each or more, in turn, November 2026):
//!
//! | workers stuck for | spares that compute | short requests, p50 | p99 | long ones a second |
//! |--:|--:|--:|--:|--:|
//! | 2 ms | 20 ms | 4.3 ms | 33 to 40 ms | 66 to 69 |
//! | 2 ms | 2 ms | 1.2 ms | 7 to 8 ms | 77 |
//! | 1 ms | 20 ms | 3 to 5 ms | 36 ms | 74 to 85 |
//! | 1 ms | 5 ms | 0.9 ms | 8 to 9 ms | 78 |
//! | 1 ms | 2 ms | 0.7 to 0.9 ms | 5 to 7 ms | 62 to 80 |
//! | 1 ms | 1 ms | 0.8 ms | 6 ms | 62 to 69 |
//!
//! Looking twice or four times as often changed nothing that could be told from chance. What was left of the median was the sentinel's look: a spare that has nothing to do waits at the
//! [`post`](super::post) since then, and not only for the sentinel's call:
//!
//! | a spare waits for | p50 | p90 | p99 |
//! |---|--:|--:|--:|
//! | the sentinel's call | 0.90 to 1.00 ms | 3.1 to 3.7 ms | 6.9 to 8.4 ms |
//! | readiness too | 0.05 to 0.08 ms | 0.9 to 1.6 ms | 4.2 to 6.2 ms |
//!
//! (Three runs and six, in turn, November 2026.) The rest of the last column is the kernel's tick of 4 ms: the load's own thread was late by as much. Shorter slices for the spares changed nothing.
//!
//! Rejected: threads that start in advance (most programs never need one); a spare in the list of sleepers, to be woken by pushes (a woken spare holds back the wake of a
//! worker, and runs where a worker would); a poller for each (descriptors registered there would wait for a thread that is about to go).

use super::core::Core;
use super::shared::{Remote, Shared};
use super::spare::{Start, Woken};
use super::watched::Watched;
use super::worker;
use crate::driver::Wait;
use crate::driver::stand_in::StandIn;
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::sync::Arc;
use crate::sys::sync::atomic::Ordering;
use crate::task::refs::Notified;
use crate::util::wake_batch::WakeBatch;
use std::time::Duration;

/// How long every worker must be stuck. Ten batches: by then something blocks, or computes for longer than its siblings should wait.
pub(super) const SPARE_AFTER: Duration = Duration::from_millis(1);

/// Between two looks whether one more is wanted: the last one gets that long to begin, and a look at its thread's state takes some microseconds.
const CALL_INTERVAL: Duration = Duration::from_millis(1);

/// After a thread could not be started. A guess: the system is short of something.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How long a spare with nothing to do keeps its thread. As for the blocking pool's.
#[cfg(not(test))]
const KEPT: Duration = Duration::from_secs(10);
/// Short enough to be waited for.
#[cfg(test)]
const KEPT: Duration = Duration::from_millis(20);

impl Core {
    /// Whether this is a spare that is not needed any more, or a worker that is [surplus](super::surplus).
    pub(super) fn is_dismissed(&self) -> bool {
        if self.is_spare {
            !self.shared.spares.is_needed()
        } else {
            self.is_surplus()
        }
    }

    /// Gives what it has to whoever comes to this thread's lane.
    pub(super) fn hand_over(&self) {
        while let Some(task) = self.next_task() {
            self.shared.inject(task);
        }
    }

    /// A task for a spare whose queue is empty, after a wait if need be; none when its thread shall end.
    #[cold]
    pub(super) fn next_as_spare(&self) -> Option<Notified> {
        let mut idle_since = SystemClock.now();
        while !self.shared.shutdown.is_closing() {
            if let Some(task) = self.next_pinned() {
                return Some(task);
            }
            if self.shared.spares.is_needed() {
                let task = self.next_task();
                if let Some(task) = task.or_else(|| self.look_around_uncounted()) {
                    return Some(task);
                }
            } else {
                self.hand_over();
            }
            self.slab.flush();
            self.trim(self.shared.clock.now());
            if self.has_own_work() {
                // What was freed may have been the last of something whose end runs code of the user's.
                continue;
            }
            if self.has_pinned() {
                // Those go on without a core, which is not kept for them.
                return None;
            }
            let idle = SystemClock.now().saturating_duration_since(idle_since);
            if idle >= KEPT {
                self.shared.give_up_post();
                return None;
            }
            let woken = self.park(KEPT.saturating_sub(idle));
            // The time that it knew is that from before the wait.
            self.note_time(self.shared.clock.now());
            if woken == Woken::Called {
                idle_since = SystemClock.now();
            }
        }
        None
    }

    /// Where a worker looks that searches, without being counted as one.
    fn look_around_uncounted(&self) -> Option<Notified> {
        self.take_from_outside()
            .or_else(|| self.steal_tasks())
            .or_else(|| self.steal_readiness())
    }

    /// Waits to be called, or at the post. Nothing of the user's runs meanwhile, so that the queue stays empty.
    fn park(&self, at_most: Duration) -> Woken {
        let (shared, remote) = (&self.shared, self.remote());
        let number = self.index - shared.workers();
        let trim_in = self.trim_in(shared.clock.now()).unwrap_or(at_most);
        // ORDERING: Relaxed: a hint, as for workers; the lock in `park` puts it before what a call stores.
        remote.is_asleep.store(true, Ordering::Relaxed);
        let post = shared.take_post(number);
        shared.spares.park(number);
        // After the lock, see `spare.rs`.
        if !shared.shutdown.is_closing() {
            let wait = Wait::AtMost(at_most.min(trim_in));
            remote.counts.parks.add(1);
            match &post {
                Some(post) => post.wait(wait),
                None => remote.driver.turn(wait, &mut WakeBatch::new()),
            }
        }
        drop(post);
        let woken = shared.spares.wake_up(number);
        // ORDERING: as in `turn` of `worker.rs`.
        remote.is_asleep.store(false, Ordering::Relaxed);
        shared.sentinel.worker_is_awake();
        woken
    }
}

/// What the sentinel knows of the need for spares.
#[derive(Default)]
pub(super) struct SpareWatch {
    /// Before it thinks about another one.
    pause: Duration,
    /// Whether every worker was stuck for [`SPARE_AFTER`] at the last look.
    are_all_stuck: bool,
}

impl SpareWatch {
    /// Whether spares are who runs what is found behind the workers.
    pub(super) fn are_all_stuck(&self) -> bool {
        self.are_all_stuck
    }

    /// Looks whether a spare is wanted, so long after the last time. The regular workers come first in `watched`.
    pub(super) fn look(&mut self, shared: &Arc<Shared>, watched: &[Watched], since: Duration) {
        if shared.spares.most() == 0 {
            return;
        }
        let (workers, spares) = watched.split_at(shared.workers());
        let has_stuck = |worker: &Watched| worker.stuck_for() >= SPARE_AFTER;
        // Those on the bench run nothing, whatever happens.
        self.are_all_stuck = workers.iter().take(shared.active()).all(has_stuck);
        self.pause = self.pause.saturating_sub(since);
        if !self.are_all_stuck {
            // One store, when it changes: spares read it.
            if shared.spares.is_needed() {
                shared.spares.set_needed(false);
            }
            return;
        }
        let mut at_work = spares.iter().filter(|spare| spare.is_awake());
        if self.pause.is_zero() && at_work.clone().all(has_stuck) {
            self.pause = CALL_INTERVAL;
            // A slot looks full until its owner has noticed the theft, so what stands there is asked for by taking it.
            for worker in watched {
                shared.rescue_tasks(&worker.remote);
            }
            if shared.has_visible_work() && at_work.all(Watched::is_lost_spare) {
                self.pause = shared.call_spare();
            } else if shared.is_post_empty() {
                // Who stood there is kept by what it has found.
                shared.call_parked();
            }
        }
    }
}

impl Shared {
    /// Makes one more spare work, if there may be one. Returns how soon that is worth another try.
    fn call_spare(self: &Arc<Self>) -> Duration {
        if self.call_parked() {
            return CALL_INTERVAL;
        }
        let Some(start) = self.shutdown.admit(|| self.spares.start()) else {
            return CALL_INTERVAL;
        };
        let core = match start {
            Start::Again(core) => core,
            Start::New(number) => self.new_spare(number),
        };
        // ORDERING: Relaxed, here and below: hints for the sentinel, which this thread is.
        core.remote().thread.store(0, Ordering::Relaxed);
        core.remote().is_asleep.store(false, Ordering::Relaxed);
        match worker::start(core) {
            Ok(()) => {
                self.rescues.spares_started.add(1);
                CALL_INTERVAL
            }
            Err((core, _)) => {
                self.rescues.spares_failed.add(1);
                self.end_of_runner(Some(core));
                RETRY_AFTER
            }
        }
    }

    /// Makes a spare work that is parked, if there is one.
    fn call_parked(&self) -> bool {
        self.spares.set_needed(true);
        let Some(number) = self.spares.call() else {
            return false;
        };
        let remote = self.remote(self.workers() + number);
        // ORDERING: Relaxed, as in `call_spare`: hints for the sentinel, which this thread is.
        remote.is_asleep.store(false, Ordering::Relaxed);
        self.rescues.spares_called.add(1);
        remote.driver.unpark();
        self.call_from_post(number);
        true
    }

    fn new_spare(self: &Arc<Self>, number: usize) -> Box<Core> {
        let of_worker = &self.remotes[number % self.workers()];
        let driver = Arc::new(StandIn::new(of_worker.driver.clone()));
        let (remote, queue, slot) = Remote::new(driver, of_worker.timers.clone());
        let is_set = self.spare_remotes[number].set(remote).is_ok();
        debug_assert!(is_set, "a number is new once");
        self.spares.open(number);
        Core::new(self, self.workers() + number, queue, slot)
    }
}
