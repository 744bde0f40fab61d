//! Descriptors that tasks can wait for, and streams in memory.
//!
//! [`AsyncFd`] is the seam between the runtime and whoever has a descriptor: `filch-net` stands on it, and anything else that `epoll(7)` can
//! watch fits in (pipes, eventfds, timerfds, pidfds, sockets of other libraries). [`duplex()`] makes two connected streams without any, [`sim`] such with a network's faults between them.

mod async_fd;
mod duplex;
pub mod sim;

pub use async_fd::{AsyncFd, AsyncFdReadyGuard, Interest, TryIoError};
pub use duplex::{DuplexStream, duplex};
