//! What can be done with a program that runs?

use super::ending::{self, Notice, SharedChild, Started, lock};
use super::reaper::{self, Orphan};
use super::stdio::{ChildStderr, ChildStdin, ChildStdout};
use crate::error;
use crate::signal::SignalKind;
use crate::sys::numbers;
use filch::io::AsyncFd;
use std::io;
use std::process::{self, ExitStatus, Output};
use std::sync::Arc;

/// A program that was started, from [`Command::spawn`](super::Command::spawn).
///
/// Dropping it does not end the program, unless [`kill_on_drop`](super::Command::kill_on_drop) was asked for. Either way it does not stay a zombie: a thread of this crate waits for it in the background.
///
/// # Examples
///
/// Several tasks may wait for one, and another may end it:
///
/// ```
/// use filch_net::process::Command;
/// use filch_net::signal::SignalKind;
/// use std::os::unix::process::ExitStatusExt;
/// use std::sync::Arc;
///
/// # let rt = filch::Runtime::new()?;
/// # rt.block_on(async {
/// let child = Arc::new(Command::new("sleep").arg("1000").spawn()?);
/// let waiting = [child.clone(), child.clone()].map(|child| filch::spawn(async move { child.exited().await }));
/// child.send_signal(SignalKind::terminate())?;
/// for task in waiting {
///     assert_eq!(task.await??.signal(), Some(15));
/// }
/// # std::io::Result::Ok(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Child {
    /// Its standard input, if that is a pipe. Closed by [`wait`](Self::wait); take it to keep it.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// Its standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    running: Running,
}

/// The program itself. A type of its own, so that a `Child` can be taken apart.
#[derive(Debug)]
struct Running {
    program: Box<str>,
    child: SharedChild,
    /// `None` only while it is dropped.
    notice: Option<AsyncFd<Notice>>,
    kill_on_drop: bool,
}

impl Child {
    /// Watches what was just started. If that fails, it is killed, and waited for.
    pub(super) fn watch(
        mut child: process::Child,
        prepared: AsyncFd<Notice>,
        program: &str,
        kill_on_drop: bool,
    ) -> io::Result<Self> {
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let notice = match ending::of_child(prepared, child.id()) {
            Ok(notice) => notice,
            Err(cause) => {
                end(child);
                return Err(killed(cause));
            }
        };
        let mut running = Running {
            program: program.into(),
            child: Arc::new(ending::Lock::new(Started::new(child))),
            notice: Some(notice),
            // Until its pipes are watched too.
            kill_on_drop: true,
        };
        let stdin = pipes.0.map(ChildStdin::from_std).transpose();
        let stdout = pipes.1.map(ChildStdout::from_std).transpose();
        let stderr = pipes.2.map(ChildStderr::from_std).transpose();
        let (stdin, stdout, stderr) = match (stdin, stdout, stderr) {
            (Ok(stdin), Ok(stdout), Ok(stderr)) => (stdin, stdout, stderr),
            (Err(cause), ..) | (_, Err(cause), _) | (.., Err(cause)) => return Err(killed(cause)),
        };
        running.kill_on_drop = kill_on_drop;
        Ok(Self {
            stdin,
            stdout,
            stderr,
            running,
        })
    }

    /// The number of its process; `None` once it has ended and its status is known, since from then on the number may be another's.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        lock(&self.running.child).id()
    }

    /// Closes its standard input, and waits until it has ended. Its status stays: whoever asks again gets it again.
    ///
    /// Who waits reads what the child writes, or has somebody else do it: a child whose pipe is full does not go on. [`wait_with_output`](Self::wait_with_output) does.
    ///
    /// # Errors
    ///
    /// With the program's name: what `waitpid(2)` says, `ECHILD` if somebody else has waited for it; or if the runtime that it was started in has shut down.
    ///
    /// # Cancel safety
    ///
    /// The status is not lost, and the child runs on. Its input is closed from the first poll on.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        self.exited().await
    }

    /// Waits until it has ended, and leaves its pipes alone. Any number of tasks may wait.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn exited(&self) -> io::Result<ExitStatus> {
        self.running.status().await
    }

    /// Its status if it has ended; does not wait, and leaves its standard input open.
    ///
    /// # Errors
    ///
    /// With the program's name: what `waitpid(2)` says.
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        let status = lock(&self.running.child).try_wait();
        status.map_err(|cause| self.running.at("look for the end of", cause))
    }

    /// Ends it by `SIGKILL`; does not wait for the end. Nothing happens if it has ended already.
    ///
    /// Programs that it has started itself are not ended; see [`process_group`](super::Command::process_group).
    ///
    /// # Errors
    ///
    /// With the program's name: what `kill(2)` says, for instance `PermissionDenied` if it has become another user's.
    pub fn start_kill(&self) -> io::Result<()> {
        self.send_signal(SignalKind::from_raw(numbers::SIGKILL))
    }

    /// Ends it by `SIGKILL`, closes its standard input, and waits until it has ended.
    ///
    /// # Errors
    ///
    /// As for [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    ///
    /// # Cancel safety
    ///
    /// It is killed by the first poll; the status is not lost.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Sends it a signal: `SignalKind::terminate()` asks it to end. Nothing happens if it has ended already; another process never gets it.
    ///
    /// # Errors
    ///
    /// With the program's name: what `kill(2)` says, `InvalidInput` if there is no such signal.
    pub fn send_signal(&self, kind: SignalKind) -> io::Result<()> {
        let sent = self.running.send_signal(kind.as_raw());
        sent.map_err(|cause| self.running.at(&format!("send {kind} to"), cause))
    }

    /// Closes its standard input, waits until it has ended, and collects what it writes meanwhile, of both pipes at once.
    ///
    /// The pipes end when nobody can write to them any more: if it has started a program that runs on, that is when that one ends, or closes them. There is no limit on what is collected.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait); what reading says.
    ///
    /// # Cancel safety
    ///
    /// The child is dropped with the future, and what was collected; it runs on, unless [`kill_on_drop`](super::Command::kill_on_drop) was asked for, but nobody reads what it writes any more (`SIGPIPE`).
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let (mut from_stdout, mut from_stderr) = (Vec::new(), Vec::new());
        let read_stdout = async {
            match stdout {
                Some(pipe) => pipe.read_to_end(&mut from_stdout).await,
                None => Ok(()),
            }
        };
        let read_stderr = async {
            match stderr {
                Some(pipe) => pipe.read_to_end(&mut from_stderr).await,
                None => Ok(()),
            }
        };
        let reading = async {
            let read = filch::try_join!(read_stdout, read_stderr);
            read.map_err(|cause| self.running.at("read from", cause))
        };
        let (status, _) = filch::try_join!(self.running.status(), reading)?;
        Ok(Output {
            status,
            stdout: from_stdout,
            stderr: from_stderr,
        })
    }
}

impl Running {
    async fn status(&self) -> io::Result<ExitStatus> {
        let notice = self.notice.as_ref().expect("taken only by the drop");
        let status = ending::status(&self.child, notice).await;
        status.map_err(|cause| self.at("wait for", cause))
    }

    fn send_signal(&self, number: i32) -> io::Result<()> {
        let notice = self.notice.as_ref().map(AsyncFd::get_ref);
        lock(&self.child).send_signal(notice, number)
    }

    fn at(&self, step: &str, cause: io::Error) -> io::Error {
        error::at(format_args!("{step} {}", self.program), cause)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.kill_on_drop {
            // It fails if it has ended, or is another user's by now: nothing can be done about either here.
            let _ = self.send_signal(numbers::SIGKILL);
        }
        let is_running = matches!(lock(&self.child).try_wait(), Ok(None));
        let notice = self.notice.take().map(AsyncFd::into_inner);
        if let (true, Some(notice)) = (is_running, notice) {
            reaper::entrust(Orphan {
                child: self.child.clone(),
                notice,
            });
        }
    }
}

/// Ends what cannot be watched. It blocks for as long as the kernel needs to end a process.
#[cold]
fn end(mut child: process::Child) {
    // Where SIGCHLD is ignored it may be gone, and its number another's.
    if matches!(child.try_wait(), Ok(None)) {
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[cold]
fn killed(cause: io::Error) -> io::Error {
    error::at("it was killed again, since it cannot be watched", cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::process::Stdio;

    /// Started, and then watched where that cannot be: outside of the runtime that was prepared for.
    fn fails_to_watch(prepare: fn() -> io::Result<AsyncFd<Notice>>) {
        let rt = filch::Runtime::new().unwrap();
        let prepared = rt.block_on(async { prepare().unwrap() });
        let mut command = process::Command::new("sleep");
        let child = command.arg("1000").stdin(Stdio::piped()).spawn().unwrap();
        let process = PathBuf::from(format!("/proc/{}", child.id()));
        assert!(process.exists());
        let error = Child::watch(child, prepared, "sleep", false).unwrap_err();
        let says = error.to_string();
        assert!(says.starts_with("it was killed again, "), "{error}");
        assert!(says.contains("runtime"), "{error}");
        // No zombie either, which would be there still.
        while process.exists() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_cannot_be_watched_is_killed_again() {
        fails_to_watch(|| ending::watch(Notice::Process(crate::sys::pidfd_open(process::id())?)));
    }

    #[test]
    fn what_has_pipes_that_cannot_be_watched_is_killed_again() {
        fails_to_watch(|| ending::watch(ending::any_child()?));
    }
}
