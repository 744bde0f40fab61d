//! Which part of a file is a body?
//!
//! [`FilePart`]: a file, and the range of it that is still to be sent. How far it got is the range's start, moved by
//! `sendfile(2)` or by [`read`](FilePart::read), whichever sends.

use super::BoxError;
use crate::server::open_files::FilePermit;
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// What is still to be sent of a file.
#[derive(Debug)]
pub(crate) struct FilePart {
    pub(crate) file: Arc<File>,
    pub(crate) range: Range<u64>,
    /// Whether the kernel may be asked to send it; not again once it could not.
    pub(crate) by_kernel: bool,
    /// The right to have it open, where files are counted. Behind the file: it is given back when that is closed.
    _permit: Option<FilePermit>,
}

/// How much of a file is read at a time where the kernel cannot send it, in bytes: as much as is gathered for one write.
const READ_BYTES: u64 = 64 * 1024;

impl FilePart {
    pub(crate) fn new(file: Arc<File>, range: Range<u64>) -> Self {
        Self {
            file,
            range,
            by_kernel: true,
            _permit: None,
        }
    }

    pub(crate) fn with_permit(self, permit: Option<FilePermit>) -> Self {
        Self {
            _permit: permit,
            ..self
        }
    }

    /// Reads the next piece; `None` at the end of the range, or of the file if that comes first.
    ///
    /// It may wait for a disk, as sending by the kernel may.
    pub(crate) fn read(&mut self) -> Result<Option<Bytes>, BoxError> {
        let wanted = self
            .range
            .end
            .saturating_sub(self.range.start)
            .min(READ_BYTES);
        let mut room = vec![0; usize::try_from(wanted)?];
        let count = loop {
            match self.file.read_at(&mut room, self.range.start) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        room.truncate(count);
        self.range.start += count as u64;
        Ok((count > 0).then(|| room.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_range_and_no_further() {
        let file = Arc::new(
            File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("it is there"),
        );
        let length = file.metadata().expect("a file").len();
        let mut part = FilePart::new(file.clone(), 1..8);
        assert_eq!(
            part.read().expect("read").expect("a piece"),
            &b"package"[..]
        );
        assert!(part.read().expect("read").is_none());
        let mut beyond = FilePart::new(file, length - 1..length + 10);
        assert_eq!(beyond.read().expect("read").expect("a piece").len(), 1);
        assert!(beyond.read().expect("read").is_none());
        assert!(!beyond.range.is_empty());
    }
}
