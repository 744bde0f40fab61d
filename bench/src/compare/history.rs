//! What was measured of earlier commits?
//!
//! `bench/history` has a file per commit that was measured for real: medians and extremes of everybody, and the machine. The peers are
//! in it because they do not change with filch: where they differ between two files, the machine did. One row a line, so that
//! git shows what changed.

use super::report::data::Data;
use super::report::number;
use crate::machine::Machine;
use crate::stats::Spread;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    /// In UTC, as 2026-01-31T23:59Z.
    pub(super) date: String,
    pub(super) commit: String,
    pub(super) machine: Machine,
    pub(super) rows: Vec<Line>,
}

/// A peer in a variant of a workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) workload: String,
    pub(super) variant: String,
    pub(super) peer: String,
    pub(super) unit: String,
    pub(super) size: usize,
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) rounds: usize,
}

impl Line {
    pub(super) fn spread(&self) -> Spread {
        Spread {
            median: self.median,
            min: self.min,
            max: self.max,
        }
    }
}

/// Where the files are.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("history")
}

/// Why what would be measured now is nothing for the folder, as a sentence.
pub(super) fn objection() -> Option<String> {
    if cfg!(debug_assertions) {
        return Some("--history keeps figures of a release only, use cargo run --release.".into());
    }
    match super::commit::Commit::here() {
        None => Some("--history needs to know the commit, and git does not tell it.".into()),
        Some(commit) if commit.is_changed => Some(format!(
            "--history keeps figures of a commit, and files differ from {}, commit them first.",
            commit.hash
        )),
        Some(_) => None,
    }
}

impl History {
    pub(super) fn of(data: &Data) -> Self {
        let rows = data.rows.iter().map(|row| Line {
            workload: row.workload.clone(),
            variant: row.variant.clone(),
            peer: row.peer.clone(),
            unit: row.unit.clone(),
            size: row.size,
            median: number::rounded(row.median),
            min: number::rounded(row.min),
            max: number::rounded(row.max),
            rounds: row.rounds,
        });
        let commit = data.commit.as_ref();
        Self {
            date: data.date.clone(),
            commit: commit.map_or("unknown".to_owned(), |commit| commit.hash.clone()),
            machine: data.machine.clone(),
            rows: rows.collect(),
        }
    }

    /// The day and the commit.
    pub(super) fn name(&self) -> String {
        let day = self.date.split('T').next().unwrap_or_default();
        format!("{day}-{}", self.commit)
    }

    /// Writes it into the folder, and gives where.
    pub(super) fn write(&self) -> io::Result<PathBuf> {
        let file = folder().join(self.name() + ".json");
        fs::write(&file, self.text()?)?;
        Ok(file)
    }

    fn text(&self) -> serde_json::Result<String> {
        let json = serde_json::to_string::<str>;
        let (date, commit) = (json(&self.date)?, json(&self.commit)?);
        let machine = serde_json::to_string(&self.machine)?;
        let mut text =
            format!("{{\"date\":{date},\"commit\":{commit},\n\"machine\":{machine},\n\"rows\":[");
        for (index, row) in self.rows.iter().enumerate() {
            let end = if index == 0 { "" } else { "," };
            let row = serde_json::to_string(row)?;
            write!(text, "{end}\n{row}").expect("a String takes everything");
        }
        Ok(text + "\n]}\n")
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, as a sentence.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file).map_err(|error| error.to_string());
        text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
            .map_err(|why| format!("{} cannot be read: {why}.", file.display()))
    }

    /// Those of a machine like this, the oldest first.
    pub(super) fn all(machine: &Machine) -> Vec<Self> {
        let files = fs::read_dir(folder()).into_iter().flatten().flatten();
        let mut all: Vec<_> = files
            .map(|file| file.path())
            .filter(|file| file.extension().is_some_and(|end| end == "json"))
            .filter_map(|file| Self::read(&file).map_err(|why| eprintln!("{why}")).ok())
            .filter(|history| history.machine.is_like(machine))
            .collect();
        all.sort_by(|a, b| a.date.cmp(&b.date));
        all
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn line(variant: &str, peer: &str, median: f64) -> Line {
        Line {
            workload: "empty".to_owned(),
            variant: variant.to_owned(),
            peer: peer.to_owned(),
            unit: "ms".to_owned(),
            size: 1000,
            median,
            min: number::rounded(median * 0.9),
            max: number::rounded(median * 1.1),
            rounds: 3,
        }
    }

    pub(in super::super) fn history(rows: Vec<Line>) -> History {
        History {
            date: "2026-01-31T23:59Z".to_owned(),
            commit: "0123456789".to_owned(),
            machine: Machine::here(),
            rows,
        }
    }

    #[test]
    fn it_is_read_as_it_was_written_and_has_a_row_a_line() {
        let rows = vec![
            line("detached,warm,2", "filch", 6.5),
            line("joined,\"1\"", "go", 12.0),
        ];
        let history = history(rows);
        let text = history.text().expect("it is JSON");
        assert_eq!(
            serde_json::from_str::<History>(&text).expect("it is JSON"),
            history
        );
        assert_eq!(text.lines().count(), 3 + 2 + 1);
        assert_eq!(history.name(), "2026-01-31-0123456789");
    }

    #[test]
    fn every_file_of_the_folder_can_be_read() {
        for file in fs::read_dir(folder())
            .expect("the folder is there")
            .flatten()
        {
            let path = file.path();
            if path.extension().is_some_and(|end| end == "json") {
                let history = History::read(&path).expect("it is one");
                let name = path.file_stem().and_then(|name| name.to_str());
                assert_eq!(name, Some(history.name().as_str()));
            }
        }
    }
}
