//! How does a signal become something to read?

use signal_hook_registry::SigId;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

/// The numbers of signals.
pub(crate) mod numbers {
    pub(crate) use libc::{
        SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGKILL, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1,
        SIGUSR2, SIGWINCH,
    };
    #[cfg(test)]
    pub(crate) use libc::{SIGFPE, SIGILL, SIGSEGV, SIGSTOP};

    /// The real-time signal so far behind the first that the C library leaves to programs.
    pub(crate) fn real_time(n: i32) -> Option<i32> {
        let number = libc::SIGRTMIN() + n;
        (number <= libc::SIGRTMAX()).then_some(number)
    }
}

/// A counter of the kernel's (`eventfd(2)`): writing adds, reading takes everything, and there is nothing to read at zero.
pub(crate) fn event_counter() -> io::Result<File> {
    // SAFETY: eventfd takes two numbers and touches no memory of ours.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if descriptor == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows its number, so nobody else closes it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

/// Signals are counted while this lives.
#[derive(Debug)]
pub(crate) struct SignalHook {
    id: SigId,
}

/// Adds one to the counter for each signal with this number.
pub(crate) fn count_signals(number: i32, counter: Arc<File>) -> io::Result<SignalHook> {
    if signal_hook_registry::FORBIDDEN.contains(&number) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "this signal cannot be waited for",
        ));
    }
    let ours = std::process::id();
    // Between fork and exec another process has this handler and this counter; what it is sent is not for us.
    let action = move || {
        if std::process::id() == ours {
            add_one(&counter);
        }
    };
    // SAFETY: the action does a getpid(2) and one write(2) of eight bytes of its own stack, which signal-safety(7) allows; it takes no lock, does not allocate and does not
    // panic. The registry restores errno after it, and drops the action, with its share of the counter, outside of the handler.
    let id = unsafe { signal_hook_registry::register(number, action) }?;
    Ok(SignalHook { id })
}

/// The handler's whole work.
fn add_one(counter: &File) {
    let one = 1_u64;
    // SAFETY: eight bytes of the stack are read, which `one` has; the descriptor is open for as long as the file is borrowed.
    let _full = unsafe {
        libc::write(
            counter.as_raw_fd(),
            (&raw const one).cast(),
            size_of::<u64>(),
        )
    };
    // It fails only when the counter is full, and then there is something to read already.
}

impl Drop for SignalHook {
    fn drop(&mut self) {
        signal_hook_registry::unregister(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_counter_counts_and_is_emptied_by_a_read() {
        let counter = event_counter().unwrap();
        let mut bytes = [0; 8];
        let empty = (&counter).read(&mut bytes).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        (0..3).for_each(|_| add_one(&counter));
        assert_eq!((&counter).read(&mut bytes).unwrap(), 8);
        assert_eq!(u64::from_ne_bytes(bytes), 3);
        assert!((&counter).read(&mut bytes).is_err());
    }
}
