//! How do bytes go from one descriptor to another without passing through the process?

use super::number;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::null_mut;

/// Moves up to `bytes` from one descriptor to the other, of which one is a pipe; 0 is the end. Neither a pipe nor a socket that is non-blocking is waited for.
pub(crate) fn splice(from: &impl AsFd, to: &impl AsFd, bytes: usize) -> io::Result<usize> {
    splice_to(from, to, None, bytes)
}

/// Moves up to `bytes` from a pipe to a place of a file.
pub(crate) fn splice_at(
    from: &impl AsFd,
    to: &impl AsFd,
    offset: u64,
    bytes: usize,
) -> io::Result<usize> {
    let offset = libc::loff_t::try_from(offset).map_err(|_| beyond_files())?;
    splice_to(from, to, Some(offset), bytes)
}

fn splice_to(
    from: &impl AsFd,
    to: &impl AsFd,
    mut offset: Option<libc::loff_t>,
    bytes: usize,
) -> io::Result<usize> {
    let (from, to) = (from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd());
    let offset = offset.as_mut().map_or(null_mut(), std::ptr::from_mut);
    // SAFETY: both descriptors are borrowed, so they are open; the kernel writes to the offset at most, which is ours and lives until the call returns.
    let moved =
        unsafe { libc::splice(from, null_mut(), to, offset, bytes, libc::SPLICE_F_NONBLOCK) };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}

/// An offset that no file has.
#[cold]
pub(crate) fn beyond_files() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "no file is as long as that: an offset has 63 bits",
    )
}

/// Whether a read would not block at this moment.
pub(crate) fn is_readable(fd: &impl AsFd) -> io::Result<bool> {
    poll(fd, libc::POLLIN | libc::POLLRDHUP)
}

/// Whether a write would not block at this moment.
pub(crate) fn is_writable(fd: &impl AsFd) -> io::Result<bool> {
    poll(fd, libc::POLLOUT)
}

/// Whether the other side of a socket has ended its direction of writing, or the connection. What came before may still be there to read.
pub(crate) fn has_ended(fd: &impl AsFd) -> io::Result<bool> {
    poll(fd, libc::POLLRDHUP)
}

/// Errors and hang-ups count as events.
fn poll(fd: &impl AsFd, events: i16) -> io::Result<bool> {
    let mut asked = libc::pollfd {
        fd: fd.as_fd().as_raw_fd(),
        events,
        revents: 0,
    };
    loop {
        // SAFETY: the kernel reads and writes one pollfd, which is ours.
        match unsafe { libc::poll(&raw mut asked, 1, 0) } {
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            count => return Ok(count > 0),
        }
    }
}

/// Whether an error says that the process, the machine or the user may have no further descriptor or pipe.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(number(error), libc::EMFILE | libc::ENFILE | libc::ENOMEM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::pipe;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn bytes_go_through_a_pipe_and_a_full_one_is_not_waited_for() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let (reads, mut writes) = pipe().unwrap();
        ours.write_all(b"hello").unwrap();
        assert_eq!(splice(&theirs, &writes, 3).unwrap(), 3);
        assert_eq!(splice(&theirs, &writes, 64).unwrap(), 2);
        let none = splice(&theirs, &writes, 64).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(splice(&reads, &theirs, 64).unwrap(), 5);
        let mut word = [0; 5];
        ours.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"hello");

        while writes.write(&[0; 4096]).is_ok() {}
        ours.write_all(b"x").unwrap();
        let full = splice(&theirs, &writes, 1).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert!(!is_writable(&writes).unwrap());
        assert!(is_readable(&theirs).unwrap());
        drop(ours);
        assert!(has_ended(&theirs).unwrap());
    }

    #[test]
    fn an_offset_beyond_all_files_is_refused() {
        let (reads, _writes) = pipe().unwrap();
        let error = splice_at(&reads, &reads, 1 << 63, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        // The last one that is possible gets as far as the kernel.
        let error = splice_at(&reads, &reads, (1 << 63) - 1, 1).unwrap_err();
        assert!(error.raw_os_error().is_some(), "{error}");
    }
}
