//! Is it enough that only the push asks which finds its lane empty? And that none asks while a worker has promised to come back?
//!
//! `Idle` and `Lanes` themselves, with workers that do what `outside.rs`, `steal.rs` and `worker.rs` do around them, and queues that others steal from. A lost wake-up is a deadlock. Where tasks
//! [`meet`](Case::meet) nothing may be promised, for a task that lasts breaks it: the sentinel, which would notice, is not in this model.

use super::*;
use crate::sched::lanes::{Lanes, Left, Round, new_block};
use crate::sys::sync::{Arc, Condvar, thread};

/// What happens in a model.
#[derive(Clone, Copy)]
struct Case {
    workers: usize,
    /// By what a lane is divided to make a share: the workers, or 1 so that one takes all.
    shares: usize,
    /// For each producer, the lanes of the tasks that it pushes one by one.
    pushes: &'static [&'static [usize]],
    /// How large a share is soon over.
    soon: usize,
    /// No task ends before all have begun. For at most as many tasks as workers.
    meet: bool,
}

struct Model {
    idle: Idle,
    lanes: Lanes<usize, ()>,
    case: Case,
    /// The workers' own queues: how many tasks stand in each.
    queues: Vec<AtomicUsize>,
    begun: AtomicUsize,
    /// Whether a driver was unparked.
    drivers: Vec<(Mutex<bool>, Condvar)>,
    all_begun: (Mutex<bool>, Condvar),
}

/// A worker's own.
struct Worker {
    me: usize,
    round: Round,
    block: Vec<usize>,
    searching: bool,
}

impl Model {
    fn new(case: Case) -> Arc<Self> {
        let lanes = Lanes::new(case.shares);
        lanes.open(|| ());
        Arc::new(Self {
            idle: Idle::new(case.workers),
            lanes,
            case,
            queues: (0..case.workers).map(|_| AtomicUsize::new(0)).collect(),
            begun: AtomicUsize::new(0),
            drivers: (0..case.workers)
                .map(|_| (Mutex::new(false), Condvar::new()))
                .collect(),
            all_begun: (Mutex::new(false), Condvar::new()),
        })
    }

    fn push(&self, lane: usize) {
        let pushed = self.lanes.push(lane, |tasks, ()| tasks.push(1));
        if pushed.is_some_and(|((), asks)| asks) {
            self.unpark(self.idle.wake_one_from_outside());
        }
    }

    fn unpark(&self, worker: Option<usize>) {
        if let Some(worker) = worker {
            *self.drivers[worker].0.lock() = true;
            self.drivers[worker].1.notify_one();
        }
    }

    fn park(&self, worker: usize) {
        let mut unparked = self.drivers[worker].0.lock();
        while !*unparked {
            self.drivers[worker].1.wait(&mut unparked);
        }
        *unparked = false;
    }

    fn has_visible_work(&self) -> bool {
        self.lanes.has_work()
            || self
                .queues
                .iter()
                .any(|queue| queue.load(Ordering::Relaxed) > 0)
    }

    fn take_one(&self, queue: usize) -> bool {
        self.queues[queue]
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_ok()
    }

    fn pushes(&self) -> usize {
        self.case.pushes.iter().copied().map(<[_]>::len).sum()
    }

    fn have_all_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst) == self.pushes()
    }

    /// One task, from its beginning to its end. Whoever begins the last wakes all workers to end.
    fn run(&self) {
        if self.begun.fetch_add(1, Ordering::SeqCst) + 1 == self.pushes() {
            *self.all_begun.0.lock() = true;
            self.all_begun.1.notify_all();
            (0..self.case.workers).for_each(|worker| self.unpark(Some(worker)));
        }
        let mut all_begun = self.all_begun.0.lock();
        while self.case.meet && !*all_begun {
            self.all_begun.1.wait(&mut all_begun);
        }
    }

    /// `Core::take_from_outside` and `Core::share_what_is`.
    fn take_from_outside(&self, worker: &mut Worker) -> bool {
        let left = (self.lanes).take(&mut worker.round, self.case.soon, &mut worker.block);
        let Some(Left { tasks, is_awaited }) = left else {
            return false;
        };
        let rest = worker.block.len() - 1;
        worker.block.clear();
        self.queues[worker.me].fetch_add(rest, Ordering::Relaxed);
        if tasks + rest > 0 && !is_awaited && !worker.searching {
            self.unpark(self.idle.wake_one_for_work());
        }
        true
    }

    /// `Core::find_work`.
    fn find_work(&self, worker: &mut Worker) -> bool {
        let mut found = self.take_from_outside(worker);
        if !found {
            assert!(!worker.round.has_promised());
            worker.searching = worker.searching || self.idle.begin_search();
            found = worker.searching
                && ((0..self.case.workers).any(|queue| self.take_one(queue))
                    || self.take_from_outside(worker));
        }
        if found && std::mem::take(&mut worker.searching) {
            self.end_search();
        }
        found
    }

    fn end_search(&self) {
        if self.idle.end_search() == EndOfSearch::WasLast {
            barrier::heavy();
            if self.has_visible_work() {
                self.unpark(self.idle.wake_one_for_work());
            }
        }
    }

    fn work(&self, me: usize) {
        let mut worker = Worker {
            me,
            round: Round::new(me),
            block: new_block(),
            searching: false,
        };
        while !self.have_all_begun() {
            if self.take_one(me) || self.find_work(&mut worker) {
                self.run();
                continue;
            }
            let searching = std::mem::take(&mut worker.searching);
            self.idle.fall_asleep(me, searching);
            let sees_work = self.has_visible_work();
            if !sees_work && !self.have_all_begun() {
                self.park(me);
            } else {
                // It may be another one's to search for: that one goes on meanwhile.
                thread::yield_now();
            }
            worker.searching = self.idle.wake_up(me) == Awake::AsSearcher;
            if sees_work {
                worker.searching = worker.searching || self.idle.begin_search();
            }
        }
    }
}

fn all_tasks_begin(case: Case) {
    let model = Model::new(case);
    let (last, others) = case.pushes.split_last().expect("a producer");
    let producers = others.iter().map(|lanes| {
        let model = model.clone();
        thread::spawn(move || lanes.iter().for_each(|&lane| model.push(lane)))
    });
    let producers: Vec<_> = producers.collect();
    let workers = (0..case.workers).map(|me| {
        let model = model.clone();
        thread::spawn(move || model.work(me))
    });
    let threads: Vec<_> = workers.chain(producers).collect();
    last.iter().for_each(|&lane| model.push(lane));
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

/// A promise is taken back before its worker sleeps.
#[cfg(loom)]
#[test]
fn loom_idle_lane_one_worker() {
    let case = Case {
        workers: 1,
        shares: 1,
        pushes: &[&[0, 0]],
        soon: 2,
        meet: false,
    };
    check(3, case);
    check(3, Case { soon: 0, ..case });
}

#[cfg(loom)]
#[test]
fn loom_idle_lane_one_worker_two_producers() {
    let case = Case {
        workers: 1,
        shares: 1,
        pushes: &[&[0], &[1]],
        soon: 1,
        meet: false,
    };
    check(2, case);
}

#[cfg(loom)]
#[test]
fn loom_idle_lane_two_workers() {
    let case = Case {
        workers: 2,
        shares: 2,
        pushes: &[&[0, 0]],
        soon: 1,
        meet: false,
    };
    check(1, case);
}

/// The push of the second task may find its lane not empty, and asks nobody: who takes the first has to see to the second, which is still in
/// the lane or in a queue of its own by then.
#[cfg(loom)]
#[test]
fn loom_idle_lane_tasks_that_meet() {
    for shares in [1, 2] {
        let case = Case {
            workers: 2,
            shares,
            pushes: &[&[0, 0]],
            soon: 0,
            meet: true,
        };
        check(2, case);
    }
}

/// Nothing is left in the lane of the first, but the second stands in another.
#[cfg(loom)]
#[test]
fn loom_idle_lane_tasks_of_two_lanes_meet() {
    let case = Case {
        workers: 2,
        shares: 2,
        pushes: &[&[0, 1]],
        soon: 0,
        meet: true,
    };
    check(2, case);
}

/// More than loom can take, in random interleavings.
#[cfg(shuttle)]
#[test]
fn shuttle_idle_lanes() {
    for soon in [0, 1, 4] {
        let case = Case {
            workers: 4,
            shares: 2,
            pushes: &[&[0; 6], &[1], &[2; 3]],
            soon,
            meet: false,
        };
        shuttle::check_random(move || all_tasks_begin(case), 1_000);
    }
}

#[cfg(shuttle)]
#[test]
fn shuttle_idle_lane_tasks_that_meet() {
    const CASES: [(usize, &[&[usize]]); 4] = [
        (8, &[&[0; 4], &[1], &[2; 3]]),
        (2, &[&[0; 8]]),
        (1, &[&[0, 0], &[1, 1]]),
        (8, &[&[0, 1, 2, 3, 4, 5, 6, 7]]),
    ];
    for (shares, pushes) in CASES {
        let case = Case {
            workers: 8,
            shares,
            pushes,
            soon: 0,
            meet: true,
        };
        shuttle::check_random(move || all_tasks_begin(case), 2_000);
    }
}
