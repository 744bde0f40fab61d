//! A whole connection under arbitrary bytes: what the server answers must not depend on how they are cut into pieces.
//!
//! The first byte of the input says in how many pieces the rest arrives, the next ones say where they end. A client sends all at once, another one
//! piece by piece; both then send no more, and read to the end. Both must get the same answers, but for the date and for interim responses, which are for those whose body has not come
//! yet; each connection must end, and not by a reset. The handlers read bodies whole and in pieces, and echo them, so that bytes of one request which are taken for another's show.
//! Where a body is broken, who has sent it at once may be refused, and another one have an answer from a handler that did not read so far; what follows such a refusal is not compared.
#![no_main]

use filch::runtime::{Builder, Runtime};
use filch_http::{Request, Router, Server, Timeouts};
use libfuzzer_sys::fuzz_target;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

fuzz_target!(|input: &[u8]| {
    let Some((&pieces, rest)) = input.split_first() else { return };
    let pieces = usize::from(pieces % 16).min(rest.len());
    let (cuts, bytes) = rest.split_at(pieces);
    let whole = answers(bytes, &[]);
    let in_pieces = answers(bytes, cuts);
    if whole != in_pieces && !is_refused(&whole, &in_pieces) && !is_refused(&in_pieces, &whole) {
        assert_eq!(String::from_utf8_lossy(&whole), String::from_utf8_lossy(&in_pieces));
    }
});

/// Whether the first answer that differs from another client's refuses a request and closes the connection.
fn is_refused(answers: &[u8], others: &[u8]) -> bool {
    const START: &str = "HTTP/1.1 ";
    let same = answers.iter().zip(others).take_while(|(ours, theirs)| ours == theirs).count();
    let text = String::from_utf8_lossy(answers);
    // Up to the status, which is what differs first.
    let begin = text.get(..same).and_then(|text| text.rfind(START)).unwrap_or(0);
    let last = text.get(begin..).unwrap_or_default();
    let is_error = ["4", "5"].iter().any(|class| last.get(START.len()..).is_some_and(|status| status.starts_with(class)));
    is_error && last.contains("\r\nConnection: close\r\n")
}

/// What the server answers to these bytes, cut there.
fn answers(bytes: &[u8], cuts: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect_addr(server()).expect("it listens");
    let mut left = bytes;
    for cut in cuts {
        let (piece, rest) = left.split_at(usize::from(*cut).min(left.len()));
        left = rest;
        // Who is refused need not send the rest.
        let _ = stream.write_all(piece);
        std::thread::yield_now();
    }
    let _ = stream.write_all(left);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).expect("no reset");
    without_what_may_differ(&answers)
}

/// Without dates and interim responses.
fn without_what_may_differ(answers: &[u8]) -> Vec<u8> {
    const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    const DATE: &[u8] = b"Date: ";
    const DATE_BYTES: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();
    let mut kept = Vec::new();
    let mut left = answers;
    while let Some((&byte, rest)) = left.split_first() {
        if let Some(rest) = left.strip_prefix(INTERIM) {
            left = rest;
        } else if left.len() >= DATE.len() + DATE_BYTES && left.starts_with(DATE) {
            left = &left[DATE.len() + DATE_BYTES..];
        } else {
            kept.push(byte);
            left = rest;
        }
    }
    kept
}

/// Where the server listens, which runs as long as the process.
fn server() -> &'static SocketAddr {
    static SERVER: OnceLock<(SocketAddr, Runtime)> = OnceLock::new();
    &SERVER.get_or_init(start).0
}

fn start() -> (SocketAddr, Runtime) {
    let name = format!("filch-fuzz-{}", std::process::id());
    let path = format!("\0{name}");
    let addr = SocketAddr::from_abstract_name(name).expect("a short name");
    let runtime = Builder::new().worker_threads(1).build().expect("a runtime");
    let (tell, told) = mpsc::channel();
    runtime.spawn(async move {
        let server = Server::bind_unix(path).await.expect("a name of its own");
        tell.send(()).expect("it waits");
        // What is logged of a request that was refused, or is not whole, is looked at as well.
        let server = server.access_log(|access| drop(format!("{access:?}")));
        server.router(routes()).timeouts(patient()).serve().await
    });
    told.recv().expect("it starts");
    (addr, runtime)
}

/// Only bytes decide, and no clock.
fn patient() -> Timeouts {
    let long = Duration::from_secs(3600);
    Timeouts {
        header: long,
        keep_alive: long,
        body: long,
        write: long,
        linger: long,
        lateness: Duration::MAX,
        queue: long,
        handler: long,
    }
}

fn routes() -> Router {
    Router::new()
        .get("/", async || "hello")
        .post("/echo", async |mut request: Request| request.body().bytes().await)
        .post("/first", async |mut request: Request| {
            let mut body = request.body();
            body.chunk().await.map(|piece| if piece.is_some() { "some" } else { "none" })
        })
        .fallback(async |request: Request| request.target().to_owned())
}
