//! The HTTP server as its clients see it: through sockets, byte by byte.

mod common;
mod deadlines;
mod requests;
