//! What does a network do to a program?
//!
//! It delays, tears and breaks. [`pair`] makes two connected streams that do so, as [`Faults`] say, with numbers drawn from the seed of the
//! [simulation](crate::runtime::Builder::simulated) they are made in: the same seed gives the same network. In an ordinary runtime they work too, with other numbers each time and delays in
//! real time.
//!
//! # The model
//!
//! One direction is a queue of *segments*. A write is one segment (a piece of it, if it is torn) that arrives after a delay of its own, but not before those that were sent earlier, as in TCP. A
//! read takes from segments that have arrived. The end of a stream travels like a segment. A reset is seen at once by both ends, whatever was under way is lost.
//!
//! Rejected: a wrapper around any stream that sleeps before each read or write. It delays the program's calls instead of what is under way, so that ten writes in a row take ten delays.

use crate::runtime::context;
use crate::sys::rng::XorShift;
use crate::sys::sync::{Arc, Mutex};
use crate::time::{Instant, Sleep, sleep_until};
use crate::util::budget;
use crate::util::wait_reason::{self, WaitReason};
use futures_io::{AsyncRead, AsyncWrite};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// How many bytes may be under way in one direction, unless chosen: the usual size of a socket's buffer on a fresh connection. A writer waits beyond that.
const CAPACITY_DEFAULT: usize = 64 * 1024;

/// What a network does to a connection; nothing, to begin with.
///
/// # Examples
///
/// ```
/// use filch::io::sim::Faults;
/// use filch::time::Duration;
///
/// let faults = Faults::new()
///     .delay(Duration::from_millis(1)..=Duration::from_millis(80))
///     .tear(true)
///     .reset(0.001);
/// # let _ = faults;
/// ```
#[derive(Debug, Clone)]
#[must_use = "faults do nothing until streams are made with them"]
pub struct Faults {
    delay: RangeInclusive<Duration>,
    tears: bool,
    reset: f64,
    capacity: usize,
}

impl Faults {
    /// None: what is written arrives at once, in one piece.
    pub fn new() -> Self {
        Self {
            delay: Duration::ZERO..=Duration::ZERO,
            tears: false,
            reset: 0.0,
            capacity: CAPACITY_DEFAULT,
        }
    }

    /// Each write takes a time from this range to arrive. Order is kept: who is overtaken in time arrives together with who came before.
    ///
    /// # Panics
    ///
    /// If the range is empty.
    pub fn delay(mut self, delay: RangeInclusive<Duration>) -> Self {
        assert!(
            !delay.is_empty(),
            "the range of delays is empty; give the shorter one first"
        );
        self.delay = delay;
        self
    }

    /// Whether reads and writes do only a part of what they could, of random length but at least one byte.
    pub fn tear(mut self, tears: bool) -> Self {
        self.tears = tears;
        self
    }

    /// The probability, from 0 to 1, that a read or a write finds the connection reset. From then on both ends give errors of kind `ConnectionReset`.
    ///
    /// # Panics
    ///
    /// If it is no number from 0 to 1.
    pub fn reset(mut self, probability: f64) -> Self {
        assert!(
            (0.0..=1.0).contains(&probability),
            "a probability is a number from 0 to 1"
        );
        self.reset = probability;
        self
    }

    /// How many bytes may be written and not yet read in each direction; 64 KiB if left out.
    ///
    /// # Panics
    ///
    /// If it is 0: nothing could ever be written.
    pub fn capacity(mut self, bytes: usize) -> Self {
        assert!(
            bytes > 0,
            "the capacity of a connection is 0; give it room for at least one byte"
        );
        self.capacity = bytes;
        self
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes two streams of bytes that are connected to each other over a network with these faults.
///
/// # Examples
///
/// A program that must not depend on how bytes are cut, run over a hundred different networks:
///
/// ```
/// use filch::io::sim::{Faults, pair};
/// use filch::time::Duration;
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
///
/// filch::runtime::simulate(0..100, || async {
///     let faults = Faults::new().tear(true).delay(Duration::ZERO..=Duration::from_secs(2));
///     let (mut ours, mut theirs) = pair(faults);
///     let sent = filch::spawn(async move { ours.write_all(b"one after the other").await });
///     let mut got = String::new();
///     theirs.read_to_string(&mut got).await.unwrap();
///     assert_eq!(got, "one after the other");
///     sent.await.unwrap().unwrap();
/// });
/// ```
#[must_use]
pub fn pair(faults: Faults) -> (SimStream, SimStream) {
    let random = XorShift::new(context::seed());
    let connection = Arc::new(Mutex::new(Connection {
        faults,
        random,
        is_reset: false,
        ways: [Way::default(), Way::default()],
    }));
    let stream = |end| SimStream {
        connection: connection.clone(),
        end,
        arrival: None,
    };
    (stream(0), stream(1))
}

/// One end of a [`pair`], a stream of bytes like a socket.
///
/// A read that returns 0 bytes says that the other end was closed or dropped. A write whose bytes nobody will read is an error of kind `BrokenPipe`.
///
/// # Panics
///
/// A read that has to wait for what is under way panics outside of a runtime.
///
/// # Cancel safety
///
/// Reads and writes happen within one poll or not at all: a future of `read` or `write` that is dropped has neither taken nor written anything. Those that do several
/// (`read_exact`, `write_all`) may have done some of them.
pub struct SimStream {
    connection: Arc<Mutex<Connection>>,
    /// 0 or 1: it writes to the way of this number, and reads from the other.
    end: usize,
    /// Until when the next segment is under way.
    arrival: Option<Pin<Box<Sleep>>>,
}

struct Connection {
    faults: Faults,
    random: XorShift,
    is_reset: bool,
    ways: [Way; 2],
}

/// One direction.
#[derive(Default)]
struct Way {
    segments: VecDeque<Segment>,
    /// Bytes of all segments.
    under_way: usize,
    /// When the last segment arrives, and nothing earlier.
    last_arrives: Option<Instant>,
    /// The writer has closed.
    has_ended: bool,
    /// Nobody reads any more.
    is_abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What arrives together; without bytes, the end of the stream.
struct Segment {
    arrives: Instant,
    bytes: VecDeque<u8>,
}

/// What a reader finds.
enum Found {
    Bytes(usize),
    /// Something that arrives then.
    Later(Instant),
    Nothing,
}

impl Connection {
    /// A number of bytes, of `n` that could be had.
    fn torn(&self, n: usize) -> usize {
        if !self.faults.tears || n < 2 {
            return n;
        }
        1 + self.random.below(u32::try_from(n).unwrap_or(u32::MAX)) as usize
    }

    fn draw_delay(&self) -> Duration {
        let (least, most) = (*self.faults.delay.start(), *self.faults.delay.end());
        let part = f64::from(self.random.next_u32()) / f64::from(u32::MAX);
        let drawn = Duration::try_from_secs_f64((most - least).as_secs_f64() * part);
        least + drawn.map_or(most - least, |drawn| drawn.min(most - least))
    }

    /// Whether the connection is reset, now or before.
    fn draw_reset(&mut self) -> bool {
        let part = f64::from(self.random.next_u32()) / f64::from(u32::MAX);
        if self.faults.reset > 0.0 && part <= self.faults.reset {
            self.is_reset = true;
        }
        self.is_reset
    }

    /// Everybody that waits.
    fn waiters(&mut self) -> [Option<Waker>; 4] {
        let [one, other] = &mut self.ways;
        [
            &mut one.reader,
            &mut one.writer,
            &mut other.reader,
            &mut other.writer,
        ]
        .map(Option::take)
    }

    /// `has_waited` for the first segment, whatever the clock says.
    fn read(&mut self, way: usize, into: &mut [u8], has_waited: bool) -> Found {
        let Some(first) = self.ways[way].segments.front() else {
            return Found::Nothing;
        };
        if !has_waited && first.arrives > Instant::now() {
            return Found::Later(first.arrives);
        }
        let is_end = first.bytes.is_empty();
        let most = self.torn(first.bytes.len().min(into.len()));
        let way = &mut self.ways[way];
        if is_end {
            // It stays, for further reads.
            return Found::Bytes(0);
        }
        let segment = &mut way.segments[0];
        into.iter_mut()
            .zip(segment.bytes.drain(..most))
            .for_each(|(place, byte)| *place = byte);
        if segment.bytes.is_empty() {
            way.segments.pop_front();
        }
        way.under_way -= most;
        Found::Bytes(most)
    }

    /// How many bytes were taken; none if there is no room.
    fn write(&mut self, way: usize, from: &[u8]) -> Option<usize> {
        let room = self.faults.capacity - self.ways[way].under_way;
        if room == 0 {
            return None;
        }
        let taken = self.torn(room.min(from.len()));
        self.send(way, from[..taken].iter().copied().collect());
        Some(taken)
    }

    fn send(&mut self, way: usize, bytes: VecDeque<u8>) {
        let arrives = Instant::now() + self.draw_delay();
        let way = &mut self.ways[way];
        let arrives = way.last_arrives.map_or(arrives, |last| last.max(arrives));
        way.last_arrives = Some(arrives);
        way.under_way += bytes.len();
        way.segments.push_back(Segment { arrives, bytes });
    }

    /// The writer's end. Whom to wake.
    fn end(&mut self, way: usize) -> Option<Waker> {
        if !self.ways[way].has_ended {
            self.ways[way].has_ended = true;
            self.send(way, VecDeque::new());
        }
        self.ways[way].reader.take()
    }
}

/// Leaves a waker where it will be looked for. Returns the old one, which is not to be dropped under the lock.
fn leave(place: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    place.replace(cx.waker().clone())
}

fn wake(wakers: impl IntoIterator<Item = Option<Waker>>) {
    wakers.into_iter().flatten().for_each(Waker::wake);
}

fn reset_error() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionReset,
        "the simulated network has reset the connection",
    )
}

impl SimStream {
    /// Breaks the connection: both ends give errors of kind `ConnectionReset` from now on.
    pub fn reset(&self) {
        let mut connection = self.connection.lock();
        connection.is_reset = true;
        let waiters = connection.waiters();
        drop(connection);
        wake(waiters);
    }

    /// Asks whether the connection goes on, whenever somebody reads or writes.
    fn check(&self) -> io::Result<()> {
        let mut connection = self.connection.lock();
        if !connection.draw_reset() {
            return Ok(());
        }
        let waiters = connection.waiters();
        drop(connection);
        wake(waiters);
        Err(reset_error())
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if into.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(budget::poll_proceed(cx));
        self.check()?;
        let way = 1 - self.end;
        // Said by the timer, not by the clock: when a runtime ends, every timer fires.
        let mut has_waited = false;
        loop {
            let mut connection = self.connection.lock();
            let found = connection.read(way, into, has_waited);
            let (mine, theirs) = match &found {
                Found::Bytes(_) => (None, connection.ways[way].writer.take()),
                // A reset has to be heard also while something is under way.
                Found::Later(_) | Found::Nothing => {
                    (leave(&mut connection.ways[way].reader, cx), None)
                }
            };
            drop(connection);
            drop(mine);
            wake([theirs]);
            match found {
                Found::Bytes(n) => {
                    budget::charge();
                    return Poll::Ready(Ok(n));
                }
                Found::Nothing => {
                    wait_reason::note(WaitReason::Read);
                    return Poll::Pending;
                }
                Found::Later(at) => {
                    let arrival = match &mut self.arrival {
                        Some(arrival) if arrival.deadline() == at => arrival,
                        arrival => arrival.insert(Box::pin(sleep_until(at))),
                    };
                    if arrival.as_mut().poll(cx).is_pending() {
                        wait_reason::note(WaitReason::Read);
                        return Poll::Pending;
                    }
                    self.arrival = None;
                    has_waited = true;
                }
            }
        }
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(budget::poll_proceed(cx));
        self.check()?;
        let end = self.end;
        let mut connection = self.connection.lock();
        let way = &connection.ways[end];
        if way.is_abandoned || way.has_ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if from.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let Some(taken) = connection.write(end, from) else {
            let old = leave(&mut connection.ways[end].writer, cx);
            drop(connection);
            drop(old);
            wait_reason::note(WaitReason::Write);
            return Poll::Pending;
        };
        let reader = connection.ways[end].reader.take();
        drop(connection);
        wake([reader]);
        budget::charge();
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let reader = self.connection.lock().end(self.end);
        wake([reader]);
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let mut connection = self.connection.lock();
        let reader = connection.end(self.end);
        let way = &mut connection.ways[1 - self.end];
        way.is_abandoned = true;
        let (writer, unread) = (way.writer.take(), std::mem::take(&mut way.segments));
        drop(connection);
        drop(unread);
        wake([reader, writer]);
    }
}

impl fmt::Debug for SimStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connection = self.connection.lock();
        f.debug_struct("SimStream")
            .field("faults", &connection.faults)
            .field("is_reset", &connection.is_reset)
            .finish_non_exhaustive()
    }
}
