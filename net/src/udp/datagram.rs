//! What is known of a datagram that was received?

use crate::sys;
use crate::sys::Arrived;
use crate::udp::socket::UdpSocket;
use std::io;
use std::iter;
use std::net::{self, SocketAddr};
use std::task::{Context, Poll};

/// A datagram that was received, or several of one sender that the kernel has put together ([`UdpSocket::set_gro`]).
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    bytes: &'a [u8],
    arrived: Arrived,
}

impl<'a> Datagram<'a> {
    /// What the kernel wrote to this room.
    pub(super) fn new(room: &'a [u8], arrived: Arrived) -> Self {
        let bytes = &room[..arrived.len];
        Self { bytes, arrived }
    }

    /// What was written to the room. An empty datagram is one too.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Who sent it.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.arrived.peer
    }

    /// Whether the room was too small: the rest is lost.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.arrived.is_truncated
    }

    /// Set if these are several datagrams: the length of each, in bytes; only the last may be shorter.
    #[must_use]
    pub fn segment_size(&self) -> Option<usize> {
        self.arrived.segment_size
    }

    /// The datagrams one by one; only one, if the kernel has not put several together.
    pub fn segments(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let size = self.segment_size().unwrap_or(self.bytes.len());
        let (first, rest) = self.bytes.split_at(size.min(self.bytes.len()));
        iter::once(first).chain(rest.chunks(size.max(1)))
    }
}

/// Receiving, with all that is known.
impl UdpSocket {
    /// Receives a datagram, and all that is known of it: whether the room was too small, and whether it is several.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no datagram was taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::UdpSocket;
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0").await?;
    /// socket.send_to(b"to myself", socket.local_addr()?).await?;
    ///
    /// let mut room = [0; 2];
    /// let datagram = socket.recv_datagram(&mut room).await?;
    /// assert_eq!(datagram.bytes(), b"to");
    /// assert!(datagram.is_truncated());
    /// assert_eq!(datagram.peer(), socket.local_addr()?);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn recv_datagram<'a>(&self, room: &'a mut [u8]) -> io::Result<Datagram<'a>> {
        let arrived = self.fd.async_read(|socket| recv_one(socket, room)).await?;
        Ok(Datagram::new(room, arrived))
    }

    /// Receives a datagram, or waits for one: only the last task to call this, or another `poll_recv_*` or `poll_peek_*`, is woken.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn poll_recv_datagram<'a>(
        &self,
        cx: &mut Context<'_>,
        room: &'a mut [u8],
    ) -> Poll<io::Result<Datagram<'a>>> {
        let arrived = self.poll_read_as(cx, |socket| recv_one(socket, room));
        arrived.map_ok(|arrived| Datagram::new(room, arrived))
    }

    /// Receives a datagram, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; else as for [`recv`](Self::recv).
    pub fn try_recv_datagram<'a>(&self, room: &'a mut [u8]) -> io::Result<Datagram<'a>> {
        let arrived = self.fd.try_read(|socket| recv_one(socket, room))?;
        Ok(Datagram::new(room, arrived))
    }
}

fn recv_one(socket: &net::UdpSocket, room: &mut [u8]) -> io::Result<Arrived> {
    let mut one = None;
    sys::recv_datagrams::<1>(socket, iter::once(room), |arrived| one = Some(arrived))?;
    Ok(one.expect("a call that succeeds has received one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn lengths(len: usize, segment_size: Option<usize>) -> Vec<usize> {
        let arrived = Arrived {
            len,
            peer: (Ipv4Addr::LOCALHOST, 1).into(),
            segment_size,
            is_truncated: false,
        };
        let datagram = Datagram::new(&[0; 64], arrived).segments();
        datagram.map(<[u8]>::len).collect()
    }

    #[test]
    fn segments_are_as_long_as_the_kernel_says() {
        assert_eq!(lengths(0, None), [0]);
        assert_eq!(lengths(7, None), [7]);
        assert_eq!(lengths(9, Some(10)), [9]);
        assert_eq!(lengths(10, Some(10)), [10]);
        assert_eq!(lengths(11, Some(10)), [10, 1]);
        assert_eq!(lengths(30, Some(10)), [10, 10, 10]);
        assert_eq!(lengths(0, Some(10)), [0]);
    }
}
