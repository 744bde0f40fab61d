//! Connections that the kernel cannot give, or cannot watch: no such error ends a server. (With strace, where it may be used.)

use crate::common::TestServer;
use filch_http::Drained;
use filch_tests::surroundings::{Injection, with_failing_calls};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

const GET_FIRST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Every second `accept4` fails so.
fn accept_fails_with(name: &str, error: &str) {
    let injection = Injection {
        calls: "accept4",
        error,
        first: 1,
        step: 2,
    };
    with_failing_calls(&format!("faults::{name}"), injection, || {
        let server = TestServer::start();
        for _ in 0..8 {
            assert_eq!(server.answer(GET).text(), "Hello, World!");
        }
        assert_eq!(server.metric("filch_http_connections_accepted_total"), 8);
        assert_eq!(server.join(), Drained::Clean);
    });
}

#[test]
fn accept_emfile() {
    accept_fails_with("accept_emfile", "EMFILE");
}

#[test]
fn accept_enfile() {
    accept_fails_with("accept_enfile", "ENFILE");
}

#[test]
fn accept_enobufs() {
    accept_fails_with("accept_enobufs", "ENOBUFS");
}

#[test]
fn accept_enomem() {
    accept_fails_with("accept_enomem", "ENOMEM");
}

#[test]
fn accept_econnaborted() {
    accept_fails_with("accept_econnaborted", "ECONNABORTED");
}

#[test]
fn accept_eproto() {
    accept_fails_with("accept_eproto", "EPROTO");
}

#[test]
fn accept_eperm() {
    accept_fails_with("accept_eperm", "EPERM");
}

/// Some registrations with epoll fail so: those connections end when they have to be waited for, are counted, and are all that is lost.
fn watching_fails_with(name: &str, error: &str) {
    let injection = Injection {
        calls: "epoll_ctl",
        error,
        // Not those of the runtime and the listener, which this thread makes first.
        first: 20,
        step: 7,
    };
    with_failing_calls(&format!("faults::{name}"), injection, || {
        let server = TestServer::start();
        let (mut served, mut lost) = (0, 0);
        for _ in 0..60 {
            let mut client = server.connect();
            // What is there need not be waited for; the next request must.
            client.try_send(GET_FIRST);
            if client.try_answer().is_none() {
                lost += 1;
                continue;
            }
            client.try_send(GET);
            match client.rest() {
                Some(answer) if answer.ends_with(b"Hello, World!") => served += 1,
                Some(answer) => {
                    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
                    lost += 1;
                }
                None => lost += 1,
            }
        }
        assert!(served > 0 && lost > 0, "{served} served, {lost} lost");
        let unwatched = "filch_http_connections_rejected_total{reason=\"unwatched\"}";
        assert_eq!(server.metric(unwatched), lost);
        assert_eq!(server.join(), Drained::Clean);
    });
}

#[test]
fn epoll_enomem() {
    watching_fails_with("epoll_enomem", "ENOMEM");
}

#[test]
fn epoll_enospc() {
    watching_fails_with("epoll_enospc", "ENOSPC");
}
