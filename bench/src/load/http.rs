//! What is an HTTP server given to do, and what is kept of its answers?
//!
//! Requests that were written beforehand, by one thread; of an answer the status is looked at and the body thrown away. Kept is how long each took, in a
//! histogram. In a closed loop a connection asks again when it has its answer: that shows how much a server can do. At a fixed rate requests come whether or not earlier ones were
//! answered, and the time runs from when one should have been sent: that shows how long clients wait, since a server that stalls is not spared the requests that
//! would have come meanwhile. Rejected: wrk and wrk2 (nothing to install; they cost more than a bare server does, and do not mix rows such as hello beside burns), mio (it is
//! edge-triggered, see `ready`).
//!
//! | file | answers |
//! |---|---|
//! | `request` | what is asked for, and what must come? |
//! | `framing` | where does an answer end? |
//! | `line` | how are requests sent over a connection, and answers taken from it? |
//! | `closed` | how are many connections kept busy? |
//! | `paced` | how do requests come at a fixed rate, also beside others that keep the server busy? |
//! | `schedule` | when is which request due, and over which connection? |
//! | `visits` | how does each request get a connection of its own? |
//! | `idle` | how are connections made that wait? |
//! | `histogram` | how long did they take? |

mod closed;
mod framing;
mod histogram;
mod idle;
mod line;
mod paced;
mod request;
mod schedule;
#[cfg(test)]
mod testing;
mod visits;

pub(crate) use histogram::Histogram;
pub(crate) use request::{LARGE_FILE, Refusal, SMALL_FILE, content};

use super::Load;
use filch_bench_common::Http;
use filch_bench_common::clock::now;
use request::Request;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Connections of a row that does not say otherwise.
const CONNECTIONS: usize = 64;

/// Connections of what is large: more megabytes at a time would measure the caches.
const LARGE_CONNECTIONS: usize = 8;

/// Connections that wait while others are busy.
const IDLE: usize = 10_000;

/// Requests a second beside burns: few, so that the burns have the cores, and more than enough to see how long each waits.
const BESIDE_RATE: usize = 1000;

/// Over so many connections, so that each worker has some.
const BESIDE_CONNECTIONS: usize = 16;

/// What a run has shown.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) took: Duration,
    /// Of each request in seconds, from when it was sent or should have been.
    pub(crate) times: Histogram,
    /// How many other requests were answered meanwhile.
    pub(crate) burns: usize,
}

/// The load of one row.
pub(crate) enum HttpLoad {
    Closed(closed::Closed),
    /// An operation is a MiB, of which a request has so many.
    Large(closed::Closed, usize),
    Paced(paced::Paced),
    Visits(visits::Visits),
    Idle(idle::Idle),
    Among(idle::Idle, closed::Closed),
}

/// How many descriptors the load of a row needs, and with it the server.
pub(crate) fn connections(http: Http, operations: usize) -> usize {
    match http {
        Http::Idle => operations,
        Http::AmongIdle => idle_connections(operations) + CONNECTIONS,
        Http::Hello(connections, _) => connections,
        _ => CONNECTIONS,
    }
}

/// As many as that, or with few operations as few.
fn idle_connections(operations: usize) -> usize {
    IDLE.min(operations)
}

/// Whether a server answers what the row asks for, and rightly.
///
/// # Errors
///
/// If it does not.
pub(crate) fn offered(http: Http, server: SocketAddr) -> Result<(), Refusal> {
    let mut wanted = vec![Request::of(http)];
    if let Http::Beside(_) = http {
        wanted.push(Request::long_burn());
    }
    wanted.iter().try_for_each(|request| request.probe(server))
}

/// Makes the connections for a row, at most as many as there are operations. `has_core` is whether the load has a core to itself.
///
/// # Errors
///
/// If the server cannot be connected to, or does not answer.
pub(crate) fn begin(
    http: Http,
    server: SocketAddr,
    operations: usize,
    has_core: bool,
) -> io::Result<HttpLoad> {
    let request = Request::of(http);
    let closed = |connections: usize, at_once| {
        closed::Closed::over(server, &request, connections.min(operations), at_once)
    };
    Ok(match http {
        Http::Hello(connections, at_once) => HttpLoad::Closed(closed(connections, at_once)?),
        Http::Json | Http::Fib | Http::Burn | Http::SmallFile => {
            HttpLoad::Closed(closed(CONNECTIONS, 1)?)
        }
        Http::Echo | Http::LargeFile => {
            HttpLoad::Large(closed(LARGE_CONNECTIONS, 1)?, request.megabytes())
        }
        Http::Visits => HttpLoad::Visits(visits::Visits::to(server, &request, CONNECTIONS)?),
        Http::Idle => HttpLoad::Idle(idle::Idle::at(server, &request)?),
        Http::AmongIdle => {
            let mut idle = idle::Idle::at(server, &request)?;
            idle.add(idle_connections(operations))?;
            HttpLoad::Among(idle, closed(CONNECTIONS, 1)?)
        }
        Http::AtHalf => {
            // Twice, since the first time the server warms up.
            let mut closed = closed(CONNECTIONS, 1)?;
            closed.run(operations, &mut Histogram::default())?;
            let begun = now();
            closed.run(operations, &mut Histogram::default())?;
            let rate = operations as f64 / begun.elapsed().as_secs_f64() / 2.0;
            paced(server, &request, CONNECTIONS, rate, has_core)?
        }
        Http::AtRate(rate) => paced(server, &request, CONNECTIONS, rate as f64, has_core)?,
        Http::Beside(burning) => {
            let rate = BESIDE_RATE as f64;
            let HttpLoad::Paced(mut paced) =
                paced(server, &request, BESIDE_CONNECTIONS, rate, has_core)?
            else {
                unreachable!("it was just made");
            };
            paced.beside(server, &Request::long_burn(), burning)?;
            HttpLoad::Paced(paced)
        }
    })
}

fn paced(
    server: SocketAddr,
    request: &Request,
    connections: usize,
    rate: f64,
    has_core: bool,
) -> io::Result<HttpLoad> {
    paced::Paced::over(server, request, connections, rate, has_core).map(HttpLoad::Paced)
}

impl HttpLoad {
    /// So many operations, and what they have shown.
    ///
    /// # Errors
    ///
    /// If an answer is not what it has to be, or does not come.
    pub(crate) fn measure(&mut self, operations: usize) -> io::Result<Measured> {
        let (begun, mut times, mut burns) = (now(), Histogram::default(), 0);
        match self {
            Self::Closed(closed) => closed.run(operations, &mut times)?,
            Self::Large(closed, each) => closed.run(operations.div_ceil(*each), &mut times)?,
            Self::Paced(paced) => burns = paced.run(operations, &mut times)?,
            Self::Visits(visits) => visits.run(operations, &mut times)?,
            Self::Idle(idle) => idle.add(operations)?,
            Self::Among(_, closed) => closed.run(operations, &mut times)?,
        }
        let took = begun.elapsed();
        if let Self::Idle(idle) | Self::Among(idle, _) = self {
            idle.all_open()?;
        }
        Ok(Measured { took, times, burns })
    }
}

impl Load for HttpLoad {
    fn run(&mut self, operations: usize) -> io::Result<()> {
        self.measure(operations).map(drop)
    }
}
