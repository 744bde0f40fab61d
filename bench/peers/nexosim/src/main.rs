//! The workloads of the comparison that are about messages, by tachyonix on nexosim's executor.

#[path = "../../channels/src/coordination.rs"]
mod coordination;
#[path = "../../channels/src/primitives/tachyonix.rs"]
mod primitives;
mod runtime;

use filch_bench_common::{Cannot, Work};
use runtime::Runtime;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    filch_bench_common::answer(std::env::args().skip(1), |job| match job.work {
        Work::Coordinate(work) => coordination::build(work, Runtime::start(job)?, job.size),
        _ => Err(Cannot(
            "none of its tasks can start another, and it is asked about messages alone",
        )),
    })
}
