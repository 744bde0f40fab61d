//! How does a task read from a pipe, and write to one?
//!
//! As with a socket: it tries, and waits in the reactor if that would block. Unlike a socket's, a short read of a pipe does not say that nothing is left: a pipe in packet mode (`O_DIRECT`) gives one
//! packet at a time, and one with a name (a FIFO) that was opened when its writers had gone does not tell of its end by an event. So the next read is always tried; that costs a call that finds
//! nothing (196 ns) each time a pipe has been emptied.
//!
//! `O_NONBLOCK` belongs to the open file description, not to the descriptor: whoever shares it (a child, the shell) sees it too. Pipes of our own making are shared with nobody; what is taken over by
//! [`from_owned_fd`](Receiver::from_owned_fd) is set non-blocking, which is right for the end of a child's pipe that the parent keeps. The standard streams are shared with whoever has started
//! us, see [`io`](crate::io).

use crate::byte_stream::{
    impl_async_read, impl_async_write, impl_descriptor, impl_reading, impl_writing,
};
use crate::{error, sys};
use filch::io::{AsyncFd, Interest};
use futures_io::{AsyncRead, AsyncWrite};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A new pipe: what is written to the [`Sender`] comes out of the [`Receiver`].
///
/// Both ends are non-blocking and close-on-exec.
///
/// # Units and limits
///
/// A pipe holds 64 KiB unless the system was told otherwise (`pipe(7)`). Writes of up to 4096 bytes (`PIPE_BUF`) do not mix with those of others.
///
/// # Errors
///
/// What `pipe2(2)` says, which is that there are no descriptors left. Outside a runtime too.
///
/// # Examples
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let (mut sender, mut receiver) = filch_net::pipe::pipe()?;
/// filch::spawn(async move { sender.write_all(b"hello").await }); // then the sender is dropped, which is the end
/// let mut text = String::new();
/// receiver.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let make = || {
        let (read, write) = sys::pipe()?;
        let sender = Sender::watch(write)?;
        Ok((sender, Receiver::watch(read)?))
    };
    make().map_err(|cause| error::at("make a pipe", cause))
}

/// The end of a pipe that writes.
///
/// It implements `AsyncWrite` of `futures-io`, by value and by shared reference; nothing is buffered. Neither flushing nor closing does anything: the reader comes to the end when every sender of
/// the pipe was dropped. Of the tasks that write through the trait or the `poll_` methods, only the last is woken.
///
/// A reader that is gone is an error, `BrokenPipe`, never a `SIGPIPE`, whatever the process has done about that signal.
///
/// # Cancel safety
///
/// Bytes were written if, and only if, the poll that did it said so.
pub struct Sender {
    fd: Ends,
}

/// The end of a pipe that reads.
///
/// It implements `AsyncRead` of `futures-io`, by value and by shared reference. Of the tasks that read through the trait or the `poll_` methods, only the last is woken.
///
/// # Cancel safety
///
/// Bytes were read if, and only if, the poll that did it said so.
pub struct Receiver {
    fd: Ends,
}

impl Sender {
    /// Takes over the descriptor of a pipe, and makes it non-blocking, for everybody who shares the open file description.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is not a pipe, or was not opened for writing; what `fcntl(2)` says. Outside a runtime too.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::pipe::Sender;
    /// use futures_lite::AsyncWriteExt;
    /// use std::os::fd::OwnedFd;
    /// use std::process::{Command, Stdio};
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    /// let input: OwnedFd = child.stdin.take().unwrap().into();
    /// let mut input = Sender::from_owned_fd(input)?;
    /// input.write_all(b"meow").await?;
    /// drop(input);
    /// # assert!(filch::spawn_blocking(move || child.wait()).await.unwrap()?.success());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Self> {
        Self::take(fd, true)
    }

    /// As [`from_owned_fd`](Self::from_owned_fd), for whatever `epoll(7)` can watch: it is not asked if this is a pipe.
    ///
    /// # Errors
    ///
    /// What `fcntl(2)` and `epoll_ctl(2)` say. Outside a runtime too.
    pub fn from_owned_fd_unchecked(fd: OwnedFd) -> io::Result<Self> {
        Self::take(fd, false)
    }

    /// As [`from_owned_fd`](Self::from_owned_fd).
    ///
    /// # Errors
    ///
    /// As for [`from_owned_fd`](Self::from_owned_fd).
    pub fn from_file(file: File) -> io::Result<Self> {
        Self::from_owned_fd(file.into())
    }

    /// As [`from_owned_fd_unchecked`](Self::from_owned_fd_unchecked).
    ///
    /// # Errors
    ///
    /// As for [`from_owned_fd_unchecked`](Self::from_owned_fd_unchecked).
    pub fn from_file_unchecked(file: File) -> io::Result<Self> {
        Self::from_owned_fd_unchecked(file.into())
    }

    fn take(fd: OwnedFd, is_checked: bool) -> io::Result<Self> {
        let fd = File::from(fd);
        let take = || {
            if is_checked {
                check(&fd, sys::access(&fd)?.writes, "writing")?;
            }
            sys::set_nonblocking(&fd, true)
        };
        take().map_err(|cause| error::at("take over a pipe", cause))?;
        Self::watch(fd)
    }

    pub(crate) fn watch(file: File) -> io::Result<Self> {
        let fd = Ends(AsyncFd::with_interest(file, Interest::Writable)?);
        Ok(Self { fd })
    }

    /// Gives the descriptor back, in blocking mode: for a child, or for `std`.
    ///
    /// # Errors
    ///
    /// What `fcntl(2)` says.
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        self.fd.into_blocking()
    }

    /// Gives the descriptor back as it is, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// None; a result as in tokio.
    pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
        Ok(self.fd.0.into_inner().into())
    }
}

impl Receiver {
    /// Takes over the descriptor of a pipe, and makes it non-blocking, for everybody who shares the open file description.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is not a pipe, or was not opened for reading; what `fcntl(2)` says. Outside a runtime too.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::pipe::Receiver;
    /// use futures_lite::AsyncReadExt;
    /// use std::os::fd::OwnedFd;
    /// use std::process::{Command, Stdio};
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// let output: OwnedFd = child.stdout.take().unwrap().into();
    /// let mut text = String::new();
    /// Receiver::from_owned_fd(output)?.read_to_string(&mut text).await?;
    /// assert_eq!(text, "hello\n");
    /// # assert!(filch::spawn_blocking(move || child.wait()).await.unwrap()?.success());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Self> {
        Self::take(fd, true)
    }

    /// As [`from_owned_fd`](Self::from_owned_fd), for whatever `epoll(7)` can watch: it is not asked if this is a pipe.
    ///
    /// # Errors
    ///
    /// What `fcntl(2)` and `epoll_ctl(2)` say. Outside a runtime too.
    pub fn from_owned_fd_unchecked(fd: OwnedFd) -> io::Result<Self> {
        Self::take(fd, false)
    }

    /// As [`from_owned_fd`](Self::from_owned_fd).
    ///
    /// # Errors
    ///
    /// As for [`from_owned_fd`](Self::from_owned_fd).
    pub fn from_file(file: File) -> io::Result<Self> {
        Self::from_owned_fd(file.into())
    }

    /// As [`from_owned_fd_unchecked`](Self::from_owned_fd_unchecked).
    ///
    /// # Errors
    ///
    /// As for [`from_owned_fd_unchecked`](Self::from_owned_fd_unchecked).
    pub fn from_file_unchecked(file: File) -> io::Result<Self> {
        Self::from_owned_fd_unchecked(file.into())
    }

    fn take(fd: OwnedFd, is_checked: bool) -> io::Result<Self> {
        let fd = File::from(fd);
        let take = || {
            if is_checked {
                check(&fd, sys::access(&fd)?.reads, "reading")?;
            }
            sys::set_nonblocking(&fd, true)
        };
        take().map_err(|cause| error::at("take over a pipe", cause))?;
        Self::watch(fd)
    }

    pub(crate) fn watch(file: File) -> io::Result<Self> {
        let fd = Ends(AsyncFd::with_interest(file, Interest::Readable)?);
        Ok(Self { fd })
    }

    /// Gives the descriptor back, in blocking mode: for a child, or for `std`.
    ///
    /// # Errors
    ///
    /// What `fcntl(2)` says.
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        self.fd.into_blocking()
    }

    /// Gives the descriptor back as it is, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// None; a result as in tokio.
    pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
        Ok(self.fd.0.into_inner().into())
    }
}

impl_reading!(Receiver, "read(2)", sys::read);
impl_async_read!(Receiver, Receiver, |pipe| pipe);
impl_async_read!(&Receiver, Receiver, |pipe| pipe);
impl_descriptor!(Receiver);

impl_writing!(Sender, "write(2)", sys::write, sys::write_vectored);
impl_async_write!(Sender, Sender, |pipe| pipe);
impl_async_write!(&Sender, Sender, |pipe| pipe);
impl_descriptor!(Sender);

impl Sender {
    /// For `AsyncWrite::poll_close`: a pipe has one direction, which ends with its descriptor.
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "the macro asks every stream, and of others it can fail"
    )]
    fn close_write(&self) -> io::Result<()> {
        Ok(())
    }
}

/// How a pipe with a name (a FIFO, `mkfifo(1)`) is opened.
///
/// # Examples
///
/// ```
/// use filch_net::pipe;
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let folder = std::env::temp_dir().join(format!("filch-fifo-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("fifo");
/// # std::process::Command::new("mkfifo").arg(&path).status()?;
/// let mut receiver = pipe::OpenOptions::new().open_receiver(&path)?;
/// let mut sender = pipe::OpenOptions::new().open_sender(&path)?;
/// sender.write_all(b"hello").await?;
/// drop(sender);
/// let mut text = String::new();
/// receiver.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// # std::fs::remove_dir_all(&folder)
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    is_read_write: bool,
    is_unchecked: bool,
}

impl OpenOptions {
    /// One direction, and only pipes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens for both directions, whichever end is asked for. A sender can then be opened before there is a reader, and a receiver does not come to the end when the last writer goes: there is always
    /// one of each, this one. (Linux; `fifo(7)`.)
    pub fn read_write(&mut self, is_read_write: bool) -> &mut Self {
        self.is_read_write = is_read_write;
        self
    }

    /// Leaves out the question if the path is that of a pipe.
    pub fn unchecked(&mut self, is_unchecked: bool) -> &mut Self {
        self.is_unchecked = is_unchecked;
        self
    }

    /// Opens the end that reads. It does not wait for a writer: before the first one has come, a read gives the end.
    ///
    /// # Errors
    ///
    /// What `open(2)` says, with the path; `InvalidInput` if it is not a pipe. Outside a runtime too.
    pub fn open_receiver(&self, path: impl AsRef<Path>) -> io::Result<Receiver> {
        let path = path.as_ref();
        let open = || Receiver::watch(self.open(path, self.is_read_write)?);
        open().map_err(|cause| error::at(format_args!("open {}", path.display()), cause))
    }

    /// Opens the end that writes. It does not wait for a reader: if there is none, it is an error.
    ///
    /// # Errors
    ///
    /// What `open(2)` says, with the path: `ENXIO` (6) if nobody has it open for reading, which is to be tried again later; `InvalidInput` if it is not a pipe. Outside a runtime too.
    pub fn open_sender(&self, path: impl AsRef<Path>) -> io::Result<Sender> {
        let path = path.as_ref();
        let open = || Sender::watch(self.open(path, true)?);
        open().map_err(|cause| error::at(format_args!("open {}", path.display()), cause))
    }

    fn open(&self, path: &Path, writes: bool) -> io::Result<File> {
        // A path may be that of a terminal, which is refused only when it is open: it must not have become the one whose ctrl-c ends this process.
        let file = fs::OpenOptions::new()
            .read(!writes || self.is_read_write)
            .write(writes)
            .custom_flags(sys::O_NONBLOCK | sys::O_NOCTTY)
            .open(path)?;
        if !self.is_unchecked {
            check(&file, true, "")?;
        }
        Ok(file)
    }
}

fn check(file: &File, is_open_for_that: bool, that: &str) -> io::Result<()> {
    let wrong = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if !file.metadata()?.file_type().is_fifo() {
        return wrong("not a pipe".to_owned());
    }
    if !is_open_for_that {
        return wrong(format!("not open for {that}"));
    }
    Ok(())
}

/// A descriptor whose short reads and writes say nothing of the next one: pipes, terminals.
#[derive(Debug)]
pub(crate) struct Ends(pub(crate) AsyncFd<File>);

impl Ends {
    /// As [`AsyncFd::poll_read_with`], but only an operation that would block clears the readiness.
    #[inline]
    pub(crate) fn poll_read_with(
        &self,
        cx: &mut Context<'_>,
        _wanted: usize,
        operation: impl FnMut(&File) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read_with(cx, 0, operation)
    }

    /// As [`AsyncFd::poll_write_with`], but only an operation that would block clears the readiness.
    #[inline]
    pub(crate) fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        _wanted: usize,
        operation: impl FnMut(&File) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write_with(cx, 0, operation)
    }

    fn into_blocking(self) -> io::Result<OwnedFd> {
        let file = self.0.into_inner();
        sys::set_nonblocking(&file, false)?;
        Ok(file.into())
    }
}

impl Deref for Ends {
    type Target = AsyncFd<File>;

    fn deref(&self) -> &AsyncFd<File> {
        &self.0
    }
}
