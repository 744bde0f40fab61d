//! The machine: what the operating system and the processor give us, one door each.
//!
//! Everything above this module takes atomics, locks and threads from [`sync`], time from [`clock`],
//! random numbers from [`rng`] and memory from [`mem`], so that a model checker or a simulation can
//! take their place.

pub(crate) mod barrier;
pub(crate) mod clock;
#[cfg(not(any(loom, shuttle)))]
pub(crate) mod cpu;
pub(crate) mod mem;
pub(crate) mod punctual;
pub(crate) mod rng;
pub(crate) mod sync;
#[cfg(not(loom))]
pub(crate) mod thread_state;
