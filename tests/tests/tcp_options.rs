//! Are options of TCP set where they are said to be, and read back as the kernel has them?

use filch::runtime::Builder;
use filch_net::{TcpConnect, TcpKeepalive, TcpListener, TcpSocket, TcpStream};
use filch_tests::guard::within_reason;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

fn run<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    within_reason(move || {
        let rt = Builder::new().worker_threads(2).build();
        rt.expect("a runtime").block_on(future)
    })
}

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(any()).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (served, _) = listener.accept().await.unwrap();
    (client, served)
}

#[test]
fn connections_send_at_once_as_their_listener_says() {
    run(async {
        let listener = TcpListener::bind(any()).await.unwrap();
        for is_set in [true, false] {
            listener.set_nodelay(is_set).unwrap();
            assert_eq!(listener.nodelay().unwrap(), is_set);
            let _client = TcpStream::connect(listener.local_addr().unwrap())
                .await
                .unwrap();
            let (served, _) = listener.accept().await.unwrap();
            assert_eq!(served.nodelay().unwrap(), is_set);
        }
    });
}

const SECOND: Duration = Duration::from_secs(1);

/// The same options of a socket and of a stream.
macro_rules! check_connection_options {
    ($socket:expr) => {
        let socket = $socket;
        for is_set in [true, false] {
            socket.set_nodelay(is_set).unwrap();
            assert_eq!(socket.nodelay().unwrap(), is_set);
        }
        for is_set in [false, true] {
            socket.set_quickack(is_set).unwrap();
            assert_eq!(socket.quickack().unwrap(), is_set);
        }
        assert_eq!(socket.notsent_lowat().unwrap(), 0);
        socket.set_notsent_lowat(16_384).unwrap();
        assert_eq!(socket.notsent_lowat().unwrap(), 16_384);
        for (given, got) in [
            (Some(3 * SECOND), Some(3 * SECOND)),
            (Some(SECOND / 2), Some(SECOND)),
            (Some(Duration::ZERO), Some(Duration::ZERO)),
            (None, None),
        ] {
            socket.set_linger(given).unwrap();
            assert_eq!(socket.linger().unwrap(), got);
        }
        socket.set_zero_linger().unwrap();
        assert_eq!(socket.linger().unwrap(), Some(Duration::ZERO));
        let day = Duration::from_secs(86_400);
        let millis = Duration::from_millis;
        // 2^31 - 1 ms is the most.
        let most = millis(i32::MAX as u64);
        for (given, got) in [
            (Some(millis(1500)), Some(millis(1500))),
            (Some(Duration::from_nanos(1)), Some(millis(1))),
            (Some(most), Some(most)),
            (None, None),
        ] {
            socket.set_user_timeout(given).unwrap();
            assert_eq!(socket.user_timeout().unwrap(), got);
        }
        for much in [most + millis(1), 365 * day, Duration::MAX] {
            let error = socket.set_user_timeout(Some(much)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(socket.keepalive_times().unwrap(), None);
        let times = TcpKeepalive::new()
            .time(60 * SECOND)
            .interval(5 * SECOND)
            .retries(4);
        socket.set_keepalive(Some(times)).unwrap();
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.keepalive_times().unwrap(), Some(times));
        let changed = times.retries(5);
        socket
            .set_keepalive(Some(TcpKeepalive::new().retries(5)))
            .unwrap();
        assert_eq!(
            socket.keepalive_times().unwrap(),
            Some(changed),
            "what is not given stays"
        );
        let most = TcpKeepalive::new()
            .time(32_767 * SECOND)
            .interval(32_767 * SECOND)
            .retries(127);
        socket.set_keepalive(Some(most)).unwrap();
        assert_eq!(socket.keepalive_times().unwrap(), Some(most));
        for nonsense in [
            most.time(SECOND / 2),
            most.time(32_768 * SECOND),
            most.interval(Duration::ZERO),
            most.interval(Duration::MAX),
            most.retries(0),
            most.retries(128),
        ] {
            let error = socket.set_keepalive(Some(nonsense)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{nonsense:?}");
        }
        socket.set_keepalive(None).unwrap();
        assert_eq!(socket.keepalive_times().unwrap(), None);
        socket.set_congestion("reno").unwrap();
        assert_eq!(socket.congestion().unwrap(), "reno");
        let error = socket.set_congestion("nonesuch").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("\"nonesuch\""), "{error}");
        socket.set_recv_buffer_size(100_000).unwrap();
        socket.set_send_buffer_size(100_000).unwrap();
        assert_eq!(socket.recv_buffer_size().unwrap(), 200_000);
        assert_eq!(socket.send_buffer_size().unwrap(), 200_000);
    };
}

/// The same options of a socket, a stream and a listener, for IPv4.
macro_rules! check_any_options {
    ($socket:expr) => {
        let socket = $socket;
        assert_eq!(socket.mark().unwrap(), 0);
        match socket.set_mark(7) {
            Ok(()) => assert_eq!(socket.mark().unwrap(), 7),
            Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied),
        }
        socket.set_tos_v4(0x28).unwrap();
        assert_eq!(socket.tos_v4().unwrap(), 0x28);
        socket.set_ttl(17).unwrap();
        assert_eq!(socket.ttl().unwrap(), 17);
        assert!(socket.set_ttl(256).is_err());
        assert_eq!(socket.device().unwrap(), None);
        socket.bind_device(Some(b"lo")).unwrap();
        assert_eq!(socket.device().unwrap().as_deref(), Some(&b"lo"[..]));
        for (name, says) in [
            (&b"none\xff"[..], "none\\xff"),
            (&b"fifteen-letters"[..], "fifteen-letters"),
            (&b"sixteen-letters."[..], "1 to 15 bytes"),
            (&b""[..], "1 to 15 bytes"),
        ] {
            let error = socket.bind_device(Some(name)).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    };
}

#[test]
fn sockets_have_them_before_they_are_used() {
    run(async {
        check_connection_options!(TcpSocket::new_v4().unwrap());
        check_any_options!(TcpSocket::new_v4().unwrap());
        let socket = TcpSocket::new_v4().unwrap();
        for is_set in [true, false] {
            socket.set_reuseaddr(is_set).unwrap();
            assert_eq!(socket.reuseaddr().unwrap(), is_set);
            socket.set_reuseport(is_set).unwrap();
            assert_eq!(socket.reuseport().unwrap(), is_set);
            socket.set_freebind(is_set).unwrap();
            assert_eq!(socket.freebind().unwrap(), is_set);
        }
        assert!(socket.take_error().unwrap().is_none());
    });
}

#[test]
fn those_of_ipv6_are_for_ipv6() {
    run(async {
        let Ok(socket) = TcpSocket::new_v6() else {
            return;
        };
        socket.set_tclass_v6(0x28).unwrap();
        assert_eq!(socket.tclass_v6().unwrap(), 0x28);
        socket.set_ttl(17).unwrap();
        assert_eq!(socket.ttl().unwrap(), 17);
        for is_set in [true, false] {
            socket.set_only_v6(is_set).unwrap();
            assert_eq!(socket.only_v6().unwrap(), is_set);
            socket.set_freebind(is_set).unwrap();
            assert_eq!(socket.freebind().unwrap(), is_set);
        }
        let v4 = TcpSocket::new_v4().unwrap();
        assert!(v4.set_tclass_v6(0x28).is_err());
        assert!(v4.set_only_v6(true).is_err());
    });
}

#[test]
fn streams_have_them() {
    run(async {
        let (client, served) = pair().await;
        check_connection_options!(&client);
        check_any_options!(&served);
        // It still works, with all of that; the resets of the lingers aside.
        served.set_linger(None).unwrap();
        client.set_linger(None).unwrap();
        (&served).write_all(b"word").await.unwrap();
        let mut word = [0; 4];
        (&client).read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"word");
    });
}

#[test]
fn listeners_have_those_of_packets_and_accepting() {
    run(async {
        let listener = TcpListener::bind(any()).await.unwrap();
        check_any_options!(&listener);
        assert_eq!(listener.fastopen().unwrap(), 0);
        listener.set_fastopen(5).unwrap();
        assert_eq!(listener.fastopen().unwrap(), 5);
        assert_eq!(listener.defer_accept().unwrap(), None);
        listener.set_defer_accept(Some(SECOND / 2)).unwrap();
        assert!(listener.defer_accept().unwrap().unwrap() >= SECOND);
        listener.set_defer_accept(None).unwrap();
        assert_eq!(listener.defer_accept().unwrap(), None);
        for time in [Duration::MAX, Duration::from_secs(u64::from(u32::MAX) + 1)] {
            listener.set_defer_accept(Some(time)).unwrap();
            assert!(listener.defer_accept().unwrap().unwrap() > SECOND);
        }
    });
}

#[test]
fn a_listeners_socket_hands_its_options_on() {
    run(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_user_timeout(Some(SECOND)).unwrap();
        socket
            .set_keepalive(Some(TcpKeepalive::new().retries(3)))
            .unwrap();
        socket.bind(any()).unwrap();
        let listener = socket.listen(10).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (served, _) = listener.accept().await.unwrap();
        assert!(served.nodelay().unwrap() && served.keepalive().unwrap());
        assert_eq!(served.user_timeout().unwrap(), Some(SECOND));
    });
}

#[test]
fn a_connection_that_says_nothing_is_not_accepted_where_that_is_deferred() {
    run(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_defer_accept(Some(600 * SECOND)).unwrap();
        socket.bind(any()).unwrap();
        let listener = socket.listen(10).unwrap();
        let addr = listener.local_addr().unwrap();
        let _silent = TcpStream::connect(addr).await.unwrap();
        let mut second = TcpStream::connect(addr).await.unwrap();
        second.write_all(b"hello").await.unwrap();
        // The first one was earlier, and would come first.
        let (served, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, second.local_addr().unwrap());
        // Its bytes are there already.
        assert_eq!(served.try_read(&mut [0; 8]).unwrap(), 5);
    });
}

#[test]
fn zero_linger_resets() {
    run(async {
        let (mut client, served) = pair().await;
        served.set_zero_linger().unwrap();
        drop(served);
        let error = client.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

/// Lets a client send with the first packet to a server that never was asked (`TCP_FASTOPEN_NO_COOKIE`, tcp(7)).
fn forgo_cookie(socket: &TcpSocket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the kernel reads the four bytes of `on`; the descriptor is open.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_FASTOPEN_NO_COOKIE,
            (&raw const on).cast(),
            4,
        )
    };
    match status {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The first write makes the connection, so `connect` must not wait for one that never begins.
#[test]
fn with_fast_open_the_first_write_connects() {
    run(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_fastopen(10).unwrap();
        assert_eq!(socket.fastopen().unwrap(), 10);
        socket.bind(any()).unwrap();
        let listener = socket.listen(10).unwrap();
        let addr = listener.local_addr().unwrap();
        for deferred in [false, true] {
            let fast = TcpSocket::new_v4().unwrap();
            match fast.set_fastopen_connect(true) {
                // The system does not want it.
                Err(error) => return assert_eq!(error.kind(), ErrorKind::Unsupported),
                Ok(()) => assert!(fast.fastopen_connect().unwrap()),
            }
            if deferred && forgo_cookie(&fast).is_err() {
                return;
            }
            let mut client = fast.connect(addr).await.unwrap();
            if deferred {
                let error = client.peer_addr().unwrap_err();
                assert_eq!(
                    error.kind(),
                    ErrorKind::NotConnected,
                    "nothing was sent yet"
                );
            }
            let writing = client.write_all(b"hello");
            let accepting = async {
                let (mut served, _) = listener.accept().await.unwrap();
                let mut word = [0; 5];
                served.read_exact(&mut word).await.unwrap();
                served.write_all(&word).await.unwrap();
            };
            futures_lite::future::zip(writing, accepting)
                .await
                .0
                .unwrap();
            let mut word = Vec::new();
            client.read_to_end(&mut word).await.unwrap();
            assert_eq!(word, b"hello");
        }
        // Nobody is there: the write says so.
        drop(listener);
        let connect = TcpConnect::new().prepare(|socket, _| {
            socket.set_fastopen_connect(true)?;
            forgo_cookie(socket)
        });
        let mut client = connect.to(addr).await.unwrap();
        let error = async {
            client.write_all(b"hello").await?;
            client.read(&mut [0; 1]).await
        };
        assert_eq!(
            error.await.unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
    });
}

#[test]
fn a_socket_of_std_is_taken_over() {
    run(async {
        let listener = TcpListener::bind(any()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        // A socket of std's that is not connected is not to be had from std; one of ours has the type.
        let ours = TcpSocket::new_v4().unwrap();
        let fd = std::os::fd::AsFd::as_fd(&ours)
            .try_clone_to_owned()
            .unwrap();
        let socket = TcpSocket::from_std(fd.into()).unwrap();
        drop(ours);
        socket.set_nodelay(true).unwrap();
        let stream = socket.connect(addr).await.unwrap();
        assert!(stream.nodelay().unwrap());
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, stream.local_addr().unwrap());
    });
}
