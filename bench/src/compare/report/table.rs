//! How does a table look on a page?
//!
//! A caption that says what the figures are, a head per column, the first cell of a row its head; and around it a box that scrolls by
//! itself, also by keyboard, so that a wide table never makes the page wide. The caption stands outside of it, where it never scrolls away.

use super::xml::Xml;

/// A cell: what stands in it, and how.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    /// In small letters under it.
    small: String,
    class: &'static str,
}

impl Cell {
    /// To the left.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::new(text, "text")
    }

    /// To the right.
    pub(super) fn figure(text: impl Into<String>) -> Self {
        Self::new(text, "figure")
    }

    fn new(text: impl Into<String>, class: &'static str) -> Self {
        let (text, small) = (text.into(), String::new());
        Self { text, small, class }
    }

    /// With this in small letters under it.
    pub(super) fn with(mut self, small: impl Into<String>) -> Self {
        self.small = small.into();
        self
    }

    fn write(&self, xml: &mut Xml) {
        // What stands between ` and ` is something to type.
        for (index, part) in self.text.split('`').enumerate() {
            if index % 2 == 0 {
                xml.text(part);
            } else {
                xml.leaf("code", &[], part);
            }
        }
        if !self.small.is_empty() {
            xml.void("br", &[]);
            xml.leaf("small", &[], &self.small);
        }
    }
}

/// A row, and whether it is filch's.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) cells: Vec<Cell>,
    pub(super) is_filch: bool,
}

impl Line {
    pub(super) fn of(cells: Vec<Cell>) -> Self {
        Self {
            cells,
            is_filch: false,
        }
    }
}

/// Writes a table. Its first column is text, the heads of the others stand as the cells of the first line do.
pub(super) fn draw(xml: &mut Xml, caption: &str, heads: &[&str], lines: &[Line]) {
    let frame: &[(&str, &dyn std::fmt::Display)] = &[
        ("class", &"scrolls"),
        ("tabindex", &"0"),
        ("role", &"region"),
        ("aria-label", &caption),
    ];
    xml.element("figure", &[], |xml| {
        xml.leaf("figcaption", &[], caption);
        xml.element("div", frame, |xml| {
            xml.element("table", &[], |xml| {
                xml.element("thead", &[], |xml| {
                    xml.element("tr", &[], |xml| head(xml, heads, lines));
                });
                xml.element("tbody", &[], |xml| {
                    lines.iter().for_each(|line| row(xml, line));
                });
            });
        });
    });
}

fn head(xml: &mut Xml, heads: &[&str], lines: &[Line]) {
    for (index, head) in heads.iter().enumerate() {
        let class = lines.first().and_then(|line| line.cells.get(index));
        let class = class.map_or("text", |cell| cell.class);
        xml.leaf("th", &[("scope", &"col"), ("class", &class)], head);
    }
}

fn row(xml: &mut Xml, line: &Line) {
    let class = if line.is_filch { "filch" } else { "peer" };
    xml.element("tr", &[("class", &class)], |xml| {
        for (index, cell) in line.cells.iter().enumerate() {
            let class: (&str, &dyn std::fmt::Display) = ("class", &cell.class);
            if index == 0 {
                xml.element("th", &[("scope", &"row"), class], |xml| cell.write(xml));
            } else {
                xml.element("td", &[class], |xml| cell.write(xml));
            }
        }
    });
}
