//! Of which commit is this?
//!
//! What git says of the folder of the source, when it is asked: a constant of the build would be that of the last time this crate was
//! compiled.

use serde::Serialize;
use std::path::Path;
use std::process::{Command, Stdio};

#[derive(Debug, Clone, Serialize)]
pub(super) struct Commit {
    /// Its hash, in short.
    pub(super) hash: String,
    /// Whether a file that git knows differs from it.
    pub(super) is_changed: bool,
}

impl Commit {
    /// The one that is checked out, if this is a clone and there is a git.
    pub(super) fn here() -> Option<Self> {
        Self::of(Path::new(env!("CARGO_MANIFEST_DIR")))
    }

    fn of(folder: &Path) -> Option<Self> {
        let hash = git(folder, &["rev-parse", "--short=10", "HEAD"])?;
        let changes = git(folder, &["status", "--porcelain", "--untracked-files=no"])?;
        Some(Self {
            hash,
            is_changed: !changes.is_empty(),
        })
    }
}

/// What git says, if it succeeds.
fn git(folder: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_git_has_no_commit() {
        assert!(Commit::of(Path::new("/")).is_none());
    }
}
