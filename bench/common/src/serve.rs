//! How does a server say where it listens, and when does it end?
//!
//! With a line of JSON on standard output, and with its standard input: whoever gives it load writes the address behind it there if it is a proxy, and
//! closes it when done.
//!
//! ```json
//! {"listening":"127.0.0.1:40123"}
//! ```
//!
//! Rejected: a port that is agreed on (somebody else may have it), a signal (under `strace` it is not the process that gets it).

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};

/// The room that a task reads into: of messages of 16 KiB, and of those of 64 bytes, a read that has found one also sees that there is no more.
pub const ROOM: usize = 32 << 10;

/// The room of a task whose connection is idle. It is part of what is weighed.
pub const IDLE_ROOM: usize = 64;

/// The room for each direction of a proxy, where it has any.
pub const PROXY_ROOM: usize = 64 << 10;

/// Any port, on this machine.
pub const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Who is behind a proxy: the first line of standard input.
///
/// # Panics
///
/// If it is no address.
pub fn behind() -> SocketAddr {
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .expect("standard input can be read");
    line.trim().parse().expect("an address behind the proxy")
}

/// Says where it listens, and ends the process when standard input ends. On a thread that is no worker.
pub fn announce(listening: SocketAddr) -> ! {
    println!(r#"{{"listening":"{listening}"}}"#);
    // Nothing more comes but its end; if that cannot be read either, it is one.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0)
}
