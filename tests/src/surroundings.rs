//! How does a test get a system that misbehaves as no limit makes it?
//!
//! By running its own binary again under a program that arranges it: `strace` lets system calls fail that would have succeeded, `unshare` gives a network (and, for the resolver, a
//! file system) of its own, where links can be taken down. Neither is everywhere, nor permitted everywhere; a test for which one is wanting says so and succeeds.

use crate::limits::{in_child_under, is_child};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// System calls that fail without being done.
#[derive(Debug, Clone, Copy)]
pub struct Injection<'a> {
    /// Which: names, separated by commas.
    pub calls: &'a str,
    /// With what: `ECONNABORTED`.
    pub error: &'a str,
    /// The first of each thread's calls that fails, counted from 1.
    pub first: usize,
    /// How many calls further the next one fails.
    pub step: usize,
}

/// Runs `body` in a process of its own, whose system calls fail as `injection` says. To be called by the test called `name`, once.
///
/// # Panics
///
/// If the child does not succeed.
pub fn with_failing_calls(name: &str, injection: Injection<'_>, body: impl FnOnce()) {
    let Injection {
        calls,
        error,
        first,
        step,
    } = injection;
    let trace = format!("trace={calls}");
    let inject = format!("inject={calls}:error={error}:when={first}+{step}");
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace];
    if !is_child(name) && !works(&[&strace[..], &["true"]].concat()) {
        return println!("left out: strace cannot be used here");
    }
    in_child_under(&[&strace[..], &["-e", &inject]].concat(), name, body);
}

/// Runs `body` in a process of its own with a network of its own, in which only `lo` is there and is up. In that process everything is permitted that concerns the network. To be called by
/// the test called `name`, once.
///
/// # Panics
///
/// If the child does not succeed.
pub fn in_own_network(name: &str, body: impl FnOnce()) {
    let unshare = ["unshare", "--map-root-user", "--net", "--mount"];
    let set_up = ["ip", "link", "set", "lo", "up"];
    if !is_child(name) && !works(&[&unshare[..], &set_up].concat()) {
        return println!("left out: there can be no network of its own here");
    }
    in_child_under(&unshare, name, || {
        set_link_up(true);
        body();
    });
}

/// Takes the link down over which a process with a network of its own talks to itself, or brings it up again: nothing arrives any more, and nobody is told.
///
/// # Panics
///
/// If that is refused.
pub fn set_link_up(is_up: bool) {
    configure(&["ip", "link", "set", "lo", if is_up { "up" } else { "down" }]);
}

/// Lets no more than so many bits per second pass, and throws away what is in the way (`tc-tbf(8)`). False if the kernel cannot.
#[must_use]
pub fn limit_link(bits_per_second: usize) -> bool {
    let rate = format!("{bits_per_second}bit");
    let words = "tc qdisc replace dev lo root tbf burst 32kb latency 20ms rate";
    let mut command: Vec<_> = words.split(' ').collect();
    command.push(&rate);
    let can = works(&command);
    if !can {
        println!("left out: the kernel has no token bucket filter");
    }
    can
}

/// Makes the resolver of a process with a network of its own ask a name server on 127.0.0.1, for a very long time; `directory` keeps a file for that.
///
/// # Panics
///
/// If that is refused.
pub fn ask_own_name_server(directory: &Path) {
    let resolv = directory.join("resolv.conf");
    let text = "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n";
    fs::write(&resolv, text).expect("a file of the test's own");
    let nsswitch = directory.join("nsswitch.conf");
    fs::write(&nsswitch, "hosts: files dns\n").expect("a file of the test's own");
    for (ours, theirs) in [
        (&resolv, "/etc/resolv.conf"),
        (&nsswitch, "/etc/nsswitch.conf"),
    ] {
        let ours = ours.to_str().expect("a path of letters");
        configure(&["mount", "--bind", ours, theirs]);
    }
}

fn configure(command: &[&str]) {
    assert!(works(command), "failed: {command:?}");
}

/// Whether a command can be run, and succeeds.
fn works(command: &[&str]) -> bool {
    let [program, arguments @ ..] = command else {
        return false;
    };
    let mut command = Command::new(program);
    let command = command.args(arguments).stdin(Stdio::null());
    command.output().is_ok_and(|done| done.status.success())
}
