//! How is a program started?
//!
//! By `std`, on the thread that asks, and at once: [`spawn`](Command::spawn) is no async function. `std` uses `posix_spawn(3)` where it can, which does not copy the memory of this process; it can if nothing is
//! asked for that has to be done in between (`uid`, `gid`, `groups`, `pre_exec`, and with some versions of glibc `current_dir`). That takes some hundred microseconds, and the calling worker waits for it.
//! Otherwise it is `fork(2)`, which copies page tables: the longer the more memory this process has. A worker that is stuck for that long strands nothing, since its siblings take its tasks over.
//!
//! Rejected: starting on the blocking pool by ourselves. The builder would have to be given away, `spawn` would have to be awaited, and to be cancelled half-way: was it started, or not? Who starts programs from a
//! process of many gigabytes writes `spawn_blocking(move || command.spawn())`, which works, since a thread of the pool belongs to its runtime.

use super::child::Child;
use super::ending;
use crate::error;
use crate::sys::{Identity, SharedIdentity, assume_identity, own_ids};
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, ExitStatus, Output, Stdio};
use std::sync::{MutexGuard, PoisonError};

/// A program to be started, and how: the methods are those of [`std::process::Command`].
///
/// It can be started several times. What was given as [`Stdio`] stays open in this process until the `Command` is dropped or given something else: a
/// pipe whose end stands here does not end. So pass such a `Command` on, or drop it, before the end is waited for.
///
/// # Examples
///
/// ```
/// use filch_net::process::Command;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let output = Command::new("echo").arg("hello").output().await?;
/// assert_eq!(output.stdout, b"hello\n");
///
/// let error = Command::new("no-such-program").status().await.unwrap_err();
/// assert_eq!(error.to_string(), "start no-such-program: No such file or directory (os error 2)");
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Command {
    std: process::Command,
    kill_on_drop: bool,
    uid: Option<u32>,
    gid: Option<u32>,
    /// Whether a start before has left them to `std`.
    uid_is_std: bool,
    gid_is_std: bool,
    /// Where the child learns who it shall be, if it has to see to that by itself.
    identity: Option<SharedIdentity>,
}

impl Command {
    /// A program by its path, or by its name, which is looked for in `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        process::Command::new(program).into()
    }

    /// One argument more. No shell is involved: spaces, quotes and stars are characters like others.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.std.arg(arg);
        self
    }

    /// Some arguments more.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.std.args(args);
        self
    }

    /// What the program is told to be called, instead of its path.
    pub fn arg0(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.std.arg0(arg);
        self
    }

    /// A variable of its environment, which is otherwise that of this process.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.std.env(name, value);
        self
    }

    /// Some variables of its environment.
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        self.std.envs(variables);
        self
    }

    /// One variable fewer.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.std.env_remove(name);
        self
    }

    /// No variables but those that are set from here on.
    pub fn env_clear(&mut self) -> &mut Self {
        self.std.env_clear();
        self
    }

    /// Its working directory. If the program is given by a relative path, that is relative to the one or the other, depending on the system: give an absolute one.
    pub fn current_dir(&mut self, folder: impl AsRef<Path>) -> &mut Self {
        self.std.current_dir(folder);
        self
    }

    /// Its standard input: [`Stdio::piped`] for [`Child::stdin`], or a descriptor (`Stdio::from`), or what another child writes (`Stdio::try_from`). Without this it is that of this process.
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.std.stdin(stdin);
        self
    }

    /// Its standard output: [`Stdio::piped`] for [`Child::stdout`], or a descriptor, or another child's standard input. Without this it is that of this process.
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.std.stdout(stdout);
        self
    }

    /// Its standard error: [`Stdio::piped`] for [`Child::stderr`], or a descriptor, or another child's standard input. Without this it is that of this process.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.std.stderr(stderr);
        self
    }

    /// The user that it runs as. If that needs to be the superuser's doing, its supplementary groups are cleared, as `std` does; see [`groups`](Self::groups).
    pub fn uid(&mut self, id: u32) -> &mut Self {
        self.uid = Some(id);
        self
    }

    /// The group that it runs as.
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.gid = Some(id);
        self
    }

    /// All supplementary groups that it has, whatever the order of this call and of [`uid`](Self::uid) and [`gid`](Self::gid). Setting them needs privileges.
    ///
    /// Group and user are set right before closures of [`pre_exec`](Self::pre_exec) that are given after the first call of this, and behind the change of directory.
    pub fn groups(&mut self, groups: &[u32]) -> &mut Self {
        let std = &mut self.std;
        let identity = self.identity.get_or_insert_with(|| {
            // What a start before this has told `std` would come first, and take away the right to set groups. It cannot be taken back, so it becomes who this process is anyway.
            let (uid, gid) = own_ids();
            if self.uid_is_std {
                std.uid(uid);
            }
            if self.gid_is_std {
                std.gid(gid);
            }
            let identity = SharedIdentity::default();
            assume_identity(std, identity.clone());
            identity
        });
        lock(identity).groups = groups.to_vec();
        self
    }

    /// The process group that it belongs to; 0 for a new one of its own. A signal to the group (`kill(-id, ...)`, ctrl-c in a terminal) reaches all of it.
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.std.process_group(group);
        self
    }

    /// Whether dropping the [`Child`] kills the program (`SIGKILL`). Otherwise, and without this, it runs on.
    pub fn kill_on_drop(&mut self, is_killed: bool) -> &mut Self {
        self.kill_on_drop = is_killed;
        self
    }

    /// Whether dropping the [`Child`] kills the program.
    #[must_use]
    pub fn get_kill_on_drop(&self) -> bool {
        self.kill_on_drop
    }

    /// The same as `std` has it, to look at.
    #[must_use]
    pub fn as_std(&self) -> &process::Command {
        &self.std
    }

    /// The same as `std` has it, for what is not here.
    pub fn as_std_mut(&mut self) -> &mut process::Command {
        &mut self.std
    }

    /// The same as `std` has it. Whether it is killed on drop is forgotten.
    #[must_use]
    pub fn into_std(mut self) -> process::Command {
        self.settle_identity();
        self.std
    }

    /// Starts the program, on this thread and at once: no async function. That takes a fraction of a millisecond (`posix_spawn(3)`), but longer the more memory this process has if `uid`, `gid`, `groups` or
    /// [`pre_exec`](Self::pre_exec) is used (`fork(2)`). Then, in a process of gigabytes, say `filch::spawn_blocking(move || command.spawn())`.
    ///
    /// # Errors
    ///
    /// With the program's name: that there is no such program or working directory (`NotFound`), no permission, no descriptor (`EMFILE`), no process or memory (`WouldBlock`, which is `EAGAIN`; `OutOfMemory`). Outside a runtime
    /// and in a simulation too. In all these cases nothing has been started. If the system lacks something after the start, the program is killed again, which the error says.
    pub fn spawn(&mut self) -> io::Result<Child> {
        let started = self.start();
        started.map_err(|cause| error::at(self.step(), cause))
    }

    fn start(&mut self) -> io::Result<Child> {
        self.settle_identity();
        let prepared = ending::prepare()?;
        let child = self.std.spawn()?;
        let program = self.std.get_program().to_string_lossy();
        Child::watch(child, prepared, &program, self.kill_on_drop)
    }

    /// What was tried, for an error: a folder that is not there is the same number as a program that is not there.
    fn step(&self) -> String {
        let program = self.std.get_program().to_string_lossy();
        match self.std.get_current_dir() {
            None => format!("start {program}"),
            Some(folder) => format!("start {program} in {}", folder.display()),
        }
    }

    /// Starts the program now, and waits until it has ended. Ends of pipes that were asked for are closed at once.
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Cancel safety
    ///
    /// The program is started by the call, not by the first poll. It runs on if the future is dropped, unless [`kill_on_drop`](Self::kill_on_drop) was asked for.
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + Send + use<> {
        let child = self.spawn();
        async move {
            let mut child = child?;
            drop(child.stdout.take());
            drop(child.stderr.take());
            child.wait().await
        }
    }

    /// Starts the program now, waits until it has ended, and collects what it has written.
    ///
    /// Standard output and standard error become pipes, whatever was asked for before, here and from now on. Otherwise use [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Self::spawn) and [`Child::wait_with_output`]. That the program fails is no error: look at the status.
    ///
    /// # Cancel safety
    ///
    /// The program is started by the call, not by the first poll. It runs on if the future is dropped, unless [`kill_on_drop`](Self::kill_on_drop) was asked for, but nobody reads
    /// what it writes any more (`SIGPIPE`); what was collected is lost.
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + Send + use<> {
        self.std.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.spawn();
        async move { child?.wait_with_output().await }
    }

    /// User and group are given to whom sees to them: `std`, or with groups, which it does not know, the closure.
    fn settle_identity(&mut self) {
        let (uid, gid) = (self.uid, self.gid);
        if let Some(identity) = &self.identity {
            let mut identity = lock(identity);
            let groups = std::mem::take(&mut identity.groups);
            *identity = Identity { uid, gid, groups };
            return;
        }
        if let Some(uid) = uid {
            self.std.uid(uid);
            self.uid_is_std = true;
        }
        if let Some(gid) = gid {
            self.std.gid(gid);
            self.gid_is_std = true;
        }
    }
}

fn lock(identity: &SharedIdentity) -> MutexGuard<'_, Identity> {
    identity.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<process::Command> for Command {
    fn from(std: process::Command) -> Self {
        Self {
            std,
            kill_on_drop: false,
            uid: None,
            gid: None,
            uid_is_std: false,
            gid_is_std: false,
            identity: None,
        }
    }
}

/// The program and its arguments, as `std` shows them.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(f)
    }
}
