//! How do two tasks share a stream, one for each direction?
//!
//! A stream works through a shared reference, so a half is only a permission: to read, or to write. The borrowed halves cost nothing. The owned
//! ones share the stream by counting; the socket is closed when both are gone.
//!
//! The half that writes ends its direction when it is dropped, so that a peer that reads until the end does not wait for a task that is
//! gone. Who wants otherwise says [`OwnedWriteHalf::forget`].

use crate::tcp::stream::{TcpStream, impl_async_read, impl_async_write};
use futures_io::{AsyncRead, AsyncWrite};
use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The half of a borrowed stream that reads, from [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a> {
    stream: &'a TcpStream,
}

/// The half of a borrowed stream that writes, from [`TcpStream::split`]. Dropping it does nothing: the stream goes on.
#[derive(Debug)]
pub struct WriteHalf<'a> {
    stream: &'a TcpStream,
}

/// The half that reads, from [`TcpStream::into_split`]. Dropping it does nothing while the other half lives.
#[derive(Debug)]
pub struct OwnedReadHalf {
    stream: Arc<TcpStream>,
}

/// The half that writes, from [`TcpStream::into_split`].
///
/// Dropping it shuts down the direction of writing: the peer reads the end after what was written. See [`forget`](Self::forget).
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    ends_on_drop: bool,
}

/// Two halves that are not of the same stream; they are given back.
#[derive(Debug)]
pub struct ReuniteError(
    /// The half that reads.
    pub OwnedReadHalf,
    /// The half that writes.
    pub OwnedWriteHalf,
);

pub(crate) fn borrowed(stream: &TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf { stream }, WriteHalf { stream })
}

pub(crate) fn owned(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    let read = OwnedReadHalf {
        stream: stream.clone(),
    };
    let write = OwnedWriteHalf {
        stream,
        ends_on_drop: true,
    };
    (read, write)
}

fn reunite(read: OwnedReadHalf, mut write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
    if !Arc::ptr_eq(&read.stream, &write.stream) {
        return Err(ReuniteError(read, write));
    }
    write.ends_on_drop = false;
    drop(write);
    Ok(Arc::into_inner(read.stream).expect("there are only two halves"))
}

macro_rules! impl_reading {
    ($($generics:tt)*) => {
        /// Reading by hand; the same as the stream's methods.
        impl $($generics)* {
            /// As [`TcpStream::peek`].
            ///
            /// # Errors
            ///
            /// As for [`TcpStream::poll_read`].
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn peek(&self, room: &mut [u8]) -> io::Result<usize> {
                self.stream.peek(room).await
            }

            /// As [`TcpStream::readable`].
            ///
            /// # Errors
            ///
            /// If the runtime has shut down.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn readable(&self) -> io::Result<()> {
                self.stream.readable().await
            }

            /// As [`TcpStream::try_read`].
            ///
            /// # Errors
            ///
            /// As for [`TcpStream::try_read`].
            pub fn try_read(&self, room: &mut [u8]) -> io::Result<usize> {
                self.stream.try_read(room)
            }

            /// As [`TcpStream::try_read_vectored`].
            ///
            /// # Errors
            ///
            /// As for [`TcpStream::try_read`].
            pub fn try_read_vectored(&self, rooms: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.stream.try_read_vectored(rooms)
            }
        }
    };
}

macro_rules! impl_writing {
    ($($generics:tt)*) => {
        /// Writing by hand; the same as the stream's methods.
        impl $($generics)* {
            /// As [`TcpStream::writable`].
            ///
            /// # Errors
            ///
            /// If the runtime has shut down.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            pub async fn writable(&self) -> io::Result<()> {
                self.stream.writable().await
            }

            /// As [`TcpStream::try_write`].
            ///
            /// # Errors
            ///
            /// As for [`TcpStream::try_write`].
            pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
                self.stream.try_write(bytes)
            }

            /// As [`TcpStream::try_write_vectored`].
            ///
            /// # Errors
            ///
            /// As for [`TcpStream::try_write`].
            pub fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
                self.stream.try_write_vectored(pieces)
            }
        }
    };
}

macro_rules! impl_addresses {
    ($($generics:tt)*) => {
        /// Who is connected.
        impl $($generics)* {
            /// As [`TcpStream::local_addr`].
            ///
            /// # Errors
            ///
            /// What `getsockname(2)` says.
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                self.stream.local_addr()
            }

            /// As [`TcpStream::peer_addr`].
            ///
            /// # Errors
            ///
            /// What `getpeername(2)` says.
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.stream.peer_addr()
            }
        }

        impl AsRef<TcpStream> for $($generics)* {
            fn as_ref(&self) -> &TcpStream {
                &self.stream
            }
        }
    };
}

impl_reading!(ReadHalf<'_>);
impl_reading!(OwnedReadHalf);
impl_writing!(WriteHalf<'_>);
impl_writing!(OwnedWriteHalf);
impl_addresses!(ReadHalf<'_>);
impl_addresses!(WriteHalf<'_>);
impl_addresses!(OwnedReadHalf);
impl_addresses!(OwnedWriteHalf);
impl_async_read!(ReadHalf<'_>, |half| half.stream);
impl_async_read!(OwnedReadHalf, |half| &half.stream);
impl_async_write!(WriteHalf<'_>, |half| half.stream);
impl_async_write!(OwnedWriteHalf, |half| &half.stream);

impl OwnedReadHalf {
    /// Makes one stream of two halves again.
    ///
    /// # Errors
    ///
    /// Gives the halves back if they are not of the same stream.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, other)
    }
}

impl OwnedWriteHalf {
    /// Makes one stream of two halves again.
    ///
    /// # Errors
    ///
    /// Gives the halves back if they are not of the same stream.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(other, self)
    }

    /// Drops this half without ending its direction. The connection lasts as long as the other half.
    pub fn forget(mut self) {
        self.ends_on_drop = false;
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.ends_on_drop {
            // It fails when the connection has ended already.
            let _ = self.stream.close_write();
        }
    }
}

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves are not of the same stream")
    }
}

impl Error for ReuniteError {}
