//! What do coroutines cost that do nothing, and those that wait for ever?
//!
//! Each adds one to a padded counter of the thread that runs it ([`counters`]). The clock runs in whoever starts them, from just before the
//! first spawn to the moment it knows that all have run. What it takes to tell a sleeping main thread is not in it.
//!
//! How does the spawning task wait? It gives up its turn until the sum of the counters is right. It stands behind everything
//! that waits on its worker, so it looks a few times in a round, and only in the last microseconds, when the other workers hold the
//! rest, does it look again and again. Rejected: a waker that the last coroutine calls (who is the last? only a shared
//! counter tells), a sleep (late by its granularity).
//!
//! And the thread that is no worker? It sleeps [`LOOK_EVERY`] between two looks, since with as many workers as cores a thread that
//! spins takes time from them; it learns of the end that much too late, 0.1 ms at most with the kernel's slack.

use super::{Handle, Runtime, Travels, spawn, yield_now};
use filch_bench_common::clock::{block_for, now};
use filch_bench_common::{Cannot, counters};
use std::task::Poll;
use std::time::{Duration, Instant};
use std::{future, mem};

/// How long a thread that is no worker sleeps between two looks at the counters. Beside 10 ms of work it is half a per cent.
const LOOK_EVERY: Duration = Duration::from_micros(50);

/// So many tasks that are to wait for ever are started before those started so far must have run. All in one go they would make the
/// queue grow to megabytes, and what the allocator keeps of these for later would be charged to the tasks.
const PARKED_AT_ONCE: usize = 1000;

/// How long it took to start them and to know that they have run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// Until the last spawn had returned.
    pub(crate) spawn: Duration,
    /// From then on.
    pub(crate) run: Duration,
}

/// Starts them once, on a runtime that it keeps.
pub(crate) type Repeat = Box<dyn FnMut() -> Times>;

/// A task starts them and keeps no handle.
pub(crate) fn detached(mut runtime: Runtime, tasks: usize) -> Repeat {
    Box::new(move || runtime.run(start_detached(tasks)))
}

/// A task starts them, keeps their handles, and awaits one after the other.
pub(crate) fn joined(runtime: Runtime, tasks: usize) -> Repeat {
    with_handles(runtime, tasks, move |room| start_joined(tasks, room))
}

/// A thread that is no worker starts them and keeps no handle.
pub(crate) fn outside(runtime: Runtime, tasks: usize) -> Result<Repeat, Cannot> {
    let outside = runtime.outside()?;
    Ok(Box::new(move || {
        let goal = counters::sum() + tasks;
        let begun = now();
        for _ in 0..tasks {
            outside.spawn(empty()).detach();
        }
        let spawned = now();
        while counters::sum() != goal {
            block_for(LOOK_EVERY);
        }
        Times::until_now(begun, spawned)
    }))
}

/// They never complete, and their handles are dropped.
pub(crate) fn parked(mut runtime: Runtime, tasks: usize) -> Repeat {
    Box::new(move || runtime.run(park(tasks, waiting, Handle::detach)))
}

/// They never complete, and their handles are kept.
pub(crate) fn parked_joined(runtime: Runtime, tasks: usize) -> Repeat {
    with_handles(runtime, tasks, move |mut room| async move {
        let times = park(tasks, waiting, |handle| room.push(handle)).await;
        (times, room)
    })
}

/// Lends a task room for handles, made once, so that repetitions that warm up have touched it.
fn with_handles<F>(
    mut runtime: Runtime,
    tasks: usize,
    work: impl Fn(Vec<Handle<()>>) -> F + 'static,
) -> Repeat
where
    F: Future<Output = (Times, Vec<Handle<()>>)> + Travels + 'static,
{
    let mut room = Vec::with_capacity(tasks);
    Box::new(move || {
        let (times, back) = runtime.run(work(mem::take(&mut room)));
        room = back;
        times
    })
}

async fn empty() {
    counters::add_one();
}

/// Its waker lives for ever, as if it were registered with what is waited for: a task that nobody can wake and nobody has a handle of
/// is freed by several runtimes, and would take no memory.
async fn waiting() {
    counters::add_one();
    future::poll_fn(|cx| {
        mem::forget(cx.waker().clone());
        Poll::Pending
    })
    .await
}

async fn start_detached(tasks: usize) -> Times {
    let goal = counters::sum() + tasks;
    let begun = now();
    for _ in 0..tasks {
        spawn(empty()).detach();
    }
    let spawned = now();
    until_counted(goal).await;
    Times::until_now(begun, spawned)
}

async fn start_joined(tasks: usize, mut handles: Vec<Handle<()>>) -> (Times, Vec<Handle<()>>) {
    let goal = counters::sum() + tasks;
    let begun = now();
    for _ in 0..tasks {
        handles.push(spawn(empty()));
    }
    let spawned = now();
    for handle in handles.drain(..) {
        handle.await;
    }
    let times = Times::until_now(begun, spawned);
    assert_eq!(counters::sum(), goal, "each coroutine runs once");
    (times, handles)
}

/// Starts tasks that count themselves and then wait for longer than the process lives.
pub(super) async fn park<F>(
    tasks: usize,
    waiting: impl Fn() -> F,
    mut with_each: impl FnMut(Handle<()>),
) -> Times
where
    F: Future<Output = ()> + Travels + 'static,
{
    let goal = counters::sum() + tasks;
    let begun = now();
    for left in (1..=tasks).rev() {
        with_each(spawn(waiting()));
        if left % PARKED_AT_ONCE == 0 {
            until_counted(goal - left + 1).await;
        }
    }
    let spawned = now();
    until_counted(goal).await;
    Times::until_now(begun, spawned)
}

pub(super) async fn until_counted(goal: usize) {
    while counters::sum() != goal {
        yield_now().await;
    }
}

impl Times {
    fn until_now(begun: Instant, spawned: Instant) -> Self {
        Self {
            spawn: spawned - begun,
            run: spawned.elapsed(),
        }
    }

    pub(crate) fn total(self) -> Duration {
        self.spawn + self.run
    }
}
