//! How does a task wait for either direction, and do with a descriptor what nobody here knows?
//!
//! Streams have their methods; these three are for operations that are neither reading nor writing as streams do (`sendfile(2)`, ancillary data, a handshake that wants both), and say
//! by an [`Interest`] what decides if they are worth trying. When one would block, the readiness that was seen before is cleared, of each direction it was tried for.

use super::{AsyncFd, Direction, Interest, Place, Seen, charged, check};
use crate::util::budget;
use std::future::poll_fn;
use std::io;
use std::ops::BitOr;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll, ready};

/// In which directions an operation is worth trying, from [`AsyncFd::readiness`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    read: Option<Seen>,
    write: Option<Seen>,
}

impl Ready {
    /// Whether reading is worth trying, if it was asked for; at the end too.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.read.is_some()
    }

    /// Whether writing is worth trying, if it was asked for; also when nobody reads any more.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.write.is_some()
    }

    /// Whether the peer has ended the direction of reading; what came before is still to be read.
    #[must_use]
    pub fn is_read_closed(&self) -> bool {
        self.read.is_some_and(Seen::is_closed)
    }

    /// Whether nobody reads any more what is written.
    #[must_use]
    pub fn is_write_closed(&self) -> bool {
        self.write.is_some_and(Seen::is_closed)
    }

    /// Whether the descriptor has reported an error, which the next operation gives.
    #[must_use]
    pub fn is_error(&self) -> bool {
        let mut sides = self.read.into_iter().chain(self.write);
        sides.any(Seen::is_error)
    }
}

impl Interest {
    /// Becoming readable.
    pub const READABLE: Self = Self::Readable;

    /// Becoming writable.
    pub const WRITABLE: Self = Self::Writable;

    /// Whether reading is part of it.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        matches!(self, Self::Readable | Self::Both)
    }

    /// Whether writing is part of it.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        matches!(self, Self::Writable | Self::Both)
    }
}

/// Either.
impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
    }
}

impl<T: AsRawFd> AsyncFd<T> {
    /// Waits until an operation is worth trying in one of these directions. Any number of tasks may do so at a time.
    ///
    /// # Errors
    ///
    /// If the runtime has shut down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::io::{AsyncFd, Interest};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let rt = filch::Runtime::new()?;
    /// rt.block_on(async {
    ///     let (ours, theirs) = UnixStream::pair()?;
    ///     ours.set_nonblocking(true)?;
    ///     let ours = AsyncFd::new(ours)?;
    ///     let ready = ours.readiness(Interest::READABLE | Interest::WRITABLE).await?;
    ///     assert!(ready.is_writable());
    ///     # drop(theirs);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn readiness(&self, interest: Interest) -> io::Result<Ready> {
        let mut places = Places::new(self, interest);
        poll_fn(|cx| {
            ready!(budget::poll_proceed(cx));
            places.poll(cx).map(charged)
        })
        .await
    }

    /// Does an operation with the descriptor, waiting as often as it would block. Any number of tasks may do so at a time.
    ///
    /// # Errors
    ///
    /// Those of the operation; `Interrupted` is tried again. Or if the runtime has shut down.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the operation was not done.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let mut places = Places::new(self, interest);
        poll_fn(|cx| {
            ready!(budget::poll_proceed(cx));
            loop {
                let seen = ready!(places.poll(cx))?;
                match self.attempt_once(seen, &mut operation) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => return Poll::Ready(result),
                }
            }
        })
        .await
    }

    /// Does an operation with the descriptor at once, if it may be ready in one of these directions, without waiting.
    ///
    /// # Errors
    ///
    /// Those of the operation, with `Interrupted`; `WouldBlock` if it is not ready.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let source = self.registration.source();
        let look = |is_asked: bool, direction| is_asked.then(|| source.look(direction)).flatten();
        let seen = Ready {
            read: look(interest.is_readable(), Direction::Read),
            write: look(interest.is_writable(), Direction::Write),
        };
        if seen.read.is_none() && seen.write.is_none() {
            return self.would_block();
        }
        seen.read
            .into_iter()
            .chain(seen.write)
            .try_for_each(|seen| check(seen).map(drop))?;
        self.attempt_once(seen, operation)
    }

    fn attempt_once<R>(
        &self,
        seen: Ready,
        operation: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let source = self.registration.source();
        let result = operation(self.get_ref());
        if result
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        {
            for (direction, seen) in [(Direction::Read, seen.read), (Direction::Write, seen.write)]
            {
                if let Some(seen) = seen {
                    source.clear(direction, seen);
                }
            }
            self.registration.watch(self.descriptor)?;
        } else {
            budget::charge();
        }
        result
    }
}

/// One future's places among those that wait, one for each direction that it asks for.
struct Places<'fd, T: AsRawFd> {
    read: Option<Place<'fd, T>>,
    write: Option<Place<'fd, T>>,
}

impl<'fd, T: AsRawFd> Places<'fd, T> {
    fn new(fd: &'fd AsyncFd<T>, interest: Interest) -> Self {
        let place = |direction| Place {
            fd,
            direction,
            id: None,
        };
        Self {
            read: interest.is_readable().then(|| place(Direction::Read)),
            write: interest.is_writable().then(|| place(Direction::Write)),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        let mut poll =
            |place: &mut Option<Place<'fd, T>>| match place.as_mut().map(|place| place.poll(cx)) {
                Some(Poll::Ready(seen)) => seen.map(Some),
                _ => Ok(None),
            };
        let read = poll(&mut self.read)?;
        let write = poll(&mut self.write)?;
        if read.is_none() && write.is_none() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(Ready { read, write }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Runtime;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn pair() -> (AsyncFd<UnixStream>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (AsyncFd::new(ours).unwrap(), theirs)
    }

    fn read(fd: &AsyncFd<UnixStream>, interest: Interest) -> io::Result<u8> {
        let mut byte = [0];
        let read = fd.try_io(interest, |mut stream| stream.read(&mut byte))?;
        assert_eq!(read, 1);
        Ok(byte[0])
    }

    fn run<F: Future>(future: F) -> F::Output {
        Runtime::builder()
            .worker_threads(1)
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn interests_add_up() {
        let (read, write) = (Interest::READABLE, Interest::WRITABLE);
        assert_eq!((read | read, write | write), (read, write));
        assert_eq!(read | write, Interest::Both);
        assert_eq!(Interest::Both | read, Interest::Both);
        assert!(read.is_readable() && !read.is_writable());
        assert!(write.is_writable() && !write.is_readable());
    }

    #[test]
    fn either_direction_is_waited_for_and_each_is_cleared_by_itself() {
        run(async {
            let (fd, mut peer) = pair();
            let both = Interest::Both;
            let ready = fd.readiness(both).await.unwrap();
            assert!(
                ready.is_readable() && ready.is_writable(),
                "nobody has tried yet"
            );
            assert_eq!(
                read(&fd, Interest::Readable).unwrap_err().kind(),
                io::ErrorKind::WouldBlock
            );
            let ready = fd.readiness(both).await.unwrap();
            assert!(!ready.is_readable() && ready.is_writable());
            // What would block in both directions clears both.
            assert_eq!(
                read(&fd, both).unwrap_err().kind(),
                io::ErrorKind::WouldBlock
            );
            // An event that was on its way while that was tried makes it worth another try: that it can be written to, told when it was registered.
            loop {
                let mut tried = false;
                let again = |_: &UnixStream| -> io::Result<()> {
                    tried = true;
                    Err(io::ErrorKind::WouldBlock.into())
                };
                let error = fd.try_io(both, again).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                if !tried {
                    break;
                }
            }
            let waiting = crate::spawn(async move {
                loop {
                    let ready = fd.readiness(both).await.unwrap();
                    if ready.is_readable() {
                        return (fd, ready);
                    }
                    crate::yield_now().await;
                }
            });
            peer.write_all(b"x").unwrap();
            let (fd, ready) = waiting.await.unwrap();
            assert!(!ready.is_read_closed() && !ready.is_error());
            assert_eq!(read(&fd, both).unwrap(), b'x');
            drop(peer);
            let ready = loop {
                let ready = fd.readiness(Interest::Readable).await.unwrap();
                if ready.is_read_closed() {
                    break ready;
                }
                crate::yield_now().await;
            };
            assert!(ready.is_readable() && !ready.is_writable());
        });
    }

    #[test]
    fn an_operation_waits_until_it_does_not_block() {
        run(async {
            let (fd, mut peer) = pair();
            for interest in [Interest::Readable, Interest::Both] {
                let mut tries = 0;
                let mut byte = [0];
                let operation = fd.async_io(interest, |mut stream| {
                    tries += 1;
                    match tries {
                        1 => Err(io::ErrorKind::Interrupted.into()),
                        _ => stream.read(&mut byte),
                    }
                });
                let write = async { peer.write_all(b"x").unwrap() };
                let (done, ()) = futures_lite::future::zip(operation, write).await;
                assert_eq!((done.unwrap(), byte), (1, *b"x"));
                assert!(tries >= 2);
            }
            let error = fd.async_io(Interest::Writable, |_| {
                io::Result::<()>::Err(io::Error::other("no"))
            });
            assert_eq!(error.await.unwrap_err().to_string(), "no");
            let interrupted =
                |_: &UnixStream| io::Result::<()>::Err(io::ErrorKind::Interrupted.into());
            let error = fd.try_io(Interest::Writable, interrupted).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        });
    }

    #[test]
    fn the_end_of_the_runtime_ends_it() {
        let rt = Runtime::builder().worker_threads(1).build().unwrap();
        let (fd, _peer) = rt.block_on(async { pair() });
        drop(rt);
        let ended = |error: io::Error| assert!(error.to_string().contains("shut down"), "{error}");
        ended(futures_lite::future::block_on(fd.readiness(Interest::Both)).unwrap_err());
        ended(fd.try_io(Interest::Both, |_| Ok(())).unwrap_err());
        ended(futures_lite::future::block_on(fd.async_io(Interest::Both, |_| Ok(()))).unwrap_err());
    }
}
