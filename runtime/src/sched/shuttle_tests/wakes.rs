//! Is every wake followed by a poll, and does nobody wait behind a worker that is busy for good?
//!
//! Where time stands still there is no sentinel, and a task that nobody comes for is a deadlock. Tasks that *meet* block their workers until all have begun.

use super::explore::explore;
use super::tools::{Census, Latch, Signal, dawdle, yields};
use super::world::{PASSES, Time, World};
use crate::sys::rng::XorShift;
use crate::sys::sync::{Arc, thread};
use std::sync::atomic::{AtomicBool, Ordering};

/// A task echoes each signal by arriving.
fn echo(world: &World, census: &Arc<Census>, signal: &Arc<Signal>, echoes: Vec<Arc<Latch>>) {
    let (ticket, signal) = (census.ticket(), signal.clone());
    let task = async move {
        for echo in echoes {
            signal.taken().await;
            echo.arrive();
        }
        ticket.end();
    };
    world.spawn(task).detach();
}

fn wakes_from_outside(random: XorShift) {
    let world = World::start(1 + random.below(4) as usize, Time::StandsStill);
    let census = Census::new();
    let others: Vec<_> = (0..2)
        .map(|_| {
            let signal = Signal::new();
            let echoes: Vec<_> = (0..3).map(|_| Latch::new(1)).collect();
            echo(&world, &census, &signal, echoes.clone());
            let delays: Vec<_> = echoes.iter().map(|_| random.below(40)).collect();
            let (world, worker) = (world.clone(), random.below(8) as usize);
            thread::spawn(move || {
                for (echo, delay) in echoes.into_iter().zip(delays) {
                    dawdle(delay);
                    if worker < world.boxes.len() {
                        Signal::post(std::slice::from_ref(&signal), &world, worker);
                    } else {
                        signal.give();
                    }
                    echo.wait();
                }
            })
        })
        .collect();
    for other in others {
        other.join().expect("it does not panic");
    }
    world.end_after(&census, 2);
}

/// While the workers fall asleep, in any state of it; half of the time through the driver of one.
#[test]
fn shuttle_sched_a_wake_from_outside_is_not_lost() {
    explore(
        "shuttle_sched_a_wake_from_outside_is_not_lost",
        60,
        wakes_from_outside,
    );
}

/// Each task gives the next one's signal when it gets its own.
fn ring(world: &World, census: &Arc<Census>, size: usize, rounds: usize) -> Arc<Signal> {
    let signals: Vec<_> = (0..size).map(|_| Signal::new()).collect();
    for at in 0..size {
        let (own, next) = (signals[at].clone(), signals[(at + 1) % size].clone());
        let ticket = census.ticket();
        let task = async move {
            for _ in 0..rounds {
                own.taken().await;
                next.give();
            }
            ticket.end();
        };
        world.spawn(task).detach();
    }
    signals[0].clone()
}

fn tasks_wake_each_other(random: XorShift) {
    let world = World::start(1 + random.below(4) as usize, Time::StandsStill);
    let census = Census::new();
    for size in [2, 2, 5] {
        if random.below(2) == 0 {
            ring(&world, &census, size, 3).give();
        } else {
            // From within: they begin in one worker's slot and queue.
            let (inner, all) = (world.clone(), census.clone());
            let ticket = census.ticket();
            let task = async move {
                ring(&inner, &all, size, 3).give();
                ticket.end();
            };
            world.spawn(task).detach();
        }
        dawdle(random.below(40));
    }
    census.wait();
    assert_eq!(census.ended(), census.made());
    world.end();
}

#[test]
fn shuttle_sched_tasks_wake_each_other() {
    explore(
        "shuttle_sched_tasks_wake_each_other",
        40,
        tasks_wake_each_other,
    );
}

fn two_schedulers(random: XorShift) {
    let worlds = [1, 2].map(|workers| World::start(workers, Time::StandsStill));
    let census = Census::new();
    let signals = [Signal::new(), Signal::new()];
    for at in 0..2 {
        let (own, next) = (signals[at].clone(), signals[1 - at].clone());
        let ticket = census.ticket();
        let task = async move {
            for _ in 0..3 {
                own.taken().await;
                next.give();
            }
            ticket.end();
        };
        worlds[at].spawn(task).detach();
    }
    dawdle(random.below(60));
    signals[0].give();
    census.wait();
    assert_eq!(census.ended(), 2);
    // Before anything is checked: a worker that frees another scheduler's cell sends it home some time, at its own end at the latest.
    worlds.iter().for_each(|world| world.sched.close());
    worlds.iter().for_each(|world| world.join());
    worlds.into_iter().for_each(World::end);
}

#[test]
fn shuttle_sched_two_schedulers_wake_each_other() {
    explore(
        "shuttle_sched_two_schedulers_wake_each_other",
        20,
        two_schedulers,
    );
}

/// A task spawns three and blocks until all have begun: each needs a worker of its own, which nobody but the protocol sends. The fourth stands in the
/// slot and has to wait.
fn a_backlog_is_shared(random: XorShift) {
    let world = World::start(4, Time::StandsStill);
    let census = Census::new();
    let all = Latch::new(4);
    dawdle(random.below(60));
    let (inner, tickets) = (world.clone(), [(); 5].map(|()| census.ticket()));
    let task = async move {
        let [own, rest @ ..] = tickets;
        for (at, ticket) in rest.into_iter().enumerate() {
            let all = all.clone();
            let task = async move {
                if at < 3 {
                    all.meet();
                }
                ticket.end();
            };
            inner.spawn(task).detach();
        }
        all.meet();
        own.end();
    };
    world.spawn(task).detach();
    world.end_after(&census, 5);
}

#[test]
fn shuttle_sched_a_backlog_is_shared() {
    explore("shuttle_sched_a_backlog_is_shared", 40, a_backlog_is_shared);
}

/// As many as there are workers come from outside, at once, and each lasts until all have begun. Others before them see to it that the workers are in any state.
fn a_burst_is_shared(random: XorShift) {
    let workers = 2 + random.below(3) as usize;
    let world = World::start(workers, Time::StandsStill);
    let census = Census::new();
    let all = Latch::new(workers);
    let short = random.below(6) as usize;
    dawdle(random.below(60));
    for at in 0..short + workers {
        let (all, ticket) = (all.clone(), census.ticket());
        let times = random.below(3) as usize;
        let task = async move {
            if at < short {
                yields(times).await;
            } else {
                all.meet();
            }
            ticket.end();
        };
        world.spawn(task).detach();
    }
    census.wait();
    assert_eq!(census.ended(), census.made());
    world.end();
}

#[test]
fn shuttle_sched_a_burst_is_shared() {
    explore("shuttle_sched_a_burst_is_shared", 40, a_burst_is_shared);
}

/// As many as there are workers become ready in one turn of a driver, and each lasts until all have begun.
fn a_batch_is_shared(random: XorShift) {
    let workers = 2 + random.below(3) as usize;
    let world = World::start(workers, Time::StandsStill);
    let census = Census::new();
    let all = Latch::new(workers);
    let signals: Vec<_> = (0..workers).map(|_| Signal::new()).collect();
    for signal in &signals {
        let (own, all, ticket) = (signal.clone(), all.clone(), census.ticket());
        let task = async move {
            own.taken().await;
            all.meet();
            ticket.end();
        };
        world.spawn(task).detach();
    }
    // Until all wait: what is posted to a worker that is stuck already would be the sentinel's to see.
    while !signals.iter().all(|signal| signal.is_awaited()) {
        thread::yield_now();
    }
    dawdle(random.below(80));
    Signal::post(&signals, &world, random.below(workers as u32) as usize);
    world.end_after(&census, workers);
}

#[test]
fn shuttle_sched_a_batch_is_shared() {
    explore("shuttle_sched_a_batch_is_shared", 40, a_batch_is_shared);
}

/// A task yields while another one stands in the slot, which then lasts until the first has gone on.
fn a_yield_is_shared(random: XorShift) {
    let world = World::start(2 + random.below(3) as usize, Time::StandsStill);
    let census = Census::new();
    let (inner, tickets) = (world.clone(), [census.ticket(), census.ticket()]);
    let gone_on = Latch::new(1);
    dawdle(random.below(60));
    let task = async move {
        let [own, ticket] = tickets;
        let until = gone_on.clone();
        let next = async move {
            until.wait();
            ticket.end();
        };
        inner.spawn(next).detach();
        yields(1).await;
        gone_on.arrive();
        own.end();
    };
    world.spawn(task).detach();
    world.end_after(&census, 2);
}

#[test]
fn shuttle_sched_a_yield_is_shared() {
    explore("shuttle_sched_a_yield_is_shared", 20, a_yield_is_shared);
}

/// A worker that may not search, since the other one does, or is busy, gets two tasks out of a lane at once; the other one has seen neither and falls asleep. The
/// first of the two lasts until the second has begun. (It was stranded until the sentinel came.)
fn what_came_along_is_announced(random: XorShift) {
    let world = World::start(2, Time::StandsStill);
    let census = Census::new();
    let (awake, both) = (Latch::new(1), Latch::new(2));
    let (ticket, begun) = (census.ticket(), awake.clone());
    let (before, after) = (random.below(6) as usize, random.below(2) as usize);
    let keeps_one_awake = async move {
        yields(before).await;
        begun.arrive();
        yields(after).await;
        ticket.end();
    };
    world.spawn(keeps_one_awake).detach();
    awake.wait();
    for at in 0..3 {
        let (both, ticket) = (both.clone(), census.ticket());
        let task = async move {
            if at < 2 {
                both.meet();
            }
            ticket.end();
        };
        world.spawn(task).detach();
    }
    census.wait();
    assert_eq!(census.ended(), census.made());
    world.end();
}

#[test]
fn shuttle_sched_what_came_along_is_announced() {
    explore(
        "shuttle_sched_what_came_along_is_announced",
        200,
        what_came_along_is_announced,
    );
}

/// A worker that was woken to search finds that its own driver has something too, which lasts until another one has done what it was woken for.
fn own_events_hold_nothing_back(random: XorShift) {
    let world = World::start(2, Time::StandsStill);
    let census = Census::new();
    let (signal, begun) = (Signal::new(), Latch::new(1));
    let (ticket, own, until) = (census.ticket(), signal.clone(), begun.clone());
    let waits = async move {
        own.taken().await;
        until.wait();
        ticket.end();
    };
    world.spawn(waits).detach();
    dawdle(random.below(80));
    let poster = thread::spawn({
        let (world, worker) = (world.clone(), random.below(2) as usize);
        move || Signal::post(&[signal], &world, worker)
    });
    let ticket = census.ticket();
    let comes = async move {
        begun.arrive();
        ticket.end();
    };
    world.spawn(comes).detach();
    poster.join().expect("it does not panic");
    world.end_after(&census, 2);
}

#[test]
fn shuttle_sched_own_events_hold_nothing_back() {
    explore(
        "shuttle_sched_own_events_hold_nothing_back",
        60,
        own_events_hold_nothing_back,
    );
}

/// Keeps a worker busy until told to stop.
fn busy(world: &World, census: &Arc<Census>, stop: &Arc<AtomicBool>) {
    let (ticket, stop) = (census.ticket(), stop.clone());
    let task = async move {
        while !stop.load(Ordering::Relaxed) {
            yields(1).await;
        }
        ticket.end();
    };
    world.spawn(task).detach();
}

/// A task blocks its worker until the one behind it in the slot has run, and one whose wake stands in the worker's driver. That is the sentinel's
/// to see, whether the others sleep or are busy.
fn nothing_stays_behind_a_stuck_worker(random: XorShift) {
    let world = World::start(2 + random.below(2) as usize, PASSES);
    let census = Census::new();
    let stop = Arc::new(AtomicBool::new(false));
    (0..random.below(4)).for_each(|_| busy(&world, &census, &stop));
    let signal = Signal::new();
    let (ticket, own, freed) = (census.ticket(), signal.clone(), Latch::new(2));
    let freed_by_event = freed.clone();
    let waits = async move {
        own.taken().await;
        freed_by_event.arrive();
        ticket.end();
    };
    world.spawn(waits).detach();
    let (inner, tickets) = (world.clone(), [census.ticket(), census.ticket()]);
    let stuck = async move {
        let [own, ticket] = tickets;
        let freed_from_slot = freed.clone();
        let behind = async move {
            freed_from_slot.arrive();
            ticket.end();
        };
        inner.spawn(behind).detach();
        let worker = World::worker().expect("within a task");
        Signal::post(&[signal], &inner, worker);
        freed.wait();
        stop.store(true, Ordering::Relaxed);
        own.end();
    };
    world.spawn(stuck).detach();
    census.wait();
    assert_eq!(census.ended(), census.made());
    world.end();
}

#[test]
fn shuttle_sched_nothing_stays_behind_a_stuck_worker() {
    explore(
        "shuttle_sched_nothing_stays_behind_a_stuck_worker",
        30,
        nothing_stays_behind_a_stuck_worker,
    );
}
