//! What does it cost to put a task somewhere and to take it out again?
//!
//! Measured: the worker's queue (push and pop by its owner, one at a time and a backlog), a thief that takes a share of 512 tasks, the
//! lane of a thread that is no worker, and the slot in front of the queue. All by one thread: the price of the instructions, fences included.
//!
//! Not measured: contention. A line that another core has costs 25 to 50 ns more, which the 500 000 coroutines with two workers
//! contain (`cargo run --release -p filch-bench`).
//!
//! A steal is timed alone, since what fills and empties the queues is not its price; reading the clock adds about 46 ns to each.

#![expect(
    missing_docs,
    reason = "criterion_group! makes a public function without documentation"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time; nobody simulates it"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use filch::__bench::{Injector, Queue, Slot};
use std::hint::black_box;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What stands in the queue of a busy worker when a sibling comes to steal.
const BACKLOG: usize = 512;

fn queue(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue");
    group.throughput(Throughput::Elements(1));
    group.bench_function("push, pop", |b| {
        let queue = Queue::new();
        b.iter(|| {
            queue.push(black_box(1));
            black_box(queue.pop())
        });
    });
    group.throughput(Throughput::Elements(BACKLOG as u64));
    group.bench_function("push 512, pop 512", |b| {
        let queue = Queue::new();
        b.iter(|| {
            (1..=BACKLOG).for_each(|number| queue.push(number));
            while black_box(queue.pop()).is_some() {}
        });
    });
    group.bench_function("steal from 512", |b| {
        let (victim, thief) = (Queue::new(), Queue::new());
        b.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            for _ in 0..times {
                (1..=BACKLOG).for_each(|number| victim.push(number));
                let begun = Instant::now();
                black_box(victim.steal_into(&thief));
                spent += begun.elapsed();
                while victim.pop().is_some() {}
                while thief.pop().is_some() {}
            }
            spent
        });
    });
    group.finish();
}

fn injector(c: &mut Criterion) {
    let mut group = c.benchmark_group("injector");
    group.throughput(Throughput::Elements(1));
    group.bench_function("push, take one", |b| {
        let (injector, worker) = (Injector::new(), Queue::new());
        b.iter(|| {
            injector.push(black_box(1));
            black_box(injector.steal_into(&worker))
        });
    });
    group.throughput(Throughput::Elements(BACKLOG as u64));
    group.bench_function("push 512, take in batches, pop", |b| {
        let (injector, worker) = (Injector::new(), Queue::new());
        b.iter(|| {
            (1..=BACKLOG).for_each(|number| injector.push(number));
            while black_box(injector.steal_into(&worker)).is_some() {
                while black_box(worker.pop()).is_some() {}
            }
        });
    });
    group.finish();
}

fn slot(c: &mut Criterion) {
    let mut group = c.benchmark_group("slot");
    group.bench_function("put, take", |b| {
        let slot = Slot::new();
        b.iter(|| {
            slot.replace(black_box(1));
            black_box(slot.replace(0))
        });
    });
    // With its heavy barrier, a system call where there is membarrier; once in a stuck poll, not once per task.
    group.bench_function("put, steal, acknowledge", |b| {
        let slot = Slot::new();
        b.iter(|| {
            slot.replace(black_box(1));
            black_box(slot.steal());
            black_box(slot.replace(0))
        });
    });
    group.finish();
}

criterion_group!(benches, queue, injector, slot);
criterion_main!(benches);
