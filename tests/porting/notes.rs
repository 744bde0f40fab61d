//! Keeps the lines of standard input in a file, behind those that it has, and says how long the file is.

use std::io;
use std::path::Path;
use filch_net::fs::{self, OpenOptions};
use futures_lite::StreamExt as _; use futures_lite::io::{AsyncBufReadExt, AsyncBufRead, AsyncWriteExt, BufReader};

#[filch::main]
pub(crate) async fn main() -> io::Result<()> {
    let input = BufReader::new(filch_net::io::stdin());
    let bytes = keep(input, Path::new("notes.txt")).await?;
    let mut stdout = filch_net::io::stdout();
    stdout.write_all(format!("{bytes} bytes\n").as_bytes()).await?;
    stdout.flush().await
}

pub(crate) async fn keep(input: impl AsyncBufRead + Unpin, path: &Path) -> io::Result<u64> {
    let mut file = OpenOptions::new().create(true).append(true).open(path).await?;
    let mut lines = input.lines();
    while let Some(line) = lines.try_next().await? {
        file.write_all(line.as_bytes()).await?;
        file.write_all(b"\n").await?;
    }
    file.flush().await?;
    Ok(fs::metadata(path).await?.len())
}
