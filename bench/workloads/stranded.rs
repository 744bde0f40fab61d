//! How long does a task wait behind one that hogs its worker, while another worker is idle?
//!
//! The hog makes the other task ready and spins on in the same poll, so that the task can run elsewhere only. Before each sample nothing
//! happens for a millisecond; then a thread that is no worker starts the hog. Several runtimes wake two workers for that, of which the second
//! looks around for a while: the hog begins with a short spin, after which that one sleeps again. Rejected: giving up the turn until then (some
//! runtimes wake a worker for each), a sleep (not everybody has timers), neither (it would be measured how long a worker looks around).

use super::{Handle, Runtime, spawn, yield_now};
use filch_bench_common::Doorbell;
use filch_bench_common::clock::{block_for, now, spin_for};
use std::sync::Arc;
use std::time::Duration;

/// How long the hog spins.
pub(crate) const HOG: Duration = Duration::from_millis(10);

/// How long the hog has been running when it makes the other task ready. A guess: a thread that is woken takes some 25 us until it runs,
/// and finds nothing in another few. Much longer, and a runtime that watches for long polls would have been warned.
pub(crate) const SETTLED: Duration = Duration::from_micros(100);

/// How long nothing happens before a sample.
pub(crate) const PAUSE: Duration = Duration::from_millis(1);

/// One sample: the hog wakes a task that waits.
pub(crate) fn woken(runtime: &mut Runtime) -> Duration {
    let bell = Arc::new(Doorbell::default());
    let late = runtime.run(waiting(bell.clone()));
    block_for(PAUSE);
    runtime.run(async move {
        spin_for(SETTLED);
        bell.ring();
        spin_for(HOG);
        late.await
    })
}

/// Starts a task that waits for the bell, and returns once it does. The task's output is how long it took from the ring to the poll.
async fn waiting(bell: Arc<Doorbell>) -> Handle<Duration> {
    let late = spawn({
        let bell = bell.clone();
        async move { bell.rung().await.elapsed() }
    });
    while !bell.is_awaited() {
        yield_now().await;
    }
    late
}

/// One sample: the hog spawns a task.
pub(crate) fn spawned(runtime: &mut Runtime) -> Duration {
    block_for(PAUSE);
    runtime.run(async {
        spin_for(SETTLED);
        let begun = now();
        let late = spawn(async move { begun.elapsed() });
        spin_for(HOG);
        late.await
    })
}
