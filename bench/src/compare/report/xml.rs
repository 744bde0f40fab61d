//! How is text written so that nothing in it is taken for a tag?
//!
//! Whoever writes a page gives names of elements that stand in the source, and text that may come from anywhere (a version, a kernel's
//! name, what a process said before it died). Only this file writes a `<`.

use std::fmt::{Display, Write};

/// A document, or a part of it.
#[derive(Debug, Default)]
pub(super) struct Xml(String);

/// Attributes, in the order in which they are written.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a dyn Display)];

impl Xml {
    /// An element, and what is in it.
    pub(super) fn element(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        inside: impl FnOnce(&mut Self),
    ) {
        self.open(name, attributes);
        self.0.push('>');
        inside(self);
        self.put(format_args!("</{name}>"));
    }

    /// An element with text in it and nothing else.
    pub(super) fn leaf(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        text: impl Display,
    ) {
        self.element(name, attributes, |xml| xml.text(text));
    }

    /// An element with nothing in it: one that HTML knows as void, or a shape of SVG.
    pub(super) fn void(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.open(name, attributes);
        self.0.push_str("/>");
    }

    pub(super) fn text(&mut self, text: impl Display) {
        self.0.push_str(&escaped(&text.to_string()));
    }

    /// The document, with the line that makes browsers read it as they read everything of this century.
    pub(super) fn document(self) -> String {
        format!("<!DOCTYPE html>\n{}\n", self.0)
    }

    fn open(&mut self, name: &'static str, attributes: Attributes<'_>) {
        // Each on a line of its own: a page of one line is nothing for editors and diffs.
        if !self.0.is_empty() && !IN_TEXT.contains(&name) {
            self.0.push('\n');
        }
        self.put(format_args!("<{name}"));
        for (name, value) in attributes {
            let value = escaped(&value.to_string());
            self.put(format_args!(" {name}=\"{value}\""));
        }
    }

    fn put(&mut self, what: std::fmt::Arguments<'_>) {
        self.0.write_fmt(what).expect("a String takes everything");
    }
}

/// Elements that stand within a line of text, where a line break would show as a blank.
const IN_TEXT: [&str; 6] = ["a", "b", "code", "span", "br", "small"];

/// The text for a page: what would be taken for markup replaced, and what XML does not allow at all shown as such.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\t' | '\n' => safe.push(char),
            '\0'..' ' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            char => safe.push(char),
        }
    }
    safe
}

/// A coordinate, in tenths: more digits make the file larger and no line sharper.
pub(super) fn px(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_markup_is_escaped() {
        assert_eq!(
            escaped("<a href=\"x\">'&amp;'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;&#39;&lt;/a&gt;"
        );
        assert_eq!(escaped("plain, é 🐟\n"), "plain, é 🐟\n");
    }

    #[test]
    fn what_xml_forbids_is_shown_as_such() {
        assert_eq!(
            escaped("\x1b[31mred\0\u{ffff}\r"),
            "\u{fffd}[31mred\u{fffd}\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn whatever_is_written_is_read_back() {
        let evil = "</p><script>alert(\"1\" & '2')</script>\x07";
        let mut xml = Xml::default();
        xml.element("p", &[("title", &evil)], |xml| xml.text(evil));
        let document = roxmltree::Document::parse(&xml.0).expect("it is well-formed");
        let read = document.root_element();
        let expected = evil.replace('\x07', "\u{fffd}");
        assert_eq!(read.text(), Some(expected.as_str()));
        assert_eq!(read.attribute("title"), Some(expected.as_str()));
        assert_eq!(read.descendants().count(), 2);
    }

    #[test]
    fn coordinates_have_a_digit_at_most() {
        assert_eq!(px(1.0 / 3.0).to_string(), "0.3");
        assert_eq!(px(12.04).to_string(), "12");
    }
}
