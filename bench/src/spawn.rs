//! What does a process measure of coroutines that are started?
//!
//! N coroutines that only count themselves, started as [`empty`] does it for everybody that is compared; here with the two parts of their
//! time told apart, and with the memory that they take. One [`Bench`] is one runtime; each call of [`Bench::round`] starts N.

use crate::plan::{Job, Mode, Round};
use crate::runtime::Runtime;
use crate::workloads::empty::{self, Repeat};
use filch_bench_common::answer::{SETTLE, SETTLE_PARKED};
use filch_bench_common::clock::block_for;
use filch_bench_common::{Cannot, memory};
use std::io;

/// A runtime to measure.
pub(crate) struct Bench {
    repeat: Repeat,
    is_parked: bool,
    /// What was resident before the first task.
    resident_before: u64,
}

impl Bench {
    pub(crate) fn new(job: &Job) -> io::Result<Self> {
        let (runtime, tasks) = (Runtime::build(job.workers)?, job.tasks);
        let repeat = match job.mode {
            Mode::Detached => empty::detached(runtime, tasks),
            Mode::Joined => empty::joined(runtime, tasks),
            Mode::Outside => {
                empty::outside(runtime, tasks).map_err(|Cannot(why)| io::Error::other(why))?
            }
            Mode::Parked => empty::parked(runtime, tasks),
            Mode::ParkedJoined => empty::parked_joined(runtime, tasks),
        };
        block_for(SETTLE);
        memory::forget_peak();
        Ok(Self {
            repeat,
            is_parked: job.mode.is_parked(),
            resident_before: memory::resident_bytes()?,
        })
    }

    /// Starts the coroutines once and waits for them.
    pub(crate) fn round(&mut self) -> io::Result<Round> {
        let times = (self.repeat)();
        let peak_bytes = memory::peak_bytes()?;
        let weighed = if self.is_parked {
            block_for(SETTLE_PARKED);
            memory::resident_bytes()?
        } else {
            peak_bytes
        };
        Ok(Round {
            spawn_s: times.spawn.as_secs_f64(),
            run_s: times.run.as_secs_f64(),
            grown_bytes: weighed.saturating_sub(self.resident_before),
            peak_bytes,
        })
    }
}
