//! What is in a directory, and everything below it?
//!
//! A walk goes down first: the entries of a directory come right after the directory itself. It has one directory open for each level between where it began and where it is, and one chunk of
//! entries in memory, however large the tree is.
//!
//! **No loop**: links are not followed unless that is asked for; then a directory in which the walk already stands is not entered again, which is told from the numbers of device and inode. And there are
//! [`LEVELS_MAX`] levels at most, whatever a file system makes believe.
//!
//! Rejected: breadth first (memory for a whole level, which may be the whole tree); reading the rest of a directory into memory to close it, so that no number of levels takes many descriptors (memory again, for trees
//! that nobody has); to give out the directory where the walk begins (its path is known to who asks, and is not an entry).

use super::chunks::Chunks;
use super::read_dir::{DirEntry, Listing};
use crate::error;
use futures_core::Stream;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

/// How many directories may stand one within the other: each has a descriptor while the walk is in it, of which a process has 1024 as a rule. Trees that people make have some tens of levels.
pub(crate) const LEVELS_MAX: usize = 256;

/// Walks through everything below a directory: a stream of entries, in no order but that a directory stands before what is in it.
///
/// It begins with the first poll. An error is an item like others, with the path that it is about, and the walk goes on after it; so `try_next().await?` ends at the first one, and `next().await` need not.
///
/// # Units and limits
///
/// 256 entries are found by each call on the pool, and kept until they are asked for. Of more than 256 directories one within the other, the inner ones are errors.
///
/// # Errors
///
/// Items, one for each thing that cannot be read; what the system says, with the path. A link that is to be followed and leads back to a directory in which the walk stands is one too.
///
/// # Cancel safety
///
/// No entry is lost, as long as the walk is kept.
///
/// # Examples
///
/// ```
/// use filch_net::fs;
/// use futures_lite::StreamExt;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
/// let mut sources = fs::walk("src").max_depth(5).enter_if(move |folder| !is_hidden(&folder.file_name()));
/// let mut lines = 0;
/// while let Some(entry) = sources.try_next().await? {
///     if entry.file_type().is_file() {
///         lines += fs::read_to_string(entry.path()).await?.lines().count();
///     }
/// }
/// assert!(lines > 1000);
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn walk(path: impl AsRef<Path>) -> Walk {
    let walker = Walker {
        next_folder: Some(path.as_ref().to_owned()),
        levels: Vec::new(),
        depth_max: usize::MAX,
        follows_links: false,
        enters: None,
    };
    Walk {
        chunks: Chunks::new(walker),
    }
}

/// A walk through a tree of directories, from [`walk`].
///
/// # Cancel safety
///
/// No entry is lost, as long as this is kept.
#[derive(Debug)]
pub struct Walk {
    chunks: Chunks<Walker>,
}

/// Something that a [`Walk`] has found. It keeps nothing open.
#[derive(Debug, Clone)]
pub struct WalkEntry {
    entry: DirEntry,
    file_type: FileType,
    depth: usize,
}

/// What is walked through. To be said before the first entry is asked for.
impl Walk {
    /// How far down to go: 1 is what is in the directory itself, and nothing below.
    ///
    /// # Panics
    ///
    /// If the walk has begun.
    #[must_use]
    pub fn max_depth(mut self, depth: usize) -> Self {
        self.walker().depth_max = depth;
        self
    }

    /// Follows links: a link to a directory is entered like a directory, and the kind of a file is the kind of what its link leads to. Whatever has several names is found under each.
    ///
    /// # Panics
    ///
    /// If the walk has begun.
    #[must_use]
    pub fn follow_links(mut self, follows: bool) -> Self {
        self.walker().follows_links = follows;
        self
    }

    /// Enters only directories for which the answer is true; the others are in the list, without what is below them. It is asked on a thread of the pool.
    ///
    /// # Panics
    ///
    /// If the walk has begun.
    #[must_use]
    pub fn enter_if(mut self, enters: impl FnMut(&WalkEntry) -> bool + Send + 'static) -> Self {
        self.walker().enters = Some(Box::new(enters));
        self
    }

    fn walker(&mut self) -> &mut Walker {
        let walker = self.chunks.iterator();
        walker
            .filter(|walker| walker.levels.is_empty() && walker.next_folder.is_some())
            .expect("the walk has begun: say how to walk before the first entry is asked for")
    }
}

impl Stream for Walk {
    type Item = io::Result<WalkEntry>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_next(cx)
    }
}

impl WalkEntry {
    /// The path where the walk began, and the way from there.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.entry.path()
    }

    /// The name alone.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        self.entry.file_name()
    }

    /// What kind of file it is. A link is a link, unless links are followed.
    #[must_use]
    pub const fn file_type(&self) -> FileType {
        self.file_type
    }

    /// How far down it is: 1 in the directory where the walk began.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// The number of its inode; of a link, that of the link itself.
    #[must_use]
    pub const fn ino(&self) -> u64 {
        self.entry.ino()
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
        self.entry.metadata().await
    }
}

/// The walk itself, on a thread that may block.
struct Walker {
    /// To be entered before anything else.
    next_folder: Option<PathBuf>,
    /// The directories that are open, the outermost first.
    levels: Vec<Level>,
    depth_max: usize,
    follows_links: bool,
    enters: Option<Filter>,
}

type Filter = Box<dyn FnMut(&WalkEntry) -> bool + Send>;

#[derive(Debug)]
struct Level {
    listing: Listing,
    /// Only where links are followed.
    id: Option<FolderId>,
}

/// Which directory it is, whatever its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FolderId {
    device: u64,
    inode: u64,
}

impl Iterator for Walker {
    type Item = io::Result<WalkEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(folder) = self.next_folder.take() {
            if let Err(error) = self.enter(&folder) {
                return Some(Err(error));
            }
        }
        loop {
            let level = self.levels.last_mut()?;
            match level.listing.next() {
                Some(Ok(entry)) => return Some(self.found(entry)),
                Some(Err(error)) => return Some(Err(error)),
                None => drop(self.levels.pop()),
            }
        }
    }
}

impl Walker {
    /// Opens a directory, to go on in it.
    fn enter(&mut self, folder: &Path) -> io::Result<()> {
        let refused = |text: &str| {
            let step = format!("enter {}", folder.display());
            Err(error::at(step, io::Error::other(text)))
        };
        if self.depth_max <= self.levels.len() {
            return Ok(());
        }
        if self.levels.len() == LEVELS_MAX {
            return refused("there are too many directories one within the other");
        }
        let id = if self.follows_links {
            Some(FolderId::of(folder)?)
        } else {
            None
        };
        if id.is_some() && self.levels.iter().any(|level| level.id == id) {
            return refused("a link leads back to a directory that it is in");
        }
        let listing = Listing::blocking_open(folder)?;
        self.levels.push(Level { listing, id });
        Ok(())
    }

    fn found(&mut self, entry: DirEntry) -> io::Result<WalkEntry> {
        let path = entry.path();
        let at = |cause| error::at(format_args!("look at {}", path.display()), cause);
        let mut file_type = match entry.known_type() {
            Some(known) => known,
            None => fs::symlink_metadata(&path).map_err(at)?.file_type(),
        };
        if self.follows_links && file_type.is_symlink() {
            file_type = fs::metadata(&path).map_err(at)?.file_type();
        }
        let depth = self.levels.len();
        let entry = WalkEntry {
            entry,
            file_type,
            depth,
        };
        let is_entered = file_type.is_dir()
            && depth < self.depth_max
            && self.enters.as_mut().is_none_or(|enters| enters(&entry));
        self.next_folder = is_entered.then_some(path);
        Ok(entry)
    }
}

impl FolderId {
    fn of(folder: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(folder);
        let metadata = metadata
            .map_err(|cause| error::at(format_args!("look at {}", folder.display()), cause))?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

impl fmt::Debug for Walker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walker")
            .field("next_folder", &self.next_folder)
            .field("levels", &self.levels)
            .finish_non_exhaustive()
    }
}
