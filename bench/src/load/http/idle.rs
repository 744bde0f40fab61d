//! How are connections made that wait?
//!
//! Each asks once and is answered, so that the server has done for it what it does for those that are in use; then nothing more. One is made before the server's memory is first
//! looked at: what the first one touches is not what ten thousand cost each.

use super::super::connect;
use super::framing::Framing;
use super::request::Request;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

pub(crate) struct Idle {
    server: SocketAddr,
    request: Vec<u8>,
    kept: Vec<TcpStream>,
}

impl Idle {
    pub(super) fn at(server: SocketAddr, request: &Request) -> io::Result<Self> {
        let mut idle = Self {
            server,
            request: request.bytes(),
            kept: Vec::new(),
        };
        idle.add(1)?;
        Ok(idle)
    }

    /// So many more.
    pub(super) fn add(&mut self, connections: usize) -> io::Result<()> {
        let mut room = [0; 4096];
        for _ in 0..connections {
            let mut stream = connect(self.server)?;
            stream.write_all(&self.request)?;
            let mut framing = Framing::new();
            loop {
                let bytes = stream.read(&mut room)?;
                if bytes == 0 {
                    return Err(closed(1));
                }
                if framing.take(&mut &room[..bytes])?.is_some() {
                    break;
                }
            }
            stream.set_nonblocking(true)?;
            self.kept.push(stream);
        }
        Ok(())
    }

    /// That the server has closed none of them.
    ///
    /// # Errors
    ///
    /// If it has.
    pub(super) fn all_open(&self) -> io::Result<()> {
        let is_open = |stream: &&TcpStream| {
            let looked = stream.peek(&mut [0]);
            looked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        match self.kept.len() - self.kept.iter().filter(is_open).count() {
            0 => Ok(()),
            lost => Err(closed(lost)),
        }
    }
}

fn closed(connections: usize) -> io::Error {
    io::Error::other(format!(
        "the server has closed {connections} of the connections that wait"
    ))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Manner, served};
    use super::*;
    use filch_bench_common::Http;

    #[test]
    fn each_is_answered_and_stays() {
        let (server, seen) = served(Manner::Plain);
        let mut idle = Idle::at(server, &Request::of(Http::Idle)).expect("a connection");
        idle.add(5).expect("connections");
        idle.all_open().expect("they are");
        drop(idle);
        assert_eq!(seen.end(), 6);
    }

    #[test]
    fn one_that_is_closed_is_noticed() {
        let (server, seen) = served(Manner::Once);
        let idle = Idle::at(server, &Request::of(Http::Idle)).expect("a connection");
        // Its thread has ended, and so the connection.
        seen.end();
        assert!(idle.all_open().is_err());
    }
}
