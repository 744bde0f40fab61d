//! Connecting with a deadline, a listener for each worker, and operations of the caller's own: is nothing lost or left?

use filch::io::{AsyncFd, Interest};
use filch_net::{TcpConnect, TcpListener, TcpStream};
use filch_tests::cancel::Case;
use filch_tests::cases;
use futures_lite::AsyncReadExt;
use std::io::{self, Read, Write};
use std::net;
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub(crate) const CASES: &[Case] = cases! {
    Real:
    "io::AsyncFd::readiness" => |cut| async move {
        let (fd, mut peer) = drained();
        let step = async |_| peer.write_all(b"x").unwrap();
        let got = cut.drive(fd.readiness(Interest::Readable), 1, step).await;
        assert!(got.is_none_or(|got| got.unwrap().is_readable()));
        assert_eq!(byte(&fd).await.unwrap(), b'x');
    },
    "io::AsyncFd::async_io" => |cut| async move {
        let (fd, mut peer) = drained();
        let step = async |_| peer.write_all(b"x").unwrap();
        let got = cut.drive(byte(&fd), 1, step).await;
        let got = match got {
            Some(got) => got,
            None => byte(&fd).await,
        };
        assert_eq!(got.unwrap(), b'x');
        assert!(fd.get_ref().read(&mut [0]).is_err(), "there was one");
    },
    "net::tcp::TcpStream::ready" => |cut| async move {
        let (mut stream, mut peer) = connected().await;
        assert!(stream.try_read(&mut [0]).is_err());
        let step = async |_| peer.write_all(b"x").unwrap();
        let got = cut.drive(stream.ready(Interest::Readable), 1, step).await;
        assert!(got.is_none_or(|got| got.unwrap().is_readable()));
        assert_eq!(stream.read(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::tcp::TcpStream::async_io" => |cut| async move {
        let (mut stream, mut peer) = connected().await;
        let step = async |_| peer.write_all(b"x").unwrap();
        let mut room = [0; 4];
        let operation = stream.async_io(Interest::Readable, || stream.read_now(&mut room));
        let got = cut.drive(operation, 1, step).await;
        if got.is_none() {
            assert_eq!(stream.read(&mut room).await.unwrap(), 1);
        }
        assert_eq!(room[0], b'x');
    },
    "net::tcp::TcpListener::bind_each" => |cut| async move {
        let got = cut.drive(TcpListener::bind_each("localhost:0"), 1, async |_| ()).await;
        drop(got.map(Result::unwrap));
        TcpListener::bind_each("localhost:0").await.unwrap();
    },
    "net::tcp::TcpConnect::to" => |cut| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connect = TcpConnect::new().timeout(Duration::from_secs(3600));
        let got = cut.drive(connect.to([addr, addr]), 1, async |_| ()).await;
        let ours = got.map(|got| got.unwrap().local_addr().unwrap());
        let marker = net::TcpStream::connect(addr).unwrap();
        let last = marker.local_addr().unwrap();
        loop {
            let (mut stream, peer) = listener.accept().await.unwrap();
            if peer == last {
                break;
            }
            assert!(ours.is_none_or(|ours| ours == peer), "a connection that nobody has made");
            // Closed in order or reset, but closed: this ends.
            let _ = stream.read(&mut [0; 1]).await;
        }
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

async fn byte(fd: &AsyncFd<UnixStream>) -> io::Result<u8> {
    let mut room = [0; 1];
    let operation = |mut stream: &UnixStream| stream.read(&mut room);
    fd.async_io(Interest::Readable, operation).await?;
    Ok(room[0])
}

async fn connected() -> (TcpStream, net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().await.unwrap().0, peer)
}
