//! What does a server do that is given load, and how is a file copied, where sockets and files are called as tokio calls them?
//!
//! Compiled for filch and for tokio, beside a module `sockets` that is one or the other. A task for each connection, which reads what there is and writes it before it
//! reads again; sockets with `TCP_NODELAY` and nothing else set; no deadlines. The same in `bench/peers/monoio/src/network.rs` and `bench/peers/go/network.go`. How two
//! streams are joined is each runtime's own way, the one that its documentation recommends; that is what a proxy is made of.

use super::runtime::{Runtime, spawn};
use super::sockets::{
    AsyncReadExt, AsyncWriteExt, File, TcpListener, TcpStream, UdpSocket, fs, join,
};
use filch_bench_common::clock::now;
use filch_bench_common::files::{FILE_BYTES, PIECE, Unnamed};
use filch_bench_common::serve::{ANYWHERE, IDLE_ROOM, ROOM, announce, behind};
use filch_bench_common::{Bench, Cannot, Copying, Service};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Serves until the process ends.
pub(crate) fn serve(mut runtime: Runtime, service: Service) -> Result<Bench, Cannot> {
    let behind = service.is_proxy().then(behind);
    let listening = runtime.run(begin(service, behind));
    announce(listening.expect("an address to listen on"))
}

async fn begin(service: Service, behind: Option<SocketAddr>) -> io::Result<SocketAddr> {
    if let Service::UdpEcho(_) = service {
        let socket = UdpSocket::bind(ANYWHERE).await?;
        let listening = socket.local_addr()?;
        spawn(datagrams(socket)).detach();
        return Ok(listening);
    }
    let listener = TcpListener::bind(ANYWHERE).await?;
    let listening = listener.local_addr()?;
    spawn(accept(listener, service, behind)).detach();
    Ok(listening)
}

async fn accept(listener: TcpListener, service: Service, behind: Option<SocketAddr>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        // Whoever is connected may be gone at any time; the load sees what it is not given.
        match service {
            Service::Connect => spawn(async move { drop(stream) }).detach(),
            Service::Idle => spawn(async { drop(echo(stream, [0; IDLE_ROOM]).await) }).detach(),
            Service::ProxyStream(_) | Service::ProxyEcho(_) => {
                let behind = behind.expect("a proxy is told");
                spawn(async move { drop(pass_on(stream, behind).await) }).detach();
            }
            Service::Echo(..) | Service::UdpEcho(_) => {
                spawn(async { drop(echo(stream, vec![0; ROOM]).await) }).detach();
            }
        }
    }
}

async fn echo(mut stream: TcpStream, mut room: impl AsMut<[u8]> + Send) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let bytes = stream.read(room.as_mut()).await?;
        if bytes == 0 {
            return Ok(());
        }
        stream.write_all(&room.as_mut()[..bytes]).await?;
    }
}

async fn datagrams(socket: UdpSocket) {
    let mut room = vec![0; ROOM];
    loop {
        let (bytes, peer) = socket.recv_from(&mut room).await.expect("a datagram");
        let sent = socket.send_to(&room[..bytes], peer).await;
        assert_eq!(sent.expect("it can be sent"), bytes);
    }
}

async fn pass_on(stream: TcpStream, behind: SocketAddr) -> io::Result<()> {
    let upstream = TcpStream::connect(behind).await?;
    stream.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    join(stream, upstream).await
}

/// Copies a file so many times, one after the other.
pub(crate) fn copy(mut runtime: Runtime, how: Copying, times: usize) -> Result<Bench, Cannot> {
    let from = Unnamed::full().expect("a file of a megabyte");
    let to = Unnamed::empty().expect("a file");
    Ok(Box::new(move || {
        let paths = (from.path(), to.path());
        let took = runtime.run(async move {
            let begun = now();
            for _ in 0..times {
                copy_once(how, &paths).await?;
            }
            io::Result::Ok(begun.elapsed())
        });
        assert_eq!(to.bytes().expect("its size"), FILE_BYTES);
        took.expect("it can be copied") as Duration
    }))
}

async fn copy_once(how: Copying, (from, to): &(PathBuf, PathBuf)) -> io::Result<()> {
    match how {
        Copying::Whole => fs::copy(from, to).await.map(drop),
        Copying::Pieces => {
            let (mut from, mut to) = (File::open(from).await?, File::create(to).await?);
            let mut room = vec![0; PIECE];
            loop {
                let bytes = from.read(&mut room).await?;
                if bytes == 0 {
                    return to.flush().await;
                }
                to.write_all(&room[..bytes]).await?;
            }
        }
    }
}
