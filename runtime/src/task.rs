//! Tasks: what a runtime runs.
//!
//! [`spawn`](crate::spawn()) makes one, its [`JoinHandle`] gives the output.
//!
//! # What is a task, in memory?
//!
//! One cell of the slab: a `Header` (state word, vtable, join waker: 32 bytes) and behind it the
//! future, which later gives its room to the output. Nothing else: no list links, no id, no counted pointer to the
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
//! | `join` | how does its output reach whoever spawned it? |
//! | `schedule` | what does a task ask of its scheduler? |
//! | `last_polled` | what does a worker poll at the moment? |
//!
//! Rejected: a list of all tasks (the slab can enumerate its cells), a reference held by the queue (a task in a queue is not
//! complete, and an incomplete task is not freed), a separate allocation for the output.

pub(crate) mod cell;
pub(crate) mod error;
pub(crate) mod harness;
pub(crate) mod header;
pub(crate) mod join;
pub(crate) mod last_polled;
pub(crate) mod refs;
pub(crate) mod schedule;
pub(crate) mod state;
pub(crate) mod waker;

pub use error::JoinError;
pub use join::JoinHandle;

#[cfg(not(any(loom, shuttle)))]
pub use crate::spawn::{spawn, spawn_blocking, spawn_local, yield_now};

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(test)]
mod testing;
#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
