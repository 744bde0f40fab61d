//! Whom does a server believe, and how long does it wait?

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

/// How long a header may take, unless told otherwise: a proxy sends it with its first packet, and one that was lost is sent again after a second (RFC 6298), then after two more.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Who is trusted to send a header, and what if none comes.
///
/// Nobody is trusted, a header is required and has five seconds, unless told otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    trusted: Vec<Network>,
    pub(super) timeout: Duration,
    pub(super) is_required: bool,
}

impl Config {
    /// Nobody is trusted.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            trusted: Vec::new(),
            timeout: TIMEOUT,
            is_required: true,
        }
    }

    /// Trusts the addresses of a network, besides those of others. Name the proxies and nobody else: whoever is trusted can say that it is anybody.
    #[must_use]
    pub fn trust(mut self, network: Network) -> Self {
        self.trusted.push(network);
        self
    }

    /// Trusts the addresses of these networks, and no others.
    #[must_use]
    pub fn trusted(self, networks: impl IntoIterator<Item = Network>) -> Self {
        let trusted = Vec::from_iter(networks);
        Self { trusted, ..self }
    }

    /// How long all of the header may take, from the call on.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Whether a connection without a header is an error, of anybody (the default). If not, it is let in as it is.
    ///
    /// The protocol's authors warn of guessing: a client who sends nothing before the server does is waited for until the time is up, and a client behind a trusted address that sends no header can send one of its own.
    #[must_use]
    pub fn required(self, is_required: bool) -> Self {
        Self {
            is_required,
            ..self
        }
    }

    pub(super) fn is_trusted(&self, addr: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(addr))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// All addresses that begin with the same bits: `10.0.0.0/8`, `2001:db8::/32`, or one address.
///
/// # Examples
///
/// ```
/// use filch_net::proxy_protocol::Network;
///
/// let network: Network = "10.1.0.0/16".parse()?;
/// assert!(network.contains([10, 1, 2, 3].into()));
/// assert!(!network.contains([10, 2, 2, 3].into()));
/// # Ok::<(), filch_net::proxy_protocol::NetworkError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    addr: IpAddr,
    prefix: u8,
}

/// What is no network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkError(String);

impl Network {
    /// The addresses whose first `prefix` bits are those of `addr`. A network of mapped addresses (`::ffff:10.0.0.0/104`) is that of IPv4.
    ///
    /// # Errors
    ///
    /// If an address has fewer bits (32 or 128), or bits after those are set: it is unclear then what is meant.
    pub fn new(addr: IpAddr, prefix: u8) -> Result<Self, NetworkError> {
        let network = Self { addr, prefix };
        if prefix > width(addr) {
            return Err(NetworkError(format!(
                "{network} has a prefix longer than its address"
            )));
        }
        let network = network.canonical();
        let Self { addr, prefix } = network;
        if first_bits(addr, prefix) != bits(addr) {
            return Err(NetworkError(format!("{network} has bits after its prefix")));
        }
        Ok(network)
    }

    /// Of IPv4, if all of its addresses are mapped ones: those of peers are compared as such.
    fn canonical(self) -> Self {
        match (
            self.addr.to_canonical(),
            self.prefix.checked_sub(MAPPED_BITS),
        ) {
            (addr @ IpAddr::V4(_), Some(prefix)) if self.addr.is_ipv6() => Self { addr, prefix },
            _ => self,
        }
    }

    /// Whether an address belongs to it. An IPv4 address that came by an IPv6 socket (`::ffff:10.0.0.1`) is the IPv4 address.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        let (ours, addr) = (self.addr, addr.to_canonical());
        ours.is_ipv4() == addr.is_ipv4() && first_bits(addr, self.prefix) == bits(ours)
    }
}

/// How many bits of a mapped address (`::ffff:10.0.0.1`) stand before those of IPv4.
const MAPPED_BITS: u8 = 96;

const fn width(addr: IpAddr) -> u8 {
    match addr {
        IpAddr::V4(_) => Ipv4Addr::BITS as u8,
        IpAddr::V6(_) => Ipv6Addr::BITS as u8,
    }
}

fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => addr.to_bits().into(),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

/// With all others cleared.
fn first_bits(addr: IpAddr, prefix: u8) -> u128 {
    let others = u32::from(width(addr) - prefix);
    let cleared = bits(addr).checked_shr(others).unwrap_or(0);
    cleared.checked_shl(others).unwrap_or(0)
}

impl From<IpAddr> for Network {
    fn from(addr: IpAddr) -> Self {
        let (addr, prefix) = (addr.to_canonical(), width(addr.to_canonical()));
        Self { addr, prefix }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || {
            NetworkError(format!(
                "{text:?} is no network; write an address, or address/bits"
            ))
        };
        let Some((addr, prefix)) = text.split_once('/') else {
            return text.parse::<IpAddr>().map(Self::from).map_err(|_| wrong());
        };
        let addr = addr.parse().map_err(|_| wrong())?;
        let is_number = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|_| is_number);
        Self::new(addr, prefix.ok_or_else(wrong)?)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for NetworkError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        for (text, inside, outside) in [
            (
                "10.0.0.0/8",
                ["10.0.0.0", "10.255.255.255"],
                ["9.255.255.255", "11.0.0.0"],
            ),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::1"]),
            (
                "10.0.0.1",
                ["10.0.0.1", "::ffff:10.0.0.1"],
                ["10.0.0.0", "10.0.0.2"],
            ),
            (
                "10.0.0.2/31",
                ["10.0.0.2", "10.0.0.3"],
                ["10.0.0.1", "10.0.0.4"],
            ),
            (
                "2001:db8::/32",
                ["2001:db8::", "2001:db8:ffff::1"],
                ["2001:db7::", "2001:db9::"],
            ),
            ("::/0", ["::", "ffff::"], ["0.0.0.0", "::ffff:10.0.0.1"]),
            ("::1/128", ["::1", "::1"], ["::", "::2"]),
        ] {
            let network = network(text);
            assert!(
                inside.iter().all(|inside| network.contains(addr(inside))),
                "{text}"
            );
            assert!(
                !outside
                    .iter()
                    .any(|outside| network.contains(addr(outside))),
                "{text}"
            );
        }
    }

    /// As a service that listens on `[::]` sees its peers, and people write them down.
    #[test]
    fn a_network_of_mapped_addresses_is_the_one_of_ipv4() {
        for (text, same) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.0.0.1/128", "10.0.0.1/32"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(network(text), network(same), "{text}");
            assert_eq!(network(text).to_string(), same);
        }
        assert!(network("::ffff:10.0.0.0/104").contains(addr("::ffff:10.0.0.1")));
        // Half of what is mapped is no network of IPv4.
        assert_eq!(network("::ffff:0:0/97").to_string(), "0.0.0.0/1");
        assert_eq!(network("::fffe:0:0/95").to_string(), "::fffe:0:0/95");
        for text in [
            "::ffff:10.0.0.0/95",
            "::ffff:10.0.0.1/104",
            "::ffff:10.0.0.0/129",
        ] {
            assert!(Network::from_str(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.1/8",
            "::1/127",
            "10.0.0/8",
            "10.0.0.0/8/8",
            "localhost",
            "10.0.0.0/256",
            " ::",
        ] {
            let error = Network::from_str(text).unwrap_err();
            assert!(!error.to_string().is_empty(), "{text}");
        }
        for text in ["10.0.0.0/31", "10.0.0.0/32", "::/127", "::/128"] {
            assert_eq!(network(text).to_string(), text);
        }
    }
}
