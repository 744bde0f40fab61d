//! Does the program keep what its users rely on: flags, JSON, exit status?

use serde_json::Value;
use std::process::{Command, Output};

const KEYS: [&str; 13] = [
    "peer",
    "workload",
    "mode",
    "workers",
    "memory",
    "tasks",
    "rounds",
    "spawn_s",
    "run_s",
    "total_s",
    "total_min_s",
    "total_max_s",
    "bytes_per_task",
];

fn run(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_filch-bench"))
        .args(line.split_whitespace())
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it speaks UTF-8")
}

fn lines(line: &str) -> Vec<String> {
    let output = run(line);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn json_is_an_object_a_line_with_all_keys() {
    let lines = lines("spawn --tasks 2000 --workers 1,2 --rounds 2 --json");
    // Three modes, cold and warm, one and two workers; and parked tasks with and without handles.
    assert_eq!(lines.len(), 3 * 2 * 2 + 2);
    for line in &lines {
        let object: Value = serde_json::from_str(line).expect("each line is JSON");
        assert_eq!(object.as_object().expect("an object").len(), KEYS.len());
        let mut rest = line.as_str();
        for key in KEYS {
            let at = rest.find(&format!("\"{key}\":")).expect(key);
            rest = &rest[at..];
        }
        assert_eq!(object["peer"], "filch");
        assert_eq!(object["tasks"], 2000);
        assert_eq!(object["rounds"], 2);
        assert!(object["total_s"].as_f64().expect("a number") > 0.0);
        assert!(object["total_min_s"].as_f64() <= object["total_s"].as_f64());
        assert!(object["total_s"].as_f64() <= object["total_max_s"].as_f64());
    }
}

#[test]
fn one_choice_gives_one_line_and_the_subcommand_may_be_left_out() {
    let lines = lines("--tasks 1 --workers 1 --rounds 1 --mode outside --memory warm --json");
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with(
        r#"{"peer":"filch","workload":"empty","mode":"outside","workers":1,"memory":"warm","tasks":1,"rounds":1,"spawn_s":"#
    ));
}

#[test]
fn the_table_shows_the_talk_and_filch() {
    let text = lines("--tasks 1000 --workers 2 --rounds 1").join("\n");
    for part in [
        "1 000 empty coroutines",
        "Name ",
        "goroutines (2018)",
        "filch, joined, 2 workers, cold",
        "Peak MB",
        "with its handle kept",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn bad_arguments_end_with_status_2_and_one_line() {
    for line in [
        "--tasks 0",
        "--workers 0",
        "--workers 1,x",
        "--rounds 0",
        "--mode sideways",
        "--tasks 200000000000",
        "--nonsense",
        "spawn extra",
    ] {
        let output = run(line);
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
        assert!(output.stdout.is_empty(), "{line}");
        let complaint = text(&output.stderr);
        assert_eq!(complaint.lines().count(), 1, "{line}: {complaint}");
        assert!(complaint.starts_with("filch-bench: "), "{complaint}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    assert!(lines("--help").join("\n").contains("NOT MEASURED"));
    assert!(lines("--version")[0].starts_with("filch-bench 0."));
}
