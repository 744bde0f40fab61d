//! When is a connection made, and which of several addresses is it?
//!
//! `connect(2)` on a non-blocking socket only begins. The end shows as writability, success and failure alike, and the verdict stands in
//! `SO_ERROR`. But a descriptor that is new to the reactor counts as ready, so writability alone proves nothing: while `SO_ERROR` is empty and the socket has no
//! peer yet, the handshake is under way, and that counts as "would block".
//!
//! Several addresses are tried one after the other. Rejected for now: happy eyeballs (RFC 8305), which races them; it needs timers and a second socket for what
//! matters where IPv6 is broken.

use crate::addr::Resolved;
use crate::error;
use crate::sys;
use crate::tcp::socket::TcpSocket;
use crate::tcp::stream::TcpStream;
use filch::io::AsyncFd;
use socket2::Socket;
use std::io;
use std::net::{self, SocketAddr};

/// A connection to the first of these addresses that answers.
pub(crate) async fn connect_to_any(resolved: &Resolved) -> io::Result<TcpStream> {
    let mut failures = Vec::new();
    for &addr in &resolved.addresses {
        match connect_to(addr).await {
            Ok(stream) => return Ok(stream),
            Err(cause) => failures.push((addr, cause)),
        }
    }
    Err(no_answer(resolved, failures))
}

async fn connect_to(addr: SocketAddr) -> io::Result<TcpStream> {
    connect(TcpSocket::new_for(addr)?.into_socket(), addr).await
}

/// A connection of this socket to this address.
pub(crate) async fn connect(socket: Socket, addr: SocketAddr) -> io::Result<TcpStream> {
    sys::begin_connect(&socket, addr)?;
    let fd = AsyncFd::new(net::TcpStream::from(socket))?;
    fd.async_write(finish).await?;
    Ok(TcpStream::from_async_fd(fd))
}

/// The verdict of the handshake; `WouldBlock` while there is none.
fn finish(stream: &net::TcpStream) -> io::Result<()> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        verdict => verdict.map(|_| ()),
    }
}

/// The last failure is the error; those before are told in its text.
#[cold]
fn no_answer(resolved: &Resolved, mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    let (addr, cause) = failures.pop().expect("a resolved name has an address");
    let mut step = format!("connect to {}", resolved.call(addr));
    for (addr, cause) in failures {
        step += &format!(", after {addr}: {cause}");
    }
    error::at(step, cause)
}
