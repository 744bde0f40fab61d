//! There are no descriptors, no memory, no watches left.

use super::{Echo, ask, gone, number, run_and_settle, runtime};
use filch_net::signal::{SignalKind, signal};
use filch_net::{TcpListener, TcpSocket, TcpStream, UdpSocket, lookup_host};
use filch_tests::census::{Census, settle};
use filch_tests::guard::{eventually, within_reason};
use filch_tests::limits::{self, in_child};
use filch_tests::quiet;
use filch_tests::surroundings::{Injection, with_failing_calls};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Lowers the limit of descriptors to a few more than there are now, and opens that many.
fn take_all_descriptors() -> Vec<File> {
    limits::descriptors(Census::now().unwrap().descriptors + 8).unwrap();
    let mut files = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) if error.raw_os_error() == Some(libc::EMFILE) => return files,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn who_is_connected_is_served_while_nobody_else_is_let_in() {
    let name = "exhaustion::who_is_connected_is_served_while_nobody_else_is_let_in";
    in_child(name, || {
        // What glibc's resolver keeps open does not count.
        let before = Census::now().unwrap();
        for workers in [1, 2, 8] {
            within_reason(move || while_exhausted(workers));
        }
        settle(&before);
    });
}

fn while_exhausted(workers: usize) {
    // The limit of the last round.
    limits::descriptors(1024).unwrap();
    let rt = runtime(workers);
    let metrics = rt.metrics();
    let pauses = Arc::new(AtomicUsize::new(0));
    let counted = pauses.clone();
    rt.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let listener = listener.on_accept_pause(move |error, _| {
            assert_eq!(number(error), Some(libc::EMFILE), "{error}");
            assert!(error.to_string().contains(&addr.to_string()), "{error}");
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let echo = Echo::on(listener);
        let mut served = Vec::new();
        for _ in 0..4 {
            let stream = TcpStream::connect(addr).await.unwrap();
            ask(&stream, b"in").await.unwrap();
            served.push(stream);
        }
        let mut files = take_all_descriptors();
        // One descriptor for a client, and none for the server's end.
        drop(files.pop());
        let waits = std::net::TcpStream::connect(addr).unwrap();
        let waits_since = pauses.load(Ordering::SeqCst);
        for _ in 0..100 {
            for stream in &served {
                ask(stream, b"still served").await.unwrap();
            }
        }
        // By now the pauses are longer than the interval that is looked at, or nearly so.
        eventually("accepting pauses", || {
            (pauses.load(Ordering::SeqCst) > waits_since + 4).then_some(())
        });
        quiet::rest(&metrics);
        assert_eq!(echo.tasks.alive(), 4);
        refusals(addr).await;
        drop(files);
        let waits = TcpStream::from_std(waits).unwrap();
        ask(&waits, b"in at last").await.unwrap();
        drop((waits, served));
        gone(&echo.tasks).await;
    });
    drop(rt);
}

/// What cannot be made without a descriptor says what it was.
async fn refusals(addr: std::net::SocketAddr) {
    let text = addr.to_string();
    let says = |error: io::Error, words: &[&str]| {
        assert_eq!(number(&error), Some(libc::EMFILE), "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
    };
    let refused = TcpStream::connect(addr).await.unwrap_err();
    says(refused, &["connect to", &text]);
    let refused = TcpListener::bind(addr).await.unwrap_err();
    says(refused, &["listen on", &text]);
    let refused = UdpSocket::bind(addr).await.unwrap_err();
    says(refused, &["bind to", &text]);
    let refused = signal(SignalKind::user_defined1()).err().unwrap();
    says(refused, &["signal"]);
    // The resolver has words of its own for it, and may know the name without a file.
    if let Err(refused) = lookup_host("localhost:80").await {
        let text = refused.to_string();
        assert!(text.contains("resolve localhost:80"), "{text}");
    }
}

/// Every third `accept4` fails with this.
fn accepting_pauses(name: &str, error: &str, expected: i32) {
    let injection = Injection {
        calls: "accept4",
        error,
        first: 1,
        step: 3,
    };
    with_failing_calls(name, injection, || {
        run_and_settle(1, async move {
            let pauses = Arc::new(AtomicUsize::new(0));
            let counted = pauses.clone();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let listener = listener.on_accept_pause(move |error, _| {
                assert_eq!(number(error), Some(expected), "{error}");
                assert!(error.to_string().contains(&addr.to_string()), "{error}");
                counted.fetch_add(1, Ordering::SeqCst);
            });
            let echo = Echo::on(listener);
            for _ in 0..12 {
                let stream = TcpStream::connect(addr).await.unwrap();
                ask(&stream, b"let in after all").await.unwrap();
            }
            gone(&echo.tasks).await;
            assert_eq!(echo.tasks.made(), 12);
            assert!(pauses.load(Ordering::SeqCst) > 0);
        });
    });
}

/// The kernel makes a descriptor before it looks who waits. After the last of a queue nobody asks for one.
#[test]
fn an_empty_queue_is_empty_also_without_descriptors() {
    let name = "exhaustion::an_empty_queue_is_empty_also_without_descriptors";
    in_child(name, || {
        let rt = runtime(1);
        rt.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let _first = TcpStream::connect(addr).await.unwrap();
            let _served = listener.accept_now().unwrap();
            let client = TcpSocket::new_v4().unwrap();
            let files = take_all_descriptors();
            let error = listener.accept_now().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            let _client = client.connect(addr).await.unwrap();
            let error = listener.accept_now().unwrap_err();
            assert_eq!(number(&error), Some(libc::EMFILE));
            drop(files);
            listener.accept_now().unwrap();
        });
    });
}

/// Two sockets may share an address for as long as only one of them listens.
#[test]
fn an_address_where_somebody_listens_is_named() {
    let rt = runtime(1);
    rt.block_on(async {
        let bind = |addr| {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(addr).map(|()| socket)
        };
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = first.local_addr().unwrap();
        let second = bind(addr).unwrap();
        let _listens = first.listen(1).unwrap();
        let error = second.listen(1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let says = format!("listen on {addr}: ");
        assert!(error.to_string().starts_with(&says), "{error}");
    });
}

#[test]
fn accepting_pauses_when_the_machine_has_no_descriptors() {
    let name = "exhaustion::accepting_pauses_when_the_machine_has_no_descriptors";
    accepting_pauses(name, "ENFILE", libc::ENFILE);
}

#[test]
fn accepting_pauses_when_there_is_no_memory() {
    let name = "exhaustion::accepting_pauses_when_there_is_no_memory";
    accepting_pauses(name, "ENOMEM", libc::ENOMEM);
}

#[test]
fn accepting_pauses_when_there_are_no_buffers() {
    let name = "exhaustion::accepting_pauses_when_there_are_no_buffers";
    accepting_pauses(name, "ENOBUFS", libc::ENOBUFS);
}

/// What can be opened but not watched is closed, and the error says what it was: whoever makes it is told, and of what is accepted whoever waits for it.
fn not_watched(name: &str, error: &str, text: &'static str) {
    let injection = Injection {
        calls: "epoll_ctl",
        error,
        first: 6,
        step: 5,
    };
    with_failing_calls(name, injection, || {
        run_and_settle(1, async move {
            let made = filch::spawn(make_and_count(text)).await.unwrap();
            let [listeners, clients, served, failures] = made;
            println!("{listeners} listeners, {clients} clients, {served} served, {failures} not");
            assert!(listeners > 0 && clients > 0 && served > 0 && failures > 0);
        });
    });
}

async fn make_and_count(text: &str) -> [usize; 4] {
    let mut made = [0; 4];
    let failed = |error: io::Error, step: &str| {
        let says = error.to_string();
        for word in [step, "127.0.0.1:", text] {
            assert!(says.contains(word), "{word}: {says}");
        }
    };
    for _ in 0..100 {
        let listener = match TcpListener::bind("127.0.0.1:0").await {
            Ok(listener) => listener,
            Err(error) => {
                failed(error, "listen on");
                made[3] += 1;
                continue;
            }
        };
        made[0] += 1;
        match TcpStream::connect(listener.local_addr().unwrap()).await {
            Ok(client) => {
                made[1] += 1;
                // What is accepted is only watched when somebody has to wait for it.
                let (served, _) = listener.accept().await.unwrap();
                let answers = super::echo(served);
                let asks = async {
                    let asked = ask(&client, b"works").await;
                    drop(client);
                    asked
                };
                let (answered, asked) = futures_lite::future::zip(answers, asks).await;
                match answered {
                    Ok(()) => {
                        asked.unwrap();
                        made[2] += 1;
                    }
                    Err(error) => {
                        let says = error.to_string();
                        assert!(
                            says.contains("cannot register") && says.contains(text),
                            "{says}"
                        );
                        made[3] += 1;
                    }
                }
            }
            Err(error) => {
                failed(error, "connect to");
                made[3] += 1;
            }
        }
    }
    made
}

#[test]
fn what_is_beyond_the_users_watches_is_an_error_and_closed() {
    let name = "exhaustion::what_is_beyond_the_users_watches_is_an_error_and_closed";
    not_watched(name, "ENOSPC", "No space left");
}

#[test]
fn what_the_kernel_has_no_memory_to_watch_is_an_error_and_closed() {
    let name = "exhaustion::what_the_kernel_has_no_memory_to_watch_is_an_error_and_closed";
    not_watched(name, "ENOMEM", "Cannot allocate memory");
}
