//! What does one run of a server of HTTP answer?
//!
//! First it answers one request rightly, or it is left out (`crate::load::http`). Then as any server: warm-up, repetitions, each so many requests that this process's load has
//! made; time on the clock, processor time, and how long the requests took. Files are in a folder that is made for the run.

use super::calls::{Counter, Sheet};
use super::cores::{Cores, pinned};
use super::network::{Counted, conclude, weigh};
use super::peer::Found;
use super::process::{Answer, Round};
use super::server::{Process, Server, Started, Way};
use crate::load::http::{self, HttpLoad, LARGE_FILE, Refusal, SMALL_FILE, content};
use crate::load::{self, Load};
use filch_bench_common::answer::{ENOUGH, SETTLE};
use filch_bench_common::clock::{block_for, now};
use filch_bench_common::{Http, Job};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, io};

/// Serves and measures what is measured of that.
///
/// # Errors
///
/// What went wrong, on one line.
pub(super) fn serve(peer: &Found, job: &Job, row: Http) -> Result<Answer, String> {
    let site = match Site::of(job, row)? {
        Ok(site) => site,
        Err(why) => return Ok(Answer::Cannot(why)),
    };
    let server = match Server::start(peer, job, &site.way)? {
        Started::Server(server) => server,
        Started::Cannot(why) => return Ok(Answer::Cannot(why)),
    };
    block_for(SETTLE);
    let process = server.process();
    let done = site.with_load(process, |load| {
        if job.work.is_parked() {
            weigh(process, load, job)
        } else {
            time(process, load, job)
        }
    });
    conclude(server, done).map(|done| done.map_or_else(Answer::Cannot, Answer::Round))
}

/// All that a server has done of what is counted, which was given so many operations.
///
/// # Errors
///
/// What went wrong, on one line.
pub(super) fn served(
    peer: &Found,
    job: &Job,
    row: Http,
    counter: Counter,
    operations: usize,
) -> Result<Counted, String> {
    let sheet = Sheet::new();
    let mut site = match Site::of(job, row)? {
        Ok(site) => site,
        Err(why) => return Ok(Counted::Cannot(why)),
    };
    site.way.under = counter.words(sheet.path());
    let server = match Server::start(peer, job, &site.way)? {
        Started::Server(server) => server,
        Started::Cannot(why) => return Ok(Counted::Cannot(why)),
    };
    let done = site.with_load(server.process(), |load| {
        load.run(operations).map_err(|error| error.to_string())
    });
    match conclude(server, done)? {
        Ok(()) => counter.read(&sheet).map(Counted::Number),
        Err(why) => Ok(Counted::Cannot(why)),
    }
}

/// Where a server stands, and what it is given.
struct Site {
    row: Http,
    /// As many connections whatever is counted of them.
    operations: usize,
    cores: Option<Cores>,
    way: Way,
    /// Removed in the end.
    _files: Option<Files>,
}

impl Site {
    /// Or why there is none on this machine.
    fn of(job: &Job, row: Http) -> Result<Result<Self, String>, String> {
        // The load's, and with it the server's.
        if let Err(why) = load::make_room(http::connections(row, job.size)) {
            return Ok(Err(why));
        }
        let cores = Cores::of(job.workers);
        let files = row.has_files().then(Files::new).transpose();
        let files = files.map_err(|error| format!("no files can be made: {error}"))?;
        let way = Way {
            under: Vec::new(),
            core: cores.map(|cores| cores.server),
            has_small_pages: row == Http::Idle,
            behind: None,
            files: files.as_ref().map(|files| files.0.join("static")),
        };
        Ok(Ok(Self {
            row,
            operations: job.size,
            cores,
            way,
            _files: files,
        }))
    }

    /// Does that with the load, on its core; or says why the server is not for it.
    fn with_load<T: Send>(
        &self,
        server: Process,
        work: impl FnOnce(&mut HttpLoad) -> Result<T, String> + Send,
    ) -> Result<Result<T, String>, String> {
        pinned(self.cores.map(|cores| cores.load), || {
            match http::offered(self.row, server.address) {
                Ok(()) => {}
                Err(Refusal::NotOffered(why)) => return Ok(Err(why)),
                Err(Refusal::Wrong(why)) => return Err(why),
            }
            let (row, operations) = (self.row, self.operations);
            let load = http::begin(row, server.address, operations, self.cores.is_some());
            let mut load = load.map_err(|error| format!("the load cannot begin: {error}"))?;
            work(&mut load).map(Ok)
        })
    }
}

fn time(server: Process, load: &mut HttpLoad, job: &Job) -> Result<Round, String> {
    let failed = |error: io::Error| format!("under load: {error}");
    for _ in 0..job.warm_ups {
        load.measure(job.size).map_err(failed)?;
    }
    let begun = now();
    let mut round = Round::default();
    while round.figures.len() < job.repetitions
        && (round.figures.is_empty() || begun.elapsed() < ENOUGH)
    {
        let before = server.cpu()?;
        let measured = load.measure(job.size).map_err(failed)?;
        round.cpu.push(server.cpu()?.since(&before).as_secs_f64());
        let took = measured.took.as_secs_f64();
        round.figures.push(match job.work {
            filch_bench_common::Work::Http(Http::Beside(_)) => measured.burns as f64 / took,
            _ => took,
        });
        let rank = |of_thousand| measured.times.per_mille(of_thousand);
        round.times.push([500, 990, 999].map(rank));
    }
    Ok(round)
}

/// A folder with one of the files that are asked for, in memory where there is `/dev/shm`.
struct Files(PathBuf);

impl Files {
    fn new() -> io::Result<Self> {
        Self::within(Path::new("/dev/shm")).or_else(|_| Self::within(&std::env::temp_dir()))
    }

    fn within(folder: &Path) -> io::Result<Self> {
        remove_left_behind(folder);
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let me = std::process::id();
        let folder = folder.join(format!("filch-bench-{me}-files-{number}"));
        fs::create_dir(&folder)?;
        let files = Self(folder);
        let within = files.0.join("static");
        fs::create_dir(&within)?;
        for (name, bytes) in [SMALL_FILE, LARGE_FILE] {
            fs::write(within.join(name), content(bytes))?;
        }
        Ok(files)
    }
}

/// Removes what processes have left there that were killed.
fn remove_left_behind(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.strip_prefix("filch-bench-"));
        let process = process.and_then(|rest| rest.split_once("-files-"));
        if process.is_some_and(|(process, _)| !Path::new("/proc").join(process).exists()) {
            // Another one may be faster.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What cannot be removed is small.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::peer::Family;
    use super::*;
    use filch_bench_common::Work;

    /// A peer that is a line for the shell.
    fn asked(line: &str, row: Http) -> Result<Answer, String> {
        let peer = Found {
            name: "shell",
            what: "a line for the shell",
            is_filch: false,
            family: Family::Http,
            version: String::new(),
            program: "sh".into(),
            first_words: vec!["-c".to_owned(), line.to_owned(), "sh".to_owned()],
        };
        let job = Job {
            work: Work::Http(row),
            workers: 1,
            size: 2,
            warm_ups: 0,
            repetitions: 1,
        };
        serve(&peer, &job, row)
    }

    #[test]
    fn who_cannot_serve_says_so_and_who_breaks_is_told() {
        let answer = asked(r#"echo '{"cannot":"no '"$1"'"}'"#, Http::Json);
        assert!(matches!(answer, Ok(Answer::Cannot(why)) if why == "no http-json"));
        // Port 1 of this machine is nobody's.
        let line = r#"echo '{"listening":"127.0.0.1:1"}'; read end; echo gone >&2; exit 1"#;
        let why = asked(line, Http::Json).expect_err("nobody answers");
        assert!(why.starts_with("gone (asked for /json: "), "{why}");
    }

    #[test]
    fn what_a_killed_process_has_left_behind_is_removed_and_nothing_else() {
        let files = Files::new().expect("files");
        let folder = files.0.parent().expect("it has one");
        // No process has that number.
        let left = folder.join("filch-bench-4294967295-files-0");
        fs::create_dir_all(left.join("static")).expect("a folder");
        let other = Files::new().expect("files");
        assert!(!left.exists());
        assert!(files.0.exists() && other.0.exists());
    }

    #[test]
    fn files_are_there_while_they_are_served_and_no_longer() {
        let line = r#"echo '{"cannot":"'$(stat -c %s "$FILCH_BENCH_FOLDER/100kB.bin") "$FILCH_BENCH_FOLDER"'"}'"#;
        let Ok(Answer::Cannot(said)) = asked(line, Http::SmallFile) else {
            panic!("it says so");
        };
        let (bytes, folder) = said.split_once(' ').expect("both");
        assert_eq!(bytes, "100000");
        assert!(folder.contains("filch-bench") && !Path::new(folder).exists());
    }
}
