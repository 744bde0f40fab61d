//! How are the scheduler's threads made, and how do they end?
//!
//! Each is counted, from before it starts until it has left the user's last hook, so that the end can wait for all of them. The
//! hooks are dropped with the last thread: what outlives the scheduler, such as a join handle with the task's memory, keeps no code of the user's that would
//! run at a time nobody expects.

use super::context;
use super::shared::Shared;
use crate::sys::sync::thread::Builder;
use crate::sys::sync::{Arc, Mutex};
use crate::util::shield::shield;
use std::io;

/// How threads are made.
pub(crate) struct ThreadConfig {
    pub(crate) name: String,
    pub(crate) stack_bytes: usize,
    /// Wraps the life of a thread: called on it with what it has to do.
    pub(crate) around: Box<Around>,
}

/// Something to be done around a thread's work, which it calls once.
type Around = dyn Fn(&mut dyn FnMut()) + Send + Sync;

/// Makes the threads of a scheduler.
pub(super) struct Threads {
    name: String,
    stack_bytes: usize,
    /// None once the scheduler has ended.
    around: Mutex<Option<Arc<Around>>>,
}

impl Threads {
    pub(super) fn new(config: ThreadConfig) -> Self {
        Self {
            name: config.name,
            stack_bytes: config.stack_bytes,
            around: Mutex::new(Some(Arc::from(config.around))),
        }
    }

    /// No thread is made any more. The hooks go with the last thread that has them.
    pub(super) fn close(&self) {
        let around = self.around.lock().take();
        drop_around(around);
    }
}

fn drop_around(around: Option<Arc<Around>>) {
    shield(|| drop(around));
}

impl Shared {
    /// Starts a thread that [`join`](Self::join) waits for.
    pub(super) fn spawn_thread(
        self: &Arc<Self>,
        role: &str,
        work: impl FnOnce(&Arc<Self>) + Send + 'static,
    ) -> io::Result<()> {
        let shared = self.clone();
        let around = self.threads.around.lock().clone();
        self.shutdown.thread_starts();
        let builder = Builder::new()
            .name(format!("{}-{role}", self.threads.name))
            .stack_size(self.threads.stack_bytes);
        let thread = builder.spawn(move || {
            context::mark_thread();
            let mut work = Some(work);
            let mut work = || {
                if let Some(work) = work.take() {
                    let _bug = Unwinding;
                    work(&shared);
                }
            };
            if let Some(around) = &around {
                shield(|| around(&mut work));
            }
            // If a hook panicked before it came to that.
            work();
            drop_around(around);
            shared.shutdown.thread_ends();
        });
        match thread {
            Ok(thread) => {
                self.shutdown.thread_started(thread);
                Ok(())
            }
            Err(error) => {
                self.shutdown.thread_ends();
                Err(io::Error::new(
                    error.kind(),
                    format!("cannot start a {role} thread: {error}"),
                ))
            }
        }
    }
}

/// Nothing of the user's unwinds through a thread's own work. If something does it is a bug of ours, and the runtime's end would wait for it for ever.
struct Unwinding;

impl Drop for Unwinding {
    fn drop(&mut self) {
        // shuttle reports it with the line that replays it, and ends by itself.
        if std::thread::panicking() && !cfg!(shuttle) {
            eprintln!(
                "filch: a thread's own code has panicked, which is a bug in filch; the process ends"
            );
            std::process::abort();
        }
    }
}
