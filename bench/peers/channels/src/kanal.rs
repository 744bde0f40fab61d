//! The workloads of the comparison that are about messages, by kanal on tokio's multi-thread runtime.

mod answer;
mod coordination;
#[path = "../../../workloads/network/none.rs"]
mod network;
#[path = "primitives/kanal.rs"]
mod primitives;
#[path = "../../tokio/src/runtime.rs"]
mod runtime;
#[path = "../../../workloads/mod.rs"]
mod workloads;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    answer::main()
}
