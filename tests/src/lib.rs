//! What the tests of filch share.
//!
//! The tests themselves are in `tests/tests/`, one file for each promise of the public interface:
//!
//! | file | asks |
//! |---|---|
//! | `runtime` | do tasks start, join, abort and panic as documented, and is everything dropped exactly once? (a file for each question) |
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
//! | `udp` | do datagrams come whole, once and to who waits, alone, in batches and in segments? |
//! | `http_alloc` | what does an HTTP server ask memory for, once it is warm? |
//! | `http_idle` | what does a connection cost that waits for its next request? |
//! | `udp_alloc` | does a datagram ask for no memory in a steady state? |
//! | `tcp_connect` | is the first address taken that answers, with nothing left of the others? |
//! | `tcp_options` | are options set where they are said to be, and read back? |
//! | `tcp_ready` | can a program do with a socket what this crate does not know? |
//! | `placement` | are connections spread over the workers, however they are accepted? |
//! | `unix` | do Unix sockets keep their names, wait for room, and lose no descriptor? |
//! | `fs` | do files and directories hold what was written to them, whoever gives up and when? |
//! | `pipe` | do bytes come through pipes, whatever kind they are, and does their end come too? |
//! | `stdio` | are standard streams read and written, whatever they are, without a change for others, and without a delay of the exit? |
//! | `tls` | does futures-rustls work on the streams, and do others understand it? |
//! | `websocket` | does async-tungstenite, and do others? |
//! | `inherit` | does a service get its manager's sockets, once, and does the manager hear what it is told? |
//! | `names` | are names resolved together, in order, and so that a dead name server holds up nobody else? |
//! | `proxy_protocol` | is a PROXY header taken from a connection, exactly, and refused where it is none? |
//! | `splice` | do bytes arrive that the process never sees, whatever ends, breaks off or is slow? |
//! | `signal` | does every listener get its signal? |
//! | `process` | are programs started, talked to and waited for, whatever becomes of them? |
//! | `http` | does the server answer as the protocol says, in time, and whatever a client does? |
//! | `conformance` | is every sequence of bytes answered as RFC 9110 and 9112 say, and are those of attackers refused? (cases as text: `tests/conformance`) |
//! | `http_router` | does each handler get what it asked for, and each client hear why not? |
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
//! | `faults` | does nothing hang, leak or spin when the system, the network or the program misbehaves? |
//! | `soak_net` | is everything given back, and no request lost, whatever 200 clients do? |
//! | `soak_http` | and of an HTTP server, and is each request handled and answered once? |
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
pub mod lone_server;
pub mod pipe;
pub mod proxy;
pub mod quiet;
pub mod random;
pub mod runs;
pub mod soak;
pub mod source;
pub mod surroundings;
pub mod virtual_time;
pub mod waker;

use filch::Runtime;
use filch::runtime::Builder;
use std::any::Any;

/// The server of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// A runtime with so many workers, as it is without configuration otherwise.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn runtime(workers: usize) -> Runtime {
    let runtime = Builder::new().worker_threads(workers).build();
    runtime.expect("a runtime")
}

/// Runs the future on a runtime with so many workers, within reason.
///
/// # Panics
///
/// If the future does, or does not end.
pub fn run_on<F>(workers: usize, future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    guard::within_reason(move || runtime(workers).block_on(future))
}

/// What a panic said.
///
/// # Panics
///
/// If that was no text.
#[must_use]
pub fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    let fixed = || payload.downcast_ref::<&str>().map(|&text| text.to_owned());
    text.or_else(fixed).expect("a panic with a text")
}

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
