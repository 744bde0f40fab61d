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
    ] {
        assert_eq!(hello.get(path).0, 400, "{path}");
    }
    for path in ["/nothing", "/fib", "/fib/", "/fib/1/2"] {
        assert_eq!(hello.get(path).0, 404, "{path}");
    }

    let (_, _, body) = hello.ask("GET /headers", "X-A: one\r\nx-a: two\r\n\r\n");
    assert_eq!(
        body,
        r#"{"connection":"close","host":"test","x-a":"one, two"}"#
    );
    assert_eq!(hello.get("/panic").0, 500);
    assert_eq!(hello.get("/").0, 200, "it goes on");

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

    let (status, head, body) = hello.ask("HEAD /json", "\r\n");
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("\r\ncontent-length: 27"), "{head}");
    let (status, head, _) = hello.ask("DELETE /", "\r\n");
    assert_eq!(status, 405);
    assert!(head.contains("\r\nallow: get, head, options"), "{head}");
    let (status, head, _) = hello.ask("OPTIONS /echo", "\r\n");
    assert_eq!(status, 204);
    assert!(head.contains("\r\nallow: options, post"), "{head}");
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
        busy.write_all(b"GET /burn/27 HTTP/1.1\r\nHost: test\r\n\r\n")
            .expect("it reads");
        // The request is under way when something of a later connection is answered; both may be read in one go.
        assert_eq!(hello.get("/").0, 200);
        hello.signal(signal);
        let mut answer = String::new();
        busy.read_to_string(&mut answer)
            .expect("an answer, then the end");
        assert!(answer.ends_with("196418"), "{answer}");
        idle.read_to_end(&mut Vec::new()).expect("the end");
        assert_eq!(hello.exit_status(), Some(0), "{signal}");
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
        (&["--max-body", "-1"], "-1"),
    ] {
        let Output { status, stderr, .. } = program().args(flags).output().expect("it was built");
        let stderr = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(says), "{flags:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{flags:?}: {stderr}");
    }
}
