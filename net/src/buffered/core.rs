//! What does a call do with the file, and what is in the buffer after it?
//!
//! The buffer holds bytes that were read ahead, or bytes that are unwritten, never both. The file's own position stands behind the former, before the latter; the one that the user knows
//! follows from that:
//!
//! | the buffer holds | the user's position |
//! |---|---|
//! | bytes read ahead | the file's, less what was not taken |
//! | unwritten bytes | the file's, less what had been read ahead when the first of them came (`behind`), plus their number |
//!
//! All that blocks is called `blocking_`, and runs on another thread.

use crate::{error, sys};
use std::fmt::Display;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// How much is read ahead at first, and after a seek: as much as costs less than the hop. It doubles with each call that finds so much.
pub(crate) const READ_AHEAD_FIRST_BYTES: usize = 16 * 1024;

/// What is asked of the file. Whatever it is, unwritten bytes are written first, except by `SetPermissions`.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    /// Read ahead: as much as is wanted, or as the last reads say is worth while, but not more than `most`.
    Fill {
        wanted: usize,
        most: usize,
    },
    /// Write what is unwritten, and nothing else.
    WriteOut,
    /// Let the file's own position be the user's.
    Settle,
    Seek(SeekFrom),
    Metadata,
    SetLen(u64),
    SyncAll,
    SyncData,
    SetPermissions(Permissions),
    TryClone,
}

#[derive(Debug)]
pub(crate) enum Answer {
    Nothing,
    /// How many bytes were read.
    Count(usize),
    Position(u64),
    Metadata(Box<Metadata>),
    File(File),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    ReadAhead,
    Unwritten,
}

/// The buffer, with its share of the file. Dropping it writes what is unwritten.
#[derive(Debug)]
pub(crate) struct Core {
    file: Arc<File>,
    bytes: Vec<u8>,
    /// Those of the bytes that were not taken, or not written.
    range: Range<usize>,
    holds: Holds,
    /// How far to go back in the file before the unwritten bytes are written.
    behind: u64,
    /// How much to read ahead next time.
    next_bytes: usize,
    /// Why bytes could not be written, which somebody is to be told.
    failed: Option<io::Error>,
}

/// Here, without a call.
impl Core {
    pub(crate) fn new(file: Arc<File>) -> Self {
        Self {
            file,
            bytes: Vec::new(),
            range: 0..0,
            holds: Holds::ReadAhead,
            behind: 0,
            next_bytes: READ_AHEAD_FIRST_BYTES,
            failed: None,
        }
    }

    /// What was read ahead.
    pub(crate) fn ahead(&self) -> &[u8] {
        match self.holds {
            Holds::ReadAhead => &self.bytes[self.range.clone()],
            Holds::Unwritten => &[],
        }
    }

    /// So much of it is taken.
    pub(crate) fn consume(&mut self, count: usize) {
        let left = self.ahead().len();
        assert!(count <= left, "{count} bytes consumed of {left}");
        self.range.start += count;
    }

    pub(crate) fn has_unwritten(&self) -> bool {
        self.holds == Holds::Unwritten && !self.range.is_empty()
    }

    pub(crate) fn is_full(&self, most: usize) -> bool {
        self.holds == Holds::Unwritten && self.range.len() >= most
    }

    /// Takes as many bytes as there is room for, to be written some time.
    pub(crate) fn put(&mut self, bytes: &[u8], most: usize) -> usize {
        if self.holds == Holds::ReadAhead {
            self.behind = self.ahead().len() as u64;
            self.hold(Holds::Unwritten);
        }
        let count = bytes.len().min(most - self.range.len());
        self.bytes.truncate(self.range.end);
        self.bytes.extend_from_slice(&bytes[..count]);
        self.range.end += count;
        count
    }

    pub(crate) fn take_failed(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// Empties the buffer for the other purpose.
    fn hold(&mut self, holds: Holds) {
        self.holds = holds;
        self.range = 0..0;
    }

    #[cold]
    fn failed_at(&self, step: &str, cause: io::Error) -> io::Error {
        error::at(format_args!("{step} {}", name_of(&self.file)), cause)
    }
}

/// On another thread.
impl Core {
    /// Does what is asked. If bytes cannot be written before, that is kept for [`take_failed`](Self::take_failed), and nothing else is done.
    pub(crate) fn blocking_do(&mut self, request: Request) -> io::Result<Answer> {
        let step = match request {
            Request::SetPermissions(permissions) => {
                let set = self.file.set_permissions(permissions);
                return set
                    .map(|()| Answer::Nothing)
                    .map_err(|cause| self.failed_at("set the permissions of", cause));
            }
            Request::Fill { .. } => "read",
            Request::Seek(_) => "seek in",
            Request::Metadata => "read the metadata of",
            Request::SetLen(_) => "set the length of",
            Request::SyncAll | Request::SyncData => "sync",
            Request::TryClone => "clone the descriptor of",
            Request::WriteOut | Request::Settle => "settle",
        };
        if let Err(cause) = self.blocking_write_out() {
            self.failed = Some(self.failed_at("write", cause));
            return Ok(Answer::Nothing);
        }
        self.blocking_rest(request)
            .map_err(|cause| self.failed_at(step, cause))
    }

    /// Does what is asked, when nothing is unwritten.
    fn blocking_rest(&mut self, request: Request) -> io::Result<Answer> {
        match request {
            Request::Fill { wanted, most } => self.blocking_fill(wanted, most).map(Answer::Count),
            Request::WriteOut | Request::SetPermissions(_) => Ok(Answer::Nothing),
            Request::Settle => self.blocking_settle().map(|()| Answer::Nothing),
            Request::Seek(to) => self.blocking_seek(to).map(Answer::Position),
            Request::Metadata => {
                let metadata = self.file.metadata()?;
                Ok(Answer::Metadata(Box::new(metadata)))
            }
            Request::SetLen(bytes) => {
                // What was read ahead may be gone.
                self.blocking_settle()?;
                self.file.set_len(bytes).map(|()| Answer::Nothing)
            }
            Request::SyncAll => self.file.sync_all().map(|()| Answer::Nothing),
            Request::SyncData => self.file.sync_data().map(|()| Answer::Nothing),
            Request::TryClone => {
                self.blocking_settle()?;
                self.file.try_clone().map(Answer::File)
            }
        }
    }

    /// Writes what is unwritten. What could not be written is thrown away.
    fn blocking_write_out(&mut self) -> io::Result<()> {
        if self.holds != Holds::Unwritten {
            return Ok(());
        }
        let written = self.blocking_write_range();
        self.hold(Holds::ReadAhead);
        written
    }

    fn blocking_write_range(&mut self) -> io::Result<()> {
        let behind = std::mem::take(&mut self.behind);
        self.blocking_go_back(behind)?;
        while !self.range.is_empty() {
            let unwritten = &self.bytes[self.range.clone()];
            match sys::write_masked(&self.file, unwritten) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.range.start += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn blocking_fill(&mut self, wanted: usize, most: usize) -> io::Result<usize> {
        let bytes = wanted.max(self.next_bytes).min(most);
        if self.bytes.len() < bytes {
            self.bytes.resize(bytes, 0);
        }
        let count = loop {
            match (&*self.file).read(&mut self.bytes[..bytes]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        if count == bytes {
            self.next_bytes = bytes.saturating_mul(2);
        }
        self.range = 0..count;
        Ok(count)
    }

    fn blocking_settle(&mut self) -> io::Result<()> {
        // Of what has no position this fails (a terminal, a pipe), and what was read ahead is still to be read.
        self.blocking_go_back(self.ahead().len() as u64)?;
        self.hold(Holds::ReadAhead);
        Ok(())
    }

    /// Lets the file stand where the user does, as if nothing had been read ahead; of what has no position that is lost.
    pub(crate) fn blocking_give_back(&mut self) {
        if !self.ahead().is_empty() {
            let _ = self.blocking_settle();
        }
    }

    fn blocking_go_back(&self, bytes: u64) -> io::Result<()> {
        if bytes > 0 {
            let bytes = i64::try_from(bytes).map_err(io::Error::other)?;
            (&*self.file).seek(SeekFrom::Current(-bytes))?;
        }
        Ok(())
    }

    fn blocking_seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        // Relative to the user's position. If the seek itself is refused, that is where the file stands.
        self.blocking_settle()?;
        self.next_bytes = READ_AHEAD_FIRST_BYTES;
        (&*self.file).seek(to)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // Who wants to know whether it succeeds flushes before.
        let _ = self.blocking_write_out();
    }
}

impl Answer {
    /// Whether a read found nothing.
    pub(crate) fn is_end(&self) -> bool {
        matches!(self, Self::Count(0))
    }

    pub(crate) fn position(self) -> u64 {
        match self {
            Self::Position(position) => position,
            other => unreachable!("asked for a position, got {other:?}"),
        }
    }

    pub(crate) fn metadata(self) -> Metadata {
        match self {
            Self::Metadata(metadata) => *metadata,
            other => unreachable!("asked for metadata, got {other:?}"),
        }
    }

    pub(crate) fn file(self) -> File {
        match self {
            Self::File(file) => file,
            other => unreachable!("asked for a file, got {other:?}"),
        }
    }
}

/// What the system calls a file that is open: its path as it is now. Asked for when there is an error to be told, so that files need not remember it.
fn name_of(file: &File) -> impl Display + use<> {
    let number = file.as_raw_fd();
    let name = fs::read_link(format!("/proc/self/fd/{number}"));
    name.map_or_else(
        |_| format!("descriptor {number}"),
        |path| path.display().to_string(),
    )
}
