//! Do blocking calls join, panic and abort?

use crate::on_each;
use filch::runtime::{Builder, Handle};
use filch_tests::drops::Tally;
use filch_tests::guard::within_reason;
use std::sync::mpsc;

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
