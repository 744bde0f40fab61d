//! What is asked for?

use super::history;
use super::peer::{PEERS, Peer};
use super::report::data::Options;
use super::workload::{Case, WORKLOADS, Workload};
use clap::Args;
use std::path::PathBuf;

/// The most rounds: days of the default work.
const ROUNDS_MAX: usize = 1000;

pub(crate) const AFTER_HELP: &str = "\
Every workload runs on filch and on each peer in turn, round by round, each run in a process of its
own: a warm-up, then up to five repetitions, fewer if those take longer than a second; cold ones are
the first in their process. A round's figure is the median of its repetitions, of a latency the
median (p50) or the 99th percentile (p99) of its samples; told are the median of the rounds, the
smallest and the largest, and the ratio to filch's median. Whoever is no peer of
one workload, or is not installed, is named with the reason. `compare --list` says what each workload
measures and what not, and who the peers are and where they come from.

--report DIR writes DIR/index.html, a page complete in itself, and DIR/compare.json, each round's
figures. --history keeps medians and extremes in bench/history, for `filch-bench history` to compare.

All peers in Rust are built with filch's own release profile, into bench/peers/target, on first use.";

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Which workloads; all of them if not given
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    workloads: Vec<String>,
    /// With which peers; all of them if not given. filch itself always runs
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    peers: Vec<String>,
    /// How many rounds; of parked tasks 3 at most
    #[arg(long, value_name = "R", default_value_t = 7)]
    rounds: usize,
    /// Make workloads smaller, to at most so many tasks, yields or samples (fib and skynet to the largest that fits)
    #[arg(long, value_name = "N")]
    tasks: Option<usize>,
    /// One JSON object a line on standard output, and nothing else
    #[arg(long)]
    json: bool,
    /// Say what there is, and measure nothing
    #[arg(long, conflicts_with_all = ["json", "report", "history"])]
    list: bool,
    /// Write a page that shows everything, and all figures as JSON, into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Keep the figures in bench/history, as those of this commit
    #[arg(long, conflicts_with = "tasks")]
    history: bool,
}

/// The choices for `compare`.
#[derive(Debug)]
pub(crate) struct Choices {
    workloads: Vec<&'static Workload>,
    /// filch is the first.
    pub(super) peers: Vec<&'static Peer>,
    rounds: usize,
    tasks: Option<usize>,
    workers: Vec<usize>,
    pub(crate) json: bool,
    pub(crate) list: bool,
    pub(super) report: Option<PathBuf>,
    pub(super) history: bool,
}

impl CompareArgs {
    /// With so many workers as there are cores.
    pub(crate) fn check(&self, all_workers: usize) -> Result<Choices, String> {
        if self.rounds == 0 || self.rounds > ROUNDS_MAX {
            return Err(format!(
                "--rounds {} makes no sense, give a number from 1 to {ROUNDS_MAX}.",
                self.rounds
            ));
        }
        if self.tasks == Some(0) {
            return Err("--tasks 0 makes no sense, give a number from 1.".to_owned());
        }
        if let Some(sentence) = history::objection().filter(|_| self.history) {
            return Err(sentence);
        }
        let workers = if all_workers == 1 {
            vec![1]
        } else {
            vec![1, all_workers]
        };
        Ok(Choices {
            workloads: chosen("--workloads", &self.workloads, WORKLOADS, |one| one.name)?,
            peers: with_filch(chosen("--peers", &self.peers, PEERS, |one| one.name)?),
            rounds: self.rounds,
            tasks: self.tasks,
            workers,
            json: self.json,
            list: self.list,
            report: self.report.clone(),
            history: self.history,
        })
    }
}

impl Choices {
    /// What is measured, one workload after the other.
    pub(super) fn cases(&self) -> Vec<Case> {
        let tasks = self.tasks.unwrap_or(usize::MAX);
        let workloads = self.workloads.iter();
        workloads
            .flat_map(|workload| workload.cases(&self.workers, tasks, self.rounds))
            .collect()
    }

    /// What a report tells of them.
    pub(super) fn options(&self) -> Options {
        Options {
            workloads: self.workloads.iter().map(|one| one.name).collect(),
            peers: self.peers.iter().map(|one| one.name).collect(),
            rounds: self.rounds,
            tasks: self.tasks,
        }
    }

    pub(super) fn variants(&self, workload: &'static Workload) -> Vec<String> {
        workload.variants(&self.workers)
    }
}

/// What is named, in the order of all there is, each once; everything if nothing is named.
fn chosen<T>(
    flag: &str,
    named: &[String],
    all: &'static [T],
    name: impl Fn(&T) -> &'static str,
) -> Result<Vec<&'static T>, String> {
    if let Some(unknown) = named
        .iter()
        .find(|text| !all.iter().any(|one| name(one) == *text))
    {
        let names: Vec<_> = all.iter().map(&name).collect();
        return Err(format!(
            "{flag} '{unknown}' is none of {}.",
            names.join(", ")
        ));
    }
    let is_chosen = |one: &&T| named.is_empty() || named.iter().any(|text| name(one) == text);
    Ok(all.iter().filter(is_chosen).collect())
}

fn with_filch(mut peers: Vec<&'static Peer>) -> Vec<&'static Peer> {
    if !peers[0].is_filch() {
        peers.insert(0, &PEERS[0]);
    }
    peers
}
