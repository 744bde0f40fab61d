//! Sockets, files, names, processes and signals for the filch runtime.
//!
//! ```
//! use filch_net::{TcpListener, TcpStream};
//! use futures_lite::{AsyncReadExt, AsyncWriteExt};
//!
//! let rt = filch::Runtime::new()?;
//! let answer = rt.block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let mut client = TcpStream::connect(listener.local_addr()?).await?;
//!     filch::spawn(async move {
//!         let (mut served, _peer) = listener.accept().await?;
//!         let mut word = [0; 4];
//!         served.read_exact(&mut word).await?;
//!         served.write_all(&word).await
//!     });
//!     client.write_all(b"ping").await?;
//!     let mut answer = Vec::new();
//!     client.read_to_end(&mut answer).await?;
//!     std::io::Result::Ok(answer)
//! })?;
//! assert_eq!(answer, b"ping");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | module | question |
//! |---|---|
//! | [`tcp`] | how does a task listen, connect, read and write? |
//! | [`udp`] | how does a task send and receive datagrams? |
//! | [`unix`] | how do processes of one machine talk? |
//! | [`resolver`] | which addresses has a name, and how does nobody wait for the answer but who asked? |
//! | [`splice`] | how do bytes go from socket to socket, or between socket and file, without passing through the process? |
//! | [`proxy_protocol`] | who is the client, if a proxy stands in between? |
//! | [`inherit`] | what does a service get from the manager that started it, and what does it tell that? |
//! | [`fs`] | how does a task use files and directories? |
//! | [`io`] | how does a task read standard input, and write to standard output? |
//! | [`pipe`] | how does a task read from a pipe, and write to one? |
//! | [`process`] | how does a task start a program, talk to it, and learn how it ended? |
//! | [`signal`] | how does a task wait for a signal? |
//! | `byte_stream`, `halves` | what do all streams of bytes have in common, and how do two tasks share one? |
//! | `readiness` | how does a task do with a socket what this crate does not know? |
//! | `accepting`, `pauses` | what if a connection cannot be accepted, or has to wait without being told for what? |
//! | `buffered` | how does a task read and write a file with few calls that block, and lose nothing when it gives up? |
//! | `hop` | on which thread does a call run that may block, and how does its answer come back? |
//! | `addr` | which addresses are meant by what a caller gives? |
//! | `error` | how does an error say what was tried, and with whom? |
//! | `file_doors` | how does `filch-http` open files below a folder? Hidden. |
//! | `testing` | how does a test of this crate that hangs fail, instead of hanging? |
//! | `watched` | which streams stand on a descriptor that tasks can wait for? |
//! | `sys` | what is asked of the system that `std` does not offer? The only folder with `unsafe` and `libc`. |
//!
//! Everything waits through [`filch::io::AsyncFd`]: this crate knows sockets and nothing of epoll. Whatever makes a listener, a stream or a [`Signal`](signal::Signal) must be called
//! within a runtime, a task or [`Runtime::block_on`](filch::Runtime::block_on); otherwise it is an error that says so. Reading and writing use the traits of
//! `futures-io`, the seam of the ecosystem, or the `poll_` and `try_` methods by shared reference.
//!
//! # Errors
//!
//! Errors of making sockets name the step and the address: `connect to localhost:1 (127.0.0.1:1): Connection refused (os error 111)`. Their kind is that of
//! the system's error, which is their [`source`](std::error::Error::source). Errors of reading and writing are the system's own, unwrapped: who reads knows the stream.
//! Errors of files, also of reading and writing, name the step and the path.

mod accepting;
mod addr;
mod buffered;
mod byte_stream;
mod error;
#[doc(hidden)]
pub mod file_doors;
pub mod fs;
mod halves;
mod hop;
pub mod inherit;
pub mod io;
mod pauses;
pub mod pipe;
pub mod process;
pub mod proxy_protocol;
mod readiness;
pub mod resolver;
pub mod signal;
pub mod splice;
mod sys;
pub mod tcp;
#[cfg(test)]
mod testing;
pub mod udp;
pub mod unix;
mod watched;

pub use addr::{ToSocketAddrs, lookup_host};
pub use resolver::{Resolver, lookup_host_by};
pub use tcp::{TcpConnect, TcpKeepalive, TcpListener, TcpSocket, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixListener, UnixStream};
pub use watched::Watched;
