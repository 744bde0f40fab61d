//! What is asked of the system that `std` does not offer?
//!
//! Sockets that are non-blocking from their birth, `accept4`, a `connect` that only begins, sends that never raise `SIGPIPE`, what an error of
//! `accept` means, and signals that become readable. The only file of this crate that names `libc` or has `unsafe`.

use signal_hook_registry::SigId;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::fs::File;
use std::io::{self, IoSlice};
use std::net::{self, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

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

/// The numbers of signals.
pub(crate) mod numbers {
    pub(crate) use libc::{
        SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
        SIGWINCH,
    };
    #[cfg(test)]
    pub(crate) use libc::{SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGSTOP};
}

/// A counter of the kernel's (`eventfd(2)`): writing adds, reading takes everything, and there is nothing to read at zero.
pub(crate) fn event_counter() -> io::Result<File> {
    // SAFETY: eventfd takes two numbers and touches no memory of ours.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if descriptor == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows its number, so nobody else closes it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

/// Signals are counted while this lives.
#[derive(Debug)]
pub(crate) struct SignalHook {
    id: SigId,
}

/// Adds one to the counter for each signal with this number.
pub(crate) fn count_signals(number: i32, counter: Arc<File>) -> io::Result<SignalHook> {
    if signal_hook_registry::FORBIDDEN.contains(&number) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "this signal cannot be waited for",
        ));
    }
    // SAFETY: the action does one write(2) of eight bytes of its own stack, which signal-safety(7) allows; it takes no lock, does not allocate and does not
    // panic. The registry restores errno after it, and drops the action, with its share of the counter, outside of the handler.
    let id = unsafe { signal_hook_registry::register(number, move || add_one(&counter)) }?;
    Ok(SignalHook { id })
}

/// The handler's whole work.
fn add_one(counter: &File) {
    let one = 1_u64;
    // SAFETY: eight bytes of the stack are read, which `one` has; the descriptor is open for as long as the file is borrowed.
    let _full = unsafe {
        libc::write(
            counter.as_raw_fd(),
            (&raw const one).cast(),
            size_of::<u64>(),
        )
    };
    // It fails only when the counter is full, and then there is something to read already.
}

impl Drop for SignalHook {
    fn drop(&mut self) {
        signal_hook_registry::unregister(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_counter_counts_and_is_emptied_by_a_read() {
        let counter = event_counter().unwrap();
        let mut bytes = [0; 8];
        let empty = (&counter).read(&mut bytes).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        (0..3).for_each(|_| add_one(&counter));
        assert_eq!((&counter).read(&mut bytes).unwrap(), 8);
        assert_eq!(u64::from_ne_bytes(bytes), 3);
        assert!((&counter).read(&mut bytes).is_err());
    }

    #[test]
    fn errors_of_accept_are_sorted() {
        let fault = |number| accept_fault(&io::Error::from_raw_os_error(number));
        assert_eq!(fault(libc::ECONNABORTED), AcceptFault::DeadConnection);
        assert_eq!(fault(libc::EPROTO), AcceptFault::DeadConnection);
        for number in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            assert_eq!(fault(number), AcceptFault::Exhausted);
        }
        assert_eq!(fault(libc::EINVAL), AcceptFault::Lasting);
        assert_eq!(fault(libc::EBADF), AcceptFault::Lasting);
        let ours = io::Error::other("the runtime has shut down");
        assert_eq!(accept_fault(&ours), AcceptFault::Lasting);
    }

    #[test]
    fn a_call_takes_1024_pieces() {
        for (count, sent) in [(0, 0), (1023, 1023), (1024, 1024), (1025, 1024)] {
            let pieces = vec![IoSlice::new(b"x"); count];
            assert_eq!(sendable(&pieces).len(), sent);
        }
    }
}
