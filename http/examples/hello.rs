//! A small server that shows what filch-http does. Run it with
//!
//! ```text
//! cargo run --release -p filch-http --example hello -- --addr 127.0.0.1:8080
//! ```
//!
//! and ask it for `/`, `/json`, `/fib/50`, `/burn/30`, `/headers`, `/panic`, or POST something to `/echo`.

use clap::Parser;
use filch::time::Duration;
use filch_http::{
    Access, BodyError, Drained, Limits, Request, Response, Router, Server, StatusCode,
};
use filch_net::signal::{Signal, SignalKind, signal};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::poll_fn;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::pin;
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
    /// How long to wait for requests under way when told to stop.
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    shutdown_ms: u64,
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
        Ok(Drained::Forced(connections)) => fail(format_args!(
            "cut off at the deadline: {connections} connection(s)"
        )),
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

/// A line on standard error. If nobody reads it (any more), the server goes on.
fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
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
    let mut server = Server::bind(&options.addr)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", options.addr))?
        .router(routes())
        .limits(Limits {
            body_bytes: options.max_body,
            ..Limits::default()
        })
        .header_timeout(Duration::from_millis(options.header_timeout_ms))
        .keepalive_timeout(Duration::from_millis(options.keepalive_timeout_ms))
        .drain_timeout(Duration::from_millis(options.shutdown_ms));
    if options.log {
        server = server.access_log(log);
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
    match serve_until_stopped(server, signals).await {
        Some(drained) => drained.map_err(|error| error.to_string()),
        None => Err("stopped by a second signal".to_owned()),
    }
}

fn routes() -> Router {
    Router::new()
        .get("/", async || "Hello, World!")
        .get("/json", json)
        .get("/fib/{n}", fib)
        .get("/burn/{n}", burn)
        .get("/headers", headers)
        .get("/panic", async || -> &'static str {
            panic!("as asked for")
        })
        .post("/echo", echo)
}

#[derive(serde::Serialize)]
struct Greeting {
    message: &'static str,
}

async fn json() -> Response {
    json_of(&Greeting {
        message: "Hello, World!",
    })
}

async fn fib(request: Request) -> Result<String, (StatusCode, String)> {
    let n = number(&request, 93)?;
    let (mut a, mut b) = (0u64, 1u64);
    for _ in 0..n {
        (a, b) = (b, a.wrapping_add(b));
    }
    Ok(a.to_string())
}

/// Keeps its worker busy; the connections of others go on, on other workers.
async fn burn(request: Request) -> Result<String, (StatusCode, String)> {
    fn fib(n: u64) -> u64 {
        if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
    }
    Ok(fib(number(&request, 45)?).to_string())
}

async fn headers(request: Request) -> Response {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in request.fields() {
        let value = String::from_utf8_lossy(value);
        joined
            .entry(name.to_ascii_lowercase())
            .and_modify(|all| *all = format!("{all}, {value}"))
            .or_insert_with(|| value.into_owned());
    }
    json_of(&joined)
}

async fn echo(mut request: Request) -> Result<Response, BodyError> {
    let content_type = request.headers().get("content-type").cloned();
    let mut response = Response::new(request.body().bytes().await?);
    if let Some(content_type) = content_type {
        response.headers_mut().insert("content-type", content_type);
    }
    Ok(response)
}

/// The parameter `n` of the route, up to `max`; otherwise 400 and why.
fn number(request: &Request, max: u64) -> Result<u64, (StatusCode, String)> {
    let n = request.param("n").unwrap_or_default();
    // Rust's numbers may begin with a plus.
    match n.parse() {
        Ok(number) if number <= max && !n.starts_with('+') => Ok(number),
        _ => Err((
            StatusCode::BAD_REQUEST,
            format!("n is a number from 0 to {max}\n"),
        )),
    }
}

fn json_of(value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(json) => Response::json(json),
        Err(error) => {
            Response::text(error.to_string()).with_status(StatusCode::INTERNAL_SERVER_ERROR)
        }
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

/// Serves until the first signal, then drains; `None` if a second one came, which asks for an end at once.
///
/// All of this is polled on the main thread and not in a task, so that it needs no worker: each of them may be busy in a handler.
async fn serve_until_stopped(
    server: Server,
    mut signals: [Signal; 2],
) -> Option<io::Result<Drained>> {
    let received = Cell::new(0);
    let stop = poll_fn(|_| match received.get() {
        0 => Poll::Pending,
        _ => Poll::Ready(()),
    });
    let mut serving = pin!(server.serve_with_shutdown(stop));
    poll_fn(|cx| {
        let before = received.get();
        for signal in &mut signals {
            while let Poll::Ready(Ok(())) = signal.poll_recv(cx) {
                received.set(received.get() + 1);
            }
        }
        if received.get() > 1 {
            return Poll::Ready(None);
        }
        if received.get() > before {
            say("hello: stopping; another signal stops at once");
        }
        serving.as_mut().poll(cx).map(Some)
    })
    .await
}
