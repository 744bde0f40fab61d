//! How is a file opened?

use super::{File, at_path};
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How a file is opened: those of `std`, with an `open` that waits without blocking.
///
/// # Examples
///
/// ```
/// use filch_net::fs::{self, OpenOptions};
/// use futures_lite::AsyncWriteExt;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let path = std::env::temp_dir().join(format!("filch-open-{}", std::process::id()));
/// # fs::write(&path, "one\n").await?;
/// let mut log = OpenOptions::new().append(true).open(&path).await?;
/// log.write_all(b"two\n").await?;
/// log.flush().await?;
/// assert_eq!(fs::read(&path).await?, b"one\ntwo\n");
/// # fs::remove_file(&path).await
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct OpenOptions {
    options: fs::OpenOptions,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<fs::OpenOptions> for OpenOptions {
    fn from(options: fs::OpenOptions) -> Self {
        Self { options }
    }
}

impl OpenOptions {
    /// For nothing: say at least one of read, write, append.
    #[must_use]
    pub fn new() -> Self {
        fs::OpenOptions::new().into()
    }

    /// For reading.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.options.read(read);
        self
    }

    /// For writing.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.options.write(write);
        self
    }

    /// For writing at the end, wherever that is by then (`O_APPEND`).
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.options.append(append);
        self
    }

    /// Empties it (`O_TRUNC`).
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.options.truncate(truncate);
        self
    }

    /// Makes it if it is not there (`O_CREAT`).
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.options.create(create);
        self
    }

    /// Makes it, and fails if it is there (`O_CREAT | O_EXCL`).
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.options.create_new(create_new);
        self
    }

    /// With these permissions at most, if it is made; 0o666 if nothing is said.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.options.mode(mode);
        self
    }

    /// With these flags of `open(2)` too.
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.options.custom_flags(flags);
        self
    }

    /// Opens the file.
    ///
    /// Opening a pipe with a name waits for its other end, on a thread of the pool: use [`pipe::OpenOptions`](crate::pipe::OpenOptions) for such.
    ///
    /// # Errors
    ///
    /// What `open(2)` says, with the path; `InvalidInput` if the options make no sense.
    ///
    /// # Cancel safety
    ///
    /// Once polled, it is opened, and closed again: it may have been made or emptied.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let options = self.options.clone();
        let open = move |path: &Path| options.open(path);
        at_path("open", path.as_ref(), open)
            .await
            .map(File::from_std)
    }
}
