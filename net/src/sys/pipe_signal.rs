//! How does a peer that is gone become an error, and not a signal, where a call has no flag for that?
//!
//! `send(2)` has `MSG_NOSIGNAL`; `splice(2)` and `sendfile(2)` have nothing. A Rust program ignores `SIGPIPE`, and then there is nothing to do. But the program around us may not be a Rust program, or
//! want the signal; so it is asked once for each transfer, and if the signal would be seen, the calling thread blocks it during the call and takes back the one that the call made.

use super::number;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::null;

/// What has to be done about `SIGPIPE` during a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PipeSignal {
    /// The process ignores it.
    Ignored,
    /// It would end the process, or run a handler.
    Seen,
}

impl PipeSignal {
    /// What the process does about it now.
    pub(crate) fn ask() -> Self {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: nothing is changed, and the kernel writes one sigaction, for which there is room.
        let status = unsafe { libc::sigaction(libc::SIGPIPE, null(), action.as_mut_ptr()) };
        // SAFETY: all zeroes is a sigaction (the default one), also if the call had failed.
        let action = unsafe { action.assume_init() };
        if status == 0 && action.sa_sigaction == libc::SIG_IGN {
            Self::Ignored
        } else {
            Self::Seen
        }
    }

    /// Does a call without a signal.
    #[inline]
    pub(crate) fn without<R>(self, call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match self {
            Self::Ignored => call(),
            Self::Seen => without_signal(call),
        }
    }
}

/// Does something that may send `SIGPIPE` to this thread, and takes the signal away.
#[cold]
pub(super) fn without_signal<R>(call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    let broken_pipe = only_broken_pipe();
    let before = change_mask(libc::SIG_BLOCK, &broken_pipe)?;
    // One that is pending already is somebody else's, and stays: a second one of its kind changes nothing.
    let is_pending = contains(&pending()?);
    let result = call();
    let is_sent = matches!(&result, Err(error) if number(error) == libc::EPIPE);
    if is_sent && !is_pending {
        take(&broken_pipe);
    }
    change_mask(libc::SIG_SETMASK, &before)?;
    result
}

fn only_broken_pipe() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set, which is ours.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: initialised above.
    let mut set = unsafe { set.assume_init() };
    // SAFETY: the set is ours; the signal exists.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGPIPE) };
    set
}

/// Changes the mask of this thread, and returns what it was.
fn change_mask(how: libc::c_int, set: &libc::sigset_t) -> io::Result<libc::sigset_t> {
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the one set is read and the other written to; both live through the call.
    let error = unsafe { libc::pthread_sigmask(how, set, before.as_mut_ptr()) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    // SAFETY: the call has succeeded, and has written to it.
    Ok(unsafe { before.assume_init() })
}

fn pending() -> io::Result<libc::sigset_t> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set, which is ours, is written to.
    if unsafe { libc::sigpending(set.as_mut_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, and has written to it.
    Ok(unsafe { set.assume_init() })
}

fn contains(set: &libc::sigset_t) -> bool {
    // SAFETY: the set is initialised, as its type says; the signal exists.
    unsafe { libc::sigismember(set, libc::SIGPIPE) == 1 }
}

/// Takes a pending signal of this set away, if there is one.
fn take(set: &libc::sigset_t) {
    let at_once = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: set and time are read, and live through the call; nothing is to be told of the signal.
    unsafe { libc::sigtimedwait(set, std::ptr::null_mut(), &raw const at_once) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::pipe;
    use std::io::Write;

    #[test]
    fn a_test_ignores_it_and_a_call_that_is_held_back_leaves_none() {
        assert_eq!(PipeSignal::ask(), PipeSignal::Ignored);
        let (read, mut write) = pipe().unwrap();
        drop(read);
        let error = PipeSignal::Seen.without(|| write.write(b"x")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(!contains(&pending().unwrap()));
    }

    #[test]
    fn a_broken_pipe_leaves_no_signal_behind() {
        let (read, write) = pipe().unwrap();
        drop(read);
        let broken_pipe = only_broken_pipe();
        let before = change_mask(libc::SIG_BLOCK, &broken_pipe).unwrap();
        for error in [
            crate::sys::write(&write, b"x"),
            without_signal(|| (&write).write(b"x")),
        ] {
            assert_eq!(error.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            assert!(!contains(&pending().unwrap()));
        }
        // What the guard is for: the plain call sends one, also where it is ignored, as long as it is blocked.
        (&write).write(b"x").unwrap_err();
        assert!(contains(&pending().unwrap()));
        without_signal(|| (&write).write(b"x")).unwrap_err();
        assert!(contains(&pending().unwrap()), "it was not ours");
        take(&broken_pipe);
        change_mask(libc::SIG_SETMASK, &before).unwrap();
    }
}
