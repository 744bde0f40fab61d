//! What does a connection want of a stream?
//!
//! Five things, all through a shared reference, because the body of a request is read by the handler while the
//! connection still owns the stream. The connection is generic over it; a body holds it as a trait object, so that
//! [`Request`](crate::Request) is one type whatever carries it.

use filch_net::TcpStream;
use std::fmt;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::task::{Context, Poll};

/// A connected stream.
pub(crate) trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Reads what is there. Zero is the end.
    fn poll_read(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Reads what is there at this moment, as far as the kernel knows.
    fn read_now(&self, room: &mut [u8]) -> io::Result<usize>;

    /// Writes what fits.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Writes what fits of several pieces.
    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Says that nothing more will be sent.
    fn shut(&self) -> io::Result<()>;
}

impl Transport for TcpStream {
    #[inline]
    fn poll_read(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        TcpStream::poll_read(self, cx, room)
    }

    fn read_now(&self, room: &mut [u8]) -> io::Result<usize> {
        TcpStream::read_now(self, room)
    }

    #[inline]
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        TcpStream::poll_write(self, cx, bytes)
    }

    #[inline]
    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        TcpStream::poll_write_vectored(self, cx, pieces)
    }

    fn shut(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}
