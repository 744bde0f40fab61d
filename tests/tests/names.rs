//! Are names resolved together, in order, and so that a name server that never answers holds up nobody else?
//!
//! The resolver asks a function of the test's, which answers when it is told to.

#![expect(
    clippy::disallowed_types,
    reason = "the name server is no part of a model"
)]

use filch::Runtime;
use filch::runtime::Builder;
use filch::time::{Duration, Instant};
use filch_net::{Resolver, TcpListener, TcpStream, lookup_host, lookup_host_by};
use filch_tests::census::{Census, settle};
use filch_tests::guard::{eventually, within_reason};
use filch_tests::limits::in_child;
use filch_tests::random::{Random, seed};
use futures_lite::future::poll_once;
use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex};

/// A name server that answers when it is told to.
#[derive(Clone, Default)]
struct Server(Arc<(Mutex<Asked>, Condvar)>);

#[derive(Default)]
struct Asked {
    /// Every question, in the order in which they came.
    all: Vec<String>,
    answered: HashSet<String>,
    answers_all: bool,
    at_work: usize,
    at_work_max: usize,
}

impl Server {
    fn resolver(&self) -> Resolver {
        let server = self.clone();
        Resolver::with_function(move |host| server.answer(host))
    }

    /// What a thread of the resolver does: waits until this name shall be answered.
    fn answer(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let (asked, told) = &*self.0;
        let mut asked = asked.lock().unwrap();
        asked.all.push(host.to_owned());
        asked.at_work += 1;
        asked.at_work_max = asked.at_work_max.max(asked.at_work);
        while !asked.answers_all && !asked.answered.contains(host) {
            asked = told.wait(asked).unwrap();
        }
        asked.at_work -= 1;
        match host {
            "unknown" => Err(io::Error::new(ErrorKind::NotFound, "no such name")),
            "broken" => Err(io::Error::from_raw_os_error(libc::EMFILE)),
            host => Ok(vec![SocketAddr::new(address_of(host), 0)]),
        }
    }

    fn tell(&self, change: impl FnOnce(&mut Asked)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn answer_all(&self) {
        self.tell(|asked| asked.answers_all = true);
    }

    fn answer_one(&self, host: &str) {
        self.tell(|asked| asked.answered.extend([host.to_owned()]));
    }

    fn look<R>(&self, look: impl FnOnce(&Asked) -> R) -> R {
        look(&self.0.0.lock().unwrap())
    }

    /// Waits until so many questions have come.
    fn has_heard(&self, count: usize) {
        eventually("the questions come", || {
            self.look(|asked| asked.all.len() >= count).then_some(())
        });
    }
}

/// Different names have different addresses.
fn address_of(host: &str) -> IpAddr {
    let sum = host.bytes().map(u32::from).sum::<u32>();
    IpAddr::from((0x7f00_0000 + sum).to_be_bytes())
}

fn addr_of(host: &str, port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::new(address_of(host), port)]
}

/// Asks in a task, which has begun to wait when this returns.
async fn asking(
    resolver: &Resolver,
    host: &'static str,
    port: u16,
) -> filch::JoinHandle<io::Result<Vec<SocketAddr>>> {
    let resolver = resolver.clone();
    let (begun, has_begun) = filch::sync::oneshot::channel();
    let task = filch::spawn(async move {
        let mut asks = pin!(resolver.lookup_host((host, port)));
        let first = poll_once(asks.as_mut()).await;
        let _ = begun.send(());
        match first {
            Some(done) => done,
            None => asks.await,
        }
    });
    has_begun.await.unwrap();
    task
}

fn run<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    within_reason(move || Runtime::new().expect("a runtime").block_on(future))
}

#[test]
fn several_askers_share_one_question() {
    run(async {
        let server = Server::default();
        let resolver = server.resolver();
        let first = asking(&resolver, "a", 1).await;
        let second = asking(&resolver, "a", 2).await;
        let third = asking(&resolver.clone(), "a", 3).await;
        let other = asking(&resolver, "b", 1).await;
        server.has_heard(2);
        // Whoever began may go: the others are answered all the same.
        first.abort();
        assert!(first.await.is_err());
        server.answer_all();
        assert_eq!(second.await.unwrap().unwrap(), addr_of("a", 2));
        assert_eq!(third.await.unwrap().unwrap(), addr_of("a", 3));
        assert_eq!(other.await.unwrap().unwrap(), addr_of("b", 1));
        assert_eq!(server.look(|asked| asked.all.len()), 2);
    });
}

#[test]
fn an_answer_is_forgotten_when_it_was_given() {
    run(async {
        let server = Server::default();
        server.answer_all();
        let resolver = server.resolver();
        for count in 1..=3 {
            assert_eq!(resolver.lookup_host("a:1").await.unwrap(), addr_of("a", 1));
            assert_eq!(server.look(|asked| asked.all.len()), count);
        }
    });
}

#[test]
fn everybody_is_told_of_an_error() {
    run(async {
        for (name, kind) in [
            ("unknown", ErrorKind::NotFound),
            ("broken", io::Error::from_raw_os_error(libc::EMFILE).kind()),
        ] {
            let server = Server::default();
            let resolver = server.resolver();
            let askers = [
                asking(&resolver, name, 1).await,
                asking(&resolver, name, 1).await,
            ];
            server.has_heard(1);
            server.answer_all();
            for asker in askers {
                let error = asker.await.unwrap().unwrap_err();
                assert_eq!(error.kind(), kind);
                let text = error.to_string();
                assert!(text.starts_with(&format!("resolve {name}:1: ")), "{text}");
            }
        }
    });
}

#[test]
fn so_many_threads_and_the_rest_in_order() {
    for most in [0, 1, 2, 3] {
        run(async move {
            let server = Server::default();
            let resolver = server.resolver().threads_max(most);
            let names = ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"];
            let mut askers = Vec::new();
            for name in names {
                askers.push(asking(&resolver, name, 1).await);
            }
            let most = most.max(1);
            server.has_heard(most);
            for (at, name) in names.iter().enumerate() {
                // With each answer there is room for the next question.
                let heard = server.look(|asked| asked.all.clone());
                assert_eq!(heard.len(), (at + most).min(names.len()));
                assert!(heard[at.min(heard.len() - 1)..].len() <= most);
                server.answer_one(name);
                server.has_heard((at + 1 + most).min(names.len()));
            }
            for asker in askers {
                asker.await.unwrap().unwrap();
            }
            let (mut heard, at_once) = server.look(|asked| (asked.all.clone(), asked.at_work_max));
            assert_eq!(at_once, most);
            // Those that are begun at a time may come in any order.
            heard[..most].sort();
            assert_eq!(heard, names);
        });
    }
}

#[test]
fn a_queue_that_is_full_refuses_and_says_so() {
    run(async {
        let server = Server::default();
        let resolver = server.resolver().threads_max(1).waiting_max(3);
        let first = asking(&resolver, "first", 1).await;
        server.has_heard(1);
        let mut waiting = Vec::new();
        for name in ["w1", "w2", "w3"] {
            waiting.push(asking(&resolver, name, 1).await);
        }
        let error = resolver.lookup_host("w4:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceBusy);
        assert!(
            error
                .to_string()
                .contains("resolve w4:1: 3 names wait already for 1 thread"),
            "{error}"
        );
        // Who asks for what is asked for already takes no place.
        let again = asking(&resolver, "w2", 2).await;
        // Who has gone leaves one.
        let gone = waiting.remove(0);
        gone.abort();
        assert!(gone.await.is_err());
        let next = asking(&resolver, "w4", 1).await;
        server.answer_all();
        for asker in [first, next, again].into_iter().chain(waiting) {
            asker.await.unwrap().unwrap();
        }
        let heard = server.look(|asked| asked.all.clone());
        assert_eq!(
            heard,
            ["first", "w2", "w3", "w4"],
            "nobody has waited for w1"
        );
    });
}

#[test]
fn no_queue_at_all_is_possible() {
    run(async {
        let server = Server::default();
        let resolver = server.resolver().threads_max(1).waiting_max(0);
        let first = asking(&resolver, "first", 1).await;
        let error = resolver.lookup_host("second:1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceBusy);
        server.answer_all();
        first.await.unwrap().unwrap();
    });
}

#[test]
fn a_deadline_is_kept_and_the_error_has_the_name() {
    run(async {
        let server = Server::default();
        let resolver = server.resolver();
        let soon = || Instant::now() + Duration::from_millis(5);
        let error = resolver
            .lookup_host_by("never.example:80", soon())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(
            error
                .to_string()
                .starts_with("resolve never.example:80: no answer"),
            "{error}"
        );
        // What needs no question is there at once, also when it is too late.
        let known = resolver.lookup_host_by("127.0.0.1:1", Instant::now()).await;
        assert_eq!(known.unwrap().len(), 1);
        let known = lookup_host_by("127.0.0.1:1", Instant::now()).await;
        assert_eq!(known.unwrap().len(), 1);
        server.answer_all();
        let late = Instant::now() + Duration::from_secs(1000);
        let found = resolver.lookup_host_by("never.example:80", late).await;
        assert_eq!(found.unwrap(), addr_of("never.example", 80));
    });
}

#[test]
fn a_function_that_panics_is_an_error_and_no_more() {
    run(async {
        let resolver = Resolver::with_function(|host| match host {
            "bad" => panic!("on purpose"),
            host => Ok(addr_of(host, 0)),
        })
        .threads_max(1);
        for _ in 0..3 {
            let error = resolver.lookup_host("bad:1").await.unwrap_err();
            assert!(error.to_string().contains("has panicked"), "{error}");
            assert_eq!(
                resolver.lookup_host("good:1").await.unwrap(),
                addr_of("good", 1)
            );
        }
    });
}

#[test]
fn no_address_is_an_error_with_the_name() {
    run(async {
        let resolver = Resolver::with_function(|_| Ok(Vec::new()));
        let error = resolver.lookup_host("empty.example:1").await.unwrap_err();
        assert_eq!(error.to_string(), "empty.example:1 means no address");
    });
}

#[test]
fn a_name_server_that_never_answers_holds_up_nobody_else() {
    in_child(
        "a_name_server_that_never_answers_holds_up_nobody_else",
        || {
            within_reason(|| {
                let before = Census::now().unwrap();
                let server = Server::default();
                let resolver = server.resolver().threads_max(2);
                for workers in [1, 2, 8] {
                    // One thread for blocking calls: none may be lost.
                    let rt = Builder::new()
                        .worker_threads(workers)
                        .max_blocking_threads(1)
                        .build()
                        .unwrap();
                    rt.block_on(async {
                        for name in ["a", "b", "c"] {
                            asking(&resolver, name, 1).await.detach();
                        }
                        server.has_heard(2);
                        assert_eq!(filch::spawn_blocking(|| 7).await.unwrap(), 7);
                        let listener = TcpListener::bind("localhost:0").await.unwrap();
                        let addr = listener.local_addr().unwrap();
                        TcpStream::connect(("localhost", addr.port()))
                            .await
                            .unwrap();
                        filch::time::sleep(Duration::from_millis(1)).await;
                    });
                    // Waits for everything that belongs to it.
                    drop(rt);
                }
                // Another runtime finds the questions that are under way.
                let rt = Runtime::new().unwrap();
                rt.block_on(async {
                    let asker = asking(&resolver, "a", 1).await;
                    server.answer_all();
                    assert_eq!(asker.await.unwrap().unwrap(), addr_of("a", 1));
                });
                drop(rt);
                // Nobody has waited for the third.
                assert_eq!(server.look(|asked| asked.all.len()), 2);
                settle(&before);
            });
        },
    );
}

#[test]
fn where_time_is_virtual_it_waits_for_the_answer() {
    within_reason(|| {
        let rt = Builder::new().simulated(3).build().unwrap();
        let resolver = Resolver::with_function(|host| Ok(addr_of(host, 0)));
        let late = rt.block_on(async {
            let deadline = Instant::now() + Duration::from_secs(1);
            resolver.lookup_host_by("a:1", deadline).await
        });
        assert_eq!(late.unwrap(), addr_of("a", 1));

        let rt = Builder::new().start_paused(true).build().unwrap();
        let slow = Resolver::with_function(|host| {
            #[expect(clippy::disallowed_methods, reason = "a name server takes real time")]
            std::thread::sleep(Duration::from_millis(20));
            Ok(addr_of(host, 0))
        });
        let in_time = rt.block_on(async {
            let deadline = Instant::now() + Duration::from_secs(1);
            slow.lookup_host_by("a:1", deadline).await
        });
        assert_eq!(in_time.unwrap(), addr_of("a", 1));
    });
}

#[test]
fn askers_come_and_go_at_random_and_each_gets_its_own() {
    let seed = seed("--test names askers_come_and_go");
    run(async move {
        let mut random = Random::new(seed);
        let resolver = Resolver::with_function(|host| {
            std::thread::yield_now();
            Ok(addr_of(host, 0))
        })
        .threads_max(3)
        .waiting_max(20);
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let mut askers = Vec::new();
        for _ in 0..2_000 * filch_tests::stress_factor() {
            let (name, resolver) = (names[random.below(names.len())], resolver.clone());
            let port = random.below(60_000) as u16;
            let patience = random.below(3);
            askers.push(filch::spawn(async move {
                let asks = resolver.lookup_host((name, port));
                if patience == 0 {
                    drop(poll_once(asks).await);
                    return;
                }
                // Eight names are never too many.
                assert_eq!(asks.await.unwrap(), addr_of(name, port));
            }));
        }
        for asker in askers {
            asker.await.unwrap();
        }
    });
}

#[test]
fn the_system_is_asked() {
    run(async {
        let found = Resolver::new().lookup_host("localhost:80").await.unwrap();
        assert_eq!(found, lookup_host("localhost:80").await.unwrap());
        assert!(
            found
                .iter()
                .all(|addr| addr.ip().is_loopback() && addr.port() == 80)
        );
        // A label has 63 bytes at most, so that nobody need be asked.
        let long = format!("{}.example:80", "x".repeat(64));
        let error = lookup_host(long.as_str()).await.unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("resolve {long}: ")),
            "{error}"
        );
    });
}
