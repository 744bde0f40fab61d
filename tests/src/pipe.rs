//! Where does a test get a descriptor that is no socket?

use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// A pipe, both ends in non-blocking mode: where to read, where to write. (`std::io::pipe` is younger than the Rust we promise.)
///
/// # Errors
///
/// If the system has no descriptors left.
pub fn pipe() -> io::Result<(File, File)> {
    let mut ends = [-1; 2];
    // SAFETY: the kernel writes two numbers into the array, which is ours.
    let status = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK | libc::O_CLOEXEC) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened both, and nobody else knows them.
    let [read, write] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    Ok((read.into(), write.into()))
}
