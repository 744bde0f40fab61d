//! How are megabytes sent through a proxy?
//!
//! The connections take one megabyte after the other from a common store and send it by `sendfile(2)`; behind the proxy this thread takes what comes and throws it away
//! without looking at it (`MSG_TRUNC`). So this process copies nothing, and the proxy's copies are the only ones.

use super::ready::Ready;
use super::{Load, connect};
use filch_bench_common::files::{FILE_BYTES, Unnamed};
use rustix::fs::sendfile;
use rustix::net::{RecvFlags, recv};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

/// So much is thrown away at a time.
const ROOM: usize = 1 << 20;

pub(super) struct Stream {
    ready: Ready,
    file: File,
    sources: Vec<Source>,
    /// Numbered after the sources.
    sinks: Vec<TcpStream>,
    room: Vec<u8>,
}

struct Source {
    stream: TcpStream,
    /// How far it is in its megabyte; at the end it has none.
    at: u64,
}

impl Stream {
    pub(super) fn through(
        proxy: SocketAddr,
        behind: &TcpListener,
        connections: usize,
    ) -> io::Result<Self> {
        let file = File::open(Unnamed::full()?.path())?;
        let ready = Ready::new()?;
        let (mut sources, mut sinks) = (Vec::new(), Vec::new());
        for number in 0..connections {
            let stream = connect(proxy)?;
            stream.set_nonblocking(true)?;
            ready.watch_room(&stream, number)?;
            let at = FILE_BYTES as u64;
            sources.push(Source { stream, at });
            let (sink, _) = behind.accept()?;
            ready.watch(&sink, connections + number)?;
            sinks.push(sink);
        }
        let room = vec![0; ROOM];
        Ok(Self {
            ready,
            file,
            sources,
            sinks,
            room,
        })
    }

    /// Sends until there is no room, or nothing left in the store.
    fn send(&mut self, number: usize, store: &mut usize) -> io::Result<()> {
        let source = &mut self.sources[number];
        loop {
            if source.at == FILE_BYTES as u64 {
                if *store == 0 {
                    return Ok(());
                }
                *store -= 1;
                source.at = 0;
            }
            let left = FILE_BYTES - source.at as usize;
            match sendfile(&source.stream, &self.file, Some(&mut source.at), left) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take(&mut self, number: usize) -> io::Result<usize> {
        let sink = &self.sinks[number - self.sources.len()];
        match recv(sink, &mut self.room[..], RecvFlags::TRUNC)?.1 {
            0 => Err(io::Error::other("the proxy has closed a connection")),
            bytes => Ok(bytes),
        }
    }
}

impl Load for Stream {
    /// An operation is a megabyte.
    fn run(&mut self, operations: usize) -> io::Result<()> {
        let mut store = operations;
        let mut missing = operations * FILE_BYTES;
        for number in 0..self.sources.len() {
            self.send(number, &mut store)?;
        }
        while missing > 0 {
            let numbers: Vec<_> = self.ready.wait()?.collect();
            for number in numbers {
                if number < self.sources.len() {
                    self.send(number, &mut store)?;
                } else {
                    missing -= self.take(number)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use filch_bench_common::serve::ANYWHERE;
    use std::thread;

    #[test]
    fn all_megabytes_arrive() {
        let listener = TcpListener::bind(ANYWHERE).expect("a listener");
        let proxy = listener.local_addr().expect("its address");
        let behind = TcpListener::bind(ANYWHERE).expect("a listener");
        let upstream = behind.local_addr().expect("its address");
        let proxies = thread::spawn(move || {
            let pairs: Vec<_> = (0..2)
                .map(|_| {
                    let (mut from, _) = listener.accept().expect("a connection");
                    let mut to = TcpStream::connect(upstream).expect("it listens");
                    thread::spawn(move || io::copy(&mut from, &mut to).expect("a copy"))
                })
                .collect();
            let copied = pairs.into_iter().map(|pair| pair.join().expect("no panic"));
            copied.sum::<u64>()
        });
        let mut stream = Stream::through(proxy, &behind, 2).expect("connections");
        stream.run(5).expect("they arrive");
        stream.run(1).expect("it arrives");
        drop(stream);
        let copied = proxies.join().expect("no panic");
        assert_eq!(copied, 6 * FILE_BYTES as u64);
    }
}
