//! A name server never answers.

use super::{Echo, ask, runtime};
use filch::time::timeout;
use filch_net::{TcpConnect, lookup_host};
use filch_tests::guard::within_reason;
use filch_tests::quiet;
use filch_tests::surroundings::{ask_own_name_server, in_own_network};
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::Duration;

#[test]
fn a_name_server_that_never_answers_holds_nobody_else_up() {
    let name = "resolver::a_name_server_that_never_answers_holds_nobody_else_up";
    in_own_network(name, || {
        let directory = tempfile::tempdir().unwrap();
        ask_own_name_server(directory.path());
        let silent = UdpSocket::bind("127.0.0.1:53").unwrap();
        for workers in [1, 2] {
            let silent = silent.try_clone().unwrap();
            within_reason(move || with_a_silent_name_server(workers, &silent));
        }
        // The process ends with threads that still wait for an answer: it does so at once.
    });
}

fn with_a_silent_name_server(workers: usize, silent: &UdpSocket) {
    let rt = runtime(workers);
    let metrics = rt.metrics();
    let waiting = rt.block_on(async {
        let waiting: Vec<_> = (0..8)
            .map(|n| filch::spawn(async move { lookup_host((format!("n{n}.test"), 80)).await }))
            .collect();
        silent.recv(&mut [0; 512]).unwrap();
        // Who has a limit keeps it, and is told what it was.
        let brief = Duration::from_millis(50);
        assert!(timeout(brief, lookup_host("other.test:80")).await.is_err());
        let connect = TcpConnect::new().timeout(brief).to("another.test:80").await;
        let error = connect.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.to_string().contains("another.test:80"), "{error}");
        // Who asks for no name notices nothing.
        let echo = Echo::start().await;
        let stream = filch_net::TcpStream::connect(echo.addr).await.unwrap();
        for _ in 0..100 {
            ask(&stream, b"meanwhile").await.unwrap();
        }
        let known = lookup_host("localhost:80").await.unwrap();
        assert!(known.iter().all(|addr| addr.ip().is_loopback()));
        assert_eq!(filch::spawn_blocking(|| 7).await.unwrap(), 7);
        waiting
    });
    quiet::rest(&metrics);
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    for waiting in waiting {
        // Nobody has to wait for the answer to be rid of the question.
        waiting.abort();
        assert!(rt.block_on(waiting).unwrap_err().is_cancelled());
    }
    // A drop would wait for the resolver's threads, as is documented.
    rt.shutdown_timeout(Duration::from_millis(50));
}
