//! Whether docs/PROTOCOL.md has the tables as they are.

use super::super::conn::Printed;
use super::super::framing::RulesTable;
use std::path::Path;

#[test]
fn the_documentation_has_these_tables() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PROTOCOL.md");
    let text = std::fs::read_to_string(&page).expect("the page is there");
    let tables = [
        ("framing", RulesTable.to_string()),
        ("connection", Printed.to_string()),
    ];
    let right = tables
        .iter()
        .fold(text.clone(), |text, (name, table)| with(&text, name, table));
    if std::env::var_os("FILCH_WRITE_DOCS").is_some() {
        std::fs::write(&page, &right).expect("the page can be written");
    } else {
        assert!(
            text == right,
            "docs/PROTOCOL.md is not up to date: FILCH_WRITE_DOCS=1 cargo test -p filch-http tables"
        );
    }
}

/// The page with this table between its marks.
fn with(page: &str, name: &str, table: &str) -> String {
    let mark = format!("<!-- {name} -->\n");
    let (before, rest) = page.split_once(&mark).expect("the page has the mark");
    let (_, after) = rest
        .split_once("<!-- end -->")
        .expect("the mark has an end");
    format!("{before}{mark}\n{table}\n<!-- end -->{after}")
}
