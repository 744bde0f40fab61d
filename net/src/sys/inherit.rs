//! How does a process take over what its parent has left open for it?

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Whether a descriptor came with `execve(2)`: it is open, and not close-on-exec.
///
/// Whatever the standard library and this crate open is close-on-exec, so a descriptor that is not was handed to the process.
pub(crate) fn is_inherited(number: RawFd) -> io::Result<bool> {
    // SAFETY: F_GETFD takes a number, open or not, and touches no memory of ours.
    match unsafe { libc::fcntl(number, libc::F_GETFD) } {
        -1 => Err(io::Error::last_os_error()),
        flags => Ok(flags & libc::FD_CLOEXEC == 0),
    }
}

/// Takes over an inherited descriptor, and makes it close-on-exec. To be called when [`is_inherited`] has said so, and nobody else has been told the number.
pub(crate) fn take_inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_SETFD takes two numbers and touches no memory of ours.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and was so before the program began, as `is_inherited` has found; the environment gives it to this process, and the caller takes each once. What would make
    // this false is a library that takes the same descriptors and leaves them inheritable.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Microseconds of `CLOCK_MONOTONIC`.
pub(crate) fn monotonic_micros() -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the kernel writes one timespec, for which there is room.
    let _always = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr()) };
    // SAFETY: all zeroes is a timespec, also if the call had failed, which it does not with this clock.
    let time = unsafe { time.assume_init() };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn what_we_open_is_not_inherited_and_what_is_closed_is_an_error() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(!is_inherited(file.as_raw_fd()).unwrap());
        assert!(is_inherited(-1).is_err());
    }

    #[test]
    fn the_clock_goes_forward() {
        let first = monotonic_micros();
        assert!(first > 0 && monotonic_micros() >= first);
    }
}
