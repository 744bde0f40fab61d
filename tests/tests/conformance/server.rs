//! What understood the request?
//!
//! Handlers that answer with what they see of it, a line for each thing: so a case can say not only that a request is accepted, but
//! as what.
//!
//! | route | methods | answers with |
//! |---|---|---|
//! | `/`, `/echo`, `/t/{*rest}` | any with a body or without | what it understood ([`echo`]) |
//! | `/hello` | GET | `hello` |
//! | `/probe` | GET | `probe`: asked by the runner where a connection is said to be open |
//! | `/ignore` | POST | `ignored`, and leaves the body where it is |
//! | `/status/{code}` | GET | that status |

use filch::time::Duration;
use filch_http::{
    BodyError, Limits, Method, Request, Response, Router, Server, StatusCode, Timeouts,
};
use filch_tests::guard::HANG;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

/// Longest body that the server of the cases accepts, in bytes. Everything else is as it is unless configured.
const BODY_MAX_BYTES: u64 = 1000;

/// A server that runs until it is dropped.
pub(crate) struct TestServer {
    pub(crate) addr: SocketAddr,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        let (addr_of, addr) = mpsc::channel();
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = filch_tests::runtime(2);
            runtime.block_on(async move {
                let server = Server::bind("127.0.0.1:0").await.expect("a free port");
                addr_of
                    .send(server.local_addr().expect("an address"))
                    .expect("the test waits");
                let server = server
                    .router(routes())
                    .limits(limits())
                    .timeouts(timeouts());
                // A thread of the pool waits for it: a test has nothing better.
                let stop = async {
                    let _ = filch::spawn_blocking(move || stopped.recv()).await;
                };
                // All clients are gone, unless a case failed.
                let _ = server.serve_with_shutdown(stop).await.expect("it serves");
            });
        });
        Self {
            addr: addr.recv_timeout(HANG).expect("the server starts"),
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn limits() -> Limits {
    Limits {
        body_bytes: BODY_MAX_BYTES,
        ..Limits::default()
    }
}

/// None: the machine may stand still while a case runs.
fn timeouts() -> Timeouts {
    Timeouts {
        header: Duration::MAX,
        keep_alive: Duration::MAX,
        body: Duration::MAX,
        handler: Duration::MAX,
        lateness: Duration::MAX,
        queue: Duration::MAX,
        write: Duration::MAX,
        linger: Duration::MAX,
    }
}

fn routes() -> Router {
    let mut router = Router::new()
        .get("/hello", async || "hello")
        .get("/probe", async || "probe")
        .post("/ignore", async || "ignored")
        .get("/status/{code}", async |request: Request| {
            let code = request.param("code").and_then(|code| code.parse().ok());
            let status = StatusCode::from_u16(code.unwrap_or(0)).unwrap_or_default();
            Response::text("some text").with_status(status)
        });
    for path in ["/", "/echo", "/t/{*rest}"] {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ] {
            router = router.route(method, path, echo);
        }
    }
    router
}

/// What it understood of the request, a line for each thing.
async fn echo(mut request: Request) -> Result<String, BodyError> {
    let mut said = format!(
        "method {}\ntarget {}\npath {}\nversion {:?}\n",
        request.method(),
        request.target(),
        request.path(),
        request.version(),
    );
    for (name, value) in request.fields() {
        let _ = writeln!(said, "field {name}: {}", value.escape_ascii());
    }
    let mut body = request.body();
    let mut whole = Vec::new();
    while let Some(piece) = body.chunk().await? {
        whole.extend_from_slice(piece);
    }
    for (name, value) in &body.take_trailers() {
        let _ = writeln!(said, "trailer {name}: {}", value.as_bytes().escape_ascii());
    }
    let _ = writeln!(
        said,
        "length {}\nbody {}",
        whole.len(),
        whole.escape_ascii()
    );
    Ok(said)
}
