//! The protocol with everything else taken away: a counter stands for all queues, a number for each core, and the sentinel calls once for each task.
//!
//! `Model::work` restates `Core::next_as_spare` and `Core::park` of `stand_in.rs`, `Model::call` the sentinel's `call_spare` there, `Model::close` `Shared::close`. A call that is lost, and a
//! spare that is not told of the end, are deadlocks.

use super::*;
use crate::driver::condvar::CondvarDriver;
use crate::driver::{Driver, Wait};
use crate::sys::sync::{Arc, Condvar, UnsafeCell, thread};
use crate::util::wake_batch::WakeBatch;

/// What happens in a model.
#[derive(Clone, Copy)]
struct Case {
    spares: usize,
    tasks: usize,
    /// Whether the wait of a spare is over as soon as it begins, so that it goes away; or lasts until it is called.
    goes_away: bool,
}

struct Model {
    case: Case,
    spares: Spares<usize>,
    tasks: AtomicUsize,
    is_closing: AtomicBool,
    drivers: Vec<CondvarDriver>,
    /// Written before a number is opened.
    made: Vec<UnsafeCell<usize>>,
    done: (Mutex<usize>, Condvar),
}

impl Model {
    fn new(case: Case) -> Arc<Self> {
        Arc::new(Self {
            case,
            spares: Spares::new(case.spares),
            tasks: AtomicUsize::new(0),
            is_closing: AtomicBool::new(false),
            drivers: (0..case.spares).map(|_| CondvarDriver::new()).collect(),
            made: (0..case.spares).map(|_| UnsafeCell::new(0)).collect(),
            done: (Mutex::new(0), Condvar::new()),
        })
    }

    fn is_closing(&self) -> bool {
        // ORDERING: Relaxed on purpose: the protocol alone must make it visible in time.
        self.is_closing.load(Ordering::Relaxed)
    }

    /// What a spare's thread does.
    fn work(&self, number: usize) {
        while !self.is_closing() {
            while self.take() {
                *self.done.0.lock() += 1;
                self.done.1.notify_all();
            }
            if self.park(number) == Woken::ByItself && self.case.goes_away {
                break;
            }
        }
        self.spares.put_away(number);
    }

    fn park(&self, number: usize) -> Woken {
        self.spares.park(number);
        if !self.is_closing() && !self.case.goes_away {
            self.drivers[number].turn(Wait::Forever, &mut WakeBatch::new());
        }
        self.spares.wake_up(number)
    }

    /// ORDERING: Relaxed on purpose, as for pushing.
    fn take(&self) -> bool {
        let take = |n: usize| n.checked_sub(1);
        let taken = self
            .tasks
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.is_ok()
    }

    /// Makes a spare work, if all do already. True if one was called or started.
    fn call(model: &Arc<Self>, threads: &mut Vec<thread::JoinHandle<()>>) -> bool {
        if let Some(number) = model.spares.call() {
            model.drivers[number].unpark();
            return true;
        }
        let number = match model.spares.start() {
            Some(Start::Again(number)) => number,
            Some(Start::New(number)) => {
                // SAFETY: nobody looks before it is opened; loom would report it.
                model.made[number].with_mut(|made| unsafe { *made = number + 1 });
                model.spares.open(number);
                number
            }
            None => return false,
        };
        let own = model.clone();
        threads.push(thread::spawn(move || own.work(number)));
        true
    }

    fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        (0..self.spares.opened_for_sure()).for_each(|number| self.drivers[number].unpark());
    }

    /// What a thief does, or whoever else looks at every spare.
    fn look_at_all(&self) {
        for number in 0..self.spares.opened() {
            // SAFETY: it was written before it was opened, and never again; loom would report it.
            let made = self.made[number].with(|made| unsafe { *made });
            assert_eq!(made, number + 1);
        }
    }

    fn all_are_away(&self) {
        assert_eq!(self.spares.working(), 0);
        let mut away = self.spares.take_all();
        away.sort_unstable();
        assert!(away.into_iter().eq(0..self.spares.opened()));
        assert_eq!(self.spares.call(), None);
    }
}

fn check(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(f);
}

/// Each task is run though the sentinel calls but once for it: unless all spares work, when it looks again.
fn each_call_is_answered(case: Case) {
    let model = Model::new(case);
    let mut threads = Vec::new();
    for _ in 0..case.tasks {
        model.tasks.fetch_add(1, Ordering::Relaxed);
        while !Model::call(&model, &mut threads) {
            thread::yield_now();
        }
    }
    let mut done = model.done.0.lock();
    while *done < case.tasks {
        model.done.1.wait(&mut done);
    }
    drop(done);
    model.close();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    model.all_are_away();
}

#[test]
fn loom_spare_a_call_meets_one_that_goes_away() {
    check(3, || {
        each_call_is_answered(Case {
            spares: 1,
            tasks: 2,
            goes_away: true,
        });
    });
}

#[test]
fn loom_spare_a_call_meets_one_that_parks() {
    check(3, || {
        each_call_is_answered(Case {
            spares: 1,
            tasks: 2,
            goes_away: false,
        });
    });
}

#[test]
fn loom_spare_two_of_them() {
    for goes_away in [false, true] {
        check(2, move || {
            each_call_is_answered(Case {
                spares: 2,
                tasks: 2,
                goes_away,
            });
        });
    }
}

/// Somebody else closes the scheduler, while the sentinel starts a spare and it parks.
#[test]
fn loom_spare_every_one_is_told_of_the_end() {
    check(3, || {
        let model = Model::new(Case {
            spares: 1,
            tasks: 0,
            goes_away: false,
        });
        let sentinel = thread::spawn({
            let model = model.clone();
            move || {
                let mut threads = Vec::new();
                assert!(Model::call(&model, &mut threads));
                threads
            }
        });
        model.close();
        let threads = sentinel.join().unwrap();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        model.all_are_away();
    });
}

#[test]
fn loom_spare_what_is_opened_is_complete() {
    loom::model(|| {
        let model = Model::new(Case {
            spares: 1,
            tasks: 0,
            goes_away: true,
        });
        let thief = thread::spawn({
            let model = model.clone();
            move || model.look_at_all()
        });
        let mut threads = Vec::new();
        assert!(Model::call(&model, &mut threads));
        thief.join().unwrap();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}
