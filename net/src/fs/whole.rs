//! How is a whole file read, written or copied?
//!
//! By one call on the pool, however large it is: for files that do not fit into memory, or that shall be given up half-way, there is [`File`](super::File).

use super::{at_path, at_paths};
use std::fs;
use std::io;
use std::path::Path;

/// All bytes of a file.
///
/// # Errors
///
/// What `open(2)` and `read(2)` say, with the path.
///
/// # Cancel safety
///
/// The file is read to its end, for nobody.
///
/// # Examples
///
/// ```
/// # let rt = filch::Runtime::new()?;
/// let bytes = rt.block_on(filch_net::fs::read("/proc/self/comm"))?;
/// assert!(bytes.ends_with(b"\n"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    at_path("read", path.as_ref(), |path| fs::read(path)).await
}

/// All of a file, as text.
///
/// # Errors
///
/// What `open(2)` and `read(2)` say, with the path; `InvalidData` if it is not UTF-8.
///
/// # Cancel safety
///
/// The file is read to its end, for nobody.
///
/// # Examples
///
/// ```
/// # let rt = filch::Runtime::new()?;
/// let text = rt.block_on(filch_net::fs::read_to_string("/proc/self/comm"))?;
/// assert!(text.ends_with('\n'));
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    at_path("read", path.as_ref(), |path| fs::read_to_string(path)).await
}

/// Makes a file with these contents, or replaces those that it has. The bytes are copied.
///
/// It is not atomic: others may see the file empty, or a part of it. For that, write another one and [`rename`](super::rename()) it.
///
/// # Errors
///
/// What `open(2)` and `write(2)` say, with the path.
///
/// # Cancel safety
///
/// The file is written to its end.
///
/// # Examples
///
/// ```
/// use filch_net::fs;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let path = std::env::temp_dir().join(format!("filch-write-{}", std::process::id()));
/// fs::write(&path, "hello").await?;
/// assert_eq!(fs::read(&path).await?, b"hello");
/// # fs::remove_file(&path).await
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let contents = contents.as_ref().to_vec();
    at_path("write", path.as_ref(), move |path| {
        fs::write(path, contents)
    })
    .await
}

/// Copies a file and its permissions; what was there is replaced. How many bytes there were. Where the kernel can, it copies them itself (`copy_file_range(2)`).
///
/// # Errors
///
/// What `open(2)` and `copy_file_range(2)` say, with both paths; `InvalidInput` if it is not a regular file.
///
/// # Cancel safety
///
/// The file is copied to its end.
///
/// # Examples
///
/// ```
/// use filch_net::fs;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let from = std::env::temp_dir().join(format!("filch-copy-{}", std::process::id()));
/// # let to = from.with_extension("copy");
/// fs::write(&from, "hello").await?;
/// assert_eq!(fs::copy(&from, &to).await?, 5);
/// # fs::remove_file(&to).await?;
/// # fs::remove_file(&from).await
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let paths = [from.as_ref(), to.as_ref()];
    at_paths("copy", paths, |from, to| fs::copy(from, to)).await
}
