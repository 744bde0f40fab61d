//! Does a task start, and give its output to whoever awaits it?

use crate::{on_each, runtime, until};
use filch::runtime::Builder;
use filch_tests::guard::eventually;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;

#[test]
fn a_task_gives_its_output() {
    on_each(|| async {
        assert_eq!(filch::spawn(async { 6 * 7 }).await.unwrap(), 42);
        let text = String::from("moved in");
        let task = filch::spawn(async move { text + " and out" });
        assert_eq!(task.await.unwrap(), "moved in and out");
        filch::spawn(async {}).await.unwrap();
    });
}

#[test]
fn outputs_and_futures_of_any_size_and_alignment() {
    #[repr(align(128))]
    #[derive(Debug, PartialEq, Clone, Copy)]
    struct Wide(u8);

    async fn through<T: Send + 'static>(value: T) -> T {
        let task = filch::spawn(async move {
            filch::yield_now().await;
            value
        });
        task.await.unwrap()
    }

    on_each(|| async {
        assert_eq!(through(Wide(3)).await, Wide(3));
        assert_eq!(through([7_u8; 1]).await, [7; 1]);
        assert_eq!(through([7_u8; 63]).await, [7; 63]);
        assert_eq!(through([7_u8; 200]).await, [7; 200]);
        assert_eq!(through([7_u8; 5000]).await, [7; 5000]);
        assert_eq!(through([7_u8; 40_000]).await, [7; 40_000]);
        let task = filch::spawn(async move {
            let wide = Wide(9);
            filch::yield_now().await;
            (&raw const wide).addr() % 128
        });
        assert_eq!(task.await.unwrap(), 0, "a future's alignment is kept");
    });
}

#[test]
fn many_tasks_are_joined_in_any_order() {
    on_each(|| async {
        let mut tasks: Vec<_> = (0..1000_u64)
            .map(|n| filch::spawn(async move { n }))
            .collect();
        let mut sum = 0;
        while let Some(task) = tasks.pop() {
            sum += task.await.unwrap();
        }
        assert_eq!(sum, 499_500);
    });
}

#[test]
fn tasks_are_spawned_from_threads_that_are_no_workers() {
    let rt = runtime(2);
    let total = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..500 {
                    let total = total.clone();
                    rt.spawn(async move { total.fetch_add(n, Ordering::Relaxed) })
                        .detach();
                }
            });
        }
    });
    eventually("all have run", || {
        (total.load(Ordering::Relaxed) == 4 * 124_750).then_some(())
    });
}

#[test]
fn a_join_handle_may_move_to_another_task_while_it_is_awaited() {
    on_each(|| async {
        let (go, gone) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut task = filch::spawn({
            let (go, gone) = (go.clone(), gone.clone());
            async move {
                until(|| go.load(Ordering::SeqCst) == 1).await;
                gone.store(1, Ordering::SeqCst);
                "done"
            }
        });
        // Polled here once, so that this task's waker is registered ...
        poll_fn(|cx| {
            assert!(Pin::new(&mut task).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        // ... and then elsewhere, whose waker must replace it.
        let other = filch::spawn(async move { task.await.unwrap() });
        filch::yield_now().await;
        go.store(1, Ordering::SeqCst);
        assert_eq!(other.await.unwrap(), "done");
    });
}

#[test]
fn is_finished_follows_the_task() {
    on_each(|| async {
        let go = Arc::new(AtomicUsize::new(0));
        let task = filch::spawn({
            let go = go.clone();
            async move { until(|| go.load(Ordering::SeqCst) == 1).await }
        });
        filch::yield_now().await;
        assert!(!task.is_finished());
        go.store(1, Ordering::SeqCst);
        until(|| task.is_finished()).await;
        task.await.unwrap();
    });
}

#[test]
fn yielding_lets_the_others_run() {
    // With one worker, and no spare beside it, each round of yields gives everybody one turn.
    let rt = Builder::new()
        .worker_threads(1)
        .max_spare_workers(0)
        .build()
        .expect("a runtime");
    let order = rt.block_on(async {
        filch::spawn(async {
            let (send, receive) = mpsc::channel();
            let tasks: Vec<_> = (0..3)
                .map(|who| {
                    let send = send.clone();
                    filch::spawn(async move {
                        for _ in 0..4 {
                            send.send(who).unwrap();
                            filch::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            drop(send);
            receive.iter().collect::<Vec<i32>>()
        })
        .await
        .unwrap()
    });
    for who in 0..3 {
        let turns: Vec<_> = order.iter().positions(who);
        assert_eq!(turns.len(), 4);
        assert!(
            turns.windows(2).all(|pair| pair[1] - pair[0] <= 5),
            "{order:?}"
        );
    }
}

/// The places at which a value stands.
trait Positions {
    fn positions(self, wanted: i32) -> Vec<usize>;
}

impl<'a, I: Iterator<Item = &'a i32>> Positions for I {
    fn positions(self, wanted: i32) -> Vec<usize> {
        let hits = self.enumerate().filter(|(_, value)| **value == wanted);
        hits.map(|(at, _)| at).collect()
    }
}

#[test]
#[should_panic(expected = "spawn needs a runtime")]
fn spawning_outside_says_what_to_do() {
    filch::spawn(async {}).detach();
}
