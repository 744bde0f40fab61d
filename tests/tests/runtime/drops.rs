//! Is every future, output and closure dropped exactly once, on the right side?

use crate::{on_each, runtime, until};
use filch::runtime::{Builder, Handle};
use filch_tests::drops::Tally;
use filch_tests::guard::within_reason;
use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};

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
