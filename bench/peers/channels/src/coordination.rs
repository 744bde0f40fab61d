//! What does a library of channels have to coordinate tasks with? Channels.

#[path = "../../../workloads/coordination/channels.rs"]
mod channels;
#[path = "../../../workloads/coordination/mpmc.rs"]
mod mpmc;

use super::primitives;
use super::runtime::{Runtime, choose, spawn};
use filch_bench_common::{Bench, Cannot, Coordination};
use std::process::ExitCode;

/// What a process makes of its job.
pub(crate) fn build(
    work: Coordination,
    mut runtime: Runtime,
    size: usize,
) -> Result<Bench, Cannot> {
    primitives::has(work)?;
    match work {
        Coordination::Mpsc(..)
        | Coordination::PingPongChannels
        | Coordination::Funnel(_)
        | Coordination::Pinball(_) => Ok(channels::bench(work, runtime, size)),
        Coordination::Mpmc => Ok(Box::new(move || runtime.run(mpmc::timed(size)))),
        _ => Err(Cannot("it is about channels for many messages")),
    }
}

/// The programs' `main`.
pub(crate) fn main() -> ExitCode {
    choose(Some("multi-thread")).expect("the first choice");
    filch_bench_common::answer(std::env::args().skip(1), |job| match job.work {
        filch_bench_common::Work::Coordinate(_) => super::workloads::build(job),
        _ => Err(Cannot("it is a library of channels")),
    })
}

/// How many of all a task does, if so many share them.
fn share(all: usize, task: usize, tasks: usize) -> usize {
    (all + tasks - 1 - task) / tasks
}
