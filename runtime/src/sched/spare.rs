//! Which spare workers are there, and what does each do?
//!
//! A *spare* runs tasks while every regular worker is stuck in one poll: code that blocks its thread then slows the program down, and does not stop it. This file is the
//! protocol between the sentinel, which alone calls spares, and the spares; `stand_in` says what a spare does all day.
//!
//! | arrow | from | to | who | function |
//! |---|---|---|---|---|
//! | 1 | never was | working | the sentinel: every worker and spare is stuck, and work waits | `start` -> `New`, then `open`; a thread is started |
//! | 2 | away | working | the same | `start` -> `Again`; a thread is started |
//! | 3 | parked | working | the same; preferred to 1 and 2 | `call`; its driver is unparked |
//! | 4 | working | parked | itself: it finds no work, or a worker is free again; its slot and queue are empty | `park` |
//! | 5 | parked | working | itself: its wait is over | `wake_up` -> `ByItself`; or `Called`, if arrow 3 came first |
//! | 6 | working | away | itself: nothing to do for long, or the end; the sentinel, if no thread can be started | `put_away` |
//!
//! A spare that is *away* has no thread; its core is kept, since its slab has the cells of the tasks that were spawned on it.
//!
//! # What could be missed, and is not
//!
//! *A call* (arrow 3) *against a spare that goes away* (5, then 6): both take it off the list, under the lock. Either the call does: then `wake_up` says `Called`, and the
//! spare looks for work before anything else; the lock orders what the sentinel saw before that look. Or the spare does: then the call finds
//! another one, or starts it anew once it is away.
//!
//! *Work that comes while a spare parks*: nobody looks again as the sleepers of `IDLE.md` do. That every worker is stuck while work waits is a state and no event,
//! and the sentinel, which is awake as long as a worker is, looks at it each tick. So a spare is late by a tick, and those who push pay nothing for it. (Readiness is what most work begins with: for that
//! one of those that are parked waits at the [`post`](super::post), and takes arrow 5 when it comes.)
//!
//! *Workers that are free again*: a spare looks whether it [is needed](Spares::is_needed) once per batch and before it parks, and gives what it has to a lane first, under the rule for pushes from outside.
//! So what a parked spare holds is nothing. One that is in a long poll itself is looked after by the sentinel like any worker.
//!
//! *The end*: who closes the scheduler sets the flag, takes the lock ([`opened_for_sure`](Spares::opened_for_sure)), and unparks everybody it then knows of. A spare that parks takes the lock, and
//! then looks at the flag. Whichever comes second sees the other.

use crate::sys::sync::Mutex;
use crate::sys::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Who among the spares works, is parked, is away; `C` is a core.
#[derive(Debug)]
pub(super) struct Spares<C> {
    most: usize,
    /// How many have ever been, numbers from 0.
    opened: AtomicUsize,
    is_needed: AtomicBool,
    inside: Mutex<Inside<C>>,
}

#[derive(Debug)]
struct Inside<C> {
    working: usize,
    /// The last to park on top: its caches are the warmest.
    parked: Vec<usize>,
    away: Vec<C>,
}

/// A spare that wants a thread.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start<C> {
    /// One with this number, to be made and [`open`](Spares::open)ed.
    New(usize),
    /// One that was away.
    Again(C),
}

/// How a spare comes out of its wait.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// The time it wanted to wait is over, or the scheduler closes.
    ByItself,
    /// There is work.
    Called,
}

impl<C> Spares<C> {
    /// None yet, and never more than `most`.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            opened: AtomicUsize::new(0),
            is_needed: AtomicBool::new(false),
            inside: Mutex::new(Inside {
                working: 0,
                parked: Vec::new(),
                away: Vec::new(),
            }),
        }
    }

    /// How many there may be.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// How many there are that others may look at.
    #[inline]
    pub(super) fn opened(&self) -> usize {
        // ORDERING: Acquire pairs with the Release in `open`: what was made for that number is seen.
        self.opened.load(Ordering::Acquire)
    }

    /// The same for who closes the scheduler.
    pub(super) fn opened_for_sure(&self) -> usize {
        let _inside = self.inside.lock();
        self.opened()
    }

    /// How many work.
    pub(super) fn working(&self) -> usize {
        self.inside.lock().working
    }

    /// Whether spares shall go on: every worker is still in the poll it was stuck in.
    #[inline]
    pub(super) fn is_needed(&self) -> bool {
        // ORDERING: Relaxed: a hint; a spare that reads it late works for a batch too long, or parks and is called again.
        self.is_needed.load(Ordering::Relaxed)
    }

    /// Says so, or the contrary. For the sentinel.
    pub(super) fn set_needed(&self, is_needed: bool) {
        self.is_needed.store(is_needed, Ordering::Relaxed);
    }

    /// A parked spare that works from now on, if there is one; the caller unparks it. For the sentinel.
    pub(super) fn call(&self) -> Option<usize> {
        let mut inside = self.inside.lock();
        let number = inside.parked.pop()?;
        inside.working += 1;
        Some(number)
    }

    /// A spare that works from now on, on a thread that the caller starts; none if there are as many as there may be. For the sentinel.
    pub(super) fn start(&self) -> Option<Start<C>> {
        let mut inside = self.inside.lock();
        let start = match inside.away.pop() {
            Some(core) => Start::Again(core),
            None if self.opened() < self.most => Start::New(self.opened()),
            None => return None,
        };
        inside.working += 1;
        Some(start)
    }

    /// The new spare with this number has all that others may look at. For the sentinel, before the thread is started.
    pub(super) fn open(&self, number: usize) {
        debug_assert!(number == self.opened(), "the sentinel opens one at a time");
        // ORDERING: Release, partner of the Acquire in `opened`.
        self.opened.store(number + 1, Ordering::Release);
    }

    /// A spare is about to wait, with nothing left to run.
    pub(super) fn park(&self, number: usize) {
        let mut inside = self.inside.lock();
        inside.working -= 1;
        inside.parked.push(number);
    }

    /// It has waited.
    pub(super) fn wake_up(&self, number: usize) -> Woken {
        let mut inside = self.inside.lock();
        let Some(at) = inside.parked.iter().rposition(|&parked| parked == number) else {
            return Woken::Called;
        };
        inside.parked.remove(at);
        inside.working += 1;
        Woken::ByItself
    }

    /// A spare that works gives up its thread.
    pub(super) fn put_away(&self, core: C) {
        let mut inside = self.inside.lock();
        inside.working -= 1;
        inside.away.push(core);
    }

    /// All that are away, at the end, when all are.
    pub(super) fn take_all(&self) -> Vec<C> {
        std::mem::take(&mut self.inside.lock().away)
    }
}

#[cfg(all(test, loom))]
mod loom_tests;

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn parked_ones_are_called_first_then_those_that_are_away_then_new_ones() {
        let spares = Spares::new(2);
        assert_eq!(spares.call(), None);
        assert_eq!(spares.start(), Some(Start::New(0)));
        spares.open(0);
        assert_eq!(spares.start(), Some(Start::New(1)));
        spares.open(1);
        assert_eq!(spares.start(), None, "two are enough");
        assert_eq!(spares.working(), 2);
        spares.park(0);
        spares.put_away("one");
        assert_eq!(spares.working(), 0);
        assert_eq!(spares.call(), Some(0));
        assert_eq!(spares.call(), None);
        assert_eq!(spares.start(), Some(Start::Again("one")));
        assert_eq!(spares.start(), None);
        assert_eq!(spares.wake_up(0), Woken::Called);
        spares.park(0);
        assert_eq!(spares.wake_up(0), Woken::ByItself);
        spares.put_away("zero");
        spares.put_away("one");
        assert_eq!(spares.take_all(), ["zero", "one"]);
    }

    #[test]
    fn a_bound_of_none_is_none() {
        let spares = Spares::<()>::new(0);
        assert_eq!(spares.start(), None);
        assert_eq!(spares.call(), None);
    }
}
