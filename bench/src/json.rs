//! What does `--json` print?
//!
//! One object per measurement and line, with these keys in this order: programs read it, so both stay as they are.

use crate::plan::Measured;
use serde::Serialize;

#[derive(Serialize)]
struct Line {
    peer: &'static str,
    workload: &'static str,
    mode: &'static str,
    workers: usize,
    memory: &'static str,
    tasks: usize,
    rounds: usize,
    spawn_s: f64,
    run_s: f64,
    total_s: f64,
    total_min_s: f64,
    total_max_s: f64,
    bytes_per_task: f64,
}

/// A measurement as a line, without its end.
pub(crate) fn line(measured: &Measured) -> serde_json::Result<String> {
    let (job, total) = (&measured.job, measured.total_s());
    serde_json::to_string(&Line {
        peer: "filch",
        workload: if job.mode.is_parked() {
            "parked"
        } else {
            "empty"
        },
        mode: job.mode.name(),
        workers: job.workers,
        memory: job.memory.name(),
        tasks: job.tasks,
        rounds: measured.rounds.len(),
        spawn_s: measured.spawn_s().median,
        run_s: measured.run_s().median,
        total_s: total.median,
        total_min_s: total.min,
        total_max_s: total.max,
        bytes_per_task: measured.bytes_per_task(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_their_order_are_fixed() {
        assert_eq!(
            line(&crate::plan::tests::example()).unwrap(),
            r#"{"peer":"filch","workload":"empty","mode":"detached","workers":2,"memory":"warm","tasks":1000,"rounds":3,"spawn_s":0.25,"run_s":0.5,"total_s":0.75,"total_min_s":0.375,"total_max_s":1.5,"bytes_per_task":65.0}"#
        );
    }
}
