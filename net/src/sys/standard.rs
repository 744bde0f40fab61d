//! How can a standard stream be watched without changing it for those who share it?
//!
//! `O_NONBLOCK` belongs to the open file description, and the shell, the parent and its other children have the same one: set here, it makes their reads fail. So a pipe or a terminal is opened once more, by
//! its name in `/proc/self/fd`, which makes a description of our own. A socket cannot be opened so, but has flags for single calls.

use libc::{MSG_DONTWAIT, MSG_NOSIGNAL};
use socket2::SockRef;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};

/// How to come by the bytes of a standard stream.
#[derive(Debug)]
pub(crate) enum Standard {
    /// A pipe or a terminal, with a non-blocking description of our own.
    Own(File),
    /// A socket, in whatever mode it is.
    Socket(File),
    /// A file, which is never waited for long: calls may block.
    File(File),
    /// Something that may block for ever, and cannot be watched: a terminal of another user, a device.
    Stubborn(File),
}

/// The device of `/dev/ptmx`. To open it again would make another terminal.
const PTMX: u64 = libc::makedev(5, 2);

/// The number of memory's devices, `/dev/null` and the like, which never block (`mem(4)`, `null(4)`).
const MEMORY_MAJOR: libc::c_uint = 1;

/// The device of `/dev/kmsg`, which is among them, and waits for the kernel's next message.
const KMSG: u64 = libc::makedev(1, 11);

/// What a standard stream is, and how it can be used.
pub(crate) fn standard(fd: OwnedFd, writes: bool) -> io::Result<Standard> {
    let shared = File::from(fd);
    let metadata = shared.metadata()?;
    let kind = metadata.file_type();
    if kind.is_socket() {
        return Ok(Standard::Socket(shared));
    }
    let is_terminal = shared.is_terminal() && metadata.rdev() != PTMX;
    if kind.is_fifo() || is_terminal {
        // Another user's, or there is no /proc.
        return Ok(reopen(&shared, writes).map_or(Standard::Stubborn(shared), Standard::Own));
    }
    let is_memory = libc::major(metadata.rdev()) == MEMORY_MAJOR && metadata.rdev() != KMSG;
    let is_prompt = if kind.is_char_device() {
        is_memory
    } else {
        kind.is_file() || kind.is_dir() || kind.is_block_device()
    };
    // What is none of these has no kind at all: a counter, a timer, a watch of files (`anon_inode`).
    Ok(if is_prompt {
        Standard::File(shared)
    } else {
        Standard::Stubborn(shared)
    })
}

fn reopen(shared: &File, writes: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(!writes).write(writes);
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let own = options.open(format!("/proc/self/fd/{}", shared.as_raw_fd()))?;
    let id = |file: &File| {
        file.metadata()
            .map(|metadata| (metadata.dev(), metadata.ino(), metadata.rdev()))
    };
    if id(&own)? != id(shared)? {
        return Err(io::Error::other("the name leads to something else"));
    }
    Ok(own)
}

/// Reads what a socket has, in whatever mode it is.
pub(crate) fn receive_now(socket: &impl AsFd, room: &mut [u8]) -> io::Result<usize> {
    let room = std::ptr::from_mut(room) as *mut [MaybeUninit<u8>];
    // SAFETY: bytes that are initialised are fine as ones that may not be, and recv only writes to them.
    SockRef::from(socket).recv_with_flags(unsafe { &mut *room }, MSG_DONTWAIT)
}

/// Writes what a socket has room for, in whatever mode it is; a peer that is gone is an error, never a signal.
pub(crate) fn send_now(socket: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    SockRef::from(socket).send_with_flags(bytes, MSG_DONTWAIT | MSG_NOSIGNAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{O_NONBLOCK, pipe, set_nonblocking};
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn flags(file: &File) -> i32 {
        // SAFETY: this fcntl takes numbers.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) }
    }

    #[test]
    fn a_pipe_is_opened_again_and_the_other_left_alone() {
        let (read, mut write) = pipe().unwrap();
        set_nonblocking(&read, false).unwrap();
        set_nonblocking(&write, false).unwrap();
        let Standard::Own(mut own) = standard(read.try_clone().unwrap().into(), false).unwrap()
        else {
            panic!("it is a pipe");
        };
        assert_eq!(flags(&read) & O_NONBLOCK, 0);
        assert_ne!(flags(&own) & O_NONBLOCK, 0);
        write.write_all(b"x").unwrap();
        let mut room = [0; 2];
        assert_eq!(own.read(&mut room).unwrap(), 1);
        let empty = own.read(&mut room).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        let Standard::Own(mut own) = standard(write.try_clone().unwrap().into(), true).unwrap()
        else {
            panic!("it is a pipe");
        };
        own.write_all(b"y").unwrap();
        assert_eq!((&read).read(&mut room).unwrap(), 1);
    }

    #[test]
    fn a_socket_stays_as_it_is_and_does_not_block() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let Standard::Socket(socket) = standard(ours.into(), false).unwrap() else {
            panic!("it is a socket");
        };
        assert_eq!(flags(&socket) & O_NONBLOCK, 0);
        let empty = receive_now(&socket, &mut [0; 2]).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        theirs.write_all(b"x").unwrap();
        assert_eq!(receive_now(&socket, &mut [0; 2]).unwrap(), 1);
        while let Ok(_count) = send_now(&socket, &[0; 4096]) {}
        drop(theirs);
        let gone = send_now(&socket, b"x").unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn what_never_blocks_is_told_from_what_may() {
        let kind = |path: &str| standard(File::open(path).unwrap().into(), false).unwrap();
        assert!(matches!(kind("/proc/self/exe"), Standard::File(_)));
        assert!(matches!(kind("/dev/null"), Standard::File(_)));
        assert!(matches!(kind("/dev/ptmx"), Standard::Stubborn(_)));
        // A read of the kernel's log waits for its next line.
        match File::open("/dev/kmsg") {
            Ok(log) => assert!(matches!(
                standard(log.into(), false).unwrap(),
                Standard::Stubborn(_)
            )),
            Err(refused) => println!("/dev/kmsg: {refused}"),
        }
        // What has no name and no kind: counters, timers, watches of files.
        let counter = crate::sys::event_counter().unwrap();
        let kind = standard(counter.into(), false).unwrap();
        assert!(matches!(kind, Standard::Stubborn(_)));
    }
}
