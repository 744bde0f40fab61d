//! How are messages sent that come back, over TCP, a proxy, or as datagrams?
//!
//! Over each connection one at a time: the next is sent when the last is there again, whole. Behind a proxy stands this thread too, and sends back what comes.

use super::ready::Ready;
use super::{Load, connect};
use filch_bench_common::serve::ANYWHERE;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;

/// Messages of proxies and datagrams.
const SMALL: usize = 64;

pub(super) struct Echo {
    ready: Ready,
    lines: Vec<Line>,
    /// Those behind the proxy, numbered after the lines.
    behind: Vec<TcpStream>,
    message: Vec<u8>,
    room: Vec<u8>,
}

struct Line {
    socket: Socket,
    /// So many bytes of the message have not come back.
    missing: usize,
}

enum Socket {
    Stream(TcpStream),
    Datagrams(UdpSocket),
}

impl Echo {
    pub(super) fn over_tcp(
        server: SocketAddr,
        connections: usize,
        bytes: usize,
    ) -> io::Result<Self> {
        let mut echo = Self::of(bytes)?;
        for _ in 0..connections {
            echo.add(Socket::Stream(connect(server)?))?;
            // So it is accepted: no queue of those that wait for that is ever full.
            echo.exchange(echo.lines.len() - 1..echo.lines.len(), 1)?;
        }
        Ok(echo)
    }

    pub(super) fn of_datagrams(server: SocketAddr, sockets: usize) -> io::Result<Self> {
        let mut echo = Self::of(SMALL)?;
        for _ in 0..sockets {
            let socket = UdpSocket::bind(ANYWHERE)?;
            socket.connect(server)?;
            echo.add(Socket::Datagrams(socket))?;
        }
        echo.exchange(0..sockets, sockets)?;
        Ok(echo)
    }

    pub(super) fn through(
        proxy: SocketAddr,
        behind: &TcpListener,
        connections: usize,
    ) -> io::Result<Self> {
        let mut echo = Self::of(SMALL)?;
        for number in 0..connections {
            echo.add(Socket::Stream(connect(proxy)?))?;
            let (stream, _) = behind.accept()?;
            stream.set_nodelay(true)?;
            echo.ready.watch(&stream, connections + number)?;
            echo.behind.push(stream);
        }
        echo.exchange(0..connections, connections)?;
        Ok(echo)
    }

    fn of(bytes: usize) -> io::Result<Self> {
        Ok(Self {
            ready: Ready::new()?,
            lines: Vec::new(),
            behind: Vec::new(),
            message: vec![b'x'; bytes],
            room: vec![0; bytes],
        })
    }

    fn add(&mut self, socket: Socket) -> io::Result<()> {
        self.ready.watch(&socket, self.lines.len())?;
        self.lines.push(Line { socket, missing: 0 });
        Ok(())
    }

    /// So many messages there and back, over those lines.
    fn exchange(&mut self, lines: std::ops::Range<usize>, messages: usize) -> io::Result<()> {
        let mut unsent = messages;
        for number in lines.take(messages) {
            self.send(number)?;
            unsent -= 1;
        }
        let mut unanswered = messages;
        while unanswered > 0 {
            let Self { ready, .. } = self;
            // The numbers are few; they stand in a list so that the lines can be changed.
            let numbers: Vec<_> = ready.wait()?.collect();
            for number in numbers {
                if number >= self.lines.len() {
                    self.answer(number)?;
                } else if self.receive(number)? {
                    unanswered -= 1;
                    if unsent > 0 {
                        unsent -= 1;
                        self.send(number)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, number: usize) -> io::Result<()> {
        let line = &mut self.lines[number];
        line.missing = self.message.len();
        match &mut line.socket {
            Socket::Stream(stream) => stream.write_all(&self.message),
            Socket::Datagrams(socket) => socket.send(&self.message).map(drop),
        }
    }

    /// Whether the message is there.
    fn receive(&mut self, number: usize) -> io::Result<bool> {
        let line = &mut self.lines[number];
        let bytes = match &mut line.socket {
            Socket::Stream(stream) => stream.read(&mut self.room)?,
            Socket::Datagrams(socket) => socket.recv(&mut self.room)?,
        };
        if bytes == 0 || bytes > line.missing {
            return Err(io::Error::other(format!(
                "{bytes} bytes came where {} of a message were missing",
                line.missing
            )));
        }
        line.missing -= bytes;
        Ok(line.missing == 0)
    }

    /// As the server behind the proxy does.
    fn answer(&mut self, number: usize) -> io::Result<()> {
        let stream = &mut self.behind[number - self.lines.len()];
        let bytes = stream.read(&mut self.room)?;
        if bytes == 0 {
            return Err(io::Error::other("the proxy has closed a connection"));
        }
        stream.write_all(&self.room[..bytes])
    }
}

impl Load for Echo {
    fn run(&mut self, operations: usize) -> io::Result<()> {
        self.exchange(0..self.lines.len(), operations)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Stream(stream) => stream.as_fd(),
            Self::Datagrams(socket) => socket.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Served, served};
    use super::*;

    #[test]
    fn each_message_goes_there_and_back_once() {
        let (server, served) = served();
        let mut echo = Echo::over_tcp(server, 3, 1000).expect("connections");
        echo.run(20).expect("answers");
        echo.run(2).expect("answers");
        drop(echo);
        let Served { connections, bytes } = served.join().expect("no panic");
        assert_eq!((connections, bytes), (3, (3 + 20 + 2) * 1000));
    }

    #[test]
    fn datagrams_come_back() {
        let server = UdpSocket::bind(ANYWHERE).expect("a socket");
        let address = server.local_addr().expect("its address");
        let thread = std::thread::spawn(move || {
            let mut room = [0; 100];
            for _ in 0..2 + 7 {
                let (bytes, peer) = server.recv_from(&mut room).expect("a datagram");
                assert_eq!(bytes, SMALL);
                server.send_to(&room[..bytes], peer).expect("it is sent");
            }
        });
        let mut echo = Echo::of_datagrams(address, 2).expect("sockets");
        echo.run(7).expect("answers");
        thread.join().expect("no panic");
    }

    #[test]
    fn a_server_that_goes_away_is_an_error() {
        let listener = TcpListener::bind(ANYWHERE).expect("a listener");
        let server = listener.local_addr().expect("its address");
        let thread = std::thread::spawn(move || drop(listener.accept()));
        assert!(Echo::over_tcp(server, 1, 10).is_err());
        thread.join().expect("no panic");
    }
}
