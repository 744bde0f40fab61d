//! Does `spawn_batch` what a loop over `spawn` does, wherever it is called and whatever the iterator does?

#![expect(
    clippy::disallowed_types,
    reason = "the test's own locks are none of the runtime's business"
)]

use filch::Runtime;
use filch::runtime::{Builder, Handle};
use filch_tests::drops::Tally;
use filch_tests::guard::{eventually, within_reason};
use filch_tests::runs::Runs;
use filch_tests::stress_factor;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::{iter, thread};

/// As the documentation says.
const CHUNK: usize = 64;

/// With so many workers for sure: a spare would run some of the tasks beside them, on a machine that is busy with other things.
fn runtime(workers: usize) -> Runtime {
    Builder::new()
        .worker_threads(workers)
        .max_spare_workers(0)
        .build()
        .expect("a runtime")
}

/// Where a batch is spawned.
#[derive(Clone, Copy, Debug)]
enum Place {
    Thread,
    BlockOn,
    Task,
    /// Within a task, on a thread that has handed its worker on.
    BlockOnInTask,
    OtherRuntime,
}

const PLACES: [Place; 5] = [
    Place::Thread,
    Place::BlockOn,
    Place::Task,
    Place::BlockOnInTask,
    Place::OtherRuntime,
];

/// Runs `act` there.
fn at<R: Send + 'static>(
    place: Place,
    rt: &Runtime,
    act: impl FnOnce(&Handle) -> R + Send + 'static,
) -> R {
    let handle = rt.handle().clone();
    match place {
        Place::Thread => act(&handle),
        Place::BlockOn => rt.block_on(async { act(&handle) }),
        Place::Task => rt.block_on(rt.spawn(async move { act(&handle) })).unwrap(),
        Place::BlockOnInTask => {
            let inner = async move {
                handle.block_on(async {
                    filch::yield_now().await;
                    act(&handle)
                })
            };
            rt.block_on(rt.spawn(inner)).unwrap()
        }
        Place::OtherRuntime => {
            let other = runtime(1);
            other
                .block_on(other.spawn(async move { act(&handle) }))
                .unwrap()
        }
    }
}

#[test]
fn any_number_of_tasks_from_anywhere() {
    for place in PLACES {
        for workers in [1, 3] {
            within_reason(move || {
                let rt = runtime(workers);
                for count in [0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 10_000] {
                    let tasks = at(place, &rt, move |handle| {
                        handle.spawn_batch((0..count).map(|n| async move { n }))
                    });
                    assert_eq!(tasks.len(), count);
                    rt.block_on(async {
                        for (n, task) in tasks.into_iter().enumerate() {
                            assert_eq!(task.await.unwrap(), n, "{place:?}");
                        }
                    });
                }
            });
        }
    }
}

#[test]
fn any_number_of_detached_tasks_from_anywhere() {
    for place in PLACES {
        for workers in [1, 3] {
            within_reason(move || {
                let rt = runtime(workers);
                for count in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 10_000_usize] {
                    let (done, is_done) = mpsc::channel();
                    at(place, &rt, move |handle| {
                        handle.spawn_batch_detached((0..count).map(|n| {
                            let done = done.clone();
                            async move {
                                if n % 2 == 0 {
                                    filch::yield_now().await;
                                }
                                done.send(n).unwrap();
                            }
                        }));
                    });
                    let mut ran: Vec<_> = is_done.iter().collect();
                    ran.sort_unstable();
                    assert!(ran.into_iter().eq(0..count), "{place:?}");
                }
            });
        }
    }
}

#[test]
fn on_the_current_runtime() {
    within_reason(|| {
        let rt = runtime(2);
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        rt.block_on(async move {
            let tasks = filch::spawn_batch((0..100).map(|n| async move { n }));
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap();
            }
            assert_eq!(sum, 4950);
            filch::spawn_batch_detached((0..100).map(|_| {
                let count = count.clone();
                async move {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }));
        });
        eventually("all have run", || {
            (ran.load(Ordering::SeqCst) == 100).then_some(())
        });
        // A runtime's batch too, and anything that is a collection.
        let tasks = rt.spawn_batch([async { 1 }]);
        assert_eq!(rt.block_on(tasks.into_iter().next().unwrap()).unwrap(), 1);
        rt.spawn_batch_detached(Some(async {}));
    });
}

#[test]
fn without_a_runtime_it_says_what_to_do() {
    for (call, name) in [
        (
            (|| drop(filch::spawn_batch([async {}]))) as fn(),
            "spawn_batch",
        ),
        (
            || filch::spawn_batch_detached([async {}]),
            "spawn_batch_detached",
        ),
    ] {
        let message = catch_unwind(call).unwrap_err();
        let message = message.downcast_ref::<String>().unwrap();
        assert!(
            message.starts_with(&format!("{name} needs a runtime")),
            "{message}"
        );
        assert!(message.contains(&format!("Handle::{name}")), "{message}");
    }
}

#[test]
fn one_worker_begins_the_tasks_of_a_thread_in_order() {
    const BATCHES: usize = 20;
    const TASKS: usize = 300;
    for producers in [1, 4] {
        within_reason(move || {
            let rt = runtime(1);
            let begun = Arc::new(Mutex::new(vec![Vec::new(); producers]));
            thread::scope(|scope| {
                for producer in 0..producers {
                    let (rt, begun) = (&rt, &begun);
                    scope.spawn(move || {
                        let begin = |n| {
                            let begun = begun.clone();
                            async move { begun.lock().unwrap()[producer].push(n) }
                        };
                        for batch in 0..BATCHES {
                            let first = batch * TASKS;
                            // One by one and as a batch: the same lane.
                            rt.spawn(begin(first)).detach();
                            rt.spawn_batch_detached((first + 1..first + TASKS).map(begin));
                        }
                    });
                }
            });
            eventually("all have run", || {
                let begun = begun.lock().unwrap();
                begun
                    .iter()
                    .all(|of| of.len() == BATCHES * TASKS)
                    .then_some(())
            });
            for of_one in begun.lock().unwrap().iter() {
                assert!(of_one.iter().copied().eq(0..BATCHES * TASKS));
            }
        });
    }
}

#[test]
fn a_task_on_one_worker_has_its_batch_run_in_order() {
    within_reason(|| {
        let rt = runtime(1);
        let begun = Arc::new(Mutex::new(Vec::new()));
        let all = begun.clone();
        rt.block_on(rt.spawn(async move {
            let tasks = filch::spawn_batch((0..1000).map(|n| {
                let begun = begun.clone();
                async move { begun.lock().unwrap().push(n) }
            }));
            for task in tasks {
                task.await.unwrap();
            }
        }))
        .unwrap();
        assert!(all.lock().unwrap().iter().copied().eq(0..1000));
    });
}

#[test]
fn when_the_iterator_panics_full_chunks_run_and_the_rest_is_dropped() {
    for place in PLACES {
        for good in [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 7] {
            within_reason(move || {
                let rt = runtime(2);
                let (tally, ran) = (Tally::new(), Arc::new(AtomicUsize::new(0)));
                let (own, count) = (tally.clone(), ran.clone());
                at(place, &rt, move |handle| {
                    let futures = (0..).map(|n| {
                        assert!(n < good, "planned");
                        let (held, count) = (own.track(), count.clone());
                        async move {
                            let _held = held;
                            filch::yield_now().await;
                            count.fetch_add(1, Ordering::SeqCst);
                        }
                    });
                    let panicked =
                        catch_unwind(AssertUnwindSafe(|| drop(handle.spawn_batch(futures))));
                    assert!(panicked.is_err());
                });
                let full = good - good % CHUNK;
                eventually("full chunks have run", || {
                    (ran.load(Ordering::SeqCst) == full).then_some(())
                });
                drop(rt);
                tally.assert_all_gone();
                assert_eq!(ran.load(Ordering::SeqCst), full, "{place:?}");
            });
        }
    }
}

#[test]
fn after_the_end_futures_are_dropped_and_handles_say_cancelled() {
    for count in [0, 1, CHUNK, 3 * CHUNK + 1] {
        within_reason(move || {
            let rt = runtime(2);
            let handle = rt.handle().clone();
            drop(rt);
            let tally = Tally::new();
            let futures = || {
                let own = tally.clone();
                (0..count).map(move |_| {
                    let held = own.track();
                    async move { drop(held) }
                })
            };
            let tasks = handle.spawn_batch(futures());
            tally.assert_all_gone();
            assert_eq!(tasks.len(), count);
            for task in tasks {
                assert!(task.is_finished());
                assert!(handle.block_on(task).unwrap_err().is_cancelled());
            }
            handle.spawn_batch_detached(futures());
            tally.assert_all_gone();
        });
    }
}

/// On another thread it waits for the end; in a task of the same runtime, what comes after the end is dropped, and the task goes on to its next await.
#[test]
fn the_iterator_may_end_the_runtime() {
    for is_in_task in [false, true] {
        within_reason(move || {
            let rt = runtime(2);
            let handle = rt.handle().clone();
            let parcel = Mutex::new(Some(rt));
            let tally = Tally::new();
            let own = tally.clone();
            let (done, is_done) = mpsc::channel();
            let inner = handle.clone();
            let act = move || {
                let futures = (0..4 * CHUNK).map(|n| {
                    if n == CHUNK + 5 {
                        drop(parcel.lock().unwrap().take());
                    }
                    let held = own.track();
                    async move {
                        let _held = held;
                        pending::<()>().await;
                    }
                });
                done.send(inner.spawn_batch(futures).len()).unwrap();
            };
            if is_in_task {
                handle.spawn(async move { act() }).detach();
            } else {
                act();
            }
            assert_eq!(is_done.recv(), Ok(4 * CHUNK));
            eventually("every future has gone", || {
                (tally.alive() == 0).then_some(())
            });
            tally.assert_all_gone();
        });
    }
}

#[test]
fn the_iterator_may_spawn_and_wait_and_batch_itself() {
    for place in PLACES {
        for workers in [1, 2] {
            within_reason(move || {
                let rt = runtime(workers);
                let sum = at(place, &rt, |handle| {
                    let tasks = handle.spawn_batch((0..3 * CHUNK).map(|n| {
                        let inner = handle.spawn_batch((0..5).map(|m| async move { m }));
                        let waited = if n % 50 == 0 {
                            // In a task this hands the worker on, in the middle of a chunk.
                            handle.block_on(async {
                                filch::yield_now().await;
                                filch::spawn(async { 1 }).await.unwrap()
                            })
                        } else {
                            1
                        };
                        async move {
                            let mut sum = waited;
                            for task in inner {
                                sum += task.await.unwrap();
                            }
                            sum
                        }
                    }));
                    let mut sum = 0;
                    for task in tasks {
                        sum += handle.block_on(task).unwrap();
                    }
                    sum
                });
                assert_eq!(sum, 3 * CHUNK * 11, "{place:?}");
            });
        }
    }
}

/// An iterator that ends when one of its tasks has run: what was given must be run meanwhile.
#[test]
fn tasks_begin_before_the_iterator_ends() {
    for place in PLACES {
        within_reason(move || {
            let rt = runtime(2);
            let given = at(place, &rt, |handle| {
                let ran = Arc::new(AtomicUsize::new(0));
                let mut given = 0_usize;
                let tasks = handle.spawn_batch(iter::from_fn(|| {
                    if ran.load(Ordering::SeqCst) > 0 {
                        return None;
                    }
                    given += 1;
                    if given % CHUNK == 0 {
                        thread::yield_now();
                    }
                    let ran = ran.clone();
                    Some(async move {
                        ran.fetch_add(1, Ordering::SeqCst);
                    })
                }));
                assert_eq!(tasks.len(), given);
                given
            });
            assert!(given >= CHUNK, "{place:?}");
        });
    }
}

/// An iterator that would begin anew is not asked again after its end.
#[test]
fn an_iterator_that_has_ended_is_not_asked_again() {
    within_reason(|| {
        let rt = runtime(1);
        let mut asked = 0;
        let futures = iter::from_fn(|| {
            asked += 1;
            (asked % 3 != 0).then_some(async {})
        });
        assert_eq!(rt.spawn_batch(futures).len(), 2);
        assert_eq!(asked, 3);
    });
}

#[test]
fn a_lying_size_hint_harms_nobody() {
    struct Lies(usize, usize);
    impl Iterator for Lies {
        type Item = std::future::Ready<usize>;
        fn next(&mut self) -> Option<Self::Item> {
            self.0 = self.0.checked_sub(1)?;
            Some(std::future::ready(self.0))
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (self.1, Some(self.1))
        }
    }
    within_reason(|| {
        let rt = runtime(1);
        for hint in [0, 1, 1000, usize::MAX] {
            assert_eq!(rt.spawn_batch(Lies(100, hint)).len(), 100);
        }
    });
}

#[test]
fn futures_of_every_size_and_outputs_nobody_takes() {
    within_reason(|| {
        let rt = runtime(2);
        let (tally, ran) = (Tally::new(), Arc::new(AtomicUsize::new(0)));
        fn futures<const BYTES: usize>(
            tally: &Tally,
            ran: &Arc<AtomicUsize>,
        ) -> Vec<impl Future<Output = impl Send + use<BYTES>> + Send + use<BYTES>> {
            let each = |_| {
                let (held, output, ran) = (tally.track(), tally.track(), ran.clone());
                async move {
                    let room = [1_u8; BYTES];
                    filch::yield_now().await;
                    drop(held);
                    ran.fetch_add(
                        room.iter().map(|&byte| usize::from(byte)).sum::<usize>() / BYTES,
                        Ordering::SeqCst,
                    );
                    output
                }
            };
            (0..CHUNK + 1).map(each).collect()
        }
        drop(rt.spawn_batch(futures::<1>(&tally, &ran)));
        drop(rt.spawn_batch(futures::<5000>(&tally, &ran)));
        rt.spawn_batch_detached(futures::<1>(&tally, &ran));
        rt.spawn_batch_detached(futures::<600>(&tally, &ran));
        rt.spawn_batch_detached(futures::<5000>(&tally, &ran));
        eventually("all have run", || {
            (ran.load(Ordering::SeqCst) == 5 * (CHUNK + 1)).then_some(())
        });
        drop(rt);
        tally.assert_all_gone();
    });
}

#[test]
fn each_task_of_many_threads_runs_once() {
    let batches = 20 * stress_factor();
    for (workers, producers) in [(1, 6), (2, 3), (8, 12)] {
        within_reason(move || {
            let rt = runtime(workers);
            let tasks = batches * 150;
            let runs = Runs::new(producers * tasks);
            thread::scope(|scope| {
                for producer in 0..producers {
                    let (rt, runs) = (&rt, &runs);
                    scope.spawn(move || {
                        for batch in 0..batches {
                            let first = producer * tasks + batch * 150;
                            let each = (first..first + 150).map(|n| {
                                let runs = runs.clone();
                                async move {
                                    if n % 7 == 0 {
                                        filch::yield_now().await;
                                    }
                                    runs.note(n);
                                }
                            });
                            match batch % 3 {
                                0 => rt.spawn_batch_detached(each),
                                1 => drop(rt.spawn_batch(each)),
                                _ => drop(rt.spawn_batch(each).pop()),
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

/// Batches against the end: nothing is lost, nothing is dropped twice.
#[test]
fn batches_may_race_with_the_end() {
    for round in 0..50 * stress_factor() {
        within_reason(move || {
            let rt = runtime(1 + round % 3);
            let tally = Tally::new();
            let handle = rt.handle().clone();
            let own = tally.clone();
            let spawner = thread::spawn(move || {
                let futures = (0..20 * CHUNK).map(|n| {
                    let held = own.track();
                    async move {
                        let _held = held;
                        if n % 2 == 0 {
                            pending::<()>().await;
                        }
                    }
                });
                drop(handle.spawn_batch(futures));
            });
            for _ in 0..round % 20 {
                thread::yield_now();
            }
            drop(rt);
            spawner.join().unwrap();
            tally.assert_all_gone();
        });
    }
}
