//! The HTTP server as its clients see it: through sockets, byte by byte.

mod common;
#[expect(clippy::disallowed_methods, reason = "tests measure in real time")]
mod deadlines;
mod requests;
