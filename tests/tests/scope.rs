//! Have all children ended when a scope returns, whatever happens, and does what was first come out?

use filch::scope::{Builder, CancelReason, Scope, TryScope};
use filch::task::on_cancel;
use filch::time::{self, Duration, error::Elapsed, sleep, timeout};
use filch::{scope, try_scope};
use filch_tests::drops::{Tally, Tracked};
use filch_tests::guard::{eventually, within_reason};
use filch_tests::runtime;
use std::future::{pending, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

const LONG: Duration = Duration::from_secs(3600);

/// In `block_on` and in a task, with one worker and with four.
fn with_each<F, Fut>(test: F)
where
    F: Fn(Arc<Tally>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    within_reason(move || {
        for workers in [1, 4] {
            let rt = runtime(workers);
            let tally = Arc::new(Tally::new());
            rt.block_on(test(tally.clone()));
            tally.assert_all_gone();
            rt.block_on(rt.spawn(test(tally.clone()))).unwrap();
            tally.assert_all_gone();
        }
    });
}

/// Waits for ever, and keeps what is tracked.
async fn forever<T>(own: Tracked) -> T {
    let _own = own;
    pending().await
}

/// What `future` panics with, as text.
async fn panic_of<F: Future>(future: F) -> String {
    let mut future = pin!(future);
    let payload = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(_)) => panic!("it did not panic"),
            Err(payload) => Poll::Ready(payload),
        }
    })
    .await;
    (*payload.downcast::<&str>().expect("a literal")).to_owned()
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_scope_waits_for_all_its_children() {
    with_each(|tally| async move {
        let seen = tally.clone();
        let output = scope(|s| async move {
            for n in 0..100 {
                let own = tally.track();
                s.spawn(async move {
                    let own = own;
                    for _ in 0..n % 7 {
                        filch::yield_now().await;
                    }
                    // The output goes with the child, since nobody asks for it.
                    own
                });
            }
            "output"
        })
        .await;
        assert_eq!(output, "output");
        seen.assert_all_gone();
    });
}

#[test]
fn handles_give_outputs_in_any_order() {
    with_each(|_| async {
        let squares = scope(|s| async move {
            let handles: Vec<_> = (0..100_u64)
                .map(|n| s.spawn(async move { n * n }))
                .collect();
            let mut sum = 0;
            for handle in handles.into_iter().rev() {
                sum += handle.await.unwrap();
            }
            sum
        })
        .await;
        assert_eq!(squares, 328_350);
    });
}

#[test]
fn a_hundred_thousand_children() {
    with_each(|_| async {
        let done = Arc::new(AtomicUsize::new(0));
        let count = done.clone();
        scope(|s| async move {
            for n in 0..100_000 {
                let count = count.clone();
                s.spawn(async move {
                    if n % 5 == 0 {
                        filch::yield_now().await;
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                });
            }
        })
        .await;
        assert_eq!(done.load(Ordering::Relaxed), 100_000);
    });
}

#[test]
fn a_hundred_thousand_children_are_cancelled() {
    with_each(|tally| async move {
        let seen = tally.clone();
        scope(|s| async move {
            for _ in 0..100_000 {
                s.spawn(forever::<()>(tally.track()));
            }
            s.cancel();
        })
        .await;
        seen.assert_all_gone();
    });
}

#[test]
fn children_spawn_into_the_same_scope() {
    fn tree(s: &Scope, depth: u32, leaves: &Arc<AtomicUsize>) {
        let (scope, leaves) = (s.clone(), leaves.clone());
        s.spawn(async move {
            filch::yield_now().await;
            if depth == 0 {
                leaves.fetch_add(1, Ordering::Relaxed);
            } else {
                (0..2).for_each(|_| tree(&scope, depth - 1, &leaves));
            }
        });
    }
    with_each(|_| async {
        let leaves = Arc::new(AtomicUsize::new(0));
        let count = leaves.clone();
        scope(|s| async move { tree(&s, 8, &count) }).await;
        assert_eq!(leaves.load(Ordering::Relaxed), 256);
    });
}

#[test]
fn a_panic_of_a_child_ends_the_others_and_is_resumed() {
    with_each(|tally| async move {
        let seen = tally.clone();
        let text = panic_of(scope(|s| async move {
            for _ in 0..10 {
                s.spawn(forever::<()>(tally.track()));
            }
            let own = tally.track();
            s.spawn(async move {
                let _own = own;
                filch::yield_now().await;
                panic!("of a child");
            });
            forever::<()>(tally.track()).await;
        }))
        .await;
        assert_eq!(text, "of a child");
        seen.assert_all_gone();
    });
}

#[test]
fn a_panic_of_the_body_ends_the_children_and_is_resumed() {
    with_each(|tally| async move {
        for early in [true, false] {
            let (seen, tally) = (tally.clone(), tally.clone());
            let text = panic_of(scope(|s| {
                s.spawn(forever::<()>(tally.track()));
                assert!(!early, "before it is a future");
                async move {
                    filch::yield_now().await;
                    panic!("of the body");
                }
            }))
            .await;
            let expected = if early {
                "before it is a future"
            } else {
                "of the body"
            };
            assert_eq!(text, expected);
            seen.assert_all_gone();
        }
    });
}

#[test]
fn the_first_error_comes_out() {
    with_each(|tally| async move {
        let seen = tally.clone();
        let result: Result<(), u32> = try_scope(|s| async move {
            let fails = Arc::new(AtomicBool::new(false));
            for n in 0..10 {
                let (own, fails) = (tally.track(), fails.clone());
                s.spawn(async move {
                    let _own = own;
                    while n != 7 && !fails.load(Ordering::SeqCst) {
                        filch::yield_now().await;
                    }
                    if n == 7 {
                        return Err(n);
                    }
                    Ok(())
                });
            }
            s.spawn(forever::<Result<(), _>>(tally.track()));
            forever(tally.track()).await
        })
        .await;
        assert_eq!(result, Err(7));
        seen.assert_all_gone();
    });
}

/// Each child that is cancelled fails in its turn, or panics; that is too late.
#[test]
fn what_comes_after_the_first_is_lost() {
    struct PanicsWhenDropped(Tracked);
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            let Self(_dropped_all_the_same) = self;
            panic!("too late");
        }
    }
    with_each(|tally| async move {
        let seen = tally.clone();
        let result: Result<(), &str> = try_scope(|s| async move {
            for _ in 0..5 {
                let late = PanicsWhenDropped(tally.track());
                s.spawn(async move {
                    let _late = late;
                    pending::<Result<(), _>>().await
                });
            }
            let first = s.spawn(async { Err::<(), _>("first") });
            assert!(first.await.unwrap_err().is_cancelled());
            Err("the body's")
        })
        .await;
        assert_eq!(result, Err("first"));
        seen.assert_all_gone();
    });
}

#[test]
fn an_error_of_the_body_ends_the_children() {
    with_each(|tally| async move {
        let seen = tally.clone();
        let result: Result<(), String> = try_scope(|s| async move {
            s.spawn(forever::<Result<(), _>>(tally.track()));
            filch::yield_now().await;
            Err("of the body".to_owned())
        })
        .await;
        assert_eq!(result.unwrap_err(), "of the body");
        seen.assert_all_gone();
    });
}

#[test]
fn no_error_no_cancellation() {
    with_each(|_| async {
        let result: Result<_, String> = try_scope(|s| async move {
            let handle = s.spawn(async { Ok(1) });
            s.spawn(async {
                filch::yield_now().await;
                Ok(())
            });
            Ok(handle.await.unwrap() + 1)
        })
        .await;
        assert_eq!(result, Ok(2));
    });
}

#[test]
fn a_request_ends_the_children_and_not_the_body() {
    with_each(|tally| async move {
        let output = scope(|s| async move {
            let waiting = s.spawn(forever::<()>(tally.track()));
            assert_eq!((s.cancel_reason(), s.len()), (None, 1));
            s.cancel();
            assert!(waiting.await.unwrap_err().is_cancelled());
            assert_eq!(s.cancel_reason(), Some(CancelReason::Requested));
            let refused = s.spawn(forever::<()>(tally.track()));
            assert!(refused.is_finished() && refused.await.unwrap_err().is_cancelled());
            let refused = s.spawn_when_free(forever::<()>(tally.track())).await;
            assert!(refused.await.is_err());
            while !s.is_empty() {
                filch::yield_now().await;
            }
            "of the body"
        })
        .await;
        assert_eq!(output, "of the body");
    });
}

#[test]
fn a_panic_after_a_request_is_resumed_still() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    with_each(|_| async {
        let text = panic_of(scope(|s| async move {
            let bomb = Bomb;
            s.spawn(async move {
                let _bomb = bomb;
                pending::<()>().await;
            });
            filch::yield_now().await;
            s.cancel();
        }))
        .await;
        assert_eq!(text, "in a destructor");
    });
}

/// Children that are being spawned, by others and on other workers, while the scope is cancelled: each is either refused or aborted.
#[test]
fn a_child_that_is_spawned_meanwhile_is_cancelled_too() {
    with_each(|tally| async move {
        for _ in 0..50 {
            let (seen, tally) = (tally.clone(), tally.clone());
            scope(|s| async move {
                for _ in 0..4 {
                    let (s, tally) = (s.clone(), tally.clone());
                    let inner = s.clone();
                    s.spawn(async move {
                        while inner.cancel_reason().is_none() {
                            (0..5).for_each(|_| drop(inner.spawn(forever::<()>(tally.track()))));
                            filch::yield_now().await;
                        }
                    });
                }
                while s.len() < 50 {
                    filch::yield_now().await;
                }
                s.cancel();
            })
            .await;
            seen.assert_all_gone();
        }
    });
}

#[test]
fn one_child_may_be_aborted() {
    with_each(|tally| async move {
        scope(|s| async move {
            let (one, other) = (
                s.spawn(forever::<()>(tally.track())),
                s.spawn(async { "other" }),
            );
            one.abort();
            assert!(one.await.unwrap_err().is_cancelled());
            assert_eq!(other.await.unwrap(), "other");
            assert_eq!(s.cancel_reason(), None);
        })
        .await;
    });
}

#[test]
fn a_timeout_ends_body_and_children() {
    with_each(|tally| async move {
        let seen = tally.clone();
        let builder = Builder::new().timeout(Duration::from_millis(5));
        let result = builder
            .clone()
            .run(|s| async move {
                s.spawn(forever::<()>(tally.track()));
                forever::<()>(tally.track()).await;
            })
            .await;
        assert_eq!(
            result.map_err(|error: Elapsed| error.to_string()).ok(),
            None
        );
        seen.assert_all_gone();

        let tally = seen.clone();
        let result: io::Result<&str> = builder
            .try_run(|s| async move {
                s.spawn(forever::<io::Result<()>>(tally.track()));
                // The body is done: the time counts for children too.
                Ok("done")
            })
            .await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
        seen.assert_all_gone();

        let result = Builder::new()
            .timeout(LONG)
            .run(|s| async move { s.spawn(async { 7 }).await.unwrap() });
        assert_eq!(result.await, Ok(7));
    });
}

/// A body that uses up its budget in each poll does not escape.
#[test]
fn a_timeout_ends_a_body_that_is_never_idle() {
    with_each(|_| async {
        let result = Builder::new()
            .timeout(Duration::from_millis(5))
            .run(|s| async move {
                loop {
                    s.spawn(async {}).await.unwrap();
                }
            });
        assert!(result.await.map(|(): ()| ()).is_err());
    });
}

#[test]
fn a_scope_that_is_dropped_tells_its_children_at_once() {
    with_each(|tally| async move {
        let reason = Arc::new(std::sync::OnceLock::new());
        let (seen, handed) = (tally.clone(), reason.clone());
        {
            let mut running = pin!(scope(|s| async move {
                for _ in 0..100 {
                    s.spawn(forever::<()>(tally.track()));
                }
                handed.set(s.clone()).expect("once");
                forever::<()>(tally.track()).await;
            }));
            assert!(poll_once(running.as_mut()).is_pending());
            assert_eq!(seen.alive(), 101);
        }
        let s: &Scope = reason.get().expect("the body has run");
        assert_eq!(s.cancel_reason(), Some(CancelReason::Dropped));
        assert!(s.spawn(async {}).is_finished(), "refused");
        while seen.alive() > 0 {
            filch::yield_now().await;
        }
    });
}

#[test]
fn a_scope_that_was_never_polled_has_done_nothing() {
    let running = scope(|_| async { unreachable!("nobody polls it") });
    drop(running);
    let result = catch_unwind(|| {
        let mut running = pin!(scope(|_| async {}));
        poll_once(running.as_mut()).is_ready()
    });
    assert!(result.is_err(), "it needs a runtime");
}

#[test]
fn an_outer_scope_waits_for_what_an_inner_one_leaves() {
    with_each(|tally| async move {
        let seen = tally.clone();
        let depths = Arc::new(AtomicUsize::new(0));
        let reached = depths.clone();
        /// Scopes in children of scopes, with something left to do in each.
        fn nest(
            depth: usize,
            tally: Arc<Tally>,
            reached: Arc<AtomicUsize>,
        ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(scope(move |s| async move {
                for _ in 0..10 {
                    s.spawn(forever::<()>(tally.track()));
                }
                reached.fetch_add(1, Ordering::SeqCst);
                if depth > 0 {
                    s.spawn(nest(depth - 1, tally, reached));
                }
                pending().await
            }))
        }
        let result = scope(|s| async move {
            s.spawn(nest(4, tally.clone(), depths.clone()));
            // The one in the body is dropped there.
            let inner = nest(4, tally, depths.clone());
            let mut inner = pin!(inner);
            while depths.load(Ordering::SeqCst) < 10 {
                assert!(poll_once(inner.as_mut()).is_pending());
                filch::yield_now().await;
            }
            s.cancel();
            "cancelled"
        })
        .await;
        assert_eq!((result, reached.load(Ordering::SeqCst)), ("cancelled", 10));
        seen.assert_all_gone();
    });
}

#[test]
fn an_inner_error_stays_inside_unless_it_is_passed_on() {
    with_each(|_| async {
        let result: Result<&str, u8> = try_scope(|s: TryScope<u8>| async move {
            let inner = s.spawn(async {
                let inner: Result<(), &str> = try_scope(|s| async move {
                    s.spawn(async { Err::<(), _>("inner") });
                    pending().await
                })
                .await;
                Ok(inner.unwrap_err())
            });
            Ok(inner.await.unwrap())
        })
        .await;
        assert_eq!(result, Ok("inner"));
    });
}

#[test]
fn no_more_children_are_in_flight_than_the_limit() {
    struct InFlight(Arc<AtomicUsize>);
    impl Drop for InFlight {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    for when_free in [false, true] {
        with_each(move |tally| async move {
            for limit in [1, 4] {
                // One fewer than the limit, as many, one more, and many more.
                for children in [limit - 1, limit, limit + 1, 50 * limit] {
                    let (now, most) =
                        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
                    let highest = most.clone();
                    let tally = tally.clone();
                    let running = Builder::new().max_in_flight(limit).run(|s| async move {
                        for _ in 0..children {
                            let (now, most, own) = (now.clone(), most.clone(), tally.track());
                            let child = async move {
                                let _own = own;
                                let _in_flight = InFlight(now.clone());
                                most.fetch_max(
                                    now.fetch_add(1, Ordering::SeqCst) + 1,
                                    Ordering::SeqCst,
                                );
                                // Until all who may be there are: no clock decides what the most is.
                                while most.load(Ordering::SeqCst) < limit.min(children) {
                                    filch::yield_now().await;
                                }
                            };
                            if when_free {
                                s.spawn_when_free(child).await;
                                // And those that have ended, and have yet to say so: one on each thread.
                                assert!(s.len() <= limit + 5, "{} of {limit}", s.len());
                            } else {
                                s.spawn(child);
                            }
                        }
                    });
                    running.await;
                    assert_eq!(highest.load(Ordering::SeqCst), limit.min(children));
                }
            }
        });
    }
}

#[test]
fn those_that_wait_for_their_turn_are_cancelled_like_others() {
    with_each(|tally| async move {
        let seen = tally.clone();
        let result = Builder::new()
            .max_in_flight(2)
            .timeout(Duration::from_millis(5))
            .run(|s| async move {
                for _ in 0..20 {
                    s.spawn(forever::<()>(tally.track()));
                }
                s.spawn_when_free(forever::<()>(tally.track())).await;
                unreachable!("nobody makes room");
            })
            .await;
        assert!(result.map(|(): ()| ()).is_err());
        seen.assert_all_gone();
    });
}

#[test]
#[should_panic(expected = "max_in_flight of 0")]
fn a_limit_of_nothing_is_refused() {
    let _ = Builder::new().max_in_flight(0);
}

#[test]
fn a_scope_that_is_left_over_refuses() {
    with_each(|tally| async move {
        let left = scope(|s| async move { s }).await;
        let handle = left.spawn(forever::<()>(tally.track()));
        tally.assert_all_gone();
        assert!(handle.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_runtime_that_ends_takes_the_children_along() {
    within_reason(|| {
        let other = runtime(1);
        for workers in [1, 4] {
            let rt = runtime(workers);
            let tally = Tally::new();
            let own = tally.track();
            let (begun, has_begun) = std::sync::mpsc::channel();
            let running = rt.spawn(async move {
                scope(|s| async move {
                    s.spawn(forever::<()>(own));
                    begun.send(s).expect("the test waits");
                    pending::<()>().await;
                })
                .await;
            });
            let s = has_begun.recv().unwrap();
            drop(rt);
            tally.assert_all_gone();
            assert!(other.block_on(running).unwrap_err().is_cancelled());
            assert!(other.block_on(s.spawn(async {})).is_err());
        }
    });
}

// Cleanups.

/// A cleanup that takes a while, and says when it is done.
async fn slow(own: Tracked, done: Arc<AtomicUsize>) {
    let _own = own;
    for _ in 0..3 {
        sleep(Duration::from_millis(1)).await;
    }
    done.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_scope_waits_for_cleanups() {
    with_each(|tally| async move {
        let (seen, done) = (tally.clone(), Arc::new(AtomicUsize::new(0)));
        let count = done.clone();
        scope(|s| async move {
            let begun = Arc::new(AtomicUsize::new(0));
            for _ in 0..10 {
                let cleanup = slow(tally.track(), count.clone());
                let (own, begun) = (tally.track(), begun.clone());
                let work = async move {
                    begun.fetch_add(1, Ordering::SeqCst);
                    forever::<()>(own).await;
                };
                s.spawn(on_cancel(work, LONG, cleanup));
            }
            while begun.load(Ordering::SeqCst) < 10 {
                filch::yield_now().await;
            }
            s.cancel();
        })
        .await;
        assert_eq!(done.load(Ordering::SeqCst), 10);
        seen.assert_all_gone();
    });
}

#[test]
fn a_cleanup_of_the_body_is_waited_for_too() {
    with_each(|tally| async move {
        let (seen, done) = (tally.clone(), Arc::new(AtomicUsize::new(0)));
        let count = done.clone();
        let result: Result<(), &str> = try_scope(|s| async move {
            s.spawn(async {
                filch::yield_now().await;
                Err::<(), _>("stops it")
            });
            let cleanup = slow(tally.track(), count);
            on_cancel(forever(tally.track()), LONG, cleanup).await
        })
        .await;
        assert_eq!((result, done.load(Ordering::SeqCst)), (Err("stops it"), 1));
        seen.assert_all_gone();
    });
}

#[test]
fn a_cleanup_that_takes_too_long_is_dropped() {
    with_each(|tally| async move {
        let seen = tally.clone();
        scope(|_| async move {
            let endless = forever::<()>(tally.track());
            let work = on_cancel(
                forever::<()>(tally.track()),
                Duration::from_millis(2),
                endless,
            );
            assert!(timeout(Duration::from_millis(1), work).await.is_err());
            assert_eq!(tally.alive(), 1, "the cleanup");
        })
        .await;
        seen.assert_all_gone();
    });
}

#[test]
fn work_that_is_done_or_was_never_begun_needs_no_cleanup() {
    with_each(|tally| async move {
        let done = Arc::new(AtomicUsize::new(0));
        let cleanup = || slow(tally.track(), done.clone());
        assert_eq!(on_cancel(async { 7 }, LONG, cleanup()).await, 7);
        drop(on_cancel(async { 7 }, LONG, cleanup()));
        tally.assert_all_gone();
        assert_eq!(done.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn work_that_panics_is_cleaned_up_behind() {
    with_each(|tally| async move {
        let done = Arc::new(AtomicUsize::new(0));
        let (own, count) = (tally.track(), done.clone());
        let text = panic_of(scope(|s| async move {
            s.spawn(on_cancel(
                async { panic!("of the work") },
                LONG,
                slow(own, count),
            ));
        }))
        .await;
        assert_eq!(
            (text.as_str(), done.load(Ordering::SeqCst)),
            ("of the work", 1)
        );
    });
}

#[test]
fn a_panic_of_a_cleanup_is_one_of_the_scopes() {
    with_each(|_| async {
        let text = panic_of(scope(|_| async {
            let mut work = Box::pin(on_cancel(pending::<()>(), LONG, async {
                panic!("of the cleanup")
            }));
            assert!(poll_once(work.as_mut()).is_pending());
        }))
        .await;
        assert_eq!(text, "of the cleanup");
    });
}

#[test]
fn outside_of_scopes_a_cleanup_is_a_task_of_its_own() {
    with_each(|tally| async move {
        let done = Arc::new(AtomicUsize::new(0));
        let task = filch::spawn(on_cancel(
            forever::<()>(tally.track()),
            LONG,
            slow(tally.track(), done.clone()),
        ));
        time::sleep(Duration::from_millis(1)).await;
        task.abort();
        let was_polled = task.await.unwrap_err().is_cancelled();
        assert!(was_polled);
        while tally.alive() > 0 {
            time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_cleanup_left_by_a_dropped_scope_keeps_the_outer_one() {
    with_each(|tally| async move {
        let (seen, done) = (tally.clone(), Arc::new(AtomicUsize::new(0)));
        let count = done.clone();
        scope(|_| async move {
            let mut inner = Box::pin(scope(|s| async move {
                let cleanup = slow(tally.track(), count.clone());
                on_cancel(forever::<()>(tally.track()), LONG, cleanup).await;
                drop(s);
            }));
            assert!(poll_once(inner.as_mut()).is_pending());
        })
        .await;
        assert_eq!(done.load(Ordering::SeqCst), 1);
        seen.assert_all_gone();
    });
}

#[test]
fn the_end_of_a_runtime_drops_cleanups() {
    within_reason(|| {
        for workers in [1, 4] {
            let rt = runtime(workers);
            let tally = Tally::new();
            let (work, begun) = (tally.track(), Arc::new(AtomicBool::new(false)));
            let cleanup = tally.track();
            let has_begun = begun.clone();
            let work = async move {
                begun.store(true, Ordering::SeqCst);
                forever::<()>(work).await;
            };
            rt.spawn(scope(|s| async move {
                s.spawn(on_cancel(work, LONG, forever(cleanup)));
            }))
            .detach();
            eventually("the work has begun", || {
                has_begun.load(Ordering::SeqCst).then_some(())
            });
            drop(rt);
            tally.assert_all_gone();
        }
    });
}
