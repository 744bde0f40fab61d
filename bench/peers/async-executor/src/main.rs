//! The workloads of the comparison on async-executor, which smol runs on.

mod coordination;
#[path = "../../../workloads/network/none.rs"]
mod network;
mod primitives;
mod runtime;
#[path = "../../../workloads/mod.rs"]
mod workloads;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    filch_bench_common::answer(std::env::args().skip(1), workloads::build)
}
