//! How is the manager told?
//!
//! By one datagram of lines `NAME=value` to the Unix socket that `NOTIFY_SOCKET` names, a path or (with `@` in front) an abstract name. Sending may wait while the manager's queue is full, for [`SEND_TIMEOUT`] at
//! most; in a program that is told of rarely, and by a manager that is alive, it does not.
//!
//! Rejected: an `async` version. What is to be told is told at the start, at the end and in signal handling, in part outside of any runtime, and takes one system call.

use super::variable;
use crate::error;
use crate::sys;
use socket2::SockAddr;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// How many descriptors one message can carry.
///
/// # Source
///
/// `SCM_MAX_FD`, see `unix(7)`.
pub const FDS_MAX: usize = sys::FDS_MAX;

/// How many bytes the name of stored descriptors may have.
///
/// # Source
///
/// `sd_notify(3)`, `FDNAME=`.
pub const FD_NAME_BYTES_MAX: usize = 255;

/// How long a send may wait for a manager that does not read. A guess: one that is busy is done by then.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Something to tell the manager.
///
/// # Source
///
/// `sd_notify(3)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// The service has started, or has read its configuration again (`READY=1`).
    Ready,
    /// It begins to read its configuration again (`RELOADING=1`, with the time of the monotonic clock); to be followed by [`Ready`](Self::Ready).
    Reloading,
    /// It begins to end (`STOPPING=1`).
    Stopping,
    /// How it is, for people (`STATUS=...`). One line.
    Status(&'a str),
    /// It is alive (`WATCHDOG=1`); see [`watchdog`](super::watchdog()), which says so by itself.
    Watchdog,
    /// Something is wrong, and the manager shall do what it does when nobody says that the service is alive (`WATCHDOG=trigger`).
    WatchdogTrigger,
    /// Starting, reloading or stopping needs this much longer, from now on (`EXTEND_TIMEOUT_USEC=...`).
    ExtendTimeout(Duration),
    /// The service's process is another one (`MAINPID=...`).
    MainPid(u32),
    /// Why it fails, as a number of the system's (`ERRNO=...`).
    Errno(i32),
    /// Anything else: a name and its value. One line.
    Other(&'a str, &'a str),
}

/// Tells the manager; false if there is none, because `NOTIFY_SOCKET` is not set, which is no error. All notices arrive together.
///
/// # Units and limits
///
/// It waits for a second at most while the manager does not read.
///
/// # Errors
///
/// `InvalidInput` if there are no notices, a text has more than one line, or a name has a `=`; `InvalidData` if `NOTIFY_SOCKET` is neither a path nor an abstract name; else what `sendmsg(2)` says, with the socket's name.
///
/// # Examples
///
/// ```
/// use filch_net::inherit::{Notice, notify};
///
/// let was_told = notify(&[Notice::Ready, Notice::Status("serving")])?;
/// if !was_told {
///     println!("nobody is to be told: NOTIFY_SOCKET is not set");
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn notify(notices: &[Notice<'_>]) -> io::Result<bool> {
    if notices.is_empty() {
        // An empty datagram would say nothing either.
        return Err(refused("there is nothing to tell the manager".to_owned()));
    }
    let mut message = String::new();
    for notice in notices {
        notice.write(&mut message)?;
    }
    send(&message, &[])
}

/// Gives the manager descriptors to keep, which it hands to the service again when it starts that the next time, among [`sockets`](super::sockets()) and with this name; false if there is no manager.
///
/// # Units and limits
///
/// At most [`FDS_MAX`] descriptors at a time; how many the manager keeps is up to `FileDescriptorStoreMax=`. A name has at most [`FD_NAME_BYTES_MAX`] bytes.
///
/// # Errors
///
/// `InvalidInput` if the name is too long, empty, or has other bytes than printable ASCII without `:`; if there are no descriptors or too many. Else as for [`notify()`].
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// filch_net::inherit::store("web", &[listener.as_fd()])?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn store(name: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<bool> {
    check_name(name)?;
    if descriptors.is_empty() || descriptors.len() > FDS_MAX {
        let text = format!(
            "{} descriptors: from 1 to {FDS_MAX} can be stored at a time",
            descriptors.len()
        );
        return Err(refused(text));
    }
    send(&format!("FDSTORE=1\nFDNAME={name}\n"), descriptors)
}

/// Tells the manager to close what it has stored under this name; false if there is no manager.
///
/// # Errors
///
/// As for [`store`].
pub fn unstore(name: &str) -> io::Result<bool> {
    check_name(name)?;
    send(&format!("FDSTOREREMOVE=1\nFDNAME={name}\n"), &[])
}

fn check_name(name: &str) -> io::Result<()> {
    let is_allowed = |byte: u8| matches!(byte, b' '..=b'~') && byte != b':';
    if name.is_empty() || name.len() > FD_NAME_BYTES_MAX || !name.bytes().all(is_allowed) {
        let text = format!(
            "{name:?} is no name for descriptors: up to {FD_NAME_BYTES_MAX} printable bytes of ASCII without ':' are"
        );
        return Err(refused(text));
    }
    Ok(())
}

impl Notice<'_> {
    fn write(&self, message: &mut String) -> io::Result<()> {
        let (name, value) = match *self {
            Self::Ready => ("READY", "1".to_owned()),
            Self::Stopping => ("STOPPING", "1".to_owned()),
            Self::Reloading => {
                message.push_str("RELOADING=1\n");
                ("MONOTONIC_USEC", sys::monotonic_micros().to_string())
            }
            Self::Status(text) => ("STATUS", text.to_owned()),
            Self::Watchdog => ("WATCHDOG", "1".to_owned()),
            Self::WatchdogTrigger => ("WATCHDOG", "trigger".to_owned()),
            Self::ExtendTimeout(time) => ("EXTEND_TIMEOUT_USEC", time.as_micros().to_string()),
            Self::MainPid(process) => ("MAINPID", process.to_string()),
            Self::Errno(number) => ("ERRNO", number.to_string()),
            Self::Other(name, value) => (name, value.to_owned()),
        };
        let is_name = !name.is_empty() && !name.contains(['=', '\n', '\0']);
        if !is_name || value.contains(['\n', '\0']) {
            let text =
                format!("{name:?} with {value:?} cannot be told: a notice is one line, NAME=value");
            return Err(refused(text));
        }
        message.push_str(&format!("{name}={value}\n"));
        Ok(())
    }
}

#[cold]
fn refused(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn send(message: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<bool> {
    let Some(name) = variable("NOTIFY_SOCKET")? else {
        return Ok(false);
    };
    let sent = send_to(&name, message, descriptors);
    sent.map_err(|cause| error::at(format!("tell the service manager at {name}"), cause))?;
    Ok(true)
}

fn send_to(name: &str, message: &str, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let addr = address(name)?;
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    loop {
        match sys::send_fds(&socket, Some(&addr), message.as_bytes(), descriptors) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(drop),
        }
    }
}

fn address(name: &str) -> io::Result<SockAddr> {
    if let Some(name) = name.strip_prefix('@') {
        // Checks the length.
        SocketAddr::from_abstract_name(name)?;
        return SockAddr::unix(format!("\0{name}"));
    }
    if name.starts_with('/') {
        return SockAddr::unix(name);
    }
    Err(super::invalid(
        "NOTIFY_SOCKET is neither a path nor @ with an abstract name; others are not supported"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(notice: Notice<'_>) -> io::Result<String> {
        let mut message = String::new();
        notice.write(&mut message).map(|()| message)
    }

    #[test]
    fn notices_are_lines() {
        assert_eq!(text(Notice::Ready).unwrap(), "READY=1\n");
        assert_eq!(text(Notice::Status("a = b")).unwrap(), "STATUS=a = b\n");
        let extend = Notice::ExtendTimeout(Duration::from_millis(3));
        assert_eq!(text(extend).unwrap(), "EXTEND_TIMEOUT_USEC=3000\n");
        assert_eq!(text(Notice::Errno(-2)).unwrap(), "ERRNO=-2\n");
        assert_eq!(text(Notice::Other("X_A", "")).unwrap(), "X_A=\n");
        let reloading = text(Notice::Reloading).unwrap();
        let micros = reloading
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .unwrap();
        assert!(micros.trim_end().parse::<u64>().unwrap() > 0);
    }

    #[test]
    fn nothing_is_no_message() {
        let error = notify(&[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    }

    #[test]
    fn what_would_be_two_lines_is_refused() {
        for notice in [
            Notice::Status("a\nREADY=1"),
            Notice::Status("\0"),
            Notice::Other("", "x"),
            Notice::Other("A=B", "x"),
            Notice::Other("A\n", "x"),
            Notice::Other("A", "x\ny"),
        ] {
            assert_eq!(
                text(notice).unwrap_err().kind(),
                io::ErrorKind::InvalidInput
            );
        }
    }

    #[test]
    fn a_name_has_a_length() {
        let long = "x".repeat(FD_NAME_BYTES_MAX + 1);
        assert!(check_name(&long[2..]).is_ok());
        assert!(check_name(&long[1..]).is_ok());
        for name in [long.as_str(), "", "a:b", "a\nb", "\u{e4}"] {
            let error = check_name(name).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn an_address_is_a_path_or_an_abstract_name() {
        assert!(address("/run/x").is_ok());
        assert!(address("@x").is_ok());
        for name in ["x", "vsock:2:1234", "./x"] {
            assert_eq!(
                address(name).unwrap_err().kind(),
                io::ErrorKind::InvalidData
            );
        }
        // 108 bytes in all (unix(7)): a path has a zero at its end, an abstract name one in front.
        for (count, is_good) in [(106, true), (107, true), (108, false)] {
            let path = format!("/{}", "x".repeat(count - 1));
            assert_eq!(address(&path).is_ok(), is_good, "{count}");
            let name = format!("@{}", "x".repeat(count));
            assert_eq!(address(&name).is_ok(), is_good, "{count}");
        }
    }
}
