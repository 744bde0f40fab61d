//! What does every measured process do in the same way, filch and its peers alike?
//!
//! | module | answers |
//! |---|---|
//! | [`job`] | what is this process asked to measure? |
//! | [`mod@answer`] | how does it measure, and tell? |
//! | [`counters`] | how is it known that all coroutines have run? |
//! | [`clock`] | where does the time come from? |
//! | [`memory`] | how much memory is resident, and how much was at most? |
//!
//! It depends on nothing, so that it says nothing about who uses it.

pub mod answer;
pub mod clock;
pub mod counters;
pub mod job;
pub mod memory;

pub use answer::{Bench, answer};
pub use job::{Cannot, Job, Work};
