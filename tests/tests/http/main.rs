//! The HTTP server as its clients see it: through sockets, byte by byte.

#[expect(
    clippy::disallowed_methods,
    reason = "clients are threads of their own"
)]
mod common;
#[expect(clippy::disallowed_methods, reason = "tests measure in real time")]
mod deadlines;
#[expect(
    clippy::disallowed_methods,
    reason = "clients are threads of their own"
)]
mod requests;
