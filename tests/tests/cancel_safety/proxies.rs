//! What is passed on, from a socket to another or to a file: is it on one side or the other when a future is dropped?
//!
//! These run in real time.

use filch::io::{AsyncFd, duplex};
use filch_net::proxy_protocol::{Config, accept_header, read_header};
use filch_net::{TcpListener, TcpStream, splice};
use filch_tests::cancel::Case;
use filch_tests::cases;
use futures_lite::future::poll_once;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::net::{self, Shutdown};
use std::process::{Command, Stdio};

pub(crate) const CASES: &[Case] = cases! {
    Real:
    "io::copy_bidirectional" => |cut| async move {
        let (mut client, mut left) = duplex(8);
        let (mut right, mut server) = duplex(8);
        let step = async |number| match number {
            0 => client.write_all(b"x").await.unwrap(),
            _ => {
                client.close().await.unwrap();
                server.close().await.unwrap();
            }
        };
        let got = cut.drive(filch::io::copy_bidirectional(&mut left, &mut right), 2, step).await;
        assert!(got.is_none_or(|got| got.unwrap() == (1, 0)));
        // What was read was written, since there was room.
        let left = poll_once(left.read(&mut [0; 2])).await.map_or(0, Result::unwrap);
        let there = poll_once(server.read(&mut [0; 2])).await.map_or(0, Result::unwrap);
        assert_eq!(left + there, 1);
    },
    "net::splice::copy_bidirectional" => |cut| async move {
        let (mut left, mut client) = connected().await;
        let (mut right, server) = connected().await;
        let step = async |number| match number {
            0 => client.write_all(b"x").unwrap(),
            _ => {
                client.shutdown(Shutdown::Write).unwrap();
                server.shutdown(Shutdown::Write).unwrap();
            }
        };
        let copy = splice::copy_bidirectional(&mut left, &mut right);
        let got = cut.drive(copy, 2, step).await;
        assert!(got.is_none_or(|got| got.unwrap() == (1, 0)));
        drop(right);
        // To the end of both: the client's is here by now, the server's is the drop.
        let mut unread = Vec::new();
        left.read_to_end(&mut unread).await.unwrap();
        let passed = read_all(server);
        assert_eq!([unread, passed].concat(), b"x");
    },
    "net::splice::sendfile" => |cut| async move {
        let (stream, mut peer) = connected().await;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"file").unwrap();
        let filled = fill(&stream);
        let mut range = 0..4;
        let send = splice::sendfile(&file, &mut range, &stream);
        let step = async |_| peer.read_exact(&mut vec![0; filled]).unwrap();
        let got = cut.drive(send, 1, step).await;
        drop(stream);
        let sent = usize::try_from(range.start).unwrap();
        assert_eq!(read_all(peer), b"file"[..sent]);
        assert!(got.is_none_or(|got| got.unwrap() == 4 && sent == 4));
    },
    "net::splice::receive_file" => |cut| async move {
        let (mut stream, mut peer) = connected().await;
        let mut file = tempfile::tempfile().unwrap();
        let mut range = 0..2;
        let receive = splice::receive_file(&stream, &file, &mut range);
        let got = cut.drive(receive, 2, async |_| peer.write_all(b"x").unwrap()).await;
        assert!(got.is_none_or(|got| got.unwrap() == 2));
        drop(peer);
        let mut all = written(&mut file);
        assert_eq!(all.len() as u64, range.start);
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"xx");
    },
    "net::splice::splice" => |cut| async move {
        let (mut stream, mut peer) = connected().await;
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = AsyncFd::new(child.stdin.take().unwrap()).unwrap();
        let step = async |_| peer.write_all(b"x").unwrap();
        let got = cut.drive(splice::splice(&stream, &input, 8), 1, step).await;
        drop((input, peer));
        let passed = child.wait_with_output().unwrap().stdout;
        assert_eq!(passed.len(), got.map_or(0, Result::unwrap));
        let mut unread = Vec::new();
        stream.read_to_end(&mut unread).await.unwrap();
        assert_eq!([unread, passed].concat(), b"x");
    },
    "net::proxy_protocol::accept_header" => |cut| async move {
        let (mut stream, mut peer) = connected().await;
        let config = Config::new().trust("127.0.0.0/8".parse().unwrap());
        let (first, second) = HEADER.split_at(7);
        let step = async |number| peer.write_all([first, second][number]).unwrap();
        let got = cut.drive(accept_header(&mut stream, &config), 2, step).await;
        if got.is_none_or(|got| got.unwrap().is_none()) {
            assert!(accept_header(&mut stream, &config).await.unwrap().is_some());
        }
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 1);
    },
    "net::proxy_protocol::read_header" => |cut| async move {
        let (mut stream, mut peer) = connected().await;
        let config = Config::new();
        let (first, second) = HEADER.split_at(7);
        let step = async |number| peer.write_all([first, second][number]).unwrap();
        let got = cut.drive(read_header(&mut stream, &config), 2, step).await;
        if got.is_none_or(|got| got.unwrap().is_none()) {
            assert!(read_header(&mut stream, &config).await.unwrap().is_some());
        }
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 1);
    },
};

/// With a byte after it.
const HEADER: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\nx";

async fn connected() -> (TcpStream, net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().await.unwrap().0, peer)
}

fn read_all(mut stream: net::TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

fn written(file: &mut File) -> Vec<u8> {
    let mut all = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut all).unwrap();
    all
}

/// Until there is no room left; how much that was.
fn fill(stream: &TcpStream) -> usize {
    let mut filled = 0;
    loop {
        match stream.try_write(&[0; 65536]) {
            Ok(count) => filled += count,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                return filled;
            }
        }
    }
}
