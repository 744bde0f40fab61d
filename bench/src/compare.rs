//! How does filch compare with other runtimes?
//!
//! Every workload runs on filch and on each peer in turn, round by round (A B C A B C ...): these machines drift by more between
//! minutes than runtimes differ, so only what was measured side by side can be compared. Each run is a process of its own, which
//! answers with a line of JSON; its median is the round's figure, and the median of the rounds is told with their extremes. Of a
//! latency the same answers give two figures, the median and the 99th percentile of the samples. A server is a process of its own too; its load comes from this one,
//! and of the same run both the clock and the server's processor time are told. System calls are counted in runs of their own.
//!
//! | file | answers |
//! |---|---|
//! | `args` | what is asked for? |
//! | `workload` | what is measured, in which variants, and what is not? |
//! | `peer` | with whom, and how does one get them? |
//! | `build` | how are they built? |
//! | `process` | what does one run answer? |
//! | `network`, `server` | what does one run of a server answer, and how is one started and ended? |
//! | `http` | the same of a server of HTTP |
//! | `guard` | how does a program that knows nothing of comparisons take part in one? |
//! | `calls` | how are system calls and instructions counted? |
//! | `cores` | on which cores do server and load run? |
//! | `result` | what came of it: figures, ratios, a line of JSON? |
//! | `tell` | how is it told to people? |
//! | `report` | what does `--report` write? |
//! | `commit`, `history`, `change` | of which commit is this, what was measured of earlier ones, and what has changed? |

mod args;
mod build;
mod calls;
mod change;
mod commit;
mod cores;
mod guard;
mod history;
mod http;
mod network;
mod peer;
mod process;
mod report;
mod result;
mod server;
mod tell;
mod workload;

pub(crate) use args::{AFTER_HELP, Choices, CompareArgs};
pub(crate) use change::{AFTER_HELP as AFTER_HISTORY_HELP, HistoryArgs};
pub(crate) use tell::list;

use crate::machine::{self, Machine};
use crate::progress;
use crate::workloads;
use calls::{Counter, What};
use commit::Commit;
use filch_bench_common::Work;
use history::History;
use indicatif::ProgressBar;
use peer::{Found, Missing};
use process::Answer;
use report::data::Data;
use result::{Outcome, Row};
use std::io::{self, Write};
use std::process::ExitCode;
use workload::{Case, Unit};

/// The hidden subcommand by which the program measures filch in a process of its own.
pub(crate) const SUBCOMMAND: &str = "compare-child";

/// What such a process does.
pub(crate) fn serve(words: Vec<String>) -> ExitCode {
    if let Some(rest) = guard::asked(&words) {
        return guard::serve(rest);
    }
    filch_bench_common::answer(words.into_iter(), workloads::build)
}

/// Compares what is asked for and tells it.
pub(crate) fn run(choices: &Choices) -> io::Result<()> {
    let machine = Machine::here();
    let (peers, missing) = found(choices);
    let mut data = Data::begin(machine, Commit::here(), choices.options(), &peers, &missing);
    let before = History::all(&data.machine).pop();
    if let Some(folder) = &choices.report {
        // Who cannot write there should not learn it after an hour.
        report::write(folder, &data, before.as_ref())?;
    }
    let cases = choices.cases();
    let jobs = cases.chunk_by(Case::has_job_of);
    let runs = |cases: &[Case]| cases[0].rounds * who(&cases[0], &peers).count();
    let bar = progress::bar(jobs.map(runs).sum());
    if cfg!(debug_assertions) {
        eprintln!("filch is not optimised here, the peers are: use cargo run --release");
    }
    if !choices.json {
        print!("{}\n{}", machine::line(&data.machine), tell::peers(&peers));
    }
    data.calls = counted(&cases, What::Calls);
    data.instructions = counted(&cases, What::Instructions);
    for (what, how) in [
        ("system calls", data.calls),
        ("instructions", data.instructions),
    ] {
        if let (Some(how), false) = (how, choices.json) {
            println!("{what} are {how}");
        }
    }
    let is_one_workload = |a: &Case, b: &Case| a.workload.name == b.workload.name;
    for of_one_workload in cases.chunk_by(is_one_workload) {
        let mut rows = Vec::new();
        for of_one_job in of_one_workload.chunk_by(Case::has_job_of) {
            let measured = measure(&of_one_job[0], &peers, &bar)?;
            for case in of_one_job {
                let measured = result::of_case(&measured, case);
                if choices.json {
                    // A line as soon as there is one: whoever reads a pipe sees how far it is.
                    bar.suspend(|| print_json(&measured))?;
                }
                rows.extend(measured);
            }
        }
        for rows in tables(rows) {
            if !choices.json {
                bar.suspend(|| io::stdout().write_all(tell::workload(&rows).as_bytes()))?;
            }
            data.add(&rows);
        }
        if let Some(folder) = &choices.report {
            report::write(folder, &data, before.as_ref())?;
        }
    }
    bar.finish_and_clear();
    if let Some(folder) = &choices.report {
        eprintln!("the report is {}", folder.join("index.html").display());
    }
    if choices.history {
        let file = History::of(&data).write()?;
        eprintln!("the figures are kept in {}", file.display());
    }
    Ok(())
}

/// How that is counted, if it is in any case.
fn counted(cases: &[Case], what: What) -> Option<&'static str> {
    let is_any = cases.iter().any(|case| case.counts() == Some(what));
    is_any
        .then(|| Counter::here(what))
        .flatten()
        .map(Counter::what)
}

/// The peers that take part in a case.
fn who<'a>(case: &Case, peers: &'a [Found]) -> impl Iterator<Item = &'a Found> + use<'a> {
    let family = case.workload.family();
    peers.iter().filter(move |peer| peer.family == family)
}

/// The rows of a workload, those of one unit together.
fn tables(rows: Vec<Row<'_>>) -> Vec<Vec<Row<'_>>> {
    let mut tables: Vec<(Unit, Vec<Row<'_>>)> = Vec::new();
    for row in rows {
        let unit = row.case.unit();
        match tables.iter_mut().find(|table| table.0 == unit) {
            Some(table) => table.1.push(row),
            None => tables.push((unit, vec![row])),
        }
    }
    tables.into_iter().map(|table| table.1).collect()
}

/// What one run of a peer gives for a case.
fn answer(peer: &Found, case: &Case) -> Result<Answer, String> {
    if let Some(what) = case.counts() {
        return network::count(peer, &case.job, what);
    }
    match case.job.work {
        Work::Serve(service) => network::serve(peer, &case.job, service),
        Work::Http(http) => http::serve(peer, &case.job, http),
        _ => process::run(peer, &case.job),
    }
}

/// The peers that are there; of each other one a line says how to get it.
fn found(choices: &Choices) -> (Vec<Found>, Vec<Missing>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for peer in &choices.peers {
        let (name, what) = (peer.name, peer.what);
        match peer.find() {
            Ok(peer) => found.push(peer),
            Err(how) => {
                eprintln!("{name} is left out: {how}");
                missing.push(Missing { name, what, how });
            }
        }
    }
    (found, missing)
}

/// All rounds of a case, the peers in turn. Who cannot do it, or fails once, is not asked again.
///
/// # Errors
///
/// If filch itself fails, without which there is nothing to compare with.
fn measure<'a>(case: &'a Case, peers: &'a [Found], bar: &ProgressBar) -> io::Result<Vec<Row<'a>>> {
    let mut rows: Vec<_> = who(case, peers).map(|peer| Row::new(case, peer)).collect();
    for _ in 0..case.rounds {
        for row in &mut rows {
            bar.inc(1);
            if !matches!(row.outcome, Outcome::Rounds(_)) {
                continue;
            }
            bar.set_message(format!(
                "{} {} {}",
                case.workload.name, case.variant, row.peer.name
            ));
            match answer(row.peer, case) {
                Ok(Answer::Round(round)) => row.add(round),
                Ok(Answer::Cannot(why)) => row.outcome = Outcome::Cannot(why),
                Err(why) if row.peer.is_filch => {
                    let (workload, variant) = (case.workload.name, &case.variant);
                    return Err(io::Error::other(format!("{workload} {variant}: {why}")));
                }
                Err(why) => row.fail(why, bar),
            }
        }
    }
    Ok(rows)
}

fn print_json(rows: &[Row<'_>]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for row in rows {
        if let Some(line) = row.json()? {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()
}
