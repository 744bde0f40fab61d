//! Descriptors, sockets, signals, the blocking pool: is nothing taken from the system that nobody gets?
//!
//! These run in real time. A step that has made something ready waits until the reactor knows.

use filch::io::{AsyncFd, Interest};
use filch_net::signal::{Signal, SignalKind, ctrl_c, signal};
use filch_net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use filch_tests::cancel::{Case, Cut};
use filch_tests::cases;
use futures_lite::future::poll_once;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::pin::pin;

pub(crate) const CASES: &[Case] = cases! {
    Real:
    "io::AsyncFd::readable" => |cut| async move {
        let (fd, mut peer) = drained();
        let step = async |_| tell(&mut peer, &fd).await;
        let got = cut.drive(fd.readable(), 1, step).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        assert_eq!(byte(&fd).await, b'x');
    },
    "io::AsyncFd::async_read" => |cut| async move {
        let (fd, mut peer) = drained();
        let step = async |_| tell(&mut peer, &fd).await;
        let mut room = [0; 1];
        let got = cut.drive(fd.async_read(|mut stream| stream.read(&mut room)), 1, step).await;
        let byte = if got.is_some() { room[0] } else { byte(&fd).await };
        assert_eq!(byte, b'x');
    },
    "io::AsyncFd::writable" => |cut| async move {
        let (fd, mut peer, filled) = filled();
        let step = async |_| empty(&mut peer, &fd, filled).await;
        let got = cut.drive(fd.writable(), 1, step).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        fd.async_write(|mut stream| stream.write(b"x")).await.unwrap();
        assert_eq!(peer.read(&mut [0; 2]).unwrap(), 1);
    },
    "io::AsyncFd::async_write" => |cut| async move {
        let (fd, mut peer, filled) = filled();
        let step = async |_| empty(&mut peer, &fd, filled).await;
        let got = cut.drive(fd.async_write(|mut stream| stream.write(b"x")), 1, step).await;
        drop(fd);
        let mut left = Vec::new();
        peer.read_to_end(&mut left).unwrap();
        assert_eq!(left.len(), got.map_or(0, Result::unwrap));
    },
    "net::lookup_host" => |cut| async move {
        let got = cut.drive(lookup_host("localhost:7"), 1, async |_| ()).await;
        let again = lookup_host("localhost:7").await.unwrap();
        assert!(got.is_none_or(|got| got.unwrap() == again));
    },
    "net::tcp::TcpListener::bind" => |cut| async move {
        let got = cut.drive(TcpListener::bind("localhost:0"), 1, async |_| ()).await;
        drop(got.map(Result::unwrap));
        TcpListener::bind("localhost:0").await.unwrap();
    },
    "net::tcp::TcpListener::accept" => |cut| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut client = None;
        let step = async |_| client = Some(std::net::TcpStream::connect(addr).unwrap());
        let got = cut.drive(listener.accept(), 1, step).await;
        let (_, peer) = match got {
            Some(got) => got.unwrap(),
            None => listener.accept().await.unwrap(),
        };
        assert_eq!(peer, client.expect("step 0").local_addr().unwrap());
    },
    "net::tcp::TcpStream::connect" => |cut| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        connect(cut, TcpStream::connect(addr), &listener).await;
    },
    "net::tcp::TcpSocket::connect" => |cut| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        connect(cut, TcpSocket::new_v4().unwrap().connect(addr), &listener).await;
    },
    "net::tcp::TcpStream::peek" => |cut| async move {
        let (mut stream, mut peer) = connected().await;
        let mut room = [0; 4];
        let got = cut.drive(stream.peek(&mut room), 1, async |_| send(&mut peer)).await;
        let count = got.map_or(0, Result::unwrap);
        assert_eq!(room[..count], b"x"[..count]);
        assert_eq!(stream.read(&mut room).await.unwrap(), 1);
    },
    "net::tcp::TcpStream::readable" => |cut| async move {
        let (mut stream, mut peer) = connected().await;
        assert!(stream.try_read(&mut [0]).is_err());
        let got = cut.drive(stream.readable(), 1, async |_| send(&mut peer)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        assert_eq!(stream.read(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::tcp::TcpStream::writable" => |cut| async move {
        let (stream, peer) = connected().await;
        let filled = fill_stream(&stream);
        let got = cut.drive(stream.writable(), 1, async |_| drain(&peer, filled)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        stream.writable().await.unwrap();
    },
    "net::tcp::ReadHalf::peek" => |cut| async move {
        let (mut stream, mut peer) = connected().await;
        let (mut read, _write) = stream.split();
        let mut room = [0; 4];
        cut.drive(read.peek(&mut room), 1, async |_| send(&mut peer)).await;
        assert_eq!(read.read(&mut room).await.unwrap(), 1);
    },
    "net::tcp::OwnedReadHalf::peek" => |cut| async move {
        let (stream, mut peer) = connected().await;
        let (mut read, _write) = stream.into_split();
        let mut room = [0; 4];
        cut.drive(read.peek(&mut room), 1, async |_| send(&mut peer)).await;
        assert_eq!(read.read(&mut room).await.unwrap(), 1);
    },
    "net::tcp::ReadHalf::readable" => |cut| async move {
        let (mut stream, mut peer) = connected().await;
        let (mut read, _write) = stream.split();
        assert!(read.try_read(&mut [0]).is_err());
        let got = cut.drive(read.readable(), 1, async |_| send(&mut peer)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        assert_eq!(read.read(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::tcp::OwnedReadHalf::readable" => |cut| async move {
        let (stream, mut peer) = connected().await;
        let (mut read, _write) = stream.into_split();
        assert!(read.try_read(&mut [0]).is_err());
        let got = cut.drive(read.readable(), 1, async |_| send(&mut peer)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        assert_eq!(read.read(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::tcp::ReadHalf::ready" => |cut| async move {
        let (mut stream, mut peer) = connected().await;
        let (mut read, _write) = stream.split();
        assert!(read.try_read(&mut [0]).is_err());
        let got = cut.drive(read.ready(Interest::Readable), 1, async |_| send(&mut peer)).await;
        assert!(got.is_none_or(|got| got.unwrap().is_readable()));
        assert_eq!(read.read(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::tcp::OwnedReadHalf::ready" => |cut| async move {
        let (stream, mut peer) = connected().await;
        let (mut read, _write) = stream.into_split();
        assert!(read.try_read(&mut [0]).is_err());
        let got = cut.drive(read.ready(Interest::Readable), 1, async |_| send(&mut peer)).await;
        assert!(got.is_none_or(|got| got.unwrap().is_readable()));
        assert_eq!(read.read(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::tcp::WriteHalf::ready" => |cut| async move {
        let (mut stream, peer) = connected().await;
        let filled = fill_stream(&stream);
        let (_read, write) = stream.split();
        let got = cut.drive(write.ready(Interest::Writable), 1, async |_| drain(&peer, filled)).await;
        assert!(got.is_none_or(|got| got.unwrap().is_writable()));
        write.writable().await.unwrap();
    },
    "net::tcp::OwnedWriteHalf::ready" => |cut| async move {
        let (stream, peer) = connected().await;
        let filled = fill_stream(&stream);
        let (_read, write) = stream.into_split();
        let got = cut.drive(write.ready(Interest::Writable), 1, async |_| drain(&peer, filled)).await;
        assert!(got.is_none_or(|got| got.unwrap().is_writable()));
        write.writable().await.unwrap();
    },
    "net::tcp::WriteHalf::writable" => |cut| async move {
        let (mut stream, peer) = connected().await;
        let filled = fill_stream(&stream);
        let (_read, write) = stream.split();
        let got = cut.drive(write.writable(), 1, async |_| drain(&peer, filled)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        write.writable().await.unwrap();
    },
    "net::tcp::OwnedWriteHalf::writable" => |cut| async move {
        let (stream, peer) = connected().await;
        let filled = fill_stream(&stream);
        let (_read, write) = stream.into_split();
        let got = cut.drive(write.writable(), 1, async |_| drain(&peer, filled)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        write.writable().await.unwrap();
    },
    "net::tcp::TcpStream (read)" => |cut| async move {
        let (mut stream, mut peer) = connected().await;
        let mut room = [0; 4];
        let got = cut.drive(stream.read(&mut room), 2, async |_| send(&mut peer)).await;
        let mut bytes = room[..got.map_or(0, Result::unwrap)].to_vec();
        drop(peer);
        stream.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"xx");
    },
    "net::tcp::TcpStream (write)" => |cut| async move {
        let (mut stream, mut peer) = connected().await;
        let filled = fill_stream(&stream);
        let got = cut.drive(stream.write(b"x"), 1, async |_| drain(&peer, filled)).await;
        drop(stream);
        let mut left = Vec::new();
        peer.read_to_end(&mut left).unwrap();
        assert_eq!(left.len(), got.map_or(0, Result::unwrap));
    },
    "net::signal::Signal::recv" => |cut| async move {
        let mut listener = signal(SignalKind::user_defined2()).unwrap();
        let step = async |_| raise(SignalKind::user_defined2());
        let got = cut.drive(listener.recv(), 1, step).await;
        if got.is_none() {
            listener.recv().await.unwrap();
        }
    },
    "net::signal::ctrl_c" => |cut| async move {
        // Without this one, a signal before the first poll would end the process.
        let mut kept: Signal = signal(SignalKind::interrupt()).unwrap();
        let is_raised = Cell::new(false);
        let listening = async {
            let mut signal = pin!(ctrl_c());
            let first = poll_once(signal.as_mut()).await;
            if is_raised.get() && first.is_none() {
                // It listens from its first poll on, and has missed the other one.
                raise(SignalKind::interrupt());
            }
            signal.await
        };
        let step = async |_| {
            is_raised.set(true);
            raise(SignalKind::interrupt());
        };
        let got = cut.drive(listening, 1, step).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        kept.recv().await.unwrap();
    },
};

/// A pair of sockets, one of which knows that there is nothing to read.
fn drained() -> (AsyncFd<UnixStream>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let fd = AsyncFd::new(ours).unwrap();
    assert!(fd.try_read(|mut stream| stream.read(&mut [0])).is_err());
    (fd, theirs)
}

async fn tell(peer: &mut UnixStream, fd: &AsyncFd<UnixStream>) {
    peer.write_all(b"x").unwrap();
    fd.readable().await.unwrap();
}

async fn byte(fd: &AsyncFd<UnixStream>) -> u8 {
    let mut room = [0; 2];
    let read = fd.async_read(|mut stream| stream.read(&mut room)).await;
    assert_eq!(read.unwrap(), 1);
    room[0]
}

/// A pair of sockets, one of which has no room left, and how many bytes there are.
fn filled() -> (AsyncFd<UnixStream>, UnixStream, usize) {
    let (fd, peer) = drained();
    let filled = fill(|| fd.try_write(|mut stream| stream.write(&[0; 4096])));
    (fd, peer, filled)
}

fn fill(mut write: impl FnMut() -> io::Result<usize>) -> usize {
    let mut filled = 0;
    loop {
        match write() {
            Ok(count) => filled += count,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                return filled;
            }
        }
    }
}

async fn empty(peer: &mut UnixStream, fd: &AsyncFd<UnixStream>, filled: usize) {
    peer.read_exact(&mut vec![0; filled]).unwrap();
    fd.writable().await.unwrap();
}

async fn connected() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().await.unwrap().0, peer)
}

fn send(peer: &mut std::net::TcpStream) {
    peer.write_all(b"x").unwrap();
}

fn fill_stream(stream: &TcpStream) -> usize {
    fill(|| stream.try_write(&[0; 65536]))
}

fn drain(mut peer: &std::net::TcpStream, filled: usize) {
    peer.read_exact(&mut vec![0; filled]).unwrap();
}

/// A connection that was given up is closed: the other side reads its end.
async fn connect(
    cut: &Cut,
    future: impl Future<Output = io::Result<TcpStream>>,
    listener: &TcpListener,
) {
    let got = cut.drive(future, 1, async |_| ()).await;
    let ours = got.map(|got| got.unwrap().local_addr().unwrap());
    let marker = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let last: SocketAddr = marker.local_addr().unwrap();
    loop {
        let (mut stream, peer) = listener.accept().await.unwrap();
        if peer == last {
            return;
        }
        assert!(
            ours.is_none_or(|ours| ours == peer),
            "a connection that nobody has made"
        );
        // Closed in order or reset, but closed: this ends.
        let _ = stream.read(&mut [0; 1]).await;
    }
}

fn raise(kind: SignalKind) {
    let process = i32::try_from(std::process::id()).unwrap();
    // SAFETY: kill takes two numbers and touches no memory of ours; the signal has a handler.
    let sent = unsafe { libc::kill(process, kind.as_raw()) };
    assert_eq!(sent, 0);
}
