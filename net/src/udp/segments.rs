//! How does the kernel cut a buffer into datagrams, or put them together?
//!
//! Cutting (GSO, Linux 4.18): a control message with the size goes with the buffer, which travels through the kernel as one. Where that cannot be, the same datagrams are sent by
//! `sendmmsg(2)`: the kernel does not know of it, the device computes no checksums, or segments are larger than what the route takes. Whoever calls sees no difference but in time.
//!
//! Putting together (GRO, Linux 5.0): a switch of the socket; what was received then says how long its segments are.
//!
//! Whether the kernel can cut is asked once for each socket: one that knows nothing of it would take the control message for somebody else's, and send all as one datagram.

use crate::sys;
use crate::udp::socket::UdpSocket;
use socket2::{SockAddr, SockRef};
use std::io;
use std::net::{self, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

/// How many datagrams one call of [`UdpSocket::send_segments`] sends at most: 64, what every kernel that has `UDP_SEGMENT` takes (`UDP_MAX_SEGMENTS`).
pub const SEGMENTS_MAX: usize = 64;

/// How many bytes one call sends at most: what a datagram of IPv4 has room for, 65 535 less the heads of IP and UDP. The kernel has the same limit for all segments together.
const CALL_MAX_BYTES: usize = 65_507;

/// Segments.
impl UdpSocket {
    /// Sends the first datagrams of a buffer that has several, each of `segment_size` bytes, the last of what is left, to the peer that the socket is connected to. How many bytes were
    /// sent: whole datagrams. Call it again with the rest.
    ///
    /// One system call, and where the kernel can it treats them as one ([`supports_gso`](Self::supports_gso)); where not, they are sent one after the other, with the same result. An empty
    /// buffer is one empty datagram.
    ///
    /// # Units and limits
    ///
    /// Up to [`SEGMENTS_MAX`] datagrams and 65 507 bytes with each call.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), if nothing was sent. `InvalidInput` if the segments are to have no bytes.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::UdpSocket;
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// # let peer = UdpSocket::bind("127.0.0.1:0").await?;
    /// let socket = UdpSocket::bind("127.0.0.1:0").await?;
    /// socket.connect(peer.local_addr()?).await?;
    /// let mut rest = &[7; 100_000][..];
    /// while !rest.is_empty() {
    ///     let sent = socket.send_segments(rest, 1200).await?;
    ///     rest = &rest[sent..];
    /// }
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `udp(7)`: `UDP_SEGMENT`.
    pub async fn send_segments(&self, bytes: &[u8], segment_size: usize) -> io::Result<usize> {
        let send = |socket: &_| self.offload.send(socket, bytes, segment_size, None);
        self.fd.async_write(send).await
    }

    /// Sends the first datagrams of a buffer, or waits for room: only the last task to call this, or another `poll_send_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`send_segments`](Self::send_segments).
    pub fn poll_send_segments(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        segment_size: usize,
    ) -> Poll<io::Result<usize>> {
        let send = |socket: &_| self.offload.send(socket, bytes, segment_size, None);
        self.poll_write_as(cx, send)
    }

    /// Sends the first datagrams of a buffer, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else as for [`send_segments`](Self::send_segments).
    pub fn try_send_segments(&self, bytes: &[u8], segment_size: usize) -> io::Result<usize> {
        let send = |socket: &_| self.offload.send(socket, bytes, segment_size, None);
        self.fd.try_write(send)
    }

    /// Sends the first datagrams of a buffer to this address; else as [`send_segments`](Self::send_segments).
    ///
    /// # Errors
    ///
    /// As for [`send_segments`](Self::send_segments).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing was sent.
    pub async fn send_segments_to(
        &self,
        bytes: &[u8],
        segment_size: usize,
        addr: SocketAddr,
    ) -> io::Result<usize> {
        let to = SockAddr::from(addr);
        let send = |socket: &_| self.offload.send(socket, bytes, segment_size, Some(&to));
        self.fd.async_write(send).await
    }

    /// Sends the first datagrams of a buffer to this address, or waits for room: only the last task to call this, or another `poll_send_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`send_segments`](Self::send_segments).
    pub fn poll_send_segments_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        segment_size: usize,
        addr: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        let to = SockAddr::from(addr);
        let send = |socket: &_| self.offload.send(socket, bytes, segment_size, Some(&to));
        self.poll_write_as(cx, send)
    }

    /// Sends the first datagrams of a buffer to this address, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else as for [`send_segments`](Self::send_segments).
    pub fn try_send_segments_to(
        &self,
        bytes: &[u8],
        segment_size: usize,
        addr: SocketAddr,
    ) -> io::Result<usize> {
        let to = SockAddr::from(addr);
        let send = |socket: &_| self.offload.send(socket, bytes, segment_size, Some(&to));
        self.fd.try_write(send)
    }

    /// Whether the kernel cuts buffers into datagrams for this socket (GSO, Linux 4.18). If not, [`send_segments`](Self::send_segments) works all the same.
    ///
    /// It asks the kernel the first time. It becomes false when a send shows that the device cannot do it.
    #[must_use]
    pub fn supports_gso(&self) -> bool {
        self.offload.is_there(self.fd.get_ref())
    }

    /// Whether the kernel can put datagrams together for this socket, and can be asked (GRO, Linux 5.12).
    #[must_use]
    pub fn supports_gro(&self) -> bool {
        self.gro().is_ok()
    }

    /// Lets the kernel put datagrams together that come one after the other from one sender, with the same size. They are then to be received by [`recv_datagram`](Self::recv_datagram)
    /// or [`recv_many`](Self::recv_many), which tell the size; with room for 65 535 bytes, or the rest is lost. The other methods do not tell datagrams apart that were put together.
    ///
    /// # Errors
    ///
    /// What `setsockopt(2)` says: `ENOPROTOOPT` before Linux 5.0. Datagrams come one by one then, and everything else works the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::UdpSocket;
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0").await?;
    /// if socket.supports_gro() {
    ///     socket.set_gro(true)?;
    /// }
    /// # socket.send_to(b"hello", socket.local_addr()?).await?;
    /// let mut room = vec![0; 65_535];
    /// let datagram = socket.recv_datagram(&mut room).await?;
    /// for segment in datagram.segments() {
    ///     println!("{} bytes from {}", segment.len(), datagram.peer());
    /// }
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Source
    ///
    /// `udp(7)`: `UDP_GRO`.
    pub fn set_gro(&self, is_on: bool) -> io::Result<()> {
        sys::set_gro(self, is_on)
    }

    /// Whether the kernel puts datagrams together.
    ///
    /// # Errors
    ///
    /// What `getsockopt(2)` says: `ENOPROTOOPT` before Linux 5.12.
    pub fn gro(&self) -> io::Result<bool> {
        sys::gro(self)
    }
}

/// Whether the kernel cuts buffers for a socket.
#[derive(Debug, Default)]
pub(super) struct Offload(AtomicU8);

/// Nobody has asked yet.
const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

impl Offload {
    fn is_there(&self, socket: &net::UdpSocket) -> bool {
        // ORDERING: Relaxed here and below: it is remembered for its own sake, nothing else goes with it.
        match self.0.load(Ordering::Relaxed) {
            UNKNOWN => self.ask(socket),
            known => known == YES,
        }
    }

    #[cold]
    fn ask(&self, socket: &net::UdpSocket) -> bool {
        let is_there = sys::supports_segments(socket);
        self.0
            .store(if is_there { YES } else { NO }, Ordering::Relaxed);
        is_there
    }

    fn send(
        &self,
        socket: &net::UdpSocket,
        bytes: &[u8],
        segment_size: usize,
        to: Option<&SockAddr>,
    ) -> io::Result<usize> {
        let bytes = in_one_call(bytes, segment_size)?;
        if bytes.len() <= segment_size {
            return send_one(socket, bytes, to);
        }
        // There are two of them at least, and both fit into 65 507 bytes.
        let size = u16::try_from(segment_size).expect("a segment is smaller than a call");
        if self.is_there(socket) {
            match sys::send_segments(socket, bytes, size, to) {
                Err(error) if sys::may_be_for_segments(&error) => self.note(&error),
                result => return result,
            }
        }
        one_by_one(socket, bytes, segment_size, to)
    }

    #[cold]
    fn note(&self, error: &io::Error) {
        if sys::cannot_segment(error) {
            self.0.store(NO, Ordering::Relaxed);
        }
    }
}

/// What of the buffer goes with the first call: whole segments, unless it is the end of it.
fn in_one_call(bytes: &[u8], segment_size: usize) -> io::Result<&[u8]> {
    if segment_size == 0 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "segments of no bytes; a buffer cannot be cut into those",
        ));
    }
    // One that is too large by itself is for the kernel to refuse.
    let segments = (CALL_MAX_BYTES / segment_size).clamp(1, SEGMENTS_MAX);
    let end = segments.saturating_mul(segment_size);
    Ok(&bytes[..bytes.len().min(end)])
}

fn send_one(socket: &net::UdpSocket, bytes: &[u8], to: Option<&SockAddr>) -> io::Result<usize> {
    let socket = SockRef::from(socket);
    match to {
        Some(to) => socket.send_to(bytes, to),
        None => socket.send(bytes),
    }
}

/// The same without the kernel's help.
fn one_by_one(
    socket: &net::UdpSocket,
    bytes: &[u8],
    segment_size: usize,
    to: Option<&SockAddr>,
) -> io::Result<usize> {
    let segments = bytes.chunks(segment_size).map(|segment| (segment, to));
    let sent = sys::send_datagrams::<SEGMENTS_MAX>(socket, segments)?;
    Ok(bytes.len().min(sent * segment_size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_whole_segments_up_to_its_limits() {
        let bytes = vec![0; 200_000];
        let taken = |len: usize, size| in_one_call(&bytes[..len], size).unwrap().len();
        assert_eq!(taken(0, 1), 0);
        assert_eq!(taken(99, 100), 99);
        assert_eq!(taken(101, 100), 101);
        // As many segments as a call takes.
        assert_eq!(taken(63 * 100, 100), 63 * 100);
        assert_eq!(taken(64 * 100, 100), 64 * 100);
        assert_eq!(taken(64 * 100 + 1, 100), 64 * 100);
        // As many bytes.
        assert_eq!(taken(200_000, 1200), 54 * 1200);
        assert_eq!(taken(200_000, 32_753), 2 * 32_753);
        assert_eq!(taken(200_000, 32_754), 32_754);
        assert_eq!(taken(200_000, 65_507), 65_507);
        assert_eq!(taken(200_000, 65_508), 65_508);
        assert_eq!(taken(200_000, usize::MAX), 200_000);
        assert!(in_one_call(&bytes, 0).is_err());
    }

    #[test]
    fn a_socket_that_cannot_is_not_asked_again() {
        let socket = net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let peer = net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(peer.local_addr().unwrap()).unwrap();
        let offload = Offload::default();
        offload.note(&io::Error::from_raw_os_error(22));
        assert_eq!(offload.is_there(&socket), sys::supports_segments(&socket));
        offload.note(&io::Error::from_raw_os_error(5));
        assert!(!offload.is_there(&socket));
        // And it sends what the kernel would have.
        assert_eq!(offload.send(&socket, b"aabbc", 2, None).unwrap(), 5);
        let mut room = [0; 8];
        for word in [&b"aa"[..], b"bb", b"c"] {
            let count = peer.recv(&mut room).unwrap();
            assert_eq!(&room[..count], word);
        }
    }
}
