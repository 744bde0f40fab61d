//! How are many sent or received by one system call?
//!
//! By a batch that the caller has, and uses again and again: when it has grown to what it is used for, it asks for no more memory. A batch has its datagrams' bytes in one piece of memory, one
//! after the other (to be sent) or at equal distances (to be received).
//!
//! A call sends or receives what it can at this moment, and says how many that was. It waits only while that is none.
//!
//! Rejected: batches that borrow their datagrams' bytes. They could not be kept from one call to the next, so each call would ask for memory; the copy is what is cheap about a datagram.
//! A call that waits until the batch is full: who is last would wait for nobody.

use crate::sys::{self, Arrived};
use crate::udp::datagram::Datagram;
use crate::udp::socket::UdpSocket;
use socket2::SockAddr;
use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::task::{Context, Poll};

/// How many datagrams one call sends or receives at most: 64.
///
/// The kernel would take 1024 (`UIO_MAXIOV`). A guess: what a call costs by itself is spread over 64 datagrams well enough, and with more the worker's other tasks would wait too long.
pub const BATCH_MAX: usize = 64;

/// Room for datagrams that are received by one call, [`UdpSocket::recv_many`].
///
/// # Examples
///
/// ```
/// use filch_net::UdpSocket;
/// use filch_net::udp::RecvBatch;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let socket = UdpSocket::bind("127.0.0.1:0").await?;
/// # let client = UdpSocket::bind("127.0.0.1:0").await?;
/// # client.send_to(b"hello", socket.local_addr()?).await?;
/// let mut batch = RecvBatch::new(32, 1500);
/// loop {
///     socket.recv_many(&mut batch).await?;
///     for datagram in batch.iter() {
///         println!("{} bytes from {}", datagram.bytes().len(), datagram.peer());
///     }
///     # break;
/// }
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct RecvBatch {
    room: Box<[u8]>,
    datagram_max_bytes: usize,
    arrived: Vec<Arrived>,
}

impl RecvBatch {
    /// Room for so many datagrams of so many bytes each. Of a longer one, the rest is cut off, which [`Datagram::is_truncated`] tells. With [`UdpSocket::set_gro`] they
    /// come put together, up to 65 535 bytes.
    ///
    /// # Units and limits
    ///
    /// Up to [`BATCH_MAX`] datagrams. It is as large as all of them together, at once.
    ///
    /// # Panics
    ///
    /// If there are none or too many, or if they have no bytes.
    #[must_use]
    pub fn new(datagrams: usize, datagram_max_bytes: usize) -> Self {
        assert!(
            (1..=BATCH_MAX).contains(&datagrams),
            "a batch of {datagrams} datagrams; one call receives from 1 to {BATCH_MAX}"
        );
        assert!(
            datagram_max_bytes > 0,
            "a batch without room for bytes; give each datagram some"
        );
        let bytes = datagrams.checked_mul(datagram_max_bytes);
        Self {
            room: vec![0; bytes.expect("more bytes than there are addresses")].into(),
            datagram_max_bytes,
            arrived: Vec::with_capacity(datagrams),
        }
    }

    /// How many datagrams the last call has received.
    #[must_use]
    pub fn len(&self) -> usize {
        self.arrived.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.arrived.is_empty()
    }

    /// How many datagrams there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.room.len() / self.datagram_max_bytes
    }

    /// The datagrams that the last call has received, in the order in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Datagram<'_>> {
        let rooms = self.room.chunks_exact(self.datagram_max_bytes);
        let slots = rooms.zip(&self.arrived);
        slots.map(|(room, &arrived)| Datagram::new(room, arrived))
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<Datagram<'_>> {
        let &arrived = self.arrived.get(at)?;
        let start = at * self.datagram_max_bytes;
        Some(Datagram::new(&self.room[start..], arrived))
    }

    fn fill(&mut self, socket: &net::UdpSocket) -> io::Result<usize> {
        self.arrived.clear();
        let rooms = self.room.chunks_exact_mut(self.datagram_max_bytes);
        sys::recv_datagrams::<BATCH_MAX>(socket, rooms, |arrived| self.arrived.push(arrived))?;
        Ok(self.arrived.len())
    }
}

/// Datagrams that wait to be sent by few calls, [`UdpSocket::send_many`].
///
/// # Units and limits
///
/// Any number; one call sends up to [`BATCH_MAX`].
///
/// # Examples
///
/// ```
/// use filch_net::UdpSocket;
/// use filch_net::udp::SendBatch;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// # let peer = UdpSocket::bind("127.0.0.1:0").await?;
/// # let peer = peer.local_addr()?;
/// let socket = UdpSocket::bind("127.0.0.1:0").await?;
/// let mut batch = SendBatch::new();
/// for number in 0..100_u32 {
///     batch.push_to(&number.to_be_bytes(), peer);
/// }
/// while !batch.is_empty() {
///     if let Err(error) = socket.send_many(&mut batch).await {
///         eprintln!("one less: {error}");
///         batch.skip();
///     }
/// }
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Default)]
pub struct SendBatch {
    bytes: Vec<u8>,
    datagrams: Vec<Waiting>,
    /// How many were sent or skipped.
    gone: usize,
}

/// A datagram that waits to be sent.
struct Waiting {
    start: usize,
    end: usize,
    to: Option<SockAddr>,
}

impl SendBatch {
    /// Without memory of its own as yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With memory for so many datagrams, of so many bytes together.
    #[must_use]
    pub fn with_capacity(datagrams: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            datagrams: Vec::with_capacity(datagrams),
            gone: 0,
        }
    }

    /// Adds a copy of these bytes, a datagram to the peer that the socket is connected to.
    pub fn push(&mut self, bytes: &[u8]) {
        self.add(bytes, None);
    }

    /// Adds a copy of these bytes, a datagram to this address.
    pub fn push_to(&mut self, bytes: &[u8], addr: SocketAddr) {
        self.add(bytes, Some(addr.into()));
    }

    fn add(&mut self, bytes: &[u8], to: Option<SockAddr>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let end = self.bytes.len();
        self.datagrams.push(Waiting { start, end, to });
    }

    /// How many datagrams wait to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.datagrams.len() - self.gone
    }

    /// Whether all were sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Throws the next datagram away, after an error that is about it; false if there is none.
    pub fn skip(&mut self) -> bool {
        let has_one = !self.is_empty();
        self.remove(usize::from(has_one));
        has_one
    }

    /// Throws all of them away. The memory is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.datagrams.clear();
        self.gone = 0;
    }

    fn remove(&mut self, count: usize) {
        self.gone += count;
        if self.is_empty() {
            self.clear();
        } else if self.gone > self.len() {
            self.close_up();
        }
    }

    /// Gives up the memory of what is gone, for who adds and sends without ever being done. Less is moved than has gone since the last time.
    #[cold]
    fn close_up(&mut self) {
        let start = self.datagrams[self.gone].start;
        self.bytes.drain(..start);
        self.datagrams.drain(..self.gone);
        for datagram in &mut self.datagrams {
            datagram.start -= start;
            datagram.end -= start;
        }
        self.gone = 0;
    }

    fn flush(&mut self, socket: &net::UdpSocket) -> io::Result<usize> {
        if self.is_empty() {
            return Ok(0);
        }
        let datagrams = self.datagrams[self.gone..].iter();
        let datagrams = datagrams.map(|one| (&self.bytes[one.start..one.end], one.to.as_ref()));
        let sent = sys::send_datagrams::<BATCH_MAX>(socket, datagrams)?;
        self.remove(sent);
        Ok(sent)
    }
}

/// Many datagrams by one call.
impl UdpSocket {
    /// Receives the datagrams that are there, as many as there is room for in the batch, in place of what it had; waits while there is none. How many: at least one.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), if nothing was received; else the error comes with the next call. The batch is empty then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no datagram was taken; the batch may be empty.
    ///
    /// # Source
    ///
    /// `recvmmsg(2)`.
    pub async fn recv_many(&self, batch: &mut RecvBatch) -> io::Result<usize> {
        self.fd.async_read(|socket| batch.fill(socket)).await
    }

    /// Receives the datagrams that are there, or waits for one: only the last task to call this, or another `poll_recv_*` or `poll_peek_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`recv_many`](Self::recv_many).
    pub fn poll_recv_many(
        &self,
        cx: &mut Context<'_>,
        batch: &mut RecvBatch,
    ) -> Poll<io::Result<usize>> {
        self.poll_read_as(cx, |socket| batch.fill(socket))
    }

    /// Receives the datagrams that are there, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; else as for [`recv_many`](Self::recv_many).
    pub fn try_recv_many(&self, batch: &mut RecvBatch) -> io::Result<usize> {
        self.fd.try_read(|socket| batch.fill(socket))
    }

    /// Sends the first datagrams of the batch, as many as there is room for, and takes them out of it; waits while there is none. How many: at least one, unless the batch is empty.
    ///
    /// Those that are left stay in their order. Call it again until the batch is empty.
    ///
    /// # Errors
    ///
    /// As for [`send_to`](Self::send_to), of the first datagram in the batch, which stays there: try again, or [`skip`](SendBatch::skip) it. When some were sent before one
    /// failed, this call has succeeded, and the next one tries that again.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was sent, and the batch is as it was.
    ///
    /// # Source
    ///
    /// `sendmmsg(2)`.
    pub async fn send_many(&self, batch: &mut SendBatch) -> io::Result<usize> {
        self.fd.async_write(|socket| batch.flush(socket)).await
    }

    /// Sends the first datagrams of the batch, or waits for room: only the last task to call this, or another `poll_send_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`send_many`](Self::send_many).
    pub fn poll_send_many(
        &self,
        cx: &mut Context<'_>,
        batch: &mut SendBatch,
    ) -> Poll<io::Result<usize>> {
        self.poll_write_as(cx, |socket| batch.flush(socket))
    }

    /// Sends the first datagrams of the batch, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else as for [`send_many`](Self::send_many).
    pub fn try_send_many(&self, batch: &mut SendBatch) -> io::Result<usize> {
        self.fd.try_write(|socket| batch.flush(socket))
    }
}

impl fmt::Debug for RecvBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvBatch")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("datagram_max_bytes", &self.datagram_max_bytes)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SendBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendBatch")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn a_batch_has_room_for_1_to_64_datagrams() {
        for (datagrams, is_right) in [(0, false), (1, true), (63, true), (64, true), (65, false)] {
            let made = catch_unwind(|| RecvBatch::new(datagrams, 1).capacity());
            assert_eq!(made.ok(), is_right.then_some(datagrams), "{datagrams}");
        }
        assert!(catch_unwind(|| RecvBatch::new(1, 0)).is_err());
        assert!(catch_unwind(|| RecvBatch::new(2, usize::MAX / 2 + 1)).is_err());
    }

    #[test]
    fn what_is_skipped_is_gone_and_the_memory_is_kept() {
        let mut batch = SendBatch::with_capacity(2, 8);
        assert!(!batch.skip());
        batch.push(b"one");
        batch.push(b"two");
        assert_eq!(batch.len(), 2);
        assert!(batch.skip());
        assert_eq!(batch.len(), 1);
        assert!(batch.skip());
        assert!(batch.is_empty() && !batch.skip());
        assert_eq!((batch.bytes.len(), batch.datagrams.len()), (0, 0));
        assert!(batch.bytes.capacity() >= 8 && batch.datagrams.capacity() >= 2);
    }

    #[test]
    fn a_batch_that_is_never_empty_does_not_grow() {
        let mut batch = SendBatch::new();
        let mut next = 0_u32;
        for number in 0..10_000_u32 {
            while batch.len() < 7 {
                batch.push(&next.to_be_bytes());
                next += 1;
            }
            let first = &batch.datagrams[batch.gone];
            assert_eq!(batch.bytes[first.start..first.end], number.to_be_bytes());
            assert!(batch.skip());
        }
        assert!(batch.bytes.len() <= 4 * 16 && batch.datagrams.len() <= 16);
    }
}
