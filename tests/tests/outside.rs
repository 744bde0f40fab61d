//! Are tasks that threads spawn which are no workers run once each, in the order of their thread, and is none of them stranded?

#![expect(
    clippy::disallowed_types,
    reason = "the test's own locks are none of the runtime's business"
)]

use filch::Runtime;
use filch::runtime::Builder;
use filch_tests::guard::{eventually, spin_until, within_reason};
use filch_tests::runs::Runs;
use filch_tests::stress_factor;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

/// With so many workers for sure: a spare would run some of the tasks beside them.
fn runtime(workers: usize) -> Runtime {
    Builder::new()
        .worker_threads(workers)
        .max_spare_workers(0)
        .build()
        .expect("a runtime")
}

/// Lets so many threads spawn so many tasks each on one worker, which begins before or after them; each must find its own in order.
fn begins_in_order(producers: usize, tasks: usize, is_held_up: bool) {
    within_reason(move || {
        let rt = runtime(1);
        let (open, is_open) = mpsc::channel::<()>();
        if is_held_up {
            rt.spawn(async move {
                let _ = is_open.recv();
            })
            .detach();
        }
        let begun = Arc::new(Mutex::new(vec![Vec::new(); producers]));
        thread::scope(|scope| {
            for producer in 0..producers {
                let (rt, begun) = (&rt, &begun);
                scope.spawn(move || {
                    for n in 0..tasks {
                        let begun = begun.clone();
                        rt.spawn(async move { begun.lock().unwrap()[producer].push(n) })
                            .detach();
                    }
                });
            }
        });
        drop(open);
        eventually("all have run", || {
            let begun = begun.lock().unwrap();
            begun.iter().all(|of| of.len() == tasks).then_some(())
        });
        for of_one in begun.lock().unwrap().iter() {
            assert!(of_one.iter().copied().eq(0..tasks));
        }
    });
}

#[test]
fn one_worker_begins_the_tasks_of_a_thread_in_order() {
    for producers in [1, 4, 9] {
        begins_in_order(producers, 5_000, false);
        begins_in_order(producers, 5_000, true);
    }
}

#[test]
fn a_thread_may_spawn_while_it_ends() {
    struct SpawnsAtTheEnd(filch::runtime::Handle, mpsc::Sender<u8>);
    impl Drop for SpawnsAtTheEnd {
        fn drop(&mut self) {
            let done = self.1.clone();
            self.0.spawn(async move { done.send(7).unwrap() }).detach();
        }
    }
    thread_local! {
        static LAST: RefCell<Option<SpawnsAtTheEnd>> = const { RefCell::new(None) };
    }
    within_reason(|| {
        let rt = runtime(1);
        let (done, is_done) = mpsc::channel();
        let last = SpawnsAtTheEnd(rt.handle().clone(), done);
        thread::spawn(move || LAST.set(Some(last))).join().unwrap();
        assert_eq!(is_done.recv(), Ok(7));
    });
}

#[test]
fn each_task_of_many_threads_runs_once() {
    let tasks = 2_000 * stress_factor();
    for (workers, producers) in [(1, 8), (2, 3), (8, 16)] {
        within_reason(move || {
            let rt = runtime(workers);
            let runs = Runs::new(producers * tasks);
            thread::scope(|scope| {
                for producer in 0..producers {
                    let (rt, runs) = (&rt, &runs);
                    scope.spawn(move || {
                        for n in producer * tasks..(producer + 1) * tasks {
                            let runs = runs.clone();
                            rt.spawn(async move {
                                if n % 5 == 0 {
                                    filch::yield_now().await;
                                }
                                runs.note(n);
                            })
                            .detach();
                            if n % 97 == 0 {
                                thread::yield_now();
                            }
                        }
                    });
                }
            });
            runs.wait();
            drop(rt);
            runs.check();
        });
    }
}

/// A worker that has taken a few short tasks says that it will be back soon, and nobody else is woken. Then one of them lasts.
#[test]
fn what_is_spawned_behind_a_short_task_that_is_long_runs_elsewhere() {
    within_reason(|| {
        let rt = runtime(2);
        for round in 0..200_usize {
            // Polls are short, as far as anybody knows.
            let short: Vec<_> = (0..1_000).map(|_| rt.spawn(async {})).collect();
            rt.block_on(async {
                for task in short {
                    task.await.unwrap();
                }
            });
            let has_run = Arc::new(AtomicBool::new(false));
            let (begun, has_begun) = mpsc::channel();
            let long = rt.spawn({
                let has_run = has_run.clone();
                async move {
                    begun.send(()).unwrap();
                    spin_until("what came later has run", || has_run.load(Ordering::SeqCst));
                }
            });
            if round % 2 == 0 {
                has_begun.recv().unwrap();
            }
            rt.spawn(async move { has_run.store(true, Ordering::SeqCst) })
                .detach();
            rt.block_on(long).unwrap();
        }
    });
}
