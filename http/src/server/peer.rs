//! How does a connection remember who its client is?
//!
//! In 16 bytes, half of what `Option<SocketAddr>` takes: an address of IPv4 as it is, and one of IPv6, which has a scope and a flow besides, in a box. It is kept as long as the connection, and most are idle.

use super::census::Origin;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

/// The address of a client, where it has one.
#[derive(Debug)]
pub(crate) enum Peer {
    /// Of a socket that has a path, or no name.
    Nameless,
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl Peer {
    pub(crate) fn of(address: Option<SocketAddr>) -> Self {
        match address {
            None => Self::Nameless,
            Some(SocketAddr::V4(address)) => Self::V4(address),
            Some(SocketAddr::V6(address)) => Self::V6(Box::new(address)),
        }
    }

    #[inline]
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Nameless => None,
            Self::V4(address) => Some(SocketAddr::V4(*address)),
            Self::V6(address) => Some(SocketAddr::V6(**address)),
        }
    }

    /// Whom it is counted for.
    pub(crate) fn origin(&self) -> Option<Origin> {
        self.address().map(|address| Origin::of(address.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_whole() {
        let scoped = SocketAddr::V6(SocketAddrV6::new([7; 8].into(), 80, 3, 4));
        let plain: SocketAddr = "192.0.2.1:80".parse().expect("an address");
        for address in [None, Some(plain), Some(scoped)] {
            assert_eq!(Peer::of(address).address(), address);
        }
        assert_eq!(size_of::<Peer>(), 16);
    }
}
