//! Does every listener get its signal, and does none go astray?
//!
//! Each test has signals of its own, because they belong to the whole process.

use filch::Runtime;
use filch::runtime::Builder;
use filch_net::signal::{Signal, SignalKind, ctrl_c, signal};
use filch_tests::census::{Census, settle};
use filch_tests::guard::within_reason;
use filch_tests::limits::in_child;
use futures_lite::StreamExt;
use futures_lite::future::{block_on, poll_once, yield_now};
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn run<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    within_reason(|| {
        let rt = Builder::new().worker_threads(2).build();
        rt.expect("a runtime").block_on(future)
    })
}

fn raise(kind: SignalKind) {
    let process = i32::try_from(std::process::id()).unwrap();
    // SAFETY: kill takes two numbers and touches no memory of ours; the signal has a handler.
    let sent = unsafe { libc::kill(process, kind.as_raw()) };
    assert_eq!(sent, 0);
}

async fn is_quiet(listener: &mut Signal) -> bool {
    poll_once(listener.recv()).await.is_none()
}

#[test]
fn every_listener_gets_it() {
    run(async {
        let kind = SignalKind::user_defined1();
        let mut listeners: Vec<_> = (0..3).map(|_| signal(kind).unwrap()).collect();
        let mut other = signal(SignalKind::window_change()).unwrap();
        for _ in 0..10 {
            raise(kind);
            for listener in &mut listeners {
                listener.recv().await.unwrap();
            }
        }
        assert!(is_quiet(&mut other).await);
        // One fewer: the others go on.
        drop(listeners.pop());
        raise(kind);
        for listener in &mut listeners {
            listener.recv().await.unwrap();
        }
    });
}

#[test]
fn tasks_wait_on_all_workers() {
    run(async {
        let kind = SignalKind::hangup();
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let mut listener = signal(kind).unwrap();
                filch::spawn(async move { listener.recv().await })
            })
            .collect();
        raise(kind);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
}

#[test]
fn what_came_while_nobody_waited_is_one() {
    run(async {
        let kind = SignalKind::user_defined2();
        let mut listener = signal(kind).unwrap();
        assert!(is_quiet(&mut listener).await);
        (0..100).for_each(|_| raise(kind));
        listener.recv().await.unwrap();
        // A signal to the process may be handled by another thread, a little later.
        while !is_quiet(&mut listener).await {}
        raise(kind);
        assert_eq!(listener.next().await, Some(()));
    });
}

#[test]
fn a_dropped_recv_takes_nothing() {
    run(async {
        let kind = SignalKind::io();
        let mut listener = signal(kind).unwrap();
        for _ in 0..100 {
            assert!(is_quiet(&mut listener).await);
            raise(kind);
            while is_quiet(&mut listener).await {
                yield_now().await;
            }
        }
    });
}

#[test]
fn each_of_several_runtimes_gets_it() {
    within_reason(|| {
        let kind = SignalKind::real_time(1).unwrap();
        let runtimes = [1, 2, 8].map(|workers| {
            let rt = Builder::new().worker_threads(workers).build();
            rt.expect("a runtime")
        });
        let listen = |rt: &Runtime| rt.block_on(async { signal(kind).unwrap() });
        let mut listeners: Vec<_> = runtimes.iter().map(listen).collect();
        for _ in 0..10 {
            raise(kind);
            for (rt, listener) in runtimes.iter().zip(&mut listeners) {
                assert_eq!(rt.block_on(listener.recv()), Some(()));
            }
        }
        // The others go on when one ends, and its listener learns of the end.
        let [first, ..] = runtimes;
        drop(first);
        assert_eq!(block_on(listeners[0].recv()), None);
        let rt = Runtime::new().unwrap();
        raise(kind);
        for listener in &mut listeners[1..] {
            assert_eq!(rt.block_on(listener.recv()), Some(()));
        }
    });
}

#[test]
fn what_came_before_the_first_poll_is_there() {
    run(async {
        let kind = SignalKind::real_time(2).unwrap();
        for _ in 0..100 {
            let mut listener = signal(kind).unwrap();
            raise(kind);
            assert_eq!(listener.recv().await, Some(()));
        }
    });
}

#[test]
fn real_time_signals_are_taken_together() {
    run(async {
        let kinds = [3, 4].map(|n| SignalKind::real_time(n).unwrap());
        let [mut low, mut high] = kinds.map(|kind| signal(kind).unwrap());
        // The system queues them: each of these calls the handler.
        (0..100).for_each(|_| raise(kinds[0]));
        low.recv().await.unwrap();
        while !is_quiet(&mut low).await {}
        assert!(is_quiet(&mut high).await, "they are told apart");
        raise(kinds[1]);
        high.recv().await.unwrap();
    });
}

#[test]
fn the_last_of_many_signals_is_never_lost() {
    run(async {
        let kind = SignalKind::real_time(5).unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let (mut listener, seen) = (signal(kind).unwrap(), count.clone());
        let listening = filch::spawn(async move {
            loop {
                listener.recv().await.unwrap();
                if seen.load(Ordering::SeqCst) == 1000 {
                    return;
                }
            }
        });
        // From a thread, while the task is anywhere in its wait. Who counts before the signal is seen after it.
        let thread = std::thread::spawn(move || {
            for _ in 0..1000 {
                count.fetch_add(1, Ordering::SeqCst);
                raise(kind);
            }
        });
        listening.await.unwrap();
        thread.join().unwrap();
    });
}

#[test]
fn signals_of_a_program_that_was_started_are_its_own() {
    run(async {
        let kind = SignalKind::real_time(6).unwrap();
        let mut listener = signal(kind).unwrap();
        for _ in 0..20 {
            let mut program = std::process::Command::new("sleep");
            let mut child = program.arg("1000").spawn().unwrap();
            // SAFETY: kill takes two numbers; the child is there until it is waited for.
            let sent = unsafe { libc::kill(child.id().try_into().unwrap(), kind.as_raw()) };
            assert_eq!(sent, 0);
            let status = child.wait().unwrap();
            assert_eq!(status.signal(), Some(kind.as_raw()), "the default action");
        }
        assert!(is_quiet(&mut listener).await);
    });
}

#[test]
fn signals_of_a_fork_are_its_own() {
    run(async {
        let kind = SignalKind::real_time(7).unwrap();
        let mut listener = signal(kind).unwrap();
        for _ in 0..20 {
            // SAFETY: what follows in the child is safe in a handler, as it must be there: raise and _exit.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: raise takes a number; its handler is ours.
                unsafe { libc::raise(kind.as_raw()) };
                // SAFETY: ends the process, and nothing else.
                unsafe { libc::_exit(7) };
            }
            let mut status = 0;
            // SAFETY: the kernel writes the status to where it is told, which is ours.
            let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!((ended, libc::WEXITSTATUS(status)), (child, 7));
        }
        assert!(is_quiet(&mut listener).await);
        raise(kind);
        listener.recv().await.unwrap();
    });
}

#[test]
fn a_listener_that_is_gone_leaves_the_signal_caught() {
    in_child("a_listener_that_is_gone_leaves_the_signal_caught", || {
        run(async {
            drop(signal(SignalKind::terminate()).unwrap());
            raise(SignalKind::terminate());
            // And the next one hears of the next.
            let mut listener = signal(SignalKind::terminate()).unwrap();
            raise(SignalKind::terminate());
            listener.recv().await.unwrap();
        });
    });
}

#[test]
fn ctrl_c_ends_no_process_that_waits_for_it() {
    in_child("ctrl_c_ends_no_process_that_waits_for_it", || {
        run(async {
            let mut asked = Box::pin(ctrl_c());
            assert!(poll_once(&mut asked).await.is_none());
            raise(SignalKind::interrupt());
            asked.await.unwrap();
            // The handler stays, so the default action does not come back.
            raise(SignalKind::interrupt());
        });
    });
}

#[test]
fn listeners_leave_nothing_behind() {
    in_child("listeners_leave_nothing_behind", || {
        let before = Census::now().unwrap();
        run(async {
            for _ in 0..1000 {
                let _listener = signal(SignalKind::alarm()).unwrap();
            }
            let open = Census::now().unwrap().descriptors;
            assert!(open < 100, "{open} descriptors");
            raise(SignalKind::alarm());
        });
        settle(&before);
    });
}
