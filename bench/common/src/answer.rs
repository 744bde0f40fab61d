//! How does a process measure, and tell?
//!
//! The runtime is built, its threads get a moment to fall asleep; then repetitions that warm up, then repetitions that count. The
//! answer is one line of JSON on standard output, with a figure per repetition that counted, in seconds or in bytes:
//!
//! ```json
//! {"figures":[0.0101,0.0099,0.0103]}
//! {"figures":[0.5,0.4],"cpu":[0.49,0.41]}
//! {"cannot":"it has one thread"}
//! ```
//!
//! The second where processor time is told too, [`Work::tells_cost`](crate::Work::tells_cost). Servers answer otherwise: [`mod@crate::serve`].
//!
//! Where a latency is measured, a repetition is one sample of it: some hundreds, of which whoever reads the answer takes a percentile.
//!
//! Then the process exits, without ending the runtime: that is not measured, and with a million parked tasks it takes longer
//! than what is.

use crate::clock::{block_for, now};
use crate::cpu;
use crate::job::{Cannot, Job};
use crate::memory;
use std::process::ExitCode;
use std::time::Duration;

/// How long new workers get until they sleep: starting a thread takes 0.1 ms. A guess on the safe side.
pub const SETTLE: Duration = Duration::from_millis(20);

/// Until parked tasks are weighed: runtimes and allocators may give back what the start took for a while.
pub const SETTLE_PARKED: Duration = Duration::from_millis(500);

/// No repetition begins after the measured ones together took this long: slow peers have a smaller relative noise, and would make
/// a comparison take hours. Samples of a latency are all taken.
pub const ENOUGH: Duration = Duration::from_secs(1);

/// The exit status for a command line that is not understood.
const BAD_ARGUMENTS: u8 = 2;

/// Does the job once on a runtime, and gives how long that took.
pub type Bench = Box<dyn FnMut() -> Duration>;

/// Does the job on the command line with the bench that `build` makes for it, and prints the answer.
pub fn answer(
    words: impl Iterator<Item = String>,
    build: impl FnOnce(&Job) -> Result<Bench, Cannot>,
) -> ExitCode {
    let words: Vec<_> = words.collect();
    match Job::from_words(&words) {
        Ok(job) => {
            println!("{}", line(&job, build));
            std::process::exit(0)
        }
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::from(BAD_ARGUMENTS)
        }
    }
}

fn line(job: &Job, build: impl FnOnce(&Job) -> Result<Bench, Cannot>) -> String {
    let mut bench = match build(job) {
        Ok(bench) => bench,
        Err(Cannot(why)) => return format!(r#"{{"cannot":"{why}"}}"#),
    };
    block_for(SETTLE);
    // {:?} writes a finite number so that JSON reads it back as the same one.
    if job.work.is_parked() {
        return format!(r#"{{"figures":[{:?}]}}"#, weigh(&mut bench));
    }
    let (figures, cpu) = time(&mut bench, job);
    if job.work.tells_cost() {
        format!(r#"{{"figures":{figures:?},"cpu":{cpu:?}}}"#)
    } else {
        format!(r#"{{"figures":{figures:?}}}"#)
    }
}

/// A bench of what only a longer run can sample: the first repetition runs it, and each hands out one of its samples. Then it runs again.
///
/// # Panics
///
/// The bench does, if a run has no samples.
pub fn one_by_one(mut run: impl FnMut() -> Vec<Duration> + 'static) -> Bench {
    let mut samples = Vec::new().into_iter();
    Box::new(move || {
        samples.next().unwrap_or_else(|| {
            samples = run().into_iter();
            samples.next().expect("a run has samples")
        })
    })
}

/// Seconds of each repetition, and seconds of processor time.
fn time(bench: &mut Bench, job: &Job) -> (Vec<f64>, Vec<f64>) {
    for _ in 0..job.warm_ups {
        bench();
    }
    let begun = now();
    let is_enough = || !job.work.is_latency() && begun.elapsed() >= ENOUGH;
    let mut figures = Vec::with_capacity(job.repetitions);
    let mut cpu = Vec::with_capacity(job.repetitions);
    while figures.len() < job.repetitions && (figures.is_empty() || !is_enough()) {
        let before = cpu::used();
        figures.push(bench().as_secs_f64());
        cpu.push((cpu::used() - before).as_secs_f64());
    }
    (figures, cpu)
}

/// By how many bytes resident memory has grown for good. Once per process: what stays cannot be measured again.
fn weigh(bench: &mut Bench) -> f64 {
    let resident = || memory::resident_bytes().expect("the kernel tells what is resident");
    let before = resident();
    bench();
    block_for(SETTLE_PARKED);
    resident().saturating_sub(before) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Copying, Work};

    const JOB: Job = Job {
        work: Work::Fib,
        workers: 1,
        size: 1,
        warm_ups: 2,
        repetitions: 3,
    };

    #[test]
    fn what_warms_up_does_not_count() {
        let mut times = 0;
        let answer = line(&JOB, |_| {
            Ok(Box::new(move || {
                times += 1;
                Duration::from_millis(250 * times)
            }))
        });
        assert_eq!(answer, r#"{"figures":[0.75, 1.0, 1.25]}"#);
    }

    #[test]
    fn a_run_hands_out_its_samples_and_runs_again() {
        let mut runs = 0;
        let mut bench = one_by_one(move || {
            runs += 10;
            (1..4).map(|i| Duration::from_secs(runs + i)).collect()
        });
        let seconds: Vec<_> = (0..7).map(|_| bench().as_secs()).collect();
        assert_eq!(seconds, [11, 12, 13, 21, 22, 23, 31]);
    }

    #[test]
    fn who_cannot_says_why() {
        let cannot = |_: &Job| Err(Cannot("it has one thread"));
        assert_eq!(line(&JOB, cannot), r#"{"cannot":"it has one thread"}"#);
    }

    #[test]
    fn processor_time_stands_beside_where_it_is_told() {
        let job = Job {
            work: Work::Copy(Copying::Whole),
            ..JOB
        };
        let answer = line(&job, |_| Ok(Box::new(|| Duration::from_millis(1))));
        assert!(
            answer.starts_with(r#"{"figures":[0.001, 0.001, 0.001],"cpu":["#),
            "{answer}"
        );
    }

    #[test]
    fn parked_tasks_are_weighed() {
        let job = Job {
            work: Work::ParkedDetached,
            ..JOB
        };
        let mut kept = Vec::new();
        let answer = line(&job, |_| {
            Ok(Box::new(move || {
                kept.resize(8 << 20, 1_u8);
                Duration::ZERO
            }))
        });
        let bytes = answer.trim_start_matches(r#"{"figures":["#);
        let bytes: f64 = bytes.trim_end_matches("]}").parse().expect("a number");
        assert!(bytes > 7e6, "{answer}");
    }
}
