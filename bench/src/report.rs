//! How is it told what was measured?
//!
//! For people: the talk's table with filch's rows under it, then what the medians hide, then memory. For programs: JSON. While
//! it works, a bar on standard error, if that is a terminal; standard output has results only.

use crate::child;
use crate::cli::Choices;
use crate::json;
use crate::machine::{self, Machine};
use crate::plan::{Job, Measured, Mode};
use crate::progress;
use crate::table::Column::{Figure, Text};
use crate::table::Table;
use crate::talk;
use std::io::{self, Write};

/// Measures what is asked for and tells it.
pub(crate) fn run(choices: &Choices) -> io::Result<()> {
    let machine = machine::line(&Machine::here());
    let bar = progress::bar(choices.jobs.iter().map(|job| job.rounds).sum());
    let mut measured = Vec::with_capacity(choices.jobs.len());
    for &job in &choices.jobs {
        bar.set_message(name(&job));
        let done = child::measure(job, || bar.inc(1))?;
        if choices.json {
            // A line as soon as there is one: whoever reads a pipe sees how far it is.
            writeln!(io::stdout(), "{}", json::line(&done)?)?;
        }
        measured.push(done);
    }
    bar.finish_and_clear();
    if choices.json {
        return Ok(());
    }
    io::stdout().write_all(text(&machine, &measured).as_bytes())
}

/// The report for people.
fn text(machine: &str, measured: &[Measured]) -> String {
    let (parked, timed): (Vec<_>, Vec<_>) = measured
        .iter()
        .partition(|measured| measured.job.mode.is_parked());
    let mut text = format!("{}\n{machine}\n", title(measured));
    if !timed.is_empty() {
        text += &format!("\n{}\n{}", talks_table(&timed).render(), TALKS_NOTE);
        text += &format!("\n{}\n{}", details(&timed).render(), DETAILS_NOTE);
    }
    if !parked.is_empty() {
        text += &format!("\n{}\n{}", parked_table(&parked).render(), PARKED_NOTE);
    }
    text
}

const TALKS_NOTE: &str = "\
(2018): as the talk published them, measured then on a quad-core laptop, not here. filch: measured
now on this machine, medians. Spawn ends when the last spawn has returned, Run is the rest.
";

const DETAILS_NOTE: &str = "\
cold: each round in a fresh process, memory touched for the first time; warm: used before.
Bytes: the growth of resident memory at its peak, per coroutine; peak: of the whole process.
";

const PARKED_NOTE: &str = "\
Resident memory that stays for each task that waits, all of them waiting at once; pages of 2 MiB make
it a multiple of 2 MiB over the number of tasks.
";

fn title(measured: &[Measured]) -> String {
    let tasks = measured.first().map_or(0, |first| first.job.tasks);
    format!("{} empty coroutines", thousands(tasks))
}

/// The talk's table: its rows, and filch's.
fn talks_table(timed: &[&Measured]) -> Table {
    let mut table = Table::new(&[
        ("Name", Text),
        ("Language", Text),
        ("Spawn s", Figure),
        ("Run s", Figure),
        ("Total s", Figure),
    ]);
    let or_blank = |seconds: Option<f64>| seconds.map_or(String::new(), |s| format!("{s:.2}"));
    for row in talk::ROWS {
        table.row(vec![
            format!("{} (2018)", row.name),
            row.language.to_owned(),
            or_blank(row.spawn_s),
            or_blank(row.run_s),
            or_blank(Some(row.total_s)),
        ]);
    }
    for measured in timed {
        table.row(vec![
            format!("filch, {}", name(&measured.job)),
            "Rust".to_owned(),
            format!("{:.4}", measured.spawn_s().median),
            format!("{:.4}", measured.run_s().median),
            format!("{:.4}", measured.total_s().median),
        ]);
    }
    table
}

fn details(timed: &[&Measured]) -> Table {
    let mut table = Table::new(&[
        ("Mode", Text),
        ("Workers", Figure),
        ("Memory", Text),
        ("Total ms", Figure),
        ("min .. max", Figure),
        ("ns each", Figure),
        ("Bytes each", Figure),
        ("Peak MB", Figure),
    ]);
    for measured in timed {
        let total = measured.total_s();
        table.row(vec![
            measured.job.mode.name().to_owned(),
            measured.job.workers.to_string(),
            measured.job.memory.name().to_owned(),
            format!("{:.2}", total.median * 1e3),
            format!("{:.2} .. {:.2}", total.min * 1e3, total.max * 1e3),
            format!("{:.1}", measured.ns_per_task()),
            format!("{:.1}", measured.bytes_per_task()),
            format!("{:.1}", measured.peak_bytes() as f64 / 1e6),
        ]);
    }
    table
}

fn parked_table(parked: &[&Measured]) -> Table {
    let mut table = Table::new(&[
        ("Parked tasks", Text),
        ("Tasks", Figure),
        ("Workers", Figure),
        ("Bytes each", Figure),
    ]);
    for measured in parked {
        let name = match measured.job.mode {
            Mode::ParkedJoined => "with its handle kept",
            _ => "detached",
        };
        table.row(vec![
            name.to_owned(),
            thousands(measured.job.tasks),
            measured.job.workers.to_string(),
            format!("{:.1}", measured.bytes_per_task()),
        ]);
    }
    table
}

/// A measurement's name for people.
fn name(job: &Job) -> String {
    let plural = if job.workers == 1 { "" } else { "s" };
    format!(
        "{}, {} worker{plural}, {}",
        job.mode.name(),
        job.workers,
        job.memory.name()
    )
}

/// A number with a blank before each group of three digits.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::example;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(500_000), "500 000");
        assert_eq!(thousands(1_234_567), "1 234 567");
    }

    #[test]
    fn the_talks_rows_come_first_and_are_dated() {
        let example = example();
        let table = talks_table(&[&example]).render();
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[0].starts_with("Name"), "{table}");
        assert!(lines[2].starts_with("Lwan's coroutines with work stealing (2018)  C"));
        assert!(lines[6].ends_with("0.39"), "{table}");
        assert!(lines[7].starts_with("filch, detached, 2 workers, warm"));
        assert!(lines[7].ends_with("0.2500  0.5000   0.7500"), "{table}");
    }

    #[test]
    fn tables_that_would_be_empty_are_left_out() {
        let text = text("a machine", &[example()]);
        assert!(text.contains("1 000 empty coroutines\na machine\n"));
        assert!(text.contains("Total ms"));
        assert!(!text.contains("Parked"), "{text}");
    }
}
