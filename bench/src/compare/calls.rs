//! How many system calls does a program make, and how many instructions does it take outside the kernel?
//!
//! Calls: whoever may use the kernel's tracepoints counts with `perf stat`, which does not disturb the program. Others count with `strace`, which slows it so much that it finds more at
//! a time and its clocks tick more often between two operations; it needs no privilege, since it traces its own child. Where there is neither, rows of system calls say so.
//!
//! Instructions: the processor counts them where it has a counter and lets itself be asked, which machines of the cloud mostly do not. Elsewhere valgrind's callgrind does, which
//! runs the program on one thread at a time and some fifty times as long.
//!
//! A program is counted from its start to its end, twice with different work: what it does once is in both, and the difference is the work's.
//!
//! Rejected: `/proc/PID/io` (knows reads and writes of files only), attaching to a server that runs (`strace` needs a privilege for that on many machines).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Calls,
    Instructions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    Perf,
    Strace,
    Processor,
    Callgrind,
}

impl What {
    /// What is told of a row that cannot be counted.
    pub(super) fn nobody(self) -> &'static str {
        match self {
            Self::Calls => {
                "there is neither strace nor a perf that may use the tracepoint raw_syscalls:sys_enter"
            }
            Self::Instructions => {
                "there is neither valgrind nor a perf that may use the processor's counter"
            }
        }
    }
}

impl Counter {
    /// The better one that works here.
    pub(super) fn here(what: What) -> Option<Self> {
        static CALLS: OnceLock<Option<Counter>> = OnceLock::new();
        static INSTRUCTIONS: OnceLock<Option<Counter>> = OnceLock::new();
        let (here, all) = match what {
            What::Calls => (&CALLS, [Self::Perf, Self::Strace]),
            What::Instructions => (&INSTRUCTIONS, [Self::Processor, Self::Callgrind]),
        };
        *here.get_or_init(|| {
            let mut all = all.into_iter();
            all.find(|counter| counter.of_nothing().is_some())
        })
    }

    /// How it counts, for people.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Perf => "counted by perf's raw_syscalls:sys_enter",
            Self::Strace => "counted by strace, which slows the server",
            Self::Processor => "counted by the processor",
            Self::Callgrind => "counted by valgrind's callgrind, which slows the server much",
        }
    }

    /// The words that stand before a program's own.
    pub(super) fn words(self, file: &Path) -> Vec<String> {
        let file = file.display().to_string();
        if self == Self::Callgrind {
            // A file for each process; see `read`.
            let file = format!("--callgrind-out-file={file}.%p");
            let words = ["valgrind", "--tool=callgrind", "--trace-children=yes"];
            return words
                .into_iter()
                .chain([&*file])
                .map(str::to_owned)
                .collect();
        }
        let words: &[&str] = match self {
            Self::Perf => &["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter"],
            Self::Processor => &["perf", "stat", "-x", ",", "-e", "instructions:u"],
            _ => &["strace", "-f", "-c", "-U", "name,calls"],
        };
        let words = words.iter().copied().map(str::to_owned);
        words.chain(["-o".to_owned(), file]).collect()
    }

    /// The number in what it has written.
    fn understand(self, text: &str) -> Option<u64> {
        let line = |part| text.lines().find(|line| line.contains(part));
        match self {
            Self::Perf | Self::Processor => {
                let line = line("raw_syscalls:sys_enter").or(line("instructions:u"))?;
                line.split(',').next()?.trim().parse().ok()
            }
            Self::Callgrind => {
                let total = line("totals: ")?.strip_prefix("totals: ")?;
                total.trim().parse().ok()
            }
            Self::Strace => {
                let line = text.lines().rev().find(|line| line.contains("total"))?;
                line.split_whitespace().find_map(|word| word.parse().ok())
            }
        }
    }

    /// The number in a file; of several that begin with its name their sum.
    ///
    /// # Errors
    ///
    /// What is not understood, as a sentence.
    pub(super) fn read(self, file: &Sheet) -> Result<u64, String> {
        let texts = file.texts().map_err(|error| error.to_string())?;
        let counts: Option<Vec<u64>> = texts.iter().map(|text| self.understand(text)).collect();
        match counts {
            Some(counts) if !counts.is_empty() => Ok(counts.iter().sum()),
            _ => Err(format!("what {self:?} has counted is not understood")),
        }
    }

    /// Whether it works, by this program, which is surely there.
    fn of_nothing(self) -> Option<u64> {
        let sheet = Sheet::new();
        let words = self.words(&sheet.0);
        let status = Command::new(&words[0])
            .args(&words[1..])
            .arg(std::env::current_exe().ok()?)
            .arg("--help")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !status.ok()?.success() {
            return None;
        }
        self.read(&sheet).ok().filter(|&calls| calls > 0)
    }
}

/// Where a counter writes. It is removed in the end.
#[derive(Debug)]
pub(super) struct Sheet(PathBuf);

impl Sheet {
    pub(super) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("filch-bench-{}-counts-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Itself and what begins with its name and a dot.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let (folder, name) = (self.0.parent(), self.0.file_name());
        let (Some(folder), Some(name)) = (folder, name.and_then(|name| name.to_str())) else {
            return Ok(Vec::new());
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?.file_name();
            let rest = entry.to_str().and_then(|entry| entry.strip_prefix(name));
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
                files.push(folder.join(entry));
            }
        }
        Ok(files)
    }

    fn texts(&self) -> io::Result<Vec<String>> {
        self.files()?.iter().map(fs::read_to_string).collect()
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        // It may never have been written, and somebody else may tidy up.
        for file in self.files().unwrap_or_default() {
            let _ = fs::remove_file(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_write_is_understood() {
        let perf =
            "# started on Sat Nov 21 19:44:36 2026\n\n29,,raw_syscalls:sys_enter,522233,100.00,,\n";
        assert_eq!(Counter::Perf.understand(perf), Some(29));
        let refused = "<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n";
        assert_eq!(Counter::Perf.understand(refused), None);
        let strace = "syscall              calls\n---------------- ---------\nread                     1\n---------------- ---------\ntotal                   29\n";
        assert_eq!(Counter::Strace.understand(strace), Some(29));
        assert_eq!(Counter::Strace.understand(""), None);
        let callgrind = "version: 1\nevents: Ir\n\nfn=(1)\n1 5\n\ntotals: 123456\n";
        assert_eq!(Counter::Callgrind.understand(callgrind), Some(123_456));
        assert_eq!(Counter::Callgrind.understand("events: Ir\n"), None);
        let processor = "123,,instructions:u,522233,100.00,,\n";
        assert_eq!(Counter::Processor.understand(processor), Some(123));
        let absent = "<not supported>,,instructions:u,0,100.00,,\n";
        assert_eq!(Counter::Processor.understand(absent), None);
    }

    #[test]
    fn a_program_that_does_more_makes_more_calls() {
        let Some(counter) = Counter::here(What::Calls) else {
            return;
        };
        let of = |line: &str| {
            let sheet = Sheet::new();
            let words = counter.words(sheet.path());
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).args(["sh", "-c", line]);
            assert!(command.status().expect("it runs").success());
            counter.read(&sheet).expect("a number")
        };
        // A shell asks the kernel for each of these, once or a few times.
        let (few, many) = (of("umask 22"), of(&"umask 22;".repeat(101)));
        assert!((100..=500).contains(&(many - few)), "{few} {many}");
    }

    #[test]
    fn sheets_are_different_and_go_away() {
        let (one, other) = (Sheet::new(), Sheet::new());
        assert_ne!(one.path(), other.path());
        let path = one.path().to_owned();
        let of_a_process = path.with_extension("7");
        for path in [&path, &of_a_process] {
            fs::write(path, "totals: 4\n").expect("it can be written");
        }
        assert_eq!(Counter::Callgrind.read(&one), Ok(8));
        drop(one);
        assert!(!path.exists() && !of_a_process.exists());
    }
}
