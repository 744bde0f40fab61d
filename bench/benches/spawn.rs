//! What does it cost to start a task and to run it to its end?
//!
//! Measured, with one worker, from inside a task: one detached task (spawn, give up the turn, it runs), one that is awaited, and
//! batches of them. `yield_now` alone stands beside them: the first contains one. Two workers run the largest batches once more.
//!
//! Not measured: cold memory, half a million at once, spawns from outside: that is the main job (`cargo run --release -p
//! filch-bench`). The body counts itself as there, about a nanosecond.

#![expect(
    missing_docs,
    reason = "criterion_group! makes a public function without documentation"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time; nobody simulates it"
)]

use criterion::{Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use filch::Runtime;
use filch_bench_common::counters;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCHES: [usize; 3] = [10, 1000, 100_000];

async fn empty() {
    counters::add_one();
}

async fn until_counted(goal: usize) {
    while counters::sum() != goal {
        filch::yield_now().await;
    }
}

fn runtime(workers: usize) -> Runtime {
    Runtime::builder()
        .worker_threads(workers)
        .build()
        .expect("a runtime can be built")
}

/// Runs `what(times)` as a task, and charges its whole time.
fn in_a_task<F>(b: &mut Bencher<'_>, runtime: &Runtime, what: impl Fn(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    b.iter_custom(|times| {
        let work = what(times);
        let task = runtime.spawn(async move {
            let begun = Instant::now();
            work.await;
            begun.elapsed()
        });
        runtime.block_on(task).unwrap_or(Duration::ZERO)
    });
}

fn one(c: &mut Criterion) {
    let runtime = runtime(1);
    let mut group = c.benchmark_group("one task");
    group.bench_function("yield_now alone", |b| {
        in_a_task(b, &runtime, |times| async move {
            for _ in 0..times {
                filch::yield_now().await;
            }
        });
    });
    group.bench_function("detached, then yield_now", |b| {
        in_a_task(b, &runtime, |times| async move {
            let goal = counters::sum() + times as usize;
            for _ in 0..times {
                drop(filch::spawn(empty()));
                filch::yield_now().await;
            }
            until_counted(goal).await;
        });
    });
    group.bench_function("joined", |b| {
        in_a_task(b, &runtime, |times| async move {
            for _ in 0..times {
                filch::spawn(empty()).await.expect("it does not panic");
            }
        });
    });
    group.finish();
}

fn batches(c: &mut Criterion) {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let mut group = c.benchmark_group(format!("batch, workers {workers}"));
        for tasks in BATCHES {
            group.throughput(Throughput::Elements(tasks as u64));
            group.bench_function(BenchmarkId::new("detached", tasks), |b| {
                in_a_task(b, &runtime, |times| async move {
                    for _ in 0..times {
                        let goal = counters::sum() + tasks;
                        for _ in 0..tasks {
                            drop(filch::spawn(empty()));
                        }
                        until_counted(goal).await;
                    }
                });
            });
            group.bench_function(BenchmarkId::new("joined", tasks), |b| {
                in_a_task(b, &runtime, |times| async move {
                    let mut handles = Vec::with_capacity(tasks);
                    for _ in 0..times {
                        handles.extend((0..tasks).map(|_| filch::spawn(empty())));
                        for handle in handles.drain(..) {
                            handle.await.expect("it does not panic");
                        }
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, one, batches);
criterion_main!(benches);
