//! What does somebody read who has a minute?
//!
//! One sentence that counts, filch against the best of each variant, filch against each peer, and what has changed since the last
//! commit that was measured.

use super::super::change::{self, Change};
use super::super::history::History;
use super::data::Data;
use super::number::{figure, times};
use super::summary::{self, Duel, Ratios, Verdict};
use super::table::{self, Cell, Line};
use super::xml::Xml;

pub(super) fn write(xml: &mut Xml, data: &Data, before: Option<&History>) {
    xml.leaf("h2", &[("id", &"summary")], "Summary");
    let duels: Vec<(&str, Vec<Duel<'_>>)> = data
        .workloads
        .iter()
        .map(|told| (told.title.as_str(), summary::duels(data, told)))
        .filter(|(_, duels)| !duels.is_empty())
        .collect();
    if duels.is_empty() {
        xml.leaf(
            "p",
            &[],
            "No other runtime took part, so that there is nothing to compare with.",
        );
    } else {
        counted(xml, &duels);
        best(xml, &duels);
        each(xml, data);
    }
    if let Some(before) = before {
        changed(xml, before, &History::of(data));
    }
}

/// The sentence.
fn counted(xml: &mut Xml, duels: &[(&str, Vec<Duel<'_>>)]) {
    let all: Vec<_> = duels.iter().flat_map(|(_, duels)| duels).collect();
    let count = |verdict| all.iter().filter(|duel| duel.verdict() == verdict).count();
    let (ahead, behind, open) = (
        count(Verdict::Ahead),
        count(Verdict::Behind),
        count(Verdict::Open),
    );
    xml.element("p", &[("class", &"lead")], |xml| {
        xml.text(format_args!(
            "In {} variants, filch is ahead of whoever else is best there in ",
            all.len()
        ));
        xml.leaf("b", &[], ahead);
        xml.text(", behind in ");
        xml.leaf("b", &[], behind);
        xml.text(", and in ");
        xml.leaf("b", &[], open);
        xml.text(" their rounds overlap.");
    });
}

fn best(xml: &mut Xml, duels: &[(&str, Vec<Duel<'_>>)]) {
    let lines = duels.iter().filter_map(|(workload, duels)| {
        let ratios = summary::against_the_best(duels)?;
        let by_ratio = |a: &&Duel<'_>, b: &&Duel<'_>| a.ratio.total_cmp(&b.ratio);
        let closest = duels.iter().min_by(by_ratio)?;
        let variants = match duels.len() {
            1 => "1 variant".to_owned(),
            several => format!("{several} variants"),
        };
        Some(Line::of(vec![
            Cell::text(*workload).with(variants),
            mean(&ratios),
            Cell::text(&closest.best.peer).with(spaced(&closest.filch.variant)),
        ]))
    });
    let caption = "filch against the best peer of each variant: the peer's median by filch's (of rates the inverse), above 1 where filch \
        is ahead. The geometric mean of a workload's variants, least .. most under it, and against whom and where it is least.";
    let heads = ["Workload", "Mean", "Least against"];
    table::draw(xml, caption, &heads, &lines.collect::<Vec<_>>());
}

fn each(xml: &mut Xml, data: &Data) {
    let mut heads = vec!["Peer"];
    heads.extend(data.workloads.iter().map(|told| told.title.as_str()));
    let peers = data.peers.iter().filter(|peer| peer.name != "filch");
    let lines = peers.map(|peer| {
        let of_workloads = data.workloads.iter().map(|told| {
            let Some(ratios) = summary::against(data, told, &peer.name) else {
                return Cell::figure("–");
            };
            mean(&ratios)
        });
        let mut cells = vec![Cell::text(&peer.name)];
        cells.extend(of_workloads);
        Line::of(cells)
    });
    let caption = "filch against each peer: the same ratio over the variants that the peer does, least .. most under it. A dash where it does \
        none. There is no mean over workloads: it would depend on which there are.";
    table::draw(xml, caption, &heads, &lines.collect::<Vec<_>>());
}

/// The mean, and what it is the mean of.
fn mean(ratios: &Ratios) -> Cell {
    let cell = Cell::figure(times(ratios.mean));
    if ratios.count == 1 {
        return cell;
    }
    cell.with(format!(
        "{} .. {}",
        figure(ratios.least),
        figure(ratios.most)
    ))
}

fn changed(xml: &mut Xml, before: &History, now: &History) {
    let all = change::changes(before, now);
    let (clear, open): (Vec<_>, Vec<_>) = all.iter().partition(|change| change.is_clear());
    xml.leaf("h3", &[], format_args!("Since {}", before.name()));
    if all.is_empty() {
        xml.leaf("p", &[], "Nothing was measured then as it was now.");
        return;
    }
    let (count, of) = (open.len(), all.len());
    xml.leaf(
        "p",
        &[],
        format_args!(
            "In {count} of {of} variants filch's rounds then and now overlap, which is no change to speak of."
        ),
    );
    if clear.is_empty() {
        return;
    }
    let caption = "Where filch's rounds do not overlap. Above 1 it is better now. Peers: the median change of everybody else, who are the same \
        programs as then; as far as it differs from 1, the machine has changed.";
    let heads = ["Workload", "Before", "Now", "Better", "Peers"];
    let lines: Vec<_> = clear.into_iter().map(line).collect();
    table::draw(xml, caption, &heads, &lines);
}

fn line(change: &Change) -> Line {
    let unit = &change.unit;
    Line::of(vec![
        Cell::text(&change.workload).with(spaced(&change.variant)),
        Cell::figure(format!("{} {unit}", figure(change.before.median))),
        Cell::figure(format!("{} {unit}", figure(change.now.median))),
        Cell::figure(times(change.times)),
        Cell::figure(change.peers_times.map_or("–".to_owned(), times)),
    ])
}

/// A variant's name, with places where a line may break.
pub(super) fn spaced(variant: &str) -> String {
    variant.replace(',', ", ")
}
