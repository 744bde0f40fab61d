//! Every interleaving of two or three parties at one task: what each side may do, against each other.

use super::testing::{TestQueue, counted, spawn, spawn_home};
use crate::sys::sync::atomic::{AtomicBool, Ordering};
use crate::sys::sync::{Arc, Mutex, thread};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Waker};

fn model(run: impl Fn() + Send + Sync + 'static) {
    model_bounded(3, run);
}

fn model_bounded(preemptions: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(run);
}

/// A waker that does nothing, and is not the one that a task gets.
fn idle_waker() -> Waker {
    Waker::noop().clone()
}

/// Two threads set a flag each (relaxed) and wake; the task must see both, whatever the order: a wake publishes the waker's writes.
fn wakes_publish(by_value: bool, home: bool) {
    // Four threads: more preemptions take minutes.
    model_bounded(2, move || {
        let queue = TestQueue::new();
        let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let future = {
            let (flags, waker) = (flags.clone(), waker.clone());
            poll_fn(move |cx| {
                if waker.lock().is_none() {
                    *waker.lock() = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                match flags.iter().all(|flag| flag.load(Ordering::Relaxed)) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            })
        };
        drop(if home {
            spawn_home(&queue, future)
        } else {
            spawn(&queue, future)
        });
        queue.pop().expect("just spawned").run();
        let stored = waker.lock().clone().expect("stored by the first poll");
        let threads = [0, 1].map(|n| {
            let (flags, stored) = (flags.clone(), stored.clone());
            thread::spawn(move || {
                flags[n].store(true, Ordering::Relaxed);
                if by_value {
                    stored.wake()
                } else {
                    stored.wake_by_ref()
                }
            })
        });
        drop(stored);
        // Ends only if the last wake was followed by a poll that saw both flags. The cell is freed when the future's own copy goes.
        let runner = thread::spawn({
            let queue = queue.clone();
            move || {
                while !flags.iter().all(|flag| flag.load(Ordering::Relaxed))
                    || Arc::strong_count(&flags) > 1
                {
                    match queue.pop() {
                        Some(task) => task.run(),
                        None => thread::yield_now(),
                    }
                }
            }
        });
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        runner.join().unwrap();
        drop(waker.lock().take());
        assert_eq!(queue.freed.load(SeqCst), 1);
    });
}

#[test]
fn loom_task_wake_by_ref_publishes() {
    wakes_publish(false, false);
}

#[test]
fn loom_task_wake_by_value_publishes() {
    wakes_publish(true, false);
}

#[test]
fn loom_task_home_wake_publishes() {
    wakes_publish(true, true);
}

/// The joiner polls, with two different wakers, while the task runs: it gets the output, once, or is woken with the last waker.
#[test]
fn loom_task_join_against_completion() {
    model(|| {
        let queue = TestQueue::new();
        let (drops, output) = counted();
        let mut handle = spawn(&queue, async move { output });
        let joiner = thread::spawn(move || {
            let mut handle = pin!(&mut handle);
            let first = handle
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            match first {
                Poll::Ready(output) => drop(output.unwrap()),
                Poll::Pending => loom::future::block_on(async { drop(handle.await.unwrap()) }),
            }
        });
        queue.run_until_freed(1);
        joiner.join().unwrap();
        assert_eq!(drops.load(SeqCst), 1);
    });
}

/// The handle is dropped, having registered a waker or not, while the task completes: the output is dropped once.
fn drop_against_completion(registered: bool) {
    model(move || {
        let queue = TestQueue::new();
        let (drops, output) = counted();
        let mut handle = spawn(&queue, async move { output });
        if registered {
            let poll = pin!(&mut handle).poll(&mut Context::from_waker(&idle_waker()));
            assert!(poll.is_pending());
        }
        let dropper = thread::spawn(move || drop(handle));
        queue.run_until_freed(1);
        dropper.join().unwrap();
        assert_eq!(drops.load(SeqCst), 1);
        assert_eq!(queue.freed.load(SeqCst), 1);
    });
}

#[test]
fn loom_task_drop_handle_against_completion() {
    drop_against_completion(false);
}

#[test]
fn loom_task_drop_registered_handle_against_completion() {
    drop_against_completion(true);
}

/// Abort, a wake and the run race: the future is dropped once, and the handle learns the end.
#[test]
fn loom_task_abort_against_wake_and_run() {
    model(|| {
        let queue = TestQueue::new();
        let (drops, held) = counted();
        let handle = spawn(&queue, {
            let mut polls = 0;
            poll_fn(move |cx| {
                let _held = &held;
                polls += 1;
                cx.waker().wake_by_ref();
                if polls == 2 {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
        });
        let aborter = thread::spawn(move || {
            handle.abort();
            drop(handle);
        });
        queue.run_until_freed(1);
        aborter.join().unwrap();
        assert_eq!(drops.load(SeqCst), 1);
        assert_eq!(queue.freed.load(SeqCst), 1);
    });
}

/// An idle task is aborted while another thread wakes it by value: it is queued once, and ends once.
#[test]
fn loom_task_abort_idle_against_wake_by_value() {
    model(|| {
        let queue = TestQueue::new();
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let handle = spawn(&queue, {
            let waker = waker.clone();
            poll_fn(move |cx| {
                let woken = waker.lock().replace(cx.waker().clone()).is_some();
                if woken {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
        });
        queue.pop().expect("just spawned").run();
        let taken = waker.lock().clone().expect("stored by the first poll");
        let aborter = thread::spawn(move || handle.abort());
        let waking = thread::spawn(move || taken.wake());
        aborter.join().unwrap();
        waking.join().unwrap();
        while let Some(task) = queue.pop() {
            task.run();
        }
        drop(waker.lock().take());
        assert_eq!(queue.freed.load(SeqCst), 1);
    });
}

/// The last waker goes on another thread while the task completes: the cell is freed by one of them.
#[test]
fn loom_task_last_waker_against_completion() {
    model(|| {
        let queue = TestQueue::new();
        let waker = Arc::new(Mutex::new(None::<Waker>));
        drop(spawn(&queue, {
            let waker = waker.clone();
            poll_fn(move |cx| {
                let mut waker = waker.lock();
                if waker.is_some() {
                    return Poll::Ready(());
                }
                *waker = Some(cx.waker().clone());
                cx.waker().wake_by_ref();
                Poll::Pending
            })
        }));
        queue.pop().expect("just spawned").run();
        let taken = waker.lock().clone().expect("stored by the first poll");
        let dropper = thread::spawn(move || drop(taken));
        let other = waker.clone();
        let second = thread::spawn(move || drop(other.lock().clone()));
        while let Some(task) = queue.pop() {
            task.run();
        }
        dropper.join().unwrap();
        second.join().unwrap();
        drop(waker.lock().take());
        assert_eq!(queue.freed.load(SeqCst), 1);
    });
}
