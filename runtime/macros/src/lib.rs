//! What do `#[filch::main]` and `#[filch::test]` make of a function?
//!
//! An ordinary one, which starts a runtime and runs the one that was written:
//!
//! ```text
//! #[filch::main(workers = 4)]          fn main() -> io::Result<()> {
//! async fn main() -> io::Result<()> {      async fn main() -> io::Result<()> { body }
//!     body                                 ::filch::__macros::run(Some(4), main)
//! }                                    }
//! ```
//!
//! The function that was written stays whole inside, so that the compiler speaks of it as of any other, and a test can be run many times. Only one that others call, with arguments, generics or `Self`,
//! has its body made a closure: `run(None, async move || -> Output { body })`.
//! Attributes (`#[ignore]`, `#[should_panic]`, `#[cfg]`, documentation) stay on the outside.
//!
//! The macros see tokens: they look for options, for `async` and for a list of arguments that has to be empty, and hand everything else on. That needs
//! no parser of the language. Rejected: `syn` and `quote`, which every user of filch would have to build (the longest step of a small program's
//! build), and which refuse syntax that is newer than they are.
//!
//! Use these by the names that `filch` has for them.

#![forbid(unsafe_code)]

mod complaint;
mod expand;
mod function;
mod options;

use expand::Attribute;
use proc_macro::TokenStream;

/// Runs an `async fn main` on a runtime of its own.
///
/// A `main` takes no arguments, and returns what any `main` may. A function of another name, which the program calls like one that is not `async`, may have arguments and generics; it starts a runtime of its
/// own with each call. It runs on the main thread, the tasks that it spawns on the workers.
/// When it returns, the runtime ends as one that is dropped: tasks that are not complete are dropped where they stand, and calls of `spawn_blocking` that have begun are waited for.
///
/// # Options
///
/// | option | |
/// |---|---|
/// | `workers = 4` | how many workers; left out, one for each core, see `Runtime::new` |
/// | `worker_threads = 4` | the same |
/// | `flavor = "current_thread"` | one worker |
/// | `flavor = "multi_thread"` | changes nothing |
/// | `start_paused = true` | on one thread, with virtual time: `Builder::start_paused` |
/// | `crate = "other::path"` | where filch is, if that is not `::filch` |
///
/// # Panics
///
/// If the runtime cannot be started; the message names the step that failed. Programs that want to handle that use `Runtime::new` themselves.
///
/// # Examples
///
/// ```
/// #[filch::main]
/// async fn main() -> Result<(), filch::JoinError> {
///     let task = filch::spawn(async { 6 * 7 });
///     assert_eq!(task.await?, 42);
///     Ok(())
/// }
/// ```
///
/// ```
/// #[filch::main(workers = 2)]
/// async fn main() {
///     filch::time::sleep(filch::time::Duration::from_millis(1)).await;
/// }
/// ```
///
/// ```
/// #[filch::main]
/// async fn total(prices: &[u64], shipping: impl Fn() -> u64) -> u64 {
///     filch::yield_now().await;
///     prices.iter().sum::<u64>() + shipping()
/// }
///
/// assert_eq!(total(&[1, 2, 3], || 4), 10);
/// ```
///
/// A function that is not `async` needs no runtime, and a `main` with arguments nobody could call:
///
/// ```compile_fail
/// #[filch::main]
/// fn main() {}
/// ```
///
/// ```compile_fail
/// #[filch::main]
/// async fn main(arguments: Vec<String>) {}
/// ```
///
/// Options that make no sense are refused:
///
/// ```compile_fail
/// #[filch::main(workers = 0)]
/// async fn main() {}
/// ```
///
/// ```compile_fail
/// #[filch::main(wrokers = 2)]
/// async fn main() {}
/// ```
///
/// ```compile_fail
/// #[filch::main(flavor = "current_thread", workers = 2)]
/// async fn main() {}
/// ```
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Main, options, item)
}

/// Runs an `async fn` as a test, on a runtime of its own.
///
/// The function takes no arguments and returns what any test may: nothing, or a `Result`. Other attributes of tests (`#[ignore]`, `#[should_panic]`) work as always.
///
/// # Options
///
/// | option | |
/// |---|---|
/// | `workers = 4` | how many workers; left out, one |
/// | `worker_threads = 4` | the same |
/// | `flavor = "current_thread"` | one worker |
/// | `flavor = "multi_thread"` | left alone, as many workers as `Runtime::new` would have |
/// | `simulated` | in a simulation: one thread, virtual time, and every choice drawn from a seed |
/// | `seeds = 100` | with `simulated`: once for each of the seeds from 0 to 99; left out, from 0 to 9 |
/// | `start_paused = true` | on one thread, with virtual time: `Builder::start_paused` |
/// | `crate = "other::path"` | where filch is, if that is not `::filch` |
///
/// # Simulation
///
/// A test that fails in a simulation, by a panic or by an `Err`, prints the line that does the same again:
///
/// ```text
/// to do the same again: FILCH_SEED=17 cargo test -p my-package my_module::my_test
/// ```
///
/// `FILCH_SEED` makes every simulated test run with that seed alone. The seeds are the same in each run of the tests, so that what passes once passes again; for others
/// there are more seeds.
///
/// # Panics
///
/// If the runtime cannot be started, which fails the test.
///
/// # Examples
///
/// ```
/// #[filch::test]
/// async fn answers_come() {
///     assert_eq!(filch::spawn(async { 6 * 7 }).await.unwrap(), 42);
/// }
///
/// #[filch::test(workers = 2)]
/// #[ignore = "slow"]
/// async fn a_long_one() -> std::io::Result<()> {
///     filch::time::sleep(filch::time::Duration::from_secs(10)).await;
///     Ok(())
/// }
/// ```
///
/// What is no test of an `async fn` is refused, and so are options that make no sense:
///
/// ```compile_fail
/// #[filch::test]
/// async fn with_an_argument(n: u32) {}
/// ```
///
/// ```compile_fail
/// #[filch::test]
/// #[test]
/// async fn twice() {}
/// ```
///
/// ```compile_fail
/// #[filch::test(seeds = 10)]
/// async fn seeds_of_what() {}
/// ```
///
/// ```compile_fail
/// #[filch::test(simulated, workers = 2)]
/// async fn a_simulation_has_one_thread() {}
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Test, options, item)
}
