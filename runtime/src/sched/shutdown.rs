//! How does a scheduler end?
//!
//! | step | who | what |
//! |---|---|---|
//! | 1 | `close`: anybody | sets the flag, wakes every worker and spare |
//! | 2 | each of them | ends its current poll and its loop, hands in its core |
//! | 3 | who hands in the last core | calls `at_quiet`, so that whoever waits for time or readiness is told that there will be none; cancels every task that is neither complete nor running: the slabs know them all |
//! | 4 | the last runner to leave | cancels the rest, closes the slabs, stops the sentinel |
//! | 5 | `join`: whoever waits | is told, and joins the threads |
//!
//! A *runner* is a thread that may be in the middle of a poll: each worker, and each *guest*, a thread that has blocked in a task and whose core was
//! handed off. A guest may wait for what no worker does any more. So step 3 does not wait for guests, but gives them what they wait for: their timers fire,
//! the tasks they join are cancelled. The tasks that guests are in the middle of are left to step 4.
//!
//! A spare ([`spare`](super::spare)) that has a thread is a runner as well, and its core is out; one that is away is neither, and its core waits for step 3 where it is kept. A core goes out again only under the lock
//! that step 3 begins under, and while another is out ([`Shutdown::admit`]).
//!
//! Nobody waits for itself, so a runtime may be dropped anywhere, also within one of its own tasks. Tasks that are spawned from step 3 on, by destructors
//! or guests, find the lanes closed (or are cancelled with the rest) and are dropped at once.
//!
//! Entries left in queues and slots are forgotten: they hold no reference, and step 3 finds their tasks in the slabs.

use super::core::{Core, Cores};
use super::local::{self, Hermits};
use super::outside::Outside;
use super::shared::Shared;
use crate::sys::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sys::sync::thread::{self, JoinHandle};
use crate::sys::sync::{Condvar, Mutex};
use crate::task::harness;
use crate::util::slab::Slab;
use std::fmt;
use std::time::{Duration, Instant};

/// The state of a scheduler's end.
pub(super) struct Shutdown {
    is_closing: AtomicBool,
    runners: AtomicUsize,
    cores: Mutex<HandedIn>,
    /// What they leave: from step 3 to step 4.
    slabs: Mutex<Vec<Slab<Shared>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Runners without a core that host tasks.
    pub(super) hermits: Hermits,
    at_quiet: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    progress: Mutex<Progress>,
    /// Rung when there is progress.
    bell: Condvar,
}

/// Who has ended?
struct HandedIn {
    /// Of regular workers that have ended; those of spares are kept by [`Spares`](super::spare::Spares).
    cores: Cores,
    /// How many have yet to be handed in: of all regular workers, and of spares that are not away.
    out: usize,
}

/// How far the end has come.
#[derive(Default)]
struct Progress {
    /// Step 4 is done.
    has_ended: bool,
    /// Threads that have yet to come to the end of their last hook.
    threads: usize,
}

impl Shutdown {
    pub(super) fn new(runners: usize, at_quiet: Box<dyn FnOnce() + Send>) -> Self {
        Self {
            is_closing: AtomicBool::new(false),
            runners: AtomicUsize::new(runners),
            cores: Mutex::new(HandedIn {
                cores: Vec::with_capacity(runners),
                out: runners,
            }),
            slabs: Mutex::new(Vec::new()),
            threads: Mutex::new(Vec::with_capacity(runners + 1)),
            hermits: Hermits::default(),
            at_quiet: Mutex::new(Some(at_quiet)),
            progress: Mutex::new(Progress::default()),
            bell: Condvar::new(),
        }
    }

    /// Whether workers shall end.
    #[inline]
    pub(super) fn is_closing(&self) -> bool {
        // ORDERING: Relaxed: a worker that reads it late runs another batch; one that sleeps is woken through its driver.
        self.is_closing.load(Ordering::Relaxed)
    }

    pub(super) fn add_runner(&self) {
        // ORDERING: Relaxed: the caller is a runner itself, so the count cannot reach 0 meanwhile.
        self.runners.fetch_add(1, Ordering::Relaxed);
    }

    /// A core that `take` gives goes out, and with it one more runner; unless the end has begun.
    pub(super) fn admit<T>(&self, take: impl FnOnce() -> Option<T>) -> Option<T> {
        let mut handed_in = self.cores.lock();
        // The first is a hint, the second counts: step 3 begins under the lock, when the last core is in.
        if self.is_closing() || handed_in.out == 0 {
            return None;
        }
        let taken = take()?;
        handed_in.out += 1;
        // ORDERING: Relaxed: whoever has a core that is out is a runner until after it was handed in, so the count cannot reach 0 meanwhile.
        self.runners.fetch_add(1, Ordering::Relaxed);
        Some(taken)
    }

    /// A thread is about to start.
    pub(super) fn thread_starts(&self) {
        self.progress.lock().threads += 1;
    }

    /// It has started.
    pub(super) fn thread_started(&self, thread: JoinHandle<()>) {
        let mut threads = self.threads.lock();
        // Those that have ended need no joining; without this a program that blocks often would collect them.
        threads.retain(|thread| !thread::has_ended(thread));
        threads.push(thread);
    }

    /// It has come to its end, or did not start.
    pub(super) fn thread_ends(&self) {
        self.progress.lock().threads -= 1;
        self.bell.notify_all();
    }

    /// One that was out is in. True if it was the last.
    fn note_core(&self, core: Option<Box<Core>>) -> bool {
        let mut handed_in = self.cores.lock();
        handed_in.cores.extend(core);
        handed_in.out -= 1;
        handed_in.out == 0
    }

    /// Takes back an [`add_runner`](Self::add_runner) whose thread did not start; the caller is another runner.
    pub(super) fn forget_runner(&self) {
        // ORDERING: Relaxed, as for `add_runner`.
        self.runners.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// Tells every worker to end. Returns at once.
    pub(crate) fn close(&self) {
        // ORDERING: AcqRel for symmetry only: it says who is first; workers learn of it through their drivers, see `is_closing`.
        if !self.shutdown.is_closing.swap(true, Ordering::AcqRel) {
            let count = self.workers() + self.spares.opened_for_sure();
            (0..count).for_each(|index| self.remote(index).driver.unpark());
            self.close_post();
            self.shutdown.hermits.unpark_all();
        }
    }

    /// Called by each runner when it leaves, with its core unless that was handed off.
    pub(super) fn end_of_runner(&self, core: Option<Box<Core>>) {
        if let Some(core) = core {
            self.end_of_core(core);
        }
        local::leave(&self.shutdown.hermits, || self.shutdown.is_closing());
        // ORDERING: AcqRel: the last one sees everything the others did as runners.
        if self.shutdown.runners.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.end();
        }
    }

    /// The core is not needed any more, whose runner may stay for a while.
    pub(super) fn end_of_core(&self, core: Box<Core>) {
        if self.hand_in(core) {
            self.quiesce();
        }
    }

    /// True if it was the last one. A spare's may go out again before the end.
    fn hand_in(&self, core: Box<Core>) -> bool {
        if core.is_spare {
            // ORDERING: Relaxed: a hint for the sentinel, that nobody runs it.
            core.remote().is_asleep.store(true, Ordering::Relaxed);
            self.spares.put_away(core);
            return self.shutdown.note_core(None);
        }
        self.shutdown.note_core(Some(core))
    }

    /// Step 3: no worker is left, though guests may be.
    fn quiesce(&self) {
        let at_quiet = self.shutdown.at_quiet.lock().take();
        if let Some(at_quiet) = at_quiet {
            at_quiet();
        }
        let outside = self.lanes.close().into_iter().map(Outside::into_slab);
        let cores = std::mem::take(&mut self.shutdown.cores.lock().cores);
        let spares = self.spares.take_all();
        let slabs = cores.into_iter().chain(spares);
        let slabs = slabs.map(|core| core.into_slab());
        let slabs: Vec<_> = slabs.chain(outside).collect();
        slabs.iter().for_each(cancel_all);
        *self.shutdown.slabs.lock() = slabs;
    }

    /// Step 4: no runner is left.
    fn end(&self) {
        let slabs = std::mem::take(&mut *self.shutdown.slabs.lock());
        slabs.iter().for_each(cancel_all);
        slabs.into_iter().for_each(Slab::close);
        self.sentinel.stop();
        self.threads.close();
        self.shutdown.progress.lock().has_ended = true;
        self.shutdown.bell.notify_all();
    }

    /// Waits until everything has ended and joins the threads. False if that did not happen before the deadline, which is
    /// counted by the system's clock. Must not be called on a thread of this scheduler.
    pub(crate) fn join(&self, timeout: Option<Duration>) -> bool {
        // One that is too far off to be told is none.
        let deadline = timeout.and_then(|timeout| std_now().checked_add(timeout));
        let mut progress = self.shutdown.progress.lock();
        while !progress.has_ended || progress.threads > 0 {
            match deadline {
                None => self.shutdown.bell.wait(&mut progress),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(std_now());
                    if left.is_zero() {
                        return false;
                    }
                    self.shutdown.bell.wait_for(&mut progress, left);
                }
            }
        }
        drop(progress);
        let threads = std::mem::take(&mut *self.shutdown.threads.lock());
        for thread in threads {
            // A panic of a thread's own code (a hook of the user's) was reported when it happened.
            drop(thread.join());
        }
        true
    }
}

fn cancel_all(slab: &Slab<Shared>) {
    // SAFETY: every cell a slab has handed out was initialised right away, and no worker runs or ever will; what a guest is in the
    // middle of is marked GUEST, and left alone.
    let cancel = |cell| unsafe { harness::cancel_at_shutdown(cell) };
    // SAFETY: the slab's owner has ended, and this thread has its core.
    unsafe { slab.for_each_cell(cancel) };
}

#[expect(
    clippy::disallowed_methods,
    reason = "the deadline of a shutdown is the caller's, also when the runtime's clock is simulated"
)]
fn std_now() -> Instant {
    Instant::now()
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown")
            .field("is_closing", &self.is_closing)
            .field("runners", &self.runners)
            .finish_non_exhaustive()
    }
}
