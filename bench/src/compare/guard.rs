//! How does a program that knows nothing of comparisons take part in one?
//!
//! This program starts itself as its guard, which speaks as all peers do: it takes the job's words, says where the server listens and which process that is, and when its own
//! standard input ends it ends the server with SIGTERM. So nothing stays behind if whoever compares is killed. What the guard itself does, it does whatever
//! the number of requests, and the difference of two runs that are counted has none of it.

use filch_bench_common::clock::{block_for, now};
use filch_bench_common::http::{self, HELLO, KEEP_ALIVE};
use filch_bench_common::serve::ANYWHERE;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

/// The first word of its command line.
const WORD: &str = "guard";

/// How long a server may take to listen: under valgrind seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often one that does not say when it listens is tried.
const TRY_EVERY: Duration = Duration::from_millis(10);

/// What it guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Hello,
    Nginx,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Nginx => "nginx",
        }
    }
}

/// The words that stand before a job's, behind this program.
pub(super) fn words(kind: Kind, program: &Path) -> [String; 4] {
    let program = program.display().to_string();
    let word = kind.word().to_owned();
    [super::SUBCOMMAND.to_owned(), WORD.to_owned(), word, program]
}

/// What stands behind its own word, if a command line is for it.
pub(super) fn asked(words: &[String]) -> Option<&[String]> {
    words
        .split_first()
        .filter(|(word, _)| *word == WORD)
        .map(|(_, rest)| rest)
}

/// What the guard does: words are the kind, the program, and the job's.
pub(super) fn serve(words: &[String]) -> ExitCode {
    let [kind, program, job @ ..] = words else {
        eprintln!("expected a kind and a program");
        return ExitCode::from(2);
    };
    let workers = http::workers(job.iter().cloned());
    let done = if *kind == Kind::Hello.word() {
        hello(program, workers).and_then(guard)
    } else if workers > 1 {
        println!(r#"{{"cannot":"it is run as one process"}}"#);
        return ExitCode::SUCCESS;
    } else {
        nginx(program)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A server that listens.
struct Running {
    child: Child,
    address: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended is only reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tells of it, waits for the end of standard input, and ends it.
fn guard(mut running: Running) -> io::Result<()> {
    let (address, process) = (running.address, running.child.id());
    println!(r#"{{"listening":"{address}","process":{process}}}"#);
    io::stdin().read_to_end(&mut Vec::new())?;
    if let Some(status) = running.child.try_wait()? {
        return Err(io::Error::other(format!(
            "it has ended by itself: {status}"
        )));
    }
    kill_process(Pid::from_child(&running.child), Signal::TERM)?;
    let status = running.child.wait()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "told to end, it did with {status}"
    )))
}

/// The example of filch-http, which says on standard error where it listens.
fn hello(program: &str, workers: usize) -> io::Result<Running> {
    let mut command = Command::new(program);
    command.args(["--addr", &ANYWHERE.to_string()]);
    command.args(["--workers", &workers.to_string()]);
    let keep_alive = KEEP_ALIVE.as_millis().to_string();
    command.args(["--keepalive-timeout-ms", &keep_alive]);
    if std::env::var_os(http::FOLDER).is_some() && knows(program, "--static")? {
        command.arg("--static").arg(http::folder());
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut running = Running {
        child,
        address: ANYWHERE,
    };
    let mut said = String::new();
    while stderr.read_line(&mut said)? > 0 {
        let mut lines = said.lines();
        let address = lines.find_map(|line| line.strip_prefix("listening on "));
        if let Some(address) = address {
            running.address = address.parse().map_err(io::Error::other)?;
            // What it says later is its own affair, but must not fill the pipe.
            thread::spawn(move || io::copy(&mut stderr, &mut io::stderr()));
            return Ok(running);
        }
    }
    Err(io::Error::other(said))
}

/// Whether a flag stands in a program's help.
fn knows(program: &str, flag: &str) -> io::Result<bool> {
    let output = Command::new(program).arg("--help").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).contains(flag))
}

/// nginx with a folder of its own, which is removed in the end.
fn nginx(program: &str) -> io::Result<()> {
    let folder = std::env::temp_dir().join(format!("filch-bench-nginx-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let done = nginx_in(program, &folder).and_then(guard);
    fs::remove_dir_all(&folder)?;
    done
}

fn nginx_in(program: &str, folder: &Path) -> io::Result<Running> {
    // It does not take a port that is free; so it gets one that was so just now.
    let address = TcpListener::bind(ANYWHERE)?.local_addr()?;
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration(folder, address, http::folder()))?;
    let child = Command::new(program)
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let mut running = Running { child, address };
    let begun = now();
    while TcpStream::connect(address).is_err() {
        if let Some(status) = running.child.try_wait()? {
            return Err(io::Error::other(format!("it has not begun: {status}")));
        }
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other("it does not listen"));
        }
        block_for(TRY_EVERY);
    }
    Ok(running)
}

/// One process, no log, files by sendfile, connections that are kept as long as everybody's.
fn configuration(folder: &Path, address: SocketAddr, files: PathBuf) -> String {
    let (own, files) = (folder.display(), files.display());
    let keep_alive = KEEP_ALIVE.as_secs();
    format!(
        "daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {own}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 19000; }}
http {{
  access_log off;
  sendfile on;
  default_type text/plain;
  keepalive_timeout {keep_alive}s;
  keepalive_requests 1000000000;
  client_body_temp_path {own}/body;
  proxy_temp_path {own}/proxy;
  fastcgi_temp_path {own}/fastcgi;
  uwsgi_temp_path {own}/uwsgi;
  scgi_temp_path {own}/scgi;
  server {{
    listen {address} backlog=1024;
    location = / {{ return 200 \"{HELLO}\"; }}
    location /static/ {{ alias {files}/; }}
    location / {{ return 404; }}
  }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_command_line_is_told_from_a_jobs() {
        let words = words(Kind::Hello, Path::new("/a b/hello"));
        assert_eq!(words[0], super::super::SUBCOMMAND);
        let rest = asked(&words[1..]).expect("it is the guard's");
        assert_eq!(rest, ["hello", "/a b/hello"]);
        assert_eq!(asked(&["fib".to_owned()]), None);
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn a_program_that_ends_at_once_is_an_error_with_what_it_said() {
        let error = hello("false", 1).err().expect("it does not listen");
        assert_eq!(error.to_string(), "");
        assert!(hello("/nonexistent", 1).is_err());
        let folder = std::env::temp_dir().join(format!("filch-bench-guard-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let error = nginx_in("false", &folder)
            .err()
            .expect("it does not listen");
        assert!(error.to_string().contains("has not begun"), "{error}");
        fs::remove_dir_all(&folder).expect("it is there");
    }

    #[test]
    fn nginx_is_told_who_asks_and_what_for() {
        let text = configuration(Path::new("/own"), ANYWHERE, "/files".into());
        for part in [
            "listen 127.0.0.1:0 ",
            "alias /files/;",
            "pid /own/nginx.pid;",
            "600s",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
