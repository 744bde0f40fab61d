//! What does a library of channels have to coordinate tasks with? Channels.

#[path = "../../../workloads/coordination/channels.rs"]
mod channels;
#[path = "../../../workloads/coordination/mpmc.rs"]
mod mpmc;

use super::primitives;
use super::runtime::{Runtime, spawn};
use filch_bench_common::{Bench, Cannot, Coordination};

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

/// How many of all a task does, if so many share them.
fn share(all: usize, task: usize, tasks: usize) -> usize {
    (all + tasks - 1 - task) / tasks
}
