//! Whom do the tests ask?

use filch_bench_common::serve::ANYWHERE;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// How the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Plain,
    Chunked,
    /// With the body that came.
    Echo,
    /// Until the end of the connection.
    ToEnd,
    /// With a status that is none of success.
    Refuses,
    /// One request with two answers.
    Twice,
    /// Not at all: it closes.
    Closes,
    /// Once, and closes without having said so.
    Once,
}

/// A server of threads.
pub(super) struct Seen {
    server: JoinHandle<usize>,
    is_told: Arc<AtomicBool>,
}

impl Seen {
    /// How many requests it has seen, once all who are connected have gone away.
    pub(super) fn end(self) -> usize {
        self.is_told.store(true, Ordering::Relaxed);
        self.server.join().expect("no panic")
    }
}

pub(super) fn served(manner: Manner) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind(ANYWHERE).expect("a listener");
    let address = listener.local_addr().expect("its address");
    let serve = move |stream: TcpStream| {
        stream.set_nonblocking(false).expect("it can be set");
        let mut seen = 0;
        // A client that goes away while something is under way to it is an error here, and the end.
        let _ = answer(manner, stream, &mut seen);
        seen
    };
    let is_told = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&is_told);
    let server = thread::spawn(move || {
        let mut threads = Vec::new();
        listener.set_nonblocking(true).expect("it can be set");
        while !(is_over.load(Ordering::Relaxed) && threads.iter().all(JoinHandle::is_finished)) {
            match listener.accept() {
                Ok((stream, _)) => threads.push(thread::spawn(move || serve(stream))),
                Err(_) => thread::yield_now(),
            }
        }
        let seen = threads.into_iter().map(|one| one.join().expect("no panic"));
        seen.sum()
    });
    (address, Seen { server, is_told })
}

fn answer(manner: Manner, stream: TcpStream, seen: &mut usize) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut is_last, mut line) = (0, false, String::new());
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            is_last |= line == "Connection: close\r\n";
            if let Some(number) = line.strip_prefix("Content-Length: ") {
                length = number.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        *seen += 1;
        let plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        match manner {
            Manner::Plain | Manner::Once => writer.write_all(plain.as_bytes())?,
            Manner::Chunked => writer.write_all(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
            )?,
            Manner::Echo => {
                write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?;
                writer.write_all(&body)?;
            }
            Manner::ToEnd => writer.write_all(b"HTTP/1.1 200 OK\r\n\r\nok")?,
            Manner::Refuses => {
                writer.write_all(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n")?;
            }
            Manner::Twice => writer.write_all([plain, plain].concat().as_bytes())?,
            Manner::Closes => {}
        }
        if is_last || matches!(manner, Manner::ToEnd | Manner::Closes | Manner::Once) {
            return Ok(());
        }
    }
}
