//! Is the first of several addresses taken that answers, with nothing left of the others, and does a deadline end it all?
//!
//! An address that never answers is a listener whose queue is full: the kernel drops what comes to it. One that refuses is a port that nobody listens on. How the attempts follow each
//! other in time is tested in virtual time, next to the code.

use filch::runtime::Builder;
use filch::sync::Mutex;
use filch::time::{Instant, timeout};
use filch_net::{Resolver, TcpConnect, TcpListener, TcpSocket, TcpStream};
use filch_tests::census::{Census, settle};
use filch_tests::guard::{eventually, within_reason};
use filch_tests::limits::{self, in_child};
use filch_tests::run_on;
use futures_lite::future::{block_on, poll_once};
use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::{self, SocketAddr};
use std::pin::pin;
use std::sync::mpsc::channel;
use std::time::Duration;

fn run<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    run_on(2, future)
}

fn local(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, host], port))
}

/// Somewhere that connections are refused, for as long as the socket is bound and does not listen.
fn refusing(host: u8) -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(local(host, 0)).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

/// Somewhere that never answers, for as long as this lives.
struct BlackHole {
    addr: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl BlackHole {
    async fn new(host: u8) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(local(host, 0)).unwrap();
        let listener = socket.listen(0).unwrap();
        let addr = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        // When the queue is full, the next one gets no answer. What this costs is the last pause.
        while let Ok(connected) =
            timeout(Duration::from_millis(300), TcpStream::connect(addr)).await
        {
            queue.push(connected.unwrap());
            assert!(queue.len() < 10, "a queue without room has that much");
        }
        Self {
            addr,
            _listener: listener,
            _queue: queue,
        }
    }
}

/// The system's number of an error of ours.
fn number(error: &io::Error) -> Option<i32> {
    let cause: Option<&io::Error> = error.source().and_then(|cause| cause.downcast_ref());
    cause.and_then(io::Error::raw_os_error)
}

#[test]
fn what_refuses_is_passed_over_and_what_hangs_is_passed_by() {
    for workers in [1, 2, 8] {
        run_on(workers, async {
            let (_bound, refuses) = refusing(2);
            let hole = BlackHole::new(3).await;
            let good = TcpListener::bind(local(4, 0)).await.unwrap();
            let addr = good.local_addr().unwrap();
            for before in [
                vec![],
                vec![refuses],
                vec![hole.addr],
                vec![refuses, hole.addr, refuses],
            ] {
                let stream = TcpStream::connect([before, vec![addr]].concat())
                    .await
                    .unwrap();
                assert_eq!(stream.peer_addr().unwrap(), addr);
                let (_, peer) = good.accept().await.unwrap();
                assert_eq!(peer, stream.local_addr().unwrap());
            }
            let error = good.accept_now().unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::WouldBlock,
                "each was connected to once"
            );
        });
    }
}

#[test]
fn an_address_that_answers_in_time_is_the_only_one_tried() {
    run(async {
        let first = TcpListener::bind(local(2, 0)).await.unwrap();
        let (try_one, tried) = channel();
        let connect = TcpConnect::new()
            .attempt_delay(Duration::from_secs(3600))
            .prepare(|_, addr| {
                try_one.send(addr).unwrap();
                Ok(())
            });
        let (_bound, refuses) = refusing(3);
        let addr = first.local_addr().unwrap();
        let stream = connect.to([refuses, addr, local(4, 1)]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addr);
        assert_eq!(tried.try_iter().collect::<Vec<_>>(), [refuses, addr]);
    });
}

#[test]
fn families_take_turns_when_names_have_both() {
    run(async {
        let (try_one, tried) = channel();
        let connect = TcpConnect::new().prepare(|_, addr| {
            try_one.send(addr.is_ipv6()).unwrap();
            Err(io::Error::other("not now"))
        });
        let v6 = |host| SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, host], 1));
        let addresses = [v6(1), v6(2), v6(3), local(1, 1), local(2, 1)];
        let error = connect.to(addresses).await.unwrap_err();
        if TcpSocket::new_v6().is_ok() {
            assert_eq!(
                tried.try_iter().collect::<Vec<_>>(),
                [true, false, true, false, true]
            );
        }
        for addr in addresses {
            assert!(error.to_string().contains(&addr.to_string()), "{error}");
        }
    });
}

#[test]
fn when_all_refuse_each_is_named() {
    run(async {
        let (_a, first) = refusing(2);
        let (_b, second) = refusing(3);
        let error = TcpStream::connect([first, second]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(number(&error), Some(libc::ECONNREFUSED));
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert_eq!(
            error.to_string(),
            format!("connect to {second}, after {first}: {refused}: {refused}")
        );
        let named = format!("localhost:{}", first.port());
        // 127.0.0.1, where nobody has this port: else the name of a listener of another test.
        let error = TcpStream::connect(named.clone()).await;
        if let Err(error) = error {
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("connect to {named} (")),
                "{error}"
            );
        }
    });
}

#[test]
fn a_deadline_ends_it_and_says_what_was_tried() {
    run(async {
        let (_bound, refuses) = refusing(2);
        let hole = BlackHole::new(3).await;
        let further = BlackHole::new(4).await;
        let soon = Duration::from_millis(50);
        let error = TcpConnect::new()
            .timeout(soon)
            .to(hole.addr)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(
            error.to_string(),
            format!(
                "connect to {0}, after {0}: no answer: the time is over",
                hole.addr
            )
        );
        let connect = TcpConnect::new()
            .deadline(Instant::now() + soon)
            .attempt_delay(Duration::from_secs(3600));
        let error = connect
            .to([refuses, hole.addr, further.addr])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let text = error.to_string();
        assert!(
            text.contains(&format!("after {refuses}: Connection refused")),
            "{text}"
        );
        assert!(
            text.contains(&format!("after {}: no answer, 1 not tried", hole.addr)),
            "{text}"
        );
        // The same deadline, which is over now.
        let error = connect.to(hole.addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn what_answers_before_the_deadline_is_connected() {
    run(async {
        let listener = TcpListener::bind(local(1, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let hole = BlackHole::new(3).await;
        for connect in [
            TcpConnect::new().timeout(Duration::MAX),
            TcpConnect::new().timeout(Duration::from_secs(3600)),
            TcpConnect::new().deadline(Instant::now() + Duration::from_secs(3600)),
        ] {
            connect.to(addr).await.unwrap();
            connect.to([hole.addr, addr]).await.unwrap();
            connect
                .to(format!("localhost:{}", addr.port()))
                .await
                .unwrap();
        }
    });
}

#[test]
fn the_deadline_counts_while_a_name_is_resolved() {
    run(async {
        let (answers, wait) = channel::<()>();
        let wait = Mutex::new(wait);
        let resolver = Resolver::with_function(move |_host| {
            let _over = wait.blocking_lock().recv();
            Ok(Vec::new())
        });
        let connect = TcpConnect::new()
            .resolver(resolver)
            .timeout(Duration::from_millis(20));
        let error = connect.to("localhost:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "resolve localhost:1: the time is over");
        drop(answers);
    });
}

#[test]
fn a_resolver_of_ones_own_is_asked() {
    run(async {
        let listener = TcpListener::bind(local(1, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let resolver = Resolver::with_function(move |host| {
            assert_eq!(host, "nowhere.invalid");
            Ok(vec![addr])
        });
        let connect = TcpConnect::new().resolver(resolver);
        let name = format!("nowhere.invalid:{}", addr.port());
        let stream = connect.to(name).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addr);
    });
}

#[test]
fn losers_are_closed_and_nothing_is_left_of_what_was_given_up() {
    in_child(
        "losers_are_closed_and_nothing_is_left_of_what_was_given_up",
        || {
            within_reason(|| {
                let rt = Builder::new().worker_threads(2).build().unwrap();
                let metrics = rt.metrics();
                let sources = || {
                    (0..2)
                        .map(|worker| metrics.worker_source_count(worker))
                        .sum::<usize>()
                };
                rt.block_on(async {
                    let holes = [BlackHole::new(2).await, BlackHole::new(3).await];
                    let [first, second] = [holes[0].addr, holes[1].addr];
                    let good = TcpListener::bind(local(4, 0)).await.unwrap();
                    let addr = good.local_addr().unwrap();
                    let before = Census::now().unwrap();
                    let watched = sources();
                    let quick = || TcpConnect::new().attempt_delay(Duration::from_millis(5));
                    // One wins.
                    let stream = quick().to([first, second, addr]).await.unwrap();
                    assert_eq!(
                        sources(),
                        watched + 1,
                        "the losers are gone when it returns"
                    );
                    assert_eq!(Census::now().unwrap().descriptors, before.descriptors + 1);
                    drop(stream);
                    // Given up at each moment.
                    for pause in [0, 2, 7, 15] {
                        let connect = quick();
                        let connecting = connect.to([first, second]);
                        let given_up = timeout(Duration::from_millis(pause), connecting).await;
                        assert!(given_up.is_err());
                        assert_eq!(sources(), watched);
                    }
                    {
                        let mut connecting = pin!(TcpStream::connect([first, second]));
                        assert!(poll_once(connecting.as_mut()).await.is_none());
                        assert_eq!(sources(), watched + 1);
                    }
                    // As a task that is aborted.
                    let task = filch::spawn(TcpStream::connect([first, second]));
                    let watches = || (sources() == watched + 1).then_some(());
                    eventually("it has begun", watches);
                    task.abort();
                    assert!(task.await.unwrap_err().is_cancelled());
                    // By the deadline.
                    let late = quick().timeout(Duration::from_millis(20));
                    assert!(late.to([first, second]).await.is_err());
                    assert_eq!(sources(), watched);
                    settle(&before);
                });
                drop(rt);
            });
        },
    );
}

#[test]
fn without_a_descriptor_for_the_next_attempt_those_under_way_go_on() {
    in_child(
        "without_a_descriptor_for_the_next_attempt_those_under_way_go_on",
        || {
            within_reason(|| {
                let rt = Builder::new().worker_threads(1).build().unwrap();
                rt.block_on(async {
                    let good = TcpListener::bind(local(2, 0)).await.unwrap();
                    let addr = good.local_addr().unwrap();
                    let hole = BlackHole::new(3).await;
                    // Room for one socket, which is the first attempt's.
                    let next = std::fs::File::open("/proc/self/stat").unwrap();
                    limits::descriptors(std::os::fd::AsRawFd::as_raw_fd(&next) as usize + 1)
                        .unwrap();
                    drop(next);
                    let error = TcpConnect::new()
                        .attempt_delay(Duration::from_millis(5))
                        .timeout(Duration::from_millis(200))
                        .to([hole.addr, addr, addr])
                        .await
                        .unwrap_err();
                    let text = error.to_string();
                    assert_eq!(error.kind(), ErrorKind::TimedOut, "{text}");
                    assert_eq!(
                        text.matches("make a socket: Too many open files").count(),
                        2,
                        "{text}"
                    );
                    assert!(
                        text.contains(&format!("after {}: no answer", hole.addr)),
                        "{text}"
                    );
                    // The descriptor is free again.
                    TcpStream::connect([addr, addr]).await.unwrap();
                });
            });
        },
    );
}

#[test]
fn outside_a_runtime_it_is_an_error() {
    let listener = net::TcpListener::bind(local(1, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    for error in [
        block_on(TcpStream::connect(addr)).unwrap_err(),
        block_on(TcpStream::connect([addr, addr])).unwrap_err(),
        block_on(TcpConnect::new().timeout(Duration::from_secs(60)).to(addr)).unwrap_err(),
    ] {
        assert!(error.to_string().contains("no filch runtime"), "{error}");
    }
}

#[test]
fn a_socket_is_prepared_before_it_connects() {
    run(async {
        let listener = TcpListener::bind(local(1, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connect = TcpConnect::new().prepare(|socket, _| {
            socket.bind(local(9, 0))?;
            socket.set_nodelay(true)
        });
        let stream = connect.to(addr).await.unwrap();
        assert_eq!(stream.local_addr().unwrap().ip(), local(9, 0).ip());
        assert!(stream.nodelay().unwrap());
        let fails = TcpConnect::new().prepare(|_, _| Err(io::Error::other("not today")));
        let error = fails.to(addr).await.unwrap_err();
        assert_eq!(error.to_string(), format!("connect to {addr}: not today"));
    });
}
