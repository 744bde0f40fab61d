//! Who sleeps, who searches, and who must be woken when work appears?
//!
//! The protocol, its cost model and the proof sketch that no wake-up is lost stand in `IDLE.md` beside this file; the loom models
//! at its end run it.

use crate::sys::barrier;
use crate::sys::sync::Mutex;
use crate::sys::sync::atomic::{AtomicUsize, Ordering, fence};

/// The word counts searchers in its low half and sleepers in its high half.
const SEARCHING: usize = 1;
const SLEEPING: usize = 1 << 16;
const SEARCHING_MASK: usize = SLEEPING - 1;

/// Set for good where there is no membarrier: whoever asks takes the slow path, and passes a fence there.
const FENCED: usize = 1 << (usize::BITS - 1);

/// More workers than this do not fit the word.
pub(crate) const WORKERS_MAX: usize = SEARCHING_MASK;

/// Who sleeps and who searches. On lines of its own: whoever falls asleep or wakes up writes it, and each push reads it. The lock is on the same ones: who takes it writes the
/// word as well, most of the time.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Idle {
    word: AtomicUsize,
    /// The sleepers, the last to fall asleep on top: its caches are the warmest.
    sleepers: Mutex<Vec<usize>>,
    searchers_max: usize,
    workers: usize,
}

/// What a worker that gave up its search has to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EndOfSearch {
    /// Nothing: others still search.
    OthersSearch,
    /// Nothing: nobody sleeps who could be woken, and whoever falls asleep later looks around by itself.
    NobodySleeps,
    /// Wakes were held back while we searched and we were the last one: look around and pass them on.
    WasLast,
}

/// How a worker comes out of its sleep.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Awake {
    /// By itself (its driver had something, or a timer was due).
    ByItself,
    /// Somebody woke it, and with it gave it the duty to search.
    AsSearcher,
}

impl Idle {
    pub(crate) fn new(workers: usize) -> Self {
        assert!(workers <= WORKERS_MAX, "at most {WORKERS_MAX} workers");
        Self {
            word: AtomicUsize::new(if barrier::is_asymmetric() { 0 } else { FENCED }),
            sleepers: Mutex::new(Vec::with_capacity(workers)),
            searchers_max: workers.div_ceil(2),
            workers,
        }
    }

    /// Called after work was put where others can take it: whom to wake, if anybody. The chosen one counts as searching from now.
    #[inline]
    pub(crate) fn wake_one_for_work(&self) -> Option<usize> {
        // ORDERING: the light barrier orders the caller's push before this load; partner is the heavy barrier between `fall_asleep`
        // (or `end_search`) and the look around that must follow it.
        barrier::light_or_slow();
        self.wake_one()
    }

    /// The same without a barrier.
    #[inline]
    fn wake_one(&self) -> Option<usize> {
        let word = self.word.load(Ordering::Relaxed);
        if word < SLEEPING {
            return None;
        }
        self.wake_one_slow(word)
    }

    /// The same for threads that are no workers: they are rare enough to pay for a full fence.
    pub(crate) fn wake_one_from_outside(&self) -> Option<usize> {
        // ORDERING: orders the caller's push before the load of the word also for the last worker to fall asleep, which passes no heavy barrier.
        fence(Ordering::SeqCst);
        self.wake_one_for_work()
    }

    /// Somebody sleeps, says the word, or there is no membarrier.
    #[cold]
    #[inline(never)]
    fn wake_one_slow(&self, mut word: usize) -> Option<usize> {
        if word & FENCED != 0 {
            // ORDERING: what the light barrier is elsewhere.
            fence(Ordering::SeqCst);
            word = self.word.load(Ordering::Relaxed);
        }
        if !has_sleepers(word) || word & SEARCHING_MASK != 0 {
            return None;
        }
        let mut sleepers = self.sleepers.lock();
        // ORDERING: Relaxed: later in this thread than the load in `wake_one_for_work`, so what that could see this sees.
        if self.word.load(Ordering::Relaxed) & SEARCHING_MASK != 0 {
            return None;
        }
        let worker = sleepers.pop()?;
        // ORDERING: AcqRel for symmetry only; the lock orders all changes of sleepers, the woken one is told by its driver.
        self.word
            .fetch_add(SEARCHING.wrapping_sub(SLEEPING), Ordering::AcqRel);
        Some(worker)
    }

    /// Begins a search, unless enough others search already: more than half of the workers would only get in each other's way.
    pub(crate) fn begin_search(&self) -> bool {
        // ORDERING: Relaxed: a hint; one searcher more or less does no harm.
        let word = self.word.load(Ordering::Relaxed);
        if word & SEARCHING_MASK >= self.searchers_max {
            return false;
        }
        // ORDERING: SeqCst, see `end_search`.
        self.word.fetch_add(SEARCHING, Ordering::SeqCst);
        true
    }

    /// Ends a successful search.
    pub(crate) fn end_search(&self) -> EndOfSearch {
        // ORDERING: SeqCst, so that together with the heavy barrier that `WasLast` obliges to, either the pusher sees that nobody
        // searches, or we see what it has pushed.
        let before = self.word.fetch_sub(SEARCHING, Ordering::SeqCst);
        debug_assert!(before & SEARCHING_MASK != 0);
        match before & SEARCHING_MASK {
            SEARCHING if has_sleepers(before) => EndOfSearch::WasLast,
            SEARCHING => EndOfSearch::NobodySleeps,
            _ => EndOfSearch::OthersSearch,
        }
    }

    /// Whether anybody sleeps who could be woken.
    #[inline]
    pub(crate) fn has_sleepers(&self) -> bool {
        // ORDERING: Relaxed: a hint; who falls asleep after it looks around by itself.
        has_sleepers(self.word.load(Ordering::Relaxed))
    }

    /// Whether `worker` is among those that can be chosen.
    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(crate) fn is_listed(&self, worker: usize) -> bool {
        self.sleepers.lock().contains(&worker)
    }

    /// Announces that `worker` is going to sleep, and ends its search if it was in one. A barrier is part of it: the caller
    /// must look around for work once more after this, and before it sleeps.
    pub(crate) fn fall_asleep(&self, worker: usize, was_searching: bool) {
        if self.announce(worker, was_searching) {
            // Nobody is left who pushes but who is outside, and those pass a full fence themselves.
            fence(Ordering::SeqCst);
        } else {
            barrier::heavy();
        }
    }

    /// What it says, without the barrier: whether all the others sleep.
    fn announce(&self, worker: usize, was_searching: bool) -> bool {
        let mut sleepers = self.sleepers.lock();
        sleepers.push(worker);
        let search_ends = if was_searching { SEARCHING } else { 0 };
        // ORDERING: SeqCst with the barrier behind it; partner is the light barrier in `wake_one_for_work`. Where all sleep, a sibling that wakes up later changes the word after this, and each
        // of its loads sees that.
        self.word
            .fetch_add(SLEEPING - search_ends, Ordering::SeqCst);
        sleepers.len() == self.workers
    }

    /// Ends the sleep of `worker`.
    pub(crate) fn wake_up(&self, worker: usize) -> Awake {
        let mut sleepers = self.sleepers.lock();
        let Some(at) = sleepers.iter().rposition(|&sleeper| sleeper == worker) else {
            return Awake::AsSearcher;
        };
        sleepers.swap_remove(at);
        // ORDERING: AcqRel for symmetry only, as in `wake_one_slow`: the lock orders all changes of sleepers.
        self.word.fetch_sub(SLEEPING, Ordering::AcqRel);
        Awake::ByItself
    }
}

fn has_sleepers(word: usize) -> bool {
    word & !FENCED >= SLEEPING
}

#[cfg(all(test, any(loom, shuttle)))]
mod lane_model_tests;
#[cfg(all(test, any(loom, shuttle)))]
mod model_tests;

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_woken_while_somebody_searches() {
        let idle = Idle::new(4);
        assert_eq!(idle.wake_one_for_work(), None);
        idle.fall_asleep(0, false);
        assert!(idle.begin_search());
        assert_eq!(idle.wake_one_for_work(), None);
        assert_eq!(idle.end_search(), EndOfSearch::WasLast);
        assert_eq!(idle.wake_one_for_work(), Some(0));
        assert_eq!(idle.wake_up(0), Awake::AsSearcher);
        assert_eq!(idle.end_search(), EndOfSearch::NobodySleeps);
    }

    #[test]
    fn at_most_half_of_the_workers_search() {
        let idle = Idle::new(4);
        assert!(idle.begin_search());
        assert!(idle.begin_search());
        assert!(!idle.begin_search());
        assert_eq!(idle.end_search(), EndOfSearch::OthersSearch);
        assert!(idle.begin_search());
    }

    #[test]
    fn the_last_to_sleep_is_the_first_to_wake() {
        let idle = Idle::new(3);
        idle.fall_asleep(0, false);
        idle.fall_asleep(2, false);
        idle.fall_asleep(1, false);
        assert_eq!(idle.wake_up(2), Awake::ByItself);
        assert_eq!(idle.wake_one_for_work(), Some(1));
        assert_eq!(idle.wake_one_for_work(), None, "worker 1 searches now");
    }

    #[test]
    fn a_single_worker_may_search() {
        assert!(Idle::new(1).begin_search());
    }
}
