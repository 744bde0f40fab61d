#![doc = include_str!("../README.md")]
//!
//! # Modules
//!
//! | module | question |
//! |---|---|
//! | `io` | how does hyper read and write a stream of `futures-io`, and the other way round? |
//! | `rt` | where does hyper run tasks, and how does it wait? |
//! | `serve` | how is a service of tower served, and how does that end? |

mod io;
mod rt;
mod serve;

pub use io::FilchIo;
pub use rt::{FilchExecutor, FilchSleep, FilchTimer};
pub use serve::{serve, serve_connection};
