//! What is asked for, and what must come?
//!
//! Before it is measured each server answers once, whole: who sends something else than the others, or less than they do, would be compared with them wrongly.

use super::framing::Framing;
use filch_bench_common::Http;
use filch_bench_common::http::{GREETING_FIELD, HELLO};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Bytes and names of the files that are asked for.
pub(crate) const SMALL_FILE: (&str, usize) = ("100kB.bin", 100_000);
pub(crate) const LARGE_FILE: (&str, usize) = ("10MiB.bin", 10 << 20);

/// What is sent back.
const ECHO_BYTES: usize = 1 << 20;

/// How long nothing may come of the answer to a single request: under valgrind seconds.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Request {
    method: &'static str,
    target: String,
    body: Vec<u8>,
    answer: Vec<u8>,
    is_last: bool,
}

/// Why a server is not measured.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It has no such route.
    NotOffered(String),
    /// It does not answer as everybody does.
    Wrong(String),
}

impl Request {
    pub(super) fn of(http: Http) -> Self {
        match http {
            Http::Hello(..)
            | Http::Beside(_)
            | Http::Idle
            | Http::AmongIdle
            | Http::AtHalf
            | Http::AtRate(_) => Self::get("/", HELLO),
            Http::Visits => Self {
                is_last: true,
                ..Self::get("/", HELLO)
            },
            Http::Json => Self::get("/json", format!(r#"{{"{GREETING_FIELD}":"{HELLO}"}}"#)),
            Http::Fib => Self::get("/fib/50", "12586269025"),
            Http::Burn => Self::get("/burn/21", "10946"),
            Http::SmallFile => Self::file(SMALL_FILE),
            Http::LargeFile => Self::file(LARGE_FILE),
            Http::Echo => Self {
                method: "POST",
                body: content(ECHO_BYTES),
                ..Self::get("/echo", content(ECHO_BYTES))
            },
        }
    }

    /// What keeps a worker busy for some 30 ms.
    pub(super) fn long_burn() -> Self {
        Self::get("/burn/35", "9227465")
    }

    fn get(target: impl Into<String>, answer: impl Into<Vec<u8>>) -> Self {
        Self {
            method: "GET",
            target: target.into(),
            body: Vec::new(),
            answer: answer.into(),
            is_last: false,
        }
    }

    fn file((name, bytes): (&str, usize)) -> Self {
        Self::get(format!("/static/{name}"), content(bytes))
    }

    /// As it is sent.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let Self { method, target, .. } = self;
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        if self.is_last {
            head += "Connection: close\r\n";
        }
        if *method == "POST" {
            let type_and_length = format!(
                "Content-Type: application/octet-stream\r\nContent-Length: {}\r\n",
                self.body.len()
            );
            head += &type_and_length;
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }

    /// How many MiB an answer has, at least one.
    pub(super) fn megabytes(&self) -> usize {
        (self.answer.len() >> 20).max(1)
    }

    /// Asks once, over a connection of its own.
    ///
    /// # Errors
    ///
    /// If what comes is not what has to.
    pub(super) fn probe(&self, server: SocketAddr) -> Result<(), Refusal> {
        let answer = self.ask(server).map_err(|error| match error.kind() {
            io::ErrorKind::Unsupported => Refusal::NotOffered(
                "not offered by this peer: a connection that shall be closed stays open".to_owned(),
            ),
            _ => Refusal::Wrong(format!("asked for {}: {error}", self.target)),
        })?;
        self.check(&answer)
    }

    fn ask(&self, server: SocketAddr) -> io::Result<Vec<u8>> {
        let stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut sender = stream.try_clone()?;
        let request = self.bytes();
        // Beside each other: a server may answer before it has read everything. One that refuses what is sent may close before it has, too.
        let sending = std::thread::spawn(move || sender.write_all(&request));
        let answer = self.read(&stream);
        let _ = stream.shutdown(Shutdown::Both);
        let _ = sending.join();
        answer
    }

    /// Until the answer ends, or if it is the last the connection; one that stays open then is an error of the kind `Unsupported`.
    fn read(&self, mut stream: &TcpStream) -> io::Result<Vec<u8>> {
        let (mut answer, mut framing, mut is_over) = (Vec::new(), Framing::new(), false);
        let mut room = vec![0; 64 << 10];
        while !is_over || self.is_last {
            let bytes = match stream.read(&mut room) {
                Ok(0) => break,
                Ok(bytes) => &room[..bytes],
                Err(error) if is_over && error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::ErrorKind::Unsupported.into());
                }
                Err(error) if answer.is_empty() => return Err(error),
                Err(_) => break,
            };
            answer.extend_from_slice(bytes);
            is_over |= framing.take(&mut &*bytes)?.is_some();
        }
        Ok(answer)
    }

    fn check(&self, answer: &[u8]) -> Result<(), Refusal> {
        let Self { method, target, .. } = self;
        let wrong = |why: &str| Refusal::Wrong(format!("its answer to {target} {why}"));
        let (mut framing, mut rest) = (Framing::new(), answer);
        let status = match framing.take(&mut rest) {
            Ok(Some(status)) => Ok(status),
            Ok(None) => framing.end().map(Option::unwrap_or_default),
            Err(error) => Err(error),
        };
        let status = status.map_err(|error| wrong(&format!("is not understood ({error})")))?;
        match status {
            200 if rest.is_empty() => {}
            200 => return Err(wrong("has something behind it")),
            404 | 405 | 501 => {
                return Err(Refusal::NotOffered(format!(
                    "not offered by this peer: {method} {target} is answered {status}"
                )));
            }
            _ => return Err(wrong(&format!("is {status}"))),
        }
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = answer.split_at(end.map_or(0, |end| end + 4));
        let head = head.to_ascii_lowercase();
        let has = |part: &[u8]| head.windows(part.len()).any(|window| window == part);
        for field in ["date", "server"] {
            if !has(format!("\r\n{field}:").as_bytes()) {
                return Err(wrong(&format!("has no {field}")));
            }
        }
        // A chunked body has more in it than its bytes.
        if has(b"\r\ntransfer-encoding:") || body == self.answer {
            return Ok(());
        }
        let (came, wanted) = (body.len(), self.answer.len());
        Err(wrong(&format!(
            "has another body ({came} bytes, {wanted} wanted)"
        )))
    }
}

/// Bytes that no two places of a file have alike by accident.
pub(crate) fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(answer: &str) -> Result<(), Refusal> {
        Request::of(Http::Hello(1, 1)).check(answer.as_bytes())
    }

    #[test]
    fn the_right_answer_is_right() {
        let answer =
            "HTTP/1.1 200 OK\r\nDATE: x\r\nServer: y\r\nContent-Length: 13\r\n\r\nHello, World!";
        assert!(checked(answer).is_ok());
        // As of old, until the connection ends.
        assert!(checked(&answer.replace("Content-Length: 13\r\n", "")).is_ok());
    }

    #[test]
    fn who_has_no_such_route_is_told_apart_from_who_answers_wrongly() {
        let missing = checked("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        assert!(
            matches!(&missing, Err(Refusal::NotOffered(why)) if why == "not offered by this peer: GET / is answered 404"),
            "{missing:?}"
        );
        for (answer, part) in [
            ("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "is 500"),
            (
                "HTTP/1.1 200 OK\r\nServer: y\r\nContent-Length: 13\r\n\r\nHello, World!",
                "no date",
            ),
            (
                "HTTP/1.1 200 OK\r\nDate: y\r\nContent-Length: 13\r\n\r\nHello, World!",
                "no server",
            ),
            (
                "HTTP/1.1 200 OK\r\nDate: x\r\nServer: y\r\nContent-Length: 2\r\n\r\nHi",
                "another body",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHi!",
                "behind it",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nH",
                "not understood",
            ),
            ("", "is 0"),
        ] {
            let refused = checked(answer);
            assert!(
                matches!(&refused, Err(Refusal::Wrong(why)) if why.contains(part)),
                "{part}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_server_is_asked_once_and_heard_whole() {
        use super::super::testing::{Manner, served};
        for (manner, http, part) in [
            (Manner::Echo, Http::Echo, "has no date"),
            (Manner::ToEnd, Http::Visits, "has no date"),
            (Manner::Refuses, Http::Json, "is 503"),
            (Manner::Twice, Http::Json, "behind it"),
            (Manner::Closes, Http::Json, "is 0"),
        ] {
            let (server, seen) = served(manner);
            let refused = Request::of(http).probe(server);
            assert!(
                matches!(&refused, Err(Refusal::Wrong(why)) if why.contains(part)),
                "{part}: {refused:?}"
            );
            assert_eq!(seen.end(), 1);
        }
    }

    #[test]
    fn requests_are_written_as_the_protocol_has_them() {
        let text = |http| String::from_utf8(Request::of(http).bytes()).expect("text");
        assert_eq!(
            text(Http::Fib),
            "GET /fib/50 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        );
        assert!(text(Http::Visits).contains("\r\nConnection: close\r\n"));
        let echo = Request::of(Http::Echo).bytes();
        assert!(echo.starts_with(b"POST /echo HTTP/1.1\r\n") && echo.len() > ECHO_BYTES);
        assert_eq!(Request::of(Http::LargeFile).megabytes(), 10);
    }
}
