//! Ten times as much as a server can do, whose handlers compute, or wait: some are turned away, those who are not are answered right and in time, and soon after all is as before.
//!
//! The clients ask by the clock and not when they have their answers, on many connections; what they wait for is counted from when they should have asked. The short versions judge no time. The long one prints figures:
//!
//! ```sh
//! FILCH_SOAK=full cargo test --release -p filch-tests --test http computing -- --nocapture --test-threads=1
//! ```

use crate::common::TestServer;
use filch::runtime::Builder;
use filch::sync::mpmc;
use filch::time::{Duration, Instant, interval};
use filch_http::{Limits, Request, Router, Timeouts};
use filch_net::TcpStream;
use filch_tests::census::Census;
use filch_tests::guard::{eventually, within_reason};
use filch_tests::is_soak;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What a handler computes takes about so long.
const COMPUTES_FOR: Duration = Duration::from_millis(5);

/// How many connections the clients have; as many requests may be under way.
const CONNECTIONS: usize = 1000;

const LATE: &str = "filch_http_requests_rejected_total{reason=\"lateness\"}";
const QUEUE_FULL: &str = "filch_http_requests_rejected_total{reason=\"queue_full\"}";

/// Computes in so many steps.
fn compute(steps: u64) -> u64 {
    (0..steps).fold(1, |sum, step| {
        black_box(sum ^ step).wrapping_mul(0x9e37_79b9)
    })
}

/// In how many steps something computes for about so long.
fn steps_of(time: Duration) -> u64 {
    let begun = std::time::Instant::now();
    let mut steps = 0;
    while begun.elapsed() < time {
        compute(1000);
        steps += 1000;
    }
    steps
}

/// A route that computes, one that waits, and one that does neither. The first two say what they were asked for.
fn routes(steps: u64) -> Router {
    let echo = |request: &Request| request.param("text").unwrap_or_default().into_owned();
    let computes = move |request: Request| {
        let text = echo(&request);
        async move {
            black_box(compute(steps));
            text
        }
    };
    let waits = move |request: Request| {
        let text = echo(&request);
        async move {
            filch::time::sleep(Duration::from_millis(10)).await;
            text
        }
    };
    Router::new()
        .get("/computes/{text}", computes)
        .get("/waits/{text}", waits)
        .get("/", async || "Hello, World!")
}

/// What became of requests: how long each took, of those that were admitted and those that were turned away.
#[derive(Debug, Default)]
struct Outcome {
    admitted: Times,
    turned_away: Times,
}

/// How many took how long, in steps of [`STEP`]. It has the same size all the time, so that what grows is the server's.
#[derive(Debug)]
struct Times(Box<[AtomicUsize]>);

const STEP: Duration = Duration::from_micros(100);

impl Default for Times {
    fn default() -> Self {
        // Ten seconds.
        Self((0..100_000).map(|_| AtomicUsize::new(0)).collect())
    }
}

impl Times {
    fn add(&self, time: Duration) {
        let step = (time.as_micros() / STEP.as_micros()) as usize;
        self.0[step.min(self.0.len() - 1)].fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> usize {
        self.0.iter().map(|step| step.load(Ordering::Relaxed)).sum()
    }

    /// The time that this share of them did not exceed, in milliseconds.
    fn quantile(&self, share: f64) -> f64 {
        let mut left = (self.count() as f64 * share).ceil() as usize;
        let step = self.0.iter().position(|step| {
            left = left.saturating_sub(step.load(Ordering::Relaxed));
            left == 0
        });
        step.map_or(0.0, |step| (step + 1) as f64 * STEP.as_secs_f64() * 1e3)
    }

    fn print(&self, of: &str, load: Load) {
        println!(
            "  {of} {:6.0} a second; ms: median {:.1}, 90 % {:.1}, 99 % {:.1}, 99.9 % {:.1}, most {:.1}",
            self.count() as f64 / load.time.as_secs_f64(),
            self.quantile(0.5),
            self.quantile(0.9),
            self.quantile(0.99),
            self.quantile(0.999),
            self.quantile(1.0),
        );
    }
}

/// Asks so many times a second, for so long.
#[derive(Debug, Clone, Copy)]
struct Load {
    path: &'static str,
    per_second: usize,
    time: Duration,
}

impl Load {
    async fn offer(self, addr: SocketAddr) -> Arc<Outcome> {
        let (schedule, due) = mpmc::channel(self.per_second);
        let outcome = Arc::<Outcome>::default();
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| filch::spawn(client(addr, self.path, due.clone(), outcome.clone())))
            .collect();
        let (begun, mut sent) = (Instant::now(), 0);
        let mut clock = interval(Duration::from_millis(1));
        while begun.elapsed() < self.time {
            let now = clock.tick().await;
            let until_now = (now - begun).as_micros() as usize * self.per_second / 1_000_000;
            for _ in sent..until_now {
                // If all of them have waited for an answer for a second, it is not asked.
                let _ = schedule.try_send(now);
            }
            sent = until_now;
        }
        drop(schedule);
        for client in clients {
            client.await.expect("no panic");
        }
        println!("  {sent} were due");
        outcome
    }
}

/// Asks on one connection whenever it is due, and checks the answers.
async fn client(
    addr: SocketAddr,
    path: &'static str,
    due: mpmc::Receiver<Instant>,
    outcome: Arc<Outcome>,
) {
    let mut stream = TcpStream::connect(addr).await.expect("the server listens");
    let mut answered = Instant::now();
    for number in 0.. {
        let Ok(since) = due.recv().await else {
            break;
        };
        let idle = answered.elapsed();
        let request = format!("GET {path}{number} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it reads");
        let Some(answer) = answer(&mut stream).await else {
            panic!("the connection ended before answer {number}, after {idle:?} without a request");
        };
        answered = Instant::now();
        let took = answered - since;
        match &answer[9..12] {
            "200" => {
                assert!(answer.ends_with(&format!("\r\n\r\n{number}")), "{answer}");
                outcome.admitted.add(took);
            }
            "503" => {
                assert!(
                    answer.to_lowercase().contains("\r\nretry-after: 1\r\n"),
                    "{answer}"
                );
                outcome.turned_away.add(took);
            }
            _ => panic!("{answer}"),
        }
    }
}

/// The next answer, whole; none if the connection ends before.
async fn answer(stream: &mut TcpStream) -> Option<String> {
    let mut answer = String::new();
    let mut room = [0; 1024];
    loop {
        let count = stream.read(&mut room).await.expect("the server answers");
        if count == 0 && answer.is_empty() {
            return None;
        }
        assert!(count > 0, "a part of an answer: {answer}");
        answer.push_str(std::str::from_utf8(&room[..count]).expect("text"));
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            continue;
        };
        let len = head.split_once("Content-Length: ").expect("a length").1;
        let len = len.lines().next().and_then(|len| len.parse().ok());
        if len == Some(body.len()) {
            return Some(answer);
        }
    }
}

/// Offers it from a thread of its own.
fn offer(server: &TestServer, load: Load) -> Arc<Outcome> {
    let addr = server.addr;
    let offer = move || {
        let runtime = Builder::new().worker_threads(1).thread_name("clients");
        let runtime = runtime.build().expect("a runtime");
        runtime.block_on(async move { filch::spawn(load.offer(addr)).await })
    };
    std::thread::spawn(offer)
        .join()
        .expect("no panic")
        .expect("no panic")
}

/// Waits until so many in a row are served.
fn serves_again(server: &TestServer, path: &str) {
    let request = format!("GET {path}again HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut client = server.connect();
    let mut status = || {
        client.send(&request);
        client.answer().status
    };
    eventually("all are served", || {
        (0..20).all(|_| status() == 200).then_some(())
    });
}

#[test]
fn more_than_can_be_computed() {
    within_reason(|| {
        let server = TestServer::with_router(routes(steps_of(COMPUTES_FOR)), |server| {
            server.timeouts(Timeouts::DEFAULT)
        });
        let outcome = offer(
            &server,
            Load {
                path: "/computes/",
                per_second: 4000,
                time: Duration::from_secs(2),
            },
        );
        assert!(outcome.admitted.count() > 0);
        assert!(outcome.turned_away.count() > 0);
        assert_eq!(server.metric(LATE), outcome.turned_away.count() as u64);
        serves_again(&server, "/computes/");
    });
}

/// A minute of it.
#[test]
fn figures() {
    if !is_soak() {
        return;
    }
    let steps = steps_of(COMPUTES_FOR);
    for (path, limits) in [
        ("/computes/", Limits::default()),
        (
            "/waits/",
            Limits {
                requests: 16,
                queue: 16,
                ..Limits::default()
            },
        ),
    ] {
        let server = TestServer::with_router(routes(steps), move |server| {
            server.limits(limits).timeouts(Timeouts::DEFAULT)
        });
        figures_of(&server, path);
    }
}

/// What the server can do, what becomes of ten times as much for a minute, and of a single request after it.
fn figures_of(server: &TestServer, path: &'static str) {
    let capacity = capacity(server, path);
    println!("{path}: {capacity} a second can be served");
    let load = |seconds| Load {
        path,
        per_second: 10 * capacity,
        time: Duration::from_secs(seconds),
    };
    // So that all has grown that grows once.
    offer(server, load(5));
    let is_over = Arc::new(AtomicBool::new(false));
    let resident = std::thread::spawn({
        let is_over = is_over.clone();
        move || resident_each_ten_seconds(&is_over)
    });
    let outcome = offer(server, load(60));
    is_over.store(true, Ordering::Relaxed);
    let ended = std::time::Instant::now();
    let mut client = server.connect();
    let (after, took) = eventually("an answer", || {
        let asked = std::time::Instant::now();
        client.send(format!("GET {path}again HTTP/1.1\r\nHost: a\r\n\r\n"));
        (client.answer().status == 200).then(|| (ended.elapsed(), asked.elapsed()))
    });
    outcome.admitted.print("admitted   ", load(60));
    outcome.turned_away.print("turned away", load(60));
    println!(
        "  turned away for lateness {}, for a full queue {}; served again after {after:?}, which took {took:?}\n  resident MB each ten seconds: {:.1?}",
        server.metric(LATE),
        server.metric(QUEUE_FULL),
        resident.join().expect("no panic"),
    );
}

/// Resident memory each ten seconds, in megabytes.
fn resident_each_ten_seconds(is_over: &AtomicBool) -> Vec<f64> {
    let mut resident = Vec::new();
    for second in 1_usize.. {
        std::thread::sleep(Duration::from_secs(1));
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        if second % 10 == 5 {
            let now = Census::now().expect("/proc is there");
            resident.push(now.resident_bytes as f64 / 1e6);
        }
    }
    resident
}

/// How many it serves in a second if as many ask at a time as it can serve.
fn capacity(server: &TestServer, path: &str) -> usize {
    let asking: Vec<_> = (0..16)
        .map(|_| {
            let mut client = server.connect();
            let request = format!("GET {path}x HTTP/1.1\r\nHost: a\r\n\r\n");
            std::thread::spawn(move || {
                let begun = std::time::Instant::now();
                let mut served = 0;
                while begun.elapsed() < Duration::from_secs(3) {
                    client.send(&request);
                    served += usize::from(client.answer().status == 200);
                }
                served
            })
        })
        .collect();
    let served: usize = asking
        .into_iter()
        .map(|it| it.join().expect("no panic"))
        .sum();
    served / 3
}
