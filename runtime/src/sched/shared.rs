//! What can everybody reach of a scheduler?

use super::core::{Core, Cores};
use super::counts::Counts;
use super::idle::Idle;
use super::lanes::Lanes;
use super::outside::{Entry, Outside};
use super::panics::{Panics, UnhandledPanic};
use super::post::Post;
use super::queue::{Local, Stealer};
use super::sentinel::Sentinel;
use super::shutdown::Shutdown;
use super::slot::{self, Slot};
use super::spare::Spares;
use super::stuck::{LongPolls, Rescues};
use super::surplus::{Active, CpuSource};
use super::threads::{ThreadConfig, Threads};
use super::{sentinel, worker};
use crate::driver::Driver;
use crate::sys::barrier;
use crate::sys::clock::Clock;
use crate::sys::rng::RandomSource;
use crate::sys::sync::Arc;
use crate::sys::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::task::header::Header;
use crate::task::last_polled::LastPolled;
use crate::task::refs::Notified;
use crate::timer::Timers;
use std::fmt;
use std::io;
use std::sync::OnceLock;

/// What a scheduler is made of; one driver and one wheel for each worker.
pub(crate) struct Config {
    pub(crate) workers: Vec<(Arc<dyn Driver>, Arc<Timers>)>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn RandomSource>,
    pub(crate) threads: ThreadConfig,
    /// How many spare workers there may be.
    pub(crate) spares_max: usize,
    /// What is done about panics that nobody is told of.
    pub(crate) unhandled_panic: UnhandledPanic,
    /// Who says how many of the workers may be active; none if all are, always.
    pub(crate) cpus: Option<CpuSource>,
    /// Whether there is one worker, who is to get everything in the order in which it became runnable, from whichever thread.
    pub(crate) keeps_order: bool,
    /// Called once, when the last worker has ended; tasks are cancelled after it.
    pub(crate) at_quiet: Box<dyn FnOnce() + Send>,
}

/// The side of a scheduler that its workers, its tasks' wakers and its handles share.
pub(crate) struct Shared {
    /// Of the regular workers.
    pub(super) remotes: Box<[Arc<Remote>]>,
    /// Of the spares that were [opened](Spares::open), whose indices follow those of the workers.
    pub(super) spare_remotes: Box<[OnceLock<Arc<Remote>>]>,
    pub(super) spares: Spares<Box<Core>>,
    pub(super) post: Post,
    pub(super) active: Active,
    pub(super) rescues: Rescues,
    pub(super) random: Arc<dyn RandomSource>,
    /// Tasks from threads that are no workers; closed once the scheduler has ended.
    pub(super) lanes: Lanes<Entry, Outside>,
    pub(super) idle: Idle,
    /// How many workers are [mistrusted](super::mistrust).
    pub(super) mistrusted: AtomicUsize,
    /// Of each worker: one more than the index of the sibling whose sleep ends with its events, or 0.
    pub(super) watchers: Box<[AtomicUsize]>,
    pub(super) sentinel: Sentinel,
    pub(super) shutdown: Shutdown,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) threads: Threads,
    pub(super) panics: Panics,
}

/// What others may reach of one worker. On lines of its own: its owner writes `polls` all the time.
#[repr(align(128))]
pub(super) struct Remote {
    pub(super) stealer: Stealer,
    pub(super) slot: Slot<Header>,
    pub(super) driver: Arc<dyn Driver>,
    pub(super) timers: Arc<Timers>,
    /// How many polls the worker has begun. If it stands still, the worker is in one long poll or asleep.
    pub(super) polls: AtomicUsize,
    /// Whether the worker waits in its driver.
    pub(super) is_asleep: AtomicBool,
    /// The sentinel wants the worker to look at the clock. On the line that the worker writes anyway.
    pub(super) is_called: AtomicBool,
    /// Whether what it has is offered to others at once, see [`mistrust`](super::mistrust).
    pub(super) is_mistrusted: AtomicBool,
    pub(super) last_polled: LastPolled,
    /// The number of its thread; 0 before it has begun, and of regular workers where nobody asks.
    pub(super) thread: AtomicUsize,
    /// Written by the sentinel, and so on lines of their own.
    pub(super) long_polls: Box<LongPolls>,
    /// Written by the worker, where it does what is counted.
    pub(super) counts: Box<Counts>,
}

/// What is written and read at each poll shall not be on two pairs of lines.
#[cfg(all(target_pointer_width = "64", not(shuttle)))]
const _: () = assert!(size_of::<Remote>() == 128);

/// The fields of [`Shared`] are read all the time and hardly ever written, but for these, which stand on lines of their own (docs/decisions/many-cores.md).
const _: () = assert!(align_of::<Idle>() == 128 && align_of::<Sentinel>() == 128);

impl Shared {
    /// Makes a scheduler, and a core for each worker of it. Either all cores are given to [`launch`](Self::launch), or nothing of
    /// this scheduler is used.
    pub(crate) fn new(config: Config) -> (Arc<Self>, Cores) {
        barrier::init();
        let workers = config.workers.len();
        let mut remotes = Vec::with_capacity(workers);
        let mut owners = Vec::with_capacity(workers);
        for (driver, timers) in config.workers {
            let (remote, queue, owner) = Remote::new(driver, timers);
            if config.keeps_order {
                remote.keep_order();
            }
            remotes.push(remote);
            owners.push((queue, owner));
        }
        let shared = Arc::new(Self {
            remotes: remotes.into_boxed_slice(),
            spare_remotes: (0..config.spares_max).map(|_| OnceLock::new()).collect(),
            spares: Spares::new(config.spares_max),
            post: Post::default(),
            active: Active::new(workers, config.cpus),
            rescues: Rescues::default(),
            random: config.random,
            lanes: if config.keeps_order {
                Lanes::single()
            } else {
                Lanes::new(workers)
            },
            idle: Idle::new(workers),
            mistrusted: AtomicUsize::new(0),
            watchers: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            sentinel: Sentinel::new(),
            shutdown: Shutdown::new(workers, config.at_quiet),
            clock: config.clock,
            threads: Threads::new(config.threads),
            panics: Panics::new(config.unhandled_panic),
        });
        shared.lanes.open(|| Outside::new(&shared));
        let cores = owners.into_iter().enumerate();
        let cores = cores.map(|(index, (queue, slot))| Core::new(&shared, index, queue, slot));
        let cores = cores.collect();
        (shared, cores)
    }

    /// Starts the threads: one for each core, and the sentinel.
    ///
    /// # Errors
    ///
    /// If a thread cannot be started; those started before have ended by then.
    pub(crate) fn launch(self: &Arc<Self>, cores: Cores) -> io::Result<()> {
        let mut started = sentinel::start(self);
        for core in cores {
            // A core that gets no thread is handed in at once: the end waits for all of them.
            match &started {
                Ok(()) => {
                    started = worker::start(core).map_err(|(core, error)| self.retire(core, error))
                }
                Err(_) => self.retire(core, ()),
            }
        }
        if started.is_err() {
            self.join(None);
        }
        started
    }

    /// Hands in the core of a worker that got no thread; gives `rest` back.
    fn retire<T>(&self, core: Box<Core>, rest: T) -> T {
        self.close();
        self.end_of_runner(Some(core));
        rest
    }

    /// A number from the runtime's random source.
    pub(crate) fn seed(&self) -> u64 {
        self.random.seed()
    }

    /// How many workers there are, without spares.
    pub(crate) fn workers(&self) -> usize {
        self.remotes.len()
    }

    /// How many there are, with spares.
    pub(super) fn count(&self) -> usize {
        self.workers() + self.spares.opened()
    }

    /// What others see of the worker, or the spare, with this index, which is below a [`count`](Self::count).
    pub(super) fn remote(&self, index: usize) -> &Arc<Remote> {
        match index.checked_sub(self.workers()) {
            None => &self.remotes[index],
            Some(number) => self.spare_remotes[number]
                .get()
                .expect("set before it is opened"),
        }
    }

    /// What others see of every worker and spare.
    pub(super) fn everybody(&self) -> impl Iterator<Item = &Arc<Remote>> {
        (0..self.count()).map(|index| self.remote(index))
    }

    /// Wakes a worker that was chosen by the idle protocol.
    #[inline]
    pub(super) fn unpark(&self, chosen: Option<usize>) {
        if let Some(worker) = chosen {
            self.remotes[worker].driver.unpark();
        }
    }

    /// Whether anything stands in a queue that anybody may take from.
    pub(super) fn has_visible_work(&self) -> bool {
        self.lanes.has_work() || self.everybody().any(|remote| !remote.stealer.is_empty())
    }
}

impl Remote {
    /// What others see of a new worker, and what it has for itself.
    pub(super) fn new(
        driver: Arc<dyn Driver>,
        timers: Arc<Timers>,
    ) -> (Arc<Self>, Local, slot::Owner<Header>) {
        let (queue, stealer) = Local::new();
        let (slot, owner) = Slot::new();
        let remote = Self {
            stealer,
            slot,
            driver,
            timers,
            polls: AtomicUsize::new(0),
            is_asleep: AtomicBool::new(false),
            is_called: AtomicBool::new(false),
            is_mistrusted: AtomicBool::new(false),
            last_polled: LastPolled::new(),
            thread: AtomicUsize::new(0),
            long_polls: Box::default(),
            counts: Box::default(),
        };
        (Arc::new(remote), queue, owner)
    }

    /// From now on the worker's slot stays empty, and nothing in its queue is young: what it spawns and wakes goes behind what there is, whichever queue it has. As if nobody trusted it, with a
    /// word that is looked at anyway.
    fn keep_order(&self) {
        // ORDERING: Relaxed: before the worker begins.
        self.is_mistrusted.store(true, Ordering::Relaxed);
    }

    /// Notes that the worker begins to poll this task.
    #[inline(always)]
    pub(super) fn count_poll(&self, task: &Notified) {
        self.last_polled.note(task);
        // ORDERING: Relaxed, and no read-modify-write: only the worker writes, and the sentinel needs no more than a change.
        let polls = self.polls.load(Ordering::Relaxed);
        self.polls.store(polls.wrapping_add(1), Ordering::Relaxed);
    }

    /// Whether the sentinel wants the worker to look at the clock.
    #[inline(always)]
    pub(super) fn is_called(&self) -> bool {
        // ORDERING: Relaxed: a hint, seen some time.
        self.is_called.load(Ordering::Relaxed)
    }

    /// What the count will be after so many more polls. For the worker itself.
    #[inline(always)]
    pub(super) fn polls_in(&self, more: usize) -> usize {
        // ORDERING: Relaxed: the worker's own word.
        self.polls.load(Ordering::Relaxed).wrapping_add(more)
    }

    /// Whether the count has reached `polls`. For the worker itself.
    pub(super) fn has_polled(&self, polls: usize) -> bool {
        // ORDERING: Relaxed, as in `polls_in`: the worker's own word.
        let ahead = polls.wrapping_sub(self.polls.load(Ordering::Relaxed));
        ahead == 0 || ahead > usize::MAX / 2
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("workers", &self.workers())
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}
