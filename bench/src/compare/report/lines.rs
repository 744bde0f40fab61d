//! How is a cost drawn that is followed over numbers of tasks or of workers?
//!
//! A line per peer with a point per figure, a thin upright line through it from the smallest to the largest round, and the peer's name at
//! its right end: a legend would have to be looked up thirteen times. Names are moved apart where lines end close to each other, and a
//! dotted line leads to each. The position along the bottom is logarithmic, since the numbers are about
//! powers. Drawn twice, once as wide as a phone and once for larger screens; the style shows one of them.

use super::axis::Axis;
use super::bars::{LETTERS, letters, line};
use super::data::{Row, Told};
use super::number::{figure, short};
use super::xml::{Xml, px};
use crate::stats::Spread;

/// The widths, and the classes by which the style tells them.
pub(super) const WIDTHS: [(f64, &str); 2] = [(360.0, "lines narrow"), (760.0, "lines wide")];

const TOP: f64 = 24.0;
const LEFT: f64 = 44.0;
/// For the longest name, 17 letters.
const NAMES: f64 = 126.0;
/// From name to name.
const NAME: f64 = 15.0;
/// So many muted colours there are for peers, in turn, and then again with dashes; the style has them.
const TONES: usize = 6;

/// A peer's points, from left to right.
#[derive(Debug)]
struct Series<'a> {
    peer: &'a str,
    points: Vec<(f64, Spread)>,
    class: String,
}

/// What a row's figure is followed over.
pub(super) fn position(told: &Told, row: &Row) -> usize {
    match told.over {
        Some("workers") => row.workers,
        _ => row.size,
    }
}

/// Draws the rows of one kind. `id` is the plot's own on its page.
pub(super) fn draw(
    xml: &mut Xml,
    id: &str,
    told: &Told,
    kind: &str,
    rows: &[&Row],
    peers: &[&str],
) {
    let series = series(told, rows, peers);
    let positions: Vec<_> = rows.iter().map(|row| position(told, row) as f64).collect();
    for (total, class) in WIDTHS {
        let id = format!("{id}-{total}");
        let bottom = TOP + (series.len() as f64 * NAME).max(total / 3.0).max(200.0);
        let height = bottom + 40.0;
        let across = Axis::through(&positions, (LEFT + 6.0, total - NAMES - 18.0));
        let medians: Vec<_> = rows.iter().map(|row| row.median).collect();
        let all: Vec<_> = rows
            .iter()
            .flat_map(|row| [row.median, row.min, row.max])
            .collect();
        let up = Axis::of(&medians, &all, (bottom, TOP + 6.0));
        let svg: &[(&str, &dyn std::fmt::Display)] = &[
            ("viewBox", &format!("0 0 {total} {}", px(height))),
            ("role", &"img"),
            ("aria-labelledby", &format!("{id}-title {id}-desc")),
            ("class", &class),
        ];
        xml.element("svg", svg, |xml| {
            let over = told.over.unwrap_or("size");
            let title = format!("{} {kind}: {} over {over}", told.title, told.unit);
            xml.leaf("title", &[("id", &format!("{id}-title"))], title);
            xml.leaf(
                "desc",
                &[("id", &format!("{id}-desc"))],
                described(told, &series),
            );
            axes(xml, told, &positions, (&across, &up), (total, bottom));
            // filch last, so that it lies above.
            for one in series.iter().rev() {
                draw_one(xml, one, &across, &up);
            }
            names(xml, &series, &across, &up, (total, bottom));
        });
    }
}

/// In the order in which the peers are listed, filch first.
fn series<'a>(told: &Told, rows: &[&'a Row], peers: &[&'a str]) -> Vec<Series<'a>> {
    let mut all = Vec::new();
    for (index, &peer) in peers.iter().enumerate() {
        let of_peer = rows.iter().filter(|row| row.peer == peer);
        let mut points: Vec<_> = of_peer
            .map(|row| (position(told, row) as f64, row.spread()))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let dashed = if index % (2 * TONES) < TONES {
            ""
        } else {
            " dashed"
        };
        let class = match peer {
            "filch" => "filch".to_owned(),
            _ => format!("tone{}{dashed}", index % TONES),
        };
        if !points.is_empty() {
            all.push(Series {
                peer,
                points,
                class,
            });
        }
    }
    all
}

/// For whoever does not see it: the ends of each line.
fn described(told: &Told, series: &[Series<'_>]) -> String {
    let ends = series.iter().map(|one| {
        let tell =
            |(at, spread): &(f64, Spread)| format!("{} at {}", figure(spread.median), short(*at));
        match one.points.as_slice() {
            [first, .., last] => format!("{} {}, {}", one.peer, tell(first), tell(last)),
            [only] => format!("{} {}", one.peer, tell(only)),
            [] => String::new(),
        }
    });
    format!("{}. {}.", told.figures, ends.collect::<Vec<_>>().join("; "))
}

fn axes(
    xml: &mut Xml,
    told: &Told,
    positions: &[f64],
    (across, up): (&Axis, &Axis),
    (total, bottom): (f64, f64),
) {
    let right = total - NAMES - 8.0;
    for tick in up.ticks() {
        let y = up.at(tick);
        line(xml, "grid", (LEFT, y), (right, y));
        letters(xml, "tick", "end", (LEFT - 5.0, y + 4.0), &short(tick));
    }
    line(xml, "grid", (LEFT, bottom), (right, bottom));
    let mut ticks = positions.to_vec();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    for &tick in &ticks {
        line(
            xml,
            "grid",
            (across.at(tick), bottom),
            (across.at(tick), bottom + 4.0),
        );
    }
    for tick in across.fitting(ticks, LETTERS) {
        letters(
            xml,
            "tick",
            "middle",
            (across.at(tick), bottom + 17.0),
            &short(tick),
        );
    }
    let scale = if up.is_log { ", logarithmic" } else { "" };
    letters(
        xml,
        "note",
        "start",
        (4.0, 12.0),
        &format!("{}{scale}", told.figures),
    );
    let over = match told.over {
        Some("workers") => "workers, logarithmic",
        _ => "coroutines, logarithmic",
    };
    letters(xml, "note", "start", (LEFT, bottom + 34.0), over);
}

fn draw_one(xml: &mut Xml, series: &Series<'_>, across: &Axis, up: &Axis) {
    let places: Vec<_> = series
        .points
        .iter()
        .map(|(at, spread)| (across.at(*at), up.at(spread.median)))
        .collect();
    let points: Vec<_> = places.iter().map(|(x, y)| format!("{x},{y}")).collect();
    let class = format!("line {}", series.class);
    xml.void(
        "polyline",
        &[("class", &class), ("points", &points.join(" "))],
    );
    for ((x, y), (_, spread)) in places.iter().zip(&series.points) {
        let class = format!("range {}", series.class);
        line(
            xml,
            &class,
            (*x, up.at(spread.min)),
            (*x, up.at(spread.max)),
        );
        let class = format!("point {}", series.class);
        xml.void(
            "circle",
            &[("class", &class), ("cx", x), ("cy", y), ("r", &2.5)],
        );
    }
}

/// The names at the right, and what leads to them.
fn names(
    xml: &mut Xml,
    series: &[Series<'_>],
    across: &Axis,
    up: &Axis,
    (total, bottom): (f64, f64),
) {
    let mut ends: Vec<_> = series
        .iter()
        .filter_map(|one| {
            let (at, spread) = one.points.last()?;
            Some((one, (across.at(*at), up.at(spread.median))))
        })
        .collect();
    ends.sort_by(|a, b| a.1.1.total_cmp(&b.1.1));
    let wanted: Vec<_> = ends.iter().map(|end| end.1.1).collect();
    let x = total - NAMES;
    for ((one, (from_x, from_y)), y) in ends.iter().zip(apart(&wanted, (TOP + 4.0, bottom))) {
        let class = format!("leader {}", one.class);
        line(xml, &class, (from_x + 4.0, *from_y), (x - 3.0, y));
        let class = format!("name {}", one.class);
        letters(xml, &class, "start", (x, y + 4.0), one.peer);
    }
}

/// Heights close to the wanted ones, which ascend, but no two closer than a name is high, and as far as it goes within bounds.
fn apart(wanted: &[f64], (top, bottom): (f64, f64)) -> Vec<f64> {
    let mut heights: Vec<f64> = Vec::with_capacity(wanted.len());
    for &want in wanted {
        let free = heights.last().map_or(top, |last| last + NAME);
        heights.push(want.max(free));
    }
    let mut limit = bottom;
    for height in heights.iter_mut().rev() {
        *height = height.min(limit);
        limit = *height - NAME;
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::super::axis::width;
    use super::*;

    #[test]
    fn names_are_moved_apart_and_stay_within_bounds() {
        let apart = |wanted: &[f64]| apart(wanted, (10.0, 100.0));
        assert_eq!(apart(&[20.0, 80.0]), [20.0, 80.0]);
        assert_eq!(apart(&[50.0, 50.0, 51.0]), [50.0, 65.0, 80.0]);
        assert_eq!(apart(&[99.0, 100.0, 100.0]), [70.0, 85.0, 100.0]);
        assert_eq!(apart(&[0.0, 1.0]), [10.0, 25.0]);
        assert!(apart(&[]).is_empty());
    }

    #[test]
    fn every_peers_name_has_room() {
        for peer in super::super::super::peer::PEERS {
            assert!(width(peer.name, LETTERS) <= NAMES, "{}", peer.name);
        }
    }
}
