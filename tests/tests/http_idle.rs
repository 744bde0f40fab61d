//! What does a connection cost that waits for its next request?
//!
//! What the server has asked the allocator for, for each of some hundred that have asked once and been answered, however much the request needed. The task's cell is not among it, which comes from the runtime's own memory: three
//! lines, which the connection itself asserts when it is compiled.

use filch_http::{Body, Request, Response, Router};
use filch_tests::allocations::{Counting, live_bytes};
use filch_tests::guard::{eventually, within_reason};
use filch_tests::lone_server::LoneServer;
use futures_lite::{AsyncReadExt, stream};
use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Fewer than one address may have where a process may have 1024 descriptors, of which this one has both ends.
const CONNECTIONS: usize = 400;

/// What is watched of the descriptor (70 with its part of the table), and a part of the tables of the server (20 for whom to wake and when, 5 for whom a number belongs to), in bytes. With room for
/// tables that have just grown.
const MAX_BYTES: usize = 110;

fn router() -> Router {
    Router::new()
        .get("/", async || "Hello, World!")
        .get("/pieces", async || {
            Response::new(Body::stream(stream::iter([
                Ok::<_, Infallible>("one"),
                Ok("two"),
            ])))
        })
        .get("/later", async || {
            filch::yield_now().await;
            "later"
        })
        .post("/", async |mut request: Request| {
            let mut whole = Vec::new();
            let read = request.body().read_to_end(&mut whole).await;
            read.map_or_else(|error| error.to_string(), |_| "read".to_owned())
        })
}

/// As many connections as may be at work at once: one that is answered, and those that are woken once more. The server's thread keeps what these work with.
const AT_WORK: usize = 4;

/// What each of them holds at least, in bytes: its buffer.
const WORK_BYTES: usize = 16 * 1024;

/// Lets that many connections be at work at once.
fn warm(server: &LoneServer) -> Vec<TcpStream> {
    let before = live_bytes();
    let mut clients: Vec<_> = (0..AT_WORK).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"GET / HTTP/1.1\r\n").expect("sent");
    }
    eventually("all at work", || {
        (live_bytes() >= before + AT_WORK * WORK_BYTES).then_some(())
    });
    for client in &mut clients {
        client.write_all(b"Host: a\r\n\r\n").expect("sent");
        read_until(client, "World!");
    }
    clients
}

/// What a client sends, piece by piece, and how the answer ends.
type Talk = (&'static [&'static str], &'static str);

fn talk(server: &LoneServer, (pieces, end): Talk) -> TcpStream {
    let mut client = server.connect();
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            // The server has said that it reads on.
            let mut room = [0; 25];
            client.read_exact(&mut room).expect("an invitation");
            assert_eq!(&room, b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        client.write_all(piece.as_bytes()).expect("sent");
    }
    read_until(&mut client, end);
    client
}

fn read_until(client: &mut TcpStream, end: &str) {
    let (mut room, mut filled) = ([0; 1024], 0);
    while !room[..filled].ends_with(end.as_bytes()) {
        let count = client.read(&mut room[filled..]).expect("an answer");
        assert!(count > 0, "{:?}", String::from_utf8_lossy(&room[..filled]));
        filled += count;
    }
}

/// One test for all, since what it counts is the whole process.
#[test]
fn an_idle_connection_holds_next_to_nothing() {
    within_reason(|| {
        for kind in [
            (&["GET / HTTP/1.1\r\nHost: a\r\n\r\n"][..], "World!"),
            (&["GET /later HTTP/1.1\r\nHost: a\r\n\r\n"], "later"),
            (&["GET /pieces HTTP/1.1\r\nHost: a\r\n\r\n"], "0\r\n\r\n"),
            (
                &[
                    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
                    "body",
                ],
                "read",
            ),
        ] {
            // Of its own, so that nothing that ends is counted against what begins.
            let server = LoneServer::start(router());
            // What the first ones touch is not what each costs.
            let mut clients = warm(&server);
            clients.reserve(CONNECTIONS + 1);
            clients.push(talk(&server, kind));
            let before = live_bytes();
            for _ in 0..CONNECTIONS {
                clients.push(talk(&server, kind));
            }
            // A client has its answer before the server's task waits again.
            let each = || live_bytes().saturating_sub(before) / CONNECTIONS;
            eventually("little for each", || (each() <= MAX_BYTES).then_some(()));
            // It was not their end that gave the memory back.
            for client in &clients {
                client.set_nonblocking(true).expect("a socket");
                let looked = client.peek(&mut [0]);
                assert!(looked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
            }
        }
    });
}
