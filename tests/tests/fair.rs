//! Does a task that always finds something ready let its siblings run?
//!
//! Each test has one worker, and a task that would never wait by itself. It goes on until a sibling that stands behind it in the queue has run; if it
//! were never made to give up its turn, that would be for ever, and the guard ends it.

use filch::io::{AsyncFd, Interest};
use filch::runtime::{Builder, Handle};
use filch::time::{Duration, interval, sleep, timeout};
use filch_tests::guard::within_reason;
use filch_tests::pipe::pipe;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs `greedy` as a task of the only worker, which nobody stands in for: a spare one would run the sibling.
fn on_one_worker<F: Future<Output = ()> + Send + 'static>(greedy: F) {
    let rt = Builder::new().worker_threads(1).max_spare_workers(0);
    let rt = rt.build().unwrap();
    within_reason(move || rt.block_on(rt.spawn(greedy)).expect("no panic"));
}

/// Puts a sibling into the queue; true when it has run.
fn sibling() -> impl Fn() -> bool {
    let ran = Arc::new(AtomicBool::new(false));
    let own = ran.clone();
    let sibling = async move {
        // Behind everything that is in the queue already.
        filch::yield_now().await;
        own.store(true, Ordering::Relaxed);
    };
    filch::spawn(sibling).detach();
    move || ran.load(Ordering::Relaxed)
}

#[test]
fn one_that_always_finds_data() {
    on_one_worker(async {
        let (read, write) = pipe().unwrap();
        let (read, write) = (AsyncFd::new(read).unwrap(), AsyncFd::new(write).unwrap());
        let has_run = sibling();
        while !has_run() {
            let written = write.async_write(|mut end| end.write(b"x")).await;
            assert_eq!(written.unwrap(), 1);
            let read = read.async_read(|mut end| end.read(&mut [0])).await;
            assert_eq!(read.unwrap(), 1);
        }
    });
}

/// A descriptor that is ready and stays so, and nobody tries it: waiting for readiness is an operation too.
fn one_that_waits_for<F>(readiness: impl Fn(Arc<AsyncFd<std::fs::File>>) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send,
{
    let greedy = async move {
        let (_read, write) = pipe().unwrap();
        let write = Arc::new(AsyncFd::new(write).unwrap());
        let has_run = sibling();
        while !has_run() {
            readiness(write.clone()).await;
        }
    };
    on_one_worker(greedy);
}

#[test]
fn one_that_waits_for_what_is_readable() {
    one_that_waits_for(|end| async move {
        // Nobody has tried yet if it is.
        let _guard = end.readable().await.unwrap();
    });
}

#[test]
fn one_that_waits_for_what_is_writable() {
    one_that_waits_for(|end| async move {
        let _guard = end.writable().await.unwrap();
    });
}

#[test]
fn one_that_waits_for_either_direction() {
    one_that_waits_for(|end| async move {
        let ready = end.readiness(Interest::Both).await.unwrap();
        assert!(ready.is_writable());
    });
}

#[test]
fn one_that_polls_for_readiness() {
    one_that_waits_for(|end| async move {
        poll_fn(|cx| end.poll_read_ready(cx).map_ok(drop))
            .await
            .unwrap();
        poll_fn(|cx| end.poll_write_ready(cx).map_ok(drop))
            .await
            .unwrap();
    });
}

#[test]
fn one_that_joins_tasks_that_are_complete() {
    on_one_worker(async {
        // Of a runtime of their own, so that they complete without this one's worker.
        let other = filch::Runtime::new().unwrap();
        let has_run = sibling();
        while !has_run() {
            let tasks: Vec<_> = (0..300).map(|n| other.spawn(async move { n })).collect();
            filch_tests::guard::spin_until("they are complete", || {
                tasks.iter().all(filch::JoinHandle::is_finished)
            });
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.unwrap(), n);
            }
        }
    });
}

#[test]
fn one_whose_sleep_is_over() {
    on_one_worker(async {
        let mut over = Box::pin(sleep(Duration::from_millis(1)));
        over.as_mut().await;
        let has_run = sibling();
        while !has_run() {
            over.as_mut().await;
        }
    });
}

#[test]
fn one_whose_interval_is_behind() {
    on_one_worker(async {
        let mut behind = interval(Duration::from_nanos(1));
        let has_run = sibling();
        while !has_run() {
            behind.tick().await;
        }
    });
}

/// The budget of a task must not let a future escape its deadline.
#[test]
fn a_deadline_holds_for_a_future_that_never_waits() {
    let rt = Builder::new().worker_threads(1).build().unwrap();
    within_reason(move || {
        let task = rt.spawn(async {
            let mut behind = interval(Duration::from_nanos(1));
            let endless = async {
                loop {
                    behind.tick().await;
                }
            };
            let ended: Result<(), _> = timeout(Duration::from_millis(5), endless).await;
            assert!(ended.is_err());
        });
        rt.block_on(task).expect("no panic");
    });
}

/// A thread that has handed its worker on has no budget: nobody would renew it.
#[test]
fn block_on_within_a_task_is_not_rationed() {
    let rt = Builder::new().worker_threads(1).build().unwrap();
    within_reason(move || {
        let task = rt.spawn(async {
            let mut behind = interval(Duration::from_nanos(1));
            Handle::current().block_on(async {
                for _ in 0..1000 {
                    behind.tick().await;
                }
                filch::yield_now().await;
                for _ in 0..1000 {
                    behind.tick().await;
                }
            });
        });
        rt.block_on(task).expect("no panic");
    });
}
