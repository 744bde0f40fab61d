//! Who is the client, if a proxy stands in between?
//!
//! A proxy that passes bytes on says so itself, before the first byte of its client: by the header of the PROXY protocol, as a line of text (version 1) or in binary (version 2).
//! [`accept_header`] takes it from a connection that was just accepted; the next read gives what the client has sent.
//!
//! Anybody can send such a header, so it is only believed where it comes from a proxy of one's own: [`Config::trusted`].
//!
//! The header is looked at where it is (`MSG_PEEK`), and taken out by one read when all of it is there: so no byte of what follows is ever taken with it, and nothing is lost when a future is dropped. Rejected: reading byte
//! by byte (up to 107 system calls); a stream that wraps the connection and has what was read too much (it would have to be threaded through everything that takes a `TcpStream`).
//!
//! | file | question |
//! |---|---|
//! | `config` | whom does a server believe, and how long does it wait? |
//! | `header` | what can a header say? |
//! | `text` | what does a header of version 1 say? |
//! | `binary` | what does a header of version 2 say? |
//!
//! # Source
//!
//! "The PROXY protocol, Versions 1 & 2", of HAProxy: `doc/proxy-protocol.txt`.
//!
//! # Examples
//!
//! ```
//! use filch_net::proxy_protocol::{Config, accept_header};
//! use filch_net::{TcpListener, TcpStream};
//! use futures_lite::{AsyncReadExt, AsyncWriteExt};
//!
//! # let rt = filch::Runtime::new()?;
//! # rt.block_on(async {
//! let config = Config::new().trust("127.0.0.0/8".parse().unwrap());
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let addr = listener.local_addr()?;
//! # let mut proxy = TcpStream::connect(addr).await?;
//! # proxy.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\nhello").await?;
//! let (mut stream, peer) = listener.accept().await?;
//! let header = accept_header(&mut stream, &config).await?;
//! let client = header.and_then(|header| header.source()).unwrap_or(peer);
//! assert_eq!(client.to_string(), "192.0.2.7:5000");
//! let mut word = [0; 5];
//! stream.read_exact(&mut word).await?;
//! assert_eq!(&word, b"hello");
//! # std::io::Result::Ok(())
//! # })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod binary;
mod config;
mod header;
mod text;

pub use binary::V2_LENGTH_MAX;
pub use config::{Config, Network, NetworkError};
pub use header::{Addresses, Header, Invalid, Parsed, Tlv, Tlvs, Version, parse};
pub use text::V1_BYTES_MAX;

use crate::error;
use crate::sys;
use crate::tcp::TcpStream;
use crate::watched::Watched;
use filch::time::timeout;
use std::io;

/// More than any header has, so that one look shows all of it.
const LOOK_BYTES: usize = binary::BYTES_MAX;

/// Takes the header from a connection that was just accepted; `None` if there is none, which is an error where the configuration says so. After it, the connection begins with what the client has sent.
///
/// Whose peer is not [trusted](Config::trust), from that nothing is read.
///
/// # Units and limits
///
/// A header of version 1 has at most [`V1_BYTES_MAX`] bytes, one of version 2 at most [`V2_LENGTH_MAX`] after its first 16. All of it must fit into the socket's receive buffer, which it does unless that was made smaller.
///
/// # Errors
///
/// `InvalidData`, with what is wrong, if it is not a header; of a connection that begins with something else only where one is [required](Config::required). `PermissionDenied` if one is required and the
/// peer is not trusted. `UnexpectedEof` if the peer has ended before. `TimedOut`. What `recv(2)` says. Each has the peer's address in its text, or where the connection is broken
/// off already and has none (`NotConnected`), our own; and the connection is to be closed.
///
/// # Cancel safety
///
/// Nothing is taken from the connection before all of the header is there, and then all of it at once: it may be called again. To read something else instead may wait for the next bytes of the peer.
pub async fn accept_header(stream: &mut TcpStream, config: &Config) -> io::Result<Option<Header>> {
    let peer = stream
        .peer_addr()
        .map_err(|cause| nobody_there(stream, cause))?;
    let failed = |cause| error::at(format!("read the PROXY header of {peer}"), cause);
    if config.is_trusted(peer.ip()) {
        return read_header(stream, config).await.map_err(failed);
    }
    if config.is_required {
        let text = "a header is required, and this address is not trusted to send one";
        let cause = io::Error::new(io::ErrorKind::PermissionDenied, text);
        return Err(failed(cause));
    }
    Ok(None)
}

/// A connection that was broken off has no peer any more: what is known of it is where it has come in.
#[cold]
fn nobody_there(stream: &TcpStream, cause: io::Error) -> io::Error {
    match stream.local_addr() {
        Ok(ours) => error::at(
            format!("ask who is connected to {ours}, for the PROXY header"),
            cause,
        ),
        Err(_) => error::at("ask who is connected, for the PROXY header", cause),
    }
}

/// The same, of a peer who is trusted whatever its address is: for sockets of other kinds.
///
/// # Errors
///
/// As for [`accept_header`], without an address.
///
/// # Cancel safety
///
/// As for [`accept_header`].
///
/// # Examples
///
/// ```
/// use filch::io::AsyncFd;
/// use filch_net::proxy_protocol::{Config, read_header};
/// use std::io::Write;
/// use std::os::unix::net::UnixStream;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let (mut proxy, stream) = UnixStream::pair()?;
/// proxy.write_all(b"PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n")?;
/// stream.set_nonblocking(true)?;
/// let mut stream = AsyncFd::new(stream)?;
/// let header = read_header(&mut stream, &Config::new()).await?.unwrap();
/// assert_eq!(header.source(), Some("[2001:db8::7]:5000".parse().unwrap()));
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn read_header<T: Watched>(
    stream: &mut T,
    config: &Config,
) -> io::Result<Option<Header>> {
    let mut room = vec![0; LOOK_BYTES];
    let take = stream.watched().async_read(|socket| {
        // Asked before the look: what is not there then will not come.
        let is_over = sys::has_ended(socket)?;
        let count = sys::peek(socket, &mut room)?;
        match parse(&room[..count]).map_err(io::Error::from)? {
            Parsed::Header(header, bytes) => {
                take_out(socket, &mut room[..bytes])?;
                Ok(Some(header))
            }
            Parsed::None if config.is_required => {
                Err(Invalid("it does not begin with a header").into())
            }
            Parsed::None => Ok(None),
            Parsed::Partial if !is_over => Err(io::ErrorKind::WouldBlock.into()),
            // Who says nothing at all, or not even as much as a header, has sent none.
            Parsed::Partial if !config.is_required && !header::is_certain(&room[..count]) => {
                Ok(None)
            }
            Parsed::Partial => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the peer has ended after {count} bytes of it"),
            )),
        }
    });
    match timeout(config.timeout, take).await {
        Ok(taken) => taken,
        Err(_elapsed) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("it has not come within {:?}", config.timeout),
        )),
    }
}

/// Takes out what was looked at: it is there, so this does not wait.
fn take_out(socket: &impl std::os::fd::AsFd, mut room: &mut [u8]) -> io::Result<()> {
    while !room.is_empty() {
        match sys::receive(socket, room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => room = &mut room[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Only if somebody else reads from the same socket; to be tried again, it would begin anew.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::other("somebody else reads from this connection"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
