//! Connections that go over to another protocol.

use crate::common::TestServer;
use filch_http::{Drained, Request, Response, Router, Upgraded};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::time::Duration;

/// The other protocol: everything comes back in capitals, until the end or a full stop.
async fn shout(mut stream: Upgraded) {
    let mut room = [0; 100];
    while let Ok(count @ 1..) = stream.read(&mut room).await {
        room.make_ascii_uppercase();
        if stream.write_all(&room[..count]).await.is_err() || room[..count].contains(&b'.') {
            return;
        }
    }
}

fn server() -> TestServer {
    let router = Router::new()
        .get("/shout", async || Response::upgrade("shout", shout))
        .get("/kept", async |request: Request| {
            std::mem::forget(filch::spawn(async move {
                filch::time::sleep(Duration::from_secs(3600)).await;
                drop(request);
            }));
            Response::upgrade("shout", shout)
        })
        .get("/panics", async || {
            Response::upgrade("shout", async |_| panic!("on purpose"))
        })
        .get("/tunnel", async || Response::tunnel(shout))
        .get("/", async || "Hello, World!");
    TestServer::with_router(router, |server| {
        server.drain_timeout(Duration::from_millis(100))
    })
}

fn asking(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
}

/// RFC 9110, section 7.8.
#[test]
fn the_stream_is_handed_over_with_what_was_read_beyond() {
    let server = server();
    let mut client = server.connect();
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n{}early",
        asking("/shout")
    ));
    assert_eq!(client.answer().text(), "Hello, World!");
    let head = client.head();
    assert_eq!(head.status, 101);
    assert_eq!(
        (head.field("upgrade"), head.field("connection")),
        (Some("shout"), Some("upgrade"))
    );
    assert_eq!(
        (
            head.field("content-length"),
            head.field("transfer-encoding")
        ),
        (None, None)
    );
    assert_eq!(client.bytes(5), b"EARLY");
    client.send(" late.");
    assert_eq!(client.rest().expect("a proper end"), b" LATE.");
}

#[test]
fn byte_by_byte() {
    let server = server();
    let mut client = server.connect();
    for byte in format!("{}hello.", asking("/shout")).bytes() {
        client.try_send([byte]);
    }
    assert_eq!(client.head().status, 101);
    assert_eq!(client.rest().expect("a proper end"), b"HELLO.");
}

/// RFC 9110, sections 7.8 and 15.5.22: nobody is surprised by another protocol.
#[test]
fn who_did_not_ask_is_told_to() {
    let server = server();
    for request in [
        "GET /shout HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /shout HTTP/1.1\r\nHost: a\r\nUpgrade: shout\r\n\r\n",
        "GET /shout HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n",
    ] {
        let answer = server.answer(request);
        assert_eq!(
            (answer.status, answer.field("upgrade")),
            (426, Some("shout")),
            "{request}"
        );
    }
}

#[test]
fn an_upgrade_that_nobody_offers_is_an_answer_like_any_other() {
    let server = server();
    let mut client = server.connect();
    client.send(asking("/"));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "Hello, World!");
    assert_eq!(client.answer().text(), "Hello, World!");
}

#[test]
fn a_switch_that_cannot_be_is_500() {
    let server = server();
    assert_eq!(
        server.status("GET /tunnel HTTP/1.1\r\nHost: a\r\n\r\n"),
        500
    );
    assert_eq!(server.status(&asking("/tunnel")), 500);
    assert_eq!(server.status(&asking("/kept")), 500);
    let mut client = server.connect();
    client.send(asking("/panics"));
    let _ = client.rest();
    assert_eq!(server.status("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
}

#[test]
fn another_protocol_is_cut_off_when_draining_takes_too_long() {
    let mut server = server();
    let mut client = server.connect();
    client.send(asking("/shout"));
    assert_eq!(client.head().status, 101);
    client.send("still");
    assert_eq!(client.bytes(5), b"STILL");
    assert_eq!(server.drained(), Drained::Forced(1));
}
