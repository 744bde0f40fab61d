//! What does a timer cost that is armed and cancelled?
//!
//! Measured, inside a task: a [`Sleep`](filch::time::Sleep) made, polled once (which arms it) and dropped (which cancels it), alone and
//! with 10 000 others in the wheel; one that is polled again; the same by a thread that is no worker, but within `block_on`. The deadlines
//! spread over 7 s, so that they meet different levels of the wheel. Each contains one look at the clock, about 46 ns.
//!
//! Not measured: timers that fire, whose price is the wake-up of a task (`wake`), and how late they are.

#![expect(
    missing_docs,
    reason = "criterion_group! makes a public function without documentation"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time; nobody simulates it"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use filch::Runtime;
use filch::time::sleep;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const OTHERS: usize = 10_000;

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// When the n-th is due: never soon enough to fire.
fn due_in(n: u64) -> Duration {
    Duration::from_millis(60_000 + (n & 1023) * 7)
}

fn arm_and_cancel(times: u64) -> Duration {
    let begun = Instant::now();
    for n in 0..times {
        let mut timer = pin!(sleep(due_in(n)));
        assert!(black_box(poll(timer.as_mut())).is_pending());
    }
    begun.elapsed()
}

fn timer(c: &mut Criterion) {
    let runtime = Runtime::builder()
        .worker_threads(1)
        .build()
        .expect("a runtime can be built");
    let mut group = c.benchmark_group("timer");
    group.bench_function("arm, cancel", |b| {
        b.iter_custom(|times| {
            let task = runtime.spawn(async move { arm_and_cancel(times) });
            runtime.block_on(task).expect("it does not panic")
        });
    });
    group.bench_function("arm, cancel among 10 000", |b| {
        b.iter_custom(|times| {
            let task = runtime.spawn(async move {
                let mut others: Vec<_> = (0..OTHERS)
                    .map(|n| Box::pin(sleep(due_in(n as u64))))
                    .collect();
                for other in &mut others {
                    assert!(poll(other.as_mut()).is_pending());
                }
                arm_and_cancel(times)
            });
            runtime.block_on(task).expect("it does not panic")
        });
    });
    group.bench_function("poll again", |b| {
        b.iter_custom(|times| {
            let task = runtime.spawn(async move {
                let mut timer = pin!(sleep(due_in(0)));
                let begun = Instant::now();
                for _ in 0..times {
                    assert!(black_box(poll(timer.as_mut())).is_pending());
                }
                begun.elapsed()
            });
            runtime.block_on(task).expect("it does not panic")
        });
    });
    group.bench_function("arm, cancel on a thread that is no worker", |b| {
        b.iter_custom(|times| runtime.block_on(async { arm_and_cancel(times) }));
    });
    group.finish();
}

criterion_group!(benches, timer);
criterion_main!(benches);
