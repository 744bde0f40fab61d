//! Can a runtime end anywhere and at any time, and does everything end with it?

use filch::runtime::Builder;
use filch_tests::drops::Tally;
use filch_tests::guard::{HANG, eventually, within_reason};
use filch_tests::runtime;
use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

#[test]
fn a_drop_cancels_every_task() {
    for workers in [1, 2, 8] {
        let tally = Tally::new();
        let rt = runtime(workers);
        let handles: Vec<_> = (0..1000)
            .map(|n| {
                let own = tally.track();
                rt.spawn(async move {
                    let _own = own;
                    match n % 4 {
                        0 => {}
                        1 => pending().await,
                        2 => loop {
                            filch::yield_now().await;
                        },
                        _ => filch::spawn(pending()).await.unwrap(),
                    }
                })
            })
            .collect();
        within_reason(move || drop(rt));
        tally.assert_all_gone();
        let other = runtime(1);
        for (n, handle) in handles.into_iter().enumerate() {
            let result = other.block_on(handle);
            // Those that end may have come to it.
            assert!(result.is_ok() && n % 4 == 0 || result.unwrap_err().is_cancelled());
        }
    }
}

#[test]
fn a_shutdown_waits_no_longer_than_told() {
    let rt = runtime(2);
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let tally = Tally::new();
    let own = tally.track();
    rt.spawn(async move {
        let _own = own;
        begun.send(()).unwrap();
        let _ = may_go_on.recv();
        pending::<()>().await;
    })
    .detach();
    has_begun.recv().unwrap();
    assert!(
        !rt.shutdown_timeout(Duration::from_millis(20)),
        "a task is in the middle of a poll"
    );
    assert_eq!(tally.alive(), 1);
    drop(go_on);
    tally.wait_until_all_gone();
}

#[test]
fn a_shutdown_waits_for_blocking_calls_that_have_begun_and_drops_the_others() {
    let rt = Builder::new()
        .worker_threads(1)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let finished = Arc::new(AtomicBool::new(false));
    let first = rt.handle().spawn_blocking({
        let finished = finished.clone();
        move || {
            begun.send(()).unwrap();
            let _ = may_go_on.recv();
            finished.store(true, Ordering::SeqCst);
            9
        }
    });
    has_begun.recv().unwrap();
    let second = rt
        .handle()
        .spawn_blocking(|| unreachable!("it was never begun"));
    let ender = std::thread::spawn(move || drop(rt));
    let other = runtime(1);
    within_reason(move || {
        assert!(other.block_on(second).unwrap_err().is_cancelled());
        drop(go_on);
        ender.join().unwrap();
        assert!(
            finished.load(Ordering::SeqCst),
            "the drop came back too early"
        );
        assert_eq!(
            other.block_on(first).unwrap(),
            9,
            "its output is there all the same"
        );
    });
}

#[test]
fn a_shutdown_in_the_background_does_not_wait() {
    let rt = runtime(2);
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let tally = Tally::new();
    let own = tally.track();
    rt.spawn(async move {
        let _own = own;
        begun.send(()).unwrap();
        let _ = may_go_on.recv();
    })
    .detach();
    has_begun.recv().unwrap();
    rt.shutdown_background();
    assert_eq!(tally.alive(), 1);
    drop(go_on);
    tally.wait_until_all_gone();
}

#[test]
fn an_idle_runtime_ends_in_time() {
    for workers in [1, 4] {
        assert!(runtime(workers).shutdown_timeout(HANG));
    }
}

#[test]
fn a_runtime_may_be_dropped_by_its_own_task() {
    for workers in [1, 2, 4] {
        for _ in 0..50 {
            let tally = Tally::new();
            let rt = runtime(workers);
            let handle = rt.handle().clone();
            let (sleeper, dropper) = (tally.track(), tally.track());
            handle
                .spawn(async move {
                    let _own = sleeper;
                    pending::<()>().await;
                })
                .detach();
            handle
                .spawn(async move {
                    let _own = dropper;
                    drop(rt);
                    pending::<()>().await;
                })
                .detach();
            tally.wait_until_all_gone();
        }
    }
}

#[test]
fn a_runtime_may_be_dropped_by_its_own_blocking_call() {
    for workers in [1, 2] {
        let tally = Tally::new();
        let rt = runtime(workers);
        let handle = rt.handle().clone();
        let (sleeper, dropper) = (tally.track(), tally.track());
        handle
            .spawn(async move {
                let _own = sleeper;
                pending::<()>().await;
            })
            .detach();
        handle
            .spawn_blocking(move || {
                let _own = dropper;
                drop(rt);
            })
            .detach();
        tally.wait_until_all_gone();
    }
}

#[test]
fn a_runtime_may_be_dropped_within_block_on() {
    for workers in [1, 2] {
        let tally = Tally::new();
        let (own, handle) = (tally.track(), runtime(workers));
        within_reason(move || {
            let runtime = handle;
            let handle = runtime.handle().clone();
            handle.block_on(async move {
                let task = filch::spawn(async move {
                    let _own = own;
                    pending::<()>().await;
                });
                drop(runtime);
                assert!(task.await.unwrap_err().is_cancelled());
            });
        });
        tally.assert_all_gone();
    }
}

#[test]
fn a_runtime_may_be_dropped_by_a_task_of_another() {
    let outer = runtime(2);
    let tally = Tally::new();
    let own = tally.track();
    let inner = runtime(2);
    inner
        .spawn(async move {
            let _own = own;
            pending::<()>().await;
        })
        .detach();
    let task = outer.spawn(async move { drop(inner) });
    within_reason(move || outer.block_on(task).unwrap());
    // The drop does not wait on a thread of another runtime's scheduler.
    tally.wait_until_all_gone();
}

#[test]
fn a_runtime_may_be_made_and_used_within_a_task() {
    let rt = runtime(1);
    within_reason(move || {
        let task = rt.spawn(async {
            let inner = runtime(1);
            inner.block_on(async { filch::spawn(async { 11 }).await.unwrap() })
        });
        assert_eq!(rt.block_on(task).unwrap(), 11);
    });
}

#[test]
fn two_runtimes_may_drop_each_other() {
    for _ in 0..50 {
        let (one, two) = (runtime(1), runtime(1));
        let (in_one, in_two) = (one.handle().clone(), two.handle().clone());
        let tally = Tally::new();
        let (a, b) = (tally.track(), tally.track());
        in_one
            .spawn(async move {
                let _own = a;
                two.shutdown_background();
            })
            .detach();
        in_two
            .spawn(async move {
                let _own = b;
                one.shutdown_background();
            })
            .detach();
        tally.wait_until_all_gone();
    }
}

#[test]
fn a_handle_of_a_runtime_that_has_ended_cancels() {
    let rt = runtime(2);
    let handle = rt.handle().clone();
    drop(rt);
    let other = runtime(1);
    let tally = Tally::new();
    for _ in 0..10 {
        let (one, two) = (tally.track(), tally.track());
        let task = handle.spawn(async move { drop(one) });
        let call = handle.spawn_blocking(move || drop(two));
        assert!(other.block_on(task).unwrap_err().is_cancelled());
        assert!(other.block_on(call).unwrap_err().is_cancelled());
    }
    tally.assert_all_gone();
    // A future that needs nothing of the runtime runs even now.
    assert_eq!(handle.block_on(async { 12 }), 12);
}

#[test]
fn tasks_that_spawn_while_the_runtime_ends_leave_nothing_behind() {
    for workers in [1, 2, 4] {
        for _ in 0..20 {
            let tally = Tally::new();
            let rt = runtime(workers);
            for _ in 0..workers * 2 {
                let (tally, own) = (tally.clone(), tally.track());
                rt.spawn(async move {
                    let _own = own;
                    loop {
                        let child = tally.track();
                        filch::spawn(async move {
                            let _child = child;
                            filch::yield_now().await;
                        })
                        .detach();
                        filch::yield_now().await;
                    }
                })
                .detach();
            }
            std::thread::yield_now();
            within_reason(move || drop(rt));
            tally.assert_all_gone();
        }
    }
}

#[test]
fn destructors_that_spawn_and_join_at_the_end_are_served() {
    struct SpawnsInDrop(Tally);
    impl Drop for SpawnsInDrop {
        fn drop(&mut self) {
            let own = self.0.track();
            if let Ok(handle) = filch::runtime::Handle::try_current() {
                handle
                    .spawn(async move {
                        let _own = own;
                        pending::<()>().await;
                    })
                    .detach();
            }
        }
    }

    let tally = Tally::new();
    let rt = runtime(2);
    for _ in 0..100 {
        let own = SpawnsInDrop(tally.clone());
        rt.spawn(async move {
            let _own = own;
            pending::<()>().await;
        })
        .detach();
    }
    within_reason(move || drop(rt));
    tally.assert_all_gone();
}

#[test]
fn tasks_that_hold_each_others_handles_are_freed() {
    let tally = Tally::new();
    let rt = runtime(2);
    for _ in 0..100 {
        let (one, two) = (tally.track(), tally.track());
        let (send, receive) = mpsc::channel::<filch::JoinHandle<()>>();
        let first = rt.spawn(async move {
            let _own = one;
            let other = loop {
                match receive.try_recv() {
                    Ok(other) => break other,
                    Err(_) => filch::yield_now().await,
                }
            };
            drop(other.await);
        });
        let second = rt.spawn(async move {
            let _own = two;
            drop(first.await);
        });
        send.send(second).unwrap();
    }
    within_reason(move || drop(rt));
    tally.assert_all_gone();
}

#[test]
fn wakers_may_be_kept_after_the_runtime_has_gone() {
    let tally = Tally::new();
    let (send, receive) = mpsc::channel::<Waker>();
    let rt = runtime(2);
    for _ in 0..100 {
        let (send, own) = (send.clone(), tally.track());
        rt.spawn(async move {
            let _own = own;
            poll_fn(|cx| {
                send.send(cx.waker().clone()).unwrap();
                Poll::<()>::Pending
            })
            .await;
        })
        .detach();
    }
    let wakers: Vec<_> = receive.iter().take(100).collect();
    drop(rt);
    tally.assert_all_gone();
    for (n, waker) in wakers.into_iter().enumerate() {
        match n % 4 {
            0 => waker.wake(),
            1 => waker.wake_by_ref(),
            2 => drop(waker.clone()),
            _ => drop(waker),
        }
    }
}

#[test]
fn wakers_may_be_used_while_the_runtime_ends() {
    for _ in 0..50 {
        let tally = Tally::new();
        let (send, receive) = mpsc::channel::<Waker>();
        let rt = runtime(2);
        let polls = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let (send, own, polls) = (send.clone(), tally.track(), polls.clone());
            rt.spawn(async move {
                let _own = own;
                poll_fn(|cx| {
                    polls.fetch_add(1, Ordering::Relaxed);
                    // The other side has gone at the end.
                    let _ = send.send(cx.waker().clone());
                    Poll::<()>::Pending
                })
                .await;
            })
            .detach();
        }
        drop(send);
        let waking = std::thread::spawn(move || receive.into_iter().for_each(Waker::wake));
        eventually("they run", || {
            (polls.load(Ordering::Relaxed) > 20).then_some(())
        });
        within_reason(move || drop(rt));
        tally.assert_all_gone();
        waking.join().unwrap();
    }
}

#[test]
fn many_runtimes_at_a_time() {
    let runtimes: Vec<_> = (0..30).map(|n| runtime(1 + n % 3)).collect();
    let tasks: Vec<_> = runtimes
        .iter()
        .enumerate()
        .map(|(n, rt)| rt.spawn(async move { filch::spawn(async move { n }).await.unwrap() }))
        .collect();
    let sum: usize = tasks
        .into_iter()
        .zip(runtimes.iter().rev())
        .map(|(task, rt)| rt.block_on(task).unwrap())
        .sum();
    assert_eq!(sum, 435);
    within_reason(move || drop(runtimes));
}

#[test]
fn a_hook_that_panics_does_not_keep_the_runtime_from_ending() {
    for when in ["start", "stop"] {
        let rt = Builder::new()
            .worker_threads(2)
            .on_thread_start(move || assert!(when != "start", "a hook that panics"))
            .on_thread_stop(move || assert!(when != "stop", "a hook that panics"))
            .build()
            .unwrap();
        let task = rt.spawn(async { 1 });
        within_reason(move || {
            assert_eq!(rt.block_on(task).unwrap(), 1);
            drop(rt);
        });
    }
}

#[test]
fn the_runtime_itself_is_freed() {
    for workers in [1, 2] {
        let tally = Tally::new();
        let (on_start, on_stop) = (tally.track(), tally.track());
        let rt = Builder::new()
            .worker_threads(workers)
            .on_thread_start(move || {
                let _own = &on_start;
            })
            .on_thread_stop(move || {
                let _own = &on_stop;
            })
            .build()
            .unwrap();
        let handle = rt.handle().clone();
        rt.block_on(async {
            filch::spawn_blocking(|| ()).await.unwrap();
            filch::spawn(pending::<()>()).detach();
        });
        drop(rt);
        drop(handle);
        tally.wait_until_all_gone();
    }
}
