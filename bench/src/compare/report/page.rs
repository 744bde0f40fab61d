//! What is on the page?
//!
//! From what most readers want to what few do: the summary, how it was measured, who took part and who did not, then workload by
//! workload what it measures, the figures as a plot, and the same figures as a table.

use super::super::history::History;
use super::data::{Data, LeftOut, Row, Told};
use super::number::{figure, times, whole};
use super::overview::{self, spaced};
use super::table::{self, Cell, Line};
use super::xml::Xml;
use super::{bars, lines};
use std::collections::BTreeSet;

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(super) fn page(data: &Data, before: Option<&History>) -> String {
    let mut xml = Xml::default();
    let html: &[(&str, &dyn std::fmt::Display)] =
        &[("xmlns", &"http://www.w3.org/1999/xhtml"), ("lang", &"en")];
    xml.element("html", html, |xml| {
        xml.element("head", &[], head);
        xml.element("body", &[], |xml| {
            xml.element("header", &[], |xml| heading(xml, data));
            xml.element("main", &[], |xml| {
                overview::write(xml, data, before);
                method(xml, data);
                peers(xml, data);
                for told in &data.workloads {
                    xml.element("section", &[], |xml| workload(xml, data, told));
                }
            });
        });
    });
    xml.document()
}

fn head(xml: &mut Xml) {
    xml.void("meta", &[("charset", &"utf-8")]);
    let view = "width=device-width, initial-scale=1";
    xml.void("meta", &[("name", &"viewport"), ("content", &view)]);
    xml.void(
        "meta",
        &[("name", &"color-scheme"), ("content", &"light dark")],
    );
    xml.leaf("title", &[], "filch beside other runtimes");
    xml.leaf("style", &[], STYLE);
}

fn heading(xml: &mut Xml, data: &Data) {
    xml.leaf("h1", &[], "filch beside other runtimes");
    let commit = data.commit.as_ref().map(|commit| {
        let changed = if commit.is_changed {
            " with changes"
        } else {
            ""
        };
        format!(", commit {}{changed}", commit.hash)
    });
    let version = data.peers.first().map_or("", |filch| &filch.version);
    let when = data.date.replace('T', " ").replace('Z', " UTC");
    let what = format!("filch {version}{}, {when}.", commit.unwrap_or_default());
    xml.leaf("p", &[], what);
    let (machine, load) = (data.machine.text(), data.machine.load());
    xml.leaf("p", &[], format_args!("{machine}; load before {load}."));
    if !data.optimised {
        let warning =
            "filch was not built as a release here and its peers were: these figures say nothing.";
        xml.leaf("p", &[("class", &"warning")], warning);
    }
    if let Some(tasks) = data.options.tasks {
        let tasks = whole(tasks);
        let warning =
            format!("The workloads were cut to {tasks} tasks: these figures are those of a try.");
        xml.leaf("p", &[("class", &"warning")], warning);
    }
    xml.element("nav", &[("aria-label", &"Contents")], |xml| {
        let parts = ["summary", "method", "peers"].into_iter();
        let parts = parts.map(|part| (part.to_owned(), part));
        let workloads = data.workloads.iter();
        for (id, title) in parts.chain(workloads.map(|told| (told.id(), told.title.as_str()))) {
            xml.leaf("a", &[("href", &format!("#{id}"))], title);
            xml.text(" ");
        }
    });
}

fn method(xml: &mut Xml, data: &Data) {
    xml.leaf("h2", &[("id", &"method")], "Method");
    let rounds = data.options.rounds;
    let mut sentences = vec![
        format!("{rounds} rounds, fewer of what hardly differs: each table says how many. Within a round filch and its peers come in turn, since \
            a machine drifts by more between minutes than runtimes differ."),
        "Each run is a process of its own: it builds the runtime, warms up once (not if cold, where the first touch of the memory is what is \
            measured), then repeats the work up to five times, or for a second. The median of those is the round's figure; of a latency it is the median (p50) or the 99th percentile (p99) of the process's samples.".to_owned(),
        "A bar is the median of the rounds; the thin line over it reaches from the smallest to the largest, and everything between is what \
            a run may give. Of rounds that overlap nobody should conclude anything.".to_owned(),
        "Peers in Rust run the same source, compiled with the same profile; the last part of a variant's name is the number of workers, unless its \
            workload says otherwise.".to_owned(),
        "All figures, of each round too, are in compare.json beside this page.".to_owned(),
    ];
    if data
        .workloads
        .iter()
        .any(|told| told.name.starts_with("http-"))
    {
        sentences.push("Workloads whose names begin with http- have peers of their own; filch is filch-http's example hello there. p50, p99 and p99.9 are of a run's requests, \
            by a histogram whose buckets are less than a hundredth wide.".to_owned());
    }
    if let Some(instructions) = data.instructions {
        sentences.push(format!("Instructions are those outside the kernel, {instructions}, as the difference of two runs."));
    }
    if let Some(calls) = data.calls {
        sentences.push(format!("A server is a process of its own, and its load comes from another: one thread, the same for everyone. A server of one worker has a core \
            to itself, and so has the load; several workers share all cores with it. Processor time is the server's, user and system, of the run that the clock \
            tells of. System calls are {calls}, in two runs of their own with different numbers of operations: told is the difference."));
    }
    xml.element("ul", &[], |xml| {
        sentences
            .iter()
            .for_each(|sentence| xml.leaf("li", &[], sentence))
    });
}

fn peers(xml: &mut Xml, data: &Data) {
    xml.leaf("h2", &[("id", &"peers")], "Peers");
    let lines = data.peers.iter().map(|peer| Line {
        cells: vec![
            Cell::text(&peer.name).with(&peer.version),
            Cell::text(peer.what),
        ],
        is_filch: peer.name == "filch",
    });
    let lines: Vec<_> = lines.collect();
    table::draw(
        xml,
        "Who took part",
        &["Name, version", "What it is"],
        &lines,
    );
    if data.missing.is_empty() {
        return;
    }
    let lines = data.missing.iter().map(|peer| {
        Line::of(vec![
            Cell::text(peer.name),
            Cell::text(&peer.how).with(peer.what),
        ])
    });
    let lines: Vec<_> = lines.collect();
    table::draw(xml, "Who is missing", &["Name", "How to get it"], &lines);
}

fn workload(xml: &mut Xml, data: &Data, told: &Told) {
    xml.leaf("h2", &[("id", &told.id())], &told.title);
    for (what, text) in [
        ("Measured: ", &told.measures),
        ("Not measured: ", &told.measures_not),
    ] {
        xml.element("p", &[], |xml| {
            xml.leaf("b", &[], what);
            xml.text(text);
        });
    }
    if told.over.is_some() {
        followed(xml, data, told);
    } else {
        variants(xml, data, told);
    }
    left_out(xml, data, told);
}

/// A plot of bars and a table for each variant.
fn variants(xml: &mut Xml, data: &Data, told: &Told) {
    for (index, variant) in data.variants(told).into_iter().enumerate() {
        let rows = data.rows_in(told, variant);
        let name = spaced(variant);
        xml.leaf("h3", &[], &name);
        xml.element("div", &[("class", &"beside")], |xml| {
            bars::draw(xml, &format!("{}-{index}", told.id()), told, &name, &rows);
            let lines: Vec<_> = bars::sorted(told, &rows).into_iter().map(line).collect();
            let caption = format!("{}, size {}", caption(told, &rows), sizes(&rows));
            table::draw(
                xml,
                &caption,
                &["Peer", "Median", "min .. max", "x filch"],
                &lines,
            );
        });
    }
}

fn line(row: &Row) -> Line {
    Line {
        cells: vec![
            Cell::text(&row.peer),
            Cell::figure(figure(row.median)),
            Cell::figure(format!("{} .. {}", figure(row.min), figure(row.max))),
            Cell::figure(row.ratio.map_or(String::new(), times)),
        ],
        is_filch: row.is_filch(),
    }
}

/// A plot of lines and a table for each kind.
fn followed(xml: &mut Xml, data: &Data, told: &Told) {
    let mut kinds: Vec<_> = data.rows_of(told).map(|row| row.kind.as_str()).collect();
    kinds.dedup();
    let peers: Vec<_> = data.peers.iter().map(|peer| peer.name.as_str()).collect();
    for (index, kind) in kinds.into_iter().enumerate() {
        let rows: Vec<_> = data.rows_of(told).filter(|row| row.kind == kind).collect();
        let name = spaced(kind);
        xml.leaf("h3", &[], &name);
        lines::draw(
            xml,
            &format!("{}-{index}", told.id()),
            told,
            &name,
            &rows,
            &peers,
        );
        wide_table(xml, told, &rows, &peers);
    }
}

/// A line for each peer and a column for each number.
fn wide_table(xml: &mut Xml, told: &Told, rows: &[&Row], peers: &[&str]) {
    let positions: BTreeSet<_> = rows.iter().map(|row| lines::position(told, row)).collect();
    let texts: Vec<_> = positions.iter().map(|&at| whole(at)).collect();
    let mut heads = vec!["Peer"];
    heads.extend(texts.iter().map(String::as_str));
    let line = |&peer: &&str| {
        let cells = positions.iter().map(|&at| {
            let row = rows
                .iter()
                .find(|row| row.peer == peer && lines::position(told, row) == at);
            row.map_or(Cell::figure("–"), |row| {
                let range = format!("{} .. {}", figure(row.min), figure(row.max));
                Cell::figure(figure(row.median)).with(range)
            })
        });
        let cells: Vec<_> = std::iter::once(Cell::text(peer)).chain(cells).collect();
        let is_filch = peer == "filch";
        Line { cells, is_filch }
    };
    let present = peers
        .iter()
        .filter(|peer| rows.iter().any(|row| row.peer == **peer));
    let lines: Vec<_> = present.map(line).collect();
    let over = match told.over {
        Some("workers") => "workers",
        _ => "coroutines",
    };
    table::draw(
        xml,
        &format!("{}; by the number of {over}", caption(told, rows)),
        &heads,
        &lines,
    );
}

/// What the figures of a table are.
fn caption(told: &Told, rows: &[&Row]) -> String {
    let rounds = rows.iter().map(|row| row.rounds).max().unwrap_or(0);
    let rounds = if rounds == 1 {
        "1 round".to_owned()
    } else {
        format!("{rounds} rounds")
    };
    format!("{}; medians of {rounds}", told.figures)
}

fn sizes(rows: &[&Row]) -> String {
    let sizes: BTreeSet<_> = rows.iter().map(|row| row.size).collect();
    let sizes: Vec<_> = sizes.into_iter().map(whole).collect();
    sizes.join(", ")
}

/// Who has no figure and why, once for each reason.
fn left_out(xml: &mut Xml, data: &Data, told: &Told) {
    let mut notes: Vec<(&LeftOut, Vec<String>)> = Vec::new();
    for one in data.left_out_of(told) {
        let key = |one: &LeftOut| (one.peer.clone(), one.failed, one.why.clone());
        match notes.iter_mut().find(|note| key(note.0) == key(one)) {
            Some(note) => note.1.push(one.variant.clone()),
            None => notes.push((one, vec![one.variant.clone()])),
        }
    }
    if notes.is_empty() {
        return;
    }
    xml.leaf("h3", &[], "Not in it");
    xml.element("ul", &[], |xml| {
        for (one, variants) in notes {
            let what = if one.failed {
                "failed"
            } else {
                "does not do it"
            };
            xml.element("li", &[], |xml| {
                xml.leaf("b", &[], &one.peer);
                xml.text(format_args!(" {what}: {}. ", one.why.trim_end_matches('.')));
                xml.leaf("small", &[], spaced(&variants.join("; ")));
            });
        }
    });
}
