//! What is asked of the system that `std` does not offer?
//!
//! Sockets that are non-blocking from their birth, `accept4`, a `connect` that only begins, sends that never raise `SIGPIPE`, and what an error of
//! `accept` means. The only file of this crate that names `libc` or has `unsafe`.

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, IoSlice};
use std::net::{self, SocketAddr};

/// How many pieces one `sendmsg(2)` takes: `UIO_MAXIOV`, see `readv(2)`.
const PIECES_MAX: usize = 1024;

/// A socket that is non-blocking and close-on-exec, by one system call.
pub(crate) fn tcp_socket(domain: Domain) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking().cloexec();
    Socket::new_raw(domain, kind, Some(Protocol::TCP))
}

/// The next connection of the queue, non-blocking and close-on-exec, by one system call.
pub(crate) fn accept(listener: &net::TcpListener) -> io::Result<(net::TcpStream, SocketAddr)> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let (socket, peer) = SockRef::from(listener).accept4(flags)?;
    let peer = peer.as_socket().ok_or_else(not_internet)?;
    Ok((socket.into(), peer))
}

/// Begins to connect. Whether it succeeds shows later.
pub(crate) fn begin_connect(socket: &Socket, addr: SocketAddr) -> io::Result<()> {
    match socket.connect(&addr.into()) {
        // Interrupted: the kernel goes on without us (connect(2), EINTR).
        Err(error) if matches!(number(&error), libc::EINPROGRESS | libc::EINTR) => Ok(()),
        result => result,
    }
}

/// The address of a socket's own end.
pub(crate) fn local_addr(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(not_internet)
}

#[cold]
fn not_internet() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "this socket is not one of the internet's",
    )
}

/// Writes what fits; a peer that is gone is an error, never a signal.
#[inline]
pub(crate) fn send(stream: &net::TcpStream, bytes: &[u8]) -> io::Result<usize> {
    SockRef::from(stream).send_with_flags(bytes, libc::MSG_NOSIGNAL)
}

/// Writes what fits of several pieces; a peer that is gone is an error, never a signal.
#[inline]
pub(crate) fn send_vectored(stream: &net::TcpStream, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    SockRef::from(stream).send_vectored_with_flags(pieces, libc::MSG_NOSIGNAL)
}

/// As many of the pieces as one call takes.
#[inline]
pub(crate) fn sendable<'a, 'b>(pieces: &'a [IoSlice<'b>]) -> &'a [IoSlice<'b>] {
    &pieces[..pieces.len().min(PIECES_MAX)]
}

/// What an error of `accept4(2)` means for the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AcceptFault {
    /// A connection died in the queue, or the call was interrupted: the next one may be good.
    DeadConnection,
    /// There is no descriptor or no memory; the connection still waits.
    Exhausted,
    /// The descriptor is not what it should be.
    Lasting,
}

/// Sorts an error of `accept4(2)` as its manual page does.
pub(crate) fn accept_fault(error: &io::Error) -> AcceptFault {
    match number(error) {
        // "Linux accept() passes already-pending network errors on the new socket as an error code from accept(). ... For TCP/IP, these
        // are ENETDOWN, EPROTO, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, and ENETUNREACH."
        libc::ECONNABORTED
        | libc::EINTR
        | libc::ENETDOWN
        | libc::EPROTO
        | libc::ENOPROTOOPT
        | libc::EHOSTDOWN
        | libc::ENONET
        | libc::EHOSTUNREACH
        | libc::EOPNOTSUPP
        | libc::ENETUNREACH => AcceptFault::DeadConnection,
        libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => AcceptFault::Exhausted,
        _ => AcceptFault::Lasting,
    }
}

/// The system's number of an error; 0 if it is not the system's.
fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}
