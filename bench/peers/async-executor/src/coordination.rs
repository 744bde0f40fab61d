//! What do the people of smol have to coordinate tasks with?

#[path = "../../../workloads/coordination/broadcast.rs"]
mod broadcast;
#[path = "../../../workloads/coordination/channels.rs"]
mod channels;
#[path = "../../../workloads/coordination/locks.rs"]
mod locks;
#[path = "../../../workloads/coordination/mpmc.rs"]
mod mpmc;
#[path = "../../../workloads/coordination/oneshot.rs"]
mod oneshot;

use super::primitives;
use super::runtime::{Runtime, spawn};
use filch_bench_common::{Bench, Cannot, Coordination};

/// What a process makes of its job.
pub(crate) fn build(
    work: Coordination,
    mut runtime: Runtime,
    size: usize,
) -> Result<Bench, Cannot> {
    Ok(match work {
        Coordination::Mpsc(..)
        | Coordination::PingPongChannels
        | Coordination::Funnel(_)
        | Coordination::Pinball(_) => channels::bench(work, runtime, size),
        Coordination::Mpmc => Box::new(move || runtime.run(mpmc::timed(size))),
        Coordination::OneshotAlone => Box::new(move || runtime.run(oneshot::alone(size))),
        Coordination::OneshotReply => Box::new(move || runtime.run(oneshot::reply(size))),
        Coordination::Broadcast => Box::new(move || runtime.run(broadcast::timed(size))),
        Coordination::MutexAlone => Box::new(move || runtime.run(locks::mutex(1, size))),
        Coordination::MutexShared => {
            Box::new(move || runtime.run(locks::mutex(locks::TASKS, size)))
        }
        Coordination::RwLock => Box::new(move || runtime.run(locks::rwlock(size))),
        Coordination::Semaphore => Box::new(move || runtime.run(locks::semaphore(size))),
        Coordination::Watch => return Err(Cannot("it has nothing to watch")),
        Coordination::JoinSet | Coordination::Scope => {
            return Err(Cannot("it has no sets of tasks"));
        }
    })
}

/// How many of all a task does, if so many share them.
fn share(all: usize, task: usize, tasks: usize) -> usize {
    (all + tasks - 1 - task) / tasks
}
