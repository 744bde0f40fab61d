//! How do bytes go between a socket and a file without passing through the process?
//!
//! To a socket by `sendfile(2)`, from a socket by `splice(2)` through a pipe, which is filled and emptied in the same poll, so that nothing is ever in it when a future is dropped.
//!
//! How far it got is told by the range that the caller lends: its start is moved by each call that has moved bytes. So after an error, or a drop, the range is what is left to do.
//!
//! A regular file is always ready as far as the kernel is concerned, and its disk may be slow all the same: a call then blocks the worker, for [`STEP_BYTES`] at most, and the worker's tasks are
//! taken over by others meanwhile. Rejected: a thread of the blocking pool for each step; almost all files that are sent are in memory, and a hop costs as much as the copying that is saved.

use super::pool::Lease;
use crate::error;
use crate::sys::{self, PipeSignal};
use crate::watched::Watched;
use socket2::SockRef;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

/// How many bytes of a file one system call is given, at most: what a slow disk can hold up a worker for. What is behind the last of a call's bytes is pushed out at once and wakes the receiver: with an eighth of this
/// a file of 10 MiB cost two and a half times the processor time.
pub const STEP_BYTES: usize = 1024 * 1024;

/// After so many bytes a transfer lets others have their turn. A guess: some 100 us of copying.
const TURN_BYTES: u64 = 1 << 20;

/// Sends a part of a file; returns how many bytes went. Fewer than the range has were in the file, if it ends before that.
///
/// The start of `range` is moved as bytes go: what is left of it has not been sent, whatever happens. The file's own position is neither used nor changed, so any number of tasks may send from one file.
///
/// # Units and limits
///
/// Offsets in bytes; one system call is given [`STEP_BYTES`] at most. Reading from a disk blocks the worker for as long as that takes.
///
/// # Errors
///
/// `InvalidInput` if the file cannot be mapped, as a pipe or a socket, or the range begins beyond what a file can be; else what `sendfile(2)` says: `BrokenPipe` or `ConnectionReset` if nobody reads
/// any more, which is never a `SIGPIPE`. Or if the runtime has shut down.
///
/// # Cancel safety
///
/// `range` says what has not been sent yet; go on with it.
///
/// # Examples
///
/// ```
/// use filch_net::{TcpListener, TcpStream, splice};
/// use futures_lite::AsyncReadExt;
/// # use std::io::Write;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let addr = listener.local_addr()?;
/// # let mut client = TcpStream::connect(addr).await?;
/// # let (stream, _) = listener.accept().await?;
/// # let path = std::env::temp_dir().join(format!("filch-sendfile-{}", std::process::id()));
/// # std::fs::write(&path, b"headbody")?;
/// let file = std::fs::File::open(&path)?;
/// let mut rest = 4..8;
/// assert_eq!(splice::sendfile(&file, &mut rest, &stream).await?, 4);
/// assert!(rest.is_empty());
/// # drop(stream);
/// # std::fs::remove_file(&path)?;
/// let mut got = String::new();
/// client.read_to_string(&mut got).await?;
/// assert_eq!(got, "body");
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn sendfile<F: AsFd, T: Watched>(
    file: &F,
    range: &mut Range<u64>,
    socket: &T,
) -> io::Result<u64> {
    let (begin, signal) = (range.start, PipeSignal::ask());
    let mut turn = begin;
    while !range.is_empty() {
        let offset = offset_of(range)?;
        let step = NonZeroUsize::new(step_of(range));
        let send = |socket: &T::Inner| {
            signal.without(|| SockRef::from(socket).sendfile(&file.as_fd(), offset, step))
        };
        let sent = socket.watched().async_write(send).await?;
        if sent == 0 {
            break;
        }
        advance(range, &mut turn, sent).await;
    }
    Ok(range.start - begin)
}

/// Sends what fits of a part of a file by one system call, and says how many bytes those were; 0 at the end of the range, or of the file if that comes first. For futures by hand, beside
/// [`sendfile`]. Only the last task to call this, or a `poll_write_*` of the socket, is woken.
///
/// # Errors
///
/// As for [`sendfile`].
///
/// # Examples
///
/// ```
/// use filch_net::{TcpListener, TcpStream, splice};
/// use std::future::poll_fn;
/// # use futures_lite::AsyncReadExt;
/// # use std::io::Write;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let addr = listener.local_addr()?;
/// # let mut client = TcpStream::connect(addr).await?;
/// # let (stream, _) = listener.accept().await?;
/// # let path = std::env::temp_dir().join(format!("filch-poll-sendfile-{}", std::process::id()));
/// # std::fs::write(&path, b"headbody")?;
/// let file = std::fs::File::open(&path)?;
/// let mut rest = 4..8;
/// while !rest.is_empty() {
///     // 0 would be the end of a file that has become shorter.
///     assert_ne!(poll_fn(|cx| splice::poll_sendfile(cx, &file, &mut rest, &stream)).await?, 0);
/// }
/// # drop(stream);
/// # std::fs::remove_file(&path)?;
/// # let mut got = String::new();
/// # client.read_to_string(&mut got).await?;
/// # assert_eq!(got, "body");
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn poll_sendfile<F: AsFd, T: Watched>(
    cx: &mut Context<'_>,
    file: &F,
    range: &mut Range<u64>,
    socket: &T,
) -> Poll<io::Result<usize>> {
    if range.is_empty() {
        return Poll::Ready(Ok(0));
    }
    let (offset, step) = (offset_of(range)?, NonZeroUsize::new(step_of(range)));
    let signal = PipeSignal::ask();
    // A count that is short may have come from the file: it does not tell that there is no room.
    let sent = ready!(socket.watched().poll_write_with(cx, 0, |socket| {
        signal.without(|| SockRef::from(socket).sendfile(&file.as_fd(), offset, step))
    }))?;
    range.start += sent as u64;
    Poll::Ready(Ok(sent))
}

/// Receives bytes into a part of a file, until the range is full or the peer has ended; returns how many came.
///
/// The start of `range` is moved as bytes are written: what is left of it has not been. The file's own position is neither used nor changed.
///
/// # Units and limits
///
/// Offsets in bytes; up to [`PIPE_BYTES`](super::PIPE_BYTES) are taken from the socket at a time, and written to the file at once, which may block the worker.
///
/// # Errors
///
/// What `splice(2)` says: `ConnectionReset` if the peer has broken the connection off, `InvalidInput` if the file is opened for appending. When the file cannot be written to, for instance because the disk is full, up
/// to [`PIPE_BYTES`](super::PIPE_BYTES) that were taken from the socket are lost. Or if the runtime has shut down.
///
/// # Cancel safety
///
/// What was taken from the socket is in the file, and `range` says what is not there yet; go on with it.
///
/// # Examples
///
/// ```
/// use filch_net::{TcpListener, TcpStream, splice};
/// use futures_lite::AsyncWriteExt;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let addr = listener.local_addr()?;
/// # let mut client = TcpStream::connect(addr).await?;
/// # let (stream, _) = listener.accept().await?;
/// # let path = std::env::temp_dir().join(format!("filch-receive-{}", std::process::id()));
/// client.write_all(b"hello").await?;
/// client.close().await?;
/// let file = std::fs::File::create(&path)?;
/// assert_eq!(splice::receive_file(&stream, &file, &mut (0..1 << 30)).await?, 5);
/// assert_eq!(std::fs::read(&path)?, b"hello");
/// # std::fs::remove_file(&path)?;
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn receive_file<T: Watched, F: AsFd>(
    socket: &T,
    file: &F,
    range: &mut Range<u64>,
) -> io::Result<u64> {
    let begin = range.start;
    let mut turn = begin;
    while !range.is_empty() {
        offset_of(range)?;
        let mut written = 0;
        let receive = |socket: &T::Inner| {
            let mut lease = Lease::take().map_err(|cause| error::at("make a pipe", cause))?;
            lease.held = sys::splice(
                socket,
                lease.writes(),
                step_of(range).min(super::PIPE_BYTES),
            )?;
            written = lease.held;
            while lease.held > 0 {
                let moved = match sys::splice_at(lease.reads(), file, range.start, lease.held) {
                    // The kernel looks for signals before each piece of the pipe.
                    Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                    moved => moved.map_err(|cause| not_written(&lease, cause))?,
                };
                if moved == 0 {
                    return Err(not_written(&lease, io::ErrorKind::WriteZero.into()));
                }
                lease.held -= moved;
                range.start += moved as u64;
            }
            Ok(())
        };
        socket.watched().async_read(receive).await?;
        if written == 0 {
            break;
        }
        advance(range, &mut turn, 0).await;
    }
    Ok(range.start - begin)
}

/// Where it begins, as an offset that a file can have.
fn offset_of(range: &Range<u64>) -> io::Result<usize> {
    let offset = isize::try_from(range.start).ok();
    let offset = offset.and_then(|offset| usize::try_from(offset).ok());
    offset.ok_or_else(sys::beyond_files)
}

/// How much one call shall move.
fn step_of(range: &Range<u64>) -> usize {
    let bytes = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    bytes.min(STEP_BYTES)
}

/// Notes progress, and lets others have their turn after [`TURN_BYTES`].
async fn advance(range: &mut Range<u64>, turn: &mut u64, moved: usize) {
    range.start += moved as u64;
    if range.start - *turn >= TURN_BYTES {
        *turn = range.start;
        filch::yield_now().await;
    }
}

/// Never `WouldBlock`, which would be tried again, with bytes that are gone.
#[cold]
fn not_written(lease: &Lease, cause: io::Error) -> io::Error {
    let text = format!(
        "write to the file: {cause}; {} bytes that were received are lost",
        lease.held
    );
    match cause.kind() {
        io::ErrorKind::WouldBlock => io::Error::other(text),
        kind => io::Error::new(kind, text),
    }
}
