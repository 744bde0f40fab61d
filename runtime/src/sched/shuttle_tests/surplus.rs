//! Is nothing lost while workers become surplus, sit on the bench and come back?
//!
//! The number of active workers changes at any moment. Where time stands still there is no sentinel, so that whatever a surplus worker keeps to itself is a deadlock.

use super::explore::explore;
use super::tools::{Census, Latch, Signal, dawdle, sleep_until, yields};
use super::world::{PASSES, Time, World};
use crate::sys::clock::Clock;
use crate::sys::rng::XorShift;
use crate::sys::sync::{Arc, thread};
use std::time::Duration;

/// Changes the number a few times, in a thread of its own.
fn changes(world: &Arc<World>, random: XorShift) -> thread::JoinHandle<()> {
    let world = world.clone();
    thread::spawn(move || {
        for _ in 0..1 + random.below(5) {
            let active = 1 + random.below(world.boxes.len() as u32);
            world.sched.set_active(active as usize);
            dawdle(random.below(60));
        }
    })
}

/// Tasks that wait for readiness of any worker, that spawn and that yield.
fn work_goes_on(random: XorShift) {
    let workers = 2 + random.below(3) as usize;
    let world = World::start(workers, Time::StandsStill);
    let census = Census::new();
    dawdle(random.below(60));
    let changes = changes(&world, XorShift::new(u64::from(random.next_u32())));
    let signals: Vec<_> = (0..3).map(|_| Signal::new()).collect();
    for signal in &signals {
        let (signal, ticket, inner) = (signal.clone(), census.ticket(), world.clone());
        let child = census.ticket();
        let times = random.below(3) as usize;
        let task = async move {
            signal.taken().await;
            inner
                .spawn(async move {
                    yields(times).await;
                    child.end();
                })
                .detach();
            yields(times).await;
            signal.taken().await;
            ticket.end();
        };
        world.spawn(task).detach();
    }
    for _ in 0..2 {
        let worker = random.below(workers as u32) as usize;
        if random.below(2) == 0 {
            Signal::post(&signals, &world, worker);
        } else {
            signals
                .iter()
                .for_each(|signal| Signal::post(std::slice::from_ref(signal), &world, worker));
        }
        dawdle(random.below(40));
    }
    census.wait();
    assert_eq!(census.ended(), census.made());
    changes.join().expect("it does not panic");
    // All come back, and none has forgotten how to be woken.
    world.sched.set_active(workers);
    let all = Latch::new(workers);
    for _ in 0..workers {
        let (all, ticket) = (all.clone(), census.ticket());
        let task = async move {
            all.meet();
            ticket.end();
        };
        world.spawn(task).detach();
    }
    census.wait();
    assert_eq!(census.ended(), census.made());
    world.end();
}

#[test]
fn shuttle_sched_surplus_work_goes_on() {
    explore("shuttle_sched_surplus_work_goes_on", 60, work_goes_on);
}

/// A worker that is active for good waits in one poll for what others have to do, of which some are about to retire.
fn the_rest_is_enough(random: XorShift) {
    let world = World::start(3, Time::StandsStill);
    let census = Census::new();
    dawdle(random.below(60));
    let done = Latch::new(6);
    for _ in 0..6 {
        let (done, ticket) = (done.clone(), census.ticket());
        let times = random.below(3) as usize;
        let task = async move {
            yields(times).await;
            done.arrive();
            ticket.end();
        };
        world.spawn(task).detach();
        dawdle(random.below(10));
    }
    let (waiter, ticket) = (done.clone(), census.ticket());
    let task = async move {
        waiter.wait();
        ticket.end();
    };
    world.spawn(task).detach();
    world.sched.set_active(2);
    world.end_after(&census, 7);
}

/// The one that waits may be on the worker that retires, or on one that stays.
#[test]
fn shuttle_sched_surplus_the_rest_is_enough() {
    explore(
        "shuttle_sched_surplus_the_rest_is_enough",
        40,
        the_rest_is_enough,
    );
}

/// Timers in the wheel of a worker that has become surplus fire; and the end may come at any moment.
fn timers_fire_and_it_ends(random: XorShift) {
    let world = World::start(3, PASSES);
    let census = Census::new();
    for _ in 0..4 {
        let (inner, ticket) = (world.clone(), census.ticket());
        let after = Duration::from_millis(u64::from(1 + random.below(20)));
        let task = async move {
            yields(1).await;
            let deadline = inner.clock.now() + after;
            sleep_until(&inner, deadline).await;
            ticket.end();
        };
        world.spawn(task).detach();
    }
    let changes = changes(&world, XorShift::new(u64::from(random.next_u32())));
    if random.below(2) == 0 {
        census.wait();
        assert_eq!(census.ended(), 4);
    } else {
        dawdle(random.below(200));
    }
    world.sched.close();
    world.join();
    assert_eq!(census.dropped(), 4);
    changes.join().expect("it does not panic");
    world.end();
}

#[test]
fn shuttle_sched_surplus_timers_fire_and_it_ends() {
    explore(
        "shuttle_sched_surplus_timers_fire_and_it_ends",
        40,
        timers_fire_and_it_ends,
    );
}
