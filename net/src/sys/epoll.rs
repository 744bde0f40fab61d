//! How does a thread that is no worker wait for many descriptors?
//!
//! With an epoll instance of its own, edge-triggered: descriptors are added while it waits, and nobody has to wake it.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// An epoll instance, close-on-exec.
#[derive(Debug)]
pub(crate) struct Epoll(OwnedFd);

/// How many descriptors one wait reports at most; more come with the next.
const EVENTS_PER_WAIT: usize = 64;

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: epoll_create1 takes a number and touches no memory of ours.
        let descriptor = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if descriptor == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us; nobody else knows its number, so nobody else closes it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Reports a descriptor from now on when it becomes readable, and now if it is.
    pub(crate) fn add(&self, descriptor: &impl AsRawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, descriptor.as_raw_fd())
    }

    /// Reports it no more.
    pub(crate) fn remove(&self, descriptor: &impl AsRawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, descriptor.as_raw_fd())
    }

    fn control(&self, operation: libc::c_int, descriptor: RawFd) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLET) as u32,
            u64: u64::from(descriptor.unsigned_abs()),
        };
        // SAFETY: the kernel reads the event, which is ours; what a wrong descriptor causes is an error.
        let status =
            unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, descriptor, &raw mut event) };
        if status == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Blocks until some are readable, and says which; none if a signal interrupted it.
    pub(crate) fn wait(&self) -> io::Result<Vec<RawFd>> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS_PER_WAIT];
        // SAFETY: the kernel writes at most as many events as it is told, which is as many as there is room for.
        let count = unsafe {
            libc::epoll_wait(
                self.0.as_raw_fd(),
                events.as_mut_ptr(),
                EVENTS_PER_WAIT as i32,
                -1,
            )
        };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::Interrupted => Ok(Vec::new()),
                _ => Err(error),
            };
        };
        let ready = events[..count].iter().map(|event| event.u64 as RawFd);
        Ok(ready.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_is_added_is_reported_until_it_is_removed() {
        let epoll = Epoll::new().unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let (mut others, apart) = UnixStream::pair().unwrap();
        ours.write_all(b"x").unwrap();
        epoll.add(&theirs).unwrap();
        assert_eq!(
            epoll.wait().unwrap(),
            [theirs.as_raw_fd()],
            "it was readable already"
        );
        epoll.add(&apart).unwrap();
        epoll.remove(&theirs).unwrap();
        ours.write_all(b"x").unwrap();
        others.write_all(b"x").unwrap();
        assert_eq!(
            epoll.wait().unwrap(),
            [apart.as_raw_fd()],
            "only once, and only what is watched"
        );
        assert!(epoll.add(&apart).is_err(), "it is watched already");
    }

    #[test]
    fn what_is_no_interruption_is_an_error() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let no_epoll = Epoll(ours.into());
        let error = no_epoll.wait().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
