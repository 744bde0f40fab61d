//! Datagrams: is none taken that nobody gets, and none sent by who was dropped before?
//!
//! These run in real time. Where sending has to wait, the socket is a Unix one in the clothes of UDP: on the loopback device nothing ever waits.

use filch::io::Interest;
use filch_net::UdpSocket;
use filch_net::udp::{RecvBatch, SendBatch};
use filch_tests::cancel::Case;
use filch_tests::cases;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

pub(crate) const CASES: &[Case] = cases! {
    Real:
    "net::udp::UdpSocket::bind" => |cut| async move {
        let got = cut.drive(UdpSocket::bind("localhost:0"), 1, async |_| ()).await;
        drop(got.map(Result::unwrap));
        UdpSocket::bind("localhost:0").await.unwrap();
    },
    "net::udp::Builder::bind" => |cut| async move {
        let addr = free_address();
        let got = cut.drive(UdpSocket::builder().bind(addr), 1, async |_| ()).await;
        drop(got.map(Result::unwrap));
        UdpSocket::bind(addr).await.unwrap();
    },
    "net::udp::UdpSocket::connect" => |cut| async move {
        let (socket, peer) = drained().await;
        let addr = peer.local_addr().unwrap();
        let to = ("localhost", addr.port());
        let got = cut.drive(socket.connect(to), 1, async |_| ()).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        // Before as after it.
        assert_eq!(socket.peer_addr().unwrap(), addr);
    },
    "net::udp::UdpSocket::readable" => |cut| async move {
        let (socket, peer) = drained().await;
        let got = cut.drive(socket.readable(), 1, async |_| send(&peer)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        assert_eq!(left(&socket), 1);
    },
    "net::udp::UdpSocket::ready" => |cut| async move {
        let (socket, peer) = drained().await;
        let got = cut.drive(socket.ready(Interest::Readable), 1, async |_| send(&peer)).await;
        assert!(got.is_none_or(|got| got.unwrap().is_readable()));
        assert_eq!(left(&socket), 1);
    },
    "net::udp::UdpSocket::async_io" => |cut| async move {
        let (socket, peer) = drained().await;
        let own: net::UdpSocket = socket.as_fd().try_clone_to_owned().unwrap().into();
        let operation = socket.async_io(Interest::Readable, || own.recv(&mut [0; 4]));
        let got = cut.drive(operation, 1, async |_| send(&peer)).await;
        assert_eq!(left(&socket), usize::from(got.is_none()));
    },
    "net::udp::UdpSocket::recv" => |cut| async move {
        let (socket, peer) = drained().await;
        let mut room = [0; 4];
        let got = cut.drive(socket.recv(&mut room), 1, async |_| send(&peer)).await;
        assert_eq!(got.map_or(0, Result::unwrap) + left(&socket), 1);
    },
    "net::udp::UdpSocket::recv_from" => |cut| async move {
        let (socket, peer) = drained().await;
        let mut room = [0; 4];
        let got = cut.drive(socket.recv_from(&mut room), 1, async |_| send(&peer)).await;
        assert_eq!(got.map_or(0, |got| got.unwrap().0) + left(&socket), 1);
    },
    "net::udp::UdpSocket::recv_datagram" => |cut| async move {
        let (socket, peer) = drained().await;
        let mut room = [0; 4];
        let got = cut.drive(socket.recv_datagram(&mut room), 1, async |_| send(&peer)).await;
        let got = got.map_or(0, |got| got.unwrap().bytes().len());
        assert_eq!(got + left(&socket), 1);
    },
    "net::udp::UdpSocket::recv_many" => |cut| async move {
        let (socket, peer) = drained().await;
        let mut batch = RecvBatch::new(4, 4);
        let got = cut.drive(socket.recv_many(&mut batch), 2, async |_| send(&peer)).await;
        assert_eq!(got.map_or(0, Result::unwrap), batch.len());
        assert_eq!(batch.len() + left(&socket), 2);
    },
    "net::udp::UdpSocket::peek" => |cut| async move {
        let (socket, peer) = drained().await;
        let mut room = [0; 4];
        let got = cut.drive(socket.peek(&mut room), 1, async |_| send(&peer)).await;
        assert!(got.is_none_or(|got| got.unwrap() == 1));
        assert_eq!(left(&socket), 1);
    },
    "net::udp::UdpSocket::peek_from" => |cut| async move {
        let (socket, peer) = drained().await;
        let mut room = [0; 4];
        let got = cut.drive(socket.peek_from(&mut room), 1, async |_| send(&peer)).await;
        assert!(got.is_none_or(|got| got.unwrap().0 == 1));
        assert_eq!(left(&socket), 1);
    },
    "net::udp::UdpSocket::writable" => |cut| async move {
        let (socket, peer, filled) = filled();
        let got = cut.drive(socket.writable(), 1, async |_| drain(&peer, filled)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        socket.writable().await.unwrap();
    },
    "net::udp::UdpSocket::send" => |cut| async move {
        let (socket, peer, filled) = filled();
        let got = cut.drive(socket.send(b"y"), 1, async |_| drain(&peer, filled)).await;
        assert_eq!(came(&peer), got.map_or(0, Result::unwrap));
    },
    "net::udp::UdpSocket::send_to" => |cut| async move {
        let (socket, peer) = drained().await;
        let to = ("localhost", peer.local_addr().unwrap().port());
        let got = cut.drive(socket.send_to(b"y", to), 1, async |_| ()).await;
        // What was sent on this device has come when the call is over.
        let came = peer.recv(&mut [0; 4]);
        assert_eq!(came.is_ok(), got.is_some_and(|got| got.unwrap() == 1));
    },
    "net::udp::UdpSocket::send_many" => |cut| async move {
        let (socket, peer, filled) = filled();
        let mut batch = SendBatch::new();
        batch.push(b"y");
        batch.push(b"z");
        let got = cut.drive(socket.send_many(&mut batch), 1, async |_| drain(&peer, filled)).await;
        let sent = got.map_or(0, Result::unwrap);
        assert_eq!(came(&peer), sent);
        assert_eq!(batch.len(), 2 - sent);
    },
    "net::udp::UdpSocket::send_segments" => |cut| async move {
        let (socket, peer, filled) = filled();
        let got = cut.drive(socket.send_segments(b"yz", 1), 1, async |_| drain(&peer, filled)).await;
        assert_eq!(came(&peer), got.map_or(0, Result::unwrap));
    },
    "net::udp::UdpSocket::send_segments_to" => |cut| async move {
        let (socket, peer) = drained().await;
        let to = peer.local_addr().unwrap();
        let got = cut.drive(socket.send_segments_to(b"yz", 1, to), 1, async |_| ()).await;
        let came = std::iter::repeat_with(|| peer.recv(&mut [0; 4])).map_while(Result::ok).count();
        assert_eq!(came, got.map_or(0, Result::unwrap));
    },
};

fn free_address() -> SocketAddr {
    net::UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .unwrap()
}

/// A socket that knows that there is nothing to receive, and its peer.
async fn drained() -> (UdpSocket, net::UdpSocket) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let peer = net::UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_nonblocking(true).unwrap();
    peer.connect(socket.local_addr().unwrap()).unwrap();
    socket.connect(peer.local_addr().unwrap()).await.unwrap();
    assert!(socket.try_recv(&mut [0]).is_err());
    (socket, peer)
}

fn send(peer: &net::UdpSocket) {
    assert_eq!(peer.send(b"x").unwrap(), 1);
}

/// How many datagrams are there still: told by the kernel, whatever the reactor knows as yet.
fn left(socket: &UdpSocket) -> usize {
    let socket = socket.as_fd().try_clone_to_owned().unwrap();
    let socket = net::UdpSocket::from(socket);
    std::iter::repeat_with(|| socket.recv(&mut [0; 4]))
        .map_while(Result::ok)
        .count()
}

/// A socket that has no room left, its peer, and how many datagrams there are.
fn filled() -> (UdpSocket, UnixDatagram, usize) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let ours = net::UdpSocket::from(OwnedFd::from(ours));
    let ours = UdpSocket::from_std(ours).unwrap();
    let mut filled = 0;
    loop {
        match ours.try_send(b"x") {
            Ok(_) => filled += 1,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                return (ours, theirs, filled);
            }
        }
    }
}

fn drain(peer: &UnixDatagram, filled: usize) {
    for _ in 0..filled {
        let mut room = [0; 4];
        assert_eq!(peer.recv(&mut room).unwrap(), 1);
        assert_eq!(room[0], b'x');
    }
}

/// How many datagrams have come behind those that filled the queue.
fn came(peer: &UnixDatagram) -> usize {
    std::iter::repeat_with(|| peer.recv(&mut [0; 4]))
        .map_while(Result::ok)
        .count()
}
