//! What do coroutines cost that do nothing, and those that wait for ever?
//!
//! Each adds one to a padded counter of the thread that runs it. The clock runs in whoever starts them, from just before the first
//! spawn to the moment it knows that all have run; why they are awaited like this is told in filch-bench's `spawn.rs`.

use super::{Handle, Outside, Travels, spawn, yield_now};
use filch_bench_common::clock::{block_for, now};
use filch_bench_common::counters;
use std::task::Poll;
use std::time::Duration;
use std::{future, mem};

/// How long a thread that is no worker sleeps between two looks at the counters.
const LOOK_EVERY: Duration = Duration::from_micros(50);

/// So many tasks that are to wait for ever are started before those started so far must have run, so that a queue that grew is
/// not charged to them.
const PARKED_AT_ONCE: usize = 1000;

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

pub(crate) async fn detached(tasks: usize) -> Duration {
    let goal = counters::sum() + tasks;
    let begun = now();
    for _ in 0..tasks {
        spawn(empty()).detach();
    }
    until_counted(goal).await;
    begun.elapsed()
}

pub(crate) async fn joined(
    tasks: usize,
    mut handles: Vec<Handle<()>>,
) -> (Duration, Vec<Handle<()>>) {
    let goal = counters::sum() + tasks;
    let begun = now();
    for _ in 0..tasks {
        handles.push(spawn(empty()));
    }
    for handle in handles.drain(..) {
        handle.await;
    }
    let time = begun.elapsed();
    assert_eq!(counters::sum(), goal, "each coroutine runs once");
    (time, handles)
}

pub(crate) fn outside(tasks: usize, outside: &Outside) -> Duration {
    let goal = counters::sum() + tasks;
    let begun = now();
    for _ in 0..tasks {
        outside.spawn(empty()).detach();
    }
    while counters::sum() != goal {
        block_for(LOOK_EVERY);
    }
    begun.elapsed()
}

pub(crate) async fn parked(tasks: usize) -> Duration {
    let begun = now();
    park(tasks, waiting, Handle::detach).await;
    begun.elapsed()
}

pub(crate) async fn parked_joined(
    tasks: usize,
    mut handles: Vec<Handle<()>>,
) -> (Duration, Vec<Handle<()>>) {
    let begun = now();
    park(tasks, waiting, |handle| handles.push(handle)).await;
    (begun.elapsed(), handles)
}

/// Starts tasks that count themselves and then wait for longer than the process lives.
pub(super) async fn park<F>(
    tasks: usize,
    waiting: impl Fn() -> F,
    mut with_each: impl FnMut(Handle<()>),
) where
    F: Future<Output = ()> + Travels + 'static,
{
    let goal = counters::sum() + tasks;
    for left in (1..=tasks).rev() {
        with_each(spawn(waiting()));
        if left % PARKED_AT_ONCE == 0 {
            until_counted(goal - left + 1).await;
        }
    }
    until_counted(goal).await;
}

async fn until_counted(goal: usize) {
    while counters::sum() != goal {
        yield_now().await;
    }
}
