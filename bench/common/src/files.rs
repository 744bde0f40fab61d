//! Which files are copied?
//!
//! Two without a name, in memory where there is `/dev/shm`, so that no disk is measured and nothing stays behind whatever becomes of the process. They are opened by
//! the path that the kernel gives each descriptor.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process;

/// How large the file is that is copied.
pub const FILE_BYTES: usize = 1 << 20;

/// How much a copy in pieces reads at a time.
pub const PIECE: usize = 64 << 10;

/// A file that is gone when the process is.
#[derive(Debug)]
pub struct Unnamed(File);

impl Unnamed {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// If none can be made in `/dev/shm`, nor where temporary files are.
    pub fn empty() -> io::Result<Self> {
        Self::within(Path::new("/dev/shm")).or_else(|_| Self::within(&std::env::temp_dir()))
    }

    /// One of [`FILE_BYTES`].
    ///
    /// # Errors
    ///
    /// As of [`Unnamed::empty`], and if there is no room.
    pub fn full() -> io::Result<Self> {
        let mut file = Self::empty()?;
        file.0.write_all(&vec![b'x'; FILE_BYTES])?;
        Ok(file)
    }

    fn within(folder: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        let (me, mut number) = (process::id(), 0);
        loop {
            let path = folder.join(format!("filch-bench-{me}-{number}"));
            match options.open(&path) {
                Ok(file) => return fs::remove_file(&path).map(|()| Self(file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// By which it can be opened again while it is there.
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }

    /// How large it is.
    ///
    /// # Errors
    ///
    /// What `fstat(2)` says.
    pub fn bytes(&self) -> io::Result<usize> {
        Ok(self.0.metadata()?.len() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_no_name_and_is_opened_all_the_same() {
        let (from, to) = (Unnamed::full().unwrap(), Unnamed::empty().unwrap());
        assert_eq!(to.bytes().unwrap(), 0);
        assert_eq!(fs::copy(from.path(), to.path()).unwrap(), FILE_BYTES as u64);
        assert_eq!(to.bytes().unwrap(), FILE_BYTES);
    }
}
