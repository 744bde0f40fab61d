//! How does a scheduler end?
//!
//! | step | who | what |
//! |---|---|---|
//! | 1 | `close`: anybody | sets the flag, wakes every worker |
//! | 2 | each worker | ends its current poll and its loop, hands in its core |
//! | 3 | the last runner to leave | cancels every task that is not complete: the slabs know them all |
//! | 4 | the same | closes the slabs, stops the sentinel, calls `at_end` |
//! | 5 | `join`: whoever waits | is told, and joins the threads |
//!
//! A *runner* is a thread that may be in the middle of a poll: each worker, and each thread whose core was handed off. Since the last
//! of them does step 3, no task runs meanwhile, and a runtime may be dropped anywhere, also within one of its own tasks: nobody
//! waits for itself. Tasks that are spawned during step 3, by destructors, find the outside slab gone and are dropped at once.
//!
//! Entries left in queues and slots are forgotten: they hold no reference, and step 3 finds their tasks in the slabs.

use super::core::{Core, Cores};
use super::shared::Shared;
use crate::sys::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sys::sync::thread::{Builder, JoinHandle};
use crate::sys::sync::{Arc, Condvar, Mutex};
use crate::task::harness;
use crate::util::slab::Slab;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// The state of a scheduler's end.
pub(super) struct Shutdown {
    is_closing: AtomicBool,
    runners: AtomicUsize,
    /// Cores handed in by workers that have ended.
    cores: Mutex<Cores>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    at_end: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    has_ended: Mutex<bool>,
    ended: Condvar,
}

impl Shutdown {
    pub(super) fn new(runners: usize, at_end: Box<dyn FnOnce() + Send>) -> Self {
        Self {
            is_closing: AtomicBool::new(false),
            runners: AtomicUsize::new(runners),
            cores: Mutex::new(Vec::with_capacity(runners)),
            threads: Mutex::new(Vec::with_capacity(runners + 1)),
            at_end: Mutex::new(Some(at_end)),
            has_ended: Mutex::new(false),
            ended: Condvar::new(),
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

    /// Takes back an [`add_runner`](Self::add_runner) whose thread did not start; the caller is another runner.
    pub(super) fn forget_runner(&self) {
        // ORDERING: Relaxed, as for `add_runner`.
        self.runners.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// Starts a thread that [`join`](Self::join) waits for.
    pub(super) fn spawn_thread(
        self: &Arc<Self>,
        role: &str,
        work: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) -> io::Result<()> {
        let shared = self.clone();
        let builder = Builder::new()
            .name(self.threads.thread_name(role))
            .stack_size(self.threads.stack_bytes);
        let thread = builder.spawn(move || {
            let mut work = Some(work);
            let around = &shared.threads.around;
            around(&mut || {
                if let Some(work) = work.take() {
                    work(&shared);
                }
            });
        });
        let thread = thread.map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot start a {role} thread: {error}"),
            )
        })?;
        let mut threads = self.shutdown.threads.lock();
        // Those that have ended need no joining; without this a program that blocks often would collect them.
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }

    /// Tells every worker to end. Returns at once.
    pub(crate) fn close(&self) {
        if !self.shutdown.is_closing.swap(true, Ordering::AcqRel) {
            self.remotes
                .iter()
                .for_each(|remote| remote.driver.unpark());
        }
    }

    /// Called by each runner when it leaves, with its core unless that was handed off.
    pub(super) fn end_of_runner(&self, core: Option<Box<Core>>) {
        self.shutdown.cores.lock().extend(core);
        // ORDERING: AcqRel: the last one sees everything the others did as runners.
        if self.shutdown.runners.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.end();
        }
    }

    /// Steps 3 and 4: no runner is left.
    fn end(&self) {
        let outside = self.outside.lock().take().map(|outside| outside.slab);
        let cores = std::mem::take(&mut *self.shutdown.cores.lock());
        for slab in cores.iter().map(|core| &core.slab).chain(&outside) {
            cancel_all(slab);
        }
        outside.into_iter().for_each(Slab::close);
        cores.into_iter().for_each(|core| core.into_slab().close());
        self.sentinel.stop();
        if let Some(at_end) = self.shutdown.at_end.lock().take() {
            at_end();
        }
        *self.shutdown.has_ended.lock() = true;
        self.shutdown.ended.notify_all();
    }

    /// Waits until everything has ended and joins the threads. False if that did not happen before the deadline, which is
    /// counted by the system's clock. Must not be called on a thread of this scheduler.
    pub(crate) fn join(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.map(|timeout| std_now() + timeout);
        let mut has_ended = self.shutdown.has_ended.lock();
        while !*has_ended {
            match deadline {
                None => self.shutdown.ended.wait(&mut has_ended),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(std_now());
                    if left.is_zero() {
                        return false;
                    }
                    self.shutdown.ended.wait_for(&mut has_ended, left);
                }
            }
        }
        drop(has_ended);
        let threads = std::mem::take(&mut *self.shutdown.threads.lock());
        for thread in threads {
            // A panic of a thread's own code (a hook of the user's) was reported when it happened.
            drop(thread.join());
        }
        true
    }
}

fn cancel_all(slab: &Slab<Shared>) {
    // SAFETY: every cell a slab has handed out was initialised right away, and no worker runs any more.
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
