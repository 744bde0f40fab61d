//! What is a socket called?
//!
//! Nothing, a path, or an abstract name: bytes that mean something to the kernel alone. Where a path is taken, one that begins with a NUL is an abstract name, as in `ss(8)`'s and everybody's
//! way of writing them.
//!
//! Rejected: the type of `std`, whose abstract names need a trait to be seen, and which cannot be made of what `accept4(2)` returns but by `std` itself (with another system call
//! for each connection, since it does not make them non-blocking).

use crate::error;
use crate::sys;
use socket2::SockAddr;
use std::ffi::OsStr;
use std::fmt::{self, Debug, Display};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How many bytes a path, or an abstract name without its NUL, can have: 107, since `sun_path` of `unix(7)` has 108 and one is the NUL.
///
/// A longer path can be reached by a shorter one: by a relative one, by a symbolic link to its folder, or by `/proc/self/fd/N/name` with a descriptor of the folder.
pub const NAME_BYTES_MAX: usize = sys::NAME_BYTES_MAX;

/// What a Unix socket is called: a path, an abstract name, or nothing.
///
/// # Examples
///
/// ```
/// use filch_net::unix::SocketAddr;
/// use std::path::Path;
///
/// let file = SocketAddr::from_pathname("/run/echo.sock")?;
/// assert_eq!(file.as_pathname(), Some(Path::new("/run/echo.sock")));
/// assert_eq!(file.to_string(), "/run/echo.sock");
///
/// let no_file = SocketAddr::from_abstract_name("echo")?;
/// assert_eq!(no_file.as_abstract_name(), Some(&b"echo"[..]));
/// assert_eq!(no_file.to_string(), "@echo");
///
/// let error = SocketAddr::from_pathname("x".repeat(108)).unwrap_err();
/// assert_eq!(error.to_string(), "a socket's path can have 107 bytes, and this one has 108");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SocketAddr {
    inner: SockAddr,
}

impl SocketAddr {
    /// A path. It need not exist.
    ///
    /// # Units and limits
    ///
    /// [`NAME_BYTES_MAX`].
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is empty, longer than that, or contains a NUL.
    pub fn from_pathname(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let bytes = path.as_os_str().as_bytes();
        if bytes.is_empty() {
            return Err(invalid("a socket's path cannot be empty".into()));
        }
        if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
            let text = format!("a socket's path cannot contain a NUL, and this one has it at {at}");
            return Err(invalid(text));
        }
        check_length("path", bytes)?;
        let inner = SockAddr::unix(path)?;
        Ok(Self { inner })
    }

    /// An abstract name, given without the NUL that it begins with. It may contain others, and be empty.
    ///
    /// # Units and limits
    ///
    /// [`NAME_BYTES_MAX`].
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is longer than that.
    pub fn from_abstract_name(name: impl AsRef<[u8]>) -> io::Result<Self> {
        let name = name.as_ref();
        check_length("abstract name", name)?;
        let bytes = [b"\0", name].concat();
        let inner = SockAddr::unix(OsStr::from_bytes(&bytes))?;
        Ok(Self { inner })
    }

    /// What is meant by a path that may begin with a NUL; `step` for errors.
    pub(crate) fn of(step: &str, path: &Path) -> io::Result<Self> {
        let addr = match path.as_os_str().as_bytes() {
            [0, name @ ..] => Self::from_abstract_name(name),
            _ => Self::from_pathname(path),
        };
        addr.map_err(|cause| error::at(format!("{step} {path:?}"), cause))
    }

    /// The path, if it has one.
    #[must_use]
    pub fn as_pathname(&self) -> Option<&Path> {
        self.inner.as_pathname()
    }

    /// The abstract name, without the NUL that it begins with, if it has one.
    #[must_use]
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        self.inner.as_abstract_namespace()
    }

    /// Whether it has neither: so are sockets that were not bound, for instance those of clients and of a `pair`.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.as_pathname().is_none() && self.as_abstract_name().is_none()
    }

    pub(crate) fn from_inner(inner: SockAddr) -> Self {
        Self { inner }
    }

    pub(crate) fn inner(&self) -> &SockAddr {
        &self.inner
    }

    /// Removes the file that binding has made, since nobody will use it.
    #[cold]
    pub(crate) fn unbind(&self) {
        if let Some(path) = self.as_pathname() {
            // What has failed before is what the caller is told.
            let _ = fs::remove_file(path);
        }
    }
}

fn check_length(what: &str, bytes: &[u8]) -> io::Result<()> {
    match bytes.len() {
        0..=NAME_BYTES_MAX => Ok(()),
        len => Err(invalid(format!(
            "a socket's {what} can have {NAME_BYTES_MAX} bytes, and this one has {len}"
        ))),
    }
}

#[cold]
fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// A path as it is, an abstract name after an `@`, else `(unnamed)`.
impl Display for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.as_pathname() {
            write!(f, "{}", path.display())
        } else if let Some(name) = self.as_abstract_name() {
            write!(f, "@{}", name.escape_ascii())
        } else {
            f.write_str("(unnamed)")
        }
    }
}

impl Debug for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.as_pathname() {
            write!(f, "{path:?} (pathname)")
        } else if let Some(name) = self.as_abstract_name() {
            write!(f, "\"{}\" (abstract)", name.escape_ascii())
        } else {
            f.write_str("(unnamed)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_107_bytes_at_most() {
        for (len, fits) in [
            (1, true),
            (106, true),
            (107, true),
            (108, false),
            (5000, false),
        ] {
            let name = "x".repeat(len);
            for (what, made) in [
                ("path", SocketAddr::from_pathname(&name)),
                ("abstract name", SocketAddr::from_abstract_name(&name)),
                ("path", SocketAddr::of("try", Path::new(&name))),
                (
                    "abstract name",
                    SocketAddr::of("try", Path::new(&format!("\0{name}"))),
                ),
            ] {
                assert_eq!(made.is_ok(), fits, "{what} {len}");
                let Err(error) = made else {
                    continue;
                };
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                let words = format!("a socket's {what} can have 107 bytes, and this one has {len}");
                assert!(error.to_string().ends_with(&words), "{error}");
            }
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for (path, words) in [("", "empty"), ("a\0b", "NUL, and this one has it at 1")] {
            let error = SocketAddr::from_pathname(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(words), "{error}");
            let error = SocketAddr::of("connect to", Path::new(path)).unwrap_err();
            assert!(error.to_string().starts_with("connect to \""), "{error}");
        }
    }

    #[test]
    fn names_are_what_they_were_made_of() {
        let path = SocketAddr::of("", Path::new("/run/ä b")).unwrap();
        assert_eq!(path.as_pathname(), Some(Path::new("/run/ä b")));
        assert_eq!(path.as_abstract_name(), None);
        assert_eq!(
            format!("{path} {path:?}"),
            "/run/ä b \"/run/ä b\" (pathname)"
        );
        for name in [&b""[..], b"x", b"a\0b\xff"] {
            let addr = SocketAddr::from_abstract_name(name).unwrap();
            assert_eq!(addr.as_abstract_name(), Some(name));
            assert_eq!(addr.as_pathname(), None);
            assert!(!addr.is_unnamed());
            assert_ne!(addr, path);
        }
        let addr = SocketAddr::from_abstract_name("a\0b").unwrap();
        assert_eq!(
            format!("{addr} {addr:?}"),
            "@a\\x00b \"a\\x00b\" (abstract)"
        );
    }
}
