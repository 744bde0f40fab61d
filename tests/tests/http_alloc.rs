//! How often does a server ask for memory, once it is warm?
//!
//! Requests go to a server on the only worker of a runtime; another route tells how often that worker's thread has asked for memory by then. A plain request costs nothing; of a body that comes in
//! pieces the few boxes that hold it.

use filch_http::{Body, Request, Response, Router};
use filch_tests::allocations::{Counting, of_this_thread};
use filch_tests::guard::within_reason;
use filch_tests::lone_server::LoneServer;
use futures_lite::{AsyncReadExt, stream};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often each request is sent, to become warm and to be counted.
const TIMES: usize = 1000;

fn router() -> Router {
    Router::new()
        .get("/", async || "Hello, World!")
        .get("/count", async || of_this_thread().to_string())
        .get("/pieces", async || {
            Response::new(Body::stream(stream::iter([
                Ok::<_, Infallible>("one"),
                Ok("two"),
            ])))
        })
        .post("/read", async |mut request: Request| {
            let mut room = [0; 16];
            while request
                .body()
                .read(&mut room)
                .await
                .is_ok_and(|count| count > 0)
            {}
            "read"
        })
}

/// A client of a server on one worker.
fn with_client(test: impl FnOnce(&mut TcpStream) + Send + 'static) {
    within_reason(move || {
        let server = LoneServer::start(router());
        let mut client = server.connect();
        test(&mut client);
    });
}

/// The body of the answer, which ends in these bytes.
fn ask(client: &mut TcpStream, request: &str, end: &str) -> String {
    client.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(end.as_bytes()) {
        let mut room = [0; 4096];
        let count = client.read(&mut room).expect("an answer");
        assert!(count > 0);
        answer.extend_from_slice(&room[..count]);
    }
    String::from_utf8(answer).expect("text")
}

fn count(client: &mut TcpStream) -> usize {
    client
        .write_all(b"GET /count HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("sent");
    let mut room = [0; 4096];
    let count = client.read(&mut room).expect("an answer");
    let answer = std::str::from_utf8(&room[..count]).expect("text");
    let body = answer.split("\r\n\r\n").nth(1).expect("a whole answer");
    body.parse().expect("a number")
}

/// How often one of these requests asks for memory. The date, which is made anew each second, is not counted.
fn cost(client: &mut TcpStream, request: &str, end: &str) -> usize {
    for _ in 0..TIMES {
        ask(client, request, end);
    }
    let (first, second) = (count(client), count(client));
    for _ in 0..TIMES {
        ask(client, request, end);
    }
    let third = count(client);
    let all = (third - second).saturating_sub(second - first);
    (all + TIMES / 2) / TIMES
}

const PLAIN: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_plain_request_asks_for_nothing() {
    with_client(|client| assert_eq!(cost(client, PLAIN, "Hello, World!"), 0));
}

#[test]
fn neither_do_pipelined_ones() {
    with_client(|client| {
        let batch = format!(
            "{}GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
            PLAIN.repeat(15)
        );
        assert_eq!(cost(client, &batch, "not found"), 0);
    });
}

#[test]
fn nor_does_a_body_that_comes_with_its_head() {
    with_client(|client| {
        let request = "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(cost(client, request, "read"), 0);
        let chunked = "POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                       5\r\nhello\r\n0\r\n\r\n";
        assert_eq!(cost(client, chunked, "read"), 0);
    });
}

/// The stream, the pieces, the response under way, and its name for the error log: a box each, and one while that is written.
#[test]
fn a_body_in_pieces_asks_for_the_boxes_that_hold_it() {
    with_client(|client| {
        let request = "GET /pieces HTTP/1.1\r\nHost: a\r\n\r\n";
        let cost = cost(client, request, "0\r\n\r\n");
        assert!(cost > 0 && cost <= 6, "{cost}");
    });
}
