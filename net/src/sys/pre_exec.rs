//! What is done in a child before its program begins?
//!
//! Between `fork` and `exec` the child is a copy of one thread only: a lock that another thread had stays locked for ever. So whatever is done there must be safe in a handler of signals
//! (`signal-safety(7)`): that is what makes `pre_exec` unsafe.

use super::process::check;
use crate::process::Command;
use libc::{gid_t, uid_t};
use std::io;
use std::os::unix::process::CommandExt;
use std::process;
use std::sync::Arc;

#[expect(
    clippy::disallowed_types,
    reason = "never contended: it is there because a closure of std's cannot be told anything later"
)]
pub(crate) type SharedIdentity = Arc<std::sync::Mutex<Identity>>;

/// Who a program shall be.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    pub(crate) uid: Option<uid_t>,
    pub(crate) gid: Option<gid_t>,
    /// All supplementary groups.
    pub(crate) groups: Vec<gid_t>,
}

/// Programs that this command starts become who stands there when they are started.
pub(crate) fn assume_identity(command: &mut process::Command, identity: SharedIdentity) {
    let assume = move || {
        let identity = identity.lock().map_err(|_| io::ErrorKind::Other)?;
        identity.assume()
    };
    // SAFETY: the closure makes system calls, and takes a lock that is free: only methods of the command take it, and who starts a program has the command for itself.
    unsafe { command.pre_exec(assume) };
}

impl Identity {
    /// The process becomes this, in the order in which it may: the right to change groups goes with the user. Allocates nothing.
    fn assume(&self) -> io::Result<()> {
        // SAFETY: the kernel reads as many groups as the vector has.
        check(unsafe { libc::setgroups(self.groups.len(), self.groups.as_ptr()) })?;
        if let Some(gid) = self.gid {
            // SAFETY: setgid takes a number and touches no memory of ours.
            check(unsafe { libc::setgid(gid) })?;
        }
        if let Some(uid) = self.uid {
            // SAFETY: setuid takes a number and touches no memory of ours.
            check(unsafe { libc::setuid(uid) })?;
        }
        Ok(())
    }
}

impl Command {
    /// Runs a closure in the child, behind everything else that is set here, and before the program begins. An error of it is the error of the start (its number; others become `EINVAL`).
    /// Closures run in the order in which they were given.
    ///
    /// The program is started by `fork` then, which takes longer the more memory this process has.
    ///
    /// # Safety
    ///
    /// The closure runs between `fork` and `exec`, in a copy of this process that has this thread only. It must do nothing but what `signal-safety(7)` allows: above all it must not
    /// allocate, take locks, or panic, and not touch the runtime; and it must leave descriptors alone that others own.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch_net::process::Command;
    ///
    /// # let rt = filch::Runtime::new()?;
    /// # rt.block_on(async {
    /// let mut command = Command::new("true");
    /// // SAFETY: setsid takes nothing and touches no memory.
    /// unsafe {
    ///     command.pre_exec(|| match libc::setsid() {
    ///         -1 => Err(std::io::Error::last_os_error()),
    ///         _session => Ok(()),
    ///     })
    /// };
    /// assert!(command.status().await?.success());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub unsafe fn pre_exec(
        &mut self,
        f: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
    ) -> &mut Self {
        // SAFETY: the caller promises what this asks for, in the same words.
        unsafe { self.as_std_mut().pre_exec(f) };
        self
    }
}
