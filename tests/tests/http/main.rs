//! The HTTP server as its clients see it: through sockets, byte by byte.

#[expect(
    clippy::disallowed_methods,
    reason = "clients are threads of their own"
)]
mod common;
#[expect(clippy::disallowed_methods, reason = "tests measure in real time")]
mod computing;
#[expect(
    clippy::disallowed_methods,
    reason = "clients are threads of their own"
)]
mod crowd;
#[expect(clippy::disallowed_methods, reason = "tests measure in real time")]
mod deadlines;
mod drain;
mod endless;
mod faults;
mod files;
mod gone;
mod idle;
mod limits;
#[expect(
    clippy::disallowed_methods,
    reason = "clients are threads of their own"
)]
mod requests;
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "clients are threads of their own"
)]
mod streaming;
mod upgrades;
mod uploads;
