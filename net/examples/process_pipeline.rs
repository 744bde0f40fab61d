//! `a | b | c` without a shell: programs joined by pipes, with back-pressure, a deadline, and an end for all of them.
//!
//! ```text
//! cargo run -p filch-net --example process_pipeline
//! ```
//!
//! The pipes between programs are the kernel's: no byte of them passes through this process. Only the first one's input and the last one's output do, each in a task of its own,
//! since a pipeline whose output nobody reads stops taking input.

use filch::time::{Duration, timeout};
use filch_net::process::{Child, ChildStdin, ChildStdout, Command};
use futures_lite::StreamExt;
use futures_lite::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

/// Programs of which each reads what the one before writes.
struct Pipeline {
    programs: Vec<Child>,
    input: ChildStdin,
    output: ChildStdout,
}

#[filch::main]
pub(crate) async fn main() -> io::Result<()> {
    everything_at_once().await?;
    only_as_much_as_is_read().await?;
    a_deadline().await
}

/// A task writes, another reads, and at the end all have succeeded.
async fn everything_at_once() -> io::Result<()> {
    let grep = command("grep", &["7"]);
    let pipeline = Pipeline::start([command("cat", &[]), grep, command("wc", &["-l"])])?;
    let Pipeline {
        programs,
        mut input,
        mut output,
    } = pipeline;
    let writing = filch::spawn(async move {
        for number in 0..100_000 {
            input.write_all(format!("{number}\n").as_bytes()).await?;
        }
        input.close().await // the first program's input ends, then the second's, then the third's
    });
    let mut count = String::new();
    output.read_to_string(&mut count).await?;
    writing.await??;
    println!("numbers below 100000 with a 7 in them: {}", count.trim());
    assert_eq!(count.trim(), "40951");
    for mut program in programs {
        assert!(program.wait().await?.success());
    }
    Ok(())
}

/// A program that never stops writing waits for who reads, and ends when nobody reads any more.
async fn only_as_much_as_is_read() -> io::Result<()> {
    let yes = command("yes", &["back-pressure"]);
    let pipeline = Pipeline::start([yes, command("cat", &["-n"]), command("cat", &[])])?;
    let mut lines = BufReader::new(pipeline.output).lines();
    for number in 1..=1000 {
        let line = lines.try_next().await?.expect("there is no end of them");
        assert_eq!(line.trim(), format!("{number}\tback-pressure"));
    }
    drop(lines);
    // Each finds nobody behind it that reads, which ends it: the last one first.
    for mut program in pipeline.programs {
        assert_eq!(program.wait().await?.signal(), Some(SIGPIPE));
    }
    println!("a thousand lines were enough");
    Ok(())
}

/// Not done in time: all of it is killed.
async fn a_deadline() -> io::Result<()> {
    let slow = command("sleep", &["3600"]);
    let mut pipeline = Pipeline::start([slow, command("cat", &[]), command("cat", &[])])?;
    let mut answer = Vec::new();
    let reading = pipeline.output.read_to_end(&mut answer);
    assert!(timeout(Duration::from_millis(50), reading).await.is_err());
    for status in pipeline.kill().await? {
        assert_eq!(status.signal(), Some(SIGKILL));
    }
    println!("what took too long is gone");
    Ok(())
}

impl Pipeline {
    /// Starts them. If one cannot be started, those before are killed: they are dropped.
    fn start(commands: impl IntoIterator<Item = Command>) -> io::Result<Self> {
        let mut programs = Vec::new();
        let (mut input, mut between) = (None, None);
        for mut command in commands {
            let stdin = match between.take() {
                None => Stdio::piped(),
                Some(output) => Stdio::try_from(output)?,
            };
            command
                .stdin(stdin)
                .stdout(Stdio::piped())
                .kill_on_drop(true);
            let mut program = command.spawn()?;
            // The first one's; the command itself, which is dropped here, has the ends of the others.
            input = input.or(program.stdin.take());
            between = program.stdout.take();
            programs.push(program);
        }
        let nothing = || io::Error::new(io::ErrorKind::InvalidInput, "a pipeline of no programs");
        Ok(Self {
            programs,
            input: input.ok_or_else(nothing)?,
            output: between.ok_or_else(nothing)?,
        })
    }

    /// Kills all, the last one first, and only then waits: one whose input ends would end by itself, as if all were well.
    async fn kill(mut self) -> io::Result<Vec<ExitStatus>> {
        for program in self.programs.iter().rev() {
            program.start_kill()?;
        }
        let mut statuses = Vec::new();
        for program in &mut self.programs {
            statuses.push(program.wait().await?);
        }
        Ok(statuses)
    }
}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// By which signals programs end here; their numbers on Linux.
const SIGKILL: i32 = 9;
const SIGPIPE: i32 = 13;
