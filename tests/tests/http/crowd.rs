//! What do others notice of many clients, slow ones or busy ones?

use crate::common::{Client, HANG, TestServer};
use filch_http::{Drained, Limits, Router};
use filch_tests::limits::most_descriptors;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// More than one segment.
const ANSWER_BYTES: usize = 20_000;

const SLOW_CLIENTS: usize = 500;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two bytes of a slow client.
const PAUSE: Duration = Duration::from_secs(1);

/// Each sends one byte a second. Meanwhile somebody else asks and asks; how long that takes is printed, since a busy machine decides it as well.
#[test]
fn slow_heads_are_closed_and_nobody_waits_for_them() {
    let server = TestServer::with(|server| {
        server.header_timeout(HEADER_TIMEOUT).limits(Limits {
            connections_per_address: usize::MAX,
            ..Limits::DEFAULT
        })
    });
    let mut quick = server.connect();
    // Each has two descriptors here; the other half of them is for whatever else runs.
    let room = most_descriptors().expect("the system says") / 4;
    let slow_clients = SLOW_CLIENTS.min(room);
    let slow: Vec<_> = (0..slow_clients).map(|_| server.connect()).collect();
    let trickling = std::thread::spawn(move || trickle(slow));
    let mut latencies = Vec::new();
    while !trickling.is_finished() {
        let asked = Instant::now();
        quick.send(REQUEST);
        assert_eq!(quick.answer().status, 200);
        latencies.push(asked.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut slow = trickling.join().expect("no panic");
    for client in &mut slow {
        let answer = client.answer();
        assert_eq!((answer.status, answer.closes()), (408, true));
    }
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    println!(
        "{} requests beside {slow_clients} slow clients: p50 {:?}, p99 {:?}, most {:?}",
        latencies.len(),
        at(50),
        at(99),
        at(100)
    );
    drop(slow);
    server.wait_for("filch_http_connections", 1);
}

/// Sends a byte of a head to each, again and again, until all have an answer.
fn trickle(mut clients: Vec<Client>) -> Vec<Client> {
    let began = Instant::now();
    let head = b"GET / HTTP/1.1\r\nA: "
        .iter()
        .chain(std::iter::repeat(&b'v'));
    for &byte in head {
        clients
            .iter_mut()
            .for_each(|client| client.try_send([byte]));
        std::thread::sleep(PAUSE);
        if clients.iter().all(has_answer) {
            break;
        }
        assert!(began.elapsed() < HANG, "they are not closed");
    }
    clients
}

fn has_answer(client: &Client) -> bool {
    client.stream.set_nonblocking(true).expect("a socket");
    let is_there = client.stream.peek(&mut [0]).is_ok();
    client.stream.set_nonblocking(false).expect("a socket");
    is_there
}

/// Whatever the moment in which the server is told to end: each request that a handler has seen is answered, whole.
#[test]
fn a_drain_under_load_loses_no_request_that_was_admitted() {
    const CLIENTS: usize = 16;
    for round in 0..10 {
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = seen.clone();
        let routes = Router::new().get("/", move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async {
                filch::time::sleep(Duration::from_millis(2)).await;
                "x".repeat(ANSWER_BYTES)
            }
        });
        let mut server = TestServer::with_router(routes, |server| server);
        let addr = server.addr;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| std::thread::spawn(move || ask_until_the_end(addr)))
            .collect();
        while seen.load(Ordering::SeqCst) < 50 + 7 * round {
            std::thread::yield_now();
        }
        server.stop();
        let answered: usize = clients
            .into_iter()
            .map(|client| client.join().expect("no panic"))
            .sum();
        assert_eq!(server.join(), Drained::Clean);
        assert_eq!(answered, seen.load(Ordering::SeqCst));
    }
}

/// Asks, always one ahead, on one connection after the other until nobody listens any more. How many whole answers came.
fn ask_until_the_end(addr: SocketAddr) -> usize {
    let mut answered = 0;
    while let Ok(stream) = TcpStream::connect(addr) {
        let mut client = Client::of(stream);
        client.try_send(REQUEST);
        loop {
            client.try_send(REQUEST);
            let Some(answer) = client.try_answer() else {
                break;
            };
            assert_eq!(answer.body.len(), ANSWER_BYTES);
            answered += 1;
            if answer.closes() {
                break;
            }
        }
    }
    answered
}
