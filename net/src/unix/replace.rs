//! How is a name taken over from a program that has died?
//!
//! Its socket's file is still there. Whether a socket is bound to it is found out by connecting a datagram socket to it: `ConnectionRefused` means that there is none of any type; success, or `EPROTOTYPE`
//! of a socket of another type, that there is. A listener does not notice; and a socket that is bound and will listen in a moment is seen too, which a stream's `connect(2)` would
//! refuse as it refuses a dead one.
//!
//! Two programs that find the same dead file could remove it one after the other, the second time the first one's new file. So all that is done under a lock of the
//! folder (`flock(2)`). Who removes files without it can still be in the way; that their file is no longer the one that was looked at is checked right before it is removed.
//!
//! Rejected: a lock file beside the socket, which stays for ever and which somebody would have to remove as well; binding under another name and renaming that onto this one, which would replace
//! whatever is there by then, and by which the socket would go by the other name for all its peers.

use crate::pauses::Pauses;
use crate::sys;
use crate::unix::addr::SocketAddr;
use filch::time::{Duration, sleep};
use socket2::Type;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// How often the folder's lock is tried for, with pauses from 1 ms to 128 ms between: about a second. Whoever takes over a name has it for some system calls.
const ATTEMPTS: u32 = 14;

/// The first of those pauses.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// The longest of them.
const PAUSE_MAX: Duration = Duration::from_millis(128);

/// Binds, after it has removed a file that belongs to nobody if there is one.
pub(crate) async fn bind_replacing<T>(
    addr: &SocketAddr,
    bind: fn(&SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let Some(path) = addr.as_pathname() else {
        // The kernel has freed it.
        return bind(addr);
    };
    let _locked = lock_folder_of(path).await?;
    match bind(addr) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_dead(path, addr)?;
            bind(addr)
        }
        result => result,
    }
}

/// Locks the folder until the file is dropped.
async fn lock_folder_of(path: &Path) -> io::Result<File> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = File::open(parent.unwrap_or(Path::new(".")))?;
    let mut pauses = Pauses::between(PAUSE_MIN, PAUSE_MAX);
    for _ in 0..ATTEMPTS {
        match sys::try_lock(&folder) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(pauses.step()).await,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.map(|()| folder),
        }
    }
    let text = "another program keeps the folder locked";
    Err(io::Error::new(ErrorKind::ResourceBusy, text))
}

/// Removes the file of a socket that nobody is bound to.
fn remove_dead(path: &Path, addr: &SocketAddr) -> io::Result<()> {
    let Some(found) = look(path)? else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        let text = "there is a file that is no socket";
        return Err(io::Error::new(ErrorKind::AlreadyExists, text));
    }
    if is_bound(addr)? {
        return Err(in_use("somebody is bound to it"));
    }
    let Some(now) = look(path)? else {
        return Ok(());
    };
    if identity(&now) != identity(&found) {
        return Err(in_use("somebody else has just replaced it"));
    }
    fs::remove_file(path)
}

/// What tells one file from another. The number alone may be had again at once by a file that is made after one was removed.
fn identity(file: &Metadata) -> (u64, u64, i64, i64) {
    (file.dev(), file.ino(), file.ctime(), file.ctime_nsec())
}

/// What is there, if anything. A symbolic link is what it is.
fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a socket of any type is bound to it.
fn is_bound(addr: &SocketAddr) -> io::Result<bool> {
    let probe = sys::unix_socket(Type::DGRAM)?;
    match probe.connect(addr.inner()) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        // Of another type (`EPROTOTYPE`), or a datagram socket that takes from its own peer only (`EPERM`).
        Err(error) if sys::is_of_a_living_peer(&error) => Ok(true),
        Err(error) => Err(error),
        Ok(()) => Ok(true),
    }
}

#[cold]
fn in_use(text: &str) -> io::Error {
    io::Error::new(ErrorKind::AddrInUse, text)
}
