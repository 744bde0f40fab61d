//! How does a task read standard input, and write to standard output?
//!
//! Without a thread that waits where the kernel can do without, and never so that the end of the process or of a runtime has to wait for somebody to type:
//!
//! | what the stream is | how it is read and written |
//! |---|---|
//! | a pipe, a terminal | watched by the reactor, through a non-blocking description of our own: the name in `/proc/self/fd` is opened anew, so that those who share the stream (the shell, the parent, children) notice nothing |
//! | a socket | watched by the reactor; each call says that it must not block (`MSG_DONTWAIT`) |
//! | a file, `/dev/null` | by calls on the pool, as with [`fs::File`](crate::fs::File) |
//! | a pipe or terminal that must not be opened (another user's), any other device | by calls that may block, each on a thread of its own, which nothing waits for |
//!
//! A stream is looked at when it is first read or written; it then belongs to the runtime in which that is done.
//!
//! Rejected: to set `O_NONBLOCK` on what is shared (it breaks the `cat` that stands next in the same shell script, and stays when the process has died); a thread for the whole program that sits in `read(2)` (what was typed
//! while nobody asked is its own, and so lost for the child that is started next).
//!
//! # Examples
//!
//! A program that numbers the lines that it is given:
//!
//! ```no_run
//! use filch_net::io::{stdin, stdout};
//! use futures_lite::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
//! use futures_lite::StreamExt;
//!
//! #[filch::main]
//! async fn main() -> std::io::Result<()> {
//!     let mut lines = BufReader::new(stdin()).lines().enumerate();
//!     let mut stdout = stdout();
//!     while let Some((number, line)) = lines.next().await {
//!         stdout.write_all(format!("{number} {}\n", line?).as_bytes()).await?;
//!     }
//!     stdout.flush().await
//! }
//! ```

mod standard;

use futures_io::{AsyncRead, AsyncWrite};
use standard::{Stream, Which};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Standard input. Nothing is opened before the first read.
///
/// # Errors
///
/// None here. The first read gives those of opening, with the name of the stream, also outside a runtime.
#[must_use]
pub fn stdin() -> Stdin {
    Stdin {
        std: io::stdin(),
        stream: Stream::new(Which::Stdin),
    }
}

/// Standard output. Nothing is opened before the first write.
///
/// # Errors
///
/// None here. The first write gives those of opening, with the name of the stream, also outside a runtime.
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncWriteExt;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let mut stdout = filch_net::io::stdout();
/// stdout.write_all(b"hello\n").await?;
/// stdout.flush().await
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn stdout() -> Stdout {
    Stdout {
        std: io::stdout(),
        stream: Stream::new(Which::Stdout),
    }
}

/// Standard error. Nothing is opened before the first write.
///
/// # Errors
///
/// None here. The first write gives those of opening, with the name of the stream, also outside a runtime.
#[must_use]
pub fn stderr() -> Stderr {
    Stderr {
        std: io::stderr(),
        stream: Stream::new(Which::Stderr),
    }
}

/// Standard input, from [`stdin`].
///
/// It implements `AsyncRead` of `futures-io`. Pipes, terminals and sockets are read without a buffer; of a file, and of what cannot be watched, bytes may have been read ahead, which are gone when this is dropped: make one, and
/// keep it. A terminal gives whole lines, unless it was told otherwise.
///
/// # Cancel safety
///
/// No byte is lost when a read is dropped, as long as this is kept.
#[derive(Debug)]
pub struct Stdin {
    std: io::Stdin,
    stream: Stream,
}

/// Standard output, from [`stdout`].
///
/// It implements `AsyncWrite` of `futures-io`. To pipes, terminals and sockets a write has written when it returns. To a file, and to what cannot be watched, it has begun to: **flush** to know that it is done. Every
/// write is a system call, or a call on another thread: put a `BufWriter` before it for many small ones. What `println!` has in its own buffer is not seen here; flush there before you write here.
///
/// A reader that is gone is an error, `BrokenPipe`, never a `SIGPIPE`. Closing only flushes: the stream stays open for others.
///
/// # Cancel safety
///
/// A write that was pending has written nothing, when it is dropped. Of a file, what was given is written in the background, and waited for when the runtime ends.
#[derive(Debug)]
pub struct Stdout {
    std: io::Stdout,
    stream: Stream,
}

/// Standard error, from [`stderr`].
///
/// As [`Stdout`].
///
/// # Cancel safety
///
/// As for [`Stdout`].
#[derive(Debug)]
pub struct Stderr {
    std: io::Stderr,
    stream: Stream,
}

impl AsyncRead for Stdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_read(cx, room)
    }
}

/// Implements `AsyncWrite`, for the two streams that write.
macro_rules! impl_output {
    ($type:ident) => {
        impl AsyncWrite for $type {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.stream.poll_write(cx, bytes)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.stream.poll_flush(cx)
            }

            /// Flushes.
            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }
    };
}

impl_output!(Stdout);
impl_output!(Stderr);

/// Lends the descriptor of the process, 0, 1 or 2.
macro_rules! impl_descriptor {
    ($type:ident) => {
        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.std.as_raw_fd()
            }
        }

        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.std.as_fd()
            }
        }
    };
}

impl_descriptor!(Stdin);
impl_descriptor!(Stdout);
impl_descriptor!(Stderr);
