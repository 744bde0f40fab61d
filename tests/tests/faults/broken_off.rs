//! The connection is reset, ended, cut, stalled or silent at any byte.

use super::{Echo, ask, gone, run_and_settle};
use filch::time::timeout;
use filch_http::{Drained, Router, Server};
use filch_net::TcpStream;
use filch_tests::limits::in_child;
use filch_tests::proxy::{Course, Fault, Pieces, Plan, Proxy};
use filch_tests::random::{Random, seed};
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use std::io::{self, ErrorKind};
use std::time::Duration;

/// Bytes that show a mix-up.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

/// Sends so many bytes, ends that direction, and reads what comes back until the end or an error.
async fn converse(stream: TcpStream, sent: &[u8]) -> (Vec<u8>, io::Result<()>) {
    let mut got = Vec::new();
    let writes = async {
        (&stream).write_all(sent).await?;
        (&stream).close().await
    };
    // A reset is told once, to who asks first: then reading gives the end.
    let (written, read) = future::zip(writes, (&stream).read_to_end(&mut got)).await;
    assert!(sent.starts_with(&got), "what comes is what was sent");
    (got, read.and(written))
}

fn is_broken_off(error: &io::Error) -> bool {
    let kind = error.kind();
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

#[test]
fn a_reset_at_any_byte_ends_that_connection_alone() {
    in_child(
        "broken_off::a_reset_at_any_byte_ends_that_connection_alone",
        || {
            for workers in [1, 2, 8] {
                run_and_settle(workers, resets());
            }
        },
    );
}

async fn resets() {
    let echo = Echo::start().await;
    let bystander = TcpStream::connect(echo.addr).await.unwrap();
    for count in [1, 1000, 100_000] {
        for at in [0, 1, count / 2, count - 1, count] {
            let course = Course::default().then(at, Fault::Reset);
            for plan in [Plan::up(course.clone()), Plan::down(course.clone())] {
                let proxy = Proxy::start(echo.addr, move |_| plan.clone()).unwrap();
                let clients: Vec<_> = (0..3)
                    .map(|_| {
                        let addr = proxy.addr();
                        filch::spawn(async move {
                            // It may be broken off before it is known that it was made.
                            let stream = TcpStream::connect(addr).await?;
                            converse(stream, &pattern(count)).await.1
                        })
                    })
                    .collect();
                for client in clients {
                    let error = client.await.unwrap().unwrap_err();
                    assert!(is_broken_off(&error), "{error}");
                }
                assert_eq!(proxy.resets(), 3);
            }
        }
        ask(&bystander, b"still here").await.unwrap();
    }
    drop(bystander);
    gone(&echo.tasks).await;
}

#[test]
fn an_end_at_any_byte_is_the_end_after_that_byte() {
    in_child(
        "broken_off::an_end_at_any_byte_is_the_end_after_that_byte",
        || {
            for workers in [1, 4] {
                run_and_settle(workers, ends());
            }
        },
    );
}

async fn ends() {
    let echo = Echo::start().await;
    for count in [1, 1000, 100_000] {
        for at in [0, 1, count - 1] {
            let course = Course::default().then(at, Fault::HalfClose);
            for plan in [Plan::up(course.clone()), Plan::down(course.clone())] {
                let proxy = Proxy::start(echo.addr, move |_| plan.clone()).unwrap();
                let stream = TcpStream::connect(proxy.addr()).await.unwrap();
                let (got, ended) = converse(stream, &pattern(count)).await;
                ended.unwrap();
                assert_eq!(got.len(), at);
            }
        }
    }
    gone(&echo.tasks).await;
}

#[test]
fn bytes_come_whole_however_they_are_cut_and_delayed() {
    in_child(
        "broken_off::bytes_come_whole_however_they_are_cut_and_delayed",
        || {
            for workers in [1, 4] {
                run_and_settle(workers, weather());
            }
        },
    );
}

async fn weather() {
    let echo = Echo::start().await;
    let pause = Duration::from_millis(10);
    let stalls = (0..20).fold(Course::default(), |course, n| {
        course.then(n * 1000, Fault::Stall(pause))
    });
    for (course, count) in [
        (Course::cut(Pieces::UpTo(1)), 3000),
        (Course::cut(Pieces::UpTo(1)).late(pause / 100), 300),
        (Course::cut(Pieces::Collected(5000)), 50_000),
        (Course::cut(Pieces::Random(3000, 7)), 300_000),
        (Course::slow(200_000), 50_000),
        (stalls, 100_000),
    ] {
        let plan = Plan::both(course);
        let proxy = Proxy::start(echo.addr, move |_| plan.clone()).unwrap();
        let stream = TcpStream::connect(proxy.addr()).await.unwrap();
        let (got, ended) = converse(stream, &pattern(count)).await;
        ended.unwrap();
        assert_eq!(got.len(), count);
    }
    gone(&echo.tasks).await;
}

#[test]
fn who_waits_for_the_silent_can_give_up() {
    in_child("broken_off::who_waits_for_the_silent_can_give_up", || {
        run_and_settle(2, async {
            let echo = Echo::start().await;
            let plan = Plan::down(Course::default().then(500, Fault::Silence));
            let proxy = Proxy::start(echo.addr, move |_| plan.clone()).unwrap();
            let stream = TcpStream::connect(proxy.addr()).await.unwrap();
            ask(&stream, &pattern(500)).await.unwrap();
            let asking = timeout(Duration::from_millis(50), ask(&stream, b"anybody?")).await;
            assert!(asking.is_err(), "nobody answers");
            // One whose peer takes nothing either: it writes until nothing fits.
            let plan = Plan::up(Course::default().then(0, Fault::Silence));
            let full = Proxy::start(echo.addr, move |_| plan.clone()).unwrap();
            let mut stuck = TcpStream::connect(full.addr()).await.unwrap();
            let endless = async { while stuck.write_all(&[0; 1 << 16]).await.is_ok() {} };
            assert!(timeout(Duration::from_millis(50), endless).await.is_err());
            drop((stream, stuck, proxy, full));
            gone(&echo.tasks).await;
        });
    });
}

#[test]
fn connections_at_random_leave_nothing_behind() {
    in_child(
        "broken_off::connections_at_random_leave_nothing_behind",
        || {
            let mut random = Random::new(seed("--test faults at_random"));
            for workers in [1, 2, 8] {
                run_and_settle(workers, at_random(random.next_u64()));
            }
        },
    );
}

async fn at_random(seed: u64) {
    const CLIENTS: usize = 100 * 2;
    const LENGTH: usize = 20_000;
    let echo = Echo::start().await;
    let proxy = Proxy::random(echo.addr, seed, LENGTH).unwrap();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let addr = proxy.addr();
            filch::spawn(async move {
                let sent = pattern(LENGTH);
                let talk = async {
                    let stream = TcpStream::connect(addr).await?;
                    let (got, ended) = converse(stream, &sent).await;
                    ended.map(|()| got.len())
                };
                // Only for those who would wait for ever; who is merely slow may give up, too.
                match timeout(Duration::from_secs(1), talk).await {
                    Ok(Ok(got)) => usize::from(got == LENGTH),
                    Ok(Err(error)) => {
                        assert!(is_broken_off(&error), "{error}");
                        0
                    }
                    Err(_silence) => 0,
                }
            })
        })
        .collect();
    let mut whole = 0;
    for client in clients {
        whole += client.await.unwrap();
    }
    let (resets, ends) = (proxy.resets(), proxy.half_closes());
    println!(
        "of {CLIENTS}: {whole} whole, {resets} reset, {ends} ended early, {} silent",
        proxy.silences()
    );
    assert!(resets > 0 && proxy.silences() > 0 && whole > 0);
    drop(proxy);
    gone(&echo.tasks).await;
    // On a busy machine some give up before the proxy has got to them.
    assert!((whole..=CLIENTS).contains(&echo.tasks.made()));
}

/// The server of filch-http answers who comes through, and forgets the others.
#[test]
fn requests_come_through_or_are_forgotten() {
    in_child("broken_off::requests_come_through_or_are_forgotten", || {
        let seed = seed("--test faults requests_come_through");
        run_and_settle(2, requests(seed));
    });
}

async fn requests(seed: u64) {
    let router = Router::new().get("/", async || vec![b'x'; 5000]);
    let server = Server::bind("127.0.0.1:0").await.unwrap().router(router);
    let addr = server.local_addr().unwrap();
    let (stop, stopped) = filch::sync::oneshot::channel::<()>();
    let serving =
        filch::spawn(server.serve_with_shutdown(async { assert!(stopped.await.is_ok()) }));
    let request = b"GET / HTTP/1.1\r\nhost: filch\r\nconnection: close\r\n\r\n";
    let single = Plan::both(Course::cut(Pieces::UpTo(1)));
    let single = Proxy::start(addr, move |_| single.clone()).unwrap();
    let mut answer = Vec::new();
    let mut stream = TcpStream::connect(single.addr()).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(&[b'x'; 5000]));
    let length = answer.len();
    let proxy = Proxy::random(addr, seed, length).unwrap();
    let clients: Vec<_> = (0..100)
        .map(|_| {
            let addr = proxy.addr();
            filch::spawn(async move {
                let mut answer = Vec::new();
                let talk = async {
                    let mut stream = TcpStream::connect(addr).await?;
                    stream.write_all(request).await?;
                    stream.read_to_end(&mut answer).await
                };
                let _broken_off = timeout(Duration::from_secs(1), talk).await;
                answer.len()
            })
        })
        .collect();
    let mut whole = 0;
    for client in clients {
        whole += usize::from(client.await.unwrap() == length);
    }
    assert!(whole > 0);
    drop((single, proxy));
    stop.send(()).unwrap();
    assert_eq!(serving.await.unwrap().unwrap(), Drained::Clean);
}
