//! What is the work that coordinates tasks?
//!
//! Compiled for filch and for each peer that has something to coordinate with, beside a module `primitives` that says what the words of these workloads
//! mean there. A peer that has only some of them chooses among the files.
//!
//! `has(work)` says why something cannot be done, where it cannot.
//!
//! | file | words of `primitives` | what they mean |
//! |---|---|---|
//! | `channels` | `bounded(room)`, `unbounded()` | the two ends of a channel for many who send and one who receives |
//! | `mpmc` | `shared(room)` | the same for many who receive |
//! | `oneshot` | `oneshot()` | a function that sends the value, and a future of it |
//! | `broadcast` | `broadcast(room)`, `publish`, `subscribe`, `next` | everybody gets everything |
//! | `watch` | `watch()`, `set`, `changed` | the newest value |
//! | `locks` | `Mutex`, `RwLock`, `Semaphore`, `acquire` | as their names say |
//! | `sets` | `join_set`, `scope` | tasks that are waited for together |

pub(crate) mod broadcast;
pub(crate) mod channels;
pub(crate) mod locks;
pub(crate) mod mpmc;
pub(crate) mod oneshot;
pub(crate) mod sets;
pub(crate) mod watch;

use super::primitives;
use super::runtime::{Runtime, spawn};
use filch_bench_common::{Bench, Cannot, Coordination};

/// What a process that has all of them makes of its job.
pub(crate) fn build(
    work: Coordination,
    mut runtime: Runtime,
    size: usize,
) -> Result<Bench, Cannot> {
    primitives::has(work)?;
    Ok(match work {
        Coordination::Mpsc(..)
        | Coordination::PingPongChannels
        | Coordination::Funnel(_)
        | Coordination::Pinball(_) => channels::bench(work, runtime, size),
        Coordination::Mpmc => Box::new(move || runtime.run(mpmc::timed(size))),
        Coordination::OneshotAlone => Box::new(move || runtime.run(oneshot::alone(size))),
        Coordination::OneshotReply => Box::new(move || runtime.run(oneshot::reply(size))),
        Coordination::Broadcast => Box::new(move || runtime.run(broadcast::timed(size))),
        Coordination::Watch => Box::new(move || runtime.run(watch::timed(size))),
        Coordination::MutexAlone => Box::new(move || runtime.run(locks::mutex(1, size))),
        Coordination::MutexShared => {
            Box::new(move || runtime.run(locks::mutex(locks::TASKS, size)))
        }
        Coordination::RwLock => Box::new(move || runtime.run(locks::rwlock(size))),
        Coordination::Semaphore => Box::new(move || runtime.run(locks::semaphore(size))),
        Coordination::JoinSet => Box::new(move || runtime.run(sets::join_set(size))),
        Coordination::Scope => Box::new(move || runtime.run(sets::scope(size))),
    })
}

/// How many of all a task does, if so many share them.
fn share(all: usize, task: usize, tasks: usize) -> usize {
    (all + tasks - 1 - task) / tasks
}
