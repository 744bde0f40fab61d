//! What has changed from one commit to another?
//!
//! filch's figures of two files of the history beside each other, and by how much the peers' have changed between them: those are the
//! same programs, so that is the machine. A change is clear if the rounds of the two do not overlap.

use super::history::{self, History, Line};
use super::report::number::{figure, times};
use super::workload::is_rate;
use crate::machine::Machine;
use crate::stats::Spread;
use crate::table::Column::{Figure, Text};
use crate::table::Table;
use clap::Args;
use std::path::PathBuf;

pub(crate) const AFTER_HELP: &str = "\
Files are paths or names within bench/history. Without any: the two newest that were measured on a
machine like this. Changes are better if above 1; `peers` is the median change of everybody else,
who should not have changed: what differs from 1 there is the machine's.";

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The older file
    old: Option<PathBuf>,
    /// The newer one; the newest if not given
    new: Option<PathBuf>,
}

impl HistoryArgs {
    /// What is printed.
    ///
    /// # Errors
    ///
    /// Which file is missing, as a sentence.
    pub(crate) fn text(&self) -> Result<String, String> {
        let mut all = History::all(&Machine::here()).into_iter().rev();
        let mut newest = || {
            let next = all.next();
            next.ok_or("bench/history has no two files of a machine like this, name two.")
        };
        let new = match &self.new {
            Some(file) => read(file)?,
            None => newest()?,
        };
        let old = match &self.old {
            Some(file) => read(file)?,
            None => newest()?,
        };
        Ok(text(&old, &new))
    }
}

fn read(file: &PathBuf) -> Result<History, String> {
    let within = history::folder().join(file);
    History::read(if file.exists() { file } else { &within })
}

/// One of filch's figures, then and now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) workload: String,
    pub(super) variant: String,
    pub(super) unit: String,
    pub(super) before: Spread,
    pub(super) now: Spread,
    /// How many times better; below one it is worse.
    pub(super) times: f64,
    /// The same of the peers, the median of them.
    pub(super) peers_times: Option<f64>,
}

impl Change {
    /// Whether the rounds do not overlap.
    pub(super) fn is_clear(&self) -> bool {
        self.before.max < self.now.min || self.now.max < self.before.min
    }
}

/// Of everything that both have in the same size.
pub(super) fn changes(before: &History, now: &History) -> Vec<Change> {
    let filch = now.rows.iter().filter(|row| row.peer == "filch");
    let change = |row: &Line| {
        let old = same(before, row)?;
        let others = now.rows.iter().filter(|other| {
            (&other.workload, &other.variant, &other.unit)
                == (&row.workload, &row.variant, &row.unit)
                && other.peer != "filch"
        });
        let peers: Vec<_> = others
            .filter_map(|other| Some(better(same(before, other)?, other)))
            .collect();
        Some(Change {
            workload: row.workload.clone(),
            variant: row.variant.clone(),
            unit: row.unit.clone(),
            before: old.spread(),
            now: row.spread(),
            times: better(old, row),
            peers_times: (!peers.is_empty()).then(|| Spread::of(peers.into_iter()).median),
        })
    };
    filch
        .filter_map(change)
        .filter(|change| change.times.is_finite())
        .collect()
}

fn same<'a>(history: &'a History, row: &Line) -> Option<&'a Line> {
    let key = |row: &Line| {
        (
            row.workload.clone(),
            row.variant.clone(),
            row.peer.clone(),
            row.unit.clone(),
            row.size,
        )
    };
    let wanted = key(row);
    history.rows.iter().find(|row| key(row) == wanted)
}

fn better(before: &Line, now: &Line) -> f64 {
    if is_rate(&now.unit) {
        now.median / before.median
    } else {
        before.median / now.median
    }
}

/// The table for a terminal.
fn text(before: &History, now: &History) -> String {
    let mut table = Table::new(&[
        ("Workload", Text),
        ("Variant", Text),
        ("Unit", Text),
        ("Before", Figure),
        ("Now", Figure),
        ("better", Figure),
        ("peers", Figure),
        ("", Text),
    ]);
    for change in changes(before, now) {
        let clear = if change.is_clear() {
            ""
        } else {
            "rounds overlap"
        };
        table.row(vec![
            change.workload,
            change.variant,
            change.unit,
            figure(change.before.median),
            figure(change.now.median),
            times(change.times),
            change.peers_times.map_or(String::new(), times),
            clear.to_owned(),
        ]);
    }
    let mut text = format!("filch, {} and {}\n", before.name(), now.name());
    if !before.machine.is_like(&now.machine) {
        let (before, now) = (before.machine.text(), now.machine.text());
        text += &format!("on different machines ({before}; {now}): nothing here can be compared\n");
    }
    text + "\n" + &table.render()
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::{history, line};
    use super::*;

    #[test]
    fn a_change_stands_beside_that_of_the_peers() {
        let before = history(vec![
            line("a", "filch", 10.0),
            line("a", "go", 100.0),
            line("a", "may", 30.0),
            line("gone", "filch", 1.0),
        ]);
        let now = history(vec![
            line("a", "filch", 5.0),
            line("a", "go", 50.0),
            line("a", "may", 30.0),
            line("new", "filch", 1.0),
        ]);
        let changes = changes(&before, &now);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].times, 2.0);
        assert_eq!(changes[0].peers_times, Some(1.5));
        assert!(changes[0].is_clear());
        let text = text(&before, &now);
        assert!(text.contains("2.00\u{202f}×"), "{text}");
        assert!(!text.contains("different machines"), "{text}");
    }

    #[test]
    fn more_of_a_rate_is_better() {
        let rate = |median| {
            let mut row = line("a", "filch", median);
            row.unit = "1/s".to_owned();
            history(vec![row])
        };
        assert_eq!(changes(&rate(10.0), &rate(30.0))[0].times, 3.0);
    }

    #[test]
    fn what_overlaps_or_has_another_size_is_no_change() {
        let (old, new) = (
            history(vec![line("a", "filch", 10.0)]),
            history(vec![line("a", "filch", 10.5)]),
        );
        assert!(!changes(&old, &new)[0].is_clear());
        assert!(text(&old, &new).contains("rounds overlap"));
        let mut other = new.clone();
        other.rows[0].size = 7;
        assert!(changes(&old, &other).is_empty());
        other.machine.cores += 1;
        assert!(text(&old, &other).contains("different machines"));
    }
}
