//! How does a task listen, connect, read and write?
//!
//! | file | question |
//! |---|---|
//! | `listener` | how are connections accepted? |
//! | `each` | how does each worker get a listener of its own? |
//! | `stream` | how does a task read and write? |
//! | `connect` | when is a connection made? |
//! | `race` | which of several addresses is connected to? |
//! | `connector` | how is a connection made to a name, with options and within a time? |
//! | `split` | how do two tasks share a stream, one for each direction? |
//! | `options` | which options do sockets have? |
//! | `keepalive` | when does the kernel ask a silent peer if it still lives? |
//! | `socket` | how is a socket set up before it listens or connects? |

mod connect;
mod connector;
mod each;
mod keepalive;
mod listener;
mod options;
mod race;
mod socket;
mod split;
mod stream;

pub(crate) use options::bind_device;

pub use connector::TcpConnect;
pub use keepalive::TcpKeepalive;
pub use listener::{BACKLOG, Incoming, TcpListener};
pub use race::ATTEMPT_DELAY;
pub use socket::TcpSocket;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::TcpStream;
