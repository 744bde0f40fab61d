//! What can go wrong with descriptors that are sent along?
//!
//! The kernel takes at most 253 with a message; on a stream they hang on a byte, so that without one they would silently stay behind. On the other side they may be more than were
//! wanted, or than the process may have; then the kernel has thrown the rest away. A part of them is worth nothing, since nobody knows which are missing: all are closed, and it is an error.

use crate::sys::{self, Received};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How many descriptors can be sent with one message: 253, `SCM_MAX_FD` of Linux.
pub const FDS_MAX: usize = sys::FDS_MAX;

/// Sends, on a stream.
pub(crate) fn send_on_stream(
    socket: &impl AsFd,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    if bytes.is_empty() && !fds.is_empty() {
        let text = "on a stream, descriptors can only be sent along with at least one byte";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    send(socket, bytes, fds)
}

/// Sends.
pub(crate) fn send(socket: &impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    if fds.len() > FDS_MAX {
        let count = fds.len();
        let text = format!("a message can carry {FDS_MAX} descriptors, and this one has {count}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    sys::send_fds(socket, None, bytes, fds)
}

/// Receives; what is not whole is closed.
pub(crate) fn recv(
    socket: &impl AsFd,
    room: &mut [u8],
    fds_max: usize,
) -> io::Result<(usize, Vec<OwnedFd>)> {
    match sys::recv_fds(socket, room, fds_max)? {
        Received {
            count,
            fds,
            is_cut: false,
        } => Ok((count, fds)),
        Received { count, fds, .. } => Err(cut_off(count, fds.len(), fds_max)),
    }
}

#[cold]
fn cut_off(count: usize, came: usize, fds_max: usize) -> io::Error {
    let why = if came < fds_max {
        "the process may not have that many, or the system does not pass them on"
    } else {
        "more came than were to be taken"
    };
    let text = format!(
        "descriptors were lost with a message of {count} bytes, and the {came} that came are closed: {why}"
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}
