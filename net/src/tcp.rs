//! How does a task listen, connect, read and write?
//!
//! | file | question |
//! |---|---|
//! | `listener` | how are connections accepted, and what if there is no descriptor for the next one? |
//! | `stream` | how does a task read and write? |
//! | `connect` | when is a connection made, and which of several addresses is it? |
//! | `split` | how do two tasks share a stream, one for each direction? |
//! | `socket` | how is a socket set up before it listens or connects? |

mod connect;
mod listener;
mod socket;
mod split;
mod stream;

pub use listener::{BACKLOG, Incoming, TcpListener};
pub use socket::{TcpKeepalive, TcpSocket};
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::TcpStream;
