//! How does a test make the system refuse something?
//!
//! By lowering a limit of its process. A limit cannot be had back, and counts for every test of the process, so whoever calls this
//! does so in a process of its own: [`in_child`] runs a test's own binary again.

use std::io;
use std::process::Command;

/// Which test of the binary a child process shall run; also tells the child that it is one.
const CHILD: &str = "FILCH_TEST_CHILD";

/// Runs `body` in a process of its own, and fails if that fails. To be called by the test called `name`, once.
///
/// # Panics
///
/// If the child cannot be started, or does not succeed.
pub fn in_child(name: &str, body: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some_and(|value| value == name) {
        return body();
    }
    let own = std::env::current_exe().expect("a test has a binary");
    let output = Command::new(own)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .output()
        .expect("the test's own binary starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("1 passed"), "it did not run: {said}");
}

/// How many descriptors the process may have open: numbers below this.
///
/// # Errors
///
/// If the system refuses.
pub fn descriptors(most: usize) -> io::Result<()> {
    lower(libc::RLIMIT_NOFILE, most)
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

fn lower(which: libc::__rlimit_resource_t, most: usize) -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel fills in the struct, which is ours.
    check(unsafe { libc::getrlimit(which, &raw mut limit) })?;
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
