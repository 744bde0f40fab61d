//! How are descriptors sent along with bytes, and how does none of those received get lost?
//!
//! As a control message of the type `SCM_RIGHTS` (`unix(7)`, `cmsg(3)`): a head of length, level and type, then the numbers. The kernel opens what comes under new numbers, close-on-exec, as many
//! as fit the room for control messages and as the process may have, and says `MSG_CTRUNC` if those were not all. Every number that is found becomes an [`OwnedFd`] at once, before anything can
//! fail; so whatever happens then, it is closed.
//!
//! Rejected: the macros of `cmsg(3)`, which are pointers into a buffer. Messages are written and read here as bytes, with bounds checked, by code that can be tested without a socket.

use socket2::{MsgHdr, SockAddr, SockRef};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// How many descriptors one message can carry: `SCM_MAX_FD` of Linux, since 2.6.38.
pub(crate) const FDS_MAX: usize = 253;

/// The head of a control message: `size_t` length, `int` level, `int` type.
const HEAD_BYTES: usize = (size_of::<usize>() + 8).next_multiple_of(size_of::<usize>());

/// One number.
const FD_BYTES: usize = size_of::<RawFd>();

/// A control message with as many descriptors as it can have.
const CONTROL_BYTES: usize = HEAD_BYTES + FDS_MAX * FD_BYTES;

/// Room for that, where the kernel likes it.
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// What came by one call.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) count: usize,
    pub(crate) fds: Vec<OwnedFd>,
    /// Descriptors did not fit, or could not be opened.
    pub(crate) is_cut: bool,
}

/// Sends bytes, and descriptors with the first of them, to the peer or to an address. There must be at most [`FDS_MAX`].
pub(crate) fn send_fds(
    socket: &impl AsFd,
    to: Option<&SockAddr>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut control = Control([0; CONTROL_BYTES]);
    let control = encode(&mut control.0, fds);
    let pieces = [IoSlice::new(bytes)];
    let message = MsgHdr::new().with_buffers(&pieces);
    let message = match fds {
        [] => message,
        _ => message.with_control(control),
    };
    let message = match to {
        Some(addr) => message.with_addr(addr),
        None => message,
    };
    SockRef::from(socket).sendmsg(&message, libc::MSG_NOSIGNAL)
}

/// Receives bytes, and at most so many descriptors.
pub(crate) fn recv_fds(
    socket: &impl AsFd,
    room: &mut [u8],
    fds_max: usize,
) -> io::Result<Received> {
    let mut control = Control([0; CONTROL_BYTES]);
    let mut piece = libc::iovec {
        iov_base: room.as_mut_ptr().cast(),
        iov_len: room.len(),
    };
    // SAFETY: all zero is a message header without anything in it; on some systems it has private fields.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    // No more than are wanted: the kernel counts what fits, and a length that is rounded up would let one more in.
    let control_bytes = HEAD_BYTES + fds_max.min(FDS_MAX) * FD_BYTES;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control_bytes as _;
    // SAFETY: the header names the room and the control messages' with their lengths, which both live until the call is over; the kernel writes no more
    // than that. The descriptor is open while it is borrowed.
    let count = unsafe {
        libc::recvmsg(
            socket.as_fd().as_raw_fd(),
            &raw mut message,
            libc::MSG_CMSG_CLOEXEC,
        )
    };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    let mut fds = Vec::new();
    let written = control.0.get(..message.msg_controllen as usize);
    for number in decode(written.unwrap_or(&control.0)) {
        // SAFETY: the kernel has just made this descriptor for us, and says so once; nobody else knows its number, so nobody else closes it.
        fds.push(unsafe { OwnedFd::from_raw_fd(number) });
    }
    Ok(Received {
        count,
        fds,
        is_cut: message.msg_flags & libc::MSG_CTRUNC != 0,
    })
}

/// Writes the control message for these descriptors.
fn encode<'a>(control: &'a mut [u8], fds: &[BorrowedFd<'_>]) -> &'a [u8] {
    let len = HEAD_BYTES + fds.len() * FD_BYTES;
    let head = len.to_ne_bytes().into_iter();
    let head = head.chain(libc::SOL_SOCKET.to_ne_bytes());
    let head = head.chain(libc::SCM_RIGHTS.to_ne_bytes());
    let numbers = fds.iter().flat_map(|fd| fd.as_raw_fd().to_ne_bytes());
    let places = control[..len].iter_mut();
    for (place, byte) in places.zip(head.chain(numbers)) {
        *place = byte;
    }
    &control[..len]
}

/// The descriptors of all control messages of these bytes.
fn decode(mut control: &[u8]) -> Vec<RawFd> {
    let mut fds = Vec::new();
    while let Some((body, rest, is_rights)) = next_message(control) {
        if is_rights {
            let numbers = body.chunks_exact(FD_BYTES);
            fds.extend(numbers.map(int));
        }
        control = rest;
    }
    fds
}

/// The body of the first control message, what comes after it, and whether it has descriptors.
fn next_message(control: &[u8]) -> Option<(&[u8], &[u8], bool)> {
    let (len, kind) = control.get(..HEAD_BYTES)?.split_at(size_of::<usize>());
    let len = usize::from_ne_bytes(len.try_into().expect("it is as long as that"));
    let body = control.get(HEAD_BYTES..len)?;
    let next = len.checked_next_multiple_of(size_of::<usize>())?;
    let rest = control.get(next..).unwrap_or_default();
    let is_rights = int(&kind[..4]) == libc::SOL_SOCKET && int(&kind[4..8]) == libc::SCM_RIGHTS;
    Some((body, rest, is_rights))
}

fn int(bytes: &[u8]) -> i32 {
    i32::from_ne_bytes(bytes.try_into().expect("four bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn message(level: i32, kind: i32, body: &[u8]) -> Vec<u8> {
        let mut bytes = (HEAD_BYTES + body.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
        bytes
    }

    fn numbers(of: &[i32]) -> Vec<u8> {
        of.iter().flat_map(|number| number.to_ne_bytes()).collect()
    }

    #[test]
    fn sizes_are_those_of_the_system() {
        // SAFETY: it takes a number and gives one.
        assert_eq!(HEAD_BYTES, unsafe { libc::CMSG_LEN(0) } as usize);
    }

    #[test]
    fn what_is_written_is_read() {
        let (one, other) = UnixStream::pair().unwrap();
        let fds = [one.as_fd(), other.as_fd(), one.as_fd()];
        for count in 0..=3 {
            let mut control = [0; 64];
            let written = encode(&mut control, &fds[..count]);
            assert_eq!(written.len(), HEAD_BYTES + 4 * count);
            let expected: Vec<_> = fds[..count].iter().map(AsRawFd::as_raw_fd).collect();
            assert_eq!(decode(written), expected);
        }
    }

    #[test]
    fn other_messages_are_passed_over() {
        let rights = |of: &[i32]| message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &numbers(of));
        let credentials = message(
            libc::SOL_SOCKET,
            libc::SCM_CREDENTIALS,
            &numbers(&[7, 8, 9]),
        );
        let elsewhere = message(libc::SOL_SOCKET + 1, libc::SCM_RIGHTS, &numbers(&[7]));
        let all = [credentials, rights(&[3]), elsewhere, rights(&[4, 5, 6])].concat();
        assert_eq!(decode(&all), [3, 4, 5, 6]);
    }

    #[test]
    fn nonsense_ends_the_list() {
        let mut good = message(libc::SOL_SOCKET, libc::SCM_RIGHTS, &numbers(&[3]));
        for len in [0, 1, HEAD_BYTES - 1, 4096, usize::MAX - 7, usize::MAX] {
            let bad = [&len.to_ne_bytes()[..], &[1; 16]].concat();
            assert_eq!(decode(&bad), []);
            assert_eq!(decode(&[good.clone(), bad].concat()), [3]);
        }
        // Cut off anywhere.
        good.truncate(HEAD_BYTES + 4);
        for len in 0..good.len() {
            assert_eq!(decode(&good[..len]), []);
        }
        assert_eq!(decode(&good), [3]);
    }
}
