//! What the tests of filch share.
//!
//! The tests themselves are in `tests/tests/`, one file for each promise of the public interface:
//!
//! | file | asks |
//! |---|---|
//! | `runtime` | do tasks start, join, abort and panic as documented, and is everything dropped exactly once? |
//! | `outside` | are tasks of threads that are no workers run once each, in order, and none stranded? |
//! | `batch` | does `spawn_batch` what a loop over `spawn` does, whatever the iterator does? |
//! | `join_set` | does a set of tasks give each result once, in the order of the ends? |
//! | `scope` | have all children ended when a scope returns, and does the first error come out? |
//! | `blocking_scope` | may children borrow from the stack, whatever becomes of them and of the runtime? |
//! | `time` | do sleeps, timeouts and intervals keep their times, wherever and however they are waited for? |
//! | `macros` | do `#[filch::main]` and `#[filch::test]` make of a function what they promise? |
//! | `select` | does `select!` run the right branch, drop the others, and stay out of the way of the code around? |
//! | `join_macros` | do `join!` and `try_join!` wait for all, poll none too often, and drop what they should? |
//! | `tcp` | do sockets work, wherever they are used? |
//! | `signal` | does every listener get its signal? |
//! | `http` | does the server answer as the protocol says, in time, and whatever a client does? |
//! | `signals` | are signals neither lost nor seen twice, whoever gives up waiting and when? |
//! | `shutdown` | can a runtime end anywhere and at any time? |
//! | `fair` | does a task that always finds something ready let its siblings run? |
//! | `build_errors` | does a runtime that cannot be built say why, and leave nothing behind? |
//! | `oneshot` | does one value come, or the news that none does, whoever is first or gives up? |
//! | `mpsc` | does each message come once and in order, whoever waits or gives up? |
//! | `mpsc_alloc` | does a message cost no allocation in a steady state? |
//! | `strand` | is nothing stranded behind a task that hogs its worker? |
//! | `task_extras` | does a task know its id, name and location, and what can be done with handles and blocking calls? |
//! | `task_local` | does a task-local value belong to one task, in each of its polls? |
//! | `unhandled_panic` | what becomes of a panic that nobody will be told of? |
//! | `metrics` | do the numbers of a runtime say what happens in it? |
//! | `simulation` | does a seed decide everything, and does virtual time take none? |
//! | `simulated_programs` | do filch's own primitives hold together in random programs, whatever the order of the steps? |
//! | `cancel_safety` | is nothing lost, doubled or left locked, wherever a future is dropped? |
//! | `locks` | do locks and semaphores keep their promises while tasks give up at any time? |
//! | `allocations` | what does a program ask memory for, once it is warm? |
//! | `locks_alloc` | do they wait without an allocation? |
//! | `spare` | does a program go on whose every worker is blocked by a task? |
//! | `warnings` | is somebody told of a task that blocks its worker? |
//! | `stress` | does it all hold with more workers than cores and everything mixed? |
//! | `leak` | are threads, descriptors and memory given back? |
//! | `regressions` | does what was wrong once stay right? |
//! | `examples` | do the examples show what they say? |
//! | `porting` | is porting from tokio search and replace? |
//! | `layering` | does the source keep to the import table, and the lock file to its promise? |
//!
//! No test has a limit on wall-clock time; [`guard`] only turns a hang into a failure.

pub mod allocations;
pub mod cancel;
pub mod census;
pub mod drops;
pub mod guard;
pub mod limits;
pub mod pipe;
pub mod random;
pub mod runs;
pub mod source;
pub mod waker;

/// How much more than usual the stress and leak tests shall do: `FILCH_STRESS`, 1 if it is not set.
#[must_use]
pub fn stress_factor() -> usize {
    let factor = std::env::var("FILCH_STRESS").ok();
    factor.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Whether the long versions were asked for: `FILCH_SOAK=full`.
#[must_use]
pub fn is_soak() -> bool {
    std::env::var_os("FILCH_SOAK").is_some_and(|value| value == "full")
}
