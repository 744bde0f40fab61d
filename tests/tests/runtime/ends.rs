//! Does a task that panics or is aborted say so, and harm nobody?

use crate::{on_each, until};
use filch::JoinHandle;
use filch_tests::drops::Tally;
use std::future::pending;
use std::sync::mpsc;

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
