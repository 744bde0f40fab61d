//! How is something other than a socket written to, without a signal when nobody reads any more?
//!
//! By `pwritev2(2)` with `RWF_NOSIGNAL`, which Linux has since 6.18. On older kernels with the signal blocked in this thread for the duration of the write: `SIGPIPE` is sent to the thread that writes,
//! so that it is pending there afterwards, and is taken away before it is unblocked.
//!
//! Rust's start-up code ignores `SIGPIPE`, and then none of this is needed. But a library does not know who has started the process, and a program that ends quietly behind
//! `| head` gives the signal its default action back. Rejected: to ignore the signal for the whole process, which takes that choice from the program.

use super::number;
use super::pipe_signal::without_signal;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// `RWF_NOSIGNAL` of `linux/fs.h`, which `libc` does not have yet.
const NO_SIGNAL: libc::c_int = 0x100;

/// Whether this kernel has refused the flag. A hint: who does not know yet asks the kernel itself.
static IS_TOO_OLD: AtomicBool = AtomicBool::new(false);

/// Writes what fits; a reader that is gone is an error, never a signal.
#[inline]
pub(crate) fn write(fd: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    write_vectored(fd, &[IoSlice::new(bytes)])
}

/// Writes what fits of several pieces, of which there are at most 1024; a reader that is gone is an error, never a signal.
pub(crate) fn write_vectored(fd: &impl AsFd, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    // ORDERING: a hint about the kernel, which guards no memory.
    if !IS_TOO_OLD.load(Ordering::Relaxed) {
        match write_with(fd, pieces, NO_SIGNAL) {
            // `ENOSYS` is the answer of some sandboxes.
            Err(error) if matches!(number(&error), libc::EOPNOTSUPP | libc::ENOSYS) => {
                // ORDERING: as above.
                IS_TOO_OLD.store(true, Ordering::Relaxed);
            }
            result => return result,
        }
    }
    without_signal(|| plain_write(fd, pieces))
}

/// Writes in the old way on every kernel: some files of `/proc` and the like refuse any flag. For writes so large that what it costs does not count.
pub(crate) fn write_masked(fd: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    without_signal(|| plain_write(fd, &[IoSlice::new(bytes)]))
}

fn write_with(fd: &impl AsFd, pieces: &[IoSlice<'_>], flags: libc::c_int) -> io::Result<usize> {
    let count = libc::c_int::try_from(pieces.len()).map_err(io::Error::other)?;
    // SAFETY: an `IoSlice` is an `iovec`, says `std`, and the kernel only reads the bytes; -1 stands for the file's own position, which is what write(2) uses.
    let written = unsafe {
        libc::pwritev2(
            fd.as_fd().as_raw_fd(),
            pieces.as_ptr().cast(),
            count,
            -1,
            flags,
        )
    };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

fn plain_write(fd: &impl AsFd, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    let count = libc::c_int::try_from(pieces.len()).map_err(io::Error::other)?;
    // SAFETY: an `IoSlice` is an `iovec`, says `std`, and the kernel only reads the bytes.
    let written = unsafe { libc::writev(fd.as_fd().as_raw_fd(), pieces.as_ptr().cast(), count) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::pipe;
    use std::io::Read;

    #[test]
    fn both_ways_write_the_same() {
        let (mut read, write) = pipe().unwrap();
        let pieces = [IoSlice::new(b"one "), IoSlice::new(b"two ")];
        assert_eq!(write_vectored(&write, &pieces).unwrap(), 8);
        assert_eq!(without_signal(|| plain_write(&write, &pieces)).unwrap(), 8);
        let mut room = [0; 32];
        assert_eq!(read.read(&mut room).unwrap(), 16);
        assert_eq!(&room[..16], b"one two one two ");
    }
}
