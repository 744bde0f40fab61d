//! Do tasks start, join, abort and panic as documented? Is every future, output and closure dropped exactly once, on the right
//! side? Does `block_on` work wherever it is called?

use filch::runtime::{Builder, Handle};
use filch::{JoinHandle, Runtime};
use filch_tests::drops::Tally;
use filch_tests::guard::{eventually, within_reason};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};

fn runtime(workers: usize) -> Runtime {
    Builder::new()
        .worker_threads(workers)
        .build()
        .expect("a runtime")
}

/// Runs a test on a fresh runtime, within a task, for one worker and for four.
fn on_each<F: Future<Output = ()> + Send + 'static>(test: impl Fn() -> F) {
    for workers in [1, 4] {
        let rt = runtime(workers);
        let test = test();
        within_reason(move || rt.block_on(async { filch::spawn(test).await.expect("no panic") }));
    }
}

/// Waits, in a task, until something is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        filch::yield_now().await;
    }
}

// Spawn and join.

#[test]
fn a_task_gives_its_output() {
    on_each(|| async {
        assert_eq!(filch::spawn(async { 6 * 7 }).await.unwrap(), 42);
        let text = String::from("moved in");
        let task = filch::spawn(async move { text + " and out" });
        assert_eq!(task.await.unwrap(), "moved in and out");
        filch::spawn(async {}).await.unwrap();
    });
}

#[test]
fn outputs_and_futures_of_any_size_and_alignment() {
    #[repr(align(128))]
    #[derive(Debug, PartialEq, Clone, Copy)]
    struct Wide(u8);

    async fn through<T: Send + 'static>(value: T) -> T {
        let task = filch::spawn(async move {
            filch::yield_now().await;
            value
        });
        task.await.unwrap()
    }

    on_each(|| async {
        assert_eq!(through(Wide(3)).await, Wide(3));
        assert_eq!(through([7_u8; 1]).await, [7; 1]);
        assert_eq!(through([7_u8; 63]).await, [7; 63]);
        assert_eq!(through([7_u8; 200]).await, [7; 200]);
        assert_eq!(through([7_u8; 5000]).await, [7; 5000]);
        assert_eq!(through([7_u8; 40_000]).await, [7; 40_000]);
        let task = filch::spawn(async move {
            let wide = Wide(9);
            filch::yield_now().await;
            (&raw const wide).addr() % 128
        });
        assert_eq!(task.await.unwrap(), 0, "a future's alignment is kept");
    });
}

#[test]
fn many_tasks_are_joined_in_any_order() {
    on_each(|| async {
        let mut tasks: Vec<_> = (0..1000_u64)
            .map(|n| filch::spawn(async move { n }))
            .collect();
        let mut sum = 0;
        while let Some(task) = tasks.pop() {
            sum += task.await.unwrap();
        }
        assert_eq!(sum, 499_500);
    });
}

#[test]
fn tasks_are_spawned_from_threads_that_are_no_workers() {
    let rt = runtime(2);
    let total = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..500 {
                    let total = total.clone();
                    rt.spawn(async move { total.fetch_add(n, Ordering::Relaxed) })
                        .detach();
                }
            });
        }
    });
    eventually("all have run", || {
        (total.load(Ordering::Relaxed) == 4 * 124_750).then_some(())
    });
}

#[test]
fn a_join_handle_may_move_to_another_task_while_it_is_awaited() {
    on_each(|| async {
        let (go, gone) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut task = filch::spawn({
            let (go, gone) = (go.clone(), gone.clone());
            async move {
                until(|| go.load(Ordering::SeqCst) == 1).await;
                gone.store(1, Ordering::SeqCst);
                "done"
            }
        });
        // Polled here once, so that this task's waker is registered ...
        poll_fn(|cx| {
            assert!(Pin::new(&mut task).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        // ... and then elsewhere, whose waker must replace it.
        let other = filch::spawn(async move { task.await.unwrap() });
        filch::yield_now().await;
        go.store(1, Ordering::SeqCst);
        assert_eq!(other.await.unwrap(), "done");
    });
}

#[test]
fn is_finished_follows_the_task() {
    on_each(|| async {
        let go = Arc::new(AtomicUsize::new(0));
        let task = filch::spawn({
            let go = go.clone();
            async move { until(|| go.load(Ordering::SeqCst) == 1).await }
        });
        filch::yield_now().await;
        assert!(!task.is_finished());
        go.store(1, Ordering::SeqCst);
        until(|| task.is_finished()).await;
        task.await.unwrap();
    });
}

#[test]
fn yielding_lets_the_others_run() {
    // With one worker, and no spare beside it, each round of yields gives everybody one turn.
    let rt = Builder::new()
        .worker_threads(1)
        .max_spare_workers(0)
        .build()
        .expect("a runtime");
    let order = rt.block_on(async {
        filch::spawn(async {
            let (send, receive) = mpsc::channel();
            let tasks: Vec<_> = (0..3)
                .map(|who| {
                    let send = send.clone();
                    filch::spawn(async move {
                        for _ in 0..4 {
                            send.send(who).unwrap();
                            filch::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            drop(send);
            receive.iter().collect::<Vec<i32>>()
        })
        .await
        .unwrap()
    });
    for who in 0..3 {
        let turns: Vec<_> = order.iter().positions(who);
        assert_eq!(turns.len(), 4);
        assert!(
            turns.windows(2).all(|pair| pair[1] - pair[0] <= 5),
            "{order:?}"
        );
    }
}

/// The places at which a value stands.
trait Positions {
    fn positions(self, wanted: i32) -> Vec<usize>;
}

impl<'a, I: Iterator<Item = &'a i32>> Positions for I {
    fn positions(self, wanted: i32) -> Vec<usize> {
        let hits = self.enumerate().filter(|(_, value)| **value == wanted);
        hits.map(|(at, _)| at).collect()
    }
}

// Panic and abort.

#[test]
fn a_panic_is_delivered_to_the_handle() {
    on_each(|| async {
        let words = std::hint::black_box("words");
        let error = filch::spawn(async move { panic!("with {words}") })
            .await
            .unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(
            *error.into_panic().downcast::<String>().unwrap(),
            "with words"
        );
        let later = filch::spawn(async {
            filch::yield_now().await;
            std::panic::panic_any(17_u32);
        });
        assert_eq!(
            *later
                .await
                .unwrap_err()
                .into_panic()
                .downcast::<u32>()
                .unwrap(),
            17
        );
        assert_eq!(
            filch::spawn(async { 1 }).await.unwrap(),
            1,
            "the worker lives on"
        );
    });
}

#[test]
fn a_panic_of_a_detached_task_harms_nobody() {
    on_each(|| async {
        for _ in 0..100 {
            filch::spawn(async { panic!("nobody looks") }).detach();
        }
        assert_eq!(filch::spawn(async { 1 }).await.unwrap(), 1);
    });
}

#[test]
fn an_aborted_task_is_cancelled() {
    on_each(|| async {
        let tally = Tally::new();
        let held = tally.track();
        let task = filch::spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        filch::yield_now().await;
        task.abort();
        task.abort();
        let error = task.await.unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        tally.assert_all_gone();
    });
}

#[test]
fn an_abort_after_the_end_changes_nothing() {
    on_each(|| async {
        let task = filch::spawn(async { 5 });
        until(|| task.is_finished()).await;
        task.abort();
        assert_eq!(task.await.unwrap(), 5);
    });
}

#[test]
fn a_task_may_be_aborted_while_it_runs() {
    on_each(|| async {
        let tally = Tally::new();
        let held = tally.track();
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let task = filch::spawn(async move {
            let _held = held;
            begun.send(()).unwrap();
            // Blocks on purpose: the abort comes in the middle of a poll.
            let _ = may_go_on.recv();
            pending::<()>().await;
        });
        // A blocking call waits for it, so that this works with one worker too.
        let task = filch::spawn_blocking(move || {
            has_begun.recv().unwrap();
            task.abort();
            drop(go_on);
            task
        })
        .await
        .unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
        tally.assert_all_gone();
    });
}

#[test]
fn a_task_may_abort_itself() {
    on_each(|| async {
        let (send, receive) = mpsc::channel::<JoinHandle<()>>();
        let tally = Tally::new();
        let held = tally.track();
        let (done, is_done) = mpsc::channel();
        let task = filch::spawn(async move {
            let _held = held;
            let own = loop {
                match receive.try_recv() {
                    Ok(own) => break own,
                    Err(_) => filch::yield_now().await,
                }
            };
            own.abort();
            done.send(own).unwrap();
            pending::<()>().await;
        });
        send.send(task).unwrap();
        let own = loop {
            match is_done.try_recv() {
                Ok(own) => break own,
                Err(_) => filch::yield_now().await,
            }
        };
        assert!(own.await.unwrap_err().is_cancelled());
        tally.assert_all_gone();
    });
}

// Dropped exactly once, on the right side.

/// What happens to a task, and what happens to its handle: every pair of them.
#[test]
fn everything_is_dropped_once_on_every_path() {
    #[derive(Clone, Copy, Debug)]
    enum Task {
        Completes,
        CompletesLater,
        Panics,
        PanicsLater,
        NeverEnds,
        WakesItself,
    }
    #[derive(Clone, Copy, Debug)]
    enum Holder {
        Awaits,
        DropsAtOnce,
        DropsLater,
        PollsOnceAndDrops,
        Aborts,
        AbortsLaterAndAwaits,
        LetsTheRuntimeEnd,
    }
    use Holder::*;
    use Task::*;
    for task in [
        Completes,
        CompletesLater,
        Panics,
        PanicsLater,
        NeverEnds,
        WakesItself,
    ] {
        for holder in [
            Awaits,
            DropsAtOnce,
            DropsLater,
            PollsOnceAndDrops,
            Aborts,
            AbortsLaterAndAwaits,
            LetsTheRuntimeEnd,
        ] {
            if matches!((task, holder), (NeverEnds | WakesItself, Awaits)) {
                continue;
            }
            for workers in [1, 3] {
                let (futures, outputs) = (Tally::new(), Tally::new());
                let rt = runtime(workers);
                let run = {
                    let (futures, outputs) = (futures.clone(), outputs.clone());
                    move || {
                        let own = futures.track();
                        let mut handle = rt.spawn(async move {
                            let _own = own;
                            match task {
                                Completes => {}
                                CompletesLater => filch::yield_now().await,
                                Panics => panic!("planned"),
                                PanicsLater => {
                                    filch::yield_now().await;
                                    panic!("planned");
                                }
                                NeverEnds => pending().await,
                                WakesItself => loop {
                                    filch::yield_now().await;
                                },
                            }
                            outputs.track()
                        });
                        rt.block_on(async {
                            match holder {
                                Awaits => drop(handle.await),
                                DropsAtOnce => drop(handle),
                                DropsLater => {
                                    for _ in 0..50 {
                                        std::thread::yield_now();
                                    }
                                    drop(handle);
                                }
                                PollsOnceAndDrops => {
                                    let mut cx = Context::from_waker(Waker::noop());
                                    drop(Pin::new(&mut handle).poll(&mut cx));
                                    drop(handle);
                                }
                                Aborts => handle.abort(),
                                AbortsLaterAndAwaits => {
                                    std::thread::yield_now();
                                    handle.abort();
                                    drop(handle.await);
                                }
                                LetsTheRuntimeEnd => std::mem::forget(handle),
                            }
                        });
                        drop(rt);
                    }
                };
                within_reason(run);
                if matches!(holder, LetsTheRuntimeEnd) {
                    // The handle was forgotten, and with it the output.
                    futures.assert_all_gone();
                    continue;
                }
                futures.assert_all_gone();
                outputs.assert_all_gone();
            }
        }
    }
}

/// An output that nobody can take any more is dropped where the task ran; one that was taken, by who took it.
#[test]
fn an_output_is_dropped_on_the_right_side() {
    struct Told(mpsc::Sender<Option<String>>);
    impl Drop for Told {
        fn drop(&mut self) {
            let name = std::thread::current().name().map(str::to_owned);
            // The receiver has gone if the test has failed.
            let _ = self.0.send(name);
        }
    }

    let rt = Builder::new()
        .worker_threads(1)
        .thread_name("side")
        .build()
        .unwrap();
    let (send, receive) = mpsc::channel();
    let told = Told(send.clone());
    let task = rt.spawn(async move { told });
    drop(rt.block_on(task).unwrap());
    let here = std::thread::current().name().map(str::to_owned);
    assert_eq!(receive.recv().unwrap(), here, "who takes it drops it");

    let (go, may_go) = mpsc::channel::<()>();
    let told = Told(send);
    let task = rt.spawn(async move {
        let _ = may_go.recv();
        told
    });
    drop(task);
    drop(go);
    let there = receive.recv().unwrap().unwrap();
    assert!(
        there.starts_with("side"),
        "nobody takes it: the worker drops it, not {there}"
    );
}

/// A destructor in a future or an output may itself spawn, panic or use the runtime.
#[test]
fn destructors_may_use_the_runtime() {
    struct SpawnsInDrop(Arc<AtomicUsize>);
    impl Drop for SpawnsInDrop {
        fn drop(&mut self) {
            let ran = self.0.clone();
            if let Ok(handle) = Handle::try_current() {
                handle
                    .spawn(async move { ran.fetch_add(1, Ordering::SeqCst) })
                    .detach();
            }
        }
    }

    on_each(|| async {
        let ran = Arc::new(AtomicUsize::new(0));
        let guard = SpawnsInDrop(ran.clone());
        filch::spawn(async move { drop(guard) }).await.unwrap();
        let guard = SpawnsInDrop(ran.clone());
        let task = filch::spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        filch::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        until(|| ran.load(Ordering::SeqCst) == 2).await;
    });
}

#[test]
fn a_destructor_that_panics_is_a_panic_of_its_task() {
    struct PanicsInDrop;
    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("in a destructor");
            }
        }
    }

    on_each(|| async {
        let task = filch::spawn(async {
            let _guard = PanicsInDrop;
        });
        assert!(task.await.unwrap_err().is_panic());
        let task = filch::spawn(async {
            let _guard = PanicsInDrop;
            pending::<()>().await;
        });
        filch::yield_now().await;
        task.abort();
        let _either = task.await.unwrap_err();
        // An output whose handle has gone: the panic has nobody to go to, and must not harm the worker.
        filch::spawn(async { PanicsInDrop }).detach();
        filch::yield_now().await;
        assert_eq!(filch::spawn(async { 1 }).await.unwrap(), 1);
    });
}

// Wakers.

#[test]
fn wakers_are_cloned_woken_and_dropped_from_anywhere() {
    on_each(|| async {
        let (send, receive) = mpsc::channel::<Waker>();
        let waking = std::thread::spawn(move || {
            for waker in receive {
                let again = waker.clone();
                assert!(again.will_wake(&waker));
                waker.wake_by_ref();
                again.wake();
            }
        });
        let mut rounds = 0;
        poll_fn(|cx| {
            rounds += 1;
            if rounds == 100 {
                return Poll::Ready(());
            }
            send.send(cx.waker().clone()).unwrap();
            Poll::Pending
        })
        .await;
        drop(send);
        waking.join().unwrap();
    });
}

#[test]
fn a_waker_outlives_its_task() {
    on_each(|| async {
        let (send, receive) = mpsc::channel();
        filch::spawn(poll_fn(move |cx| {
            send.send(cx.waker().clone()).unwrap();
            Poll::Ready(())
        }))
        .await
        .unwrap();
        let waker: Waker = receive.recv().unwrap();
        let another = waker.clone();
        waker.wake_by_ref();
        another.wake();
        drop(waker);
    });
}

#[test]
fn a_task_that_wakes_itself_within_its_poll_runs_again() {
    on_each(|| async {
        let mut left = 1000;
        filch::spawn(poll_fn(move |cx| {
            left -= 1;
            if left == 0 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            cx.waker().wake_by_ref();
            Poll::Pending
        }))
        .await
        .unwrap();
    });
}

// block_on.

#[test]
fn block_on_works_on_any_thread() {
    let rt = runtime(2);
    assert_eq!(
        rt.block_on(async { filch::spawn(async { 3 }).await.unwrap() }),
        3
    );
    let handle = rt.handle().clone();
    let there =
        std::thread::spawn(move || handle.block_on(async { filch::spawn(async { 4 }).await }));
    assert_eq!(there.join().unwrap().unwrap(), 4);
    assert_eq!(rt.block_on(rt.handle().spawn_blocking(|| 5)).unwrap(), 5);
    // Within another block_on, of the same and of another runtime.
    let other = runtime(1);
    assert_eq!(
        rt.block_on(async { other.block_on(async { rt.block_on(async { 6 }) }) }),
        6
    );
}

#[test]
fn block_on_within_a_worker_does_not_hold_the_others_up() {
    fn nested(handle: Handle, depth: u32) -> u32 {
        if depth == 0 {
            return 0;
        }
        let inner = handle.clone();
        let task = handle.spawn(async move { nested(inner, depth - 1) });
        handle.block_on(async move { task.await.unwrap() }) + 1
    }

    for workers in [1, 2] {
        let rt = runtime(workers);
        within_reason(move || {
            let handle = rt.handle().clone();
            let depth = rt.block_on(async { filch::spawn(async { nested(handle, 50) }).await });
            assert_eq!(depth.unwrap(), 50);
        });
    }
}

#[test]
fn block_on_within_a_blocking_call() {
    on_each(|| async {
        let handle = Handle::current();
        let inner = filch::spawn_blocking(move || {
            handle.block_on(async { filch::spawn(async { 8 }).await.unwrap() })
        });
        assert_eq!(inner.await.unwrap(), 8);
    });
}

#[test]
fn a_panic_in_block_on_passes_through() {
    let rt = runtime(2);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        rt.block_on(async { panic!("through") });
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "through");
    assert_eq!(
        rt.block_on(async { filch::spawn(async { 1 }).await.unwrap() }),
        1
    );
}

// Blocking calls.

#[test]
fn blocking_calls_join_panic_and_abort() {
    on_each(|| async {
        assert_eq!(filch::spawn_blocking(|| 7).await.unwrap(), 7);
        let error = filch::spawn_blocking(|| panic!("blocked"))
            .await
            .unwrap_err();
        assert!(error.is_panic());
        let within = filch::spawn_blocking(|| Handle::try_current().is_ok());
        assert!(
            within.await.unwrap(),
            "a blocking call is within its runtime"
        );
    });
}

#[test]
fn a_blocking_call_in_the_queue_can_be_aborted() {
    let rt = Builder::new()
        .worker_threads(1)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    within_reason(move || {
        let tally = Tally::new();
        let held = tally.track();
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let first = rt.handle().spawn_blocking(move || {
            begun.send(()).unwrap();
            let _ = may_go_on.recv();
        });
        has_begun.recv().unwrap();
        let second = rt.handle().spawn_blocking(move || {
            drop(held);
            unreachable!("it was aborted in the queue");
        });
        second.abort();
        drop(go_on);
        rt.block_on(async {
            first.await.unwrap();
            assert!(second.await.unwrap_err().is_cancelled());
        });
        drop(rt);
        tally.assert_all_gone();
    });
}

// The builder.

#[test]
fn nonsense_is_refused_with_a_remedy() {
    let refused = |builder: Builder, remedy: &str| {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(remedy), "{error}");
    };
    refused(Builder::new().worker_threads(0), "give at least 1");
    refused(Builder::new().worker_threads(1 << 20), "65535");
    refused(Builder::new().max_blocking_threads(0), "give at least 1");
    refused(Builder::new().thread_stack_size(1), "64 KiB");
    refused(Builder::new().thread_name("a\0b"), "NUL");
}

#[test]
fn hooks_run_on_every_thread_and_threads_have_names() {
    let (starts, stops) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let (in_start, in_stop) = (starts.clone(), stops.clone());
    let (send, receive) = mpsc::channel();
    let rt = Builder::new()
        .worker_threads(2)
        .thread_name("named")
        .on_thread_start(move || {
            in_start.fetch_add(1, Ordering::SeqCst);
            send.send(std::thread::current().name().map(str::to_owned))
                .unwrap();
        })
        .on_thread_stop(move || {
            in_stop.fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .unwrap();
    rt.block_on(async { filch::spawn_blocking(|| ()).await.unwrap() });
    assert!(rt.handle().workers() == 2);
    drop(rt);
    let (starts, stops) = (starts.load(Ordering::SeqCst), stops.load(Ordering::SeqCst));
    assert!(
        starts >= 3,
        "two workers and a thread for the blocking call, but {starts}"
    );
    assert_eq!(starts, stops);
    let names: Vec<_> = receive.try_iter().collect();
    assert!(
        names
            .iter()
            .all(|name| name.as_ref().is_some_and(|name| name.starts_with("named-")))
    );
}

/// `FILCH_WORKERS` is read from the environment, so each of its values gets a process of its own: this test, run again.
#[test]
fn the_environment_says_how_many_workers() {
    const CHILD: &str = "FILCH_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        match Runtime::new() {
            Ok(rt) => println!("workers={}", rt.handle().workers()),
            Err(error) => println!("error={error}"),
        }
        return;
    }
    let child = |value: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "the_environment_says_how_many_workers",
                "--exact",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .env("FILCH_WORKERS", value)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(child("3").contains("workers=3"));
    assert!(child("1").contains("workers=1"));
    for nonsense in ["0", "many", "-2"] {
        let said = child(nonsense);
        assert!(
            said.contains("error=FILCH_WORKERS") && said.contains("unset it"),
            "{said}"
        );
    }
}

#[test]
#[should_panic(expected = "spawn needs a runtime")]
fn spawning_outside_says_what_to_do() {
    filch::spawn(async {}).detach();
}

/// `spawn` follows the nearest `block_on`, also on a worker of another runtime, and as long as nothing has waited yet.
#[test]
fn spawn_within_another_runtimes_block_on_is_that_ones() {
    let named = |name: &str| {
        Builder::new()
            .worker_threads(1)
            .thread_name(name)
            .build()
            .unwrap()
    };
    async fn where_am_i() -> String {
        let spawned = filch::spawn(async { std::thread::current().name().map(str::to_owned) });
        spawned.await.unwrap().unwrap()
    }
    let (outer, inner) = (named("outer"), named("inner"));
    let handle = outer.handle().clone();
    let task = outer.spawn(async move {
        let nested = inner.block_on(async {
            let first = filch::spawn(where_am_i());
            let back = handle.block_on(where_am_i());
            (first.await.unwrap(), back, where_am_i().await)
        });
        drop(inner);
        (nested, where_am_i().await)
    });
    let ((first, back, second), after) = outer.block_on(task).unwrap();
    assert_eq!(
        (first.as_str(), second.as_str()),
        ("inner-worker", "inner-worker")
    );
    assert_eq!(
        (back.as_str(), after.as_str()),
        ("outer-worker", "outer-worker")
    );
}
