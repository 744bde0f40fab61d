//! What is measured, in which variants, and what is not?

use crate::stats::{Spread, percentile};
use filch_bench_common::{Coordination, Job, Room, Work};

/// How many repetitions one process measures.
const REPETITIONS: usize = 5;

/// Rounds of parked tasks: bytes hardly differ.
const PARKED_ROUNDS_MAX: usize = 3;

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
}

/// A row of `--list`.
#[derive(Debug)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    /// Of the kinds that are timed; for the others see [`Case::unit`].
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
}

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "empty",
        unit: Unit::Ms,
        measures: "\
500 000 coroutines that only add one to a padded counter of their thread, from before the first
spawn until all have run. detached: a task starts them and keeps no handle; joined: it keeps the
handles and awaits one after the other; outside: a thread that is no worker starts them. cold: the
first time in a process, memory is touched for the first time; warm: after a time that does not count.",
        measures_not: "\
starting and ending the runtime, switches (each runs once), results, I/O, timers",
        kinds: &[
            ("detached", Work::EmptyDetached),
            ("joined", Work::EmptyJoined),
            ("outside", Work::EmptyOutside),
        ],
        has_cold: true,
        size: Size::Count(500_000),
    },
    Workload {
        name: "numbers",
        unit: Unit::Ns,
        measures: "\
what a coroutine of empty's (detached, warm, all cores) costs when so many are started, from 1000 to
5 000 000. Few are over before another worker is awake; many no longer fit into the processor's caches.",
        measures_not: "\
what empty does not; one start by itself (1000 are measured 500 times, and their median is told)",
        kinds: &[("detached,warm", Work::EmptyDetached)],
        has_cold: false,
        size: Size::Counts(&[1_000, 10_000, 100_000, 500_000, 1_000_000, 5_000_000]),
    },
    Workload {
        name: "workers",
        unit: Unit::Ns,
        measures: "\
what each of 500 000 coroutines costs with so many workers, whatever the number of cores. detached:
those of empty, where one task starts all and a worker more can only take them away from it; busy: each
computes for about a microsecond (500 steps of a generator), which is work that workers can share.",
        measures_not: "\
what empty does not; coroutines that start others",
        kinds: &[
            ("detached,warm", Work::EmptyDetached),
            ("busy,warm", Work::BusyDetached),
        ],
        has_cold: false,
        size: Size::CountWith(500_000, &[1, 2, 4, 8, 64]),
    },
    Workload {
        name: "parked",
        unit: Unit::Bytes,
        measures: "\
resident memory that stays for each of 1 000 000 coroutines that wait for ever, started 1000 at a
time, half a second after the last; detached, or with their handles kept in a list (joined). Each has
a waker somewhere that would end its wait; the waker itself is not counted.",
        measures_not: "\
what a coroutine holds across its await (nothing here), where its waker is kept, the kernel's memory",
        kinds: &[
            ("detached", Work::ParkedDetached),
            ("joined", Work::ParkedJoined),
        ],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "yield",
        unit: Unit::Ns,
        measures: "\
giving up the turn, per turn, 1 000 000 times in all. one: a single task does, and is its own
successor; each: each of 1000 tasks does, and one in a thousand is the start and the join of them.",
        measures_not: "\
waking by somebody else, waiting for anything",
        kinds: &[("one", Work::YieldOne), ("each", Work::YieldEach)],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "fib",
        unit: Unit::Ms,
        measures: "\
recursive fork and join: fib(27), each of the 635 621 calls a coroutine that its caller awaits.",
        measures_not: "\
computing (an addition per call), memory in use, deep chains (27 levels)",
        kinds: &[("joined", Work::Fib)],
        has_cold: false,
        size: Size::Fib(27),
    },
    Workload {
        name: "skynet",
        unit: Unit::Ms,
        measures: "\
a wide tree: 1 000 000 leaves and 111 111 nodes above them, each of which starts ten coroutines and
adds up what they return.",
        measures_not: "\
channels (the original answers through them, here the handles do), computing",
        kinds: &[("joined", Work::Skynet)],
        has_cold: false,
        size: Size::Leaves(1_000_000),
    },
    Workload {
        name: "pingpong",
        unit: Unit::Ns,
        measures: "\
two tasks that wake each other in turn, per round of there and back: two wakes, and two turns of a
task that has waited; 100 000 times. Between them stand a word and a waker in a lock, the same for
all whose tasks are futures; Go has a channel without room, may a Blocker each, Python an Event each.",
        measures_not: "\
data that is sent, wakes by threads that are no workers, several that wait for one thing",
        kinds: &[("in-turn", Work::PingPong)],
        has_cold: false,
        size: Size::Count(100_000),
    },
    Workload {
        name: "fan-in",
        unit: Unit::Ns,
        measures: "\
1000 tasks that each signal and give up their turn, again and again, and one that waits until
1 000 000 signals have come, per signal. A signal adds one to a word, and wakes the one who waits if it
sleeps: where that one runs next and not last, it is woken more often. Go has an atomic word and a
channel of one place, may a word and a Blocker, Python a plain counter and an Event.",
        measures_not: "\
data that is sent, memory in use, several that wait",
        kinds: &[("counted", Work::FanIn)],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "sleeps",
        unit: Unit::Ms,
        measures: "\
1 000 000 coroutines that sleep once. cpu: for 1 to 100 ms, spread evenly; processor time of the whole
process, user and system, from before the first spawn until all have run. bytes: for an hour, started
1000 at a time; resident memory that stays for each, half a second after the last.",
        measures_not: "\
how late they wake, the time on the clock (most of it is slept), the kernel's memory",
        kinds: &[("cpu", Work::SleepsCpu), ("bytes", Work::SleepsBytes)],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "timer",
        unit: Unit::Ns,
        measures: "\
beginning a sleep and letting it go, 1 000 000 times in one task: made for 1 ms to 1 s, polled once, and
dropped; every thousandth time the task gives up its turn. Go starts and stops a time.AfterFunc,
Python has call_later and cancel, gevent a timer of its hub.",
        measures_not: "\
sleeps that end, sleeps that another task or thread ends, many at a time",
        kinds: &[("cancelled", Work::Timer)],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "roundtrip",
        unit: Unit::Us,
        measures: "\
how long a thread that is no worker waits for the result of an empty coroutine: it spawns it and parks
until its handle is complete. busy: 2000 times back to back; idle: the same, each time after 1 ms in
which the runtime has had nothing to do. p50 and p99 of the same samples.",
        measures_not: "\
throughput (one is under way at a time), work in the coroutine, what else the thread could do meanwhile",
        kinds: &[
            ("busy", Work::RoundTripBusy),
            ("idle", Work::RoundTripIdle),
        ],
        has_cold: false,
        size: Size::Count(2000),
    },
    Workload {
        name: "wake-hog",
        unit: Unit::Us,
        measures: "\
a coroutine wakes another that waits, and spins for 10 ms in the same poll, while another worker is
asleep: from just before the wake until the woken one runs. 200 samples; before each nothing happens for
1 ms, and the hog has been running for 0.1 ms when it wakes the other. p50 and p99.",
        measures_not: "\
the cost of a wake that strands nothing, several hogs, machines where every core is busy",
        kinds: &[("", Work::WakeHog)],
        has_cold: false,
        size: Size::Count(200),
    },
    Workload {
        name: "spawn-hog",
        unit: Unit::Us,
        measures: "\
the same with a coroutine that the hog spawns: from just before the spawn until it runs. 200 samples;
p50 and p99.",
        measures_not: "\
the cost of a spawn that strands nothing, several hogs, machines where every core is busy",
        kinds: &[("", Work::SpawnHog)],
        has_cold: false,
        size: Size::Count(200),
    },
    Workload {
        name: "timer-hog",
        unit: Unit::Us,
        measures: "\
how late a sleep of 1 ms is while as many coroutines as there are workers spin for 10 ms and give up
their turn, in a loop. 100 samples, beyond the deadline; what the runtime's ticks add counts. p50 and
p99. Of gevent as many samples as fit into 5 s: it takes half a second for each.",
        measures_not: "\
timers of a runtime with time to spare, the cost of timers, many of them",
        kinds: &[("", Work::TimerHog)],
        has_cold: false,
        size: Size::Count(100),
    },
    Workload {
        name: "readiness-hog",
        unit: Unit::Us,
        measures: "\
a coroutine waits for a byte of a socket, and the worker it ran on is kept busy for 10 ms by a coroutine
that it has spawned, while another worker is idle: from the write, by a thread that is no worker and 2 ms
after the hog has begun, until the reader has the byte. 200 samples, each with a pair of sockets of its
own; p50 and p99. If the hog does not get to the reader's worker, that is no sample.",
        measures_not: "\
making and registering the sockets, readers that a runtime has moved away from the hog, several hogs",
        kinds: &[("", Work::ReadinessHog)],
        has_cold: false,
        size: Size::Count(200),
    },
    Workload {
        name: "mpsc",
        unit: Unit::Ns,
        measures: "\
one or four tasks that send 1 000 000 numbers in all to one that receives, per message, through a
channel with room for 1, for 128, or without bound. Each library's own channel: filch's and tokio's
mpsc, async-channel on async-executor, flume, kanal and tachyonix on tokio, Go's chan, which has no bound
only where it has room for all.",
        measures_not: "\
large messages, senders that come and go, messages taken several at a time, threads that send",
        kinds: &[
            ("1,room-1", coordinate(Coordination::Mpsc(1, Room::For(1)))),
            ("1,room-128", coordinate(Coordination::Mpsc(1, Room::For(128)))),
            ("1,unbounded", coordinate(Coordination::Mpsc(1, Room::Unbounded))),
            ("4,room-1", coordinate(Coordination::Mpsc(4, Room::For(1)))),
            ("4,room-128", coordinate(Coordination::Mpsc(4, Room::For(128)))),
            ("4,unbounded", coordinate(Coordination::Mpsc(4, Room::Unbounded))),
        ],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "mpmc",
        unit: Unit::Ns,
        measures: "\
four tasks that send 1 000 000 numbers in all to four that receive, each number once, through a channel
with room for 128, per message.",
        measures_not: "\
large messages, other rooms, how evenly the receivers share",
        kinds: &[("4x4,room-128", coordinate(Coordination::Mpmc))],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "oneshot",
        unit: Unit::Ns,
        measures: "\
a channel for one value, 500 000 times, made, used and dropped. alone: by one task, with no wait; reply:
a task asks another through a channel that stays (room for 128) and waits for the answer, one question
at a time. Go has a channel of one place; smol's people have none, oneshot 0.2 stands in.",
        measures_not: "\
values that are never sent, receivers that go away, threads",
        kinds: &[
            ("alone", coordinate(Coordination::OneshotAlone)),
            ("reply", coordinate(Coordination::OneshotReply)),
        ],
        has_cold: false,
        size: Size::Count(500_000),
    },
    Workload {
        name: "pingpong-channels",
        unit: Unit::Ns,
        measures: "\
two tasks that send a number to and fro through two channels with room for one, per round of there and
back, 200 000 times. With one worker on the same; with two, on one or on both, as the runtime has it.",
        measures_not: "\
throughput (one message is under way at a time), several pairs",
        kinds: &[("in-turn", coordinate(Coordination::PingPongChannels))],
        has_cold: false,
        size: Size::Count(200_000),
    },
    Workload {
        name: "broadcast",
        unit: Unit::Ns,
        measures: "\
one task that publishes 100 000 numbers to ten that have subscribed, per number published. After each
64 it waits until all ten have said that they are there, through a channel of the same library, so that
nobody is left behind: ten messages for 64, which are in the time.",
        measures_not: "\
subscribers that lag, large values, many who publish",
        kinds: &[("to-10", coordinate(Coordination::Broadcast))],
        has_cold: false,
        size: Size::Count(100_000),
    },
    Workload {
        name: "watch",
        unit: Unit::Ns,
        measures: "\
two tasks, each of which sets a value when the other's has changed, per round of two changes, 200 000
times.",
        measures_not: "\
values that nobody sees, many who look",
        kinds: &[("in-turn", coordinate(Coordination::Watch))],
        has_cold: false,
        size: Size::Count(200_000),
    },
    Workload {
        name: "mutex",
        unit: Unit::Ns,
        measures: "\
locking, adding one, unlocking, 1 000 000 times in all, per lock. alone: by one task; shared: by four,
which await nothing while they hold it, so that with one worker nobody ever finds it locked.",
        measures_not: "\
locks held across an await, fairness, threads",
        kinds: &[
            ("alone", coordinate(Coordination::MutexAlone)),
            ("shared", coordinate(Coordination::MutexShared)),
        ],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "rwlock",
        unit: Unit::Ns,
        measures: "\
four tasks that lock 1 000 000 times in all, nine times to read and once to write, per lock. They await
nothing while they hold it.",
        measures_not: "\
locks held across an await, fairness, threads",
        kinds: &[("9-to-1", coordinate(Coordination::RwLock))],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "semaphore",
        unit: Unit::Ns,
        measures: "\
four tasks that take one of two permits and give it back, 1 000 000 times in all, per permit. They await
nothing while they hold it. Go has a channel with room for two.",
        measures_not: "\
permits held across an await, several at a time, fairness",
        kinds: &[("2-for-4", coordinate(Coordination::Semaphore))],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "sets",
        unit: Unit::Ms,
        measures: "\
100 000 empty tasks that are waited for together, from before the first until all have ended. joinset: in
a JoinSet, whose outputs are taken as they come and added up; scope: in a scope, which ends when they
have. Go sends the outputs through one channel, and has a WaitGroup for a scope.",
        measures_not: "\
tasks that fail, tasks that are cancelled, limits",
        kinds: &[
            ("joinset", coordinate(Coordination::JoinSet)),
            ("scope", coordinate(Coordination::Scope)),
        ],
        has_cold: false,
        size: Size::Count(100_000),
    },
    Workload {
        name: "funnel",
        unit: Unit::Ns,
        measures: "\
61 rigs at a time, of 13 tasks each that send to one, through channels with room for 1, 10 or 100;
1 000 000 messages in all, per message. The shape is tachyobench's.",
        measures_not: "\
what mpsc does not; how evenly the rigs get on",
        kinds: &[
            ("room-1", coordinate(Coordination::Funnel(1))),
            ("room-10", coordinate(Coordination::Funnel(10))),
            ("room-100", coordinate(Coordination::Funnel(100))),
        ],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
    Workload {
        name: "pinball",
        unit: Unit::Ns,
        measures: "\
61 rigs at a time, of 13 tasks each, among which 1, 10 or 100 messages wander: each task passes what it
receives on to another one at random. 1 000 000 steps in all, per step. Room is never short, and most
tasks wait most of the time. The shape is tachyobench's.",
        measures_not: "\
senders that wait, messages that are lost",
        kinds: &[
            ("1-ball", coordinate(Coordination::Pinball(1))),
            ("10-balls", coordinate(Coordination::Pinball(10))),
            ("100-balls", coordinate(Coordination::Pinball(100))),
        ],
        has_cold: false,
        size: Size::Count(1_000_000),
    },
];

const fn coordinate(work: Coordination) -> Work {
    Work::Coordinate(work)
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
                    if workers == 1 && work.needs_sibling() {
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
        let mut units: Vec<_> = self.kinds.iter().map(|kind| self.unit_of(kind.1)).collect();
        units.dedup();
        units
    }

    fn unit_of(&self, work: Work) -> Unit {
        if work.is_parked() {
            Unit::Bytes
        } else {
            self.unit
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
        let statistics: &[_] = if job.work.is_latency() {
            &[Statistic::Median, Statistic::P99]
        } else {
            &[Statistic::Median]
        };
        let at = match self.sweep() {
            Some(Sweep::Tasks) => format!(",{}", job.size),
            Some(Sweep::Workers) | None => String::new(),
        };
        let rounds = rounds.min(match self.sweep() {
            _ if job.work.is_parked() => PARKED_ROUNDS_MAX,
            Some(_) => SWEEP_ROUNDS_MAX,
            None => rounds,
        });
        statistics.iter().map(move |&statistic| {
            let how = match statistic {
                Statistic::Median if job.work.is_latency() => "p50",
                Statistic::P99 => "p99",
                Statistic::Median if !self.has_cold => "",
                Statistic::Median if is_cold => "cold",
                Statistic::Median => "warm",
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

    /// Its variants' names, with these numbers of workers.
    pub(super) fn variants(&'static self, workers: &[usize]) -> Vec<String> {
        let cases = self.cases(workers, usize::MAX, 1).into_iter();
        cases.map(|case| case.variant).collect()
    }
}

impl Case {
    /// What its figures are.
    pub(super) fn unit(&self) -> Unit {
        self.workload.unit_of(self.job.work)
    }

    /// Whether what the other's processes measure is what this one tells, too.
    pub(super) fn has_job_of(&self, other: &Self) -> bool {
        self.job == other.job
    }
}

impl Statistic {
    /// Of what a process has measured.
    pub(super) fn of(self, figures: &[f64]) -> f64 {
        match self {
            Self::Median => Spread::of(figures.iter().copied()).median,
            Self::P99 => percentile(figures, 99),
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
        }
    }

    /// Whether more is better, as where its figures are so many of something per second.
    pub(super) fn is_rate(self) -> bool {
        is_rate(self.name())
    }

    /// A process's figure, in seconds or in bytes, in this unit.
    pub(super) fn of(self, figure: f64, size: usize) -> f64 {
        match self {
            Self::Ms => figure * 1e3,
            Self::Us => figure * 1e6,
            Self::Ns => figure * 1e9 / size as f64,
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
    }

    #[test]
    fn statistics_are_told_apart() {
        let figures = [5.0, 1.0, 2.0, 9.0];
        assert_eq!(Statistic::Median.of(&figures), 3.5);
        assert_eq!(Statistic::P99.of(&figures), 9.0);
    }
}
