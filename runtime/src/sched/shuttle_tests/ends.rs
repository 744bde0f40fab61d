//! Does a shutdown at any moment end everything, and drop each future once?

use super::explore::explore;
use super::tools::{Census, Signal, Ticket, dawdle, sleep_until, yields};
use super::world::{PASSES, Time, World};
use crate::sys::clock::Clock;
use crate::sys::rng::XorShift;
use crate::sys::sync::{Arc, thread};
use crate::util::block_on::block_on;
use std::future::pending;
use std::time::Duration;

/// What a task is at that does not end by itself.
async fn forever(world: Arc<World>, census: Arc<Census>, signals: [Arc<Signal>; 2], what: u32) {
    match what {
        0 => signals[0].taken().await,
        1 => yields(usize::MAX).await,
        2 => loop {
            signals[1].give();
            signals[1].taken().await;
            yields(1).await;
        },
        3 => {
            let deadline = world.clock.now() + Duration::from_secs(3600);
            sleep_until(&world, deadline).await;
        }
        4 => {
            let ticket = census.ticket();
            let child = world.spawn(never(ticket));
            assert!(child.await.is_err_and(|error| error.is_cancelled()));
        }
        5 => {
            // As a guest, on a thread that is no worker any more.
            let ticket = census.ticket();
            let child = world.spawn(never(ticket));
            assert!(block_on(child).is_err_and(|error| error.is_cancelled()));
            // It has run to here when all others were cancelled: the last step of the end is for it.
            pending().await
        }
        6 => loop {
            let ticket = census.ticket();
            world.spawn(async move { drop(ticket) }).detach();
            yields(1).await;
        },
        _ => {
            let _last_words = SpawnsWhenDropped(world, census);
            pending::<()>().await;
        }
    }
}

async fn never(ticket: Ticket) {
    pending::<()>().await;
    ticket.end();
}

/// Destructors are user code, and may spawn.
struct SpawnsWhenDropped(Arc<World>, Arc<Census>);

impl Drop for SpawnsWhenDropped {
    fn drop(&mut self) {
        let ticket = self.1.ticket();
        self.0.spawn(async move { drop(ticket) }).detach();
    }
}

fn shutdown_at_any_moment(random: XorShift) {
    let time = if random.below(2) == 0 {
        Time::StandsStill
    } else {
        PASSES
    };
    let world = World::start(1 + random.below(4) as usize, time);
    let census = Census::new();
    let signals = [Signal::new(), Signal::new()];
    let mut handles = Vec::new();
    for _ in 0..6 {
        let ticket = census.ticket();
        let what = forever(
            world.clone(),
            census.clone(),
            signals.clone(),
            random.below(8),
        );
        let handle = world.spawn(async move {
            what.await;
            drop(ticket);
        });
        if random.below(2) == 0 {
            handles.push(handle);
        }
        dawdle(random.below(6));
    }
    dawdle(random.below(40));
    // A waker that is called in the middle of it, and others afterwards.
    let waker = thread::spawn({
        let signals = signals.clone();
        move || signals.iter().for_each(|signal| signal.give())
    });
    if random.below(2) == 0 {
        let inner = world.clone();
        world.spawn(async move { inner.sched.close() }).detach();
    } else {
        world.sched.close();
    }
    world.join();
    waker.join().expect("it does not panic");
    assert_eq!(census.dropped(), census.made());
    assert_eq!(census.panicked(), 0);
    signals.iter().for_each(|signal| signal.give());
    for handle in handles {
        // Those that were told that nothing comes any more may have ended by themselves.
        let end = block_on(handle);
        assert!(end.is_ok() || end.is_err_and(|error| error.is_cancelled()));
    }
    drop(signals);
    world.end();
}

#[test]
fn shuttle_sched_shutdown_at_any_moment() {
    explore(
        "shuttle_sched_shutdown_at_any_moment",
        12,
        shutdown_at_any_moment,
    );
}
