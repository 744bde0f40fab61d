//! Does every listener get its signal, and does none go astray?
//!
//! Each test has signals of its own, because they belong to the whole process.

use filch::runtime::Builder;
use filch_net::signal::{Signal, SignalKind, ctrl_c, signal};
use filch_tests::census::{Census, settle};
use filch_tests::guard::within_reason;
use filch_tests::limits::in_child;
use futures_lite::StreamExt;
use futures_lite::future::{poll_once, yield_now};

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
