//! How is a pipe made, and what is known of one that somebody else has made?

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

pub(crate) use libc::{O_NOCTTY, O_NONBLOCK};

/// A pipe, both ends non-blocking and close-on-exec, by one system call: where to read, where to write. (`std::io::pipe` is younger than the Rust that we promise.)
pub(crate) fn pipe() -> io::Result<(File, File)> {
    let mut ends = [-1; 2];
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
    // SAFETY: the kernel writes two numbers into the array, which is ours.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), flags) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made both descriptors for us; nobody else knows their numbers, so nobody else closes them.
    let [read, write] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    Ok((read.into(), write.into()))
}

/// Gives a pipe room for so many bytes, if the user may have as much (`pipe(7)`).
pub(crate) fn set_pipe_bytes(pipe: &impl AsFd, bytes: i32) -> io::Result<()> {
    // SAFETY: this fcntl takes numbers; the descriptor is open for as long as it is borrowed.
    let set = unsafe { libc::fcntl(pipe.as_fd().as_raw_fd(), libc::F_SETPIPE_SZ, bytes) };
    if set == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// In which directions a descriptor was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) reads: bool,
    pub(crate) writes: bool,
}

/// In which directions a descriptor was opened.
pub(crate) fn access(fd: &impl AsFd) -> io::Result<Access> {
    let mode = status(fd)? & libc::O_ACCMODE;
    Ok(Access {
        reads: matches!(mode, libc::O_RDONLY | libc::O_RDWR),
        writes: matches!(mode, libc::O_WRONLY | libc::O_RDWR),
    })
}

/// Whether operations return at once, for everybody who shares the open file description.
pub(crate) fn set_nonblocking(fd: &impl AsFd, is_nonblocking: bool) -> io::Result<()> {
    let before = status(fd)?;
    let after = if is_nonblocking {
        before | libc::O_NONBLOCK
    } else {
        before & !libc::O_NONBLOCK
    };
    if after == before {
        return Ok(());
    }
    // SAFETY: this fcntl takes numbers; the descriptor is open for as long as it is borrowed.
    let set = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_SETFL, after) };
    if set == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The flags of the open file description.
fn status(fd: &impl AsFd) -> io::Result<i32> {
    // SAFETY: this fcntl takes numbers; the descriptor is open for as long as it is borrowed.
    let flags = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GETFL) };
    if flags == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_pipe_are_told_apart() {
        let (read, write) = pipe().unwrap();
        let (only_reads, only_writes) = (access(&read).unwrap(), access(&write).unwrap());
        assert!(only_reads.reads && !only_reads.writes);
        assert!(only_writes.writes && !only_writes.reads);
        let both = File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .unwrap();
        let both = access(&both).unwrap();
        assert!(both.reads && both.writes);
    }

    #[test]
    fn only_the_one_flag_is_changed() {
        let (read, _write) = pipe().unwrap();
        let before = status(&read).unwrap();
        assert_ne!(before & libc::O_NONBLOCK, 0);
        set_nonblocking(&read, false).unwrap();
        assert_eq!(status(&read).unwrap(), before & !libc::O_NONBLOCK);
        set_nonblocking(&read, true).unwrap();
        assert_eq!(status(&read).unwrap(), before);
    }
}
