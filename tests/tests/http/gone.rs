//! Clients that are gone: what they have asked for ends, and what holds its connection elsewhere learns it.

use crate::common::{Client, HANG, TestServer};
use filch_http::{Body, Request, Response, Router};
use futures_lite::stream;
use socket2::SockRef;
use std::future::pending;
use std::sync::mpsc;
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Says that it is dropped.
struct Guard(mpsc::Sender<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

fn reset(client: Client) {
    SockRef::from(&client.stream)
        .set_linger(Some(Duration::ZERO))
        .expect("a socket");
}

#[test]
fn a_handler_that_waits_ends_when_its_client_breaks_off() {
    let (tell, told) = mpsc::channel();
    let router = Router::new().get("/", move || {
        let guard = Guard(tell.clone());
        async move {
            let _ = guard.0.send("begun");
            pending::<()>().await;
            drop(guard);
        }
    });
    let server = TestServer::with_router(router, |server| server);
    let mut client = server.connect();
    client.send(GET);
    assert_eq!(told.recv_timeout(HANG), Ok("begun"));
    reset(client);
    assert_eq!(told.recv_timeout(HANG), Ok("dropped"));
}

#[test]
fn a_body_that_waits_ends_when_its_client_breaks_off() {
    let (tell, told) = mpsc::channel();
    let router = Router::new().get("/", move || {
        let tell = tell.clone();
        async move {
            let (mut sender, body) = Body::channel(1);
            filch::spawn(async move {
                let _ = sender.send("one").await;
                sender.closed().await;
                let _ = tell.send("closed");
            })
            .detach();
            Response::text(body)
        }
    });
    let server = TestServer::with_router(router, |server| server);
    let mut client = server.connect();
    client.send(GET);
    client.head();
    assert_eq!(client.chunk().as_deref(), Some(&b"one"[..]));
    reset(client);
    assert_eq!(told.recv_timeout(HANG), Ok("closed"));
}

#[test]
fn a_response_is_cut_whoever_has_its_request() {
    let router = Router::new().post("/", async |request: Request| {
        filch::spawn(async move {
            pending::<()>().await;
            drop(request);
        })
        .detach();
        Response::text(Body::stream(stream::iter([Ok("one"), Err("it broke")])))
    });
    let server = TestServer::with_router(router, |server| server.error_log(|_| {}));
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    client.head();
    let rest = client.rest();
    assert!(!rest.is_some_and(|rest| rest.ends_with(b"0\r\n\r\n")));
}

/// What has come behind a request that somebody keeps would make a close a reset.
#[test]
fn an_answer_to_a_request_that_is_kept_is_not_followed_by_a_reset() {
    let (tell, told) = mpsc::channel();
    let router = Router::new().post("/", move |mut request: Request| {
        let tell = tell.clone();
        async move {
            filch::spawn(async move {
                let _ = tell.send(request.body().bytes().await);
                pending::<()>().await;
                drop(request);
            })
            .detach();
            filch::time::sleep(Duration::from_millis(100)).await;
            "kept"
        }
    });
    let server = TestServer::with_router(router, |server| server);
    for (length, is_whole) in [("4", true), ("1000000", false)] {
        let mut client = server.connect();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nbody"
        ));
        client.send("x".repeat(100_000));
        assert_eq!(client.answer().text(), "kept");
        client.send("x".repeat(100_000));
        client.half_close();
        assert!(client.is_closed());
        let read = told.recv_timeout(HANG).expect("it ends");
        assert_eq!(read.is_ok(), is_whole);
    }
}

#[test]
fn who_only_sends_no_more_is_answered() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    client.half_close();
    assert_eq!(client.answer().text(), "slow");
}
