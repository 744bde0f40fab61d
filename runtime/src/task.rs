//! Tasks: what a runtime runs.
//!
//! [`spawn`](crate::spawn()) makes one, its [`JoinHandle`] gives the output.
//!
//! # What is a task, in memory?
//!
//! One cell of the slab: a `Header` (state word, vtable, join waker, where it was spawned: 40 bytes) and behind it the
//! future, which later gives its room to the output. Nothing else: no list links, no counted pointer to the
//! scheduler (that stands once at the head of the slab chunk the cell lies in).
//!
//! | file | answers |
//! |---|---|
//! | `state` | in which phase is the task, and who may do what? (the atomic word; no unsafe) |
//! | `header` | what do all tasks have in common? |
//! | `cell` | where do future and output lie? |
//! | `harness` | how is a task polled, cancelled, completed, freed? |
//! | `waker` | how does a `Waker` reach it? |
//! | `refs` | what does holding a reference mean? |
//! | `id` | what tells one task from another? |
//! | `join` | how does its output reach whoever spawned it? |
//! | `abort` | how is it aborted by whoever has no right to its output? |
//! | `local` | what if a value belongs to one task? |
//! | `unhandled` | what is there to say of a panic that nobody will be told of? |
//! | `schedule` | what does a task ask of its scheduler? |
//! | `last_polled` | what does a worker poll at the moment? |
//!
//! Rejected: a list of all tasks (the slab can enumerate its cells), a reference held by the queue (a task in a queue is not
//! complete, and an incomplete task is not freed), a separate allocation for the output.

pub(crate) mod abort;
pub(crate) mod cell;
pub(crate) mod error;
pub(crate) mod harness;
pub(crate) mod header;
pub(crate) mod id;
pub(crate) mod join;
pub(crate) mod last_polled;
pub(crate) mod refs;
pub(crate) mod schedule;
pub(crate) mod state;
pub(crate) mod unhandled;
pub(crate) mod waker;

pub use crate::util::wait_reason::WaitReason;
pub use abort::AbortHandle;
pub use error::JoinError;
pub use id::Id;
pub use join::JoinHandle;

#[cfg(not(any(loom, shuttle)))]
mod local;

#[cfg(not(any(loom, shuttle)))]
pub use crate::join_set::JoinSet;
#[cfg(not(any(loom, shuttle)))]
pub use crate::scope::{OnCancel, on_cancel};
#[cfg(not(any(loom, shuttle)))]
pub use crate::spawn::{
    Builder, block_in_place, id, is_turn_over, location, name, spawn, spawn_blocking, spawn_local,
    try_id, yield_now,
};
#[cfg(not(any(loom, shuttle)))]
#[doc(hidden)]
pub use local::Held as __Held;
#[cfg(not(any(loom, shuttle)))]
pub use local::{AccessError, LocalKey, TaskLocalFuture};

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
