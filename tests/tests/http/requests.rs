//! Every kind of request, over sockets: what is answered, in which order, and what becomes of the connection.

use crate::common::{Answer, HANG, TestServer, limits};
use filch::task::is_turn_over;
use filch_http::{Body, BodyError, Request, Response, Router};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

#[test]
fn a_plain_request() {
    let server = TestServer::start();
    let answer = server.answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((answer.status, answer.text()), (200, "Hello, World!"));
    assert_eq!(answer.field("server"), Some("filch"));
    assert!(
        answer
            .field("content-type")
            .is_some_and(|value| value.starts_with("text/plain"))
    );
    assert_eq!(answer.field("connection"), None);
}

/// What takes long is sent before the next that takes long begins.
#[test]
fn a_batch_that_computes_is_answered_as_it_goes() {
    let is_answered = Arc::new(AtomicBool::new(false));
    let of_handler = is_answered.clone();
    let calls = AtomicUsize::new(0);
    let burn = move || {
        let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        let is_answered = of_handler.clone();
        async move {
            let began = Instant::now();
            while !(if is_first {
                is_turn_over()
            } else {
                is_answered.load(Ordering::SeqCst)
            }) {
                assert!(began.elapsed() < HANG, "nobody was answered");
                std::hint::spin_loop();
            }
            "burnt"
        }
    };
    let server = TestServer::with_router(Router::new().get("/burn", burn), |server| server);
    let mut client = server.connect();
    client.send("GET /burn HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3));
    assert_eq!(client.answer().text(), "burnt");
    is_answered.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(client.answer().text(), "burnt");
    }
}

/// RFC 9110, section 6.6.1.
#[test]
fn the_date_is_now() {
    let server = TestServer::start();
    let answer = server.answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let date = httpdate::parse_http_date(answer.field("date").expect("a date"))
        .expect("of the fixed form");
    let apart = SystemTime::now()
        .duration_since(date)
        .expect("not of the future");
    assert!(apart < Duration::from_secs(60), "{apart:?}");
}

#[test]
fn parameters_and_fields() {
    let server = TestServer::start();
    assert_eq!(
        server
            .answer("GET /echo/a%20b?c HTTP/1.1\r\nHost: a\r\n\r\n")
            .text(),
        "a b"
    );
    assert_eq!(
        server
            .answer("GET http://a/echo/x HTTP/1.1\r\nHost: a\r\n\r\n")
            .text(),
        "x"
    );
    let contradiction = server.answer("GET http://b/echo/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(contradiction.status, 400);
    let fields = server.answer("GET /fields HTTP/1.1\r\nHost: a\r\nX-Y:  z \r\n\r\n");
    assert_eq!(fields.text(), "Host=a\nX-Y=z\n");
}

/// RFC 9110, sections 9.3.2, 9.3.7, 15.5.5 and 15.5.6.
#[test]
fn what_the_router_answers() {
    let server = TestServer::start();
    let mut client = server.connect();
    let mut ask = |line: &str| {
        client.send(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.answer_to(line.split(' ').next().expect("a method"))
    };
    assert_eq!(ask("GET /nowhere").status, 404);
    let wrong = ask("DELETE /");
    assert_eq!(
        (wrong.status, wrong.field("allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
    let options = ask("OPTIONS /echo");
    assert_eq!(
        (options.status, options.field("allow")),
        (204, Some("OPTIONS, POST"))
    );
    assert_eq!(options.field("content-length"), None);
    assert_eq!(ask("OPTIONS *").status, 204);
    assert_eq!(ask("BREW /").status, 501);
    let head = ask("HEAD /");
    assert_eq!(
        (head.status, head.field("content-length"), head.body.len()),
        (200, Some("13"), 0)
    );
    // All on one connection, and it still works.
    assert_eq!(ask("GET /").text(), "Hello, World!");
    // Whoever asked for a tunnel may have begun to speak through it: that is no request.
    let declined = ask("CONNECT a:443");
    assert_eq!(
        (declined.status, declined.field("connection")),
        (501, Some("close"))
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start();
    let mut client = server.connect();
    let batch: String = (0..200)
        .map(|n| match n % 4 {
            0 => format!("GET /echo/{n} HTTP/1.1\r\nHost: a\r\n\r\n"),
            1 => "GET /yield HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            2 => format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n{n:04}"),
            _ => "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        })
        .collect();
    client.send(batch);
    for n in 0..200 {
        let answer = client.answer();
        match n % 4 {
            0 => assert_eq!(answer.text(), n.to_string()),
            1 => assert_eq!(answer.text(), "yielded"),
            2 => assert_eq!(answer.text(), format!("{n:04}")),
            _ => assert_eq!(answer.status, 404),
        }
    }
}

/// More is asked for than fits the sockets' buffers while nothing is read: it waits, and all is answered in the end.
#[test]
fn a_batch_larger_than_the_buffers() {
    let server = TestServer::start();
    let mut client = server.connect();
    let requests = 100;
    let mut sender = client.stream.try_clone().expect("a socket");
    let sending = std::thread::spawn(move || {
        use std::io::Write;
        for _ in 0..requests {
            sender
                .write_all(
                    b"GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                )
                .expect("sent");
        }
    });
    for _ in 0..requests {
        let answer = client.answer();
        assert_eq!(answer.body.len(), 300_000);
        assert!(answer.body.iter().all(|byte| *byte == b'l'));
        assert_eq!(client.answer().text(), "Hello, World!");
    }
    sending.join().expect("sent");
}

#[test]
fn byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    for byte in b"\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n" {
        client.send([*byte]);
        std::thread::yield_now();
    }
    assert_eq!(client.answer().text(), "hello");
    assert_eq!(client.answer().text(), "Hello, World!");
}

#[test]
fn bodies_of_all_sizes() {
    let server = TestServer::start();
    let mut client = server.connect();
    for len in [
        0usize, 1, 100, 16_000, 16_383, 16_384, 16_385, 65_536, 100_000, 3_000_000,
    ] {
        let body: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        for path in ["/echo", "/pieces"] {
            client.send(format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n"
            ));
            client.send(&body);
            let answer = client.answer();
            if path == "/echo" {
                assert!(answer.body == body, "{len}");
            } else {
                let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
                assert_eq!(answer.text(), format!("/pieces {len} {sum}"));
            }
        }
    }
}

#[test]
fn unread_bodies_are_passed_over() {
    let server = TestServer::start();
    let mut client = server.connect();
    for len in [1, 1000, 100_000] {
        for path in ["/ignore", "/first", "/"] {
            client.send(format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n"
            ));
            client.send(vec![b'G'; len]);
            let answer = client.answer();
            assert_eq!(
                (answer.status, answer.closes()),
                (if path == "/" { 405 } else { 200 }, false)
            );
        }
    }
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "Hello, World!");
}

/// Too much of a body is left to be worth reading: the answer arrives nevertheless, and the connection closes.
#[test]
fn a_large_unread_body_closes() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
    client.send(vec![0; 500_000]);
    let answer = client.answer();
    assert_eq!((answer.text(), answer.closes()), ("ignored", true));
    client.half_close();
    assert!(client.is_closed());
}

/// The client sends all of a body that is too large before it looks at the answer, as most do: it can, and sees it.
#[test]
fn a_refused_upload_gets_its_answer() {
    let server = TestServer::start();
    let mut client = server.connect();
    let length = 17 * 1024 * 1024;
    client.send(format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
    ));
    client.send(vec![b'x'; length]);
    let answer = client.answer();
    assert_eq!((answer.status, answer.closes()), (413, true));
    client.half_close();
    assert!(client.is_closed());
}

/// RFC 9110, section 10.1.1.
#[test]
fn expect_continue() {
    let server = TestServer::start();
    let mut client = server.connect();
    let head = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    // Behind another request, whose answer goes first.
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo {head}"
    ));
    assert_eq!(client.answer().text(), "Hello, World!");
    assert_eq!(client.answer().status, 100);
    client.send("hello");
    assert_eq!(client.answer().text(), "hello");
    // Who sends the body at once is not invited.
    client.send(format!("POST /echo {head}hello"));
    assert_eq!(client.answer().text(), "hello");
    // Nobody wants the body: the client may never send it.
    client.send(format!("POST /ignore {head}"));
    let answer = client.answer();
    assert_eq!((answer.text(), answer.closes()), ("ignored", true));
}

/// Whoever reads the body, the connection sends the invitation.
#[test]
fn expect_continue_of_a_body_that_another_task_reads() {
    let read = async |mut request: Request| {
        let reader = filch::spawn(async move { request.body().bytes().await });
        reader.await.expect("no panic")
    };
    let server = TestServer::with_router(Router::new().post("/", read), |server| server);
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.answer().status, 100);
    client.send("hello");
    assert_eq!(client.answer().text(), "hello");
}

/// A task that reads the body while the response is on its way does not write into that.
#[test]
fn nobody_is_invited_within_a_response() {
    const LENGTH: usize = 16 * 1024 * 1024;
    let (sender, results) = std::sync::mpsc::channel();
    let read_late = move |mut request: Request| {
        let sender = sender.clone();
        async move {
            drop(filch::spawn(async move {
                filch::time::sleep(Duration::from_millis(50)).await;
                let _ = sender.send(request.body().bytes().await);
            }));
            vec![b'x'; LENGTH]
        }
    };
    let server = TestServer::with_router(Router::new().post("/", read_late), |server| server);
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    // The response fills all buffers on the way, and stops within its body.
    std::thread::sleep(Duration::from_millis(200));
    let answer = client.answer();
    assert!(answer.closes() && answer.body == vec![b'x'; LENGTH]);
    let result = results.recv_timeout(crate::common::HANG);
    assert_eq!(result.expect("it ends"), Err(BodyError::Incomplete));
    assert!(client.is_closed());
}

/// RFC 9112, section 9.3: version, `Connection` of the request, whether it stays open, and what the answer says.
#[test]
fn keep_alive_matrix() {
    let server = TestServer::start();
    for (version, connection, stays, says) in [
        ("1.1", "", true, None),
        ("1.1", "Connection: keep-alive\r\n", true, None),
        ("1.1", "Connection: close\r\n", false, Some("close")),
        ("1.1", "Connection: x, Close\r\n", false, Some("close")),
        ("1.0", "", false, Some("close")),
        ("1.0", "Connection: close\r\n", false, Some("close")),
        (
            "1.0",
            "Connection: Keep-Alive\r\n",
            true,
            Some("keep-alive"),
        ),
    ] {
        let mut client = server.connect();
        client.send(format!(
            "GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n"
        ));
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.field("connection")),
            (200, says),
            "{version} {connection}"
        );
        if stays {
            client.send(format!(
                "GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n"
            ));
            assert_eq!(client.answer().text(), "Hello, World!");
        } else {
            assert!(client.is_closed(), "{version} {connection}");
        }
    }
}

#[test]
fn a_handler_may_close() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send("GET /close HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.answer().closes());
    assert!(
        client.is_closed(),
        "what was pipelined behind it is not answered"
    );
}

/// RFC 9112, section 2.2: old clients send an empty line behind a body.
#[test]
fn an_empty_line_behind_the_last_body_is_no_reset() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
    );
    assert_eq!(client.answer().text(), "body");
    client.send("\r\n");
    std::thread::sleep(Duration::from_millis(50));
    client.half_close();
    assert!(client.is_closed());
}

/// RFC 9112, section 9.6: who has only closed its sending side gets what it asked for.
/// RFC 9110, section 15.2: an interim response is no answer, and the client would take the next one for it.
#[test]
fn an_interim_response_of_a_handler_is_500() {
    let server = TestServer::start();
    for status in [100, 101, 103, 199] {
        let mut client = server.connect();
        client.send(format!(
            "GET /status/{status} HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        ));
        let answer = client.answer();
        assert_eq!((answer.status, answer.closes()), (500, true), "{status}");
        client.half_close();
        assert!(client.is_closed(), "{status}");
    }
}

/// RFC 9110, section 15.3.6: no content, and it must be said.
#[test]
fn reset_content_has_none() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send("GET /status/205 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.field("content-length"), answer.text()),
        (205, Some("0"), "")
    );
    assert_eq!(client.answer().text(), "Hello, World!");
}

/// What the client has sent meanwhile lies in the socket unread: closing it would be a reset, and may take the answer
/// with it.
#[test]
fn an_answer_that_closes_is_not_followed_by_a_reset() {
    let server = TestServer::start();
    for path in ["/close-late", "/panic-later"] {
        let mut client = server.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        std::thread::sleep(Duration::from_millis(100));
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(client.answer().closes(), "{path}");
        client.half_close();
        assert!(client.is_closed(), "{path}");
    }
}

#[test]
fn half_closed_clients_are_answered() {
    let server = TestServer::start();
    for path in ["/", "/slow", "/large"] {
        let mut client = server.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.half_close();
        assert_eq!(client.answer().status, 200, "{path}");
        assert!(client.is_closed());
    }
}

#[test]
fn half_a_request_is_none() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHo");
    client.half_close();
    assert!(client.is_closed());
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    client.half_close();
    let answer = client.answer();
    assert_eq!((answer.status, answer.closes()), (400, true));
    assert!(client.is_closed());
}

#[test]
fn a_panic_is_500_and_the_server_goes_on() {
    let server = TestServer::start();
    for path in ["/panic", "/panic-at-once", "/panic-late", "/panic-twice"] {
        let mut client = server.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.closes()), (500, true), "{path}");
        assert!(client.is_closed());
        assert_eq!(server.status("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    }
}

/// What is refused, with which status; the answer arrives although more was sent than is read, and then it closes.
#[test]
fn refusals() {
    let server = TestServer::with(|server| server.limits(limits(100)));
    let get = |rest: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{rest}\r\n");
    let post = |fields: &str| format!("POST /echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    for (request, status) in [
        (get(&format!("A: {}\r\n", "v".repeat(70_000))), 431),
        (get(&"A: v\r\n".repeat(1001)), 431),
        (
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(9000)),
            414,
        ),
        (post("Content-Length: 101\r\n"), 413),
        (post("Transfer-Encoding: chunked\r\n"), 400),
        (post("Transfer-Encoding: gzip, chunked\r\n"), 501),
        (
            post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
            400,
        ),
        (post("Content-Length: 3\r\nContent-Length: 4\r\n"), 400),
        (post("Content-Length: +3\r\n"), 400),
        (post("Expect: something\r\n"), 417),
        ("GET / HTTP/2.0\r\n\r\n".to_owned(), 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        (get("Host: b\r\n"), 400),
        (get("A : b\r\n"), 400),
        (get("A: b\r\n c\r\n"), 400),
        ("GET / HTTP/1.1\n\n".to_owned(), 400),
        ("GET /\r\n\r\n".to_owned(), 400),
        ("\x16\x03\x01\x02\x00".to_owned(), 400),
    ] {
        let mut client = server.connect();
        client.try_send(&request);
        client.try_send("x".repeat(100_000));
        let answer = client.answer();
        let line = request
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(60)
            .collect::<String>();
        assert_eq!((answer.status, answer.closes()), (status, true), "{line}");
        client.half_close();
        assert!(client.is_closed(), "{line}");
    }
    assert_eq!(server.status("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
}

#[test]
fn a_refused_head_gets_no_body() {
    let server = TestServer::start();
    for (request, status) in [
        ("HEAD / HTTP/1.1\r\n\r\n", 400),
        (
            "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
            400,
        ),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n", 417),
    ] {
        let mut client = server.connect();
        client.send(request);
        let answer = client.rest().expect("an answer, then the end");
        let answer = String::from_utf8(answer).expect("text");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[test]
fn what_must_be_accepted() {
    let server = TestServer::with(|server| server.limits(limits(100)));
    let large = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n",
        "v".repeat(16 * 1024)
    );
    assert_eq!(server.status(&large), 200);
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(61));
    assert_eq!(server.status(&many), 200);
    let body = "b".repeat(100);
    let longest = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{body}");
    assert_eq!(server.answer(&longest).text(), body);
}

/// The good requests before a bad one are answered first.
#[test]
fn a_bad_request_behind_good_ones() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /echo/b HTTP/1.1\r\nHost: a\r\n\r\nBAD\r\n\r\n",
    );
    let statuses = [
        client.answer().status,
        client.answer().status,
        client.answer().status,
    ];
    assert_eq!(statuses, [200, 200, 400]);
    client.half_close();
    assert!(client.is_closed());
}

#[test]
fn the_access_log_sees_everything() {
    let (sender, lines) = std::sync::mpsc::channel();
    let server = TestServer::with(move |server| {
        server.access_log(move |access| {
            let _ = sender.send(format!(
                "{} {} {}",
                access.method,
                access.target,
                access.status.as_u16()
            ));
        })
    });
    let answer: Answer = server.answer(
        "HEAD /large HTTP/1.0\r\n\r\n"
            .replace("HEAD", "GET")
            .as_str(),
    );
    assert_eq!(answer.status, 200);
    assert_eq!(lines.recv().expect("logged"), "GET /large 200");
    // At once, behind the first line, and behind a field.
    for refused in [
        "BAD",
        "GET /large HTTP/1.1\r\nbad field: a",
        "GET /large HTTP/1.1\r\nHost: a\r\n folded",
    ] {
        assert_eq!(server.status(&format!("{refused}\r\n\r\n")), 400);
        assert_eq!(lines.recv().expect("logged"), "- - 400");
    }
}

/// Whoever has the request when its answer is logged: the body of that, or a task.
#[test]
fn an_access_log_knows_what_is_kept() {
    let (log, lines) = std::sync::mpsc::channel();
    let router = Router::new()
        .post("/stream", async |request: Request| {
            Response::new(Body::stream(request.into_body()))
        })
        .post("/task", async |request: Request| {
            filch::spawn(async move {
                filch::time::sleep(Duration::from_millis(50)).await;
                drop(request);
            })
            .detach();
            "kept"
        });
    let server = TestServer::with_router(router, move |server| {
        server.access_log(move |access| {
            let line = format!(
                "{} {} {}",
                access.method,
                access.target,
                access.status.as_u16()
            );
            let _ = log.send(line);
        })
    });
    for path in ["/stream", "/task"] {
        let answer = server.answer(&format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nkept"
        ));
        assert_eq!(answer.text(), "kept");
        let line = lines.recv_timeout(HANG).expect("logged");
        assert_eq!(line, format!("POST {path} 200"));
    }
    server.status("BAD\r\n\r\n");
    assert_eq!(lines.recv_timeout(HANG).expect("logged"), "- - 400");
}

#[test]
fn an_access_log_that_panics_costs_no_answer() {
    let server = TestServer::with(|server| server.access_log(|_| panic!("on purpose")));
    let mut client = server.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().text(), "Hello, World!");
    }
}

#[test]
fn the_servers_name() {
    let server = TestServer::with(|server| server.name(None));
    assert_eq!(
        server
            .answer("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .field("server"),
        None
    );
}
