//! Ends of runtimes that hang, panic or leave something behind.

use super::{Flag, assert_all_workers_work, poll_with, runtime};
use filch::Runtime;
use filch::io::AsyncFd;
use filch::runtime::{Builder, Handle};
use filch::time::{Duration, sleep};
use filch_tests::census::{Census, settle};
use filch_tests::drops::Tally;
use filch_tests::guard::{HANG, eventually, within_reason};
use filch_tests::limits;
use std::future::{pending, poll_fn};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::task::{Poll, Waker};

/// The deadline of a shutdown was computed without looking whether it fits.
#[test]
fn a_shutdown_may_be_given_for_ever() {
    within_reason(|| {
        let rt = runtime(2);
        rt.spawn(pending::<()>()).detach();
        assert!(rt.shutdown_timeout(Duration::MAX));
    });
}

/// What a task waits for in `block_on` came only after the end had waited for that task: a join of one that never ends.
#[test]
fn a_task_that_blocks_on_a_join_does_not_stop_the_end() {
    blocked_while_the_runtime_ends(|handle, begun| {
        // It runs, so another thread works in place of the one that waits.
        let never = handle.spawn(async move {
            begun.send(()).unwrap();
            pending::<()>().await;
        });
        assert!(handle.block_on(never).unwrap_err().is_cancelled());
    });
}

/// The same with a timer.
#[test]
fn a_task_that_blocks_on_a_sleep_does_not_stop_the_end() {
    blocked_while_the_runtime_ends(|handle, begun| {
        handle.block_on(async move {
            let mut sleep = Box::pin(sleep(Duration::from_secs(3600)));
            let waits = futures_lite::future::poll_once(sleep.as_mut()).await;
            assert!(waits.is_none());
            begun.send(()).unwrap();
            sleep.await;
        });
    });
}

/// The same with a descriptor.
#[test]
fn a_task_that_blocks_on_a_descriptor_does_not_stop_the_end() {
    blocked_while_the_runtime_ends(|handle, begun| {
        let (_ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let theirs = AsyncFd::new(theirs).unwrap();
        let read = theirs.async_read(|mut stream| {
            let read = stream.read(&mut [0]);
            begun.send(()).unwrap();
            read
        });
        assert!(handle.block_on(read).is_err());
    });
}

/// The same with a blocking call that never begins.
#[test]
fn a_task_that_blocks_on_a_blocking_call_does_not_stop_the_end() {
    blocked_while_the_runtime_ends(|handle, begun| {
        let (go_on, may_go_on) = mpsc::channel::<()>();
        // It has the only thread until the task it waits for is gone.
        handle
            .spawn_blocking(move || {
                begun.send(()).unwrap();
                let _ = may_go_on.recv();
            })
            .detach();
        let never = handle.spawn_blocking(|| unreachable!("there is no thread for it"));
        let outcome: Result<(), _> = handle.block_on(never);
        assert!(outcome.unwrap_err().is_cancelled());
        drop(go_on);
    });
}

/// Runs `block` in a task, and drops the runtime once it has told that it waits; checks that both come to an end.
fn blocked_while_the_runtime_ends(block: fn(&Handle, mpsc::Sender<()>)) {
    for workers in [1, 2] {
        for round in 0..10 {
            within_reason(move || {
                let rt = Builder::new()
                    .worker_threads(workers)
                    .max_blocking_threads(1)
                    .build()
                    .unwrap();
                let (begun, has_begun) = mpsc::channel();
                let tally = Tally::new();
                let own = tally.track();
                let handle = rt.handle().clone();
                let task = rt.spawn(async move {
                    let _own = own;
                    block(&handle, begun);
                });
                has_begun.recv().expect("the task comes to block");
                if round % 2 == 0 {
                    // Else the end may come while the task is still about to wait.
                    std::thread::sleep(Duration::from_millis(2));
                }
                drop(rt);
                tally.assert_all_gone();
                // It was in the middle of its only poll, and what that checks has held.
                runtime(1).block_on(task).expect("no panic");
            });
        }
    }
}

/// In destructors that ran at the end nobody fired timers any more, and the timers were not over yet.
#[test]
fn a_destructor_that_blocks_on_a_sleep_does_not_stop_the_end() {
    struct Sleeps(Handle, Flag);
    impl Drop for Sleeps {
        fn drop(&mut self) {
            self.0.block_on(sleep(Duration::from_millis(10)));
            self.0.block_on(sleep(Duration::from_secs(3600)));
            self.1.set();
        }
    }
    for workers in [1, 2] {
        within_reason(move || {
            let rt = runtime(workers);
            let slept = Flag::default();
            let sleeps = Sleeps(rt.handle().clone(), slept.clone());
            let (begun, has_begun) = mpsc::channel();
            rt.spawn(async move {
                let _sleeps = sleeps;
                begun.send(()).unwrap();
                pending::<()>().await;
            })
            .detach();
            has_begun.recv().unwrap();
            drop(rt);
            assert!(slept.is_set());
        });
    }
}

/// A runtime that was dropped in a task of another one blocked that one's worker, and both for ever if it waited for the other.
#[test]
fn a_runtime_dropped_in_a_task_of_another_does_not_stop_it() {
    within_reason(|| {
        let (outer, inner) = (runtime(1), runtime(1));
        let (ending, is_ending) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let waits = inner.spawn({
            let outer = outer.handle().clone();
            async move {
                begun.send(()).unwrap();
                is_ending.recv().unwrap();
                // For the worker that drops this runtime.
                outer.block_on(outer.spawn(async { 6 })).unwrap()
            }
        });
        has_begun.recv().unwrap();
        let drops = outer.spawn(async move {
            ending.send(()).unwrap();
            drop(inner);
        });
        outer.block_on(drops).unwrap();
        assert_eq!(outer.block_on(waits).unwrap(), 6);
        assert_all_workers_work(&outer);
    });
}

/// The same with a shutdown that waits: another thread goes on as the worker meanwhile.
#[test]
fn a_shutdown_waited_for_in_a_task_of_another_runtime_does_not_stop_it() {
    within_reason(|| {
        let (outer, inner) = (runtime(1), runtime(1));
        let (ending, is_ending) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        inner
            .spawn({
                let outer = outer.handle().clone();
                async move {
                    begun.send(()).unwrap();
                    is_ending.recv().unwrap();
                    assert_eq!(outer.block_on(outer.spawn(async { 6 })).unwrap(), 6);
                }
            })
            .detach();
        has_begun.recv().unwrap();
        let ends = outer.spawn(async move {
            ending.send(()).unwrap();
            inner.shutdown_timeout(HANG)
        });
        assert!(outer.block_on(ends).unwrap());
        assert_all_workers_work(&outer);
    });
}

/// Two runtimes, each owned by a task of the other, waited for each other's end.
#[test]
fn two_runtimes_that_own_each_other_end() {
    for workers in [1, 2] {
        for _ in 0..20 {
            let (first, second) = (runtime(workers), runtime(workers));
            let tally = Tally::new();
            let (of_first, of_second) = (first.handle().clone(), second.handle().clone());
            let own = tally.track();
            of_first
                .spawn(async move {
                    let _owned = (second, own);
                    pending::<()>().await;
                })
                .detach();
            let own = tally.track();
            of_second
                .spawn(async move {
                    let _own = own;
                    sleep(Duration::from_millis(1)).await;
                    drop(first);
                })
                .detach();
            tally.wait_until_all_gone();
            for handle in [of_first, of_second] {
                eventually("both have ended", || {
                    handle.spawn(async {}).is_finished().then_some(())
                });
            }
        }
    }
}

/// The threads were joined without a deadline, so that a hook that blocks kept a shutdown with one.
#[test]
fn a_hook_that_blocks_does_not_keep_a_shutdown_beyond_its_deadline() {
    let released = Flag::default();
    let is_released = released.clone();
    let rt = Builder::new()
        .worker_threads(2)
        .on_thread_stop(move || {
            eventually("the test lets the hook go", || {
                is_released.is_set().then_some(())
            });
        })
        .build()
        .unwrap();
    let has_ended = within_reason(move || rt.shutdown_timeout(Duration::from_millis(20)));
    assert!(!has_ended, "a thread is still in its hook");
    released.set();
}

/// A handle of a task, a waker or a timer that lived on kept the runtime's drivers, of 3 descriptors each.
#[test]
fn what_outlives_a_runtime_keeps_no_descriptor() {
    limits::in_child("ends::what_outlives_a_runtime_keeps_no_descriptor", || {
        // What the process makes once it may keep.
        drop(runtime(1));
        let before = settle(&Census::now().unwrap());
        let (rt, kept) = within_reason(runtime_with_keepsakes);
        assert!(Census::now().unwrap().descriptors > before.descriptors);
        within_reason(move || drop(rt));
        settle(&before);
        let (waker, handle, joined, timer) = kept;
        waker.wake_by_ref();
        handle.spawn(async {}).detach();
        assert!(joined.is_finished());
        drop((waker, handle, joined, timer));
        settle(&before);
    });
}

type Keepsakes = (
    Waker,
    Handle,
    filch::JoinHandle<()>,
    std::pin::Pin<Box<filch::time::Sleep>>,
);

fn runtime_with_keepsakes() -> (Runtime, Keepsakes) {
    let rt = runtime(4);
    let (send, receive) = mpsc::channel();
    let joined = rt.spawn(poll_fn(move |cx| {
        let _ = send.send(cx.waker().clone());
        Poll::<()>::Pending
    }));
    let waker = receive.recv().unwrap();
    let handle = rt.handle().clone();
    let kept = rt.block_on(async move {
        let mut timer = Box::pin(sleep(Duration::from_secs(3600)));
        assert!(!poll_with(&mut timer, Waker::noop()));
        (waker, handle, joined, timer)
    });
    (rt, kept)
}

/// What a runtime keeps of the user's was dropped with its last cell, on a worker of another one, between two polls: if that blocked, the
/// worker's core left under its feet, and two threads ran one worker.
#[test]
fn hooks_go_with_the_runtime_and_not_with_its_last_task() {
    struct Blocks(Handle);
    impl Drop for Blocks {
        fn drop(&mut self) {
            let pause = async { sleep(Duration::from_millis(20)).await };
            self.0.block_on(pause);
        }
    }
    within_reason(|| {
        let lives = runtime(1);
        let (dropped, is_dropped) = mpsc::channel::<()>();
        let hooked = (Blocks(lives.handle().clone()), dropped);
        let ends = Builder::new()
            .worker_threads(1)
            .on_thread_start(move || {
                let _kept = &hooked;
            })
            .build()
            .unwrap();
        // The handle keeps the cell, and with it what the runtime consisted of.
        let task = ends.spawn(pending::<()>());
        drop(ends);
        assert_eq!(is_dropped.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        let awaits = lives.spawn(async move { task.await.unwrap_err().is_cancelled() });
        assert!(lives.block_on(awaits).unwrap());
    });
}

/// Each waited for the other's pool, whose thread waited for its own.
#[test]
fn two_runtimes_may_be_dropped_in_each_others_blocking_calls() {
    within_reason(|| {
        let (a, b) = (runtime(1), runtime(1));
        let (of_a, of_b) = (a.handle().clone(), b.handle().clone());
        let both = std::sync::Arc::new(std::sync::Barrier::new(2));
        let (done, is_done) = mpsc::channel();
        for (handle, other) in [(of_a, b), (of_b, a)] {
            let (both, done) = (both.clone(), done.clone());
            handle
                .spawn_blocking(move || {
                    both.wait();
                    drop(other);
                    done.send(()).unwrap();
                })
                .detach();
        }
        is_done.recv().unwrap();
        is_done.recv().unwrap();
    });
}

/// A task that dropped what was left of another runtime, and then blocked, was not known to be in the middle of its poll any more: the end of its own
/// runtime took it for one that waits, and dropped its future under its feet.
#[test]
fn a_task_that_drops_another_runtime_and_then_blocks_is_left_alone_by_the_end() {
    /// Knows whether it is dropped while it is polled.
    struct Blocks {
        own: Handle,
        other: Option<Handle>,
        begun: mpsc::Sender<()>,
        may_go_on: Flag,
        is_polled: Flag,
        dropped_in_poll: Flag,
    }
    impl Future for Blocks {
        type Output = ();

        fn poll(mut self: std::pin::Pin<&mut Self>, _cx: &mut std::task::Context<'_>) -> Poll<()> {
            let (is_polled, may_go_on) = (self.is_polled.clone(), self.may_go_on.clone());
            let (own, begun) = (self.own.clone(), self.begun.clone());
            drop(self.other.take());
            is_polled.set();
            // The flag is looked at now and then by whoever polls this, which is `block_on`.
            let waits = poll_fn(|cx| {
                if may_go_on.is_set() {
                    return Poll::Ready(());
                }
                let (waker, may_go_on) = (cx.waker().clone(), may_go_on.clone());
                std::thread::spawn(move || {
                    eventually("the end has come", || may_go_on.is_set().then_some(()));
                    waker.wake();
                });
                Poll::Pending
            });
            own.block_on(async {
                begun.send(()).unwrap();
                waits.await;
            });
            is_polled
                .0
                .store(false, std::sync::atomic::Ordering::SeqCst);
            Poll::Ready(())
        }
    }
    impl Drop for Blocks {
        fn drop(&mut self) {
            if self.is_polled.is_set() {
                self.dropped_in_poll.set();
            }
        }
    }
    for workers in [1, 2] {
        within_reason(move || {
            let (rt, other) = (runtime(workers), runtime(1));
            let last = other.handle().clone();
            drop(other);
            let (begun, has_begun) = mpsc::channel();
            let (may_go_on, dropped_in_poll) = (Flag::default(), Flag::default());
            let task = rt.spawn(Blocks {
                own: rt.handle().clone(),
                other: Some(last),
                begun,
                may_go_on: may_go_on.clone(),
                is_polled: Flag::default(),
                dropped_in_poll: dropped_in_poll.clone(),
            });
            // Its neighbour is cancelled when no worker is left, and so tells that it has come to that.
            let neighbour = rt.spawn(pending::<()>());
            has_begun.recv().expect("the task comes to block");
            let ends = std::thread::spawn(move || drop(rt));
            eventually("all that waits is cancelled", || {
                neighbour.is_finished().then_some(())
            });
            // The slabs are gone through in one go; this comes after it, or nearly so.
            std::thread::sleep(Duration::from_millis(5));
            assert!(!dropped_in_poll.is_set(), "dropped while it was polled");
            assert!(!task.is_finished());
            may_go_on.set();
            ends.join().unwrap();
            assert!(!dropped_in_poll.is_set(), "dropped while it was polled");
            runtime(1).block_on(task).expect("it has come to its end");
        });
    }
}
