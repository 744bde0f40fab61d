//! Which streams stand on a descriptor that tasks can wait for?
//!
//! Some operations know nothing of what a stream is, only that it has such a descriptor: `splice(2)` between any two, peeking. They take whatever implements [`Watched`].

use filch::io::AsyncFd;
use std::os::fd::{AsFd, AsRawFd};

/// A stream with a descriptor of its own that tasks can wait for: a [`TcpStream`](crate::TcpStream), a [`UnixStream`](crate::UnixStream), or any [`AsyncFd`].
///
/// It cannot be implemented outside of this crate; wrap the descriptor in an [`AsyncFd`] instead.
pub trait Watched: sealed::Stands {}

impl<T: sealed::Stands> Watched for T {}

pub(crate) mod sealed {
    use super::{AsFd, AsRawFd, AsyncFd};

    /// The part of [`Watched`](super::Watched) that may change.
    pub trait Stands {
        /// What has the descriptor.
        type Inner: AsFd + AsRawFd;

        /// Whether a read that comes back short tells that there is no more. Not on Unix sockets, where a read ends where descriptors were sent along.
        const SHORT_IS_ALL: bool = false;

        /// The descriptor, with whoever waits for it.
        fn watched(&self) -> &AsyncFd<Self::Inner>;
    }
}

use sealed::Stands;

impl<T: AsFd + AsRawFd> Stands for AsyncFd<T> {
    type Inner = T;

    fn watched(&self) -> &Self {
        self
    }
}

impl Stands for crate::TcpStream {
    type Inner = std::net::TcpStream;
    const SHORT_IS_ALL: bool = true;

    fn watched(&self) -> &AsyncFd<Self::Inner> {
        self.async_fd()
    }
}

impl Stands for crate::UnixStream {
    type Inner = std::os::unix::net::UnixStream;

    fn watched(&self) -> &AsyncFd<Self::Inner> {
        self.async_fd()
    }
}
