//! The workloads of the comparison on monoio.
//!
//! The first word of the command line is the driver, `uring` or `epoll`; the others are as for everyone.

#[path = "../../../workloads/coordination/none.rs"]
mod coordination;
mod network;
mod runtime;
#[path = "../../../workloads/mod.rs"]
mod workloads;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    if let Err(sentence) = runtime::choose(words.next().as_deref()) {
        eprintln!("{sentence}");
        return ExitCode::from(2);
    }
    filch_bench_common::answer(words, workloads::build)
}
