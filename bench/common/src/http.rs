//! What is an HTTP server of the comparison asked for, and by how many?
//!
//! All answer the same routes: `/` with [`HELLO`] as plain text, `/json` with an object of one field, [`GREETING_FIELD`], as whatever library they have serialises it, `/fib/{n}` and `/burn/{n}` with the
//! n-th Fibonacci number, computed in a loop and by naive recursion in the handler, `/static/{file}` with a file of the folder that [`folder`] names, and POST
//! `/echo` with the body that came. Each answer has `Date` and `Server`. Who does not offer a route answers 404, and is left out of its rows.
//!
//! The load's end of it is `bench/src/load/http.rs`.

use crate::job::{Job, Work};
use std::path::PathBuf;
use std::process;
use std::time::Duration;

/// What `/` answers.
pub const HELLO: &str = "Hello, World!";

/// The only field of what `/json` answers, `{"message":"Hello, World!"}`.
pub const GREETING_FIELD: &str = "message";

/// Environment variable that names the folder of files. Its own name is `static`.
pub const FOLDER: &str = "FILCH_BENCH_FOLDER";

/// How long a server shall keep connections that are idle, where it asks: longer than any row takes.
pub const KEEP_ALIVE: Duration = Duration::from_secs(600);

/// The largest body that is sent to `/echo`, where a server wants to know.
pub const BODY_MAX: usize = 2 << 20;

/// A row of the comparison: requests, and over which connections they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    /// `/` over so many connections, on each so many requests at once.
    Hello(usize, usize),
    /// `/json` over 64 connections, as the two below.
    Json,
    /// `/fib/50`.
    Fib,
    /// `/burn/21`.
    Burn,
    /// `/`, each time over another connection.
    Visits,
    /// `/` at a fixed rate, beside so many clients of `/burn/35`.
    Beside(usize),
    /// A file of 100 kB.
    SmallFile,
    /// A file of 10 MiB.
    LargeFile,
    /// 1 MiB that is sent back.
    Echo,
    /// `size` connections that have been answered once, and wait.
    Idle,
    /// `/` over 64 connections, while 10 000 others wait.
    AmongIdle,
    /// `/` at a fixed rate, half of what this server does.
    AtHalf,
    /// `/` at so many requests a second.
    AtRate(usize),
}

impl Http {
    /// Whether the server shares all cores with its load, which makes no sense with one worker.
    pub fn shares_cores(self) -> bool {
        matches!(self, Self::Beside(_) | Self::Hello(256, _))
    }

    /// Whether requests come at a rate, whatever the server does.
    pub fn is_paced(self) -> bool {
        matches!(self, Self::Beside(_) | Self::AtHalf | Self::AtRate(_))
    }

    /// Whether files are asked for.
    pub fn has_files(self) -> bool {
        matches!(self, Self::SmallFile | Self::LargeFile)
    }

    /// Whether what one request costs is counted in runs of its own.
    pub fn is_counted(self) -> bool {
        !(self.is_paced() || self.shares_cores() || self == Self::Idle)
    }
}

/// With how many workers a peer's program is asked to serve. For its `main`: a command line that asks for something else ends the process.
pub fn workers(words: impl Iterator<Item = String>) -> usize {
    let words: Vec<_> = words.collect();
    match Job::from_words(&words) {
        Ok(Job {
            work: Work::Http(_),
            workers,
            ..
        }) => workers,
        Ok(_) => {
            println!(r#"{{"cannot":"it serves HTTP and nothing else"}}"#);
            process::exit(0)
        }
        Err(sentence) => {
            eprintln!("{sentence}");
            process::exit(2)
        }
    }
}

/// The folder of files; one that does not exist where none is given.
pub fn folder() -> PathBuf {
    std::env::var_os(FOLDER).map_or_else(|| "/nonexistent".into(), PathBuf::from)
}

/// The file of that name in the folder; none for a name that could lead out of it.
pub fn file(name: &str) -> Option<PathBuf> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    let is_fine = name.bytes().all(is_plain) && !name.starts_with('.');
    is_fine.then(|| folder().join(name))
}

/// The n-th Fibonacci number as text, by a loop; none if that is no number up to 93.
pub fn fib(n: &str) -> Option<String> {
    let n = number(n, 93)?;
    let (a, _) = (0..n).fold((0_u64, 1_u64), |(a, b), _| (b, a.wrapping_add(b)));
    Some(a.to_string())
}

/// The same by naive recursion; none if it is no number up to 45.
pub fn burn(n: &str) -> Option<String> {
    fn fib(n: u64) -> u64 {
        if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
    }
    Some(fib(number(n, 45)?).to_string())
}

fn number(text: &str, max: u64) -> Option<u64> {
    text.parse().ok().filter(|&n| n <= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_give_the_same_numbers_and_refuse_others() {
        for (n, number) in [("0", "0"), ("1", "1"), ("21", "10946")] {
            assert_eq!(fib(n).as_deref(), Some(number));
            assert_eq!(burn(n).as_deref(), Some(number));
        }
        assert_eq!(fib("93").as_deref(), Some("12200160415121876738"));
        assert_eq!((fib("94"), burn("46"), burn("x")), (None, None, None));
    }

    #[test]
    fn a_file_is_within_the_folder() {
        assert_eq!(file("a.bin"), Some(folder().join("a.bin")));
        assert_eq!((file("../a"), file("a/b"), file(".a")), (None, None, None));
    }

    #[test]
    fn what_shares_cores_or_comes_at_a_rate_is_not_counted() {
        assert!(Http::Hello(64, 16).is_counted() && Http::Visits.is_counted());
        for row in [
            Http::Hello(256, 1),
            Http::AtHalf,
            Http::Beside(4),
            Http::Idle,
        ] {
            assert!(!row.is_counted(), "{row:?}");
        }
    }
}
