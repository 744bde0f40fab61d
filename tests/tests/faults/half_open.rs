//! The peer has vanished without a word.
//!
//! In a network of its own: a peer that was started again knows nothing of the connection (`TCP_REPAIR` lets a socket be closed in silence), and one behind a link that is down gets
//! nothing. Nobody tells a task that only waits; keepalive and the user timeout do, or a time limit of its own.

use super::{Echo, ask, gone, pair, run_and_settle};
use filch::runtime::Handle;
use filch::time::timeout;
use filch_net::{TcpConnect, TcpKeepalive, TcpStream};
use filch_tests::quiet;
use filch_tests::surroundings::{in_own_network, limit_link, set_link_up};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Closes a socket without a packet.
fn forget(stream: TcpStream) {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).unwrap();
    // SAFETY: the kernel reads one number, which is initialised and as long as is said.
    let status = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_REPAIR,
            (&raw const on).cast(),
            length,
        )
    };
    assert_eq!(status, 0, "{}", io::Error::last_os_error());
    drop(stream);
}

/// Asks a silent peer after a second, and once more.
fn keep_alive(stream: &TcpStream) {
    let second = Duration::from_secs(1);
    let keepalive = TcpKeepalive::new().time(second).interval(second).retries(1);
    stream.set_keepalive(Some(keepalive)).unwrap();
}

#[test]
fn a_peer_that_has_forgotten_is_noticed_by_writing_or_by_keepalive() {
    let name = "half_open::a_peer_that_has_forgotten_is_noticed_by_writing_or_by_keepalive";
    in_own_network(name, || {
        for workers in [1, 2] {
            run_and_settle(workers, forgotten());
        }
    });
}

async fn forgotten() {
    let (mut writes, forgets) = pair().await;
    forget(forgets);
    // It is not known yet, so it is taken.
    writes.write_all(b"anybody there?").await.unwrap();
    let error = writes.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    let (mut waits, forgets) = pair().await;
    forget(forgets);
    let read = timeout(Duration::from_millis(50), waits.read(&mut [0; 8])).await;
    assert!(read.is_err(), "nobody tells who only waits");
    quiet::rest(&Handle::current().metrics());
    keep_alive(&waits);
    let error = waits.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_peer_beyond_a_dead_link_is_given_up() {
    let name = "half_open::a_peer_beyond_a_dead_link_is_given_up";
    in_own_network(name, || {
        for workers in [1, 2] {
            run_and_settle(workers, dead_link());
        }
    });
}

async fn dead_link() {
    let echo = Echo::start().await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let stream = TcpStream::connect(echo.addr).await.unwrap();
        ask(&stream, b"hello").await.unwrap();
        clients.push(stream);
    }
    let (mut idle, server_of_idle) = pair().await;
    keep_alive(&idle);
    set_link_up(false);
    let connecting = TcpConnect::new().timeout(Duration::from_millis(50));
    let error = connecting.to(echo.addr).await.unwrap_err().to_string();
    assert!(error.contains(&echo.addr.to_string()), "{error}");
    let given_up = filch::spawn(async move { idle.read(&mut [0; 8]).await.map(|_| ()) });
    let asking: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let limit = Some(Duration::from_millis(300));
            client.set_user_timeout(limit).unwrap();
            filch::spawn(async move { ask(&client, b"anybody?").await })
        })
        .collect();
    // The kernel tries again and again; we wait.
    quiet::rest(&Handle::current().metrics());
    for asking in asking.into_iter().chain([given_up]) {
        let error = asking.await.unwrap().unwrap_err();
        assert!(is_given_up(&error), "{error}");
    }
    // The other ends have heard nothing, and wait.
    assert_eq!(echo.tasks.alive(), 4);
    drop(server_of_idle);
    set_link_up(true);
    let stream = TcpStream::connect(echo.addr).await.unwrap();
    ask(&stream, b"it goes on").await.unwrap();
}

/// It is a matter of what the kernel has heard of the way there.
fn is_given_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::TimedOut | ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable
    )
}

/// A link that lets little through and throws the rest away.
#[test]
fn bytes_come_whole_over_a_link_that_loses_packets() {
    let name = "half_open::bytes_come_whole_over_a_link_that_loses_packets";
    in_own_network(name, || {
        run_and_settle(2, async {
            if !limit_link(8_000_000) {
                return;
            }
            let echo = Echo::start().await;
            let clients: Vec<_> = (0..4_u8)
                .map(|n| {
                    let addr = echo.addr;
                    filch::spawn(async move {
                        let stream = TcpStream::connect(addr).await.unwrap();
                        for _ in 0..5 {
                            ask(&stream, &vec![n; 20_000]).await.unwrap();
                        }
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
            gone(&echo.tasks).await;
        });
    });
}
