//! How do processes of one machine talk?
//!
//! By Unix sockets: streams as TCP's, and datagrams that keep their order and are not lost. They go by names of files or by abstract names, know who is at the other end, and carry
//! descriptors.
//!
//! | file | question |
//! |---|---|
//! | `addr` | what is a socket called? |
//! | `stream` | how does a task read and write, send descriptors, and ask who is there? |
//! | `split` | how do two tasks share a stream, one for each direction? |
//! | `listener` | how are connections accepted? |
//! | `datagram` | how are datagrams sent and received, and who waits for a receiver that is full? |
//! | `replace` | how is a name taken over from a program that has died? |
//! | `rights` | what can go wrong with descriptors that are sent along? |
//! | `ucred` | who is at the other end? |
//!
//! # Who removes the file?
//!
//! Nobody by itself. A socket that is bound to a path makes a file there, which stays when the socket is closed or the process dies, and then keeps everybody, also the same program when it starts
//! again, from binding to the path (`AddrInUse`). So there are three ways:
//!
//! - [`std::fs::remove_file`] when the program ends. After a crash it is still there.
//! - [`UnixListener::bind_replacing`] and [`UnixDatagram::bind_replacing`] when it starts: they remove a socket's file that belongs to nobody any more, and nothing else.
//! - An abstract name (`"\0name"`), which is no file: it is free when the last socket bound to it is closed. But every process of the network namespace may connect to it, or bind to
//!   it first; a path has the permissions of its file and folder.
//!
//! A file that was made by a `bind` that then fails for another reason is removed.

mod addr;
mod datagram;
mod listener;
mod replace;
mod rights;
mod split;
mod stream;
mod ucred;

pub use addr::{NAME_BYTES_MAX, SocketAddr};
pub use datagram::UnixDatagram;
pub use listener::{BACKLOG, Incoming, UnixListener};
pub use rights::FDS_MAX;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::UnixStream;
pub use ucred::UCred;
