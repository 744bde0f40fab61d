//! How is a standard stream read and written, whatever it is?
//!
//! [`sys::standard`] says what it is, at the first operation; from then on it is one of three: watched, watched as a socket, or before a buffer that goes to other threads.

use crate::buffered::Buffered;
use crate::error;
use crate::hop::Place;
use crate::pipe::Ends;
use crate::sys::{self, Standard};
use filch::io::{AsyncFd, Interest};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Stdin,
    Stdout,
    Stderr,
}

/// One of the three, from its first operation on.
#[derive(Debug)]
pub(super) struct Stream {
    which: Which,
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    Watched(Ends),
    Socket(Ends),
    Buffered(Buffered),
}

impl Stream {
    pub(super) fn new(which: Which) -> Self {
        Self {
            which,
            state: State::New,
        }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.open()? {
            State::Watched(fd) => fd.poll_read_with(cx, room.len(), |mut file| file.read(room)),
            State::Socket(fd) => {
                fd.poll_read_with(cx, room.len(), |socket| sys::receive_now(socket, room))
            }
            State::Buffered(file) => file.poll_read(cx, room),
            State::New => unreachable!("it has just been opened"),
        }
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.open()? {
            State::Watched(fd) => {
                fd.poll_write_with(cx, bytes.len(), |file| sys::write(file, bytes))
            }
            State::Socket(fd) => {
                fd.poll_write_with(cx, bytes.len(), |socket| sys::send_now(socket, bytes))
            }
            State::Buffered(file) => {
                let count = ready!(file.poll_write(cx, bytes))?;
                // At once: nobody waits to see a line until some other comes.
                file.begin_to_write();
                Poll::Ready(Ok(count))
            }
            State::New => unreachable!("it has just been opened"),
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Buffered(file) => file.poll_flush(cx),
            State::New | State::Watched(_) | State::Socket(_) => Poll::Ready(Ok(())),
        }
    }

    fn open(&mut self) -> io::Result<&mut State> {
        if let State::New = self.state {
            let opened = self.which.open();
            let step = format!("use {}", self.which.name());
            self.state = opened.map_err(|cause| error::at(step, cause))?;
        }
        Ok(&mut self.state)
    }
}

impl Which {
    fn open(self) -> io::Result<State> {
        let interest = match self {
            Self::Stdin => Interest::Readable,
            Self::Stdout | Self::Stderr => Interest::Writable,
        };
        let watch = |file| AsyncFd::with_interest(file, interest).map(Ends);
        Ok(
            match sys::standard(self.descriptor()?, self != Self::Stdin)? {
                Standard::Own(file) => State::Watched(watch(file)?),
                Standard::Socket(file) => State::Socket(watch(file)?),
                Standard::File(file) => State::Buffered(Buffered::new(file, Place::Pool)),
                Standard::Stubborn(file) => State::Buffered(Buffered::new(file, Place::OwnThread)),
            },
        )
    }

    /// A duplicate, with the same open file description.
    fn descriptor(self) -> io::Result<OwnedFd> {
        match self {
            Self::Stdin => io::stdin().as_fd().try_clone_to_owned(),
            Self::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Self::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Stdin => "standard input",
            Self::Stdout => "standard output",
            Self::Stderr => "standard error",
        }
    }
}
