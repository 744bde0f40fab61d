//! How does one call send or take many datagrams, and how does it say where one ends and the next begins?
//!
//! `sendmmsg(2)` and `recvmmsg(2)` have a header for each datagram, with pointers to its address, its bytes and its control messages. Headers, and what the kernel writes besides
//! bytes, stand on the stack of the call: the pointers live no longer than what they point to, and batches are plain values that any thread may have.
//!
//! A control message goes with `UDP_SEGMENT` (the kernel cuts one buffer into datagrams) and comes with `UDP_GRO` (it has put several together): `udp(7)`.
//!
//! Rejected: headers that are kept from one call to the next. Their pointers have to be written anew anyway, since a batch may have been moved.

use super::number;
use super::socket::not_internet;
use libc::{c_int, cmsghdr, iovec, mmsghdr, msghdr, sockaddr_in, sockaddr_in6, socklen_t};
use socket2::SockAddr;
use std::io;
use std::mem::{self, offset_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

/// The numbers of `linux/udp.h`, which `libc` does not have for every C library.
const UDP_SEGMENT: c_int = 103;
const UDP_GRO: c_int = 104;

/// What the kernel has said of a datagram that was received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived {
    /// How many bytes of it were written to the room.
    pub(crate) len: usize,
    pub(crate) peer: SocketAddr,
    /// Set if the kernel has put several together: the length of each, the last may be shorter.
    pub(crate) segment_size: Option<usize>,
    /// The room was too small.
    pub(crate) is_truncated: bool,
}

/// Receives up to `N` datagrams, each into one of the rooms, and tells of each. At least one; it does not wait for more.
pub(crate) fn recv_datagrams<'a, const N: usize>(
    socket: &impl AsFd,
    rooms: impl Iterator<Item = &'a mut [u8]> + 'a,
    mut each: impl FnMut(Arrived),
) -> io::Result<()> {
    let mut names = [Name::EMPTY; N];
    let mut controls = [Control::EMPTY; N];
    let mut pieces = [NO_BYTES; N];
    let mut headers = no_headers::<N>();
    let mut wanted = 0;
    let places = names.iter_mut().zip(&mut controls).zip(&mut pieces);
    for (((name, control), piece), room) in places.zip(rooms) {
        *piece = iovec {
            iov_base: room.as_mut_ptr().cast(),
            iov_len: room.len(),
        };
        let header = &mut headers[wanted].msg_hdr;
        header.msg_name = ptr::from_mut(name).cast();
        header.msg_namelen = socklen(size_of::<Name>());
        header.msg_iov = piece;
        header.msg_iovlen = 1;
        header.msg_control = ptr::from_mut(control).cast();
        header.msg_controllen = size_of::<Control>() as _;
        wanted += 1;
    }
    // SAFETY: the first `wanted` headers are filled; their pointers are to elements of the arrays above and to rooms that are borrowed until the end of this function, each with its own
    // length, and no two are to the same. Without a timeout none is read.
    let received = unsafe {
        libc::recvmmsg(
            socket.as_fd().as_raw_fd(),
            headers.as_mut_ptr(),
            wanted as _,
            0,
            ptr::null_mut(),
        )
    };
    let received = count(received as isize)?;
    let slots = headers.iter().zip(&names).zip(&controls);
    for ((header, name), control) in slots.take(received) {
        // An integer of another size with another C library.
        let used: usize = header.msg_hdr.msg_controllen as _;
        each(Arrived {
            len: header.msg_len as usize,
            peer: name.address().ok_or_else(not_internet)?,
            segment_size: segment_size(&control.0[..used.min(size_of::<Control>())]),
            is_truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
        });
    }
    Ok(())
}

/// Sends up to `N` datagrams, to their addresses or to the peer that the socket is connected to, and says how many were sent: those before the first that was not.
pub(crate) fn send_datagrams<'a, const N: usize>(
    socket: &impl AsFd,
    datagrams: impl Iterator<Item = (&'a [u8], Option<&'a SockAddr>)>,
) -> io::Result<usize> {
    let mut pieces = [NO_BYTES; N];
    let mut headers = no_headers::<N>();
    let mut wanted = 0;
    for (piece, (bytes, to)) in pieces.iter_mut().zip(datagrams) {
        headers[wanted].msg_hdr = message(bytes, to, piece);
        wanted += 1;
    }
    // SAFETY: the first `wanted` headers are filled; their pointers are to elements of `pieces`, and to bytes and addresses that are borrowed for `'a`, each with its length. The kernel only reads
    // there; it writes to the headers, which are ours.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_fd().as_raw_fd(),
            headers.as_mut_ptr(),
            wanted as _,
            0,
        )
    };
    count(sent as isize)
}

/// Sends one buffer that the kernel cuts into datagrams of `segment_size` bytes, the last of what is left: all of them or none.
pub(crate) fn send_segments(
    socket: &impl AsFd,
    bytes: &[u8],
    segment_size: u16,
    to: Option<&SockAddr>,
) -> io::Result<usize> {
    let mut piece = NO_BYTES;
    let mut header = message(bytes, to, &mut piece);
    let mut control = SegmentControl::new(segment_size);
    header.msg_control = ptr::from_mut(&mut control).cast();
    header.msg_controllen = size_of::<SegmentControl>() as _;
    // SAFETY: the header's pointers are to `piece`, `control`, and to bytes and an address that are borrowed, each with its length; the kernel only reads there.
    let sent = unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const header, 0) };
    count(sent)
}

/// Whether the kernel knows how to cut a buffer into datagrams.
pub(crate) fn supports_segments(socket: &impl AsFd) -> bool {
    option(socket, UDP_SEGMENT).is_ok()
}

/// Whether an error of [`send_segments`] says that this socket's device cannot do it at all (it computes no checksums).
pub(crate) fn cannot_segment(error: &io::Error) -> bool {
    number(error) == libc::EIO
}

/// Whether an error of [`send_segments`] may be one that sending the datagrams one by one does not have: segments larger than what the route takes, or a socket without checksums.
pub(crate) fn may_be_for_segments(error: &io::Error) -> bool {
    matches!(number(error), libc::EIO | libc::EINVAL | libc::EMSGSIZE)
}

/// Whether the kernel puts datagrams together before they are received (`UDP_GRO`); an error if it does not know of that.
pub(crate) fn gro(socket: &impl AsFd) -> io::Result<bool> {
    option(socket, UDP_GRO).map(|value| value != 0)
}

/// Lets the kernel put datagrams together before they are received.
pub(crate) fn set_gro(socket: &impl AsFd, is_on: bool) -> io::Result<()> {
    let value = c_int::from(is_on);
    // SAFETY: the kernel reads an int of our stack, whose size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_UDP,
            UDP_GRO,
            (&raw const value).cast(),
            socklen(size_of::<c_int>()),
        )
    };
    count(result as isize).map(drop)
}

fn option(socket: &impl AsFd, name: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut len = socklen(size_of::<c_int>());
    // SAFETY: the kernel writes at most an int to our stack, whose size is given, and its length.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_UDP,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    count(result as isize).map(|_| value)
}

/// What a system call has returned, as a number that is not negative or the error.
fn count(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// The size of a small thing.
fn socklen(size: usize) -> socklen_t {
    size as socklen_t
}

const NO_BYTES: iovec = iovec {
    iov_base: ptr::null_mut(),
    iov_len: 0,
};

fn no_headers<const N: usize>() -> [mmsghdr; N] {
    // SAFETY: integers and raw pointers, for which zero is a value.
    unsafe { mem::zeroed() }
}

/// The header of a datagram to be sent. The kernel reads through its pointers only, whatever their types say.
fn message(bytes: &[u8], to: Option<&SockAddr>, piece: &mut iovec) -> msghdr {
    *piece = iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let [mut header] = no_headers::<1>().map(|header| header.msg_hdr);
    if let Some(to) = to {
        header.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_namelen = to.len();
    }
    header.msg_iov = piece;
    header.msg_iovlen = 1;
    header
}

/// Room for an address of the internet's.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    family: libc::sa_family_t,
    v4: sockaddr_in,
    v6: sockaddr_in6,
}

impl Name {
    const EMPTY: Self = Self {
        // SAFETY: integers, for which zero is a value. It is the largest of the three, so that every byte is set.
        v6: unsafe { mem::zeroed() },
    };

    fn address(&self) -> Option<SocketAddr> {
        // SAFETY: every byte was set by `EMPTY` or by the kernel, and every value of them is one of an integer.
        match c_int::from(unsafe { self.family }) {
            libc::AF_INET => {
                // SAFETY: as above.
                let v4 = unsafe { self.v4 };
                let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let v6 = unsafe { self.v6 };
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                // The flow's label as std has it: the bytes as they are.
                Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

/// Room for the control messages of a datagram that is received: ours (24 bytes), and a time (32) if somebody has switched that on.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 64]);

impl Control {
    const EMPTY: Self = Self([0; 64]);
}

/// The length of what the kernel has put together, if these control messages say so.
fn segment_size(mut messages: &[u8]) -> Option<usize> {
    loop {
        let header = messages.get(..size_of::<cmsghdr>())?.as_ptr();
        // SAFETY: a slice with as many bytes as the header has, at any alignment; integers only, of which every value is one.
        let header = unsafe { header.cast::<cmsghdr>().read_unaligned() };
        let len: usize = header.cmsg_len as _;
        // A length that leads nowhere ends it.
        let value = messages.get(size_of::<cmsghdr>()..len)?;
        if (header.cmsg_level, header.cmsg_type) == (libc::SOL_UDP, UDP_GRO) {
            let size = c_int::from_ne_bytes(*value.first_chunk()?);
            return usize::try_from(size).ok().filter(|&size| size > 0);
        }
        messages = messages.get(len.next_multiple_of(size_of::<usize>())..)?;
    }
}

/// The control message that has a buffer cut into datagrams, as `CMSG_DATA(3)` lays it out.
#[repr(C)]
struct SegmentControl {
    header: cmsghdr,
    segment_size: u16,
}

impl SegmentControl {
    fn new(segment_size: u16) -> Self {
        // SAFETY: integers, for which zero is a value.
        let mut header: cmsghdr = unsafe { mem::zeroed() };
        header.cmsg_len = (offset_of!(Self, segment_size) + size_of::<u16>()) as _;
        header.cmsg_level = libc::SOL_UDP;
        header.cmsg_type = UDP_SEGMENT;
        Self {
            header,
            segment_size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A control message as the kernel writes it, with what follows it up to the next one.
    fn control(level: c_int, kind: c_int, value: &[u8]) -> Vec<u8> {
        let len = size_of::<cmsghdr>() + value.len();
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(len.next_multiple_of(size_of::<usize>()), 0);
        bytes
    }

    #[test]
    fn the_size_of_segments_is_found_among_others() {
        let gro = control(libc::SOL_UDP, UDP_GRO, &1200_i32.to_ne_bytes());
        let time = control(libc::SOL_SOCKET, libc::SO_TIMESTAMP, &[7; 16]);
        let traffic = control(libc::SOL_IP, libc::IP_TOS, &[7]);
        assert_eq!(segment_size(&gro), Some(1200));
        assert_eq!(segment_size(&[&*time, &gro].concat()), Some(1200));
        assert_eq!(segment_size(&[&*traffic, &time, &gro].concat()), Some(1200));
        assert_eq!(segment_size(&[&*time, &traffic].concat()), None);
        assert_eq!(segment_size(&[]), None);
        assert!(time.len() + gro.len() <= size_of::<Control>());
    }

    #[test]
    fn control_messages_that_lead_nowhere_end_the_search() {
        let gro = control(libc::SOL_UDP, UDP_GRO, &1200_i32.to_ne_bytes());
        for end in 0..size_of::<cmsghdr>() + size_of::<c_int>() {
            assert_eq!(segment_size(&gro[..end]), None, "{end} bytes");
        }
        for len in [0, 1, 15, 16, 19, 1000, usize::MAX] {
            let mut torn = gro.clone();
            torn[..size_of::<usize>()].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(segment_size(&torn), None, "a length of {len}");
        }
        let none = control(libc::SOL_UDP, UDP_GRO, &0_i32.to_ne_bytes());
        assert_eq!(segment_size(&none), None);
        let negative = control(libc::SOL_UDP, UDP_GRO, &(-1_i32).to_ne_bytes());
        assert_eq!(segment_size(&negative), None);
    }

    #[test]
    fn addresses_are_read_as_socket2_writes_them() {
        for text in ["127.0.0.1:80", "[::1]:80", "[fe80::1%3]:65535"] {
            let addr: SocketAddr = text.parse().unwrap();
            let written = SockAddr::from(addr);
            let mut name = Name::EMPTY;
            // SAFETY: an address of the internet's has at most as many bytes as a name.
            unsafe {
                ptr::copy_nonoverlapping(
                    written.as_ptr().cast::<u8>(),
                    (&raw mut name).cast(),
                    written.len() as usize,
                );
            }
            assert_eq!(name.address(), Some(addr));
        }
        assert_eq!(Name::EMPTY.address(), None);
    }

    #[test]
    fn the_control_message_is_laid_out_as_the_kernel_wants_it() {
        // SAFETY: it computes with a number.
        let len = unsafe { libc::CMSG_LEN(2) };
        // SAFETY: as above.
        let space = unsafe { libc::CMSG_SPACE(2) };
        let message = SegmentControl::new(1200);
        assert_eq!(message.header.cmsg_len, len as usize);
        assert_eq!(size_of_val(&message), space as usize);
        assert_eq!(message.segment_size, 1200);
    }
}
