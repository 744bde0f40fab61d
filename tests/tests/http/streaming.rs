//! Bodies of responses that come in pieces, as their clients see them.

use crate::common::{TestServer, short_timeouts};
use filch_http::{Body, BodyClosed, Drained, HeaderMap, HeaderValue, Response, Router};
use futures_lite::{StreamExt, stream};
use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_OLD: &str = "GET / HTTP/1.0\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";

/// What the server's error log was told.
type Told = Arc<Mutex<Vec<String>>>;

/// A server that answers `/` with this body, and `/next` with a word.
fn server_of(body: impl Fn() -> Body + Send + Sync + 'static) -> (TestServer, Told) {
    let told = Told::default();
    let telling = told.clone();
    let router = Router::new()
        .get("/next", async || "next")
        .get("/", move || {
            let response = Response::text(body());
            async move { response }
        });
    let server = TestServer::with_router(router, move |server| {
        server.timeouts(short_timeouts()).error_log(move |failure| {
            telling.lock().expect("no panic").push(failure.to_string());
        })
    });
    (server, told)
}

fn pieces(texts: &'static [&'static str]) -> Body {
    Body::stream(stream::iter(texts).map(|text| Ok::<_, Infallible>(*text)))
}

fn told(told: &Told) -> Vec<String> {
    told.lock().expect("no panic").clone()
}

#[test]
fn a_body_of_unknown_length_is_chunked_and_the_next_answer_follows() {
    let (server, told_of) = server_of(|| pieces(&["one", "", "three", "x"]));
    let mut client = server.connect();
    client.send(format!("{GET}GET /next HTTP/1.1\r\nHost: a\r\n\r\n"));
    let answer = client.answer();
    assert_eq!(answer.text(), "onethreex");
    assert_eq!(answer.field("content-length"), None);
    assert_eq!(client.answer().text(), "next");
    assert_eq!(told(&told_of), [""; 0]);
}

/// RFC 9112, section 6.3: to a client of 1.0 the end of the connection is the end of the body.
#[test]
fn a_body_of_unknown_length_ends_with_the_connection_in_1_0() {
    let (server, _) = server_of(|| pieces(&["one", "two"]));
    for request in [GET_OLD, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"] {
        let mut client = server.connect();
        client.send(request);
        let head = client.head();
        assert_eq!(head.field("transfer-encoding"), None);
        assert_eq!(head.field("content-length"), None);
        assert!(head.closes());
        assert_eq!(client.rest().expect("a proper end"), b"onetwo");
    }
}

/// RFC 9110, section 9.3.2: it is told what GET would be, and what it is told happens.
#[test]
fn head_in_1_0_ends_the_connection_as_get_would() {
    let (server, _) = server_of(|| pieces(&["one", "two"]));
    let mut client = server.connect();
    client.send("HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(client.head().closes());
    assert_eq!(client.rest().expect("a proper end"), b"");
}

/// RFC 9110, section 9.3.2.
#[test]
fn head_says_the_same_and_asks_for_nothing() {
    for length in [None, Some(6)] {
        let (server, told_of) = server_of(move || {
            let never = Body::stream(stream::poll_fn(
                |_| -> Poll<Option<Result<&str, Infallible>>> { panic!("nobody asks for it") },
            ));
            match length {
                None => never,
                Some(length) => never.with_length(length),
            }
        });
        let mut client = server.connect();
        client.send(format!("{HEAD}GET /next HTTP/1.1\r\nHost: a\r\n\r\n"));
        let head = client.head();
        match length {
            None => assert_eq!(head.field("transfer-encoding"), Some("chunked")),
            Some(_) => assert_eq!(head.field("content-length"), Some("6")),
        }
        assert_eq!(client.answer().text(), "next");
        assert_eq!(told(&told_of), [""; 0]);
    }
}

#[test]
fn statuses_without_a_body_have_none() {
    for status in [204, 304] {
        let router = Router::new().get("/", move || async move {
            let status = filch_http::StatusCode::from_u16(status).expect("a status");
            Response::new(pieces(&["one"])).with_status(status)
        });
        let server = TestServer::with_router(router, |server| server);
        let mut client = server.connect();
        client.send(format!("{GET}{GET}"));
        for _ in 0..2 {
            let answer = client.head();
            assert_eq!(answer.status, status);
            assert_eq!(answer.field("transfer-encoding"), None);
        }
    }
}

#[test]
fn what_is_there_is_sent_before_waiting_for_more() {
    let (server, _) = server_of(|| {
        let (mut sender, body) = Body::channel(1);
        filch::spawn(async move {
            sender.send("first").await?;
            sender.closed().await;
            Ok::<(), BodyClosed>(())
        })
        .detach();
        body
    });
    let mut client = server.connect();
    client.send(GET);
    assert_eq!(client.head().status, 200);
    assert_eq!(client.chunk().expect("a chunk"), b"first");
}

#[test]
fn trailers_follow_a_chunked_body() {
    let trailers = || {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("7"));
        trailers.insert("content-length", HeaderValue::from_static("7"));
        trailers
    };
    let with = move || Body::from("whole").with_trailers(trailers());
    let sent = move || {
        let (mut sender, body) = Body::channel(2);
        filch::spawn(async move {
            sender.send("whole").await?;
            sender.send_trailers(trailers());
            Ok::<(), BodyClosed>(())
        })
        .detach();
        body
    };
    for (server, _) in [server_of(with), server_of(sent)] {
        let answer = server.answer(GET);
        assert_eq!(
            (answer.text(), &answer.trailers[..]),
            ("whole", &["x-sum: 7".to_owned()][..])
        );
        let mut old = server.connect();
        old.send(GET_OLD);
        old.head();
        assert_eq!(old.rest().expect("a proper end"), b"whole");
    }
}

#[test]
fn a_length_that_was_announced_is_kept() {
    let (server, told_of) = server_of(|| pieces(&["one", "two"]).with_length(6));
    let mut client = server.connect();
    client.send(format!("{GET}{GET}"));
    for _ in 0..2 {
        let answer = client.answer();
        assert_eq!(
            (answer.text(), answer.field("content-length")),
            ("onetwo", Some("6"))
        );
    }
    assert_eq!(told(&told_of), [""; 0]);
}

/// What does not fit is not sent, and the connection is not used again.
#[test]
fn a_body_longer_than_announced_is_cut_to_size() {
    let (server, told_of) = server_of(|| pieces(&["one", "two"]).with_length(4));
    let mut client = server.connect();
    client.send(format!("{GET}{GET}"));
    assert_eq!(client.answer().text(), "onet");
    assert_eq!(client.rest().unwrap_or_default(), b"");
    assert!(told(&told_of)[0].starts_with("the response to GET / failed"));
}

/// The client must notice, and so must the operator.
#[test]
fn a_body_that_fails_is_never_passed_off_as_whole() {
    let fails: [fn() -> Body; 5] = [
        || Body::stream(stream::iter([Ok("one"), Err("it broke")])),
        || pieces(&["one"]).with_length(4),
        || {
            let mut is_first = true;
            Body::stream(stream::poll_fn(move |_| {
                assert!(std::mem::take(&mut is_first), "on purpose");
                Poll::Ready(Some(Ok::<_, Infallible>("one")))
            }))
        },
        || {
            let (mut sender, body) = Body::channel(1);
            filch::spawn(async move { sender.send("one").await }).detach();
            body
        },
        || Body::file(file_of(b"one"), 0..4),
    ];
    for fail in fails {
        let (server, told_of) = server_of(fail);
        let mut client = server.connect();
        client.send(GET);
        let head = client.head();
        let rest = client.rest().unwrap_or_default();
        match head.field("content-length") {
            Some(length) => assert!(rest.len() < length.parse().expect("a number")),
            None => assert!(!rest.ends_with(b"0\r\n\r\n")),
        }
        assert_eq!(told(&told_of).len(), 1, "{rest:?}");
        let mut old = server.connect();
        old.send(GET_OLD);
        let head = old.head();
        let rest = old.rest();
        match head.field("content-length") {
            Some(_) => {}
            None => assert_eq!(rest, None, "a reset is what tells"),
        }
        // The server goes on.
        assert_eq!(
            server
                .answer("GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
                .text(),
            "next"
        );
    }
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file
}

#[test]
fn parts_of_a_file() {
    let bytes: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    let file = Arc::new(file_of(&bytes));
    for range in [0..0, 0..1, 5..200_005, 0..1_000_000, 999_999..1_000_000] {
        let (file, wanted) = (file.clone(), range.clone());
        let (server, told_of) = server_of(move || Body::file(file.clone(), wanted.clone()));
        let mut client = server.connect();
        client.send(format!("{GET}{HEAD}{GET}"));
        let part = &bytes[range.start as usize..range.end as usize];
        assert!(client.answer().body == part);
        let length = part.len().to_string();
        assert_eq!(client.head().field("content-length"), Some(&*length));
        assert!(client.answer().body == part);
        assert_eq!(told(&told_of), [""; 0]);
    }
}

/// What `/proc` has cannot be mapped, so the kernel does not send it by itself.
#[test]
fn a_file_that_can_only_be_read() {
    let text = std::fs::read("/proc/version").expect("Linux has it");
    let length = text.len() as u64;
    let (server, told_of) = server_of(move || {
        Body::file(
            File::open("/proc/version").expect("Linux has it"),
            0..length,
        )
    });
    assert_eq!(server.answer(GET).body, text);
    assert_eq!(told(&told_of), [""; 0]);
}

/// Counts what is taken of it, and whether it was dropped.
struct Endless {
    taken: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

const PIECE: [u8; 1024] = [b'e'; 1024];

impl futures_lite::Stream for Endless {
    type Item = Result<&'static [u8], Infallible>;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(&PIECE)))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn endless() -> (Router, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (taken, dropped) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (t, d) = (taken.clone(), dropped.clone());
    let router = Router::new().get("/", move || {
        let body = Body::stream(Endless {
            taken: t.clone(),
            dropped: d.clone(),
        });
        async move { Response::new(body) }
    });
    (router, taken, dropped)
}

/// Of an endless body no more is taken than the sockets hold and one write beside that; then the client is given up.
#[test]
fn a_client_that_never_reads_costs_a_bounded_part_of_a_body() {
    let (router, taken, dropped) = endless();
    let server = TestServer::with_router(router, |server| server.timeouts(short_timeouts()));
    let mut client = server.connect();
    client.send(GET);
    while dropped.load(Ordering::Relaxed) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    // What the kernel takes is up to 4 MiB on the one side and 6 MiB on the other, unless it was told otherwise.
    assert!(taken.load(Ordering::Relaxed) < 64 * 1024, "{taken:?}");
    drop(server);
}

/// What the head says is what is done.
#[test]
fn head_of_a_body_that_ends_with_its_connection() {
    let (server, _) = server_of(|| pieces(&["one"]));
    let mut client = server.connect();
    client.send("HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(client.head().closes());
    assert!(client.is_closed());
}

/// RFC 9112, section 6.3: to a client of 1.0 the end of the connection would be the end of the body.
#[test]
fn a_client_of_1_0_that_is_given_up_does_not_see_an_end() {
    for is_forced in [false, true] {
        let (router, _, dropped) = endless();
        let mut server = TestServer::with_router(router, move |server| match is_forced {
            true => server,
            false => server.timeouts(short_timeouts()),
        });
        let mut client = server.connect();
        client.send(GET_OLD);
        client.head();
        if is_forced {
            server.stop();
            server.force();
        }
        while dropped.load(Ordering::Relaxed) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(client.rest(), None, "a reset is what tells");
    }
}

/// A reader that takes something now and then, but less than the least rate, is given up as well.
#[test]
fn a_client_that_reads_too_slowly_is_given_up() {
    let (router, _, dropped) = endless();
    let server = TestServer::with_router(router, |server| {
        let limits = filch_http::Limits {
            body_rate: 1 << 40,
            ..filch_http::Limits::default()
        };
        server.timeouts(short_timeouts()).limits(limits)
    });
    let mut client = server.connect();
    client.send(GET);
    client.head();
    let mut read = 0;
    while dropped.load(Ordering::Relaxed) == 0 {
        read += client.try_bytes(256 * 1024);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(read > 0);
}

#[test]
fn a_client_that_goes_drops_the_body() {
    let (router, _, dropped) = endless();
    let server = TestServer::with_router(router, |server| server);
    let mut client = server.connect();
    client.send(GET);
    client.head();
    drop(client);
    while dropped.load(Ordering::Relaxed) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(server);
}

#[test]
fn draining_waits_for_a_body_that_ends() {
    let (release, released) = filch::sync::oneshot::channel::<()>();
    let released = Mutex::new(Some(released));
    let router = Router::new().get("/", move || {
        let released = released
            .lock()
            .expect("no panic")
            .take()
            .expect("one request");
        async move {
            let (mut sender, body) = Body::channel(1);
            filch::spawn(async move {
                sender.send("one").await?;
                let _ = released.await;
                sender.send("two").await?;
                sender.finish();
                Ok::<(), BodyClosed>(())
            })
            .detach();
            Response::new(body)
        }
    });
    let mut server = TestServer::with_router(router, |server| {
        server.drain_timeout(Duration::from_secs(600))
    });
    let mut client = server.connect();
    client.send(GET);
    client.head();
    assert_eq!(client.chunk().expect("a chunk"), b"one");
    server.stop();
    release.send(()).expect("it waits");
    assert_eq!(client.chunk().expect("a chunk"), b"two");
    assert_eq!(client.chunk(), None);
    assert_eq!(server.drained(), Drained::Clean);
}

#[test]
fn draining_cuts_off_a_body_without_end() {
    let (router, _, dropped) = endless();
    let mut server = TestServer::with_router(router, |server| {
        server.drain_timeout(Duration::from_millis(100))
    });
    let mut client = server.connect();
    client.send(GET);
    client.head();
    assert_eq!(server.drained(), Drained::Forced(1));
    let _ = client.rest();
    drop(server);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}
