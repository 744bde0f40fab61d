//! How does a test of this crate that hangs fail, instead of hanging?
//!
//! By a deadline so generous that no load of the machine trips it: it is no statement about speed. A thread that blocks is not helped by it.

use filch::time::{Duration, timeout};

/// How long anything may take before it counts as hanging.
const HANG: Duration = Duration::from_secs(60);

/// Runs a future on this thread, whose calls are counted, beside one worker and at most one thread for calls that block.
///
/// # Panics
///
/// If it is not done after [`HANG`].
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let rt = filch::Runtime::builder()
        .worker_threads(1)
        .max_blocking_threads(1);
    let rt = rt.build().expect("a runtime");
    let done = rt.block_on(async { timeout(HANG, future).await });
    done.unwrap_or_else(|_elapsed| panic!("hangs: not done after {HANG:?}"))
}
