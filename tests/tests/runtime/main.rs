//! Does a runtime do with tasks, blocking calls and `block_on` what is documented?
//!
//! | file | asks |
//! |---|---|
//! | `join` | does a task start, and give its output to whoever awaits it? |
//! | `ends` | does a task that panics or is aborted say so, and harm nobody? |
//! | `drops` | is every future, output and closure dropped exactly once, on the right side? |
//! | `wakers` | may a waker be used anywhere and at any time? |
//! | `block_on` | does `block_on` work wherever it is called, and whose are the tasks that are spawned in it? |
//! | `blocking` | do blocking calls join, panic and abort? |
//! | `builder` | does a builder keep to what it is told, and refuse nonsense? |
//!
//! Most run once on one worker and once on four.

mod block_on;
mod blocking;
mod builder;
mod drops;
mod ends;
mod join;
mod wakers;

use filch_tests::guard::within_reason;
use filch_tests::runtime;

/// Runs a test on a fresh runtime, within a task, for one worker and for four.
fn on_each<F: Future<Output = ()> + Send + 'static>(test: impl Fn() -> F) {
    for workers in [1, 4] {
        let rt = runtime(workers);
        let test = test();
        within_reason(move || rt.block_on(async { filch::spawn(test).await.expect("no panic") }));
    }
}

/// Waits, in a task, until something is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        filch::yield_now().await;
    }
}
