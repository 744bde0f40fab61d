//! What does it cost to wake a task?
//!
//! Measured: a wake by the task's own worker with the poll that follows and the turn the waker gives up for it (`yield_now` alone stands in
//! `spawn`); a wake of a task that is to run anyway; a wake by a thread that is no worker while the runtime sleeps, until the
//! task runs, which is the kernel's wake-up of a thread and little else; a thousand tasks woken by such a thread.
//!
//! Not measured: wakes by timers and descriptors.
//!
//! The thread that is no worker spins while it waits, so these two need a core more than the runtime has workers.

#![expect(
    missing_docs,
    reason = "criterion_group! makes a public function without documentation"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time; nobody simulates it"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use filch::Runtime;
use filch_bench_common::counters;
use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MANY: usize = 1000;

fn runtime() -> Runtime {
    Runtime::builder()
        .worker_threads(1)
        .build()
        .expect("a runtime can be built")
}

/// Starts a task that counts each of its polls and never completes; returns its waker.
fn sleeper(runtime: &Runtime) -> Waker {
    let place = Arc::new(OnceLock::<Waker>::new());
    let mine = place.clone();
    drop(runtime.spawn(poll_fn(move |context| {
        // A task's waker stays the same all its life.
        mine.get_or_init(|| context.waker().clone());
        counters::add_one();
        Poll::<()>::Pending
    })));
    loop {
        if let Some(waker) = place.get() {
            return waker.clone();
        }
        std::thread::yield_now();
    }
}

fn spin_until_counted(goal: usize) {
    while counters::sum() != goal {
        std::hint::spin_loop();
    }
}

/// Until the runtime's worker has gone to sleep: 0.2 ms are ample.
fn let_sleep() {
    std::thread::sleep(Duration::from_micros(200));
}

fn by_the_own_worker(c: &mut Criterion) {
    let runtime = runtime();
    let waker = sleeper(&runtime);
    let mut group = c.benchmark_group("wake by the own worker");
    group.bench_function("wake, poll, yield_now", |b| {
        b.iter_custom(|times| {
            let waker = waker.clone();
            let task = runtime.spawn(async move {
                let begun = Instant::now();
                for _ in 0..times {
                    waker.wake_by_ref();
                    filch::yield_now().await;
                }
                begun.elapsed()
            });
            runtime.block_on(task).expect("it does not panic")
        });
    });
    group.bench_function("of a task that is to run anyway", |b| {
        b.iter_custom(|times| {
            let waker = waker.clone();
            let task = runtime.spawn(async move {
                waker.wake_by_ref();
                let begun = Instant::now();
                for _ in 0..times {
                    waker.wake_by_ref();
                }
                begun.elapsed()
            });
            runtime.block_on(task).expect("it does not panic")
        });
    });
    group.finish();
}

fn by_another_thread(c: &mut Criterion) {
    let runtime = runtime();
    let waker = sleeper(&runtime);
    let mut group = c.benchmark_group("wake by another thread");
    group.bench_function("the runtime sleeps, until it runs", |b| {
        b.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            for _ in 0..times {
                let_sleep();
                let goal = counters::sum() + 1;
                let begun = Instant::now();
                waker.wake_by_ref();
                spin_until_counted(goal);
                spent += begun.elapsed();
            }
            spent
        });
    });
    let wakers: Vec<Waker> = (0..MANY).map(|_| sleeper(&runtime)).collect();
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function("a thousand, until all have run", |b| {
        b.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            for _ in 0..times {
                let_sleep();
                let goal = counters::sum() + MANY;
                let begun = Instant::now();
                wakers.iter().for_each(Waker::wake_by_ref);
                spin_until_counted(goal);
                spent += begun.elapsed();
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, by_the_own_worker, by_another_thread);
criterion_main!(benches);
