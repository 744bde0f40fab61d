//! Does a task-local value belong to one task, in each of its polls, and to nobody else?

use filch::runtime::Builder;
use filch::task::{AccessError, LocalKey};
use filch::{Runtime, spawn, task_local, yield_now};
use filch_tests::guard::within_reason;
use std::cell::{Cell, RefCell};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

task_local! {
    static NUMBER: u32;
    /// With an attribute, and seen elsewhere.
    pub(crate) static TEXT: String;
    static COUNT: Cell<u32>
}

task_local! {}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn one_worker() -> Runtime {
    Builder::new().worker_threads(1).build().expect("a runtime")
}

#[test]
fn each_task_has_its_own_in_each_poll() {
    let rt = Builder::new().worker_threads(2).build().unwrap();
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            rt.spawn(NUMBER.scope(number, async move {
                for _ in 0..20 {
                    assert_eq!(NUMBER.get(), number);
                    yield_now().await;
                }
                // Tasks inherit nothing.
                let inner = spawn(async { NUMBER.try_get() });
                assert_eq!(inner.await.unwrap(), Err(AccessError));
                NUMBER.with(|number| *number)
            }))
        })
        .collect();
    within_reason(move || {
        for (number, task) in (0..).zip(tasks) {
            assert_eq!(rt.block_on(task).unwrap(), number);
        }
    });
}

#[test]
fn outside_of_scopes_there_is_none() {
    assert_eq!(NUMBER.try_with(|_| ()), Err(AccessError));
    assert!(AccessError.to_string().contains("scope"));
    assert!(catch_unwind(|| NUMBER.get()).is_err());
    let rt = one_worker();
    rt.block_on(rt.spawn(NUMBER.scope(1, async {}))).unwrap();
    let after = rt.spawn(async { NUMBER.try_get() });
    assert_eq!(rt.block_on(after).unwrap(), Err(AccessError));
}

#[test]
fn the_innermost_scope_counts() {
    let rt = one_worker();
    rt.block_on(NUMBER.scope(1, async {
        NUMBER
            .scope(2, async {
                yield_now().await;
                assert_eq!(NUMBER.get(), 2);
                assert_eq!(NUMBER.sync_scope(3, || NUMBER.get()), 3);
                assert_eq!(NUMBER.get(), 2);
            })
            .await;
        assert_eq!(NUMBER.get(), 1);
        TEXT.scope("beside".into(), async { assert_eq!(NUMBER.get(), 1) })
            .await;
    }));
}

#[test]
fn a_panic_puts_back_what_was_there() {
    NUMBER.sync_scope(1, || {
        let panics = || NUMBER.sync_scope(2, || panic!("as planned"));
        assert!(catch_unwind(panics).is_err());
        assert_eq!(NUMBER.get(), 1);
        let mut panics = pin!(NUMBER.scope(2, async { panic!("as planned") }));
        assert!(catch_unwind(AssertUnwindSafe(|| poll(panics.as_mut()))).is_err());
        assert_eq!(NUMBER.get(), 1);
        assert!(catch_unwind(|| NUMBER.with(|_| panic!("as planned"))).is_err());
        assert_eq!(NUMBER.get(), 1);
    });
    assert_eq!(NUMBER.try_get(), Err(AccessError));
}

/// Says what it finds when it is dropped.
struct Looks<'a>(&'a RefCell<Vec<Result<u32, AccessError>>>);

impl Drop for Looks<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(NUMBER.try_get());
    }
}

#[test]
fn the_value_is_there_while_the_future_is_dropped() {
    let found = RefCell::new(Vec::new());
    let waits = async {
        let _looks = Looks(&found);
        pending::<()>().await;
    };
    let mut waits = Box::pin(NUMBER.scope(1, waits));
    assert!(poll(waits.as_mut()).is_pending());
    drop(waits);
    let looks = Looks(&found);
    let mut ends = Box::pin(NUMBER.scope(2, async move {
        let _looks = looks;
    }));
    assert!(poll(ends.as_mut()).is_ready());
    assert_eq!(ends.as_mut().take_value(), Some(2));
    drop(ends);
    // Never polled, and without its value.
    let looks = Looks(&found);
    let mut untouched = Box::pin(NUMBER.scope(3, async move {
        let _looks = looks;
    }));
    assert_eq!(untouched.as_mut().take_value(), Some(3));
    assert_eq!(untouched.as_mut().take_value(), None);
    drop(untouched);
    assert_eq!(found.into_inner(), [Ok(1), Ok(2), Err(AccessError)]);
}

#[test]
fn the_value_can_be_changed_within_and_taken_out() {
    let mut counting = pin!(COUNT.scope(Cell::new(1), async {
        COUNT.with(|count| count.set(count.get() + 1));
        yield_now().await;
        COUNT.with(|count| count.set(count.get() + 1));
    }));
    assert!(poll(counting.as_mut()).is_pending());
    assert!(poll(counting.as_mut()).is_ready());
    assert_eq!(counting.as_mut().take_value(), Some(Cell::new(3)));
    let again = catch_unwind(AssertUnwindSafe(|| poll(counting.as_mut())));
    assert!(again.is_err(), "it has given its output");
}

#[test]
fn a_scope_within_a_look_is_refused() {
    NUMBER.sync_scope(1, || {
        let nested = || NUMBER.with(|_| NUMBER.sync_scope(2, || ()));
        assert!(catch_unwind(nested).is_err());
        assert_eq!(NUMBER.get(), 1);
        // Two looks at a time are fine.
        assert_eq!(NUMBER.with(|a| NUMBER.with(|b| a + b)), 2);
    });
}

#[test]
fn a_value_that_cannot_be_sent_stays_on_its_thread() {
    task_local! { static LOCAL: std::rc::Rc<u32>; }
    let rt = one_worker();
    let seven = rt.block_on(LOCAL.scope(7.into(), async {
        yield_now().await;
        LOCAL.with(|seven| **seven)
    }));
    assert_eq!(seven, 7);
    fn is_sync<T: Sync>(_: &T) {}
    is_sync::<LocalKey<std::rc::Rc<u32>>>(&LOCAL);
}
