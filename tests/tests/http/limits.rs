//! Limits on connections and requests, at n - 1, n and n + 1; what an overloaded server does; what its monitor says.

use crate::common::{Answer, Client, HANG, TestServer};
use filch::sync::Semaphore;
use filch::time::Duration;
use filch_http::{Limits, Listener, Request, Router, Server, StaticFiles, Timeouts};
use filch_net::inherit::Socket;
use filch_net::{TcpListener, TcpSocket};
use filch_tests::guard::eventually;
use filch_tests::limits::{descriptors, in_child};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HELD: &str = "GET /held HTTP/1.1\r\nHost: a\r\n\r\n";
const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

const IN_HANDLERS: &str = "filch_http_requests_in_handlers";
const QUEUED: &str = "filch_http_requests_queued";

fn limits(requests: usize, queue: usize) -> Limits {
    Limits {
        requests,
        queue,
        ..Limits::default()
    }
}

/// Routes with one that waits for the test, and one that is exempt.
fn held() -> (Router, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let of_handler = gate.clone();
    let held = move || {
        let gate = of_handler.clone();
        async move {
            gate.acquire().await.expect("it stays open").forget();
            "held"
        }
    };
    let router = Router::new()
        .get("/", async || "Hello, World!")
        .get("/held", held)
        .get("/healthz", async || "alive");
    (router, gate)
}

fn is_overload(answer: &Answer) -> bool {
    answer.status == 503 && answer.field("retry-after") == Some("1")
}

/// The first answer that is none of an overloaded server, each time on a connection of its own: for what frees up in a moment.
fn served_in_the_end(server: &TestServer) -> Answer {
    loop {
        let answer = server.answer(GET);
        if !is_overload(&answer) {
            return answer;
        }
    }
}

#[test]
fn n_connections_and_not_one_more() {
    for n in [1, 3] {
        let server = TestServer::with(move |server| {
            server.limits(Limits {
                connections: n,
                ..Limits::default()
            })
        });
        let mut members: Vec<_> = (0..n).map(|_| server.connect()).collect();
        for member in &mut members {
            member.send(GET);
            assert_eq!(member.answer().status, 200);
        }
        let mut beyond = server.connect();
        beyond.send(GET);
        let answer = beyond.answer();
        assert!(is_overload(&answer) && answer.closes(), "{answer:?}");
        beyond.half_close();
        assert!(beyond.is_closed());
        // The others are none the worse for it, and who goes makes room.
        for member in &mut members {
            member.send(GET);
            assert_eq!(member.answer().status, 200);
        }
        members.pop();
        assert_eq!(served_in_the_end(&server).status, 200);
        assert!(server.metric("filch_http_connections_rejected_total{reason=\"total\"}") > 0);
    }
}

/// From an address of its own; all of 127.0.0.0/8 is this machine.
fn connect_from(server: &TestServer, address: &str) -> Client {
    let runtime = filch::Runtime::new().expect("a runtime");
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4().expect("a socket");
        let address = format!("{address}:0").parse().expect("an address");
        socket.bind(address).expect("it is ours");
        let connected = socket.connect(server.addr).await;
        connected.expect("the server listens").into_std()
    });
    stream.set_nonblocking(false).expect("a socket");
    Client::of(stream)
}

#[test]
fn n_connections_of_an_address_and_not_one_more() {
    let server = TestServer::with(|server| {
        server.limits(Limits {
            connections_per_address: 2,
            ..Limits::default()
        })
    });
    let mut clients = Vec::new();
    for (address, status) in [
        ("127.0.0.2", 200),
        ("127.0.0.2", 200),
        ("127.0.0.2", 503),
        ("127.0.0.3", 200),
        ("127.0.0.3", 200),
        ("127.0.0.3", 503),
        ("127.0.0.1", 200),
    ] {
        let mut client = connect_from(&server, address);
        client.send(GET);
        assert_eq!(client.answer().status, status, "{address}");
        clients.push(client);
    }
    let rejected = server.metric("filch_http_connections_rejected_total{reason=\"address\"}");
    assert_eq!(rejected, 2);
}

/// Whoever asks whether a full server lives, is told.
#[test]
fn a_full_server_says_that_it_lives() {
    let (router, _gate) = held();
    let server = TestServer::with_router(router, |server| {
        server.limits(Limits {
            connections: 0,
            ..Limits::default()
        })
    });
    for _ in 0..3 {
        let mut client = server.connect();
        client.send(HEALTHZ);
        let answer = client.answer();
        assert_eq!((answer.text(), answer.closes()), ("alive", true));
        assert!(is_overload(&server.answer(GET)));
    }
}

/// The first byte of a head gives a guest no more time than its connection has.
#[test]
fn a_guest_that_is_slow_is_sent_off() {
    let server = TestServer::with(|server| {
        let long = HANG * 2;
        let timeouts = Timeouts {
            header: long,
            keep_alive: long,
            ..Timeouts::default()
        };
        let limits = Limits {
            connections: 0,
            ..Limits::default()
        };
        server.limits(limits).timeouts(timeouts)
    });
    for sent in ["", "G", "GET / HTTP/1.1\r\n"] {
        let mut client = server.connect();
        client.send(sent);
        let answer = client.answer();
        assert!(is_overload(&answer) && answer.closes(), "{answer:?}");
    }
    let rejected = "filch_http_requests_rejected_total{reason=\"connection_limit\"}";
    assert_eq!(server.metric(rejected), 3);
}

/// More connections than are even read: each is told, whether it asks or not.
#[test]
fn nobody_is_dropped_silently() {
    let server = TestServer::with(|server| {
        server.limits(Limits {
            connections: 0,
            ..Limits::default()
        })
    });
    let mut silent: Vec<_> = (0..400).map(|_| server.connect()).collect();
    for client in &mut silent {
        assert!(is_overload(&client.answer()));
    }
    drop(silent);
    server.wait_for("filch_http_connections", 0);
}

/// Routes with one that says when it begins to read its body, besides those of `held`.
fn reading() -> (Router, Arc<Semaphore>, mpsc::Receiver<()>) {
    let (begun, begins) = mpsc::channel();
    let (router, gate) = held();
    let read = move |mut request: Request| {
        let begun = begun.clone();
        async move {
            let _ = begun.send(());
            request.body().bytes().await
        }
    };
    (router.post("/read", read), gate, begins)
}

const POST: &str = "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";

#[test]
fn who_sends_no_body_keeps_nobody_out() {
    for part in ["", "bo"] {
        let (router, _gate, begins) = reading();
        let server = TestServer::with_router(router, |server| server.limits(limits(2, 1)));
        let mut silent: Vec<_> = (0..5).map(|_| server.connect()).collect();
        for client in &mut silent {
            client.send(POST);
            client.send(part);
            begins.recv_timeout(HANG).expect("it has its turn");
            server.wait_for(IN_HANDLERS, 0);
        }
        assert_eq!(server.status(GET), 200);
        for client in &mut silent {
            client.send(&"body"[part.len()..]);
            assert_eq!(client.answer().text(), "body");
        }
        server.wait_for(IN_HANDLERS, 0);
    }
}

#[test]
fn who_has_waited_for_its_client_waits_for_its_turn() {
    for is_served in [true, false] {
        let (router, gate, begins) = reading();
        let server = TestServer::with_router(router, move |server| {
            let timeouts = Timeouts {
                queue: if is_served {
                    HANG * 2
                } else {
                    Duration::from_millis(50)
                },
                ..Timeouts::default()
            };
            server.limits(limits(1, 0)).timeouts(timeouts)
        });
        let mut slow = server.connect();
        slow.send(POST);
        begins.recv_timeout(HANG).expect("it has its turn");
        server.wait_for(IN_HANDLERS, 0);
        let mut other = server.connect();
        other.send(HELD);
        server.wait_for(IN_HANDLERS, 1);
        slow.send("body");
        if is_served {
            server.wait_for(QUEUED, 1);
            gate.add_permits(1);
            assert_eq!(slow.answer().text(), "body");
        } else {
            assert!(is_overload(&slow.answer()));
            gate.add_permits(1);
        }
        assert_eq!(other.answer().text(), "held");
        server.wait_for(IN_HANDLERS, 0);
        server.wait_for(QUEUED, 0);
    }
}

#[test]
fn n_requests_and_q_that_wait_and_not_one_more() {
    for (n, q) in [(1, 0), (1, 1), (2, 1), (3, 2)] {
        let (router, gate) = held();
        let server = TestServer::with_router(router, move |server| {
            let timeouts = Timeouts {
                queue: HANG * 2,
                ..Timeouts::default()
            };
            server.limits(limits(n, q)).timeouts(timeouts)
        });
        let mut clients: Vec<_> = (0..n + q).map(|_| server.connect()).collect();
        for (at, client) in clients.iter_mut().enumerate() {
            client.send(HELD);
            server.wait_for(IN_HANDLERS, (at + 1).min(n) as u64);
            server.wait_for(QUEUED, (at + 1).saturating_sub(n) as u64);
        }
        // Turned away at once, again and again, on a connection that stays.
        let mut beyond = server.connect();
        for _ in 0..3 {
            beyond.send(GET);
            let answer = beyond.answer();
            assert!(is_overload(&answer) && !answer.closes(), "{answer:?}");
        }
        beyond.send(HEALTHZ);
        assert_eq!(beyond.answer().text(), "alive");
        // Who was admitted, and who has waited, is answered.
        gate.add_permits(n + q);
        for client in &mut clients {
            assert_eq!(client.answer().text(), "held");
        }
        beyond.send(GET);
        assert_eq!(beyond.answer().status, 200);
        let rejected = "filch_http_requests_rejected_total{reason=\"queue_full\"}";
        assert_eq!(
            (server.metric(rejected), server.metric(IN_HANDLERS)),
            (3, 0)
        );
    }
}

/// A refused request with a body leaves the connection as any other answer does.
#[test]
fn a_body_that_is_turned_away_is_passed_over() {
    let router = Router::new().post("/", async || "taken");
    let server = TestServer::with_router(router, |server| server.limits(limits(0, 0)));
    let mut client = server.connect();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
        let answer = client.answer();
        assert!(is_overload(&answer) && !answer.closes(), "{answer:?}");
        client.send("llo");
    }
    // One that waits to be invited is not.
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert!(is_overload(&client.answer()));
}

#[test]
fn who_waits_too_long_is_turned_away() {
    let (router, gate) = held();
    let server = TestServer::with_router(router, |server| {
        let timeouts = Timeouts {
            queue: Duration::from_millis(50),
            ..Timeouts::default()
        };
        server.limits(limits(1, 10)).timeouts(timeouts)
    });
    let mut first = server.connect();
    first.send(HELD);
    server.wait_for(IN_HANDLERS, 1);
    let mut second = server.connect();
    second.send(HELD);
    let answer = second.answer();
    assert!(is_overload(&answer) && !answer.closes(), "{answer:?}");
    assert_eq!(server.metric(QUEUED), 0);
    gate.add_permits(2);
    assert_eq!(first.answer().text(), "held");
    second.send(HELD);
    assert_eq!(second.answer().text(), "held");
}

/// Whoever is cut off, in the queue or in its handler, leaves nothing behind.
#[test]
fn who_is_cut_off_leaves_the_queue() {
    let (router, _gate) = held();
    let mut server = TestServer::with_router(router, |server| {
        let timeouts = Timeouts {
            queue: HANG * 2,
            ..Timeouts::default()
        };
        server.limits(limits(1, 1)).timeouts(timeouts)
    });
    let mut clients = [server.connect(), server.connect()];
    clients[0].send(HELD);
    server.wait_for(IN_HANDLERS, 1);
    clients[1].send(HELD);
    server.wait_for(QUEUED, 1);
    server.force();
    assert_eq!(server.drained(), filch_http::Drained::Forced(2));
    server.wait_for("filch_http_connections", 0);
    assert_eq!((server.metric(IN_HANDLERS), server.metric(QUEUED)), (0, 0));
}

struct CountsItsEnd(Arc<AtomicUsize>);

impl Drop for CountsItsEnd {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_handler_that_takes_too_long_is_503() {
    let ended = Arc::new(AtomicUsize::new(0));
    let of_handler = ended.clone();
    let router = Router::new()
        .get("/", async || "Hello, World!")
        .get("/never", move || {
            let ends = CountsItsEnd(of_handler.clone());
            async move {
                let _ends = &ends;
                std::future::pending::<&str>().await
            }
        });
    let server = TestServer::with_router(router, |server| {
        let timeouts = Timeouts {
            handler: Duration::from_millis(50),
            ..Timeouts::default()
        };
        server.limits(limits(1, 0)).timeouts(timeouts)
    });
    let mut client = server.connect();
    for round in 1..=2 {
        client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(is_overload(&client.answer()));
        assert_eq!(ended.load(Ordering::SeqCst), round);
        client.send(GET);
        assert_eq!(client.answer().status, 200, "it has given back its permit");
    }
    let rejected = "filch_http_requests_rejected_total{reason=\"handler_timeout\"}";
    assert_eq!(server.metric(rejected), 2);
}

/// The time of a handler counts from its beginning, however often it is woken.
#[test]
fn a_handler_that_is_busy_for_too_long_is_503() {
    let router = Router::new().get("/", async || {
        loop {
            filch::time::sleep(Duration::from_millis(5)).await;
        }
        #[expect(unreachable_code, reason = "it says what the handler would answer")]
        "never"
    });
    let server = TestServer::with_router(router, |server| {
        let timeouts = Timeouts {
            handler: Duration::from_millis(100),
            ..Timeouts::default()
        };
        server.timeouts(timeouts)
    });
    assert!(is_overload(&server.answer(GET)));
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("a number of kB")
}

/// Ten times as much as can be served: what is admitted is answered, the rest is told at once, memory stays as it is, and so does the server, after it.
#[test]
fn ten_times_the_capacity() {
    // By itself, for the sake of the memory that is looked at.
    in_child("limits::ten_times_the_capacity", overload);
}

fn overload() {
    const CAPACITY: usize = 8;
    const CLIENTS: usize = 10 * CAPACITY;
    const ROUNDS: usize = 100;
    let (inside, most, begun) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let counters = (inside.clone(), most.clone(), begun.clone());
    let router = Router::new()
        .get("/healthz", async || "alive")
        .get("/", move || {
            let (inside, most, begun) = counters.clone();
            async move {
                begun.fetch_add(1, Ordering::SeqCst);
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                filch::time::sleep(Duration::from_millis(5)).await;
                inside.fetch_sub(1, Ordering::SeqCst);
                "served"
            }
        });
    let server = TestServer::with_router(router, |server| {
        let timeouts = Timeouts {
            queue: HANG * 2,
            ..Timeouts::default()
        };
        server
            .limits(limits(CAPACITY / 2, CAPACITY / 2))
            .timeouts(timeouts)
    });
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
    let (mut served, mut turned_away) = (0, 0);
    let mut resident = 0;
    for round in 0..ROUNDS {
        for client in &mut clients {
            client.send(GET);
        }
        for client in &mut clients {
            let answer = client.answer();
            match answer.status {
                200 => served += 1,
                _ if is_overload(&answer) && !answer.closes() => turned_away += 1,
                _ => panic!("{answer:?}"),
            }
        }
        if round == ROUNDS / 10 {
            resident = resident_kb();
        }
    }
    assert_eq!(most.load(Ordering::SeqCst), CAPACITY / 2);
    assert_eq!(
        begun.load(Ordering::SeqCst),
        served,
        "who begins is answered"
    );
    assert!(served >= ROUNDS * CAPACITY / 2, "{served}");
    assert!(turned_away > 0, "there was too much");
    let grown = resident_kb().saturating_sub(resident);
    assert!(grown < 32 * 1024, "{grown} kB more than after a tenth");
    // And then all is as before.
    for client in &mut clients {
        client.send(GET);
        assert_eq!(client.answer().text(), "served");
    }
    assert_eq!((server.metric(IN_HANDLERS), server.metric(QUEUED)), (0, 0));
}

/// An admin listener answers whatever becomes of the others, and until the end.
#[test]
fn the_admin_listener_is_not_overloaded() {
    let (sender, admin) = mpsc::channel();
    let (router, _gate) = held();
    let mut server = TestServer::with_router(router, move |server| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        sender
            .send(listener.local_addr().expect("bound"))
            .expect("the test waits");
        let listener = TcpListener::from_std(listener).expect("a runtime");
        server
            .limits(Limits {
                connections: 1,
                ..limits(1, 0)
            })
            .admin(listener)
            .drain_timeout(HANG * 2)
    });
    let admin = admin.recv().expect("it has begun");
    let ask = |path: &str| {
        let mut client = Client::of(std::net::TcpStream::connect(admin).expect("it listens"));
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.answer()
    };
    let mut client = server.connect();
    client.send(HELD);
    server.wait_for(IN_HANDLERS, 1);
    assert_eq!((ask("/healthz").status, ask("/readyz").status), (200, 200));
    let metrics = ask("/metrics");
    assert!(
        metrics
            .text()
            .contains("\nfilch_http_requests_in_handlers 1\n")
    );
    assert_eq!(
        metrics.field("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(ask("/").status, 404);
    server.stop();
    while server.monitor.is_ready() {
        std::thread::yield_now();
    }
    assert_eq!((ask("/healthz").status, ask("/readyz").status), (200, 503));
    server.force();
    assert_eq!(server.drained(), filch_http::Drained::Forced(1));
    assert!(std::net::TcpStream::connect(admin).is_err());
}

#[test]
fn many_listeners_of_each_kind() {
    let (sender, addr) = mpsc::channel();
    let name = format!("\0filch-http-{}", std::process::id());
    let (unix, stays) = (name.clone(), name);
    let server = TestServer::with(move |server: Server| {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        sender
            .send(tcp.local_addr().expect("bound"))
            .expect("the test waits");
        // As a manager hands it over.
        let tcp = Listener::try_from(Socket::TcpListener(tcp)).expect("a listener");
        let unix = filch_net::UnixListener::bind(unix).expect("a free name");
        server.listen(tcp).listen(unix)
    });
    let other = addr.recv().expect("it has begun");
    let mut client = Client::of(std::net::TcpStream::connect(other).expect("it listens"));
    client.send(GET);
    assert_eq!(client.answer().text(), "Hello, World!");
    assert_eq!(server.answer(GET).text(), "Hello, World!");
    let address = {
        use std::os::linux::net::SocketAddrExt;
        std::os::unix::net::SocketAddr::from_abstract_name(&stays[1..]).expect("a name")
    };
    let mut unix = UnixStream::connect_addr(&address).expect("it listens");
    unix.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .expect("it reads");
    let mut answer = String::new();
    unix.read_to_string(&mut answer)
        .expect("an answer, then the end");
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("Hello, World!"),
        "{answer}"
    );
}

/// Clients that ask for a large file and read nothing of it: some get one, the others are told to come back, and neither takes a descriptor that a connection needs.
#[test]
fn files_leave_descriptors_for_connections() {
    in_child(
        "limits::files_leave_descriptors_for_connections",
        many_slow_readers,
    );
}

fn many_slow_readers() {
    const DESCRIPTORS: usize = 400;
    const CLIENTS: usize = 100;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let large = std::fs::File::create(folder.path().join("large")).expect("created");
    large.set_len(64 << 20).expect("a file of holes");
    drop(large);
    descriptors(DESCRIPTORS).expect("fewer are always allowed");
    let files = StaticFiles::new(folder.path()).expect("a folder");
    let router = Router::new()
        .get("/", async || "Hello, World!")
        .get("/{*path}", files);
    let server = TestServer::with_router(router, |server| {
        server.limits(Limits {
            connections: 300,
            ..Limits::default()
        })
    });
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
    let mut statuses = [0, 0];
    for client in &mut clients {
        client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.head();
        assert!(answer.status == 200 || is_overload(&answer), "{answer:?}");
        statuses[usize::from(answer.status == 503)] += 1;
    }
    // Of 400, 300 are for connections and 50 for guests.
    assert_eq!(statuses, [25, 75]);
    assert_eq!(server.answer(GET).status, 200);
    // Who goes makes room.
    drop(clients);
    server.wait_for("filch_http_connections", 0);
    let mut client = server.connect();
    client.send("GET /large HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n\r\n");
    assert_eq!(client.answer().body, [0, 0]);
}

#[test]
fn a_stream_is_no_listener() {
    let (one, _other) = UnixStream::pair().expect("two sockets");
    let error = Listener::try_from(Socket::UnixStream(one)).expect_err("it does not listen");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn what_is_counted() {
    let server = TestServer::start();
    let mut client = server.connect();
    for (path, status) in [("/", 200), ("/nothing", 404), ("/panic", 500)] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.answer().status, status);
    }
    server.status("BAD\r\n\r\n");
    let responses = ["2xx", "4xx", "5xx"]
        .map(|class| server.metric(&format!("filch_http_responses_total{{status=\"{class}\"}}")));
    assert_eq!(responses, [1, 2, 1]);
    assert_eq!(server.metric("filch_http_connections_accepted_total"), 2);
    assert_eq!(server.metric("filch_http_handler_seconds_count"), 3);
    assert!(server.metric("filch_http_received_bytes_total") > 90);
    // A write is counted when it has returned, and its client may have read all of it before.
    eventually("what was sent is counted", || {
        (server.metric("filch_http_sent_bytes_total") > 300).then_some(())
    });
}
