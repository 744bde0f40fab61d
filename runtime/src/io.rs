//! Descriptors that tasks can wait for.
//!
//! [`AsyncFd`] is the seam between the runtime and whoever has a descriptor: `filch-net` stands on it, and anything else that `epoll(7)` can
//! watch fits in (pipes, eventfds, timerfds, pidfds, sockets of other libraries).

mod async_fd;

pub use async_fd::{AsyncFd, AsyncFdReadyGuard, Interest, TryIoError};
