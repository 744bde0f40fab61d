//! How is it told to people?

use super::args::Choices;
use super::peer::{Found, HTTP_PEERS, PEERS, Peer};
use super::result::{Outcome, Row};
use super::workload::{Unit, WORKLOADS};
use crate::table::Column::{Figure, Text};
use crate::table::Table;
use std::fmt::Write;

/// As wide as the help.
const LINE_MAX: usize = 96;

/// Who is compared, in which version.
pub(super) fn peers(peers: &[Found]) -> String {
    let names = peers.iter().map(|peer| match peer.version.as_str() {
        version if version.contains(' ') => format!("{} ({version})", peer.name),
        version => format!("{} {version}", peer.name),
    });
    broken("of", &names.collect::<Vec<_>>().join(", "), "  ") + "\n"
}

/// The table of those cases of a workload that have one unit, and under it who is not in it and why.
pub(super) fn workload(rows: &[Row<'_>]) -> String {
    let Some(first) = rows.first() else {
        return String::new();
    };
    let case = first.case;
    let mut text = format!("\n{}: {}\n\n", case.workload.name, heading(case.unit()));
    text += &table(rows).render();
    for note in notes(rows) {
        writeln!(text, "{note}").expect("a String takes everything");
    }
    text
}

/// A unit in words.
pub(super) fn heading(unit: Unit) -> &'static str {
    match unit {
        Unit::Ms => "ms in all, less is better",
        Unit::Us => "us until it happens, less is better",
        Unit::Ns => "ns for each, less is better",
        Unit::Bytes => "bytes for each, less is better",
        Unit::PerSecond => "operations in a second on the clock, more is better",
        Unit::MibPerSecond => "MiB in a second on the clock, more is better",
        Unit::Cpu => "us of processor time for each, less is better",
        Unit::Calls => "system calls for each, less is better",
        Unit::Instructions => "user-space instructions for each, less is better",
        Unit::Burns => "burns in a second beside it, more is better",
    }
}

fn table(rows: &[Row<'_>]) -> Table {
    let mut table = Table::new(&[
        ("Variant", Text),
        ("Peer", Text),
        ("Median", Figure),
        ("min .. max", Figure),
        ("x filch", Figure),
    ]);
    let mut last = "";
    for row in rows {
        let Some(spread) = row.spread() else { continue };
        let variant = row.case.variant.as_str();
        table.row(vec![
            // Once for all its rows.
            if variant == last { "" } else { variant }.to_owned(),
            row.peer.name.to_owned(),
            figure(spread.median),
            format!("{} .. {}", figure(spread.min), figure(spread.max)),
            row.ratio()
                .map_or(String::new(), |ratio| format!("{ratio:.2}")),
        ]);
        last = variant;
    }
    table
}

/// A figure with three digits or more that mean something.
fn figure(number: f64) -> String {
    match number {
        0.0..1.0 => format!("{number:.3}"),
        1.0..100.0 => format!("{number:.2}"),
        _ => format!("{number:.0}"),
    }
}

/// Who is missing, once for each reason.
fn notes(rows: &[Row<'_>]) -> Vec<String> {
    let mut notes: Vec<(String, Vec<&str>)> = Vec::new();
    for row in rows {
        let why = match &row.outcome {
            Outcome::Rounds(_) => continue,
            Outcome::Cannot(why) => format!("{} is not in {{}}: {why}", row.peer.name),
            Outcome::Failed(why) => format!("{} failed at {{}}: {why}", row.peer.name),
        };
        match notes.iter_mut().find(|note| note.0 == why) {
            Some(note) => note.1.push(&row.case.variant),
            None => notes.push((why, vec![&row.case.variant])),
        }
    }
    let lines = notes.into_iter();
    lines
        .map(|(why, variants)| why.replacen("{}", &variants.join(" "), 1))
        .collect()
}

/// What `--list` prints.
pub(crate) fn list(choices: &Choices) -> String {
    let mut text = "WORKLOADS\n".to_owned();
    for workload in WORKLOADS {
        let variants = choices.variants(workload).join(" ");
        let units: Vec<_> = workload.units().into_iter().map(Unit::name).collect();
        let parts = [
            format!("  {} ({})", workload.name, units.join(", ")),
            indented("measures:", workload.measures),
            indented("measures not:", workload.measures_not),
            indented("variants:", &variants),
        ];
        text += &(parts.join("\n") + "\n\n");
    }
    text += "PEERS\n";
    text += &peers_of(PEERS);
    text += "\nPEERS IN HTTP\n";
    text += &peers_of(HTTP_PEERS);
    text
}

fn peers_of(peers: &[Peer]) -> String {
    let peer = |peer: &Peer| {
        let (name, what) = (peer.name, peer.what);
        format!("  {name}\n    {what}\n    {}\n", peer.origin())
    };
    peers.iter().map(peer).collect()
}

/// A part of the list.
fn indented(head: &str, text: &str) -> String {
    broken(&format!("    {head}"), text, "      ")
}

/// A head and words, in lines of [`LINE_MAX`] at most, whose further ones begin with `indent`.
fn broken(head: &str, text: &str, indent: &str) -> String {
    let mut lines = vec![head.to_owned()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::process::Round;
    use super::super::result::tests::{case, found};
    use super::super::result::with_ratios;
    use super::*;

    #[test]
    fn a_table_has_medians_spread_and_ratios_and_says_who_is_missing() {
        let (case, filch, tokio, may) = (case(), found("filch"), found("tokio"), found("may"));
        let mut rows: Vec<_> = [&filch, &tokio, &may]
            .map(|peer| Row::new(&case, peer))
            .into();
        rows[0].add(Round::of(vec![0.002]));
        rows[1].add(Round::of(vec![0.3]));
        rows[1].add(Round::of(vec![0.1]));
        rows[2].outcome = Outcome::Cannot("it has stacks".to_owned());
        assert_eq!(
            workload(&with_ratios(rows)),
            "
empty: ms in all, less is better

Variant          Peer   Median    min .. max  x filch
-----------------------------------------------------
detached,warm,2  filch    2.00  2.00 .. 2.00     1.00
                 tokio     200    100 .. 300   100.00
may is not in detached,warm,2: it has stacks
"
        );
    }

    #[test]
    fn versions_are_told_once() {
        let mut by_hand = found("by-hand");
        by_hand.version = "a 1, b 2".to_owned();
        assert_eq!(
            peers(&[found("filch"), by_hand]),
            "of filch 1.2.3, by-hand (a 1, b 2)\n"
        );
    }

    #[test]
    fn lines_of_the_list_are_not_too_long() {
        let text = indented("measures:", &"word ".repeat(100));
        assert!(text.lines().all(|line| line.len() <= LINE_MAX), "{text}");
        assert!(text.starts_with("    measures: word word"), "{text}");
    }
}
