//! What if a task panics and nobody will be told?
//!
//! What the runtime's builder says, [`UnhandledPanic`]. All of this is out of the way of tasks that do not panic.
//!
//! An event is told as in [`warning`], on a thread of its own with no lock held: code of the user's that listens may panic, or wait for what the task's thread has yet
//! to do. There is one such thread at a time, which goes on until there is nothing left to tell; the end of the scheduler waits for it, as for each of its threads.

use super::shared::Shared;
use super::warning;
use crate::sys::sync::{Arc, Mutex};
use crate::task::unhandled::Unhandled;
use crate::util::shield::shield;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::Write;
use std::task::Waker;

/// So many panics wait at most to be told of; of more it is told how many there were. A guess: nobody reads more of them.
const WAITING_MAX: usize = 64;

/// What a runtime does when a task panics and nobody will be told: its [`JoinHandle`](crate::JoinHandle) was dropped before it gave the error. Chosen by
/// [`Builder::unhandled_panic`](crate::runtime::Builder::unhandled_panic).
///
/// In each case the hook of [`std::panic`](mod@std::panic) has been called when it happened, which prints the message unless told otherwise. A panic that a handle gives as a
/// [`JoinError`](crate::JoinError) is no such case, whatever is done with the error; nor is one in a destructor of the output, in a waker, or in a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[cfg_attr(
    shuttle,
    expect(
        unreachable_pub,
        reason = "the runtime, which shows it, is not modelled"
    )
)]
pub enum UnhandledPanic {
    /// Nothing more.
    Ignore,
    /// An event of the crate `tracing`, level ERROR, under the target `filch::task`, with the task's id, type and location, and the message. Without the cargo feature
    /// `tracing`, and where nobody subscribes, nothing more. The default.
    #[default]
    Log,
    /// The process ends, with one sentence on standard error.
    Abort,
    /// The runtime ends as if it had been dropped: every task that is not complete is dropped. Whoever waits in a `block_on` of this runtime gets a panic that names the task, and so
    /// does each later `block_on`.
    Shutdown,
}

/// What is to be done, and what was.
#[derive(Debug)]
pub(super) struct Panics {
    policy: UnhandledPanic,
    log: Mutex<Log>,
    roots: Mutex<Roots>,
}

/// What is to be told.
#[derive(Debug, Default)]
struct Log {
    waiting: VecDeque<Unhandled>,
    left_out: u64,
    /// There is a thread that tells.
    is_telling: bool,
}

/// Threads in `block_on`, where panics end the runtime.
#[derive(Debug, Default)]
struct Roots {
    /// What has ended it.
    ended_by: Option<String>,
    wakers: BTreeMap<u64, Waker>,
    next: u64,
}

impl Panics {
    pub(super) fn new(policy: UnhandledPanic) -> Self {
        Self {
            policy,
            log: Mutex::default(),
            roots: Mutex::default(),
        }
    }

    /// The next to tell of, and how many were left out before; none ends the thread that tells.
    fn next_to_tell(&self) -> Option<(Unhandled, u64)> {
        let mut log = self.log.lock();
        let next = log.waiting.pop_front();
        log.is_telling = next.is_some();
        Some((next?, std::mem::take(&mut log.left_out)))
    }

    /// Wakes every root, for it to panic.
    fn end_roots(&self, panic: &Unhandled) {
        let mut roots = self.roots.lock();
        roots.ended_by.get_or_insert_with(|| panic.to_string());
        let wakers = std::mem::take(&mut roots.wakers);
        drop(roots);
        wakers.into_values().for_each(Waker::wake);
    }
}

impl Shared {
    /// Does what is to be done about a panic that nobody is told of.
    pub(crate) fn unhandled_panic(self: &Arc<Self>, panic: Unhandled) {
        match self.panics.policy {
            UnhandledPanic::Ignore => {}
            UnhandledPanic::Log => self.log_panic(panic),
            UnhandledPanic::Abort => {
                // Not `eprintln`, which panics if nobody can read it.
                let _ = writeln!(std::io::stderr(), "filch: {panic}; the process ends");
                std::process::abort();
            }
            UnhandledPanic::Shutdown => {
                self.panics.end_roots(&panic);
                self.close();
            }
        }
    }

    fn log_panic(self: &Arc<Self>, panic: Unhandled) {
        if !warning::is_panic_heard() {
            return;
        }
        let mut log = self.panics.log.lock();
        if log.waiting.len() < WAITING_MAX {
            log.waiting.push_back(panic);
        } else {
            log.left_out += 1;
        }
        if std::mem::replace(&mut log.is_telling, true) {
            return;
        }
        drop(log);
        if self
            .spawn_thread("warning", |shared| shared.tell_panics())
            .is_err()
        {
            // The next panic tries again.
            self.panics.log.lock().is_telling = false;
        }
    }

    fn tell_panics(&self) {
        while let Some((panic, left_out)) = self.panics.next_to_tell() {
            shield(|| warning::tell_panic(&panic, left_out));
        }
    }

    /// What a thread has while it is in `block_on`; none where panics do not end the runtime.
    pub(crate) fn root(&self) -> Option<Root<'_>> {
        if self.panics.policy != UnhandledPanic::Shutdown {
            return None;
        }
        let mut roots = self.panics.roots.lock();
        roots.next += 1;
        Some(Root {
            roots: &self.panics.roots,
            key: roots.next,
        })
    }
}

/// A thread in `block_on`.
pub(crate) struct Root<'a> {
    roots: &'a Mutex<Roots>,
    key: u64,
}

impl Root<'_> {
    /// Sees to it that the waker is woken when a panic ends the runtime.
    ///
    /// # Panics
    ///
    /// If one has.
    pub(crate) fn check(&self, waker: &Waker) {
        let mut roots = self.roots.lock();
        let ended_by = roots.ended_by.clone();
        if ended_by.is_none() {
            roots.wakers.insert(self.key, waker.clone());
        }
        drop(roots);
        if let Some(panic) = ended_by {
            panic!("the runtime has ended, as its builder was told: {panic}");
        }
    }
}

impl Drop for Root<'_> {
    fn drop(&mut self) {
        let waker = self.roots.lock().wakers.remove(&self.key);
        drop(waker);
    }
}

impl fmt::Debug for Root<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").field("key", &self.key).finish()
    }
}
