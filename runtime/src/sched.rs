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
//! | `sentinel` | what if a worker is stuck in one poll? |
//! | `trim` | when is memory given back? |
//! | `threads` | how are its threads made? |
//! | `shutdown` | how does it all end? |
//!
//! The scheduler names no file descriptor: a worker blocks in its [`Driver`](crate::driver::Driver).

pub(crate) mod fast_queue;
pub(crate) mod idle;
pub(crate) mod lanes;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod queue;
pub(crate) mod slot;

#[cfg(not(any(loom, shuttle)))]
pub(crate) mod batch;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod context;
#[cfg(not(any(loom, shuttle)))]
mod core;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod handoff;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod outside;
#[cfg(not(any(loom, shuttle)))]
mod schedule;
#[cfg(not(any(loom, shuttle)))]
mod sentinel;
#[cfg(not(any(loom, shuttle)))]
mod shared;
#[cfg(not(any(loom, shuttle)))]
mod shutdown;
#[cfg(not(any(loom, shuttle)))]
mod steal;
#[cfg(not(any(loom, shuttle)))]
mod threads;
#[cfg(not(any(loom, shuttle)))]
mod trim;
#[cfg(not(any(loom, shuttle)))]
mod worker;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use shared::{Config, Shared};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use threads::ThreadConfig;
