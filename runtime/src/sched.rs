//! Who runs which task, where and when?
//!
//! | file | answers |
//! |---|---|
//! | [`queue`] | where do a worker's runnable tasks wait? (with the door to crossbeam-deque) |
//! | [`fast_queue`] | how does an owner push and pop for nothing while others may steal? |
//! | [`lanes`] | where do tasks wait that come from threads that are no workers? |
//! | [`slot`] | where does the task stand that runs next? |
//! | `shared` | what can everybody reach of a scheduler? |
//! | `core` | what belongs to one worker alone? |
//! | `worker` | what does a worker do all day? |
//! | `steal` | where does it look when it has nothing to do? |
//! | [`idle`] | who sleeps, who searches, who is woken? (proof sketch: `IDLE.md`) |
//! | `schedule` | where does a woken, spawned or freed task go? |
//! | `outside` | how do threads that are no workers spawn and wake? |
//! | `batch` | how are many tasks spawned at once? |
//! | `context` | on which worker is this thread? |
//! | `handoff` | what if a task blocks its thread? |
//! | `local` | where does a task live that must never leave its thread? |
//! | `inbox` | how does it get there when another thread wakes it? |
//! | `sentinel` | what if a worker is stuck in one poll? |
//! | `mistrust` | what if it is so again and again? |
//! | `watched` | what does the sentinel know of a worker? |
//! | [`spare`] | which spare workers are there, and what does each do? |
//! | `post` | where does one wait for what comes to workers that are stuck? |
//! | `stand_in` | how does a spare go on when every worker is stuck, and who calls it? |
//! | `surplus` | what if there are more workers than processors? |
//! | `simulate` | how does one thread run everything, in an order that a seed decides? |
//! | `stuck` | what has the sentinel seen? |
//! | `counts` | what does a worker count for people to read? |
//! | `warning` | who is told of it, and how often? |
//! | `panics` | what if a task panics and nobody will be told? |
//! | `trim` | when is memory given back? |
//! | `threads` | how are its threads made? |
//! | `shutdown` | how does it all end? |
//!
//! The scheduler names no file descriptor: a worker blocks in its [`Driver`](crate::driver::Driver).

pub(crate) mod fast_queue;
pub(crate) mod idle;
mod inbox;
pub(crate) mod lanes;
#[cfg(not(loom))]
pub(crate) mod queue;
pub(crate) mod slot;
mod spare;

#[cfg(not(loom))]
pub(crate) mod batch;
#[cfg(not(loom))]
pub(crate) mod context;
#[cfg(not(loom))]
mod core;
#[cfg(not(loom))]
pub(crate) mod counts;
#[cfg(not(loom))]
pub(crate) mod handoff;
#[cfg(not(loom))]
pub(crate) mod local;
#[cfg(not(loom))]
mod mistrust;
#[cfg(not(loom))]
pub(crate) mod outside;
#[cfg(not(loom))]
mod panics;
#[cfg(not(loom))]
mod post;
#[cfg(not(loom))]
mod schedule;
#[cfg(not(loom))]
mod sentinel;
#[cfg(not(loom))]
mod shared;
#[cfg(not(loom))]
mod shutdown;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod simulate;
#[cfg(not(loom))]
mod stand_in;
#[cfg(not(loom))]
mod steal;
#[cfg(not(loom))]
pub(crate) mod stuck;
#[cfg(not(loom))]
mod surplus;
#[cfg(not(loom))]
mod threads;
#[cfg(not(loom))]
mod trim;
#[cfg(not(loom))]
mod warning;
#[cfg(not(loom))]
mod watched;
#[cfg(not(loom))]
mod worker;

#[cfg(not(loom))]
#[cfg_attr(
    shuttle,
    expect(
        unreachable_pub,
        reason = "the runtime, which shows it, is not modelled"
    )
)]
pub use panics::UnhandledPanic;
#[cfg(not(loom))]
pub(crate) use shared::{Config, Shared};
#[cfg(not(loom))]
pub(crate) use surplus::CpuSource;
#[cfg(not(loom))]
pub(crate) use threads::ThreadConfig;

#[cfg(all(test, shuttle))]
mod shuttle_tests;
