//! How are the peers of one variant drawn beside each other?
//!
//! A bar per peer as long as its median, the best first; a thin line over it from the smallest to the largest round; the name before it and
//! the figure behind it, in columns of their own, so that nothing can meet. filch has the colour, the others are grey.
//! The plot is as wide as a phone: on a larger screen it stands beside its table.

use super::axis::{Axis, width};
use super::data::{Row, Told};
use super::number::{figure, short};
use super::xml::{Xml, px};

pub(super) const WIDTH: f64 = 360.0;
/// The height of its letters.
pub(super) const LETTERS: f64 = 11.0;
/// Where the bars begin and end.
const BARS: (f64, f64) = (124.0, 284.0);
const ROW: f64 = 20.0;
const BAR: f64 = 10.0;
/// Half the height of a whisker's end.
const CAP: f64 = 3.5;

/// Draws the rows of a variant. `id` is the plot's own on its page.
pub(super) fn draw(xml: &mut Xml, id: &str, told: &Told, variant: &str, rows: &[&Row]) {
    let sorted = sorted(told, rows);
    let medians: Vec<_> = rows.iter().map(|row| row.median).collect();
    let all: Vec<_> = rows
        .iter()
        .flat_map(|row| [row.median, row.min, row.max])
        .collect();
    let axis = Axis::of(&medians, &all, BARS);
    let bottom = ROW * rows.len() as f64 + 4.0;
    let notes = notes(told, &axis);
    let height = bottom + 20.0 + 14.0 * notes.len() as f64;
    let title = format!("{} {variant}: medians", told.title);
    let svg: &[(&str, &dyn std::fmt::Display)] = &[
        ("viewBox", &format!("0 0 {WIDTH} {height}")),
        ("role", &"img"),
        ("aria-labelledby", &format!("{id}-title {id}-desc")),
        ("class", &"bars"),
    ];
    xml.element("svg", svg, |xml| {
        xml.leaf("title", &[("id", &format!("{id}-title"))], title);
        xml.leaf(
            "desc",
            &[("id", &format!("{id}-desc"))],
            described(told, &sorted),
        );
        grid(xml, &axis, bottom);
        for (index, row) in sorted.iter().enumerate() {
            bar(xml, &axis, ROW * index as f64 + 2.0, row);
        }
        for (index, note) in notes.iter().enumerate() {
            let y = bottom + 30.0 + 14.0 * index as f64;
            letters(xml, "note", "start", (4.0, y), note);
        }
    });
}

/// The best first.
pub(super) fn sorted<'a>(told: &Told, rows: &[&'a Row]) -> Vec<&'a Row> {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| a.median.total_cmp(&b.median));
    if told.larger_is_better {
        sorted.reverse();
    }
    sorted
}

/// What stands under the axis.
fn notes(told: &Told, axis: &Axis) -> Vec<String> {
    let mut notes = broken(&told.figures);
    if axis.is_log {
        notes.extend(broken("logarithmic axis: a bar's length is no proportion"));
    }
    notes
}

/// In lines that are not wider than the plot.
fn broken(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if width(&format!("{line} {word}"), LETTERS) < WIDTH - 8.0 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// For whoever does not see it.
fn described(told: &Told, rows: &[&Row]) -> String {
    let rows = rows.iter().map(|row| {
        let (median, unit) = (figure(row.median), &told.unit);
        format!("{} {median} {unit}", row.peer)
    });
    let rows: Vec<_> = rows.collect();
    format!("{}. {}.", told.figures, rows.join(", "))
}

fn grid(xml: &mut Xml, axis: &Axis, bottom: f64) {
    let ticks = axis.fitting(axis.ticks(), LETTERS);
    for tick in ticks {
        let x = axis.at(tick);
        line(xml, "grid", (x, 0.0), (x, bottom));
        letters(xml, "tick", "middle", (x, bottom + 13.0), &short(tick));
    }
}

fn bar(xml: &mut Xml, axis: &Axis, top: f64, row: &Row) {
    let class = if row.is_filch() { "bar filch" } else { "bar" };
    let middle = px(top + ROW / 2.0 - 2.0);
    let (begin, end) = (BARS.0, axis.at(row.median));
    let (least, most) = (axis.at(row.min), axis.at(row.max));
    let name = if row.is_filch() { "name filch" } else { "name" };
    letters(xml, name, "end", (BARS.0 - 6.0, middle + 4.0), &row.peer);
    xml.void(
        "rect",
        &[
            ("class", &class),
            ("x", &begin),
            ("y", &px(middle - BAR / 2.0)),
            // A hair for the smallest.
            ("width", &px((end - begin).max(1.0))),
            ("height", &BAR),
        ],
    );
    line(xml, "whisker", (least, middle), (most, middle));
    for x in [least, most] {
        line(xml, "whisker", (x, middle - CAP), (x, middle + CAP));
    }
    let value = if row.is_filch() {
        "value filch"
    } else {
        "value"
    };
    letters(
        xml,
        value,
        "end",
        (WIDTH - 2.0, middle + 4.0),
        &figure(row.median),
    );
}

/// A line between two points.
pub(super) fn line(xml: &mut Xml, class: &str, from: (f64, f64), to: (f64, f64)) {
    xml.void(
        "line",
        &[
            ("class", &class),
            ("x1", &px(from.0)),
            ("y1", &px(from.1)),
            ("x2", &px(to.0)),
            ("y2", &px(to.1)),
        ],
    );
}

/// Text whose baseline begins, ends or has its middle at a point.
pub(super) fn letters(xml: &mut Xml, class: &str, anchor: &str, at: (f64, f64), text: &str) {
    let place: &[(&str, &dyn std::fmt::Display)] = &[
        ("class", &class),
        ("x", &px(at.0)),
        ("y", &px(at.1)),
        ("text-anchor", &anchor),
        ("font-size", &LETTERS),
    ];
    xml.leaf("text", place, text);
}
