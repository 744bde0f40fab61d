//! Sockets and signals for the filch runtime.
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
//! | [`signal`] | how does a task wait for a signal? |
//! | `addr` | which addresses are meant by a name, and how does nobody wait for the answer but who asked? |
//! | `error` | how does an error say what was tried, and with whom? |
//! | `sys` | what is asked of the system that `std` does not offer? The only file with `unsafe` and `libc`. |
//!
//! Everything waits through [`filch::io::AsyncFd`]: this crate knows sockets and nothing of epoll. Whatever makes a listener, a stream or a [`Signal`](signal::Signal) must be called
//! within a runtime, a task or [`Runtime::block_on`](filch::Runtime::block_on); otherwise it is an error that says so. Reading and writing use the traits of
//! `futures-io`, the seam of the ecosystem, or the `poll_` and `try_` methods by shared reference.
//!
//! # Errors
//!
//! Errors of making sockets name the step and the address: `connect to localhost:1 (127.0.0.1:1): Connection refused (os error 111)`. Their kind is that of
//! the system's error, which is their [`source`](std::error::Error::source). Errors of reading and writing are the system's own, unwrapped: who reads knows the stream.

mod addr;
mod error;
pub mod signal;
mod sys;
pub mod tcp;

pub use addr::{ToSocketAddrs, lookup_host};
pub use tcp::{TcpKeepalive, TcpListener, TcpSocket, TcpStream};
