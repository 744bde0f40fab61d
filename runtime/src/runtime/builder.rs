//! Which choices does a runtime leave to its user?

use super::Runtime;
use super::context;
use super::handle::{Handle, Inner, Turn, as_driver};
use super::simulated;
use crate::blocking::{self, Pool};
use crate::driver::Driver;
use crate::driver::condvar::CondvarDriver;
use crate::reactor::Poller;
use crate::sched::simulate::{Order, Simulation};
use crate::sched::{self, CpuSource, Shared, ThreadConfig, UnhandledPanic, idle};
use crate::sys::clock::{Clock, SystemClock, VirtualClock};
use crate::sys::cpu;
use crate::sys::rng::{OsRandom, RandomSource, SeededRandom};
use crate::sys::sync::Arc;
use crate::timer::Timers;
use crate::util::block_on;
use crate::util::shield::shield;
use std::fmt;
use std::io;
use std::sync::{OnceLock, Weak};

/// The most threads for blocking calls, unless chosen: tokio's figure. Blocking calls mostly wait, so there may be many more
/// than cores, but each takes a stack.
const BLOCKING_THREADS_MAX_DEFAULT: usize = 512;

/// The stack of a thread, unless chosen: what std gives, enough for deep futures; only pages that are touched count.
const STACK_BYTES_DEFAULT: usize = 2 * 1024 * 1024;

/// Stacks below this are refused: a poll with a panic and its backtrace needs about half of it.
const STACK_BYTES_MIN: usize = 64 * 1024;

/// The most spare workers, unless chosen: twice as many as workers, for programs that block in earnest, and not fewer than 16, since a small machine's programs block as
/// often; not more than 256, which by then wait for something that threads do not bring. A guess; each takes a thread while it is needed.
fn spare_workers_max_default(workers: usize) -> usize {
    workers.saturating_mul(2).clamp(16, 256)
}

/// More than this are refused: each has its place from the start.
const SPARE_WORKERS_MAX: usize = 65_535;

type Hook = Arc<dyn Fn() + Send + Sync>;
type MakeDriver = Box<dyn Fn(usize) -> io::Result<Arc<dyn Driver>>>;

/// The choices for a [`Runtime`].
///
/// # Examples
///
/// ```
/// let rt = filch::runtime::Builder::new().worker_threads(2).thread_name("search").build()?;
/// assert_eq!(rt.handle().workers(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    workers: Option<usize>,
    /// None to follow unless their number was chosen.
    follows_cpu_limits: Option<bool>,
    spare_workers_max: Option<usize>,
    thread_name: String,
    stack_bytes: usize,
    blocking_threads_max: usize,
    unhandled_panic: UnhandledPanic,
    on_start: Hook,
    on_stop: Hook,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    /// Makes each worker's driver; the reactor's pollers if none is given.
    make_driver: Option<MakeDriver>,
    /// Says how many CPUs there are, instead of the system.
    cpu_source: Option<CpuSource>,
    /// Runs everything in `block_on`, in this order.
    simulated: Option<Order>,
    /// Whether a simulation that fails says so itself.
    tells_of_failure: bool,
}

impl Builder {
    /// The defaults: a worker for each core, 512 threads for blocking calls at most, 2 MiB of stack each, threads called `filch-...`.
    pub fn new() -> Self {
        Self {
            workers: None,
            follows_cpu_limits: None,
            spare_workers_max: None,
            thread_name: "filch".to_owned(),
            stack_bytes: STACK_BYTES_DEFAULT,
            blocking_threads_max: BLOCKING_THREADS_MAX_DEFAULT,
            unhandled_panic: UnhandledPanic::default(),
            on_start: Arc::new(|| {}),
            on_stop: Arc::new(|| {}),
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
            make_driver: None,
            cpu_source: None,
            simulated: None,
            tells_of_failure: true,
        }
    }

    /// How many workers. At least 1, at most 65 535, else [`build`](Self::build) refuses; left out, see [`Runtime::new`]. While all of them are stuck,
    /// [spare workers](Self::max_spare_workers) go on. A number that is given here stays, whatever happens to the processors, unless
    /// [`follow_cpu_limits`](Self::follow_cpu_limits) says otherwise.
    pub fn worker_threads(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Whether as many workers as there are processors for are active, when their number changes: the affinity of the workers' threads, or the CPU quota of their control
    /// groups. Left out, it is so unless the number of workers was chosen, by [`worker_threads`](Self::worker_threads) or by `FILCH_WORKERS`.
    ///
    /// Workers beyond that number run no tasks. They only look after the sockets and timers that were registered with them, and hand what becomes ready
    /// to the others. When there are more processors again they come back.
    ///
    /// # Units and limits
    ///
    /// At least one worker is active, and never more than were made at the start. Whoever wants to grow beyond the processors of the start gives the most there shall be
    /// to [`worker_threads`](Self::worker_threads), and `true` here. A quota that is no whole number is rounded up. The runtime looks about once a second while it does anything at all, and
    /// when it begins to do something after a pause. Where a hook pins threads to processors, those that any worker is pinned to count.
    ///
    /// # Examples
    ///
    /// ```
    /// // At most 16, in a container that may be given more or less than it has now.
    /// let rt = filch::runtime::Builder::new().worker_threads(16).follow_cpu_limits(true).build()?;
    /// assert_eq!(rt.handle().workers(), 16); // active or not
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn follow_cpu_limits(mut self, follow: bool) -> Self {
        self.follows_cpu_limits = Some(follow);
        self
    }

    /// The most spare workers; 0 for none.
    ///
    /// A spare worker runs tasks while every worker is stuck in one poll (for a millisecond, say: a task that blocks its thread or computes for long) and others wait. So code that blocks in a
    /// task slows the program down, and does not stop it: a task that waits for what only another task can do, without an `.await`, gets it all the same. The next spare
    /// starts when the last is stuck too. When a worker is free again the spares give their tasks back, and their threads end when they have not been needed for ten
    /// seconds. Calls that block still belong in [`spawn_blocking`](crate::spawn_blocking), which takes no such detour.
    ///
    /// # Units and limits
    ///
    /// Left out, twice as many as workers, but at least 16 and at most 256. At most 65 535, else [`build`](Self::build) refuses. Once as many tasks block their threads as
    /// there are workers and spares, the rest has to wait until one returns. With 0 that is so once each worker is blocked; and with
    /// [one worker](Self::worker_threads) no two tasks are ever polled at the same time, except beside one that waits in [`block_on`](super::Runtime::block_on). If no thread can be
    /// started, it is tried again later.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let rt = filch::runtime::Builder::new().worker_threads(1).max_spare_workers(4).build()?;
    /// let (send, receive) = mpsc::channel();
    /// let stuck = rt.spawn(async move { receive.recv() }); // blocks the only worker
    /// rt.spawn(async move { send.send("from a spare worker") }).detach();
    /// assert_eq!(rt.block_on(stuck).unwrap(), Ok("from a spare worker"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn max_spare_workers(mut self, spares: usize) -> Self {
        self.spare_workers_max = Some(spares);
        self
    }

    /// What the names of threads begin with: `NAME-worker`, `NAME-spare`, `NAME-blocking`, `NAME-sentinel`. Linux shows the first 15 bytes.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        self
    }

    /// The stack of each thread in bytes, at least 64 KiB; 2 MiB if left out.
    pub fn thread_stack_size(mut self, bytes: usize) -> Self {
        self.stack_bytes = bytes;
        self
    }

    /// The most threads for [`spawn_blocking`](crate::spawn_blocking), at least 1; 512 if left out. Further calls wait in a queue.
    pub fn max_blocking_threads(mut self, threads: usize) -> Self {
        self.blocking_threads_max = threads;
        self
    }

    /// What is done when a task, or a blocking call, panics and nobody will be told, because its handle was dropped before it gave the error;
    /// [`UnhandledPanic::Log`] if left out.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::runtime::UnhandledPanic;
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    ///
    /// let rt = filch::Runtime::builder().unhandled_panic(UnhandledPanic::Shutdown).build()?;
    /// let root = || {
    ///     rt.block_on(async {
    ///         filch::spawn(async { panic!("nobody expects this") }).detach();
    ///         std::future::pending::<()>().await;
    ///     });
    /// };
    /// assert!(catch_unwind(AssertUnwindSafe(root)).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn unhandled_panic(mut self, policy: UnhandledPanic) -> Self {
        self.unhandled_panic = policy;
        self
    }

    /// Called on each thread of the runtime when it starts. If it panics, the thread goes on all the same.
    ///
    /// It must not wait for something that a task of this runtime has to do: the worker it runs on has not begun to work.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let running = Arc::new(AtomicUsize::new(0));
    /// let (more, less) = (running.clone(), running.clone());
    /// let rt = filch::Runtime::builder()
    ///     .on_thread_start(move || drop(more.fetch_add(1, Ordering::Relaxed)))
    ///     .on_thread_stop(move || drop(less.fetch_sub(1, Ordering::Relaxed)))
    ///     .build()?;
    /// drop(rt);
    /// assert_eq!(running.load(Ordering::Relaxed), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_thread_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_start = Arc::new(hook);
        self
    }

    /// Called on each thread of the runtime before it ends. If it panics, the thread ends all the same. There is an example at
    /// [`on_thread_start`](Self::on_thread_start).
    pub fn on_thread_stop(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_stop = Arc::new(hook);
        self
    }

    /// Makes a simulation: one thread, virtual time, and every choice drawn from `seed`.
    ///
    /// Everything runs on the thread that is in [`block_on`](super::Runtime::block_on), and only while one is. Whoever is runnable may be polled next (the future in `block_on` is one of
    /// them), timers that are due at the same time fire in any order, [`spawn_blocking`](crate::spawn_blocking) calls its function at any moment, as one more step of the same thread. The seed
    /// decides: the same one gives the same run, others give other interleavings. Any order in which workers could have polled the tasks, one after the other, comes up for some
    /// seed, those included that a theft, a hand-off or a late wake-up brings about.
    ///
    /// Time is virtual: it stands still while anything is runnable, and jumps to the next timer when nothing is, so that hours of sleep pass at once.
    /// [`time::advance`](crate::time::advance()) moves it by hand.
    ///
    /// When nothing is runnable and no timer is armed, nobody will ever go on: `block_on` panics and names the seed. When a panic leaves `block_on`, a line that names the seed goes to standard
    /// error. [`simulate`](super::simulate()) runs a program with many seeds.
    ///
    /// # Units and limits
    ///
    /// A simulation repeats what goes through the runtime. A program whose course depends on other things (the order of a `HashMap`'s keys, addresses, `std::time::Instant::now`, other threads)
    /// repeats itself as far as those do. There are no descriptors: [`AsyncFd`](crate::io::AsyncFd), and so sockets, give an error; for streams there are
    /// [`io::duplex`](crate::io::duplex()) and, with delays and failures, [`io::sim`](crate::io::sim).
    ///
    /// Other threads may wake its tasks and spawn into it, and are heard at the next step; they are not waited for. The number of workers, spare workers and threads for blocking calls
    /// is ignored, and so are the hooks for threads: there are none. In which order a runtime that ends drops its tasks depends on how large their futures are, which is the compiler's to say. Two polls never overlap: races of threads within polls need other tools.
    ///
    /// A call that blocks its thread (`blocking_recv`, `blocking_lock` and the like, `block_on`) runs the others meanwhile, on the same stack: whoever blocks goes on when those that have begun to
    /// block after it have. Two tasks that block for each other in turns may so come to a deadlock that two threads would not have; its report says so. Task-local values of a task that
    /// blocks are seen by those that are run meanwhile. What knows nothing of filch (`std::sync::mpsc`, `thread::sleep`, the `block_on` of another runtime) blocks everything.
    ///
    /// A timer that is more than a thousand years away is for never.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::time::{Duration, Instant, sleep};
    ///
    /// let rt = filch::Runtime::builder().simulated(7).build()?;
    /// rt.block_on(async {
    ///     let start = Instant::now();
    ///     let tasks: Vec<_> = (1..=3).map(|n| filch::spawn(sleep(Duration::from_secs(n * 3600)))).collect();
    ///     for task in tasks {
    ///         task.await.unwrap();
    ///     }
    ///     assert_eq!(start.elapsed(), Duration::from_secs(3 * 3600)); // and took no time
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn simulated(mut self, seed: u64) -> Self {
        self.simulated = Some(Order::Drawn(seed));
        self
    }

    /// Makes a runtime whose time stands still from the start, for tests: it moves when nothing else is to be done, and by
    /// [`time::advance`](crate::time::advance()).
    ///
    /// Whenever no task is runnable, the future in `block_on` is not woken, no descriptor is ready and no blocking call is queued or runs, time jumps to the next timer. So
    /// what sleeps for an hour takes none, and still sleeps longer than what sleeps for a minute. [`time::resume`](crate::time::resume) lets time go, and
    /// [`time::pause`](crate::time::pause) stops it again.
    ///
    /// # Units and limits
    ///
    /// Such a runtime has one thread, the one in [`block_on`](super::Runtime::block_on), and tasks run in the order in which they became runnable and only while it is there; blocking calls have threads
    /// of their own as ever. The number of workers and the hooks for workers are ignored. What other threads and other processes do is not waited for: a timeout
    /// around a socket may run out before the peer has had time to answer.
    ///
    /// `false` takes it back, unless [`simulated`](Self::simulated) was called after it.
    ///
    /// # Examples
    ///
    /// ```
    /// use filch::time::{Duration, Instant, sleep};
    ///
    /// let rt = filch::Runtime::builder().start_paused(true).build()?;
    /// rt.block_on(async {
    ///     let start = Instant::now();
    ///     sleep(Duration::from_secs(3600)).await;
    ///     assert_eq!(start.elapsed(), Duration::from_secs(3600));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start_paused(mut self, paused: bool) -> Self {
        match self.simulated {
            None if paused => self.simulated = Some(Order::Fifo),
            Some(Order::Fifo) if !paused => self.simulated = None,
            _ => {}
        }
        self
    }

    /// Leaves it to the caller to say which seed has failed.
    pub(crate) fn fails_quietly(mut self) -> Self {
        self.tells_of_failure = false;
        self
    }

    /// Takes time from this clock.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "the seam for simulation, so far used by tests only"
        )
    )]
    pub(crate) fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes every random choice from this source.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "the seam for simulation, so far used by tests only"
        )
    )]
    pub(crate) fn random(mut self, random: Arc<dyn RandomSource>) -> Self {
        self.random = random;
        self
    }

    /// Lets workers wait in these drivers instead of the reactor's pollers; there is no I/O then.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "the seam for simulation, so far used by tests only"
        )
    )]
    pub(crate) fn driver(
        mut self,
        make: impl Fn(usize) -> io::Result<Arc<dyn Driver>> + 'static,
    ) -> Self {
        self.make_driver = Some(Box::new(make));
        self
    }

    /// Takes the number of CPUs from this source, if it is followed.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the seam for tests: CPUs come and go there")
    )]
    pub(crate) fn cpu_source(mut self, source: CpuSource) -> Self {
        self.cpu_source = Some(source);
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for choices that make no sense, with the remedy; otherwise the operating system's error, with the step that
    /// failed (making a poller, starting a thread). Nothing is left over then.
    #[expect(
        clippy::missing_panics_doc,
        reason = "the cell that is set once is made here"
    )]
    pub fn build(mut self) -> io::Result<Runtime> {
        let Workers {
            count: workers,
            follow,
        } = self.check()?;
        block_on::before_waiting(simulated::before_waiting);
        let cpus = follow.then(|| self.cpu_source.take().unwrap_or_else(cpus_of_system));
        let virtual_clock = self.prepare_simulation();
        let mut pollers = Vec::new();
        let mut drivers = Vec::with_capacity(workers);
        for index in 0..workers {
            let driver = match &self.make_driver {
                Some(make) => make(index)?,
                None => {
                    let poller = Arc::new(Poller::new(self.clock.clone())?);
                    pollers.push(poller);
                    as_driver(&pollers[index])
                }
            };
            drivers.push(driver);
        }
        let begun = self.clock.now();
        let timers: Vec<_> = drivers
            .iter()
            .map(|driver| Arc::new(make_timers(begun, driver.clone())))
            .collect();
        let home = Arc::new(OnceLock::new());
        let blocking = Arc::new(Pool::new(blocking::Config {
            max_threads: self.blocking_threads_max,
            thread_name: format!("{}-blocking", self.thread_name),
            stack_bytes: self.stack_bytes,
            around: self.around_threads(&home),
        }));
        let (sched, cores) = Shared::new(sched::Config {
            workers: drivers.into_iter().zip(timers.iter().cloned()).collect(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            threads: ThreadConfig {
                name: self.thread_name.clone(),
                stack_bytes: self.stack_bytes,
                around: self.around_threads(&home),
            },
            spares_max: self
                .spare_workers_max
                .unwrap_or_else(|| spare_workers_max_default(workers)),
            unhandled_panic: self.unhandled_panic,
            cpus,
            keeps_order: self.simulated.is_some(),
            at_quiet: Box::new({
                let (pollers, timers, blocking) =
                    (pollers.clone(), timers.clone(), blocking.clone());
                move || Inner::at_quiet(&pollers, &timers, &blocking)
            }),
        });
        let mut cores = cores;
        let simulation = virtual_clock.zip(self.simulated).map(|(clock, order)| {
            let core = cores.pop().expect("a simulation has one worker");
            Arc::new(Simulation::new(core, clock, order, self.tells_of_failure))
        });
        let inner = Arc::new(Inner {
            sched,
            simulation,
            pollers,
            timers,
            blocking,
            clock: self.clock,
            turn: Turn::default(),
        });
        home.set(Arc::downgrade(&inner)).expect("set once");
        if inner.simulation.is_none() {
            inner.sched.launch(cores)?;
        }
        Ok(Runtime {
            handle: Handle::new(inner),
            is_told_to_end: false,
        })
    }

    /// A clock that can be moved, and no random numbers but the seed's; nothing for an ordinary runtime.
    fn prepare_simulation(&mut self) -> Option<Arc<VirtualClock>> {
        let order = self.simulated?;
        let clock = Arc::new(VirtualClock::new());
        self.clock = clock.clone();
        // Nobody looks whether the only thread is stuck: there is no other one to go on.
        self.spare_workers_max = Some(0);
        if let Order::Drawn(seed) = order {
            self.random = Arc::new(SeededRandom::new(seed));
            self.make_driver = Some(Box::new(|_| Ok(Arc::new(CondvarDriver::new()))));
        }
        Some(clock)
    }

    /// Refuses nonsense; returns the number of workers, and whether it is the most there shall be active.
    fn check(&self) -> io::Result<Workers> {
        let (count, is_chosen) = match self.workers {
            // The thread in `block_on` is the only one; nobody asks the system how many there might be.
            _ if self.simulated.is_some() => (1, true),
            Some(0) => {
                return refuse(
                    "worker_threads is 0: give at least 1, or leave it out to have one for each core",
                );
            }
            Some(workers) if workers > idle::WORKERS_MAX => {
                return refuse(
                    "worker_threads is above 65535: give the number of cores, or leave it out",
                );
            }
            Some(workers) => (workers, true),
            None => match cpu::chosen_count()? {
                Some(workers) => (workers.min(idle::WORKERS_MAX), true),
                None => (cpu::count().min(idle::WORKERS_MAX), false),
            },
        };
        if self
            .spare_workers_max
            .is_some_and(|spares| spares > SPARE_WORKERS_MAX)
        {
            return refuse(
                "max_spare_workers is above 65535: give fewer, or leave it out to have twice as many as workers",
            );
        }
        if self.blocking_threads_max == 0 {
            return refuse(
                "max_blocking_threads is 0: give at least 1, or leave it out to have at most 512",
            );
        }
        if self.stack_bytes < STACK_BYTES_MIN {
            return refuse(
                "thread_stack_size is below 64 KiB: give more, or leave it out to have 2 MiB",
            );
        }
        if self.thread_name.contains('\0') {
            return refuse("thread_name contains a NUL character: leave it out");
        }
        Ok(Workers {
            count,
            // A lone one is always active.
            follow: count > 1 && self.follows_cpu_limits.unwrap_or(!is_chosen),
        })
    }

    /// What surrounds the life of each thread: the current runtime, and the user's hooks.
    fn around_threads(&self, home: &Arc<OnceLock<Weak<Inner>>>) -> blocking::Around {
        let (home, on_start, on_stop) = (home.clone(), self.on_start.clone(), self.on_stop.clone());
        Box::new(move |work| {
            let Some(inner) = home.get().and_then(Weak::upgrade) else {
                // The runtime went away while the thread was starting; what it has to do still ends things.
                return work();
            };
            context::on_own_thread(Handle::new(inner), &mut || {
                call(&on_start);
                work();
                call(&on_stop);
            });
        })
    }
}

/// How many workers a runtime gets, and whether the active ones of them follow the CPUs.
#[derive(Debug, PartialEq, Eq)]
struct Workers {
    count: usize,
    follow: bool,
}

fn cpus_of_system() -> CpuSource {
    let mut cpus = cpu::Live::new();
    Box::new(move |threads| cpus.count(threads))
}

/// Calls a hook. Its panic, which has been reported, must not cost the runtime a worker.
fn call(hook: &Hook) {
    shield(|| hook());
}

fn make_timers(begun: std::time::Instant, driver: Arc<dyn Driver>) -> Timers {
    Timers::new(begun, Box::new(move || driver.unpark()))
}

fn refuse<T>(remedy: &'static str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, remedy))
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("workers", &self.workers)
            .field("follows_cpu_limits", &self.follows_cpu_limits)
            .field("spare_workers_max", &self.spare_workers_max)
            .field("thread_name", &self.thread_name)
            .field("stack_bytes", &self.stack_bytes)
            .field("blocking_threads_max", &self.blocking_threads_max)
            .field("unhandled_panic", &self.unhandled_panic)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    const CHILD: &str = "runtime::builder::tests::more_workers_than_there_may_be_are_capped";

    /// `FILCH_WORKERS` went unchecked, and a number that the idle protocol has no bits for was a panic.
    #[test]
    #[cfg_attr(miri, ignore = "there are no processes")]
    fn more_workers_than_there_may_be_are_capped() {
        if std::env::var_os("FILCH_WORKERS").is_some_and(|value| value == "100000") {
            let check = |builder: Builder| builder.check().unwrap();
            let count = idle::WORKERS_MAX;
            let follow = false;
            assert_eq!(check(Builder::new()), Workers { count, follow });
            let follow = true;
            let followed = check(Builder::new().follow_cpu_limits(true));
            assert_eq!(followed, Workers { count, follow });
            return;
        }
        let own = std::env::current_exe().unwrap();
        // The environment of this process is shared with the other tests.
        let child = std::process::Command::new(own)
            .args([CHILD, "--exact"])
            .env("FILCH_WORKERS", "100000")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{said}");
        assert!(said.contains("1 passed"), "it did not run: {said}");
    }
}
