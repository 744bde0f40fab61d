//! Unix sockets: is no byte, datagram, connection or descriptor taken that nobody gets?
//!
//! These run in real time. What the other side does here is known to the reactor when it has to be: each case awaits it again in the end.

use filch::io::Interest;
use filch_net::unix::SocketAddr;
use filch_net::{UnixDatagram, UnixListener, UnixStream};
use filch_tests::cancel::{Case, Cut};
use filch_tests::cases;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const CASES: &[Case] = cases! {
    Real:
    "net::unix::UnixListener::accept" => |cut| async move {
        let listener = listener();
        let mut client = None;
        let step = async |_| client = Some(connect_by_std(&listener));
        let got = cut.drive(listener.accept(), 1, step).await;
        let (mut served, _) = match got {
            Some(got) => got.unwrap(),
            None => listener.accept().await.unwrap(),
        };
        client.expect("step 0").write_all(b"x").unwrap();
        assert_eq!(served.read(&mut [0; 2]).await.unwrap(), 1);
    },
    "net::unix::UnixListener::bind_replacing" => |cut| async move {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        drop(net::UnixListener::bind(&path).unwrap());
        let mut locked = Some(lock(folder.path()));
        let got = cut.drive(UnixListener::bind_replacing(&path), 1, async |_| drop(locked.take())).await;
        match got {
            Some(got) => drop(got.unwrap()),
            // The dead one is still there.
            None => assert!(net::UnixListener::bind(&path).is_err()),
        }
        UnixListener::bind_replacing(&path).await.unwrap();
    },
    "net::unix::UnixDatagram::bind_replacing" => |cut| async move {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        drop(net::UnixDatagram::bind(&path).unwrap());
        let mut locked = Some(lock(folder.path()));
        let got = cut.drive(UnixDatagram::bind_replacing(&path), 1, async |_| drop(locked.take())).await;
        match got {
            Some(got) => drop(got.unwrap()),
            None => assert!(net::UnixDatagram::bind(&path).is_err()),
        }
        UnixDatagram::bind_replacing(&path).await.unwrap();
    },
    "net::unix::UnixStream::connect" => |cut| async move {
        let listener = full_listener();
        let name = path_of(&listener);
        connect(cut, UnixStream::connect(name), &listener).await;
    },
    "net::unix::UnixStream::connect_addr" => |cut| async move {
        let listener = full_listener();
        let addr = listener.local_addr().unwrap();
        connect(cut, UnixStream::connect_addr(&addr), &listener).await;
    },
    "net::unix::UnixStream::peek" => |cut| async move {
        let (mut stream, mut peer) = connected();
        let mut room = [0; 4];
        let got = cut.drive(stream.peek(&mut room), 1, async |_| send(&mut peer)).await;
        let count = got.map_or(0, Result::unwrap);
        assert_eq!(room[..count], b"x"[..count]);
        assert_eq!(stream.read(&mut room).await.unwrap(), 1);
    },
    "net::unix::UnixStream::readable" => |cut| async move {
        let (mut stream, mut peer) = connected();
        assert!(stream.try_read(&mut [0]).is_err());
        let got = cut.drive(stream.readable(), 1, async |_| send(&mut peer)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        assert_eq!(stream.read(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::unix::UnixStream::writable" => |cut| async move {
        let (stream, peer) = connected();
        let filled = fill_stream(&stream);
        let got = cut.drive(stream.writable(), 1, async |_| drain(&peer, filled)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        stream.writable().await.unwrap();
    },
    "net::unix::UnixStream::ready" => |cut| async move {
        let (mut stream, mut peer) = connected();
        assert!(stream.try_read(&mut [0]).is_err());
        let got = cut.drive(stream.ready(Interest::Readable), 1, async |_| send(&mut peer)).await;
        assert!(got.is_none_or(|got| got.unwrap().is_readable()));
        assert_eq!(stream.read(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::unix::UnixStream::async_io" => |cut| async move {
        let (mut stream, mut peer) = connected();
        let mut room = [0; 4];
        let operation = stream.async_io(Interest::Readable, || stream.read_now(&mut room));
        let got = cut.drive(operation, 1, async |_| send(&mut peer)).await;
        if got.is_none() {
            assert_eq!(stream.read(&mut room).await.unwrap(), 1);
        }
        assert!(stream.read_now(&mut room).is_err(), "there was one");
    },
    "net::unix::ReadHalf::peek" => |cut| async move {
        let (mut stream, mut peer) = connected();
        let (mut read, _write) = stream.split();
        let mut room = [0; 4];
        cut.drive(read.peek(&mut room), 1, async |_| send(&mut peer)).await;
        assert_eq!(read.read(&mut room).await.unwrap(), 1);
    },
    "net::unix::OwnedReadHalf::peek" => |cut| async move {
        let (stream, mut peer) = connected();
        let (mut read, _write) = stream.into_split();
        let mut room = [0; 4];
        cut.drive(read.peek(&mut room), 1, async |_| send(&mut peer)).await;
        assert_eq!(read.read(&mut room).await.unwrap(), 1);
    },
    "net::unix::ReadHalf::readable" => |cut| async move {
        let (mut stream, mut peer) = connected();
        let (mut read, _write) = stream.split();
        assert!(read.try_read(&mut [0]).is_err());
        let got = cut.drive(read.readable(), 1, async |_| send(&mut peer)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        assert_eq!(read.read(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::unix::OwnedReadHalf::readable" => |cut| async move {
        let (stream, mut peer) = connected();
        let (mut read, _write) = stream.into_split();
        assert!(read.try_read(&mut [0]).is_err());
        let got = cut.drive(read.readable(), 1, async |_| send(&mut peer)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        assert_eq!(read.read(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::unix::WriteHalf::writable" => |cut| async move {
        let (mut stream, peer) = connected();
        let filled = fill_stream(&stream);
        let (_read, write) = stream.split();
        let got = cut.drive(write.writable(), 1, async |_| drain(&peer, filled)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        write.writable().await.unwrap();
    },
    "net::unix::OwnedWriteHalf::writable" => |cut| async move {
        let (stream, peer) = connected();
        let filled = fill_stream(&stream);
        let (_read, write) = stream.into_split();
        let got = cut.drive(write.writable(), 1, async |_| drain(&peer, filled)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        write.writable().await.unwrap();
    },
    "net::unix::ReadHalf::ready" => |cut| async move {
        let (mut stream, mut peer) = connected();
        let (mut read, _write) = stream.split();
        assert!(read.try_read(&mut [0]).is_err());
        let got = cut.drive(read.ready(Interest::Readable), 1, async |_| send(&mut peer)).await;
        assert!(got.is_none_or(|got| got.unwrap().is_readable()));
        assert_eq!(read.read(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::unix::OwnedReadHalf::ready" => |cut| async move {
        let (stream, mut peer) = connected();
        let (mut read, _write) = stream.into_split();
        assert!(read.try_read(&mut [0]).is_err());
        let got = cut.drive(read.ready(Interest::Readable), 1, async |_| send(&mut peer)).await;
        assert!(got.is_none_or(|got| got.unwrap().is_readable()));
        assert_eq!(read.read(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::unix::WriteHalf::ready" => |cut| async move {
        let (mut stream, peer) = connected();
        let filled = fill_stream(&stream);
        let (_read, write) = stream.split();
        let got = cut.drive(write.ready(Interest::Writable), 1, async |_| drain(&peer, filled)).await;
        assert!(got.is_none_or(|got| got.unwrap().is_writable()));
        write.writable().await.unwrap();
    },
    "net::unix::OwnedWriteHalf::ready" => |cut| async move {
        let (stream, peer) = connected();
        let filled = fill_stream(&stream);
        let (_read, write) = stream.into_split();
        let got = cut.drive(write.ready(Interest::Writable), 1, async |_| drain(&peer, filled)).await;
        assert!(got.is_none_or(|got| got.unwrap().is_writable()));
        write.writable().await.unwrap();
    },
    "net::unix::UnixStream (read)" => |cut| async move {
        let (mut stream, mut peer) = connected();
        let mut room = [0; 4];
        let got = cut.drive(stream.read(&mut room), 2, async |_| send(&mut peer)).await;
        let mut bytes = room[..got.map_or(0, Result::unwrap)].to_vec();
        drop(peer);
        stream.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"xx");
    },
    "net::unix::UnixStream (write)" => |cut| async move {
        let (mut stream, mut peer) = connected();
        let filled = fill_stream(&stream);
        let got = cut.drive(stream.write(b"x"), 1, async |_| drain(&peer, filled)).await;
        drop(stream);
        let mut left = Vec::new();
        peer.read_to_end(&mut left).unwrap();
        assert_eq!(left.len(), got.map_or(0, Result::unwrap));
    },
    "net::unix::UnixStream::send_with_fds" => |cut| async move {
        let (stream, peer) = connected();
        let filled = fill_stream(&stream);
        let (sent, trace) = net::UnixStream::pair().unwrap();
        let fds = [sent.as_fd()];
        let got = cut.drive(stream.send_with_fds(b"x", &fds), 1, async |_| drain(&peer, filled)).await;
        drop((stream, sent));
        let peer = UnixStream::from_std(peer).unwrap();
        let (count, fds) = peer.recv_with_fds(&mut [0; 4], 4).await.unwrap();
        assert_eq!(count, got.map_or(0, Result::unwrap));
        assert_eq!(fds.len(), count);
        drop(fds);
        assert_closed_everywhere(trace);
    },
    "net::unix::UnixStream::recv_with_fds" => |cut| async move {
        let (stream, peer) = connected();
        let peer = UnixStream::from_std(peer).unwrap();
        let (sent, trace) = net::UnixStream::pair().unwrap();
        let mut sent = Some(sent);
        let mut room = [0; 4];
        let step = async |_| {
            let sent = sent.take().expect("once");
            peer.try_send_with_fds(b"x", &[sent.as_fd()]).unwrap();
        };
        let got = cut.drive(stream.recv_with_fds(&mut room, 4), 1, step).await;
        let (count, fds) = match got {
            Some(got) => got.unwrap(),
            None => stream.recv_with_fds(&mut room, 4).await.unwrap(),
        };
        assert_came(count, fds, trace);
    },
    "net::unix::UnixDatagram::send" => |cut| async move {
        let (socket, peer) = datagrams();
        let filled = fill(|| socket.try_send(b"y"));
        let got = cut.drive(socket.send(b"x"), 1, async |_| drain_datagrams(&peer, filled)).await;
        assert_sent(&peer, got);
    },
    "net::unix::UnixDatagram::send_to" => |cut| async move {
        let (socket, peer) = by_name();
        let name = peer.local_addr().unwrap();
        let filled = fill(|| socket.try_send_to_addr(b"y", &name));
        let path = abstract_path(&name);
        let got = cut.drive(socket.send_to(b"x", path), 1, async |_| drain_datagrams(&peer, filled)).await;
        assert_sent(&peer, got);
    },
    "net::unix::UnixDatagram::send_to_addr" => |cut| async move {
        let (socket, peer) = by_name();
        let name = peer.local_addr().unwrap();
        let filled = fill(|| socket.try_send_to_addr(b"y", &name));
        let got = cut.drive(socket.send_to_addr(b"x", &name), 1, async |_| drain_datagrams(&peer, filled)).await;
        assert_sent(&peer, got);
    },
    "net::unix::UnixDatagram::send_with_fds" => |cut| async move {
        let (socket, peer) = datagrams();
        let filled = fill(|| socket.try_send(b"y"));
        let (sent, trace) = net::UnixStream::pair().unwrap();
        let fds = [sent.as_fd()];
        let got = cut.drive(socket.send_with_fds(b"x", &fds), 1, async |_| drain_datagrams(&peer, filled)).await;
        drop(sent);
        match peer.try_recv_with_fds(&mut [0; 4], 4) {
            Ok((count, fds)) => {
                assert_eq!(got.expect("somebody was told").unwrap(), count);
                assert_came(count, fds, trace);
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                assert!(got.is_none());
                assert_closed_everywhere(trace);
            }
        }
    },
    "net::unix::UnixDatagram::writable" => |cut| async move {
        let (socket, peer) = datagrams();
        let filled = fill(|| socket.try_send(b"y"));
        let got = cut.drive(socket.writable(), 1, async |_| drain_datagrams(&peer, filled)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        socket.send(b"x").await.unwrap();
    },
    "net::unix::UnixDatagram::readable" => |cut| async move {
        let (socket, peer) = datagrams();
        assert!(socket.try_recv(&mut [0]).is_err());
        let got = cut.drive(socket.readable(), 1, async |_| tell(&peer)).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        assert_eq!(socket.recv(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::unix::UnixDatagram::ready" => |cut| async move {
        let (socket, peer) = datagrams();
        assert!(socket.try_recv(&mut [0]).is_err());
        let got = cut.drive(socket.ready(Interest::Readable), 1, async |_| tell(&peer)).await;
        assert!(got.is_none_or(|got| got.unwrap().is_readable()));
        assert_eq!(socket.recv(&mut [0; 4]).await.unwrap(), 1);
    },
    "net::unix::UnixDatagram::async_io" => |cut| async move {
        let (socket, peer) = datagrams();
        let mut room = [0; 4];
        let operation = socket.async_io(Interest::Readable, || recv_by_std(&socket, &mut room));
        let got = cut.drive(operation, 1, async |_| tell(&peer)).await;
        if got.is_none() {
            assert_eq!(socket.recv(&mut room).await.unwrap(), 1);
        }
        assert!(recv_by_std(&socket, &mut room).is_err(), "there was one");
    },
    "net::unix::UnixDatagram::recv" => |cut| async move {
        let (socket, peer) = datagrams();
        let mut room = [0; 4];
        let got = cut.drive(socket.recv(&mut room), 1, async |_| tell(&peer)).await;
        let count = match got {
            Some(got) => got.unwrap(),
            None => socket.recv(&mut room).await.unwrap(),
        };
        assert_eq!(room[..count], *b"x");
    },
    "net::unix::UnixDatagram::recv_from" => |cut| async move {
        let (socket, peer) = datagrams();
        let mut room = [0; 4];
        let got = cut.drive(socket.recv_from(&mut room), 1, async |_| tell(&peer)).await;
        let (count, _) = match got {
            Some(got) => got.unwrap(),
            None => socket.recv_from(&mut room).await.unwrap(),
        };
        assert_eq!(room[..count], *b"x");
    },
    "net::unix::UnixDatagram::peek" => |cut| async move {
        let (socket, peer) = datagrams();
        let mut room = [0; 4];
        let got = cut.drive(socket.peek(&mut room), 1, async |_| tell(&peer)).await;
        assert!(got.is_none_or(|got| got.unwrap() == 1));
        assert_eq!(socket.recv(&mut room).await.unwrap(), 1);
    },
    "net::unix::UnixDatagram::peek_from" => |cut| async move {
        let (socket, peer) = datagrams();
        let mut room = [0; 4];
        let got = cut.drive(socket.peek_from(&mut room), 1, async |_| tell(&peer)).await;
        assert!(got.is_none_or(|got| got.unwrap().0 == 1));
        assert_eq!(socket.recv(&mut room).await.unwrap(), 1);
    },
    "net::unix::UnixDatagram::recv_with_fds" => |cut| async move {
        let (socket, peer) = datagrams();
        let (sent, trace) = net::UnixStream::pair().unwrap();
        let mut sent = Some(sent);
        let mut room = [0; 4];
        let step = async |_| {
            let sent = sent.take().expect("once");
            peer.try_send_with_fds(b"x", &[sent.as_fd()]).unwrap();
        };
        let got = cut.drive(socket.recv_with_fds(&mut room, 4), 1, step).await;
        let (count, fds) = match got {
            Some(got) => got.unwrap(),
            None => socket.recv_with_fds(&mut room, 4).await.unwrap(),
        };
        assert_came(count, fds, trace);
    },
};

fn listener() -> UnixListener {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("\0filch cancel {} {count}", std::process::id());
    UnixListener::bind(name).unwrap()
}

/// One whose queue has room for nobody after the one connection that it has.
fn full_listener() -> UnixListener {
    let listener = listener();
    // SAFETY: listen takes two numbers, and may be called again.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    drop(connect_by_std(&listener));
    listener
}

fn abstract_path(addr: &SocketAddr) -> String {
    let name = addr.as_abstract_name().expect("it has such a name");
    format!("\0{}", String::from_utf8_lossy(name))
}

fn path_of(listener: &UnixListener) -> String {
    abstract_path(&listener.local_addr().unwrap())
}

fn connect_by_std(listener: &UnixListener) -> net::UnixStream {
    use std::os::linux::net::SocketAddrExt;
    let addr = listener.local_addr().unwrap();
    let addr = net::SocketAddr::from_abstract_name(addr.as_abstract_name().unwrap()).unwrap();
    net::UnixStream::connect_addr(&addr).unwrap()
}

/// A connection that was given up is closed: the other side reads its end.
async fn connect(
    cut: &Cut,
    future: impl Future<Output = io::Result<UnixStream>>,
    listener: &UnixListener,
) {
    let make_room = async |_| {
        // The one that has filled the queue is gone already.
        let (mut first, _) = listener.accept().await.unwrap();
        assert_eq!(first.read(&mut [0; 1]).await.unwrap(), 0);
    };
    let got = cut.drive(future, 1, make_room).await;
    if let Some(stream) = got {
        let mut stream = stream.unwrap();
        let (mut served, _) = listener.accept().await.unwrap();
        stream.write_all(b"x").await.unwrap();
        assert_eq!(served.read(&mut [0; 1]).await.unwrap(), 1);
    }
    // Who has given up was never there.
    let error = listener.accept_now().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

fn lock(folder: &std::path::Path) -> File {
    let folder = File::open(folder).unwrap();
    // SAFETY: flock takes two numbers.
    assert_eq!(unsafe { libc::flock(folder.as_raw_fd(), libc::LOCK_EX) }, 0);
    folder
}

fn connected() -> (UnixStream, net::UnixStream) {
    let (ours, theirs) = net::UnixStream::pair().unwrap();
    (UnixStream::from_std(ours).unwrap(), theirs)
}

fn send(peer: &mut net::UnixStream) {
    peer.write_all(b"x").unwrap();
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

fn fill_stream(stream: &UnixStream) -> usize {
    fill(|| stream.try_write(&[0; 4096]))
}

fn drain(mut peer: &net::UnixStream, filled: usize) {
    peer.read_exact(&mut vec![0; filled]).unwrap();
}

fn datagrams() -> (UnixDatagram, UnixDatagram) {
    UnixDatagram::pair().unwrap()
}

/// A socket that sends by address, and one that has one.
fn by_name() -> (UnixDatagram, UnixDatagram) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("\0filch cancel datagram {} {count}", std::process::id());
    let peer = UnixDatagram::bind(name).unwrap();
    (UnixDatagram::unbound().unwrap(), peer)
}

fn tell(peer: &UnixDatagram) {
    peer.try_send(b"x").unwrap();
}

/// Takes the fillers, and not what may have come after them.
fn drain_datagrams(peer: &UnixDatagram, filled: usize) {
    for _ in 0..filled {
        let mut room = [0; 4];
        assert_eq!(recv_by_std(peer, &mut room).unwrap(), 1);
        assert_eq!(room[0], b'y');
    }
}

/// Receives at once, whatever the reactor knows.
fn recv_by_std(peer: &UnixDatagram, room: &mut [u8]) -> io::Result<usize> {
    net::UnixDatagram::from(peer.as_fd().try_clone_to_owned().unwrap()).recv(room)
}

/// A datagram is there if, and only if, the sender was told so.
fn assert_sent(peer: &UnixDatagram, got: Option<io::Result<usize>>) {
    match recv_by_std(peer, &mut [0; 4]) {
        Ok(count) => assert_eq!(got.expect("somebody was told").unwrap(), count),
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert!(got.is_none(), "it was not sent");
        }
    }
}

fn assert_came(count: usize, fds: Vec<OwnedFd>, trace: net::UnixStream) {
    assert_eq!((count, fds.len()), (1, 1));
    drop(fds);
    assert_closed_everywhere(trace);
}

/// Waits for it: a child of another test that stands between `fork` and `exec` has everything open for a moment.
fn assert_closed_everywhere(mut trace: net::UnixStream) {
    trace.set_nonblocking(false).unwrap();
    assert_eq!(trace.read(&mut [0; 1]).unwrap(), 0);
}
