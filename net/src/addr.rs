//! Which addresses are meant by what a caller gives?
//!
//! An address, or the text of one, is used as it is. A name goes to the system's resolver (`getaddrinfo(3)`), which blocks for as long as a name server likes;
//! so it is called on a thread of its own, and the workers go on: [`resolver`](crate::resolver).
//!
//! Rejected: the trait of `std` with the same name. It resolves while it is called, and its implementers may borrow, so that they cannot be sent to
//! another thread. A resolver of our own: it would have to know `nsswitch.conf`.

use crate::error;
use crate::resolver::Resolver;
use std::fmt::{self, Display};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// What can be listened on or connected to: an address, `"host:port"`, `(host, port)`, or several addresses.
///
/// It cannot be implemented outside of this crate.
///
/// # Examples
///
/// ```
/// use filch_net::lookup_host;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let by_text = lookup_host("127.0.0.1:80").await?;
/// let by_parts = lookup_host(([127, 0, 0, 1], 80)).await?;
/// assert_eq!(by_text, by_parts);
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ToSocketAddrs: sealed::Meaning {}

impl<T: sealed::Meaning + ?Sized> ToSocketAddrs for T {}

/// The addresses that are meant, in the order in which they should be tried.
///
/// There is no time limit but the system's, which is half a minute or more where no name server answers: use [`lookup_host_by`](crate::lookup_host_by), or
/// [`filch::time::timeout`].
///
/// # Units and limits
///
/// Those of the resolver that everybody shares, see [`Resolver`].
///
/// # Errors
///
/// `InvalidInput` if the text is neither an address nor `host:port`, or means no address at all; `ResourceBusy` if too many names wait already; else what the resolver says, with the name. Outside
/// a runtime too, if there is a name to resolve.
///
/// # Cancel safety
///
/// Nothing is lost; a question that the resolver is working on is answered to those who still ask it.
///
/// # Examples
///
/// ```
/// # let rt = filch::Runtime::new()?;
/// let found = rt.block_on(filch_net::lookup_host("localhost:80"))?;
/// assert!(found.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 80));
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn lookup_host(addr: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    let wanted = addr.wanted()?;
    Ok(wanted.resolve().await?.addresses)
}

/// What a caller asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Addresses, which need no resolver.
    Known(Vec<SocketAddr>),
    /// A name, which does.
    Named(String, u16),
}

/// The first of the addresses that are meant.
pub(crate) async fn first(addr: impl ToSocketAddrs) -> io::Result<SocketAddr> {
    if let Some(one) = addr.as_one() {
        return Ok(one);
    }
    let wanted = addr.wanted()?;
    Ok(wanted.resolve().await?.addresses[0])
}

/// The addresses to try, and what they were called.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// Never empty.
    pub(crate) addresses: Vec<SocketAddr>,
    name: Option<String>,
}

pub(crate) mod sealed {
    use super::Wanted;
    use std::io;
    use std::net::SocketAddr;

    /// The part of [`ToSocketAddrs`](super::ToSocketAddrs) that may change.
    pub trait Meaning {
        /// What is asked for.
        fn wanted(&self) -> io::Result<Wanted>;

        /// The address, where it is one already: for who sends many datagrams, and cannot have a list made for each.
        fn as_one(&self) -> Option<SocketAddr> {
            None
        }
    }
}

use sealed::Meaning;

impl Wanted {
    /// Asks the resolver that everybody shares, where that is needed.
    pub(crate) async fn resolve(self) -> io::Result<Resolved> {
        self.resolve_by(Resolver::system()).await
    }

    /// Asks this resolver, where that is needed.
    pub(crate) async fn resolve_by(self, resolver: &Resolver) -> io::Result<Resolved> {
        let resolved = match self {
            Self::Known(addresses) => Resolved {
                addresses,
                name: None,
            },
            Self::Named(host, port) => {
                let name = format!("{host}:{port}");
                let found = resolver.ask(&host, port).await;
                Resolved {
                    addresses: found
                        .map_err(|cause| error::at(format!("resolve {name}"), cause))?,
                    name: Some(name),
                }
            }
        };
        if resolved.addresses.is_empty() {
            return Err(invalid(format!("{resolved} means no address")));
        }
        Ok(resolved)
    }
}

impl Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(host, port) => write!(f, "{host}:{port}"),
            Self::Known(addresses) => f.debug_list().entries(addresses).finish(),
        }
    }
}

impl Resolved {
    /// What `attempt` makes of the first address with which it succeeds; of several failures, the last.
    pub(crate) fn first_that<R>(
        &self,
        attempt: impl Fn(SocketAddr) -> io::Result<R>,
        step: &str,
    ) -> io::Result<R> {
        let mut last = None;
        for &addr in &self.addresses {
            match attempt(addr) {
                Ok(made) => return Ok(made),
                Err(cause) => last = Some((addr, cause)),
            }
        }
        let (addr, cause) = last.expect("a resolved name has an address");
        Err(error::at(format!("{step} {}", self.call(addr)), cause))
    }

    /// How an error calls one of the addresses.
    pub(crate) fn call(&self, addr: SocketAddr) -> String {
        match &self.name {
            Some(name) => format!("{name} ({addr})"),
            None => addr.to_string(),
        }
    }
}

impl Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None if self.addresses.is_empty() => f.write_str("an empty list"),
            None => {
                let texts: Vec<_> = self.addresses.iter().map(SocketAddr::to_string).collect();
                f.write_str(&texts.join(", "))
            }
        }
    }
}

#[cold]
fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn known(addr: impl Into<SocketAddr>) -> io::Result<Wanted> {
    Ok(Wanted::Known(vec![addr.into()]))
}

/// A host that may be the text of an address.
fn host(host: &str, port: u16) -> io::Result<Wanted> {
    match host.parse::<IpAddr>() {
        Ok(ip) => known((ip, port)),
        Err(_) if host.is_empty() => Err(invalid(format!("there is no host in \":{port}\""))),
        Err(_) => Ok(Wanted::Named(host.to_owned(), port)),
    }
}

impl Meaning for str {
    fn wanted(&self) -> io::Result<Wanted> {
        if let Ok(addr) = self.parse::<SocketAddr>() {
            return known(addr);
        }
        let (name, port) = self
            .rsplit_once(':')
            .ok_or_else(|| invalid(format!("{self:?} has no port; write host:port")))?;
        let port = port
            .parse()
            .map_err(|_| invalid(format!("{self:?} has no port from 0 to 65535 at its end")))?;
        host(name, port)
    }
}

impl Meaning for String {
    fn wanted(&self) -> io::Result<Wanted> {
        self.as_str().wanted()
    }
}

impl Meaning for (&str, u16) {
    fn wanted(&self) -> io::Result<Wanted> {
        host(self.0, self.1)
    }
}

impl Meaning for (String, u16) {
    fn wanted(&self) -> io::Result<Wanted> {
        host(&self.0, self.1)
    }
}

impl Meaning for [SocketAddr] {
    fn wanted(&self) -> io::Result<Wanted> {
        Ok(Wanted::Known(self.to_vec()))
    }
}

impl<const N: usize> Meaning for [SocketAddr; N] {
    fn wanted(&self) -> io::Result<Wanted> {
        self.as_slice().wanted()
    }
}

impl Meaning for Vec<SocketAddr> {
    fn wanted(&self) -> io::Result<Wanted> {
        self.as_slice().wanted()
    }
}

impl<T: Meaning + ?Sized> Meaning for &T {
    fn wanted(&self) -> io::Result<Wanted> {
        (**self).wanted()
    }

    fn as_one(&self) -> Option<SocketAddr> {
        (**self).as_one()
    }
}

macro_rules! addresses {
    ($($type:ty),*) => {
        $(impl Meaning for $type {
            fn wanted(&self) -> io::Result<Wanted> {
                known(*self)
            }

            fn as_one(&self) -> Option<SocketAddr> {
                Some((*self).into())
            }
        })*
    };
}

addresses!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16),
    ([u8; 4], u16),
    ([u16; 8], u16)
);

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Wanted {
        Wanted::Known(vec![text.parse().unwrap()])
    }

    #[test]
    fn what_is_an_address_needs_no_resolver() {
        let v4 = literal("127.0.0.1:80");
        assert_eq!("127.0.0.1:80".wanted().unwrap(), v4);
        assert_eq!(String::from("127.0.0.1:80").wanted().unwrap(), v4);
        assert_eq!(("127.0.0.1", 80).wanted().unwrap(), v4);
        assert_eq!((Ipv4Addr::LOCALHOST, 80).wanted().unwrap(), v4);
        assert_eq!((&&([127, 0, 0, 1], 80)).wanted().unwrap(), v4);
        let v6 = literal("[::1]:80");
        assert_eq!("[::1]:80".wanted().unwrap(), v6);
        assert_eq!((String::from("::1"), 80).wanted().unwrap(), v6);
        assert_eq!((Ipv6Addr::LOCALHOST, 80).wanted().unwrap(), v6);
    }

    #[test]
    fn what_is_a_name_keeps_its_port() {
        let wanted = Wanted::Named("example.org".to_owned(), 443);
        assert_eq!("example.org:443".wanted().unwrap(), wanted);
        assert_eq!(("example.org", 443).wanted().unwrap(), wanted);
    }

    #[test]
    fn what_is_neither_is_refused_with_a_remedy() {
        for (text, words) in [
            ("example.org", "write host:port"),
            ("example.org:http", "from 0 to 65535"),
            ("example.org:65536", "from 0 to 65535"),
            (":80", "no host"),
            ("", "write host:port"),
        ] {
            let error = text.wanted().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(words), "{text:?}: {error}");
        }
    }

    #[test]
    fn no_address_is_an_error() {
        let rt = filch::Runtime::new().unwrap();
        let none: [SocketAddr; 0] = [];
        let error = rt.block_on(lookup_host(none)).unwrap_err();
        assert_eq!(error.to_string(), "an empty list means no address");
    }

    #[test]
    fn a_name_outside_a_runtime_is_an_error() {
        let error = futures_lite::future::block_on(lookup_host("localhost:1")).unwrap_err();
        assert!(
            error.to_string().starts_with("resolve localhost:1: "),
            "{error}"
        );
    }
}
