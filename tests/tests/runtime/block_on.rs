//! Does `block_on` work wherever it is called, and whose are the tasks that are spawned in it?

use crate::{on_each, runtime};
use filch::runtime::{Builder, Handle};
use filch_tests::guard::within_reason;

#[test]
fn block_on_works_on_any_thread() {
    let rt = runtime(2);
    assert_eq!(
        rt.block_on(async { filch::spawn(async { 3 }).await.unwrap() }),
        3
    );
    let handle = rt.handle().clone();
    let there =
        std::thread::spawn(move || handle.block_on(async { filch::spawn(async { 4 }).await }));
    assert_eq!(there.join().unwrap().unwrap(), 4);
    assert_eq!(rt.block_on(rt.handle().spawn_blocking(|| 5)).unwrap(), 5);
    // Within another block_on, of the same and of another runtime.
    let other = runtime(1);
    assert_eq!(
        rt.block_on(async { other.block_on(async { rt.block_on(async { 6 }) }) }),
        6
    );
}

#[test]
fn block_on_within_a_worker_does_not_hold_the_others_up() {
    fn nested(handle: Handle, depth: u32) -> u32 {
        if depth == 0 {
            return 0;
        }
        let inner = handle.clone();
        let task = handle.spawn(async move { nested(inner, depth - 1) });
        handle.block_on(async move { task.await.unwrap() }) + 1
    }

    for workers in [1, 2] {
        let rt = runtime(workers);
        within_reason(move || {
            let handle = rt.handle().clone();
            let depth = rt.block_on(async { filch::spawn(async { nested(handle, 50) }).await });
            assert_eq!(depth.unwrap(), 50);
        });
    }
}

#[test]
fn block_on_within_a_blocking_call() {
    on_each(|| async {
        let handle = Handle::current();
        let inner = filch::spawn_blocking(move || {
            handle.block_on(async { filch::spawn(async { 8 }).await.unwrap() })
        });
        assert_eq!(inner.await.unwrap(), 8);
    });
}

#[test]
fn a_panic_in_block_on_passes_through() {
    let rt = runtime(2);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        rt.block_on(async { panic!("through") });
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "through");
    assert_eq!(
        rt.block_on(async { filch::spawn(async { 1 }).await.unwrap() }),
        1
    );
}

/// `spawn` follows the nearest `block_on`, also on a worker of another runtime, and as long as nothing has waited yet.
#[test]
fn spawn_within_another_runtimes_block_on_is_that_ones() {
    let named = |name: &str| {
        Builder::new()
            .worker_threads(1)
            .thread_name(name)
            .build()
            .unwrap()
    };
    async fn where_am_i() -> String {
        let spawned = filch::spawn(async { std::thread::current().name().map(str::to_owned) });
        spawned.await.unwrap().unwrap()
    }
    let (outer, inner) = (named("outer"), named("inner"));
    let handle = outer.handle().clone();
    let task = outer.spawn(async move {
        let nested = inner.block_on(async {
            let first = filch::spawn(where_am_i());
            let back = handle.block_on(where_am_i());
            (first.await.unwrap(), back, where_am_i().await)
        });
        drop(inner);
        (nested, where_am_i().await)
    });
    let ((first, back, second), after) = outer.block_on(task).unwrap();
    assert_eq!(
        (first.as_str(), second.as_str()),
        ("inner-worker", "inner-worker")
    );
    assert_eq!(
        (back.as_str(), after.as_str()),
        ("outer-worker", "outer-worker")
    );
}
