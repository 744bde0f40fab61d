//! Programs and their pipes: does a status wait for whoever asks, and is nobody left a zombie?
//!
//! These run in real time, with a program for each order.

use filch_net::process::{Child, ChildStdin, Command};
use filch_tests::cancel::Case;
use filch_tests::cases;
use filch_tests::guard::eventually;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

pub(crate) const CASES: &[Case] = cases! {
    Real:
    "net::process::Child::wait" => |cut| async move {
        let mut child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
        let pid = child.id().unwrap();
        let got = cut.drive(child.wait(), 1, async |_| kill(pid)).await;
        assert!(got.is_none_or(|got| is_killed(got.unwrap())));
        assert!(is_killed(child.wait().await.unwrap()));
    },
    "net::process::Child::exited" => |cut| async move {
        let child = cat();
        let pid = child.id().unwrap();
        let got = cut.drive(child.exited(), 1, async |_| kill(pid)).await;
        assert!(got.is_none_or(|got| is_killed(got.unwrap())));
        assert!(child.stdin.is_some());
        assert!(is_killed(child.exited().await.unwrap()));
    },
    "net::process::Child::kill" => |cut| async move {
        let mut child = cat();
        let got = cut.drive(child.kill(), 1, async |_| ()).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        // If it was never polled, it runs, and can be killed still.
        child.start_kill().unwrap();
        assert!(is_killed(child.wait().await.unwrap()));
    },
    "net::process::Child::wait_with_output" => |cut| async move {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let pid = child.id().unwrap();
        let mut input = child.stdin.take().unwrap();
        let step = async |at| match at {
            // Broken if the output is dropped already, and the program has found out.
            0 => drop(input.write_all(b"x").await),
            _ => input.close().await.unwrap(),
        };
        let got = cut.drive(child.wait_with_output(), 2, step).await;
        assert!(got.is_none_or(|got| got.unwrap().stdout == b"x"));
        is_gone(pid);
    },
    "net::process::Command::status" => |cut| async move {
        let (mut command, folder) = marking();
        let got = cut.drive(command.status(), 1, async |_| ()).await;
        assert!(got.is_none_or(|got| got.unwrap().success()));
        is_marked(&folder);
    },
    "net::process::Command::output" => |cut| async move {
        let (mut command, folder) = marking();
        let got = cut.drive(command.output(), 1, async |_| ()).await;
        assert!(got.is_none_or(|got| got.unwrap().stdout == b"x"));
        is_marked(&folder);
    },
    "net::process::ChildStdin::writable" => |cut| async move {
        let mut child = cat();
        let input = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let filled = fill(&input);
        let mut heard = 0;
        let step = async |_| {
            heard = read(&mut output, filled / 2).await;
            input.writable().await.unwrap();
        };
        let got = cut.drive(input.writable(), 1, step).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        drop(input);
        assert_eq!(heard + read(&mut output, usize::MAX).await, filled);
    },
    "net::process::ChildStdin (write)" => |cut| async move {
        let mut child = cat();
        let mut input = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let filled = fill(&input);
        let mut heard = 0;
        let step = async |_| heard = read(&mut output, filled / 2).await;
        let got = cut.drive(input.write(b"x"), 1, step).await;
        let written = got.map_or(0, Result::unwrap);
        drop(input);
        assert_eq!(heard + read(&mut output, usize::MAX).await, filled + written);
    },
    "net::process::ChildStdout::readable" => |cut| async move {
        let mut child = cat();
        let mut input = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let step = async |_| input.write_all(b"x").await.unwrap();
        let got = cut.drive(output.readable(), 1, step).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        drop(input);
        assert_eq!(read(&mut output, usize::MAX).await, 1);
    },
    "net::process::ChildStdout (read)" => |cut| async move {
        let mut child = cat();
        let mut input = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let step = async |_| input.write_all(b"x").await.unwrap();
        let got = cut.drive(output.read(&mut [0; 4]), 1, step).await;
        let taken = got.map_or(0, Result::unwrap);
        drop(input);
        assert_eq!(taken + read(&mut output, usize::MAX).await, 1);
    },
    "net::process::ChildStderr::readable" => |cut| async move {
        let mut child = complaining();
        let mut input = child.stdin.take().unwrap();
        let mut output = child.stderr.take().unwrap();
        let step = async |_| input.write_all(b"x").await.unwrap();
        let got = cut.drive(output.readable(), 1, step).await;
        assert!(got.is_none_or(|got| got.is_ok()));
        drop(input);
        assert_eq!(read(&mut output, usize::MAX).await, 1);
    },
    "net::process::ChildStderr (read)" => |cut| async move {
        let mut child = complaining();
        let mut input = child.stdin.take().unwrap();
        let mut output = child.stderr.take().unwrap();
        let step = async |_| input.write_all(b"x").await.unwrap();
        let got = cut.drive(output.read(&mut [0; 4]), 1, step).await;
        let taken = got.map_or(0, Result::unwrap);
        drop(input);
        assert_eq!(taken + read(&mut output, usize::MAX).await, 1);
    },
};

fn cat() -> Child {
    let mut cat = Command::new("cat");
    let cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped());
    cat.kill_on_drop(true).spawn().unwrap()
}

/// What it reads, it writes to its standard error.
fn complaining() -> Child {
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", "exec cat >&2"]).stdin(Stdio::piped());
    let shell = shell.stderr(Stdio::piped()).kill_on_drop(true);
    shell.spawn().unwrap()
}

/// A program that leaves a mark in a folder, and says `x`.
fn marking() -> (Command, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", ": > mark; printf x"]);
    shell.current_dir(folder.path()).stdout(Stdio::null());
    (shell, folder)
}

/// It was started by the call, and runs on.
fn is_marked(folder: &tempfile::TempDir) {
    let mark = folder.path().join("mark");
    eventually("the program has run", || mark.exists().then_some(()));
}

/// Writes until neither this pipe, nor the program, nor its own pipe takes more, as far as can be told from looking; how much.
fn fill(input: &ChildStdin) -> usize {
    let (mut filled, mut quiet_looks) = (0, 0);
    eventually("the pipes are full", || {
        quiet_looks += 1;
        while let Ok(count) = input.try_write(&[0; 4096]) {
            filled += count;
            quiet_looks = 0;
        }
        (quiet_looks == 10).then_some(())
    });
    filled
}

/// Reads until the end, or so many bytes at least; how many.
async fn read(output: &mut (impl AsyncReadExt + Unpin), wanted: usize) -> usize {
    let (mut heard, mut room) = (0, vec![0; 65536]);
    while heard < wanted {
        match output.read(&mut room).await.unwrap() {
            0 => break,
            count => heard += count,
        }
    }
    heard
}

fn kill(pid: u32) {
    // SAFETY: kill takes two numbers; the child is there until it is waited for.
    let sent = unsafe { libc::kill(i32::try_from(pid).unwrap(), libc::SIGKILL) };
    assert_eq!(sent, 0);
}

fn is_killed(status: ExitStatus) -> bool {
    status.signal() == Some(libc::SIGKILL)
}

/// No child any more, and no zombie.
fn is_gone(pid: u32) {
    let own = format!(" {} ", std::process::id());
    eventually("the child is waited for", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let is_ours = stat
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest[1..].starts_with(&own));
        (!is_ours).then_some(())
    });
}
