//! Does a `JoinSet` give each result once, in the order in which tasks end, whatever becomes of them?

use filch::Runtime;
use filch::task::JoinSet;
use filch_tests::drops::Tally;
use filch_tests::guard::{eventually, within_reason};
use filch_tests::runtime;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};

fn with_each(test: impl Fn(&Runtime) + Send + Sync + 'static) {
    within_reason(move || {
        for workers in [1, 4] {
            test(&runtime(workers));
        }
    });
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn each_result_comes_once() {
    with_each(|rt| {
        let mut numbers = rt.block_on(async {
            let mut set: JoinSet<_> = (0..1000).map(|n| async move { n }).collect();
            assert_eq!(set.len(), 1000);
            let mut numbers = Vec::new();
            while let Some(result) = set.join_next().await {
                numbers.push(result.unwrap());
                assert_eq!(set.len(), 1000 - numbers.len());
            }
            assert!(set.is_empty() && set.try_join_next().is_none());
            numbers
        });
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..1000));
    });
}

#[test]
fn a_hundred_thousand_are_no_trouble() {
    with_each(|rt| {
        let sum = rt.block_on(async {
            filch::spawn(async {
                let mut set = JoinSet::new();
                for n in 0..100_000_u64 {
                    set.spawn(async move {
                        if n % 3 == 0 {
                            filch::yield_now().await;
                        }
                        n
                    });
                }
                let mut sum = 0;
                while let Some(result) = set.join_next().await {
                    sum += result.unwrap();
                }
                sum
            })
            .await
            .unwrap()
        });
        assert_eq!(sum, 4_999_950_000);
    });
}

/// Each task ends when it is told to, and the next is told when its result is there.
#[test]
fn results_come_in_the_order_of_the_ends() {
    with_each(|rt| {
        let (mut set, mut ends) = (JoinSet::new(), Vec::new());
        for n in 0..20 {
            let (end, ended) = mpsc::channel::<()>();
            ends.push(end);
            set.spawn_on(
                async move {
                    while ended.try_recv().is_err() {
                        filch::yield_now().await;
                    }
                    n
                },
                rt.handle(),
            );
        }
        for n in (0..20).rev() {
            ends[n].send(()).unwrap();
            assert_eq!(rt.block_on(set.join_next()).unwrap().unwrap(), n);
        }
        assert!(rt.block_on(set.join_next()).is_none());
    });
}

#[test]
fn numbers_are_used_again() {
    with_each(|rt| {
        rt.block_on(async {
            let mut set = JoinSet::new();
            for round in 0..200 {
                for n in 0..5 {
                    set.spawn(async move { round * 5 + n });
                }
                for _ in 0..4 {
                    set.join_next().await.unwrap().unwrap();
                }
            }
            assert_eq!(set.len(), 200);
            assert_eq!(set.join_all().await.len(), 200);
        });
    });
}

#[test]
fn panics_and_aborts_are_errors() {
    with_each(|rt| {
        rt.block_on(async {
            let mut set = JoinSet::new();
            set.spawn(async { panic!("oh") });
            let error = set.join_next().await.unwrap().unwrap_err();
            assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "oh");
            for _ in 0..10 {
                set.spawn(pending::<()>());
            }
            set.abort_all();
            set.spawn(async {});
            let (mut aborted, mut done) = (0, 0);
            while let Some(result) = set.join_next().await {
                match result {
                    Ok(()) => done += 1,
                    Err(error) if error.is_cancelled() => aborted += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            assert_eq!((aborted, done), (10, 1));
        });
    });
}

#[test]
fn a_destructor_that_panics_is_an_error_too() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    with_each(|rt| {
        rt.block_on(async {
            let mut set = JoinSet::new();
            let bomb = Bomb;
            set.spawn(async move {
                let _bomb = bomb;
                pending::<()>().await;
            });
            filch::yield_now().await;
            set.abort_all();
            assert!(set.join_next().await.unwrap().unwrap_err().is_panic());
            assert!(set.join_next().await.is_none());
        });
    });
}

#[test]
fn join_all_resumes_a_panic_and_aborts_the_rest() {
    with_each(|rt| {
        let tally = Tally::new();
        let task = rt.spawn({
            let own = tally.track();
            async move {
                let mut set = JoinSet::new();
                set.spawn(async move {
                    let _own = own;
                    pending().await
                });
                set.spawn(async { panic!("oh") });
                set.join_all().await;
            }
        });
        assert!(rt.block_on(task).unwrap_err().is_panic());
        tally.wait_until_all_gone();
    });
}

#[test]
fn a_drop_aborts_and_a_shutdown_waits() {
    with_each(|rt| {
        let tally = Tally::new();
        let fill = || {
            let mut set = JoinSet::new();
            for _ in 0..100 {
                let own = tally.track();
                set.spawn_on(
                    async move {
                        let _own = own;
                        pending::<()>().await;
                    },
                    rt.handle(),
                );
            }
            set
        };
        let mut set = fill();
        rt.block_on(set.shutdown());
        tally.assert_all_gone();
        drop(fill());
        tally.wait_until_all_gone();
    });
}

#[test]
fn detached_tasks_run_on_and_the_set_begins_anew() {
    with_each(|rt| {
        rt.block_on(async {
            let (end, ended) = mpsc::channel::<()>();
            let tally = Tally::new();
            let mut set = JoinSet::new();
            let own = tally.track();
            set.spawn(async move {
                let _own = own;
                while ended.try_recv().is_err() {
                    filch::yield_now().await;
                }
                1
            });
            set.detach_all();
            assert!(set.is_empty() && set.join_next().await.is_none());
            assert_eq!(tally.alive(), 1);
            set.spawn(async { 2 });
            end.send(()).unwrap();
            tally.wait_until_all_gone();
            assert_eq!(set.join_next().await.unwrap().unwrap(), 2);
            assert!(set.join_next().await.is_none());
        });
    });
}

#[test]
fn blocking_calls_are_members_like_others() {
    with_each(|rt| {
        rt.block_on(async {
            let mut set = JoinSet::new();
            set.spawn_blocking(|| 1);
            set.spawn(async { 2 });
            set.spawn_blocking(|| panic!("oh"));
            let (mut sum, mut panics) = (0, 0);
            while let Some(result) = set.join_next().await {
                match result {
                    Ok(n) => sum += n,
                    Err(error) => panics += i32::from(error.is_panic()),
                }
            }
            assert_eq!((sum, panics), (3, 1));
        });
    });
}

#[test]
fn a_wait_that_is_dropped_takes_nothing() {
    with_each(|rt| {
        let mut set = JoinSet::new();
        let (end, ended) = mpsc::channel::<()>();
        set.spawn_on(
            async move {
                while ended.try_recv().is_err() {
                    filch::yield_now().await;
                }
            },
            rt.handle(),
        );
        let count = Arc::<Count>::default();
        let waker = Waker::from(count.clone());
        {
            let mut wait = pin!(set.join_next());
            assert!(
                wait.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        assert!(set.try_join_next().is_none());
        end.send(()).unwrap();
        eventually("the waker of the last poll is called", || {
            (count.0.load(Ordering::SeqCst) > 0).then_some(())
        });
        assert!(eventually("the result is there", || set.try_join_next()).is_ok());
        assert!(set.try_join_next().is_none() && set.is_empty());
    });
}

/// It charges the budget: a sibling gets its turn.
#[test]
fn a_set_whose_tasks_have_all_ended_lets_siblings_run() {
    within_reason(|| {
        let rt = runtime(1);
        let polls = rt.block_on(async {
            filch::spawn(async {
                let set: JoinSet<_> = (0..1000).map(|n| async move { n }).collect();
                // One worker, and tasks that never wait: they have all ended when the next turn comes round.
                for _ in 0..100 {
                    filch::yield_now().await;
                }
                let mut polls = 0;
                let mut wait = pin!(set.join_all());
                poll_fn(|cx| {
                    polls += 1;
                    wait.as_mut().poll(cx)
                })
                .await;
                polls
            })
            .await
            .unwrap()
        });
        assert!(polls > 4, "{polls} polls for a thousand results");
    });
}

#[test]
fn a_runtime_that_ends_ends_its_tasks() {
    with_each(|other| {
        let rt = runtime(2);
        let handle = rt.handle().clone();
        let mut set = JoinSet::new();
        set.spawn_on(pending::<()>(), &handle);
        drop(rt);
        set.spawn_on(async {}, &handle);
        for _ in 0..2 {
            let error = other.block_on(set.join_next()).unwrap().unwrap_err();
            assert!(error.is_cancelled());
        }
        assert!(other.block_on(set.join_next()).is_none());
    });
}

#[test]
fn a_spawn_without_a_runtime_leaves_the_set_as_it_was() {
    with_each(|rt| {
        let mut set = JoinSet::new();
        let spawned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            set.spawn(async { 1 });
        }));
        assert!(spawned.is_err() && set.is_empty());
        for _ in 0..3 {
            set.spawn_on(async { 2 }, rt.handle());
        }
        assert_eq!(rt.block_on(set.join_all()), [2, 2, 2]);
    });
}

/// Hand-written futures use it by its poll function, and are told of an empty set at once.
#[test]
fn poll_join_next_of_an_empty_set_is_ready() {
    let mut set = JoinSet::<()>::default();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(set.poll_join_next(&mut cx), Poll::Ready(None)));
}
