//! When does the kernel learn of a descriptor that is perhaps never waited for?
//!
//! When somebody has to wait for it, or has been told that it would block. Until then it has its place with a poller, is counted there, and learns of the runtime's end, like any other; but
//! `epoll_ctl(2)` was not called, and will not have to be when it is closed.
//!
//! No wake-up is lost by that: whoever waits leaves a waker first, and what is ready when the kernel is told is an event of its own, edge-triggered or not. What became ready before, while nobody waited, is
//! part of that.
//!
//! Rejected: to close a descriptor that the kernel knows without taking it out before, as it does so itself. It does not while a duplicate lives on (a child's that was forked meanwhile is enough), whose every event
//! would then wake the worker for nothing; and who can tell that there is none?

use super::{AsyncFd, no_poller};
use crate::runtime::context;
use crate::runtime::placement::Placement;
use std::io;
use std::os::fd::AsRawFd;
use std::task::Poll;

impl<T: AsRawFd> AsyncFd<T> {
    /// Watches a descriptor for reading and writing, but tells the kernel only when somebody has to wait for it. For what is made in great numbers and often done without waiting, as connections that
    /// are accepted: one whose request is there already, and that is closed with the answer, costs two system calls less.
    ///
    /// # Errors
    ///
    /// `Other` outside a runtime and in a simulation, with the remedy; `AlreadyExists` where the descriptor is watched already (by one that is postponed too it must not be: that would be taken for [closed by somebody else](Self#a-descriptor-that-somebody-else-closes)). What `epoll_ctl(2)` says comes later: it is the error of the operation that would have to wait, and of the next one too if that has not changed.
    /// [`poll_gone`](Self::poll_gone) is ready then.
    pub fn postponed(inner: T, placement: Placement) -> io::Result<Self> {
        let poller = context::poller(placement).ok_or_else(no_poller)?;
        let descriptor = inner.as_raw_fd();
        Ok(Self {
            registration: poller.postpone(descriptor)?,
            inner: Some(inner),
            descriptor,
        })
    }

    /// Somebody waits, who has left a waker. Ready with the error if nobody would ever wake it.
    #[inline]
    pub(super) fn wait<R>(&self) -> Poll<io::Result<R>> {
        match self.registration.watch(self.descriptor) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Nobody waits, but whoever has tried will want to know when it is worth another try.
    pub(super) fn would_block<R>(&self) -> io::Result<R> {
        self.registration.watch(self.descriptor)?;
        Err(io::ErrorKind::WouldBlock.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Runtime;
    use crate::io::Interest;
    use std::cell::RefCell;
    use std::fs::File;
    use std::future::poll_fn;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn pair() -> (AsyncFd<UnixStream>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (AsyncFd::postponed(ours, Placement::Here).unwrap(), theirs)
    }

    fn run<F: Future>(future: F) -> F::Output {
        let runtime = Runtime::builder().worker_threads(1).build().unwrap();
        runtime.block_on(future)
    }

    fn byte<T: AsRawFd>(fd: &T) -> io::Result<u8>
    where
        for<'a> &'a T: Read,
    {
        let (mut fd, mut byte) = (fd, [0]);
        fd.read(&mut byte).map(|_| byte[0])
    }

    /// The ways to wait until a byte can be read, and to read it.
    const WAYS: usize = 7;

    async fn read<T: AsRawFd>(
        fd: &AsyncFd<T>,
        way: usize,
        byte: impl Fn(&T) -> io::Result<u8>,
    ) -> io::Result<u8> {
        let got = RefCell::new(0);
        let read = |inner: &T| {
            *got.borrow_mut() = byte(inner)?;
            Ok(1)
        };
        match way {
            0 => fd.async_read(&byte).await,
            1 => fd.async_io(Interest::Readable, &byte).await,
            2 => {
                poll_fn(|cx| fd.poll_read_with(cx, 2, read)).await?;
                Ok(*got.borrow())
            }
            3 => loop {
                if let Ok(read) = fd.readable().await?.try_io(&byte) {
                    return read;
                }
            },
            4 => loop {
                let mut guard = poll_fn(|cx| fd.poll_read_ready(cx)).await?;
                if let Ok(read) = guard.try_io(&byte) {
                    return read;
                }
            },
            5 => loop {
                match fd.try_read(&byte) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        crate::yield_now().await;
                    }
                    read => return read,
                }
            },
            _ => loop {
                fd.readiness(Interest::Readable).await?;
                match fd.try_io(Interest::Readable, &byte) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return read,
                }
            },
        }
    }

    #[test]
    fn what_is_there_is_read_and_the_kernel_is_not_told() {
        run(async {
            for way in 0..WAYS {
                let (fd, mut peer) = pair();
                peer.write_all(b"x").unwrap();
                assert_eq!(read(&fd, way, byte).await.unwrap(), b'x');
                fd.try_write(|mut stream| stream.write_all(b"y")).unwrap();
                assert!(fd.registration.source().is_postponed(), "way {way}");
                drop(fd);
                assert_eq!(byte(&peer).unwrap(), b'y');
            }
        });
    }

    #[test]
    fn what_comes_later_is_waited_for_in_every_way() {
        run(async {
            for way in 0..WAYS {
                let (fd, mut peer) = pair();
                let mut reading = Box::pin(read(&fd, way, byte));
                assert!(
                    futures_lite::future::poll_once(&mut reading)
                        .await
                        .is_none()
                );
                assert!(!fd.registration.source().is_postponed(), "way {way}");
                peer.write_all(b"x").unwrap();
                assert_eq!(reading.await.unwrap(), b'x', "way {way}");
            }
        });
    }

    /// A short read says that there is no more for now, and nobody waits: what comes then is found by whoever asks next.
    #[test]
    fn what_comes_while_nobody_waits_is_found_in_every_way() {
        run(async {
            for way in 0..WAYS {
                let (fd, mut peer) = pair();
                peer.write_all(b"x").unwrap();
                let mut room = [0; 8];
                let first = poll_fn(|cx| fd.poll_read_with(cx, 8, |mut s| s.read(&mut room)));
                assert_eq!(first.await.unwrap(), 1);
                peer.write_all(b"y").unwrap();
                assert_eq!(read(&fd, way, byte).await.unwrap(), b'y', "way {way}");
            }
        });
    }

    #[test]
    fn who_waits_for_the_end_learns_of_it() {
        run(async {
            let (fd, peer) = pair();
            let mut gone = Box::pin(poll_fn(|cx| fd.poll_gone(cx)));
            assert!(futures_lite::future::poll_once(&mut gone).await.is_none());
            assert!(!fd.registration.source().is_postponed());
            drop(peer);
            gone.await;
        });
    }

    /// A regular file is refused (`EPERM`); here it would always block.
    #[test]
    fn what_cannot_be_watched_fails_where_it_would_be_waited_for() {
        run(async {
            for way in 0..WAYS {
                let file = File::open("/proc/self/exe").unwrap();
                let file = AsyncFd::postponed(file, Placement::Here).unwrap();
                for _ in 0..2 {
                    let would_block = |_: &File| Err(io::ErrorKind::WouldBlock.into());
                    let error = read(&file, way, would_block).await.unwrap_err();
                    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "way {way}");
                }
                poll_fn(|cx| file.poll_gone(cx)).await;
            }
        });
    }

    #[test]
    fn the_end_of_the_runtime_ends_what_the_kernel_does_not_know() {
        let runtime = Runtime::builder().worker_threads(1).build().unwrap();
        let (fd, _peer) = runtime.block_on(async { pair() });
        drop(runtime);
        for way in 0..WAYS {
            let error = futures_lite::future::block_on(read(&fd, way, byte)).unwrap_err();
            assert!(error.to_string().contains("shut down"), "{error}");
        }
    }
}
