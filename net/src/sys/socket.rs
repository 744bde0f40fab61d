//! How is a socket made that never blocks, and how does it begin to connect?

use super::number;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// A socket that is non-blocking and close-on-exec, by one system call.
pub(crate) fn tcp_socket(domain: Domain) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking().cloexec();
    Socket::new_raw(domain, kind, Some(Protocol::TCP))
}

/// A socket for datagrams that is non-blocking and close-on-exec, by one system call.
pub(crate) fn udp_socket(domain: Domain) -> io::Result<Socket> {
    let kind = Type::DGRAM.nonblocking().cloexec();
    Socket::new_raw(domain, kind, Some(Protocol::UDP))
}

/// Begins to connect. Whether that is all: if not, it shows later if it succeeds.
pub(crate) fn begin_connect(socket: &Socket, addr: SocketAddr) -> io::Result<bool> {
    match socket.connect(&addr.into()) {
        // Interrupted: the kernel goes on without us (connect(2), EINTR).
        Err(error) if matches!(number(&error), libc::EINPROGRESS | libc::EINTR) => Ok(false),
        result => result.map(|()| true),
    }
}

/// The address of a socket's own end.
pub(crate) fn local_addr(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(not_internet)
}

/// A buffer's size as the system can be told: an `int`, of which `socket2` would keep the lower bits of more. The kernel has limits of its own, far below.
pub(crate) fn buffer_bytes(bytes: usize) -> usize {
    bytes.min(i32::MAX as usize)
}

#[cold]
pub(super) fn not_internet() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "this socket is not one of the internet's",
    )
}
