//! Does each task run once, and is each dropped once?

use super::explore::{explore, fork, repeat};
use super::tools::{Census, Ticket, dawdle, yields};
use super::world::{PASSES, Time, World};
use crate::sys::rng::XorShift;
use crate::sys::sync::Arc;
use crate::util::block_on::block_on;
use std::pin::Pin;
use std::time::Duration;

/// What a task does is drawn when it is made, so that it is the same whenever it runs.
fn life(
    world: Arc<World>,
    census: Arc<Census>,
    random: XorShift,
    depth: u32,
) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    let ticket = census.ticket();
    Box::pin(async move { live(&world, &census, &ticket, random, depth).await })
}

/// The number of tasks that it has waited for, and itself: as yields, from this worker or through a hand-off.
async fn live(
    world: &Arc<World>,
    census: &Arc<Census>,
    ticket: &Ticket,
    random: XorShift,
    depth: u32,
) -> usize {
    let mut tasks = 1;
    yields(random.below(2) as usize).await;
    if depth > 0 {
        for _ in 0..random.below(3) {
            let child = life(world.clone(), census.clone(), fork(&random), depth - 1);
            let child = world.spawn(child);
            match random.below(4) {
                0 => child.detach(),
                1 => tasks += block_on(child).expect("nobody aborts it"),
                _ => tasks += child.await.expect("nobody aborts it"),
            }
        }
    }
    yields(random.below(3) as usize).await;
    ticket.end();
    tasks
}

/// Any number of workers. Where time flies they give memory back all the time.
fn any_world(random: &XorShift) -> Arc<World> {
    let flies = Time::Passes(Duration::from_millis(400));
    let times = [Time::StandsStill, PASSES, flies];
    World::start(
        1 + random.below(4) as usize,
        times[random.below(3) as usize],
    )
}

fn everything_runs_once(random: XorShift) {
    let world = any_world(&random);
    let census = Census::new();
    let mut handles = Vec::new();
    for _ in 0..3 {
        let task = life(world.clone(), census.clone(), fork(&random), 2);
        handles.push(world.spawn(task));
        dawdle(random.below(30));
    }
    let handles = handles.into_iter();
    let joined: usize = handles.map(|it| block_on(it).expect("not aborted")).sum();
    census.wait();
    assert!(joined <= census.made());
    assert_eq!(census.ended(), census.made());
    assert_eq!(census.dropped(), census.made());
    world.end();
}

#[test]
fn shuttle_sched_everything_runs_once() {
    explore(
        "shuttle_sched_everything_runs_once",
        60,
        everything_runs_once,
    );
}

/// Tasks and the main thread abort tasks that are queued, running, waiting or done; who joins them is told.
fn aborts_end_what_they_meet(random: XorShift) {
    let world = any_world(&random);
    let census = Census::new();
    let mut killers = Vec::new();
    for _ in 0..4 {
        let ticket = census.ticket();
        let times = random.below(4) as usize;
        let is_endless = random.below(2) == 0;
        let victim = world.spawn(async move {
            yields(if is_endless { usize::MAX } else { times }).await;
            ticket.end();
        });
        let ticket = census.ticket();
        let (delay, is_awaited) = (random.below(4) as usize, random.below(2) == 0);
        killers.push(world.spawn(async move {
            yields(delay).await;
            victim.abort();
            let was_done = victim.is_finished();
            if is_awaited {
                let done = victim.await;
                assert!(done.is_ok() || done.is_err_and(|error| error.is_cancelled()));
            }
            ticket.end();
            was_done
        }));
        dawdle(random.below(20));
    }
    for killer in killers {
        block_on(killer).expect("it is not aborted, and the victim was cancelled or done");
    }
    census.wait();
    assert!(census.ended() >= 4, "the killers");
    assert_eq!(census.dropped(), census.made());
    world.end();
}

#[test]
fn shuttle_sched_aborts_end_what_they_meet() {
    explore(
        "shuttle_sched_aborts_end_what_they_meet",
        40,
        aborts_end_what_they_meet,
    );
}

/// Or else a seed would not bring a failure back.
#[test]
fn shuttle_sched_runs_can_be_repeated() {
    repeat(100, everything_runs_once);
}
