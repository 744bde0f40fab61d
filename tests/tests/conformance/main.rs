//! Does the server do with every sequence of bytes what RFC 9110 and 9112 say, and with those that attackers send?
//!
//! The cases are text: `tests/conformance/*.txt`, with the notation in `tests/conformance/README.md`. Each is run twice, once with
//! what belongs together in one write, and once with every byte by itself. Nothing here judges time: the server of the cases has no
//! time limits, and a client that waits in vain fails after [`filch_tests::guard::HANG`].
//!
//! | file | question |
//! |---|---|
//! | [`bytes`] | how are bytes written in a case? |
//! | [`case`] | what does a case say? |
//! | [`answer`] | what did the server answer? |
//! | [`server`] | what understood the request? |
//! | [`wire`] | does a case hold? |
//! | [`not_yet`] | which cases are known not to? |

mod answer;
mod bytes;
mod case;
mod not_yet;
mod server;
mod wire;

use case::{Case, End, Step};
use not_yet::NOT_YET;
use server::TestServer;
use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use wire::{Delivery, check};

/// So many cases are run at a time: they wait more than they work.
const THREADS: usize = 24;

/// At least as many as this project promised.
const CASES_MIN: usize = 300;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

/// All cases, in the order of their files' names.
fn cases() -> Vec<Case> {
    let entries = std::fs::read_dir(folder()).expect("the folder of the cases");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|it| it == "txt"))
        .collect();
    paths.sort();
    let parsed = paths.iter().map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(path).expect("a case file is text");
        case::parse(&name, &text)
    });
    let parsed: Result<Vec<_>, _> = parsed.collect();
    parsed
        .unwrap_or_else(|error| panic!("tests/conformance/{error}"))
        .concat()
}

/// What went wrong with a case, if anything did.
struct Outcome<'c> {
    case: &'c Case,
    delivery: Delivery,
    complaint: Option<String>,
}

/// Runs every case in both ways, several at a time.
fn run<'c>(server: &TestServer, cases: &'c [Case]) -> Vec<Outcome<'c>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            // ORDERING: a counter; the cases were made before the threads were.
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(at / 2) else {
                return done;
            };
            let delivery = [Delivery::Whole, Delivery::Bytewise][at % 2];
            done.push((
                at,
                Outcome {
                    case,
                    delivery,
                    complaint: check(case, delivery, server.addr).err(),
                },
            ));
        }
    };
    let mut outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let done = threads.into_iter().map(|thread| thread.join());
        done.flat_map(|it| it.expect("a case does not panic"))
            .collect()
    });
    outcomes.sort_by_key(|(at, _)| *at);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

#[test]
fn every_case_holds_whole_and_byte_by_byte() {
    let server = TestServer::start();
    // `FILCH_CASE=chunk` runs those whose name, or file, contains it.
    let wanted = std::env::var("FILCH_CASE").unwrap_or_default();
    let mut cases = cases();
    cases.retain(|case| case.name.contains(&wanted) || case.file.contains(&wanted));
    assert!(!cases.is_empty(), "no case has {wanted:?} in its name");

    let outcomes = run(&server, &cases);
    let mut table = String::new();
    for outcome in &outcomes {
        let (case, complaint) = (outcome.case, &outcome.complaint);
        if let (Some(complaint), false) = (complaint, NOT_YET.contains(&&*case.name)) {
            let _ = writeln!(
                table,
                "{}:{}: {} ({}, {})\n    {complaint}",
                case.file,
                case.line,
                case.name,
                case.sources.join("; "),
                outcome.delivery,
            );
        }
    }
    for pair in outcomes.chunks(2) {
        let holds = pair.iter().all(|outcome| outcome.complaint.is_none());
        let name = &*pair[0].case.name;
        if holds && NOT_YET.contains(&name) {
            let _ = writeln!(
                table,
                "{name:?} holds now: take it out of tests/tests/conformance/not_yet.rs"
            );
        }
    }
    assert!(
        table.is_empty(),
        "of {} cases, these do not hold:\n\n{table}",
        cases.len()
    );
}

#[test]
fn there_are_enough_cases_and_each_says_where_it_comes_from() {
    let cases = cases();
    assert!(cases.len() >= CASES_MIN, "only {} cases", cases.len());
    let mut names = HashSet::new();
    for case in &cases {
        let at = format!("{}:{}", case.file, case.line);
        assert!(names.insert(&case.name), "{at}: {} twice", case.name);
        // The parser asks for it too; this is the promise.
        assert!(!case.sources.is_empty(), "{at}: no source");
    }
    for name in NOT_YET {
        assert!(
            names.contains(&(*name).to_owned()),
            "{name:?} is on the list of what does not hold yet, and no case"
        );
    }
}

/// One case of every kind is there, so that a file that was not read is missed.
#[test]
fn the_cases_cover_what_can_happen() {
    let cases = cases();
    let has = |what: &str, is: &dyn Fn(&Case) -> bool| {
        assert!(cases.iter().any(is), "no case with {what}");
    };
    for end in [End::Open, End::Close, End::Eof, End::Gone] {
        has(&format!("{end:?}"), &|case| case.end == end);
    }
    has("a client that closes its half", &|case| {
        case.steps
            .iter()
            .any(|step| matches!(step, Step::HalfClose))
    });
    for status in [100, 200, 204, 400, 404, 405, 413, 414, 417, 431, 501, 505] {
        has(&status.to_string(), &|case| {
            case.answers().any(|expected| expected.status == status)
        });
    }
}
