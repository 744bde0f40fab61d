//! Do the numbers of a runtime say what happens in it?

use filch::runtime::{Builder, RuntimeMetrics};
use filch::{Runtime, spawn, yield_now};
use filch_tests::guard::{eventually, spin_until, within_reason};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};

fn workers(workers: usize) -> Runtime {
    let builder = Builder::new().worker_threads(workers);
    builder.max_spare_workers(0).build().expect("a runtime")
}

fn polls(metrics: &RuntimeMetrics) -> u64 {
    let workers = 0..metrics.num_workers();
    workers
        .map(|worker| metrics.worker_poll_count(worker))
        .sum()
}

/// A task that blocks its worker until the sender is dropped; back when it does.
fn block_a_worker(rt: &Runtime) -> Sender<()> {
    let (open, door) = channel();
    let (begin, begun) = channel();
    rt.spawn(async move {
        begin.send(()).unwrap();
        door.recv().unwrap_err();
    })
    .detach();
    begun.recv().unwrap();
    open
}

#[test]
fn each_poll_counts_once() {
    let rt = workers(2);
    let metrics = rt.metrics();
    assert_eq!(metrics.num_workers(), 2);
    assert_eq!(metrics.num_active_workers(), 2);
    assert_eq!(polls(&metrics), 0);
    within_reason(move || {
        for _ in 0..10 {
            rt.block_on(rt.spawn(async {
                yield_now().await;
                yield_now().await;
            }))
            .unwrap();
        }
        assert_eq!(polls(&metrics), 30);
        assert_eq!(metrics.spare_poll_count(), 0);
        drop(rt);
        // They are there for as long as somebody asks.
        assert_eq!(polls(&metrics), 30);
    });
}

#[test]
fn what_waits_is_seen_where_it_waits() {
    let rt = workers(1);
    let metrics = rt.handle().metrics();
    within_reason(move || {
        let open = block_a_worker(&rt);
        for _ in 0..5 {
            rt.spawn(async {}).detach();
        }
        assert_eq!(metrics.global_queue_depth(), 5);
        assert_eq!(metrics.worker_local_queue_depth(0), 0);
        drop(open);
        let (see, seen) = channel();
        let observer = metrics.clone();
        rt.spawn(async move {
            // One in the slot, the others in the queue.
            for _ in 0..7 {
                spawn(async {}).detach();
            }
            see.send(observer.worker_local_queue_depth(0)).unwrap();
        })
        .detach();
        // What came before may be in the queue still.
        assert!((7..=12).contains(&seen.recv().unwrap()));
        rt.block_on(rt.spawn(async {})).unwrap();
        eventually("nothing is left", || {
            (metrics.worker_local_queue_depth(0) + metrics.global_queue_depth() == 0).then_some(())
        });
    });
}

#[test]
fn a_worker_with_nothing_to_do_parks() {
    let rt = workers(1);
    let metrics = rt.metrics();
    within_reason(move || {
        eventually("it sleeps", || metrics.worker_is_parked(0).then_some(()));
        let before = metrics.worker_park_count(0);
        assert!(before >= 1);
        let open = block_a_worker(&rt);
        assert!(!metrics.worker_is_parked(0));
        drop(open);
        eventually("it sleeps again", || {
            (metrics.worker_park_count(0) > before && metrics.worker_is_parked(0)).then_some(())
        });
    });
}

#[test]
fn thefts_are_the_thiefs() {
    let rt = workers(2);
    let metrics = rt.metrics();
    within_reason(move || {
        let done = Arc::new(AtomicUsize::new(0));
        // All are in the queue of one worker, which does not come to them.
        let task = rt.spawn(async move {
            let count = || {
                let done = done.clone();
                async move {
                    done.fetch_add(1, SeqCst);
                }
            };
            filch::spawn_batch_detached((0..100).map(|_| count()));
            spin_until("others run them", || done.load(SeqCst) == 100);
        });
        rt.block_on(task).unwrap();
        let sum = |of: fn(&RuntimeMetrics, usize) -> u64| of(&metrics, 0) + of(&metrics, 1);
        let stolen = sum(RuntimeMetrics::worker_steal_count);
        let thefts = sum(RuntimeMetrics::worker_steal_operations);
        assert!(thefts >= 1 && stolen >= thefts, "{stolen} in {thefts}");
    });
}

#[test]
fn a_poll_that_lasts_is_seen() {
    let rt = workers(1);
    let metrics = rt.metrics();
    within_reason(move || {
        assert_eq!(metrics.worker_stuck_for(0), None);
        let open = block_a_worker(&rt);
        let so_far = eventually("it is stuck", || metrics.worker_stuck_for(0));
        assert!(so_far.as_millis() >= 10);
        drop(open);
        eventually("it goes on", || {
            metrics.worker_stuck_for(0).is_none().then_some(())
        });
        assert_eq!(metrics.worker_long_poll_count(0), 1);
        assert!(metrics.worker_longest_poll_duration(0) >= so_far);
        assert_eq!(
            metrics.worker_total_long_poll_duration(0),
            metrics.worker_longest_poll_duration(0)
        );
    });
}

#[test]
fn spares_are_counted_apart() {
    let builder = Builder::new().worker_threads(1).max_spare_workers(1);
    let rt = builder.build().unwrap();
    let metrics = rt.metrics();
    assert_eq!(metrics.max_spare_workers(), 1);
    within_reason(move || {
        let open = block_a_worker(&rt);
        let on_spare = metrics.clone();
        let working = rt.spawn(async move { on_spare.num_spare_workers() });
        assert_eq!(rt.block_on(working).unwrap(), 1);
        // The sentinel counts when it has started the thread, which may be done with the task by then.
        eventually("the call is counted", || {
            (metrics.spare_call_count() >= 1).then_some(())
        });
        assert_eq!(metrics.spare_failure_count(), 0);
        assert_eq!(metrics.spare_poll_count(), 1);
        assert!(metrics.spare_long_poll_count() <= 1);
        assert_eq!(polls(&metrics), 1);
        drop(open);
    });
}

#[test]
fn what_was_rescued_is_counted() {
    let rt = workers(2);
    let metrics = rt.metrics();
    assert_eq!(metrics.rescued_event_count(), 0);
    within_reason(move || {
        let (send, receive) = channel();
        let task = rt.spawn(async move {
            // Into the slot, from where only the sentinel can take it.
            spawn(async move { send.send(()).unwrap() }).detach();
            receive.recv().unwrap();
        });
        rt.block_on(task).unwrap();
        assert!(metrics.rescued_task_count() >= 1);
    });
}

#[test]
fn the_pool_is_seen() {
    let builder = Builder::new().worker_threads(1).max_blocking_threads(2);
    let rt = builder.build().unwrap();
    let metrics = rt.metrics();
    assert_eq!(metrics.num_blocking_threads(), 0);
    within_reason(move || {
        let (begin, begun) = channel();
        let calls: Vec<_> = (0..5)
            .map(|_| {
                let (open, door) = channel::<()>();
                let begin = begin.clone();
                let call = rt.handle().spawn_blocking(move || {
                    begin.send(()).unwrap();
                    door.recv().unwrap();
                });
                (open, call)
            })
            .collect();
        begun.recv().unwrap();
        begun.recv().unwrap();
        assert_eq!(metrics.num_blocking_threads(), 2);
        assert_eq!(metrics.num_idle_blocking_threads(), 0);
        assert_eq!(metrics.blocking_queue_depth(), 3);
        for (open, call) in calls {
            open.send(()).unwrap();
            rt.block_on(call).unwrap();
        }
        assert_eq!(metrics.blocking_queue_depth(), 0);
        eventually("they have nothing to do", || {
            (metrics.num_idle_blocking_threads() == 2).then_some(())
        });
    });
}

#[test]
fn a_worker_that_there_is_not_is_refused() {
    let rt = workers(2);
    let metrics = rt.metrics();
    let ask = |of: fn(&RuntimeMetrics, usize) -> u64| {
        assert!(catch_unwind(AssertUnwindSafe(|| of(&metrics, 2))).is_err());
    };
    ask(RuntimeMetrics::worker_poll_count);
    ask(RuntimeMetrics::worker_long_poll_count);
}
