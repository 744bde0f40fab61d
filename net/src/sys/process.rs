//! How does a process watch its children, and send them signals?

use libc::pid_t;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// A descriptor that stands for a process, and is readable when that has ended (`pidfd_open(2)`, Linux 5.3). Close-on-exec.
///
/// The process must be a child that was not waited for yet, or the caller's own: otherwise its number may stand for another one by now.
pub(crate) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    let pid = pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: pidfd_open takes two numbers and touches no memory of ours.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if descriptor == -1 {
        return Err(io::Error::last_os_error());
    }
    let descriptor = RawFd::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows its number, so nobody else closes it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Whether an error of `pidfd_open` or `pidfd_send_signal` says that this system has none: too old, or forbidden by a filter.
pub(crate) fn is_unknown_call(error: &io::Error) -> bool {
    matches!(super::number(error), libc::ENOSYS | libc::EPERM)
}

/// Sends a signal to the process that a descriptor of [`pidfd_open`] stands for, and to no other: it is `ESRCH` if that was waited for (`pidfd_send_signal(2)`, Linux 5.1).
pub(crate) fn pidfd_send_signal(process: &OwnedFd, number: i32) -> io::Result<()> {
    let no_info = ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open for as long as it is borrowed; without an info the kernel reads no memory of ours.
    let status = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            number,
            no_info,
            0,
        )
    };
    if status == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Whether an error says that there is no such process any more.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    super::number(error) == libc::ESRCH
}

/// The user and the group that this process acts as.
pub(crate) fn own_ids() -> (u32, u32) {
    // SAFETY: geteuid takes nothing and touches no memory.
    let user = unsafe { libc::geteuid() };
    // SAFETY: as above.
    let group = unsafe { libc::getegid() };
    (user, group)
}

/// Sends a signal to a child that was not waited for yet.
pub(crate) fn send_signal(pid: u32, number: i32) -> io::Result<()> {
    let pid = pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: kill takes two numbers and touches no memory of ours.
    check(unsafe { libc::kill(pid, number) })
}

pub(super) fn check(status: libc::c_int) -> io::Result<()> {
    if status == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_not_there_has_no_descriptor() {
        let pids = [0, u32::MAX, i32::MAX as u32];
        for pid in pids {
            assert!(pidfd_open(pid).is_err(), "{pid}");
        }
        pidfd_open(std::process::id()).unwrap();
        let errors = [
            (libc::ENOSYS, true),
            (libc::EPERM, true),
            (libc::EMFILE, false),
        ];
        for (number, is_unknown) in errors {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(is_unknown_call(&error), is_unknown, "{error}");
        }
    }
}
