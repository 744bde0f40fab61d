//! How many instructions does it take to parse a head?
//!
//! Started without arguments, this program runs itself under callgrind, for each sample and each parser once with
//! 1 000 parses and once with 3 000: the difference, divided by 2 000, is a parse with the loop around it, and counts
//! of instructions do not drift as times do. The last column is the first parser's share of the last one's. With a
//! parser, a sample and a number it parses, and says nothing.
//!
//! `filch` takes the best instructions that the processor has (valgrind knows AVX2), `filch-framed` adds what a server
//! needs to know next: the framing rules over all fields.

use filch_http::proto::limits::FIELDS_MAX;
use filch_http::proto::{FieldSlot, Framing, RequestParser, ResponseParser, Simd};
use std::hint::black_box;
use std::process::{Command, Stdio};

#[path = "../workloads/heads.rs"]
mod heads;

const OF_REQUESTS: [&str; 5] = [
    "filch",
    "filch-sse42",
    "filch-portable",
    "filch-framed",
    "httparse",
];
const OF_RESPONSES: [&str; 2] = ["filch-response", "httparse-response"];
const ROUNDS: [u64; 2] = [1_000, 3_000];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [] => {
            table(&heads::requests(), &OF_REQUESTS);
            println!();
            table(&heads::responses(), &OF_RESPONSES);
        }
        [parser, sample, rounds] => run(parser, sample, rounds.parse().expect("how many parses")),
        _ => panic!("either nothing, or a parser, a sample and a number of parses"),
    }
}

fn table(samples: &[(&str, String)], parsers: &[&str]) {
    println!("| sample | {} | |", parsers.join(" | "));
    println!("|---{}|--:|", "|--:".repeat(parsers.len()));
    for (sample, _) in samples {
        let counts: Vec<u64> = parsers
            .iter()
            .map(|parser| instructions(parser, sample))
            .collect();
        print_row(sample, &counts);
    }
}

fn print_row(sample: &str, counts: &[u64]) {
    let figures: Vec<String> = counts.iter().map(u64::to_string).collect();
    let share = counts[0] as f64 / counts[counts.len() - 1] as f64;
    println!(
        "| {sample} | {} | {:.0} % |",
        figures.join(" | "),
        share * 100.0
    );
}

/// Instructions of one parse.
fn instructions(parser: &str, sample: &str) -> u64 {
    let [few, many] = ROUNDS.map(|rounds| counted(parser, sample, rounds));
    (many - few) / (ROUNDS[1] - ROUNDS[0])
}

/// Instructions of a run of this program.
fn counted(parser: &str, sample: &str, rounds: u64) -> u64 {
    let this = std::env::current_exe().expect("this program has a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args([parser, sample, &rounds.to_string()])
        .stdout(Stdio::null())
        .output()
        .expect("valgrind is installed");
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let (_, count) = line.unwrap_or_else(|| panic!("callgrind counted nothing: {text}"));
    count.trim().parse().expect("a count of instructions")
}

fn run(parser: &str, sample: &str, rounds: u64) {
    let (requests, responses) = (heads::requests(), heads::responses());
    let mut samples = requests.iter().chain(&responses);
    let (_, head) = samples.find(|(name, _)| *name == sample).expect("a sample");
    let bytes = head.as_bytes();
    match parser {
        "filch" => filch(bytes, rounds),
        "filch-sse42" => filch_with(Simd::Sse42, bytes, rounds),
        "filch-portable" => filch_with(Simd::Portable, bytes, rounds),
        "filch-framed" => filch_framed(bytes, rounds),
        "httparse" => httparse(bytes, rounds),
        "filch-response" => filch_response(bytes, rounds),
        "httparse-response" => httparse_response(bytes, rounds),
        _ => panic!("no such parser: {parser}"),
    }
}

fn filch(bytes: &[u8], rounds: u64) {
    let mut slots = [FieldSlot::default(); FIELDS_MAX];
    let mut parser = RequestParser::default();
    for _ in 0..rounds {
        parser.reset();
        let head = parser.parse(black_box(bytes), &mut slots);
        assert!(black_box(matches!(head, Ok(Some(_)))));
    }
}

fn filch_with(simd: Simd, bytes: &[u8], rounds: u64) {
    let mut slots = [FieldSlot::default(); FIELDS_MAX];
    let mut parser = RequestParser::default();
    for _ in 0..rounds {
        parser.reset();
        let head = parser.parse_with(simd, black_box(bytes), &mut slots);
        assert!(black_box(matches!(head, Some(Ok(Some(_))))));
    }
}

fn filch_framed(bytes: &[u8], rounds: u64) {
    let mut slots = [FieldSlot::default(); FIELDS_MAX];
    let mut parser = RequestParser::default();
    for _ in 0..rounds {
        parser.reset();
        let head = parser.parse(black_box(bytes), &mut slots);
        let head = head.ok().flatten().expect("a whole head");
        assert!(black_box(Framing::of(&head.view(bytes, &slots), u64::MAX)).is_ok());
    }
}

fn httparse(bytes: &[u8], rounds: u64) {
    let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
    for _ in 0..rounds {
        let mut request = httparse::Request::new(&mut headers);
        let status = request.parse(black_box(bytes));
        assert!(black_box(status.is_ok_and(|status| status.is_complete())));
    }
}

fn filch_response(bytes: &[u8], rounds: u64) {
    let mut slots = [FieldSlot::default(); FIELDS_MAX];
    let mut parser = ResponseParser::default();
    for _ in 0..rounds {
        parser.reset();
        let head = parser.parse(black_box(bytes), &mut slots);
        assert!(black_box(matches!(head, Ok(Some(_)))));
    }
}

fn httparse_response(bytes: &[u8], rounds: u64) {
    let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
    for _ in 0..rounds {
        let mut response = httparse::Response::new(&mut headers);
        let status = response.parse(black_box(bytes));
        assert!(black_box(status.is_ok_and(|status| status.is_complete())));
    }
}
