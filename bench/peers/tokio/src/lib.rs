//! The workloads of the comparison on tokio, for two programs that differ in the allocator.
//!
//! The first word of the command line is the flavour, `multi-thread` or `current-thread`; the others are as for everyone.

mod base;
#[path = "../../../workloads/coordination/mod.rs"]
mod coordination;
#[path = "../../../workloads/network/mod.rs"]
mod network;
#[path = "../../../workloads/primitives.rs"]
mod primitives;
mod runtime;
mod sockets;
#[path = "../../../workloads/mod.rs"]
mod workloads;

use std::process::ExitCode;

/// The programs' `main`.
pub fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    if let Err(sentence) = runtime::choose(words.next().as_deref()) {
        eprintln!("{sentence}");
        return ExitCode::from(2);
    }
    filch_bench_common::answer(words, workloads::build)
}
