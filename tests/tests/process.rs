//! Are programs started, talked to and waited for, whatever becomes of them and of those who wait?
//!
//! Everything is run once more without `pidfd_open(2)`, by [`all_of_it_without_pidfd`]. What counts children, or lowers limits, does so in a process of its own.

use filch::{Runtime, select};
use filch_net::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use filch_net::signal::{SignalKind, signal};
use filch_net::{TcpListener, TcpStream};
use filch_tests::census::{Census, settle};
use filch_tests::guard::{eventually, within_reason};
use filch_tests::limits::{self, in_child};
use filch_tests::run_on;
use futures_lite::future::{block_on, poll_once, yield_now};
use futures_lite::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, IoSlice, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

/// With one worker, with two, and with more than there are cores.
const WORKERS: [usize; 3] = [1, 2, 8];

/// `CLOSE_RANGE_CLOEXEC`, as the call wants it.
const CLOEXEC: i32 = 4;

fn run<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    run_on(2, future)
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    command
}

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("1000");
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn is_killed(status: ExitStatus) -> bool {
    status.signal() == Some(libc::SIGKILL)
}

/// The state of a child of this process by the kernel's letter, `Z` for a zombie; none if there is no such child.
fn state_of(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut rest = rest.split(' ');
    let state = rest.next()?.chars().next()?;
    let is_ours = rest.next()? == std::process::id().to_string();
    is_ours.then_some(state)
}

fn is_gone(pid: u32) {
    eventually("a child is waited for", || {
        state_of(pid).is_none().then_some(())
    });
}

/// All children of this process, zombies too.
fn children() -> BTreeSet<u32> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    // A thread may have ended meanwhile; its children are another thread's then.
    let lists =
        tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("children")).ok());
    let children: Vec<String> = lists.collect();
    let pids = children.iter().flat_map(|list| list.split_whitespace());
    pids.map(|pid| pid.parse().unwrap()).collect()
}

fn no_children() {
    eventually("no child is left", || children().is_empty().then_some(()));
}

fn no_reaper() {
    eventually("the reaper ends with its last child", || {
        let tasks = fs::read_dir("/proc/self/task").unwrap();
        let names =
            tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
        let mut names = names.map(|name| name.trim() == "filch-reaper");
        (!names.any(|is_reaper| is_reaper)).then_some(())
    });
}

// How programs are started.

#[test]
fn a_program_gets_what_the_builder_says() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let mut command = shell("echo $0:$1:$A:$B:$C:$HOME; pwd; echo said >&2; exit 3");
        command.arg("zero").args(["one two"]).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command
            .env("A", "a")
            .envs([("B", "b"), ("C", "c")])
            .env_remove("C");
        command.current_dir(folder.path());
        for _ in 0..2 {
            let output = command.output().await.unwrap();
            let here = folder.path().canonicalize().unwrap();
            assert_eq!(
                text(&output.stdout),
                format!("zero:one two:a:b::\n{}\n", here.display())
            );
            assert_eq!(text(&output.stderr), "said\n");
            assert_eq!(output.status.code(), Some(3));
        }
        let mut named = Command::new("sh");
        named.arg0("another").args(["-c", "echo $0"]);
        assert_eq!(named.output().await.unwrap().stdout, b"another\n");
        assert_eq!(named.as_std().get_program(), "sh");
        let again = Command::from(named.into_std()).output().await.unwrap();
        assert_eq!(again.stdout, b"another\n");
    });
}

#[test]
fn a_status_is_had_of_every_end() {
    run(async {
        assert!(Command::new("true").status().await.unwrap().success());
        assert_eq!(shell("exit 7").status().await.unwrap().code(), Some(7));
        assert!(is_killed(shell("kill -KILL $$").status().await.unwrap()));
        // It does not wait for who reads nothing.
        let mut loud = shell("echo x; echo y; exit 1");
        loud.stdin(Stdio::piped()).stdout(Stdio::piped());
        assert!(!loud.status().await.unwrap().success());
    });
}

#[test]
fn a_process_group_is_joined() {
    run(async {
        let mut leader = sleeper()
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let group = leader.id().unwrap();
        let mut member = sleeper()
            .process_group(group.try_into().unwrap())
            .spawn()
            .unwrap();
        // SAFETY: kill takes two numbers; the group is there until its members are waited for.
        let sent = unsafe { libc::kill(-i32::try_from(group).unwrap(), libc::SIGTERM) };
        assert_eq!(sent, 0);
        for child in [&mut leader, &mut member] {
            assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGTERM));
        }
    });
}

#[test]
fn closures_run_before_the_program() {
    run(async {
        let mut command = shell("umask");
        // SAFETY: umask takes a number and touches no memory.
        let umask = || {
            // SAFETY: as above.
            unsafe { libc::umask(0o27) };
            Ok(())
        };
        // SAFETY: the closure does one system call.
        unsafe { command.pre_exec(umask) };
        assert_eq!(text(&command.output().await.unwrap().stdout).trim(), "0027");
        let refuse = || Err(io::Error::from_raw_os_error(libc::EBUSY));
        // SAFETY: the closure does nothing.
        unsafe { command.pre_exec(refuse) };
        let error = command.spawn().map(drop).unwrap_err();
        assert!(error.to_string().starts_with("start sh: "), "{error}");
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
    });
}

#[test]
fn user_and_groups_are_set_in_any_order() {
    // SAFETY: geteuid takes and touches nothing.
    let is_root = unsafe { libc::geteuid() } == 0;
    run(async move {
        let mut id = shell("id -u; id -g; id -G");
        id.uid(65_431).groups(&[65_433, 65_434]).gid(65_432);
        if !is_root {
            let error = id.output().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
            return;
        }
        let output = id.output().await.unwrap();
        assert_eq!(text(&output.stdout), "65431\n65432\n65432 65433 65434\n");
        // What is changed counts the next time; without groups it is std's doing.
        let output = id.groups(&[]).uid(65_430).output().await.unwrap();
        assert_eq!(text(&output.stdout), "65430\n65432\n65432\n");
        let mut id = shell("id -u; id -G");
        let output = id.uid(65_431).gid(65_432).output().await;
        assert_eq!(text(&output.unwrap().stdout), "65431\n65432\n");
        // And when groups are given after a start without, the user comes behind them all the same.
        let output = id.groups(&[65_433]).output().await;
        assert_eq!(text(&output.unwrap().stdout), "65431\n65432 65433\n");
    });
}

// What cannot be started.

#[test]
fn errors_name_the_program() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain");
        fs::write(&plain, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
        let nowhere = folder.path().join("nowhere");
        let mut misplaced = Command::new("true");
        misplaced.current_dir(&nowhere);
        let misplaced_says = format!("start true in {}: No such file", nowhere.display());
        let cases = [
            (
                Command::new("no-such-program"),
                io::ErrorKind::NotFound,
                "start no-such-program: No such file".to_owned(),
            ),
            (
                Command::new(&plain),
                io::ErrorKind::PermissionDenied,
                format!("start {}: Permission denied", plain.display()),
            ),
            (
                Command::new("a\0b"),
                io::ErrorKind::InvalidInput,
                "start ".to_owned(),
            ),
            (misplaced, io::ErrorKind::NotFound, misplaced_says),
        ];
        for (mut command, kind, says) in cases {
            let errors = [
                command.spawn().map(drop).unwrap_err(),
                command.status().await.map(drop).unwrap_err(),
                command.output().await.map(drop).unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.kind(), kind, "{error}");
                assert!(error.to_string().starts_with(&says), "{error}");
            }
        }
    });
}

#[test]
fn without_a_reactor_nothing_is_started() {
    within_reason(|| {
        let folder = tempfile::tempdir().unwrap();
        let marker = folder.path().join("marker");
        let mut touch = Command::new("touch");
        touch.arg(&marker);
        let outside = touch.spawn().map(drop).unwrap_err();
        assert!(outside.to_string().contains("start touch: "), "{outside}");
        assert!(outside.to_string().contains("runtime"), "{outside}");
        let simulated = Runtime::builder().simulated(1).build().unwrap();
        let inside = simulated.block_on(async { touch.spawn().map(drop).unwrap_err() });
        assert!(inside.to_string().contains("simulation"), "{inside}");
        assert!(!marker.exists());
        // The same is good within a runtime.
        let rt = Runtime::new().unwrap();
        assert!(
            rt.block_on(touch.status()).is_err(),
            "the call was made outside"
        );
        assert!(
            rt.block_on(async { touch.status().await })
                .unwrap()
                .success()
        );
        assert!(marker.exists());
    });
}

#[test]
fn a_thread_of_the_pool_may_start_programs() {
    run(async {
        let started = filch::spawn_blocking(|| shell("exit 4").spawn()).await;
        let mut child = started.unwrap().unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(4));
    });
}

#[test]
fn without_descriptors_nothing_is_started_or_left_behind() {
    in_child(
        "without_descriptors_nothing_is_started_or_left_behind",
        || {
            run(async {
                // Once, so that what is made only once is there.
                shell("true").output().await.unwrap();
                // With three pipes, of which one end each is needed no more after the start; and with the one that it is watched by.
                let refused = [refusals(true).await, refusals(false).await];
                assert!(refused[0] >= 3 && refused[1] == 1, "{refused:?}");
                no_children();
            });
        },
    );
}

/// How often a program could not be started for lack of descriptors, with one more each time until it could.
async fn refusals(with_pipes: bool) -> usize {
    let before = Census::now().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("marker");
    let mut touch = Command::new("touch");
    touch.arg(&marker);
    // The limit is one on numbers, and a new descriptor gets the lowest that is free.
    let first_free = fs::File::open("/dev/null").unwrap().as_raw_fd();
    let first_free = usize::try_from(first_free).unwrap();
    for spare in 0.. {
        limits::descriptors(first_free + spare).unwrap();
        let status = match with_pipes {
            true => touch
                .stdin(Stdio::piped())
                .output()
                .await
                .map(|output| output.status),
            false => touch.status().await,
        };
        limits::descriptors(1024).unwrap();
        assert_eq!(Census::now().unwrap().descriptors, before.descriptors);
        match status {
            Ok(status) => {
                assert!(status.success() && marker.exists());
                return spare;
            }
            Err(error) => {
                let says = error.to_string();
                assert!(says.starts_with("start touch: "), "{error}");
                assert!(says.contains("Too many open files"), "{error}");
                assert!(!says.contains("killed"), "with {spare} to spare: {error}");
                assert!(!marker.exists(), "with {spare} to spare: {error}");
            }
        }
    }
    unreachable!("there are so many")
}

#[test]
fn without_processes_nothing_is_started() {
    in_child("without_processes_nothing_is_started", || {
        run(async {
            limits::threads(1).unwrap();
            let error = Command::new("true").spawn().map(drop).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
            assert!(error.to_string().starts_with("start true: "), "{error}");
            no_children();
            limits::threads(1000).unwrap();
            assert!(Command::new("true").status().await.unwrap().success());
        });
    });
}

// How they end.

#[test]
fn a_status_is_kept_for_whoever_asks() {
    for workers in WORKERS {
        run_on(workers, async {
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let pid = child.id().unwrap();
            assert_eq!(child.try_wait().unwrap(), None);
            for _ in 0..3 {
                assert!(poll_once(child.exited()).await.is_none());
            }
            assert!(child.stdin.is_some(), "only wait closes it");
            // Which ends the child.
            let first = poll_once(child.wait()).await;
            assert!(child.stdin.is_none());
            let status = child.wait().await.unwrap();
            assert!(first.is_none_or(|first| first.unwrap() == status));
            assert_eq!(child.id(), None);
            assert_eq!(state_of(pid), None);
            assert_eq!(child.wait().await.unwrap(), status);
            assert_eq!(child.try_wait().unwrap(), Some(status));
            // It has ended: there is nothing to kill, and nobody else is.
            child.start_kill().unwrap();
            child.kill().await.unwrap();
            child.send_signal(SignalKind::terminate()).unwrap();
            assert!(child.wait_with_output().await.unwrap().status.success());
        });
    }
}

#[test]
fn many_tasks_wait_for_one_child() {
    for workers in WORKERS {
        run_on(workers, async {
            let child = Arc::new(sleeper().spawn().unwrap());
            let wait = || {
                let child = child.clone();
                filch::spawn(async move { child.exited().await })
            };
            let tasks: Vec<_> = (0..32).map(|_| wait()).collect();
            yield_now().await;
            child.start_kill().unwrap();
            for task in tasks {
                assert!(is_killed(task.await.unwrap().unwrap()));
            }
        });
    }
}

#[test]
fn a_child_may_be_killed_while_it_is_waited_for() {
    for workers in WORKERS {
        run_on(workers, async {
            for _ in 0..20 {
                let mut child = sleeper().spawn().unwrap();
                let given_up = select! {
                    _status = child.wait() => false,
                    () = yield_now() => true,
                };
                assert!(given_up);
                child.kill().await.unwrap();
                assert!(is_killed(child.wait().await.unwrap()));
            }
        });
    }
}

#[test]
fn signals_reach_the_child() {
    run(async {
        let mut child = shell("trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done");
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = [0; 6];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut ready)
            .await
            .unwrap();
        child.send_signal(SignalKind::terminate()).unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(5));
        let child = sleeper().kill_on_drop(true).spawn().unwrap();
        let error = child.send_signal(SignalKind::from_raw(1000)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(
            error.to_string().starts_with("send signal 1000 to sleep: "),
            "{error}"
        );
    });
}

#[test]
fn a_status_that_somebody_else_took_is_an_error() {
    run(async {
        let mut child = sleeper().spawn().unwrap();
        let pid = i32::try_from(child.id().unwrap()).unwrap();
        child.start_kill().unwrap();
        // SAFETY: waitpid may be told not to write the status anywhere.
        let ended = unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        assert_eq!(ended, pid);
        for error in [
            child.wait().await.unwrap_err(),
            child.try_wait().unwrap_err(),
        ] {
            assert!(
                error.to_string().contains(" sleep: No child processes"),
                "{error}"
            );
        }
        assert!(
            child.start_kill().is_err(),
            "the number may be somebody else's"
        );
    });
}

#[test]
fn where_children_are_ignored_nothing_hangs() {
    in_child("where_children_are_ignored_nothing_hangs", || {
        run(async {
            // SAFETY: signal takes two numbers here; nothing is called.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
            let without_pidfd = std::env::var_os("FILCH_NO_PIDFD").is_some();
            for _ in 0..20 {
                match shell("exit 3").output().await {
                    // Listening has made the system keep the status.
                    Ok(output) => assert!(without_pidfd && output.status.code() == Some(3)),
                    Err(error) => assert!(error.to_string().contains(" sh: "), "{error}"),
                }
            }
        });
    });
}

#[test]
fn thousands_of_children_leave_nothing_behind() {
    in_child("thousands_of_children_leave_nothing_behind", || {
        let before = Census::now().unwrap();
        for workers in WORKERS {
            run_on(workers, async {
                for _batch in 0..8 {
                    let tasks: Vec<_> = (0..100_i32)
                        .map(|code| {
                            filch::spawn(async move {
                                let mut child = shell(&format!("exit {code}"));
                                assert_eq!(child.status().await.unwrap().code(), Some(code));
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                    assert_eq!(children(), BTreeSet::new());
                }
            });
        }
        settle(&before);
    });
}

// Who is not waited for.

#[test]
fn a_child_that_is_dropped_runs_on_and_is_no_zombie() {
    in_child("a_child_that_is_dropped_runs_on_and_is_no_zombie", || {
        let before = Census::now().unwrap();
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let (mut inputs, mut pids) = (Vec::new(), Vec::new());
            for n in 0..100 {
                let file = fs::File::create(folder.path().join(n.to_string())).unwrap();
                let mut cat = Command::new("cat");
                let mut child = cat.stdin(Stdio::piped()).stdout(file).spawn().unwrap();
                inputs.push(child.stdin.take().unwrap());
                pids.push(child.id().unwrap());
                drop(child);
            }
            assert!(pids.iter().all(|&pid| state_of(pid).is_some()), "they run");
            assert_eq!(children().len(), 100);
            // The even ones first.
            for (n, mut input) in inputs.into_iter().enumerate().filter(|(n, _)| n % 2 == 0) {
                input.write_all(b"on").await.unwrap();
                input.close().await.unwrap();
                is_gone(pids[n]);
                let written = fs::read(folder.path().join(n.to_string())).unwrap();
                assert_eq!(written, b"on");
            }
            no_children();
            no_reaper();
        });
        settle(&before);
        // It comes again when it is needed again.
        run(async {
            let child = shell("exit 0").spawn().unwrap();
            let pid = child.id().unwrap();
            drop(child);
            is_gone(pid);
        });
        settle(&before);
    });
}

#[test]
fn kill_on_drop_kills() {
    in_child("kill_on_drop_kills", || {
        let before = Census::now().unwrap();
        for workers in WORKERS {
            run_on(workers, async {
                let mut command = sleeper();
                assert!(!command.get_kill_on_drop());
                command.kill_on_drop(true);
                assert!(command.get_kill_on_drop());
                let children: Vec<Child> = (0..50).map(|_| command.spawn().unwrap()).collect();
                // In tasks that are aborted, in futures that are given up, and here.
                let mut tasks = Vec::new();
                for (n, mut child) in children.into_iter().enumerate() {
                    match n % 3 {
                        0 => drop(child),
                        1 => tasks.push(filch::spawn(async move { child.wait().await.map(drop) })),
                        _ => assert!(poll_once(child.wait_with_output()).await.is_none()),
                    }
                }
                tasks.iter().for_each(filch::JoinHandle::abort);
                assert!(poll_once(command.status()).await.is_none());
                assert!(poll_once(command.output()).await.is_none());
                no_children();
            });
        }
        settle(&before);
    });
}

#[test]
fn children_outlive_their_runtime_without_becoming_zombies() {
    in_child(
        "children_outlive_their_runtime_without_becoming_zombies",
        || {
            let before = Census::now().unwrap();
            within_reason(|| {
                let rt = Runtime::new().unwrap();
                let start = || Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
                let (mut kept, mut waited, dropped) =
                    rt.block_on(async { (start(), start(), start()) });
                let pids = [&kept, &waited, &dropped].map(|child| child.id().unwrap());
                let input: Vec<Option<ChildStdin>> = [&mut kept, &mut waited]
                    .map(|child| child.stdin.take())
                    .into();
                rt.spawn(async move { waited.wait().await.map(drop) });
                drop(rt);
                // Outside of any runtime.
                drop(dropped);
                is_gone(pids[2]);
                let error = block_on(kept.exited()).unwrap_err();
                assert!(error.to_string().contains("wait for cat: "), "{error}");
                assert!(error.to_string().contains("shut down"), "{error}");
                assert_eq!(kept.try_wait().unwrap(), None);
                assert_eq!(children(), BTreeSet::from([pids[0], pids[1]]));
                drop(input);
                is_gone(pids[1]);
                let status = eventually("the other one ends too", || kept.try_wait().unwrap());
                assert!(status.success());
                no_children();
                // There is no need of the runtime to end the program.
                let rt = Runtime::new().unwrap();
                let child = rt.block_on(async { sleeper().spawn().unwrap() });
                drop(rt);
                child.start_kill().unwrap();
                drop(child);
                no_children();
            });
            settle(&before);
        },
    );
}

// What is said and heard.

#[test]
fn ten_megabytes_on_both_pipes_at_once() {
    const BYTES: usize = 10_000_000;
    for workers in WORKERS {
        run_on(workers, async {
            let both = "head -c 10000000 /dev/zero | tr '\\0' o & head -c 10000000 /dev/zero | tr '\\0' e >&2; wait";
            let output = shell(both).output().await.unwrap();
            assert!(output.status.success());
            for (bytes, expected) in [(output.stdout, b'o'), (output.stderr, b'e')] {
                assert_eq!(bytes.len(), BYTES);
                assert!(bytes.iter().all(|&byte| byte == expected));
            }
        });
    }
}

#[test]
fn output_around_the_size_of_a_turn_is_complete() {
    run(async {
        for turns in [1, 2] {
            for bytes in [
                (64 << 10) * turns - 1,
                (64 << 10) * turns,
                (64 << 10) * turns + 1,
                0,
            ] {
                let script = format!("head -c {bytes} /dev/zero");
                let output = shell(&script).output().await.unwrap();
                assert_eq!(output.stdout.len(), bytes);
                assert_eq!(output.stderr.len(), 0);
            }
        }
    });
}

#[test]
fn what_is_written_comes_back() {
    for workers in WORKERS {
        run_on(workers, async {
            let mut cat = Command::new("cat");
            let mut cat = cat
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let (mut input, mut output) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
            let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
            let expected = sent.clone();
            let writing = filch::spawn(async move {
                input.write_all(&sent).await.unwrap();
                // The end of it, while the value lives on.
                input.close().await.unwrap();
                let error = input.write(b"x").await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
                assert_eq!(
                    input.try_write(b"x").unwrap_err().kind(),
                    io::ErrorKind::BrokenPipe
                );
                assert!(input.writable().await.is_err());
                input.close().await.unwrap();
                assert!(format!("{input:?}").contains("None"));
                input
            });
            let mut received = Vec::new();
            output.read_to_end(&mut received).await.unwrap();
            assert!(received == expected);
            let input = writing.await.unwrap();
            assert!(input.into_owned_fd().is_err());
            assert!(cat.wait().await.unwrap().success());
        });
    }
}

#[test]
fn a_writer_waits_for_a_child_that_does_not_read() {
    run(async {
        let mut child = sleeper().stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut writing = pin!(async {
            let mut written = 0;
            loop {
                match input.write(&[0; 4096]).await {
                    Ok(count) => written += count,
                    Err(error) => return (written, error),
                }
            }
        });
        assert!(
            poll_once(writing.as_mut()).await.is_none(),
            "the pipe has an end"
        );
        child.kill().await.unwrap();
        let (written, error) = writing.await;
        assert!((4096..=1 << 20).contains(&written), "{written} bytes");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
}

/// As in a program that has given `SIGPIPE` its default action back, which would end it.
#[test]
fn a_child_that_does_not_read_any_more_kills_nobody() {
    in_child("a_child_that_does_not_read_any_more_kills_nobody", || {
        // SAFETY: signal takes two numbers.
        let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        assert_ne!(before, libc::SIG_ERR);
        run(async {
            let mut child = shell("exec <&-; echo; exec sleep 1000");
            child.stdin(Stdio::piped()).stdout(Stdio::piped());
            // Else whoever has started this process would wait for it.
            child.stderr(Stdio::null());
            let mut child = child.kill_on_drop(true).spawn().unwrap();
            let mut input = child.stdin.take().unwrap();
            let mut output = child.stdout.take().unwrap();
            // From now on its input is closed.
            output.read_exact(&mut [0]).await.unwrap();
            let pieces = [IoSlice::new(b"x")];
            let errors = [
                input.write(b"x").await,
                input.write_vectored(&pieces).await,
                input.try_write(b"x"),
            ];
            for error in errors {
                assert_eq!(error.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            }
        });
    });
}

/// A child may put its pipe into packet mode (`O_DIRECT`, see `pipe(2)`): a read that comes back short does not say that the pipe is empty.
#[test]
fn packets_of_a_child_come_one_by_one_and_all() {
    run(async {
        let mut ends = [-1; 2];
        // SAFETY: the kernel writes two numbers into the array, which is ours.
        let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_DIRECT | libc::O_CLOEXEC) };
        assert_eq!(made, 0);
        // SAFETY: the kernel has just opened both, and nobody else knows them.
        let [read, write] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        let mut write = fs::File::from(write);
        for (of_stderr, read) in [(false, read.try_clone().unwrap()), (true, read)] {
            for packet in ["one", "two", "three"] {
                write.write_all(packet.as_bytes()).unwrap();
            }
            let mut output: Pin<Box<dyn AsyncRead + Send>> = if of_stderr {
                Box::pin(ChildStderr::from_std(read.into()).unwrap())
            } else {
                Box::pin(ChildStdout::from_std(read.into()).unwrap())
            };
            let mut room = [0; 100];
            for packet in ["one", "two", "three"] {
                let count = output.read(&mut room).await.unwrap();
                assert_eq!(&room[..count], packet.as_bytes());
            }
        }
    });
}

#[test]
fn standard_error_is_read_by_hand() {
    run(async {
        let mut child = shell("echo said >&2")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut heard = Vec::new();
        let stderr = child.stderr.take().unwrap();
        loop {
            stderr.readable().await.unwrap();
            let mut room = [0; 2];
            match stderr.try_read(&mut room) {
                Ok(0) => break,
                Ok(count) => heard.extend(&room[..count]),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert_eq!(text(&heard), "said\n");
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn pipes_of_one_child_are_given_to_the_next() {
    run(async {
        let mut first = shell("echo b; echo a; echo c")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let between = Stdio::try_from(first.stdout.take().unwrap()).unwrap();
        let mut sort = Command::new("sort");
        let second = sort.stdin(between).stdout(Stdio::piped()).spawn().unwrap();
        drop(sort);
        assert_eq!(
            second.wait_with_output().await.unwrap().stdout,
            b"a\nb\nc\n"
        );
        assert!(first.wait().await.unwrap().success());

        // The other way round: the first one writes to the second's input.
        let mut last = Command::new("cat");
        let mut last = last
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let into_last = Stdio::try_from(last.stdin.take().unwrap()).unwrap();
        assert!(
            shell("echo hello")
                .stdout(into_last)
                .status()
                .await
                .unwrap()
                .success()
        );
        assert_eq!(last.wait_with_output().await.unwrap().stdout, b"hello\n");

        // Descriptors of any kind.
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"from a file").unwrap();
        file.rewind().unwrap();
        let output = Command::new("cat").stdin(file).output().await.unwrap();
        assert_eq!(output.stdout, b"from a file");
    });
}

#[test]
fn a_connection_is_given_to_a_program() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (served, _) = listener.accept().await.unwrap();
        let copy = served.as_fd().try_clone_to_owned().unwrap();
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::try_from(served).unwrap()).stdout(copy);
        let mut child = cat.spawn().unwrap();
        drop(cat);
        client.write_all(b"to a program and back").await.unwrap();
        client.close().await.unwrap();
        let mut back = String::new();
        client.read_to_string(&mut back).await.unwrap();
        assert_eq!(back, "to a program and back");
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_pipe_blocks_for_those_it_is_given_to() {
    run(async {
        let mut child = Command::new("cat");
        let mut child = child
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let flags = |descriptor: &dyn AsRawFd| {
            // SAFETY: this fcntl takes two numbers.
            unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_GETFL) }
        };
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        assert_ne!(flags(&input) & libc::O_NONBLOCK, 0);
        assert_ne!(flags(&output) & libc::O_NONBLOCK, 0);
        let (input, output) = (
            input.into_owned_fd().unwrap(),
            output.into_owned_fd().unwrap(),
        );
        assert_eq!(flags(&input) & libc::O_NONBLOCK, 0);
        assert_eq!(flags(&output) & libc::O_NONBLOCK, 0);
        let (mut input, mut output) = (fs::File::from(input), fs::File::from(output));
        input.write_all(b"x").unwrap();
        drop(input);
        let mut back = String::new();
        output.read_to_string(&mut back).unwrap();
        assert_eq!(back, "x");
        child.wait().await.unwrap();
    });
}

#[test]
fn a_child_has_three_descriptors_and_no_more() {
    in_child("a_child_has_three_descriptors_and_no_more", || {
        // What this process was given by whoever started it is not ours.
        // SAFETY: this close_range closes nothing, it says that what is open now is not to be inherited.
        let told = unsafe { libc::close_range(3, u32::MAX, CLOEXEC) };
        assert_eq!(told, 0);
        for workers in WORKERS {
            run_on(workers, async {
                // Started at the same time by several threads, each with pipes and watched; of signals too.
                let _listener = signal(SignalKind::hangup()).unwrap();
                let one = || async {
                    let mut other = Command::new("cat");
                    let other = other.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
                    let listing = Command::new("ls").arg("/proc/self/fd").output().await;
                    // The fourth is the folder that it reads.
                    assert_eq!(text(&listing.unwrap().stdout), "0\n1\n2\n3\n");
                    // Nobody else has the end that makes this one end.
                    let output = other.unwrap().wait_with_output().await.unwrap();
                    assert!(output.status.success());
                };
                let tasks: Vec<_> = (0..40).map(|_| filch::spawn(one())).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
        }
    });
}

#[test]
fn signals_of_children_are_heard_beside() {
    // Listening for SIGCHLD and waiting do not take anything from each other.
    run(async {
        let mut ends = signal(SignalKind::child()).unwrap();
        for _ in 0..10 {
            assert!(Command::new("true").status().await.unwrap().success());
            ends.recv().await.unwrap();
        }
    });
}

#[test]
fn all_of_it_without_pidfd() {
    if std::env::var_os("FILCH_NO_PIDFD").is_some() {
        return;
    }
    let own = std::env::current_exe().unwrap();
    let output = std::process::Command::new(own)
        .args(["--skip", "all_of_it_without_pidfd"])
        .env("FILCH_NO_PIDFD", "1")
        .output()
        .unwrap();
    let said = text(&output.stdout);
    let complained = text(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(!said.contains(" 0 passed"), "{said}");
}
