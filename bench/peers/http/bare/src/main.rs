//! A bare epoll loop with httparse: what an HTTP server costs at least. It answers what the comparison asks for and knows no limits, no deadlines and no bodies; nobody
//! should use it.
//!
//! Each worker is a thread with a listener (`SO_REUSEPORT`) and an epoll of its own. One `recv` and one `send` for what has come, however many requests that is; connections
//! that wait have no buffers. What `/` answers is written once a second, when the date changes.

use filch_bench_common::http::{self, HELLO};
use filch_bench_common::serve::{ANYWHERE, announce};
use httparse::{EMPTY_HEADER, Request, Status};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::SystemTime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: usize = 256;
const FIELDS: usize = 64;
const ROOM: usize = 64 << 10;
/// The listener's number.
const LISTENER: u64 = u64::MAX;

fn main() {
    let workers = http::workers(std::env::args().skip(1));
    let first = listen(ANYWHERE).expect("an address to listen on");
    let address = first.local_addr().expect("its address");
    let others = (1..workers).map(|_| listen(address).expect("the address is shared"));
    for listener in std::iter::once(first).chain(others.collect::<Vec<_>>()) {
        std::thread::spawn(|| Worker::new(listener).and_then(|mut worker| worker.run()));
    }
    announce(address)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    net::bind(&socket, &address)?;
    net::listen(&socket, 1024)?;
    Ok(socket.into())
}

struct Worker {
    listener: TcpListener,
    epoll: OwnedFd,
    connections: Vec<Option<Connection>>,
    /// Numbers of connections that are none now.
    free: Vec<usize>,
    room: Vec<u8>,
    answers: Vec<u8>,
    hello: Hello,
}

struct Connection {
    stream: TcpStream,
    /// What has come of a request that is not there whole.
    head: Vec<u8>,
    /// What there was no room for.
    unsent: Vec<u8>,
    is_last: bool,
    /// Something has come that may have a body: from then on nothing is understood.
    is_deaf: bool,
}

/// The answer of `/` and what it was written with.
struct Hello {
    second: u64,
    date: String,
    answer: Vec<u8>,
}

impl Worker {
    fn new(listener: TcpListener) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &listener,
            EventData::new_u64(LISTENER),
            EventFlags::IN,
        )?;
        Ok(Self {
            listener,
            epoll,
            connections: Vec::new(),
            free: Vec::new(),
            room: vec![0; ROOM],
            answers: Vec::new(),
            hello: Hello::now(),
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            self.hello.follow();
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    number => self.event(number as usize),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let number = self.free.pop().unwrap_or(self.connections.len());
            if number == self.connections.len() {
                self.connections.push(None);
            }
            let data = EventData::new_u64(number as u64);
            epoll::add(&self.epoll, &stream, data, EventFlags::IN)?;
            self.connections[number] = Some(Connection {
                stream,
                head: Vec::new(),
                unsent: Vec::new(),
                is_last: false,
                is_deaf: false,
            });
        }
    }

    /// Whoever breaks, or is done, is closed.
    fn event(&mut self, number: usize) {
        let Self {
            connections,
            epoll,
            room,
            answers,
            hello,
            free,
            ..
        } = self;
        let Some(connection) = connections[number].as_mut() else {
            return;
        };
        let stays = if connection.unsent.is_empty() {
            connection.receive(room, answers, hello)
        } else {
            connection.send_rest()
        };
        let watched = |events| {
            let data = EventData::new_u64(number as u64);
            epoll::modify(epoll.as_fd(), &connection.stream, data, events)
        };
        let stays = match (stays, connection.unsent.is_empty()) {
            (Ok(true), true) => true,
            (Ok(true), false) => watched(EventFlags::OUT).is_ok(),
            _ => false,
        };
        if !stays {
            connections[number] = None;
            free.push(number);
        }
    }
}

impl Connection {
    /// Whether it stays open.
    fn receive(&mut self, room: &mut [u8], out: &mut Vec<u8>, hello: &Hello) -> io::Result<bool> {
        let bytes = match self.stream.read(room) {
            Ok(0) => return Ok(false),
            Ok(_) if self.is_deaf => return Ok(true),
            Ok(bytes) => &room[..bytes],
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        };
        out.clear();
        if self.head.is_empty() {
            let used = self.answer(bytes, out, hello)?;
            self.head.extend_from_slice(&bytes[used..]);
        } else {
            let mut head = std::mem::take(&mut self.head);
            head.extend_from_slice(bytes);
            let used = self.answer(&head, out, hello)?;
            self.head.extend_from_slice(&head[used..]);
        }
        if out.is_empty() {
            return Ok(true);
        }
        match self.stream.write(out) {
            Ok(sent) if sent == out.len() => Ok(!self.is_last),
            Ok(sent) => {
                self.unsent.extend_from_slice(&out[sent..]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.unsent.extend_from_slice(out);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn send_rest(&mut self) -> io::Result<bool> {
        let sent = self.stream.write(&self.unsent)?;
        self.unsent.drain(..sent);
        // Level-triggered: what is readable, or writable still, is told again. Nobody who is measured gets here.
        Ok(!(self.is_last && self.unsent.is_empty()))
    }

    /// Answers what is there whole, and gives how much that was.
    fn answer(&mut self, bytes: &[u8], out: &mut Vec<u8>, hello: &Hello) -> io::Result<usize> {
        let mut used = 0;
        while used < bytes.len() && !self.is_deaf {
            let mut fields = [EMPTY_HEADER; FIELDS];
            let mut request = Request::new(&mut fields);
            match request.parse(&bytes[used..]) {
                Ok(Status::Complete(length)) => used += length,
                Ok(Status::Partial) => break,
                Err(error) => return Err(io::Error::other(error)),
            }
            let is_close = |field: &httparse::Header<'_>| {
                field.name.eq_ignore_ascii_case("connection") && field.value == b"close"
            };
            self.is_last = request.headers.iter().any(is_close);
            self.is_deaf = request.method != Some("GET");
            let route = (request.method, request.path.unwrap_or_default());
            hello.answer_to(route, self.is_last, out)?;
        }
        Ok(used)
    }
}

#[derive(serde::Serialize)]
struct Greeting {
    message: &'static str,
}

impl Hello {
    fn now() -> Self {
        let mut hello = Self {
            second: 0,
            date: String::new(),
            answer: Vec::new(),
        };
        hello.follow();
        hello
    }

    /// Writes another one when the second is another one.
    fn follow(&mut self) {
        let now = SystemTime::now();
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let second = since.map_or(0, |since| since.as_secs());
        if second != self.second {
            self.second = second;
            self.date = httpdate::fmt_http_date(now);
            self.answer.clear();
            let mut answer = std::mem::take(&mut self.answer);
            self.write("200 OK", "text/plain", HELLO.as_bytes(), false, &mut answer)
                .expect("a Vec takes everything");
            self.answer = answer;
        }
    }

    fn answer_to(
        &self,
        (method, path): (Option<&str>, &str),
        is_last: bool,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let number = |prefix| path.strip_prefix(prefix);
        let text = if method != Some("GET") {
            None
        } else if path == "/" {
            if !is_last {
                out.extend_from_slice(&self.answer);
                return Ok(());
            }
            Some(HELLO.to_owned())
        } else if path == "/json" {
            let greeting = Greeting { message: HELLO };
            let json = serde_json::to_vec(&greeting)?;
            return self.write("200 OK", "application/json", &json, is_last, out);
        } else if let Some(n) = number("/fib/") {
            http::fib(n)
        } else if let Some(n) = number("/burn/") {
            http::burn(n)
        } else {
            None
        };
        match text {
            Some(text) => self.write("200 OK", "text/plain", text.as_bytes(), is_last, out),
            None => self.write("404 Not Found", "text/plain", b"", is_last, out),
        }
    }

    fn write(
        &self,
        status: &str,
        content_type: &str,
        body: &[u8],
        is_last: bool,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let (date, length) = (&self.date, body.len());
        let close = if is_last { "Connection: close\r\n" } else { "" };
        write!(
            out,
            "HTTP/1.1 {status}\r\nServer: bare\r\nDate: {date}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{close}\r\n"
        )?;
        out.extend_from_slice(body);
        Ok(())
    }
}
