//! What does one run of a server answer, and what does an operation cost it?
//!
//! | asked for | run |
//! |---|---|
//! | time and processor time | a server; warm-up, then repetitions, each so many operations that this process's load has done |
//! | bytes | a server; what is resident after so many connections, less what was before |
//! | system calls, instructions | a server under a counter, twice, with different numbers of operations |
//!
//! Servers of HTTP are started, given load and ended as the others, and more is told of them: `http`. What is asked of copies of files, which are done by a peer alone, is counted here too.

use super::calls::{Counter, Sheet, What};
use super::cores::{Cores, pinned};
use super::http;
use super::peer::Found;
use super::process::{self, Answer, Round};
use super::server::{Process, Server, Started, Way};
use crate::load::{self, Load};
use filch_bench_common::answer::{ENOUGH, SETTLE, SETTLE_PARKED};
use filch_bench_common::clock::{block_for, now};
use filch_bench_common::serve::ANYWHERE;
use filch_bench_common::{Job, Service, Work};
use std::io;
use std::net::TcpListener;

/// A counter may slow things, and numbers do not drift: one in so many operations is enough.
const COUNT_ONE_IN: usize = 5;

/// Where a counter makes the server some fifty times as slow, one in so many is.
const COUNT_INSTRUCTIONS_ONE_IN: usize = 50;

/// The second time so many times as many are counted. What is done for a thousand connections differs from run to run, with two workers by three calls for each (seen, under
/// strace); of 40 000 operations that is less than a tenth.
const AGAIN: usize = 5;

/// Serves and measures what is measured of that.
///
/// # Errors
///
/// What went wrong, on one line.
pub(super) fn serve(peer: &Found, job: &Job, service: Service) -> Result<Answer, String> {
    if service == Service::Idle {
        // The load's, and with it the server's.
        if let Err(why) = load::make_room(job.size) {
            return Ok(Answer::Cannot(why));
        }
    }
    let cores = Cores::of(job.workers);
    let mut site = Site::of(service, cores)?;
    let server = match Server::start(peer, job, &site.way)? {
        Started::Server(server) => server,
        Started::Cannot(why) => return Ok(Answer::Cannot(why)),
    };
    block_for(SETTLE);
    let process = server.process();
    let done = pinned(cores.map(|cores| cores.load), || {
        let mut load = site.load(process, job.size)?;
        if job.work.is_parked() {
            weigh(process, &mut *load, job)
        } else {
            time(process, &mut *load, job)
        }
    });
    conclude(server, done).map(Answer::Round)
}

/// How many system calls or instructions an operation takes.
///
/// # Errors
///
/// What went wrong, on one line.
pub(super) fn count(peer: &Found, job: &Job, what: What) -> Result<Answer, String> {
    let Some(counter) = Counter::here(what) else {
        return Ok(Answer::Cannot(what.nobody().to_owned()));
    };
    let one_in = match what {
        What::Calls => COUNT_ONE_IN,
        What::Instructions => COUNT_INSTRUCTIONS_ONE_IN,
    };
    let few = (job.size / one_in).max(1);
    let mut counts = [0; 2];
    for (count, operations) in counts.iter_mut().zip([few, AGAIN * few]) {
        let counted = match job.work {
            Work::Serve(service) => served(peer, job, service, counter, operations)?,
            Work::Http(http) => http::served(peer, job, http, counter, operations)?,
            _ => alone(peer, job, counter, operations)?,
        };
        *count = match counted {
            Counted::Number(number) => number,
            Counted::Cannot(why) => return Ok(Answer::Cannot(why)),
        };
    }
    let operations = (AGAIN - 1) * few;
    let of_one = (counts[1] as f64 - counts[0] as f64) / operations as f64;
    // Of few operations the difference may be lost among what clocks do.
    Ok(Answer::Round(Round::of(vec![of_one.max(0.0)])))
}

/// All that a process has done of what is counted.
pub(super) enum Counted {
    Number(u64),
    Cannot(String),
}

/// All calls of a server that is given so many operations.
fn served(
    peer: &Found,
    job: &Job,
    service: Service,
    counter: Counter,
    operations: usize,
) -> Result<Counted, String> {
    let cores = Cores::of(job.workers);
    let sheet = Sheet::new();
    let mut site = Site::of(service, cores)?;
    site.way.under = counter.words(sheet.path());
    let server = match Server::start(peer, job, &site.way)? {
        Started::Server(server) => server,
        Started::Cannot(why) => return Ok(Counted::Cannot(why)),
    };
    let process = server.process();
    let done = pinned(cores.map(|cores| cores.load), || {
        // As many connections whatever the number of operations.
        let mut load = site.load(process, job.size)?;
        load.run(operations).map_err(|error| error.to_string())
    });
    conclude(server, done)?;
    counter.read(&sheet).map(Counted::Number)
}

/// All calls of a process that does so much by itself.
fn alone(peer: &Found, job: &Job, counter: Counter, size: usize) -> Result<Counted, String> {
    let sheet = Sheet::new();
    let once = Job {
        size,
        warm_ups: 0,
        repetitions: 1,
        ..*job
    };
    match process::run_under(&counter.words(sheet.path()), peer, &once)? {
        Answer::Round(_) => counter.read(&sheet).map(Counted::Number),
        Answer::Cannot(why) => Ok(Counted::Cannot(why)),
    }
}

/// Where a server stands.
struct Site {
    service: Service,
    way: Way,
    behind: Option<TcpListener>,
}

impl Site {
    fn of(service: Service, cores: Option<Cores>) -> Result<Self, String> {
        let behind = service.is_proxy().then(|| TcpListener::bind(ANYWHERE));
        let behind = behind.transpose().map_err(|error| error.to_string())?;
        let address = behind.as_ref().map(TcpListener::local_addr).transpose();
        let way = Way {
            under: Vec::new(),
            core: cores.map(|cores| cores.server),
            has_small_pages: service == Service::Idle,
            behind: address.map_err(|error| error.to_string())?,
            files: None,
        };
        Ok(Self {
            service,
            way,
            behind,
        })
    }

    fn load(&mut self, server: Process, operations: usize) -> Result<Box<dyn Load>, String> {
        load::begin(
            self.service,
            server.address,
            self.behind.as_ref(),
            operations,
        )
        .map_err(|error| format!("the load cannot begin: {error}"))
    }
}

/// As every process measures by itself: `filch_bench_common::answer`.
fn time(server: Process, load: &mut dyn Load, job: &Job) -> Result<Round, String> {
    let failed = |error: io::Error| format!("under load: {error}");
    for _ in 0..job.warm_ups {
        load.run(job.size).map_err(failed)?;
    }
    let begun = now();
    let mut round = Round::default();
    while round.figures.len() < job.repetitions
        && (round.figures.is_empty() || begun.elapsed() < ENOUGH)
    {
        let before = server.cpu()?;
        let took = load::timed(load, job.size).map_err(failed)?;
        round.figures.push(took.as_secs_f64());
        round.cpu.push(server.cpu()?.since(&before).as_secs_f64());
    }
    Ok(round)
}

pub(super) fn weigh(server: Process, load: &mut dyn Load, job: &Job) -> Result<Round, String> {
    let before = server.resident_bytes()?;
    load.run(job.size)
        .map_err(|error| format!("under load: {error}"))?;
    block_for(SETTLE_PARKED);
    let grown = server.resident_bytes()?.saturating_sub(before);
    Ok(Round::of(vec![grown as f64]))
}

/// Ends the server. If the load has failed, what the server says is the better reason.
pub(super) fn conclude<T>(server: Server, done: Result<T, String>) -> Result<T, String> {
    match (done, server.end()) {
        (Ok(done), Ok(())) => Ok(done),
        (Ok(_), Err(why)) => Err(why),
        (Err(why), Ok(())) => Err(why),
        (Err(load), Err(server)) => Err(format!("{server} ({load})")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::peer::Family;
    use super::*;

    /// A peer that is a line for the shell.
    fn shell(line: &str) -> Found {
        Found {
            name: "shell",
            what: "a line for the shell",
            is_filch: false,
            family: Family::Runtime,
            version: String::new(),
            program: "sh".into(),
            first_words: vec!["-c".to_owned(), line.to_owned(), "sh".to_owned()],
        }
    }

    const JOB: Job = Job {
        work: Work::Serve(Service::Echo(1, 64)),
        workers: 1,
        size: 2,
        warm_ups: 0,
        repetitions: 1,
    };

    fn asked(line: &str) -> Result<Answer, String> {
        serve(&shell(line), &JOB, Service::Echo(1, 64))
    }

    #[test]
    fn who_cannot_serve_says_so() {
        let answer = asked(r#"echo '{"cannot":"no '"$1"'"}'"#);
        assert!(matches!(answer, Ok(Answer::Cannot(why)) if why == "no echo-1-64"));
    }

    #[test]
    fn a_server_that_breaks_is_told_on_one_line() {
        let why = |line| asked(line).expect_err(line);
        assert_eq!(why("echo oh >&2; exit 3"), "oh");
        assert_eq!(why("echo hello; echo what >&2"), "what");
        // Port 1 of this machine is nobody's.
        let line = r#"echo '{"listening":"127.0.0.1:1"}'; read end; echo gone >&2; exit 1"#;
        assert!(why(line).starts_with("gone (the load cannot begin: "));
    }

    #[test]
    fn what_clocks_do_is_no_less_than_nothing() {
        let line = r#"echo '{"figures":[1]}'"#;
        let job = Job {
            work: Work::Fib,
            ..JOB
        };
        match count(&shell(line), &job, What::Calls) {
            Ok(Answer::Round(round)) => assert_eq!(round.figures.len(), 1),
            Ok(Answer::Cannot(why)) => assert_eq!(why, What::Calls.nobody()),
            Err(why) => panic!("{why}"),
        }
    }
}
