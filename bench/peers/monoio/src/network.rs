//! What do servers and copies do on monoio?
//!
//! The shape is that of `bench/workloads/network/mod.rs`. Buffers are lent to the runtime for each operation and come back with it; two streams are joined by two
//! tasks that read and write (its copy by splice moves 4 KiB at a time, its other one too). Files need io_uring.

use super::runtime::{Runtime, is_epoll, spawn};
use filch_bench_common::clock::now;
use filch_bench_common::files::{FILE_BYTES, PIECE, Unnamed};
use filch_bench_common::serve::{ANYWHERE, IDLE_ROOM, PROXY_ROOM, ROOM, announce, behind};
use filch_bench_common::{Bench, Cannot, Copying, Service};
use monoio::buf::IoBuf;
use monoio::fs::File;
use monoio::io::{AsyncReadRent, AsyncWriteRent, AsyncWriteRentExt, Splitable};
use monoio::net::udp::UdpSocket;
use monoio::net::{TcpListener, TcpStream};
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// Serves on this thread until the process ends; another one waits for that.
pub(crate) fn serve(mut runtime: Runtime, service: Service) -> Result<Bench, Cannot> {
    let behind = service.is_proxy().then(behind);
    runtime.run(async move {
        let listening = begin(service, behind).expect("an address to listen on");
        thread::spawn(move || announce(listening));
        pending().await
    })
}

fn begin(service: Service, behind: Option<SocketAddr>) -> io::Result<SocketAddr> {
    if let Service::UdpEcho(_) = service {
        let socket = UdpSocket::bind(ANYWHERE)?;
        let listening = socket.local_addr()?;
        spawn(datagrams(socket)).detach();
        return Ok(listening);
    }
    let listener = TcpListener::bind(ANYWHERE)?;
    let listening = listener.local_addr()?;
    spawn(accept(listener, service, behind)).detach();
    Ok(listening)
}

async fn accept(listener: TcpListener, service: Service, behind: Option<SocketAddr>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        match service {
            Service::Connect => spawn(async move { drop(stream) }).detach(),
            Service::Idle => spawn(async { drop(echo(stream, IDLE_ROOM).await) }).detach(),
            Service::ProxyStream(_) | Service::ProxyEcho(_) => {
                let behind = behind.expect("a proxy is told");
                spawn(async move { drop(pass_on(stream, behind).await) }).detach();
            }
            Service::Echo(..) | Service::UdpEcho(_) => {
                spawn(async { drop(echo(stream, ROOM).await) }).detach();
            }
        }
    }
}

async fn echo(mut stream: TcpStream, room: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut room = vec![0; room];
    loop {
        let (read, back) = stream.read(room).await;
        let bytes = read?;
        if bytes == 0 {
            return Ok(());
        }
        let (written, back) = stream.write_all(back.slice(..bytes)).await;
        written?;
        room = whole(back.into_inner());
    }
}

/// With its length as it was: a read makes it as long as what it has read.
fn whole(mut room: Vec<u8>) -> Vec<u8> {
    room.resize(room.capacity(), 0);
    room
}

async fn datagrams(socket: UdpSocket) {
    let mut room = vec![0; ROOM];
    loop {
        let (received, back) = socket.recv_from(room).await;
        let (bytes, peer) = received.expect("a datagram");
        let (sent, back) = socket.send_to(back.slice(..bytes), peer).await;
        assert_eq!(sent.expect("it can be sent"), bytes);
        room = whole(back.into_inner());
    }
}

async fn pass_on(stream: TcpStream, behind: SocketAddr) -> io::Result<()> {
    let upstream = TcpStream::connect_addr(behind).await?;
    stream.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    let ((client_reads, client_writes), (upstream_reads, upstream_writes)) =
        (stream.into_split(), upstream.into_split());
    spawn(async { drop(pump(upstream_reads, client_writes).await) }).detach();
    pump(client_reads, upstream_writes).await
}

async fn pump(mut from: impl AsyncReadRent, mut to: impl AsyncWriteRent) -> io::Result<()> {
    let mut room = vec![0; PROXY_ROOM];
    loop {
        let (read, back) = from.read(room).await;
        let bytes = read?;
        if bytes == 0 {
            return to.shutdown().await;
        }
        let (written, back) = to.write_all(back.slice(..bytes)).await;
        written?;
        room = whole(back.into_inner());
    }
}

/// Copies a file so many times, one after the other.
pub(crate) fn copy(mut runtime: Runtime, how: Copying, times: usize) -> Result<Bench, Cannot> {
    if how == Copying::Whole {
        return Err(Cannot("it has no call that copies a file"));
    }
    if is_epoll() {
        return Err(Cannot("its files need io_uring"));
    }
    let from = Unnamed::full().expect("a file of a megabyte");
    let to = Unnamed::empty().expect("a file");
    Ok(Box::new(move || {
        let paths = (from.path(), to.path());
        let took = runtime.run(async move {
            let begun = now();
            for _ in 0..times {
                pieces(&paths).await?;
            }
            io::Result::Ok(begun.elapsed())
        });
        assert_eq!(to.bytes().expect("its size"), FILE_BYTES);
        took.expect("it can be copied") as Duration
    }))
}

async fn pieces((from, to): &(PathBuf, PathBuf)) -> io::Result<()> {
    let (from, to) = (File::open(from).await?, File::create(to).await?);
    let (mut room, mut at) = (vec![0; PIECE], 0);
    loop {
        let (read, back) = from.read_at(room, at).await;
        let bytes = read?;
        if bytes == 0 {
            return Ok(());
        }
        let (written, back) = to.write_all_at(back.slice(..bytes), at).await;
        written?;
        at += bytes as u64;
        room = whole(back.into_inner());
    }
}
