//! How is a connection taken from the queue, and what does an error of that mean?

use super::number;
use super::socket::not_internet;
use socket2::SockRef;
use std::io;
use std::net::{self, SocketAddr};

/// The next connection of the queue, non-blocking and close-on-exec, by one system call.
pub(crate) fn accept(listener: &net::TcpListener) -> io::Result<(net::TcpStream, SocketAddr)> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let (socket, peer) = SockRef::from(listener).accept4(flags)?;
    let peer = peer.as_socket().ok_or_else(not_internet)?;
    Ok((socket.into(), peer))
}

/// What an error of `accept4(2)` means for the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AcceptFault {
    /// There is none at this moment.
    Empty,
    /// A connection died in the queue, a firewall refused it, or the call was interrupted: the next one may be good.
    DeadConnection,
    /// There is no descriptor or no memory; the connection still waits.
    Exhausted,
    /// The descriptor is not what it should be, or the error is none of the system's.
    Lasting,
}

/// What `accept4(2)` says of a queue without a connection.
pub(crate) fn empty() -> io::Error {
    io::Error::from_raw_os_error(libc::EAGAIN)
}

/// Sorts an error of `accept4(2)`.
///
/// "Linux accept() passes already-pending network errors on the new socket as an error code from accept()", says its manual page, and lists some; what a network may report of a connection has no end
/// (`ETIMEDOUT` too, and what security modules and programs in the kernel say). So those that are the descriptor's are listed here, and whatever is not known is the connection's. Who accepts bounds how many of these it passes over.
pub(crate) fn accept_fault(error: &io::Error) -> AcceptFault {
    match number(error) {
        libc::EAGAIN => AcceptFault::Empty,
        libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => AcceptFault::Exhausted,
        0 | libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EFAULT => AcceptFault::Lasting,
        _ => AcceptFault::DeadConnection,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_accept_are_sorted() {
        let fault = |number| accept_fault(&io::Error::from_raw_os_error(number));
        for number in [
            libc::ECONNABORTED,
            libc::EPROTO,
            libc::EPERM,
            libc::EINTR,
            libc::ETIMEDOUT,
            libc::ENOSR,
            libc::ESOCKTNOSUPPORT,
            libc::EPROTONOSUPPORT,
            libc::EOPNOTSUPP,
            libc::ENETUNREACH,
        ] {
            assert_eq!(fault(number), AcceptFault::DeadConnection, "{number}");
        }
        assert_eq!(fault(libc::EAGAIN), AcceptFault::Empty);
        for number in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            assert_eq!(fault(number), AcceptFault::Exhausted);
        }
        for number in [libc::EINVAL, libc::EBADF, libc::ENOTSOCK, libc::EFAULT] {
            assert_eq!(fault(number), AcceptFault::Lasting);
        }
        let ours = io::Error::other("the runtime has shut down");
        assert_eq!(accept_fault(&ours), AcceptFault::Lasting);
    }
}
