//! What does the server answer, to whom, and within which bounds?
//!
//! There are two of one kind. The *patient* one waits for an hour for anything, so that nothing ends there but by its clients, and a process that was stopped for minutes turns nobody away. The *strict*
//! one has room for few, and little time for any.

use crate::ledger::Ledger;
use filch::Runtime;
use filch::sync::oneshot;
use filch::task::JoinHandle;
use filch::time::{Duration, sleep};
use filch_http::{
    Body, BodyError, Drained, Event, HeaderMap, HeaderValue, Json, Limits, Monitor, Path, Request,
    Response, Router, Server, Sse, StaticFiles, Timeouts, Upgraded,
};
use filch_tests::drops::Tracked;
use filch_tests::soak::connect;
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt, stream};
use std::convert::Infallible;
use std::future::{Ready, pending};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

/// What `/large` answers with, and in part what is in a file.
pub(crate) static LARGE: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..300_000).map(|n| (n * 7 + n / 251) as u8).collect());

/// How much of it is in the file.
pub(crate) const FILE_BYTES: usize = 200_000;

/// One piece of a body in pieces.
pub(crate) fn piece(number: usize) -> String {
    format!("piece {number}\n").repeat(number % 5)
}

/// A server at work.
pub(crate) struct Host {
    pub(crate) addr: SocketAddr,
    pub(crate) monitor: Monitor,
    pub(crate) ledger: Arc<Ledger>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<io::Result<Drained>>,
}

/// Waits for an hour for anything.
pub(crate) fn patient() -> (Limits, Timeouts) {
    let long = Duration::from_secs(3600);
    let timeouts = Timeouts {
        header: long,
        keep_alive: long,
        body: long,
        write: long,
        linger: long,
        lateness: long,
        queue: long,
        handler: long,
    };
    (Limits::default(), timeouts)
}

/// Has few seats, and little time.
pub(crate) fn strict() -> (Limits, Timeouts) {
    let short = Duration::from_millis(100);
    let limits = Limits {
        head_bytes: 8000,
        target_bytes: 2000,
        body_bytes: 100_000,
        body_rate: 1 << 20,
        connections: 48,
        requests: 4,
        queue: 2,
        ..Limits::default()
    };
    let timeouts = Timeouts {
        header: short,
        keep_alive: short,
        body: short,
        write: short,
        linger: short,
        // Whoever is turned away has asked for too much, and the machine may be late by itself.
        lateness: Duration::MAX,
        queue: short / 4,
        handler: short / 2,
    };
    (limits, timeouts)
}

impl Host {
    pub(crate) fn start(
        rt: &Runtime,
        files: &std::path::Path,
        (limits, timeouts): (Limits, Timeouts),
    ) -> Self {
        let ledger = Arc::<Ledger>::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let files = StaticFiles::new(files).unwrap();
        let of_log = ledger.clone();
        let server = rt.block_on(Server::bind("127.0.0.1:0")).unwrap();
        let server = server
            .router(routes(&ledger, files))
            .limits(limits)
            .timeouts(timeouts)
            .access_log(move |access| of_log.logs(access.target, access.status.as_u16()))
            // A client that breaks off breaks the body off that it is sent.
            .error_log(|_failure| ());
        let (addr, monitor) = (server.local_addr().unwrap(), server.monitor());
        let serving = rt.spawn(server.serve_with_shutdown(async {
            let _stop = stopped.await;
        }));
        Self {
            addr,
            monitor,
            ledger,
            stop,
            serving,
        }
    }

    /// Waits until all have been accepted who are in the kernel's queue, by being the last in it.
    pub(crate) async fn accept_all(&self) -> io::Result<()> {
        let mut stream = connect(self.addr).await?;
        self.ledger.connects();
        let request = b"GET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        // A strict one may be tired of it by now, which is as good.
        let _may_be_refused = stream.write_all(request).await;
        let _may_be_reset = stream.read_to_end(&mut Vec::new()).await;
        Ok(())
    }

    /// It ends, and has nobody to wait for.
    pub(crate) fn end(self, rt: &Runtime) {
        drop(self.stop);
        let drained = rt.block_on(self.serving).unwrap().unwrap();
        assert_eq!(drained, Drained::Clean);
    }
}

fn routes(ledger: &Arc<Ledger>, files: StaticFiles) -> Router {
    let tracking = |ledger: &Arc<Ledger>| {
        let ledger = ledger.clone();
        move || ledger.begun.track()
    };
    let of_chunks = tracking(ledger);
    let of_echo = tracking(ledger);
    let of_events = tracking(ledger);
    let of_quiet = tracking(ledger);
    let of_endless = tracking(ledger);
    let of_upgrade = tracking(ledger);
    let of_panic = ledger.clone();
    Router::new()
        .get("/plain", async || "Hello, World!")
        .get("/json/{n}", async |Path(n): Path<u64>| Json([n, n * n]))
        .get("/large", async || LARGE.clone())
        .files("/files", files)
        .get("/slow", async || {
            sleep(Duration::from_millis(2)).await;
            "slow"
        })
        .get("/never", async || pending::<&str>().await)
        .get("/panic", move || -> Ready<&str> {
            of_panic.panics();
            // Without a word on standard error.
            std::panic::resume_unwind(Box::new("on purpose"))
        })
        .get("/chunks/{n}", move |Path(n): Path<usize>| {
            let body = chunks(n, of_chunks());
            async { Response::new(body) }
        })
        .get("/events", move || {
            let events = events(of_events());
            async { Sse::new(events) }
        })
        .get("/quiet", move || {
            let first = Ok::<_, Infallible>(piece(1));
            let rest = kept(of_quiet(), stream::pending());
            let body = Body::stream(stream::once(first).chain(rest));
            async { Response::new(body) }
        })
        .get("/endless", move || {
            let pieces = stream::iter(0..).map(|n| Ok::<_, Infallible>(piece(n)));
            let body = Body::stream(kept(of_endless(), pieces));
            async { Response::new(body) }
        })
        .get("/upgrade", move || {
            let own = of_upgrade();
            async { Response::upgrade("echo", async |stream| echo(stream, own).await) }
        })
        .post("/collect", async |mut request: Request| {
            request.body().bytes().await
        })
        .post("/count", count)
        .post("/ignore", async || "ignored")
        .post("/echo", move |request: Request| {
            let body = Body::stream(kept(of_echo(), request.into_body()));
            async { Response::new(body) }
        })
        .middleware(ledger.middleware())
}

/// The same stream, with something that is dropped with it.
fn kept<S: stream::Stream>(own: Tracked, stream: S) -> impl stream::Stream<Item = S::Item> {
    stream.map(move |item| {
        let _kept = &own;
        item
    })
}

/// So many pieces, some of them a moment later, and how many there were behind them.
fn chunks(count: usize, own: Tracked) -> Body {
    let pieces = stream::unfold((0, own), move |(n, own)| async move {
        if n % 4 == 3 {
            filch::yield_now().await;
        }
        (n < count).then(|| (Ok::<_, Infallible>(piece(n)), (n + 1, own)))
    });
    let mut trailers = HeaderMap::new();
    trailers.insert("x-count", HeaderValue::from(count));
    Body::stream(pieces).with_trailers(trailers)
}

/// One now and then, for ever.
fn events(own: Tracked) -> impl stream::Stream<Item = Result<Event, Infallible>> {
    stream::unfold((0, own), |(n, own)| async move {
        sleep(Duration::from_millis(1)).await;
        Some((Ok(Event::data(&n.to_string())), (n + 1, own)))
    })
}

/// How much came.
async fn count(mut request: Request) -> Result<String, BodyError> {
    let mut count = 0;
    let mut body = request.body();
    while let Some(chunk) = body.chunk().await? {
        count += chunk.len();
    }
    Ok(count.to_string())
}

/// Another protocol: everything comes back.
async fn echo(mut stream: Upgraded, _own: Tracked) {
    let mut room = [0; 1000];
    while let Ok(count @ 1..) = stream.read(&mut room).await {
        if stream.write_all(&room[..count]).await.is_err() {
            return;
        }
    }
}
