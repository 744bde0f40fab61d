//! Do an axum application and clients of hyper run on filch, to the end, and without a runtime of tokio's?

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use filch::runtime::Builder;
use filch::sync::{CancellationToken, Notify, mpsc};
use filch::time::{Duration, timeout};
use filch_hyper::{FilchExecutor, FilchIo, FilchTimer, serve, serve_connection};
use filch_net::{TcpListener, TcpStream};
use futures_lite::future::poll_once;
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper::{StatusCode, Uri};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the handlers share with the tests.
#[derive(Debug, Default)]
struct Shared {
    /// A handler of `/slow` has begun.
    is_begun: Notify,
    /// It may end.
    may_end: Notify,
    /// A handler of `/slow` is gone, done or not.
    is_gone: Notify,
    answered: AtomicUsize,
}

fn application(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/greet", get(greet))
        .route("/echo", post(async |body: Body| Response::new(body)))
        .route("/slow", get(slow))
        .route(
            "/panic",
            get(async || -> &str { panic!("the handler panics") }),
        )
        .route("/upgrade", get(upgrade))
        .with_state(shared)
}

async fn greet(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<HashMap<String, String>>,
) -> String {
    // ORDERING: Relaxed: a count, read when all is over.
    shared.answered.fetch_add(1, Ordering::Relaxed);
    format!("hello, {}", query["name"])
}

async fn slow(State(shared): State<Arc<Shared>>) -> &'static str {
    struct Gone<'a>(&'a Shared);
    impl Drop for Gone<'_> {
        fn drop(&mut self) {
            self.0.is_gone.notify_one();
        }
    }
    let _gone = Gone(&shared);
    shared.is_begun.notify_one();
    shared.may_end.notified().await;
    "at last"
}

/// Says back what comes over the upgraded connection: by the traits of `futures-io`.
async fn upgrade(request: Request) -> Response {
    filch::spawn(async move {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let (mut read, mut write) = futures_lite::io::split(FilchIo::new(upgraded));
        futures_lite::io::copy(&mut read, &mut write).await.unwrap();
        write.close().await.unwrap();
    });
    let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let answer = answer.header("connection", "upgrade");
    let answer = answer.header("upgrade", "echo").body(Body::empty());
    answer.unwrap()
}

/// A server, and what a test does with it.
struct Server {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    task: filch::JoinHandle<io::Result<()>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (shared, stop) = (Arc::new(Shared::default()), CancellationToken::new());
        let ending = stop.clone().cancelled_owned();
        let task = filch::spawn(serve(listener, application(shared.clone()), ending));
        Self {
            addr,
            shared,
            stop,
            task,
        }
    }

    async fn connect(&self) -> http1::SendRequest<Body> {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let (client, connection) = http1::handshake(FilchIo::vectored(stream)).await.unwrap();
        filch::spawn(connection.with_upgrades());
        client
    }

    /// Says that it is to end, and waits for that.
    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn request(path: &str) -> Request {
    let request = Request::builder().uri(path.parse::<Uri>().unwrap());
    let request = request.header("host", "localhost").body(Body::empty());
    request.unwrap()
}

async fn text(answer: hyper::Response<hyper::body::Incoming>) -> String {
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.into()).unwrap()
}

/// Runs it with few and with many workers; a hang is a failure.
fn run(test: impl AsyncFn() + Clone + Send + 'static) {
    for workers in [1, 2, 8] {
        let test = test.clone();
        let (done, is_done) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new().worker_threads(workers).build().unwrap();
            runtime.block_on(test());
            drop(runtime);
            let _ = done.send(());
        });
        let ended = is_done.recv_timeout(Duration::from_secs(60));
        assert_ne!(
            ended,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout),
            "it hangs"
        );
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn one_connection_has_many_answers() {
    run(async || {
        let server = Server::start().await;
        let mut client = server.connect().await;
        for n in 0..50 {
            let answer = client
                .send_request(request(&format!("/greet?name={n}")))
                .await
                .unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(text(answer).await, format!("hello, {n}"));
            client.ready().await.unwrap(); // it is still open
        }
        let answer = client.send_request(request("/nowhere")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        server.end().await;
    });
}

/// Each piece of the answer is read before the next one of the question is written.
#[test]
fn a_body_is_streamed_both_ways() {
    run(async || {
        let server = Server::start().await;
        let mut client = server.connect().await;
        let (pieces, body) = mpsc::channel::<Bytes>(1);
        let body = body.map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
        let mut question = request("/echo");
        *question.method_mut() = hyper::Method::POST;
        *question.body_mut() = Body::new(StreamBody::new(body));
        let answer = client.send_request(question).await.unwrap();
        let mut answer = answer.into_body();
        for n in 0..40u8 {
            let piece = Bytes::from(vec![n; 1 + usize::from(n) * 1000]);
            pieces.send(piece.clone()).await.unwrap();
            let mut count = 0;
            while count < piece.len() {
                let frame = answer.frame().await.unwrap().unwrap().into_data().unwrap();
                assert_eq!(frame, piece[count..count + frame.len()]);
                count += frame.len();
            }
        }
        drop(pieces);
        assert!(answer.frame().await.is_none());
        server.end().await;
    });
}

/// More than all buffers on the way hold.
#[test]
fn a_long_body_comes_back_whole() {
    run(async || {
        let server = Server::start().await;
        let mut client = server.connect().await;
        let sent: Bytes = (0..8_000_000u32).map(|n| (n % 251) as u8).collect();
        let mut question = request("/echo");
        *question.method_mut() = hyper::Method::POST;
        *question.body_mut() = Body::from(sent.clone());
        let answer = client.send_request(question).await.unwrap();
        assert!(answer.into_body().collect().await.unwrap().to_bytes() == sent);
        server.end().await;
    });
}

#[test]
fn many_connections() {
    run(async || {
        let server = Server::start().await;
        filch::try_scope(async |scope| {
            for n in 0..200 {
                let client = server.connect().await;
                scope.spawn(async move {
                    let mut client = client;
                    for m in 0..5 {
                        let path = format!("/greet?name={n}.{m}");
                        let answer = client.send_request(request(&path)).await?;
                        assert_eq!(text(answer).await, format!("hello, {n}.{m}"));
                        client.ready().await?;
                    }
                    hyper::Result::Ok(())
                });
            }
            hyper::Result::Ok(())
        })
        .await
        .unwrap();
        // ORDERING: Relaxed: each answer has come by way of a channel.
        assert_eq!(server.shared.answered.load(Ordering::Relaxed), 1000);
        server.end().await;
    });
}

#[test]
fn who_gives_up_waiting_takes_the_handler_along() {
    run(async || {
        let server = Server::start().await;
        let mut client = server.connect().await;
        let answer = timeout(
            Duration::from_millis(20),
            client.send_request(request("/slow")),
        );
        assert!(answer.await.is_err());
        drop(client);
        server.shared.is_gone.notified().await;
        server.end().await;
    });
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (served, _) = listener.accept().await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
        let answer = hyper::service::service_fn(async |_| {
            Ok::<_, Infallible>(hyper::Response::new(Empty::<Bytes>::new()))
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(FilchTimer::new())
            .header_read_timeout(Duration::from_millis(20));
        let ended = http
            .serve_connection(FilchIo::vectored(served), answer)
            .await;
        assert!(ended.unwrap_err().is_timeout());
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap(); // it is closed
    });
}

#[test]
fn what_is_under_way_is_answered_before_the_end() {
    run(async || {
        let server = Server::start().await;
        let mut idle = server.connect().await;
        let answer = idle.send_request(request("/")).await.unwrap();
        assert_eq!(text(answer).await, "hello");
        let mut busy = server.connect().await;
        let answer = filch::spawn(async move { busy.send_request(request("/slow")).await });
        server.shared.is_begun.notified().await;
        server.stop.cancel();
        while idle.ready().await.is_ok() {
            filch::yield_now().await; // until the idle one is closed
        }
        let refused = TcpStream::connect(server.addr).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert!(!server.task.is_finished(), "somebody waits for an answer");
        server.shared.may_end.notify_one();
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(text(answer).await, "at last");
        server.end().await;
    });
}

/// Step by step: whoever is told of the end while it answers says so to the client.
#[test]
fn an_answer_after_the_end_closes_the_connection() {
    run(async || {
        let (mut client, served) = filch::io::duplex(1024);
        let (shared, ending) = (Arc::new(Shared::default()), CancellationToken::new());
        let router = application(shared.clone());
        let serving = serve_connection(FilchIo::new(served), router, &ending);
        let mut serving = pin!(serving);
        let question = b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n";
        client.write_all(question).await.unwrap();
        assert!(poll_once(serving.as_mut()).await.is_none());
        shared.is_begun.notified().await;
        ending.cancel();
        assert!(poll_once(serving.as_mut()).await.is_none());
        shared.may_end.notify_one();
        serving.await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nat last"), "{answer}");
    });
}

#[test]
fn who_has_asked_before_the_end_is_answered() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let question = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        client.write_all(question).await.unwrap();
        let router = application(Arc::default());
        serve(listener, router, std::future::ready(()))
            .await
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    });
}

#[test]
fn dropping_the_server_cuts_off_who_is_served() {
    run(async || {
        let server = Server::start().await;
        let mut client = server.connect().await;
        let answer = filch::spawn(async move { client.send_request(request("/slow")).await });
        server.shared.is_begun.notified().await;
        server.task.abort();
        assert!(server.task.await.unwrap_err().is_cancelled());
        server.shared.is_gone.notified().await;
        assert!(answer.await.unwrap().is_err());
    });
}

#[test]
fn a_panic_of_a_handler_ends_its_connection_only() {
    run(async || {
        let server = Server::start().await;
        let mut client = server.connect().await;
        let mut other = server.connect().await;
        assert!(client.send_request(request("/panic")).await.is_err());
        let answer = other.send_request(request("/")).await.unwrap();
        assert_eq!(text(answer).await, "hello");
        server.end().await;
    });
}

#[test]
fn an_upgraded_connection_is_a_stream() {
    run(async || {
        let server = Server::start().await;
        let mut client = server.connect().await;
        let mut question = request("/upgrade");
        let fields = question.headers_mut();
        fields.insert("connection", "upgrade".parse().unwrap());
        fields.insert("upgrade", "echo".parse().unwrap());
        let answer = client.send_request(question).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        let mut stream = FilchIo::new(hyper::upgrade::on(answer).await.unwrap());
        stream.write_all(b"ping").await.unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"ping");
        stream.close().await.unwrap();
        assert_eq!(stream.read(&mut word).await.unwrap(), 0);
        server.end().await;
    });
}

/// Here hyper has tasks and sleeps of its own: streams of both sides, and pings.
#[test]
fn http_2_works_too() {
    run(async || {
        let (near, far) = filch::io::duplex(64 * 1024);
        let answer = hyper::service::service_fn(async |question: hyper::Request<_>| {
            Ok::<_, Infallible>(hyper::Response::new(question.into_body()))
        });
        let server = filch::spawn(async move {
            hyper::server::conn::http2::Builder::new(FilchExecutor::new())
                .timer(FilchTimer::new())
                .keep_alive_interval(Duration::from_millis(10))
                .serve_connection(FilchIo::new(far), answer)
                .await
        });
        let handshake = http2::handshake(FilchExecutor::new(), FilchIo::new(near));
        let (client, connection) = handshake.await.unwrap();
        let connection = filch::spawn(connection);
        let mut answers = filch::task::JoinSet::new();
        for n in 0..50 {
            let mut client = client.clone();
            answers.spawn(async move {
                let body = Body::from(format!("question {n}").repeat(100));
                let question = hyper::Request::post("http://localhost/")
                    .body(body)
                    .unwrap();
                let answer = client.send_request(question).await.unwrap();
                assert_eq!(text(answer).await, format!("question {n}").repeat(100));
            });
        }
        answers.join_all().await;
        drop(client);
        connection.await.unwrap().unwrap();
        server.await.unwrap().unwrap();
    });
}

/// A client that has nothing to do with hyper.
#[test]
fn python_understands_it() {
    run(async || {
        let server = Server::start().await;
        let script = "
import http.client, sys
connection = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))
for name in ('Ada', 'Ben'):
    connection.request('GET', '/greet?name=' + name)
    assert connection.getresponse().read() == b'hello, ' + name.encode()
connection.request('POST', '/echo', body=iter([b'a', b'bc' * 40000, b'd']), encode_chunked=True, headers={'Transfer-Encoding': 'chunked'})
assert connection.getresponse().read() == b'a' + b'bc' * 40000 + b'd'
";
        let port = server.addr.port().to_string();
        let python = filch::spawn_blocking(move || {
            Command::new("python3").args(["-c", script, &port]).status()
        });
        let status = python.await.unwrap().expect("python3 is needed");
        assert!(status.success());
        server.end().await;
    });
}

/// It is not even built: hyper has its channels from tokio's `sync`, and HTTP/2 its codec from `io-util`.
#[test]
fn there_is_no_runtime_of_tokios() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--invert",
            "tokio",
            "--depth",
            "0",
        ])
        .args(["--edges", "all", "--format", "{p} {f}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{tree:?}");
    let line = String::from_utf8(tree.stdout).unwrap();
    let line = line.lines().next().unwrap();
    let (package, features) = line.rsplit_once(' ').unwrap();
    assert!(package.starts_with("tokio v1"), "{line}");
    for feature in features.split(',') {
        let is_expected = ["bytes", "default", "io-util", "sync"].contains(&feature);
        assert!(is_expected, "tokio is built with {feature}");
    }
}
