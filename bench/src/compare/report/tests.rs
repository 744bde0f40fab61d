//! Does the page show everything, is it well-formed, and does no text lie upon another?

use super::super::history::History;
use super::super::peer::{Family, HTTP_PEERS, Missing, PEERS};
use super::super::workload::{WORKLOADS, is_rate};
use super::axis::width;
use super::data::{Data, LeftOut, Options, Row, TakesPart, Told};
use super::number::figure;
use super::page::page;
use super::xml::Xml;
use crate::machine::Machine;
use roxmltree::{Document, Node, ParsingOptions};
use std::collections::HashMap;

/// A row of three rounds in ms.
pub(super) fn row(workload: &str, variant: &str, peer: &str, median: f64) -> Row {
    Row {
        workload: workload.to_owned(),
        variant: variant.to_owned(),
        kind: variant.split(',').next().unwrap_or_default().to_owned(),
        peer: peer.to_owned(),
        version: "1.2.3".to_owned(),
        unit: "ms".to_owned(),
        median,
        min: median * 0.9,
        max: median * 1.2,
        rounds: 3,
        filch_median: None,
        ratio: None,
        size: 1000,
        workers: 2,
        figures: vec![median, median * 0.9, median * 1.2],
    }
}

/// A comparison with these rows, of costs in ms; ratios come by themselves.
pub(super) fn data(mut rows: Vec<Row>) -> Data {
    let all = rows.clone();
    for row in &mut rows {
        let (workload, variant, unit) = (&row.workload, &row.variant, &row.unit);
        let is_same = |other: &&Row| {
            (&other.workload, &other.variant, &other.unit) == (workload, variant, unit)
        };
        let mut filch = all
            .iter()
            .filter(is_same)
            .filter(|other| other.peer == "filch");
        row.filch_median = filch.next().map(|filch| filch.median);
        let ratio = row.filch_median.map(|filch| match is_rate(&row.unit) {
            true => filch / row.median,
            false => row.median / filch,
        });
        row.ratio = ratio.filter(|ratio| ratio.is_finite());
    }
    let workloads = unique(
        rows.iter()
            .map(|row| (row.workload.clone(), row.unit.clone())),
    );
    let peers = unique(rows.iter().map(|row| row.peer.clone()));
    Data {
        date: "2026-01-31T23:59Z".to_owned(),
        commit: None,
        optimised: true,
        machine: Machine::here(),
        options: Options {
            workloads: Vec::new(),
            peers: Vec::new(),
            rounds: 3,
            tasks: None,
        },
        peers: peers
            .into_iter()
            .map(|name| TakesPart {
                name,
                version: "1.2.3".to_owned(),
                what: "a runtime",
            })
            .collect(),
        missing: Vec::new(),
        workloads: workloads.into_iter().map(told).collect(),
        rows,
        left_out: Vec::new(),
        calls: None,
        instructions: None,
    }
}

/// Each once, in their order.
fn unique<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for one in all {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept
}

fn told((name, unit): (String, String)) -> Told {
    Told {
        title: name.clone(),
        name,
        larger_is_better: is_rate(&unit),
        figures: format!("{unit}, and whatever is said of it"),
        unit,
        measures: "something".to_owned(),
        measures_not: "everything else".to_owned(),
        over: None,
    }
}

/// Every workload there is, and every peer in it, with figures as far apart as a hundred thousand times; and workloads of other units.
fn everything() -> Data {
    let mut rows = Vec::new();
    for workload in WORKLOADS {
        for case in workload.cases(&[1, 2], usize::MAX, 3) {
            let all = match workload.family() {
                Family::Runtime => PEERS,
                Family::Http => HTTP_PEERS,
            };
            for (index, peer) in all.iter().enumerate() {
                let median =
                    0.017 * 2.6_f64.powi(index as i32) * (1.0 + case.job.size as f64 / 1e6);
                // Lines that end upon each other, too.
                let median = match case.kind {
                    "busy,warm" => 5.0 + 0.001 * index as f64,
                    _ => median,
                };
                let mut row = row(workload.name, &case.variant, peer.name, median);
                (row.kind, row.size, row.workers) =
                    (case.kind.to_owned(), case.job.size, case.job.workers);
                row.unit = case.unit().name().to_owned();
                rows.push(row);
            }
        }
    }
    // What others may bring: little between the peers, nothing at all, latencies, rates.
    for (index, peer) in PEERS.iter().enumerate() {
        rows.push(row("close", "a,1", peer.name, 100.0 + index as f64));
        rows.push(row("nothing", "a,1", peer.name, 0.0));
        let mut latency = row("latency", "idle,2,p99", peer.name, 4.2 * index as f64 + 4.0);
        latency.unit = "us".to_owned();
        rows.push(latency);
        let mut rate = row(
            "rate",
            "messages,2",
            peer.name,
            12_345_678.9 / (index as f64 + 1.0),
        );
        rate.unit = "1/s".to_owned();
        rows.push(rate);
    }
    let mut data = data(rows);
    for told in &mut data.workloads {
        if let Some(workload) = WORKLOADS.iter().find(|one| one.name == told.name) {
            let units = workload.units().into_iter();
            let mut of_name = units.filter(|unit| unit.name() == told.unit);
            *told = Told::of(workload, of_name.next().expect("it has the unit"));
        }
    }
    data.missing = vec![Missing {
        name: "gevent",
        what: "greenlets",
        how: "`pip install gevent` brings it.".to_owned(),
    }];
    data.left_out = vec![LeftOut {
        workload: "parked".to_owned(),
        variant: "detached,1".to_owned(),
        unit: "B".to_owned(),
        peer: "may".to_owned(),
        failed: true,
        why: "exit status: 1: <b>\x1b[31mno & more</b>".to_owned(),
    }];
    data
}

fn parsed(text: &str) -> Document<'_> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).expect("the page is well-formed")
}

fn all<'a>(document: &'a Document<'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    document
        .descendants()
        .filter(move |node| node.has_tag_name(name) || node.tag_name().name() == name)
}

fn text_of(node: Node<'_, '_>) -> String {
    node.descendants()
        .filter_map(|node| node.is_text().then(|| node.text()).flatten())
        .collect()
}

#[test]
fn the_keys_of_the_json_are_fixed() {
    let data = data(vec![
        row("w", "a,1", "filch", 1.0),
        row("w", "a,1", "go", 2.0),
    ]);
    let json = serde_json::to_value(&data).expect("it is JSON");
    let keys = |value: &serde_json::Value| -> Vec<String> {
        let object = value.as_object().expect("an object");
        let mut keys: Vec<_> = object.keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(
        keys(&json).join(" "),
        "calls commit date instructions left_out machine missing optimised options peers rows workloads"
    );
    assert_eq!(
        keys(&json["machine"]).join(" "),
        "cores kernel load_before processor"
    );
    assert_eq!(
        keys(&json["options"]).join(" "),
        "peers rounds tasks workloads"
    );
    assert_eq!(keys(&json["peers"][0]).join(" "), "name version what");
    assert_eq!(
        keys(&json["workloads"][0]).join(" "),
        "figures larger_is_better measures measures_not name over title unit"
    );
    assert_eq!(
        keys(&json["rows"][0]).join(" "),
        "figures filch_median kind max median min peer ratio rounds size unit variant version workers workload"
    );
    assert_eq!(json["rows"][1]["ratio"], 2.0);
    assert_eq!(json["rows"][1]["figures"].as_array().map(Vec::len), Some(3));
}

#[test]
fn every_row_is_in_a_table_and_in_a_plot() {
    let data = everything();
    let text = page(&data, None);
    let document = parsed(&text);
    let tables: Vec<String> = all(&document, "table").map(text_of).collect();
    // By their ids, what stands in tables and in plots.
    let section = |section: Node<'_, '_>| {
        let texts = |name| {
            let nodes = section.descendants();
            let nodes = nodes.filter(|node| node.tag_name().name() == name);
            nodes.map(text_of).collect::<Vec<_>>().join("\n")
        };
        let mut nodes = section.descendants();
        let heading = nodes.find(|node| node.tag_name().name() == "h2");
        let id = heading.and_then(|node| node.attribute("id"));
        let id = id.expect("a section has a heading").to_owned();
        (id, (texts("table"), texts("svg")))
    };
    let sections: HashMap<_, _> = all(&document, "section").map(section).collect();
    assert_eq!(sections.len(), data.workloads.len());
    for row in &data.rows {
        let mut told = data.workloads.iter();
        let told = told.find(|told| (&told.name, &told.unit) == (&row.workload, &row.unit));
        let id = told.expect("each row has a workload").id();
        let (tables, plots) = sections.get(&id).expect(&row.workload);
        for part in [&row.peer, &figure(row.median), &figure(row.max)] {
            assert!(tables.contains(part), "{part} {row:?}");
        }
        assert!(plots.contains(&row.peer), "{row:?}");
    }
    assert!(
        tables
            .iter()
            .any(|table| table.contains("pip install gevent brings it")),
        "who is missing"
    );
}

#[test]
fn a_workload_of_two_units_has_two_sections_with_ids_of_their_own() {
    let text = page(&everything(), None);
    let document = parsed(&text);
    let headings = all(&document, "h2").filter(|node| text_of(*node).starts_with("sleeps"));
    let headings: Vec<_> = headings
        .map(|node| (node.attribute("id").expect("an id"), text_of(node)))
        .collect();
    assert_eq!(
        headings,
        [
            ("sleeps-ms", "sleeps (ms)".to_owned()),
            ("sleeps-B", "sleeps (B)".to_owned())
        ]
    );
    for (id, _) in headings {
        assert!(text.contains(&format!("href=\"#{id}\"")), "{id}");
    }
}

#[test]
fn bars_and_points_are_as_many_as_rows() {
    let data = everything();
    let text = page(&data, None);
    let document = parsed(&text);
    let with_class = |name, class: &str| {
        let nodes = all(&document, name);
        nodes
            .filter(|node| {
                node.attribute("class")
                    .is_some_and(|all| all.split(' ').any(|one| one == class))
            })
            .count()
    };
    let is_line = |row: &&Row| row.workload == "numbers" || row.workload == "workers";
    let followed = data.rows.iter().filter(is_line).count();
    assert_eq!(with_class("rect", "bar"), data.rows.len() - followed);
    assert_eq!(
        with_class("circle", "point"),
        2 * followed,
        "narrow and wide"
    );
}

#[test]
fn each_plot_has_a_title_a_description_and_ids_of_its_own() {
    let text = page(&everything(), None);
    let document = parsed(&text);
    let mut ids: Vec<_> = document
        .descendants()
        .filter_map(|node| node.attribute("id"))
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "ids are unique");
    for svg in all(&document, "svg") {
        let labels = svg.attribute("aria-labelledby").expect("it is labelled");
        for (label, name) in labels.split(' ').zip(["title", "desc"]) {
            let node = svg
                .children()
                .find(|node| node.attribute("id") == Some(label));
            let node = node.expect(label);
            assert_eq!(node.tag_name().name(), name);
            assert!(!text_of(node).is_empty());
        }
    }
}

#[test]
fn what_somebody_said_is_text_and_never_markup() {
    let text = page(&everything(), None);
    assert!(text.contains("exit status: 1: &lt;b&gt;\u{fffd}[31mno &amp; more&lt;/b&gt;"));
}

#[test]
fn the_style_is_nothing_that_would_be_escaped() {
    let mut xml = Xml::default();
    xml.leaf("style", &[], include_str!("style.css"));
    let expected = format!("<style>{}</style>", include_str!("style.css"));
    assert_eq!(format!("{xml:?}"), format!("Xml({expected:?})"));
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let text = page(&everything(), None);
    let document = parsed(&text);
    for node in document.descendants() {
        assert!(!["script", "link", "img", "iframe", "image"].contains(&node.tag_name().name()));
        if let Some(to) = node.attribute("href") {
            assert!(to.starts_with('#'), "{to}");
        }
        assert!(node.attribute("src").is_none());
    }
    assert!(!include_str!("style.css").contains("url("));
    assert!(!include_str!("style.css").contains("@import"));
}

/// For eyes: docs/HACKING.md says what to do with it.
#[test]
#[ignore = "writes a page to look at"]
fn a_page_of_everything() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/report");
    std::fs::create_dir_all(folder).expect("the folder can be made");
    let file = format!("{folder}/everything.html");
    std::fs::write(&file, page(&everything(), None)).expect("the page can be written");
    println!("{file}");
}

/// The least box that a text may need: left, top, right, bottom.
fn box_of(text: Node<'_, '_>) -> [f64; 4] {
    let number = |name| -> f64 {
        text.attribute(name)
            .and_then(|value| value.parse().ok())
            .expect(name)
    };
    let (x, y, height) = (number("x"), number("y"), number("font-size"));
    let wide = width(&text_of(text), height);
    let left = match text.attribute("text-anchor") {
        Some("end") => x - wide,
        Some("middle") => x - wide / 2.0,
        _ => x,
    };
    // Above the line as high as a capital, below it as deep as a g.
    [left, y - 0.76 * height, left + wide, y + 0.24 * height]
}

#[test]
fn no_two_texts_of_a_plot_overlap_and_none_leaves_it() {
    let text = page(&everything(), None);
    let document = parsed(&text);
    let mut seen = 0;
    for svg in all(&document, "svg") {
        let view = svg.attribute("viewBox").expect("it has one");
        let view: Vec<f64> = view
            .split(' ')
            .map(|part| part.parse().expect("a number"))
            .collect();
        let texts = svg
            .descendants()
            .filter(|node| node.tag_name().name() == "text");
        let boxes: Vec<_> = texts.map(|node| (text_of(node), box_of(node))).collect();
        for (index, (text, [left, top, right, bottom])) in boxes.iter().enumerate() {
            assert!(
                *left >= 0.0 && *right <= view[2],
                "'{text}' leaves {view:?}: {left} to {right}"
            );
            assert!(
                *top >= 0.0 && *bottom <= view[3],
                "'{text}' leaves {view:?}: {top} to {bottom}"
            );
            for (other, [a, b, c, d]) in &boxes[..index] {
                let apart = right <= a || c <= left || bottom <= b || d <= top;
                assert!(apart, "'{text}' lies upon '{other}'");
            }
            seen += 1;
        }
    }
    assert!(seen > 1000, "{seen} texts");
}

#[test]
fn a_comparison_with_nobody_or_nothing_has_a_page() {
    let nothing = data(Vec::new());
    parsed(&page(&nothing, None));
    let alone = data(vec![row("w", "a,1", "filch", 1.0)]);
    assert!(page(&alone, None).contains("nothing to compare with"));
}

#[test]
fn the_page_says_what_has_changed_since_the_last_commit() {
    let before = History::of(&data(vec![
        row("w", "a,1", "filch", 10.0),
        row("w", "b,1", "filch", 1.0),
    ]));
    let now = data(vec![
        row("w", "a,1", "filch", 5.0),
        row("w", "b,1", "filch", 1.0),
    ]);
    let page = page(&now, Some(&before));
    assert!(page.contains("In 1 of 2 variants"), "{page}");
    assert!(page.contains("2.00\u{202f}×"), "{page}");
}

#[test]
fn the_summary_counts_who_is_ahead() {
    let page = page(
        &data(vec![
            row("w", "a,1", "filch", 1.0),
            row("w", "a,1", "go", 2.0),
            row("w", "b,1", "filch", 1.0),
            row("w", "b,1", "go", 0.5),
            row("w", "c,1", "filch", 1.0),
            row("w", "c,1", "go", 1.0),
        ]),
        None,
    );
    let document = parsed(&page);
    let lead = all(&document, "p").find(|node| node.attribute("class") == Some("lead"));
    assert_eq!(
        text_of(lead.expect("it is there")),
        "In 3 variants, filch is ahead of whoever else is best there in 1, behind in 1, and in 1 their rounds overlap."
    );
}
