//! When is a connection closed that waits for its next request? Never too early, and at most an eighth of the shortest time too late. And when is any other wait over? To the millisecond.
//!
//! In virtual time, over sockets of Unix: what is written there can be read at once, so that time does not leap over it.

use filch::runtime::Builder;
use filch::sync::CancellationToken;
use filch::time::{Duration, Instant, sleep};
use filch_http::{Request, Router, Server, Timeouts};
use filch_net::UnixStream;
use filch_tests::guard::within_reason;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::sync::atomic::{AtomicUsize, Ordering};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a time may lie behind the present when it is noted, and what is rounded: of timers, stamps, and the odd ones among these.
const ROUNDING: Duration = Duration::from_millis(10);

/// A server whose connections may be idle for so long, on a runtime that has its own time.
struct Idle {
    keep_alive: Duration,
    path: String,
    stop: CancellationToken,
}

impl Idle {
    /// Runs the test beside such a server.
    fn run<F: Future<Output = ()>>(
        timeouts: Timeouts,
        test: impl FnOnce(Self) -> F + Send + 'static,
    ) {
        within_reason(move || {
            let runtime = Builder::new().start_paused(true).build();
            runtime.expect("a runtime").block_on(async move {
                static NUMBER: AtomicUsize = AtomicUsize::new(0);
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                let path = format!("\0filch-idle-{}-{number}", std::process::id());
                let server = Server::bind_unix(&path).await.expect("a free name");
                let stop = CancellationToken::new();
                let stopped = stop.clone();
                let server = server
                    .router(router())
                    .timeouts(timeouts)
                    .drain_timeout(3600 * SECOND);
                let stopped = async move {
                    stopped.cancelled().await;
                };
                let server = filch::spawn(server.serve_with_shutdown(stopped));
                test(Self {
                    keep_alive: timeouts.keep_alive,
                    path,
                    stop,
                })
                .await;
                server.abort();
            });
        });
    }

    fn with_keep_alive<F: Future<Output = ()>>(
        keep_alive: Duration,
        test: impl FnOnce(Self) -> F + Send + 'static,
    ) {
        let timeouts = Timeouts {
            keep_alive,
            ..Timeouts::DEFAULT
        };
        Self::run(timeouts, test);
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.path).await.expect("it listens")
    }

    async fn connect_and_ask(&self) -> UnixStream {
        let mut client = self.connect().await;
        ask(&mut client, "/").await;
        client
    }

    /// How long a time may be that is no shorter than this one.
    fn most(&self, time: Duration) -> Duration {
        // A guest would wait for a second.
        let shortest = self.keep_alive.min(SECOND + ROUNDING);
        time + (shortest / 8).max(10 * MS) + ROUNDING
    }

    /// That this connection is closed when it has been idle for so long, and was since then.
    async fn is_closed_after(&self, time: Duration, since: Instant, client: &mut UnixStream) {
        let read = client.read(&mut [0]).await.expect("no reset");
        let took = since.elapsed();
        assert_eq!(read, 0);
        assert!(
            took >= time && took <= self.most(time),
            "{time:?}: {took:?}"
        );
    }
}

fn router() -> Router {
    Router::new().get("/", async || "Hello, World!").get(
        "/wait/{millis}",
        async |request: Request| {
            let millis = request.param("millis").expect("it has one");
            sleep(Duration::from_millis(millis.parse().expect("a number"))).await;
            "Hello, World!"
        },
    )
}

async fn ask(client: &mut UnixStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    client
        .write_all(request.as_bytes())
        .await
        .expect("it is open");
    let (mut room, mut filled) = ([0; 1024], 0);
    while !room[..filled].ends_with(b"World!") {
        let count = client.read(&mut room[filled..]).await.expect("an answer");
        assert!(count > 0, "{:?}", String::from_utf8_lossy(&room[..filled]));
        filled += count;
    }
}

#[test]
fn it_is_closed_after_its_time() {
    for keep_alive in [
        MS,
        10 * MS,
        80 * MS,
        SECOND,
        10 * SECOND,
        3600 * SECOND,
        11 * DAY,
    ] {
        Idle::with_keep_alive(keep_alive, async move |idle: Idle| {
            let began = Instant::now();
            let mut used = idle.connect_and_ask().await;
            idle.is_closed_after(keep_alive, began, &mut used).await;
            // For the first request there is the time of a head at least.
            let first = keep_alive.max(Timeouts::DEFAULT.header);
            let began = Instant::now();
            let mut fresh = idle.connect().await;
            idle.is_closed_after(first, began, &mut fresh).await;
        });
    }
}

#[test]
fn each_request_gives_it_all_its_time_again() {
    for keep_alive in [100 * MS, 10 * SECOND] {
        Idle::with_keep_alive(keep_alive, async move |idle: Idle| {
            let mut client = idle.connect().await;
            for tenths in [9, 1, 5, 9, 9, 9] {
                ask(&mut client, "/").await;
                sleep(keep_alive * tenths / 10).await;
            }
            ask(&mut client, "/").await;
            let began = Instant::now();
            idle.is_closed_after(keep_alive, began, &mut client).await;
        });
    }
}

#[test]
fn what_a_handler_takes_is_no_part_of_it() {
    Idle::with_keep_alive(SECOND, async |idle: Idle| {
        let mut client = idle.connect_and_ask().await;
        ask(&mut client, "/wait/3500").await;
        let began = Instant::now();
        idle.is_closed_after(SECOND, began, &mut client).await;
    });
}

#[test]
fn one_that_has_less_time_than_all_that_wait_is_noticed() {
    let timeouts = Timeouts {
        header: 3600 * SECOND,
        keep_alive: SECOND,
        ..Timeouts::DEFAULT
    };
    Idle::run(timeouts, async move |idle: Idle| {
        let (mut fresh, mut silent) = (idle.connect().await, idle.connect().await);
        let silent_since = Instant::now();
        sleep(SECOND).await;
        for client in [&mut idle.connect().await, &mut fresh] {
            ask(client, "/").await;
            let began = Instant::now();
            idle.is_closed_after(SECOND, began, client).await;
        }
        let first = timeouts.header;
        idle.is_closed_after(first, silent_since, &mut silent).await;
    });
}

#[test]
fn who_comes_in_the_place_of_another_has_all_its_time() {
    Idle::with_keep_alive(10 * SECOND, async |idle: Idle| {
        for seconds in [0, 5, 9] {
            let gone = idle.connect_and_ask().await;
            sleep(seconds * SECOND).await;
            drop(gone);
            sleep(MS).await;
            let began = Instant::now();
            let mut next = idle.connect_and_ask().await;
            idle.is_closed_after(10 * SECOND, began, &mut next).await;
        }
    });
}

/// More than a piece of the roll has, each at a time of its own.
#[test]
fn many_have_their_time_each() {
    Idle::with_keep_alive(2 * SECOND, async |idle: Idle| {
        let mut clients = Vec::new();
        for at in 0..200 {
            sleep(at * 37 % 64 * MS).await;
            let began = Instant::now();
            clients.push((began, idle.connect_and_ask().await));
            // Those that would be over by now go on.
            for (began, client) in &mut clients {
                if began.elapsed() > SECOND {
                    *began = Instant::now();
                    ask(client, "/").await;
                }
            }
        }
        clients.sort_by_key(|(began, _)| *began);
        for (began, client) in &mut clients {
            idle.is_closed_after(2 * SECOND, *began, client).await;
        }
    });
}

/// Stamps come round after 49 days.
#[test]
fn days_are_like_seconds() {
    Idle::with_keep_alive(6 * DAY, async |idle: Idle| {
        let mut client = idle.connect().await;
        for _ in 0..30 {
            ask(&mut client, "/").await;
            sleep(5 * DAY).await;
        }
        ask(&mut client, "/").await;
        let began = Instant::now();
        idle.is_closed_after(6 * DAY, began, &mut client).await;
    });
}

#[test]
fn a_server_that_nobody_has_asked_for_weeks_is_as_before() {
    Idle::with_keep_alive(SECOND, async |idle: Idle| {
        for days in [0, 20, 25, 30, 49, 50, 75] {
            sleep(days * DAY).await;
            let began = Instant::now();
            let mut client = idle.connect_and_ask().await;
            idle.is_closed_after(SECOND, began, &mut client).await;
        }
    });
}

#[test]
fn a_time_without_end_has_none() {
    for keep_alive in [13 * DAY, Duration::MAX] {
        Idle::with_keep_alive(keep_alive, async |idle: Idle| {
            let mut fresh = idle.connect().await;
            let mut used = idle.connect_and_ask().await;
            for _ in 0..5 {
                sleep(12 * DAY).await;
                ask(&mut used, "/").await;
            }
            ask(&mut fresh, "/").await;
        });
    }
}

/// What is sent, and when the answer with this status comes.
async fn is_answered_after(idle: &Idle, time: Duration, request: &str, status: &str) {
    let mut client = idle.connect().await;
    let began = Instant::now();
    client
        .write_all(request.as_bytes())
        .await
        .expect("it is open");
    let mut room = [0; 12];
    client.read_exact(&mut room).await.expect("an answer");
    let took = began.elapsed();
    assert_eq!(String::from_utf8_lossy(&room[9..]), status);
    assert!(
        took >= time && took <= time + ROUNDING,
        "{time:?}: {took:?}"
    );
}

/// The sweep does not make them late, since they have a timer when their end is near.
#[test]
fn other_times_are_to_the_millisecond() {
    for millis in [0, 1, 100, 249, 250, 251, 252, 300, 1000, 5000, 3_600_000] {
        let time = millis * MS;
        let timeouts = Timeouts {
            header: time,
            handler: time,
            ..Timeouts::DEFAULT
        };
        Idle::run(timeouts, async move |idle: Idle| {
            let waits = "GET /wait/1000000000 HTTP/1.1\r\nHost: a\r\n\r\n";
            is_answered_after(&idle, time, waits, "503").await;
            is_answered_after(&idle, time, "GET / HTTP/1.1\r\n", "408").await;
        });
    }
}

/// Nor is one forgotten when the sweep ends.
#[test]
fn the_time_of_a_handler_goes_on_while_the_server_drains() {
    for handler in [SECOND, 60 * SECOND] {
        let timeouts = Timeouts {
            handler,
            ..Timeouts::DEFAULT
        };
        Idle::run(timeouts, async move |idle: Idle| {
            let stop = idle.stop.clone();
            filch::spawn(async move {
                sleep(SECOND / 2).await;
                stop.cancel();
            });
            let waits = "GET /wait/1000000000 HTTP/1.1\r\nHost: a\r\n\r\n";
            is_answered_after(&idle, handler, waits, "503").await;
        });
    }
}
