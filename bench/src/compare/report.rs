//! What does `--report` write?
//!
//! Two files into its folder: `compare.json`, everything that was measured, and `index.html`, which shows it. The page is complete in
//! itself (no script, no font, nothing loaded) and is written by this program: its plots are a few rectangles and lines. It is
//! well-formed XML too, so that the tests can read it. Both files are written anew after every workload: what was measured survives a
//! comparison that is broken off. Rejected: a templating crate (there is one page), a plotting crate (its text is not ours
//! to place), scripts (a page that is kept for years should not depend on them).
//!
//! | file | answers |
//! |---|---|
//! | `data` | what is in `compare.json`? |
//! | `summary` | how does filch stand against the best peer, and against each? |
//! | `page`, `overview`, `table`, `style.css` | what is on the page, and how does it look? |
//! | `bars`, `lines`, `axis` | how are figures drawn? |
//! | `number` | how many digits does a figure have? |
//! | `xml` | how is text written so that nothing in it is taken for a tag? |

mod axis;
mod bars;
pub(super) mod data;
mod lines;
pub(super) mod number;
mod overview;
mod page;
mod summary;
mod table;
#[cfg(test)]
mod tests;
mod xml;

use super::history::History;
use data::Data;
use std::path::Path;
use std::{fs, io};

/// Writes both files.
///
/// # Errors
///
/// If they cannot be written; the message names the folder.
pub(super) fn write(folder: &Path, data: &Data, before: Option<&History>) -> io::Result<()> {
    let named = |error: io::Error| {
        let folder = folder.display();
        io::Error::other(format!("the report cannot be written to {folder}: {error}"))
    };
    let json = serde_json::to_string_pretty(data)?;
    fs::create_dir_all(folder).map_err(named)?;
    fs::write(folder.join("compare.json"), json + "\n").map_err(named)?;
    fs::write(folder.join("index.html"), page::page(data, before)).map_err(named)
}
