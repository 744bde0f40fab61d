//! Which sockets has the manager opened?
//!
//! Those from descriptor 3 on, as many as `LISTEN_FDS` says, if `LISTEN_PID` is this process. What each is, the kernel is asked (`SO_TYPE`, `SO_DOMAIN`, `SO_ACCEPTCONN`), never the environment.
//!
//! All are checked before the first is taken: an error leaves them as they were. Each is taken once: a descriptor that was handed to the process is not close-on-exec, and taking it makes it so. That is what
//! keeps a wrong environment from giving away a descriptor that belongs to somebody else.

use super::{invalid, is_for_us, number, variable};
use crate::error;
use crate::sys;
use socket2::{Domain, SockRef, Type};
use std::io;
use std::net::{self, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::PoisonError;

/// Where they begin (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;

/// What systemd calls a descriptor that it has no name for.
const NAMELESS: &str = "unknown";

/// Two threads that ask at a time must not find the same descriptors untaken.
#[expect(
    clippy::disallowed_types,
    reason = "held once in a program's life, by no protocol of ours"
)]
static TAKING: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// A socket that was handed to this process, and what the manager calls it.
#[derive(Debug)]
pub struct Inherited {
    /// From `LISTEN_FDNAMES`: `FileDescriptorName=` of the unit, or the name that it was [stored](super::store) under; else the unit's own name, or `unknown`.
    pub name: String,
    /// The socket, by its kind. It is close-on-exec, and blocks or not as the manager has left it: `from_std` makes it non-blocking.
    pub socket: Socket,
}

/// A socket by its kind, as the kernel knows it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// Listens for TCP connections (`ListenStream=`); for [`TcpListener::from_std`](crate::TcpListener::from_std).
    TcpListener(TcpListener),
    /// A TCP connection (`Accept=yes`).
    TcpStream(TcpStream),
    /// Receives UDP datagrams (`ListenDatagram=`).
    UdpSocket(UdpSocket),
    /// Listens for connections on a path or an abstract name.
    UnixListener(UnixListener),
    /// A connection of Unix sockets.
    UnixStream(UnixStream),
    /// Receives datagrams on a path or an abstract name.
    UnixDatagram(UnixDatagram),
    /// Anything else: a pipe, a file that was [stored](super::store), a socket of another family.
    Other(OwnedFd),
}

/// All sockets that the manager has opened for this process, in its order; none if it has opened none, or there is no manager.
///
/// # Units and limits
///
/// Each is given once, to the first who asks. Call it at the start of the program, before anything that starts children.
///
/// # Errors
///
/// `InvalidData` if `LISTEN_PID`, `LISTEN_FDS` or `LISTEN_FDNAMES` is not what it should be, or there are more or fewer names than descriptors; `AlreadyExists` if they were taken before; what `fcntl(2)` says of
/// a descriptor, with its number. After an error none of them has been taken.
///
/// # Examples
///
/// ```
/// use filch_net::inherit::{Socket, sockets};
///
/// for inherited in sockets()? {
///     match inherited.socket {
///         Socket::TcpListener(listener) => println!("{}: {}", inherited.name, listener.local_addr()?),
///         other => println!("{}: {other:?} is not expected", inherited.name),
///     }
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn sockets() -> io::Result<Vec<Inherited>> {
    let Some(names) = names()? else {
        return Ok(Vec::new());
    };
    let numbers = FIRST..;
    let both = || numbers.clone().zip(&names);
    let _one_at_a_time = TAKING.lock().unwrap_or_else(PoisonError::into_inner);
    for (number, name) in both() {
        check(number).map_err(|cause| error::at(called(number, name), cause))?;
    }
    both()
        .map(|(number, name)| {
            let taken = sys::take_inherited(number).and_then(Socket::of);
            let socket = taken.map_err(|cause| error::at(called(number, name), cause))?;
            let name = name.clone();
            Ok(Inherited { name, socket })
        })
        .collect()
}

/// Those of [`sockets()`] that listen for TCP connections, for servers that need no others; what else there is, is closed.
///
/// # Errors
///
/// As for [`sockets()`].
pub fn listeners() -> io::Result<Vec<net::TcpListener>> {
    let listeners = sockets()?
        .into_iter()
        .filter_map(|inherited| match inherited.socket {
            Socket::TcpListener(listener) => Some(listener),
            _ => None,
        });
    Ok(listeners.collect())
}

fn called(number: RawFd, name: &str) -> String {
    format!("take descriptor {number} of LISTEN_FDS ({name})")
}

fn check(number: RawFd) -> io::Result<()> {
    if sys::is_inherited(number)? {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        "it is close-on-exec: it was taken before, or is not the manager's",
    ))
}

/// A name for each descriptor that is there for us; `None` if there are none.
fn names() -> io::Result<Option<Vec<String>>> {
    if is_for_us("LISTEN_PID")? != Some(true) {
        return Ok(None);
    }
    let count = number("LISTEN_FDS")?.unwrap_or(0);
    let most = u64::from((RawFd::MAX - FIRST).unsigned_abs());
    if count > most {
        return Err(invalid(format!(
            "LISTEN_FDS is {count}, and there cannot be more than {most}"
        )));
    }
    match variable("LISTEN_FDNAMES")? {
        None => nameless(count).map(Some),
        Some(names) => named(count, &names).map(Some),
    }
}

fn nameless(count: u64) -> io::Result<Vec<String>> {
    // Only those that are open are worth a name; the first that is not will be the error.
    let is_open = |&number: &RawFd| sys::is_inherited(number).is_ok();
    let last = FIRST.saturating_add(RawFd::try_from(count).unwrap_or(RawFd::MAX));
    let open = (FIRST..last).take_while(is_open).count() as u64;
    let shown = (open + 1).min(count);
    Ok((0..shown).map(|_| NAMELESS.to_owned()).collect())
}

fn named(count: u64, names: &str) -> io::Result<Vec<String>> {
    let names: Vec<_> = names.split(':').map(str::to_owned).collect();
    if names.len() as u64 != count {
        let text = format!(
            "LISTEN_FDS is {count}, but LISTEN_FDNAMES has {} names",
            names.len()
        );
        return Err(invalid(text));
    }
    Ok(names)
}

impl Socket {
    fn of(descriptor: OwnedFd) -> io::Result<Self> {
        let socket = SockRef::from(&descriptor);
        // What is no socket has no type.
        let Ok(kind) = socket.r#type() else {
            return Ok(Self::Other(descriptor));
        };
        let (domain, listens) = (socket.domain()?, socket.is_listener()?);
        let is_internet = matches!(domain, Domain::IPV4 | Domain::IPV6);
        let is_unix = domain == Domain::UNIX;
        Ok(match kind {
            Type::STREAM if is_internet && listens => Self::TcpListener(descriptor.into()),
            Type::STREAM if is_internet => Self::TcpStream(descriptor.into()),
            Type::DGRAM if is_internet => Self::UdpSocket(descriptor.into()),
            Type::STREAM if is_unix && listens => Self::UnixListener(descriptor.into()),
            Type::STREAM if is_unix => Self::UnixStream(descriptor.into()),
            Type::DGRAM if is_unix => Self::UnixDatagram(descriptor.into()),
            _ => Self::Other(descriptor),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn a_socket_is_what_the_kernel_says() {
        let kind = |descriptor: OwnedFd| Socket::of(descriptor).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(matches!(kind(listener.into()), Socket::TcpListener(_)));
        assert!(matches!(kind(stream.into()), Socket::TcpStream(_)));
        if let Ok(listener) = TcpListener::bind("[::1]:0") {
            assert!(matches!(kind(listener.into()), Socket::TcpListener(_)));
        }
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(matches!(kind(udp.into()), Socket::UdpSocket(_)));
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(matches!(kind(one.into()), Socket::UnixStream(_)));
        let (one, _other) = UnixDatagram::pair().unwrap();
        assert!(matches!(kind(one.into()), Socket::UnixDatagram(_)));
        let file = File::open("/dev/null").unwrap();
        assert!(matches!(kind(file.into()), Socket::Other(_)));
    }

    #[test]
    fn there_are_as_many_names_as_descriptors() {
        for (count, names, is_good) in [
            (1, "a:b", false),
            (2, "a:b", true),
            (3, "a:b", false),
            (1, "a", true),
            (2, ":", true),
        ] {
            assert_eq!(named(count, names).is_ok(), is_good, "{count} {names}");
        }
    }
}
