//! What the comparison's HTTP servers answer, on hyper and tokio.
//!
//! The first word of the command line is tokio's flavour: `multi-thread` is one runtime with so many workers, `current-thread` a thread with a runtime and a listener
//! (`SO_REUSEPORT`) for each worker. A task for each connection; pipelined answers are sent together; no deadlines. Files are streamed in pieces of 64 KiB, bodies as they come.

use bytes::Bytes;
use filch_bench_common::http::{self, HELLO};
use filch_bench_common::serve::{ANYWHERE, announce};
use futures_util::TryStreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, SERVER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Builder;
use tokio_util::io::ReaderStream;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is read of a file at a time.
const PIECE: usize = 64 << 10;

type Failure = Box<dyn Error + Send + Sync>;
type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Failure>>;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let flavour = words.next();
    let workers = http::workers(words);
    match flavour.as_deref() {
        Some("multi-thread") => {
            let mut builder = Builder::new_multi_thread();
            let runtime = builder.worker_threads(workers).enable_io().build();
            let runtime = runtime.expect("its threads can be started");
            let listener = runtime.block_on(async { listen(ANYWHERE) });
            let address = listener.local_addr().expect("its address");
            runtime.spawn(accept(listener));
            announce(address)
        }
        Some("current-thread") => {
            let (tell, told) = std::sync::mpsc::channel();
            let mut address = ANYWHERE;
            for _ in 0..workers {
                let tell = tell.clone();
                std::thread::spawn(move || {
                    let runtime = Builder::new_current_thread().enable_io().build();
                    runtime.expect("it can be built").block_on(async {
                        let listener = listen(address);
                        let _ = tell.send(listener.local_addr().expect("its address"));
                        accept(listener).await;
                    });
                });
                address = told.recv().expect("it listens");
            }
            announce(address)
        }
        _ => {
            eprintln!("expected multi-thread or current-thread before all else");
            ExitCode::from(2)
        }
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseport(true).expect("it can be set");
    socket.bind(address).expect("an address to listen on");
    socket.listen(1024).expect("it can listen")
}

async fn accept(listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(async move {
            if stream.set_nodelay(true).is_err() {
                return;
            }
            let mut builder = http1::Builder::new();
            let service = service_fn(answer);
            // Whoever is connected may be gone at any time.
            let _ = builder
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let is_get = request.method() == Method::GET;
    let path = request.uri().path();
    let number = |prefix| path.strip_prefix(prefix);
    let mut response = if is_get && path == "/" {
        text(HELLO)
    } else if is_get && path == "/json" {
        json()
    } else if let Some(n) = number("/fib/").filter(|_| is_get) {
        http::fib(n).map_or_else(|| refused(StatusCode::BAD_REQUEST), text)
    } else if let Some(n) = number("/burn/").filter(|_| is_get) {
        http::burn(n).map_or_else(|| refused(StatusCode::BAD_REQUEST), text)
    } else if let Some(name) = number("/static/").filter(|_| is_get) {
        file(name)
            .await
            .unwrap_or_else(|| refused(StatusCode::NOT_FOUND))
    } else if request.method() == Method::POST && path == "/echo" {
        echo(request)
    } else {
        refused(StatusCode::NOT_FOUND)
    };
    let server = HeaderValue::from_static("hyper");
    response.headers_mut().insert(SERVER, server);
    Ok(response)
}

fn text(text: impl Into<Bytes>) -> Response<Body> {
    of_type("text/plain", text.into())
}

fn of_type(content_type: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(bytes)));
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn refused(status: StatusCode) -> Response<Body> {
    let mut response = text("");
    *response.status_mut() = status;
    response
}

#[derive(serde::Serialize)]
struct Greeting {
    message: &'static str,
}

fn json() -> Response<Body> {
    match serde_json::to_vec(&Greeting { message: HELLO }) {
        Ok(json) => of_type("application/json", json.into()),
        Err(_) => refused(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

async fn file(name: &str) -> Option<Response<Body>> {
    let file = tokio::fs::File::open(http::file(name)?).await.ok()?;
    let length = file.metadata().await.ok()?.len();
    let pieces = ReaderStream::with_capacity(file, PIECE);
    let body = StreamBody::new(pieces.map_ok(Frame::data).map_err(Failure::from));
    let mut response = Response::new(Either::Right(body.boxed_unsync()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    Some(response)
}

fn echo(request: Request<Incoming>) -> Response<Body> {
    let content_type = request.headers().get(CONTENT_TYPE).cloned();
    let body = request.into_body().map_err(Failure::from);
    let mut response = Response::new(Either::Right(body.boxed_unsync()));
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}
