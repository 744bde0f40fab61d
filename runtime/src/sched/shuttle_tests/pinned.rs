//! Does what is pinned to a thread stay there, whatever becomes of its core?
//!
//! Each such task notes where it is polled and dropped. Where time stands still, one that nobody comes for is a deadlock.

use super::explore::{explore, fork};
use super::tools::{Census, Signal, Ticket, dawdle, sleep_until, yields};
use super::world::{PASSES, Time, World};
use crate::sched::local;
use crate::sys::clock::Clock;
use crate::sys::rng::XorShift;
use crate::sys::sync::{Arc, thread};
use crate::task::JoinHandle;
use crate::util::block_on::block_on;
use std::future::pending;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// Whether any pinned task was seen elsewhere.
type Wandered = std::sync::Arc<AtomicBool>;

/// A task that was made on the thread it is pinned to.
struct Stays {
    work: Pin<Box<dyn Future<Output = ()>>>,
    here: thread::ThreadId,
    wandered: Wandered,
    _not_send: Rc<()>,
}

impl Stays {
    fn check(&self) {
        if thread::current().id() != self.here {
            self.wandered.store(true, Ordering::Relaxed);
        }
    }
}

impl Future for Stays {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.check();
        self.work.as_mut().poll(cx)
    }
}

impl Drop for Stays {
    fn drop(&mut self) {
        self.check();
    }
}

/// Pins a task to this thread, which is or was a worker.
fn pin(wandered: &Wandered, work: impl Future<Output = ()> + 'static) -> JoinHandle<()> {
    let task = Stays {
        work: Box::pin(work),
        here: thread::current().id(),
        wandered: wandered.clone(),
        _not_send: Rc::new(()),
    };
    local::spawn(task, Location::caller()).expect("a runner's thread")
}

/// What a task and its children do, each pinned or not. Who blocks does so for a child that no thread has begun, whose own children come after it: so that nobody waits for
/// what is pinned to a thread that blocks.
fn life(
    world: Arc<World>,
    census: Arc<Census>,
    wandered: Wandered,
    random: XorShift,
    depth: u32,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let ticket = census.ticket();
    Box::pin(async move {
        live(&world, &census, &wandered, random, depth).await;
        ticket.end();
    })
}

async fn live(
    world: &Arc<World>,
    census: &Arc<Census>,
    wandered: &Wandered,
    random: XorShift,
    depth: u32,
) {
    yields(random.below(2) as usize).await;
    if depth > 0 {
        for _ in 0..random.below(3) {
            let child = life(
                world.clone(),
                census.clone(),
                wandered.clone(),
                fork(&random),
                depth - 1,
            );
            let is_pinned = random.below(2) == 0;
            let child = if is_pinned {
                pin(wandered, child)
            } else {
                world.spawn(child)
            };
            match random.below(4) {
                0 => child.detach(),
                1 if !is_pinned => block_on(child).expect("nobody aborts it"),
                _ => child.await.expect("nobody aborts it"),
            }
        }
    }
    yields(random.below(3) as usize).await;
}

fn everything_runs_where_it_is_pinned(random: XorShift) {
    let flies = Time::Passes(Duration::from_millis(400));
    let times = [Time::StandsStill, PASSES, flies];
    let world = World::start(
        1 + random.below(4) as usize,
        times[random.below(3) as usize],
    );
    let census = Census::new();
    let wandered = Wandered::default();
    let mut handles = Vec::new();
    for _ in 0..3 {
        let task = life(
            world.clone(),
            census.clone(),
            wandered.clone(),
            fork(&random),
            2,
        );
        handles.push(world.spawn(task));
        dawdle(random.below(30));
    }
    for handle in handles {
        block_on(handle).expect("not aborted");
    }
    census.wait();
    assert_eq!(census.ended(), census.made());
    assert_eq!(census.dropped(), census.made());
    assert!(!wandered.load(Ordering::Relaxed));
    world.end();
}

#[test]
fn shuttle_sched_pinned_everything_runs_where_it_is() {
    explore(
        "shuttle_sched_pinned_everything_runs_where_it_is",
        30,
        everything_runs_where_it_is_pinned,
    );
}

/// Pinned tasks wait for signals, which come from threads that are no workers, from any worker's driver, and from each other, while workers fall asleep, lose their cores and sit on
/// the bench.
fn no_wake_is_lost(random: XorShift) {
    let workers = 1 + random.below(3) as usize;
    let world = World::start(workers, Time::StandsStill);
    let census = Census::new();
    let wandered = Wandered::default();
    let signals: Vec<_> = (0..3).map(|_| Signal::new()).collect();
    let chain = Signal::new();
    for (n, signal) in signals.iter().enumerate() {
        let (signal, chain, ticket) = (signal.clone(), chain.clone(), census.ticket());
        let (wandered, inner) = (wandered.clone(), world.clone());
        let (hands_off, times) = (random.below(3) == 0, random.below(3) as usize);
        let begins = async move {
            let waits = async move {
                signal.taken().await;
                if hands_off {
                    block_on(inner.spawn(yields(1))).expect("nobody aborts it");
                }
                yields(times).await;
                signal.taken().await;
                if n == 0 {
                    chain.taken().await;
                } else {
                    chain.give();
                }
                ticket.end();
            };
            pin(&wandered, waits).detach();
        };
        world.spawn(begins).detach();
    }
    let others: Vec<_> = (0..2)
        .map(|_| {
            let (signals, world, random) = (signals.clone(), world.clone(), fork(&random));
            thread::spawn(move || {
                dawdle(random.below(60));
                match random.below(3) {
                    0 => Signal::post(&signals, &world, random.below(workers as u32) as usize),
                    _ => signals.iter().for_each(|signal| {
                        signal.give();
                        dawdle(random.below(20));
                    }),
                }
            })
        })
        .collect();
    if random.below(2) == 0 {
        world.sched.set_active(1);
        dawdle(random.below(60));
    }
    census.wait();
    assert_eq!(census.ended(), census.made());
    assert!(!wandered.load(Ordering::Relaxed));
    for other in others {
        other.join().expect("it does not panic");
    }
    drop(signals);
    world.end();
}

#[test]
fn shuttle_sched_pinned_no_wake_is_lost() {
    explore("shuttle_sched_pinned_no_wake_is_lost", 40, no_wake_is_lost);
}

/// What a pinned task is at that does not end by itself.
async fn forever(
    world: Arc<World>,
    signal: Arc<Signal>,
    wandered: Wandered,
    ticket: Ticket,
    what: u32,
) {
    match what {
        0 => loop {
            signal.taken().await;
        },
        1 => yields(usize::MAX).await,
        2 => {
            // Its thread loses its core, and gets the task back when the end, or a moment, has come.
            let deadline = world.clock.now() + Duration::from_secs(3600);
            let inner = world.clone();
            block_on(async move { sleep_until(&inner, deadline).await });
            pending::<()>().await;
        }
        3 => {
            let inner = world.clone();
            block_on(inner.spawn(yields(2))).unwrap_or(());
            pending::<()>().await;
        }
        4 => {
            let child = pin(&wandered, pending());
            assert!(child.await.is_err_and(|error| error.is_cancelled()));
        }
        _ => {
            let _last_words = PinsWhenDropped(wandered);
            pending::<()>().await;
        }
    }
    drop(ticket);
}

/// Destructors are user code, and may spawn.
struct PinsWhenDropped(Wandered);

impl Drop for PinsWhenDropped {
    fn drop(&mut self) {
        pin(&self.0, async {}).detach();
    }
}

fn shutdown_at_any_moment(random: XorShift) {
    let time = if random.below(2) == 0 {
        Time::StandsStill
    } else {
        PASSES
    };
    let world = World::start(1 + random.below(3) as usize, time);
    let census = Census::new();
    let wandered = Wandered::default();
    let signal = Signal::new();
    let mut handles = Vec::new();
    for _ in 0..5 {
        let (inner, signal, wandered) = (world.clone(), signal.clone(), wandered.clone());
        let (ticket, what) = (census.ticket(), random.below(6));
        handles.push(world.spawn(async move {
            let task = forever(inner, signal, wandered.clone(), ticket, what);
            pin(&wandered, task).await
        }));
        dawdle(random.below(10));
    }
    dawdle(random.below(60));
    let waker = thread::spawn({
        let signal = signal.clone();
        move || signal.give()
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
    assert!(!wandered.load(Ordering::Relaxed));
    signal.give();
    for handle in handles {
        let end = block_on(handle);
        assert!(end.is_ok() || end.is_err_and(|error| error.is_cancelled()));
    }
    drop(signal);
    world.end();
}

#[test]
fn shuttle_sched_pinned_shutdown_at_any_moment() {
    explore(
        "shuttle_sched_pinned_shutdown_at_any_moment",
        40,
        shutdown_at_any_moment,
    );
}

/// What of the others waits for the end of a batch, of at most 512 polls, and as many of the other kind.
const TURN_BOUND: usize = 5_000;

/// One worker, on which tasks of one kind yield for ever: one of the other kind has its turn.
fn each_kind_has_its_turn(random: XorShift) {
    let time = if random.below(2) == 0 {
        Time::StandsStill
    } else {
        PASSES
    };
    let world = World::start(1, time);
    let census = Census::new();
    let wandered = Wandered::default();
    let are_rivals_pinned = random.below(2) == 0;
    let polls = std::sync::Arc::new(AtomicUsize::new(0));
    let is_over = std::sync::Arc::new(AtomicBool::new(false));
    let (inner, all, ours) = (world.clone(), census.clone(), wandered.clone());
    let (count, over) = (polls.clone(), is_over.clone());
    let ticket = census.ticket();
    let begins = async move {
        for _ in 0..2 {
            let (count, over, ticket) = (count.clone(), over.clone(), all.ticket());
            let rival = async move {
                while !over.load(Ordering::Relaxed)
                    && count.fetch_add(1, Ordering::Relaxed) < TURN_BOUND
                {
                    yields(1).await;
                }
                ticket.end();
            };
            if are_rivals_pinned {
                pin(&ours, rival).detach();
            } else {
                inner.spawn(rival).detach();
            }
        }
        let victim = all.ticket();
        let one_turn = async move {
            yields(2).await;
            over.store(true, Ordering::Relaxed);
            victim.end();
        };
        if are_rivals_pinned {
            inner.spawn(one_turn).detach();
        } else {
            pin(&ours, one_turn).detach();
        }
        ticket.end();
    };
    world.spawn(begins).detach();
    census.wait();
    assert_eq!(census.ended(), census.made());
    assert!(polls.load(Ordering::Relaxed) < TURN_BOUND, "no turn");
    world.end();
}

#[test]
fn shuttle_sched_pinned_each_kind_has_its_turn() {
    explore(
        "shuttle_sched_pinned_each_kind_has_its_turn",
        4,
        each_kind_has_its_turn,
    );
}
