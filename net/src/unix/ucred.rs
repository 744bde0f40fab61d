//! Who is at the other end?
//!
//! The kernel notes it when a stream is connected, or a pair made: it is whoever called `connect(2)`, `listen(2)` or `socketpair(2)`, not who holds the descriptor now.

use crate::sys;
use std::io;
use std::os::fd::AsFd;

/// The process at the other end of a stream, as it was when the stream was connected; from [`UnixStream::peer_cred`](crate::unix::UnixStream::peer_cred).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UCred {
    pid: Option<i32>,
    uid: u32,
    gid: u32,
}

impl UCred {
    pub(crate) fn of_peer(socket: &impl AsFd) -> io::Result<Self> {
        let (pid, uid, gid) = sys::peer_cred(socket)?;
        // 0 is nobody: a process that cannot be seen from this process's pid namespace.
        let pid = (pid != 0).then_some(pid);
        Ok(Self { pid, uid, gid })
    }

    /// The user: its effective id.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The group: its effective id.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// The process, if it can be seen from here. It may have ended, and another one have its number by now:
    /// [`UnixStream::peer_pidfd`](crate::unix::UnixStream::peer_pidfd) cannot be mistaken so.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }
}
