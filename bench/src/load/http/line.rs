//! How are requests sent over a connection, and answers taken from it?
//!
//! A read takes what there is; more is told by epoll, so none is tried for nothing. Of a body whose length is known the kernel is told to throw it away (`MSG_TRUNC`) without
//! copying it. A request that does not fit into the socket is sent on when there is room, while its answer may come already.

use super::super::connect;
use super::super::ready::Ready;
use super::framing::Framing;
use rustix::net::{RecvFlags, recv};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::rc::Rc;

/// So much is read at a time, and looked at.
const READ: usize = 64 << 10;

/// So much is thrown away at a time.
const SKIP: usize = 1 << 20;

/// From here on a read is not worth what is copied.
const SKIP_FROM: usize = 16 << 10;

struct Line {
    stream: TcpStream,
    framing: Framing,
    /// What is sent again and again, all or the beginning of it.
    request: Rc<[u8]>,
    /// What has not been sent of it.
    unsent: Range<usize>,
}

/// Connections by their numbers.
pub(super) struct Lines {
    pub(super) ready: Ready,
    lines: Vec<Line>,
    room: Vec<u8>,
}

impl Lines {
    pub(super) fn none() -> io::Result<Self> {
        Ok(Self {
            ready: Ready::new()?,
            lines: Vec::new(),
            room: vec![0; SKIP],
        })
    }

    /// Connects one more, which will send this; gives its number.
    pub(super) fn add(&mut self, server: SocketAddr, request: &Rc<[u8]>) -> io::Result<usize> {
        let number = self.lines.len();
        let line = self.line(server, request, number)?;
        self.lines.push(line);
        Ok(number)
    }

    /// Puts a new connection in the place of one.
    pub(super) fn replace(&mut self, number: usize, server: SocketAddr) -> io::Result<()> {
        let request = Rc::clone(&self.lines[number].request);
        self.lines[number] = self.line(server, &request, number)?;
        Ok(())
    }

    fn line(&self, server: SocketAddr, request: &Rc<[u8]>, number: usize) -> io::Result<Line> {
        let stream = connect(server)?;
        stream.set_nonblocking(true)?;
        self.ready.watch(&stream, number)?;
        Ok(Line {
            stream,
            framing: Framing::new(),
            request: Rc::clone(request),
            unsent: 0..0,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.lines.len()
    }

    /// Sends so many bytes of its request, what there is no room for later.
    pub(super) fn send(&mut self, number: usize, bytes: usize) -> io::Result<()> {
        let line = &mut self.lines[number];
        line.unsent = 0..bytes;
        if !line.go_on()? {
            self.ready.change(&line.stream, number, true)?;
        }
        Ok(())
    }

    /// What has happened to one that is ready: how many answers are complete now. None where its connection has ended.
    pub(super) fn event(&mut self, number: usize) -> io::Result<Option<usize>> {
        let line = &mut self.lines[number];
        if !line.unsent.is_empty() && line.go_on()? {
            self.ready.change(&line.stream, number, false)?;
        }
        line.receive(&mut self.room)
    }

    /// The same of one that must not end.
    pub(super) fn answers(&mut self, number: usize) -> io::Result<usize> {
        let answers = self.event(number)?;
        answers.ok_or_else(|| io::Error::other("the server has closed a connection"))
    }

    /// Whether a connection that has ended did so after an answer without a length, which that completes.
    pub(super) fn ends_answer(&self, number: usize) -> io::Result<bool> {
        match self.lines[number].framing.end()? {
            Some(status) => fine(status).map(|()| true),
            None => Ok(false),
        }
    }
}

impl Line {
    /// Whether everything is sent.
    fn go_on(&mut self) -> io::Result<bool> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.request[self.unsent.clone()]) {
                Ok(bytes) => self.unsent.start += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn receive(&mut self, room: &mut [u8]) -> io::Result<Option<usize>> {
        let known = self.framing.known();
        let skips = known >= SKIP_FROM;
        let (most, flags) = if skips {
            (known.min(room.len()), RecvFlags::TRUNC)
        } else {
            (READ, RecvFlags::empty())
        };
        let bytes = match recv(&self.stream, &mut room[..most], flags) {
            Ok((_, 0)) => return Ok(None),
            Ok((_, bytes)) => bytes,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(Some(0)),
            Err(error) => return Err(error.into()),
        };
        if skips {
            return match self.framing.skip(bytes) {
                Some(status) => fine(status).map(|()| Some(1)),
                None => Ok(Some(0)),
            };
        }
        let (mut rest, mut answers) = (&room[..bytes], 0);
        while let Some(status) = self.framing.take(&mut rest)? {
            fine(status)?;
            answers += 1;
        }
        Ok(Some(answers))
    }
}

fn fine(status: u16) -> io::Result<()> {
    match status {
        200 => Ok(()),
        _ => Err(io::Error::other(format!("an answer is {status}"))),
    }
}
