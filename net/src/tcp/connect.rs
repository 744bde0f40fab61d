//! When is a connection made?
//!
//! `connect(2)` on a non-blocking socket only begins. The end shows as writability, success and failure alike, and the verdict stands in
//! `SO_ERROR`. But a descriptor that is new to the reactor counts as ready, so writability alone proves nothing: while `SO_ERROR` is empty and the socket has no
//! peer yet, the handshake is under way, and that counts as "would block".
//!
//! Where `connect(2)` says at once that it is done, nobody waits: with fast open it has not even begun, and will not before the first write.

use crate::sys;
use crate::tcp::stream::TcpStream;
use filch::io::AsyncFd;
use socket2::Socket;
use std::io;
use std::net::{self, SocketAddr};

/// A connection of this socket to this address.
pub(super) async fn connect(socket: Socket, addr: SocketAddr) -> io::Result<TcpStream> {
    let is_done = sys::begin_connect(&socket, addr)?;
    let fd = AsyncFd::new(net::TcpStream::from(socket))?;
    if !is_done {
        fd.async_write(finish).await?;
    }
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
