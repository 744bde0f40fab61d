//! Do listeners and streams work as documented: half-close, reset, refusal, want of descriptors, interruption, futures dropped half-way?
//!
//! What belongs to the whole process (limits, `SIGPIPE`, the count of descriptors) is tested in a process of its own.

use filch::time::Instant;
use filch_net::tcp::ReuniteError;
use filch_net::{TcpKeepalive, TcpListener, TcpSocket, TcpStream, lookup_host};
use filch_tests::census::{Census, settle};
use filch_tests::guard::eventually;
use filch_tests::limits::{self, in_child};
use filch_tests::run_on;
use futures_lite::future::{self, poll_once, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
use std::error::Error;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

fn run<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    run_on(2, future)
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let (listener, addr) = listener().await;
    let client = TcpStream::connect(addr).await.unwrap();
    let (served, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    assert_eq!(served.peer_addr().unwrap(), peer);
    (client, served)
}

/// Bytes that show a mix-up.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

async fn read_to_end(mut stream: impl AsyncReadExt + Unpin) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.map(|_| all)
}

/// The system's number of an error of ours.
fn number(error: &io::Error) -> Option<i32> {
    let cause: Option<&io::Error> = error.source().and_then(|cause| cause.downcast_ref());
    cause.and_then(io::Error::raw_os_error)
}

// Bytes.

#[test]
fn what_is_sent_comes_back() {
    for workers in [1, 2, 8] {
        run_on(workers, async {
            let (client, served) = pair().await;
            let echo = filch::spawn(async move {
                futures_lite::io::copy(&served, &served).await.unwrap();
                served.shutdown(Shutdown::Write).unwrap();
            });
            let sent = pattern(4 << 20);
            let writes = async {
                (&client).write_all(&sent).await.unwrap();
                (&client).close().await.unwrap();
            };
            let ((), got) = future::zip(writes, read_to_end(&client)).await;
            assert!(got.unwrap() == sent);
            echo.await.unwrap();
        });
    }
}

#[test]
fn either_end_can_stop_writing_and_go_on_reading() {
    run(async {
        let (a, b) = pair().await;
        for (mut first, mut second) in [pair().await, (b, a)] {
            first.write_all(b"question").await.unwrap();
            first.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_to_end(&mut second).await.unwrap(), b"question");
            let error = first.write(b"more").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            second.write_all(b"answer").await.unwrap();
            second.close().await.unwrap();
            assert_eq!(read_to_end(&mut first).await.unwrap(), b"answer");
            // The end stays the end.
            assert_eq!(first.read(&mut [0; 8]).await.unwrap(), 0);
        }
    });
}

#[test]
fn a_reset_is_an_error_and_then_the_end() {
    run(async {
        let (mut client, served) = pair().await;
        served.set_linger(Some(Duration::ZERO)).unwrap();
        let reading = filch::spawn(async move {
            let error = client.read(&mut [0; 8]).await.unwrap_err();
            (client, error)
        });
        drop(served);
        let (mut client, error) = reading.await.unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        let error = client.write(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(
            client.peer_addr().unwrap_err().kind(),
            ErrorKind::NotConnected
        );
        client.close().await.unwrap();
    });
}

#[test]
fn bytes_before_a_reset_that_was_not_noticed_can_be_taken_from_so_error() {
    run(async {
        let (client, served) = pair().await;
        served.set_linger(Some(Duration::ZERO)).unwrap();
        drop(served);
        let error = loop {
            if let Some(error) = client.take_error().unwrap() {
                break error;
            }
            yield_now().await;
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(client.take_error().unwrap().is_none());
    });
}

/// Sets what the process does with a signal to the system's default.
fn default_action(signal: i32) {
    // SAFETY: SIG_DFL is no function of ours, and no other thread of this process has anything to do with the signal.
    let before = unsafe { libc::signal(signal, libc::SIG_DFL) };
    assert_ne!(before, libc::SIG_ERR);
}

#[test]
fn writing_to_nobody_is_an_error_and_no_sigpipe() {
    in_child("writing_to_nobody_is_an_error_and_no_sigpipe", || {
        default_action(libc::SIGPIPE);
        run(async {
            let pieces = [IoSlice::new(b"a"), IoSlice::new(b"b")];
            for way in 0..4 {
                let (client, served) = pair().await;
                drop(served);
                let error = loop {
                    let written = match way {
                        0 => (&client).write(b"x").await,
                        1 => (&client).write_vectored(&pieces).await,
                        2 => client.try_write(b"x"),
                        _ => client.try_write_vectored(&pieces),
                    };
                    match written {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        Err(error) => break error,
                        Ok(_) => yield_now().await,
                    }
                };
                let kind = error.kind();
                assert!(
                    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                    "{way}: {error}"
                );
                let again = (&client).write_vectored(&pieces).await.unwrap_err();
                assert_eq!(again.kind(), ErrorKind::BrokenPipe);
            }
        });
    });
}

#[test]
fn a_writer_waits_until_somebody_reads() {
    run(async {
        let (client, served) = pair().await;
        let piece = vec![7; 1 << 16];
        let mut written = 0;
        loop {
            match client.try_write(&piece) {
                Ok(count) => written += count,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        assert!(poll_once(client.writable()).await.is_none());
        let reading = filch::spawn(read_to_end(served));
        client.writable().await.unwrap();
        (&client).write_all(&piece).await.unwrap();
        drop(client);
        let got = reading.await.unwrap().unwrap();
        assert_eq!(got.len(), written + piece.len());
    });
}

#[test]
fn several_pieces_go_in_one_call() {
    run(async {
        let (client, served) = pair().await;
        let words: Vec<_> = (0..3000).map(|n| format!("{n},")).collect();
        let pieces: Vec<_> = words.iter().map(|w| IoSlice::new(w.as_bytes())).collect();
        // More pieces than a call takes: as many are sent as it does take.
        let whole: Vec<u8> = words.concat().into_bytes();
        let count = poll_fn(|cx| client.poll_write_vectored(cx, &pieces)).await;
        let count = count.unwrap();
        assert_eq!(count, words[..1024].concat().len());
        assert_eq!(client.try_write_vectored(&[]).unwrap(), 0);
        let rest = client.try_write(&whole[count..]).unwrap();
        assert_eq!(count + rest, whole.len());
        drop(client);
        let (mut first, mut second) = ([0; 10], [0; 6]);
        let mut rooms = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        let got = poll_fn(|cx| served.poll_read_vectored(cx, &mut rooms)).await;
        assert_eq!(got.unwrap(), 16);
        assert_eq!([&first[..], &second[..]].concat(), whole[..16]);
        assert!(read_to_end(served).await.unwrap() == whole[16..]);
    });
}

#[test]
fn peeking_leaves_the_bytes() {
    run(async {
        let (mut client, mut served) = pair().await;
        let mut room = [0; 8];
        assert!(poll_once(served.peek(&mut room)).await.is_none());
        client.write_all(b"hello").await.unwrap();
        for _ in 0..3 {
            assert_eq!(served.peek(&mut room).await.unwrap(), 5);
            let peeked = poll_fn(|cx| served.poll_peek(cx, &mut room)).await;
            assert_eq!(peeked.unwrap(), 5);
        }
        assert_eq!(served.read(&mut room).await.unwrap(), 5);
        assert_eq!(&room[..5], b"hello");
        drop(client);
        assert_eq!(served.peek(&mut room).await.unwrap(), 0);
    });
}

#[test]
fn trying_does_not_wait() {
    run(async {
        let (mut client, served) = pair().await;
        let mut room = [0; 8];
        let error = served.try_read(&mut room).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        client.write_all(b"abc").await.unwrap();
        let mut count = 0;
        while count < 3 {
            served.readable().await.unwrap();
            let mut rooms = [IoSliceMut::new(&mut room[count..])];
            match served.try_read_vectored(&mut rooms) {
                Ok(got) => count += got,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        assert_eq!(&room[..3], b"abc");
    });
}

// Halves.

#[test]
fn borrowed_halves_read_and_write_at_the_same_time() {
    run(async {
        let (mut client, served) = pair().await;
        let echo = filch::spawn(async move { futures_lite::io::copy(&served, &served).await });
        let sent = pattern(1 << 20);
        let mut got = vec![0; sent.len()];
        {
            let (mut read, mut write) = client.split();
            assert_eq!(read.local_addr().unwrap(), write.local_addr().unwrap());
            let both = future::zip(write.write_all(&sent), read.read_exact(&mut got)).await;
            both.0.unwrap();
            both.1.unwrap();
        }
        assert!(got == sent);
        drop(client);
        assert_eq!(echo.await.unwrap().unwrap(), 1 << 20);
    });
}

#[test]
fn owned_halves_live_in_two_tasks_and_become_one_again() {
    run_on(4, async {
        let (client, served) = pair().await;
        let echo = filch::spawn(async move { futures_lite::io::copy(&served, &served).await });
        let (mut read, mut write) = client.into_split();
        let sent = pattern(3 << 20);
        let expected = sent.clone();
        let writing = filch::spawn(async move {
            write.write_all(&sent).await.unwrap();
            write
        });
        let reading = filch::spawn(async move {
            let mut got = vec![0; expected.len()];
            read.read_exact(&mut got).await.unwrap();
            assert!(got == expected);
            read
        });
        let (read, write) = (reading.await.unwrap(), writing.await.unwrap());
        let mut client = read.reunite(write).unwrap();
        // Reuniting ended nothing.
        client.write_all(b"more").await.unwrap();
        let mut more = [0; 4];
        client.read_exact(&mut more).await.unwrap();
        drop(client);
        assert_eq!(echo.await.unwrap().unwrap(), (3 << 20) + 4);
    });
}

#[test]
fn halves_of_two_streams_are_given_back() {
    run(async {
        let (client, served) = pair().await;
        let (client_read, client_write) = client.into_split();
        let (served_read, served_write) = served.into_split();
        let ReuniteError(client_read, served_write) =
            client_read.reunite(served_write).unwrap_err();
        let error = client_write.reunite(served_read).unwrap_err();
        assert!(error.to_string().contains("not of the same stream"));
        let ReuniteError(served_read, client_write) = error;
        client_read.reunite(client_write).unwrap();
        served_write.reunite(served_read).unwrap();
    });
}

#[test]
fn dropping_the_writing_half_is_the_end_and_forgetting_is_not() {
    run(async {
        let (client, mut served) = pair().await;
        let (mut read, mut write) = client.into_split();
        write.write_all(b"last").await.unwrap();
        drop(write);
        assert_eq!(read_to_end(&mut served).await.unwrap(), b"last");
        served.write_all(b"still").await.unwrap();
        let mut word = [0; 5];
        read.read_exact(&mut word).await.unwrap();

        let (client, mut served) = pair().await;
        let (read, write) = client.into_split();
        write.forget();
        assert!(poll_once(served.read(&mut word)).await.is_none());
        drop(read);
        assert_eq!(served.read(&mut word).await.unwrap(), 0);
    });
}

// Addresses.

/// An address where nobody listens, and what keeps it so.
fn nobody() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

#[test]
fn a_refusal_names_the_address() {
    run(async {
        let ((_kept, one), (_kept_too, other)) = (nobody(), nobody());
        let error = TcpStream::connect(one).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(number(&error), Some(libc::ECONNREFUSED));
        let begins = format!("connect to {one}: ");
        assert!(error.to_string().starts_with(&begins), "{error}");

        let socket = TcpSocket::new_v4().unwrap();
        let error = socket.connect(one).await.unwrap_err();
        assert!(error.to_string().starts_with(&begins), "{error}");

        let error = TcpStream::connect([one, other]).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(&one.to_string()) && text.contains(&other.to_string()),
            "{text}"
        );

        let named = format!("localhost:{}", one.port());
        let error = TcpStream::connect(&named).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let begins = format!("connect to {named} (");
        assert!(error.to_string().starts_with(&begins), "{error}");
    });
}

#[test]
fn the_next_address_is_tried() {
    run(async {
        let (listener, addr) = listener().await;
        let (_kept, refuses) = nobody();
        let stream = TcpStream::connect([refuses, addr]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addr);
        let free = "127.0.0.1:0".parse().unwrap();
        let second = TcpListener::bind([addr, free]).await.unwrap();
        assert_ne!(second.local_addr().unwrap(), addr);
        drop(listener);
    });
}

#[test]
fn a_stream_is_connected_when_connect_returns() {
    run(async {
        // With room for one connection only, handshakes are left without an answer until somebody accepts.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let addr = listener.local_addr().unwrap();
        let connecting: Vec<_> = (0..4)
            .map(|_| {
                filch::spawn(async move {
                    let mut stream = TcpStream::connect(addr).await.unwrap();
                    assert_eq!(stream.peer_addr().unwrap(), addr);
                    // The listener may have dropped the end of the handshake (tcp_syncookies); a byte repeats it.
                    stream.write_all(b"x").await.unwrap();
                    stream
                })
            })
            .collect();
        for _ in 0..4 {
            listener.accept().await.unwrap();
        }
        for task in connecting {
            task.await.unwrap();
        }
    });
}

#[test]
fn names_are_resolved() {
    run(async {
        let listener = TcpListener::bind("localhost:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connecting = filch::spawn(TcpStream::connect(("localhost", port)));
        let (_served, peer) = listener.accept().await.unwrap();
        let stream = connecting.await.unwrap().unwrap();
        assert_eq!(stream.local_addr().unwrap(), peer);

        let error = lookup_host("no\0name:80").await.unwrap_err();
        assert!(
            error.to_string().starts_with("resolve no\0name:80: "),
            "{error}"
        );
    });
}

#[test]
fn a_taken_address_is_named() {
    run(async {
        let (_listener, addr) = listener().await;
        let error = TcpListener::bind(addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let text = error.to_string();
        assert!(text.starts_with(&format!("listen on {addr}: ")), "{text}");
    });
}

#[test]
fn outside_a_runtime_it_is_an_error_with_the_remedy() {
    let addr: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let error = future::block_on(TcpListener::bind(addr)).unwrap_err();
    assert!(error.to_string().contains("Runtime::block_on"), "{error}");
    let std_listener = std::net::TcpListener::bind(addr).unwrap();
    let addr = std_listener.local_addr().unwrap();
    let error = future::block_on(TcpStream::connect(addr)).unwrap_err();
    assert!(error.to_string().contains("Runtime::block_on"), "{error}");
    assert!(TcpListener::from_std(std_listener).is_err());
}

// Sockets.

fn flags(socket: &impl AsRawFd) -> (i32, i32) {
    let fd = socket.as_raw_fd();
    // SAFETY: fcntl with these commands takes numbers only.
    let descriptor = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    // SAFETY: as above.
    let status = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    (descriptor & libc::FD_CLOEXEC, status & libc::O_NONBLOCK)
}

#[test]
fn new_sockets_do_not_block_are_closed_on_exec_and_have_no_options() {
    run(async {
        let (listener, addr) = listener().await;
        let client = TcpStream::connect(addr).await.unwrap();
        let (served, _) = listener.accept().await.unwrap();
        let both = (libc::FD_CLOEXEC, libc::O_NONBLOCK);
        assert_eq!(flags(&listener), both);
        assert_eq!(flags(&TcpSocket::new_v4().unwrap()), both);
        for stream in [client, served] {
            assert_eq!(flags(&stream), both);
            assert!(!stream.nodelay().unwrap());
            assert_eq!(stream.linger().unwrap(), None);
        }
    });
}

#[test]
fn options_are_kept() {
    run(async {
        let (listener, addr) = listener().await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_send_buffer_size(1 << 16).unwrap();
        socket.set_recv_buffer_size(1 << 16).unwrap();
        socket.set_linger(Some(Duration::from_secs(3))).unwrap();
        let keepalive = TcpKeepalive::new().time(Duration::from_secs(60));
        let keepalive = keepalive.interval(Duration::from_secs(5)).retries(3);
        socket.set_keepalive(Some(keepalive)).unwrap();
        assert!(socket.nodelay().unwrap() && socket.keepalive().unwrap());
        assert!(socket.send_buffer_size().unwrap() >= 1 << 16);
        assert!(socket.recv_buffer_size().unwrap() >= 1 << 16);
        socket.set_keepalive(None).unwrap();
        assert!(!socket.keepalive().unwrap());
        let stream = socket.connect(addr).await.unwrap();
        assert!(stream.nodelay().unwrap());
        assert_eq!(stream.linger().unwrap(), Some(Duration::from_secs(3)));
        stream.set_linger(None).unwrap();
        stream.set_nodelay(false).unwrap();
        assert!(!stream.nodelay().unwrap());
        stream.set_ttl(9).unwrap();
        assert_eq!(stream.ttl().unwrap(), 9);
        drop(listener);
    });
}

#[test]
fn what_is_accepted_has_the_options_of_its_listener() {
    run(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_linger(Some(Duration::from_secs(3))).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(16).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (served, _) = listener.accept().await.unwrap();
        assert!(served.nodelay().unwrap());
        assert_eq!(served.linger().unwrap(), Some(Duration::from_secs(3)));
        served.set_linger(None).unwrap();
    });
}

#[test]
fn two_listeners_share_an_address() {
    run(async {
        let shared = |addr| {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseport(true).unwrap();
            assert!(socket.reuseport().unwrap());
            socket.bind(addr).unwrap();
            assert!(socket.local_addr().unwrap().port() > 0);
            socket.listen(16).unwrap()
        };
        let one = shared("127.0.0.1:0".parse().unwrap());
        let addr = one.local_addr().unwrap();
        let other = shared(addr);
        let (mut of_one, mut of_other) = (0, 0);
        for _ in 0..64 {
            let _client = TcpStream::connect(addr).await.unwrap();
            let by_one = async { one.accept().await.map(|_| true) };
            let by_other = async { other.accept().await.map(|_| false) };
            match future::or(by_one, by_other).await.unwrap() {
                true => of_one += 1,
                false => of_other += 1,
            }
        }
        assert!(of_one > 0 && of_other > 0, "{of_one} and {of_other}");
    });
}

#[test]
fn std_gives_and_takes() {
    run(async {
        let std_listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = std_listener.local_addr().unwrap();
        let listener = TcpListener::from_std(std_listener).unwrap();
        let client = std::net::TcpStream::connect(addr).unwrap();
        let mut client = TcpStream::from_std(client).unwrap();
        let (mut served, _) = listener.accept().await.unwrap();
        client.write_all(b"x").await.unwrap();
        served.read_exact(&mut [0]).await.unwrap();
        let mut client = TcpStream::from_std(client.into_std()).unwrap();
        client.write_all(b"y").await.unwrap();
        served.read_exact(&mut [0]).await.unwrap();
        assert_eq!(listener.into_std().local_addr().unwrap(), addr);
    });
}

// Accepting.

/// Lowers the limit of descriptors to some more than there are now, and opens that many.
fn exhaust_descriptors() -> Vec<File> {
    let now = Census::now().unwrap().descriptors;
    limits::descriptors(now + 32).unwrap();
    let mut files = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) if error.raw_os_error() == Some(libc::EMFILE) => return files,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn accepting_goes_on_when_descriptors_are_free_again() {
    let name = "accepting_goes_on_when_descriptors_are_free_again";
    in_child(name, || {
        for by_stream in [false, true] {
            run_on(1, goes_on_after_exhaustion(by_stream));
        }
    });
}

async fn goes_on_after_exhaustion(by_stream: bool) {
    let (attempts, paused) = mpsc::channel();
    let (listener, addr) = listener().await;
    let listener = listener.on_accept_pause(move |error, pause| {
        assert_eq!(number(error), Some(libc::EMFILE), "{error}");
        assert!(error.to_string().starts_with("accept on 127.0.0.1:"));
        let _ = attempts.send((Instant::now(), pause));
    });
    let clients: Vec<_> = (0..3)
        .map(|_| std::net::TcpStream::connect(addr).unwrap())
        .collect();
    let files = exhaust_descriptors();

    // By hand there is no pause, and the error is the caller's.
    let refused = poll_once(poll_fn(|cx| listener.poll_accept(cx))).await;
    assert_eq!(number(&refused.unwrap().unwrap_err()), Some(libc::EMFILE));

    let accepting = filch::spawn(async move {
        let mut accepted = Vec::new();
        while accepted.len() < 3 {
            accepted.push(if by_stream {
                listener.incoming().next().await.unwrap().unwrap()
            } else {
                listener.accept().await.unwrap().0
            });
        }
        accepted
    });
    // Every attempt is told. Between two of them lies at least the pause that the first announced: nobody is busy.
    let mut told = Vec::new();
    while told.len() < 6 {
        match paused.try_recv() {
            Ok(attempt) => told.push(attempt),
            Err(mpsc::TryRecvError::Empty) => yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    let pauses: Vec<_> = told.iter().map(|(_, pause)| pause.as_millis()).collect();
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160]);
    for pair in told.windows(2) {
        let between = pair[1].0.duration_since(pair[0].0);
        assert!(between >= pair[0].1, "{between:?} after {:?}", pair[0].1);
    }
    assert!(!accepting.is_finished());
    drop(files);
    assert_eq!(accepting.await.unwrap().len(), 3);
    drop(clients);
}

#[test]
fn a_descriptor_that_can_never_accept_keeps_no_worker_busy() {
    run_on(1, async {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        // SAFETY: the descriptor was just given up by its owner.
        let wrong = unsafe { std::net::TcpListener::from_raw_fd(udp.into_raw_fd()) };
        let pauses = Arc::new(AtomicUsize::new(0));
        let counted = pauses.clone();
        let listener = TcpListener::from_std(wrong).unwrap();
        let listener = listener.on_accept_pause(move |error, _| {
            assert_eq!(number(error), Some(libc::EOPNOTSUPP), "{error}");
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let accepting = filch::spawn(async move { listener.accept().await });
        while pauses.load(Ordering::SeqCst) < 3 {
            yield_now().await;
        }
        accepting.abort();
    });
}

#[test]
fn a_listener_that_is_none_is_an_error() {
    run(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        // SAFETY: the descriptor is duplicated, so it has two owners of its own.
        let copy = unsafe { libc::dup(socket.as_raw_fd()) };
        // SAFETY: dup has made it for us.
        let deaf = unsafe { std::net::TcpListener::from_raw_fd(copy) };
        let listener = TcpListener::from_std(deaf).unwrap();
        let error = listener.accept().await.unwrap_err();
        assert_eq!(number(&error), Some(libc::EINVAL), "{error}");
        assert!(error.to_string().starts_with("accept on 127.0.0.1:"));
    });
}

#[test]
fn clients_that_left_the_queue_do_not_end_accepting() {
    run(async {
        let (listener, addr) = listener().await;
        for _ in 0..32 {
            let gone = TcpStream::connect(addr).await.unwrap();
            gone.set_linger(Some(Duration::ZERO)).unwrap();
        }
        let mut client = TcpStream::connect(addr).await.unwrap();
        client.write_all(b"x").await.unwrap();
        let own = client.local_addr().unwrap();
        loop {
            let (mut served, peer) = listener.accept().await.unwrap();
            if peer == own {
                served.read_exact(&mut [0]).await.unwrap();
                break;
            }
        }
    });
}

#[test]
fn several_tasks_accept() {
    run_on(4, async {
        let (listener, addr) = listener().await;
        let listener = Arc::new(listener);
        let accepting: Vec<_> = (0..8)
            .map(|_| {
                let listener = listener.clone();
                filch::spawn(async move { listener.accept().await.map(|(_, peer)| peer) })
            })
            .collect();
        let mut clients = Vec::new();
        for _ in 0..8 {
            clients.push(TcpStream::connect(addr).await.unwrap());
        }
        let mut peers = Vec::new();
        for task in accepting {
            peers.push(task.await.unwrap().unwrap());
        }
        let mut own: Vec<_> = clients.iter().map(|c| c.local_addr().unwrap()).collect();
        own.sort();
        peers.sort();
        assert_eq!(own, peers);
    });
}

// Futures dropped half-way.

#[test]
fn a_dropped_accept_loses_no_connection() {
    run_on(4, async {
        let (listener, addr) = listener().await;
        let connecting = filch::spawn(async move {
            let mut clients = Vec::new();
            for _ in 0..64 {
                clients.push(TcpStream::connect(addr).await.unwrap());
                yield_now().await;
            }
            clients
        });
        let mut accepted = 0;
        while accepted < 64 {
            // Each of these futures is dropped after one poll, and so are those of the stream.
            let by_hand = poll_once(listener.accept()).await;
            let by_stream = poll_once(listener.incoming().next()).await;
            accepted += usize::from(by_hand.is_some()) + usize::from(by_stream.is_some());
            by_hand.map(Result::unwrap);
            by_stream.map(Option::unwrap).map(Result::unwrap);
            yield_now().await;
        }
        assert_eq!(connecting.await.unwrap().len(), 64);
        assert!(poll_once(listener.accept()).await.is_none());
    });
}

#[test]
fn a_dropped_read_or_write_loses_no_byte() {
    run_on(4, async {
        let (client, mut served) = pair().await;
        let sent = pattern(1 << 20);
        let expected = sent.clone();
        let writing = filch::spawn(async move {
            let mut at = 0;
            while at < sent.len() {
                let end = sent.len().min(at + 4093);
                match poll_once((&client).write(&sent[at..end])).await {
                    Some(count) => at += count.unwrap(),
                    None => yield_now().await,
                }
            }
        });
        let mut got = Vec::new();
        let mut room = [0; 1021];
        loop {
            // A peek, a wait and a read are dropped after one poll each.
            let _ = poll_once(served.peek(&mut room)).await;
            let _ = poll_once(served.readable()).await;
            match poll_once(served.read(&mut room)).await {
                Some(Ok(0)) => break,
                Some(count) => got.extend_from_slice(&room[..count.unwrap()]),
                None => yield_now().await,
            }
        }
        writing.await.unwrap();
        assert!(got == expected);
    });
}

#[test]
fn a_dropped_connect_closes_its_socket() {
    in_child("a_dropped_connect_closes_its_socket", || {
        let before = Census::now().unwrap();
        run(async {
            let (listener, addr) = listener().await;
            let open = Census::now().unwrap().descriptors;
            for _ in 0..100 {
                // Polled once, or not at all, or dropped while a name is resolved.
                let _ = poll_once(TcpStream::connect(addr)).await;
                drop(TcpStream::connect(addr));
                let _ = poll_once(TcpStream::connect(("localhost", addr.port()))).await;
            }
            // The resolver, on its own thread, has files open for a moment.
            eventually("sockets are closed", || {
                (Census::now().unwrap().descriptors <= open).then_some(())
            });
            let client = TcpStream::connect(addr).await.unwrap();
            let own = client.local_addr().unwrap();
            while listener.accept().await.unwrap().1 != own {}
        });
        settle(&before);
    });
}

// Many, and disturbed.

#[test]
fn many_connections_on_many_workers_leave_nothing_behind() {
    in_child(
        "many_connections_on_many_workers_leave_nothing_behind",
        || {
            let before = Census::now().unwrap();
            // Each has two descriptors; the runtime needs some, and the process may have few.
            let most = limits::most_descriptors().unwrap().saturating_sub(64) / 2;
            for _ in 0..3 {
                run_on(8, many_connections(most.min(256)));
            }
            settle(&before);
        },
    );
}

async fn many_connections(count: usize) {
    let (listener, addr) = listener().await;
    let serving = filch::spawn(async move {
        for _ in 0..count {
            let (served, _) = listener.accept().await.unwrap();
            filch::spawn(async move {
                let (read, write) = served.into_split();
                futures_lite::io::copy(read, write).await.unwrap();
            });
        }
    });
    let clients: Vec<_> = (0..count)
        .map(|n| {
            filch::spawn(async move {
                let mut client = TcpStream::connect(addr).await.unwrap();
                for round in 0..20_usize {
                    let word = pattern(1 + (n * 37 + round * 911) % 5000);
                    let mut got = vec![0; word.len()];
                    client.write_all(&word).await.unwrap();
                    client.read_exact(&mut got).await.unwrap();
                    assert!(got == word);
                }
                client.close().await.unwrap();
                assert_eq!(read_to_end(client).await.unwrap(), b"");
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    serving.await.unwrap();
}

#[test]
fn interrupted_calls_are_tried_again() {
    in_child("interrupted_calls_are_tried_again", || {
        interrupt_on(libc::SIGUSR1);
        let is_over = Arc::new(AtomicBool::new(false));
        let until = is_over.clone();
        let storm = std::thread::spawn(move || {
            while !until.load(Ordering::SeqCst) {
                interrupt_every_thread(libc::SIGUSR1);
                std::thread::yield_now();
            }
        });
        run_on(4, async {
            while HANDLED.load(Ordering::SeqCst) < 2000 {
                many_connections(32).await;
                names_under_fire().await;
            }
        });
        is_over.store(true, Ordering::SeqCst);
        storm.join().unwrap();
    });
}

async fn names_under_fire() {
    for _ in 0..20 {
        let listener = TcpListener::bind("localhost:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connecting = filch::spawn(TcpStream::connect(addr));
        listener.accept().await.unwrap();
        connecting.await.unwrap().unwrap();
    }
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_signal: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// Handles a signal without `SA_RESTART`, so that it interrupts system calls.
fn interrupt_on(signal: i32) {
    // SAFETY: all zeros is a valid value of this plain structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count as extern "C" fn(i32) as usize;
    // SAFETY: the handler does one atomic addition; the structure lives during the call.
    let set = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}

fn interrupt_every_thread(signal: i32) {
    let process = i32::try_from(std::process::id()).unwrap();
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    for thread in threads.flatten() {
        let id: i32 = thread.file_name().to_str().unwrap().parse().unwrap();
        // SAFETY: tgkill takes three numbers; a thread that has ended meanwhile is an error, which is ignored.
        let _ = unsafe { libc::syscall(libc::SYS_tgkill, process, id, signal) };
    }
}
