//! Does each task run once, and is each dropped once?

use super::block_on::block_on;
use super::explore::{explore, fork};
use super::tools::{Census, Ticket, dawdle, yields};
use super::world::{PASSES, Time, World};
use crate::sys::rng::XorShift;
use crate::sys::sync::Arc;
use std::pin::Pin;

/// What a task does is drawn when it is made, so that it is the same whenever it runs.
fn life(
    world: Arc<World>,
    census: Arc<Census>,
    random: XorShift,
    depth: u32,
) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    let ticket = census.ticket();
    Box::pin(async move { live(&world, &census, &ticket, random, depth).await })
}

/// The sum of the tasks that it has waited for, and itself.
async fn live(
    world: &Arc<World>,
    census: &Arc<Census>,
    ticket: &Ticket,
    random: XorShift,
    depth: u32,
) -> u32 {
    let mut tasks = 1;
    yields(random.below(2) as usize).await;
    if depth > 0 {
        for _ in 0..random.below(3) {
            let fork = fork(&random);
            let child = life(world.clone(), census.clone(), fork, depth - 1);
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

fn everything_runs_once(random: XorShift) {
    let time = if random.below(2) == 0 {
        Time::StandsStill
    } else {
        PASSES
    };
    let world = World::start(1 + random.below(4) as usize, time);
    let census = Census::new();
    let handles: Vec<_> = (0..3)
        .map(|_| {
            let fork = fork(&random);
            let task = life(world.clone(), census.clone(), fork, 2);
            let handle = world.spawn(task);
            dawdle(random.below(30));
            handle
        })
        .collect();
    let joined: u32 = handles.into_iter().map(|it| block_on(it).unwrap()).sum();
    census.wait();
    assert!(joined as usize <= census.made());
    assert_eq!(census.ended(), census.made());
    assert_eq!(census.dropped(), census.made());
    world.end();
}

#[test]
fn shuttle_sched_everything_runs_once() {
    explore(
        "shuttle_sched_everything_runs_once",
        10,
        everything_runs_once,
    );
}
