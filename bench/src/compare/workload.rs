//! What is measured, in which variants, and what is not?

mod list;

pub(super) use list::WORKLOADS;

use super::calls::What;
use super::peer::Family;
use super::process::Round;
use crate::stats::{Spread, percentile};
use filch_bench_common::{Http, Job, Work};

/// How many repetitions one process measures.
const REPETITIONS: usize = 5;

/// Rounds of parked tasks: bytes hardly differ.
const PARKED_ROUNDS_MAX: usize = 3;

/// Rounds of system calls: their numbers do not drift with the machine.
const CALLS_ROUNDS_MAX: usize = 3;

/// Rounds of instructions, which drift less and take longer to count.
const INSTRUCTIONS_ROUNDS_MAX: usize = 1;

/// One in so many samples of a latency comes first and does not count.
const WARM_UP_ONE_IN: usize = 20;

/// Rounds where one figure is followed over many sizes or workers: what counts there is the line.
const SWEEP_ROUNDS_MAX: usize = 3;

/// So many tasks are measured in all where fewer are started at a time: the clock would be too coarse for one start.
const SWEEP_TASKS: usize = 500_000;

/// What a workload's figures are followed over, if they are: its report is a line instead of bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sweep {
    Tasks,
    Workers,
}

/// What a workload's figures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Milliseconds in all.
    Ms,
    /// Microseconds of waiting.
    Us,
    /// Nanoseconds for each of its operations.
    Ns,
    /// Bytes for each of its tasks.
    Bytes,
    /// So many of its operations in a second.
    PerSecond,
    /// The same where an operation is a MiB.
    MibPerSecond,
    /// Microseconds of processor time for each of its operations.
    Cpu,
    /// System calls for each of its operations.
    Calls,
    /// Instructions outside the kernel for each of its operations.
    Instructions,
    /// Requests of other clients in a second.
    Burns,
}

/// A row of `--list`.
#[derive(Debug)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    /// Of the kinds that are timed by the clock; for the others see [`Case::unit`].
    unit: Unit,
    pub(super) measures: &'static str,
    pub(super) measures_not: &'static str,
    /// The name of each kind, and what it does.
    kinds: &'static [(&'static str, Work)],
    /// Whether the first touch of the memory is measured too.
    has_cold: bool,
    size: Size,
}

/// How large it is, and how that is made smaller.
#[derive(Debug, Clone, Copy)]
enum Size {
    /// So many tasks or operations.
    Count(usize),
    /// The number whose Fibonacci number is looked for.
    Fib(usize),
    /// So many leaves, a power of ten.
    Leaves(usize),
    /// Each of these numbers of tasks in turn, on all cores.
    Counts(&'static [usize]),
    /// So many tasks, with each of these numbers of workers in turn.
    CountWith(usize, &'static [usize]),
}

/// Which one figure stands for what a process has measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statistic {
    Median,
    /// What one sample in a hundred exceeds.
    P99,
    /// The median of the processor times.
    Cpu,
    /// The median of the system calls, which are counted in a run of their own.
    Calls,
    /// The same of instructions.
    Instructions,
    /// What half of the requests exceed, one in a hundred, one in a thousand.
    Request(Rank),
}

/// Which of the requests, in the order of how long they took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    P50,
    P99,
    P999,
}

/// One variant of a workload: a table of one row per peer.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) workload: &'static Workload,
    /// What its variant begins with.
    pub(super) kind: &'static str,
    /// As `detached,warm,2`.
    pub(super) variant: String,
    pub(super) job: Job,
    /// What is told of the job's figures.
    pub(super) statistic: Statistic,
    pub(super) rounds: usize,
}

impl Workload {
    /// Its variants, with each of these numbers of workers, of at most so many tasks.
    pub(super) fn cases(
        &'static self,
        workers: &[usize],
        tasks: usize,
        rounds: usize,
    ) -> Vec<Case> {
        let mut cases = Vec::new();
        for &(kind, work) in self.kinds {
            for is_cold in [true, false] {
                if is_cold && !self.has_cold {
                    continue;
                }
                for workers in self.size.workers(workers) {
                    if !work.suits(workers) {
                        continue;
                    }
                    for size in self.size.sizes(tasks) {
                        let job = self.job(work, workers, is_cold, size);
                        cases.extend(self.cases_of_job(kind, job, is_cold, rounds));
                    }
                }
            }
        }
        cases
    }

    fn job(&self, work: Work, workers: usize, is_cold: bool, size: usize) -> Job {
        let (warm_ups, repetitions) = if is_cold || work.is_parked() {
            (0, 1)
        } else if work.is_latency() {
            (size.div_ceil(WARM_UP_ONE_IN), size)
        } else if self.sweep() == Some(Sweep::Tasks) {
            (1, REPETITIONS.max(SWEEP_TASKS / size))
        } else {
            (1, REPETITIONS)
        };
        Job {
            work,
            workers,
            size,
            warm_ups,
            repetitions,
        }
    }

    /// What its figures are followed over.
    pub(super) fn sweep(&self) -> Option<Sweep> {
        match self.size {
            Size::Counts(_) => Some(Sweep::Tasks),
            Size::CountWith(..) => Some(Sweep::Workers),
            Size::Count(_) | Size::Fib(_) | Size::Leaves(_) => None,
        }
    }

    /// What its figures are, each unit once, in the order of its kinds.
    pub(super) fn units(&self) -> Vec<Unit> {
        let mut units = Vec::new();
        for &(_, work) in self.kinds {
            for &statistic in statistics(work) {
                let unit = self.unit_of(work, statistic);
                if !units.contains(&unit) {
                    units.push(unit);
                }
            }
        }
        units
    }

    fn unit_of(&self, work: Work, statistic: Statistic) -> Unit {
        match statistic {
            Statistic::Cpu => Unit::Cpu,
            Statistic::Calls => Unit::Calls,
            Statistic::Instructions => Unit::Instructions,
            Statistic::Request(_) => Unit::Us,
            Statistic::Median | Statistic::P99 if work.is_parked() => Unit::Bytes,
            Statistic::Median | Statistic::P99 => self.unit,
        }
    }

    /// All that is told of one job; it is measured once for all of them.
    fn cases_of_job(
        &'static self,
        kind: &'static str,
        job: Job,
        is_cold: bool,
        rounds: usize,
    ) -> impl Iterator<Item = Case> {
        let at = match self.sweep() {
            Some(Sweep::Tasks) => format!(",{}", job.size),
            Some(Sweep::Workers) | None => String::new(),
        };
        let rounds = rounds.min(match self.sweep() {
            _ if job.work.is_parked() => PARKED_ROUNDS_MAX,
            Some(_) => SWEEP_ROUNDS_MAX,
            None => rounds,
        });
        statistics(job.work).iter().map(move |&statistic| {
            let how = match statistic {
                Statistic::Median if job.work.is_latency() => "p50",
                Statistic::P99 | Statistic::Request(Rank::P99) => "p99",
                Statistic::Request(Rank::P50) => "p50",
                Statistic::Request(Rank::P999) => "p99.9",
                // Their unit tells them apart.
                Statistic::Cpu | Statistic::Calls | Statistic::Instructions => "",
                Statistic::Median if !self.has_cold => "",
                Statistic::Median if is_cold => "cold",
                Statistic::Median => "warm",
            };
            let rounds = match statistic {
                Statistic::Calls => rounds.min(CALLS_ROUNDS_MAX),
                Statistic::Instructions => rounds.min(INSTRUCTIONS_ROUNDS_MAX),
                _ => rounds,
            };
            let words = [kind, how].into_iter().filter(|word| !word.is_empty());
            let words: String = words.map(|word| format!("{word},")).collect();
            Case {
                workload: self,
                kind,
                variant: format!("{words}{}{at}", job.workers),
                job,
                statistic,
                rounds,
            }
        })
    }

    /// Who takes part in it.
    pub(super) fn family(&self) -> Family {
        let is_http = |(_, work): &(_, Work)| matches!(work, Work::Http(_));
        if self.kinds.iter().any(is_http) {
            Family::Http
        } else {
            Family::Runtime
        }
    }

    /// Its variants' names, with these numbers of workers.
    pub(super) fn variants(&'static self, workers: &[usize]) -> Vec<String> {
        let cases = self.cases(workers, usize::MAX, 1).into_iter();
        cases.map(|case| case.variant).collect()
    }
}

impl Case {
    /// What its figures are.
    pub(super) fn unit(&self) -> Unit {
        self.workload.unit_of(self.job.work, self.statistic)
    }

    /// What is counted in its runs, if they are such in which nothing is timed.
    pub(super) fn counts(&self) -> Option<What> {
        match self.statistic {
            Statistic::Calls => Some(What::Calls),
            Statistic::Instructions => Some(What::Instructions),
            _ => None,
        }
    }

    /// Whether what the other's processes measure is what this one tells, too.
    pub(super) fn has_job_of(&self, other: &Self) -> bool {
        self.job == other.job && self.counts() == other.counts()
    }
}

/// What is told of a work.
fn statistics(work: Work) -> &'static [Statistic] {
    if let Work::Http(http) = work {
        statistics_of_http(http)
    } else if work.is_latency() {
        &[Statistic::Median, Statistic::P99]
    } else if work.tells_cost() {
        &[Statistic::Median, Statistic::Cpu, Statistic::Calls]
    } else {
        &[Statistic::Median]
    }
}

fn statistics_of_http(http: Http) -> &'static [Statistic] {
    use Statistic::{Calls, Cpu, Instructions, Median, Request};
    const P50: Statistic = Request(Rank::P50);
    const P99: Statistic = Request(Rank::P99);
    const P999: Statistic = Request(Rank::P999);
    match http {
        Http::Idle => &[Median],
        // Most of the processor time is the burns'.
        Http::Beside(_) => &[P50, P99, P999, Median],
        _ if http.is_counted() => &[Median, Cpu, P50, P99, P999, Calls, Instructions],
        _ => &[Median, Cpu, P50, P99, P999],
    }
}

impl Statistic {
    /// Of what a run has measured.
    pub(super) fn of(self, round: &Round) -> f64 {
        let median = |figures: &[f64]| Spread::of(figures.iter().copied()).median;
        match self {
            Self::Median | Self::Calls | Self::Instructions => median(&round.figures),
            Self::Request(rank) => {
                let times = round.times.iter().map(|times| times[rank as usize]);
                Spread::of(times).median
            }
            Self::P99 => percentile(&round.figures, 99),
            Self::Cpu => median(&round.cpu),
        }
    }
}

impl Size {
    /// With how many workers, if these are asked for.
    fn workers(self, asked: &[usize]) -> Vec<usize> {
        match self {
            Self::Counts(_) => asked.iter().copied().max().into_iter().collect(),
            Self::CountWith(_, workers) => workers.to_vec(),
            Self::Count(_) | Self::Fib(_) | Self::Leaves(_) => asked.to_vec(),
        }
    }

    /// All of its sizes that start no more than so many tasks, the last cut to that if it has to be.
    fn sizes(self, tasks: usize) -> Vec<usize> {
        let Self::Counts(counts) = self else {
            return vec![self.at_most(tasks)];
        };
        let mut sizes: Vec<_> = counts.iter().map(|&count| count.min(tasks)).collect();
        sizes.dedup();
        sizes
    }

    /// Itself, or the largest that starts no more than so many tasks.
    fn at_most(self, tasks: usize) -> usize {
        match self {
            Self::Count(count) | Self::CountWith(count, _) => count.min(tasks),
            Self::Counts(counts) => counts.iter().copied().max().unwrap_or(1).min(tasks),
            Self::Fib(n) => (1..=n).rev().find(|&n| fib_calls(n) <= tasks).unwrap_or(1),
            Self::Leaves(leaves) => {
                let mut fitting = leaves;
                while fitting > 1 && fitting > tasks {
                    fitting /= 10;
                }
                fitting
            }
        }
    }
}

/// How many calls the naive recursion makes.
fn fib_calls(n: usize) -> usize {
    let (_, next) = (0..n).fold((0, 1), |(a, b), _| (b, a + b));
    2 * next - 1
}

/// Whether a unit of this name is one of which more is better.
pub(super) fn is_rate(unit: &str) -> bool {
    unit.ends_with("/s")
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ms => "ms",
            Self::Us => "us",
            Self::Ns => "ns",
            Self::Bytes => "B",
            Self::PerSecond => "1/s",
            Self::MibPerSecond => "MiB/s",
            Self::Cpu => "us CPU",
            Self::Calls => "calls",
            Self::Instructions => "instr",
            Self::Burns => "burns/s",
        }
    }

    /// Whether more is better, as where its figures are so many of something per second.
    pub(super) fn is_rate(self) -> bool {
        is_rate(self.name())
    }

    /// A process's figure, in seconds, bytes, counts of one operation, or burns a second, in this unit.
    pub(super) fn of(self, figure: f64, size: usize) -> f64 {
        match self {
            Self::Ms => figure * 1e3,
            Self::Us => figure * 1e6,
            Self::Ns => figure * 1e9 / size as f64,
            Self::PerSecond | Self::MibPerSecond => size as f64 / figure,
            Self::Cpu => figure * 1e6 / size as f64,
            Self::Calls | Self::Instructions | Self::Burns => figure,
            Self::Bytes => figure / size as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(name: &str, tasks: usize) -> Vec<Case> {
        let workload = WORKLOADS.iter().find(|one| one.name == name);
        workload.expect("it exists").cases(&[1, 2], tasks, 7)
    }

    #[test]
    fn empty_has_twelve_variants_and_their_names_are_fixed() {
        let cases = cases("empty", usize::MAX);
        assert_eq!(cases.len(), 12);
        let case = cases.iter().find(|case| case.variant == "detached,warm,2");
        let case = case.expect("the contract names it");
        assert_eq!(case.job.words().join(" "), "empty-detached 2 500000 1 5");
        assert!(cases.iter().any(|case| case.variant == "outside,cold,1"));
    }

    #[test]
    fn what_is_cold_or_stays_is_measured_once_per_process() {
        let parked = cases("parked", 10).into_iter();
        for case in cases("empty", 10).into_iter().chain(parked) {
            let is_once = case.variant.contains("cold") || case.workload.name == "parked";
            assert_eq!(case.job.warm_ups == 0, is_once, "{}", case.variant);
            assert_eq!(case.job.repetitions == 1, is_once, "{}", case.variant);
        }
        assert_eq!(cases("parked", 10)[0].rounds, 3);
    }

    #[test]
    fn what_stays_is_bytes_and_the_rest_has_the_workloads_unit() {
        let units = |name| {
            let cases = cases(name, 10).into_iter();
            cases.map(|case| case.unit()).collect::<Vec<_>>()
        };
        assert_eq!(
            units("sleeps"),
            [Unit::Ms, Unit::Ms, Unit::Bytes, Unit::Bytes]
        );
        assert_eq!(units("parked"), [Unit::Bytes; 4]);
        assert_eq!(units("timer"), [Unit::Ns; 2]);
        let sleeps = cases("sleeps", 10);
        assert_eq!(sleeps[0].workload.units(), [Unit::Ms, Unit::Bytes]);
        assert_eq!(sleeps[0].variant, "cpu,1");
        assert_eq!(
            sleeps[3].job.words().join(" "),
            "sleeps-bytes 2 10 0 1",
            "what stays is measured once"
        );
    }

    #[test]
    fn a_latency_is_told_by_two_figures_of_one_job() {
        let names = |name| {
            let cases = cases(name, 100).into_iter();
            cases.map(|case| case.variant).collect::<Vec<_>>()
        };
        assert_eq!(names("timer-hog"), ["p50,1", "p99,1", "p50,2", "p99,2"]);
        assert_eq!(names("roundtrip")[..2], ["busy,p50,1", "busy,p99,1"]);
        for pair in cases("roundtrip", 100).chunks(2) {
            assert!(pair[0].has_job_of(&pair[1]), "{pair:?}");
            assert_eq!(pair[0].statistic, Statistic::Median);
            assert_eq!(pair[1].statistic, Statistic::P99);
        }
        assert!(!cases("timer-hog", 9)[0].has_job_of(&cases("timer-hog", 9)[2]));
    }

    #[test]
    fn what_an_operation_costs_is_told_of_the_run_that_the_clock_tells_of() {
        let cases = cases("connect", 5000);
        let [clock, cpu, calls] = &cases[..3] else {
            panic!("{cases:?}")
        };
        assert_eq!(clock.job.words().join(" "), "connect 1 5000 1 5");
        assert_eq!(
            [clock, cpu, calls].map(Case::unit),
            [Unit::PerSecond, Unit::Cpu, Unit::Calls]
        );
        assert!(clock.has_job_of(cpu) && !clock.has_job_of(calls));
        assert_eq!([clock, cpu, calls].map(|case| case.rounds), [7, 7, 3]);
        assert_eq!(clock.variant, calls.variant);
        assert_eq!(
            clock.workload.units(),
            [Unit::PerSecond, Unit::Cpu, Unit::Calls]
        );
    }

    #[test]
    fn a_row_of_http_has_one_worker_or_all_and_tells_speed_times_and_costs() {
        let cases = cases("http-hello", 5000);
        let variants: Vec<_> = cases.iter().map(|case| case.variant.as_str()).collect();
        let of_one = ["", "", "p50,", "p99,", "p99.9,", "", ""];
        let of = |kind: &str, workers, count| -> Vec<String> {
            let hows = of_one[..count].iter();
            hows.map(|how| format!("{kind},{how}{workers}")).collect()
        };
        let expected = [
            of("64-conn", 1, 7),
            of("64-conn,16-at-once", 1, 7),
            of("256-conn", 2, 5),
        ];
        assert_eq!(variants, expected.concat());
        assert_eq!(
            cases[0].workload.units(),
            [
                Unit::PerSecond,
                Unit::Cpu,
                Unit::Us,
                Unit::Calls,
                Unit::Instructions
            ]
        );
        // Measured once for all that the clock tells.
        assert!(cases[..5].iter().all(|case| case.has_job_of(&cases[0])));
        assert!(!cases[5].has_job_of(&cases[0]) && !cases[5].has_job_of(&cases[6]));
        assert_eq!(cases[6].rounds, 1);
        assert_eq!(cases[0].workload.family(), Family::Http);
    }

    #[test]
    fn idle_connections_are_weighed_once() {
        let cases = cases("idle-connections", usize::MAX);
        assert_eq!(
            cases[0].job.words().join(" "),
            "idle-connections 1 10000 0 1"
        );
        assert_eq!(cases[0].workload.units(), [Unit::Bytes]);
    }

    #[test]
    fn a_sample_is_a_repetition_and_some_come_before() {
        let words = |tasks| cases("wake-hog", tasks)[0].job.words().join(" ");
        assert_eq!(words(usize::MAX), "wake-hog 2 200 10 200");
        assert_eq!(words(1), "wake-hog 2 1 1 1");
    }

    #[test]
    fn one_worker_has_no_sibling() {
        for name in ["wake-hog", "spawn-hog", "readiness-hog"] {
            let cases = cases(name, 10);
            assert!(cases.iter().all(|case| case.job.workers == 2), "{cases:?}");
            assert_eq!(cases.len(), 2);
        }
    }

    #[test]
    fn sizes_shrink_to_what_fits() {
        let size = |name, tasks| cases(name, tasks)[0].job.size;
        assert_eq!(fib_calls(27), 635_621);
        assert_eq!(size("fib", usize::MAX), 27);
        assert_eq!(size("fib", 635_621), 27);
        assert_eq!(size("fib", 635_620), 26);
        assert_eq!(size("fib", 1), 1);
        assert_eq!(size("skynet", 999_999), 100_000);
        assert_eq!(size("skynet", 1), 1);
        assert_eq!(size("yield", 5), 5);
        assert_eq!(size("pingpong", usize::MAX), 100_000);
        assert_eq!(size("fan-in", 5), 5);
    }

    #[test]
    fn numbers_are_followed_on_all_cores_and_stop_where_they_are_told_to() {
        let variants = |tasks| -> Vec<_> {
            let cases = cases("numbers", tasks).into_iter();
            cases.map(|case| case.variant).collect()
        };
        let all = variants(usize::MAX);
        assert_eq!(all.len(), 6);
        assert_eq!(all[0], "detached,warm,2,1000");
        assert_eq!(all[5], "detached,warm,2,5000000");
        assert_eq!(
            variants(2000),
            ["detached,warm,2,1000", "detached,warm,2,2000"]
        );
        assert_eq!(variants(5), ["detached,warm,2,5"]);
        let few = &cases("numbers", usize::MAX)[0];
        assert_eq!(
            few.job.words().join(" "),
            "empty-detached 2 1000 1 500",
            "as many in all as of the large ones"
        );
        assert_eq!(few.rounds, 3);
    }

    #[test]
    fn workers_are_followed_whatever_the_machine_has() {
        let cases = cases("workers", usize::MAX);
        let of = |kind| {
            let cases = cases.iter().filter(move |case| case.kind == kind);
            cases.map(|case| case.job.workers).collect::<Vec<_>>()
        };
        assert_eq!(of("busy,warm"), [1, 2, 4, 8, 64]);
        assert_eq!(of("detached,warm"), [1, 2, 4, 8, 64]);
        assert_eq!(cases[4].variant, "detached,warm,64");
    }

    #[test]
    fn figures_are_scaled() {
        assert_eq!(Unit::Ms.of(0.5, 7), 500.0);
        assert_eq!(Unit::Us.of(0.5, 7), 500_000.0);
        assert_eq!(Unit::Ns.of(0.001, 1000), 1000.0);
        assert_eq!(Unit::Bytes.of(6400.0, 100), 64.0);
        assert_eq!(Unit::PerSecond.of(0.5, 7), 14.0);
        assert_eq!(Unit::MibPerSecond.of(0.5, 7), 14.0);
        assert_eq!(Unit::Cpu.of(0.5, 100), 5000.0);
        assert_eq!(Unit::Calls.of(2.0, 100), 2.0);
    }

    #[test]
    fn statistics_are_told_apart() {
        let round = Round {
            figures: vec![5.0, 1.0, 2.0, 9.0],
            cpu: vec![4.0, 6.0],
            times: vec![[1.0, 2.0, 7.0], [3.0, 4.0, 5.0]],
        };
        assert_eq!(Statistic::Median.of(&round), 3.5);
        assert_eq!(Statistic::P99.of(&round), 9.0);
        assert_eq!(Statistic::Cpu.of(&round), 5.0);
        let ranks = [Rank::P50, Rank::P99, Rank::P999];
        assert_eq!(
            ranks.map(|rank| Statistic::Request(rank).of(&round)),
            [2.0, 3.0, 6.0]
        );
    }
}
