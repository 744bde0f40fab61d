//! Does the source keep to the import table of docs/ARCHITECTURE.md, each dependency to its door, and `unsafe` to the files that
//! docs/UNSAFE.md lists? Is there no async runtime below us?
//!
//! Tests and models (`#[cfg(test)]`) may import what they like.

use filch_tests::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which top-level module of the runtime may import which others. Every module may import itself. Modules that do not exist yet
/// have their rows already; docs/ARCHITECTURE.md shows those that do.
const IMPORTS: &[(&str, &[&str])] = &[
    ("sys", &[]),
    ("util", &["sys"]),
    ("task", &["sys", "util"]),
    ("timer", &["sys", "util"]),
    ("sync", &["sys", "util"]),
    ("driver", &["sys", "util"]),
    ("blocking", &["sys", "util", "task"]),
    ("sched", &["sys", "util", "task", "timer", "driver"]),
    ("reactor", &["sys", "util", "driver"]),
    (
        "runtime",
        &[
            "sys", "util", "task", "timer", "sync", "driver", "blocking", "sched", "reactor",
        ],
    ),
    ("spawn", PUBLIC),
    (
        "join_set",
        &[
            "sys", "util", "task", "timer", "sync", "driver", "blocking", "sched", "runtime",
            "spawn",
        ],
    ),
    ("time", PUBLIC),
    ("io", PUBLIC),
    ("select", &["sys"]),
    (
        "scope",
        &[
            "sys", "util", "task", "timer", "sync", "driver", "blocking", "sched", "runtime",
            "time",
        ],
    ),
    ("actor", PUBLIC),
    ("observe", &["util", "task", "runtime"]),
    ("future", &["select", "time"]),
    // How programs and tests begin that have an attribute of ours.
    ("entry", &["runtime"]),
    // Hidden: what macros expand to.
    ("macro_doors", &["entry", "select"]),
    // Hidden: single operations of the scheduler, for benchmarks.
    ("bench_doors", &["sys", "task", "sched"]),
];

/// What the public faces stand on: the runtime and below, but not the reactor.
const PUBLIC: &[&str] = &[
    "sys", "util", "task", "timer", "sync", "driver", "blocking", "sched", "runtime",
];

/// Files that may import more than their top-level module: the seam of sockets, and public names shown again.
const IMPORTS_OF_FILES: &[(&str, &[&str])] = &[
    ("io/async_fd.rs", &["reactor"]),
    ("io/sim.rs", &["time"]),
    ("task.rs", &["spawn", "join_set", "scope"]),
];

/// Names that the crate's root re-exports, and where they come from.
const ROOT_NAMES: &[(&str, &str)] = &[
    ("JoinError", "task"),
    ("JoinHandle", "task"),
    ("Runtime", "runtime"),
    ("spawn", "spawn"),
    ("spawn_blocking", "spawn"),
    ("task_local", "task"),
    ("yield_now", "spawn"),
];

/// One door for each dependency: the only places of a crate that may name it. A folder ends in `/`.
const DOORS: &[(&str, &str, &[&str])] = &[
    ("runtime", "mio", &["reactor/poller.rs"]),
    ("runtime", "crossbeam_deque", &["sched/queue/deque.rs"]),
    ("runtime", "crossbeam_channel", &["blocking.rs"]),
    ("runtime", "parking_lot", &["sys/sync/real.rs"]),
    ("runtime", "tracing", &["sched/warning/tracing.rs"]),
    ("runtime", "loom", &["sys/sync/loom.rs"]),
    ("runtime", "shuttle", &["sys/sync/shuttle.rs"]),
    ("runtime", "libc", &["sys/"]),
    ("net", "libc", &["sys.rs", "sys/"]),
    ("http", "libc", &[]),
    ("runtime", "mimalloc", &[]),
    ("net", "mimalloc", &[]),
    ("http", "mimalloc", &[]),
    ("runtime", "criterion", &[]),
    ("net", "criterion", &[]),
    ("http", "criterion", &[]),
];

/// What of std the runtime takes through `sys` only, so that loom, shuttle and a simulation can take its place.
const STD_THROUGH_SYS: &[&str] = &[
    "std::sync::atomic",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::Condvar",
    "std::sync::Barrier",
    "std::sync::mpsc",
    "std::cell::UnsafeCell",
    "std::thread::Builder",
    "std::thread::JoinHandle",
    "std::thread::spawn",
    "std::thread::scope",
    "std::thread::park",
    "std::time::SystemTime",
    "core::sync",
    "core::cell::UnsafeCell",
];

/// What the protocol may name outside of itself: no I/O, no clock, nothing that waits. `http` has the ecosystem's names for methods,
/// statuses and fields, which are plain values.
const PROTO_MAY_NAME: &[&str] = &["std", "core", "alloc", "itoa", "memchr", "httpdate", "http"];
const PROTO_MUST_NOT_NAME: &[&str] = &[
    "std::net",
    "std::os",
    "std::fs",
    "std::io",
    "std::thread",
    "std::sync",
    "std::task",
    "std::future",
    "std::time::Instant",
    "std::time::SystemTime",
];
/// Of those, types of plain values: an address to be parsed, a time that was read elsewhere (the word `now` is forbidden).
const PROTO_PLAIN_VALUES: &[&str] = &["std::net::Ipv6Addr", "std::time::SystemTime"];

/// Runtimes of others. None of them may be needed to build any member of the workspace.
const ASYNC_RUNTIMES: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "async-executor",
    "async-global-executor",
    "async-io",
    "async-net",
    "glommio",
    "monoio",
    "compio",
    "embassy-executor",
    "futures-executor",
    "nexosim",
    "may",
    "bastion",
    "actix-rt",
];

#[test]
fn modules_import_what_the_table_allows() {
    let sources = Crate::read("runtime");
    let found = sources.complaints(import_complaints);
    assert_none(
        &found,
        "docs/ARCHITECTURE.md has the table; tests/tests/layering.rs checks it",
    );
    let modules: BTreeSet<_> = sources.files.keys().map(|file| top(file)).collect();
    let known: BTreeSet<_> = IMPORTS.iter().map(|row| row.0).chain(["lib"]).collect();
    let unknown: Vec<_> = modules.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "modules without a row in the table: {unknown:?}"
    );
}

#[test]
fn the_page_shows_the_table() {
    let sources = Crate::read("runtime");
    let modules: BTreeSet<_> = sources.files.keys().map(|file| top(file)).collect();
    let expected: BTreeMap<_, BTreeSet<_>> = IMPORTS
        .iter()
        .filter(|row| modules.contains(row.0))
        .map(|row| {
            let imports = row.1.iter().copied();
            (
                row.0,
                imports.filter(|name| modules.contains(name)).collect(),
            )
        })
        .collect();
    let page = root().join("docs/ARCHITECTURE.md");
    let page = fs::read_to_string(page).expect("docs/ARCHITECTURE.md");
    assert_eq!(
        table_of(&page),
        expected,
        "docs/ARCHITECTURE.md on the left, IMPORTS on the right"
    );
}

#[test]
fn dependencies_come_in_through_their_doors() {
    for name in ["runtime", "net", "http"] {
        let found =
            Crate::read(name).complaints(|file, source| door_complaints(name, file, source));
        assert_none(
            &found,
            "each dependency has one door, see DOORS in tests/tests/layering.rs",
        );
    }
}

#[test]
fn atomics_locks_and_threads_come_from_sys() {
    let found = Crate::read("runtime").complaints(|file, source| {
        if top(file) == "sys" {
            return Vec::new();
        }
        named(source, &module_of(file), STD_THROUGH_SYS)
    });
    assert_none(
        &found,
        "take it from crate::sys, so that loom can take its place",
    );
}

#[test]
fn the_protocol_does_no_io_and_never_waits() {
    let found = Crate::read("http").complaints(|file, source| {
        if top(file) == "proto" {
            proto_complaints(file, source)
        } else {
            Vec::new()
        }
    });
    assert_none(
        &found,
        "http::proto turns bytes into events and back, and does nothing else",
    );
}

#[test]
fn no_async_runtime_is_in_the_lock_file() {
    let lock =
        fs::read_to_string(root().join("Cargo.lock")).expect("the workspace has a lock file");
    let found: Vec<_> = ASYNC_RUNTIMES
        .iter()
        .filter(|name| locks(&lock, name))
        .collect();
    assert!(
        found.is_empty(),
        "Cargo.lock has {found:?}; whoever compares with runtimes of others does so in a workspace of its own"
    );
    assert!(locks(&lock, "mio"), "this test can read the lock file");
}

#[test]
fn nobody_sees_the_programs_and_libraries_pick_no_allocator() {
    for member in ["runtime", "runtime/macros", "net", "http", "tests"] {
        let manifest = root().join(member).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).expect("every member has a manifest");
        let main = manifest
            .split("[dev-dependencies]")
            .next()
            .unwrap_or_default();
        for forbidden in ["filch-bench", "mimalloc", "criterion", "jemalloc"] {
            assert!(!main.contains(forbidden), "{member} depends on {forbidden}");
        }
    }
}

#[test]
fn unsafe_stands_only_where_docs_unsafe_says() {
    let listed =
        listed_files(&fs::read_to_string(root().join("docs/UNSAFE.md")).expect("docs/UNSAFE.md"));
    let mut real = BTreeSet::new();
    for name in [
        "runtime",
        "runtime/macros",
        "net",
        "http",
        "bench",
        "bench/common",
        "tests",
    ] {
        for (file, source) in Crate::read(name).files {
            if source.has_word("unsafe") {
                real.insert(format!("{name}/src/{file}"));
            }
        }
    }
    let unlisted: Vec<_> = real.difference(&listed).collect();
    let stale: Vec<_> = listed.difference(&real).collect();
    assert!(
        unlisted.is_empty(),
        "unsafe, but not in docs/UNSAFE.md: {unlisted:#?}"
    );
    assert!(
        stale.is_empty(),
        "in docs/UNSAFE.md, but without unsafe: {stale:#?}"
    );
}

// What the tests above are made of.

/// The sources of a crate by their path below `src/`, without files that are for tests only.
struct Crate {
    files: BTreeMap<String, Source>,
}

impl Crate {
    fn read(name: &str) -> Self {
        let folder = root().join(name).join("src");
        let mut files = BTreeMap::new();
        collect(&folder, &folder, &mut files);
        let for_tests: BTreeSet<_> = files
            .iter()
            .flat_map(|(file, source)| {
                source
                    .test_modules()
                    .iter()
                    .map(|module| child(file, module))
            })
            .collect();
        files.retain(|file, _| {
            let stem = file.trim_end_matches(".rs");
            !for_tests.iter().any(|test| {
                stem == test
                    || stem
                        .strip_prefix(test.as_str())
                        .is_some_and(|rest| rest.starts_with('/'))
            })
        });
        assert!(!files.is_empty(), "{} has no sources", folder.display());
        Self { files }
    }

    fn complaints(&self, check: impl Fn(&str, &Source) -> Vec<String>) -> Vec<String> {
        let found = self.files.iter();
        let found = found.flat_map(|(file, source)| {
            let complaints = check(file, source);
            complaints
                .into_iter()
                .map(move |text| format!("{file}: {text}"))
        });
        found.collect()
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Source>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let name = path.strip_prefix(root).expect("it is below the root");
            files.insert(name.to_string_lossy().into_owned(), Source::parse(&text));
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The path, without `.rs`, of a module that a file declares: `a.rs` has `b` in `a/b`, `lib.rs` in `b`.
fn child(file: &str, module: &str) -> String {
    let mut path: Vec<_> = module_of(file);
    path.push(module);
    path.join("/")
}

/// Where a file stands in its crate: `sched/idle.rs` is `sched::idle`, `lib.rs` the root.
fn module_of(file: &str) -> Vec<&str> {
    let stem = file.trim_end_matches(".rs").trim_end_matches("/mod");
    stem.split('/')
        .filter(|&part| part != "lib" && part != "main")
        .collect()
}

/// The top-level module of a file.
fn top(file: &str) -> &str {
    module_of(file).first().copied().unwrap_or("lib")
}

fn import_complaints(file: &str, source: &Source) -> Vec<String> {
    let top = top(file);
    if top == "lib" {
        return Vec::new();
    }
    let row = IMPORTS
        .iter()
        .find(|row| row.0 == top)
        .map_or(&[][..], |row| row.1);
    let extra = IMPORTS_OF_FILES
        .iter()
        .find(|row| row.0 == file)
        .map_or(&[][..], |row| row.1);
    let mut out = Vec::new();
    for mention in source.mentions(&module_of(file)) {
        let [root, name, ..] = mention.path.as_slice() else {
            continue;
        };
        if root != "crate" {
            continue;
        }
        let name = ROOT_NAMES
            .iter()
            .find(|row| row.0 == name)
            .map_or(name.as_str(), |row| row.1);
        let is_allowed = name == top || row.contains(&name) || extra.contains(&name);
        if !is_allowed {
            out.push(format!(
                "line {}: {top} must not import {}",
                mention.line,
                mention.text()
            ));
        }
    }
    out
}

fn door_complaints(krate: &str, file: &str, source: &Source) -> Vec<String> {
    let opens = |door: &&str| file == *door || (door.ends_with('/') && file.starts_with(*door));
    let closed = DOORS
        .iter()
        .filter(|row| row.0 == krate && !row.2.iter().any(&opens));
    let closed: Vec<_> = closed.map(|row| row.1).collect();
    named(source, &module_of(file), &closed)
}

/// Which of these paths, or anything below them, a file names.
fn named(source: &Source, module: &[&str], forbidden: &[&str]) -> Vec<String> {
    let mentions = source.mentions(module).into_iter();
    mentions
        .filter(|mention| {
            let text = mention.text();
            forbidden.iter().any(|path| {
                let below = text.strip_prefix(path);
                // One word alone may be a variable; a path or a `use` is not.
                below.is_some_and(|rest| {
                    rest.starts_with("::") || (rest.is_empty() && path.contains("::"))
                })
            })
        })
        .map(|mention| format!("line {}: names {}", mention.line, mention.text()))
        .collect()
}

fn proto_complaints(file: &str, source: &Source) -> Vec<String> {
    let mut out = named(source, &module_of(file), PROTO_MUST_NOT_NAME);
    out.retain(|text| !PROTO_PLAIN_VALUES.iter().any(|value| text.ends_with(value)));
    for word in ["await", "async", "now"] {
        let lines = source.lines_of(word).into_iter();
        out.extend(lines.map(|line| format!("line {line}: {word}")));
    }
    // Every dependency that the manifest knows and the protocol does not need.
    let manifest = fs::read_to_string(root().join("http/Cargo.toml")).expect("http has a manifest");
    let dependencies = manifest
        .lines()
        .filter_map(|line| line.split_once(".workspace"));
    let dependencies = dependencies.map(|(name, _)| name.replace('-', "_"));
    let forbidden: Vec<_> = dependencies
        .filter(|name| !PROTO_MAY_NAME.contains(&name.as_str()))
        .collect();
    let forbidden: Vec<_> = forbidden.iter().map(String::as_str).collect();
    out.extend(named(source, &module_of(file), &forbidden));
    for mention in source.mentions(&module_of(file)) {
        let is_outside = mention.path.first().is_some_and(|root| root == "crate")
            && mention.path.get(1).is_some_and(|name| name != "proto");
        if is_outside {
            out.push(format!("line {}: imports {}", mention.line, mention.text()));
        }
    }
    out
}

fn locks(lock: &str, name: &str) -> bool {
    lock.lines()
        .any(|line| line == format!("name = \"{name}\""))
}

/// The sources that a page names in backticks.
fn listed_files(page: &str) -> BTreeSet<String> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted
        .filter(|text| text.ends_with(".rs") && text.contains("/src/"))
        .map(str::to_owned)
        .collect()
}

/// The import table of docs/ARCHITECTURE.md: module, and what it may import.
fn table_of(page: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with("Who may import whom"))
        .expect("the page has the table");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut names = row.split('`').skip(1).step_by(2);
        (names.next().unwrap_or_default(), names.collect())
    })
    .collect()
}

fn assert_none(found: &[String], remedy: &str) {
    assert!(found.is_empty(), "{remedy}:\n{}", found.join("\n"));
}

// Would the tests above notice anything? Planted violations.

fn complains(file: &str, text: &str) -> bool {
    !import_complaints(file, &Source::parse(text)).is_empty()
}

#[test]
fn planted_imports_are_caught() {
    assert!(complains("sched/idle.rs", "use crate::reactor::Poller;"));
    assert!(complains(
        "sched/idle.rs",
        "use super::super::reactor::Poller;"
    ));
    assert!(complains(
        "sched/idle.rs",
        "fn f() { crate::runtime::context::now() }"
    ));
    assert!(complains(
        "reactor/table.rs",
        "use crate::{sys::sync::Mutex, task::waker};"
    ));
    assert!(complains("task.rs", "use crate::timer::Timers;"));
    assert!(complains(
        "task.rs",
        "use crate::JoinHandle; use crate::Runtime;"
    ));
    assert!(complains("time.rs", "use crate::reactor::Poller;"));
    assert!(complains(
        "util/slab.rs",
        "mod inner { use super::super::super::task::cell; }"
    ));
    assert!(complains("sys.rs", "use crate::*;"));
}

#[test]
fn what_the_table_allows_is_not_complained_of() {
    assert!(!complains(
        "sched/idle.rs",
        "use super::core::Core; use crate::sys::barrier;"
    ));
    assert!(!complains("io/async_fd.rs", "use crate::reactor::Poller;"));
    assert!(!complains(
        "reactor.rs",
        "#[cfg(test)] mod tests { use crate::task::waker; }"
    ));
    assert!(!complains(
        "reactor.rs",
        "//! [`x`](crate::task)\nuse crate::driver::Driver;"
    ));
    assert!(!complains("task/join.rs", "use crate::JoinError;"));
}

#[test]
fn planted_dependencies_are_caught() {
    let complains =
        |krate, file, text| !door_complaints(krate, file, &Source::parse(text)).is_empty();
    assert!(complains("runtime", "reactor/table.rs", "use mio::Token;"));
    assert!(complains(
        "runtime",
        "reactor/table.rs",
        "fn f() -> mio::Token { todo() }"
    ));
    assert!(complains(
        "runtime",
        "sched/worker.rs",
        "use {std::io, crossbeam_deque::Worker};"
    ));
    assert!(complains("runtime", "reactor/poller.rs", "libc::close(1);"));
    assert!(complains("net", "tcp.rs", "libc::close(1);"));
    assert!(complains("http", "lib.rs", "use mimalloc::MiMalloc;"));
    assert!(!complains(
        "runtime",
        "reactor/poller.rs",
        "use mio::Token;"
    ));
    assert!(!complains("runtime", "sys/cpu.rs", "libc::close(1);"));
    assert!(!complains("net", "sys/accept.rs", "libc::close(1);"));
}

#[test]
fn planted_atomics_are_caught() {
    let complains =
        |text| !named(&Source::parse(text), &["sched", "idle"], STD_THROUGH_SYS).is_empty();
    assert!(complains("use std::sync::atomic::AtomicBool;"));
    assert!(complains("use std::sync::{Arc, Mutex};"));
    assert!(complains("use std::{sync::{self, atomic}};"));
    assert!(complains("let t = std::thread::spawn(f);"));
    assert!(!complains("use std::sync::{Arc, Once, OnceLock, Weak};"));
}

#[test]
fn planted_io_in_the_protocol_is_caught() {
    let complains = |text| !proto_complaints("proto/scan.rs", &Source::parse(text)).is_empty();
    assert!(complains("async fn f() {}"));
    assert!(complains("use filch_net::TcpStream;"));
    assert!(complains("use bytes::Bytes;"));
    assert!(complains("use std::net::TcpStream;"));
    assert!(complains("use std::time::{Duration, Instant};"));
    assert!(complains("use crate::server::Server;"));
    assert!(complains(
        "use std::time::SystemTime; fn f() -> SystemTime { SystemTime::now() }"
    ));
    assert!(complains("fn f() { std::time::SystemTime::now(); }"));
    assert!(!complains(
        "fn f(at: std::time::SystemTime, a: http::Method) {}"
    ));
    assert!(!complains(
        "use super::cursor::Cursor; use std::ops::Range; use memchr::memchr;"
    ));
    assert!(!complains(
        "use crate::proto::limits::Limits; use std::time::Duration;"
    ));
}

#[test]
fn a_planted_runtime_is_caught() {
    let lock = "[[package]]\nname = \"tokio\"\nversion = \"1.0.0\"\n";
    assert!(locks(lock, "tokio"));
    assert!(!locks("name = \"tokio-util-not\"", "tokio"));
}

#[test]
fn files_are_read_from_a_page() {
    let page =
        "| `runtime/src/task/cell.rs` | why |\nsee `state.rs` and `cargo x`\n- `net/src/sys.rs`";
    let expected = ["net/src/sys.rs", "runtime/src/task/cell.rs"].map(str::to_owned);
    assert_eq!(listed_files(page), BTreeSet::from(expected));
}
