//! What does a connection want of a stream?
//!
//! A few things, all through a shared reference, because the body of a request is read by the handler while the
//! connection still owns the stream. The connection is generic over it; a body holds it as a trait object, so that
//! [`Request`](crate::Request) is one type whatever carries it.

use filch::time::Stamp;
use filch_net::{TcpStream, UnixStream, splice};
use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::ops::Range;
use std::task::{Context, Poll};

/// A connected stream.
pub(crate) trait Transport: fmt::Debug + Send + Sync + Unpin + 'static {
    /// Reads what is there. Zero is the end.
    fn poll_read(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>>;

    /// When that which was read last became readable, if it is known.
    fn readable_since(&self) -> Option<Stamp>;

    /// Reads what is there at this moment, as far as the kernel knows.
    fn read_now(&self, room: &mut [u8]) -> io::Result<usize>;

    /// Writes what fits.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Writes what fits, where a file follows at once.
    fn poll_write_more(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Writes what fits of several pieces.
    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Sends what fits of a part of a file, and moves its start. Zero is the end of either. `InvalidInput` where that cannot be.
    fn poll_send_file(
        &self,
        cx: &mut Context<'_>,
        file: &File,
        range: &mut Range<u64>,
    ) -> Poll<io::Result<usize>>;

    /// Waits until nothing can be sent any more: after a reset, or the end of both directions.
    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Says that nothing more will be sent.
    fn shut(&self) -> io::Result<()>;

    /// Ends both directions, whoever else has the stream.
    fn cut(&self);

    /// Sees to it that closing does not look like a proper end.
    fn will_reset(&self);
}

/// Both kinds of socket do it in the same way but for two things.
macro_rules! impl_transport {
    ($stream:ident, $write_more:ident, $will_reset:expr) => {
        impl Transport for $stream {
            #[inline]
            fn poll_read(&self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
                $stream::poll_read(self, cx, room)
            }

            #[inline]
            fn readable_since(&self) -> Option<Stamp> {
                $stream::readable_since(self)
            }

            fn read_now(&self, room: &mut [u8]) -> io::Result<usize> {
                $stream::read_now(self, room)
            }

            #[inline]
            fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                $stream::poll_write(self, cx, bytes)
            }

            fn poll_write_more(
                &self,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                $stream::$write_more(self, cx, bytes)
            }

            #[inline]
            fn poll_write_vectored(
                &self,
                cx: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                $stream::poll_write_vectored(self, cx, pieces)
            }

            fn poll_send_file(
                &self,
                cx: &mut Context<'_>,
                file: &File,
                range: &mut Range<u64>,
            ) -> Poll<io::Result<usize>> {
                splice::poll_sendfile(cx, file, range, self)
            }

            fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
                $stream::poll_gone(self, cx)
            }

            fn shut(&self) -> io::Result<()> {
                self.shutdown(Shutdown::Write)
            }

            fn cut(&self) {
                // If it cannot be done, the connection is broken already.
                let _ = self.shutdown(Shutdown::Both);
            }

            fn will_reset(&self) {
                let will_reset: fn(&$stream) = $will_reset;
                will_reset(self);
            }
        }
    };
}

// If it cannot be set, the connection is broken already.
impl_transport!(TcpStream, poll_write_more, |stream| drop(
    stream.set_zero_linger()
));
// There is no such thing; who is told to read until the end has to trust it.
impl_transport!(UnixStream, poll_write, |_| ());
