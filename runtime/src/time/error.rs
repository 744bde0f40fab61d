//! How waiting for time can fail.

use std::error::Error;
use std::fmt;
use std::io;

/// A [`timeout`](crate::time::timeout()) ran out before its future was done.
///
/// Turns into an [`io::Error`] of the kind [`TimedOut`](io::ErrorKind::TimedOut), so that `?` passes it on where I/O
/// errors go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed(());

impl Elapsed {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline passed before the operation was done")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_passes_as_an_io_error() {
        let error = io::Error::from(Elapsed::new());
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), Elapsed::new().to_string());
    }
}
