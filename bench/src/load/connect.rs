//! How are connections made that are closed at once?
//!
//! So many are made, then waited for one after the other: the server closes each, and this end does when it has seen that. On this machine a handshake is over when
//! `connect(2)` returns, also of a connection that nobody has accepted, so nobody waits for the server before the last is made. No epoll: it would be a third of the
//! load's calls.

use super::Load;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};

/// So many at a time.
const TOGETHER: usize = 64;

pub(super) struct Connect {
    server: SocketAddr,
    open: Vec<TcpStream>,
}

impl Connect {
    pub(super) fn to(server: SocketAddr) -> Self {
        Self {
            server,
            open: Vec::with_capacity(TOGETHER),
        }
    }
}

impl Load for Connect {
    fn run(&mut self, operations: usize) -> io::Result<()> {
        let mut left = operations;
        while left > 0 {
            let now = left.min(TOGETHER);
            for _ in 0..now {
                self.open.push(TcpStream::connect(self.server)?);
            }
            for mut stream in self.open.drain(..) {
                if stream.read(&mut [0])? != 0 {
                    return Err(io::Error::other("a byte came where the end should"));
                }
            }
            left -= now;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use filch_bench_common::serve::ANYWHERE;
    use std::net::TcpListener;

    #[test]
    fn as_many_are_made_as_are_asked_for() {
        let listener = TcpListener::bind(ANYWHERE).expect("a listener");
        let mut connect = Connect::to(listener.local_addr().expect("its address"));
        let server = std::thread::spawn(move || {
            for _ in 0..TOGETHER + 1 {
                drop(listener.accept().expect("a connection"));
            }
            listener
        });
        connect.run(TOGETHER + 1).expect("all are closed");
        let listener = server.join().expect("no panic");
        listener.set_nonblocking(true).expect("it can be set");
        assert!(listener.accept().is_err(), "and no more");
    }
}
