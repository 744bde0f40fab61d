//! What can a header say?

use super::{binary, text};
use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// What a proxy says of its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub(super) version: Version,
    pub(super) is_local: bool,
    pub(super) addresses: Addresses,
    /// As they came; each is whole.
    pub(super) tlvs: Vec<u8>,
}

/// Which form a header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Who is connected to whom, as the proxy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Addresses {
    /// The proxy does not say (`UNKNOWN`, or a family that is not specified), or the connection is its own.
    Unknown,
    /// A connection of TCP.
    Tcp {
        /// The client.
        source: SocketAddr,
        /// Where it has connected to.
        destination: SocketAddr,
    },
    /// Datagrams of UDP.
    Udp {
        /// The client.
        source: SocketAddr,
        /// Where it sends to.
        destination: SocketAddr,
    },
    /// Unix sockets, by path, or by abstract name with a zero in front; without the zeroes at the end.
    Unix {
        /// The client.
        source: Vec<u8>,
        /// Where it has connected to.
        destination: Vec<u8>,
        /// Whether these are datagrams.
        is_datagram: bool,
    },
}

impl Header {
    /// The client's address, if the proxy says one. Where it says none, the connection's own address is as good as any.
    #[must_use]
    pub fn source(&self) -> Option<SocketAddr> {
        match self.addresses {
            Addresses::Tcp { source, .. } | Addresses::Udp { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Where the client has connected to, if the proxy says it.
    #[must_use]
    pub fn destination(&self) -> Option<SocketAddr> {
        match self.addresses {
            Addresses::Tcp { destination, .. } | Addresses::Udp { destination, .. } => {
                Some(destination)
            }
            _ => None,
        }
    }

    /// Both addresses.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Which form it had.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether the connection is the proxy's own, for instance to ask if the server is alive (`LOCAL`).
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// What version 2 can say besides, in the order in which it came.
    #[must_use]
    pub fn tlvs(&self) -> Tlvs<'_> {
        Tlvs { rest: &self.tlvs }
    }

    /// The first of this kind: 1 is the protocol (ALPN), 2 the name that the client asked for, 5 a number of the connection, 0x20 what is known of TLS.
    #[must_use]
    pub fn tlv(&self, kind: u8) -> Option<&[u8]> {
        let found = self.tlvs().find(|tlv| tlv.kind == kind);
        found.map(|tlv| tlv.value)
    }
}

/// Something that a proxy says besides the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Which kind: section 2.2 of the specification.
    pub kind: u8,
    /// What it says.
    pub value: &'a [u8],
}

/// All of a [`Header`], one after the other.
#[derive(Debug, Clone)]
pub struct Tlvs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        let (tlv, rest) = binary::split_tlv(self.rest)?;
        self.rest = rest;
        Some(tlv)
    }
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// A header, which is so many bytes long.
    Header(Header, usize),
    /// They may be the beginning of one.
    Partial,
    /// No header begins like that.
    None,
}

/// What begins as a header does and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid(pub(super) &'static str);

/// What the first bytes of a connection are, for those who have them from elsewhere than a socket.
///
/// # Errors
///
/// [`Invalid`] says what is wrong.
///
/// # Examples
///
/// ```
/// use filch_net::proxy_protocol::{Parsed, parse};
///
/// let Parsed::Header(header, bytes) = parse(b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\nGET /")? else { panic!() };
/// assert_eq!((header.source().unwrap().port(), bytes), (5000, 41));
/// assert_eq!(parse(b"PROXY TCP4 192.0")?, Parsed::Partial);
/// assert_eq!(parse(b"GET / HTTP/1.1\r\n")?, Parsed::None);
/// # Ok::<(), filch_net::proxy_protocol::Invalid>(())
/// ```
pub fn parse(bytes: &[u8]) -> Result<Parsed, Invalid> {
    if begins(bytes, text::SIGNATURE) {
        text::parse(bytes)
    } else if begins(bytes, &binary::SIGNATURE) {
        binary::parse(bytes)
    } else {
        Ok(Parsed::None)
    }
}

/// Whether bytes that are a [part](Parsed::Partial) of a header can be nothing else.
pub(super) fn is_certain(bytes: &[u8]) -> bool {
    bytes.starts_with(text::SIGNATURE) || bytes.starts_with(&binary::SIGNATURE)
}

/// As far as there are bytes.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(one, other)| one == other)
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Invalid {}

impl From<Invalid> for io::Error {
    fn from(error: Invalid) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}
