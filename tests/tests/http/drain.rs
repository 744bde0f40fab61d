//! The end of a server, phase by phase. (What draining does to idle, half-sent and queued connections is in `deadlines`.)

use crate::common::{HANG, TestServer};
use filch::time::Duration;
use filch_http::{Drained, Router};
use filch_tests::limits::{descriptors, in_child};
use std::fs::File;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const READYZ: &str = "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n";

/// No phase that a test looks at ends by itself.
const LONG: Duration = Duration::from_secs(3600);

fn is_told_to_stop(server: &mut TestServer) {
    server.stop();
    while server.monitor.is_ready() {
        std::thread::yield_now();
    }
}

#[test]
fn not_ready_serves_as_before() {
    let mut server = TestServer::with(|server| {
        let routes = crate::common::routes().get("/readyz", server.monitor().readyz());
        server.router(routes).not_ready_for(LONG)
    });
    let mut before = server.connect();
    before.send(READYZ);
    assert_eq!(before.answer().status, 200);
    is_told_to_stop(&mut server);
    for mut client in [before, server.connect()] {
        client.send(READYZ);
        assert_eq!(client.answer().status, 503);
        client.send(GET);
        let answer = client.answer();
        assert_eq!((answer.status, answer.closes()), (200, false));
    }
    server.force();
    let _drained = server.drained();
}

#[test]
fn a_lame_duck_serves_once_more() {
    let mut server = TestServer::with(|server| server.lame_duck_for(LONG));
    let mut before = server.connect();
    before.send(GET);
    assert!(!before.answer().closes());
    is_told_to_stop(&mut server);
    // It goes from the one phase to the other in one go, but perhaps after it was seen not to be ready.
    let mut later = server.connect();
    let mut answer = ask(&mut later);
    while !answer.closes() {
        answer = ask(&mut later);
    }
    assert_eq!(answer.status, 200);
    let answer = ask(&mut before);
    assert_eq!((answer.status, answer.closes()), (200, true));
    let answer = server.answer(GET);
    assert_eq!((answer.status, answer.closes()), (200, true));
    server.force();
    drop((before, later));
    let _drained = server.drained();
}

fn ask(client: &mut crate::common::Client) -> crate::common::Answer {
    client.send(GET);
    client.answer()
}

/// One after the other, to the end: nobody has to force it.
#[test]
fn each_phase_ends() {
    let mut server = TestServer::with(|server| {
        let moment = Duration::from_millis(20);
        server.not_ready_for(moment).lame_duck_for(moment)
    });
    let mut idle = server.connect();
    assert_eq!(ask(&mut idle).status, 200);
    assert_eq!(server.drained(), Drained::Clean);
    assert!(idle.is_closed());
    assert!(TcpStream::connect(server.addr).is_err());
}

/// Handlers that would never end are told, and answer.
#[test]
fn streams_are_told_to_end() {
    let mut server = TestServer::with(|server| {
        let draining = server.monitor().draining();
        let routes = Router::new().get("/", move || {
            let draining = draining.clone();
            async move {
                draining.cancelled().await;
                "until the end"
            }
        });
        server.router(routes).drain_timeout(LONG)
    });
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        client.send(GET);
    }
    server.wait_for("filch_http_requests_in_handlers", 2);
    server.stop();
    for client in &mut clients {
        let answer = client.answer();
        assert_eq!((answer.text(), answer.closes()), ("until the end", true));
        client.half_close();
        assert!(client.is_closed());
    }
    assert_eq!(server.drained(), Drained::Clean);
}

/// A second signal cuts off what is left, in whichever phase, and says how much that was.
#[test]
fn force_ends_it_from_everywhere() {
    for phase in 0..3 {
        let mut server = TestServer::with(move |server| match phase {
            0 => server.not_ready_for(LONG).drain_timeout(LONG),
            1 => server.lame_duck_for(LONG).drain_timeout(LONG),
            _ => server.drain_timeout(LONG),
        });
        let mut clients = [server.connect(), server.connect()];
        for client in &mut clients {
            client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        server.wait_for("filch_http_requests_in_handlers", 2);
        is_told_to_stop(&mut server);
        server.force();
        assert_eq!(server.drained(), Drained::Forced(2), "{phase}");
        for client in &mut clients {
            assert!(client.rest().is_none_or(|rest| rest.is_empty()));
        }
        server.wait_for("filch_http_requests_in_handlers", 0);
    }
}

/// Without a descriptor for who waits to be accepted when it is told to stop: one who goes leaves theirs.
#[test]
fn who_waits_for_a_descriptor_is_served_in_the_end() {
    in_child(
        "drain::who_waits_for_a_descriptor_is_served_in_the_end",
        || {
            let mut server = TestServer::with(|server| server.drain_timeout(LONG));
            let mut members = [server.connect(), server.connect()];
            for member in &mut members {
                assert_eq!(ask(member).status, 200);
            }
            descriptors(200).expect("fewer are always allowed");
            let mut taken: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            // One for a client's end, and none for the server's.
            taken.pop();
            let mut waits = server.connect();
            waits.send(GET);
            while server.metric("filch_http_accept_pauses_total") == 0 {
                std::thread::yield_now();
            }
            server.stop();
            assert_eq!(waits.answer().status, 200);
            drop((waits, members));
            assert_eq!(server.drained(), Drained::Clean);
        },
    );
}

/// Told to stop under load: whatever has come to its handler is answered, and its client gets it.
#[test]
fn no_request_in_its_handler_is_lost() {
    const CLIENTS: usize = 16;
    let begun = Arc::new(AtomicUsize::new(0));
    let of_handler = begun.clone();
    let router = Router::new().get("/", move || {
        let before = of_handler.fetch_add(1, Ordering::SeqCst);
        async move {
            if before % 2 == 0 {
                filch::time::sleep(Duration::from_millis(1)).await;
            }
            "done"
        }
    });
    let mut server = TestServer::with_router(router, |server| server.drain_timeout(HANG * 2));
    let addr = server.addr;
    let client = move || {
        let mut answered = 0;
        // Until nobody listens any more; a connection that closes is followed by another.
        while let Ok(stream) = TcpStream::connect(addr) {
            answered += ask_until_closed(&stream);
        }
        answered
    };
    let clients: Vec<_> = (0..CLIENTS).map(|_| std::thread::spawn(client)).collect();
    while begun.load(Ordering::SeqCst) < 100 * CLIENTS {
        std::thread::yield_now();
    }
    assert_eq!(server.drained(), Drained::Clean);
    let answered = clients
        .into_iter()
        .map(|client| client.join().expect("no panic"));
    assert_eq!(answered.sum::<usize>(), begun.load(Ordering::SeqCst));
}

/// How many answers one connection gives.
fn ask_until_closed(mut stream: &TcpStream) -> usize {
    use std::io::{Read, Write};
    let mut answered = 0;
    let mut unread = Vec::new();
    while stream.write_all(GET.as_bytes()).is_ok() {
        loop {
            let mut piece = [0; 4096];
            match stream.read(&mut piece) {
                Ok(0) => return answered,
                Ok(count) => unread.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return answered,
            }
            if unread.ends_with(b"\r\n\r\ndone") {
                answered += 1;
                unread.clear();
                break;
            }
        }
    }
    answered
}
