//! How is a server started, looked at, and ended?
//!
//! A peer's program, whose job is a service, says on standard output where it listens (`filch_bench_common::serve`); it ends when its standard input does, which is also what
//! becomes of it if this process is killed. The kernel tells what it uses, so that no peer has to.

use super::cores::pinned;
use super::peer::Found;
use super::process::{LIMIT, one_line, read};
use filch_bench_common::http::FOLDER;
use filch_bench_common::{Job, clock};
use rustix::thread::disable_transparent_huge_pages;
use serde::Deserialize;
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// How often somebody who ends is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(1);

pub(super) struct Server {
    child: Child,
    input: Option<ChildStdin>,
    stderr: Receiver<String>,
    process: Process,
}

/// What whoever gives it load has to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Process {
    id: u32,
    pub(super) address: SocketAddr,
}

/// What a program says that was asked to serve.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    Listening {
        listening: SocketAddr,
        /// Which process serves, if it is not the one that says so.
        process: Option<u32>,
    },
    Cannot {
        cannot: String,
    },
}

/// What became of it.
pub(super) enum Started {
    Server(Server),
    /// It is nothing that it does.
    Cannot(String),
}

/// How one is started.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Words that stand before the program's own.
    pub(super) under: Vec<String>,
    /// The core that it stays on.
    pub(super) core: Option<usize>,
    /// Whether the kernel gives it no huge pages: where bytes are told, 2 MiB at a time are too coarse.
    pub(super) has_small_pages: bool,
    /// What it passes everything on to, if it is a proxy.
    pub(super) behind: Option<SocketAddr>,
    /// Where the files are that it serves.
    pub(super) files: Option<PathBuf>,
}

impl Server {
    /// Starts a peer's.
    ///
    /// # Errors
    ///
    /// What went wrong, on one line.
    pub(super) fn start(peer: &Found, job: &Job, way: &Way) -> Result<Started, String> {
        let mut words = way.under.clone();
        words.push(peer.program.display().to_string());
        words.extend_from_slice(&peer.first_words);
        words.extend(job.words());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        if let Some(files) = &way.files {
            command.env(FOLDER, files);
        }
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = pinned(way.core, || {
            if way.has_small_pages {
                with_small_pages(|| command.spawn())
            } else {
                command.spawn()
            }
        });
        let mut child = child.map_err(|error| format!("it cannot be started: {error}"))?;
        let mut input = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = read(child.stderr.take().expect("it is piped"));
        if let Some(behind) = way.behind {
            // Whoever cannot serve may be gone.
            let _ = writeln!(input, "{behind}");
        }
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            // What could be read is still worth telling.
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = tell.send(line);
        });
        let mut server = Self {
            process: Process {
                id: child.id(),
                address: filch_bench_common::serve::ANYWHERE,
            },
            child,
            input: Some(input),
            stderr,
        };
        let line = told.recv_timeout(LIMIT).unwrap_or_default();
        match serde_json::from_str(line.trim()) {
            Ok(Said::Listening { listening, process }) => {
                server.process.address = listening;
                server.process.id = process.unwrap_or(server.process.id);
                Ok(Started::Server(server))
            }
            Ok(Said::Cannot { cannot }) => Ok(Started::Cannot(cannot)),
            Err(_) => Err(server.complaint()),
        }
    }

    /// Why it does not go on, by what it has said.
    pub(super) fn complaint(mut self) -> String {
        let _ = self.stop();
        one_line(&self.stderr.recv().unwrap_or_default())
    }

    /// Lets it end, which it does by itself when nothing more can come.
    ///
    /// # Errors
    ///
    /// If it does not, or not well; on one line.
    pub(super) fn end(mut self) -> Result<(), String> {
        let status = self.stop()?;
        if status {
            return Ok(());
        }
        Err(one_line(&self.stderr.recv().unwrap_or_default()))
    }

    /// Whether it has ended well.
    fn stop(&mut self) -> Result<bool, String> {
        self.input = None;
        let begun = clock::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status.success()),
                Ok(None) if begun.elapsed() < LIMIT => clock::block_for(LOOK_EVERY),
                Ok(None) => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    return Err("it did not end with its standard input".to_owned());
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Itself, for the load.
    pub(super) fn process(&self) -> Process {
        self.process
    }
}

impl Process {
    /// Time on a core of each of its threads so far.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub(super) fn cpu(&self) -> Result<Used, String> {
        let folder = format!("/proc/{}/task", self.id);
        let untold = |error| format!("the kernel does not tell {folder}: {error}");
        let mut used = HashMap::new();
        for thread in fs::read_dir(&folder).map_err(untold)?.flatten() {
            // Those that end meanwhile have no file.
            let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else {
                continue;
            };
            let nanoseconds = text.split(' ').next().and_then(|word| word.parse().ok());
            let nanoseconds =
                nanoseconds.ok_or_else(|| untold(std::io::ErrorKind::InvalidData.into()))?;
            used.insert(thread.file_name(), Duration::from_nanos(nanoseconds));
        }
        Ok(Used(used))
    }

    /// Bytes that are resident.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub(super) fn resident_bytes(&self) -> Result<u64, String> {
        filch_bench_common::memory::resident_bytes_of(self.id).map_err(|error| error.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Without input it ends by itself, under whomever it runs; if it has, this reaps it.
        let _ = self.stop();
    }
}

/// Who is started within it has no huge pages, which a process inherits.
fn with_small_pages<T>(work: impl FnOnce() -> T) -> T {
    // A kernel that has no such switch has no huge pages either, or is older than filch runs on.
    let _ = disable_transparent_huge_pages(true);
    let done = work();
    let _ = disable_transparent_huge_pages(false);
    done
}

/// What the threads of a process have used.
pub(super) struct Used(HashMap<std::ffi::OsString, Duration>);

impl Used {
    /// Since then. What a thread has used that has ended meanwhile is forgotten; workers do not end.
    pub(super) fn since(&self, before: &Self) -> Duration {
        let threads = self.0.iter();
        let of = |(thread, now): (_, &Duration)| {
            let before = before.0.get::<std::ffi::OsString>(thread);
            now.saturating_sub(before.copied().unwrap_or_default())
        };
        threads.map(of).sum()
    }
}
