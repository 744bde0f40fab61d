//! How is a Unix socket made, connected and asked who is at its other end?

use super::number;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net;

/// How many bytes of a name the system has room for, without the NUL that ends a path or begins an abstract name: `sun_path` of `unix(7)` has 108.
pub(crate) const NAME_BYTES_MAX: usize = 107;

/// `SO_PEERPIDFD` of `asm-generic/socket.h`, since Linux 6.5; `libc` does not have it yet. PA-RISC and SPARC have other numbers, and refuse this one.
const SO_PEERPIDFD: libc::c_int = 77;

/// A socket that is non-blocking and close-on-exec, by one system call.
pub(crate) fn unix_socket(kind: Type) -> io::Result<Socket> {
    Socket::new_raw(Domain::UNIX, kind.nonblocking().cloexec(), None)
}

/// The next connection of the queue, non-blocking and close-on-exec, by one system call.
pub(crate) fn accept_unix(listener: &net::UnixListener) -> io::Result<(net::UnixStream, SockAddr)> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let (socket, peer) = SockRef::from(listener).accept4(flags)?;
    Ok((socket.into(), peer))
}

/// The address of a socket's own end.
pub(crate) fn unix_local_addr(socket: &impl AsFd) -> io::Result<SockAddr> {
    SockRef::from(socket).local_addr()
}

/// The address of the other end.
pub(crate) fn unix_peer_addr(socket: &impl AsFd) -> io::Result<SockAddr> {
    SockRef::from(socket).peer_addr()
}

/// Gives a datagram socket its peer. That never waits.
pub(crate) fn unix_connect(socket: &impl AsFd, addr: &SockAddr) -> io::Result<()> {
    SockRef::from(socket).connect(addr)
}

/// Whether an error of connecting a datagram socket says that there is one, of another type or for somebody else.
pub(crate) fn is_of_a_living_peer(error: &io::Error) -> bool {
    matches!(number(error), libc::EPROTOTYPE | libc::EPERM)
}

/// Sends a datagram; a peer that is gone is an error, never a signal.
pub(crate) fn send_to(socket: &impl AsFd, bytes: &[u8], addr: &SockAddr) -> io::Result<usize> {
    SockRef::from(socket).send_to_with_flags(bytes, addr, libc::MSG_NOSIGNAL)
}

/// Takes a datagram, and who sent it.
pub(crate) fn recv_from(socket: &impl AsFd, room: &mut [u8]) -> io::Result<(usize, SockAddr)> {
    recv_from_with(socket, room, 0)
}

/// Reads a datagram and who sent it, and leaves it there.
pub(crate) fn peek_from(socket: &impl AsFd, room: &mut [u8]) -> io::Result<(usize, SockAddr)> {
    recv_from_with(socket, room, libc::MSG_PEEK)
}

fn recv_from_with(
    socket: &impl AsFd,
    room: &mut [u8],
    flags: libc::c_int,
) -> io::Result<(usize, SockAddr)> {
    let room = std::ptr::from_mut(room) as *mut [MaybeUninit<u8>];
    // SAFETY: bytes that are initialised are fine as ones that may not be, and recvfrom only writes to them.
    SockRef::from(socket).recv_from_with_flags(unsafe { &mut *room }, flags)
}

/// Who was at the other end when it was connected: process, user, group.
pub(crate) fn peer_cred(socket: &impl AsFd) -> io::Result<(i32, u32, u32)> {
    let unknown = libc::ucred {
        pid: 0,
        uid: libc::uid_t::MAX,
        gid: libc::gid_t::MAX,
    };
    let cred = option(socket, libc::SO_PEERCRED, unknown)?;
    Ok((cred.pid, cred.uid, cred.gid))
}

/// The process that was at the other end when it was connected.
pub(crate) fn peer_pidfd(socket: &impl AsFd) -> io::Result<OwnedFd> {
    let descriptor = option::<libc::c_int>(socket, SO_PEERPIDFD, -1)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows its number, so nobody else closes it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// What can be anything that the kernel writes into it.
trait Plain: Copy {}
impl Plain for libc::c_int {}
impl Plain for libc::ucred {}

/// An option of the level `SOL_SOCKET`.
fn option<T: Plain>(socket: &impl AsFd, name: libc::c_int, mut value: T) -> io::Result<T> {
    let mut len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes `len` bytes at most, which `value` has, and any bytes are a value of it; the descriptor is open while it is borrowed.
    let status = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    match status {
        0 => Ok(value),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes the lock of an open file (`flock(2)`), until that is closed; `WouldBlock` if somebody has it.
pub(crate) fn try_lock(file: &File) -> io::Result<()> {
    // SAFETY: flock takes two numbers and touches no memory of ours; the descriptor is open while it is borrowed.
    match unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
