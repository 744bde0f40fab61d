//! How does an error say what was tried, and with whom?
//!
//! `Connection refused` alone sends its reader to a debugger. An error of this crate is an [`io::Error`] of the same kind whose text begins with the
//! step, and whose source is the system's error; so a `match` on the kind works as before, and the number is still to be had from the source.
//!
//! Rejected: an error type of our own. It would stand in every signature, and what callers do is print it or look at its kind.

use std::error::Error;
use std::fmt::{self, Display};
use std::io;

/// A step that failed, and why.
#[derive(Debug)]
struct Failed {
    step: String,
    cause: io::Error,
}

/// The same error, with the step that failed.
#[cold]
pub(crate) fn at(step: impl Display, cause: io::Error) -> io::Error {
    let step = step.to_string();
    io::Error::new(cause.kind(), Failed { step, cause })
}

impl Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.cause)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_number_are_kept() {
        let error = at("read the news", io::Error::from_raw_os_error(13));
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().starts_with("read the news: "), "{error}");
        let cause: &io::Error = error.source().and_then(|e| e.downcast_ref()).unwrap();
        assert_eq!(cause.raw_os_error(), Some(13));
    }
}
