//! Which sockets have something to read?
//!
//! Epoll, level-triggered, a thousand at a time. Rejected: mio (it is edge-triggered: each socket would be read twice, once for nothing).

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// At most so many are told of at a time.
const EVENTS: usize = 1024;

/// A server that has done nothing for so long does not do anything any more.
const PATIENCE: Timespec = Timespec {
    tv_sec: 60,
    tv_nsec: 0,
};

pub(super) struct Ready {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Ready {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS),
        })
    }

    /// Tells of a socket by its number when it can be read.
    pub(super) fn watch(&self, socket: impl AsFd, number: usize) -> io::Result<()> {
        self.add(socket, number, EventFlags::IN)
    }

    /// Tells of a socket by its number, once whenever there is room again.
    pub(super) fn watch_room(&self, socket: impl AsFd, number: usize) -> io::Result<()> {
        self.add(socket, number, EventFlags::OUT | EventFlags::ET)
    }

    /// Tells of a socket that is watched already also when there is room, or no more.
    pub(super) fn change(&self, socket: impl AsFd, number: usize, room: bool) -> io::Result<()> {
        let data = EventData::new_u64(number as u64);
        let of = if room {
            EventFlags::IN | EventFlags::OUT
        } else {
            EventFlags::IN
        };
        Ok(epoll::modify(&self.epoll, socket, data, of)?)
    }

    fn add(&self, socket: impl AsFd, number: usize, of: EventFlags) -> io::Result<()> {
        let data = EventData::new_u64(number as u64);
        Ok(epoll::add(&self.epoll, socket, data, of)?)
    }

    /// The numbers of those that are ready, at least one.
    ///
    /// # Errors
    ///
    /// If there is none for [`PATIENCE`].
    pub(super) fn wait(&mut self) -> io::Result<impl Iterator<Item = usize>> {
        loop {
            let room = spare_capacity(&mut self.events);
            match epoll::wait(&self.epoll, room, Some(&PATIENCE)) {
                Ok(0) => {
                    let patience = PATIENCE.tv_sec;
                    let text = format!("the server has done nothing for {patience} s");
                    return Err(io::Error::other(text));
                }
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.numbers())
    }

    /// The same without waiting, perhaps none.
    pub(super) fn look(&mut self) -> io::Result<impl Iterator<Item = usize>> {
        let room = spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, room, Some(&Timespec::default())) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(self.numbers()),
            Err(error) => Err(error.into()),
        }
    }

    fn numbers(&mut self) -> impl Iterator<Item = usize> {
        let events = self.events.drain(..);
        events.map(|event| event.data.u64() as usize)
    }
}
