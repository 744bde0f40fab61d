//! How does a task wait for a descriptor?
//!
//! It tries first: a new descriptor counts as ready, and after an operation that filled (or emptied) its whole buffer there may be more. Only
//! `WouldBlock`, or a read or write that came back short, clears the readiness; then the task waits for the next event. A short read means that
//! the socket was drained, and epoll (edge-triggered) reports what comes after; so the read that would only find `EAGAIN` is saved (196 ns). The exceptions
//! are a peer that has closed, whose end is still to be read, and urgent bytes, in front of which a read ends: the readiness stays. (All this is for streams; the other methods clear it at `WouldBlock` only.)
//!
//! One operation that succeeds at once costs a load, the system call, and the cooperative budget.

mod postponed;
mod ready;

pub use ready::Ready;

use crate::reactor::{Direction, Interest as Watched, Registration, Seen, Source, WaiterId};
use crate::runtime::context;
use crate::runtime::placement::Placement;
use crate::sys::clock::Stamp;
use crate::util::budget;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll, ready};

/// What a descriptor is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Becoming readable.
    Readable,
    /// Becoming writable.
    Writable,
    /// Both.
    Both,
}

/// A descriptor that tasks can wait for.
///
/// It must be in non-blocking mode (`O_NONBLOCK`): otherwise an operation may block the worker. It is registered with the poller of the worker that
/// makes the `AsyncFd` (or as [`with_placement`](Self::with_placement) says), may be used from any thread, and is taken out before the inner value is dropped.
///
/// # A descriptor that somebody else closes
///
/// Whoever closes it without dropping this breaks a rule of Rust's ([`std::io`], "I/O Safety"); libraries in C that are only lent to this do so. Then operations fail with `EBADF`. A
/// task that waits is told by nobody, neither the kernel nor the runtime: give it a time limit, or drop its future. Once the number belongs to another descriptor which the same worker
/// watches, it is known: those who wait are woken, every operation fails before it is tried, and the inner value is forgotten rather than dropped, so that it does not close what
/// belongs to the other.
///
/// # Cancel safety
///
/// Waiting takes nothing from the descriptor; an operation that was done is returned by the very poll that did it. Dropping any of
/// the futures here loses nothing.
///
/// # Examples
///
/// ```
/// use filch::io::AsyncFd;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// let rt = filch::Runtime::new()?;
/// let word = rt.block_on(async {
///     let (mut ours, theirs) = UnixStream::pair()?;
///     theirs.set_nonblocking(true)?;
///     let theirs = AsyncFd::new(theirs)?;
///     filch::spawn(async move { ours.write_all(b"hello") });
///     let mut word = [0; 5];
///     theirs.async_read(|mut stream| stream.read(&mut word)).await?;
///     std::io::Result::Ok(word)
/// })?;
/// assert_eq!(&word, b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct AsyncFd<T: AsRawFd> {
    /// `None` only after `into_inner`, when `self` is about to go.
    inner: Option<T>,
    descriptor: RawFd,
    registration: Registration,
}

/// What every connection has, whether anything happens on it or not.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<AsyncFd<std::net::TcpStream>>() == 24);

impl<T: AsRawFd> AsyncFd<T> {
    /// Watches a descriptor for reading and writing.
    ///
    /// # Errors
    ///
    /// `Other` outside a runtime and in a simulation, with the remedy; else what `epoll_ctl(2)` says, for instance `PermissionDenied` for a regular file.
    pub fn new(inner: T) -> io::Result<Self> {
        Self::with_interest(inner, Interest::Both)
    }

    /// Watches a descriptor for some directions only.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<Self> {
        Self::with_placement(inner, interest, Placement::Here)
    }

    /// Watches a descriptor for some directions, with the poller of a certain worker: its readiness is found there, and the tasks that wait for it run there.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn with_placement(inner: T, interest: Interest, placement: Placement) -> io::Result<Self> {
        let poller = context::poller(placement).ok_or_else(no_poller)?;
        let descriptor = inner.as_raw_fd();
        let registration = poller.register(descriptor, interest.watched())?;
        Ok(Self {
            inner: Some(inner),
            descriptor,
            registration,
        })
    }

    /// The value with the descriptor. Use it for operations that do not block; readiness is not touched.
    #[expect(
        clippy::missing_panics_doc,
        reason = "the value is taken by into_inner only, which ends self"
    )]
    pub fn get_ref(&self) -> &T {
        self.inner.as_ref().expect("taken only by into_inner")
    }

    /// The value with the descriptor.
    #[expect(
        clippy::missing_panics_doc,
        reason = "the value is taken by into_inner only, which ends self"
    )]
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("taken only by into_inner")
    }

    /// Stops watching, and gives the value back.
    #[expect(
        clippy::missing_panics_doc,
        reason = "the value is taken here only, and self ends"
    )]
    pub fn into_inner(mut self) -> T {
        self.stop_watching();
        self.inner.take().expect("taken only here")
    }

    /// Once, and then the source is no longer ours. True if the number belongs to another.
    fn stop_watching(&self) -> bool {
        self.registration.end(self.descriptor)
    }

    /// Waits until an operation is worth trying.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready_in(Direction::Read).await
    }

    /// Waits until an operation is worth trying.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn writable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready_in(Direction::Write).await
    }

    async fn ready_in(&self, direction: Direction) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        let mut place = Place {
            fd: self,
            direction,
            id: None,
        };
        let seen = poll_fn(|cx| {
            ready!(budget::poll_proceed(cx));
            place.poll(cx).map(charged)
        })
        .await?;
        Ok(AsyncFdReadyGuard {
            fd: self,
            direction,
            seen,
        })
    }

    /// Waits like [`readable`](Self::readable), for hand-written futures: only the last task to call it is woken.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_read_ready(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'_, T>>> {
        self.poll_ready(Direction::Read, cx)
    }

    /// Waits like [`writable`](Self::writable), for hand-written futures: only the last task to call it is woken.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    pub fn poll_write_ready(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'_, T>>> {
        self.poll_ready(Direction::Write, cx)
    }

    fn poll_ready(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'_, T>>> {
        ready!(budget::poll_proceed(cx));
        let seen = ready!(self.poll_seen(direction, cx));
        Poll::Ready(charged(seen).map(|seen| AsyncFdReadyGuard {
            fd: self,
            direction,
            seen,
        }))
    }

    #[inline]
    fn poll_seen(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<Seen>> {
        match self.registration.source().poll_ready(direction, cx) {
            Poll::Ready(seen) => Poll::Ready(check(seen)),
            Poll::Pending => self.wait(),
        }
    }

    /// Waits until the descriptor has reported an error, or that nobody reads any more what is written to it: for who has nothing to write, and wants to know whether somebody is still there. Only the last task
    /// to call this, or a `poll_write_` method, is woken, and more often than this is ready.
    ///
    /// A socket tells so when the connection was reset, and when both directions have ended. A peer that has closed a TCP connection looks like one that sends no more, until something is written to it.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.registration.source().poll_ended(Direction::Write, cx) {
            Poll::Ready(()) => Poll::Ready(()),
            // If nobody would ever tell, it is not known to be there.
            Poll::Pending => self.wait().map(|_: io::Result<()>| ()),
        }
    }

    /// When the event was found that has made it readable last; none if there was none yet, as a new descriptor counts as readable. After a read: since when what was read has waited for its reader, at least if the
    /// read before it had found the end of what there was.
    ///
    /// A worker finds events between two polls, so what came within a poll is as old as its end.
    #[must_use]
    #[inline]
    pub fn readable_since(&self) -> Option<Stamp> {
        self.registration.source().since(Direction::Read)
    }

    /// Reads with `operation`, waiting as often as it would block. Any number of tasks may do so at a time.
    ///
    /// # Errors
    ///
    /// Those of the operation; `Interrupted` is tried again. Or if the runtime has shut down.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the operation was not done.
    pub async fn async_read<R>(&self, operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.async_in(Direction::Read, operation).await
    }

    /// Writes with `operation`, waiting as often as it would block. Any number of tasks may do so at a time.
    ///
    /// # Errors
    ///
    /// Those of the operation; `Interrupted` is tried again. Or if the runtime has shut down.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the operation was not done.
    pub async fn async_write<R>(
        &self,
        operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.async_in(Direction::Write, operation).await
    }

    async fn async_in<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let mut place = Place {
            fd: self,
            direction,
            id: None,
        };
        poll_fn(|cx| {
            ready!(budget::poll_proceed(cx));
            loop {
                let seen = ready!(place.poll(cx))?;
                if let Some(result) = self.attempt(direction, seen, &mut operation) {
                    return Poll::Ready(result);
                }
            }
        })
        .await
    }

    /// Reads with `operation`, which is given room for `wanted` bytes and says how many it got; only the last task to call this is woken.
    ///
    /// For streams of bytes: getting fewer bytes than wanted counts as having got all there were. A datagram says nothing of the next one; give 0 as `wanted`
    /// where messages have bounds.
    ///
    /// # Errors
    ///
    /// Those of the operation; `Interrupted` is tried again. Or if the runtime has shut down.
    #[inline]
    pub fn poll_read_with(
        &self,
        cx: &mut Context<'_>,
        wanted: usize,
        operation: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll_bytes(Direction::Read, cx, wanted, operation)
    }

    /// Writes with `operation`, which is given `wanted` bytes and says how many it took; only the last task to call this is woken.
    ///
    /// For streams of bytes, as [`poll_read_with`](Self::poll_read_with).
    ///
    /// # Errors
    ///
    /// Those of the operation; `Interrupted` is tried again. Or if the runtime has shut down.
    #[inline]
    pub fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        wanted: usize,
        operation: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll_bytes(Direction::Write, cx, wanted, operation)
    }

    #[inline]
    fn poll_bytes(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        wanted: usize,
        mut operation: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        ready!(budget::poll_proceed(cx));
        let source = self.registration.source();
        loop {
            let Some(seen) = source.look(direction) else {
                if source.wait(direction, cx).is_pending() {
                    return self.wait();
                }
                continue;
            };
            if seen.is_over() {
                return Poll::Ready(Err(why_over(seen)));
            }
            match operation(self.get_ref()) {
                Ok(got) => {
                    budget::charge();
                    if got < wanted && seen.may_be_drained() {
                        source.clear(direction, seen);
                    }
                    return Poll::Ready(Ok(got));
                }
                Err(error) => {
                    if let Some(error) = after_error(source, direction, seen, error) {
                        return Poll::Ready(Err(error));
                    }
                }
            }
        }
    }

    /// Does an operation at once if the descriptor may be ready, without waiting.
    ///
    /// # Errors
    ///
    /// Those of the operation; `WouldBlock` if it is not ready.
    pub fn try_read<R>(&self, operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.try_in(Direction::Read, operation)
    }

    /// Does an operation at once if the descriptor may be ready, without waiting.
    ///
    /// # Errors
    ///
    /// Those of the operation; `WouldBlock` if it is not ready.
    pub fn try_write<R>(&self, operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.try_in(Direction::Write, operation)
    }

    fn try_in<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let Some(seen) = self.registration.source().look(direction) else {
            return self.would_block();
        };
        self.attempt(direction, check(seen)?, &mut operation)
            .unwrap_or_else(|| self.would_block())
    }

    /// Tries the operation; `None` if it would block, which is noted.
    #[inline]
    fn attempt<R>(
        &self,
        direction: Direction,
        seen: Seen,
        operation: &mut impl FnMut(&T) -> io::Result<R>,
    ) -> Option<io::Result<R>> {
        loop {
            match operation(self.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.registration.source().clear(direction, seen);
                    return None;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    budget::charge();
                    return Some(result);
                }
            }
        }
    }
}

impl<T: AsRawFd> Drop for AsyncFd<T> {
    fn drop(&mut self) {
        if self.inner.is_some() && self.stop_watching() {
            // Dropped, it would close what belongs to another.
            std::mem::forget(self.inner.take());
        }
    }
}

impl<T: AsRawFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor
    }
}

impl<T: AsRawFd + AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// A descriptor was ready; who has it tries an operation and says if that would have blocked.
pub struct AsyncFdReadyGuard<'fd, T: AsRawFd> {
    fd: &'fd AsyncFd<T>,
    direction: Direction,
    seen: Seen,
}

/// The operation of [`AsyncFdReadyGuard::try_io`] would have blocked; wait again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TryIoError(());

impl<T: AsRawFd> AsyncFdReadyGuard<'_, T> {
    /// Tries an operation; if it would block, the readiness is cleared.
    ///
    /// # Errors
    ///
    /// [`TryIoError`] if it would block; the operation's own errors are inside the `Ok`.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::io::AsyncFd;
    /// use std::io::{self, Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// /// What [`AsyncFd::async_read`] does, by hand.
    /// async fn read(fd: &AsyncFd<UnixStream>, room: &mut [u8]) -> io::Result<usize> {
    ///     loop {
    ///         let mut guard = fd.readable().await?;
    ///         match guard.try_io(|mut stream| stream.read(room)) {
    ///             Ok(result) => return result,
    ///             Err(_would_block) => continue,
    ///         }
    ///     }
    /// }
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (mut ours, theirs) = UnixStream::pair()?;
    ///     theirs.set_nonblocking(true)?;
    ///     let theirs = AsyncFd::new(theirs)?;
    ///     ours.write_all(b"hello")?;
    ///     assert_eq!(read(&theirs, &mut [0; 8]).await?, 5);
    ///     io::Result::Ok(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_io<R>(
        &mut self,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        self.fd
            .attempt(self.direction, self.seen, &mut operation)
            .ok_or(TryIoError(()))
    }

    /// Says that an operation would have blocked. An event that came since the guard was made is not lost.
    pub fn clear_ready(&mut self) {
        self.fd
            .registration
            .source()
            .clear(self.direction, self.seen);
    }

    /// The value with the descriptor.
    #[must_use]
    pub fn get_inner(&self) -> &T {
        self.fd.get_ref()
    }
}

impl<T: AsRawFd> fmt::Debug for AsyncFdReadyGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFdReadyGuard")
            .field("direction", &self.direction)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TryIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation would have blocked")
    }
}

impl std::error::Error for TryIoError {}

/// One future's place among those that wait for a descriptor.
struct Place<'fd, T: AsRawFd> {
    fd: &'fd AsyncFd<T>,
    direction: Direction,
    id: Option<WaiterId>,
}

impl<T: AsRawFd> Place<'_, T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Seen>> {
        let source = self.fd.registration.source();
        if let Some(seen) = source.look(self.direction) {
            return Poll::Ready(check(seen));
        }
        match source.poll_ready_as(self.direction, &mut self.id, cx) {
            Poll::Ready(seen) => Poll::Ready(check(seen)),
            Poll::Pending => self.fd.wait(),
        }
    }
}

impl<T: AsRawFd> Drop for Place<'_, T> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.fd.registration.source().forget(id);
        }
    }
}

impl Interest {
    fn watched(self) -> Watched {
        match self {
            Self::Readable => Watched::Read,
            Self::Writable => Watched::Write,
            Self::Both => Watched::Both,
        }
    }
}

/// Charges readiness that was found: what is then done with the descriptor need not come by here.
fn charged<R>(found: R) -> R {
    budget::charge();
    found
}

fn check(seen: Seen) -> io::Result<Seen> {
    if seen.is_over() {
        return Err(why_over(seen));
    }
    Ok(seen)
}

/// The error of an operation, unless it only means to look again: that it would block is noted.
#[cold]
fn after_error(
    source: &Source,
    direction: Direction,
    seen: Seen,
    error: io::Error,
) -> Option<io::Error> {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            source.clear(direction, seen);
            None
        }
        io::ErrorKind::Interrupted => None,
        _ => {
            budget::charge();
            Some(error)
        }
    }
}

#[cold]
fn why_over(seen: Seen) -> io::Error {
    io::Error::other(if seen.is_shut_down() {
        "the runtime of this descriptor has shut down"
    } else {
        "this descriptor was closed by somebody else, and its number belongs to another one now"
    })
}

/// Why is there nothing to watch a descriptor with?
fn no_poller() -> io::Error {
    io::Error::other(match context::current() {
        Some(_) => {
            "there are no descriptors in a simulation, whose course they would decide; use filch::io::duplex or filch::io::sim for streams"
        }
        None => {
            "there is no filch runtime on this thread to watch a descriptor; call this within a task or Runtime::block_on"
        }
    })
}
