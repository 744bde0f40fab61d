//! What is a scheduler made of in a model?
//!
//! Of itself, of drivers that are a condition variable and a letter box for wakers, and of a clock that moves a little whenever it is read. Time either
//! stands still, and then nobody helps a stranded task but the workers' own protocol; or it passes, and then the sentinel looks around and timers fire, at
//! moments that shuttle chooses.

use super::tools::Census;
use crate::driver::condvar::CondvarDriver;
use crate::driver::{Driver, Wait};
use crate::sched::context::with_core;
use crate::sched::handoff;
use crate::sched::{Config, Shared, ThreadConfig, UnhandledPanic};
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::rng::SeededRandom;
use crate::sys::sync::{Arc, Mutex, set_patience};
use crate::task::JoinHandle;
use crate::timer::Timers;
use crate::util::block_on;
use crate::util::wake_batch::WakeBatch;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

/// How a model's time goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Time {
    /// Not at all: no timed wait ends.
    StandsStill,
    /// By so much with each look at the clock; timed waits end at any moment.
    Passes(Duration),
}

/// A time that passes, and leaves a worker's batches at one poll: shorter than 50 us they would grow, longer than 200 us they would shrink.
pub(super) const PASSES: Time = Time::Passes(Duration::from_micros(60));

/// Timed waits up to this length end by themselves: the sentinel's and the timers', but not those for the sake of memory that is given back.
const PATIENCE: Duration = Duration::from_millis(100);

/// A running scheduler.
pub(super) struct World {
    pub(super) sched: Arc<Shared>,
    pub(super) clock: Arc<SteppedClock>,
    pub(super) boxes: Vec<Arc<LetterBox>>,
    pub(super) timers: Vec<Arc<Timers>>,
}

impl World {
    pub(super) fn start(workers: usize, time: Time) -> Arc<Self> {
        let (step, patience) = match time {
            Time::StandsStill => (Duration::ZERO, Duration::ZERO),
            Time::Passes(step) => (step, PATIENCE),
        };
        set_patience(patience);
        let clock = Arc::new(SteppedClock::new(step));
        let boxes: Vec<_> = (0..workers).map(|_| Arc::new(LetterBox::new())).collect();
        let timers = boxes.iter().map(|letters| {
            let letters = letters.clone();
            Arc::new(Timers::new(clock.start, Box::new(move || letters.unpark())))
        });
        let timers: Vec<_> = timers.collect();
        let drivers = boxes
            .iter()
            .map(|letters| letters.clone() as Arc<dyn Driver>);
        block_on::before_waiting(|_, _| handoff::before_blocking().map(|()| false));
        let (sched, cores) = Shared::new(Config {
            workers: drivers.zip(timers.iter().cloned()).collect(),
            clock: clock.clone(),
            random: Arc::new(SeededRandom::new(1)),
            threads: ThreadConfig {
                name: "model".into(),
                stack_bytes: super::explore::STACK_BYTES,
                around: Box::new(|work| work()),
            },
            // Those have models of their own, in `spare/loom_tests.rs`.
            spares_max: 0,
            unhandled_panic: UnhandledPanic::Ignore,
            cpus: None,
            keeps_order: false,
            at_quiet: Box::new({
                let timers = timers.clone();
                move || timers.iter().for_each(|timers| end_timers(timers))
            }),
        });
        sched.launch(cores).expect("shuttle's threads always start");
        Arc::new(Self {
            sched,
            clock,
            boxes,
            timers,
        })
    }

    /// Spawns a task: on the worker that this is, or from outside.
    pub(super) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        with_core(|core| match core {
            Some(core) => core.spawn(future, Location::caller()),
            None => self.sched.spawn_outside(future, Location::caller()),
        })
    }

    /// The worker that this thread is.
    pub(super) fn worker() -> Option<usize> {
        with_core(|core| core.and_then(|core| core.worker()))
    }

    /// Waits for the end of a scheduler that was closed.
    pub(super) fn join(&self) {
        assert!(self.sched.join(None));
    }

    /// Ends the scheduler once every ticket has been given back, by the end of the task that held it and not by its drop: so many.
    pub(super) fn end_after(self: Arc<Self>, census: &Census, ended: usize) {
        census.wait();
        assert_eq!(census.ended(), ended);
        self.end();
    }

    /// Ends the scheduler, and checks that nothing of it is left. Tasks, their handles and wakers must be gone, or go by this.
    pub(super) fn end(self: Arc<Self>) {
        self.sched.close();
        self.join();
        assert_eq!(Arc::strong_count(&self.sched), 1, "every chunk is gone");
    }
}

fn end_timers(timers: &Timers) {
    let mut ready = WakeBatch::new();
    timers.shutdown(&mut ready);
    ready.wake_all();
}

/// A clock that moves by a step whenever it is read. Its atomics are std's, so that a look is no step of the model's.
#[derive(Debug)]
pub(super) struct SteppedClock {
    pub(super) start: Instant,
    micros: AtomicU64,
    step: Duration,
}

impl SteppedClock {
    fn new(step: Duration) -> Self {
        Self {
            start: SystemClock.now(),
            micros: AtomicU64::new(0),
            step,
        }
    }

    /// Moves it on.
    pub(super) fn advance(&self, by: Duration) {
        self.micros
            .fetch_add(by.as_micros() as u64, Ordering::Relaxed);
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Instant {
        self.advance(self.step);
        self.start + Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

/// A driver in which wakers become ready when somebody drops them in.
#[derive(Debug)]
pub(super) struct LetterBox {
    bed: CondvarDriver,
    letters: Mutex<Vec<Waker>>,
}

impl LetterBox {
    fn new() -> Self {
        Self {
            bed: CondvarDriver::new(),
            letters: Mutex::new(Vec::new()),
        }
    }

    /// Something that tasks wait for has happened: the worker is to wake them, in one batch.
    pub(super) fn post(&self, wakers: Vec<Waker>) {
        self.letters.lock().extend(wakers);
        self.unpark();
    }
}

impl Driver for LetterBox {
    fn turn(&self, wait: Wait, ready: &mut WakeBatch) {
        self.bed.turn(wait, ready);
        for waker in self.letters.lock().drain(..) {
            ready.push(waker);
        }
    }

    fn unpark(&self) {
        self.bed.unpark();
    }
}
