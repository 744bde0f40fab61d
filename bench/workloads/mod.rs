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
//! | `read_byte(socket)` | within a task whose runtime has a reactor, registers a socket in non-blocking mode and waits for a byte of it |
//! | `Travels` | `Send`, where tasks move between threads |
//!
//! What stands between tasks that wait for each other is in `filch_bench_common`: the court, the mailbox, the doorbell. What runtimes have for that themselves is the
//! matter of `coordination`, sockets and files that of `network`.
//!
//! The same source for everyone means the same shape: a difference that is measured is the runtime's. Rejected: a trait with the
//! runtime as a parameter (whether a future is `Send` differs between peers, and a trait has to say it once for all).

mod busy;
pub(crate) mod empty;
mod fan_in;
mod fib;
mod ping_pong;
mod readiness_hog;
mod roundtrip;
mod skynet;
mod sleeps;
mod stranded;
mod timer;
mod timer_hog;
mod yields;

use super::runtime::{Handle, Outside, Runtime, Travels, read_byte, sleep, spawn, yield_now};
use filch_bench_common::{Bench, Cannot, Job, Work, Writer, one_by_one};

/// What a process makes of its job: what it repeats on a runtime of its own.
pub(crate) fn build(job: &Job) -> Result<Bench, Cannot> {
    let mut runtime = Runtime::start(job)?;
    let size = job.size;
    Ok(match job.work {
        Work::EmptyDetached => total(empty::detached(runtime, size)),
        Work::EmptyJoined => total(empty::joined(runtime, size)),
        Work::EmptyOutside => total(empty::outside(runtime, size)?),
        Work::BusyDetached => Box::new(move || runtime.run(busy::detached(size))),
        Work::ParkedDetached => total(empty::parked(runtime, size)),
        Work::ParkedJoined => total(empty::parked_joined(runtime, size)),
        Work::YieldOne => Box::new(move || runtime.run(yields::one(size))),
        Work::YieldEach => Box::new(move || runtime.run(yields::each(size))),
        Work::Fib => Box::new(move || runtime.run(fib::timed(size))),
        Work::Skynet => Box::new(move || runtime.run(skynet::timed(size))),
        Work::PingPong => Box::new(move || runtime.run(ping_pong::timed(size))),
        Work::FanIn => Box::new(move || runtime.run(fan_in::timed(size))),
        Work::SleepsCpu => Box::new(move || runtime.run(sleeps::cpu(size))),
        Work::SleepsBytes => total(sleeps::parked(runtime, size)),
        Work::Timer => Box::new(move || runtime.run(timer::timed(size))),
        Work::RoundTripBusy => {
            let outside = runtime.outside()?;
            Box::new(move || roundtrip::busy(&outside))
        }
        Work::RoundTripIdle => {
            let outside = runtime.outside()?;
            Box::new(move || roundtrip::idle(&outside))
        }
        Work::WakeHog => Box::new(move || stranded::woken(&mut runtime)),
        Work::SpawnHog => Box::new(move || stranded::spawned(&mut runtime)),
        Work::TimerHog => {
            let (workers, samples) = (job.workers, job.warm_ups + job.repetitions);
            one_by_one(move || runtime.run(timer_hog::late(workers, samples)))
        }
        Work::ReadinessHog => {
            let writer = Writer::start();
            Box::new(move || readiness_hog::late(&mut runtime, &writer))
        }
        Work::Coordinate(work) => super::coordination::build(work, runtime, size)?,
        Work::Serve(service) => super::network::serve(runtime, service)?,
        Work::Http(_) => return Err(Cannot("those who serve HTTP are other programs")),
        Work::Copy(how) => super::network::copy(runtime, how, size)?,
    })
}

fn total(mut repeat: empty::Repeat) -> Bench {
    Box::new(move || repeat().total())
}
