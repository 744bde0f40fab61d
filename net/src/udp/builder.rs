//! What must be set before a socket is bound?
//!
//! Who else may have the address, and which families it is for. Everything else can be set when the socket is there (`options`).

use crate::addr::ToSocketAddrs;
use crate::sys;
use crate::udp::socket::UdpSocket;
use socket2::Domain;
use std::io;
use std::net::SocketAddr;

/// Options that must be set before an address is bound, from [`UdpSocket::builder`].
///
/// # Examples
///
/// Two sockets that share a port, among which the kernel spreads the senders:
///
/// ```
/// use filch_net::UdpSocket;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let shared = UdpSocket::builder().reuseport(true);
/// let one = shared.bind("127.0.0.1:0").await?;
/// let other = shared.bind(one.local_addr()?).await?;
/// assert_eq!(one.local_addr()?, other.local_addr()?);
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use = "it does nothing before bind"]
pub struct Builder {
    is_reused: bool,
    is_shared: bool,
    is_only_v6: Option<bool>,
}

impl Builder {
    /// As the system has it.
    pub const fn new() -> Self {
        Self {
            is_reused: false,
            is_shared: false,
            is_only_v6: None,
        }
    }

    /// Lets several sockets be bound to one address that all say so (`SO_REUSEADDR`): each gets every multicast datagram; of the others, the last socket bound gets all.
    pub const fn reuseaddr(self, is_reused: bool) -> Self {
        Self { is_reused, ..self }
    }

    /// Lets several sockets of one user be bound to one address; the kernel spreads the senders (`SO_REUSEPORT`).
    pub const fn reuseport(self, is_shared: bool) -> Self {
        Self { is_shared, ..self }
    }

    /// Keeps a socket for IPv6 from taking IPv4 (`IPV6_V6ONLY`). Not for addresses of IPv4.
    pub const fn only_v6(self, is_only_v6: bool) -> Self {
        Self {
            is_only_v6: Some(is_only_v6),
            ..self
        }
    }

    /// A socket with the first of these addresses that can be had.
    ///
    /// # Errors
    ///
    /// As for [`UdpSocket::bind`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it waits only while a name is resolved, and nothing is bound before.
    pub async fn bind(self, addr: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        let wanted = addr.wanted()?;
        let resolved = wanted.resolve().await?;
        resolved.first_that(|addr| self.bind_to(addr), "bind to")
    }

    fn bind_to(self, addr: SocketAddr) -> io::Result<UdpSocket> {
        let socket = sys::udp_socket(Domain::for_address(addr))?;
        if self.is_reused {
            socket.set_reuse_address(true)?;
        }
        if self.is_shared {
            socket.set_reuse_port(true)?;
        }
        if let (Some(is_only_v6), SocketAddr::V6(_)) = (self.is_only_v6, addr) {
            socket.set_only_v6(is_only_v6)?;
        }
        socket.bind(&addr.into())?;
        UdpSocket::from_nonblocking(socket.into())
    }
}
