//! The workloads of the comparison on an executor made by hand.

#[path = "../../../workloads/coordination/none.rs"]
mod coordination;
mod executor;
#[path = "../../../workloads/network/none.rs"]
mod network;
mod runtime;
#[path = "../../../workloads/mod.rs"]
mod workloads;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    filch_bench_common::answer(std::env::args().skip(1), workloads::build)
}
