//! What are filch's sockets and files?

use filch_net::splice;
use std::io;

pub(crate) use filch_net::fs::{self, File};
pub(crate) use filch_net::{TcpListener, TcpStream, UdpSocket};
pub(crate) use futures_lite::{AsyncReadExt, AsyncWriteExt};

/// By splice.
pub(crate) async fn join(mut one: TcpStream, mut other: TcpStream) -> io::Result<()> {
    splice::copy_bidirectional(&mut one, &mut other)
        .await
        .map(drop)
}
