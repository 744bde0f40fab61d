//! On which thread does a call run that blocks?
//!
//! On one of an elastic pool. A job goes to an idle thread if there is one, else to a new thread, else, when there are as
//! many as allowed, into a queue. A thread that has found nothing to do for [`KEEP_ALIVE`] ends. This file is the
//! only door to crossbeam-channel, which is the queue.
//!
//! | file | answers |
//! |---|---|
//! | [`roster`] | how many threads are where, and what does that oblige us to do? |
//! | `loom_channel` | what stands in for the channel when loom tries every interleaving? |
//!
//! The lock is held while a thread is started (some 20 us) and while a job is put into the queue (2.4 us if that wakes
//! a thread). Both would be possible outside of it, at the price of states in which a job is promised and not yet there; what calls this
//! pool is about to block for longer than that.
//!
//! The queue has no bound, since who submits cannot wait: it is as long as there are tasks with a blocking call each.
//! The channel wakes its receivers in turn, so that a pool shrinks only when there is less than one job per
//! thread in [`KEEP_ALIVE`].
//!
//! Rejected: a thread per call (20 us and a stack each, without a bound), and a pool of fixed size (too small for a burst, too
//! large for the rest of the day).

#[cfg(loom)]
mod loom_channel;
mod roster;

#[cfg(not(loom))]
use crossbeam_channel as channel;
#[cfg(loom)]
use loom_channel as channel;

use crate::sys::sync::thread::{self, JoinHandle, ThreadId};
use crate::sys::sync::{Arc, Condvar, Mutex};
use crate::util::shield::shield;
use channel::{Receiver, RecvTimeoutError, Sender};
pub(crate) use roster::Counts;
use roster::{Roster, StartFailed, Submit, Take};
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// How long an idle thread waits for a job before it ends: tokio's figure, longer than the pauses of a program that is
/// at work, short enough that a burst's stacks are not kept.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A call that may block. Dropped without having been run if the pool closes first.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Something to be done around a thread's work, which it calls once.
pub(crate) type Around = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// How a pool's threads are made.
pub(crate) struct Config {
    /// The most threads at a time; 0 counts as 1.
    pub(crate) max_threads: usize,
    pub(crate) thread_name: String,
    pub(crate) stack_bytes: usize,
    /// Wraps the life of a thread: called on it with what it has to do.
    pub(crate) around: Around,
}

/// The pool. Dropping it closes it.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    keep_alive: Duration,
    state: Mutex<State>,
    /// Rung when a closed pool's last thread has left.
    ended: Condvar,
    /// The queue's other end, which every thread shares.
    jobs: Receiver<Job>,
}

struct State {
    roster: Roster,
    /// The queue, until the pool is closed. Filled under the lock only.
    queue: Option<Sender<Job>>,
    threads: Vec<(ThreadId, JoinHandle<()>)>,
    /// The thread that left last. The next one to leave joins it, so that at most one is ever unjoined.
    last_to_leave: Option<JoinHandle<()>>,
}

impl Pool {
    pub(crate) fn new(config: Config) -> Self {
        Self::with_keep_alive(config, KEEP_ALIVE)
    }

    fn with_keep_alive(config: Config, keep_alive: Duration) -> Self {
        let (queue, jobs) = channel::unbounded();
        let state = State {
            roster: Roster::new(config.max_threads),
            queue: Some(queue),
            threads: Vec::new(),
            last_to_leave: None,
        };
        Self {
            shared: Arc::new(Shared {
                config,
                keep_alive,
                state: Mutex::new(state),
                ended: Condvar::new(),
                jobs,
            }),
        }
    }

    /// Runs a job on a thread of the pool, at once or when one is free. A closed pool drops it.
    ///
    /// # Errors
    ///
    /// If the pool has no thread and none can be started. The job has been dropped then.
    pub(crate) fn run(&self, job: Job) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        let error = match state.roster.submit() {
            Submit::Queue => None,
            Submit::Start => match start_thread(&self.shared, &mut state) {
                Ok(()) => None,
                Err(error) => match state.roster.start_failed() {
                    StartFailed::Queue => None,
                    StartFailed::GiveUp => Some(error),
                },
            },
            Submit::Closed => {
                drop(state);
                drop(job);
                return Ok(());
            }
        };
        if let Some(error) = error {
            // What the job drops with it is the user's code: not under the lock.
            drop(state);
            drop(job);
            return Err(error);
        }
        let queue = state.queue.as_ref().expect("open, as `submit` said");
        queue.send(job).expect("we hold a receiver ourselves");
        Ok(())
    }

    /// Takes no more jobs and drops those that have not begun. Does not wait.
    pub(crate) fn close(&self) {
        self.shared.close();
    }

    /// Closes the pool and waits until all of its threads have ended; true if they have before `timeout`. The others go on with
    /// their job and end after it. On a thread of the pool it does not wait: no thread can wait for itself.
    pub(crate) fn shutdown(&self, timeout: Option<Duration>) -> bool {
        self.close();
        self.shared.join(timeout)
    }

    /// How many threads there are, how many of them have nothing to do, and how many jobs wait. Takes the lock.
    pub(crate) fn counts(&self) -> Counts {
        self.shared.state.lock().roster.counts()
    }

    #[cfg(test)]
    fn with_roster<R>(&self, look: impl FnOnce(&Roster) -> R) -> R {
        look(&self.shared.state.lock().roster)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// A thread's whole life.
    fn live(&self) {
        let mut has_worked = false;
        let mut work = || {
            if !has_worked {
                has_worked = true;
                self.work();
            }
        };
        // The hooks are the user's. If one panics before the work began, the thread still has its place to fill: jobs count on it.
        shield(|| (self.config.around)(&mut work));
        work();
        self.leave();
    }

    /// Runs jobs until there have been none for a while, or the pool is closed.
    fn work(&self) {
        loop {
            match self.jobs.recv_timeout(self.keep_alive) {
                Ok(job) => self.attend_to(job),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    if self.state.lock().roster.try_retire() {
                        return;
                    }
                    thread::yield_now();
                }
            }
        }
    }

    fn attend_to(&self, job: Job) {
        let take = self.state.lock().roster.take();
        match take {
            Take::Run => shield(job),
            Take::Drop => shield(|| drop(job)),
        };
        self.state.lock().roster.done();
    }

    /// The end of a thread that has retired.
    fn leave(&self) {
        let me = thread::current().id();
        let mut state = self.state.lock();
        let at = state.threads.iter().position(|(id, _)| *id == me);
        let mine = at.map(|at| state.threads.swap_remove(at).1);
        let before_me = std::mem::replace(&mut state.last_to_leave, mine);
        drop(state);
        if let Some(thread) = before_me {
            drop(thread.join());
        }
        if self.state.lock().roster.left() {
            self.ended.notify_all();
        }
    }

    fn close(&self) {
        let mut state = self.state.lock();
        if state.queue.is_none() {
            return;
        }
        let jobs: Vec<Job> = self.jobs.try_iter().collect();
        state.roster.close(jobs.len());
        // Without a sender, every thread that waits for a job is told that there will be none.
        let queue = state.queue.take();
        drop(state);
        drop(queue);
        for job in jobs {
            shield(|| drop(job));
        }
    }

    fn join(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|timeout| now().checked_add(timeout));
        let me = thread::current().id();
        let mut state = self.state.lock();
        while !state.roster.has_ended() {
            if state.threads.iter().any(|(id, _)| *id == me) {
                return false;
            }
            match deadline {
                None => self.ended.wait(&mut state),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(now());
                    if left.is_zero() {
                        return false;
                    }
                    self.ended.wait_for(&mut state, left);
                }
            }
        }
        let last = state.last_to_leave.take();
        drop(state);
        if let Some(thread) = last {
            drop(thread.join());
        }
        true
    }
}

/// Starts a thread, under the lock: the thread finds itself in the list when it leaves.
fn start_thread(shared: &Arc<Shared>, state: &mut State) -> io::Result<()> {
    let (config, own) = (&shared.config, shared.clone());
    let handle = thread::Builder::new()
        .name(config.thread_name.clone())
        .stack_size(config.stack_bytes)
        .spawn(move || own.live())
        .map_err(|error| {
            let text = format!("cannot start a thread for blocking calls: {error}");
            io::Error::new(error.kind(), text)
        })?;
    state.threads.push((handle.thread().id(), handle));
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the deadline of a shutdown is the caller's, also when the runtime's clock is simulated"
)]
fn now() -> Instant {
    Instant::now()
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.shared.config.thread_name)
            .field("roster", &self.shared.state.lock().roster)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
