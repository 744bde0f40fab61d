//! What does a bad network do to a connection?
//!
//! A proxy between clients and one server, which passes the bytes on as a [`Plan`] says: cut into single ones, collected, late, slowly, with one direction ended, with a reset at a
//! chosen byte, or not at all from there on. It is made of threads and blocking calls, two threads for each connection: what tests filch shall not stand on it.
//!
//! | file | answers |
//! |---|---|
//! | `course` | what happens to the bytes of one direction, and when? |
//! | `link` | how are the bytes of one direction passed on, and how is a connection broken off? |
//!
//! A reset is a real one: both sockets are closed with `SO_LINGER` 0.

#![expect(
    clippy::disallowed_types,
    reason = "the proxy's own lock is none of the runtime's business"
)]

mod course;
mod link;

pub use course::{Course, Fault, Pieces, Plan};

use crate::random::Random;
use link::Link;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// A proxy. Dropping it ends all its connections, and waits for its threads.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// How often something has happened to a connection so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    links: AtomicUsize,
    resets: AtomicUsize,
    half_closes: AtomicUsize,
    silences: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    tally: Arc<Tally>,
    links: Mutex<Vec<Link>>,
}

impl Proxy {
    /// Connects clients with `server`; `plan` says for each connection, by its number, what will happen to it.
    ///
    /// # Errors
    ///
    /// If it cannot listen, or there are no threads.
    pub fn start(
        server: SocketAddr,
        mut plan: impl FnMut(usize) -> Plan + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let addr = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let accepting = thread::Builder::new().name("proxy".to_owned()).spawn({
            let shared = shared.clone();
            move || {
                for (number, client) in listener.incoming().enumerate() {
                    if shared.is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    if let Ok(client) = client {
                        shared.connect(client, server, plan(number));
                    }
                }
            }
        })?;
        Ok(Self {
            addr,
            shared,
            accepting: Some(accepting),
        })
    }

    /// The same with plans that are drawn at random, for conversations of about so many bytes in each direction. The same seed gives the same plans.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn random(server: SocketAddr, seed: u64, length: usize) -> io::Result<Self> {
        let mut random = Random::new(seed);
        Self::start(server, move |_| Plan::random(&mut random, length))
    }

    /// Where clients connect to.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many connections there were.
    #[must_use]
    pub fn links(&self) -> usize {
        self.shared.tally.links.load(Ordering::SeqCst)
    }

    /// How many were broken off.
    #[must_use]
    pub fn resets(&self) -> usize {
        self.shared.tally.resets.load(Ordering::SeqCst)
    }

    /// In how many directions the end came before the end.
    #[must_use]
    pub fn half_closes(&self) -> usize {
        self.shared.tally.half_closes.load(Ordering::SeqCst)
    }

    /// In how many directions nothing came any more.
    #[must_use]
    pub fn silences(&self) -> usize {
        self.shared.tally.silences.load(Ordering::SeqCst)
    }

    /// Breaks all connections off that there are.
    pub fn reset_all(&self) {
        for link in self.shared.take_links() {
            link.reset();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // It ends the wait in accept; who cannot connect has not to end it.
        let _woken = TcpStream::connect(self.addr);
        if let Some(accepting) = self.accepting.take() {
            let _has_ended = accepting.join();
        }
        for link in self.shared.take_links() {
            link.end();
        }
    }
}

impl Shared {
    fn connect(&self, client: TcpStream, server: SocketAddr, plan: Plan) {
        self.tally.links.fetch_add(1, Ordering::SeqCst);
        // A server that is not to be had is a client that is closed.
        if let Ok(link) = Link::start(client, server, plan, self.tally.clone()) {
            let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            links.retain(|link| !link.is_over());
            links.push(link);
        }
    }

    fn take_links(&self) -> Vec<Link> {
        std::mem::take(&mut *self.links.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::within_reason;
    use std::io::{ErrorKind, Read, Write};
    use std::net::Shutdown;
    use std::time::Duration;

    /// A server that sends back what comes, for one connection.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut from = stream.try_clone().unwrap();
                    if io::copy(&mut from, &mut stream).is_ok() {
                        let _may_be_gone = stream.shutdown(Shutdown::Write);
                    }
                });
            }
        });
        addr
    }

    /// What comes back of so many bytes, through a proxy with this plan.
    ///
    /// A socket tells of a reset once, whoever asks first: if the writer hears of it, the reader is told of an end.
    fn through(plan: Plan, count: usize) -> (Vec<u8>, io::Result<()>, Proxy) {
        let proxy = Proxy::start(echo(), move |_| plan.clone()).unwrap();
        let mut stream = TcpStream::connect(proxy.addr()).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let writing = thread::spawn(move || {
            let bytes: Vec<u8> = (0..count).map(|n| n as u8).collect();
            let written = writer.write_all(&bytes);
            let _may_be_broken_off = writer.shutdown(Shutdown::Write);
            written
        });
        let mut got = Vec::new();
        let ended = stream.read_to_end(&mut got).map(drop);
        let was_reset = |error: &io::Error| error.kind() == ErrorKind::ConnectionReset;
        let ended = match writing.join().unwrap() {
            Err(error) if was_reset(&error) => Err(error),
            _ => ended,
        };
        (got, ended, proxy)
    }

    #[test]
    fn bytes_arrive_whole_however_they_are_cut() {
        within_reason(|| {
            let pieces = [
                Pieces::AsTheyCome,
                Pieces::UpTo(1),
                Pieces::UpTo(7),
                Pieces::Collected(512),
                Pieces::Random(100, 3),
            ];
            for pieces in pieces {
                let course = Course::cut(pieces);
                let (got, ended, _) = through(Plan::both(course), 2000);
                ended.unwrap();
                assert!(got.len() == 2000 && got.iter().enumerate().all(|(n, &b)| b == n as u8));
            }
        });
    }

    #[test]
    fn a_reset_comes_at_its_byte() {
        within_reason(|| {
            for at in [0, 1, 1999, 2000] {
                let down = Course::default().then(at, Fault::Reset);
                let (got, ended, proxy) = through(Plan::down(down), 2000);
                assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
                // What was on its way when the reset came may be lost, no more comes.
                assert!(got.len() <= at);
                assert_eq!(proxy.resets(), 1);
            }
            let never = Course::default().then(2001, Fault::Reset);
            let (got, ended, proxy) = through(Plan::down(never), 2000);
            ended.unwrap();
            assert_eq!((got.len(), proxy.resets()), (2000, 0));
        });
    }

    #[test]
    fn an_end_comes_at_its_byte_and_the_other_direction_goes_on() {
        within_reason(|| {
            for at in [0, 1, 1999] {
                let up = Course::default().then(at, Fault::HalfClose);
                let (got, ended, proxy) = through(Plan::up(up), 2000);
                ended.unwrap();
                assert_eq!((got.len(), proxy.half_closes()), (at, 1));
            }
        });
    }

    #[test]
    fn what_is_stalled_comes_and_what_is_silent_does_not() {
        within_reason(|| {
            let stall = Course::default().then(5, Fault::Stall(Duration::from_millis(20)));
            let (got, ended, _) = through(Plan::both(stall), 10);
            ended.unwrap();
            assert_eq!(got.len(), 10);
            let plan = Plan::down(Course::default().then(5, Fault::Silence));
            let proxy = Proxy::start(echo(), move |_| plan.clone()).unwrap();
            let mut stream = TcpStream::connect(proxy.addr()).unwrap();
            stream.write_all(&[1; 10]).unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_millis(50)))
                .unwrap();
            let error = stream.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            assert_eq!(proxy.silences(), 1);
        });
    }

    #[test]
    fn the_same_seed_gives_the_same_plans() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..50)
                .map(|_| format!("{:?}", Plan::random(&mut random, 1000)))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
