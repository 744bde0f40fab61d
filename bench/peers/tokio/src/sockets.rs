//! What are tokio's sockets and files?

use filch_bench_common::serve::PROXY_ROOM;
use std::io;
use tokio::io::copy_bidirectional_with_sizes;

pub(crate) use tokio::fs::{self, File};
pub(crate) use tokio::io::{AsyncReadExt, AsyncWriteExt};
pub(crate) use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// With more room than the 8 KiB it has by itself.
pub(crate) async fn join(mut one: TcpStream, mut other: TcpStream) -> io::Result<()> {
    let copied = copy_bidirectional_with_sizes(&mut one, &mut other, PROXY_ROOM, PROXY_ROOM);
    copied.await.map(drop)
}
