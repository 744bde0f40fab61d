//! How are bytes sent without a signal, and looked at without being taken?
//!
//! What is done for each request, one read and one write of a socket, is done by `syscall(2)`. The C library's functions of these names are points at which a thread can be cancelled, which no thread of
//! Rust's is: to say so takes three quarters of their 59 instructions (glibc 2.36; callgrind, 2026).

use socket2::SockRef;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

/// How many pieces one `sendmsg(2)` or `readv(2)` takes: `UIO_MAXIOV`, see `readv(2)`.
const PIECES_MAX: usize = 1024;

/// Writes what fits; a peer that is gone is an error, never a signal.
#[inline]
pub(crate) fn send(socket: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let none = ptr::null::<libc::sockaddr>();
    // SAFETY: the kernel reads as many bytes as are borrowed, and no address.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_sendto,
            number_of(socket),
            bytes.as_ptr(),
            bytes.len(),
            libc::c_long::from(libc::MSG_NOSIGNAL),
            none,
            0usize,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// The same, where more follows at once: the kernel may wait for that with a packet that is not full.
pub(crate) fn send_more(socket: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    SockRef::from(socket).send_with_flags(bytes, libc::MSG_NOSIGNAL | libc::MSG_MORE)
}

/// Writes what fits of several pieces; a peer that is gone is an error, never a signal.
#[inline]
pub(crate) fn send_vectored(socket: &impl AsFd, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    SockRef::from(socket).send_vectored_with_flags(pieces, libc::MSG_NOSIGNAL)
}

/// Reads what is there.
#[inline]
pub(crate) fn receive(socket: &impl AsFd, room: &mut [u8]) -> io::Result<usize> {
    let nobody = ptr::null_mut::<libc::sockaddr>();
    // SAFETY: the kernel writes no more bytes than are borrowed, and no address.
    let received = unsafe {
        libc::syscall(
            libc::SYS_recvfrom,
            number_of(socket),
            room.as_mut_ptr(),
            room.len(),
            0usize,
            nobody,
            nobody,
        )
    };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

/// Reads what is there, from something that may be no socket.
#[inline]
pub(crate) fn read<F>(fd: &F, room: &mut [u8]) -> io::Result<usize>
where
    for<'a> &'a F: Read,
{
    let mut fd = fd;
    fd.read(room)
}

/// The descriptor, as wide as an argument of a system call.
#[inline]
fn number_of(socket: &impl AsFd) -> libc::c_long {
    socket.as_fd().as_raw_fd().into()
}

/// Reads what is there, and leaves it there.
pub(crate) fn peek(socket: &impl AsFd, room: &mut [u8]) -> io::Result<usize> {
    let room = std::ptr::from_mut(room) as *mut [MaybeUninit<u8>];
    // SAFETY: bytes that are initialised are fine as ones that may not be, and recv only writes to them.
    SockRef::from(socket).peek(unsafe { &mut *room })
}

/// As many of the pieces as one call takes.
#[inline]
pub(crate) fn at_once<'a, 'b>(pieces: &'a [IoSlice<'b>]) -> &'a [IoSlice<'b>] {
    &pieces[..pieces.len().min(PIECES_MAX)]
}

/// As many of the pieces of room as one call takes. `std` leaves the others empty, without a word: to who counts them a read would look short.
#[inline]
pub(crate) fn rooms_at_once<'a, 'b>(rooms: &'a mut [IoSliceMut<'b>]) -> &'a mut [IoSliceMut<'b>] {
    let count = rooms.len().min(PIECES_MAX);
    &mut rooms[..count]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn sent_bytes_are_received_and_errors_told() {
        let (here, there) = UnixStream::pair().expect("two sockets");
        assert_eq!(send(&here, b"abc").expect("sent"), 3);
        let mut room = [0; 2];
        assert_eq!(receive(&there, &mut room).expect("received"), 2);
        assert_eq!(room, *b"ab");
        assert_eq!(receive(&there, &mut room).expect("received"), 1);
        assert_eq!(room, *b"cb");
        there.set_nonblocking(true).expect("a socket");
        let nothing = receive(&there, &mut room).expect_err("there is nothing");
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        drop(here);
        assert_eq!(receive(&there, &mut room).expect("the end"), 0);
        let broken = send(&there, b"abc").expect_err("nobody reads");
        assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_call_takes_1024_pieces() {
        for (count, sent) in [(0, 0), (1023, 1023), (1024, 1024), (1025, 1024)] {
            let pieces = vec![IoSlice::new(b"x"); count];
            assert_eq!(at_once(&pieces).len(), sent);
            let mut bytes = vec![0; count];
            let mut rooms: Vec<_> = bytes.chunks_mut(1).map(IoSliceMut::new).collect();
            assert_eq!(rooms_at_once(&mut rooms).len(), sent);
        }
    }
}
