//! How does a program or a test begin that has one of the attributes `#[filch::main]` and `#[filch::test]`?
//!
//! The attributes (the crate filch-macros) turn their function into a call of one of the functions here, so that what they generate is one line, and
//! everything else is code that can be read, and tested.

use crate::runtime::{Builder, Runtime, only_seed};
use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;

/// Runs a program or a test, with so many workers or as many as [`Runtime::new`] has.
///
/// # Panics
///
/// If the runtime cannot be started, and as the function does.
pub fn run<F: Future>(workers: Option<usize>, body: impl FnOnce() -> F) -> F::Output {
    let mut builder = Builder::new();
    if let Some(workers) = workers {
        builder = builder.worker_threads(workers);
    }
    started(builder).block_on(body())
}

/// Runs a program or a test whose time is paused.
///
/// # Panics
///
/// If the runtime cannot be started, and as the function does.
pub fn run_paused<F: Future>(body: impl FnOnce() -> F) -> F::Output {
    started(Builder::new().start_paused(true)).block_on(body())
}

/// Runs a test in a simulation, once for each of the seeds from 0 on or for the one that `FILCH_SEED` names. The first failure is the last run.
///
/// # Panics
///
/// As the test does; if there is no simulation to be had; and if `FILCH_SEED` is no number.
pub fn run_simulated<F>(
    seeds: u64,
    package: Option<&str>,
    path: &str,
    body: impl Fn() -> F,
) -> F::Output
where
    F: Future<Output: Outcome>,
{
    let seeds = chosen_seeds(only_seed(), seeds);
    let tell = |seed| eprintln!("{}", again(seed, package, path));
    for_each_seed(seeds, |seed| simulated(seed).block_on(body()), tell)
}

fn started(builder: Builder) -> Runtime {
    builder
        .build()
        .unwrap_or_else(|error| panic!("the runtime cannot be started: {error}"))
}

fn simulated(seed: u64) -> Runtime {
    started(Builder::new().simulated(seed).fails_quietly())
}

fn chosen_seeds(only: Option<u64>, seeds: u64) -> RangeInclusive<u64> {
    match only {
        None => 0..=seeds.saturating_sub(1),
        Some(seed) => seed..=seed,
    }
}

/// Runs with each seed until a run fails, and tells of the seed that it failed with.
fn for_each_seed<T: Outcome>(
    seeds: RangeInclusive<u64>,
    run: impl Fn(u64) -> T,
    tell: impl Fn(u64),
) -> T {
    let last = *seeds.end();
    for seed in seeds {
        // What the test left half done is dropped with its runtime, or leaked with the panic that ends the test.
        let outcome = catch_unwind(AssertUnwindSafe(|| run(seed)));
        match outcome {
            Ok(outcome) if outcome.is_failure() => {
                tell(seed);
                return outcome;
            }
            Ok(outcome) if seed == last => return outcome,
            Ok(_) => {}
            Err(payload) => {
                tell(seed);
                resume_unwind(payload);
            }
        }
    }
    unreachable!("there is at least one seed, and the last one returns")
}

/// The line that does the same again. `path` begins with the crate's name, which is not in the names of tests.
fn again(seed: u64, package: Option<&str>, path: &str) -> String {
    let test = path.split_once("::").map_or(path, |(_, rest)| rest);
    let package = package.map_or_else(String::new, |name| format!(" -p {name}"));
    format!("to do the same again: FILCH_SEED={seed} cargo test{package} {test}")
}

/// What a simulated test may return: something that says by itself whether it failed, before the test harness sees it.
#[diagnostic::on_unimplemented(
    message = "a simulated test returns nothing or a `Result`, not `{Self}`",
    label = "whether this is a failure is not known"
)]
pub trait Outcome {
    /// Whether the test failed.
    fn is_failure(&self) -> bool;
}

impl Outcome for () {
    fn is_failure(&self) -> bool {
        false
    }
}

impl Outcome for Infallible {
    fn is_failure(&self) -> bool {
        match *self {}
    }
}

impl Outcome for ExitCode {
    fn is_failure(&self) -> bool {
        // With the Rust that we promise it can be shown, but not compared.
        format!("{self:?}") != format!("{:?}", Self::SUCCESS)
    }
}

impl<T: Outcome, E> Outcome for Result<T, E> {
    fn is_failure(&self) -> bool {
        self.as_ref().map_or(true, Outcome::is_failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// The seeds that were run, and those that were told of.
    #[derive(Default)]
    struct Log {
        run: RefCell<Vec<u64>>,
        told: RefCell<Vec<u64>>,
    }

    impl Log {
        fn go<T: Outcome>(&self, seeds: RangeInclusive<u64>, test: impl Fn(u64) -> T) -> T {
            let run = |seed| {
                self.run.borrow_mut().push(seed);
                test(seed)
            };
            for_each_seed(seeds, run, |seed| self.told.borrow_mut().push(seed))
        }

        fn assert(&self, run: &[u64], told: &[u64]) {
            assert_eq!(
                (&self.run.borrow()[..], &self.told.borrow()[..]),
                (run, told)
            );
        }
    }

    #[test]
    fn every_seed_is_run() {
        let log = Log::default();
        log.go(chosen_seeds(None, 3), |_| ());
        log.assert(&[0, 1, 2], &[]);
    }

    #[test]
    fn the_seed_that_is_asked_for_is_run_alone() {
        let log = Log::default();
        log.go(chosen_seeds(Some(17), 3), |_| ());
        log.assert(&[17], &[]);
    }

    #[test]
    fn an_error_ends_it_and_is_returned() {
        let log = Log::default();
        let outcome = log.go(0..=9, |seed| if seed == 2 { Err(seed) } else { Ok(()) });
        assert_eq!(outcome, Err(2));
        log.assert(&[0, 1, 2], &[2]);
    }

    #[test]
    fn a_panic_ends_it_and_goes_on() {
        let log = Log::default();
        let run = AssertUnwindSafe(|| log.go(0..=9, |seed| assert!(seed < 1, "oh")));
        let payload = catch_unwind(run).unwrap_err();
        assert_eq!(*payload.downcast::<&str>().unwrap(), "oh");
        log.assert(&[0, 1], &[1]);
    }

    #[test]
    fn outcomes_say_whether_they_fail() {
        assert!(!Ok::<(), ()>(()).is_failure());
        assert!(Ok::<_, ()>(Err::<(), ()>(())).is_failure());
        assert!(!ExitCode::SUCCESS.is_failure());
        assert!(ExitCode::from(3).is_failure());
    }

    #[test]
    fn the_line_names_seed_package_and_test() {
        assert_eq!(
            again(17, Some("shop"), "shop::orders::tests::they_come"),
            "to do the same again: FILCH_SEED=17 cargo test -p shop orders::tests::they_come"
        );
        assert_eq!(
            again(3, None, "alone"),
            "to do the same again: FILCH_SEED=3 cargo test alone"
        );
    }

    #[test]
    fn workers_are_as_many_as_asked_for() {
        let workers = || async { crate::runtime::Handle::current().workers() };
        assert_eq!(run(Some(2), workers), 2);
        assert_eq!(run(Some(1), workers), 1);
    }

    #[test]
    #[should_panic(expected = "the runtime cannot be started: worker_threads is 0")]
    fn a_runtime_that_cannot_be_started() {
        run(Some(0), || async {});
    }
}
