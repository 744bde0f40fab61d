//! How are two streams joined, so that each reads what the other one was sent?
//!
//! Two copies in one future, one each way, each with a buffer that is read into only when it is empty: who writes slowly holds up who reads, and not more than a buffer of bytes is under way. The end of
//! one direction is passed on by closing the other stream's direction of writing, and leaves the way back open. Sockets do without the buffer: `filch_net::splice`.
//!
//! Rejected: a task for each direction (a failure of the one would have to be told to the other, and both streams to be split); a buffer that is filled while it is emptied (it makes the copy
//! no faster where either side is the bottleneck, and needs a ring).

use futures_io::{AsyncRead, AsyncWrite};
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// How many bytes are under way in each direction, at most: as many as tokio has, enough for a call of a few microseconds.
pub const COPY_BUFFER_BYTES: usize = 8 * 1024;

/// After so many bytes in one poll a copy lets others have their turn. A guess: some 100 us of copying, for streams that do not charge the task's budget themselves.
const POLL_BYTES_MAX: usize = 1 << 20;

/// Copies in both directions between two streams, until both have ended; returns how many bytes went from `a` to `b`, and from `b` to `a`.
///
/// When one stream has no more to read, the other one's direction of writing is closed (`poll_close`), and the way back goes on. What was read is flushed before the copy waits for more.
///
/// # Units and limits
///
/// At most [`COPY_BUFFER_BYTES`] are under way in each direction: a stream is not read while the other one takes nothing.
///
/// # Errors
///
/// The first error of either stream, of its kind; both directions stop with it. It contains a [`CopyError`], which says in which direction it happened and how much went before. A stream that takes
/// 0 bytes is an error of kind `WriteZero`.
///
/// # Cancel safety
///
/// What was read and not yet written is lost: up to [`COPY_BUFFER_BYTES`] in each direction. The streams are whole, but for that.
///
/// # Examples
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let (mut client, mut left) = filch::io::duplex(64);
///     let (mut right, mut server) = filch::io::duplex(64);
///     let proxy = filch::spawn(async move { filch::io::copy_bidirectional(&mut left, &mut right).await });
///     client.write_all(b"ping").await?;
///     client.close().await?;
///     let mut asked = String::new();
///     server.read_to_string(&mut asked).await?; // to the end, which was passed on
///     server.write_all(b"welcome").await?;
///     drop(server);
///     let mut answer = String::new();
///     client.read_to_string(&mut answer).await?;
///     assert_eq!((asked.as_str(), answer.as_str()), ("ping", "welcome"));
///     assert_eq!(proxy.await??, (4, 7));
///     std::io::Result::Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn copy_bidirectional<A, B>(a: &mut A, b: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let (mut there, mut back) = (OneWay::new(), OneWay::new());
    // They take turns at being first: a direction that always has something leaves nothing of a poll to the other, neither bytes nor the task's budget.
    let mut is_back_first = false;
    poll_fn(|cx| {
        let mut left = POLL_BYTES_MAX;
        let mut is_over = true;
        for is_back in [is_back_first, !is_back_first] {
            let (direction, polled) = if is_back {
                let polled = back.poll(cx, &mut *b, &mut *a, &mut left);
                (CopyDirection::BToA, polled)
            } else {
                let polled = there.poll(cx, &mut *a, &mut *b, &mut left);
                (CopyDirection::AToB, polled)
            };
            let polled = polled.map_err(|cause| failed(direction, &there, &back, cause))?;
            is_over &= polled.is_ready();
        }
        is_back_first = !is_back_first;
        if !is_over {
            return Poll::Pending;
        }
        Poll::Ready(Ok((there.written, back.written)))
    })
    .await
}

/// One of the two directions of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyDirection {
    /// From the first stream to the second.
    AToB,
    /// From the second stream to the first.
    BToA,
}

/// Which direction of a copy failed, why, and how much was written before; found inside an [`io::Error`].
///
/// # Examples
///
/// ```
/// use filch::io::{CopyDirection, CopyError};
/// use futures_lite::AsyncWriteExt;
///
/// let rt = filch::Runtime::new()?;
/// let error = rt.block_on(async {
///     let (mut client, mut left) = filch::io::duplex(64);
///     let (mut right, server) = filch::io::duplex(64);
///     drop(server);
///     client.write_all(b"ping").await.unwrap();
///     filch::io::copy_bidirectional(&mut left, &mut right).await.unwrap_err()
/// });
/// assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
/// let failed = CopyError::of(&error).unwrap();
/// assert_eq!((failed.direction, failed.a_to_b), (CopyDirection::AToB, 0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct CopyError {
    /// Where it happened: reading from the one stream, or writing to the other.
    pub direction: CopyDirection,
    /// How many bytes had been written to the second stream.
    pub a_to_b: u64,
    /// How many bytes had been written to the first stream.
    pub b_to_a: u64,
    /// What the stream said.
    pub cause: io::Error,
}

impl CopyError {
    /// The one that an error of a copy contains.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<CopyError> for io::Error {
    fn from(error: CopyError) -> Self {
        Self::new(error.cause.kind(), error)
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to, written) = match self.direction {
            CopyDirection::AToB => ("first", "second", self.a_to_b),
            CopyDirection::BToA => ("second", "first", self.b_to_a),
        };
        let cause = &self.cause;
        write!(
            f,
            "copy from the {from} stream to the {to}, after {written} bytes: {cause}"
        )
    }
}

impl Error for CopyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

#[cold]
fn failed(direction: CopyDirection, there: &OneWay, back: &OneWay, cause: io::Error) -> io::Error {
    let (a_to_b, b_to_a) = (there.written, back.written);
    CopyError {
        direction,
        a_to_b,
        b_to_a,
        cause,
    }
    .into()
}

/// A direction's state.
struct OneWay {
    /// Taken with the first poll.
    buffer: Vec<u8>,
    /// Of these bytes of the buffer, those that are not written yet.
    unwritten: std::ops::Range<usize>,
    written: u64,
    is_flushed: bool,
    stage: Stage,
}

enum Stage {
    Copying,
    Closing,
    Done,
}

impl OneWay {
    fn new() -> Self {
        Self {
            buffer: Vec::new(),
            unwritten: 0..0,
            written: 0,
            is_flushed: true,
            stage: Stage::Copying,
        }
    }

    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: &mut R,
        mut writer: &mut W,
        left: &mut usize,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        loop {
            match self.stage {
                Stage::Done => return Poll::Ready(Ok(())),
                Stage::Closing => {
                    ready!(Pin::new(&mut writer).poll_close(cx))?;
                    self.stage = Stage::Done;
                }
                Stage::Copying if self.unwritten.is_empty() => {
                    if *left == 0 {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    ready!(self.poll_fill(cx, Pin::new(&mut reader), Pin::new(&mut writer)))?;
                    *left = left.saturating_sub(self.unwritten.len());
                }
                Stage::Copying => ready!(self.poll_drain(cx, Pin::new(&mut writer)))?,
            }
        }
    }

    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut impl AsyncRead>,
        writer: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<()>> {
        self.buffer.resize(COPY_BUFFER_BYTES, 0);
        let read = match reader.poll_read(cx, &mut self.buffer) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                if !self.is_flushed {
                    ready!(writer.poll_flush(cx))?;
                    self.is_flushed = true;
                }
                return Poll::Pending;
            }
        };
        self.unwritten = 0..read;
        if read == 0 {
            self.stage = Stage::Closing;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        writer: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<()>> {
        let written = ready!(writer.poll_write(cx, &self.buffer[self.unwritten.clone()]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.unwritten.start += written;
        self.written += written as u64;
        self.is_flushed = false;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::duplex;
    use futures_lite::future::{block_on, poll_once, zip};
    use futures_lite::{AsyncReadExt, AsyncWriteExt};

    /// Not two buffers' worth, and not a whole number of them.
    const LARGE: usize = 20 * COPY_BUFFER_BYTES + 1;

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn bytes_go_both_ways_at_once_and_so_do_ends() {
        for capacity in [1, 7, COPY_BUFFER_BYTES, LARGE] {
            let len = if capacity < 100 { 999 } else { LARGE };
            let (mut client, mut left) = duplex(capacity);
            let (mut right, mut server) = duplex(capacity);
            let ask = async {
                client.write_all(&pattern(len)).await.unwrap();
                client.close().await.unwrap();
                let mut got = Vec::new();
                client.read_to_end(&mut got).await.unwrap();
                got
            };
            let answer = async {
                let mut got = Vec::new();
                server.read_to_end(&mut got).await.unwrap();
                server.write_all(b"thanks").await.unwrap();
                server.close().await.unwrap();
                got
            };
            let copied = async { copy_bidirectional(&mut left, &mut right).await.unwrap() };
            let ((answer, asked), copied) = block_on(zip(zip(ask, answer), copied));
            assert_eq!(answer, b"thanks");
            assert!(asked == pattern(len));
            assert_eq!(copied, (len as u64, 6));
        }
    }

    #[test]
    fn no_more_is_read_than_the_other_side_takes() {
        let (mut client, mut left) = duplex(LARGE);
        let (mut right, server) = duplex(1);
        block_on(async {
            client.write_all(&pattern(LARGE)).await.unwrap();
            let mut copy = std::pin::pin!(copy_bidirectional(&mut left, &mut right));
            assert!(poll_once(copy.as_mut()).await.is_none());
            // The pipe is full but for what was read: one buffer.
            let more = vec![0; LARGE];
            assert_eq!(client.write(&more).await.unwrap(), COPY_BUFFER_BYTES);
            assert!(poll_once(client.write(&more)).await.is_none());
        });
        drop(server);
    }

    #[test]
    fn an_error_says_where_and_after_how_much() {
        let (mut client, mut left) = duplex(64);
        let (mut right, mut server) = duplex(64);
        let error = block_on(async {
            server.write_all(b"12345").await.unwrap();
            drop(client.write_all(b"123").await);
            let mut copy = std::pin::pin!(copy_bidirectional(&mut left, &mut right));
            assert!(poll_once(copy.as_mut()).await.is_none());
            drop(client);
            server.write_all(b"more").await.unwrap();
            copy.await.unwrap_err()
        });
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let failed = CopyError::of(&error).unwrap();
        assert_eq!(failed.direction, CopyDirection::BToA);
        assert_eq!((failed.a_to_b, failed.b_to_a), (3, 5));
        let text = error.to_string();
        assert!(
            text.starts_with("copy from the second stream to the first, after 5 bytes: "),
            "{text}"
        );
    }

    /// Always has something to read, takes everything, and counts.
    #[derive(Default)]
    struct Endless(usize);

    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            room: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(room.len()))
        }
    }

    impl AsyncWrite for Endless {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0 += bytes.len();
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn neither_direction_keeps_the_other_from_its_turn() {
        let (mut a, mut b) = (Endless::default(), Endless::default());
        block_on(async {
            let mut copy = std::pin::pin!(copy_bidirectional(&mut a, &mut b));
            for _ in 0..2 {
                assert!(poll_once(copy.as_mut()).await.is_none());
            }
        });
        assert_eq!((a.0, b.0), (POLL_BYTES_MAX, POLL_BYTES_MAX));
    }

    #[test]
    fn an_endless_copy_gives_up_its_turn() {
        let (mut a, mut b) = (Endless::default(), Endless::default());
        block_on(async {
            assert!(
                poll_once(copy_bidirectional(&mut a, &mut b))
                    .await
                    .is_none()
            );
        });
        assert_eq!(a.0 + b.0, POLL_BYTES_MAX);
    }
}
