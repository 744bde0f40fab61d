//! What is a server given to do?
//!
//! The same by everybody's measure: one thread of this process, the server being another one. As little as possible is done for each operation, so that the load's core is not
//! what is measured: sockets block, and are only touched when epoll says that they do not have to; what is discarded is not copied; what is sent in bulk comes
//! from the page cache. Where server and load need as much of the kernel for an operation, as with an echo, the load can still be the slower one of the two; then the clock
//! tells little, and the server's processor time tells the rest.
//!
//! | file | answers |
//! |---|---|
//! | `ready` | which sockets have something to read? |
//! | `echo` | how are messages sent that come back, over TCP, a proxy, or as datagrams? |
//! | `connect` | how are connections made that are closed at once? |
//! | `idle` | how are connections made that are kept? |
//! | `http` | what is an HTTP server given to do? |
//! | `stream` | how are megabytes sent through a proxy? |

mod connect;
mod echo;
pub(crate) mod http;
mod idle;
mod ready;
mod stream;

use filch_bench_common::Service;
use filch_bench_common::clock::now;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Descriptors that a process needs besides its connections. A guess on the safe side.
const OTHER_DESCRIPTORS: u64 = 100;

/// How many times as many it gets where it may. filch-http keeps an eighth of them for other things, and gives one address three quarters of the rest.
const TIMES: u64 = 2;

/// Work for a server, which it can be given again and again.
pub(crate) trait Load {
    /// So many operations; until the last one is complete.
    fn run(&mut self, operations: usize) -> io::Result<()>;
}

/// Makes the connections for a service, at most as many as there are operations in all. Each has been answered once, unless it is of the kind that is closed.
///
/// `behind` is what the proxy was told, if it is one.
pub(crate) fn begin(
    service: Service,
    server: SocketAddr,
    behind: Option<&TcpListener>,
    operations: usize,
) -> io::Result<Box<dyn Load>> {
    let at_most = |connections: usize| connections.min(operations);
    Ok(match service {
        Service::Echo(connections, bytes) => {
            Box::new(echo::Echo::over_tcp(server, at_most(connections), bytes)?)
        }
        Service::UdpEcho(sockets) => Box::new(echo::Echo::of_datagrams(server, at_most(sockets))?),
        Service::Connect => Box::new(connect::Connect::to(server)),
        Service::Idle => Box::new(idle::Idle::at(server)?),
        Service::ProxyStream(connections) => {
            let behind = behind.expect("a proxy has somebody behind it");
            Box::new(stream::Stream::through(
                server,
                behind,
                at_most(connections),
            )?)
        }
        Service::ProxyEcho(connections) => {
            let behind = behind.expect("a proxy has somebody behind it");
            Box::new(echo::Echo::through(server, behind, at_most(connections))?)
        }
    })
}

/// How long so many operations take.
pub(crate) fn timed(load: &mut dyn Load, operations: usize) -> io::Result<Duration> {
    let begun = now();
    load.run(operations)?;
    Ok(begun.elapsed())
}

/// Lets this process and those that it starts have so many connections each.
///
/// # Errors
///
/// How many descriptors they may have, as a sentence, if those are too few.
pub(crate) fn make_room(connections: usize) -> Result<(), String> {
    let wanted = connections as u64 + OTHER_DESCRIPTORS;
    let plenty = wanted * TIMES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|limit| limit >= plenty) {
        return Ok(());
    }
    let most = limit.maximum.unwrap_or(plenty);
    let raised = Rlimit {
        current: Some(most.clamp(wanted, plenty)),
        ..limit
    };
    setrlimit(Resource::Nofile, raised).map_err(|_| {
        let limit = limit.maximum.unwrap_or(u64::MAX);
        format!("a process may have {limit} descriptors here and needs {wanted}, see ulimit -n")
    })
}

/// A connection as servers have theirs.
fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    //! What do the tests give load to?

    use super::*;
    use filch_bench_common::serve::ANYWHERE;
    use std::io::{Read, Write};
    use std::thread::{self, JoinHandle};

    /// What a server has seen when the last of its connections is closed.
    pub(super) struct Served {
        pub(super) connections: usize,
        pub(super) bytes: usize,
    }

    /// A server of threads that sends back what comes. It ends when it has had connections and has none.
    pub(super) fn served() -> (SocketAddr, JoinHandle<Served>) {
        let listener = TcpListener::bind(ANYWHERE).expect("a listener");
        let address = listener.local_addr().expect("its address");
        let echo = |mut stream: TcpStream| {
            let (mut room, mut all) = ([0; 4096], 0);
            loop {
                // A peer that goes away while something is under way to it is an error here, and the end.
                match stream.read(&mut room) {
                    Ok(0) | Err(_) => return all,
                    Ok(bytes) => {
                        all += bytes;
                        stream.write_all(&room[..bytes]).expect("it is read");
                    }
                }
            }
        };
        let server = thread::spawn(move || {
            let (first, _) = listener.accept().expect("a connection");
            let mut threads = vec![thread::spawn(move || echo(first))];
            listener.set_nonblocking(true).expect("it can be set");
            while !threads.iter().all(JoinHandle::is_finished) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        stream.set_nonblocking(false).expect("it can be set");
                        threads.push(thread::spawn(move || echo(stream)));
                    }
                    Err(_) => thread::yield_now(),
                }
            }
            let connections = threads.len();
            let bytes = threads.into_iter().map(|one| one.join().expect("no panic"));
            Served {
                connections,
                bytes: bytes.sum(),
            }
        });
        (address, server)
    }

    #[test]
    fn there_is_room_for_what_there_is_and_not_for_everything() {
        assert_eq!(make_room(0), Ok(()));
        // More than any kernel has.
        let why = make_room(1 << 40).expect_err("there is a limit");
        assert!(why.contains("ulimit"), "{why}");
    }
}
