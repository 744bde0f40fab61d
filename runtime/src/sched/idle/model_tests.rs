//! The protocol with everything else taken away, for loom (every interleaving of a small case) and shuttle (random ones of larger cases).

use super::*;
use crate::sys::sync::{Arc, Condvar, thread};

/// A scheduler reduced to its idle protocol: a counter of tasks stands for all queues, a flag and a condvar for each driver.
struct Model {
    idle: Idle,
    tasks: AtomicUsize,
    done: AtomicUsize,
    drivers: Vec<(Mutex<bool>, Condvar)>,
    total: usize,
}

impl Model {
    fn new(workers: usize, total: usize) -> Arc<Self> {
        let drivers = (0..workers)
            .map(|_| (Mutex::new(false), Condvar::new()))
            .collect();
        let (tasks, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self {
            idle: Idle::new(workers),
            tasks,
            done,
            drivers,
            total,
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
        *self.drivers[worker].0.lock() = true;
        self.drivers[worker].1.notify_one();
    }

    fn park(&self, worker: usize) {
        let mut token = self.drivers[worker].0.lock();
        while !*token {
            self.drivers[worker].1.wait(&mut token);
        }
        *token = false;
    }

    fn take(&self) -> bool {
        self.tasks
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_ok()
    }

    /// Runs until all tasks are done. The one who does the last task wakes the others to end.
    fn work(&self, me: usize) {
        let mut searching = false;
        loop {
            searching = searching || self.idle.begin_search();
            if self.take() {
                if std::mem::take(&mut searching) && self.idle.end_search() == EndOfSearch::WasLast
                {
                    barrier::heavy();
                    if self.tasks.load(Ordering::Relaxed) > 0 {
                        self.idle
                            .wake_one_for_work()
                            .map(|worker| self.unpark(worker));
                    }
                }
                if self.done.fetch_add(1, Ordering::SeqCst) + 1 == self.total {
                    (0..self.drivers.len()).for_each(|worker| self.unpark(worker));
                }
                continue;
            }
            self.idle.fall_asleep(me, std::mem::take(&mut searching));
            let stay_awake = self.tasks.load(Ordering::Relaxed) > 0;
            if !stay_awake && self.done.load(Ordering::SeqCst) < self.total {
                self.park(me);
            }
            searching = self.idle.wake_up(me) == Awake::AsSearcher;
            if self.done.load(Ordering::SeqCst) == self.total {
                return;
            }
        }
    }
}

/// A lost wake-up shows as a deadlock, which the checkers report.
fn all_tasks_are_done(workers: usize, pushes: usize) {
    let model = Model::new(workers, pushes);
    let threads: Vec<_> = (0..workers)
        .map(|me| {
            let model = model.clone();
            thread::spawn(move || model.work(me))
        })
        .collect();
    (0..pushes).for_each(|_| model.push());
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

/// Every interleaving with at most so many preemptions.
#[cfg(loom)]
fn check(workers: usize, pushes: usize, preemptions: usize) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(move || all_tasks_are_done(workers, pushes));
}

#[cfg(loom)]
#[test]
fn loom_idle_one_worker() {
    check(1, 2, 3);
}

#[cfg(loom)]
#[test]
fn loom_idle_two_workers() {
    check(2, 2, 2);
}

/// More workers and tasks than loom can take, in random interleavings.
#[cfg(shuttle)]
#[test]
fn shuttle_idle_many_workers() {
    for (workers, pushes) in [(2, 8), (4, 12), (8, 24)] {
        shuttle::check_random(move || all_tasks_are_done(workers, pushes), 2_000);
    }
}
