//! How does a task use files and directories?
//!
//! The kernel has no readiness for files: a read waits for the disk, and `epoll(7)` refuses them. So every call is made on the runtime's pool for calls that block
//! ([`filch::spawn_blocking`]), and each of them does much: whole files at once, a [`File`]'s buffer, hundreds of entries of a directory.
//!
//! | file | question |
//! |---|---|
//! | `file` | how does a task read, write and seek in an open file? |
//! | `open_options` | how is a file opened? |
//! | `whole` | how is a whole file read, written or copied? |
//! | `paths` | what can be done with what a path names, without opening it? |
//! | `directories` | how are directories made? |
//! | `read_dir` | what is in a directory? |
//! | `walk` | what is in a directory, and everything below it? |
//! | `chunks` | how is something listed that blocks for each piece, with few calls? |
//!
//! # Errors
//!
//! Errors name the step and the path: `open /etc/shadow: Permission denied (os error 13)`; their kind is that of the system's error, which is their [`source`](std::error::Error::source). Every
//! function fails outside a runtime, if the runtime ends before the call was made, and if the pool has no thread and none can be started.
//!
//! # Cancel safety
//!
//! A call that was sent to the pool is made, whoever waits for it: when the future of [`remove_file()`] is dropped after its first poll, the file will be removed, or has been. Futures that were never
//! polled have done nothing.
//!
//! # Examples
//!
//! ```
//! use filch_net::fs;
//! use futures_lite::StreamExt;
//!
//! # let rt = filch::Runtime::new()?;
//! # rt.block_on(async {
//! # let folder = std::env::temp_dir().join(format!("filch-fs-{}", std::process::id()));
//! fs::create_dir_all(folder.join("a/b")).await?;
//! fs::write(folder.join("a/b/note"), "hello").await?;
//! let mut below = fs::walk(&folder);
//! let mut found = 0;
//! while let Some(entry) = below.try_next().await? {
//!     println!("{}", entry.path().display());
//!     found += 1;
//! }
//! assert_eq!(found, 3);
//! fs::remove_dir_all(&folder).await?;
//! # std::io::Result::Ok(())
//! # })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod chunks;
mod directories;
mod file;
mod open_options;
mod paths;
mod read_dir;
mod walk;
mod whole;

pub use directories::{DirBuilder, create_dir, create_dir_all};
pub use file::File;
pub use open_options::OpenOptions;
pub use paths::{
    canonicalize, hard_link, metadata, read_link, remove_dir, remove_dir_all, remove_file, rename,
    set_permissions, symlink, symlink_metadata, try_exists,
};
pub use read_dir::{DirEntry, ReadDir, read_dir};
pub use walk::{Walk, WalkEntry, walk};
pub use whole::{copy, read, read_to_string, write};

use crate::error;
use crate::hop::hop;
use std::io;
use std::path::Path;

/// Makes one call on the pool, with a path that its error names.
fn at_path<T, C>(
    step: &'static str,
    path: &Path,
    call: C,
) -> impl Future<Output = io::Result<T>> + use<T, C>
where
    T: Send + 'static,
    C: FnOnce(&Path) -> io::Result<T> + Send + 'static,
{
    let path = path.to_owned();
    hop(move || {
        call(&path).map_err(|cause| error::at(format_args!("{step} {}", path.display()), cause))
    })
}

/// Makes one call on the pool, with two paths that its error names.
fn at_paths<T, C>(
    step: &'static str,
    [from, to]: [&Path; 2],
    call: C,
) -> impl Future<Output = io::Result<T>> + use<T, C>
where
    T: Send + 'static,
    C: FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
{
    let (from, to) = (from.to_owned(), to.to_owned());
    hop(move || {
        call(&from, &to).map_err(|cause| {
            let step = format!("{step} {} to {}", from.display(), to.display());
            error::at(step, cause)
        })
    })
}

#[cfg(test)]
mod tests;
