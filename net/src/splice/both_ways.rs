//! How does a proxy join two sockets without looking at what they say?
//!
//! A direction has one of three states: it waits for something to read and has nothing, it has a load and waits to write that, or it is over. It reads only when the load before was written, which is
//! what makes a slow writer hold up the reader; and a load keeps what one call could not write.
//!
//! The load is a pipe where much comes, filled from the one socket and emptied into the other by `splice(2)`: the kernel moves references to pages, and no byte passes through the process. What comes
//! after a pause is read into a buffer. If that is not filled, there was no more (`epoll(7)`; Unix sockets are asked once more, see `Stands::SHORT_IS_ALL`), and a message has cost two system calls; if it is, the next read takes a pipe, until the reader has
//! caught up. A pipe says nothing of the socket it was filled from, since it may be full with few bytes (it has 16 places, for a piece each): only `EAGAIN` says that there is no more, a call that is
//! worth it for a load, and not for a message. Rejected: pipes only, with six calls rather than four for a small message and its answer.
//!
//! Where no further descriptor is to be had, a buffer does always: a proxy that has used up its descriptors goes on serving those it has let in.

use super::pool::{LARGE_PIPE_BYTES, Lease};
use super::scratch::{SCRATCH_BYTES, Scratch};
use crate::error;
use crate::sys::{self, PipeSignal};
use crate::watched::Watched;
use filch::io::{AsyncFd, CopyDirection, CopyError};
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::task::{Context, Poll, ready};

/// What a pipe holds unless told otherwise (`pipe(7)`).
pub const PIPE_BYTES: usize = 64 * 1024;

/// After so many bytes in one poll a direction lets others have their turn, the other direction too. A guess: some 50 us.
const POLL_BYTES_MAX: usize = 1 << 19;

/// Copies in both directions between two sockets, until both have ended; returns how many bytes went from `a` to `b`, and from `b` to `a`. What comes in quantity
/// does not pass through the process; a small message does, since that is two system calls less.
///
/// When one socket has no more to read, the other one's direction of writing is shut down, and the way back goes on. For streams that are not sockets there is
/// [`filch::io::copy_bidirectional`].
///
/// # Units and limits
///
/// At most [`LARGE_PIPE_BYTES`] are under way in each direction, and beyond the first [`LARGE_MAX`](super::LARGE_MAX) pipes of a process [`PIPE_BYTES`]: a socket is not read while the other one takes nothing. Two descriptors are in use for each direction with bytes under way, and none while it waits for
/// something to read; each thread keeps up to [`SPARE_MAX`](super::SPARE_MAX) empty pipes until it ends. Where there is no descriptor left, a buffer does.
///
/// # Errors
///
/// The first error of either socket, of its kind; both directions stop with it. It contains a [`CopyError`], which says in which direction it happened and how much went before. A
/// peer that is gone is never a `SIGPIPE`, unless the process begins to wait for that signal during the copy.
///
/// # Cancel safety
///
/// What was read and not yet written is lost: up to [`LARGE_PIPE_BYTES`] in each direction. The sockets are whole, but for that.
///
/// # Examples
///
/// ```
/// use filch_net::{TcpListener, TcpStream, splice};
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let server = TcpListener::bind("127.0.0.1:0").await?;
/// # let upstream = server.local_addr()?;
/// # filch::spawn(async move {
/// #     let (mut stream, _) = server.accept().await?;
/// #     let mut asked = String::new();
/// #     stream.read_to_string(&mut asked).await?;
/// #     stream.write_all(asked.to_uppercase().as_bytes()).await
/// # });
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let addr = listener.local_addr()?;
/// let proxy = filch::spawn(async move {
///     let (mut client, _) = listener.accept().await?;
///     let mut server = TcpStream::connect(upstream).await?;
///     splice::copy_bidirectional(&mut client, &mut server).await
/// });
/// let mut client = TcpStream::connect(addr).await?;
/// client.write_all(b"hello").await?;
/// client.close().await?; // which is passed on, and the server answers
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await?;
/// assert_eq!(answer, "HELLO");
/// assert_eq!(proxy.await??, (5, 5));
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn copy_bidirectional<A: Watched, B: Watched>(
    a: &mut A,
    b: &mut B,
) -> io::Result<(u64, u64)> {
    let mut ways = Ways::between::<A, B>(PipeSignal::ask());
    poll_fn(|cx| ways.poll(cx, a.watched(), b.watched(), POLL_BYTES_MAX)).await
}

/// Both directions.
struct Ways {
    there: OneWay,
    back: OneWay,
    /// Which of them goes first in the next poll: they share the task's budget, and what comes in many small pieces uses it up.
    is_back_first: bool,
}

impl Ways {
    fn between<A: Watched, B: Watched>(signal: PipeSignal) -> Self {
        Self {
            there: OneWay::new(signal, A::SHORT_IS_ALL),
            back: OneWay::new(signal, B::SHORT_IS_ALL),
            is_back_first: false,
        }
    }

    /// Copies up to `turn_bytes` in each direction, or one load more. Each has its own: of one for both, a direction that always has something would leave nothing to the other. For the same
    /// reason they take turns at being first.
    fn poll<A, B>(
        &mut self,
        cx: &mut Context<'_>,
        a: &AsyncFd<A>,
        b: &AsyncFd<B>,
        turn_bytes: usize,
    ) -> Poll<io::Result<(u64, u64)>>
    where
        A: AsRawFd + AsFd,
        B: AsRawFd + AsFd,
    {
        let mut is_over = true;
        for is_back in [self.is_back_first, !self.is_back_first] {
            let (direction, polled) = if is_back {
                (CopyDirection::BToA, self.back.poll(cx, b, a, turn_bytes))
            } else {
                (CopyDirection::AToB, self.there.poll(cx, a, b, turn_bytes))
            };
            is_over &= polled
                .map_err(|cause| failed(direction, &self.there, &self.back, cause))?
                .is_ready();
        }
        self.is_back_first = !self.is_back_first;
        if !is_over {
            return Poll::Pending;
        }
        Poll::Ready(Ok((self.there.written, self.back.written)))
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
    signal: PipeSignal,
    /// Of the socket that it reads from.
    short_is_all: bool,
    stage: Stage,
    /// More came at a time than a buffer holds, and the reader has not caught up.
    is_bulk: bool,
    written: u64,
}

enum Stage {
    Reading,
    Writing(Load),
    Done,
}

/// What is under way.
enum Load {
    Pipe(Lease),
    Buffer(Scratch),
}

impl OneWay {
    fn new(signal: PipeSignal, short_is_all: bool) -> Self {
        Self {
            signal,
            short_is_all,
            stage: Stage::Reading,
            is_bulk: false,
            written: 0,
        }
    }

    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &AsyncFd<R>,
        to: &AsyncFd<W>,
        mut left: usize,
    ) -> Poll<io::Result<()>>
    where
        R: AsRawFd + AsFd,
        W: AsRawFd + AsFd,
    {
        loop {
            self.stage = match &mut self.stage {
                Stage::Done => return Poll::Ready(Ok(())),
                Stage::Reading if left == 0 => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Stage::Reading => match ready!(self.poll_load(cx, from))? {
                    Some(load) => {
                        self.is_bulk |= load.bytes() == SCRATCH_BYTES;
                        left = left.saturating_sub(load.bytes());
                        Stage::Writing(load)
                    }
                    None => {
                        end_writing(to)?;
                        Stage::Done
                    }
                },
                Stage::Writing(load) => {
                    self.written += ready!(load.poll_write(cx, to, self.signal))? as u64;
                    if load.bytes() > 0 {
                        continue;
                    }
                    Stage::Reading
                }
            }
        }
    }

    /// What there is to read; `None` at the end.
    fn poll_load<R: AsRawFd + AsFd>(
        &mut self,
        cx: &mut Context<'_>,
        from: &AsyncFd<R>,
    ) -> Poll<io::Result<Option<Load>>> {
        let mut load = None;
        let read = if self.is_bulk {
            // 0 of 0 is not short, which no pipe is.
            from.poll_read_with(cx, 0, |from| {
                load = Load::piped(from)?;
                Ok(0)
            })
        } else {
            let wanted = if self.short_is_all { SCRATCH_BYTES } else { 0 };
            from.poll_read_with(cx, wanted, |from| {
                load = Load::buffered(from)?;
                Ok(load.as_ref().map_or(0, Load::bytes))
            })
        };
        self.is_bulk &= read.is_ready();
        read.map_ok(|_| load)
    }
}

impl Load {
    fn piped(from: &impl AsFd) -> io::Result<Option<Self>> {
        let mut lease = match Lease::take() {
            Err(error) if sys::is_exhausted(&error) => return Self::buffered(from),
            lease => lease.map_err(|cause| error::at("make a pipe", cause))?,
        };
        lease.held = match sys::splice(from, lease.writes(), LARGE_PIPE_BYTES) {
            // The kernel moves no byte that is behind an urgent one of TCP's, until that was read over; and nothing would tell of it again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Self::buffered(from),
            held => held?,
        };
        Ok((lease.held > 0).then_some(Self::Pipe(lease)))
    }

    fn buffered(from: &impl AsFd) -> io::Result<Option<Self>> {
        let mut scratch = Scratch::take();
        let read = scratch.fill(from)?;
        Ok((read > 0).then_some(Self::Buffer(scratch)))
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Pipe(lease) => lease.held,
            Self::Buffer(scratch) => scratch.unwritten().len(),
        }
    }

    /// Writes what fits.
    fn poll_write<W: AsRawFd + AsFd>(
        &mut self,
        cx: &mut Context<'_>,
        to: &AsyncFd<W>,
        signal: PipeSignal,
    ) -> Poll<io::Result<usize>> {
        let written = ready!(to.poll_write_with(cx, 0, |to| match self {
            Self::Pipe(lease) => signal.without(|| sys::splice(lease.reads(), to, lease.held)),
            Self::Buffer(scratch) => sys::send(to, scratch.unwritten()),
        }))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        match self {
            Self::Pipe(lease) => lease.held -= written,
            Self::Buffer(scratch) => scratch.consume(written),
        }
        Poll::Ready(Ok(written))
    }
}

/// Passes the end on. After a reset there is nothing to end.
fn end_writing<W: AsRawFd + AsFd>(to: &AsyncFd<W>) -> io::Result<()> {
    match SockRef::from(to.get_ref()).shutdown(Shutdown::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::run;
    use crate::{TcpListener, TcpStream, UnixStream};
    use futures_lite::future::or;
    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    use std::io::Write;
    use std::net;

    #[test]
    fn what_comes_behind_descriptors_is_copied() {
        run(async {
            let (mut client, mut a) = UnixStream::pair().unwrap();
            let (mut b, mut server) = UnixStream::pair().unwrap();
            let copying = async {
                copy_bidirectional(&mut a, &mut b).await.unwrap();
            };
            let talking = async {
                let mut word = [0; 6];
                client.write_all(b"begin!").await.unwrap();
                server.read_exact(&mut word).await.unwrap();
                // A read ends where descriptors were sent along.
                let fd = client.try_send_with_fds(b"one", &[server.as_fd()]);
                assert_eq!(fd.unwrap(), 3);
                assert_eq!(client.try_write(b"two").unwrap(), 3);
                // Would wait for ever for what is there already.
                server.read_exact(&mut word).await.unwrap();
                assert_eq!(&word, b"onetwo");
            };
            or(talking, copying).await;
        });
    }

    #[test]
    fn what_comes_behind_urgent_bytes_is_copied() {
        const BULK: usize = 2 * SCRATCH_BYTES;
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let mut client = net::TcpStream::connect(addr).unwrap();
            let (mut a, _) = listener.accept().await.unwrap();
            let mut b = TcpStream::connect(addr).await.unwrap();
            let (mut server, _) = listener.accept().await.unwrap();
            assert!(a.try_read(&mut [0]).is_err());
            client.write_all(&[7; BULK]).unwrap();
            SockRef::from(&client).send_out_of_band(b"!").unwrap();
            client.write_all(b"behind").unwrap();
            a.readable().await.unwrap();
            let copying = async {
                copy_bidirectional(&mut a, &mut b).await.unwrap();
            };
            let listening = async {
                let mut got = vec![0; BULK + 6];
                // Would wait for ever for what is there already.
                server.read_exact(&mut got).await.unwrap();
                assert!(got.ends_with(b"\x07behind"));
            };
            or(listening, copying).await;
        });
    }

    #[test]
    fn neither_direction_keeps_the_other_from_its_turn() {
        run(async {
            let (client, a) = UnixStream::pair().unwrap();
            let (b, server) = UnixStream::pair().unwrap();
            assert_eq!(
                client.try_write(&[7; 2 * SCRATCH_BYTES]).unwrap(),
                2 * SCRATCH_BYTES
            );
            assert_eq!(server.try_write(b"x").unwrap(), 1);
            let mut ways = Ways::between::<UnixStream, UnixStream>(PipeSignal::ask());
            let one_turn = poll_fn(|cx| {
                let _pending = ways.poll(cx, a.async_fd(), b.async_fd(), SCRATCH_BYTES);
                Poll::Ready(())
            });
            one_turn.await;
            assert_eq!(ways.there.written, SCRATCH_BYTES as u64);
            assert_eq!(ways.back.written, 1);
        });
    }

    /// Both directions are charged to one budget, of 128 operations in each poll of a task: one that used it up in each of them left nothing to the other.
    #[test]
    fn many_small_pieces_in_one_direction_do_not_keep_the_other_from_its_turn() {
        const PIECES: usize = 140;
        let rt = filch::Runtime::builder().worker_threads(1).build().unwrap();
        let both = rt.spawn(async {
            let (client, a) = UnixStream::pair().unwrap();
            let (b, server) = UnixStream::pair().unwrap();
            for _ in 0..PIECES {
                // A read ends where descriptors were sent along.
                let sent = client.try_send_with_fds(b"x", &[server.as_fd()]);
                assert_eq!(sent.unwrap(), 1);
            }
            assert_eq!(server.try_write(b"x").unwrap(), 1);
            let mut ways = Ways::between::<UnixStream, UnixStream>(PipeSignal::ask());
            for _ in 0..2 {
                // With a budget of its own.
                filch::yield_now().await;
                let one_turn = poll_fn(|cx| {
                    let _pending = ways.poll(cx, a.async_fd(), b.async_fd(), SCRATCH_BYTES);
                    Poll::Ready(())
                });
                one_turn.await;
            }
            assert!(ways.there.written < PIECES as u64, "the budget was used up");
            assert_eq!(ways.back.written, 1);
        });
        rt.block_on(both).unwrap();
    }
}
