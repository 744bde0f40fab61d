//! How are directories made?

use super::at_path;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes a directory.
///
/// # Errors
///
/// What `mkdir(2)` says, with the path: `AlreadyExists` if there is something of that name.
///
/// # Cancel safety
///
/// Once polled, it is done.
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    DirBuilder::new().create(path).await
}

/// Makes a directory, and those above it that do not exist. If it is there already, that is fine.
///
/// # Errors
///
/// What `mkdir(2)` says, with the path.
///
/// # Cancel safety
///
/// Once polled, it is done.
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(path).await
}

/// How a directory is made.
///
/// # Examples
///
/// ```
/// use filch_net::fs::{self, DirBuilder};
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let folder = std::env::temp_dir().join(format!("filch-dirs-{}", std::process::id()));
/// DirBuilder::new().recursive(true).mode(0o700).create(folder.join("a/b")).await?;
/// assert!(fs::try_exists(folder.join("a/b")).await?);
/// # fs::remove_dir_all(&folder).await
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct DirBuilder {
    is_recursive: bool,
    mode: Option<u32>,
}

impl DirBuilder {
    /// One directory, with the permissions that the process gives (`umask(2)`).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes those above it too, and is content if it is there already.
    pub fn recursive(&mut self, is_recursive: bool) -> &mut Self {
        self.is_recursive = is_recursive;
        self
    }

    /// With these permissions at most; 0o777 if nothing is said.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// Makes the directory.
    ///
    /// # Errors
    ///
    /// What `mkdir(2)` says, with the path.
    ///
    /// # Cancel safety
    ///
    /// Once polled, it is done.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(self.is_recursive);
        if let Some(mode) = self.mode {
            builder.mode(mode);
        }
        let make = move |path: &Path| builder.create(path);
        at_path("make the directory", path.as_ref(), make).await
    }
}
