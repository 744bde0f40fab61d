//! Whatever children, bodies and cleanups do to each other: does a scope return when all have ended, and not before?
//!
//! A random tree of scopes: with limits and timeouts, cancelled, dropped, in one another, in blocking scopes and in `block_on`; children that spawn siblings, abort and panic; cleanups that spawn and
//! that take too long. In a simulation, where a scope that waits for nobody is a deadlock, and on threads.

use filch::Runtime;
use filch::runtime::{Builder, Handle, simulate};
use filch::scope::{self, Scope, on_cancel};
use filch::task::AbortHandle;
use filch::time::{Duration, sleep, timeout};
use filch_tests::drops::{Tally, Tracked};
use filch_tests::is_soak;
use filch_tests::random::{Random, seed};
use futures_lite::FutureExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a panic of the program's own is thrown with; without the hook, which would print thousands of them.
struct Thrown;

fn throw() -> ! {
    resume_unwind(Box::new(Thrown))
}

/// Those of the test, and of every scope that has to wait for what is tracked.
#[derive(Clone)]
struct Tallies(Vec<Tally>);

type Held = Vec<Tracked>;

impl Tallies {
    fn track(&self) -> Held {
        self.0.iter().map(Tally::track).collect()
    }

    fn and(&self, further: Tally) -> Self {
        let all = self.0.iter().cloned().chain([further]);
        Self(all.collect())
    }

    /// For what no scope waits for.
    fn of_the_test(&self) -> Self {
        Self(self.0[..1].to_vec())
    }
}

/// How deep scopes stand within one another.
const DEPTH: u32 = 2;

fn millis(random: &mut Random, below: usize) -> Duration {
    Duration::from_millis(random.below(below) as u64)
}

async fn leaf(mut random: Random, tally: Tallies) -> Held {
    let held = tally.track();
    sleep(millis(&mut random, 4)).await;
    held
}

/// A child of the scope `s`. One with a limit must not wait for its siblings, which may wait for its place.
fn child(
    mut random: Random,
    depth: u32,
    tally: Tallies,
    s: Scope,
    is_limited: bool,
) -> Boxed<Held> {
    Box::pin(async move {
        let held = tally.track();
        for _ in 0..random.below(4) {
            let (own, tally) = (random.fork(), tally.clone());
            let short = millis(&mut random, 5);
            match random.below(15) {
                0 => sleep(short).await,
                1 => drop(s.spawn(leaf(own, tally))),
                2 if !is_limited => drop(s.spawn_when_free(leaf(own, tally)).await),
                3 => drop(timeout(short, s.spawn_when_free(leaf(own, tally))).await),
                4 if random.below(4) == 0 => s.cancel(),
                5 if random.below(4) == 0 => throw(),
                6 => drop(timeout(short, cleaned_up(own, tally, s.clone())).await),
                7 => cleaned_up(own, tally, s.clone()).await,
                8 if depth > 0 && !is_limited => {
                    let sibling = child(own, depth - 1, tally, s.clone(), is_limited);
                    drop(s.spawn(sibling).await);
                }
                9 if depth > 0 => {
                    let sibling = s.spawn(child(own, depth - 1, tally, s.clone(), is_limited));
                    filch::yield_now().await;
                    sibling.abort();
                }
                10 if depth > 0 => in_a_scope(own, depth - 1, tally).await,
                11 if depth > 0 => drop(timeout(short, in_a_scope(own, depth - 1, tally)).await),
                12 if depth > 0 => {
                    let inner = timeout(short, in_a_scope(own, depth - 1, tally));
                    let _ = Handle::current().block_on(inner);
                }
                13 if depth > 0 => in_a_blocking_scope(own, &tally),
                _ => filch::yield_now().await,
            }
        }
        held
    })
}

async fn cleaned_up(mut random: Random, tally: Tallies, s: Scope) {
    let work = sleep(millis(&mut random, 6));
    let cleanup = async move {
        let _held = tally.track();
        s.spawn(leaf(random.fork(), tally));
        sleep(millis(&mut random, 6)).await;
    };
    on_cancel(work, Duration::from_millis(3), cleanup).await;
}

fn in_a_blocking_scope(mut random: Random, tally: &Tallies) {
    let borrowed = tally.track();
    let returned = catch_unwind(AssertUnwindSafe(|| {
        filch::blocking_scope(|s| {
            for _ in 0..random.below(3) {
                let own = random.fork();
                s.spawn(async {
                    let _borrowed: &Held = &borrowed;
                    in_a_scope(own, 0, tally.clone()).await;
                });
            }
            match random.below(6) {
                0 => throw(),
                1 => s.cancel(),
                _ => {}
            }
        });
    }));
    only_thrown(returned);
}

/// A scope with children, as part of what is around it or as a task of its own, which is aborted when this is dropped.
fn in_a_scope(mut random: Random, depth: u32, tally: Tallies) -> Boxed<()> {
    struct AbortOnDrop(AbortHandle);
    impl Drop for AbortOnDrop {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    Box::pin(async move {
        if random.below(3) > 0 {
            let scope = AssertUnwindSafe(one_scope(random, depth, tally));
            return only_thrown(scope.catch_unwind().await);
        }
        let task = filch::spawn(one_scope(random, depth, tally.of_the_test()));
        let _abort = AbortOnDrop(task.abort_handle());
        if let Err(Ok(payload)) = task.await.map_err(filch::JoinError::try_into_panic) {
            only_thrown::<()>(Err(payload));
        }
    })
}

async fn one_scope(mut random: Random, depth: u32, tally: Tallies) {
    let is_limited = random.below(2) == 0;
    let mut builder = scope::Builder::new();
    if is_limited {
        builder = builder.max_in_flight(1 + random.below(3));
    }
    let (own, is_timed) = (Tally::new(), random.below(3) == 0);
    let tally = tally.and(own.clone());
    let body = |s: Scope| async move {
        let _held = tally.track();
        for _ in 0..random.below(6) {
            s.spawn(child(
                random.fork(),
                depth,
                tally.clone(),
                s.clone(),
                is_limited,
            ));
            if random.below(2) == 0 {
                filch::yield_now().await;
            }
        }
        if random.below(10) == 0 {
            throw();
        }
    };
    if is_timed {
        let timed = builder.timeout(Duration::from_millis(6));
        let _ = timed.run(body).await;
    } else {
        builder.run(body).await;
    }
    own.assert_all_gone();
}

/// A panic that is none of the program's own goes on.
fn only_thrown<T>(result: std::thread::Result<T>) {
    if let Err(payload) = result {
        if !payload.is::<Thrown>() {
            resume_unwind(payload);
        }
    }
}

#[test]
fn in_every_order() {
    let only = std::env::var("FILCH_SEED").ok();
    let seeds = match only.and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None if is_soak() => 0..50_000,
        None => 0..1000,
    };
    for seed in seeds {
        let tally = Tally::new();
        simulate([seed], || async {
            in_a_scope(Random::new(seed), DEPTH, Tallies(vec![tally.clone()])).await;
            // Scopes that were dropped, and cleanups behind them, have time to end.
            sleep(Duration::from_secs(100)).await;
        });
        tally.assert_all_gone();
    }
}

#[test]
fn on_threads() {
    let mut random = Random::new(seed("on_threads"));
    let runs = if is_soak() { 5000 } else { 100 };
    for workers in 1..=3 {
        let tally = Tally::new();
        let rt: Runtime = Builder::new().worker_threads(workers).build().unwrap();
        let seeds: Vec<_> = (0..runs).map(|_| random.fork()).collect();
        let program = async {
            for random in seeds {
                in_a_scope(random, DEPTH, Tallies(vec![tally.clone()])).await;
            }
        };
        rt.block_on(program);
        drop(rt);
        tally.assert_all_gone();
    }
}
