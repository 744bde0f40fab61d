//! Which measurements are asked for?
//!
//! `spawn` is the default subcommand: its flags work with and without its name. clap reads the line; what it finds wrong is told in one
//! sentence, since a usage block of a dozen lines hides the one that matters. What clap cannot know is checked in
//! [`SpawnArgs::check`].

use crate::child;
use crate::compare::{self, CompareArgs, HistoryArgs};
use crate::plan::{Job, Memory, Mode};
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use filch_bench_common::memory;
use std::ffi::OsString;

/// The most workers: far more than any machine has cores; above it somebody mistook the flag.
pub(crate) const WORKERS_MAX: usize = 1024;
/// The most coroutines: 2^28 of them take 18 GB.
const TASKS_MAX: usize = 1 << 28;
/// The most rounds: an hour of the default work.
const ROUNDS_MAX: usize = 10_000;
/// What a coroutine is reckoned to need when the size of the work is checked: 64 bytes of cell, 8 of handle, and up to 24 in queues
/// that grow by doubling.
const BYTES_PER_TASK_RECKONED: u64 = 96;

const AFTER_HELP: &str = "\
MEASURED
  N empty coroutines, from before the first spawn until all have run. The body of each adds one to
  a padded counter of the thread that runs it; whoever waits sums the counters.
    detached       a task spawns them and drops their handles, then yields until all have counted
    joined         a task spawns them, keeps their handles, and awaits one after the other
    outside        a thread that is no worker spawns them and drops their handles
    parked         N tasks that wait for ever, started 1000 at a time: what stays resident for each
    parked-joined  the same with their handles kept
  Spawn ends when the last spawn has returned, Run is the rest (with several workers most run while
  others are still being spawned), Total is both. Figures are medians of the rounds.
    cold  each round in a fresh process: the memory is touched for the first time
    warm  the rounds of one process after one that does not count
  Bytes per coroutine: the peak of resident memory over what was resident before the first
  spawn, divided by N; for parked ones the growth that stays. Those are measured cold whatever
  --memory says, with the most of --workers, and in 3 rounds at most.

NOT MEASURED
  Starting the process, building the runtime and ending it. Coroutines that do something: I/O, and
  switches between tasks and timers (for those see `cargo bench -p filch-bench`). The talk's
  figures were not measured here: they are its own, of 2018, on a quad-core laptop.";

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To print this: help, or the version.
    Text(String),
    /// To measure and report.
    Spawn(Choices),
    /// To measure as a child.
    Child(Job),
    /// To compare and report.
    Compare(compare::Choices),
    /// To measure filch as a child of the comparison.
    CompareChild(Vec<String>),
}

/// The choices for `spawn`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choices {
    pub(crate) jobs: Vec<Job>,
    pub(crate) json: bool,
}

#[derive(Debug, Parser)]
#[command(
    name = "filch-bench",
    version,
    about = "How long do 500 000 empty coroutines take, and how much memory?",
    after_help = AFTER_HELP,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    spawn: SpawnArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The main job, and the default
    #[command(after_help = AFTER_HELP)]
    Spawn(SpawnArgs),
    /// One measurement in a process of its own
    #[command(name = child::SUBCOMMAND, hide = true)]
    Child(ChildArgs),
    /// Every workload on filch and its peers in turn
    #[command(after_help = compare::AFTER_HELP)]
    Compare(CompareArgs),
    /// One run of filch in a comparison
    #[command(name = compare::SUBCOMMAND, hide = true)]
    CompareChild { words: Vec<String> },
    /// What has changed between two commits whose comparisons were kept
    #[command(after_help = compare::AFTER_HISTORY_HELP)]
    History(HistoryArgs),
}

#[derive(Debug, Args)]
struct SpawnArgs {
    /// How many coroutines
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    tasks: usize,
    /// With how many workers: numbers, or `all` for one for each core
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        default_value = "1,all"
    )]
    workers: Vec<String>,
    /// How many rounds of each measurement; of parked modes 3 at most
    #[arg(long, value_name = "R", default_value_t = 7)]
    rounds: usize,
    /// What to measure
    #[arg(
        long,
        value_name = "MODE,...",
        value_delimiter = ',',
        default_value = "detached,joined,outside,parked,parked-joined"
    )]
    mode: Vec<Mode>,
    /// With which memory
    #[arg(
        long,
        value_name = "MEMORY,...",
        value_delimiter = ',',
        default_value = "cold,warm"
    )]
    memory: Vec<Memory>,
    /// One JSON object a line on standard output, and nothing else
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ChildArgs {
    mode: Mode,
    memory: Memory,
    workers: usize,
    tasks: usize,
    rounds: usize,
}

/// Reads a command line.
///
/// # Errors
///
/// What is wrong with it, as a sentence.
pub(crate) fn parse(line: impl Iterator<Item = OsString>) -> Result<Asked, String> {
    let cli = match Cli::try_parse_from(line) {
        Ok(cli) => cli,
        Err(error) => {
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                    Ok(Asked::Text(error.to_string()))
                }
                _ => Err(one_sentence(&error.to_string())),
            };
        }
    };
    match cli.command {
        None => cli.spawn.check().map(Asked::Spawn),
        Some(Command::Spawn(args)) => args.check().map(Asked::Spawn),
        Some(Command::Child(args)) => Ok(Asked::Child(args.job())),
        Some(Command::Compare(args)) => args.check(all_workers()?).map(Asked::Compare),
        Some(Command::History(args)) => args.text().map(Asked::Text),
        Some(Command::CompareChild { words }) => Ok(Asked::CompareChild(words)),
    }
}

impl SpawnArgs {
    fn check(&self) -> Result<Choices, String> {
        if self.tasks == 0 || self.tasks > TASKS_MAX {
            return Err(format!(
                "--tasks {} makes no sense, give a number from 1 to {TASKS_MAX}.",
                self.tasks
            ));
        }
        if self.rounds == 0 || self.rounds > ROUNDS_MAX {
            return Err(format!(
                "--rounds {} makes no sense, give a number from 1 to {ROUNDS_MAX}.",
                self.rounds
            ));
        }
        let needed = self.tasks as u64 * BYTES_PER_TASK_RECKONED;
        if memory::available_bytes().is_ok_and(|available| needed > available) {
            return Err(format!(
                "--tasks {} would take {} MB of memory, which are not free, give a smaller number.",
                self.tasks,
                needed / 1_000_000
            ));
        }
        let workers = self.workers()?;
        Ok(Choices {
            jobs: self.jobs(&workers),
            json: self.json,
        })
    }

    /// The numbers of workers, each once.
    fn workers(&self) -> Result<Vec<usize>, String> {
        let mut workers = Vec::new();
        for text in &self.workers {
            let number = match text.as_str() {
                "all" => all_workers()?,
                text => match text.parse() {
                    Ok(number @ 1..=WORKERS_MAX) => number,
                    _ => {
                        return Err(format!(
                            "--workers '{text}' makes no sense, give numbers from 1 to {WORKERS_MAX}, or all."
                        ));
                    }
                },
            };
            if !workers.contains(&number) {
                workers.push(number);
            }
        }
        Ok(workers)
    }

    fn jobs(&self, workers: &[usize]) -> Vec<Job> {
        let mut jobs = Vec::new();
        let mut add = |job| {
            if !jobs.contains(&job) {
                jobs.push(job);
            }
        };
        for &mode in &self.mode {
            if mode.is_parked() {
                // Bytes do not depend on the memory's history; the most workers are the worst case.
                add(Job {
                    mode,
                    memory: Memory::Cold,
                    workers: workers.iter().copied().max().unwrap_or(1),
                    tasks: self.tasks,
                    rounds: self.rounds.min(3),
                });
                continue;
            }
            for &workers in workers {
                for &memory in &self.memory {
                    add(Job {
                        mode,
                        memory,
                        workers,
                        tasks: self.tasks,
                        rounds: self.rounds,
                    });
                }
            }
        }
        jobs
    }
}

impl ChildArgs {
    fn job(&self) -> Job {
        Job {
            mode: self.mode,
            memory: self.memory,
            workers: self.workers,
            tasks: self.tasks,
            rounds: self.rounds,
        }
    }
}

/// As many workers as a runtime has that is not told.
fn all_workers() -> Result<usize, String> {
    match filch::Runtime::new() {
        Ok(runtime) => Ok(runtime.handle().workers()),
        Err(error) => Err(format!("the number of cores is not to be had: {error}.")),
    }
}

/// clap's message without its usage and hints: the first paragraph, on one line.
fn one_sentence(message: &str) -> String {
    let first: Vec<_> = message
        .lines()
        .take_while(|line| !line.trim().is_empty())
        .map(str::trim)
        .collect();
    let text = first.join(" ");
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    format!("{text}; see --help.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Result<Asked, String> {
        parse(
            std::iter::once("filch-bench")
                .chain(line.split_whitespace())
                .map(Into::into),
        )
    }

    fn choices(line: &str) -> Choices {
        match ask(line) {
            Ok(Asked::Spawn(choices)) => choices,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_arguments_everything_is_measured() {
        let choices = choices("");
        assert!(!choices.json);
        assert!(choices.jobs.iter().all(|job| job.tasks == 500_000));
        let timed = choices.jobs.iter().filter(|job| !job.mode.is_parked());
        assert!(timed.clone().all(|job| job.rounds == 7));
        let cores = all_workers().unwrap();
        let of_each = if cores == 1 { 1 } else { 2 };
        assert_eq!(timed.count(), 3 * 2 * of_each);
    }

    #[test]
    fn the_subcommand_may_be_left_out() {
        let line = "--tasks 10 --workers 1,3 --rounds 2 --mode joined --memory warm --json";
        let with = choices(&format!("spawn {line}"));
        assert_eq!(with, choices(line));
        assert!(with.json);
        assert_eq!(with.jobs.len(), 2);
        assert_eq!(
            with.jobs[1],
            Job {
                mode: Mode::Joined,
                memory: Memory::Warm,
                workers: 3,
                tasks: 10,
                rounds: 2
            }
        );
    }

    #[test]
    fn what_is_asked_twice_is_done_once() {
        assert_eq!(
            choices("--workers 2,2 --mode outside,outside --memory cold,cold")
                .jobs
                .len(),
            1
        );
    }

    #[test]
    fn bad_arguments_are_told_in_one_sentence() {
        for line in [
            "--tasks 0",
            "--tasks -1",
            "--tasks x",
            "--tasks 268435457",
            "--tasks 99999999999999999999999",
            "--workers 0",
            "--workers 1,0",
            "--workers 1025",
            "--workers many",
            "--workers",
            "--rounds 0",
            "--rounds 10001",
            "--mode sideways",
            "--memory lukewarm",
            "--fast",
            "compose",
            "child",
        ] {
            let sentence = ask(line).expect_err(line);
            assert!(!sentence.contains('\n'), "{line}: {sentence}");
            assert!(sentence.ends_with('.'), "{line}: {sentence}");
        }
    }

    #[test]
    fn limits_are_inclusive() {
        assert_eq!(choices("--workers 1024 --mode detached").jobs.len(), 2);
        assert_eq!(choices("--rounds 10000 --tasks 1").jobs[0].rounds, 10_000);
    }

    #[test]
    fn help_says_what_is_not_measured() {
        for line in ["--help", "spawn --help"] {
            match ask(line) {
                Ok(Asked::Text(text)) => assert!(text.contains("NOT MEASURED"), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
