//! Do Unix sockets work as documented: names, files that are left, full queues, credentials, descriptors that are sent along?
//!
//! Whether a descriptor has leaked is told by its other end, a socket of a pair: it reads the end when the last duplicate is closed. What belongs to the whole process (limits) is
//! tested in a process of its own.

use filch::time::{Duration, sleep};
use filch_net::unix::{FDS_MAX, NAME_BYTES_MAX, ReuniteError, SocketAddr};
use filch_net::{UnixDatagram, UnixListener, UnixStream};
use filch_tests::census::Census;
use filch_tests::guard::eventually;
use filch_tests::limits::{self, in_child};
use filch_tests::run_on;
use futures_lite::future::{self, poll_once, yield_now};
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
use std::error::Error;
use std::fs::{self, File};
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use tempfile::TempDir;

fn run<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    run_on(2, future)
}

fn folder() -> TempDir {
    TempDir::new().unwrap()
}

/// An abstract name that no other test has.
fn abstract_name() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("\0filch test {} {count}", std::process::id()).into()
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

fn expect_err<T>(result: io::Result<T>) -> io::Error {
    result.map(|_| ()).unwrap_err()
}

// Streams.

#[test]
fn what_is_sent_comes_back() {
    for workers in [1, 2, 8] {
        let folder = folder();
        for path in [folder.path().join("echo.sock"), abstract_name()] {
            run_on(workers, async move {
                let listener = UnixListener::bind(&path).unwrap();
                let echo = filch::spawn(async move {
                    let (served, peer) = listener.accept().await.unwrap();
                    assert!(peer.is_unnamed());
                    futures_lite::io::copy(&served, &served).await.unwrap();
                    served.shutdown(Shutdown::Write).unwrap();
                });
                let client = UnixStream::connect(&path).await.unwrap();
                assert!(client.local_addr().unwrap().is_unnamed());
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
}

#[test]
fn halves_share_a_stream() {
    run(async {
        let (one, mut other) = UnixStream::pair().unwrap();
        let (mut read, mut write) = one.into_split();
        write.write_all(b"question").await.unwrap();
        let (_, foreign) = UnixStream::pair().unwrap().0.into_split();
        let ReuniteError(again, foreign) = read.reunite(foreign).unwrap_err();
        read = again;
        foreign.forget();
        drop(write);
        assert_eq!(read_to_end(&mut other).await.unwrap(), b"question");
        other.write_all(b"answer").await.unwrap();
        other.close().await.unwrap();
        assert_eq!(read_to_end(&mut read).await.unwrap(), b"answer");

        let (one, mut other) = UnixStream::pair().unwrap();
        let (read, write) = one.into_split();
        let mut one = read.reunite(write).unwrap();
        let (mut read, mut write) = one.split();
        write.write_all(b"x").await.unwrap();
        other.read_exact(&mut [0]).await.unwrap();
        other.write_all(b"y").await.unwrap();
        read.read_exact(&mut [0]).await.unwrap();
    });
}

#[test]
fn writing_to_nobody_is_an_error_and_the_end_stays_the_end() {
    run(async {
        let (mut one, other) = UnixStream::pair().unwrap();
        drop(other);
        let error = one.write(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        for _ in 0..2 {
            assert_eq!(one.read(&mut [0; 8]).await.unwrap(), 0);
        }
        one.close().await.unwrap();
    });
}

#[test]
fn a_dead_peer_that_has_not_read_all_is_a_reset() {
    run(async {
        let (mut one, other) = UnixStream::pair().unwrap();
        one.write_all(b"unread").await.unwrap();
        drop(other);
        let error = one.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn connecting_waits_while_the_queue_is_full() {
    for workers in [1, 2, 8] {
        run_on(workers, async {
            let path = abstract_name();
            let listener = UnixListener::bind(&path).unwrap();
            // SAFETY: listen takes two numbers, and may be called again.
            assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
            let clients: Vec<_> = (0..20)
                .map(|_| filch::spawn(UnixStream::connect(path.clone())))
                .collect();
            let mut waits = pin!(UnixStream::connect(path.clone()));
            // Some fit. As nobody accepts, one waits in the end.
            while poll_once(waits.as_mut()).await.is_some() {
                waits.set(UnixStream::connect(path.clone()));
                yield_now().await;
            }
            let accepting = filch::spawn(async move {
                let mut accepted = Vec::new();
                let mut incoming = listener.incoming();
                while let Some(stream) = incoming.next().await {
                    accepted.push(stream.unwrap());
                }
            });
            for client in clients {
                client.await.unwrap().unwrap();
            }
            accepting.abort();
        });
    }
}

#[test]
fn errors_name_the_path() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    drop(net::UnixListener::bind(path("dead")).unwrap());
    fs::write(path("file"), "").unwrap();
    let cases = [
        (path("none"), ErrorKind::NotFound),
        (path("dead"), ErrorKind::ConnectionRefused),
        (path("file"), ErrorKind::ConnectionRefused),
        (path("none/none"), ErrorKind::NotFound),
        (path(&"x".repeat(200)), ErrorKind::InvalidInput),
        (
            "\0nobody at all has this name".into(),
            ErrorKind::ConnectionRefused,
        ),
        ("".into(), ErrorKind::InvalidInput),
        ("a\0b".into(), ErrorKind::InvalidInput),
    ];
    run(async move {
        let datagram = UnixDatagram::unbound().unwrap();
        for (path, kind) in cases {
            let shown = path.to_string_lossy().replace('\0', "@");
            for (step, error) in [
                ("connect to", expect_err(UnixStream::connect(&path).await)),
                ("connect to", expect_err(datagram.connect(&path))),
                ("send to", expect_err(datagram.send_to(b"x", &path).await)),
                ("send to", expect_err(datagram.try_send_to(b"x", &path))),
            ] {
                let text = error.to_string();
                assert_eq!(error.kind(), kind, "{text}");
                assert!(text.starts_with(step), "{text}");
                let is_shown = text.contains(&shown) || kind == ErrorKind::InvalidInput;
                assert!(is_shown, "{text}");
            }
        }
        for error in [
            expect_err(UnixListener::bind("/none at all/x")),
            expect_err(UnixListener::bind_replacing("/none at all/x").await),
            expect_err(UnixDatagram::bind("/none at all/x")),
            expect_err(UnixDatagram::bind_replacing("/none at all/x").await),
        ] {
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.to_string().contains(" /none at all/x: "), "{error}");
        }
    });
}

#[test]
fn names_may_be_as_long_as_the_system_has_room() {
    let folder = folder();
    let prefix = folder.path().as_os_str().len() + 1;
    let with_length = |length: usize| folder.path().join("x".repeat(length - prefix));
    let long = |length: usize| PathBuf::from(format!("\0{}", "y".repeat(length)));
    for (length, fits) in [
        (NAME_BYTES_MAX - 1, true),
        (NAME_BYTES_MAX, true),
        (NAME_BYTES_MAX + 1, false),
    ] {
        for path in [with_length(length), long(length)] {
            run(async move {
                let listener = UnixListener::bind(&path);
                assert_eq!(listener.is_ok(), fits, "{path:?}");
                let stream = UnixStream::connect(&path).await;
                let Ok(listener) = listener else {
                    assert_eq!(expect_err(stream).kind(), ErrorKind::InvalidInput);
                    return;
                };
                let bound = listener.local_addr().unwrap();
                assert_eq!(stream.unwrap().peer_addr().unwrap(), bound);
                match bound.as_pathname() {
                    Some(found) => assert_eq!(found, path),
                    None => assert_eq!(bound.as_abstract_name().unwrap().len(), length),
                }
            });
        }
    }
}

/// The system takes a path of 108 bytes without a NUL at its end, which `std` and this crate do not offer.
#[test]
fn a_peer_may_have_a_name_that_we_could_not() {
    let folder = folder();
    let path = folder
        .path()
        .join("x".repeat(108 - folder.path().as_os_str().len() - 1));
    run(async move {
        let name = abstract_name();
        let listener = UnixListener::bind(&name).unwrap();
        let server = UnixDatagram::bind(abstract_name()).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        bind_by_hand(client.as_fd(), &path);
        let server_addr = server.local_addr().unwrap();
        client.send_to_addr(b"x", &server_addr).await.unwrap();
        let (_, peer) = server.recv_from(&mut [0; 8]).await.unwrap();
        assert_eq!(peer.as_pathname(), Some(&*path));
        assert!(format!("{peer}, {peer:?}").contains("/xxxx"));
        fs::remove_file(&path).unwrap();

        let connected = filch::spawn(UnixStream::connect(name));
        let (stream, _) = listener.accept().await.unwrap();
        let client = connected.await.unwrap().unwrap();
        bind_by_hand(client.as_fd(), &path);
        assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*path));
    });
}

#[test]
fn the_peer_is_known() {
    run(async {
        // SAFETY: it takes and touches nothing.
        let uid = unsafe { libc::geteuid() };
        // SAFETY: the same.
        let gid = unsafe { libc::getegid() };
        let pid = std::process::id();
        let (one, _other) = UnixStream::pair().unwrap();
        let name = abstract_name();
        let listener = UnixListener::bind(&name).unwrap();
        let client = UnixStream::connect(&name).await.unwrap();
        let (served, _) = listener.accept().await.unwrap();
        for stream in [one, client, served] {
            let cred = stream.peer_cred().unwrap();
            assert_eq!((cred.uid(), cred.gid()), (uid, gid));
            assert_eq!(cred.pid(), Some(i32::try_from(pid).unwrap()));
            match stream.peer_pidfd() {
                Ok(pidfd) => {
                    let info = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
                    let info = fs::read_to_string(info).unwrap();
                    assert!(info.contains(&format!("Pid:\t{pid}\n")), "{info}");
                    assert!(is_closed_on_exec(&pidfd));
                }
                Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENOPROTOOPT)),
            }
        }
    });
}

#[test]
fn std_gives_and_takes() {
    run(async {
        let folder = folder();
        let path = folder.path().join("x");
        let listener = UnixListener::from_std(net::UnixListener::bind(&path).unwrap()).unwrap();
        let client = UnixStream::from_std(net::UnixStream::connect(&path).unwrap()).unwrap();
        let (mut served, _) = listener.accept().await.unwrap();
        let mut client = UnixStream::from_std(client.into_std()).unwrap();
        client.write_all(b"x").await.unwrap();
        served.read_exact(&mut [0]).await.unwrap();
        let addr = listener.into_std().local_addr().unwrap();
        assert_eq!(addr.as_pathname(), Some(&*path));
        let (one, other) = UnixDatagram::pair().unwrap();
        let one = UnixDatagram::from_std(one.into_std()).unwrap();
        one.send(b"x").await.unwrap();
        assert_eq!(other.recv(&mut [0; 2]).await.unwrap(), 1);
    });
}

// Accepting and binding.

#[test]
fn accepting_goes_on_when_descriptors_are_free_again() {
    let name = "accepting_goes_on_when_descriptors_are_free_again";
    in_child(name, || {
        for by_stream in [false, true] {
            run_on(1, goes_on_after_exhaustion(by_stream));
        }
    });
}

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

async fn goes_on_after_exhaustion(by_stream: bool) {
    let (attempts, paused) = mpsc::channel();
    let path = abstract_name();
    let listener = UnixListener::bind(&path).unwrap();
    let listener = listener.on_accept_pause(move |error, pause| {
        assert_eq!(number(error), Some(libc::EMFILE), "{error}");
        assert!(error.to_string().starts_with("accept on @filch test "));
        let _ = attempts.send(pause.as_millis());
    });
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(UnixStream::connect(&path).await.unwrap());
    }
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
    let mut told = Vec::new();
    while told.len() < 4 {
        match paused.try_recv() {
            Ok(pause) => told.push(pause),
            Err(mpsc::TryRecvError::Empty) => yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(told, [5, 10, 20, 40]);
    assert!(!accepting.is_finished());
    drop(files);
    assert_eq!(accepting.await.unwrap().len(), 3);
}

#[test]
fn accept_now_asks_the_kernel() {
    run(async {
        let path = abstract_name();
        let listener = UnixListener::bind(&path).unwrap();
        let error = listener.accept_now().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(poll_once(listener.accept()).await.is_none());
        let _client = UnixStream::connect(&path).await.unwrap();
        listener.accept_now().unwrap();
    });
}

#[test]
fn outside_a_runtime_is_an_error_and_leaves_no_file() {
    let folder = folder();
    let path = folder.path().join("x");
    for error in [
        expect_err(UnixListener::bind(&path)),
        expect_err(UnixDatagram::bind(&path)),
        expect_err(UnixStream::pair()),
        expect_err(UnixDatagram::unbound()),
        expect_err(future::block_on(UnixListener::bind_replacing(&path))),
        expect_err(future::block_on(UnixDatagram::bind_replacing(&path))),
    ] {
        assert!(error.to_string().contains("runtime"), "{error}");
        assert!(!path.exists());
    }
}

#[test]
fn files_stay_and_are_taken_over_when_asked_for() {
    run(async {
        let folder = folder();
        let path = folder.path().join("x");
        for _ in 0..3 {
            // It does not matter of which type the dead one was.
            drop(UnixListener::bind_replacing(&path).await.unwrap());
            assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
            for error in [
                expect_err(UnixListener::bind(&path)),
                expect_err(UnixDatagram::bind(&path)),
            ] {
                assert_eq!(error.kind(), ErrorKind::AddrInUse);
            }
            drop(UnixDatagram::bind_replacing(&path).await.unwrap());
            assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
        }
        let listener = UnixListener::bind_replacing(&path).await.unwrap();
        UnixStream::connect(&path).await.unwrap();
        listener.accept().await.unwrap();
        let listening = listener.local_addr().unwrap();
        assert_eq!(listening.as_pathname(), Some(&*path));
        // Nothing is left in the folder besides.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    });
}

#[test]
fn an_abstract_name_is_free_when_its_socket_is_closed() {
    run(async {
        let name = abstract_name();
        let first = UnixListener::bind_replacing(&name).await.unwrap();
        let error = expect_err(UnixListener::bind_replacing(&name).await);
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        drop(first);
        UnixListener::bind_replacing(&name).await.unwrap();
    });
}

#[test]
fn a_relative_path_is_in_the_folder_that_it_is_in() {
    in_child("a_relative_path_is_in_the_folder_that_it_is_in", || {
        let folder = folder();
        std::env::set_current_dir(folder.path()).unwrap();
        run(async {
            drop(UnixListener::bind_replacing("x").await.unwrap());
            let _listener = UnixListener::bind_replacing("x").await.unwrap();
            UnixStream::connect("x").await.unwrap();
        });
        assert!(folder.path().join("x").exists());
    });
}

/// Who is bound to a path, and what it is that must survive.
#[test]
fn what_is_no_dead_socket_is_not_removed() {
    run(async {
        let folder = folder();
        let path = folder.path().join("x");
        let attempts = async |kind: ErrorKind, what: &str| {
            let before = fs::symlink_metadata(&path).unwrap();
            for error in [
                expect_err(UnixListener::bind_replacing(&path).await),
                expect_err(UnixDatagram::bind_replacing(&path).await),
            ] {
                assert_eq!(error.kind(), kind, "{what}: {error}");
                assert!(error.to_string().contains(path.to_str().unwrap()));
            }
            let after = fs::symlink_metadata(&path).unwrap();
            assert_eq!(
                std::os::unix::fs::MetadataExt::ino(&before),
                std::os::unix::fs::MetadataExt::ino(&after),
                "{what}"
            );
        };

        let listener = UnixListener::bind(&path).unwrap();
        attempts(ErrorKind::AddrInUse, "a listener").await;
        let error = listener.accept_now().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "it has noticed");
        drop(listener);
        fs::remove_file(&path).unwrap();

        // Bound as a stream, and not yet listening: `std` cannot make it.
        let socket = socket_bound_to(&path, libc::SOCK_STREAM);
        attempts(ErrorKind::AddrInUse, "one that will listen").await;
        drop(socket);
        fs::remove_file(&path).unwrap();

        let socket = socket_bound_to(&path, libc::SOCK_SEQPACKET);
        attempts(ErrorKind::AddrInUse, "one for packets").await;
        drop(socket);
        fs::remove_file(&path).unwrap();

        let socket = UnixDatagram::bind(&path).unwrap();
        attempts(ErrorKind::AddrInUse, "one for datagrams").await;
        let peer = folder.path().join("peer");
        let friend = UnixDatagram::bind(&peer).unwrap();
        socket.connect(&peer).unwrap();
        attempts(ErrorKind::AddrInUse, "one for datagrams of its peer").await;
        drop((socket, friend));

        // A dead one, by a link: the link is no socket.
        fs::rename(&path, folder.path().join("dead")).unwrap();
        symlink(folder.path().join("dead"), &path).unwrap();
        attempts(ErrorKind::AlreadyExists, "a link").await;
        fs::remove_file(&path).unwrap();

        fs::write(&path, "precious").unwrap();
        attempts(ErrorKind::AlreadyExists, "a file").await;
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();

        fs::create_dir(&path).unwrap();
        attempts(ErrorKind::AlreadyExists, "a folder").await;
    });
}

fn socket_bound_to(path: &Path, kind: libc::c_int) -> OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: socket takes three numbers.
    let fd = unsafe { libc::socket(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0);
    // SAFETY: the kernel has just made it for us.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    bind_by_hand(socket.as_fd(), path);
    socket
}

/// Binds to a path that may be as long as the system takes it, without a NUL at its end.
fn bind_by_hand(socket: BorrowedFd<'_>, path: &Path) {
    // SAFETY: all zero is an address.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as _;
    let bytes = path.as_os_str().as_encoded_bytes();
    assert!(bytes.len() <= address.sun_path.len());
    for (place, &byte) in address.sun_path.iter_mut().zip(bytes) {
        *place = byte as _;
    }
    let len = size_of::<libc::sockaddr_un>() as _;
    // SAFETY: the address is as long as is said.
    let status = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) };
    assert_eq!(status, 0, "{}", io::Error::last_os_error());
}

#[test]
fn of_many_that_take_over_one_has_the_path() {
    for workers in [1, 2, 8] {
        run_on(workers, async {
            for _ in 0..30 {
                let folder = folder();
                let path = folder.path().join("x");
                drop(net::UnixListener::bind(&path).unwrap());
                let all: Vec<_> = (0..16)
                    .map(|_| filch::spawn(UnixListener::bind_replacing(path.clone())))
                    .collect();
                let mut winner = None;
                for one in all {
                    match one.await.unwrap() {
                        Ok(listener) => assert!(winner.replace(listener).is_none(), "two have it"),
                        Err(error) => {
                            let kinds = [ErrorKind::AddrInUse, ErrorKind::ResourceBusy];
                            assert!(kinds.contains(&error.kind()), "{error}");
                        }
                    }
                }
                let client = UnixStream::connect(&path).await.unwrap();
                winner.expect("one has it").accept().await.unwrap();
                drop(client);
            }
        });
    }
}

#[test]
fn who_keeps_the_folder_locked_is_told_of() {
    run(async {
        let folder = folder();
        let path = folder.path().join("x");
        let lock = File::open(folder.path()).unwrap();
        // SAFETY: flock takes two numbers.
        let status = unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) };
        assert_eq!(status, 0);
        let error = expect_err(UnixListener::bind_replacing(&path).await);
        assert_eq!(error.kind(), ErrorKind::ResourceBusy);
        assert!(!path.exists());
        let mut waits = pin!(UnixListener::bind_replacing(&path));
        assert!(poll_once(waits.as_mut()).await.is_none());
        drop(lock);
        waits.await.unwrap();
    });
}

// Datagrams.

#[test]
fn datagrams_keep_their_order_and_their_bounds() {
    for workers in [1, 2, 8] {
        run_on(workers, async {
            let (one, other) = UnixDatagram::pair().unwrap();
            let sending = filch::spawn(async move {
                for number in 0..2000_u32 {
                    let bytes = pattern(number as usize % 100);
                    let datagram = [&number.to_ne_bytes()[..], &bytes].concat();
                    let sent = match number % 3 {
                        0 => one.send(&datagram).await,
                        1 => poll_fn(|cx| one.poll_send(cx, &datagram)).await,
                        _ => loop {
                            one.writable().await.unwrap();
                            match one.try_send(&datagram) {
                                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                                result => break result,
                            }
                        },
                    };
                    assert_eq!(sent.unwrap(), datagram.len());
                }
            });
            let mut room = [0; 200];
            for number in 0..2000_u32 {
                if number % 7 == 0 {
                    let count = other.peek(&mut room).await.unwrap();
                    assert_eq!(room[..4], number.to_ne_bytes());
                    assert_eq!(other.peek_from(&mut room).await.unwrap().0, count);
                }
                let count = match number % 5 {
                    0 => other.recv(&mut room).await.unwrap(),
                    1 => other.recv_from(&mut room).await.unwrap().0,
                    2 => poll_fn(|cx| other.poll_recv(cx, &mut room)).await.unwrap(),
                    3 => {
                        let got = poll_fn(|cx| other.poll_recv_from(cx, &mut room)).await;
                        got.unwrap().0
                    }
                    _ => loop {
                        other.readable().await.unwrap();
                        match other.try_recv(&mut room) {
                            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                            result => break result.unwrap(),
                        }
                    },
                };
                assert_eq!(room[..4], number.to_ne_bytes());
                assert_eq!(room[4..count], pattern(number as usize % 100));
            }
            sending.await.unwrap();
        });
    }
}

#[test]
fn a_datagram_may_be_empty_or_too_long() {
    run(async {
        let (one, other) = UnixDatagram::pair().unwrap();
        assert_eq!(one.send(b"").await.unwrap(), 0);
        one.send(b"twelve bytes").await.unwrap();
        one.send(b"next").await.unwrap();
        let mut room = [0; 6];
        assert_eq!(other.recv(&mut room).await.unwrap(), 0);
        assert_eq!(other.recv(&mut room).await.unwrap(), 6);
        assert_eq!(&room, b"twelve");
        assert_eq!(other.try_recv(&mut room).unwrap(), 4);
        let error = other.try_recv_from(&mut room).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let error = one.send(&vec![0; 16 << 20]).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        let unconnected = UnixDatagram::unbound().unwrap();
        let error = unconnected.send(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        let error = unconnected.peer_addr().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn answers_reach_who_has_a_name() {
    run(async {
        let folder = folder();
        for path in [folder.path().join("client"), abstract_name()] {
            let server = UnixDatagram::bind_replacing(folder.path().join("server"))
                .await
                .unwrap();
            let to = server.local_addr().unwrap();
            let client = UnixDatagram::bind(&path).unwrap();
            client
                .send_to(b"question", to.as_pathname().unwrap())
                .await
                .unwrap();
            let (_, from) = server.recv_from(&mut [0; 20]).await.unwrap();
            assert_eq!(from, client.local_addr().unwrap());
            server.send_to_addr(b"answer", &from).await.unwrap();
            assert_eq!(client.recv(&mut [0; 20]).await.unwrap(), 6);
            server.connect_addr(&from).unwrap();
            assert_eq!(server.peer_addr().unwrap(), from);
            server.try_send(b"more").unwrap();
            assert_eq!(client.recv(&mut [0; 20]).await.unwrap(), 4);
            // The server takes datagrams of its peer only, now.
            let stranger = UnixDatagram::unbound().unwrap();
            let error = expect_err(stranger.try_send_to_addr(b"x", &to));
            assert_eq!(number(&error), Some(libc::EPERM));
        }
        let nobody = UnixDatagram::unbound().unwrap();
        let server = UnixDatagram::bind(abstract_name()).unwrap();
        let to = server.local_addr().unwrap();
        nobody.try_send_to_addr(b"x", &to).unwrap();
        let (_, from) = server.recv_from(&mut [0; 20]).await.unwrap();
        assert!(from.is_unnamed());
        assert_eq!(format!("{from} {from:?}"), "(unnamed) (unnamed)");
        assert!(server.send_to_addr(b"x", &from).await.is_err());
    });
}

/// The output, if it comes before the other future is done.
async fn timeout_by<F: Future>(future: F, end: impl Future) -> Option<F::Output> {
    let future = async { Some(future.await) };
    let end = async {
        end.await;
        None
    };
    future::or(future, end).await
}

/// Fills the queue of a receiver, by another socket than any that the test is about; how many datagrams there are.
fn fill(to: &SocketAddr) -> usize {
    let filler = UnixDatagram::unbound().unwrap();
    let mut count = 0;
    while filler.try_send_to_addr(b"filler", to).is_ok() {
        count += 1;
    }
    count
}

#[test]
fn who_sends_to_a_full_receiver_waits_although_the_queue_is_full_of_others_datagrams() {
    for (workers, how) in (0..9).map(|n| ([1, 2, 8][n / 3], n % 3)) {
        run_on(workers, async move {
            let receiver = UnixDatagram::bind(abstract_name()).unwrap();
            let to = receiver.local_addr().unwrap();
            let count = fill(&to);
            let sender = UnixDatagram::unbound().unwrap();
            if how == 1 {
                sender.connect_addr(&to).unwrap();
            }
            let mut sending = pin!(async {
                match how {
                    0 => sender.send_to_addr(b"late", &to).await.unwrap(),
                    1 => sender.send(b"late").await.unwrap(),
                    _ => loop {
                        match sender.try_send_to_addr(b"late", &to) {
                            Ok(sent) => break sent,
                            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                        }
                        sender.writable().await.unwrap();
                    },
                }
            });
            // It waits, and neither for an event that means nothing, nor in a circle.
            let mut polls = 0;
            let counted = poll_fn(|cx| {
                polls += 1;
                sending.as_mut().poll(cx)
            });
            let enough = sleep(Duration::from_millis(50));
            assert!(timeout_by(counted, enough).await.is_none());
            assert!(polls <= 20, "{polls} polls in 50 ms");
            let receiving = filch::spawn(async move {
                let mut room = [0; 10];
                for _ in 0..count {
                    assert_eq!(receiver.recv(&mut room).await.unwrap(), 6);
                }
                assert_eq!(receiver.recv(&mut room).await.unwrap(), 4);
            });
            sending.await;
            receiving.await.unwrap();
        });
    }
}

#[test]
fn a_full_receiver_that_is_closed_is_an_error_for_who_waits() {
    run(async {
        for is_connected in [false, true] {
            let receiver = UnixDatagram::bind(abstract_name()).unwrap();
            let to = receiver.local_addr().unwrap();
            fill(&to);
            let sender = UnixDatagram::unbound().unwrap();
            if is_connected {
                sender.connect_addr(&to).unwrap();
            }
            let mut sending = pin!(async {
                match is_connected {
                    true => sender.send(b"late").await,
                    false => sender.send_to_addr(b"late", &to).await,
                }
            });
            assert!(poll_once(sending.as_mut()).await.is_none());
            drop(receiver);
            let error = sending.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
    });
}

// Descriptors.

fn is_closed_on_exec(fd: &impl AsRawFd) -> bool {
    // SAFETY: fcntl takes two numbers here.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) };
    flags & libc::FD_CLOEXEC != 0
}

/// Both kinds of sockets behind one face.
enum Passing {
    Stream(UnixStream, UnixStream),
    Datagram(UnixDatagram, UnixDatagram),
}

impl Passing {
    fn both() -> [Self; 2] {
        let (one, other) = UnixStream::pair().unwrap();
        let stream = Self::Stream(one, other);
        let (one, other) = UnixDatagram::pair().unwrap();
        [stream, Self::Datagram(one, other)]
    }

    async fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        match self {
            Self::Stream(one, _) => one.send_with_fds(bytes, fds).await,
            Self::Datagram(one, _) => one.send_with_fds(bytes, fds).await,
        }
    }

    async fn recv(&self, room: &mut [u8], most: usize) -> io::Result<(usize, Vec<OwnedFd>)> {
        match self {
            Self::Stream(_, other) => other.recv_with_fds(room, most).await,
            Self::Datagram(_, other) => other.recv_with_fds(room, most).await,
        }
    }

    fn try_recv(&self, room: &mut [u8], most: usize) -> io::Result<(usize, Vec<OwnedFd>)> {
        match self {
            Self::Stream(_, other) => other.try_recv_with_fds(room, most),
            Self::Datagram(_, other) => other.try_recv_with_fds(room, most),
        }
    }

    fn try_send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        match self {
            Self::Stream(one, _) => one.try_send_with_fds(bytes, fds),
            Self::Datagram(one, _) => one.try_send_with_fds(bytes, fds),
        }
    }

    async fn plain_read(&self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stream(_, other) => {
                let mut other = other;
                other.read(room).await
            }
            Self::Datagram(_, other) => other.recv(room).await,
        }
    }
}

/// A socket to be sent along, and one that reads the end when that is closed everywhere.
fn traced() -> (net::UnixStream, net::UnixStream) {
    net::UnixStream::pair().unwrap()
}

/// At once, but for a child that another test is just starting: it has everything between its fork and its exec.
fn assert_closed_everywhere(mut trace: net::UnixStream) {
    trace.set_nonblocking(true).unwrap();
    eventually("every duplicate is closed", || {
        let count = trace.read(&mut [0; 1]).ok()?;
        (count == 0).then_some(())
    });
}

#[test]
fn descriptors_come_with_their_bytes() {
    for workers in [1, 2, 8] {
        run_on(workers, async {
            for passing in Passing::both() {
                let error = passing.try_recv(&mut [0; 8], 9).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                let (sent, mut trace) = traced();
                assert_eq!(
                    passing
                        .try_send(b"take", &[sent.as_fd(), sent.as_fd()])
                        .unwrap(),
                    4
                );
                drop(sent);
                let mut room = [0; 8];
                let (count, fds) = passing.recv(&mut room, 2).await.unwrap();
                assert_eq!((&room[..count], fds.len()), (&b"take"[..], 2));
                assert!(fds.iter().all(is_closed_on_exec));
                for fd in fds {
                    net::UnixStream::from(fd).write_all(b"x").unwrap();
                    trace.read_exact(&mut [0]).unwrap();
                }
                assert_closed_everywhere(trace);
                // Without descriptors it is a read, whatever may come along.
                for most in [0, 1, FDS_MAX, usize::MAX] {
                    passing.send(b"plain", &[]).await.unwrap();
                    let (count, fds) = passing.recv(&mut room, most).await.unwrap();
                    assert_eq!((count, fds.len()), (5, 0));
                }
            }
        });
    }
}

#[test]
fn a_message_carries_253_descriptors() {
    run(async {
        for passing in Passing::both() {
            for (count, fits) in [(FDS_MAX - 1, true), (FDS_MAX, true), (FDS_MAX + 1, false)] {
                let (sent, trace) = traced();
                let result = passing.send(b"x", &vec![sent.as_fd(); count]).await;
                drop(sent);
                if fits {
                    assert_eq!(result.unwrap(), 1);
                    let (_, fds) = passing.recv(&mut [0; 8], usize::MAX).await.unwrap();
                    assert_eq!(fds.len(), count);
                } else {
                    let error = result.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::InvalidInput);
                    let words = "a message can carry 253 descriptors, and this one has 254";
                    assert_eq!(error.to_string(), words);
                }
                assert_closed_everywhere(trace);
            }
        }
    });
}

#[test]
fn more_descriptors_than_wanted_are_an_error_and_closed() {
    run(async {
        for passing in Passing::both() {
            for (came, wanted) in [
                (5, 0),
                (5, 1),
                (5, 4),
                (5, 5),
                (5, 6),
                (4, 3),
                (4, 4),
                (1, 0),
                (1, 1),
            ] {
                let (sent, trace) = traced();
                passing
                    .send(b"take", &vec![sent.as_fd(); came])
                    .await
                    .unwrap();
                drop(sent);
                let received = passing.recv(&mut [0; 8], wanted).await;
                match received {
                    Ok((4, fds)) => assert!(came <= wanted && fds.len() == came),
                    Ok(other) => panic!("{other:?}"),
                    Err(error) => {
                        assert!(came > wanted);
                        assert_eq!(error.kind(), ErrorKind::InvalidData);
                        assert!(error.to_string().contains("more came than"), "{error}");
                    }
                }
                assert_closed_everywhere(trace);
                // It goes on with the next message.
                passing.send(b"next", &[]).await.unwrap();
                assert_eq!(passing.recv(&mut [0; 8], 0).await.unwrap().0, 4);
            }
        }
    });
}

#[test]
fn descriptors_that_the_process_may_not_have_are_an_error_and_closed() {
    let name = "descriptors_that_the_process_may_not_have_are_an_error_and_closed";
    in_child(name, || {
        run_on(1, async {
            for passing in Passing::both() {
                let (sent, trace) = traced();
                passing.send(b"take", &[sent.as_fd(); 5]).await.unwrap();
                drop(sent);
                let mut files = exhaust_descriptors();
                files.truncate(files.len() - 3);
                let before = Census::now();
                let error = passing.recv(&mut [0; 8], 9).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidData);
                assert!(
                    error.to_string().contains("may not have that many"),
                    "{error}"
                );
                assert_eq!(
                    before.unwrap().descriptors,
                    Census::now().unwrap().descriptors
                );
                drop(files);
                assert_closed_everywhere(trace);
            }
        });
    });
}

#[test]
fn descriptors_that_nobody_asks_for_are_closed() {
    run(async {
        for passing in Passing::both() {
            let (sent, trace) = traced();
            passing.send(b"take", &[sent.as_fd()]).await.unwrap();
            drop(sent);
            assert_eq!(passing.plain_read(&mut [0; 8]).await.unwrap(), 4);
            assert_closed_everywhere(trace);
        }
        for passing in Passing::both() {
            let (sent, trace) = traced();
            passing.send(b"take", &[sent.as_fd()]).await.unwrap();
            drop((sent, passing));
            assert_closed_everywhere(trace);
        }
    });
}

#[test]
fn a_stream_needs_a_byte_and_a_datagram_none() {
    run(async {
        let [stream, datagram] = Passing::both();
        let (sent, trace) = traced();
        let error = stream.send(b"", &[sent.as_fd()]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(datagram.send(b"", &[sent.as_fd()]).await.unwrap(), 0);
        drop(sent);
        let (count, fds) = datagram.recv(&mut [0; 8], 1).await.unwrap();
        assert_eq!((count, fds.len()), (0, 1));
        drop(fds);
        assert_closed_everywhere(trace);
    });
}

/// A read ends where descriptors were sent along, which is no sign that there is no more.
#[test]
fn bytes_behind_descriptors_are_read_without_further_bytes() {
    for by_trait in [false, true] {
        run(async move {
            let (one, mut other) = UnixStream::pair().unwrap();
            let (sent, trace) = traced();
            one.send_with_fds(b"first", &[sent.as_fd()]).await.unwrap();
            one.send_with_fds(b"second", &[sent.as_fd()]).await.unwrap();
            (&one).write_all(b"third").await.unwrap();
            drop(sent);
            let mut got: Vec<u8> = Vec::new();
            let mut fds = Vec::new();
            let mut room = [0; 64];
            while got.len() < 16 {
                let count = if by_trait {
                    other.read(&mut room).await.unwrap()
                } else {
                    let (count, came) = other.recv_with_fds(&mut room, 1).await.unwrap();
                    fds.extend(came);
                    count
                };
                got.extend(&room[..count]);
            }
            assert_eq!(got, b"firstsecondthird");
            assert_eq!(fds.len(), if by_trait { 0 } else { 2 });
            drop(fds);
            assert_closed_everywhere(trace);
        });
    }
}

#[test]
fn nothing_is_left_open() {
    in_child("nothing_is_left_open", || {
        run_on(2, async {
            let folder = folder();
            let round = async || {
                for path in [folder.path().join("x"), abstract_name()] {
                    let listener = UnixListener::bind_replacing(&path).await.unwrap();
                    let client = UnixStream::connect(&path).await.unwrap();
                    let (served, _) = listener.accept().await.unwrap();
                    client
                        .send_with_fds(b"x", &[listener.as_fd()])
                        .await
                        .unwrap();
                    served.recv_with_fds(&mut [0; 8], 1).await.unwrap();
                    assert!(UnixListener::bind_replacing(&path).await.is_err());
                    assert!(UnixListener::bind(&path).is_err());
                    drop(poll_once(UnixStream::connect(&path)).await);
                    drop(poll_once(served.recv_with_fds(&mut [0; 8], 1)).await);
                    served.peer_pidfd().ok();
                }
            };
            round().await;
            let before = Census::now().unwrap().descriptors;
            for _ in 0..100 {
                round().await;
            }
            assert_eq!(Census::now().unwrap().descriptors, before);
        });
    });
}
