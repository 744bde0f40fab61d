//! How does each measurement get a process of its own?
//!
//! The program starts itself again with a hidden subcommand; the child does one [`Job`] and writes a line of JSON after each round.
//! A cold round needs a fresh process: only there is the memory untouched, so that page faults and huge pages are paid for. A warm
//! one makes a round that does not count first. And the peak of memory is a process's, so what one measurement
//! leaves behind would be charged to the next.
//!
//! Building the runtime and starting its threads is over before the clock runs (that is another benchmark's); so is the start
//! of the process.

use crate::plan::{Job, Measured, Memory, Round};
use crate::spawn::Bench;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

/// The hidden subcommand.
pub(crate) const SUBCOMMAND: &str = "child";

/// Measures; calls `tick` after each round that counts.
pub(crate) fn measure(job: Job, mut tick: impl FnMut()) -> io::Result<Measured> {
    let mut rounds = Vec::with_capacity(job.rounds);
    match job.memory {
        Memory::Warm => start(&job, &mut rounds, &mut tick)?,
        Memory::Cold => {
            let one = Job { rounds: 1, ..job };
            for _ in 0..job.rounds {
                start(&one, &mut rounds, &mut tick)?;
            }
        }
    }
    Ok(Measured { job, rounds })
}

/// What the child does.
pub(crate) fn serve(job: &Job) -> io::Result<()> {
    let mut bench = Bench::new(job)?;
    if job.memory == Memory::Warm {
        bench.round()?;
    }
    for _ in 0..job.rounds {
        let round = bench.round()?;
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, &round)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

/// Starts a child, and reads the rounds it reports until it ends.
fn start(job: &Job, rounds: &mut Vec<Round>, tick: &mut impl FnMut()) -> io::Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments(job))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let wanted = rounds.len() + job.rounds;
    for line in lines {
        rounds.push(serde_json::from_str(&line?)?);
        tick();
    }
    let mut complaint = String::new();
    let mut stderr = child.stderr.take().expect("it is piped");
    stderr.read_to_string(&mut complaint)?;
    let status = child.wait()?;
    if status.success() && rounds.len() == wanted {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "the process that measures {} ended with {status}: {}",
        job.mode.name(),
        complaint.trim()
    )))
}

/// The command line that [`crate::cli::parse`] makes the same job of.
fn arguments(job: &Job) -> [String; 6] {
    [
        SUBCOMMAND.to_owned(),
        job.mode.name().to_owned(),
        job.memory.name().to_owned(),
        job.workers.to_string(),
        job.tasks.to_string(),
        job.rounds.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Asked, parse};

    #[test]
    fn a_job_survives_the_command_line() {
        let job = crate::plan::tests::example().job;
        let line = std::iter::once("filch-bench".to_owned()).chain(arguments(&job));
        match parse(line.map(Into::into)) {
            Ok(Asked::Child(read)) => assert_eq!(read, job),
            other => panic!("{other:?}"),
        }
    }
}
