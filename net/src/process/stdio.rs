//! How does a task write to a child, and read from it?
//!
//! By pipes, whose other end the child has. Ours does not block; that is a property of each end, so the child knows nothing of it. All are close-on-exec: no other child gets them.
//! Given to another child, as its standard input for instance, an end blocks again, as programs expect.
//!
//! Writing to a child that does not read any more is `BrokenPipe`, never a `SIGPIPE`, whatever this process has done about that signal.
//!
//! A child may put its pipe into packet mode (`O_DIRECT`, see `pipe(2)`), where each read gives one packet. So one that comes back short is no sign that nothing is left, as in [`pipe`](crate::pipe).

use crate::byte_stream::{impl_async_read, impl_descriptor, impl_reading};
use crate::sys;
use crate::tcp::TcpStream;
use filch::io::{AsyncFd, Interest};
use futures_io::{AsyncRead, AsyncWrite};
use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::process::{self, Stdio};
use std::task::{Context, Poll};

/// The end of a pipe that a child reads as its standard input.
///
/// It implements `AsyncWrite` of `futures-io`. Nothing is buffered but in the pipe itself (64 KiB), and a child that does not read lets the writer wait. Closing it, or dropping it, is the end of the
/// child's input, once it has read what is in the pipe.
///
/// # Cancel safety
///
/// Bytes were written if, and only if, the poll that did it said so.
pub struct ChildStdin {
    /// `None` once it was closed.
    fd: Option<AsyncFd<File>>,
}

/// The end of a pipe that a child writes its standard output to.
///
/// It implements `AsyncRead` of `futures-io`, and ends when nobody has the other end any more: the child, or programs that it has started itself.
///
/// # Cancel safety
///
/// Bytes were read if, and only if, the poll that did it said so.
pub struct ChildStdout {
    fd: AsyncFd<File>,
}

/// The end of a pipe that a child writes its standard error to.
///
/// It implements `AsyncRead` of `futures-io`, and ends when nobody has the other end any more: the child, or programs that it has started itself.
///
/// # Cancel safety
///
/// Bytes were read if, and only if, the poll that did it said so.
pub struct ChildStderr {
    fd: AsyncFd<File>,
}

impl_reading!(ChildStdout, "read(2)", sys::read, 0);
impl_async_read!(ChildStdout, ChildStdout, |pipe| pipe);
impl_async_read!(&ChildStdout, ChildStdout, |pipe| pipe);
impl_descriptor!(ChildStdout);
impl_reading!(ChildStderr, "read(2)", sys::read, 0);
impl_async_read!(ChildStderr, ChildStderr, |pipe| pipe);
impl_async_read!(&ChildStderr, ChildStderr, |pipe| pipe);
impl_descriptor!(ChildStderr);

impl ChildStdin {
    /// Takes over a pipe of `std`, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// What `fcntl(2)` says. Outside a runtime too.
    pub fn from_std(pipe: process::ChildStdin) -> io::Result<Self> {
        let fd = Some(nonblocking(pipe.into(), Interest::Writable)?);
        Ok(Self { fd })
    }

    /// The pipe itself, which blocks from now on.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if it was closed; what `fcntl(2)` says.
    pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
        blocking(self.fd.ok_or_else(closed)?)
    }

    /// Waits until a write is worth trying; with [`try_write`](Self::try_write). Any number of tasks may wait.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if it was closed; or if the runtime has shut down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn writable(&self) -> io::Result<()> {
        self.open()?.writable().await.map(drop)
    }

    /// Writes what fits, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing fits; `BrokenPipe` if the child does not read any more, or if this end was closed.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.open()?.try_write(|pipe| sys::write(pipe, bytes))
    }

    fn open(&self) -> io::Result<&AsyncFd<File>> {
        self.fd.as_ref().ok_or_else(closed)
    }

    fn descriptor(&self) -> &AsyncFd<File> {
        self.fd
            .as_ref()
            .expect("a pipe that was closed has no descriptor; ask for it before poll_close")
    }
}

impl AsyncWrite for ChildStdin {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.open()?
            .poll_write_with(cx, bytes.len(), |pipe| sys::write(pipe, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let pieces = sys::at_once(pieces);
        let wanted = pieces.iter().map(|piece| piece.len()).sum();
        self.open()?
            .poll_write_with(cx, wanted, |pipe| sys::write_vectored(pipe, pieces))
    }

    /// Nothing is buffered.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes the pipe: the child reads the end behind what was written. From then on writing is `BrokenPipe`.
    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fd = None;
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for ChildStdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pipe = self.fd.as_ref().map(AsyncFd::get_ref);
        f.debug_tuple("ChildStdin").field(&pipe).finish()
    }
}

/// # Panics
///
/// If it was closed by `poll_close`.
impl AsRawFd for ChildStdin {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor().as_raw_fd()
    }
}

/// # Panics
///
/// If it was closed by `poll_close`.
impl AsFd for ChildStdin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor().as_fd()
    }
}

/// For another child. It blocks from now on.
impl TryFrom<ChildStdin> for Stdio {
    type Error = io::Error;

    fn try_from(pipe: ChildStdin) -> io::Result<Self> {
        pipe.into_owned_fd().map(Self::from)
    }
}

/// A connection for a program that talks to its client by standard input and output, as `inetd` starts them. It blocks from now on; `as_fd().try_clone_to_owned()` before this gives a second one.
impl TryFrom<TcpStream> for Stdio {
    type Error = io::Error;

    fn try_from(stream: TcpStream) -> io::Result<Self> {
        let stream = OwnedFd::from(stream.into_std());
        sys::set_nonblocking(&stream, false)?;
        Ok(stream.into())
    }
}

/// What the ends that are read have besides; `$std` is the type of `std`.
macro_rules! impl_read_end {
    ($pipe:ident, $std:ty) => {
        impl $pipe {
            /// Takes over a pipe of `std`, and makes it non-blocking.
            ///
            /// # Errors
            ///
            /// What `fcntl(2)` says. Outside a runtime too.
            pub fn from_std(pipe: $std) -> io::Result<Self> {
                let fd = nonblocking(pipe.into(), Interest::Readable)?;
                Ok(Self { fd })
            }

            /// The pipe itself, which blocks from now on.
            ///
            /// # Errors
            ///
            /// What `fcntl(2)` says.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                blocking(self.fd)
            }

            /// All that comes until the end, behind what `whole` has.
            pub(super) async fn read_to_end(self, whole: &mut Vec<u8>) -> io::Result<()> {
                read_to_end(&self.fd, whole).await
            }
        }

        /// For another child. It blocks from now on.
        impl TryFrom<$pipe> for Stdio {
            type Error = io::Error;

            fn try_from(pipe: $pipe) -> io::Result<Self> {
                pipe.into_owned_fd().map(Self::from)
            }
        }
    };
}

impl_read_end!(ChildStdout, process::ChildStdout);
impl_read_end!(ChildStderr, process::ChildStderr);

/// How many bytes are read in one turn at most: what a pipe holds, so that a child which never stops does not keep the worker.
const BYTES_PER_TURN: u64 = 64 << 10;

async fn read_to_end(fd: &AsyncFd<File>, whole: &mut Vec<u8>) -> io::Result<()> {
    loop {
        // What came before an EAGAIN is in the vector already; only the end, or the limit, is a result.
        let turn = fd.async_read(|pipe| pipe.take(BYTES_PER_TURN).read_to_end(whole));
        if (turn.await? as u64) < BYTES_PER_TURN {
            return Ok(());
        }
    }
}

fn nonblocking(pipe: OwnedFd, interest: Interest) -> io::Result<AsyncFd<File>> {
    sys::set_nonblocking(&pipe, true)?;
    AsyncFd::with_interest(File::from(pipe), interest)
}

fn blocking(fd: AsyncFd<File>) -> io::Result<OwnedFd> {
    let pipe = OwnedFd::from(fd.into_inner());
    sys::set_nonblocking(&pipe, false)?;
    Ok(pipe)
}

#[cold]
fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "this end of the child's standard input was closed",
    )
}
