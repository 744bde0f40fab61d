//! What is the same work with coroutines that have stacks?
//!
//! may's coroutines are closures that block, so the source that peers with futures share does not fit. Each workload here has
//! the shape of its namesake there (`bench/workloads`), word by word. A stack is two mappings (itself and its guard page), of
//! which Linux allows a process 65 530 by default (`vm.max_map_count`): where more coroutines than half of that live at a time, may
//! fails, and says so.
//!
//! One difference: a coroutine that waits for the counters sleeps, as a thread does, instead of giving up its turn. On a worker
//! that has a coroutine which only yields, may 0.3.51 never starts new ones.

use crate::latency;
use filch_bench_common::busy::compute;
use filch_bench_common::clock::{block_for, now};
use filch_bench_common::{Bench, Cannot, Job, Work, Writer, counters, cpu, one_by_one};
use may::coroutine::{JoinHandle, sleep, yield_now};
use may::go;
use may::sync::Blocker;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long whoever waits for the counters sleeps between two looks.
const LOOK_EVERY: Duration = Duration::from_micros(50);
const YIELDING_TASKS: usize = 1000;
const CHILDREN: u64 = 10;
const SLEEP_LONGEST_MS: u64 = 100;

/// So many coroutines with stacks of two mappings each find room in a process, and something else beside them.
const COROUTINES_MAX: usize = 30_000;

pub(crate) fn build(job: &Job) -> Result<Bench, Cannot> {
    may::config().set_workers(job.workers);
    let (size, workers) = (job.size, job.workers);
    let samples = job.warm_ups + job.repetitions;
    Ok(match job.work {
        Work::EmptyDetached => Box::new(move || run(move || detached(size))),
        Work::EmptyJoined => Box::new(move || run(move || joined(size))),
        Work::EmptyOutside => Box::new(move || outside(size)),
        Work::BusyDetached => Box::new(move || run(move || busy(size))),
        Work::ParkedDetached | Work::ParkedJoined | Work::SleepsBytes => {
            return Err(Cannot(
                "a million stacks are more mappings than Linux allows",
            ));
        }
        Work::YieldOne => Box::new(move || run(move || timed(|| several(size)))),
        Work::YieldEach => Box::new(move || run(move || timed(|| each(size)))),
        Work::Fib => Box::new(move || run(move || timed(|| recursion(size)))),
        Work::Skynet => Box::new(move || run(move || timed(|| skynet(size as u64)))),
        Work::PingPong => Box::new(move || run(move || timed(|| ping_pong(size)))),
        Work::FanIn => Box::new(move || run(move || timed(|| fan_in(size)))),
        Work::SleepsCpu if size > COROUTINES_MAX => {
            return Err(Cannot(
                "so many stacks at a time are more mappings than Linux allows",
            ));
        }
        Work::SleepsCpu => Box::new(move || run(move || sleeps(size))),
        Work::Coordinate(_) => return Err(Cannot("it is not asked: its channels block a stack")),
        Work::Serve(_) | Work::Http(_) | Work::Copy(_) => {
            return Err(Cannot("its sockets and files are not compared"));
        }
        Work::Timer => return Err(Cannot("a sleep cannot be begun and let go")),
        Work::RoundTripBusy => Box::new(latency::roundtrip),
        Work::RoundTripIdle => Box::new(latency::roundtrip_idle),
        Work::WakeHog => Box::new(latency::woken),
        Work::SpawnHog => Box::new(latency::spawned),
        Work::TimerHog => one_by_one(move || run(move || latency::timer(workers, samples))),
        Work::ReadinessHog => {
            let writer = Writer::start();
            one_by_one(move || {
                let writer = writer.clone();
                run(move || latency::readiness(&writer, samples))
            })
        }
    })
}

/// Runs it as a coroutine, and blocks this thread until it is done.
fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    join(go!(work))
}

pub(crate) fn join<T>(handle: JoinHandle<T>) -> T {
    handle.join().expect("no workload panics")
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = now();
    work();
    begun.elapsed()
}

fn detached(tasks: usize) -> Duration {
    let goal = counters::sum() + tasks;
    timed(|| {
        for _ in 0..tasks {
            drop(go!(counters::add_one));
        }
        while counters::sum() != goal {
            sleep(LOOK_EVERY);
        }
    })
}

fn busy(tasks: usize) -> Duration {
    let goal = counters::sum() + tasks;
    timed(|| {
        for task in 0..tasks {
            drop(go!(move || {
                compute(task);
                counters::add_one();
            }));
        }
        while counters::sum() != goal {
            sleep(LOOK_EVERY);
        }
    })
}

fn joined(tasks: usize) -> Duration {
    let mut handles = Vec::with_capacity(tasks);
    timed(|| {
        for _ in 0..tasks {
            handles.push(go!(counters::add_one));
        }
        for handle in handles.drain(..) {
            join(handle);
        }
    })
}

fn outside(tasks: usize) -> Duration {
    let goal = counters::sum() + tasks;
    timed(|| {
        for _ in 0..tasks {
            drop(go!(counters::add_one));
        }
        while counters::sum() != goal {
            block_for(LOOK_EVERY);
        }
    })
}

fn several(yields: usize) {
    for _ in 0..yields {
        yield_now();
    }
}

fn each(yields: usize) {
    let tasks: Vec<_> = (0..YIELDING_TASKS)
        .map(|task| {
            let yields = share(yields, task);
            go!(move || several(yields))
        })
        .collect();
    for task in tasks {
        join(task);
    }
}

fn share(all: usize, task: usize) -> usize {
    (all + YIELDING_TASKS - 1 - task) / YIELDING_TASKS
}

fn recursion(n: usize) {
    let found = join(go!(move || fib(n as u64)));
    let expected = (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0;
    assert_eq!(found, expected, "the coroutines add up");
}

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let one = go!(move || fib(n - 1));
    let other = go!(move || fib(n - 2));
    join(one) + join(other)
}

fn skynet(leaves: u64) {
    let sum = join(go!(move || node(0, leaves)));
    assert_eq!(sum, leaves * (leaves - 1) / 2, "the leaves add up");
}

fn node(first: u64, leaves: u64) -> u64 {
    if leaves == 1 {
        return first;
    }
    let each = leaves / CHILDREN;
    let children: [_; CHILDREN as usize] = std::array::from_fn(|child| {
        let first = first + child as u64 * each;
        go!(move || node(first, each))
    });
    children.map(join).iter().sum()
}

/// What stands between the two is a [`Blocker`] for each, which remembers that it has been unparked.
fn ping_pong(rounds: usize) {
    let first = Arc::new(Blocker::new(true));
    let second = Arc::new(Blocker::new(true));
    let players = [
        go!({
            let (first, second) = (Arc::clone(&first), Arc::clone(&second));
            move || {
                for _ in 0..rounds {
                    second.unpark();
                    park(&first);
                }
            }
        }),
        go!(move || {
            for _ in 0..rounds {
                park(&second);
                first.unpark();
            }
        }),
    ];
    players.into_iter().for_each(join);
}

fn park(blocker: &Blocker) {
    blocker.park(None).expect("nobody cancels it");
}

/// A word that counts, and a [`Blocker`] for the one who waits.
struct Mailbox {
    come: AtomicUsize,
    reader: Blocker,
}

fn fan_in(signals: usize) {
    let mailbox = Arc::new(Mailbox {
        come: AtomicUsize::new(0),
        reader: Blocker::new(true),
    });
    let collector = go!({
        let mailbox = Arc::clone(&mailbox);
        move || mailbox.until(signals)
    });
    for task in 0..YIELDING_TASKS {
        let (mailbox, signals) = (Arc::clone(&mailbox), share(signals, task));
        drop(go!(move || {
            for _ in 0..signals {
                mailbox.signal();
                yield_now();
            }
        }));
    }
    join(collector);
}

impl Mailbox {
    fn signal(&self) {
        // ORDERING: Release; what was done before is seen by who reads the count in `until`.
        self.come.fetch_add(1, Ordering::Release);
        self.reader.unpark();
    }

    fn until(&self, goal: usize) {
        // ORDERING: Acquire; the partner is the addition in `signal`.
        while self.come.load(Ordering::Acquire) != goal {
            park(&self.reader);
        }
    }
}

/// The processor's time, and not the clock's.
fn sleeps(tasks: usize) -> Duration {
    let goal = counters::sum() + tasks;
    let before = cpu::used();
    for task in 0..tasks {
        let time = Duration::from_millis(1 + task as u64 % SLEEP_LONGEST_MS);
        drop(go!(move || {
            sleep(time);
            counters::add_one();
        }));
    }
    while counters::sum() != goal {
        sleep(Duration::from_millis(1));
    }
    cpu::used() - before
}
