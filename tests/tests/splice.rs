//! Do bytes arrive that the process never sees, whatever ends, breaks off or is slow, and is every descriptor given back?
//!
//! What belongs to the whole process (limits, `SIGPIPE`, the count of descriptors) is tested in a process of its own.

use filch::io::{AsyncFd, CopyDirection, CopyError};
use filch_net::splice::{self, PIPE_BYTES, SPARE_MAX, STEP_BYTES};
use filch_net::{TcpListener, TcpStream};
use filch_tests::census::{Census, settle};
use filch_tests::limits::{self, in_child};
use filch_tests::random::{Random, seed};
use filch_tests::run_on;
use filch_tests::stress_factor;
use futures_lite::future::{or, poll_once, zip};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await;
    (client.unwrap(), listener.accept().await.unwrap().0)
}

/// Two peers who are joined by a copy, and the copy.
struct Joined {
    client: TcpStream,
    server: TcpStream,
    copy: filch::JoinHandle<io::Result<(u64, u64)>>,
}

async fn joined() -> Joined {
    let (client, mut left) = pair().await;
    let (mut right, server) = pair().await;
    let copy = filch::spawn(async move { splice::copy_bidirectional(&mut left, &mut right).await });
    Joined {
        client,
        server,
        copy,
    }
}

/// Bytes that show a mix-up: what stands at each place of a stream.
fn pattern(place: usize, len: usize) -> Vec<u8> {
    (place..place + len).map(|n| (n % 251) as u8).collect()
}

/// Writes so many bytes in pieces of random size, and ends this direction.
async fn talk(mut stream: &TcpStream, len: usize, mut random: Random) {
    let mut at = 0;
    while at < len {
        let size = (1 + random.below(200_000)).min(len - at);
        stream.write_all(&pattern(at, size)).await.unwrap();
        at += size;
        if random.below(8) == 0 {
            filch::time::sleep(Duration::from_millis(1)).await;
        }
    }
    stream.close().await.unwrap();
}

/// Reads to the end in pieces of random size; returns how much there was, all of which was as it should be.
async fn listen(mut stream: &TcpStream, mut random: Random) -> usize {
    let mut room = vec![0; 300_000];
    let mut at = 0;
    loop {
        let size = 1 + random.below(room.len());
        let read = stream.read(&mut room[..size]).await.unwrap();
        if read == 0 {
            return at;
        }
        assert!(room[..read] == pattern(at, read), "at {at}");
        at += read;
        if random.below(16) == 0 {
            filch::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[test]
fn everything_arrives_whoever_ends_first_and_is_slow() {
    let seed = seed("--test splice everything_arrives");
    for workers in [1, 2, 8] {
        run_on(workers, async move {
            let mut random = Random::new(seed + workers as u64);
            let connections = (0..12 * stress_factor()).map(|_| conversation(random.fork()));
            for connection in connections.map(filch::spawn).collect::<Vec<_>>() {
                connection.await.unwrap();
            }
        });
    }
}

async fn conversation(mut random: Random) {
    let joined = joined().await;
    let mut len = || [0, 1, random.below(5_000), random.below(3_000_000)][random.below(4)];
    let (there, back) = (len(), len());
    let (mut r1, mut r2) = (random.fork(), random.fork());
    let answer_first = random.below(2) == 0;
    let client = async {
        let talked = talk(&joined.client, there, r1.fork());
        let heard = listen(&joined.client, r1.fork());
        zip(talked, heard).await.1
    };
    let server = async {
        if answer_first {
            talk(&joined.server, back, r2.fork()).await;
            return listen(&joined.server, r2.fork()).await;
        }
        let heard = listen(&joined.server, r2.fork()).await;
        talk(&joined.server, back, r2.fork()).await;
        heard
    };
    let (heard_by_client, heard_by_server) = zip(client, server).await;
    assert_eq!((heard_by_server, heard_by_client), (there, back));
    let copied = joined.copy.await.unwrap().unwrap();
    assert_eq!(copied, (there as u64, back as u64));
}

#[test]
fn a_large_transfer_arrives_and_the_way_back_stays_open() {
    const LEN: usize = 48 << 20;
    run_on(2, async {
        let joined = joined().await;
        let random = Random::new(7);
        let (r1, r2) = (random.clone(), random);
        let talked = talk(&joined.client, LEN, r1);
        let heard = listen(&joined.server, r2);
        assert_eq!(zip(talked, heard).await.1, LEN);
        (&joined.server).write_all(b"still here").await.unwrap();
        let mut word = [0; 10];
        (&joined.client).read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"still here");
        assert!(!joined.copy.is_finished());
        drop(joined.server);
        assert_eq!(joined.copy.await.unwrap().unwrap(), (LEN as u64, 10));
    });
}

#[test]
fn sockets_that_are_not_tcp_are_joined_too() {
    run_on(2, async {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut left = AsyncFd::new(theirs).unwrap();
        let (mut right, mut server) = pair().await;
        let copy =
            filch::spawn(async move { splice::copy_bidirectional(&mut left, &mut right).await });
        ours.write_all(b"from a Unix socket").unwrap();
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        let mut got = String::new();
        server.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "from a Unix socket");
        server.write_all(b"back").await.unwrap();
        drop(server);
        let answer = filch::spawn_blocking(move || {
            let mut answer = String::new();
            ours.read_to_string(&mut answer).map(|_| answer)
        });
        assert_eq!(answer.await.unwrap().unwrap(), "back");
        assert_eq!(copy.await.unwrap().unwrap(), (18, 4));
    });
}

// What breaks off.

#[test]
fn a_reset_is_an_error_that_says_in_which_direction() {
    for is_client in [true, false] {
        run_on(2, async move {
            let joined = joined().await;
            (&joined.client).write_all(b"123").await.unwrap();
            (&joined.server).write_all(b"12345").await.unwrap();
            (&joined.server).read_exact(&mut [0; 3]).await.unwrap();
            (&joined.client).read_exact(&mut [0; 5]).await.unwrap();
            let (gone, stays) = match is_client {
                true => (joined.client, joined.server),
                false => (joined.server, joined.client),
            };
            gone.set_linger(Some(Duration::ZERO)).unwrap();
            drop(gone);
            let error = joined.copy.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
            let failed = CopyError::of(&error).unwrap();
            let expected = match is_client {
                true => CopyDirection::AToB,
                false => CopyDirection::BToA,
            };
            assert_eq!(failed.direction, expected);
            assert_eq!((failed.a_to_b, failed.b_to_a), (3, 5));
            // The copy's sockets are gone, so the other peer is told.
            assert_eq!((&stays).read(&mut [0; 1]).await.unwrap_or(0), 0);
        });
    }
}

#[test]
fn resets_at_any_moment_end_every_copy() {
    let seed = seed("--test splice resets_at_any_moment");
    run_on(2, async move {
        let mut random = Random::new(seed);
        let mut copies = Vec::new();
        for _ in 0..40 * stress_factor() {
            let joined = joined().await;
            let mut random = random.fork();
            filch::spawn(async move {
                let mut sent = pattern(0, random.below(2_000_000));
                let talked = async { drop((&joined.client).write_all(&sent).await) };
                let mut room = vec![0; 1 + random.below(100_000)];
                let heard = async { drop((&joined.server).read(&mut room).await) };
                poll_once(zip(talked, heard)).await;
                filch::time::sleep(Duration::from_micros(random.below(3_000) as u64)).await;
                sent.clear();
                for stream in [&joined.client, &joined.server] {
                    if random.below(2) == 0 {
                        stream.set_linger(Some(Duration::ZERO)).unwrap();
                    }
                }
            });
            copies.push(joined.copy);
        }
        for copy in copies {
            // In order or not, but it ends.
            drop(copy.await.unwrap());
        }
    });
}

// Descriptors.

#[test]
fn at_rest_a_copy_has_no_pipe_and_in_the_end_nothing_is_left() {
    const CONNECTIONS: usize = 50;
    in_child(
        "at_rest_a_copy_has_no_pipe_and_in_the_end_nothing_is_left",
        || {
            let before = Census::now().unwrap();
            run_on(2, async move {
                let at_start = Census::now().unwrap().descriptors;
                let mut all = Vec::new();
                for _ in 0..CONNECTIONS {
                    let joined = joined().await;
                    (&joined.client).write_all(b"ping").await.unwrap();
                    (&joined.server).read_exact(&mut [0; 4]).await.unwrap();
                    all.push(joined);
                }
                let pipes = Census::now().unwrap().descriptors - at_start - 4 * CONNECTIONS;
                // Of two workers, and whoever stands in for one.
                assert!(pipes <= 2 * SPARE_MAX * 4, "{pipes} descriptors of pipes");

                // Bytes are under way in each when the runtime ends.
                for joined in &all {
                    let filled = pattern(0, 4 << 20);
                    let _ = poll_once((&joined.client).write_all(&filled)).await;
                }
            });
            settle(&before);
        },
    );
}

#[test]
fn without_a_descriptor_for_a_pipe_bytes_go_through_a_buffer() {
    in_child(
        "without_a_descriptor_for_a_pipe_bytes_go_through_a_buffer",
        || {
            run_on(1, async {
                let joined = joined().await;
                // Numbers of the system are given from below, so that this is one more than the highest.
                let next = std::fs::File::open("/dev/null").unwrap().as_raw_fd();
                limits::descriptors(usize::try_from(next).unwrap()).unwrap();
                assert!(std::fs::File::open("/dev/null").is_err());
                let random = Random::new(3);
                let talked = talk(&joined.client, 1_000_000, random.clone());
                let heard = listen(&joined.server, random);
                assert_eq!(zip(talked, heard).await.1, 1_000_000);
                drop(joined.server);
                assert_eq!(joined.copy.await.unwrap().unwrap(), (1_000_000, 0));
            });
        },
    );
}

#[test]
fn a_peer_that_is_gone_is_no_signal() {
    in_child("a_peer_that_is_gone_is_no_signal", || {
        // SAFETY: no handler is set; the default action takes the place of none.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        run_on(1, async {
            let (stream, peer) = pair().await;
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            drop(peer);
            let file = file_of(10);
            let error = splice::sendfile(&file, &mut (0..10), &stream).await;
            assert_eq!(error.unwrap_err().kind(), ErrorKind::BrokenPipe);

            let (mut client, mut left) = pair().await;
            let (mut right, server) = pair().await;
            right.shutdown(std::net::Shutdown::Write).unwrap();
            client.write_all(b"x").await.unwrap();
            let error = splice::copy_bidirectional(&mut left, &mut right).await;
            assert_eq!(error.unwrap_err().kind(), ErrorKind::BrokenPipe);
            drop(server);
        });
    });
}

// Files.

fn file_of(len: usize) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&pattern(0, len)).unwrap();
    file
}

async fn sent(file: &std::fs::File, mut range: Range<u64>) -> (u64, Vec<u8>, Range<u64>) {
    let (stream, mut peer) = pair().await;
    let read = async {
        let mut got = Vec::new();
        peer.read_to_end(&mut got).await.unwrap();
        got
    };
    let send = async {
        let sent = splice::sendfile(file, &mut range, &stream).await.unwrap();
        drop(stream);
        sent
    };
    let (sent, got) = zip(send, read).await;
    (sent, got, range)
}

#[test]
fn parts_of_a_file_are_sent() {
    run_on(2, async {
        let len = 3 * STEP_BYTES;
        let file = file_of(len);
        let whole = len as u64;
        for wanted in [STEP_BYTES - 1, STEP_BYTES, STEP_BYTES + 1, 0, 1] {
            for offset in [0, 1, STEP_BYTES] {
                let range = offset as u64..(offset + wanted) as u64;
                let end = range.end;
                let (count, got, left) = sent(&file, range).await;
                assert_eq!((count, left), (wanted as u64, end..end));
                assert!(got == pattern(offset, wanted));
            }
        }
        // Where the file ends first, what is left of the range says so.
        let (count, got, left) = sent(&file, whole - 5..whole + 5).await;
        assert_eq!((count, left), (5, whole..whole + 5));
        assert!(got == pattern(len - 5, 5));
        assert_eq!(sent(&file, whole + 1..whole + 9).await.0, 0);
        #[expect(clippy::reversed_empty_ranges, reason = "what a caller's mistake does")]
        let backwards = sent(&file, 9..3).await;
        assert_eq!(backwards.0, 0);
        // Where the file's own position is has nothing to do with it.
        let mut again = &file;
        assert_eq!(again.stream_position().unwrap(), whole);
    });
}

#[test]
fn an_offset_beyond_all_files_is_an_error() {
    run_on(1, async {
        let (stream, _peer) = pair().await;
        let file = file_of(1);
        let last = 1_u64 << 63;
        for start in [last, last + 1] {
            let error = splice::sendfile(&file, &mut (start..u64::MAX), &stream).await;
            assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
            let error = splice::receive_file(&stream, &file, &mut (start..u64::MAX)).await;
            assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        // The one before gets as far as the kernel, which has limits of its own.
        let end = splice::sendfile(&file, &mut (last - 1..last), &stream).await;
        assert!(end.is_ok() || end.is_err_and(|error| error.raw_os_error().is_some()));
    });
}

#[test]
fn a_send_that_was_given_up_is_gone_on_with() {
    run_on(2, async {
        let len = 24 << 20;
        let file = file_of(len);
        let (stream, mut peer) = pair().await;
        let mut rest = 0..len as u64;
        let mut times = 0;
        let mut got = Vec::new();
        let mut room = vec![0; 1 << 20];
        while !rest.is_empty() {
            times += 1;
            // As much as fits at this moment, then it is dropped.
            let given_up = poll_once(splice::sendfile(&file, &mut rest, &stream)).await;
            given_up.transpose().unwrap();
            // Nothing may be under way: it was given up before it knew that there was room.
            let has_room = async { stream.writable().await.map(|()| 0) };
            let read = or(peer.read(&mut room), has_room).await.unwrap();
            got.extend_from_slice(&room[..read]);
        }
        drop(stream);
        peer.read_to_end(&mut got).await.unwrap();
        assert!(times > 1, "it was never given up");
        assert!(got == pattern(0, len));
    });
}

#[test]
fn what_is_received_stands_in_the_file() {
    run_on(2, async {
        for len in [0, 1, PIPE_BYTES - 1, PIPE_BYTES, PIPE_BYTES + 1, 5 << 20] {
            let (stream, peer) = pair().await;
            let file = tempfile::tempfile().unwrap();
            let mut range = 7..u64::MAX;
            let receive = splice::receive_file(&stream, &file, &mut range);
            let talked = talk(&peer, len, Random::new(len as u64));
            let (received, ()) = zip(receive, talked).await;
            assert_eq!(received.unwrap(), len as u64);
            assert_eq!(range.start, 7 + len as u64);
            let mut all = Vec::new();
            let mut file = file;
            file.rewind().unwrap();
            file.read_to_end(&mut all).unwrap();
            let expected = if len == 0 {
                vec![]
            } else {
                [vec![0; 7], pattern(0, len)].concat()
            };
            assert!(all == expected, "{len}");
        }
    });
}

#[test]
fn no_more_is_received_than_was_asked_for() {
    run_on(2, async {
        let (mut stream, mut peer) = pair().await;
        peer.write_all(b"headbody").await.unwrap();
        let file = tempfile::tempfile().unwrap();
        let received = splice::receive_file(&stream, &file, &mut (0..4)).await;
        assert_eq!(received.unwrap(), 4);
        let mut rest = [0; 4];
        stream.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"body");
    });
}

#[test]
fn a_file_that_takes_nothing_is_an_error_that_counts() {
    run_on(1, async {
        let (stream, mut peer) = pair().await;
        peer.write_all(b"hello").await.unwrap();
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut range = 0..5;
        let error = splice::receive_file(&stream, &full, &mut range)
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("5 bytes that were received are lost"),
            "{error}"
        );
        assert_eq!(range, 0..5);
    });
}

// Pipes.

#[test]
fn a_full_pipe_and_an_empty_socket_are_waited_for() {
    const LEN: usize = 4 << 20;
    for workers in [1, 2, 8] {
        run_on(workers, async {
            let (reads, writes) = pipe();
            let (client, left) = pair().await;
            let (right, server) = pair().await;
            let fill = filch::spawn(async move {
                while splice::splice(&left, &writes, 1 << 20).await.unwrap() > 0 {}
            });
            let drain = filch::spawn(async move {
                while splice::splice(&reads, &right, 1 << 20).await.unwrap() > 0 {}
            });
            let random = Random::new(5);
            let talked = talk(&client, LEN, random.clone());
            let heard = listen(&server, random);
            assert_eq!(zip(talked, heard).await.1, LEN);
            fill.await.unwrap();
            drain.await.unwrap();
        });
    }
}

#[test]
fn two_sockets_without_a_pipe_are_refused() {
    run_on(1, async {
        let (one, _peer) = pair().await;
        let (other, _other_peer) = pair().await;
        let error = splice::splice(&one, &other, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

/// A pipe that is non-blocking.
fn pipe() -> (AsyncFd<OwnedFd>, AsyncFd<OwnedFd>) {
    let mut ends = [0; 2];
    // SAFETY: the kernel writes two numbers, for which there is room.
    let status = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) };
    assert_eq!(status, 0);
    // SAFETY: the kernel has just made both for us.
    let ends = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    let [reads, writes] = ends.map(|end: OwnedFd| AsyncFd::new(end).unwrap());
    (reads, writes)
}
