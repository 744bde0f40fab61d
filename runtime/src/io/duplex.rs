//! How do two tasks talk as over a socket, without one?
//!
//! Over two pipes in memory, one each way. A pipe is a ring of bytes in a lock with room for one waker on each side; nothing of a runtime is needed, so it works under any
//! executor, in a [simulation](crate::runtime::Builder::simulated) too. What a network does besides (delays, torn writes, resets) adds [`io::sim`](super::sim).

use crate::sys::sync::{Arc, Mutex};
use crate::util::budget;
use crate::util::wait_reason::{self, WaitReason};
use futures_io::{AsyncRead, AsyncWrite};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

/// Makes two streams of bytes that are connected to each other: what is written to one is read from the other.
///
/// # Units and limits
///
/// Each direction holds `capacity` bytes that are written and not yet read; a writer waits while it is full. That much memory is only taken when it is needed.
///
/// # Panics
///
/// If `capacity` is 0: nothing could ever be written.
///
/// # Examples
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// let rt = filch::Runtime::new()?;
/// rt.block_on(async {
///     let (mut client, mut server) = filch::io::duplex(64);
///     filch::spawn(async move {
///         let mut asked = [0; 4];
///         server.read_exact(&mut asked).await?;
///         server.write_all(b"pong").await
///     })
///     .detach();
///     client.write_all(b"ping").await?;
///     let mut answer = String::new();
///     client.read_to_string(&mut answer).await?; // to the end: the server drops its stream
///     assert_eq!(answer, "pong");
///     std::io::Result::Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn duplex(capacity: usize) -> (DuplexStream, DuplexStream) {
    assert!(
        capacity > 0,
        "the capacity of a duplex is 0; give it room for at least one byte"
    );
    let there = Arc::new(Mutex::new(Pipe::new(capacity)));
    let back = Arc::new(Mutex::new(Pipe::new(capacity)));
    let stream = |reads: &Arc<Mutex<Pipe>>, writes: &Arc<Mutex<Pipe>>| DuplexStream {
        reads: reads.clone(),
        writes: writes.clone(),
    };
    (stream(&back, &there), stream(&there, &back))
}

/// One end of a [`duplex()`], a stream of bytes like a socket.
///
/// A read that returns 0 bytes says that the other end was closed or dropped, after everything it had written was read. A write whose bytes nobody will read, because the other end
/// was dropped, is an error of kind `BrokenPipe`. Closing (`poll_close`) ends one's own direction; reading goes on.
///
/// # Cancel safety
///
/// Reads and writes happen within one poll or not at all: a future of `read` or `write` that is dropped has neither taken nor written anything. Those that do several
/// (`read_exact`, `write_all`) may have done some of them.
pub struct DuplexStream {
    reads: Arc<Mutex<Pipe>>,
    writes: Arc<Mutex<Pipe>>,
}

/// One direction.
struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// Nothing comes any more.
    has_ended: bool,
    /// Nobody reads any more.
    is_abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            capacity,
            has_ended: false,
            is_abandoned: false,
            reader: None,
            writer: None,
        }
    }

    /// With the waker of whoever has room now.
    fn take(&mut self, into: &mut [u8]) -> Option<(usize, Option<Waker>)> {
        if self.bytes.is_empty() && !self.has_ended {
            return None;
        }
        let taken = io::Read::read(&mut self.bytes, into)
            .unwrap_or_else(|_| unreachable!("memory is read without errors"));
        Some((taken, self.writer.take()))
    }

    /// With the waker of whoever has something to read now.
    fn put(&mut self, from: &[u8]) -> Option<(usize, Option<Waker>)> {
        let room = self.capacity - self.bytes.len();
        if room == 0 {
            return None;
        }
        let put = room.min(from.len());
        self.bytes.extend(&from[..put]);
        Some((put, self.reader.take()))
    }

    /// The writer's end. Whom to wake.
    fn end(&mut self) -> Option<Waker> {
        self.has_ended = true;
        self.reader.take()
    }

    /// The reader's end. Whom to wake.
    fn abandon(&mut self) -> (Option<Waker>, VecDeque<u8>) {
        self.is_abandoned = true;
        (self.writer.take(), std::mem::take(&mut self.bytes))
    }
}

/// Leaves a waker where it will be looked for. Returns the old one, which is not to be dropped under the lock.
fn leave(place: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match place {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        place => place.replace(cx.waker().clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl AsyncRead for DuplexStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if into.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(budget::poll_proceed(cx));
        let mut pipe = self.reads.lock();
        let Some((taken, writer)) = pipe.take(into) else {
            let old = leave(&mut pipe.reader, cx);
            drop(pipe);
            drop(old);
            wait_reason::note(WaitReason::Read);
            return Poll::Pending;
        };
        drop(pipe);
        wake(writer);
        budget::charge();
        Poll::Ready(Ok(taken))
    }
}

impl AsyncWrite for DuplexStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(budget::poll_proceed(cx));
        let mut pipe = self.writes.lock();
        if pipe.is_abandoned || pipe.has_ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if from.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let Some((put, reader)) = pipe.put(from) else {
            let old = leave(&mut pipe.writer, cx);
            drop(pipe);
            drop(old);
            wait_reason::note(WaitReason::Write);
            return Poll::Pending;
        };
        drop(pipe);
        wake(reader);
        budget::charge();
        Poll::Ready(Ok(put))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let reader = self.writes.lock().end();
        wake(reader);
        Poll::Ready(Ok(()))
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        let reader = self.writes.lock().end();
        wake(reader);
        let (writer, _unread) = self.reads.lock().abandon();
        wake(writer);
    }
}

impl fmt::Debug for DuplexStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unread = self.reads.lock().bytes.len();
        f.debug_struct("DuplexStream")
            .field("unread", &unread)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};
    use futures_lite::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn a_write_waits_where_the_pipe_is_full() {
        for capacity in [1, 3, 8] {
            let (mut ours, mut theirs) = duplex(capacity);
            block_on(async {
                for n in 0..capacity as u8 {
                    ours.write_all(&[n]).await.unwrap();
                }
                assert!(poll_once(ours.write(b"x")).await.is_none());
                let mut byte = [9];
                theirs.read_exact(&mut byte).await.unwrap();
                assert_eq!(byte, [0]);
                assert_eq!(ours.write(b"xy").await.unwrap(), 1);
                assert!(poll_once(ours.write(b"x")).await.is_none());
            });
        }
    }

    #[test]
    fn whoever_waits_is_woken_and_all_arrives() {
        let (mut ours, mut theirs) = duplex(7);
        let sent: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        let expected = sent.clone();
        let writer = crate::sys::sync::thread::spawn(move || {
            block_on(async { ours.write_all(&sent).await.unwrap() });
        });
        let mut got = Vec::new();
        block_on(theirs.read_to_end(&mut got)).unwrap();
        writer.join().unwrap();
        assert!(got == expected);
    }

    #[test]
    fn an_end_comes_after_what_was_written() {
        let (mut ours, mut theirs) = duplex(8);
        block_on(async {
            ours.write_all(b"last").await.unwrap();
            ours.close().await.unwrap();
            let error = ours.write(b"x").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            // The other direction is open still.
            theirs.write_all(b"yes").await.unwrap();
            let mut text = String::new();
            theirs.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "last");
            drop(theirs);
            text.clear();
            ours.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "yes");
        });
    }

    #[test]
    fn a_writer_is_told_that_nobody_reads() {
        let (mut ours, theirs) = duplex(1);
        block_on(async {
            ours.write_all(b"x").await.unwrap();
            let mut waiting = std::pin::pin!(ours.write_all(b"y"));
            assert!(poll_once(waiting.as_mut()).await.is_none());
            drop(theirs);
            let error = waiting.await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        });
    }

    #[test]
    #[should_panic = "room for at least one byte"]
    fn no_capacity_is_refused() {
        let _ = duplex(0);
    }
}
