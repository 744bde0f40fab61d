//! What can be done with what a path names, without opening it?
//!
//! What `std::fs` does, each by one call on the pool.

use super::{at_path, at_paths};
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

/// The absolute path, without links, `.` and `..`.
///
/// # Errors
///
/// What `realpath(3)` says, with the path.
///
/// # Cancel safety
///
/// Nothing is lost.
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    at_path("resolve", path.as_ref(), |path| fs::canonicalize(path)).await
}

/// What is known of a file, or of what a link leads to: size, kind, times, permissions.
///
/// # Errors
///
/// What `stat(2)` says, with the path.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Examples
///
/// ```
/// # let rt = filch::Runtime::new()?;
/// let metadata = rt.block_on(filch_net::fs::metadata("/proc/self"))?;
/// assert!(metadata.is_dir());
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    at_path("read the metadata of", path.as_ref(), |path| {
        fs::metadata(path)
    })
    .await
}

/// What is known of a file, or of a link itself.
///
/// # Errors
///
/// What `lstat(2)` says, with the path.
///
/// # Cancel safety
///
/// Nothing is lost.
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let step = "read the metadata of";
    at_path(step, path.as_ref(), |path| fs::symlink_metadata(path)).await
}

/// Whether there is something at this path. A link that leads nowhere is nothing.
///
/// # Errors
///
/// What `stat(2)` says, with the path, if that does not tell: for instance if a directory on the way must not be searched.
///
/// # Cancel safety
///
/// Nothing is lost.
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    at_path("look for", path.as_ref(), |path| path.try_exists()).await
}

/// Removes a file, or a link.
///
/// # Errors
///
/// What `unlink(2)` says, with the path.
///
/// # Cancel safety
///
/// Once polled, it is done.
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    at_path("remove", path.as_ref(), |path| fs::remove_file(path)).await
}

/// Removes a directory, which must be empty.
///
/// # Errors
///
/// What `rmdir(2)` says, with the path.
///
/// # Cancel safety
///
/// Once polled, it is done.
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    at_path("remove", path.as_ref(), |path| fs::remove_dir(path)).await
}

/// Removes a directory and everything below it. Links are removed, not followed.
///
/// # Errors
///
/// What the system says of the first thing that cannot be removed, with the path of the whole. What was removed by then is gone.
///
/// # Cancel safety
///
/// Once polled, it is done, to its end.
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    at_path("remove", path.as_ref(), |path| fs::remove_dir_all(path)).await
}

/// Gives a file or directory another name, on the same file system; a file that had it is replaced, at once: others see the one or the other.
///
/// # Errors
///
/// What `rename(2)` says, with both paths.
///
/// # Cancel safety
///
/// Once polled, it is done.
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let paths = [from.as_ref(), to.as_ref()];
    at_paths("rename", paths, |from, to| fs::rename(from, to)).await
}

/// Gives a file a further name: `link` for what is called `original`.
///
/// # Errors
///
/// What `link(2)` says, with both paths.
///
/// # Cancel safety
///
/// Once polled, it is done.
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let paths = [link.as_ref(), original.as_ref()];
    at_paths("link", paths, |link, original| {
        fs::hard_link(original, link)
    })
    .await
}

/// Makes a symbolic link, `link`, that leads to `original`, which need not exist.
///
/// # Errors
///
/// What `symlink(2)` says, with both paths.
///
/// # Cancel safety
///
/// Once polled, it is done.
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let paths = [link.as_ref(), original.as_ref()];
    let call = |link: &Path, original: &Path| std::os::unix::fs::symlink(original, link);
    at_paths("link", paths, call).await
}

/// Where a symbolic link leads.
///
/// # Errors
///
/// What `readlink(2)` says, with the path: `InvalidInput` if it is no link.
///
/// # Cancel safety
///
/// Nothing is lost.
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    at_path("read the link", path.as_ref(), |path| fs::read_link(path)).await
}

/// Changes the permissions of a file, or of what a link leads to.
///
/// # Errors
///
/// What `chmod(2)` says, with the path.
///
/// # Cancel safety
///
/// Once polled, it is done.
pub async fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> io::Result<()> {
    let call = |path: &Path| fs::set_permissions(path, permissions);
    at_path("set the permissions of", path.as_ref(), call).await
}
