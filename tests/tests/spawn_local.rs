//! Does a task that is pinned to a thread stay there, whatever its worker does? Does it run, is it woken, aborted and dropped like any other?

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the test's own locks and long polls are none of the runtime's business"
)]

use filch::runtime::{Builder, Handle};
use filch::spawn_local;
use filch_tests::drops::{Tally, Tracked};
use filch_tests::guard::{eventually, spin_until, within_reason};
use filch_tests::runtime;
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// Runs a test on a fresh runtime, within a pinned task, for one worker and for four.
fn on_each<F: Future<Output = ()> + 'static>(test: impl Fn() -> F + Clone + Send + 'static) {
    for workers in [1, 4] {
        let rt = runtime(workers);
        let test = test.clone();
        within_reason(move || {
            let task = rt.spawn_pinned(test);
            rt.block_on(task).expect("no panic");
        });
    }
}

/// A future that is polled, and dropped, on the thread that made it, or the test fails.
struct Stays<F> {
    future: Pin<Box<F>>,
    here: ThreadId,
    wandered: Arc<AtomicBool>,
    _tracked: Tracked,
    _not_send: Rc<()>,
}

/// Makes such futures, and knows whether all have stayed.
#[derive(Clone, Default)]
struct Watch {
    tally: Tally,
    wandered: Arc<AtomicBool>,
}

impl Watch {
    fn stays<F: Future>(&self, future: F) -> Stays<F> {
        Stays {
            future: Box::pin(future),
            here: thread::current().id(),
            wandered: self.wandered.clone(),
            _tracked: self.tally.track(),
            _not_send: Rc::new(()),
        }
    }

    fn assert_all_stayed(&self) {
        self.tally.assert_all_gone();
        assert!(!self.wandered.load(Ordering::SeqCst), "seen elsewhere");
    }
}

impl<F> Stays<F> {
    fn note(&self) {
        if thread::current().id() != self.here {
            self.wandered.store(true, Ordering::SeqCst);
        }
    }
}

impl<F: Future> Future for Stays<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.note();
        self.future.as_mut().poll(cx)
    }
}

impl<F> Drop for Stays<F> {
    fn drop(&mut self) {
        self.note();
    }
}

/// A wait that another thread ends.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Gate {
    fn open(&self) {
        let wakers = {
            let mut inside = self.0.lock().unwrap();
            inside.0 = true;
            std::mem::take(&mut inside.1)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn passed(&self) {
        poll_fn(|cx| {
            let mut inside = self.0.lock().unwrap();
            if inside.0 {
                return Poll::Ready(());
            }
            inside.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[test]
fn tasks_of_a_thread_share_what_is_not_send() {
    on_each(|| async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..10)
            .map(|n| {
                let seen = seen.clone();
                spawn_local(async move {
                    seen.borrow_mut().push(n);
                    filch::yield_now().await;
                    seen.borrow_mut().push(n);
                    seen
                })
            })
            .collect();
        for task in tasks {
            assert!(Rc::ptr_eq(&task.await.unwrap(), &seen));
        }
        let once: Vec<_> = (0..10).collect();
        assert_eq!(seen.borrow()[..10], once);
        assert_eq!(seen.borrow()[10..], once);
        assert_eq!(Rc::strong_count(&seen), 1);
    });
}

#[test]
fn many_stay_where_they_are_while_others_are_stolen() {
    let watch = Watch::default();
    for workers in [1, 4] {
        let rt = runtime(workers);
        let inner = watch.clone();
        within_reason(move || {
            let groups: Vec<_> = (0..8)
                .map(|_| {
                    let watch = inner.clone();
                    rt.spawn_pinned(move || async move {
                        let sum = Rc::new(Cell::new(0));
                        let tasks: Vec<_> = (0..200_u32)
                            .map(|n| {
                                let sum = sum.clone();
                                spawn_local(watch.stays(async move {
                                    for _ in 0..n % 5 {
                                        filch::yield_now().await;
                                    }
                                    // One that others may take, and that wakes this one from wherever it is run.
                                    let stolen = filch::spawn(async move {
                                        filch::yield_now().await;
                                        n
                                    });
                                    let share = stolen.await.unwrap();
                                    sum.set(sum.get() + share);
                                    filch::time::sleep(Duration::from_millis(u64::from(n % 3)))
                                        .await;
                                }))
                            })
                            .collect();
                        for task in tasks {
                            task.await.unwrap();
                        }
                        sum.get()
                    })
                })
                .collect();
            for group in groups {
                assert_eq!(rt.block_on(group).unwrap(), 199 * 200 / 2);
            }
        });
    }
    watch.assert_all_stayed();
}

#[test]
fn a_block_on_in_a_pinned_task_keeps_it_and_its_siblings_there() {
    on_each(|| async {
        let watch = Watch::default();
        let here = thread::current().id();
        let gate = Gate::default();
        let sibling = spawn_local(watch.stays({
            let gate = gate.clone();
            async move {
                gate.passed().await;
                thread::current().id()
            }
        }));
        let blocking = spawn_local(watch.stays(async move {
            // Waits, so that the worker goes to another thread, which also runs what is waited for.
            let elsewhere = Handle::current().block_on(async {
                filch::time::sleep(Duration::from_millis(1)).await;
                filch::spawn(async { thread::current().id() })
                    .await
                    .unwrap()
            });
            filch::yield_now().await;
            // The thread hosts more after it has lost its worker.
            let child = spawn_local(async { thread::current().id() });
            (elsewhere, child.await.unwrap(), thread::current().id())
        }));
        let (elsewhere, child, after) = blocking.await.unwrap();
        assert_ne!(elsewhere, here);
        assert_eq!((child, after), (here, here));
        // Woken by the thread that has the worker now.
        filch::spawn(async move { gate.open() }).await.unwrap();
        assert_eq!(sibling.await.unwrap(), here);
        assert_eq!(thread::current().id(), here);
        watch.assert_all_stayed();
    });
}

#[test]
fn a_block_on_in_an_ordinary_task_leaves_what_is_pinned_to_the_thread() {
    for workers in [1, 4] {
        let watch = Watch::default();
        let rt = runtime(workers);
        let inner = watch.clone();
        within_reason(move || {
            let gate = Gate::default();
            let task = rt.spawn({
                let gate = gate.clone();
                async move {
                    let (before, blocked) = {
                        let here = thread::current().id();
                        let waits = inner.stays(async move {
                            gate.passed().await;
                            thread::current().id()
                        });
                        let before = spawn_local(waits);
                        Handle::current().block_on(filch::time::sleep(Duration::from_millis(1)));
                        // On a thread that is no worker any more, and hosts a second one now.
                        let after = spawn_local(inner.stays(async { thread::current().id() }));
                        assert_eq!(thread::current().id(), here);
                        (before, (after, here))
                    };
                    let (after, here) = blocked;
                    assert_eq!(after.await.unwrap(), here);
                    (before, here)
                }
            });
            let (before, here) = rt.block_on(task).unwrap();
            assert!(!before.is_finished());
            gate.open();
            assert_eq!(rt.block_on(before).unwrap(), here);
            drop(rt);
            watch.assert_all_stayed();
        });
    }
}

#[test]
fn a_wake_from_another_thread_arrives() {
    on_each(|| async {
        let watch = Watch::default();
        for _ in 0..100 {
            let gate = Gate::default();
            let task = spawn_local(watch.stays({
                let gate = gate.clone();
                async move { gate.passed().await }
            }));
            let other = thread::spawn(move || gate.open());
            task.await.unwrap();
            other.join().unwrap();
        }
        watch.assert_all_stayed();
    });
}

#[test]
fn an_abort_from_another_thread_is_carried_out_at_home() {
    on_each(|| async {
        let watch = Watch::default();
        let task = spawn_local(watch.stays(pending::<()>()));
        filch::yield_now().await;
        let other = thread::spawn(move || {
            task.abort();
            task
        });
        let task = other.join().unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
        // And before its first poll.
        let task = spawn_local(watch.stays(async {}));
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        watch.assert_all_stayed();
    });
}

#[test]
fn the_one_that_stands_in_passes_on_an_abort() {
    let watch = Watch::default();
    let rt = runtime(2);
    let gate = Gate::default();
    let task = rt.spawn_pinned({
        let (watch, gate) = (watch.clone(), gate.clone());
        move || {
            watch.stays(async move {
                gate.open();
                pending::<()>().await;
            })
        }
    });
    rt.block_on(gate.passed());
    task.abort();
    assert!(rt.block_on(task).unwrap_err().is_cancelled());
    watch.tally.wait_until_all_gone();
    watch.assert_all_stayed();
}

#[test]
fn a_panic_is_told_of_and_costs_nobody_else() {
    on_each(|| async {
        let bad = spawn_local(async {
            filch::yield_now().await;
            if true {
                panic!("as planned");
            }
        });
        let good = spawn_local(async { 7 });
        assert!(bad.await.unwrap_err().is_panic());
        assert_eq!(good.await.unwrap(), 7);
    });
    let rt = runtime(1);
    let bad = rt.spawn_pinned(|| async {
        if true {
            panic!("as planned");
        }
    });
    let payload = rt.block_on(bad).unwrap_err().into_panic();
    assert_eq!(payload.downcast_ref(), Some(&"as planned"));
    let made = rt.spawn_pinned(|| -> std::future::Ready<()> { panic!("while it was made") });
    assert!(rt.block_on(made).unwrap_err().is_panic());
}

#[test]
fn a_shutdown_drops_what_waits_on_its_own_thread() {
    for workers in [1, 4] {
        let watch = Watch::default();
        let rt = runtime(workers);
        let gate = Gate::default();
        let inner = watch.clone();
        let waker = gate.clone();
        within_reason(move || {
            let started = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..20)
                .map(|n| {
                    let (watch, gate, started) = (inner.clone(), waker.clone(), started.clone());
                    rt.spawn_pinned(move || {
                        let child = watch.stays(pending::<()>());
                        watch.clone().stays(async move {
                            let child = spawn_local(child);
                            started.fetch_add(1, Ordering::SeqCst);
                            if n % 2 == 0 {
                                gate.passed().await;
                            } else {
                                child.await.unwrap();
                            }
                        })
                    })
                })
                .collect();
            // And one whose thread has no worker any more.
            let hermit = rt.spawn_pinned({
                let watch = inner.clone();
                let started = started.clone();
                move || {
                    watch.stays(async move {
                        Handle::current().block_on(filch::time::sleep(Duration::from_millis(1)));
                        started.fetch_add(1, Ordering::SeqCst);
                        pending::<()>().await;
                    })
                }
            });
            eventually("all wait", || {
                (started.load(Ordering::SeqCst) == 21).then_some(())
            });
            let handle = rt.handle().clone();
            drop(rt);
            inner.assert_all_stayed();
            for task in tasks.into_iter().chain([hermit]) {
                assert!(handle.block_on(task).unwrap_err().is_cancelled());
            }
        });
        gate.open();
        watch.assert_all_stayed();
    }
}

#[test]
fn a_shutdown_waits_for_a_long_poll_and_drops_what_is_behind_it() {
    let watch = Watch::default();
    let rt = runtime(2);
    let (started, has_started) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let task = rt.spawn_pinned({
        let watch = watch.clone();
        move || {
            watch.clone().stays(async move {
                let behind = spawn_local(watch.stays(pending::<()>()));
                started.send(()).unwrap();
                gone.recv().unwrap();
                drop(behind);
                pending::<()>().await;
            })
        }
    });
    has_started.recv().unwrap();
    let handle = rt.handle().clone();
    assert!(
        !rt.shutdown_timeout(Duration::from_millis(1)),
        "stuck in a poll"
    );
    go.send(()).unwrap();
    watch.tally.wait_until_all_gone();
    watch.assert_all_stayed();
    assert!(within_reason(move || handle.block_on(task)).is_err());
}

#[test]
fn wakers_may_outlive_thread_and_runtime() {
    let rt = runtime(1);
    let (send, receive) = mpsc::channel::<Waker>();
    let task = rt.spawn_pinned(move || {
        poll_fn(move |cx| {
            send.send(cx.waker().clone()).unwrap();
            Poll::<()>::Pending
        })
    });
    let waker = receive.recv().unwrap();
    let handle = rt.handle().clone();
    drop(rt);
    waker.wake_by_ref();
    drop(waker);
    assert!(handle.block_on(task).unwrap_err().is_cancelled());
}

/// One worker, and each kind of task never stops: the other one has its turn all the same, also where each poll takes long.
#[test]
fn neither_kind_of_task_starves_the_other() {
    for poll in [Duration::ZERO, Duration::from_millis(2)] {
        let rt = Builder::new()
            .worker_threads(1)
            .max_spare_workers(0)
            .build()
            .expect("a runtime");
        within_reason(move || {
            let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
            let busy = move || {
                let begun = std::time::Instant::now();
                spin_until("the poll is over", || begun.elapsed() >= poll);
            };
            for _ in 0..3 {
                let (ours, theirs) = (counts.clone(), counts.clone());
                rt.spawn_pinned(move || async move {
                    loop {
                        busy();
                        ours.0.fetch_add(1, Ordering::SeqCst);
                        filch::yield_now().await;
                    }
                })
                .detach();
                rt.spawn(async move {
                    loop {
                        busy();
                        theirs.1.fetch_add(1, Ordering::SeqCst);
                        filch::yield_now().await;
                    }
                })
                .detach();
            }
            eventually("both go on", || {
                let enough = |count: &AtomicUsize| count.load(Ordering::SeqCst) >= 50;
                (enough(&counts.0) && enough(&counts.1)).then_some(())
            });
        });
    }
}

#[test]
fn a_thread_ends_with_the_last_task_that_is_pinned_to_it() {
    let ended = Arc::new(AtomicUsize::new(0));
    let stops = ended.clone();
    let rt = Builder::new()
        .worker_threads(1)
        .on_thread_stop(move || {
            stops.fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .expect("a runtime");
    let gate = Gate::default();
    let task = rt.spawn_pinned({
        let gate = gate.clone();
        move || async move {
            Handle::current().block_on(filch::time::sleep(Duration::from_millis(1)));
            gate.passed().await;
        }
    });
    let before = rt.spawn(async {});
    rt.block_on(before).unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 0);
    gate.open();
    rt.block_on(task).unwrap();
    eventually("its thread has ended", || {
        (ended.load(Ordering::SeqCst) == 1).then_some(())
    });
}

/// All workers are stuck, so that a spare runs the one that pins; it goes away as a spare, and its thread stays with what is pinned to it.
#[test]
fn what_is_pinned_to_a_spare_goes_on_when_it_is_not_needed_any_more() {
    let watch = Watch::default();
    let rt = runtime(1);
    let (go, gone) = mpsc::channel::<()>();
    let stuck = rt.spawn(async move { gone.recv().unwrap() });
    let gate = Gate::default();
    let (send, receive) = mpsc::channel();
    let task = rt.spawn_pinned({
        let (watch, gate) = (watch.clone(), gate.clone());
        move || {
            send.send(()).unwrap();
            watch.stays(async move {
                gate.passed().await;
                thread::current().name().map(str::to_owned)
            })
        }
    });
    receive.recv().unwrap();
    go.send(()).unwrap();
    rt.block_on(stuck).unwrap();
    gate.open();
    let name = rt.block_on(task).unwrap();
    assert_eq!(name.as_deref(), Some("filch-spare"));
    drop(rt);
    watch.assert_all_stayed();
}

#[test]
fn where_nothing_can_be_pinned_the_panic_says_what_to_do() {
    fn message(work: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let payload = std::panic::catch_unwind(work).unwrap_err();
        *payload
            .downcast::<&str>()
            .map(|text| Box::new((*text).to_owned()))
            .unwrap()
    }
    let alone = message(|| drop(spawn_local(async {})));
    assert!(alone.contains("Runtime::spawn_pinned"), "{alone}");
    let inside = message(|| {
        let rt = runtime(1);
        rt.block_on(async { drop(spawn_local(async {})) });
    });
    assert!(inside.contains("within block_on"), "{inside}");
    let rt = runtime(1);
    let nested =
        rt.spawn(async { Handle::current().block_on(async { drop(spawn_local(async {})) }) });
    assert!(rt.block_on(nested).unwrap_err().is_panic());
    let pool = rt.handle().spawn_blocking(|| drop(spawn_local(async {})));
    assert!(rt.block_on(pool).unwrap_err().is_panic());
}
