//! Does an HTTP server give everything back, and is each request handled once and answered once, whatever 200 clients do at random?
//!
//! They talk, pipeline, end one direction, read and write in crumbs, go away with answers unread, reset in the middle of a head, a body or an answer, and babble; every sixteenth connection goes through a
//! proxy that does the like at any byte. Others want more than a server gives that is strict. A client that means to break off says so before it sends anything; all others check each answer byte for byte,
//! and that nothing follows it. The server keeps books of its own, and all must agree.
//!
//! | file | question |
//! |---|---|
//! | `server` | what does the server answer, to whom, and within which bounds? |
//! | `asks` | what may be asked, and what is the answer, byte for byte? |
//! | `client` | what do clients of the patient server do? |
//! | `greedy` | what do those do who want more than the strict server gives? |
//! | `reader` | what has come back from a server? |
//! | `ledger` | is each request that was sent handled once, and answered once, and does the server count the same? |
//!
//! Rounds of a counted number of conversations; between them everything must be as before the first: connections, requests, descriptors, watched sources, threads, and memory but for a slack
//! that does not grow. Three rounds, or as many as fit into `FILCH_SOAK` seconds; `FILCH_SOAK=full` is half an hour. The only test of its binary, since it counts what the process holds.

mod asks;
mod client;
mod greedy;
#[expect(clippy::disallowed_types, reason = "a lock of the test's own")]
mod ledger;
mod reader;
mod server;

use client::{Conversation, Manner};
use filch::Runtime;
use filch::runtime::{Builder, RuntimeMetrics};
use filch_tests::census::Census;
use filch_tests::guard::eventually;
use filch_tests::proxy::Proxy;
use filch_tests::random::{Random, seed};
use filch_tests::soak::{Slack, progress, soak};
use greedy::{Greed, Visit};
use ledger::sum;
use server::{FILE_BYTES, Host, LARGE, patient, strict};
use std::net::SocketAddr;
use tempfile::TempDir;

const CLIENTS: usize = 200;
/// Of each client in a round.
const CONVERSATIONS: usize = 5;
/// One conversation with the patient server in so many goes through the proxy.
const FAULTY_SHARE: usize = 16;
/// One conversation in so many is with the strict server.
const GREEDY_SHARE: usize = 8;
/// More than the requests of any conversation.
const IDS: u64 = 64;
/// Each worker keeps what connections need for work, up to 64 sets of some 100 kB: how many, and how large, is chance, so that the heap goes up and down by some megabytes. In the short version that is passed by
/// some 2 kB lost in each conversation, in the long one by some ten bytes.
const SLACK: Slack = Slack {
    heap_bytes: 8 << 20,
    resident_bytes: 16 << 20,
};

/// What is the same in all rounds.
struct Soak {
    rt: Runtime,
    metrics: RuntimeMetrics,
    patient: Host,
    strict: Host,
    _files: TempDir,
    /// What the process holds besides connections.
    descriptors: usize,
    random: Random,
    next_id: u64,
}

/// What a client does next.
enum Occasion {
    Conversation(Conversation),
    Visit(Visit),
}

impl Occasion {
    async fn go_by(self) {
        match self {
            Self::Conversation(conversation) => conversation.hold().await,
            Self::Visit(visit) => visit.pay().await,
        }
    }

    fn is_faulty(&self) -> bool {
        matches!(self, Self::Conversation(it) if it.is_faulty)
    }
}

impl Soak {
    fn start() -> Self {
        let random = Random::new(seed("--test soak_http"));
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("file"), &LARGE[..FILE_BYTES]).unwrap();
        let rt = Builder::new().worker_threads(4).build().unwrap();
        let patient = Host::start(&rt, files.path(), patient());
        let strict = Host::start(&rt, files.path(), strict());
        Self {
            metrics: rt.metrics(),
            rt,
            patient,
            strict,
            _files: files,
            descriptors: descriptors(),
            random,
            next_id: IDS,
        }
    }

    fn round(&mut self) {
        let length = 3000;
        let proxy = Proxy::random(self.patient.addr, self.random.next_u64(), length).unwrap();
        let mut faulty = 0;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let occasions: Vec<_> = (0..CONVERSATIONS)
                    .map(|_| self.draw(proxy.addr()))
                    .collect();
                faulty += occasions.iter().filter(|it| it.is_faulty()).count();
                self.rt.spawn(async move {
                    for occasion in occasions {
                        occasion.go_by().await;
                        progress();
                    }
                })
            })
            .collect();
        for client in clients {
            self.rt.block_on(client).unwrap();
        }
        drop(proxy);
        self.patient.ledger.passes_on(faulty);
        for (name, host) in [("patient", &self.patient), ("strict", &self.strict)] {
            self.rt.block_on(host.accept_all()).unwrap();
            host.ledger.compare(&host.monitor);
            let (answered, left) = host.ledger.close();
            println!("{name}: answered {answered}, may have been left {left}");
        }
        self.settle();
    }

    fn draw(&mut self, proxy: SocketAddr) -> Occasion {
        let first_id = self.next_id;
        self.next_id += IDS;
        let random = self.random.fork();
        if self.random.below(GREEDY_SHARE) == 0 {
            return Occasion::Visit(Visit {
                first_id,
                addr: self.strict.addr,
                greed: Greed::draw(&mut self.random),
                random,
                ledger: self.strict.ledger.clone(),
            });
        }
        let is_faulty = self.random.below(FAULTY_SHARE) == 0;
        Occasion::Conversation(Conversation {
            first_id,
            addr: if is_faulty { proxy } else { self.patient.addr },
            is_faulty,
            manner: Manner::draw(&mut self.random),
            random,
            ledger: self.patient.ledger.clone(),
        })
    }

    /// Waits until nothing is held but by the servers themselves.
    fn settle(&self) {
        eventually("only the listeners are watched", || {
            let workers = 0..self.metrics.num_workers();
            let watched: usize = workers.map(|w| self.metrics.worker_source_count(w)).sum();
            (watched == 2).then_some(())
        });
        eventually("descriptors are given back", || {
            (descriptors() <= self.descriptors).then_some(())
        });
    }

    /// The servers end. Each limit was met.
    fn end(self) {
        let statuses = self.strict.ledger.statuses();
        for status in [408, 413, 414, 431, 503] {
            assert!(statuses.contains(&status), "{status} not in {statuses:?}");
        }
        let text = self.strict.monitor.text();
        for reason in ["queue_full", "handler_timeout", "connection_limit"] {
            let name = format!("filch_http_requests_rejected_total{{reason=\"{reason}\"}}");
            let count = sum(&text, &name);
            println!("{count} were turned away: {reason}");
            assert!(count > 0);
        }
        self.patient.end(&self.rt);
        self.strict.end(&self.rt);
    }
}

fn descriptors() -> usize {
    Census::now().expect("/proc is there").descriptors
}

#[test]
fn two_hundred_clients_leave_nothing_behind_and_each_request_is_answered_once() {
    let mut http = Soak::start();
    soak(SLACK, || http.round());
    http.end();
}
