//! How are bytes sent without a signal, and looked at without being taken?

use socket2::SockRef;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

/// How many pieces one `sendmsg(2)` or `readv(2)` takes: `UIO_MAXIOV`, see `readv(2)`.
const PIECES_MAX: usize = 1024;

/// Writes what fits; a peer that is gone is an error, never a signal.
#[inline]
pub(crate) fn send(socket: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    SockRef::from(socket).send_with_flags(bytes, libc::MSG_NOSIGNAL)
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
pub(crate) fn receive(socket: &impl AsFd, room: &mut [u8]) -> io::Result<usize> {
    (&*SockRef::from(socket)).read(room)
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
