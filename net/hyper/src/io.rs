//! How does hyper read and write a stream of `futures-io`, and the other way round?
//!
//! The two differ in reading. hyper lends room that may be uninitialised, and a reader of `futures-io` wants a slice of bytes. So what comes goes through an array on the stack
//! and is copied: 16 kB to be zeroed in each poll, and what was read to be moved, some hundred nanoseconds beside a system call that takes more. Nothing here is unsafe, and a
//! reader that tells of more bytes than it has read can only panic.
//!
//! Rejected: to zero hyper's own room, which saves the copy, for two unsafe blocks that trust hyper's account of its buffer, and zeroes the whole of that, up to 400 kB, for each byte that is
//! read; a buffer of each connection, which is memory that idle connections keep; one of each thread, which shows one connection what another has read if a reader lies.

use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::{ReadBuf, ReadBufCursor};
use pin_project_lite::pin_project;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// How much one call reads at most: a record of TLS, and twice what hyper begins with.
const CHUNK: usize = 16 * 1024;

pin_project! {
    /// Makes a stream of `futures-io` one of hyper's, and one of hyper's, as `hyper::upgrade::Upgraded`, one of `futures-io`.
    ///
    /// # Units and limits
    ///
    /// hyper reads 16 kB at most by one call.
    ///
    /// # Cancel safety
    ///
    /// Nothing is kept here: what holds for the stream within holds for this.
    ///
    /// # Examples
    ///
    /// A request:
    ///
    /// ```
    /// use filch_hyper::FilchIo;
    /// use filch_net::{TcpListener, TcpStream};
    /// use http_body_util::{BodyExt, Empty};
    /// use hyper::{Request, body::Bytes, client::conn::http1};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # filch::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let addr = listener.local_addr()?;
    /// # let router = axum::Router::new().route("/", axum::routing::get(async || "hello"));
    /// # filch::spawn(filch_hyper::serve(listener, router, std::future::pending()));
    /// let stream = TcpStream::connect(addr).await?;
    /// let (mut client, connection) = http1::handshake(FilchIo::vectored(stream)).await?;
    /// filch::spawn(connection);
    /// let request = Request::get("/").header("host", "localhost").body(Empty::<Bytes>::new())?;
    /// let answer = client.send_request(request).await?;
    /// assert_eq!(answer.into_body().collect().await?.to_bytes(), "hello");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct FilchIo<T> {
        #[pin]
        inner: T,
        is_vectored: bool,
    }
}

impl<T> FilchIo<T> {
    /// For any stream. hyper copies each head and what follows it into one buffer, for a single write.
    pub fn new(inner: T) -> Self {
        Self {
            inner,
            is_vectored: false,
        }
    }

    /// For a stream that writes several pieces by one call, as sockets do: hyper need not put them together.
    ///
    /// On a stream whose `poll_write_vectored` takes the first piece only, each head is a write of its own.
    pub fn vectored(inner: T) -> Self {
        Self {
            inner,
            is_vectored: true,
        }
    }

    /// The stream within.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// The stream within, to be changed.
    pub fn inner_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Gives the stream back.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: AsyncRead> hyper::rt::Read for FilchIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut lent: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut room = [0; CHUNK];
        let room = &mut room[..CHUNK.min(lent.remaining())];
        let count = ready!(self.project().inner.poll_read(cx, room))?;
        lent.put_slice(&room[..count]);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite> hyper::rt::Write for FilchIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_close(cx)
    }
}

impl<T: hyper::rt::Read> AsyncRead for FilchIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(room);
        ready!(self.project().inner.poll_read(cx, room.unfilled()))?;
        Poll::Ready(Ok(room.filled().len()))
    }
}

impl<T: hyper::rt::Write> AsyncWrite for FilchIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, pieces)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
    use std::mem::MaybeUninit;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::Waker;

    /// A reader that has 1, 2, 3 ... for ever, as many of them as `told` makes of the room that it gets.
    struct Counter {
        told: fn(usize) -> io::Result<usize>,
    }

    impl AsyncRead for Counter {
        fn poll_read(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            room: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            for (byte, value) in room.iter_mut().zip(1..) {
                *byte = (value % 251) as u8;
            }
            Poll::Ready((self.told)(room.len()))
        }
    }

    fn expected(count: usize) -> Vec<u8> {
        (1..=count).map(|value| (value % 251) as u8).collect()
    }

    /// Reads once into so much uninitialised room.
    fn read_once(told: fn(usize) -> io::Result<usize>, room: usize) -> io::Result<Vec<u8>> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut lent = vec![MaybeUninit::uninit(); room];
        let mut lent = ReadBuf::uninit(&mut lent);
        let mut reader = FilchIo::new(Counter { told });
        match hyper::rt::Read::poll_read(Pin::new(&mut reader), &mut cx, lent.unfilled()) {
            Poll::Ready(result) => result.map(|()| lent.filled().to_vec()),
            Poll::Pending => panic!("the reader is always ready"),
        }
    }

    #[test]
    fn what_is_read_stands_in_the_room_that_hyper_lends() {
        for room in [0, 1, 2, 100] {
            assert_eq!(read_once(Ok, room).unwrap(), expected(room), "{room}");
        }
        assert_eq!(read_once(|room| Ok(room / 2), 100).unwrap(), expected(50));
        assert_eq!(read_once(|_| Ok(0), 100).unwrap(), [], "the end");
    }

    #[test]
    fn one_call_reads_a_chunk_at_most() {
        for (room, count) in [
            (CHUNK - 1, CHUNK - 1),
            (CHUNK, CHUNK),
            (CHUNK + 1, CHUNK),
            (10 * CHUNK, CHUNK),
        ] {
            assert_eq!(read_once(Ok, room).unwrap(), expected(count), "{room}");
        }
    }

    #[test]
    fn an_error_passes_through() {
        let error = read_once(|_| Err(io::ErrorKind::ConnectionReset.into()), 9).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    /// Uninitialised memory never becomes a byte of a request.
    #[test]
    fn a_reader_that_tells_of_more_than_it_has_read_panics() {
        for room in [0, 10, CHUNK] {
            let read = catch_unwind(AssertUnwindSafe(|| read_once(|room| Ok(room + 1), room)));
            assert!(read.is_err(), "{room}");
        }
    }

    /// Behind each other, the two directions are the stream itself.
    #[test]
    fn there_and_back() {
        let runtime = filch::Runtime::new().unwrap();
        runtime.block_on(async {
            let (near, far) = filch::io::duplex(7);
            let mut near = FilchIo::vectored(FilchIo::vectored(near));
            let mut far = FilchIo::new(FilchIo::new(far));
            let text = "what is written here is read there".repeat(100);
            let write = async {
                near.write_all(text.as_bytes()).await?;
                near.flush().await?;
                near.close().await
            };
            let mut read = String::new();
            let (written, count) = future::zip(write, far.read_to_string(&mut read)).await;
            written.unwrap();
            assert_eq!(count.unwrap(), text.len());
            assert_eq!(read, text);
        });
    }

    #[test]
    fn pieces_are_written_as_the_stream_writes_them() {
        /// Takes all pieces, or by a single write nothing.
        struct AllPieces(Vec<u8>);

        impl AsyncWrite for AllPieces {
            fn poll_write(
                self: Pin<&mut Self>,
                _cx: &mut Context<'_>,
                _bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(Ok(0))
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                _cx: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                for piece in pieces {
                    self.0.extend_from_slice(piece);
                }
                Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()))
            }

            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }

        let mut cx = Context::from_waker(Waker::noop());
        let mut writer = FilchIo::vectored(FilchIo::vectored(FilchIo::vectored(AllPieces(vec![]))));
        let pieces = [IoSlice::new(b"one "), IoSlice::new(b"two")];
        let written =
            hyper::rt::Write::poll_write_vectored(Pin::new(&mut writer), &mut cx, &pieces);
        assert!(matches!(written, Poll::Ready(Ok(7))), "{written:?}");
        assert!(hyper::rt::Write::is_write_vectored(&writer));
        assert!(!hyper::rt::Write::is_write_vectored(&FilchIo::new(
            AllPieces(vec![])
        )));
        let AllPieces(bytes) = writer.into_inner().into_inner().into_inner();
        assert_eq!(bytes, b"one two");
    }
}
