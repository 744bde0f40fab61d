//! How does a test make the system refuse something?
//!
//! By lowering a limit of its process. A limit cannot be had back, and counts for every test of the process, so whoever calls this
//! does so in a process of its own: [`in_child`] runs a test's own binary again.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::process::Command;

/// Which test of the binary a child process shall run; also tells the child that it is one.
const CHILD: &str = "FILCH_TEST_CHILD";

/// What a child says when it has done what it was started for.
const DONE: &str = "the child has done it";

/// Runs `body` in a process of its own, and fails if that fails. To be called by the test called `name`, once.
///
/// # Panics
///
/// If the child cannot be started, or does not succeed.
pub fn in_child(name: &str, body: impl FnOnce()) {
    in_child_under(&[], name, body);
}

/// The same under a program that runs another one: its name and arguments, to which the child's own command line is added.
pub(crate) fn in_child_under(launcher: &[&str], name: &str, body: impl FnOnce()) {
    if is_child(name) {
        body();
        return println!("{DONE}");
    }
    let own = std::env::current_exe().expect("a test has a binary");
    let mut command = match launcher {
        [] => Command::new(own),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(own);
            command
        }
    };
    let output = command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .output()
        .expect("the test's own binary starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains(DONE), "it did not run: {said}");
}

/// Whether this process is the one that the test called `name` has started.
pub(crate) fn is_child(name: &str) -> bool {
    std::env::var_os(CHILD).is_some_and(|value| value == name)
}

/// How many descriptors the process may have open: numbers below this.
///
/// # Errors
///
/// If the system refuses.
pub fn descriptors(most: usize) -> io::Result<()> {
    lower(libc::RLIMIT_NOFILE, most)
}

/// How many descriptors the process may have open now.
///
/// # Errors
///
/// If the system does not say.
pub fn most_descriptors() -> io::Result<usize> {
    let limit = limit(libc::RLIMIT_NOFILE)?.rlim_cur;
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Whether [`threads`] may be called. The system counts all threads of a user, and only the superuser can become one who has no others.
#[must_use]
pub fn can_limit_threads() -> bool {
    // SAFETY: getuid takes and touches nothing.
    let is_superuser = unsafe { libc::getuid() } == 0;
    if !is_superuser {
        println!("left out: only the superuser can count the threads of one process");
    }
    is_superuser
}

/// How many threads the user may have. The superuser is bound by no such limit, so the process becomes a user whom no one else is.
///
/// # Errors
///
/// If the system refuses.
pub fn threads(most: usize) -> io::Result<()> {
    /// No account has this number.
    const NOBODY_AT_ALL: libc::uid_t = 64_999;
    // SAFETY: getuid takes and touches nothing.
    if unsafe { libc::getuid() } == 0 {
        // SAFETY: setresuid takes three numbers; glibc tells every thread.
        check(unsafe { libc::setresuid(NOBODY_AT_ALL, NOBODY_AT_ALL, NOBODY_AT_ALL) })?;
        // Else the process might not look at its own /proc entries any more.
        // SAFETY: this prctl takes a number.
        check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) })?;
    }
    lower(libc::RLIMIT_NPROC, most)
}

/// Takes a lease on a file that nobody else has open: for as long as it is open here, or until the system has waited long enough (45 s), who opens it without waiting gets an error.
///
/// # Errors
///
/// If the file system has no leases, or somebody else has the file open.
pub fn lease(file: &File) -> io::Result<()> {
    // Else the first who opens the file would end the process.
    // SAFETY: no code of ours is called for a signal that is ignored.
    unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
    // SAFETY: this call takes a number, and the descriptor is borrowed, so it is open.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) })
}

fn limit(which: libc::__rlimit_resource_t) -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel fills in the struct, which is ours.
    check(unsafe { libc::getrlimit(which, &raw mut limit) })?;
    Ok(limit)
}

fn lower(which: libc::__rlimit_resource_t, most: usize) -> io::Result<()> {
    let mut limit = limit(which)?;
    // The hard limit stays, so that the test can go up again.
    limit.rlim_cur = (most as libc::rlim_t).min(limit.rlim_max);
    // SAFETY: the kernel reads the struct, which is initialised.
    check(unsafe { libc::setrlimit(which, &raw const limit) })
}

fn check(status: libc::c_int) -> io::Result<()> {
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
