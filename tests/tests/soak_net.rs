//! Is everything given back, and no request lost, whatever 200 clients do at random?
//!
//! They talk, end one direction, read and write in crumbs, go away with answers unread, reset in the middle of a request; every sixteenth connection goes through a proxy that does the
//! like at any byte. The server counts the requests that it has read whole and those whose answer it could not send; a client that means to break off says so before it sends anything, and
//! all others check each answer. So an answer that nobody got belongs to somebody who broke off.
//!
//! Rounds of a counted number of conversations; between them everything must be as before the first: connections, descriptors, watched sources, threads, and memory but for a slack
//! that does not grow. Three rounds, or as many as fit into `FILCH_SOAK` seconds; `FILCH_SOAK=full` is half an hour. The only test of its binary, since it counts what the process holds.

#![expect(clippy::disallowed_types, reason = "a lock of the test's own")]

use filch::Runtime;
use filch::runtime::{Builder, RuntimeMetrics};
use filch::time::timeout;
use filch_net::{TcpListener, TcpStream};
use filch_tests::drops::Tally;
use filch_tests::guard::eventually;
use filch_tests::proxy::Proxy;
use filch_tests::random::{Random, seed};
use filch_tests::soak::{Slack, connect, dawdle, progress, soak};
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CLIENTS: usize = 200;
/// Of each client in a round.
const CONVERSATIONS: usize = 5;
/// One conversation in so many goes through the proxy.
const FAULTY_SHARE: usize = 16;
/// In the short version that of the heap is passed by some 300 bytes lost in each conversation, in the long one by one byte.
const SLACK: Slack = Slack {
    heap_bytes: 1 << 20,
    resident_bytes: 16 << 20,
};

/// What both sides have counted since the start of the round.
#[derive(Debug, Default)]
struct Ledger {
    /// Requests that the server has read whole.
    accepted: AtomicUsize,
    /// Those of them whose answer was handed to the kernel whole.
    answered: AtomicUsize,
    /// Requests that clients have sent whole, of those who do not break off.
    asked: AtomicUsize,
    /// Answers that they have read and checked.
    got: AtomicUsize,
    /// Who may break off.
    may_leave: Mutex<HashSet<u64>>,
    /// To whom an answer could not be sent.
    unanswered: Mutex<HashSet<u64>>,
}

/// What is the same in all rounds.
struct Soak {
    rt: Runtime,
    metrics: RuntimeMetrics,
    server: SocketAddr,
    ledger: Arc<Ledger>,
    connections: Tally,
    random: Random,
    next_id: u64,
}

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Talks,
    HalfCloses,
    ReadsCrumbs,
    WritesCrumbs,
    Resets,
    Leaves,
}

/// A request is its length without this head, and the number of the connection; then the body. An answer has the same head, and each byte of the body increased.
const HEAD_BYTES: usize = 12;

fn request(id: u64, number: usize, body_bytes: usize) -> Vec<u8> {
    let mut bytes = u32::try_from(body_bytes).unwrap().to_le_bytes().to_vec();
    bytes.extend(id.to_le_bytes());
    bytes.extend((0..body_bytes).map(|n| (id as usize + number * 7 + n) as u8));
    bytes
}

fn answer_to(request: &[u8]) -> Vec<u8> {
    let (head, body) = request.split_at(HEAD_BYTES);
    let mut bytes = head.to_vec();
    bytes.extend(body.iter().map(|byte| byte.wrapping_add(1)));
    bytes
}

/// Answers until the client ends or breaks off.
async fn serve(stream: TcpStream, ledger: &Ledger) -> io::Result<()> {
    let mut stream = &stream;
    loop {
        let mut request = vec![0; HEAD_BYTES];
        match stream.read(&mut request[..1]).await? {
            0 => return stream.close().await,
            _ => stream.read_exact(&mut request[1..]).await?,
        }
        let (length, id) = request.split_at(4);
        let length = u32::from_le_bytes(length.try_into().unwrap());
        let id = u64::from_le_bytes(id.try_into().unwrap());
        request.resize(HEAD_BYTES + length as usize, 0);
        stream.read_exact(&mut request[HEAD_BYTES..]).await?;
        ledger.accepted.fetch_add(1, Ordering::SeqCst);
        if let Err(error) = stream.write_all(&answer_to(&request)).await {
            ledger.unanswered.lock().unwrap().insert(id);
            return Err(error);
        }
        ledger.answered.fetch_add(1, Ordering::SeqCst);
    }
}

/// One connection of a client, from its beginning to its end.
struct Conversation {
    id: u64,
    addr: SocketAddr,
    is_faulty: bool,
    manner: Manner,
    random: Random,
    ledger: Arc<Ledger>,
}

impl Conversation {
    async fn hold(mut self) {
        let may_leave = matches!(self.manner, Manner::Resets | Manner::Leaves);
        if self.is_faulty || may_leave {
            self.ledger.may_leave.lock().unwrap().insert(self.id);
        }
        if self.is_faulty {
            // Only because some of these would wait for ever.
            let _broken_off = timeout(Duration::from_millis(500), self.talk()).await;
        } else if let Err(error) = self.talk().await {
            panic!("connection {} {:?}: {error}", self.id, self.manner);
        }
    }

    async fn talk(&mut self) -> io::Result<()> {
        let stream = connect(self.addr).await?;
        let count = 1 + self.random.below(6);
        let requests: Vec<_> = (0..count).map(|n| self.draw_request(n)).collect();
        match self.manner {
            Manner::Talks => {
                for request in &requests {
                    self.send(&stream, request).await?;
                    self.receive(&stream, request).await?;
                }
            }
            Manner::HalfCloses | Manner::ReadsCrumbs | Manner::WritesCrumbs => {
                let writes = async {
                    for request in &requests {
                        self.send(&stream, request).await?;
                    }
                    (&stream).close().await
                };
                let reads = async {
                    for request in &requests {
                        self.receive(&stream, request).await?;
                    }
                    ends(&stream).await
                };
                let (written, read) = future::zip(writes, reads).await;
                read.and(written)?;
            }
            // What is left to be sent or read makes a reset of a simple close, too.
            Manner::Leaves => (&stream).write_all(&requests.concat()).await?,
            Manner::Resets => {
                let all = requests.concat();
                let some = self.random.below(all.len());
                (&stream).write_all(&all[..some]).await?;
                stream.set_zero_linger()?;
            }
        }
        Ok(())
    }

    fn draw_request(&mut self, number: usize) -> Vec<u8> {
        let most = match (self.manner, self.random.below(16)) {
            (Manner::ReadsCrumbs | Manner::WritesCrumbs, _) => 4000,
            (_, 0) => 200_000,
            _ => 500,
        };
        request(self.id, number, self.random.below(most))
    }

    async fn send(&self, mut stream: &TcpStream, request: &[u8]) -> io::Result<()> {
        if self.manner == Manner::WritesCrumbs {
            let mut random = self.random.clone();
            let mut left = request;
            while !left.is_empty() {
                let (piece, rest) = left.split_at((1 + random.below(300)).min(left.len()));
                stream.write_all(piece).await?;
                dawdle(&mut random).await;
                left = rest;
            }
        } else {
            stream.write_all(request).await?;
        }
        self.count(&self.ledger.asked);
        Ok(())
    }

    async fn receive(&self, mut stream: &TcpStream, request: &[u8]) -> io::Result<()> {
        let expected = answer_to(request);
        let mut got = vec![0; expected.len()];
        if self.manner == Manner::ReadsCrumbs {
            let mut random = self.random.clone();
            let mut room = &mut got[..];
            while !room.is_empty() {
                let most = (1 + random.below(300)).min(room.len());
                let count = stream.read(&mut room[..most]).await?;
                if count == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                room = &mut room[count..];
                dawdle(&mut random).await;
            }
        } else {
            stream.read_exact(&mut got).await?;
        }
        assert!(got == expected, "connection {}: another's answer", self.id);
        self.count(&self.ledger.got);
        Ok(())
    }

    /// Of those that may be broken off nobody knows how far they get.
    fn count(&self, counter: &AtomicUsize) {
        if !self.is_faulty {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn ends(mut stream: &TcpStream) -> io::Result<()> {
    match stream.read(&mut [0]).await? {
        0 => Ok(()),
        _ => Err(io::Error::other("more than was asked for")),
    }
}

impl Soak {
    fn start() -> Self {
        let random = Random::new(seed("--test soak_net"));
        let rt = Builder::new().worker_threads(4).build().unwrap();
        let ledger = Arc::<Ledger>::default();
        let connections = Tally::new();
        let listener = rt.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let server = listener.local_addr().unwrap();
        let (shared, tally) = (ledger.clone(), connections.clone());
        rt.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (ledger, own) = (shared.clone(), tally.track());
                filch::spawn(async move {
                    let _own = own;
                    // What goes wrong is the client's doing, or stands in the ledger.
                    let _broken_off = serve(stream, &ledger).await;
                });
            }
        })
        .detach();
        Self {
            metrics: rt.metrics(),
            rt,
            server,
            ledger,
            connections,
            random,
            next_id: 0,
        }
    }

    fn round(&mut self) {
        let length = 3000;
        let proxy = Proxy::random(self.server, self.random.next_u64(), length).unwrap();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let conversations: Vec<_> = (0..CONVERSATIONS)
                    .map(|_| self.draw(proxy.addr()))
                    .collect();
                self.rt.spawn(async move {
                    for conversation in conversations {
                        conversation.hold().await;
                        progress();
                    }
                })
            })
            .collect();
        for client in clients {
            self.rt.block_on(client).unwrap();
        }
        drop(proxy);
        self.connections.wait_until_all_gone();
        eventually("only the listener is watched", || {
            let workers = 0..self.metrics.num_workers();
            let watched: usize = workers.map(|w| self.metrics.worker_source_count(w)).sum();
            (watched == 1).then_some(())
        });
        self.close_the_books();
    }

    fn draw(&mut self, proxy: SocketAddr) -> Conversation {
        self.next_id += 1;
        let is_faulty = self.random.below(FAULTY_SHARE) == 0;
        Conversation {
            id: self.next_id,
            addr: if is_faulty { proxy } else { self.server },
            is_faulty,
            manner: match self.random.below(8) {
                0..3 => Manner::Talks,
                3 => Manner::HalfCloses,
                4 => Manner::ReadsCrumbs,
                5 => Manner::WritesCrumbs,
                6 => Manner::Resets,
                _ => Manner::Leaves,
            },
            random: self.random.fork(),
            ledger: self.ledger.clone(),
        }
    }

    /// Nobody who waited for an answer went without.
    fn close_the_books(&self) {
        let ledger = &self.ledger;
        let may_leave = std::mem::take(&mut *ledger.may_leave.lock().unwrap());
        let unanswered = std::mem::take(&mut *ledger.unanswered.lock().unwrap());
        let take = |counter: &AtomicUsize| counter.swap(0, Ordering::SeqCst);
        let (accepted, answered) = (take(&ledger.accepted), take(&ledger.answered));
        let (asked, got) = (take(&ledger.asked), take(&ledger.got));
        println!(
            "accepted {accepted}, answered {answered}; asked {asked}, got {got}; may leave {}, unanswered {}",
            may_leave.len(),
            unanswered.len()
        );
        assert_eq!(asked, got, "who asked and stayed was answered");
        assert!(answered >= got && accepted >= asked);
        // A connection is over with the first answer that cannot be sent.
        assert_eq!(accepted, answered + unanswered.len());
        let lost: Vec<_> = unanswered.difference(&may_leave).collect();
        assert!(lost.is_empty(), "no answer, though they stayed: {lost:?}");
    }
}

#[test]
fn two_hundred_clients_leave_nothing_behind_and_lose_no_request() {
    let mut net = Soak::start();
    soak(SLACK, || net.round());
}
