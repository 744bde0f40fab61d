//! Does each task get its turn while others never end?
//!
//! Rivals yield or wake each other for ever. Each of their polls is counted from the moment at which the task that needs one turn is ready, until it has had it; if they
//! reach a bound before, they give up, and the test fails. Bounds are in polls, since shuttle's threads do not run equally fast.

use super::explore::explore;
use super::tools::{Census, Signal, dawdle, sleep_until, yields};
use super::world::{PASSES, Time, World};
use crate::sys::clock::Clock;
use crate::sys::rng::XorShift;
use crate::sys::sync::Arc;
use crate::util::block_on::block_on;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What is local waits behind what stands in the queue, and the slot has three polls in a row: here four other tasks.
const LOCAL_BOUND: usize = 5 * 4;
/// What comes from elsewhere waits for the end of a batch, which has at most 512 polls, on the slowest of four workers.
const REMOTE_BOUND: usize = 10_000;

/// Tasks that never end by themselves.
struct Rivals {
    bound: usize,
    /// Whether the task that they are rivals of is ready.
    is_counting: AtomicBool,
    is_over: AtomicBool,
    polls: AtomicUsize,
}

impl Rivals {
    fn new(bound: usize) -> Arc<Self> {
        Arc::new(Self {
            bound,
            is_counting: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            polls: AtomicUsize::new(0),
        })
    }

    /// The task is ready from now on.
    fn count(&self) {
        self.is_counting.store(true, Ordering::Relaxed);
    }

    /// It has had its turn.
    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// A poll of a rival. True if it shall go on.
    fn poll(&self) -> bool {
        let polls = if self.is_counting.load(Ordering::Relaxed) {
            self.polls.fetch_add(1, Ordering::Relaxed)
        } else {
            0
        };
        polls < self.bound && !self.is_over.load(Ordering::Relaxed)
    }

    /// After the end of all tasks.
    fn check(&self) {
        assert!(self.is_over.load(Ordering::Relaxed));
        let polls = self.polls.load(Ordering::Relaxed);
        assert!(polls < self.bound, "no turn within {polls} polls of others");
    }
}

/// Two tasks that yield for ever, or wake each other for ever.
fn pair(world: &World, census: &Arc<Census>, rivals: &Arc<Rivals>, by_waking: bool) {
    let signals = [Signal::new(), Signal::new()];
    for at in 0..2 {
        let (own, other) = (signals[at].clone(), signals[1 - at].clone());
        let (rivals, ticket) = (rivals.clone(), census.ticket());
        let task = async move {
            while rivals.poll() {
                if by_waking {
                    other.give();
                    own.taken().await;
                } else {
                    yields(1).await;
                }
            }
            other.give();
            ticket.end();
        };
        world.spawn(task).detach();
    }
}

/// One worker: a task in its queue, two pairs of rivals around it.
fn one_in_the_queue(random: XorShift) {
    let world = World::start(1, Time::StandsStill);
    let census = Census::new();
    let rivals = Rivals::new(LOCAL_BOUND);
    let (inner, all, ours) = (world.clone(), census.clone(), rivals.clone());
    let by_waking = [random.below(2) == 0, random.below(2) == 0];
    let ticket = census.ticket();
    let task = async move {
        pair(&inner, &all, &ours, by_waking[0]);
        let (victim, rivals) = (all.ticket(), ours.clone());
        let one_turn = async move {
            rivals.end();
            victim.end();
        };
        inner.spawn(one_turn).detach();
        pair(&inner, &all, &ours, by_waking[1]);
        ours.count();
        ticket.end();
    };
    world.spawn(task).detach();
    census.wait();
    assert_eq!(census.ended(), census.made());
    rivals.check();
    world.end();
}

#[test]
fn shuttle_sched_one_in_the_queue_gets_its_turn() {
    explore(
        "shuttle_sched_one_in_the_queue_gets_its_turn",
        3,
        one_in_the_queue,
    );
}

/// How a task comes to workers that never run out of others.
#[derive(Clone, Copy)]
enum Comes {
    Spawned,
    Woken,
    FromDriver,
    FromTimer,
}

fn one_from_elsewhere(random: XorShift, comes: Comes) {
    let time = match comes {
        // Drivers are swept on a time basis.
        Comes::FromDriver => PASSES,
        _ if random.below(2) == 0 => Time::StandsStill,
        _ => PASSES,
    };
    let workers = 1 + random.below(4) as usize;
    let world = World::start(workers, time);
    let census = Census::new();
    let rivals = Rivals::new(REMOTE_BOUND);
    let signal = Signal::new();
    let has_begun = Signal::new();
    let deadline = world.clock.now() + Duration::from_secs(1);
    if !matches!(comes, Comes::Spawned) {
        let (inner, ticket, ours) = (world.clone(), census.ticket(), rivals.clone());
        let (signal, begins) = (signal.clone(), has_begun.clone());
        let task = async move {
            begins.give();
            match comes {
                Comes::FromTimer => sleep_until(&inner, deadline).await,
                _ => signal.taken().await,
            }
            ours.end();
            ticket.end();
        };
        world.spawn(task).detach();
        block_on(has_begun.taken());
    }
    for _ in 0..workers {
        pair(&world, &census, &rivals, random.below(2) == 0);
    }
    dawdle(random.below(40));
    rivals.count();
    match comes {
        Comes::Spawned => {
            let (ticket, ours) = (census.ticket(), rivals.clone());
            let task = async move {
                ours.end();
                ticket.end();
            };
            world.spawn(task).detach();
        }
        Comes::Woken => signal.give(),
        Comes::FromDriver => {
            let worker = random.below(workers as u32) as usize;
            Signal::post(&[signal], &world, worker);
        }
        Comes::FromTimer => world.clock.advance(Duration::from_secs(2)),
    }
    census.wait();
    assert_eq!(census.ended(), census.made());
    rivals.check();
    world.end();
}

#[test]
fn shuttle_sched_one_that_is_spawned_outside_gets_its_turn() {
    explore(
        "shuttle_sched_one_that_is_spawned_outside_gets_its_turn",
        3,
        |random| one_from_elsewhere(random, Comes::Spawned),
    );
}

#[test]
fn shuttle_sched_one_that_is_woken_outside_gets_its_turn() {
    explore(
        "shuttle_sched_one_that_is_woken_outside_gets_its_turn",
        3,
        |random| one_from_elsewhere(random, Comes::Woken),
    );
}

#[test]
fn shuttle_sched_one_from_a_driver_gets_its_turn() {
    explore(
        "shuttle_sched_one_from_a_driver_gets_its_turn",
        3,
        |random| one_from_elsewhere(random, Comes::FromDriver),
    );
}

#[test]
fn shuttle_sched_one_from_a_timer_gets_its_turn() {
    explore(
        "shuttle_sched_one_from_a_timer_gets_its_turn",
        3,
        |random| one_from_elsewhere(random, Comes::FromTimer),
    );
}
