//! Do filch's own primitives hold together in random programs, whatever the order of the steps?
//!
//! Each test is run with many seeds: a few hundred, or ten thousand with `FILCH_SOAK=full`. The seed decides the program (who sends how much, who gives up when) as well as the order of
//! its steps ([`simulate`]), so the line that a failure prints repeats both. Whoever is stuck makes the simulation panic by itself: that everything ends needs no assertion.
//!
//! Whether such a test would notice anything at all is asked by bugs that were planted (`planted.rs`).

mod channels;
mod locks;
mod planted;
mod signals;
mod tasks;

use filch::runtime::simulate;
use filch::time::{Duration, sleep, timeout};
use filch::{select, yield_now};
use filch_tests::drops::Tally;
use filch_tests::{is_soak, random::Random};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Runs a program that its seed decides, and looks afterwards whether it has left anything behind.
fn each_seed<F: Future<Output = ()>>(program: impl Fn(Random, Tally) -> F) {
    let only = std::env::var("FILCH_SEED").ok();
    let count = match (cfg!(miri), is_soak()) {
        (true, _) => 3,
        (false, true) => 10_000,
        (false, false) => 300,
    };
    let seeds = match only.and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..count,
    };
    for seed in seeds {
        let drops = Tally::new();
        simulate([seed], || program(Random::new(seed), drops.clone()));
        assert_eq!(drops.alive(), 0, "left behind with seed {seed}");
        drops.assert_all_gone();
    }
}

/// How often something has happened, over all seeds: what never does was not tested.
#[derive(Clone, Default)]
struct Happened(Arc<AtomicUsize>);

impl Happened {
    fn note(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    #[track_caller]
    fn assert_did(&self) {
        let is_partial = cfg!(miri) || std::env::var_os("FILCH_SEED").is_some();
        assert!(is_partial || self.0.load(Relaxed) > 0, "never happened");
    }
}

fn millis(random: &mut Random, below: usize) -> Duration {
    Duration::from_millis(random.below(below) as u64)
}

/// Nothing, some turns, or a while.
async fn pause(random: &mut Random) {
    match random.below(4) {
        0 | 1 => {}
        2 => {
            for _ in 0..=random.below(3) {
                yield_now().await;
            }
        }
        _ => sleep(millis(random, 5)).await,
    }
}

/// The future's output, unless the seed has it dropped before.
async fn perhaps_dropped<F: Future>(random: &mut Random, future: F) -> Option<F::Output> {
    match random.below(4) {
        0 => Some(future.await),
        1 => timeout(millis(random, 4), future).await.ok(),
        // As often as not this is also the time at which the future is told of something, which it then must not take with it.
        2 => select! {
            biased;
            () = sleep(millis(random, 4)) => None,
            output = future => Some(output),
        },
        _ => {
            let turns = random.below(4);
            let patience = async {
                for _ in 0..turns {
                    yield_now().await;
                }
            };
            select! {
                output = future => Some(output),
                () = patience => None,
            }
        }
    }
}
