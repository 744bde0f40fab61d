//! What is the work that is measured?
//!
//! N coroutines that only count themselves ([`counters`]), started by a task or by a thread that is no worker. One [`Bench`] is one
//! runtime; each call of [`Bench::round`] starts N.
//!
//! The clock runs in whoever starts them, from just before the first spawn to the moment it knows that all have run. What
//! it takes to tell a sleeping main thread is not in it.
//!
//! How does the spawning task wait? It gives up its turn until the sum of the counters is N. It stands behind everything
//! that waits on its worker, so it looks a few times in a round, and only in the last microseconds, when the other workers hold the
//! rest, does it look again and again. Rejected: a waker that the last coroutine calls (who is the last? only a shared
//! counter tells), a sleep (late by its granularity).
//!
//! And the thread that is no worker? It sleeps [`LOOK_EVERY`] between two looks, since with as many workers as cores a thread that
//! spins takes time from them; it learns of the end that much too late, 0.1 ms at most with the kernel's slack.

use crate::plan::{Job, Mode, Round};
use filch::runtime::Builder;
use filch::{JoinHandle, Runtime};
use filch_bench_common::clock::{block_for, now};
use filch_bench_common::{counters, memory};
use std::io;
use std::time::{Duration, Instant};

/// How long a thread that is no worker sleeps between two looks at the counters. Beside 10 ms of work it is half a per cent.
const LOOK_EVERY: Duration = Duration::from_micros(50);

/// How long new workers get until they sleep, and memory that was freed to be given back, before something is measured: starting
/// a thread takes 0.1 ms. A guess on the safe side.
const SETTLE: Duration = Duration::from_millis(20);

/// Until parked tasks are weighed: the runtime is asked to have given back what their start took for a while.
const SETTLE_PARKED: Duration = Duration::from_millis(500);

/// So many tasks that are to wait for ever are started before those started so far must have run. All in one go they would make the
/// queue grow to megabytes, and what the allocator keeps of these for later would be charged to the tasks; the measurements of
/// [`Mode::Detached`] and [`Mode::Joined`] contain that.
const PARKED_AT_ONCE: usize = 1000;

/// A runtime to measure.
pub(crate) struct Bench {
    runtime: Runtime,
    mode: Mode,
    tasks: usize,
    /// Room for the handles, made before the first round and used again.
    handles: Vec<JoinHandle<()>>,
    /// What was resident before the first task.
    resident_before: u64,
}

/// The time a round took: until the last spawn returned, and from then on.
type Times = (Duration, Duration);

impl Bench {
    pub(crate) fn new(job: &Job) -> io::Result<Self> {
        let runtime = Builder::new().worker_threads(job.workers).build()?;
        let handles = match job.mode {
            Mode::Joined | Mode::ParkedJoined => Vec::with_capacity(job.tasks),
            Mode::Detached | Mode::Outside | Mode::Parked => Vec::new(),
        };
        block_for(SETTLE);
        memory::forget_peak();
        Ok(Self {
            runtime,
            mode: job.mode,
            tasks: job.tasks,
            handles,
            resident_before: memory::resident_bytes()?,
        })
    }

    /// Starts the coroutines once and waits for them.
    pub(crate) fn round(&mut self) -> io::Result<Round> {
        let (spawn, run) = match self.mode {
            Mode::Detached => self.run_as_task(detached(self.tasks)),
            Mode::Joined => self.joined(),
            Mode::Outside => self.outside(),
            Mode::Parked | Mode::ParkedJoined => self.parked(),
        };
        let peak_bytes = memory::peak_bytes()?;
        let weighed = if self.mode.is_parked() {
            block_for(SETTLE_PARKED);
            memory::resident_bytes()?
        } else {
            peak_bytes
        };
        Ok(Round {
            spawn_s: spawn.as_secs_f64(),
            run_s: run.as_secs_f64(),
            grown_bytes: weighed.saturating_sub(self.resident_before),
            peak_bytes,
        })
    }

    /// Runs what spawns as a task; `block_on` alone would run it on this thread, which is no worker.
    fn run_as_task<T: Send + 'static>(
        &self,
        spawner: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.runtime
            .block_on(self.runtime.spawn(spawner))
            .expect("the spawning task does not panic")
    }

    fn joined(&mut self) -> Times {
        let handles = std::mem::take(&mut self.handles);
        let (times, handles) = self.run_as_task(joined(self.tasks, handles));
        self.handles = handles;
        times
    }

    fn outside(&self) -> Times {
        let handle = self.runtime.handle();
        let goal = counters::sum() + self.tasks;
        let begun = now();
        for _ in 0..self.tasks {
            drop(handle.spawn(empty()));
        }
        let spawned = now();
        while counters::sum() != goal {
            block_for(LOOK_EVERY);
        }
        times(begun, spawned)
    }

    fn parked(&mut self) -> Times {
        let keep = self.mode == Mode::ParkedJoined;
        let handles = std::mem::take(&mut self.handles);
        let (times, handles) = self.run_as_task(parked(self.tasks, keep, handles));
        self.handles = handles;
        times
    }
}

/// The empty coroutine.
async fn empty() {
    counters::add_one();
}

/// The coroutine that waits for ever.
async fn waiting() {
    counters::add_one();
    std::future::pending().await
}

async fn detached(tasks: usize) -> Times {
    let goal = counters::sum() + tasks;
    let begun = now();
    for _ in 0..tasks {
        drop(filch::spawn(empty()));
    }
    let spawned = now();
    until_counted(goal).await;
    times(begun, spawned)
}

async fn joined(tasks: usize, mut handles: Vec<JoinHandle<()>>) -> (Times, Vec<JoinHandle<()>>) {
    let goal = counters::sum() + tasks;
    let begun = now();
    for _ in 0..tasks {
        handles.push(filch::spawn(empty()));
    }
    let spawned = now();
    for handle in handles.drain(..) {
        handle.await.expect("an empty coroutine does not panic");
    }
    let times = times(begun, spawned);
    assert_eq!(counters::sum(), goal, "each coroutine runs once");
    (times, handles)
}

async fn parked(
    tasks: usize,
    keep: bool,
    mut handles: Vec<JoinHandle<()>>,
) -> (Times, Vec<JoinHandle<()>>) {
    let goal = counters::sum() + tasks;
    let begun = now();
    for left in (1..=tasks).rev() {
        let handle = filch::spawn(waiting());
        if keep {
            handles.push(handle);
        }
        if left % PARKED_AT_ONCE == 0 {
            until_counted(goal - left + 1).await;
        }
    }
    let spawned = now();
    until_counted(goal).await;
    (times(begun, spawned), handles)
}

async fn until_counted(goal: usize) {
    while counters::sum() != goal {
        filch::yield_now().await;
    }
}

/// To be called at the end.
fn times(begun: Instant, spawned: Instant) -> Times {
    (spawned - begun, now() - spawned)
}
