//! Who waits for a child that nobody waits for?
//!
//! A child that has ended stays a zombie until its parent has asked for its status. A [`Child`](super::Child) that is dropped while its program runs hands it to the reaper: one thread for the whole
//! process, which waits for all such children at once, and asks. It is started with the first, and ends with the last. The lock is held while a child is added
//! or asked, never while the thread waits.
//!
//! If the system refuses the thread, the epoll instance, the watch or the wait, the child stays in the list, and is looked at when the next one comes.
//!
//! Rejected: a task on the runtime for each, which ends with the runtime, before the child. A thread for each. Asking only when the next child is started, as Python does: the last ones stay zombies.

use super::ending::{Lock, Notice, SharedChild, lock};
use crate::sys::Epoll;
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, MutexGuard};
use std::thread;

/// A child whose status interests nobody.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) child: SharedChild,
    pub(super) notice: Notice,
}

static REAPER: Lock<Reaper> = Lock::new(Reaper {
    unwatched: Vec::new(),
    watched: BTreeMap::new(),
    epoll: None,
    has_thread: false,
});

struct Reaper {
    /// Those that are still to be watched: none, as a rule, while the lock is free.
    unwatched: Vec<Orphan>,
    watched: BTreeMap<RawFd, Orphan>,
    /// There while there is a thread.
    epoll: Option<Arc<Epoll>>,
    has_thread: bool,
}

/// The child is waited for.
pub(super) fn entrust(orphan: Orphan) {
    let mut reaper = reaper();
    reaper.unwatched.push(orphan);
    reaper.unwatched.retain(|orphan| !orphan.has_ended());
    reaper.watch_all();
    reaper.start_thread();
}

fn reaper() -> MutexGuard<'static, Reaper> {
    REAPER.lock().expect("nobody panics with it")
}

impl Orphan {
    /// Whether there is nothing left to be waited for. It is no zombie from then on.
    fn has_ended(&self) -> bool {
        // An error says that it is no child of ours any more: somebody else has waited for it.
        !matches!(lock(&self.child).try_wait(), Ok(None))
    }
}

impl Reaper {
    fn watch_all(&mut self) {
        if self.epoll.is_none() && !self.unwatched.is_empty() {
            self.epoll = Epoll::new().ok().map(Arc::new);
        }
        let Some(epoll) = &self.epoll else { return };
        while let Some(orphan) = self.unwatched.pop() {
            if epoll.add(&orphan.notice).is_err() {
                self.unwatched.push(orphan);
                return;
            }
            self.watched.insert(orphan.notice.as_raw_fd(), orphan);
        }
    }

    fn start_thread(&mut self) {
        let Some(epoll) = self.epoll.clone() else {
            return;
        };
        if self.has_thread || self.watched.is_empty() {
            return;
        }
        let thread = thread::Builder::new().name("filch-reaper".to_owned());
        self.has_thread = thread.spawn(move || reap(&epoll)).is_ok();
    }

    /// Those that were watched stay, and are watched anew when the next one comes.
    #[cold]
    fn give_up(&mut self) {
        self.unwatched
            .extend(std::mem::take(&mut self.watched).into_values());
        self.end_thread();
    }

    fn end_thread(&mut self) {
        self.has_thread = false;
        self.epoll = None;
    }

    /// Looks whether these have ended; whether anybody is left.
    fn look_after(&mut self, epoll: &Epoll, noticed: &[RawFd]) -> bool {
        for descriptor in noticed {
            if self.watched.get(descriptor).is_some_and(Orphan::has_ended) {
                let ended = self.watched.remove(descriptor).expect("it is there");
                // Taken out before it is closed, which is not enough if a fork has a copy of it at this moment.
                let _ = epoll.remove(&ended.notice);
            }
        }
        !self.watched.is_empty()
    }
}

/// The thread's whole life.
fn reap(epoll: &Epoll) {
    loop {
        let noticed = epoll.wait();
        let mut reaper = reaper();
        let Ok(noticed) = noticed else {
            // Another wait would say the same at once.
            return reaper.give_up();
        };
        if !reaper.look_after(epoll, &noticed) {
            return reaper.end_thread();
        }
    }
}
