//! How does a task learn that a child has ended?
//!
//! By a descriptor that becomes readable: one that stands for the process (`pidfd_open(2)`), which tells of this child and of nothing else. Where there is none, on kernels before 5.3 and where
//! a filter forbids the call, by one that counts `SIGCHLD` ([`crate::signal`]): then every child looks for itself whenever any has ended. `FILCH_NO_PIDFD` chooses that.
//!
//! Whoever is told asks `waitpid(2)` for the child's own number. Nobody else asks for it, and until it is asked with success the child is a zombie, whose number is not given away: so the number
//! means this child, for `kill(2)` too, as long as `std`'s handle has no status. That is under a lock, which is held for a system call that does not wait.
//!
//! The descriptor is got *before* the child is started, so that a program which cannot be waited for is not started at all: outside a runtime, or without a descriptor to spare. A process
//! cannot have a descriptor before it is there, so one of our own stands in for it, and is closed to make room.
//!
//! Rejected: a thread of the blocking pool in `waitpid` for each child (thousands of children, thousands of threads). `SIGCHLD` for all systems: each end of a child
//! wakes everybody who waits for one.

use crate::sys::{self, SignalHook, count_signals, event_counter, numbers};
use filch::io::{AsyncFd, Interest};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::{self, ExitStatus};
use std::sync::{Arc, MutexGuard, OnceLock};

#[expect(
    clippy::disallowed_types,
    reason = "held for a system call on a child, and never in a model: the runtime's own lock stays its own"
)]
pub(super) type Lock<T> = std::sync::Mutex<T>;

/// A child, and its status once that was asked for with success.
#[derive(Debug)]
pub(super) struct Started {
    child: process::Child,
    status: Option<ExitStatus>,
}

/// For tasks that wait, and the reaper.
pub(super) type SharedChild = Arc<Lock<Started>>;

/// A descriptor that becomes readable when a child may have ended.
#[derive(Debug)]
pub(super) enum Notice {
    /// Of one process.
    Process(OwnedFd),
    /// Of any child. The counter is never emptied: each signal is an event all the same, and it would take 2^64 to fill it.
    AnyChild {
        counter: Arc<File>,
        _hook: SignalHook,
    },
}

impl AsRawFd for Notice {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Process(descriptor) => descriptor.as_raw_fd(),
            Self::AnyChild { counter, .. } => counter.as_raw_fd(),
        }
    }
}

/// What is needed to wait for a child that is about to be started.
pub(super) fn prepare() -> io::Result<AsyncFd<Notice>> {
    let notice = if is_without_pidfd() {
        any_child()?
    } else {
        match sys::pidfd_open(process::id()) {
            Ok(stand_in) => Notice::Process(stand_in),
            Err(error) if sys::is_unknown_call(&error) => any_child()?,
            Err(error) => return Err(error),
        }
    };
    watch(notice)
}

/// The same for the child, which was started since.
pub(super) fn of_child(prepared: AsyncFd<Notice>, pid: u32) -> io::Result<AsyncFd<Notice>> {
    if matches!(prepared.get_ref(), Notice::AnyChild { .. }) {
        return Ok(prepared);
    }
    drop(prepared);
    watch(Notice::Process(sys::pidfd_open(pid)?))
}

pub(super) fn watch(notice: Notice) -> io::Result<AsyncFd<Notice>> {
    AsyncFd::with_interest(notice, Interest::Readable)
}

pub(super) fn any_child() -> io::Result<Notice> {
    let counter = Arc::new(event_counter()?);
    let hook = count_signals(numbers::SIGCHLD, counter.clone())?;
    Ok(Notice::AnyChild {
        counter,
        _hook: hook,
    })
}

/// Whether `FILCH_NO_PIDFD` is set; asked once.
fn is_without_pidfd() -> bool {
    static ASKED: OnceLock<bool> = OnceLock::new();
    *ASKED.get_or_init(|| std::env::var_os("FILCH_NO_PIDFD").is_some())
}

impl Started {
    pub(super) fn new(child: process::Child) -> Self {
        Self {
            child,
            status: None,
        }
    }

    /// Its number, while that is certain to mean this child.
    pub(super) fn id(&self) -> Option<u32> {
        self.status.is_none().then(|| self.child.id())
    }

    /// The status if it has ended. Does not wait.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status)
    }

    /// Sends a signal, unless it has ended. By its descriptor, if there is one: should somebody else wait for it at this moment, its number may be another's, and a descriptor never is.
    pub(super) fn send_signal(&mut self, notice: Option<&Notice>, number: i32) -> io::Result<()> {
        if self.try_wait()?.is_some() {
            return Ok(());
        }
        if let Some(Notice::Process(process)) = notice {
            match sys::pidfd_send_signal(process, number) {
                Err(error) if sys::is_gone(&error) => return Ok(()),
                Err(error) if sys::is_unknown_call(&error) => {}
                sent => return sent,
            }
        }
        // It may end at this moment; then the signal goes to a zombie, which is nobody else.
        sys::send_signal(self.child.id(), number)
    }
}

/// Waits for the status, as any number of tasks may.
pub(super) async fn status(
    child: &Lock<Started>,
    notice: &AsyncFd<Notice>,
) -> io::Result<ExitStatus> {
    let look = |_: &Notice| {
        let status = lock(child).try_wait()?;
        status.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    };
    notice.async_read(look).await
}

pub(super) fn lock(child: &Lock<Started>) -> MutexGuard<'_, Started> {
    child.lock().expect("nobody panics with it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    /// Its number may be another's when somebody else has waited for it. Here it is, and its descriptor is not.
    #[test]
    fn a_signal_goes_by_the_descriptor() {
        if sys::pidfd_open(process::id()).is_err() {
            return println!("left out: this system has no pidfd");
        }
        let start = || Command::new("sleep").arg("1000").spawn().unwrap();
        let mut meant = start();
        let notice = Notice::Process(sys::pidfd_open(meant.id()).unwrap());
        let mut started = Started::new(start());
        started
            .send_signal(Some(&notice), numbers::SIGTERM)
            .unwrap();
        assert_eq!(meant.wait().unwrap().signal(), Some(numbers::SIGTERM));
        // And from now on to nobody.
        started
            .send_signal(Some(&notice), numbers::SIGTERM)
            .unwrap();
        assert!(started.try_wait().unwrap().is_none());
        // Without one, by the number.
        started.send_signal(None, numbers::SIGKILL).unwrap();
        assert_eq!(
            started.child.wait().unwrap().signal(),
            Some(numbers::SIGKILL)
        );
    }
}
