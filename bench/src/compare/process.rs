//! What does one run of one peer answer?
//!
//! One line of JSON; `filch_bench_common::answer` says which. A run that takes longer than [`LIMIT`] is ended: a peer that hangs
//! must not hold up the others.

use super::peer::Found;
use filch_bench_common::Job;
use serde::Deserialize;
use std::fs;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Four times what the slowest peer known takes for the largest job: a million greenlets that sleep, twice, 70 s.
pub(super) const LIMIT: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) enum Answer {
    /// What was measured.
    Round(Round),
    /// Why this is nothing it does.
    Cannot(String),
}

/// What one run has measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Round {
    /// Seconds, bytes, counts or burns a second of each repetition.
    pub(super) figures: Vec<f64>,
    /// Seconds of processor time of each, where those are told.
    pub(super) cpu: Vec<f64>,
    /// Seconds that half of its requests, 99 of a hundred and 999 of a thousand took at most, where those are told.
    pub(super) times: Vec<[f64; 3]>,
}

impl Round {
    /// Without processor time.
    pub(super) fn of(figures: Vec<f64>) -> Self {
        Self {
            figures,
            ..Self::default()
        }
    }
}

/// An answer as it is written.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Said {
    Figures {
        figures: Vec<f64>,
        #[serde(default)]
        cpu: Vec<f64>,
    },
    Cannot {
        cannot: String,
    },
}

/// Runs a job in a process of its own.
///
/// # Errors
///
/// What went wrong, on one line.
pub(super) fn run(peer: &Found, job: &Job) -> Result<Answer, String> {
    run_under(&[], peer, job)
}

/// The same with these words before the program.
///
/// # Errors
///
/// What went wrong, on one line.
pub(super) fn run_under(words: &[String], peer: &Found, job: &Job) -> Result<Answer, String> {
    let program = peer.program.display().to_string();
    let words = [words, &[program]].concat();
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .args(&peer.first_words)
        .args(job.words())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    // Five million coroutines may be more than there is memory for: then it is this process that has to go. Where the kernel does not
    // let itself be told, it chooses for itself.
    let _ = fs::write(format!("/proc/{}/oom_score_adj", child.id()), "1000");
    let stdout = read(child.stdout.take().expect("it is piped"));
    let stderr = read(child.stderr.take().expect("it is piped"));
    match stdout.recv_timeout(LIMIT) {
        Ok(said) => {
            let status = child.wait().map_err(|error| error.to_string())?;
            understand(&said, status, &stderr)
        }
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            end(&mut child).map_err(|error| error.to_string())?;
            Err(format!("it was not done after {} s", LIMIT.as_secs()))
        }
    }
}

/// Everything that comes, once nothing more comes. Read on a thread, so that a pipe never fills and a limit can be kept.
pub(super) fn read(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (done, said) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could be read is still worth telling.
        let _ = pipe.read_to_end(&mut bytes);
        let _ = done.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    said
}

fn understand(said: &str, status: ExitStatus, stderr: &Receiver<String>) -> Result<Answer, String> {
    if !status.success() {
        let complaint = stderr.recv().unwrap_or_default();
        return Err(format!("{status}: {}", one_line(&complaint)));
    }
    match serde_json::from_str(said.trim()) {
        Ok(Said::Figures { figures, cpu }) => Ok(Answer::Round(Round {
            cpu,
            ..Round::of(figures)
        })),
        Ok(Said::Cannot { cannot }) => Ok(Answer::Cannot(cannot)),
        Err(error) => Err(format!(
            "its answer is not understood ({error}): {}",
            one_line(said)
        )),
    }
}

/// The reason in what a program says at its end: Python names it last, Go first, Rust after the place of the panic.
pub(super) fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines = lines.take_while(|line| *line != "stack backtrace:");
    let is_about_it = |line: &&str| {
        !(line.is_empty() || line.starts_with("note: ") || line.starts_with("thread '"))
    };
    let lines: Vec<_> = lines.filter(is_about_it).collect();
    let mut line = match lines[..] {
        [first, .., last] if first.starts_with("Traceback") => last.to_owned(),
        [first, second, ..] => format!("{first} {second}"),
        [only] => only.to_owned(),
        [] => "it does not say why".to_owned(),
    };
    if let Some((end, _)) = line.char_indices().nth(200) {
        line.truncate(end);
    }
    line
}

fn end(child: &mut Child) -> io::Result<ExitStatus> {
    child.kill()?;
    child.wait()
}

#[cfg(test)]
mod tests {
    use super::super::peer::Family;
    use super::*;
    use filch_bench_common::Work;

    const JOB: Job = Job {
        work: Work::Fib,
        workers: 1,
        size: 2,
        warm_ups: 0,
        repetitions: 1,
    };

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

    #[test]
    fn both_answers_are_understood() {
        let answer = run(&shell(r#"echo '{"figures":[1e-5,2]}'"#), &JOB);
        assert!(matches!(answer, Ok(Answer::Round(round)) if round == Round::of(vec![1e-5, 2.0])));
        let answer = run(&shell(r#"echo '{"figures":[1],"cpu":[0.5]}'"#), &JOB);
        assert!(matches!(answer, Ok(Answer::Round(round)) if round.cpu == [0.5]));
        let answer = run(&shell(r#"echo '{"cannot":"no '"$1"'"}'"#), &JOB);
        assert!(matches!(answer, Ok(Answer::Cannot(why)) if why == "no fib"));
    }

    #[test]
    fn whoever_fails_is_told_on_one_line() {
        let why = |line: &str| run(&shell(line), &JOB).expect_err(line);
        assert_eq!(
            why("echo oh >&2; echo >&2; echo dear >&2; exit 3"),
            "exit status: 3: oh dear"
        );
        assert!(why("echo hello").contains("not understood"));
        assert!(why("kill -9 $$").starts_with("signal: 9"));
        assert!(!why("seq 1000 >&2; exit 1").contains('\n'));
    }

    #[test]
    fn the_reason_is_found_in_what_three_languages_say() {
        let rust = "\nthread 'main' (7) panicked at src/main.rs:1:2:\nno stack\nstack backtrace:\n   0: main\n";
        assert_eq!(one_line(rust), "no stack");
        let python = "Traceback (most recent call last):\n  File \"a\"\nMemoryError: none left\n";
        assert_eq!(one_line(python), "MemoryError: none left");
        assert_eq!(
            one_line("panic: oh\n\ngoroutine 1 [running]:\nmain\n"),
            "panic: oh goroutine 1 [running]:"
        );
        assert_eq!(one_line(""), "it does not say why");
    }

    #[test]
    fn much_talk_does_not_hold_anybody_up() {
        let answer = run(&shell(r#"seq 100000 >&2; echo '{"figures":[1]}'"#), &JOB);
        assert!(answer.is_ok(), "{answer:?}");
    }
}
