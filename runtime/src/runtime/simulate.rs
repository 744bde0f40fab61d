//! Does a program do right whatever the order of its steps?
//!
//! It is run with many seeds, each of which is another order ([`Builder::simulated`]). The first that fails is named, with the line that runs it alone.

use super::Builder;
use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Names the only seed that is to be run.
const ONLY: &str = "FILCH_SEED";

/// Runs a program once for each seed, each time in a [simulation](Builder::simulated) of its own.
///
/// If it panics, a line that begins the same run again goes to standard error, and the panic goes on. With `FILCH_SEED=n` in the environment only the seed `n` is
/// run, whatever `seeds` says. A task's panic is the program's if the program asks for it, by `unwrap` of what its handle says.
///
/// # Panics
///
/// If the program does for one of the seeds; if it comes to a deadlock; if `FILCH_SEED` is no number.
///
/// # Examples
///
/// ```
/// filch::runtime::simulate(0..100, || async {
///     let tasks: Vec<_> = (0..3).map(|n| filch::spawn(async move { n })).collect();
///     let mut sum = 0;
///     for task in tasks {
///         sum += task.await.unwrap();
///     }
///     assert_eq!(sum, 3);
/// });
/// ```
///
/// A bug that needs a certain order of steps is found within a few of them:
///
/// ```should_panic
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// filch::runtime::simulate(0..1000, || async {
///     let count = Arc::new(AtomicU64::new(0));
///     let add = |count: Arc<AtomicU64>| async move {
///         let before = count.load(Ordering::Relaxed);
///         filch::yield_now().await; // whoever comes in between is forgotten
///         count.store(before + 1, Ordering::Relaxed);
///     };
///     let tasks = [(); 2].map(|()| filch::spawn(add(count.clone())));
///     for task in tasks {
///         task.await.unwrap();
///     }
///     assert_eq!(count.load(Ordering::Relaxed), 2);
/// });
/// ```
pub fn simulate<F>(seeds: impl IntoIterator<Item = u64>, program: impl Fn() -> F)
where
    F: Future<Output = ()>,
{
    match only_seed() {
        Some(seed) => run(seed, &program),
        None => seeds.into_iter().for_each(|seed| run(seed, &program)),
    }
}

/// The only seed that is to be run, if one is named.
///
/// # Panics
///
/// If what is named is no number.
pub(crate) fn only_seed() -> Option<u64> {
    std::env::var_os(ONLY).map(|text| seed_of(&text))
}

fn seed_of(text: &OsStr) -> u64 {
    let seed = text.to_str().and_then(|text| text.parse().ok());
    seed.unwrap_or_else(|| {
        panic!("{ONLY} is {text:?}: give the number of a seed, or leave it out to run all")
    })
}

fn run<F: Future<Output = ()>>(seed: u64, program: &impl Fn() -> F) {
    let run = || {
        let builder = Builder::new().simulated(seed).fails_quietly();
        let rt = builder
            .build()
            .expect("a simulation needs nothing of the system's");
        rt.block_on(async { program().await });
    };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
        eprintln!("{}", replay_line(seed, std::thread::current().name()));
        resume_unwind(payload);
    }
}

/// Test harnesses call the thread after the test.
fn replay_line(seed: u64, thread: Option<&str>) -> String {
    let test = match thread {
        Some(name) if name != "main" => format!(" cargo test {name}"),
        _ => String::new(),
    };
    format!("filch: simulation failed; replay with {ONLY}={seed}{test}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_number() {
        assert_eq!(seed_of(OsStr::new("17")), 17);
    }

    #[test]
    #[should_panic(expected = "give the number of a seed")]
    fn a_seed_that_is_no_number() {
        seed_of(OsStr::new("x"));
    }

    #[test]
    fn the_line_names_the_test_if_there_is_one() {
        let line = "filch: simulation failed; replay with FILCH_SEED=7";
        assert_eq!(replay_line(7, None), line);
        assert_eq!(replay_line(7, Some("main")), line);
        let of_test = replay_line(7, Some("orders::a_late_one"));
        assert_eq!(of_test, format!("{line} cargo test orders::a_late_one"));
    }
}
