//! Counts the lines of filch-net's own sources, several files at a time, and keeps the result in a file.
//!
//! ```text
//! cargo run -p filch-net --example lines
//! ```
//!
//! The walk is a stream that runs ahead of those who count by what the channel holds and no more; a file is read through its own buffer, some hundred thousand bytes by each call on the pool.

use filch::sync::mpmc;
use filch::task::JoinSet;
use filch_net::fs::{self, File};
use futures_lite::{AsyncBufReadExt, AsyncWriteExt, StreamExt};
use std::io;
use std::path::{Path, PathBuf};

const AT_ONCE: usize = 4;

#[filch::main]
pub(crate) async fn main() -> io::Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../net/src");
    let (found, files) = mpmc::channel::<PathBuf>(AT_ONCE);
    let mut counting = JoinSet::new();
    for _ in 0..AT_ONCE {
        let files = files.clone();
        counting.spawn(async move {
            let mut lines = Vec::new();
            while let Ok(path) = files.recv().await {
                lines.push((count(&path).await?, path));
            }
            io::Result::Ok(lines)
        });
    }
    drop(files);

    let mut sources = fs::walk(folder).enter_if(|folder| folder.file_name() != "target");
    let mut entries = 0;
    while let Some(entry) = sources.try_next().await? {
        let is_source = entry.path().extension().is_some_and(|is| is == "rs");
        if is_source && entry.file_type().is_file() {
            entries += 1;
            found.send(entry.path()).await.map_err(io::Error::other)?;
        }
    }
    drop(found);

    let mut all = Vec::new();
    while let Some(counted) = counting.join_next().await {
        all.extend(counted??);
    }
    all.sort();
    let report = std::env::temp_dir().join(format!("filch-lines-{}", std::process::id()));
    let mut file = File::create(&report).await?;
    for (lines, path) in &all {
        let line = format!("{lines:6} {}\n", path.display());
        file.write_all(line.as_bytes()).await?;
    }
    // Before this, the file is empty.
    file.flush().await?;

    let sum: usize = all.iter().map(|(lines, _)| lines).sum();
    println!("{sum} lines in {entries} files, see {}", report.display());
    assert_eq!(all.len(), entries, "each was counted");
    assert_eq!(count(&report).await?, entries, "and has a line of its own");
    fs::remove_file(report).await
}

async fn count(path: &Path) -> io::Result<usize> {
    let mut file = File::open(path).await?;
    let (mut lines, mut line) = (0, Vec::new());
    while file.read_until(b'\n', &mut line).await? > 0 {
        lines += 1;
        line.clear();
    }
    Ok(lines)
}
