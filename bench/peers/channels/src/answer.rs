//! What do the programs of this package answer? What their library of channels does on tokio's multi-thread runtime.

use super::runtime::choose;
use super::workloads;
use filch_bench_common::{Cannot, Work};
use std::process::ExitCode;

/// The programs' `main`.
pub(crate) fn main() -> ExitCode {
    choose(Some("multi-thread")).expect("the first choice");
    filch_bench_common::answer(std::env::args().skip(1), |job| match job.work {
        Work::Coordinate(_) => workloads::build(job),
        _ => Err(Cannot("it is a library of channels")),
    })
}
