//! Descriptors that tasks can wait for, and streams in memory.
//!
//! [`AsyncFd`] is the seam between the runtime and whoever has a descriptor: `filch-net` stands on it, and anything else that `epoll(7)` can
//! watch fits in (pipes, eventfds, timerfds, pidfds, sockets of other libraries). [`duplex()`] makes two connected streams without any, [`sim`] such with a network's faults between them. [`copy_bidirectional`] joins
//! two streams, whatever they are made of.

mod async_fd;
mod copy;
mod duplex;
pub mod sim;

pub use crate::runtime::placement::Placement;
pub use async_fd::{AsyncFd, AsyncFdReadyGuard, Interest, Ready, TryIoError};
pub use copy::{COPY_BUFFER_BYTES, CopyDirection, CopyError, copy_bidirectional};
pub use duplex::{DuplexStream, duplex};
