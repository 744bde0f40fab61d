//! A server on a thread of its own, and a client that is nothing but a socket.

use filch::time::Duration;
use filch_http::{
    BodyError, Drained, Limits, Monitor, Request, Response, Router, Server, StatusCode, Timeouts,
};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread::JoinHandle;

/// No wait of a test is longer; a test that gets here has failed.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// The machine may stand still while a test runs; that is no overload.
const PATIENT: Timeouts = Timeouts {
    lateness: Duration::MAX,
    ..Timeouts::DEFAULT
};

/// A server that runs until it is stopped or dropped. Its runtime goes with it, not before.
pub(crate) struct TestServer {
    pub(crate) addr: SocketAddr,
    pub(crate) monitor: Monitor,
    stop: Option<mpsc::Sender<()>>,
    force: Option<mpsc::Sender<()>>,
    drained: mpsc::Receiver<Drained>,
    runtime: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::with(|server| server)
    }

    /// A server with the routes below, changed by `configure`.
    pub(crate) fn with(configure: impl FnOnce(Server) -> Server + Send + 'static) -> Self {
        Self::with_router(routes(), configure)
    }

    pub(crate) fn with_router(
        router: Router,
        configure: impl FnOnce(Server) -> Server + Send + 'static,
    ) -> Self {
        let (stop, stopped) = mpsc::channel();
        let (force, forced) = mpsc::channel();
        let (addr_of, addr) = mpsc::channel();
        let (drained_of, drained) = mpsc::channel();
        let (runtime_of_test, end) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = filch::runtime::Builder::new()
                .worker_threads(2)
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let server = Server::bind("127.0.0.1:0")
                    .await
                    .expect("a free port")
                    .router(router)
                    .timeouts(PATIENT);
                let server = configure(server);
                let addr = server.local_addr().expect("an address");
                addr_of
                    .send((addr, server.monitor()))
                    .expect("the test waits");
                let drained = server
                    .serve_with_force(received(stopped), received(forced))
                    .await
                    .expect("nothing fails");
                let _ = drained_of.send(drained);
            });
            let _ = end.recv();
        });
        let (addr, monitor) = addr.recv_timeout(HANG).expect("the server starts");
        Self {
            addr,
            monitor,
            stop: Some(stop),
            force: Some(force),
            drained,
            runtime: Some(runtime_of_test),
            thread: Some(thread),
        }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::of(TcpStream::connect(self.addr).expect("the server listens"))
    }

    /// Tells the server to end, without waiting for it.
    pub(crate) fn stop(&mut self) {
        self.stop = None;
    }

    /// Tells the server to end at once.
    pub(crate) fn force(&mut self) {
        self.force = None;
    }

    /// A number of the metrics, by its name with its labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.monitor.text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("{name} in {text}"))
    }

    /// Waits until a number of the metrics is this.
    pub(crate) fn wait_for(&self, name: &str, number: u64) {
        while self.metric(name) != number {
            std::thread::yield_now();
        }
    }

    /// Waits for the end of the server. Its runtime still runs.
    pub(crate) fn drained(&mut self) -> Drained {
        self.stop();
        let drained = self.drained.recv_timeout(HANG);
        drained.expect("the server ends and does not panic")
    }

    /// Waits for the end of the server and its runtime.
    pub(crate) fn join(mut self) -> Drained {
        self.drained()
    }

    /// The answer to one request on a connection of its own.
    pub(crate) fn answer(&self, request: &str) -> Answer {
        let mut client = self.connect();
        client.send(request);
        client.answer()
    }

    /// The status of it.
    pub(crate) fn status(&self, request: &str) -> u16 {
        self.answer(request).status
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
        self.force();
        self.runtime = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Ready when the sender is gone: a thread waits for it, as a test has nothing better.
async fn received(stopped: mpsc::Receiver<()>) {
    let (wake, waker) = mpsc::channel::<Waker>();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let set = done.clone();
    std::thread::spawn(move || {
        let waker = waker.recv();
        let _ = stopped.recv();
        set.store(true, std::sync::atomic::Ordering::SeqCst);
        if let Ok(waker) = waker {
            waker.wake();
        }
    });
    std::future::poll_fn(move |cx| {
        if done.load(std::sync::atomic::Ordering::SeqCst) {
            return Poll::Ready(());
        }
        let _ = wake.send(cx.waker().clone());
        Poll::Pending
    })
    .await;
}

/// A connection to the server.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(HANG)).expect("a timeout");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .expect("the server reads");
    }

    /// The same when it does not matter whether the server still reads.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Sends these bytes one by one, with a pause after each, until the server refuses them.
    pub(crate) fn trickle(
        &self,
        bytes: impl IntoIterator<Item = u8> + Send + 'static,
    ) -> JoinHandle<()> {
        let mut stream = self.stream.try_clone().expect("a socket");
        std::thread::spawn(move || {
            for byte in bytes {
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        })
    }

    /// Says that nothing more will be sent.
    pub(crate) fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("a socket");
    }

    /// The next answer, with the body that its head announces.
    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    pub(crate) fn answer_to(&mut self, method: &str) -> Answer {
        let head_len = loop {
            match self
                .unread
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                Some(at) => break at + 4,
                None => assert!(
                    self.read() > 0,
                    "the connection ended before an answer: {:?}",
                    self.text()
                ),
            }
        };
        let head =
            String::from_utf8(self.unread.drain(..head_len).collect()).expect("a head is text");
        let mut answer = Answer::of(&head);
        if method != "HEAD" {
            let len: usize = answer
                .field("content-length")
                .map_or(0, |len| len.parse().expect("a number"));
            while self.unread.len() < len {
                assert!(self.read() > 0, "the connection ended within a body");
            }
            answer.body = self.unread.drain(..len).collect();
            if answer.field("transfer-encoding") == Some("chunked") {
                while let Some(chunk) = self.chunk() {
                    answer.body.extend_from_slice(&chunk);
                }
                answer.trailers = self.trailers();
            }
        }
        answer
    }

    /// The next answer; none if the connection ends, or breaks off, before it.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        if self.unread.is_empty() {
            let mut first = [0];
            let count = self.stream.read(&mut first).unwrap_or(0);
            self.unread.extend_from_slice(&first[..count]);
        }
        (!self.unread.is_empty()).then(|| self.answer())
    }

    /// The next line, without its end.
    pub(crate) fn line(&mut self) -> String {
        let len = loop {
            match self.unread.windows(2).position(|window| window == b"\r\n") {
                Some(len) => break len,
                None => assert!(self.read() > 0, "the connection ended within a line"),
            }
        };
        let line = self.unread.drain(..len + 2).take(len).collect();
        String::from_utf8(line).expect("a line is text")
    }

    /// The next chunk of a body; `None` for the last.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let len = usize::from_str_radix(&self.line(), 16).expect("a length");
        if len == 0 {
            return None;
        }
        while self.unread.len() < len + 2 {
            assert!(self.read() > 0, "the connection ended within a chunk");
        }
        let chunk = self.unread.drain(..len).collect();
        assert_eq!(self.line(), "");
        Some(chunk)
    }

    /// The lines behind the last chunk.
    fn trailers(&mut self) -> Vec<String> {
        std::iter::from_fn(|| Some(self.line()).filter(|line| !line.is_empty())).collect()
    }

    /// The head of the next answer alone.
    pub(crate) fn head(&mut self) -> Answer {
        self.answer_to("HEAD")
    }

    /// Reads up to so many bytes once, and drops them; none when the connection is gone.
    pub(crate) fn try_bytes(&mut self, most: usize) -> usize {
        let mut room = vec![0; most];
        self.stream.read(&mut room).unwrap_or(0)
    }

    /// Waits for so many bytes, and takes them.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.read() > 0, "the connection ended before");
        }
        self.unread.drain(..count).collect()
    }

    fn read(&mut self) -> usize {
        let mut piece = [0; 64 * 1024];
        let count = loop {
            match self.stream.read(&mut piece) {
                // signal(7): so ends a read with a time limit when the process is stopped and told to go on, whatever its signal handlers are.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read.expect("the server answers"),
            }
        };
        self.unread.extend_from_slice(&piece[..count]);
        count
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.unread).into_owned()
    }

    /// Whether the server closes the connection properly, with nothing more sent.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.unread.is_empty() && self.rest().is_some_and(|rest| rest.is_empty())
    }

    /// Everything up to the end; `None` if the connection was reset.
    pub(crate) fn rest(&mut self) -> Option<Vec<u8>> {
        match self.stream.read_to_end(&mut self.unread) {
            Ok(_) => Some(std::mem::take(&mut self.unread)),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<String>,
}

impl Answer {
    fn of(head: &str) -> Self {
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .expect("a status line");
        Self {
            status: status.parse().expect("a status"),
            head: head.to_owned(),
            body: Vec::new(),
            trailers: Vec::new(),
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (n, value) = line.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body that is text")
    }

    pub(crate) fn closes(&self) -> bool {
        self.field("connection") == Some("close")
    }
}

pub(crate) fn routes() -> Router {
    Router::new()
        .get("/", async || "Hello, World!")
        .get("/echo/{text}", async |request: Request| {
            request.param("text").unwrap_or_default().into_owned()
        })
        .get("/fields", async |request: Request| {
            request
                .fields()
                .map(|(name, value)| format!("{name}={}\n", String::from_utf8_lossy(value)))
                .collect::<String>()
        })
        .get("/large", async || vec![b'l'; 300_000])
        .get("/panic", async || -> &'static str { panic!("on purpose") })
        .get("/panic-at-once", || -> std::future::Ready<&'static str> {
            panic!("on purpose")
        })
        .get("/panic-late", async || -> &'static str {
            filch::yield_now().await;
            panic!("on purpose")
        })
        .get("/yield", async || {
            filch::yield_now().await;
            "yielded"
        })
        .get("/close", async || {
            Response::new("bye").with_header("connection", "close")
        })
        .get("/status/{code}", async |request: Request| {
            let code = request.param("code").and_then(|code| code.parse().ok());
            let status = StatusCode::from_u16(code.unwrap_or(0)).unwrap_or_default();
            Response::text("some text").with_status(status)
        })
        .get("/close-late", async || {
            filch::time::sleep(Duration::from_millis(300)).await;
            Response::new("bye").with_header("connection", "close")
        })
        .get("/panic-twice", || {
            let panics = PanicsWhenDropped;
            std::future::poll_fn(move |_| -> Poll<&'static str> {
                let _held = &panics;
                std::panic::panic_any(PanicsWhenDropped)
            })
        })
        .get("/panic-later", async || -> &'static str {
            filch::time::sleep(Duration::from_millis(300)).await;
            panic!("on purpose")
        })
        .get("/slow", async || {
            filch::time::sleep(Duration::from_millis(300)).await;
            "slow"
        })
        .get("/never", async || {
            std::future::pending::<&'static str>().await
        })
        .post("/echo", async |mut request: Request| {
            request.body().bytes().await
        })
        .post("/pieces", pieces)
        .post("/ignore", async || "ignored")
        .post(
            "/first",
            async |mut request: Request| -> Result<String, BodyError> {
                Ok(request
                    .body()
                    .chunk()
                    .await?
                    .map_or(0, <[u8]>::len)
                    .to_string())
            },
        )
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("on purpose, once more");
    }
}

/// The sum of the body's bytes, read piece by piece, and that the head is still there while it is.
async fn pieces(mut request: Request) -> Result<String, BodyError> {
    let (mut count, mut sum) = (0u64, 0u64);
    let mut body = request.body();
    while let Some(piece) = body.chunk().await? {
        count += piece.len() as u64;
        sum += piece.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    Ok(format!("{} {count} {sum}", request.path()))
}

pub(crate) fn limits(body_bytes: u64) -> Limits {
    Limits {
        body_bytes,
        ..Limits::default()
    }
}

pub(crate) fn short_timeouts() -> Timeouts {
    let short = Duration::from_millis(150);
    Timeouts {
        header: short,
        keep_alive: short * 2,
        body: short,
        write: short,
        linger: short,
        ..Timeouts::default()
    }
}
