//! Deadlines and the end of a server, over sockets.

use crate::common::{TestServer, short_timeouts};
use filch::sync::Notify;
use filch_http::{BodyError, Drained, Request, Router, Server};
use std::future::poll_fn;
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::{Duration, Instant};

/// The opposite is what is tested here: that something takes time. The bound above is only a guard against hanging.
fn took_at_least(since: Instant, least: Duration) {
    let took = since.elapsed();
    assert!(took >= least && took < crate::common::HANG, "{took:?}");
}

#[test]
fn a_slow_head_is_408() {
    let server = TestServer::with(|server| server.timeouts(short_timeouts()));
    let mut client = server.connect();
    let began = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nA:");
    let answer = client.answer();
    took_at_least(began, short_timeouts().header);
    assert_eq!((answer.status, answer.closes()), (408, true));
    client.half_close();
    assert!(client.is_closed());
}

/// The time of a head counts from its first byte: sending more does not prolong it.
#[test]
fn a_trickling_head_is_408() {
    let server = TestServer::with(|server| server.timeouts(short_timeouts()));
    let mut client = server.connect();
    let head = *b"GET / HTTP/1.1\r\nA: ";
    let trickle = client.trickle(head.into_iter().chain(std::iter::repeat_n(b'v', 100_000)));
    assert_eq!(client.answer().status, 408);
    let _ = client.stream.shutdown(std::net::Shutdown::Both);
    trickle.join().expect("no panic");
}

/// Nor does it prolong the time after the last answer, or that of a body which nobody wants.
#[test]
fn trickling_on_does_not_keep_a_connection() {
    let server = TestServer::with(|server| {
        let mut timeouts = short_timeouts();
        timeouts.keep_alive = Duration::from_secs(60);
        server.timeouts(timeouts)
    });
    for (request, status) in [
        ("BAD\r\n\r\n", 400),
        (
            "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
            200,
        ),
    ] {
        let mut client = server.connect();
        client.send(request);
        assert_eq!(client.answer().status, status);
        // It ends only when the server has closed the connection.
        let trickle = client.trickle(std::iter::repeat_n(b'v', 50_000));
        trickle.join().expect("no panic");
        assert!(client.rest().is_none_or(|rest| rest.is_empty()));
    }
}

/// The second head on a connection has its own time.
#[test]
fn the_time_of_a_head_begins_anew() {
    let server = TestServer::with(|server| {
        let mut timeouts = short_timeouts();
        timeouts.keep_alive = Duration::from_secs(60);
        timeouts.header = Duration::from_secs(2);
        server.timeouts(timeouts)
    });
    let mut client = server.connect();
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\n");
        // Three of these are longer than one head may take, and one is much shorter.
        std::thread::sleep(Duration::from_millis(700));
        client.send("Host: a\r\n\r\n");
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn an_idle_connection_is_closed_silently() {
    let server = TestServer::with(|server| server.timeouts(short_timeouts()));
    let mut fresh = server.connect();
    let mut used = server.connect();
    let began = Instant::now();
    used.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(used.answer().status, 200);
    assert!(used.is_closed());
    took_at_least(began, short_timeouts().keep_alive);
    assert!(fresh.is_closed());
}

/// A connection that is used stays, however long.
#[test]
fn use_keeps_a_connection() {
    // Long beside the pauses, however busy the machine is.
    let keep_alive = Duration::from_secs(1);
    let server = TestServer::with(move |server| server.keepalive_timeout(keep_alive));
    let mut client = server.connect();
    let began = Instant::now();
    while began.elapsed() < keep_alive * 2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().status, 200);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A handler has the time it wants, whatever the limits on clients.
#[test]
fn handlers_are_not_hurried() {
    let server = TestServer::with(|server| server.timeouts(short_timeouts()));
    assert_eq!(
        server
            .answer("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            .text(),
        "slow"
    );
}

#[test]
fn a_slow_body_is_408() {
    let server = TestServer::with(|server| server.timeouts(short_timeouts()));
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    let answer = client.answer();
    assert_eq!((answer.status, answer.closes()), (408, true));
    client.half_close();
    assert!(client.is_closed());
}

/// The task that reads a body may change while it waits: the deadline wakes the one that reads it now.
#[test]
fn a_slow_body_is_noticed_by_another_task() {
    let (sender, results) = mpsc::channel();
    let read = move |mut request: Request| {
        let sender = sender.clone();
        async move {
            poll_once(request.body().chunk()).await;
            let reader = filch::spawn(async move {
                let _ = sender.send(request.body().bytes().await);
            });
            let _ = reader.await;
            "another task has read it"
        }
    };
    let server = TestServer::with_router(Router::new().post("/", read), |server| {
        server.timeouts(short_timeouts())
    });
    let mut client = server.connect();
    let began = Instant::now();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    let result = results.recv_timeout(crate::common::HANG);
    assert_eq!(result.expect("it ends"), Err(BodyError::Timeout));
    took_at_least(began, short_timeouts().body);
}

async fn poll_once<F: Future>(future: F) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

/// A client that reads nothing does not keep its connection for ever.
#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let server = TestServer::with(|server| server.timeouts(short_timeouts()));
    let mut client = server.connect();
    let request = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    client.send(request);
    std::thread::sleep(short_timeouts().write * 4);
    let rest = client.rest().unwrap_or_default();
    assert!(rest.len() < 100 * 300_000, "cut off at {}", rest.len());
}

#[test]
fn drain_closes_the_idle_and_finishes_the_busy() {
    let goes_on = Arc::new(Notify::new());
    let waits = goes_on.clone();
    let routes = Router::new()
        .get("/", async || "Hello, World!")
        .get("/wait", move || {
            let waits = waits.clone();
            async move {
                waits.notified().await;
                "waited"
            }
        });
    let mut server = TestServer::with_router(routes, |server| server);
    let mut idle = server.connect();
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.answer().status, 200);
    let mut busy = server.connect();
    busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for("filch_http_requests_in_handlers", 1);
    server.stop();
    assert!(idle.is_closed());
    goes_on.notify_one();
    let answer = busy.answer();
    assert_eq!((answer.text(), answer.closes()), ("waited", true));
    assert!(busy.is_closed());
    let addr = server.addr;
    assert_eq!(server.join(), Drained::Clean);
    assert!(std::net::TcpStream::connect(addr).is_err());
}

/// A listener that will never accept anybody again ends the server, which says so, instead of turning in circles.
#[test]
fn a_server_ends_with_its_listener() {
    let served = TestServer::start();
    let mut client = served.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // A stream is no listener: accept(2) says EINVAL.
    let impostor = std::net::TcpListener::from(std::os::fd::OwnedFd::from(client.stream));
    let runtime = filch::Runtime::new().expect("a runtime");
    let ended = runtime.block_on(async {
        let listener = filch_net::TcpListener::from_std(impostor).expect("a descriptor");
        Server::from_listener(listener).serve().await
    });
    let error = ended.expect_err("nobody can be accepted");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{error}");
}

#[test]
fn a_server_ends_with_its_runtime() {
    let runtime = filch::Runtime::new().expect("a runtime");
    let handle = runtime.handle().clone();
    let (bound, is_bound) = mpsc::channel();
    let (ended, result) = mpsc::channel();
    std::thread::spawn(move || {
        let result = handle.block_on(async {
            let server = Server::bind("127.0.0.1:0").await.expect("a free port");
            let _ = bound.send(());
            server.serve().await
        });
        let _ = ended.send(result);
    });
    is_bound.recv().expect("it begins");
    drop(runtime);
    let result = result.recv_timeout(crate::common::HANG);
    assert!(result.expect("it ends").is_err());
}

#[test]
fn drain_ends_at_its_deadline() {
    let mut server = TestServer::with(|server| server.drain_timeout(Duration::from_millis(200)));
    let mut stuck = server.connect();
    stuck.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for("filch_http_requests_in_handlers", 1);
    let began = Instant::now();
    server.stop();
    assert_eq!(server.join(), Drained::Forced(1));
    took_at_least(began, Duration::from_millis(200));
    assert!(stuck.rest().is_none_or(|rest| rest.is_empty()));
}

/// A connection that is cut off within an upload closes its socket at once, not with the next use of its memory.
#[test]
fn a_cut_off_upload_closes_its_socket() {
    let mut server = TestServer::with(|server| server.drain_timeout(Duration::from_millis(100)));
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.drained(), Drained::Forced(1));
    assert!(client.rest().is_none_or(|rest| rest.is_empty()));
}

/// Who has sent half a head when the server ends has a second for the rest, not all of the time for draining.
#[test]
fn drain_does_not_wait_for_a_head() {
    let mut server = TestServer::with(|server| {
        server
            .header_timeout(crate::common::HANG)
            .drain_timeout(crate::common::HANG)
    });
    let mut slow = server.connect();
    slow.send("GET / HTTP/1.1\r\n");
    let mut quick = server.connect();
    quick.send("GET / HTTP/1.1\r\n");
    std::thread::sleep(Duration::from_millis(100));
    server.stop();
    // Until it has heard of that.
    std::thread::sleep(Duration::from_millis(200));
    quick.send("Host: a\r\n\r\n");
    for (client, status) in [(&mut quick, 200), (&mut slow, 408)] {
        let answer = client.answer();
        assert_eq!((answer.status, answer.closes()), (status, true));
        client.half_close();
    }
    assert_eq!(server.join(), Drained::Clean);
}

/// A client that has its answer, and leaves its connection open, was not cut off.
#[test]
fn a_connection_that_lingers_was_answered() {
    let mut server = TestServer::with(|server| {
        let timeouts = filch_http::Timeouts {
            linger: crate::common::HANG,
            ..Default::default()
        };
        server
            .timeouts(timeouts)
            .drain_timeout(Duration::from_millis(200))
    });
    let mut client = server.connect();
    client.send("BAD\r\n\r\n");
    assert_eq!(client.answer().status, 400);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.drained(), Drained::Clean);
}

/// The rest of a large body comes slowly, and its client looks at the answer when it has sent all.
#[test]
fn a_slow_upload_is_answered_early_and_not_reset() {
    let server = TestServer::with(|server| {
        server.timeouts(filch_http::Timeouts {
            linger: Duration::from_secs(1),
            ..Default::default()
        })
    });
    let mut client = server.connect();
    client.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
    for _ in 0..25 {
        client.send("some of it");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(client.answer().text(), "ignored");
    client.half_close();
    assert!(client.is_closed());
}

/// A request that has come is answered, also if the server ends before anybody has looked at it.
#[test]
fn drain_answers_what_has_come() {
    let routes = Router::new()
        .get("/", async || "Hello, World!")
        .get("/block", async || {
            std::thread::sleep(Duration::from_millis(300));
            "done"
        });
    let mut server = TestServer::with_router(routes, |server| server);
    let mut idle: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &mut idle {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().status, 200);
    }
    let mut busy = [server.connect(), server.connect()];
    for client in &mut busy {
        client.send("GET /block HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    std::thread::sleep(Duration::from_millis(100));
    // No worker looks now. A spare one may, and answer before the server has begun to end: then the connection ends behind the answer.
    for client in &mut idle {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    server.stop();
    for client in idle.iter_mut().chain(&mut busy) {
        let answer = client.answer();
        assert_eq!(answer.status, 200);
        assert!(answer.closes() || client.is_closed(), "{answer:?}");
        client.half_close();
    }
    assert_eq!(server.join(), Drained::Clean);
}

/// What the kernel has accepted is served, also if the server never came to it.
#[test]
fn drain_serves_the_queue() {
    let runtime = filch::Runtime::new().expect("a runtime");
    let drained = runtime.block_on(async {
        let server = Server::bind("127.0.0.1:0").await.expect("a free port");
        let addr = server.local_addr().expect("an address");
        let clients = (0..3).map(|_| {
            let mut client = std::net::TcpStream::connect(addr).expect("it listens");
            client
                .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                .expect("it is connected");
            client
        });
        let clients: Vec<_> = clients.collect();
        let answered = filch::spawn_blocking(move || {
            for mut client in clients {
                let mut answer = [0; 12];
                client.read_exact(&mut answer).expect("no reset");
                assert_eq!(&answer, b"HTTP/1.1 404");
            }
        });
        let drained = server.serve_with_shutdown(async {}).await;
        answered.await.expect("all were answered");
        drained
    });
    assert_eq!(drained.expect("nothing fails"), Drained::Clean);
}

/// Without keep-alive, the first request has its time all the same.
#[test]
fn no_keep_alive_is_one_request_each() {
    let server = TestServer::with(|server| server.keepalive_timeout(Duration::ZERO));
    let mut client = server.connect();
    std::thread::sleep(Duration::from_millis(50));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.closes()), (200, true));
}

/// Handlers that block take none of the time that the client has for the next request.
#[test]
fn keep_alive_begins_after_the_last_answer() {
    let routes = Router::new().get("/", async || {
        std::thread::sleep(Duration::from_millis(1200));
        "done"
    });
    let server = TestServer::with_router(routes, |server| {
        server.keepalive_timeout(Duration::from_secs(1))
    });
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2));
    for _ in 0..2 {
        assert_eq!(client.answer().status, 200);
    }
    std::thread::sleep(Duration::from_millis(20));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 200);
}
