//! Is a runtime the current one between `enter` and the end of the guard, and no longer?

use filch::runtime::{Builder, Handle, Runtime};
use filch::time::{Duration, Instant, sleep};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn workers(workers: usize) -> Runtime {
    Builder::new().worker_threads(workers).build().unwrap()
}

fn current() -> Option<usize> {
    Handle::try_current().ok().map(|handle| handle.workers())
}

#[test]
fn guards_nest() {
    let (one, two) = (workers(1), workers(2));
    let outer = one.enter();
    assert_eq!(current(), Some(1));
    {
        let _inner = two.handle().enter();
        assert_eq!(current(), Some(2));
        assert_eq!(one.block_on(async { current() }), Some(1));
        assert_eq!(current(), Some(2));
    }
    assert_eq!(current(), Some(1));
    drop(outer);
    assert_eq!(current(), None);
}

#[test]
fn the_guard_goes_with_a_panic_too() {
    let rt = workers(1);
    let entered = catch_unwind(AssertUnwindSafe(|| {
        let _guard = rt.enter();
        panic!("within");
    }));
    assert!(entered.is_err());
    assert_eq!(current(), None);
}

#[test]
fn another_order_is_refused() {
    let (one, two) = (workers(1), workers(2));
    let first = one.enter();
    let second = two.enter();
    let refused = catch_unwind(AssertUnwindSafe(|| drop(first))).unwrap_err();
    let text = refused.downcast::<&str>().unwrap();
    assert!(text.contains("another order"), "{text}");
    assert_eq!(current(), Some(2), "it is left to its guard");
    drop(second);
}

#[test]
fn tasks_timers_and_calls_are_the_runtimes() {
    let rt = Builder::new().start_paused(true).build().unwrap();
    let guard = rt.enter();
    let late = Instant::now() + Duration::from_secs(3600);
    let task = filch::spawn(async move {
        sleep(Duration::from_secs(3600)).await;
        Instant::now() >= late
    });
    let call = filch::spawn_blocking(current);
    drop(guard);
    assert!(rt.block_on(task).unwrap(), "it is the runtime's clock");
    assert_eq!(rt.block_on(call).unwrap(), Some(1));
}

#[test]
fn a_task_may_enter_another_runtime_and_its_own() {
    let (one, two) = (workers(1), workers(2));
    let (own, other) = (one.handle().clone(), two.handle().clone());
    let task = one.spawn(async move {
        let there = {
            let _guard = other.enter();
            filch::spawn(async { current() })
        };
        let here = {
            let _guard = own.enter();
            // The thread goes on with its tasks when this poll is over.
            filch::spawn_local(async { current() })
        };
        let after = filch::spawn(async { current() });
        [
            there.await.unwrap(),
            here.await.unwrap(),
            after.await.unwrap(),
        ]
    });
    assert_eq!(one.block_on(task).unwrap(), [Some(2), Some(1), Some(1)]);
}

/// The core goes to another thread while the guard is there.
#[test]
fn a_task_may_block_while_it_has_entered() {
    let (one, two) = (workers(1), workers(2));
    let other = two.handle().clone();
    let task = one.spawn(async move {
        let guard = other.enter();
        let inner = other.block_on(async {
            filch::yield_now().await;
            sleep(Duration::from_millis(1)).await;
            current()
        });
        let between = current();
        drop(guard);
        (inner, between, current())
    });
    let seen = one.block_on(task).unwrap();
    assert_eq!(seen, (Some(2), Some(2), Some(1)));
    assert_eq!(
        one.block_on(one.spawn(async { current() })).unwrap(),
        Some(1)
    );
}
