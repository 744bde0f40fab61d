//! What is the work that runtimes are compared by?
//!
//! This folder is compiled once for filch and once for each peer in Rust whose tasks are futures, beside a module `runtime` that
//! gives the few words these workloads need their meaning there:
//!
//! | word | means |
//! |---|---|
//! | `Runtime::start(job)` | a runtime with so many threads as the job wants, and with timers if it needs them; or why that cannot be |
//! | `Runtime::run(future)` | runs it as a task, on a worker, and blocks this thread until its output is there |
//! | `Runtime::outside()` | makes of it what a thread that is no worker spawns with, or says why it cannot |
//! | `spawn(future)` | within a task, starts another |
//! | `Handle` | a future of a task's output; `detach` lets go of it |
//! | `yield_now()` | within a task, gives up the turn |
//! | `sleep(duration)` | within a task whose runtime has timers, a future that is complete after so long; of what is no matter |
//! | `Travels` | `Send`, where tasks move between threads |
//!
//! The same source for everyone means the same shape: a difference that is measured is the runtime's. Rejected: a trait with the
//! runtime as a parameter (whether a future is `Send` differs between peers, and a trait has to say it once for all).

mod empty;
mod fan_in;
mod fib;
mod ping_pong;
mod skynet;
mod sleeps;
mod timer;
mod yields;

use super::runtime::{Handle, Outside, Runtime, Travels, sleep, spawn, yield_now};
use filch_bench_common::{Bench, Cannot, Job, Work};
use std::time::Duration;

/// What a process makes of its job: what it repeats on a runtime of its own.
pub(crate) fn build(job: &Job) -> Result<Bench, Cannot> {
    let mut runtime = Runtime::start(job)?;
    let size = job.size;
    Ok(match job.work {
        Work::EmptyDetached => Box::new(move || runtime.run(empty::detached(size))),
        Work::EmptyJoined => with_handles(runtime, size, move |room| empty::joined(size, room)),
        Work::EmptyOutside => {
            let outside = runtime.outside()?;
            Box::new(move || empty::outside(size, &outside))
        }
        Work::ParkedDetached => Box::new(move || runtime.run(empty::parked(size))),
        Work::ParkedJoined => {
            with_handles(runtime, size, move |room| empty::parked_joined(size, room))
        }
        Work::YieldOne => Box::new(move || runtime.run(yields::one(size))),
        Work::YieldEach => Box::new(move || runtime.run(yields::each(size))),
        Work::Fib => Box::new(move || runtime.run(fib::timed(size))),
        Work::Skynet => Box::new(move || runtime.run(skynet::timed(size))),
        Work::PingPong => Box::new(move || runtime.run(ping_pong::timed(size))),
        Work::FanIn => Box::new(move || runtime.run(fan_in::timed(size))),
        Work::SleepsCpu => Box::new(move || runtime.run(sleeps::cpu(size))),
        Work::SleepsBytes => Box::new(move || runtime.run(sleeps::parked(size))),
        Work::Timer => Box::new(move || runtime.run(timer::timed(size))),
    })
}

/// Lends a task room for handles, made once, so that repetitions that warm up have touched it.
fn with_handles<F>(
    mut runtime: Runtime,
    size: usize,
    work: impl Fn(Vec<Handle<()>>) -> F + 'static,
) -> Bench
where
    F: Future<Output = (Duration, Vec<Handle<()>>)> + Travels + 'static,
{
    let mut room = Vec::with_capacity(size);
    Box::new(move || {
        let (time, back) = runtime.run(work(std::mem::take(&mut room)));
        room = back;
        time
    })
}
