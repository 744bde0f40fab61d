//! Bodies of requests in every form, read in every way.

use crate::common::{Answer, HANG, TestServer, limits, short_timeouts};
use filch_http::{Body, BodyError, Limits, Request, Response, Router};
use futures_lite::{AsyncReadExt, StreamExt};

/// Every way to read a body gives it back; with `x-sum` of its trailers.
fn router() -> Router {
    Router::new()
        .post("/bytes", async |mut request: Request| {
            request.body().bytes().await
        })
        .post("/owned", async |request: Request| {
            request.into_body().bytes().await
        })
        .post(
            "/chunks",
            async |mut request: Request| -> Result<Response, BodyError> {
                let mut whole = Vec::new();
                let mut body = request.body();
                while let Some(chunk) = body.chunk().await? {
                    assert!(!chunk.is_empty());
                    whole.extend_from_slice(chunk);
                }
                assert_eq!(body.remaining(), Some(0));
                let trailers = body.take_trailers();
                let mut response = Response::new(whole);
                if let Some(sum) = trailers.get("x-sum") {
                    response.insert("x-sum".parse().expect("a name"), sum.clone());
                }
                Ok(response)
            },
        )
        .post(
            "/read",
            async |mut request: Request| -> Result<Response, BodyError> {
                let mut whole = Vec::new();
                let read = request.body().read_to_end(&mut whole).await;
                read.map_err(|error| {
                    let inner = error.get_ref().and_then(|it| it.downcast_ref());
                    *inner.expect("an error of the body")
                })?;
                Ok(Response::new(whole))
            },
        )
        .post("/stream", async |request: Request| {
            Response::new(Body::stream(request.into_body()))
        })
        .post(
            "/elsewhere",
            async |request: Request| -> Result<Vec<u8>, BodyError> {
                let mut body = request.into_body();
                let read = filch::spawn(async move {
                    let mut whole = Vec::new();
                    while let Some(piece) = body.next().await {
                        whole.extend_from_slice(&piece?);
                    }
                    Ok(whole)
                });
                read.await.expect("no panic")
            },
        )
        .post("/ignore", async || "ignored")
        .get("/", async || "next")
}

/// As who skips the pieces that fail goes on until the end.
#[test]
fn a_stream_ends_with_its_error() {
    let (tell, told) = std::sync::mpsc::channel();
    let count = move |request: Request| {
        let tell = tell.clone();
        async move {
            let pieces = StreamExt::take(request.into_body(), 100)
                .collect::<Vec<_>>()
                .await;
            let _ = tell.send(pieces);
        }
    };
    let server = TestServer::with_router(Router::new().post("/", count), |server| server);
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
    client.half_close();
    let pieces = told.recv_timeout(HANG).expect("it ends");
    assert_eq!(pieces.last(), Some(&Err(BodyError::Incomplete)));
    assert_eq!(pieces.iter().filter(|piece| piece.is_err()).count(), 1);
}

const WAYS: [&str; 6] = [
    "/bytes",
    "/owned",
    "/chunks",
    "/read",
    "/stream",
    "/elsewhere",
];

const NEXT: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn chunked(path: &str, chunks: &[&[u8]]) -> Vec<u8> {
    let mut request =
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            .into_bytes();
    for chunk in chunks {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

fn with_length(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn every_form_is_read_in_every_way() {
    let server = TestServer::with_router(router(), |server| server);
    let large: Vec<u8> = (0..700_000u32).map(|n| (n % 251) as u8).collect();
    let small: Vec<&[u8]> = large[..3000].chunks(1).collect();
    let middle: Vec<&[u8]> = large.chunks(10_007).collect();
    for path in WAYS {
        let mut client = server.connect();
        let mut ask = |request: Vec<u8>, body: &[u8]| {
            let mut sender = client.stream.try_clone().expect("a socket");
            // A streamed echo comes back while it is sent.
            let sending = std::thread::spawn(move || {
                use std::io::Write;
                sender.write_all(&request).expect("sent");
                sender.write_all(NEXT.as_bytes()).expect("sent");
            });
            let answer = client.answer();
            assert!(answer.body == body, "{path}: {} bytes", answer.body.len());
            assert_eq!(client.answer().text(), "next", "{path}");
            sending.join().expect("sent");
        };
        ask(chunked(path, &[]), b"");
        ask(chunked(path, &[b"hello"]), b"hello");
        ask(chunked(path, &small), &large[..3000]);
        ask(chunked(path, &middle), &large);
        ask(chunked(path, &[&large]), &large);
        ask(with_length(path, b""), b"");
        ask(with_length(path, &large), &large);
    }
}

#[test]
fn byte_by_byte() {
    let server = TestServer::with_router(router(), |server| server);
    for path in WAYS {
        let mut client = server.connect();
        for request in [
            chunked(path, &[b"hello", b" ", b"world"]),
            with_length(path, b"hello world"),
        ] {
            for byte in request {
                client.send([byte]);
            }
            assert_eq!(client.answer().text(), "hello world", "{path}");
        }
    }
}

#[test]
fn trailers_are_there_at_the_end() {
    let server = TestServer::with_router(router(), |server| server);
    let answer = server.answer(
        "POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    assert_eq!((answer.text(), answer.field("x-sum")), ("ab", Some("7")));
}

/// The limit is that of the data, whatever its framing: tested at n - 1, n and n + 1.
#[test]
fn the_limit_holds_while_a_body_streams() {
    let server = TestServer::with_router(router(), |server| server.limits(limits(100)));
    for path in WAYS {
        for (bytes, status) in [(99, 200), (100, 200), (101, 413)] {
            let body = vec![b'b'; bytes];
            for chunks in [body.chunks(1).collect::<Vec<_>>(), vec![&body[..]]] {
                let request = chunked(path, &chunks);
                // At once, and so that the excess comes while the handler reads.
                for cut in [request.len(), 80] {
                    let mut client = server.connect();
                    client.send(&request[..cut]);
                    if cut < request.len() {
                        std::thread::yield_now();
                        client.try_send(&request[cut..]);
                    }
                    let answer = failing(&mut client, path);
                    if let Some(answer) = answer {
                        assert_eq!(answer.status, status, "{path} {bytes}");
                    } else {
                        assert_eq!((path, status), ("/stream", 413));
                    }
                }
            }
        }
    }
}

/// The answer; `None` if it broke off, as it must when it had begun.
fn failing(client: &mut crate::common::Client, path: &str) -> Option<Answer> {
    if path != "/stream" {
        return Some(client.answer());
    }
    let head = client.head();
    if head.status != 200 {
        return Some(head);
    }
    let _ = client.stream.shutdown(std::net::Shutdown::Write);
    let rest = client.rest().unwrap_or_default();
    rest.ends_with(b"0\r\n\r\n").then_some(head)
}

#[test]
fn what_is_malformed_is_400_wherever_it_comes() {
    let server = TestServer::with_router(router(), |server| server);
    let head = "POST /bytes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "x\r\n",
        "1\r\nabc",
        "1\r\na\r\n-1\r\n",
        "0\r\nContent-Length: 1\r\n\r\n",
    ] {
        let mut client = server.connect();
        client.send(format!("{head}{body}"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.closes()), (400, true), "{body}");
        let mut client = server.connect();
        client.send(head);
        for byte in body.bytes() {
            client.try_send([byte]);
        }
        assert_eq!(client.answer().status, 400, "{body}");
    }
}

/// A body that nobody wants is read and dropped up to a bound; beyond it the connection ends, after the answer.
#[test]
fn an_ignored_body_does_not_hurt_what_follows() {
    let server = TestServer::with_router(router(), |server| server);
    let mut client = server.connect();
    for size in [1, 1000, 100_000] {
        let body = vec![b'b'; size];
        for cut in [10, 80, 90] {
            let request = chunked("/ignore", &body.chunks(997).collect::<Vec<_>>());
            let cut = cut.min(request.len());
            client.send(&request[..cut]);
            client.send(&request[cut..]);
            client.send(NEXT);
            assert_eq!(client.answer().text(), "ignored");
            assert_eq!(client.answer().text(), "next");
        }
    }
    let body = vec![b'b'; 1024 * 1024];
    client.try_send(chunked("/ignore", &body.chunks(65_536).collect::<Vec<_>>()));
    assert_eq!(client.answer().text(), "ignored");
    client.half_close();
    assert!(client.rest().is_none_or(|rest| rest.is_empty()));
}

#[test]
fn bad_chunks_that_nobody_reads_end_the_connection() {
    let server = TestServer::with_router(router(), |server| server);
    let mut client = server.connect();
    client.send("POST /ignore HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n");
    assert_eq!(client.answer().text(), "ignored");
    client.send(format!("abc{NEXT}"));
    client.half_close();
    assert!(client.is_closed());
}

/// RFC 9110, section 10.1.1: also when the answer is made of the body.
#[test]
fn a_client_that_waits_to_be_invited_is() {
    let server = TestServer::with_router(router(), |server| server);
    for path in WAYS {
        for coding in ["Transfer-Encoding: chunked", "Content-Length: 5"] {
            let mut client = server.connect();
            client.send(format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{coding}\r\n\r\n"
            ));
            assert_eq!(client.head().status, 100, "{path}");
            let body = match coding {
                "Content-Length: 5" => "hello",
                _ => "5\r\nhello\r\n0\r\n\r\n",
            };
            client.send(format!("{body}{NEXT}"));
            assert_eq!(client.answer().text(), "hello", "{path}");
            assert_eq!(client.answer().text(), "next");
        }
    }
}

/// Bytes that come slower than the least rate use up the grace, however steadily they come.
#[test]
fn a_body_that_trickles_is_408() {
    let server = TestServer::with_router(router(), |server| {
        let limits = Limits {
            body_rate: 1 << 20,
            ..Limits::default()
        };
        server.timeouts(short_timeouts()).limits(limits)
    });
    let mut client = server.connect();
    client.send("POST /bytes HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    let trickle = client.trickle(std::iter::repeat_n(b'v', 100_000));
    assert_eq!(client.answer().status, 408);
    let _ = client.stream.shutdown(std::net::Shutdown::Both);
    trickle.join().expect("no panic");
}

/// A connection that closes halfway is an error for who reads, in every way.
#[test]
fn half_a_body_is_400() {
    let server = TestServer::with_router(router(), |server| server);
    for path in WAYS {
        for request in [chunked(path, &[b"hello"]), with_length(path, b"hello")] {
            let mut client = server.connect();
            client.send(&request[..request.len() - 1]);
            client.half_close();
            match failing(&mut client, path) {
                Some(answer) => assert_eq!(answer.status, 400, "{path}"),
                None => assert_eq!(path, "/stream"),
            }
        }
    }
}
