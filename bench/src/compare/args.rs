//! What is asked for?

use super::calls::What;
use super::history;
use super::peer::{Family, HTTP_PEERS, PEERS, Peer};
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

Servers are given load by this process, on one core, and have the other if they have one worker.
System calls are counted in runs of their own, by perf where the kernel lets it, else by strace;
instructions by perf where the processor lets it, else by valgrind, and only with --instructions.

--report DIR writes DIR/index.html, a page complete in itself, and DIR/compare.json, each round's
figures. --history keeps medians and extremes in bench/history, for `filch-bench history` to compare.

All peers in Rust are built with filch's own release profile, into bench/peers/target, on first use.
Workloads whose names begin with http- have peers of their own; filch is the example hello there.";

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Which workloads; all of them if not given
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    workloads: Vec<String>,
    /// With which peers, of those who take part; all of them if not given. filch itself always runs
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    peers: Vec<String>,
    /// How many rounds; of parked tasks 3 at most
    #[arg(long, value_name = "R", default_value_t = 7)]
    rounds: usize,
    /// Make workloads smaller, to at most so many tasks, yields or samples (fib and skynet to the largest that fits)
    #[arg(long, value_name = "N")]
    tasks: Option<usize>,
    /// Count user-space instructions of HTTP servers, too, which takes long
    #[arg(long)]
    instructions: bool,
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
    instructions: bool,
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
        let workloads = chosen("--workloads", &self.workloads, WORKLOADS.iter(), |one| {
            one.name
        })?;
        let all = PEERS.iter().chain(HTTP_PEERS);
        let peers = chosen("--peers", &self.peers, all, |one| one.name)?;
        Ok(Choices {
            peers: who_take_part(peers, &workloads),
            workloads,
            rounds: self.rounds,
            tasks: self.tasks,
            workers,
            instructions: self.instructions,
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
            .filter(|case| self.instructions || case.counts() != Some(What::Instructions))
            .collect()
    }

    /// What a report tells of them.
    pub(super) fn options(&self) -> Options {
        let mut peers: Vec<_> = self.peers.iter().map(|one| one.name).collect();
        // filch is two programs.
        let is_again = |peer: &Peer| peer.is_filch() && peer.family() == Family::Http;
        if let Some(again) = self.peers.iter().position(|peer| is_again(peer)) {
            if again > 0 {
                peers.remove(again);
            }
        }
        Options {
            workloads: self.workloads.iter().map(|one| one.name).collect(),
            peers,
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
    all: impl Iterator<Item = &'static T> + Clone,
    name: impl Fn(&T) -> &'static str,
) -> Result<Vec<&'static T>, String> {
    if let Some(unknown) = named
        .iter()
        .find(|text| !all.clone().any(|one| name(one) == *text))
    {
        let mut names: Vec<_> = all.map(&name).collect();
        names.dedup();
        return Err(format!(
            "{flag} '{unknown}' is none of {}.",
            names.join(", ")
        ));
    }
    let is_chosen = |one: &&T| named.is_empty() || named.iter().any(|text| name(one) == text);
    Ok(all.filter(is_chosen).collect())
}

/// Those of the peers that any of the workloads is about, with filch before them.
fn who_take_part(chosen: Vec<&'static Peer>, workloads: &[&Workload]) -> Vec<&'static Peer> {
    let mut peers = Vec::new();
    for all in [PEERS, HTTP_PEERS] {
        let filch = &all[0];
        if workloads.iter().any(|one| one.family() == filch.family()) {
            let others = chosen.iter().copied();
            let others = others.filter(|peer| !peer.is_filch() && peer.family() == filch.family());
            peers.push(filch);
            peers.extend(others);
        }
    }
    peers
}
