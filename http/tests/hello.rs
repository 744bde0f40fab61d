//! The example server `hello` as a program: its routes, its flags, and how it ends. (Cargo builds the examples with all tests of a package, though not for `--test hello` alone.)

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

fn program() -> Command {
    let mut path = std::env::current_exe().expect("this program has a path");
    path.pop();
    path.pop();
    Command::new(PathBuf::from_iter([path, "examples/hello".into()]))
}

struct Hello {
    process: Child,
    addr: String,
}

impl Hello {
    fn start(flags: &[&str]) -> Self {
        let mut process = program()
            .args(["--addr", "127.0.0.1:0"])
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the example was built");
        let mut errors = BufReader::new(process.stderr.take().expect("piped"));
        let mut line = String::new();
        errors
            .read_line(&mut line)
            .expect("it says where it listens");
        let addr = line.trim().strip_prefix("listening on ");
        let addr = addr.unwrap_or_else(|| panic!("{line}")).to_owned();
        // Read on, so that it never waits for us.
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        Self { process, addr }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.addr).expect("it listens")
    }

    /// Sends a request and reads to the end of the connection: (status, fields, body).
    fn ask(&self, request: &str, more: &str) -> (u16, String, String) {
        let mut stream = self.connect();
        let head = format!("{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{more}");
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head[9..12].parse().expect("a status");
        (status, head.to_lowercase(), body.to_owned())
    }

    fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.ask(&format!("GET {path}"), "\r\n");
        (status, body)
    }

    /// Waits until so many requests are in their handlers, beside the one that asks.
    fn wait_for_handlers(&self, count: usize) {
        let line = format!("\nfilch_http_requests_in_handlers {count}\n");
        while !self.get("/metrics").1.contains(&line) {}
    }

    fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill exists").success());
    }

    /// How long it has computed, in ticks of 10 ms.
    fn computed_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()));
        let stat = stat.expect("it runs");
        // proc_pid_stat(5): fields 14 and 15, of which the second may contain anything.
        let fields = stat.rsplit(')').next().expect("fields");
        let mut times = fields.split_whitespace().skip(11).take(2);
        let mut next = || -> u64 { times.next().expect("a time").parse().expect("a number") };
        next() + next()
    }

    fn exit_status(mut self) -> Option<i32> {
        self.process.wait().expect("our child").code()
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        // Fails if it has ended, which is as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn each_route_answers() {
    let hello = Hello::start(&["--workers", "2", "--max-body", "5"]);
    let (status, head, body) = hello.ask("GET /", "\r\n");
    assert_eq!((status, body.as_str()), (200, "Hello, World!"));
    assert!(
        head.contains("\r\ndate: ") && head.contains("\r\nserver: "),
        "{head}"
    );
    assert!(head.contains("\r\ncontent-type: text/plain"), "{head}");
    let (_, head, body) = hello.ask("GET /json", "\r\n");
    assert_eq!(body, r#"{"message":"Hello, World!"}"#);
    assert!(
        head.contains("\r\ncontent-type: application/json"),
        "{head}"
    );

    for (path, status, body) in [
        ("/fib/0", 200, "0"),
        ("/fib/93", 200, "12200160415121876738"),
        ("/burn/20", 200, "6765"),
        ("/sleep/1", 200, "1 ms"),
    ] {
        assert_eq!(hello.get(path), (status, body.to_owned()), "{path}");
    }
    for path in [
        "/fib/94",
        "/fib/-1",
        "/fib/+1",
        "/fib/x",
        "/fib/99999999999999999999",
        "/burn/46",
        "/sleep/600001",
        "/chunked/1000001",
        "/chunked/x",
    ] {
        assert_eq!(hello.get(path).0, 400, "{path}");
    }
    for path in ["/nothing", "/fib", "/fib/", "/fib/1/2", "/static/", "/ws"] {
        assert_eq!(hello.get(path).0, 404, "{path}");
    }

    let (_, _, body) = hello.ask("GET /headers", "X-A: one\r\nx-a: two\r\n\r\n");
    assert_eq!(
        body,
        r#"{"connection":"close","host":"test","x-a":"one, two"}"#
    );
    assert_eq!(hello.get("/panic").0, 500);
    assert_eq!(hello.get("/").0, 200, "it goes on");

    assert_eq!(hello.get("/healthz").0, 200);
    assert_eq!(hello.get("/readyz").0, 200);
    let (status, metrics) = hello.get("/metrics");
    assert_eq!(status, 200);
    assert!(
        metrics.contains("\nfilch_http_responses_total{status=\"5xx\"} 1\n"),
        "{metrics}"
    );

    let typed = "Content-Type: text/x\r\n";
    let (status, head, body) = hello.ask(
        "POST /echo",
        &format!("{typed}Content-Length: 5\r\n\r\nbytes"),
    );
    assert_eq!((status, body.as_str()), (200, "bytes"));
    assert!(head.contains("\r\ncontent-type: text/x"), "{head}");
    assert_eq!(
        hello.ask("POST /echo", "Content-Length: 6\r\n\r\nbytes!").0,
        413
    );

    // Of a chunked body the length is known when all of it is here; then it is announced.
    let (status, head, body) = hello.ask(
        "POST /echo",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nby\r\n3\r\ntes\r\n0\r\n\r\n",
    );
    let body = match head.contains("\r\ntransfer-encoding: chunked") {
        true => unchunked(&body),
        false => body,
    };
    assert_eq!((status, body.as_str()), (200, "bytes"));
    assert!(!head.contains("\r\ncontent-type: "), "{head}");

    for (path, lines) in [("/chunked/0", 0), ("/chunked/1000", 1000)] {
        let (status, head, body) = hello.ask(&format!("GET {path}"), "\r\n");
        assert_eq!(status, 200, "{path}");
        assert!(head.contains("\r\ntransfer-encoding: chunked"), "{head}");
        let expected: String = (0..lines).map(|line| format!("{line}\n")).collect();
        assert_eq!(unchunked(&body), expected, "{path}");
    }

    let (status, head, body) = hello.ask("HEAD /json", "\r\n");
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("\r\ncontent-length: 27"), "{head}");
    let (status, head, body) = hello.ask("HEAD /chunked/9", "\r\n");
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("\r\ntransfer-encoding: chunked"), "{head}");
    let (status, head, _) = hello.ask("DELETE /", "\r\n");
    assert_eq!(status, 405);
    assert!(head.contains("\r\nallow: get, head, options"), "{head}");
    let (status, head, _) = hello.ask("OPTIONS /echo", "\r\n");
    assert_eq!(status, 204);
    assert!(head.contains("\r\nallow: options, post"), "{head}");
}

/// The bytes of a body that came in chunks.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    loop {
        let (len, rest) = body.split_once("\r\n").expect("a length");
        let len = usize::from_str_radix(len, 16).expect("a number");
        whole.push_str(&rest[..len]);
        body = rest[len..].strip_prefix("\r\n").expect("an end");
        if len == 0 {
            assert_eq!(body, "");
            return whole;
        }
    }
}

#[test]
fn a_body_comes_back_while_it_is_sent() {
    let hello = Hello::start(&[]);
    let mut client = hello.connect();
    client
        .write_all(
            b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\nConnection: close\r\n\r\n",
        )
        .expect("it reads");
    let mut answer = Vec::new();
    for piece in ["abc", "def"] {
        client.write_all(piece.as_bytes()).expect("it reads");
        while !answer.ends_with(piece.as_bytes()) {
            let mut byte = [0];
            client.read_exact(&mut byte).expect("it answers");
            answer.push(byte[0]);
        }
    }
    client.read_to_end(&mut answer).expect("the end");
    assert!(answer.ends_with(b"\r\n\r\nabcdef"));
}

#[test]
fn events_come_until_the_server_ends() {
    let hello = Hello::start(&["--shutdown-ms", "3600000"]);
    let mut client = BufReader::new(hello.connect());
    client
        .get_mut()
        .write_all(b"GET /events HTTP/1.1\r\nHost: test\r\n\r\n")
        .expect("it reads");
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(client.read_line(&mut head).expect("a line"), 0);
    }
    let head = head.to_lowercase();
    assert!(
        head.contains("\r\ncontent-type: text/event-stream\r\n"),
        "{head}"
    );
    let mut events = String::new();
    while !events.contains("data: 2\n") {
        assert_ne!(client.read_line(&mut events).expect("a line"), 0);
    }
    hello.signal("TERM");
    client.read_to_string(&mut events).expect("the end");
    assert!(
        unchunked(&events).starts_with("data: 1\n\ndata: 2\n\n"),
        "{events}"
    );
    assert_eq!(hello.exit_status(), Some(0));
}

#[test]
fn files_of_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let public = folder.path().join("public");
    std::fs::create_dir(&public).expect("made");
    std::fs::write(public.join("page.html"), "<p>0123456789").expect("written");
    std::fs::write(public.join("index.html"), "<p>index").expect("written");
    std::fs::write(folder.path().join("secret.txt"), "secret").expect("written");
    let hello = Hello::start(&["--static", public.to_str().expect("text")]);
    let (status, head, body) = hello.ask("GET /static/page.html", "\r\n");
    assert_eq!((status, body.as_str()), (200, "<p>0123456789"));
    assert!(head.contains("\r\ncontent-type: text/html"), "{head}");
    let (status, head, body) = hello.ask("GET /static/page.html", "Range: bytes=3-5\r\n\r\n");
    assert_eq!((status, body.as_str()), (206, "012"));
    assert!(head.contains("\r\ncontent-range: bytes 3-5/13"), "{head}");
    let modified = head
        .lines()
        .find_map(|line| line.strip_prefix("last-modified: "));
    let since = format!(
        "If-Modified-Since: {}\r\n\r\n",
        http_date(modified.expect("a date"))
    );
    assert_eq!(hello.ask("GET /static/page.html", &since).0, 304);
    assert_eq!(hello.get("/static/"), (200, "<p>index".to_owned()));
    let (status, head, _) = hello.ask("GET /static", "\r\n");
    assert_eq!(status, 308);
    assert!(head.contains("\r\nlocation: ./static/\r\n"), "{head}");
    assert!(public.join("../secret.txt").exists());
    for path in [
        "/static/nothing",
        "/static/../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/..%2fsecret.txt",
        "/static/%2e%2e%2fsecret.txt",
        "/static/none/../../secret.txt",
    ] {
        assert_eq!(hello.get(path).0, 404, "{path}");
    }
}

/// A date that was made lower case, as it is sent.
fn http_date(lower: &str) -> String {
    let words = lower.split(' ').map(|word| match word {
        "gmt" => "GMT".to_owned(),
        word => word[..1].to_uppercase() + &word[1..],
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn it_drains_when_told_to_stop() {
    for signal in ["TERM", "INT"] {
        let hello = Hello::start(&[]);
        let mut idle = hello.connect();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            .expect("it reads");
        let mut first = [0; 12];
        idle.read_exact(&mut first).expect("it answers");
        let mut busy = hello.connect();
        busy.write_all(b"GET /sleep/500 HTTP/1.1\r\nHost: test\r\n\r\n")
            .expect("it reads");
        hello.wait_for_handlers(1);
        hello.signal(signal);
        let mut answer = String::new();
        busy.read_to_string(&mut answer)
            .expect("an answer, then the end");
        assert!(answer.ends_with("500 ms"), "{answer}");
        idle.read_to_end(&mut Vec::new()).expect("the end");
        assert_eq!(hello.exit_status(), Some(0), "{signal}");
    }
}

/// Times far from those that hold unless they are given: an hour where 10 s would end it, and the other way round.
#[test]
fn the_times_of_a_client_are_those_of_the_flags() {
    let hour = "3600000";
    let hello = Hello::start(&["--header-timeout-ms", "100", "--keepalive-timeout-ms", hour]);
    let mut client = hello.connect();
    client.write_all(b"GET / HT").expect("it reads");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");

    let hello = Hello::start(&["--header-timeout-ms", hour, "--keepalive-timeout-ms", "100"]);
    let mut idle = hello.connect();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        .expect("it reads");
    let mut answer = String::new();
    idle.read_to_string(&mut answer)
        .expect("an answer, then the end");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("onnection: close"), "{answer}");

    // What it was given a long time for is still waited for.
    let hello = Hello::start(&["--header-timeout-ms", hour, "--keepalive-timeout-ms", hour]);
    let mut client = hello.connect();
    client.write_all(b"GET / HTTP/1.1\r\n").expect("it reads");
    #[expect(
        clippy::disallowed_methods,
        reason = "this is no worker, but a client that takes its time"
    )]
    std::thread::sleep(std::time::Duration::from_millis(500));
    client.write_all(b"Host: test\r\n\r\n").expect("it reads");
    let mut first = [0; 12];
    client.read_exact(&mut first).expect("it answers");
    assert_eq!(&first, b"HTTP/1.1 200");
}

#[test]
fn more_requests_than_the_flags_allow_are_turned_away() {
    let hello = Hello::start(&["--requests", "1", "--queue", "0"]);
    let mut busy = hello.connect();
    busy.write_all(b"GET /sleep/600000 HTTP/1.1\r\nHost: test\r\n\r\n")
        .expect("it reads");
    hello.wait_for_handlers(1);
    let (status, head, _) = hello.ask("GET /", "\r\n");
    assert_eq!(status, 503);
    assert!(head.contains("\r\nretry-after: 1"), "{head}");
}

/// Each line of the log is one write, as those of several workers would be mixed otherwise: a socket keeps writes apart.
#[test]
fn a_line_of_the_log_is_one_write() {
    let (errors, theirs) = std::os::unix::net::UnixDatagram::pair().expect("two sockets");
    let process = program()
        .args(["--addr", "127.0.0.1:0", "--log"])
        .stderr(std::os::fd::OwnedFd::from(theirs))
        .spawn()
        .expect("the example was built");
    let mut hello = Hello {
        process,
        addr: String::new(),
    };
    let line = || {
        let mut room = [0; 4096];
        let len = errors.recv(&mut room).expect("it says something");
        String::from_utf8_lossy(&room[..len]).into_owned()
    };
    let listening = line();
    let addr = listening.trim().strip_prefix("listening on ");
    hello.addr = addr.unwrap_or_else(|| panic!("{listening}")).to_owned();
    for (path, status) in [("/fib/10", 200), ("/nothing", 404)] {
        assert_eq!(hello.get(path).0, status);
        let line = line();
        assert!(line.starts_with("127.0.0.1:"), "{line}");
        assert!(line.contains(&format!(" GET {path} {status} ")), "{line}");
        assert!(line.ends_with('\n'), "{line}");
    }
}

#[test]
fn the_deadline_of_a_drain_is_kept() {
    let hello = Hello::start(&["--shutdown-ms", "50"]);
    let mut busy = hello.connect();
    // Its body never comes.
    busy.write_all(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\n")
        .expect("it reads");
    assert_eq!(hello.get("/").0, 200);
    hello.signal("TERM");
    assert_eq!(hello.exit_status(), Some(2));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let hello = Hello::start(&["--shutdown-ms", "3600000"]);
    let mut busy = hello.connect();
    busy.write_all(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\n")
        .expect("it reads");
    assert_eq!(hello.get("/").0, 200);
    hello.signal("TERM");
    // The first has arrived when nobody is let in any more.
    while TcpStream::connect(&hello.addr).is_ok() {
        std::thread::yield_now();
    }
    hello.signal("INT");
    assert_eq!(hello.exit_status(), Some(2));
}

/// All workers compute for longer than any test may take: neither the deadline nor a second signal waits for one of them.
#[test]
fn it_ends_though_every_worker_is_busy() {
    for (shutdown_ms, signals) in [("50", &["TERM"][..]), ("3600000", &["TERM", "INT"])] {
        let hello = Hello::start(&["--workers", "2", "--shutdown-ms", shutdown_ms]);
        let busy = [(); 3].map(|()| {
            let mut busy = hello.connect();
            busy.write_all(b"GET /burn/45 HTTP/1.1\r\nHost: test\r\n\r\n")
                .expect("it reads");
            busy
        });
        while hello.computed_ticks() < 20 {
            std::thread::yield_now();
        }
        for signal in signals {
            hello.signal(signal);
        }
        assert_eq!(hello.exit_status(), Some(2), "{signals:?}");
        drop(busy);
    }
}

/// A free port, unless somebody takes it in the meantime.
fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").to_string()
}

#[test]
fn it_listens_on_a_path_and_for_who_asks_how_it_is() {
    let path = std::env::temp_dir().join(format!("filch-hello-{}.sock", std::process::id()));
    let path = path.to_str().expect("text");
    let admin = free_port();
    let mut hello = Hello::start(&["--unix", path, "--admin", &admin]);
    let mut unix = std::os::unix::net::UnixStream::connect(path).expect("it listens");
    unix.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .expect("it reads");
    let mut answer = String::new();
    unix.read_to_string(&mut answer).expect("it answers");
    assert!(answer.ends_with("\r\n\r\nHello, World!"), "{answer}");
    let main = std::mem::replace(&mut hello.addr, admin);
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/", 404),
    ] {
        assert_eq!(hello.get(path).0, status, "{path}");
    }
    // It says that it drains, until it has.
    let mut busy = TcpStream::connect(main).expect("it listens");
    busy.write_all(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\n")
        .expect("it reads");
    // Its handler has answered; the body is still to come, both ways.
    let mut first = [0; 12];
    busy.read_exact(&mut first).expect("it answers");
    hello.signal("TERM");
    while hello.get("/readyz").0 != 503 {}
    assert_eq!(hello.get("/healthz").0, 200);
    busy.write_all(b"end").expect("it reads");
    let mut answer = String::new();
    busy.read_to_string(&mut answer).expect("it answers");
    assert!(answer.ends_with("\r\n\r\nend"), "{answer}");
    assert_eq!(hello.exit_status(), Some(0));
    // The next one takes over the file that is left.
    let hello = Hello::start(&["--unix", path]);
    assert!(std::os::unix::net::UnixStream::connect(path).is_ok());
    drop(hello);
    std::fs::remove_file(path).expect("it stays");
}

#[test]
fn bad_flags_get_a_sentence_and_status_2() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("bound").to_string();
    for (flags, says) in [
        (&["--bogus"][..], "--bogus"),
        (&["--workers", "0"], "worker_threads is 0"),
        (&["--workers", "many"], "many"),
        (&["--addr", "nonsense"], "nonsense"),
        (&["--addr", &taken], &taken),
        (&["--addr", "127.0.0.1:0", "--admin", &taken], &taken),
        (
            &["--addr", "127.0.0.1:0", "--unix", "/no/such/folder"],
            "/no/such/folder",
        ),
        (&["--static", "/no/such/folder"], "/no/such/folder"),
        (&["--max-body", "-1"], "-1"),
    ] {
        let Output { status, stderr, .. } = program().args(flags).output().expect("it was built");
        let stderr = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(says), "{flags:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{flags:?}: {stderr}");
    }
}
