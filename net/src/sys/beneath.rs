//! How is a file opened whose name comes from somebody who must not get beyond a folder?
//!
//! By `openat2(2)` (Linux 5.6), which refuses while it resolves the name, so that nobody can change a folder between a look and the opening; or, for one segment of a name, by `openat(2)` with `O_NOFOLLOW`.
//! Checking the whole name beforehand (`realpath`) was rejected: what it says may be wrong by the time of the opening.
//!
//! Always `O_NONBLOCK`, so that a pipe with a name is not waited for, and `O_NOCTTY`, so that a terminal does not become the process's.

use super::number;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// What shall be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// Anything, for reading.
    Reading,
    /// A folder, as a place to open further names in and for nothing else (`O_PATH`).
    Folder,
}

/// What `openat2(2)` reads, as the kernel lays it out.
#[repr(C)]
struct How {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Opens a folder that the program has chosen itself: links and all are followed.
///
/// # Errors
///
/// What `open(2)` knows.
pub fn open_root(path: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads the path up to its NUL, which `CStr` has, and no mode, since nothing is made.
    owned(i64::from(unsafe {
        libc::open(path.as_ptr(), flags_of(Opens::Folder))
    }))
}

/// Opens what `path` names below `folder`, and nothing that is not below it; links are followed only if it says so, those of `/proc` (`/proc/self/root`) never.
///
/// # Errors
///
/// As [`is_outside`], [`is_unsettled`], [`lacks_openat2`] say, and what `open(2)` knows.
pub fn open_beneath(
    folder: BorrowedFd<'_>,
    path: &CStr,
    opens: Opens,
    follows_links: bool,
) -> io::Result<OwnedFd> {
    let resolve = BENEATH | links(follows_links);
    openat2(folder.as_raw_fd(), path, opens, resolve)
}

/// As [`open_root`], if that takes no disk: where the names are not in memory, it is an error at once (Linux 5.12).
///
/// # Errors
///
/// What `openat2(2)` knows; `EAGAIN` where it would have to wait.
pub fn open_root_cached(path: &CStr) -> io::Result<OwnedFd> {
    openat2(libc::AT_FDCWD, path, Opens::Folder, libc::RESOLVE_CACHED)
}

/// As [`open_beneath`] for reading, if that takes no disk.
///
/// # Errors
///
/// As for [`open_beneath`] and [`open_root_cached`].
pub fn open_beneath_cached(
    folder: BorrowedFd<'_>,
    path: &CStr,
    follows_links: bool,
) -> io::Result<OwnedFd> {
    let resolve = BENEATH | links(follows_links) | libc::RESOLVE_CACHED;
    openat2(folder.as_raw_fd(), path, Opens::Reading, resolve)
}

const BENEATH: u64 = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;

fn links(follows: bool) -> u64 {
    match follows {
        true => 0,
        false => libc::RESOLVE_NO_SYMLINKS,
    }
}

/// `folder` is an open descriptor, or `AT_FDCWD`; if it is neither, that is an error of the kernel's.
fn openat2(folder: RawFd, path: &CStr, opens: Opens, resolve: u64) -> io::Result<OwnedFd> {
    let how = How {
        flags: u64::from(flags_of(opens).unsigned_abs()),
        mode: 0,
        resolve,
    };
    // SAFETY: the kernel reads the path up to its NUL and as many bytes of `how` as the last argument says, which are all; it checks the number of the folder.
    owned(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            folder,
            path.as_ptr(),
            &raw const how,
            size_of::<How>(),
        )
    })
}

/// Opens an entry of `folder`; a link is an error, whatever it leads to. `name` must be one segment, else the links before the last are followed.
///
/// # Errors
///
/// As [`is_outside`] says for a link, and what `openat(2)` knows.
pub fn open_entry(folder: BorrowedFd<'_>, name: &CStr, opens: Opens) -> io::Result<OwnedFd> {
    let flags = flags_of(opens) | libc::O_NOFOLLOW;
    // SAFETY: as for `open_root`; the descriptor is borrowed, so it is open.
    owned(i64::from(unsafe {
        libc::openat(folder.as_raw_fd(), name.as_ptr(), flags)
    }))
}

/// Whether an error says that there is no `openat2(2)`: too old a kernel, or a filter that does not know it.
#[must_use]
pub fn lacks_openat2(error: &io::Error) -> bool {
    matches!(number(error), libc::ENOSYS | libc::EPERM)
}

/// Whether an error says that the name leads out, or through a link that is not to be followed.
#[must_use]
pub fn is_outside(error: &io::Error) -> bool {
    matches!(number(error), libc::EXDEV | libc::ELOOP)
}

/// Whether an error says that names changed while one with `..` in a link was resolved, so that the kernel cannot tell where it leads: another try may succeed. The same is said of a file that somebody has a
/// lease on (`fcntl(2)`), who is asked for it then, and may take his time.
#[must_use]
pub fn is_unsettled(error: &io::Error) -> bool {
    matches!(number(error), libc::EAGAIN | libc::EINTR)
}

/// Whether an error says that there is nothing of that name to be read: nothing at all, something that the process may not read, a socket, or a name that is too long.
#[must_use]
pub fn is_absent(error: &io::Error) -> bool {
    matches!(
        number(error),
        libc::ENOENT
            | libc::ENOTDIR
            | libc::EACCES
            | libc::ENXIO
            | libc::ENODEV
            | libc::ENAMETOOLONG
    )
}

/// Whether an error says that the process or the machine has not enough of something at this moment.
#[must_use]
pub fn is_exhausted(error: &io::Error) -> bool {
    super::is_exhausted(error)
}

fn flags_of(opens: Opens) -> i32 {
    let kind = match opens {
        Opens::Reading => libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY,
        Opens::Folder => libc::O_PATH | libc::O_DIRECTORY,
    };
    kind | libc::O_CLOEXEC
}

fn owned(descriptor: i64) -> io::Result<OwnedFd> {
    if descriptor == -1 {
        return Err(io::Error::last_os_error());
    }
    let descriptor = RawFd::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows its number, so nobody else closes it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsFd;

    fn c(text: &str) -> std::ffi::CString {
        std::ffi::CString::new(text).unwrap()
    }

    #[test]
    fn what_leads_out_is_refused_by_the_kernel() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/file"), "x").unwrap();
        std::os::unix::fs::symlink("file", folder.path().join("a/link")).unwrap();
        let root = open_root(&c(folder.path().to_str().unwrap())).unwrap();
        let open = |path: &str, links| open_beneath(root.as_fd(), &c(path), Opens::Reading, links);
        if open(".", false).is_err_and(|error| lacks_openat2(&error)) {
            return;
        }
        open("a/file", false).unwrap();
        open("a/link", true).unwrap();
        for (path, links) in [
            ("..", true),
            ("a/../../x", true),
            ("/etc/passwd", true),
            ("a/link", false),
        ] {
            let error = open(path, links).unwrap_err();
            assert!(is_outside(&error), "{path}: {error}");
        }
        assert!(is_absent(&open("a/none", true).unwrap_err()));
        assert!(is_absent(&open("a/file/none", true).unwrap_err()));
        assert!(is_absent(&open(&"n".repeat(256), true).unwrap_err()));
    }

    #[test]
    fn an_entry_that_is_a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
        let root = open_root(&c(folder.path().to_str().unwrap())).unwrap();
        let open = |name: &str, opens| open_entry(root.as_fd(), &c(name), opens);
        open("a", Opens::Folder).unwrap();
        assert!(is_absent(&open("link", Opens::Folder).unwrap_err()));
        assert!(is_outside(&open("link", Opens::Reading).unwrap_err()));
    }
}
