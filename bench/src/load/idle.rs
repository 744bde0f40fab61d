//! How are connections made that are kept?
//!
//! Each sends a message and gets it back, so that the server has done for it what it does for connections that are in use; then nothing more. One is made before the server's
//! memory is first looked at, since what the first one touches (code, the first chunk of an allocator) is not what ten thousand cost each.

use super::{Load, connect};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

pub(super) struct Idle {
    server: SocketAddr,
    kept: Vec<TcpStream>,
}

impl Idle {
    pub(super) fn at(server: SocketAddr) -> io::Result<Self> {
        let mut idle = Self {
            server,
            kept: Vec::new(),
        };
        idle.run(1)?;
        Ok(idle)
    }
}

impl Load for Idle {
    fn run(&mut self, operations: usize) -> io::Result<()> {
        for _ in 0..operations {
            let mut stream = connect(self.server)?;
            stream.write_all(b"x")?;
            stream.read_exact(&mut [0])?;
            self.kept.push(stream);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Served, served};
    use super::*;

    #[test]
    fn each_is_answered_and_stays() {
        let (server, served) = served();
        let mut idle = Idle::at(server).expect("a connection");
        idle.run(5).expect("connections");
        assert!(!served.is_finished());
        drop(idle);
        let Served { connections, bytes } = served.join().expect("no panic");
        assert_eq!((connections, bytes), (6, 6));
    }
}
