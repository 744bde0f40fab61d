//! In which orders do the threads of a model run, and how is one that failed run again?
//!
//! At random, and by PCT ("probabilistic concurrency testing", Burckhardt et al, 2010): threads have random priorities, the highest runs until it blocks, and
//! a few times, at random steps, it becomes the lowest. PCT knows no fairness, without which a worker that looks for work that another one is about
//! to take would look for ever; so whoever runs loses its priority every [`FAIR_STEPS`] too.

use crate::sys::rng::{OsRandom, RandomSource, XorShift};
use shuttle::rand::RngCore;
use shuttle::scheduler::{
    PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId,
    UncontrolledNondeterminismCheckScheduler,
};
use shuttle::{Config, MaxSteps, Runner};

/// Executions by one seed. A failure is found again within so many.
const BATCH: usize = 25;
/// How often PCT changes priorities: more bugs need no more.
const PRIORITY_CHANGES: usize = 4;
/// Long beside what a thread does between two waits, short beside [`STEPS_MAX`].
const FAIR_STEPS: usize = 1000;
/// Of every thread of a model.
pub(super) const STACK_BYTES: usize = 128 << 10;
/// An execution that takes more steps hangs. The longest take a tenth.
const STEPS_MAX: usize = 1_000_000;

/// Runs a model `batches` times [`BATCH`] executions, half of them at random and half by priorities; with `FILCH_STRESS`, so many times as often, and with
/// `FILCH_SEED`, that batch alone. What the model itself decides at random comes from its argument.
pub(super) fn explore(test: &'static str, batches: u64, model: fn(XorShift)) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let run = |seed| {
        let _tell = Tell { test, seed };
        run(RandomScheduler::new_from_seed(seed, BATCH), model);
        let pct = PctScheduler::new_from_seed(seed, PRIORITY_CHANGES, BATCH);
        run(Fair { pct, steps: 0 }, model);
    };
    match number("FILCH_SEED") {
        Some(seed) => run(seed),
        None => {
            let first = OsRandom.seed() >> 16;
            let times: u64 = number("FILCH_STRESS").unwrap_or(1);
            (first..first + batches * times).for_each(run);
        }
    }
}

fn run(scheduler: impl Scheduler + 'static, model: fn(XorShift)) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(move || {
        model(XorShift::new(shuttle::rand::thread_rng().next_u64()));
    });
}

/// Runs a model `times` times in random orders, and each a second time in the same order; fails if the second differs.
pub(super) fn repeat(times: usize, model: fn(XorShift)) {
    let random = RandomScheduler::new(times);
    run(UncontrolledNondeterminismCheckScheduler::new(random), model);
}

/// Random numbers of its own for a part of a model.
pub(super) fn fork(random: &XorShift) -> XorShift {
    XorShift::new(random.next_u32().into())
}

/// Says how to have a failure again.
struct Tell {
    test: &'static str,
    seed: u64,
}

impl Drop for Tell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { test, seed } = self;
            // Their loads are steps too.
            let assertions = cfg!(debug_assertions);
            eprintln!(
                "to do the same again: FILCH_SEED={seed} RUSTFLAGS=\"--cfg shuttle\" cargo test -p filch --lib --release \
                 --config profile.release.package.filch.debug-assertions={assertions} {test}"
            );
        }
    }
}

/// PCT in which every thread gets its turn some time.
#[derive(Debug)]
struct Fair {
    pct: PctScheduler,
    steps: usize,
}

impl Scheduler for Fair {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.steps = 0;
        self.pct.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        self.steps += 1;
        let is_over = self.steps % FAIR_STEPS == 0;
        self.pct
            .next_task(runnable, current, is_yielding || is_over)
    }

    fn next_u64(&mut self) -> u64 {
        self.pct.next_u64()
    }
}
