//! What is in `compare.json`?
//!
//! What `--json` prints, with each round's figures, and what one has to know of them: the machine, who took part in which version, who
//! is missing and why, what the workloads measure. Programs read it: keys stay, and new ones may come.

use super::super::commit::Commit;
use super::super::peer::{Found, Missing};
use super::super::result::{self, Outcome};
use super::super::tell;
use super::super::workload::{Sweep, Unit, Workload};
use crate::machine::{self, Machine};
use crate::stats::Spread;
use serde::Serialize;

#[derive(Debug, Clone, Serialize)]
pub(in super::super) struct Data {
    /// When the measurement began, in UTC.
    pub(in super::super) date: String,
    /// What was measured, if git tells it.
    pub(in super::super) commit: Option<Commit>,
    /// Whether filch was built as a release; if not, its figures mean nothing.
    pub(super) optimised: bool,
    pub(in super::super) machine: Machine,
    pub(super) options: Options,
    pub(super) peers: Vec<TakesPart>,
    pub(super) missing: Vec<Missing>,
    pub(super) workloads: Vec<Told>,
    pub(in super::super) rows: Vec<Row>,
    pub(super) left_out: Vec<LeftOut>,
    /// How system calls were counted, if they were.
    pub(in super::super) calls: Option<&'static str>,
    /// The same of instructions.
    pub(in super::super) instructions: Option<&'static str>,
}

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
pub(in super::super) struct Options {
    pub(in super::super) workloads: Vec<&'static str>,
    pub(in super::super) peers: Vec<&'static str>,
    /// How many rounds; some workloads have fewer.
    pub(in super::super) rounds: usize,
    /// To how many tasks the workloads were cut, if they were.
    pub(in super::super) tasks: Option<usize>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct TakesPart {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) what: &'static str,
}

/// A workload, as `--list` tells it; one whose kinds have two units is two of them.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Told {
    pub(super) name: String,
    /// The name, and where that is not enough the unit.
    pub(super) title: String,
    pub(super) unit: String,
    pub(super) larger_is_better: bool,
    /// The unit in words.
    pub(super) figures: String,
    pub(super) measures: String,
    pub(super) measures_not: String,
    /// What its figures are followed over: `tasks` or `workers`.
    pub(super) over: Option<&'static str>,
}

/// A peer in a variant of a workload: the line of `--json`, and more.
#[derive(Debug, Clone, Serialize)]
pub(in super::super) struct Row {
    pub(in super::super) workload: String,
    pub(in super::super) variant: String,
    /// What the variant begins with.
    pub(super) kind: String,
    pub(in super::super) peer: String,
    pub(super) version: String,
    pub(in super::super) unit: String,
    pub(in super::super) median: f64,
    pub(in super::super) min: f64,
    pub(in super::super) max: f64,
    pub(in super::super) rounds: usize,
    pub(super) filch_median: Option<f64>,
    /// Above one filch is ahead.
    pub(super) ratio: Option<f64>,
    pub(in super::super) size: usize,
    pub(super) workers: usize,
    /// Of each round, in their order.
    pub(super) figures: Vec<f64>,
}

/// A peer that has no figure in a variant.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LeftOut {
    pub(super) workload: String,
    pub(super) variant: String,
    pub(super) unit: String,
    pub(super) peer: String,
    /// It broke; otherwise it is nothing that it does.
    pub(super) failed: bool,
    pub(super) why: String,
}

impl Data {
    /// Before anything is measured.
    pub(in super::super) fn begin(
        machine: Machine,
        commit: Option<Commit>,
        options: Options,
        peers: &[Found],
        missing: &[Missing],
    ) -> Self {
        // filch is two programs, of which the one that serves HTTP is told of in its workloads.
        let is_again = |at: usize| peers[..at].iter().any(|peer| peer.name == peers[at].name);
        let peers = peers.iter().enumerate().filter(|(at, _)| !is_again(*at));
        let peers = peers.map(|(_, peer)| TakesPart {
            name: peer.name.to_owned(),
            version: peer.version.clone(),
            what: peer.what,
        });
        Self {
            date: machine::minute(),
            commit,
            optimised: !cfg!(debug_assertions),
            machine,
            options,
            peers: peers.collect(),
            missing: missing.to_vec(),
            workloads: Vec::new(),
            rows: Vec::new(),
            left_out: Vec::new(),
            calls: None,
            instructions: None,
        }
    }

    /// Adds what came of the cases of a workload that have one unit.
    pub(in super::super) fn add(&mut self, rows: &[result::Row<'_>]) {
        let Some(first) = rows.first() else { return };
        self.workloads
            .push(Told::of(first.case.workload, first.case.unit()));
        for row in rows {
            match &row.outcome {
                Outcome::Rounds(_) => self.rows.extend(Row::of(row)),
                Outcome::Cannot(why) => self.left_out.push(LeftOut::of(row, false, why)),
                Outcome::Failed(why) => self.left_out.push(LeftOut::of(row, true, why)),
            }
        }
    }
}

impl Data {
    pub(super) fn rows_of<'a>(&'a self, told: &'a Told) -> impl Iterator<Item = &'a Row> {
        let rows = self.rows.iter();
        rows.filter(|row| (&row.workload, &row.unit) == (&told.name, &told.unit))
    }

    /// The variants of a workload that somebody has a figure in, in their order.
    pub(super) fn variants<'a>(&'a self, told: &'a Told) -> Vec<&'a str> {
        let rows = self.rows_of(told);
        let mut variants: Vec<_> = rows.map(|row| row.variant.as_str()).collect();
        variants.dedup();
        variants
    }

    pub(super) fn rows_in<'a>(&'a self, told: &'a Told, variant: &str) -> Vec<&'a Row> {
        let rows = self.rows_of(told);
        rows.filter(|row| row.variant == variant).collect()
    }

    pub(super) fn left_out_of<'a>(&'a self, told: &'a Told) -> impl Iterator<Item = &'a LeftOut> {
        let all = self.left_out.iter();
        all.filter(|one| (&one.workload, &one.unit) == (&told.name, &told.unit))
    }
}

impl Told {
    pub(super) fn of(workload: &Workload, unit: Unit) -> Self {
        let title = match workload.units()[..] {
            [_] => workload.name.to_owned(),
            _ => format!("{} ({})", workload.name, unit.name()),
        };
        Self {
            name: workload.name.to_owned(),
            title,
            unit: unit.name().to_owned(),
            larger_is_better: unit.is_rate(),
            figures: tell::heading(unit).to_owned(),
            measures: workload.measures.to_owned(),
            measures_not: workload.measures_not.to_owned(),
            over: workload.sweep().map(|sweep| match sweep {
                Sweep::Tasks => "tasks",
                Sweep::Workers => "workers",
            }),
        }
    }
}

impl Told {
    /// Its title as a name within the page.
    pub(super) fn id(&self) -> String {
        let parts = self.title.split(|char: char| !char.is_alphanumeric());
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        parts.join("-")
    }
}

impl Row {
    fn of(row: &result::Row<'_>) -> Option<Self> {
        let (spread, figures) = (row.spread()?, row.figures()?);
        Some(Self {
            workload: row.case.workload.name.to_owned(),
            variant: row.case.variant.clone(),
            kind: row.case.kind.to_owned(),
            peer: row.peer.name.to_owned(),
            version: row.peer.version.clone(),
            unit: row.case.unit().name().to_owned(),
            median: spread.median,
            min: spread.min,
            max: spread.max,
            rounds: figures.len(),
            filch_median: row.filch_median,
            ratio: row.ratio(),
            size: row.case.job.size,
            workers: row.case.job.workers,
            figures,
        })
    }

    pub(super) fn is_filch(&self) -> bool {
        self.peer == "filch"
    }

    pub(super) fn spread(&self) -> Spread {
        Spread {
            median: self.median,
            min: self.min,
            max: self.max,
        }
    }
}

impl LeftOut {
    fn of(row: &result::Row<'_>, failed: bool, why: &str) -> Self {
        Self {
            workload: row.case.workload.name.to_owned(),
            variant: row.case.variant.clone(),
            unit: row.case.unit().name().to_owned(),
            peer: row.peer.name.to_owned(),
            failed,
            why: why.to_owned(),
        }
    }
}
