//! Do tasks that are pinned to a thread get along with simulations, and run in them?

#![expect(
    clippy::async_yields_async,
    reason = "a task that is started in one block_on is awaited in the next"
)]

use filch::runtime::Builder;
use filch::time::{Duration, sleep};
use filch::{spawn, spawn_local, yield_now};
use filch_tests::drops::{Tally, Tracked};
use filch_tests::guard::within_reason;
use filch_tests::virtual_time::{both, paused, seeds, simulated};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::{ThreadId, current};

/// The end of a simulation took the pinned tasks of the worker that it ended on for its own, and dropped them, the one that was being polled among them.
#[test]
fn a_simulation_that_ends_on_a_worker_leaves_its_pinned_tasks_alone() {
    within_reason(|| {
        let real = Builder::new().worker_threads(1).build().unwrap();
        let sum = real.spawn_pinned(|| async {
            let count = Rc::new(Cell::new(0));
            let own = count.clone();
            let other = spawn_local(async move {
                for _ in 0..10 {
                    filch::yield_now().await;
                    own.set(own.get() + 1);
                }
                own.get()
            });
            let rt = simulated(1);
            rt.block_on(async { sleep(Duration::from_secs(1)).await });
            drop(rt);
            // Never used, and dropped at rest.
            drop(simulated(2));
            let after = spawn_local(async { 100 });
            other.await.unwrap() + after.await.unwrap() + count.get()
        });
        assert_eq!(real.block_on(sum).unwrap(), 120);
    });
}

/// What must not leave its thread: not even to be dropped.
struct Homebody {
    thread: ThreadId,
    _token: Tracked,
    _not_send: Rc<()>,
}

impl Homebody {
    fn new(drops: &Tally) -> Self {
        Self {
            thread: current().id(),
            _token: drops.track(),
            _not_send: Rc::new(()),
        }
    }

    fn check(&self) {
        assert_eq!(self.thread, current().id());
    }
}

impl Drop for Homebody {
    fn drop(&mut self) {
        if self.thread != current().id() {
            // A panic in a destructor is caught by the runtime.
            eprintln!("dropped on another thread");
            std::process::abort();
        }
    }
}

async fn forever(home: Homebody) {
    home.check();
    pending::<()>().await;
}

#[test]
fn pinned_tasks_share_what_is_not_send() {
    for seed in seeds(100) {
        for rt in both(seed) {
            let sum = rt.block_on(async {
                let sum = Rc::new(Cell::new(0));
                let tasks: Vec<_> = (1..=4)
                    .map(|n| {
                        let sum = sum.clone();
                        spawn_local(async move {
                            sleep(Duration::from_secs(n % 2)).await;
                            sum.set(sum.get() + n);
                            // An output that is not `Send`.
                            sum
                        })
                    })
                    .collect();
                for task in tasks {
                    assert!(task.await.unwrap().get() <= 10);
                }
                sum.get()
            });
            assert_eq!(sum, 10);
        }
    }
}

/// All orders of two pinned tasks, an ordinary one and the future in `block_on`.
#[test]
fn a_seed_draws_pinned_tasks_as_it_draws_others() {
    let order = |seed| {
        let notes = Rc::new(RefCell::new(Vec::new()));
        let (send, receive) = mpsc::channel();
        let own = notes.clone();
        simulated(seed).block_on(async move {
            let pinned = [1, 2].map(|n| {
                let notes = own.clone();
                spawn_local(async move { notes.borrow_mut().push(n) })
            });
            let other = spawn(async move { send.send(()).unwrap() });
            yield_now().await;
            let is_other_done = receive.try_recv().is_ok();
            own.borrow_mut().push(if is_other_done { 10 } else { 0 });
            for task in pinned {
                task.await.unwrap();
            }
            other.await.unwrap();
        });
        Rc::try_unwrap(notes).unwrap().into_inner()
    };
    let all: Vec<_> = (0..500).map(order).collect();
    assert_eq!(all, (0..500).map(order).collect::<Vec<_>>());
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), 12, "{different:?}");
}

#[test]
fn spawn_pinned_works_in_a_simulation() {
    for seed in seeds(50) {
        for rt in both(seed) {
            let drops = Tally::new();
            let own = drops.clone();
            // From outside, before anybody drives.
            let task = rt.spawn_pinned(move || async move {
                let home = Rc::new(Homebody::new(&own));
                let other = spawn_local({
                    let home = home.clone();
                    async move {
                        sleep(Duration::from_secs(1)).await;
                        home.check();
                        7
                    }
                });
                other.await.unwrap()
            });
            assert_eq!(rt.block_on(task).unwrap(), 7);
            drops.assert_all_gone();
            let task = rt.spawn_pinned(|| async { panic!("on purpose") });
            let error: filch::JoinError = rt.block_on(task).unwrap_err();
            assert!(error.is_panic());
            // Aborted before and after it was pinned.
            for seconds in [0, 1] {
                let own = drops.clone();
                let task = rt.spawn_pinned(move || forever(Homebody::new(&own)));
                rt.block_on(async move {
                    sleep(Duration::from_secs(seconds)).await;
                    task.abort();
                    assert!(task.await.unwrap_err().is_cancelled());
                });
            }
            drop(rt);
            drops.assert_all_gone();
        }
    }
}

#[test]
fn a_pinned_task_goes_on_in_the_next_block_on() {
    for seed in seeds(50) {
        for rt in both(seed) {
            let task = rt.block_on(async {
                spawn_local(async {
                    sleep(Duration::from_secs(1)).await;
                    yield_now().await;
                    7
                })
            });
            rt.block_on(async { sleep(Duration::from_millis(10)).await });
            assert_eq!(rt.block_on(task).unwrap(), 7);
        }
    }
}

#[test]
fn a_pinned_task_waits_for_its_thread() {
    within_reason(|| {
        for seed in seeds(50) {
            for rt in both(seed) {
                let drops = Tally::new();
                let home = Homebody::new(&drops);
                let task = rt.block_on(async move {
                    let task = spawn_local(async move {
                        sleep(Duration::from_secs(1)).await;
                        home.check();
                        7
                    });
                    yield_now().await;
                    task
                });
                let rt = std::thread::spawn(move || {
                    rt.block_on(async { sleep(Duration::from_secs(10)).await });
                    rt
                })
                .join()
                .unwrap();
                assert!(!task.is_finished());
                assert_eq!(rt.block_on(task).unwrap(), 7);
                drops.assert_all_gone();
            }
        }
    });
}

#[test]
fn what_is_pinned_is_dropped_where_it_is() {
    within_reason(|| {
        for seed in seeds(30) {
            for rt in both(seed) {
                // At rest, on its thread.
                let drops = Tally::new();
                let own = drops.clone();
                let task = rt.block_on(async move { spawn_local(forever(Homebody::new(&own))) });
                let handle = rt.handle().clone();
                drop(rt);
                drops.assert_all_gone();
                assert!(handle.block_on(task).unwrap_err().is_cancelled());
            }
            for rt in both(seed) {
                // On another thread: it is dropped when its own comes by again.
                let drops = Tally::new();
                let own = drops.clone();
                rt.block_on(async move { spawn_local(forever(Homebody::new(&own))).detach() });
                std::thread::spawn(move || drop(rt)).join().unwrap();
                assert_eq!(drops.alive(), 1);
                simulated(1).block_on(async {});
                drops.assert_all_gone();
            }
            for rt in both(seed) {
                // Its thread ends first.
                let drops = Tally::new();
                let own = drops.clone();
                let (rt, task) = std::thread::spawn(move || {
                    let task = rt.block_on(async move {
                        let task = spawn_local(forever(Homebody::new(&own)));
                        yield_now().await;
                        task
                    });
                    (rt, task)
                })
                .join()
                .unwrap();
                drops.assert_all_gone();
                assert!(rt.block_on(task).unwrap_err().is_cancelled());
            }
        }
    });
}

/// The end comes within a nested `block_on` of a pinned task, which waits for another one.
#[test]
fn a_simulation_may_end_within_a_pinned_task() {
    within_reason(|| {
        for seed in seeds(50) {
            for rt in both(seed) {
                let drops = Tally::new();
                let own = drops.clone();
                let handle = rt.handle().clone();
                let inner = handle.clone();
                let error = handle.block_on(async move {
                    let other = spawn_local(forever(Homebody::new(&own)));
                    let home = Homebody::new(&own);
                    let task = spawn_local(async move {
                        home.check();
                        yield_now().await;
                        let error = inner.block_on(async move {
                            drop(rt);
                            yield_now().await;
                            other.await.unwrap_err()
                        });
                        assert!(error.is_cancelled());
                        // Nothing is started any more.
                        let late = spawn_local(async move { home.check() });
                        assert!(late.is_finished());
                        pending::<()>().await;
                    });
                    task.await.unwrap_err()
                });
                assert!(error.is_cancelled());
                drops.assert_all_gone();
            }
        }
    });
}

/// Each runtime's pinned tasks are its own, also where one is driven within a pinned task of the other.
#[test]
fn pinned_tasks_of_two_simulations_do_not_mix() {
    for seed in seeds(50) {
        let outer = simulated(seed);
        let sum = outer.block_on(async move {
            let before = spawn_local(async {
                yield_now().await;
                1
            });
            let nesting = spawn_local(async move {
                let inner = simulated(seed + 1);
                let kept = inner.block_on(async {
                    let kept = spawn_local(async {
                        sleep(Duration::from_secs(1)).await;
                        10
                    });
                    assert_eq!(spawn_local(async { 100 }).await.unwrap(), 100);
                    kept
                });
                yield_now().await;
                let mine = spawn_local(async { 1000 }).await.unwrap();
                mine + inner.block_on(kept).unwrap()
            });
            nesting.await.unwrap() + before.await.unwrap()
        });
        assert_eq!(sum, 1011);
    }
}

#[test]
fn a_thread_that_does_not_drive_cannot_pin() {
    within_reason(|| {
        let said = panic_of(|| {
            let real = Builder::new().worker_threads(1).build().unwrap();
            simulated(1)
                .block_on(async move { real.block_on(async { spawn_local(async {}).detach() }) });
        });
        assert!(said.contains("spawn_local within block_on"), "{said}");
    });
}

fn panic_of(run: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn a_deadlock_names_pinned_tasks_too() {
    let said = panic_of(|| {
        simulated(5).block_on(async {
            spawn_local(pending::<()>()).detach();
            pending::<()>().await;
        });
    });
    assert!(said.contains("simulated_local.rs"), "{said}");
}

#[test]
fn other_threads_wake_and_abort_what_is_pinned() {
    within_reason(|| {
        for _ in 0..50 {
            paused().block_on(async {
                let (send, receive) = filch::sync::oneshot::channel();
                let waiting = spawn_local(async move { receive.await.unwrap() });
                let forever = spawn_local(pending::<()>());
                let abort = forever.abort_handle();
                yield_now().await;
                let thread = std::thread::spawn(move || {
                    send.send(7).unwrap();
                    abort.abort();
                });
                assert_eq!(waiting.await.unwrap(), 7);
                assert!(forever.await.unwrap_err().is_cancelled());
                thread.join().unwrap();
            });
        }
    });
}
