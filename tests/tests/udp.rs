//! Do datagrams come whole, once and to who waits for them; alone, in batches and in segments? Do errors stay with the datagram that they are about?
//!
//! Where sending has to wait, the socket is a Unix one in the clothes of UDP: on the loopback device nothing ever waits.

use filch::time::{Duration, sleep};
use filch_net::UdpSocket;
use filch_net::udp::{BATCH_MAX, Datagram, RecvBatch, SEGMENTS_MAX, SendBatch};
use filch_tests::census::{Census, settle};
use filch_tests::limits::{self, in_child};
use filch_tests::run_on;
use futures_lite::future::{self, poll_once};
use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::pin::pin;
use std::sync::Arc;

/// What one datagram of IPv4 has room for.
const DATAGRAM_MAX: usize = 65_507;

/// Room for anything that comes.
const ROOM: usize = 65_535;

fn run<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    run_on(2, future)
}

async fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

/// Two sockets, each connected to the other.
async fn pair() -> (UdpSocket, UdpSocket) {
    let (one, addr) = socket().await;
    let (other, _) = socket().await;
    other.connect(addr).await.unwrap();
    one.connect(other.local_addr().unwrap()).await.unwrap();
    (one, other)
}

/// A socket that has to wait when its peer does not read.
fn waiting() -> (UdpSocket, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let ours = net::UdpSocket::from(OwnedFd::from(ours));
    let ours = UdpSocket::from_std(ours).unwrap();
    // The least there is: a handful of datagrams.
    ours.set_send_buffer_size(0).unwrap();
    (ours, theirs)
}

/// What waits in a socket's queue, each datagram as a text.
fn drain(socket: &UnixDatagram) -> Vec<String> {
    let mut room = [0; 64];
    let next = || socket.recv(&mut room).map(|count| text(&room[..count]));
    let all = std::iter::repeat_with(next).map_while(Result::ok);
    all.collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Bytes that show a mix-up.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

/// The system's number of an error of ours.
fn number(error: &io::Error) -> Option<i32> {
    let cause: Option<&io::Error> = error.source().and_then(|cause| cause.downcast_ref());
    cause.and_then(io::Error::raw_os_error)
}

fn is_would_block<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

// Single datagrams.

#[test]
fn what_is_sent_comes_back() {
    for workers in [1, 2, 8] {
        run_on(workers, async {
            let (server, addr) = socket().await;
            let echo = filch::spawn(async move {
                let mut room = [0; 64];
                for _ in 0..8 * 50 {
                    let (count, peer) = server.recv_from(&mut room).await.unwrap();
                    server.send_to(&room[..count], peer).await.unwrap();
                }
            });
            let clients: Vec<_> = (0..8)
                .map(|client| {
                    filch::spawn(async move {
                        let (socket, _) = socket().await;
                        socket.connect(addr).await.unwrap();
                        let mut room = [0; 64];
                        for lap in 0..50 {
                            let word = format!("{client} {lap}");
                            assert_eq!(socket.send(word.as_bytes()).await.unwrap(), word.len());
                            let count = socket.recv(&mut room).await.unwrap();
                            assert_eq!(text(&room[..count]), word);
                        }
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
            echo.await.unwrap();
        });
    }
}

#[test]
fn each_datagram_goes_to_one_of_those_who_wait() {
    run_on(8, async {
        let (socket_, addr) = socket().await;
        let shared = Arc::new(socket_);
        let receivers: Vec<_> = (0..8)
            .map(|_| {
                let shared = shared.clone();
                filch::spawn(async move {
                    let mut got = Vec::new();
                    let mut room = [0; 8];
                    loop {
                        match shared.recv(&mut room).await.unwrap() {
                            0 => return got,
                            count => got.push(text(&room[..count])),
                        }
                    }
                })
            })
            .collect();
        let (sender, _) = socket().await;
        for number in 0..100 {
            let word = number.to_string();
            sender.send_to(word.as_bytes(), addr).await.unwrap();
        }
        for _ in 0..receivers.len() {
            sender.send_to(b"", addr).await.unwrap();
        }
        let mut all = BTreeSet::new();
        for receiver in receivers {
            for word in receiver.await.unwrap() {
                assert!(all.insert(word.clone()), "{word} came twice");
            }
        }
        assert_eq!(all.len(), 100);
    });
}

#[test]
fn an_empty_datagram_is_not_the_end() {
    run(async {
        let (one, other) = pair().await;
        let peer = other.local_addr().unwrap();
        for _ in 0..4 {
            assert_eq!(other.send(b"").await.unwrap(), 0);
            assert_eq!(other.send(b"word").await.unwrap(), 4);
        }
        let mut room = [0; 8];
        assert_eq!(one.peek(&mut room).await.unwrap(), 0);
        assert_eq!(one.recv(&mut room).await.unwrap(), 0);
        assert_eq!(one.recv(&mut room).await.unwrap(), 4);
        assert_eq!(one.recv_from(&mut room).await.unwrap(), (0, peer));
        assert_eq!(one.recv_from(&mut room).await.unwrap(), (4, peer));
        for len in [0, 4] {
            let datagram = one.recv_datagram(&mut room).await.unwrap();
            assert_eq!((datagram.bytes().len(), datagram.peer()), (len, peer));
            assert!(!datagram.is_truncated());
            assert_eq!(datagram.segments().count(), 1);
        }
        let mut batch = RecvBatch::new(4, 8);
        assert_eq!(one.recv_many(&mut batch).await.unwrap(), 2);
        let lengths: Vec<_> = batch.iter().map(|one| one.bytes().len()).collect();
        assert_eq!(lengths, [0, 4]);
        assert!(is_would_block(one.try_recv(&mut room)));
    });
}

#[test]
fn what_does_not_fit_is_cut_off_and_said_where_it_is_promised() {
    run(async {
        let (one, other) = pair().await;
        for (size, is_truncated) in [(9, true), (10, false), (11, false)] {
            for _ in 0..4 {
                other.send(b"0123456789").await.unwrap();
            }
            let mut room = vec![0; size];
            let fits = size.min(10);
            assert_eq!(one.recv(&mut room).await.unwrap(), fits);
            assert_eq!(one.recv_from(&mut room).await.unwrap().0, fits);
            let datagram = one.recv_datagram(&mut room).await.unwrap();
            assert_eq!(datagram.bytes(), &b"0123456789"[..fits]);
            assert_eq!(datagram.is_truncated(), is_truncated);
            let mut batch = RecvBatch::new(2, size);
            assert_eq!(one.recv_many(&mut batch).await.unwrap(), 1);
            let datagram = batch.get(0).unwrap();
            assert_eq!(datagram.bytes(), &b"0123456789"[..fits]);
            assert_eq!(datagram.is_truncated(), is_truncated);
            assert!(batch.get(1).is_none());
        }
        // Without room: the datagram is taken all the same.
        other.send(b"x").await.unwrap();
        assert!(one.recv_datagram(&mut []).await.unwrap().is_truncated());
        assert!(is_would_block(one.try_recv(&mut [0])));
    });
}

#[test]
fn a_datagram_is_as_large_as_it_may_be_and_no_larger() {
    run(async {
        let (one, other) = pair().await;
        let bytes = pattern(DATAGRAM_MAX + 1);
        let mut room = vec![0; ROOM];
        for len in [DATAGRAM_MAX - 1, DATAGRAM_MAX] {
            assert_eq!(other.send(&bytes[..len]).await.unwrap(), len);
            assert_eq!(one.recv(&mut room).await.unwrap(), len);
            assert_eq!(room[..len], bytes[..len]);
        }
        let error = other.send(&bytes).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        let error = other.send_segments(&bytes, usize::MAX).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        other.send(b"on").await.unwrap();
        assert_eq!(one.recv(&mut room).await.unwrap(), 2);
    });
}

#[test]
fn peeking_leaves_it_there() {
    run(async {
        let (one, other) = pair().await;
        let peer = other.local_addr().unwrap();
        let mut room = [0; 8];
        assert!(is_would_block(one.try_peek(&mut room)));
        assert!(is_would_block(one.try_peek_from(&mut room)));
        other.send(b"word").await.unwrap();
        for _ in 0..2 {
            assert_eq!(one.peek(&mut room).await.unwrap(), 4);
            assert_eq!(one.peek_from(&mut room).await.unwrap(), (4, peer));
            assert_eq!(one.peek_from(&mut []).await.unwrap(), (0, peer));
            assert_eq!(one.try_peek(&mut room).unwrap(), 4);
            assert_eq!(one.try_peek_from(&mut room).unwrap(), (4, peer));
            let polled = poll_fn(|cx| one.poll_peek(cx, &mut room)).await;
            assert_eq!(polled.unwrap(), 4);
            let polled = poll_fn(|cx| one.poll_peek_from(cx, &mut room)).await;
            assert_eq!(polled.unwrap(), (4, peer));
        }
        assert_eq!(one.recv(&mut room).await.unwrap(), 4);
        assert!(is_would_block(one.try_peek(&mut room)));
    });
}

#[test]
fn by_hand_nothing_waits_that_should_not() {
    run(async {
        let (one, other) = pair().await;
        let (ours, theirs) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        let mut room = [0; 8];
        let mut batch = RecvBatch::new(4, 8);
        assert!(is_would_block(one.try_recv(&mut room)));
        assert!(is_would_block(one.try_recv_from(&mut room)));
        assert!(is_would_block(one.try_recv_datagram(&mut room).map(drop)));
        assert!(is_would_block(one.try_recv_many(&mut batch)));
        other.writable().await.unwrap();
        poll_fn(|cx| other.poll_send_ready(cx)).await.unwrap();
        let mut waiting = SendBatch::new();
        waiting.push(b"1");
        assert_eq!(other.try_send_many(&mut waiting).unwrap(), 1);
        assert_eq!(other.try_send(b"2").unwrap(), 1);
        assert_eq!(other.try_send_segments(b"34", 1).unwrap(), 2);
        // A connected socket may say where to as well.
        assert_eq!(other.try_send_to(b"5", ours).unwrap(), 1);
        assert_eq!(other.try_send_segments_to(b"67", 1, ours).unwrap(), 2);
        one.readable().await.unwrap();
        poll_fn(|cx| one.poll_recv_ready(cx)).await.unwrap();
        assert_eq!(one.try_recv(&mut room).unwrap(), 1);
        assert_eq!(one.try_recv_from(&mut room).unwrap(), (1, theirs));
        assert_eq!(one.try_recv_datagram(&mut room).unwrap().bytes(), b"3");
        assert_eq!(one.try_recv_many(&mut batch).unwrap(), 4);
        let words: Vec<_> = batch.iter().map(|one| text(one.bytes())).collect();
        assert_eq!(words, ["4", "5", "6", "7"]);
        assert!(is_would_block(one.try_recv(&mut room)));
    });
}

#[test]
fn who_polls_is_woken() {
    run(async {
        let (one, other) = pair().await;
        let (ours, theirs) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        let mut room = [0; 8];
        let mut batch = RecvBatch::new(4, 8);
        let mut waiting = SendBatch::new();

        // Each receiver is pending first, so that it is the event that ends it.
        let mut got = pin!(poll_fn(|cx| one.poll_recv(cx, &mut room)));
        assert!(poll_once(got.as_mut()).await.is_none());
        poll_fn(|cx| other.poll_send(cx, b"1")).await.unwrap();
        assert_eq!(got.await.unwrap(), 1);

        let mut got = pin!(poll_fn(|cx| one.poll_recv_from(cx, &mut room)));
        assert!(poll_once(got.as_mut()).await.is_none());
        poll_fn(|cx| other.poll_send_to(cx, b"2", ours))
            .await
            .unwrap();
        assert_eq!(got.await.unwrap(), (1, theirs));

        let mut got = pin!(poll_fn(|cx| {
            let datagram = one.poll_recv_datagram(cx, &mut room);
            datagram.map_ok(|datagram| text(datagram.bytes()))
        }));
        assert!(poll_once(got.as_mut()).await.is_none());
        poll_fn(|cx| other.poll_send_segments(cx, b"3", 1))
            .await
            .unwrap();
        assert_eq!(got.await.unwrap(), "3");

        let mut got = pin!(poll_fn(|cx| one.poll_recv_many(cx, &mut batch)));
        assert!(poll_once(got.as_mut()).await.is_none());
        waiting.push(b"4");
        poll_fn(|cx| other.poll_send_many(cx, &mut waiting))
            .await
            .unwrap();
        assert_eq!(got.await.unwrap(), 1);

        let mut got = pin!(poll_fn(|cx| one.poll_recv_ready(cx)));
        assert!(is_would_block(one.try_recv(&mut room)));
        assert!(poll_once(got.as_mut()).await.is_none());
        poll_fn(|cx| other.poll_send_segments_to(cx, b"5", 1, ours))
            .await
            .unwrap();
        got.await.unwrap();
        assert_eq!(one.try_recv(&mut room).unwrap(), 1);
    });
}

#[test]
fn who_sends_waits_for_room() {
    run(async {
        let (ours, theirs) = waiting();
        let mut filled = 0;
        while ours.try_send(b"x").is_ok() {
            filled += 1;
        }
        assert!(filled > 0);
        assert!(is_would_block(ours.try_send(b"x")));
        let shared = Arc::new(ours);
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let shared = shared.clone();
                filch::spawn(async move { shared.send(b"y").await })
            })
            .collect();
        let mut left = filled + senders.len();
        while left > 0 {
            left -= drain(&theirs).len();
            filch::yield_now().await;
        }
        for sender in senders {
            assert_eq!(sender.await.unwrap().unwrap(), 1);
        }
    });
}

#[test]
fn names_are_resolved() {
    run(async {
        let (one, _) = socket().await;
        let port = one.local_addr().unwrap().port();
        let (other, _) = socket().await;
        other.connect(("127.0.0.1", port)).await.unwrap();
        assert_eq!(other.peer_addr().unwrap(), one.local_addr().unwrap());
        other
            .send_to(b"1", format!("127.0.0.1:{port}"))
            .await
            .unwrap();
        assert_eq!(one.recv(&mut [0; 8]).await.unwrap(), 1);
        let error = other.send_to(b"1", "nowhere").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = other.connect("").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        // It is connected as before.
        assert_eq!(other.peer_addr().unwrap(), one.local_addr().unwrap());
    });
}

#[test]
fn a_connected_socket_hears_its_peer_alone() {
    run(async {
        let (one, other) = pair().await;
        let (stranger, _) = socket().await;
        let addr = one.local_addr().unwrap();
        stranger.send_to(b"no", addr).await.unwrap();
        other.send(b"yes").await.unwrap();
        let mut room = [0; 8];
        assert_eq!(one.recv(&mut room).await.unwrap(), 3);
        // And another one when it is told so.
        one.connect(stranger.local_addr().unwrap()).await.unwrap();
        other.send(b"yes").await.unwrap();
        stranger.send_to(b"no", addr).await.unwrap();
        assert_eq!(one.recv(&mut room).await.unwrap(), 2);
    });
}

// Errors.

/// A socket that is connected to where nobody is, and that address, which may be had again.
async fn connected_to_nobody() -> (UdpSocket, SocketAddr) {
    let (gone, addr) = socket().await;
    let (ours, _) = socket().await;
    ours.connect(addr).await.unwrap();
    drop(gone);
    (ours, addr)
}

fn assert_refused<T: std::fmt::Debug>(result: io::Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
}

#[test]
fn a_refusal_does_not_end_the_socket() {
    run(async {
        let (ours, addr) = connected_to_nobody().await;
        let mut room = [0; 8];
        let mut batch = RecvBatch::new(4, 8);
        let mut waiting = SendBatch::new();
        for lap in 0..20 {
            // Whichever call is next is told, once.
            ours.send(b"1").await.unwrap();
            match lap % 5 {
                0 => assert_refused(ours.recv(&mut room).await),
                1 => assert_refused(ours.recv_from(&mut room).await),
                2 => assert_refused(ours.recv_datagram(&mut room).await.map(|_| ())),
                3 => {
                    assert_refused(ours.recv_many(&mut batch).await);
                    assert!(batch.is_empty());
                }
                _ => {
                    waiting.push(b"2");
                    assert_refused(ours.send_many(&mut waiting).await);
                    assert_eq!(waiting.len(), 1);
                    waiting.clear();
                }
            }
            assert!(is_would_block(ours.try_recv(&mut room)), "lap {lap}");
        }
        ours.send(b"1").await.unwrap();
        assert_refused(ours.send(b"1").await);
        ours.send(b"1").await.unwrap();
        let held = ours.take_error().unwrap().expect("a refusal");
        assert_eq!(held.kind(), ErrorKind::ConnectionRefused);
        assert!(ours.take_error().unwrap().is_none());

        // Somebody is there again, and everything works.
        let peer = UdpSocket::bind(addr).await.unwrap();
        peer.connect(ours.local_addr().unwrap()).await.unwrap();
        ours.send(b"1").await.unwrap();
        assert_eq!(peer.recv(&mut room).await.unwrap(), 1);
        let mut got = pin!(ours.recv(&mut room));
        assert!(poll_once(got.as_mut()).await.is_none());
        peer.send(b"22").await.unwrap();
        assert_eq!(got.await.unwrap(), 2);
    });
}

#[test]
fn a_refusal_wakes_who_waits() {
    run(async {
        let (ours, _) = connected_to_nobody().await;
        let mut room = [0; 8];
        let mut got = pin!(ours.recv(&mut room));
        assert!(poll_once(got.as_mut()).await.is_none());
        ours.send(b"1").await.unwrap();
        assert_refused(got.await);
    });
}

#[test]
fn an_unconnected_socket_says_what_it_lacks() {
    run(async {
        let (socket, addr) = socket().await;
        let error = socket.send(b"1").await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EDESTADDRREQ));
        let error = socket.peer_addr().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        let mut batch = SendBatch::new();
        batch.push(b"1");
        batch.push_to(b"2", addr);
        let error = socket.send_many(&mut batch).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EDESTADDRREQ));
        assert!(batch.skip());
        assert_eq!(socket.send_many(&mut batch).await.unwrap(), 1);
        assert_eq!(socket.send_many(&mut batch).await.unwrap(), 0);
        assert_eq!(socket.recv(&mut [0; 8]).await.unwrap(), 1);
        let error = socket.send_segments(b"12", 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        // Port 0 is nobody's, in segments too.
        let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let error = socket.send_to(b"1", nobody).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
        let error = socket.send_segments_to(b"12", 1, nobody).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    });
}

#[test]
fn errors_of_making_a_socket_name_the_address() {
    run(async {
        let (_taken, addr) = socket().await;
        let error = UdpSocket::bind(addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("bind to {addr}: ")));
        assert_eq!(number(&error), Some(libc::EADDRINUSE));
        // The next address is taken instead.
        let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let bound = UdpSocket::bind([addr, free]).await.unwrap();
        assert_ne!(bound.local_addr().unwrap(), addr);
        // From the loopback device there is no way out.
        let error = bound.connect("192.0.2.1:1").await.unwrap_err();
        assert!(
            error.to_string().starts_with("connect to 192.0.2.1:1: "),
            "{error}"
        );
        // One family does not reach the other.
        let error = bound.connect("[::1]:1").await.unwrap_err();
        assert_eq!(number(&error), Some(libc::EAFNOSUPPORT));
        let group = Ipv4Addr::new(192, 0, 2, 1);
        let error = bound
            .join_multicast_v4(group, Ipv4Addr::LOCALHOST)
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("join 192.0.2.1 at 127.0.0.1: "),
            "{error}"
        );
    });
}

#[test]
fn without_a_runtime_or_a_descriptor_it_is_an_error_and_nothing_is_left() {
    in_child(
        "without_a_runtime_or_a_descriptor_it_is_an_error_and_nothing_is_left",
        || {
            let before = Census::now().unwrap();
            for _ in 0..10 {
                let error = future::block_on(UdpSocket::bind("127.0.0.1:0")).unwrap_err();
                assert!(error.to_string().contains("no filch runtime"), "{error}");
                let std = net::UdpSocket::bind("127.0.0.1:0").unwrap();
                UdpSocket::from_std(std).unwrap_err();
            }
            settle(&before);
            run(async {
                let (kept, addr) = socket().await;
                limits::descriptors(40).unwrap();
                let mut held = Vec::new();
                while let Ok(file) = File::open("/dev/null") {
                    held.push(file);
                }
                let error = UdpSocket::bind("127.0.0.1:0").await.unwrap_err();
                assert_eq!(number(&error), Some(libc::EMFILE), "{error}");
                assert!(
                    error.to_string().starts_with("bind to 127.0.0.1:0: "),
                    "{error}"
                );
                // What is there works on.
                kept.send_to(b"1", addr).await.unwrap();
                assert_eq!(kept.recv(&mut [0; 8]).await.unwrap(), 1);
            });
            settle(&before);
        },
    );
}

// Batches.

fn words(batch: &RecvBatch) -> Vec<String> {
    batch.iter().map(|one| text(one.bytes())).collect()
}

#[test]
fn batches_come_in_order_and_say_how_many() {
    for workers in [1, 2, 8] {
        run_on(workers, async {
            let (one, other) = pair().await;
            let peer = other.local_addr().unwrap();
            let mut waiting = SendBatch::new();
            let mut batch = RecvBatch::new(BATCH_MAX, 16);
            for count in [1, BATCH_MAX - 1, BATCH_MAX, BATCH_MAX + 1] {
                let all: Vec<_> = (0..count).map(|n| n.to_string()).collect();
                all.iter().for_each(|word| waiting.push(word.as_bytes()));
                assert_eq!(waiting.len(), count);
                let sent = other.send_many(&mut waiting).await.unwrap();
                assert_eq!(sent, count.min(BATCH_MAX));
                assert_eq!(waiting.len(), count - sent);
                while !waiting.is_empty() {
                    other.send_many(&mut waiting).await.unwrap();
                }
                let mut got = Vec::new();
                while got.len() < count {
                    let received = one.recv_many(&mut batch).await.unwrap();
                    assert_eq!(received, batch.len());
                    assert!(batch.iter().all(|datagram| datagram.peer() == peer));
                    got.extend(words(&batch));
                }
                assert_eq!(got, all);
            }
            assert!(is_would_block(one.try_recv_many(&mut batch)));
            assert!(batch.is_empty());
        });
    }
}

#[test]
fn a_batch_has_many_peers() {
    run(async {
        let (server, addr) = socket().await;
        let mut clients = Vec::new();
        for number in 0..5_usize {
            let (client, own) = socket().await;
            client.send_to(&pattern(number), addr).await.unwrap();
            clients.push((client, own));
        }
        let mut batch = RecvBatch::new(8, 8);
        assert_eq!(server.recv_many(&mut batch).await.unwrap(), 5);
        let mut answers = SendBatch::with_capacity(5, 64);
        for (number, (datagram, (_, own))) in batch.iter().zip(&clients).enumerate() {
            assert_eq!(datagram.bytes(), pattern(number));
            assert_eq!(datagram.peer(), *own);
            answers.push_to(datagram.bytes(), datagram.peer());
        }
        assert_eq!(server.send_many(&mut answers).await.unwrap(), 5);
        for (number, (client, _)) in clients.iter().enumerate() {
            let mut room = [0; 8];
            assert_eq!(client.recv_from(&mut room).await.unwrap(), (number, addr));
        }
    });
}

#[test]
fn what_comes_in_the_middle_of_a_batch_and_fails_is_told_by_the_next_call() {
    run(async {
        let (one, other) = pair().await;
        let mut waiting = SendBatch::new();
        waiting.push(b"1");
        waiting.push(&pattern(DATAGRAM_MAX + 1));
        waiting.push(b"3");
        assert_eq!(other.send_many(&mut waiting).await.unwrap(), 1);
        for _ in 0..2 {
            let error = other.send_many(&mut waiting).await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
            assert_eq!(waiting.len(), 2);
        }
        assert!(waiting.skip());
        assert_eq!(other.send_many(&mut waiting).await.unwrap(), 1);
        assert!(waiting.is_empty());
        let mut batch = RecvBatch::new(8, 8);
        assert_eq!(one.recv_many(&mut batch).await.unwrap(), 2);
        assert_eq!(words(&batch), ["1", "3"]);
    });
}

/// By hand too: a call that sent some counts as one that may go on, since no event would come.
#[test]
fn an_error_in_the_middle_of_a_batch_does_not_leave_a_poll_waiting() {
    run(async {
        let (ours, _theirs) = waiting();
        let mut waiting = SendBatch::new();
        for _ in 0..3 {
            // Until the reactor has told everything that it has to tell of a new socket.
            sleep(Duration::from_millis(5)).await;
            waiting.push(b"1");
            waiting.push(&pattern(DATAGRAM_MAX));
            let sent = poll_fn(|cx| ours.poll_send_many(cx, &mut waiting)).await;
            assert_eq!(sent.unwrap(), 1);
            let polled = poll_once(poll_fn(|cx| ours.poll_send_many(cx, &mut waiting))).await;
            assert!(polled.expect("it does not wait").is_err());
            waiting.clear();
        }
    });
}

#[test]
fn a_batch_for_which_there_is_no_room_goes_in_parts() {
    run(async {
        let (ours, theirs) = waiting();
        let mut waiting = SendBatch::new();
        let all: Vec<_> = (0..3 * BATCH_MAX).map(|n| n.to_string()).collect();
        all.iter().for_each(|word| waiting.push(word.as_bytes()));
        let mut got = Vec::new();
        while !waiting.is_empty() {
            let before = waiting.len();
            let sent = ours.send_many(&mut waiting).await.unwrap();
            assert!((1..BATCH_MAX).contains(&sent), "a part, not {sent}");
            assert_eq!(before - waiting.len(), sent);
            if !waiting.is_empty() {
                let left = waiting.len();
                assert!(is_would_block(ours.try_send_many(&mut waiting)));
                assert!(poll_once(ours.send_many(&mut waiting)).await.is_none());
                assert_eq!(waiting.len(), left);
            }
            let came = drain(&theirs);
            assert_eq!(came.len(), sent);
            got.extend(came);
        }
        assert_eq!(got, all);
    });
}

#[test]
fn a_batch_is_used_again() {
    run(async {
        let (one, other) = pair().await;
        let mut batch = RecvBatch::new(2, 4);
        let mut waiting = SendBatch::new();
        for number in 0..1000_u32 {
            waiting.push(&number.to_be_bytes());
            waiting.push(b"");
            waiting.push(&number.to_le_bytes());
            assert_eq!(other.send_many(&mut waiting).await.unwrap(), 3);
            assert_eq!(one.recv_many(&mut batch).await.unwrap(), 2);
            assert_eq!(batch.get(0).unwrap().bytes(), number.to_be_bytes());
            assert_eq!(batch.get(1).unwrap().bytes(), b"");
            assert_eq!(one.recv_many(&mut batch).await.unwrap(), 1);
            assert_eq!(batch.get(0).unwrap().bytes(), number.to_le_bytes());
        }
    });
}

// Segments.

/// Receives until there are so many bytes, each datagram by itself.
async fn datagrams(socket: &UdpSocket, bytes: usize) -> Vec<Vec<u8>> {
    let mut room = vec![0; ROOM];
    let mut got = Vec::new();
    let mut left = bytes;
    while left > 0 {
        let datagram = socket.recv_datagram(&mut room).await.unwrap();
        assert!(!datagram.is_truncated());
        left -= datagram.bytes().len();
        got.extend(datagram.segments().map(<[u8]>::to_vec));
    }
    got
}

fn cut(bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
    bytes.chunks(size).map(<[u8]>::to_vec).collect()
}

/// Sends all of it, and receives what each call has sent before the next one: the receiver's buffer may hold no more than that.
async fn exchange(from: &UdpSocket, to: &UdpSocket, bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut got = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let sent = from.send_segments(rest, size).await.unwrap();
        assert!(sent == rest.len() || sent % size == 0);
        got.extend(datagrams(to, sent).await);
        rest = &rest[sent..];
    }
    got
}

#[test]
fn a_buffer_is_cut_into_datagrams() {
    run(async {
        for is_put_together in [false, true] {
            let (one, other) = pair().await;
            if is_put_together {
                if !one.supports_gro() {
                    continue;
                }
                one.set_gro(true).unwrap();
                assert!(one.gro().unwrap());
            }
            for (len, size) in [
                (1, 1),
                (10, 11),
                (10, 10),
                (11, 10),
                (SEGMENTS_MAX * 100 - 1, 100),
                (SEGMENTS_MAX * 100, 100),
                (SEGMENTS_MAX * 100 + 1, 100),
                (DATAGRAM_MAX, 1200),
                (DATAGRAM_MAX, DATAGRAM_MAX),
                (65_506, 32_753),
                (65_508, 32_754),
                (100_000, 9000),
            ] {
                let bytes = pattern(len);
                assert!(
                    exchange(&other, &one, &bytes, size).await == cut(&bytes, size),
                    "{len} bytes in segments of {size}, put together: {is_put_together}"
                );
            }
            // An empty buffer is one empty datagram.
            assert_eq!(other.send_segments(b"", 7).await.unwrap(), 0);
            assert_eq!(one.recv(&mut [0; 8]).await.unwrap(), 0);
        }
    });
}

#[test]
fn what_was_put_together_says_so() {
    run(async {
        let (one, other) = pair().await;
        if !(one.supports_gro() && other.supports_gso()) {
            return;
        }
        let bytes = pattern(2500);
        let mut room = vec![0; ROOM];
        // Only if it is asked to.
        assert!(!one.gro().unwrap());
        assert_eq!(other.send_segments(&bytes, 1000).await.unwrap(), 2500);
        for len in [1000, 1000, 500] {
            let datagram = one.recv_datagram(&mut room).await.unwrap();
            assert_eq!(
                (datagram.bytes().len(), datagram.segment_size()),
                (len, None)
            );
        }
        one.set_gro(true).unwrap();
        let is_right = |datagram: &Datagram<'_>| {
            assert_eq!(datagram.bytes(), bytes);
            assert_eq!(datagram.segment_size(), Some(1000));
            assert!(datagram.segments().map(<[u8]>::len).eq([1000, 1000, 500]));
            assert_eq!(datagram.peer(), other.local_addr().unwrap());
        };
        other.send_segments(&bytes, 1000).await.unwrap();
        is_right(&one.recv_datagram(&mut room).await.unwrap());
        other.send_segments(&bytes, 1000).await.unwrap();
        other.send(b"alone").await.unwrap();
        let mut batch = RecvBatch::new(4, ROOM);
        assert_eq!(one.recv_many(&mut batch).await.unwrap(), 2);
        is_right(&batch.get(0).unwrap());
        assert_eq!(batch.get(1).unwrap().segment_size(), None);
        // With too little room, the rest is lost.
        other.send_segments(&bytes, 1000).await.unwrap();
        let datagram = one.recv_datagram(&mut room[..1500]).await.unwrap();
        assert!(datagram.is_truncated());
        assert!(datagram.segments().map(<[u8]>::len).eq([1000, 500]));
        one.set_gro(false).unwrap();
        other.send_segments(&bytes, 1000).await.unwrap();
        assert_eq!(one.recv(&mut room).await.unwrap(), 1000);
    });
}

/// Two kinds of sockets for which the kernel does not cut: one that it would refuse, and one that knows nothing of it.
#[test]
fn where_the_kernel_does_not_cut_the_same_is_sent() {
    run(async {
        let (one, other) = pair().await;
        let on: libc::c_int = 1;
        // SAFETY: the kernel reads an int of our stack, whose size is given.
        let set = unsafe {
            libc::setsockopt(
                other.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_NO_CHECK,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        assert_eq!(set, 0);
        let bytes = pattern(100_000);
        assert!(exchange(&other, &one, &bytes, 1200).await == cut(&bytes, 1200));

        let (ours, theirs) = waiting();
        assert!(!ours.supports_gso());
        assert!(!ours.supports_gro());
        assert!(ours.set_gro(true).is_err());
        assert_eq!(ours.send_segments(b"aabbc", 2).await.unwrap(), 5);
        assert_eq!(drain(&theirs), ["aa", "bb", "c"]);
        // What has room is sent, and the rest is the caller's.
        let text = "0123456789".repeat(BATCH_MAX);
        let sent = ours.send_segments(text.as_bytes(), 10).await.unwrap();
        assert!(sent > 0 && sent < text.len() && sent % 10 == 0);
        assert!(is_would_block(ours.try_send_segments(text.as_bytes(), 10)));
        assert_eq!(drain(&theirs).concat(), text[..sent]);
    });
}

// Making sockets, and options.

#[test]
fn a_socket_of_std_is_taken_over_and_given_back() {
    run(async {
        let std = net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = std.local_addr().unwrap();
        let socket = UdpSocket::from_std(std).unwrap();
        assert_eq!(socket.local_addr().unwrap(), addr);
        // It would block the worker otherwise.
        let mut room = [0; 8];
        assert!(poll_once(socket.recv(&mut room)).await.is_none());
        let std = socket.into_std();
        assert_eq!(
            std.recv(&mut room).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        let again = UdpSocket::from_std(std).unwrap();
        again.send_to(b"1", addr).await.unwrap();
        assert_eq!(again.recv(&mut room).await.unwrap(), 1);
        assert!(format!("{again:?}").contains("127.0.0.1"));
    });
}

#[test]
fn options_are_kept() {
    run(async {
        let (socket, _) = socket().await;
        assert!(!socket.broadcast().unwrap());
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
        socket.set_ttl(7).unwrap();
        assert_eq!(socket.ttl().unwrap(), 7);
        assert!(socket.set_ttl(0).is_err() && socket.set_ttl(256).is_err());
        socket.set_tos(0x10).unwrap();
        assert_eq!(socket.tos().unwrap(), 0x10);
        assert!(socket.multicast_loop_v4().unwrap());
        socket.set_multicast_loop_v4(false).unwrap();
        assert!(!socket.multicast_loop_v4().unwrap());
        socket.set_multicast_ttl_v4(9).unwrap();
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 9);
        socket.set_multicast_if_v4(Ipv4Addr::LOCALHOST).unwrap();
        assert_eq!(socket.multicast_if_v4().unwrap(), Ipv4Addr::LOCALHOST);
        socket.set_recv_buffer_size(10_000).unwrap();
        assert_eq!(socket.recv_buffer_size().unwrap(), 20_000);
        socket.set_send_buffer_size(12_000).unwrap();
        assert_eq!(socket.send_buffer_size().unwrap(), 24_000);
    });
}

/// Whether there is IPv6 here; without it, its tests have nothing to show.
async fn socket_v6() -> Option<UdpSocket> {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await.ok()
}

#[test]
fn options_of_v6_are_kept() {
    run(async {
        let Some(socket) = socket_v6().await else {
            return;
        };
        socket.set_unicast_hops_v6(7).unwrap();
        assert_eq!(socket.unicast_hops_v6().unwrap(), 7);
        socket.set_tclass_v6(0x20).unwrap();
        assert_eq!(socket.tclass_v6().unwrap(), 0x20);
        assert!(socket.multicast_loop_v6().unwrap());
        socket.set_multicast_loop_v6(false).unwrap();
        assert!(!socket.multicast_loop_v6().unwrap());
        socket.set_multicast_hops_v6(9).unwrap();
        assert_eq!(socket.multicast_hops_v6().unwrap(), 9);
        socket.set_multicast_if_v6(1).unwrap();
        assert_eq!(socket.multicast_if_v6().unwrap(), 1);
        for is_only in [true, false] {
            let builder = UdpSocket::builder().only_v6(is_only);
            let socket = builder.bind((Ipv6Addr::UNSPECIFIED, 0)).await.unwrap();
            assert_eq!(socket.only_v6().unwrap(), is_only);
        }
    });
}

#[test]
fn v6_is_as_v4() {
    run(async {
        let (Some(one), Some(other)) = (socket_v6().await, socket_v6().await) else {
            return;
        };
        let (addr, peer) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        let mut waiting = SendBatch::new();
        waiting.push_to(b"1", addr);
        assert_eq!(other.send_many(&mut waiting).await.unwrap(), 1);
        assert_eq!(other.send_segments_to(b"234", 1, addr).await.unwrap(), 3);
        assert_eq!(other.send_to(b"5", addr).await.unwrap(), 1);
        let mut batch = RecvBatch::new(8, 8);
        assert_eq!(one.recv_many(&mut batch).await.unwrap(), 5);
        assert_eq!(words(&batch), ["1", "2", "3", "4", "5"]);
        assert!(batch.iter().all(|datagram| datagram.peer() == peer));
        let bytes = pattern(DATAGRAM_MAX);
        other.connect(addr).await.unwrap();
        assert!(exchange(&other, &one, &bytes, 1200).await == cut(&bytes, 1200));
    });
}

#[test]
fn an_address_is_shared_where_both_say_so() {
    run(async {
        for shared in [
            UdpSocket::builder().reuseport(true),
            UdpSocket::builder().reuseaddr(true),
        ] {
            let one = shared.bind("127.0.0.1:0").await.unwrap();
            let addr = one.local_addr().unwrap();
            let error = UdpSocket::bind(addr).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            let other = shared.bind(addr).await.unwrap();
            assert_eq!(other.local_addr().unwrap(), addr);
        }
    });
}

#[test]
fn a_broadcast_is_to_be_allowed() {
    run(async {
        let receiver = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let port = receiver.local_addr().unwrap().port();
        let all = (Ipv4Addr::new(127, 255, 255, 255), port);
        let (sender, _) = socket().await;
        let error = sender.send_to(b"1", all).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        sender.set_broadcast(true).unwrap();
        sender.send_to(b"1", all).await.unwrap();
        assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 1);
    });
}

#[test]
fn a_group_is_joined_and_left() {
    run(async {
        let group = Ipv4Addr::new(239, 1, 2, 3);
        let local = Ipv4Addr::LOCALHOST;
        let receivers = UdpSocket::builder().reuseaddr(true);
        let one = receivers.bind("0.0.0.0:0").await.unwrap();
        let port = one.local_addr().unwrap().port();
        let other = receivers.bind(("0.0.0.0", port)).await.unwrap();
        for receiver in [&one, &other] {
            receiver.join_multicast_v4(group, local).unwrap();
        }
        let error = one.join_multicast_v4(group, local).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let (sender, addr) = socket().await;
        sender.set_multicast_if_v4(local).unwrap();
        let mut room = [0; 8];
        sender.send_to(b"1", (group, port)).await.unwrap();
        for receiver in [&one, &other] {
            assert_eq!(receiver.recv_from(&mut room).await.unwrap(), (1, addr));
        }
        one.leave_multicast_v4(group, local).unwrap();
        let error = one.leave_multicast_v4(group, local).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        // The other has it from the very call that sends.
        sender.send_to(b"22", (group, port)).await.unwrap();
        assert_eq!(other.recv(&mut room).await.unwrap(), 2);
    });
}

#[test]
fn a_group_of_v6_is_joined_and_left() {
    run(async {
        let Some(receiver) = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await.ok() else {
            return;
        };
        // The loopback device sends nothing to groups of IPv6, so this is all there is to see. The interface's own groups; number 1 is the loopback device.
        let group = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 0x1234);
        receiver.join_multicast_v6(&group, 1).unwrap();
        assert!(receiver.join_multicast_v6(&group, 1).is_err());
        receiver.leave_multicast_v6(&group, 1).unwrap();
        assert!(receiver.leave_multicast_v6(&group, 1).is_err());
    });
}

#[test]
fn a_socket_has_a_mark_and_a_device() {
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        assert_eq!(socket.mark().unwrap(), 0);
        match socket.set_mark(7) {
            Ok(()) => assert_eq!(socket.mark().unwrap(), 7),
            Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied),
        }
        assert_eq!(socket.device().unwrap(), None);
        socket.bind_device(Some(b"lo")).unwrap();
        assert_eq!(socket.device().unwrap().as_deref(), Some(&b"lo"[..]));
        let error = socket.bind_device(Some(b"no-such-device")).unwrap_err();
        assert!(error.to_string().contains("no-such-device"), "{error}");
        let error = socket.bind_device(Some(b"sixteen-letters.")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}
