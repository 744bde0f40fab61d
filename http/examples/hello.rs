//! A small server that shows what filch-http does. Run it with
//!
//! ```text
//! cargo run --release -p filch-http --example hello -- --addr 127.0.0.1:8080
//! ```
//!
//! and ask it for `/`, `/json`, `/fib/50`, `/burn/30`, `/sleep/100`, `/chunked/10`, `/events`, `/headers`, `/panic`, `/healthz`, `/readyz`, `/metrics`, with `--static DIR` for `/static/` and
//! what is below it, or POST something to `/echo`.

use clap::Parser;
use filch::time::{Duration, sleep};
use filch_http::{
    Access, Body, Drained, Event, Json, Limits, Monitor, Path, Request, Response, Router, Server,
    Sse, StaticFiles, StatusCode,
};
use filch_net::signal::{Signal, SignalKind, signal};
use filch_net::{TcpListener, UnixListener};
use futures_lite::stream::{self, Stream};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::future::poll_fn;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::task::Poll;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An example server on filch.
#[derive(Debug, Parser)]
struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    addr: String,
    /// How many worker threads; as many as there are cores if not given.
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Longest body of a request.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::DEFAULT.body_bytes)]
    max_body: u64,
    /// How long a client may take for the head of a request.
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    header_timeout_ms: u64,
    /// How long a connection may be idle.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    keepalive_timeout_ms: u64,
    /// How many requests may be in their handlers at a time; more wait.
    #[arg(long, value_name = "N", default_value_t = Limits::DEFAULT.requests)]
    requests: usize,
    /// How many may wait; more are answered with 503.
    #[arg(long, value_name = "N", default_value_t = Limits::DEFAULT.queue)]
    queue: usize,
    /// How long to wait for requests under way when told to stop.
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    shutdown_ms: u64,
    /// Listen on this path too.
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,
    /// Answer `/healthz`, `/readyz` and `/metrics` there too, also when the server is overloaded or ends.
    #[arg(long, value_name = "HOST:PORT")]
    admin: Option<String>,
    /// Serve the files of this folder below `/static/`.
    #[arg(long = "static", value_name = "DIR")]
    files: Option<PathBuf>,
    /// Write a line for each request to standard error.
    #[arg(long)]
    log: bool,
}

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) if error.use_stderr() => return fail(sentence_of(&error)),
        Err(help) => {
            print!("{help}");
            return ExitCode::SUCCESS;
        }
    };
    match run(options) {
        Ok(Drained::Clean) => ExitCode::SUCCESS,
        Ok(Drained::Forced(connections)) => {
            fail(format_args!("cut off: {connections} connection(s)"))
        }
        Err(error) => fail(error),
    }
}

/// What clap says in its first line; the rest repeats the usage.
fn sentence_of(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    format!("{}; see --help", line.trim_start_matches("error: "))
}

/// Ends with status 2 and a sentence.
fn fail(sentence: impl Display) -> ExitCode {
    say(format_args!("hello: {sentence}"));
    ExitCode::from(2)
}

/// A line on standard error, by one write, so that it stays one whoever else writes there. If nobody reads it (any more), the server goes on.
fn say(line: impl Display) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

fn run(options: Options) -> Result<Drained, String> {
    let mut builder = filch::runtime::Builder::new();
    if let Some(workers) = options.workers {
        builder = builder.worker_threads(workers);
    }
    let runtime = builder.build().map_err(|error| error.to_string())?;
    let drained = runtime.block_on(serve(options));
    // A handler that still computes shall not hold the end up.
    runtime.shutdown_background();
    drained
}

async fn serve(options: Options) -> Result<Drained, String> {
    let cannot_listen = |on: &dyn Display, error| format!("cannot listen on {on}: {error}");
    let server = Server::bind(&options.addr)
        .await
        .map_err(|error| cannot_listen(&options.addr, error))?;
    let mut router = routes(&server.monitor());
    if let Some(folder) = options.files {
        let files = StaticFiles::new(folder).map_err(|error| format!("cannot {error}"))?;
        router = router.files("/static", files);
    }
    let mut server = server
        .router(router)
        .limits(Limits {
            body_bytes: options.max_body,
            // Who tries or measures an example does so from one address.
            connections_per_address: Limits::DEFAULT.connections,
            requests: options.requests,
            queue: options.queue,
            ..Limits::default()
        })
        .header_timeout(Duration::from_millis(options.header_timeout_ms))
        .keepalive_timeout(Duration::from_millis(options.keepalive_timeout_ms))
        .drain_timeout(Duration::from_millis(options.shutdown_ms));
    if options.log {
        server = server.access_log(log);
    }
    if let Some(path) = options.unix {
        let listener = UnixListener::bind_replacing(&path).await;
        server = server.listen(listener.map_err(|error| cannot_listen(&path.display(), error))?);
    }
    if let Some(addr) = options.admin {
        let listener = TcpListener::bind(&addr).await;
        server = server.admin(listener.map_err(|error| cannot_listen(&addr, error))?);
    }
    let addr: SocketAddr = server.local_addr().map_err(|error| error.to_string())?;
    let signals = [SignalKind::terminate(), SignalKind::interrupt()];
    let [terminate, interrupt] = signals.map(signal);
    let no_signals = |error| format!("cannot wait for signals: {error}");
    let signals = [
        terminate.map_err(no_signals)?,
        interrupt.map_err(no_signals)?,
    ];
    say(format_args!("listening on {addr}"));
    let drained = serve_until_stopped(server, signals).await;
    drained.map_err(|error| error.to_string())
}

fn routes(monitor: &Monitor) -> Router {
    Router::new()
        .get("/", async || "Hello, World!")
        .get("/json", json)
        .get("/fib/{n}", fib)
        .get("/burn/{n}", burn)
        .get("/sleep/{ms}", nap)
        .get("/chunked/{n}", chunked)
        .get("/events", events)
        .get("/headers", headers)
        .get("/panic", async || -> &'static str {
            panic!("as asked for")
        })
        .post("/echo", echo)
        .get("/healthz", monitor.healthz())
        .get("/readyz", monitor.readyz())
        .get("/metrics", monitor.metrics())
}

#[derive(serde::Serialize)]
struct Greeting {
    message: &'static str,
}

async fn json() -> Json<Greeting> {
    Json(Greeting {
        message: "Hello, World!",
    })
}

async fn fib(Path(n): Path<u64>) -> Result<String, TooMuch> {
    let (mut a, mut b) = (0u64, 1u64);
    for _ in 0..up_to(93, n)? {
        (a, b) = (b, a.wrapping_add(b));
    }
    Ok(a.to_string())
}

/// Keeps its worker busy; the connections of others go on, on other workers.
async fn burn(Path(n): Path<u64>) -> Result<String, TooMuch> {
    fn fib(n: u64) -> u64 {
        if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
    }
    Ok(fib(up_to(45, n)?).to_string())
}

/// Keeps nobody busy.
async fn nap(Path(ms): Path<u64>) -> Result<String, TooMuch> {
    sleep(Duration::from_millis(up_to(600_000, ms)?)).await;
    Ok(format!("{ms} ms"))
}

/// A body of `n` pieces, each made when there is room to send it.
async fn chunked(Path(n): Path<u64>) -> Result<Response, TooMuch> {
    let lines = (0..up_to(1_000_000, n)?).map(|line| Ok::<_, Infallible>(format!("{line}\n")));
    Ok(Response::text(Body::stream(stream::iter(lines))))
}

/// One event a second, until the client goes or the server ends.
async fn events() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::unfold(1u64, |second| async move {
        sleep(Duration::from_secs(1)).await;
        Some((Ok(Event::data(&second.to_string())), second + 1))
    }))
}

async fn headers(request: Request) -> Json<BTreeMap<String, String>> {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in request.fields() {
        let value = String::from_utf8_lossy(value);
        joined
            .entry(name.to_ascii_lowercase())
            .and_modify(|all| *all = format!("{all}, {value}"))
            .or_insert_with(|| value.into_owned());
    }
    Json(joined)
}

/// The same bytes as they come: however many there are, it holds one piece of them, and reads no faster than its client.
async fn echo(request: Request) -> Response {
    let content_type = request.headers().get("content-type").cloned();
    let body = request.into_body();
    let length = body.remaining();
    let mut echo = Body::stream(body);
    if let Some(length) = length {
        echo = echo.with_length(length);
    }
    let mut response = Response::new(echo);
    if let Some(content_type) = content_type {
        response.headers_mut().insert("content-type", content_type);
    }
    response
}

/// 400, and why.
type TooMuch = (StatusCode, String);

/// The number, unless it is larger than `max`.
fn up_to(max: u64, number: u64) -> Result<u64, TooMuch> {
    match number <= max {
        true => Ok(number),
        false => Err((
            StatusCode::BAD_REQUEST,
            format!("the number is from 0 to {max}\n"),
        )),
    }
}

fn log(access: &Access<'_>) {
    let peer = access
        .peer
        .map_or_else(|| "-".to_owned(), |peer| peer.to_string());
    let Access {
        method,
        target,
        status,
        body_bytes,
        elapsed,
        ..
    } = access;
    say(format_args!(
        "{peer} {method} {target} {} {body_bytes} {elapsed:?}",
        status.as_u16()
    ));
}

/// Serves until the first signal, then drains; a second one cuts off what is left.
///
/// All of this is polled on the main thread and not in a task, so that it needs no worker: each of them may be busy in a handler.
async fn serve_until_stopped(server: Server, signals: [Signal; 2]) -> io::Result<Drained> {
    let (signals, received) = (RefCell::new(signals), Cell::new(0));
    let received_at_least = |count| {
        let (signals, received) = (&signals, &received);
        poll_fn(move |cx| {
            for signal in signals.borrow_mut().iter_mut() {
                while let Poll::Ready(Some(())) = signal.poll_recv(cx) {
                    received.set(received.get() + 1);
                }
            }
            if received.get() < count {
                return Poll::Pending;
            }
            Poll::Ready(())
        })
    };
    let stop = async {
        received_at_least(1).await;
        say("hello: stopping; another signal stops at once");
    };
    server.serve_with_force(stop, received_at_least(2)).await
}
