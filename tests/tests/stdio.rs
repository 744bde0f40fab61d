//! Are standard streams read and written, whatever they are, without a change for those who share them, and without a delay of the exit?
//!
//! Each test runs its own binary again, with the streams that it wants; what the child does stands in the same test. A child speaks by its standard error, since the test harness in it
//! writes to standard output.

use filch::runtime::Builder;
use filch_net::io::{stderr, stdin, stdout};
use filch_tests::guard::within_reason;
use filch_tests::limits::in_child;
use filch_tests::pipe::{make_fifo, pipe};
use futures_lite::future::poll_once;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

const CHILD: &str = "FILCH_STDIO_CHILD";
const BYTES: usize = 1_000_000;

/// The child's part of a test, in a runtime of so many workers as are asked for; or the parent's.
fn split<F>(name: &'static str, child: impl FnOnce() -> F, parent: impl FnOnce())
where
    F: Future<Output = ()>,
{
    if std::env::var_os(CHILD).is_none_or(|value| value != name) {
        return parent();
    }
    let workers = std::env::var("FILCH_STDIO_WORKERS").unwrap();
    let workers = workers.parse().unwrap();
    let rt = Builder::new().worker_threads(workers).build().unwrap();
    rt.block_on(child());
}

/// Runs a test's own binary again, with these streams, and waits until it has ended; what it says to standard error comes back.
fn child(name: &'static str, workers: usize, streams: impl FnOnce(&mut Command)) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .env("FILCH_STDIO_WORKERS", workers.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    streams(&mut command);
    command.spawn().unwrap()
}

/// What it says, and that it has succeeded.
fn end(child: Child) -> Vec<u8> {
    within_reason(move || {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr[..output.stderr.len().min(2000)]);
        assert!(output.status.success(), "{}: {said}", output.status);
        output.stderr
    })
}

fn is_nonblocking(fd: &impl AsRawFd) -> bool {
    // SAFETY: this fcntl takes numbers.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    assert_ne!(flags, -1);
    flags & libc::O_NONBLOCK != 0
}

fn clone(fd: &impl std::os::fd::AsFd) -> OwnedFd {
    fd.as_fd().try_clone_to_owned().unwrap()
}

/// A pipe that blocks: where to read, where to write.
fn blocking_pipe() -> (File, File) {
    let (read, write) = pipe().unwrap();
    for end in [&read, &write] {
        // SAFETY: this fcntl takes numbers; the flags of a pipe are but this one, and the direction, which cannot be set.
        assert_eq!(unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFL, 0) }, 0);
    }
    (read, write)
}

/// A terminal in raw mode: the side of who looks at it, and the side of the program.
fn terminal() -> (File, File) {
    let (mut ours, mut theirs) = (-1, -1);
    let none = std::ptr::null_mut::<libc::c_char>();
    // SAFETY: openpty writes two numbers, and was asked for nothing else.
    let made = unsafe {
        libc::openpty(
            &raw mut ours,
            &raw mut theirs,
            none,
            std::ptr::null(),
            std::ptr::null(),
        )
    };
    assert_eq!(made, 0);
    let mut mode = std::mem::MaybeUninit::<libc::termios>::uninit();
    // SAFETY: tcgetattr fills in the struct, which is ours.
    assert_eq!(unsafe { libc::tcgetattr(theirs, mode.as_mut_ptr()) }, 0);
    // SAFETY: filled in above.
    let mut mode = unsafe { mode.assume_init() };
    // SAFETY: the struct is ours.
    unsafe { libc::cfmakeraw(&raw mut mode) };
    // SAFETY: the struct is read.
    let set = unsafe { libc::tcsetattr(theirs, libc::TCSANOW, &raw const mode) };
    assert_eq!(set, 0);
    // SAFETY: the kernel has just opened both, and nobody else knows them.
    let [ours, theirs] = [ours, theirs].map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    (ours.into(), theirs.into())
}

fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| b'a' + (at % 23) as u8).collect()
}

/// What a standard stream may be. The first is for the child; the other is its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pipe,
    Socket,
    Terminal,
    /// A pipe that the child must not open anew.
    Stubborn,
}

const KINDS: [Kind; 4] = [Kind::Pipe, Kind::Socket, Kind::Terminal, Kind::Stubborn];

fn streams(kind: Kind, child_reads: bool) -> (OwnedFd, File) {
    match kind {
        Kind::Pipe | Kind::Stubborn => {
            let (read, write) = blocking_pipe();
            if kind == Kind::Stubborn {
                // Nobody but the superuser may open it anew, which the child is not.
                let closed = std::fs::Permissions::from_mode(0o0);
                read.set_permissions(closed).unwrap();
            }
            if child_reads {
                (read.into(), write)
            } else {
                (write.into(), read)
            }
        }
        Kind::Socket => {
            let (ours, theirs) = UnixStream::pair().unwrap();
            (theirs.into(), OwnedFd::from(ours).into())
        }
        Kind::Terminal => {
            let (ours, theirs) = terminal();
            (theirs.into(), ours)
        }
    }
}

/// The child becomes a user whom no one else is, if it is the superuser, to whom nothing is forbidden. It must not open this stream anew then.
fn give_up_rights(stream: i32) {
    // SAFETY: getuid takes and touches nothing.
    if unsafe { libc::getuid() } == 0 {
        // SAFETY: setresuid takes three numbers.
        assert_eq!(unsafe { libc::setresuid(64_998, 64_998, 64_998) }, 0);
    }
    let mut options = File::options();
    options.read(stream == 0).write(stream != 0);
    let opened = options.open(format!("/proc/self/fd/{stream}"));
    assert!(opened.is_err(), "not stubborn at all");
}

fn is_stubborn() -> bool {
    std::env::var_os("FILCH_STDIO_STUBBORN").is_some()
}

/// For each kind of stream, with one worker and with several.
fn each(act: impl Fn(Kind, usize)) {
    for kind in KINDS {
        for workers in [1, 4] {
            act(kind, workers);
        }
    }
}

fn mark(command: &mut Command, kind: Kind) {
    if kind == Kind::Stubborn {
        command.env("FILCH_STDIO_STUBBORN", "1");
    }
}

#[test]
fn a_read_that_waits_delays_no_exit() {
    let name = "a_read_that_waits_delays_no_exit";
    let waits = || async {
        if is_stubborn() {
            give_up_rights(0);
        }
        let mut input = stdin();
        assert!(poll_once(input.read(&mut [0; 10])).await.is_none());
        // Another one, which waits while the runtime ends.
        filch::spawn(async { stdin().read(&mut [0; 10]).await }).detach();
        filch::yield_now().await;
        let mut said = stderr();
        said.write_all(b"waits").await.unwrap();
        said.flush().await.unwrap();
    };
    split(name, waits, || {
        each(|kind, workers| {
            let (theirs, ours) = streams(kind, true);
            let kept = clone(&theirs);
            let child = child(name, workers, |command| {
                mark(command, kind);
                command.stdin(theirs);
            });
            // Nothing comes, and no end.
            assert_eq!(end(child), b"waits", "{kind:?}");
            assert!(!is_nonblocking(&kept), "{kind:?} is shared with us");
            drop(ours);
        });
    });
}

#[test]
fn all_bytes_are_read_and_nothing_is_changed_for_others() {
    let name = "all_bytes_are_read_and_nothing_is_changed_for_others";
    let echoes = || async {
        if is_stubborn() {
            give_up_rights(0);
        }
        let (mut input, mut output) = (stdin(), stderr());
        let (mut room, mut left) = (vec![0; 10_000], BYTES);
        while left > 0 {
            // Given up now and then, which loses nothing.
            let count = match poll_once(input.read(&mut room)).await {
                Some(count) => count.unwrap(),
                None => input.read(&mut room).await.unwrap(),
            };
            assert_ne!(count, 0, "{left} bytes too early");
            output.write_all(&room[..count]).await.unwrap();
            left -= count;
        }
        output.flush().await.unwrap();
    };
    split(name, echoes, || {
        each(|kind, workers| {
            let (theirs, mut ours) = streams(kind, true);
            let kept = clone(&theirs);
            let child = child(name, workers, |command| {
                mark(command, kind);
                command.stdin(theirs);
            });
            let writer = std::thread::spawn(move || {
                // In pieces of odd sizes.
                for piece in pattern(BYTES).chunks(7919) {
                    ours.write_all(piece).unwrap();
                }
                ours
            });
            assert!(end(child) == pattern(BYTES), "{kind:?}");
            assert!(!is_nonblocking(&kept), "{kind:?} is shared with us");
            drop(writer.join().unwrap());
        });
    });
}

#[test]
fn the_end_is_read_of_whatever_it_is() {
    let name = "the_end_is_read_of_whatever_it_is";
    let counts = || async {
        let mut text = String::new();
        stdin().read_to_string(&mut text).await.unwrap();
        let mut output = stderr();
        output.write_all(text.as_bytes()).await.unwrap();
        output.flush().await.unwrap();
    };
    split(name, counts, || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, pattern(BYTES)).unwrap();
        let file = File::open(&path).unwrap();
        let from_file = child(name, 2, |command| {
            command.stdin(file);
        });
        assert!(end(from_file) == pattern(BYTES));
        let nothing = child(name, 2, |_| ());
        assert_eq!(end(nothing), b"");
        for kind in [Kind::Pipe, Kind::Socket] {
            let (theirs, mut ours) = streams(kind, true);
            let child = child(name, 2, |command| {
                command.stdin(theirs);
            });
            ours.write_all(b"the end").unwrap();
            drop(ours);
            assert_eq!(end(child), b"the end", "{kind:?}");
        }
        // Its writers may have gone before it is looked at.
        let fifo = folder.path().join("fifo");
        make_fifo(&fifo).unwrap();
        let read = File::options().read(true).write(true).open(&fifo).unwrap();
        let only_reads = File::open(&fifo).unwrap();
        (&read).write_all(b"left behind").unwrap();
        let child = child(name, 2, |command| {
            command.stdin(only_reads);
        });
        drop(read);
        assert_eq!(end(child), b"left behind");
    });
}

#[test]
fn all_bytes_are_written_to_a_slow_reader() {
    let name = "all_bytes_are_written_to_a_slow_reader";
    let writes = || async {
        if is_stubborn() {
            give_up_rights(2);
        }
        let mut output = stderr();
        output.write_all(&pattern(BYTES)).await.unwrap();
        output.flush().await.unwrap();
    };
    split(name, writes, || {
        each(|kind, workers| {
            let (theirs, mut ours) = streams(kind, false);
            let kept = clone(&theirs);
            let child = child(name, workers, |command| {
                mark(command, kind);
                command.stderr(theirs);
            });
            let got = within_reason(move || {
                let mut got = vec![0; BYTES];
                for piece in got.chunks_mut(7919) {
                    ours.read_exact(piece).unwrap();
                    std::thread::yield_now();
                }
                got
            });
            assert!(got == pattern(BYTES), "{kind:?}");
            assert!(!is_nonblocking(&kept), "{kind:?} is shared with us");
            end(child);
        });
    });
}

#[test]
fn a_file_has_everything_when_the_process_has_ended() {
    let name = "a_file_has_everything_when_the_process_has_ended";
    let writes = || async {
        let mut output = stderr();
        // Neither flushed nor waited for.
        for number in 0..1000 {
            output
                .write_all(format!("{number}\n").as_bytes())
                .await
                .unwrap();
        }
        let (mut third, mut second) = (stdout(), stdout());
        second.write_all(b"to standard output").await.unwrap();
        second.flush().await.unwrap();
        third.write_all(b" as well").await.unwrap();
    };
    split(name, writes, || {
        let folder = tempfile::tempdir().unwrap();
        let (out, err) = (folder.path().join("out"), folder.path().join("err"));
        let make = |path| {
            File::options()
                .append(true)
                .create(true)
                .open(path)
                .unwrap()
        };
        let child = child(name, 2, |command| {
            command.stdout(make(&out)).stderr(make(&err));
        });
        end(child);
        let expected: String = (0..1000).map(|number| format!("{number}\n")).collect();
        assert!(std::fs::read_to_string(err).unwrap() == expected);
        let out = std::fs::read_to_string(out).unwrap();
        assert!(out.contains("to standard output as well"), "{out}");
    });
}

#[test]
fn a_reader_that_is_gone_is_an_error_and_never_kills() {
    let name = "a_reader_that_is_gone_is_an_error_and_never_kills";
    let writes = || async {
        // SAFETY: signal takes two numbers.
        let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        assert_ne!(before, libc::SIG_ERR);
        if is_stubborn() {
            give_up_rights(2);
        }
        let mut output = stderr();
        let wrote = async {
            output.write_all(b"anybody?").await?;
            output.flush().await
        };
        let error = wrote.await.unwrap_err();
        // Nobody hears what an assertion says, and the harness must not try: the status has to do.
        let is_as_expected = error.kind() == ErrorKind::BrokenPipe;
        std::process::exit(if is_as_expected { 42 } else { 43 });
    };
    split(name, writes, || {
        for kind in [Kind::Pipe, Kind::Socket, Kind::Stubborn] {
            let (theirs, ours) = streams(kind, false);
            drop(ours);
            let mut child = child(name, 2, |command| {
                mark(command, kind);
                command.stderr(theirs);
            });
            let status = within_reason(move || child.wait().unwrap());
            assert_eq!(status.code(), Some(42), "{kind:?}: {status}");
        }
    });
}

#[test]
fn outside_a_runtime_it_is_an_error_that_says_so() {
    // In a child, whose standard input is empty: of a test it may be anything.
    in_child("outside_a_runtime_it_is_an_error_that_says_so", || {
        futures_lite::future::block_on(async {
            for _ in 0..2 {
                let error = stdin().read(&mut [0]).await.unwrap_err();
                assert!(error.to_string().contains("runtime"), "{error}");
            }
        });
    });
}
