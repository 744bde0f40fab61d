//! How late is a timer while every worker is busy?
//!
//! As many tasks as there are workers spin in polls of 10 ms and give up their turn between them; one more sleeps, again and again. Nobody can
//! interrupt a poll, so that half of one is what the sleeper waits on average if somebody looks at the timers between any two polls.

use super::stranded::HOG;
use super::{sleep, spawn, yield_now};
use filch_bench_common::clock::{now, spin_for};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SLEEP: Duration = Duration::from_millis(1);

/// So many samples: by how much the sleep has ended later than a millisecond after it began.
pub(crate) async fn late(workers: usize, samples: usize) -> Vec<Duration> {
    let is_over = Arc::new(AtomicBool::new(false));
    let hogs: Vec<_> = (0..workers).map(|_| spawn(hog(is_over.clone()))).collect();
    let mut late = Vec::with_capacity(samples);
    for _ in 0..samples {
        let due = now() + SLEEP;
        sleep(SLEEP).await;
        late.push(now().saturating_duration_since(due));
    }
    // ORDERING: nothing stands behind it.
    is_over.store(true, Ordering::Relaxed);
    for hog in hogs {
        hog.await;
    }
    late
}

async fn hog(is_over: Arc<AtomicBool>) {
    // ORDERING: nothing stands behind it.
    while !is_over.load(Ordering::Relaxed) {
        spin_for(HOG);
        yield_now().await;
    }
}
