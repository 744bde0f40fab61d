//! Who is told when a response fails after its head was sent?
//!
//! Not the client, which only sees its connection cut; so a line goes to the server's operator. By default to standard
//! error; a server that logs elsewhere has [`Server::error_log`](super::Server::error_log).

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;

/// A response that could not be finished, for the error log.
///
/// # Examples
///
/// ```
/// use filch_http::{Failure, Server};
///
/// fn log(failure: &Failure<'_>) {
///     eprintln!("cut off {:?}: {failure}", failure.peer);
/// }
///
/// # filch::Runtime::new()?.block_on(async {
/// let server = Server::bind("127.0.0.1:0").await?.error_log(log);
/// # drop(server);
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Failure<'a> {
    /// Who asked.
    pub peer: Option<SocketAddr>,
    /// The method of the request, and the beginning of its target.
    pub request: &'a str,
    /// What went wrong with the body of its response.
    pub reason: &'a str,
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the response to {} failed: {}",
            self.request, self.reason
        )
    }
}

/// The error log of who has none.
pub(crate) fn to_standard_error(failure: &Failure<'_>) {
    // Not `eprintln`, which panics if nobody can read it.
    let _ = writeln!(std::io::stderr(), "filch-http: {failure}");
}
