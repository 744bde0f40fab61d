//! What if a worker is stuck in one poll, with work behind it that only it can reach quickly?
//!
//! A thread of the scheduler's own looks every [`TICK`] whether each worker that is awake has begun another poll since the last look. If
//! one has not, and somebody sleeps who could help, the sentinel takes out what stands behind it (the task in its slot, the
//! readiness in its driver, its expired timers), puts it into the injector and wakes a sleeper; for its queue the wake alone is
//! enough, since that can be stolen from.
//!
//! So what is stranded stays so for at most two ticks and a wake-up. When all workers have been asleep for a while the sentinel sleeps too,
//! until the first of them that wakes up tells it.
//!
//! Rejected: workers that look at the clock before each poll (46 ns each); idle workers that wait with a short timeout (epoll's
//! are in milliseconds, and each would wake up for nothing).

use super::shared::{Remote, Shared};
use crate::driver::Wait;
use crate::sys::barrier;
use crate::sys::sync::atomic::{AtomicBool, Ordering};
use crate::sys::sync::{Arc, Condvar, Mutex};
use crate::task::refs::Notified;
use crate::util::wake_batch::WakeBatch;
use std::io;
use std::ptr::NonNull;
use std::time::Duration;

/// Between two looks. Two of these and a wake-up stay below a millisecond.
const TICK: Duration = Duration::from_micros(250);

/// After this many ticks with every worker asleep the sentinel sleeps too: 10 ms.
const QUIET_TICKS: u32 = 40;

/// The sentinel's bed.
#[derive(Debug)]
pub(super) struct Sentinel {
    is_asleep: AtomicBool,
    stop: Mutex<bool>,
    bell: Condvar,
}

impl Sentinel {
    pub(super) fn new() -> Self {
        Self {
            is_asleep: AtomicBool::new(false),
            stop: Mutex::new(false),
            bell: Condvar::new(),
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
        let _stop = self.stop.lock();
        self.is_asleep.store(false, Ordering::Relaxed);
        self.bell.notify_one();
    }

    /// Ends the sentinel's thread.
    pub(super) fn stop(&self) {
        *self.stop.lock() = true;
        self.bell.notify_one();
    }

    /// Waits for a tick. True if the sentinel shall stop.
    fn tick(&self) -> bool {
        let mut stop = self.stop.lock();
        if !*stop {
            self.bell.wait_for(&mut stop, TICK);
        }
        *stop
    }

    /// Waits until a worker wakes up. True if the sentinel shall stop.
    fn sleep_until_called(&self, still_quiet: impl Fn() -> bool) -> bool {
        let mut stop = self.stop.lock();
        self.is_asleep.store(true, Ordering::Relaxed);
        barrier::heavy();
        if still_quiet() {
            while self.is_asleep.load(Ordering::Relaxed) && !*stop {
                self.bell.wait(&mut stop);
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
    let mut seen: Vec<Option<usize>> = vec![None; shared.workers()];
    let mut quiet_ticks = 0;
    let mut ready = WakeBatch::new();
    loop {
        let stop = if quiet_ticks < QUIET_TICKS {
            shared.sentinel.tick()
        } else {
            quiet_ticks = 0;
            shared
                .sentinel
                .sleep_until_called(|| shared.remotes.iter().all(Remote::is_asleep))
        };
        if stop {
            return;
        }
        quiet_ticks += 1;
        for (remote, seen) in shared.remotes.iter().zip(&mut seen) {
            if remote.is_asleep() {
                *seen = None;
                continue;
            }
            quiet_ticks = 0;
            let polls = Some(remote.polls.load(Ordering::Relaxed));
            if *seen == polls && shared.idle.has_sleepers() {
                shared.rescue(remote, &mut ready);
            }
            *seen = polls;
        }
    }
}

impl Remote {
    fn is_asleep(&self) -> bool {
        self.is_asleep.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Takes out what stands behind a worker that is stuck in one poll.
    fn rescue(&self, stuck: &Remote, ready: &mut WakeBatch) {
        if !stuck.slot.is_empty() {
            if let Some(cell) = stuck.slot.steal().and_then(NonNull::new) {
                // SAFETY: the slot gives each `Notified` that was put in to one taker.
                self.inject(unsafe { Notified::from_raw(cell) });
            }
        }
        stuck.driver.turn(Wait::Sweep, ready);
        if stuck.timers.next_deadline().is_some() {
            stuck.timers.try_fire(self.clock.now(), ready);
        }
        // On this thread, which is no worker, woken tasks go through the injector, and each wakes a sleeper if nobody searches.
        ready.wake_all();
        if !stuck.stealer.is_empty() {
            self.unpark(self.idle.wake_one_from_outside());
        }
    }
}
