//! The protocol with everything else taken away, for loom (every interleaving of a small case) and shuttle (random ones of larger cases).
//!
//! Tasks are of two kinds, by the counter they stand in: those that anybody may take, and those that a worker's own driver makes ready. Where tasks
//! [`meet`](Case::meet) each lasts until all that anybody may take have begun, so a worker that runs one is no help for the rest, and who takes a task while wakes are
//! held back must pass them on *before* it runs it.

use super::*;
use crate::sys::sync::{Arc, Condvar, thread};

/// What happens in a model.
#[derive(Clone, Copy)]
struct Case {
    workers: usize,
    /// Tasks that come from outside.
    pushes: usize,
    /// The first so many workers each get an event of their own.
    events: usize,
    /// No task ends before all that come from outside have begun. For at most as many tasks as workers.
    meet: bool,
}

/// A scheduler reduced to its idle protocol: a counter of tasks stands for all queues.
struct Model {
    idle: Idle,
    case: Case,
    tasks: AtomicUsize,
    begun: AtomicUsize,
    drivers: Vec<(Mutex<Told>, Condvar)>,
    all_begun: (Mutex<bool>, Condvar),
}

/// What a driver has for its worker.
#[derive(Default)]
struct Told {
    unparked: bool,
    events: usize,
}

impl Model {
    fn new(case: Case) -> Arc<Self> {
        let drivers = (0..case.workers)
            .map(|_| (Mutex::new(Told::default()), Condvar::new()))
            .collect();
        let (tasks, begun) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self {
            idle: Idle::new(case.workers),
            case,
            tasks,
            begun,
            drivers,
            all_begun: (Mutex::new(false), Condvar::new()),
        })
    }

    fn push(&self) {
        // ORDERING: Relaxed on purpose: the protocol has to work for a push that is only a store.
        let tasks = self.tasks.load(Ordering::Relaxed);
        if self
            .tasks
            .compare_exchange(tasks, tasks + 1, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            self.tasks.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(worker) = self.idle.wake_one_from_outside() {
            self.unpark(worker);
        }
    }

    fn unpark(&self, worker: usize) {
        self.tell(worker, |told| told.unparked = true);
    }

    /// Something becomes ready in the driver of a worker.
    fn deliver(&self, worker: usize) {
        self.tell(worker, |told| told.events += 1);
    }

    fn tell(&self, worker: usize, tell: impl FnOnce(&mut Told)) {
        tell(&mut self.drivers[worker].0.lock());
        self.drivers[worker].1.notify_one();
    }

    /// Waits in the driver, and returns how many tasks it has made ready.
    fn park(&self, worker: usize) -> usize {
        let mut told = self.drivers[worker].0.lock();
        while !told.unparked && told.events == 0 {
            self.drivers[worker].1.wait(&mut told);
        }
        std::mem::take(&mut *told).events
    }

    fn take(&self) -> bool {
        self.tasks
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_ok()
    }

    /// Notes that a task from outside begins. Whoever begins the last wakes all others to end.
    fn begin(&self) {
        if self.begun.fetch_add(1, Ordering::SeqCst) + 1 == self.case.pushes {
            *self.all_begun.0.lock() = true;
            self.all_begun.1.notify_all();
            (0..self.case.workers).for_each(|worker| self.unpark(worker));
        }
    }

    fn have_all_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst) == self.case.pushes
    }

    fn run(&self) {
        let mut all_begun = self.all_begun.0.lock();
        while self.case.meet && !*all_begun {
            self.all_begun.1.wait(&mut all_begun);
        }
    }

    fn end_search(&self) {
        if self.idle.end_search() == EndOfSearch::WasLast {
            barrier::heavy();
            if self.tasks.load(Ordering::Relaxed) > 0 {
                self.idle
                    .wake_one_for_work()
                    .map(|worker| self.unpark(worker));
            }
        }
    }

    /// What `worker.rs` does, until all tasks from outside have begun.
    fn work(&self, me: usize) {
        let mut searching = false;
        let mut own = 0;
        while !self.have_all_begun() {
            if own > 0 {
                own -= 1;
                if std::mem::take(&mut searching) {
                    self.end_search();
                }
                self.run();
                continue;
            }
            searching = searching || self.idle.begin_search();
            if self.take() {
                if std::mem::take(&mut searching) {
                    self.end_search();
                }
                self.begin();
                self.run();
                continue;
            }
            self.idle.fall_asleep(me, std::mem::take(&mut searching));
            let stay_awake = self.tasks.load(Ordering::Relaxed) > 0;
            if !stay_awake && !self.have_all_begun() {
                own = self.park(me);
            }
            searching = self.idle.wake_up(me) == Awake::AsSearcher;
        }
    }
}

/// A lost wake-up shows as a deadlock, which the checkers report.
fn all_tasks_begin(case: Case) {
    let model = Model::new(case);
    let threads: Vec<_> = (0..case.workers)
        .map(|me| {
            let model = model.clone();
            thread::spawn(move || model.work(me))
        })
        .collect();
    (0..case.events).for_each(|worker| model.deliver(worker));
    (0..case.pushes).for_each(|_| model.push());
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

/// Every interleaving with at most so many preemptions.
#[cfg(loom)]
fn check(preemptions: usize, case: Case) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(move || all_tasks_begin(case));
}

#[cfg(loom)]
#[test]
fn loom_idle_one_worker() {
    let case = Case {
        workers: 1,
        pushes: 2,
        events: 0,
        meet: false,
    };
    check(3, case);
}

#[cfg(loom)]
#[test]
fn loom_idle_two_workers() {
    let case = Case {
        workers: 2,
        pushes: 2,
        events: 0,
        meet: false,
    };
    check(2, case);
}

/// Who takes the first of two tasks is of no help for the second: it has to pass on the wake that was held back.
#[cfg(loom)]
#[test]
fn loom_idle_a_search_is_passed_on() {
    let case = Case {
        workers: 2,
        pushes: 2,
        events: 0,
        meet: true,
    };
    check(2, case);
}

/// A worker is woken to search and finds that its own driver had something too.
#[cfg(loom)]
#[test]
fn loom_idle_a_searcher_has_work_of_its_own() {
    let case = Case {
        workers: 2,
        pushes: 1,
        events: 1,
        meet: true,
    };
    check(2, case);
}

/// How the sibling of the last worker to fall asleep comes to push.
#[cfg(loom)]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sibling {
    /// It never slept.
    Busy,
    /// It slept, and its own driver wakes it.
    ByItself,
    /// It slept, and is chosen by who pushes from outside.
    Chosen,
}

/// A sibling that wakes up and pushes without any barrier sees the worker that fell asleep as the last one, or is seen by it: that one passes no heavy barrier.
#[cfg(loom)]
fn the_last_to_sleep_is_seen(sibling: Sibling) {
    loom::model(move || {
        let idle = Arc::new(Idle::new(2));
        let (tasks, chosen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(false)));
        if sibling != Sibling::Busy {
            idle.fall_asleep(0, false);
        }
        let pusher = {
            let (idle, tasks, chosen) = (idle.clone(), tasks.clone(), chosen.clone());
            thread::spawn(move || {
                if sibling == Sibling::Chosen && !*chosen.lock() {
                    return None; // not in this interleaving
                }
                if sibling != Sibling::Busy && idle.wake_up(0) == Awake::AsSearcher {
                    let _nobody_else = idle.end_search();
                }
                // ORDERING: Relaxed on purpose, as in `Model::push`.
                tasks.store(1, Ordering::Relaxed);
                Some(idle.wake_one())
            })
        };
        let sleeper = {
            let (idle, tasks) = (idle.clone(), tasks.clone());
            thread::spawn(move || {
                let is_last = idle.announce(1, false);
                // Where it is not, a heavy barrier makes the sibling pass a fence, which loom does not know.
                is_last && tasks.load(Ordering::Relaxed) == 0
            })
        };
        if sibling == Sibling::Chosen {
            let woken = idle.wake_one_from_outside();
            *chosen.lock() = woken == Some(0);
        }
        let (woken, sleeps) = (pusher.join().unwrap(), sleeper.join().unwrap());
        if let (Some(woken), true) = (woken, sleeps) {
            assert_eq!(woken, Some(1), "a task was pushed, and its worker sleeps");
        }
    });
}

#[cfg(loom)]
#[test]
fn loom_idle_the_last_to_sleep_beside_a_sibling_that_is_busy() {
    the_last_to_sleep_is_seen(Sibling::Busy);
}

#[cfg(loom)]
#[test]
fn loom_idle_the_last_to_sleep_beside_a_sibling_that_wakes_up() {
    the_last_to_sleep_is_seen(Sibling::ByItself);
}

#[cfg(loom)]
#[test]
fn loom_idle_the_last_to_sleep_beside_a_sibling_that_is_chosen() {
    the_last_to_sleep_is_seen(Sibling::Chosen);
}

/// More workers and tasks than loom can take, in random interleavings.
#[cfg(shuttle)]
#[test]
fn shuttle_idle_many_workers() {
    for (workers, pushes) in [(2, 8), (4, 12), (8, 24)] {
        for events in [0, workers] {
            let meet = false;
            let case = Case {
                workers,
                pushes,
                events,
                meet,
            };
            shuttle::check_random(move || all_tasks_begin(case), 1_000);
        }
    }
}

#[cfg(shuttle)]
#[test]
fn shuttle_idle_tasks_that_meet() {
    for (workers, pushes, events) in [(3, 1, 2), (4, 2, 2), (8, 8, 0), (8, 5, 3)] {
        let meet = true;
        let case = Case {
            workers,
            pushes,
            events,
            meet,
        };
        shuttle::check_random(move || all_tasks_begin(case), 1_000);
    }
}
