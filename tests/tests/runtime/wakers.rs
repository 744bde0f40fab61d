//! May a waker be used anywhere and at any time?

use crate::on_each;
use std::future::poll_fn;
use std::sync::mpsc;
use std::task::{Poll, Waker};

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
