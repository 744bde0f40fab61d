//! How does a task read, write and seek in an open file?
//!
//! Through a buffer ([`buffered`](crate::buffered)), so that small operations are copies. The methods by shared reference (`metadata`, `sync_all`, ...) stand in line for it, in a lock of filch's own; what
//! needs the file alone finds the lock free.

use super::OpenOptions;
use crate::buffered::{Answer, Buffered, Request};
use crate::hop::Place;
use filch::sync::Mutex;
use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
use std::fs::{self, Metadata, Permissions};
use std::io::{self, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// An open file.
///
/// It implements `AsyncRead`, `AsyncBufRead`, `AsyncWrite` and `AsyncSeek` of `futures-io`. Between it and the system stands a buffer of up to 256 KiB:
///
/// - **Reads** read ahead: 16 KiB at first, twice as much whenever so much was there, and anew after a seek. What others write meanwhile to where was read ahead is not seen.
/// - **Writes** go to the buffer, and from there to the file when it is full, or before anything else is done: a read, a seek, `flush`, `close`, `metadata`, `set_len`, `sync_all`. Until then nobody
///   else sees them. **Flush before you rely on them**, and before the file is dropped if you want to know of errors.
/// - **Dropping** the file writes what is unwritten, in the background. If the runtime ends meanwhile, that is waited for; if the process ends otherwise, it is lost. Where there is no runtime, or no thread
///   can be started, the drop itself writes.
/// - **The error of a write** in the background is the error of the operation that comes next, whichever that is. The bytes that could not be written are gone then; the position stands after those
///   that were.
/// - **Flushing** gives the bytes to the kernel; [`sync_all`](Self::sync_all) sees to it that they survive a loss of power.
///
/// One task reads or writes at a time, since that takes `&mut self`; the other methods may be called by any number. A [clone](Self::try_clone) shares the position, and has a buffer of its own: take turns with
/// `flush` and seeks, or do not share.
///
/// For terminals, pipes and other things that may make a reader wait for ever, see [`io`](crate::io) and [`pipe`](crate::pipe): a read of such a file keeps a thread of the pool, which the
/// end of the runtime waits for.
///
/// # Cancel safety
///
/// A read, write or seek that is dropped loses nothing: bytes that were read for it are there for the next read, at the right position; a write that was pending has written nothing; a seek that was
/// polled has been done, or will be, before the next operation; the same seek once more is taken for that one, and not done twice. `flush` goes on in the background. `read_exact`, `write_all` and the like lose how far they were.
///
/// # Examples
///
/// ```
/// use filch_net::fs::File;
/// use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, StreamExt};
/// use std::io::SeekFrom;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let path = std::env::temp_dir().join(format!("filch-file-{}", std::process::id()));
/// let mut file = File::options().read(true).write(true).create(true).open(&path).await?;
/// for number in 0..1000 {
///     file.write_all(format!("{number}\n").as_bytes()).await?; // a copy, no system call
/// }
/// file.seek(SeekFrom::Start(0)).await?; // writes it all, by one
/// let mut lines = file.lines();
/// assert_eq!(lines.try_next().await?.as_deref(), Some("0"));
/// # filch_net::fs::remove_file(&path).await
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct File {
    inner: Mutex<Buffered>,
    /// For those who want the descriptor while the buffer is away.
    file: Arc<fs::File>,
}

/// Opening, and the way from and to `std`.
impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// What `open(2)` says, with the path.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).open(path).await
    }

    /// Opens a file for writing: makes it, or empties it.
    ///
    /// # Errors
    ///
    /// What `open(2)` says, with the path.
    ///
    /// # Cancel safety
    ///
    /// Once polled, it is done: the file has been made or emptied.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        options.open(path).await
    }

    /// Makes a file, and opens it for reading and writing.
    ///
    /// # Errors
    ///
    /// What `open(2)` says, with the path: `AlreadyExists` if there is something of that name.
    ///
    /// # Cancel safety
    ///
    /// Once polled, it is done: the file has been made.
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        options.open(path).await
    }

    /// How to open it otherwise.
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes over a file of `std`, at its position.
    #[must_use]
    pub fn from_std(file: fs::File) -> Self {
        Self::with_buffer(Buffered::new(file, Place::Pool))
    }

    /// Gives the file back to `std`, when everything is written, at the position that it has for its user.
    ///
    /// # Errors
    ///
    /// What `write(2)` and `lseek(2)` say; then the file is closed.
    ///
    /// # Cancel safety
    ///
    /// The file is closed, as by a drop.
    pub async fn into_std(self) -> io::Result<fs::File> {
        let Self { inner, file } = self;
        drop(file);
        inner.into_inner().into_file().await
    }

    /// Gives the file back to `std` at once.
    ///
    /// # Errors
    ///
    /// Gives the file itself back if bytes are unwritten or were read ahead, or a call is under way: see [`into_std`](Self::into_std).
    #[expect(clippy::result_large_err, reason = "it is the caller's own file")]
    pub fn try_into_std(self) -> Result<fs::File, Self> {
        let Self { inner, file } = self;
        drop(file);
        let inner = inner.into_inner();
        inner.try_into_file().map_err(Self::with_buffer)
    }

    fn with_buffer(inner: Buffered) -> Self {
        Self {
            file: inner.file().clone(),
            inner: Mutex::new(inner),
        }
    }
}

/// What the system knows of the file. Each writes what is unwritten first, by the same call, unless it says otherwise.
impl File {
    /// What is known of it: size, kind, times, permissions.
    ///
    /// # Errors
    ///
    /// What `fstat(2)` says, with the path; that of a write before.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.ask(Request::Metadata).await.map(Answer::metadata)
    }

    /// Cuts the file off at this length, or fills it up with zeros. The position stays where it is.
    ///
    /// # Errors
    ///
    /// What `ftruncate(2)` says, with the path; that of a write before.
    ///
    /// # Cancel safety
    ///
    /// Once polled when no other call was under way, it is done.
    pub async fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.ask(Request::SetLen(bytes)).await.map(drop)
    }

    /// Waits until everything is on the disk, with what is known of the file (`fsync(2)`).
    ///
    /// # Errors
    ///
    /// What `fsync(2)` says, with the path; that of a write before.
    ///
    /// # Cancel safety
    ///
    /// Once polled when no other call was under way, it is done.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.ask(Request::SyncAll).await.map(drop)
    }

    /// Waits until the contents are on the disk (`fdatasync(2)`).
    ///
    /// # Errors
    ///
    /// What `fdatasync(2)` says, with the path; that of a write before.
    ///
    /// # Cancel safety
    ///
    /// Once polled when no other call was under way, it is done.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.ask(Request::SyncData).await.map(drop)
    }

    /// Changes its permissions. Nothing is written before.
    ///
    /// # Errors
    ///
    /// What `fchmod(2)` says, with the path.
    ///
    /// # Cancel safety
    ///
    /// Once polled when no other call was under way, it is done.
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        let request = Request::SetPermissions(permissions);
        self.ask(request).await.map(drop)
    }

    /// A further descriptor of the same open file. They share the position.
    ///
    /// # Errors
    ///
    /// What `dup(2)` says, with the path: there are no descriptors left; that of a write before.
    ///
    /// # Cancel safety
    ///
    /// The clone is closed.
    pub async fn try_clone(&self) -> io::Result<Self> {
        let file = self.ask(Request::TryClone).await?.file();
        Ok(Self::from_std(file))
    }

    /// How many bytes the buffer holds at most, and a call reads or writes.
    #[must_use]
    pub fn max_buf_size(&mut self) -> usize {
        self.inner.get_mut().bytes_max()
    }

    /// Changes how many bytes the buffer holds at most, from the next operation on.
    ///
    /// # Units and limits
    ///
    /// Bytes; 256 KiB if nothing is said. 0 counts as 1.
    pub fn set_max_buf_size(&mut self, bytes: usize) {
        self.inner.get_mut().set_bytes_max(bytes);
    }

    async fn ask(&self, request: Request) -> io::Result<Answer> {
        self.inner.lock().await.ask(request).await
    }
}

impl AsyncRead for File {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.inner.get_mut().poll_read(cx, room)
    }
}

impl AsyncBufRead for File {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().inner.get_mut().poll_fill(cx, 0)
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.inner.get_mut().consume(count);
    }
}

impl AsyncWrite for File {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner.get_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.get_mut().poll_flush(cx)
    }

    /// Flushes. The descriptor is closed when the file is dropped.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for File {
    fn poll_seek(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        self.inner.get_mut().poll_seek(cx, to)
    }
}

impl From<fs::File> for File {
    fn from(file: fs::File) -> Self {
        Self::from_std(file)
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> Self {
        Self::from_std(fd.into())
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
