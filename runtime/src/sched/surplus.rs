//! What if there are more workers than processors for them, because somebody has changed what this process may use?
//!
//! Then workers with the highest indices are *surplus*: they run no tasks, and go on looking after their own descriptors and timers, since those stay registered with them. Whatever
//! becomes ready there they hand to the others. The sentinel, which is awake while work is done, asks once a second how many workers may be
//! active ([`CpuWatch`]); where the user has chosen their number, nobody asks.
//!
//! | arrow | from | to | who | function |
//! |---|---|---|---|---|
//! | 1 | active | to retire | the sentinel: there are fewer processors; the worker is unparked | `set_active` |
//! | 2 | to retire | on the bench | itself, when its batch is over or it has nothing to run: ends its search, keeps its promises, hands slot and queue over | `is_dismissed`, `sit_out` |
//! | 3 | on the bench | on the bench | itself: its driver or its wheel had something, which it hands over | `sit_out` |
//! | 4 | on the bench | to come back | the sentinel: there are more processors; the worker is unparked | `set_active` |
//! | 5 | to come back | active | itself, when its wait is over: it looks for work as who has run out of it | `next_elsewhere` of `worker.rs` |
//!
//! Worker 0 is never surplus.
//!
//! # What could be missed, and is not
//!
//! *A change against a worker that begins to wait* (arrows 1 and 4 against a sleep, or against the wait on the bench): the number is stored before the unpark, and read before the wait. A
//! driver remembers an unpark that comes before the wait, and brings what its caller did before. So who waits has read the last number.
//!
//! *A push against a worker on the bench*: in the words of `IDLE.md` it is busy, as one in a long poll is. It is in no list, so that nobody chooses it, and it counts as no searcher, so
//! that it holds back nobody's wakes. The proof there holds back no push for the sake of a busy worker; what it needs of one is that tasks in its queue and slot can be taken and that
//! it keeps its promises. Here the queue and the slot are empty, and promises are taken back before the wait.
//!
//! *A push against a worker that retires* (arrow 2): if it searched, it ends its search by rule 3, which looks around and wakes another. If it was listed among the sleepers, and so was chosen by a push, it
//! is a searcher when it wakes up, and the same holds: its wake-up is passed on. Each worker that retires leaves the list, so the chain ends: with
//! an active one, or with nobody asleep, and then worker 0 is busy and looks around before it sleeps (rule 2).
//!
//! *What it hands over* goes through its thread's lane, by the rule for threads that are no workers: a full fence behind the push. Until then it stands in the queue, where others may take it.
//!
//! *A worker that comes back* (arrow 5) is a busy worker that has run out of work: it searches, and looks around once more after it has announced its sleep.
//!
//! *Every active worker is stuck*: then spares are called; workers on the bench do not count (`stand_in.rs`).
//!
//! *The end*: as a change, since who closes the scheduler sets a flag, unparks everybody, and the flag is looked at before each wait.
//!
//! `shuttle_sched_surplus_*` (`shuttle_tests/surplus.rs`) run it with the number changing at any moment.
//!
//! # Rejected
//!
//! Moving descriptors and timers to other workers (each source would need a lock for who its poller is; a worker on the bench costs a hop through a lane per event instead). Taking surplus workers
//! out of the list of sleepers (one more writer of the word; an unpark makes them leave by themselves). Ending their threads (what they have registered would have to move). More workers than
//! there are processors at the start, for the case that their number grows (each costs a thread, an epoll instance, and a look in every scan): who wants that says so by
//! `Builder::worker_threads` with `Builder::follow_cpu_limits`.

use super::core::Core;
use super::shared::Shared;
use crate::sys::sync::Mutex;
use crate::sys::sync::atomic::{AtomicUsize, Ordering};
use crate::sys::thread_state;
use std::time::Duration;

/// Between two questions how many processors there are: soon enough for people who change it, and some 50 us of the sentinel's each time (a guess: four small files).
#[cfg(not(test))]
const ASK_INTERVAL: Duration = Duration::from_secs(1);
/// Short enough to be waited for.
#[cfg(test)]
const ASK_INTERVAL: Duration = Duration::from_millis(1);

/// Says how many processors threads with these numbers may use at the same time.
pub(crate) type CpuSource = Box<dyn FnMut(&[usize]) -> usize + Send>;

/// How many of the workers are active.
pub(super) struct Active {
    /// Workers from this index on are surplus.
    count: AtomicUsize,
    is_followed: bool,
    /// Until the sentinel takes it.
    source: Mutex<Option<CpuSource>>,
}

impl Active {
    /// All of them, unless a source says otherwise.
    pub(super) fn new(workers: usize, source: Option<CpuSource>) -> Self {
        Self {
            count: AtomicUsize::new(workers),
            is_followed: source.is_some(),
            source: Mutex::new(source),
        }
    }

    /// How many.
    #[inline]
    pub(super) fn count(&self) -> usize {
        // ORDERING: Relaxed: a worker that reads it late runs another batch; one that waits is woken through its driver.
        self.count.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// How many workers may run tasks; at least 1. The others are those with the highest indices.
    pub(crate) fn active(&self) -> usize {
        self.active.count()
    }

    /// Whether this worker waits on the bench. Not to be asked while tasks are pushed: one that was just chosen from the list of sleepers looks the same.
    #[cfg(all(test, not(shuttle)))]
    pub(crate) fn is_on_bench(&self, worker: usize) -> bool {
        worker >= self.active() && self.remotes[worker].is_asleep() && !self.idle.is_listed(worker)
    }

    /// Lets so many workers run tasks, at least one of those there are. Called by one thread at a time.
    pub(super) fn set_active(&self, count: usize) {
        let now = count.clamp(1, self.workers());
        // ORDERING: Relaxed, see `count`.
        let before = self.active.count.swap(now, Ordering::Relaxed);
        for remote in &self.remotes[now.min(before)..now.max(before)] {
            remote.driver.unpark();
        }
    }
}

impl Core {
    /// Leaves the number of the thread where the sentinel wants it: of spares, and of workers whose processors are counted.
    pub(super) fn note_thread(&self) {
        if self.is_spare || self.shared.active.is_followed {
            let number = thread_state::own_number().unwrap_or(0);
            // ORDERING: Relaxed: a hint for the sentinel.
            self.remote().thread.store(number, Ordering::Relaxed);
        }
    }

    /// Whether this is a worker for which there is no processor.
    #[inline]
    pub(super) fn is_surplus(&self) -> bool {
        !self.is_spare && self.index >= self.shared.active()
    }

    /// One wait on the bench, for the worker's own driver and wheel. What it has, and what the wait brings, goes to the others; its queue is empty afterwards.
    #[cold]
    pub(super) fn sit_out(&self) {
        self.end_search();
        if self.round.get().has_promised() {
            self.queue_from_outside();
        }
        let now = self.shared.clock.now();
        self.slab.flush();
        self.trim(now);
        // Also what was freed may have put something there: the last of something of the user's, whose end runs code.
        self.hand_over();
        if self.has_pinned_work() {
            return;
        }
        // A change, or the end, that came after the caller has looked ends this wait at once.
        self.turn(self.longest_wait(now), || {});
        self.begin_anew();
        self.hand_over();
    }
}

/// What the sentinel knows of the processors.
pub(super) struct CpuWatch {
    /// None where the number of workers is fixed.
    source: Option<CpuSource>,
    /// Before it asks again.
    pause: Duration,
    /// Kept for its capacity.
    threads: Vec<usize>,
}

impl CpuWatch {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            source: shared.active.source.lock().take(),
            pause: Duration::ZERO,
            threads: Vec::new(),
        }
    }

    /// Asks, if it is time to, so long after the last look.
    pub(super) fn look(&mut self, shared: &Shared, since: Duration) {
        let Some(source) = &mut self.source else {
            return;
        };
        self.pause = self.pause.saturating_sub(since);
        if !self.pause.is_zero() {
            return;
        }
        self.pause = ASK_INTERVAL;
        self.threads.clear();
        // ORDERING: Relaxed: a number; a thread that is noted late is asked for the next time.
        let threads = shared
            .remotes
            .iter()
            .map(|remote| remote.thread.load(Ordering::Relaxed));
        self.threads.extend(threads.filter(|&thread| thread != 0));
        shared.set_active(source(&self.threads));
    }
}
