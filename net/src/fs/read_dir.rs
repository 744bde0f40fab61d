//! What is in a directory?

use super::chunks::{Chunk, Chunks};
use super::symlink_metadata;
use crate::error;
use crate::hop::hop;
use futures_core::Stream;
use std::ffi::OsString;
use std::fs::{self, FileType, Metadata};
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Opens a directory, to see what is in it. The first entries are read by the same call, so that a small directory costs one.
///
/// # Errors
///
/// What `opendir(3)` says, with the path.
///
/// # Cancel safety
///
/// The directory is closed again.
///
/// # Examples
///
/// ```
/// use filch_net::fs;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let mut entries = fs::read_dir("/proc/self").await?;
/// let mut names = Vec::new();
/// while let Some(entry) = entries.next_entry().await? {
///     names.push(entry.file_name());
/// }
/// assert!(names.iter().any(|name| name == "comm"));
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref().to_owned();
    let chunk = hop(move || Listing::blocking_open(&path).map(Chunk::blocking_next)).await?;
    Ok(ReadDir {
        chunks: Chunks::after(chunk),
    })
}

/// What is in a directory, in no order, without `.` and `..`; from [`read_dir()`].
///
/// A stream; and [`next_entry`](Self::next_entry), as in tokio. What is made or removed meanwhile may be in it or not.
///
/// # Units and limits
///
/// 256 entries are read by each call, and kept until they are asked for.
///
/// # Cancel safety
///
/// No entry is lost, as long as this is kept.
#[derive(Debug)]
pub struct ReadDir {
    chunks: Chunks<Listing>,
}

/// Something in a directory. It keeps nothing open.
#[derive(Debug, Clone)]
pub struct DirEntry {
    folder: Arc<Path>,
    name: OsString,
    inode: u64,
    /// If the file system says so together with the name; most do.
    file_type: Option<FileType>,
}

impl ReadDir {
    /// The next entry, or `None` at the end.
    ///
    /// # Errors
    ///
    /// What `readdir(3)` says, with the path of the directory.
    ///
    /// # Cancel safety
    ///
    /// No entry is lost.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    /// The next entry, or `None` at the end, or waits for it.
    ///
    /// # Errors
    ///
    /// As for [`next_entry`](Self::next_entry).
    pub fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        self.chunks.poll_next(cx).map(Option::transpose)
    }
}

impl Stream for ReadDir {
    type Item = io::Result<DirEntry>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_next(cx)
    }
}

impl DirEntry {
    pub(super) fn new(
        folder: &Arc<Path>,
        entry: &fs::DirEntry,
        file_type: Option<FileType>,
    ) -> Self {
        Self {
            folder: folder.clone(),
            name: entry.file_name(),
            inode: entry.ino(),
            file_type,
        }
    }

    /// The path of the directory, as it was given, and the name.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The name alone.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        self.name.clone()
    }

    /// The number of its inode.
    #[must_use]
    pub const fn ino(&self) -> u64 {
        self.inode
    }

    /// What kind of file it is; a link is a link. As a rule it is known already, and nothing is asked.
    ///
    /// # Errors
    ///
    /// What `lstat(2)` says, with the path: for instance if it was removed meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn file_type(&self) -> io::Result<FileType> {
        match self.file_type {
            Some(known) => Ok(known),
            None => Ok(self.metadata().await?.file_type()),
        }
    }

    /// What is known of it; of a link, what is known of the link itself.
    ///
    /// # Errors
    ///
    /// What `lstat(2)` says, with the path: for instance if it was removed meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        symlink_metadata(self.path()).await
    }

    pub(super) fn known_type(&self) -> Option<FileType> {
        self.file_type
    }
}

/// The entries of one directory, on a thread that may block.
#[derive(Debug)]
pub(super) struct Listing {
    folder: Arc<Path>,
    entries: fs::ReadDir,
}

impl Listing {
    pub(super) fn blocking_open(path: &Path) -> io::Result<Self> {
        let entries = fs::read_dir(path).map_err(|cause| failed(path, cause))?;
        Ok(Self {
            folder: path.into(),
            entries,
        })
    }
}

impl Iterator for Listing {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = match self.entries.next()? {
            Ok(entry) => entry,
            Err(cause) => return Some(Err(failed(&self.folder, cause))),
        };
        // Where it is not known it is asked for; if that fails, whoever wants to know asks again.
        let file_type = entry.file_type().ok();
        Some(Ok(DirEntry::new(&self.folder, &entry, file_type)))
    }
}

fn failed(path: &Path, cause: io::Error) -> io::Error {
    let step = format!("read the directory {}", path.display());
    error::at(step, cause)
}
