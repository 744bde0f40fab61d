//! tokio with the allocator that a Rust program on Linux has by itself, glibc's.

use std::process::ExitCode;

fn main() -> ExitCode {
    peer_tokio::main()
}
