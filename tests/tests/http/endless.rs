//! Answers that outlast their handlers, and the books: when a permit comes back, when the log is told, and how they learn that the server ends.

use crate::common::TestServer;
use filch::time::{Duration, sleep};
use filch_http::{Body, Drained, Event, Limits, Request, Response, Router, Sse, Upgraded};
use filch_tests::guard::eventually;
use futures_lite::{AsyncWriteExt, stream};
use std::convert::Infallible;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;

/// No phase that a test looks at ends by itself.
const LONG: Duration = Duration::from_secs(3600);

/// One piece, and then nothing for ever.
fn once(text: &'static str) -> impl stream::Stream<Item = Result<&'static str, Infallible>> {
    stream::unfold(Some(text), |text| async move {
        match text {
            Some(text) => Some((Ok(text), None)),
            None => std::future::pending().await,
        }
    })
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn routes() -> Router {
    Router::new()
        .get("/", async || "Hello, World!")
        .get("/body", async || {
            Response::new(Body::stream(once("piece")).until_drain())
        })
        .get("/announced", async || {
            Response::new(Body::stream(once("piece")).with_length(9).until_drain())
        })
        .get("/events", async || {
            let events = stream::once(Ok::<_, Infallible>(Event::data("1")));
            Sse::new(stream::StreamExt::chain(events, stream::pending()))
        })
        .get("/told", async |request: Request| {
            let draining = request.draining();
            drop(request);
            draining.cancelled().await;
            "until the end"
        })
        .get("/other", async || {
            Response::upgrade("other", async |mut stream: Upgraded| {
                stream.draining().cancelled().await;
                let _ = stream.write_all(b"goodbye").await;
            })
        })
}

/// What is there when the server begins to drain is sent before the end.
#[test]
fn a_body_without_end_gives_what_it_has() {
    let is_open = Arc::new(AtomicBool::new(false));
    let of_body = is_open.clone();
    let router = Router::new().get("/", move || {
        let is_open = of_body.clone();
        let mut pieces = ["two", "three"].into_iter();
        let rest = stream::poll_fn(move |_| match is_open.load(Ordering::SeqCst) {
            true => pieces
                .next()
                .map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(piece)))),
            false => Poll::Pending,
        });
        let first = stream::once(Ok::<_, Infallible>("one"));
        let body = Body::stream(stream::StreamExt::chain(first, rest)).until_drain();
        async move { Response::new(body) }
    });
    let mut server = TestServer::with_router(router, |server| server.drain_timeout(LONG));
    let mut client = server.connect();
    client.send(get("/"));
    assert_eq!(client.head().status, 200);
    assert_eq!(client.chunk().as_deref(), Some(&b"one"[..]));
    is_open.store(true, Ordering::SeqCst);
    server.stop();
    for piece in ["two", "three"] {
        assert_eq!(client.chunk().as_deref(), Some(piece.as_bytes()));
    }
    assert_eq!(client.chunk(), None);
    client.half_close();
    assert_eq!(server.drained(), Drained::Clean);
}

/// Also one that has always more.
#[test]
fn a_body_that_is_always_ready_ends_with_the_server() {
    let router = Router::new().get("/", async || {
        Response::new(Body::stream(stream::repeat(Ok::<_, Infallible>("x"))).until_drain())
    });
    let mut server = TestServer::with_router(router, |server| server.drain_timeout(LONG));
    let mut client = server.connect();
    client.send(get("/"));
    assert_eq!(client.head().status, 200);
    server.stop();
    while client.chunk().is_some() {}
    client.half_close();
    assert_eq!(server.drained(), Drained::Clean);
}

#[test]
fn bodies_without_end_end_with_the_server() {
    let mut server = TestServer::with_router(routes(), |server| server.drain_timeout(LONG));
    for (path, begins) in [("/body", "piece"), ("/events", "data: 1\n\n")] {
        let mut client = server.connect();
        client.send(get(path));
        assert_eq!(client.head().status, 200, "{path}");
        assert_eq!(client.chunk().as_deref(), Some(begins.as_bytes()), "{path}");
        // Of another client of the same kind, which hears of it in the same way but has no chunks.
        let mut old = server.connect();
        old.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
        assert_eq!(old.head().status, 200, "{path}");
        assert_eq!(old.bytes(begins.len()), begins.as_bytes(), "{path}");
        if path == "/events" {
            server.stop();
            assert_eq!(client.chunk(), None);
            assert_eq!(client.line(), "", "a proper end");
            client.half_close();
            old.half_close();
            assert!(client.is_closed() && old.is_closed());
        } else {
            drop((client, old));
        }
    }
    assert_eq!(server.drained(), Drained::Clean);
}

/// What was announced must come: such a body cannot end before.
#[test]
fn an_announced_length_is_not_cut_short_by_a_drain() {
    let mut server = TestServer::with_router(routes(), |server| {
        server.drain_timeout(Duration::from_millis(50))
    });
    let mut client = server.connect();
    client.send(get("/announced"));
    assert_eq!(client.head().field("content-length"), Some("9"));
    assert_eq!(client.bytes(5), b"piece");
    assert_eq!(server.drained(), Drained::Forced(1));
    assert!(client.is_closed());
}

#[test]
fn handlers_and_other_protocols_learn_of_a_drain() {
    let mut server = TestServer::with_router(routes(), |server| server.drain_timeout(LONG));
    let mut told = server.connect();
    told.send(get("/told"));
    let mut other = server.connect();
    other.send("GET /other HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n");
    assert_eq!(other.head().status, 101);
    server.wait_for("filch_http_requests_in_handlers", 1);
    server.stop();
    assert_eq!(told.answer().text(), "until the end");
    assert_eq!(other.bytes(7), b"goodbye");
    told.half_close();
    assert!(told.is_closed() && other.is_closed());
    assert_eq!(server.drained(), Drained::Clean);
}

/// A token that a working set has kept is that of the server that uses it now.
#[test]
fn a_request_has_the_token_of_its_own_server() {
    filch::runtime::Builder::new()
        .worker_threads(1)
        .build()
        .expect("a runtime")
        .block_on(async {
            for _ in 0..2 {
                let server = filch_http::Server::bind("127.0.0.1:0")
                    .await
                    .expect("a port");
                let addr = server.local_addr().expect("an address");
                let (ended, seen) = filch::sync::oneshot::channel();
                let ended = std::sync::Arc::new(filch::sync::Mutex::new(Some(ended)));
                let server = server.router(Router::new().get("/", move |request: Request| {
                    let ended = ended.clone();
                    async move {
                        let is_draining = request.draining().is_cancelled();
                        if let Some(ended) = ended.lock().await.take() {
                            let _ = ended.send(());
                        }
                        is_draining.to_string()
                    }
                }));
                let stop = async {
                    let _ = seen.await;
                };
                let serving = filch::spawn(async move {
                    let mut stream = filch_net::TcpStream::connect(addr)
                        .await
                        .expect("it listens");
                    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
                    stream.write_all(request).await.expect("it reads");
                    let mut answer = String::new();
                    futures_lite::AsyncReadExt::read_to_string(&mut stream, &mut answer)
                        .await
                        .expect("it answers");
                    assert!(answer.ends_with("\r\n\r\nfalse"), "{answer}");
                });
                let _drained = server
                    .serve_with_shutdown(stop)
                    .await
                    .expect("nothing fails");
                serving.await.expect("no panic");
            }
        });
}

/// A client that never reads holds a connection, but not the permit of a request.
#[test]
fn a_body_on_its_way_holds_no_permit() {
    let server = TestServer::with_router(routes(), |server| {
        server.limits(Limits {
            requests: 1,
            queue: 0,
            ..Limits::default()
        })
    });
    let mut streams = [server.connect(), server.connect()];
    for client in &mut streams {
        client.send(get("/body"));
        assert_eq!(client.head().status, 200);
    }
    assert_eq!(server.answer(&get("/")).status, 200);
    assert_eq!(server.metric("filch_http_requests_in_handlers"), 0);
    assert_eq!(
        server.metric("filch_http_responses_total{status=\"2xx\"}"),
        3
    );
}

/// The time of a handler ends with its answer: a body may take longer.
#[test]
fn a_body_has_more_time_than_its_handler() {
    let slow = stream::unfold(0, |n| async move {
        sleep(Duration::from_millis(40)).await;
        (n < 4).then(|| (Ok::<_, Infallible>("x"), n + 1))
    });
    let slow = std::sync::Arc::new(filch::sync::Mutex::new(Some(slow)));
    let router = Router::new().get("/", move || {
        let slow = slow.clone();
        async move {
            let slow = slow.lock().await.take().expect("asked once");
            Response::new(Body::stream(slow))
        }
    });
    let server = TestServer::with_router(router, |server| {
        server.timeouts(filch_http::Timeouts {
            handler: Duration::from_millis(50),
            ..Default::default()
        })
    });
    let answer = server.answer(&get("/"));
    assert_eq!((answer.status, answer.text()), (200, "xxxx"));
}

#[test]
fn the_access_log_is_told_at_the_end_of_a_body() {
    let (sender, lines) = mpsc::channel();
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(b"0123456789").expect("written");
    let file = std::sync::Arc::new(file);
    let router = routes()
        .get("/count", async || {
            let lines = ["one", "two", ""].map(Ok::<_, Infallible>);
            Response::new(Body::stream(stream::iter(lines)))
        })
        .get("/cut", async || {
            let pieces = [Ok("one"), Err("on purpose")];
            Response::new(Body::stream(stream::iter(pieces)))
        })
        .get("/file", move || {
            std::future::ready(Response::new(Body::file(file.clone(), 2..9)))
        });
    let mut server = TestServer::with_router(router, move |server| {
        server.error_log(|_| ()).access_log(move |access| {
            let status = access.status.as_u16();
            let line = format!("{} {status} {}", access.target, access.body_bytes);
            let _ = sender.send(line);
        })
    });
    for (request, line) in [
        (get("/count"), "/count 200 6"),
        (get("/file"), "/file 200 7"),
        (get("/"), "/ 200 13"),
    ] {
        assert_eq!(server.answer(&request).status, 200);
        assert_eq!(lines.recv().expect("logged"), line);
    }
    let mut client = server.connect();
    client.send("HEAD /count HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().status, 200);
    assert_eq!(lines.recv().expect("logged"), "/count 200 0");
    // Of one that was cut off, what came of it.
    let mut client = server.connect();
    client.send(get("/cut"));
    assert_eq!(client.head().status, 200);
    assert_eq!(lines.recv().expect("logged"), "/cut 200 3");
    // Of one without end, nothing until it ends.
    let mut client = server.connect();
    client.send(get("/body"));
    assert_eq!(client.head().status, 200);
    assert_eq!(client.bytes(10), b"5\r\npiece\r\n");
    assert!(lines.try_recv().is_err(), "it goes on");
    server.stop();
    assert_eq!(lines.recv().expect("logged"), "/body 200 5");
}

/// What the kernel sends by itself is counted like what is written.
#[test]
fn files_are_counted_among_the_bytes_sent() {
    const BYTES: u64 = 300_000;
    let file = tempfile::tempfile().expect("a temporary file");
    file.set_len(BYTES).expect("made longer");
    let file = std::sync::Arc::new(file);
    let router = Router::new().get("/", move || {
        std::future::ready(Response::new(Body::file(file.clone(), 0..BYTES)))
    });
    let server = TestServer::with_router(router, |server| server);
    assert_eq!(server.answer(&get("/")).body.len() as u64, BYTES);
    // What has been sent is counted when the call has come back, and the client may be faster.
    let sent = eventually("it is counted", || {
        let sent = server.metric("filch_http_sent_bytes_total");
        (sent >= BYTES).then_some(sent)
    });
    assert!(sent < BYTES + 1000, "{sent}");
}
